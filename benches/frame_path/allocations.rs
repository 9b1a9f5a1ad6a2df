//! The allocations of a steady call, by site, counted by dhat.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use benches::heap_profile::{self, Amount, Counted, Site};

use crate::Outcome;
use crate::call::{FRAME, Running, WARM_UP, runtime};
use crate::carrier::Caller;

const WINDOW: Duration = Duration::from_secs(10);

const CALL: &str = "the call's task";
const DETECTOR: &str = "voice detector";
const CLOCK: &str = "egress clock";
const BENCHMARK: &str = "this benchmark";

/// Bytes of the block that shows that blocks are counted.
const MARKER: usize = 12_347;

/// Parts of the engine, by what is on their stack only.
const PLACES: [(&str, &str); 6] = [
    ("session::driver::Session::poll_call", CALL),
    ("vad::batcher::Worker", DETECTOR),
    ("egress_clock::run", CLOCK),
    ("recording::recorder::write_calls", "recorder"),
    ("store::report::", "reporter"),
    ("frame_path::", BENCHMARK),
];

/// Between the socket's payload and the Floor and back.
const PATH: [&str; 3] = [CALL, DETECTOR, CLOCK];

/// Counts and prints. False: something of ours allocates in the path.
pub(crate) fn count() -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("dhat-heap.json");
    let (elapsed, steady) = runtime()?.block_on(async {
        let length = WARM_UP + WINDOW + Duration::from_secs(1);
        let mut engine = Running::start(length).await?;
        let carrier = engine.call(1, length, Caller::Talkative).await?;
        tokio::time::sleep(WARM_UP).await;
        let profiler = dhat::Profiler::builder().file_name(&file).trim_backtraces(None).build();
        let began = Instant::now();
        // Something to be found: a count of nothing may be a counter that does not count.
        drop(std::hint::black_box(vec![0_u8; MARKER]));
        tokio::time::sleep(WINDOW).await;
        let elapsed = began.elapsed();
        drop(profiler);
        let steady = carrier.wait()?;
        engine.stop().await?;
        Ok::<_, Box<dyn std::error::Error>>((elapsed, steady))
    })?;
    let mut sites = heap_profile::read(&fs::read_to_string(&file)?, Counted::All, &PLACES)?;
    keep(&file);
    let marked = Amount { blocks: 1, bytes: MARKER as u64 };
    let found =
        sites.iter().find(|(site, amount)| site.place == Some(BENCHMARK) && **amount == marked);
    let Some(site) = found.map(|(site, _)| site.clone()) else {
        return Err("the block that was allocated to be counted was not: the count is void".into());
    };
    sites.remove(&site);
    Ok(report(&sites, elapsed) && steady)
}

/// Leaves the profile beside the other results, for dhat's viewer.
fn keep(file: &Path) {
    let target = std::env::current_exe().ok();
    let kept = target.as_deref().and_then(Path::parent).map(|folder| folder.join("dhat-heap.json"));
    if let Some(kept) = kept
        && fs::copy(file, &kept).is_ok()
    {
        println!("The profile, for dhat's dh_view.html: {}\n", kept.display());
    }
}

fn report(sites: &BTreeMap<Site, Amount>, elapsed: Duration) -> bool {
    let frames = elapsed.as_secs_f64() / FRAME.as_secs_f64();
    let in_path = |site: &Site| site.place.is_some_and(|place| PATH.contains(&place));
    let list = |title: &str, wanted: &dyn Fn(&Site) -> bool| -> u64 {
        println!("## {title}\n");
        let mut rows: Vec<_> = sites.iter().filter(|(site, _)| wanted(site)).collect();
        rows.sort_by_key(|(_, amount)| std::cmp::Reverse(amount.blocks));
        if rows.is_empty() {
            println!("none\n");
            return 0;
        }
        println!("{:>7} {:>9} {:>9}  site", "blocks", "bytes", "per frame");
        for (site, Amount { blocks, bytes }) in &rows {
            let per_frame = *blocks as f64 / frames;
            let place = site.place.unwrap_or("the runtime");
            print!("{blocks:>7} {bytes:>9} {per_frame:>9.3}  {place}: {}", site.function);
            if !site.ours && !site.on_behalf_of.is_empty() {
                print!(", for {}", site.on_behalf_of);
            }
            println!();
        }
        println!();
        rows.iter().map(|(_, amount)| amount.blocks).sum()
    };

    println!(
        "# Allocations of one steady call in {:.1} s: {frames:.0} frames each way\n",
        elapsed.as_secs_f64()
    );
    let ours = list("Ours, between the socket's payload and the Floor and back", &|site| {
        site.ours && in_path(site)
    });
    list("Exceptions in that path: runtime and libraries", &|site| !site.ours && in_path(site));
    list("Beside the path", &|site| !in_path(site));
    let verdict = if ours == 0 { "holds" } else { "DOES NOT HOLD" };
    println!("A frame allocates nothing of ours: {verdict} ({ours} blocks in {frames:.0} frames)");
    ours == 0
}
