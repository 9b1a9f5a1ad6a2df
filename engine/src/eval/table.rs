//! The report as a table for a terminal.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use super::report::{Figures, Part, Report};

/// Writes the report's figures.
///
/// # Errors
///
/// Where `out` cannot be written.
pub fn write(report: &Report, out: &mut impl fmt::Write) -> fmt::Result {
    part("as recorded", &report.natural, out)?;
    if let Some(slow) = &report.slow {
        writeln!(out)?;
        part("slowed", slow, out)?;
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
            writeln!(out, "  {reason}: {}", files.join(", "))?;
        }
    }
    Ok(())
}

fn part(title: &str, part: &Part, out: &mut impl fmt::Write) -> fmt::Result {
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
    writeln!(
        out,
        "{title:width$}  {:>33}  {:>20}  {:>30}",
        "cut off early", "delay p50 / p90 ms", "end missed"
    )?;
    for (name, figures) in rows {
        row(&name, width.max(title.chars().count()), figures, out)?;
    }
    Ok(())
}

fn row(name: &str, width: usize, figures: &Figures, out: &mut impl fmt::Write) -> fmt::Result {
    let ms = |ms: Option<i64>| ms.map_or_else(|| "-".to_owned(), |ms| ms.to_string());
    let times = &figures.end_of_turn_delay_ms;
    let delay = format!("{} / {}", ms(times.p50), ms(times.p90));
    let (early, missed) = (figures.early_cutoffs.to_string(), figures.missed_ends.to_string());
    writeln!(out, "{name:width$}  {early:>33}  {delay:>20}  {missed:>30}")
}
