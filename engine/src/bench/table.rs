//! The report in a terminal.

use std::fmt;

use super::overload::Overload;
use super::report::{Report, Search, Soak};
use super::run::Outcome;

/// Writes the tables.
///
/// # Errors
///
/// The writer's own.
pub fn write(report: &Report, out: &mut impl fmt::Write) -> fmt::Result {
    let machine = &report.machine;
    writeln!(out, "causerie {} on {}", report.build, machine.processor)?;
    let cores = &machine.cores;
    writeln!(
        out,
        "engine on core {:?}, load on {:?}; machine load before: {:.1}",
        cores.engine, cores.load, machine.load_before
    )?;
    writeln!(out, "callers: {}\n", report.speech)?;
    let runs = [
        ("latency", &report.latency),
        ("barge-in", &report.barge_in),
        ("overhead", &report.overhead),
    ];
    let ours = runs.into_iter().filter_map(|(name, run)| Some((name.to_owned(), run.as_ref()?)));
    let peers = report.peers.iter().map(|peer| (peer.name(), &peer.latency));
    let runs: Vec<(String, &Outcome)> = ours.chain(peers).collect();
    if !runs.is_empty() || !report.adversarial.is_empty() {
        writeln!(
            out,
            "{:<16} {:>5} {:>5} {:>11} {:>5} {:>7} {:>9} {:>6} {:>7} {:>11} {:>5} {:>8} {:>7}",
            "run",
            "calls",
            "turns",
            "audible ms",
            "early",
            "no repl",
            "stop ms",
            "missed",
            "gaps %",
            "heard err",
            "cores",
            "kB/call",
            "late ms"
        )?;
    }
    for (name, run) in &runs {
        row(name, run, out)?;
    }
    for trial in &report.adversarial {
        row("trial", &trial.outcome, out)?;
        writeln!(out, "                 {}", trial.name)?;
    }
    if let Some(latency) = &report.latency {
        let stages = &latency.stages;
        writeln!(out, "\nstages of a reply at one call, as the engine noted them (p50 / p95 ms):")?;
        for (name, of) in [
            ("endpointing", &stages.endpointing),
            ("transcriber", &stages.transcriber),
            ("model", &stages.model),
            ("voice", &stages.voice),
            ("transport", &stages.transport),
            ("first audio", &stages.first_audio),
        ] {
            writeln!(out, "  {name:<12} {:>6} / {:>6}", number(of.p50), number(of.p95))?;
        }
        let prepared = stages.speculative * 100.0;
        writeln!(out, "  prepared before the end of the turn was certain: {prepared:.0} %")?;
    }
    for greeting in &report.greeting {
        let audible = &greeting.audible_ms;
        writeln!(
            out,
            "\ngreeting, {}: audible {}/{} ms after the start of {} calls, {} without one",
            greeting.mode,
            number(audible.p50),
            number(audible.p95),
            audible.count,
            greeting.failed
        )?;
    }
    let summary = &report.summary;
    if report.overhead.is_some() {
        let own = &summary.overhead_ms;
        writeln!(out, "\nown overhead: p50 {} ms, p99 {} ms", number(own.p50), number(own.p99))?;
    }
    for found in &report.capacity {
        search("", found, out)?;
    }
    for peer in &report.peers {
        if let Some(found) = &peer.capacity {
            search(&format!("{} {} ", peer.peer.name(), peer.version), found, out)?;
        }
    }
    if let Some(found) = &report.overload {
        overload(found, out)?;
    }
    if let Some(found) = &report.soak {
        soak(found, out)?;
    }
    if !report.peers.is_empty() {
        let mut versions: Vec<String> = report
            .peers
            .iter()
            .map(|peer| format!("{} {}", peer.peer.name(), peer.version))
            .collect();
        versions.sort();
        versions.dedup();
        writeln!(out, "\npeers: {}; benches/peers/README.md says how", versions.join(", "))?;
    }
    if summary.void {
        writeln!(out, "\nVOID: the load side was late; the machine was busy with something else")?;
    }
    Ok(())
}

fn row(name: &str, run: &Outcome, out: &mut impl fmt::Write) -> fmt::Result {
    let figures = &run.figures;
    let two = |p50, p95| format!("{}/{}", number(p50), number(p95));
    let heard_errors = match run.verdict.checked {
        0 => "-".to_owned(),
        checked => format!("{} of {checked}", run.verdict.heard_errors()),
    };
    writeln!(
        out,
        "{name:<16} {:>5} {:>5} {:>11} {:>5} {:>7} {:>9} {:>6} {:>7.3} {:>11} {:>5.2} {:>8} {:>7.1}{}",
        run.calls,
        figures.turns,
        two(figures.audible_ms.p50, figures.audible_ms.p95),
        figures.early,
        figures.unanswered,
        two(figures.barge_in_stop_ms.p50, figures.barge_in_stop_ms.p95),
        figures.missed_barge_ins,
        figures.gaps_ratio * 100.0,
        heard_errors,
        run.cores,
        run.memory_kb / run.calls.max(1) as u64,
        figures.client_late_p99_ms,
        if run.void { " VOID" } else { "" },
    )
}

fn search(whose: &str, found: &Search, out: &mut impl fmt::Write) -> fmt::Result {
    let most = found.calls.map_or_else(|| "none".to_owned(), |calls| calls.to_string());
    let limit = found.limit_ms;
    writeln!(
        out,
        "\ncapacity, {whose}{}: {most} calls on a core (p95 up to {limit:.0} ms)",
        found.mode
    )?;
    let mut steps: Vec<_> = found.steps.iter().collect();
    steps.sort_by_key(|step| step.outcome.calls);
    for step in steps {
        let run = &step.outcome;
        writeln!(
            out,
            "  {:>4} calls: audible {}/{} ms, {:.2} cores, {}",
            run.calls,
            number(run.figures.audible_ms.p50),
            number(run.figures.audible_ms.p95),
            run.cores,
            step.broken.as_deref().unwrap_or("all well"),
        )?;
    }
    Ok(())
}

fn overload(found: &Overload, out: &mut impl fmt::Write) -> fmt::Result {
    writeln!(
        out,
        "\noverload: {} calls that last; {} more tried, {} taken, {} refused; {} failed{}",
        found.calls,
        found.tried,
        found.taken,
        found.refused,
        found.failed,
        if found.void { " VOID" } else { "" },
    )?;
    let joined = ("taken", &found.joined, None);
    let phases = found.phases.iter().map(|phase| (phase.name, &phase.figures, Some(phase.cores)));
    for (name, figures, cores) in phases.chain([joined]) {
        writeln!(
            out,
            "  {name:<7} {:>5} turns, audible {}/{} ms, {} early, {} no reply, {} missed, \
             gaps {:.3} %, cores {}",
            figures.turns,
            number(figures.audible_ms.p50),
            number(figures.audible_ms.p95),
            figures.early,
            figures.unanswered,
            figures.missed_barge_ins,
            figures.gaps_ratio * 100.0,
            cores.map_or_else(|| "-".to_owned(), |cores| format!("{cores:.2}")),
        )?;
    }
    Ok(())
}

fn soak(found: &Soak, out: &mut impl fmt::Write) -> fmt::Result {
    writeln!(
        out,
        "\nsoak: {} calls, {} failed; {:.2} kB left by each; files {} then {}, threads {} then {}",
        found.finished,
        found.failed,
        found.leak_kb_per_call,
        found.files[0],
        found.files[1],
        found.threads[0],
        found.threads[1],
    )
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0}"))
}
