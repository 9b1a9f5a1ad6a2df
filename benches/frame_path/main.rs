//! What a 20 ms frame costs on its way from the socket's payload to the Floor and back: the
//! allocations of a steady call, site by site, its time on the processor and its memory.
//!
//! One call runs through the real engine in this process; the carrier and the caller are another
//! process, so that nothing of theirs is counted. Both speak all the time: the assistant says a
//! long greeting that cannot be interrupted, the caller talks over it. The voice detector, the
//! turn model, the recording and the journal are the real ones; the recogniser and the voice are
//! scripted, so that the frames are all that happens.
//!
//! ```text
//! cargo bench -p benches --bench frame_path
//! cargo bench -p benches --bench frame_path --profile locks -- locks
//! cargo bench -p benches --bench frame_path -- owners
//! ```
//!
//! The first fails where any code of ours allocates in the path. The second counts locks, by
//! callgrind in an unoptimised build (see [`locks`]). The third lists who holds a call's memory.
#![forbid(unsafe_code)]

mod allocations;
mod call;
mod carrier;
mod cost;
mod locks;
mod owners;

use std::process::ExitCode;

/// Counts only while a `dhat::Profiler` lives.
#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// What a step of the benchmark comes to: a failed check is an answer, not an error.
type Outcome = Result<bool, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        [] => cost::measure().and_then(|()| allocations::count()),
        [carrier::ROLE, rest @ ..] => carrier::run(rest),
        ["locks"] => locks::count(),
        ["owners"] => owners::list(),
        [locks::ROLE] => locks::run_call(),
        _ => Err(format!("unknown arguments {arguments:?}; known: none, `locks`, `owners`").into()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("frame_path: {error}");
            ExitCode::FAILURE
        }
    }
}
