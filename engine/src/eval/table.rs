//! The report as a table for a terminal.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use super::barge_in::{BargeIn, BargeInFigures};
use super::conversation::CallFigures;
use super::curve::{Curve, Point};
use super::heard::HeardReport;
use super::report::{Figures, Report, Share};
use super::score::{Rate, Times};

/// Most recordings named that were left out for the same reason.
const MOST_NAMED: usize = 20;

/// Writes the report's figures.
///
/// # Errors
///
/// Where `out` cannot be written.
pub fn write(report: &Report, out: &mut impl fmt::Write) -> fmt::Result {
    if report.natural.all.utterances > 0 {
        part("as recorded", &report.natural, out)?;
    }
    if let Some(slow) = &report.slow {
        writeln!(out)?;
        part("slowed", slow, out)?;
    }
    for curve in &report.curves {
        writeln!(out)?;
        points(curve, out)?;
    }
    if let Some(found) = &report.barge_in {
        writeln!(out)?;
        barge_in(found, out)?;
    }
    for call in &report.calls {
        writeln!(out)?;
        conversation(call, out)?;
    }
    if let Some(found) = &report.history {
        writeln!(out)?;
        history(found, out)?;
    }
    writeln!(out)?;
    let recognisers: Vec<String> =
        report.recognisers.iter().map(|(name, count)| format!("{name} {count}")).collect();
    writeln!(out, "recognisers: {}", recognisers.join(", "))?;
    writeln!(out, "costs: {}", report.costs.origin)?;
    for note in &report.notes {
        writeln!(out, "note: {note}")?;
    }
    if !report.skipped.is_empty() {
        writeln!(out, "skipped: {}", report.skipped.len())?;
        let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for skipped in &report.skipped {
            reasons.entry(&skipped.reason).or_default().push(&skipped.file);
        }
        for (reason, files) in reasons {
            let (named, more) = files.split_at(files.len().min(MOST_NAMED));
            let more = match more.len() {
                0 => String::new(),
                more => format!(" and {more} more (all are in --json and --html)"),
            };
            writeln!(out, "  {reason}: {}{more}", named.join(", "))?;
        }
    }
    Ok(())
}

/// The settings of others that are usual, and ours.
fn points(curve: &Curve, out: &mut impl fmt::Write) -> fmt::Result {
    const WIDTH: usize = 32;
    let title = format!("{}: others", curve.group);
    heading(&title, WIDTH, out)?;
    let usual = |point: &&Point| {
        let fixed = ["silence 300 ms", "silence 400 ms", "silence 500 ms", "silence 600 ms"];
        point.default || fixed.contains(&point.setting.as_str())
    };
    let of = |name: &str, point: &Point| format!("{name}, {}", point.setting);
    let rows = curve.ours.iter().map(|point| (of("ours", point), point));
    let rows = rows.chain(
        curve.smart_turn.iter().filter(usual).map(|point| (of("smart-turn alone", point), point)),
    );
    let fixed = curve.fixed.iter().filter(usual).map(|point| (of("fixed", point), point));
    for (name, point) in rows.chain(fixed) {
        row(
            &name,
            WIDTH,
            &point.early_cutoffs,
            &point.end_of_turn_delay_ms,
            &point.missed_ends,
            out,
        )?;
    }
    Ok(())
}

fn barge_in(found: &BargeIn, out: &mut impl fmt::Write) -> fmt::Result {
    let rows: Vec<(&str, &BargeInFigures)> =
        [("callers' words, all", &found.words), ("what must not stop it, all", &found.others)]
            .into_iter()
            .chain(found.classes.iter().map(|(name, figures)| (name.as_str(), figures)))
            .filter(|(_, figures)| figures.trials > 0)
            .collect();
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    writeln!(
        out,
        "{:width$}  {:>31}  {:>31}  {:>16}  {:>16}  {:>31}  {:>16}",
        "interruptions",
        "missed",
        "false stops",
        "yield p50/95",
        "verdict p50/95",
        "held and resumed",
        "silent p50/95/max"
    )?;
    let ms = |ms: Option<i64>| ms.map_or_else(|| "-".to_owned(), |ms| ms.to_string());
    for (name, figures) in rows {
        let two = |times: &Times| format!("{} / {}", ms(times.p50), ms(times.p95));
        let missed = figures.missed.map_or_else(String::new, |missed| missed.to_string());
        let (stops, holds) = (figures.false_stops.to_string(), figures.false_holds.to_string());
        let resumes = format!("{} / {}", two(&figures.resumes_ms), ms(figures.resumes_ms.max));
        let (yields, verdicts) = (two(&figures.yield_ms), two(&figures.verdict_ms));
        writeln!(
            out,
            "{name:width$}  {missed:>31}  {stops:>31}  {yields:>16}  {verdicts:>16}  {holds:>31}  \
             {resumes:>16}"
        )?;
    }
    Ok(())
}

fn conversation(call: &CallFigures, out: &mut impl fmt::Write) -> fmt::Result {
    let ms = |ms: Option<i64>| ms.map_or_else(|| "-".to_owned(), |ms| ms.to_string());
    let two = |times: &Times| format!("{} / {}", ms(times.p50), ms(times.p90));
    writeln!(out, "{}:", call.name)?;
    writeln!(
        out,
        "  the agent took the floor {} times, p50 / p90 {} ms after the caller; we end the turn \
         after {} ms, and not at all {}",
        call.shifts,
        two(&call.agent_ms),
        two(&call.ours_ms),
        call.missed
    )?;
    writeln!(
        out,
        "  at {} pauses the agent let the caller go on; there we end the turn {}",
        call.holds, call.cut_offs
    )
}

fn history(found: &HeardReport, out: &mut impl fmt::Write) -> fmt::Result {
    for (name, figures) in [("timed", &found.timed), ("untimed", &found.untimed)] {
        writeln!(
            out,
            "history, {name} voice, {} interruptions: with words not heard {}, with heard words \
             lost {}, words off p50/p95/max {} / {} / {}, past the next mark {}",
            figures.cuts,
            figures.with_unheard,
            figures.with_lost,
            figures.words_off.p50.unwrap_or(0),
            figures.words_off.p95.unwrap_or(0),
            figures.words_off.max.unwrap_or(0),
            figures.past_mark
        )?;
    }
    Ok(())
}

fn heading(title: &str, width: usize, out: &mut impl fmt::Write) -> fmt::Result {
    writeln!(
        out,
        "{title:width$}  {:>33}  {:>20}  {:>30}",
        "cut off early", "delay p50 / p90 ms", "end missed"
    )
}

fn part(title: &str, part: &Share, out: &mut impl fmt::Write) -> fmt::Result {
    let mut rows = vec![("all".to_owned(), &part.all)];
    for (group, figures) in [
        ("", &part.speech),
        ("set ", &part.sets),
        ("kind ", &part.kinds),
        ("language ", &part.languages),
        ("asked ", &part.questions),
    ] {
        let named = figures.iter().filter(|(name, _)| !name.is_empty());
        rows.extend(named.map(|(name, figures)| (format!("{group}{name}"), figures)));
    }
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut title = title.to_owned();
    write!(title, ", {} utterances", part.all.utterances)?;
    let width = width.max(title.chars().count());
    heading(&title, width, out)?;
    for (name, figures) in rows {
        let Figures { early_cutoffs, end_of_turn_delay_ms, missed_ends, .. } = figures;
        row(&name, width, early_cutoffs, end_of_turn_delay_ms, missed_ends, out)?;
    }
    Ok(())
}

fn row(
    name: &str,
    width: usize,
    early: &Rate,
    times: &Times,
    missed: &Rate,
    out: &mut impl fmt::Write,
) -> fmt::Result {
    let ms = |ms: Option<i64>| ms.map_or_else(|| "-".to_owned(), |ms| ms.to_string());
    let delay = format!("{} / {}", ms(times.p50), ms(times.p90));
    let (early, missed) = (early.to_string(), missed.to_string());
    writeln!(out, "{name:width$}  {early:>33}  {delay:>20}  {missed:>30}")
}
