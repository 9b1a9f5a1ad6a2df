//! Random calls against the reference: seeds are fixed, so that every run is the same.

#[path = "support/reference.rs"]
mod reference;
#[path = "support/world.rs"]
mod world;

use world::{Tally, World};

/// Calls of up to 200 steps.
const CALLS: u64 = 4_000;

/// What random calls must have reached, and how often at least, or they prove little.
const REACHED: &[(&str, usize)] = &[
    ("step", 100_000),
    ("listening", 5_000),
    ("hearing", 10_000),
    ("settling", 10_000),
    ("thinking", 10_000),
    ("speaking", 1_000),
    ("yielding", 1_000),
    ("closing", 1_000),
    ("closed", 4_000),
    ("StartReply", 4_000),
    ("CommitReply", 1_000),
    ("CancelReply", 4_000),
    ("Say", 1_000),
    ("Hold", 400),
    ("Resume", 100),
    ("RunTool", 400),
    ("EventAssistantHeard", 1_000),
    ("EventFalseInterruption", 100),
    ("EventUserInterrupted", 400),
    ("EventTurnLatency", 1_000),
    ("EventTurnReopened", 100),
    ("EventVoicemailDetected", 100),
    ("Beep", 50),
    ("Idle", 400),
];

#[test]
fn random_calls_keep_every_promise() {
    let mut total = Tally::new();
    for seed in 1..=CALLS {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bytes: Vec<u8> = std::iter::repeat_with(|| next(&mut random))
            .take(1 + usize::try_from(seed % 200).expect("small") * 2)
            .collect();
        match std::panic::catch_unwind(|| World::run(&bytes)) {
            Ok(tally) => {
                for (what, count) in tally {
                    *total.entry(what).or_default() += count;
                }
            }
            Err(panic) => {
                eprintln!("call {seed} fails");
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("{total:#?}");
    for (what, least) in REACHED {
        let count = total.get(*what).copied().unwrap_or(0);
        assert!(count >= *least, "{what}: {count} of {least}");
    }
}

/// xorshift64*, its highest byte.
fn next(state: &mut u64) -> u8 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
}
