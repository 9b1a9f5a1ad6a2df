//! The report as one page that needs nothing else: no script, no font, no file beside it.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use super::barge_in::{BargeIn, Expected, Interruption};
use super::conversation::CallFigures;
use super::curve::{Curve, Point};
use super::decision::Moment;
use super::heard::HeardReport;
use super::plot::{self, Quantile};
use super::report::{Figures, Report, Share};
use super::score::{Rate, Times};
use super::utterance::{Outcome, Variant};

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:1300px;\
padding:0 1em;color:#222}table{border-collapse:collapse;margin:.6em 0 1.4em}td,th{padding:.15em \
.8em;border-bottom:1px solid #ddd;text-align:right;font-variant-numeric:tabular-nums}td:first-child\
,th:first-child{text-align:left}details{margin:.15em 0}summary{cursor:pointer}.plots{display:flex;\
flex-wrap:wrap;gap:1em}.bad{color:#b00020;font-weight:600}.moments td{text-align:left}small{color:\
#666}pre{background:#f5f5f5;padding:.8em;overflow:auto}";

/// Writes the page.
///
/// # Errors
///
/// Where a plot cannot be drawn.
pub fn page(report: &Report) -> Result<String, plot::PlotError> {
    let mut page = String::new();
    write!(
        page,
        "<!doctype html><html lang=en><meta charset=utf-8><title>causerie eval</title><style>\
         {STYLE}</style><h1>causerie eval</h1><p>Build {}. ",
        Text(&report.build)
    )?;
    let recognisers: Vec<String> =
        report.recognisers.iter().map(|(name, count)| format!("{name} ({count})")).collect();
    write!(page, "Recognisers: {}.</p>", Text(&recognisers.join(", ")))?;
    for curve in &report.curves {
        curves(curve, &mut page)?;
    }
    if report.natural.all.utterances > 0 {
        part("As recorded", &report.natural, &mut page)?;
    }
    if let Some(slow) = &report.slow {
        part("Dictated, slowed", slow, &mut page)?;
    }
    if let Some(found) = &report.barge_in {
        barge_in(found, &mut page)?;
    }
    calls(&report.calls, &mut page)?;
    if let Some(found) = &report.history {
        history(found, &mut page)?;
    }
    utterances(&report.utterances, &mut page)?;
    how(report, &mut page)?;
    page.push_str("</html>\n");
    Ok(page)
}

/// Text as it may stand in a page.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

fn curves(curve: &Curve, page: &mut String) -> Result<(), plot::PlotError> {
    write!(page, "<h2>{}: cut-offs against delay</h2><div class=plots>", Text(curve.group))?;
    for quantile in [Quantile::P50, Quantile::P90] {
        page.push_str(&plot::curve(curve, quantile)?);
    }
    page.push_str("</div><details><summary>the points</summary><table>");
    page.push_str(HEADING);
    for (name, points) in
        [("ours", &curve.ours), ("smart-turn alone", &curve.smart_turn), ("fixed", &curve.fixed)]
    {
        for point in points {
            let Point { early_cutoffs, end_of_turn_delay_ms, missed_ends, .. } = point;
            let name = format!("{name}, {}", point.setting);
            row(&name, early_cutoffs, end_of_turn_delay_ms, missed_ends, page)?;
        }
    }
    page.push_str("</table></details>");
    Ok(())
}

const HEADING: &str = "<tr><th><th>cut off early<th>delay p50, ms<th>p90, ms<th>end missed";

fn part(title: &str, part: &Share, page: &mut String) -> fmt::Result {
    write!(page, "<h2>{}</h2><table>{HEADING}", Text(title))?;
    let mut figures = |name: &str, figures: &Figures| {
        let Figures { early_cutoffs, end_of_turn_delay_ms, missed_ends, .. } = figures;
        row(name, early_cutoffs, end_of_turn_delay_ms, missed_ends, page)
    };
    figures("all", &part.all)?;
    let groups: [(&str, &BTreeMap<String, Figures>); 5] = [
        ("", &part.speech),
        ("set ", &part.sets),
        ("kind ", &part.kinds),
        ("language ", &part.languages),
        ("asked ", &part.questions),
    ];
    for (group, members) in groups {
        for (name, member) in members.iter().filter(|(name, _)| !name.is_empty()) {
            figures(&format!("{group}{name}"), member)?;
        }
    }
    page.push_str("</table>");
    Ok(())
}

fn row(name: &str, early: &Rate, times: &Times, missed: &Rate, page: &mut String) -> fmt::Result {
    let ms = |ms: Option<i64>| ms.map_or_else(|| "–".to_owned(), |ms| ms.to_string());
    write!(
        page,
        "<tr><td>{}<td>{early}<td>{}<td>{}<td>{missed}",
        Text(name),
        ms(times.p50),
        ms(times.p90)
    )
}

fn barge_in(found: &BargeIn, page: &mut String) -> fmt::Result {
    page.push_str(
        "<h2>Interruptions</h2><table><tr><th><th>missed<th>false stops<th>yield p50, ms<th>p95, \
         ms<th>verdict p50, ms<th>p95, ms<th>held and resumed<th>silent p50, ms<th>p95, ms<th>max, \
         ms<th>skipped, ms",
    );
    let ms = |ms: Option<i64>| ms.map_or_else(|| "–".to_owned(), |ms| ms.to_string());
    let totals =
        [("callers' words, all", &found.words), ("what must not stop it, all", &found.others)];
    let classes = found.classes.iter().map(|(name, figures)| (name.as_str(), figures));
    for (name, figures) in totals.into_iter().chain(classes) {
        let missed = figures.missed.map_or_else(|| "–".to_owned(), |missed| missed.to_string());
        write!(
            page,
            "<tr><td>{}<td>{missed}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}",
            Text(name),
            figures.false_stops,
            ms(figures.yield_ms.p50),
            ms(figures.yield_ms.p95),
            ms(figures.verdict_ms.p50),
            ms(figures.verdict_ms.p95),
            figures.false_holds,
            ms(figures.resumes_ms.p50),
            ms(figures.resumes_ms.p95),
            ms(figures.resumes_ms.max),
            figures.skipped_ms
        )?;
    }
    page.push_str("</table><details><summary>those that went wrong</summary><table class=moments>");
    let wrong = |trial: &&Interruption| {
        trial.stopped != (trial.expected == Expected::Stop) || trial.too_soon
    };
    for trial in found.trials.iter().filter(wrong) {
        let what = match (trial.expected, trial.too_soon) {
            (_, true) => "stopped before the words",
            (Expected::Stop, false) => "missed",
            (Expected::GoOn, false) => "stopped for good",
        };
        let verdict = trial.verdict_ms.map_or_else(String::new, |ms| format!("after {ms} ms"));
        write!(
            page,
            "<tr><td>{}, {}<td>{what} {verdict}<td>{}<td>{}",
            Text(&trial.class),
            Text(&trial.condition),
            Text(&trial.name),
            Text(&trial.heard)
        )?;
    }
    page.push_str("</table></details>");
    Ok(())
}

fn calls(calls: &[CallFigures], page: &mut String) -> fmt::Result {
    if calls.is_empty() {
        return Ok(());
    }
    page.push_str(
        "<h2>Calls beside a human agent</h2><table><tr><th><th>shifts<th>agent p50, ms<th>p90, \
         ms<th>ours p50, ms<th>p90, ms<th>missed<th>holds<th>cut off",
    );
    let ms = |ms: Option<i64>| ms.map_or_else(|| "–".to_owned(), |ms| ms.to_string());
    for call in calls {
        write!(
            page,
            "<tr><td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}",
            Text(&call.name),
            call.shifts,
            ms(call.agent_ms.p50),
            ms(call.agent_ms.p90),
            ms(call.ours_ms.p50),
            ms(call.ours_ms.p90),
            call.missed,
            call.holds,
            call.cut_offs
        )?;
    }
    page.push_str("</table>");
    Ok(())
}

fn history(found: &HeardReport, page: &mut String) -> fmt::Result {
    page.push_str(
        "<h2>History after interruptions</h2><table><tr><th><th>interruptions<th>with words not \
         heard<th>with heard words lost<th>words off p50<th>p95<th>max<th>past the next mark",
    );
    for (name, figures) in [("timed voice", &found.timed), ("untimed voice", &found.untimed)] {
        write!(
            page,
            "<tr><td>{name}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}",
            figures.cuts,
            figures.with_unheard,
            figures.with_lost,
            figures.words_off.p50.unwrap_or(0),
            figures.words_off.p95.unwrap_or(0),
            figures.words_off.max.unwrap_or(0),
            figures.past_mark
        )?;
    }
    page.push_str("</table>");
    Ok(())
}

/// Every utterance, those that went wrong first.
fn utterances(outcomes: &[Outcome], page: &mut String) -> fmt::Result {
    page.push_str(
        "<h2>Utterances</h2><p><small>Grey: the caller's sound, in 20 ms. Green: true speech. \
         Blue: open voice gate. Yellow: pauses put in. Red or green line: the turn is decided to \
         be over. Dots: smart-turn's score, finished at the top.</small></p>",
    );
    let mut order: Vec<&Outcome> = outcomes.iter().collect();
    order.sort_by_key(|outcome| {
        (!outcome.early, !outcome.missed, std::cmp::Reverse(outcome.delay_ms))
    });
    for outcome in order {
        let verdict = match (outcome.early, outcome.delay_ms) {
            (true, _) => "<span class=bad>cut off early</span>".to_owned(),
            (false, Some(delay)) => format!("{delay} ms"),
            (false, None) => "<span class=bad>end missed</span>".to_owned(),
        };
        let slow = if outcome.variant == Variant::Slow { ", slowed" } else { "" };
        write!(
            page,
            "<details><summary>{verdict} · {}{slow} · {} · {}</summary><p>",
            Text(&outcome.kind),
            Text(&outcome.transcript),
            Text(&outcome.file)
        )?;
        if !outcome.prompt.is_empty() {
            write!(page, "Asked: {}<br>", Text(&outcome.prompt))?;
        }
        let heard = outcome.heard.join(" | ");
        write!(page, "Heard by {}: {}</p>", Text(outcome.recogniser), Text(&heard))?;
        waveform(outcome, page)?;
        moments(&outcome.moments, page)?;
        page.push_str("</details>");
    }
    Ok(())
}

/// Pixels for each second of a waveform.
const SECOND: f64 = 110.0;
/// Its height in pixels.
const HEIGHT: f64 = 90.0;

fn waveform(outcome: &Outcome, page: &mut String) -> fmt::Result {
    let x = |ms: f64| ms / 1_000.0 * SECOND;
    let width = x(outcome.envelope.len() as f64 * 20.0);
    write!(page, "<svg width={width:.0} height={HEIGHT:.0} style=\"background:#fafafa\">")?;
    let mut band = |from: f64, to: f64, y: f64, height: f64, colour: &str| {
        let (x, width) = (x(from), x(to - from).max(0.5));
        write!(page, "<rect x={x:.1} y={y:.1} width={width:.1} height={height:.1} fill={colour} />")
    };
    for (at, length) in &outcome.inserted {
        band(*at as f64, (at + length) as f64, 0.0, HEIGHT, "\"#fff3c4\"")?;
    }
    band(outcome.start_ms as f64, outcome.end_ms as f64, HEIGHT - 5.0, 5.0, "\"#2e9e5b\"")?;
    let mut open: Option<i64> = None;
    let end = i64::try_from(outcome.envelope.len() * 20).unwrap_or(i64::MAX);
    for moment in &outcome.moments {
        match moment.what {
            "voice" => open = Some(since(moment)),
            "silence" => {
                if let Some(from) = open.take() {
                    band(from as f64, since(moment) as f64, HEIGHT - 11.0, 5.0, "\"#3b7dd8\"")?;
                }
            }
            _ => {}
        }
    }
    if let Some(from) = open {
        band(from as f64, end as f64, HEIGHT - 11.0, 5.0, "\"#3b7dd8\"")?;
    }
    // A square root shows what is soft, too.
    let middle = (HEIGHT - 12.0) / 2.0;
    page.push_str("<path fill=\"#9a9a9a\" d=\"");
    for (at, peak) in outcome.envelope.iter().enumerate() {
        let half = (f64::from(*peak).sqrt() * middle).max(0.4);
        write!(
            page,
            "M{:.1} {:.1}v{:.1}h2v-{:.1}z",
            x(at as f64 * 20.0),
            middle - half,
            2.0 * half,
            2.0 * half
        )?;
    }
    page.push_str("\"/>");
    for commit in &outcome.commits {
        let early = u64::try_from(*commit).is_ok_and(|commit| commit < outcome.end_ms);
        let colour = if early { "#b00020" } else { "#0a7d33" };
        let x = x(*commit as f64);
        write!(
            page,
            "<line x1={x:.1} x2={x:.1} y1=0 y2={HEIGHT:.0} stroke=\"{colour}\" stroke-width=2 />"
        )?;
    }
    for moment in outcome.moments.iter().filter(|moment| moment.what == "score") {
        let score: f64 = moment.detail.parse().unwrap_or(0.0);
        write!(
            page,
            "<circle cx={:.1} cy={:.1} r=3 fill=\"#0072b2\"><title>{score:.2}</title></circle>",
            x(moment.at_ms as f64),
            4.0 + (1.0 - score) * (HEIGHT - 20.0)
        )?;
    }
    page.push_str("</svg>");
    Ok(())
}

/// The moment at which what a gate's message tells of began.
fn since(moment: &Moment) -> i64 {
    moment.detail.strip_prefix("since ").and_then(|ms| ms.parse().ok()).unwrap_or(moment.at_ms)
}

fn moments(moments: &[Moment], page: &mut String) -> fmt::Result {
    page.push_str("<table class=moments>");
    for Moment { at_ms, what, detail } in moments {
        write!(page, "<tr><td>{at_ms}<td>{what}<td>{}", Text(detail))?;
    }
    page.push_str("</table>");
    Ok(())
}

/// How it was measured, and what was left out.
fn how(report: &Report, page: &mut String) -> Result<(), plot::PlotError> {
    page.push_str("<h2>How it was measured</h2>");
    for note in &report.notes {
        write!(page, "<p>{}</p>", Text(note))?;
    }
    let json = |value: serde_json::Result<String>| value.map_err(plot::PlotError::from);
    write!(
        page,
        "<details><summary>costs of inference</summary><pre>{}</pre></details><details><summary>\
         settings</summary><pre>{}</pre></details>",
        Text(&json(serde_json::to_string_pretty(&report.costs))?),
        Text(&json(serde_json::to_string_pretty(&report.settings))?)
    )?;
    write!(page, "<details><summary>left out: {}</summary><table>", report.skipped.len())?;
    for skipped in &report.skipped {
        write!(page, "<tr><td>{}<td>{}", Text(&skipped.file), Text(&skipped.reason))?;
    }
    page.push_str("</table></details>");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_callers_say_cannot_break_the_page() {
        assert_eq!(Text("<b>\"é\" & 'x'").to_string(), "&lt;b&gt;&quot;é&quot; &amp; &#39;x&#39;");
    }

    #[test]
    fn a_gates_message_tells_since_when() {
        let moment = |detail: &str| Moment { at_ms: 7, what: "voice", detail: detail.to_owned() };
        assert_eq!((since(&moment("since -40")), since(&moment("?"))), (-40, 7));
    }
}
