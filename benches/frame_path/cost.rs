//! Time on the processor and memory of a call.

use std::time::Duration;

use benches::process::{cpu_by_thread, resident_bytes};

use crate::call::{Running, WARM_UP, runtime};
use crate::carrier::Caller;

/// Calls that are measured together.
const CALLS: usize = 20;

const WINDOW: Duration = Duration::from_secs(5);

/// Measures and prints.
pub(crate) fn measure() -> Result<(), Box<dyn std::error::Error>> {
    runtime()?.block_on(async {
        let length = WARM_UP + WINDOW + Duration::from_secs(1);
        let mut engine = Running::start(length).await?;
        // What the first call makes the engine load is not a call's.
        engine.call(1, WARM_UP, Caller::Talkative).await?.wait()?;
        let idle = resident_bytes()?;

        let carrier = engine.call(CALLS, length, Caller::Talkative).await?;
        tokio::time::sleep(WARM_UP).await;
        let before = cpu_by_thread()?;
        tokio::time::sleep(WINDOW).await;
        let after = cpu_by_thread()?;
        let memory = resident_bytes()?.saturating_sub(idle);
        carrier.wait()?;
        engine.stop().await?;

        println!(
            "# A call: {CALLS} at once, recording and journal on, scripted recogniser and voice\n"
        );
        println!("{:<20} {:>20}", "thread", "CPU ms per call-second");
        let call_seconds = WINDOW.as_secs_f64() * CALLS as f64;
        let mut all = 0.0;
        for (name, time) in after {
            let spent = time.saturating_sub(before.get(&name).copied().unwrap_or_default());
            let millis = spent.as_secs_f64() * 1_000.0 / call_seconds;
            all += millis;
            if millis >= 0.005 {
                println!("{name:<20} {millis:>20.2}");
            }
        }
        println!("{:<20} {all:>20.2}", "all");
        println!("{:<20} {:>20} KiB\n", "memory per call", memory / 1_024 / CALLS as u64);
        Ok(())
    })
}
