//! The fuzz target over the reference model.
//!
//! Runs a few seconds with the other tests; `FLOOR_FUZZ_SECONDS=600 cargo test -p turntaking
//! --test fuzz` runs ten minutes. A failure prints the shortest call that shows it.

#![expect(clippy::disallowed_methods, reason = "the time to run comes from the environment")]

#[path = "support/reference.rs"]
mod reference;
#[path = "support/world.rs"]
mod world;

use std::time::Duration;

use world::World;

#[test]
fn any_call_keeps_every_promise() {
    let seconds = match std::env::var("FLOOR_FUZZ_SECONDS") {
        Ok(text) => text.parse().expect("FLOOR_FUZZ_SECONDS is a number of seconds"),
        Err(_) => 5,
    };
    bolero::check!().with_test_time(Duration::from_secs(seconds)).with_max_len(1_024).for_each(
        |bytes: &[u8]| {
            World::run(bytes);
        },
    );
}
