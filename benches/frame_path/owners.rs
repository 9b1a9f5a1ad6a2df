//! Who holds the memory of a call, by dhat: what calls have allocated in the middle of a long
//! greeting and not given back.

use std::fs;

use benches::heap_profile::{self, Amount, Counted, Site};
use mocks::cartesia::CartesiaConfig;
use mocks::deepgram::DeepgramConfig;
use mocks::{Cartesia, Deepgram};

use crate::Outcome;
use crate::call::{Running, WARM_UP, runtime};
use crate::carrier::Caller;

/// Calls that are looked at together.
const CALLS: usize = 10;

/// Smaller ones are added up.
const SHOWN: u64 = 1_024;

/// The stand-ins are in this process: theirs is no call's.
const MOCKS: &str = "stand-ins";

/// Lists them, the largest first.
pub(crate) fn list() -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("dhat-heap.json");
    runtime()?.block_on(async {
        let deepgram = Deepgram::start(DeepgramConfig::default()).await?;
        let cartesia = Cartesia::start(CartesiaConfig::default()).await?;
        let length = WARM_UP * 3;
        let services = (deepgram.base_url(), cartesia.base_url());
        let services = (services.0.as_str(), services.1.as_str());
        let mut engine = Running::start_with_services(length, services).await?;
        // What the first call makes the engine load is not a call's.
        engine.call(1, WARM_UP, Caller::Talkative).await?.wait()?;
        let profiler = dhat::Profiler::builder().file_name(&file).trim_backtraces(None).build();
        let carrier = engine.call(CALLS, length, Caller::Talkative).await?;
        tokio::time::sleep(WARM_UP).await;
        drop(profiler);
        carrier.wait()?;
        engine.stop().await
    })?;
    let places = [("mocks::", MOCKS)];
    let sites = heap_profile::read(&fs::read_to_string(&file)?, Counted::Live, &places)?;
    let mut sites: Vec<(Site, Amount)> =
        sites.into_iter().filter(|(site, _)| site.place != Some(MOCKS)).collect();
    sites.sort_by_key(|(_, amount)| std::cmp::Reverse(amount.bytes));
    let all: u64 = sites.iter().map(|(_, amount)| amount.bytes).sum();
    println!("# The memory of a call, of {CALLS} in mid-greeting: who holds it\n");
    println!("{:>10} {:>7}  site", "bytes/call", "blocks");
    let mut rest = 0;
    for (site, Amount { blocks, bytes }) in &sites {
        let bytes = bytes / CALLS as u64;
        if bytes < SHOWN {
            rest += bytes;
            continue;
        }
        print!("{bytes:>10} {blocks:>7}  {}", site.function);
        if !site.ours && !site.on_behalf_of.is_empty() {
            print!(", for {}", site.on_behalf_of);
        }
        println!();
    }
    println!("{rest:>10} {:>7}  smaller ones", "");
    println!("{:>10}", all / CALLS as u64);
    Ok(true)
}
