//! What the benchmarks measure with. Nobody depends on this crate.
//!
//! [`heap_profile`] and [`call_graph`] read what the profilers write, [`symbol`] says whose code a
//! function is, [`process`] asks the kernel what this process has used.
#![forbid(unsafe_code)]

pub mod call_graph;
pub mod heap_profile;
pub mod process;
pub mod symbol;
