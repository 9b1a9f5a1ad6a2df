//! Configuration.

mod spelling;

pub use spelling::nearest;
