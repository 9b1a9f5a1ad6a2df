//! The report as one page that needs nothing else: no script, no font, no file beside it.

use std::fmt::Write as _;

use super::figures::Quantiles;
use super::overload::Moment;
use super::plot::{self, PlotError, Series, bars, lines};
use super::report::{Report, Search};
use super::run::Outcome;
use super::table;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:1200px;\
padding:0 1em;color:#222}pre{background:#f5f5f5;padding:.8em;overflow:auto;font-size:13px}.plots{\
display:flex;flex-wrap:wrap;gap:1em}small{color:#666}";

/// One figure of a run.
type Figure = fn(&Outcome) -> &Quantiles;

/// Writes the page.
///
/// # Errors
///
/// Where a plot cannot be drawn.
pub fn page(report: &Report) -> Result<String, PlotError> {
    let mut text = String::new();
    table::write(report, &mut text)?;
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let mut page = String::new();
    write!(
        page,
        "<!doctype html><html lang=en><meta charset=utf-8><title>causerie bench</title><style>\
         {STYLE}</style><h1>causerie bench</h1><pre>{text}</pre><div class=plots>"
    )?;
    for svg in plots(report)? {
        write!(page, "<div>{svg}</div>")?;
    }
    page.push_str("</div>");
    page.push_str(HOW);
    page.push_str("</html>\n");
    Ok(page)
}

const HOW: &str = "<h2>How it was measured</h2><p>Fake carriers send 20 ms frames over WebSockets \
and play what comes back by a clock of their own, without the jitter buffer of a real one: gaps are \
an upper bound. A caller speaks every 15 s, with a pause of 0.6 s in mid-sentence; every fourth turn \
cuts into the reply, every eighth reply gets a cough or an \"mhm\". The recogniser, the model and the \
voice are stand-ins on the network: a partial every 100 ms, the final 150 ms after the last voiced \
frame; the first token after 200 ms, then 50 a second; the first byte of a phrase after 100 ms, then \
8 times real time. Audible: the first sample that is heard, after the true end of speech. Own \
overhead: services that take no time, turns that end as soon as their words are there; from the end \
of the window that closes the voice gate to the first sample played, by the engine's own clock. \
Peers, where there are any: the same carriers and stand-ins, on the same cores, after ours; as \
shipped, and with 0.2 s of silence, no turn model and nothing prepared (equal).</p>";

fn plots(report: &Report) -> Result<Vec<String>, PlotError> {
    let mut svgs = Vec::new();
    let named: Vec<(String, &Outcome)> = [
        ("latency", &report.latency),
        ("barge-in", &report.barge_in),
        ("overhead", &report.overhead),
    ]
    .into_iter()
    .filter_map(|(name, run)| run.as_ref().map(|run| (format!("{name}, {} calls", run.calls), run)))
    .collect();
    if !named.is_empty() {
        let series: Vec<Series<'_>> = named
            .iter()
            .map(|(name, run)| Series {
                name,
                points: plot::shares(&run.figures.audible_ms.values),
            })
            .collect();
        svgs.push(lines("until a reply is audible", ("ms", "share of turns"), &series)?);
        let stops: Vec<Series<'_>> = named
            .iter()
            .map(|(name, run)| Series {
                name,
                points: plot::shares(&run.figures.barge_in_stop_ms.values),
            })
            .collect();
        svgs.push(lines("until a barge-in stops the voice", ("ms", "share"), &stops)?);
        let pacing: Vec<Series<'_>> = named
            .iter()
            .map(|(name, run)| Series { name, points: run.figures.lead.steps(20.0, 500.0) })
            .collect();
        let axes = ("audio that waits at the carrier, ms", "share of frames");
        svgs.push(lines("pacing", axes, &pacing)?);
        let memory: Vec<Series<'_>> =
            named.iter().map(|(name, run)| Series { name, points: run.memory.clone() }).collect();
        svgs.push(lines("memory of the engine", ("s", "MB"), &memory)?);
    }
    let named: Vec<(String, &Outcome)> = report
        .latency
        .iter()
        .map(|run| (format!("causerie, {}", run.mode), run))
        .chain(report.peers.iter().map(|peer| (peer.name(), &peer.latency)))
        .collect();
    if !report.peers.is_empty() {
        let audible: Figure = |run| &run.figures.audible_ms;
        let stop: Figure = |run| &run.figures.barge_in_stop_ms;
        let distributions = [
            ("one call: until a reply is audible", audible),
            ("one call: until a barge-in stops the voice", stop),
        ];
        for (caption, of) in distributions {
            let mut series = Vec::new();
            for (name, run) in &named {
                series.push(Series { name, points: plot::shares(&of(run).values) });
            }
            svgs.push(lines(caption, ("ms", "share of turns"), &series)?);
        }
    }
    if let Some(latency) = &report.latency {
        svgs.push(waterfall(latency)?);
    }
    let ours = report.capacity.iter().map(|search| (search.mode.to_owned(), search));
    let theirs =
        report.peers.iter().filter_map(|peer| Some((peer.name(), peer.capacity.as_ref()?)));
    let searches: Vec<(String, &Search)> = ours.chain(theirs).collect();
    if !searches.is_empty() {
        let mut series = Vec::new();
        for (name, search) in &searches {
            let mut points: Vec<(f64, f64)> = search
                .steps
                .iter()
                .filter_map(|step| {
                    Some((step.outcome.calls as f64, step.outcome.figures.audible_ms.p95?))
                })
                .collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            series.push(Series { name, points });
        }
        let axes = ("calls on one core", "audible p95, ms");
        svgs.push(lines("capacity", axes, &series)?);
    }
    if let Some(overload) = &report.overload {
        let of = |value: fn(&Moment) -> f64| {
            overload.curve.iter().map(|now| (now.seconds, value(now))).collect()
        };
        let calls = [Series { name: "calls", points: of(|now| f64::from(now.calls)) }];
        svgs.push(lines("overload: calls in progress", ("s", "calls"), &calls)?);
        let lag = [Series { name: "lag", points: of(|now| now.lag_ms) }];
        let axes = ("s", "lateness of wake-ups, p95, ms");
        svgs.push(lines("overload: how late the engine is", axes, &lag)?);
        let phases = overload.phases.iter().map(|phase| Series {
            name: phase.name,
            points: plot::shares(&phase.figures.audible_ms.values),
        });
        let phases: Vec<_> = phases.collect();
        let axes = ("ms", "share of turns");
        svgs.push(lines("overload: until a reply is audible, calls that last", axes, &phases)?);
    }
    if let Some(soak) = &report.soak {
        let points = soak.memory.clone();
        let series = [Series { name: "soak", points }];
        svgs.push(lines("memory over finished calls", ("calls", "MB"), &series)?);
    }
    Ok(svgs)
}

/// Medians of the stages, each from where it begins.
fn waterfall(run: &Outcome) -> Result<String, PlotError> {
    let stages = &run.stages;
    let median = |of: &Quantiles| of.p50.unwrap_or(0.0);
    let end = median(&stages.first_audio);
    let transport = end - median(&stages.transport);
    let words = median(&stages.transcriber);
    let turn = median(&stages.endpointing);
    // The model and the voice work while the silence still runs, where a reply is prepared.
    let asked = if stages.speculative > 0.5 { words } else { turn };
    let text = asked + median(&stages.model);
    let rows = [
        ("words settled", 0.0, words),
        ("turn taken for over", 0.0, turn),
        ("model", asked, text),
        ("voice", text, text + median(&stages.voice)),
        ("transport", transport.max(0.0), end),
        ("end of speech to first audio", 0.0, end),
    ];
    let rows = rows.map(|(name, from, to)| (name.to_owned(), from, to));
    bars("stages at one call, medians", "ms after the end of speech", &rows)
}
