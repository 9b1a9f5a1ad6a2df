//! What Prometheus is told.
//!
//! Counts and times are taken once per event of a call, in the task that takes the events; what
//! merely is (calls in progress, queues) is read when somebody asks. Labels have few values, all of
//! them ours: no caller, no assistant, no number.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use turntaking::output::Event;

use super::vitals::Vitals;
use crate::lag::BOUNDS_US;
use crate::session::{CallStats, Refused, SessionEvent, SessionEventKind, TurnMeasure};
use crate::store::{StageTimes, ended_reason};

/// The content type of [`Metrics::text`] (OpenMetrics 1.0).
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// From an echo to a caller who has given up, in seconds. Close where replies should be.
const TURN_BOUNDS: [f64; 14] =
    [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0];

/// A stage may be over at once.
const STAGE_BOUNDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0, 5.0];

type Label = [(&'static str, &'static str); 1];
type Times = Family<Label, Histogram, fn() -> Histogram>;

/// The counts of the process. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Counts>);

struct Counts {
    registry: Registry,
    ended: Family<Label, Counter>,
    refused: Family<Label, Counter>,
    turns: Times,
    greeting: Histogram,
    stages: Times,
    interruptions: Family<Label, Counter>,
    drafts: Family<Label, Counter>,
    tokens_wasted: Counter,
    characters_wasted: Counter,
    frames: Counter,
    frames_late: Counter,
    gaps: Counter,
    inputs_dropped: Counter,
    events_lost: Counter,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Counts that begin at zero, with what `vitals` reads beside them.
    pub fn new(vitals: Vitals) -> Self {
        let mut registry = Registry::with_prefix("causerie");
        let turn = || Histogram::new(TURN_BOUNDS);
        let stage = || Histogram::new(STAGE_BOUNDS);
        let counts = Counts {
            ended: Family::default(),
            refused: Family::default(),
            turns: Family::new_with_constructor(turn as fn() -> Histogram),
            greeting: Histogram::new(STAGE_BOUNDS),
            stages: Family::new_with_constructor(stage as fn() -> Histogram),
            interruptions: Family::default(),
            drafts: Family::default(),
            tokens_wasted: Counter::default(),
            characters_wasted: Counter::default(),
            frames: Counter::default(),
            frames_late: Counter::default(),
            gaps: Counter::default(),
            inputs_dropped: Counter::default(),
            events_lost: Counter::default(),
            registry: Registry::default(),
        };
        let Counts { ended, refused, turns, greeting, stages, interruptions, drafts, .. } = &counts;
        registry.register("calls_ended", "Calls that ended, by Vapi's endedReason", ended.clone());
        registry.register("calls_refused", "Calls that were not taken", refused.clone());
        registry.register(
            "turn_latency_seconds",
            "End of the caller's speech to the first audible sample at the carrier",
            turns.clone(),
        );
        registry.register(
            "greeting_latency_seconds",
            "Beginning of the media stream to the greeting's first audible sample at the carrier",
            greeting.clone(),
        );
        registry.register("turn_stage_seconds", "Each stage of a reply", stages.clone());
        let about = "What the caller said into a reply: whether it took the floor";
        registry.register("interruptions", about, interruptions.clone());
        let about = "Replies prepared before the end of the turn was certain";
        registry.register("speculations", about, drafts.clone());
        let mut counter = |name: &str, about: &str, counter: &Counter| {
            registry.register(name, about, counter.clone());
        };
        let about = "Pieces of text (tokens, as a rule) of replies that were dropped unheard";
        counter("speculation_wasted_tokens", about, &counts.tokens_wasted);
        let about = "Characters of replies that were dropped unheard, which went to the voice";
        counter("speculation_wasted_characters", about, &counts.characters_wasted);
        counter("frames_received", "Frames of callers' audio, of ended calls", &counts.frames);
        let about = "Those of them that came later than the fastest by more than 60 ms";
        counter("frames_late", about, &counts.frames_late);
        let about = "Gaps in callers' audio that were filled with silence, of ended calls";
        counter("frame_gaps", about, &counts.gaps);
        let about = "Inputs that came to the Floor late, twice or unasked, of ended calls";
        counter("inputs_dropped", about, &counts.inputs_dropped);
        let about = "Events of calls that were lost, because reports could not be written so fast";
        counter("events_lost", about, &counts.events_lost);
        registry.register_collector(Box::new(vitals));
        Self(Arc::new(Counts { registry, ..counts }))
    }

    /// A call was not taken.
    pub fn refused(&self, refused: Refused) {
        self.0.refused.get_or_create(&[("reason", refused.name())]).inc();
    }

    /// Something happened in a call.
    pub fn note(&self, event: &SessionEvent) {
        let counts = &self.0;
        match &event.kind {
            SessionEventKind::Audible(measure) => self.measured(measure),
            SessionEventKind::Floor(Event::UserInterrupted { .. }) => {
                counts.interruptions.get_or_create(&[("verdict", "taken")]).inc();
            }
            SessionEventKind::Floor(Event::FalseInterruption { .. }) => {
                counts.interruptions.get_or_create(&[("verdict", "false_alarm")]).inc();
            }
            SessionEventKind::Ended { reason, stats } => {
                counts.ended.get_or_create(&[("ended_reason", ended_reason(*reason))]).inc();
                self.ended(stats);
            }
            _ => {}
        }
    }

    fn measured(&self, measure: &TurnMeasure) {
        let counts = &self.0;
        let stages = StageTimes::new(measure);
        match stages.first_audio_ms {
            Some(ms) => {
                let prepared = if measure.speculative { "yes" } else { "no" };
                counts.turns.get_or_create(&[("prepared", prepared)]).observe(ms / 1_000.0);
            }
            None if measure.turn.0 == 1 => {
                let heard =
                    measure.times.first_played.map_or(Duration::ZERO, |at| at.since_start());
                counts.greeting.observe((heard + measure.onset).as_secs_f64());
            }
            None => {}
        }
        for (stage, ms) in [
            ("endpointing", stages.endpointing_ms),
            ("transcriber", stages.transcriber_ms),
            ("model", stages.model_ms),
            ("voice", stages.voice_ms),
            ("transport", stages.transport_ms),
        ] {
            if let Some(ms) = ms {
                counts.stages.get_or_create(&[("stage", stage)]).observe(ms / 1_000.0);
            }
        }
    }

    fn ended(&self, stats: &CallStats) {
        let counts = &self.0;
        let kept = stats.speculations.saturating_sub(stats.speculations_wasted);
        counts.drafts.get_or_create(&[("outcome", "kept")]).inc_by(kept);
        counts.drafts.get_or_create(&[("outcome", "dropped")]).inc_by(stats.speculations_wasted);
        counts.tokens_wasted.inc_by(stats.tokens_wasted);
        counts.characters_wasted.inc_by(stats.characters_wasted);
        counts.frames.inc_by(stats.frames_in);
        counts.frames_late.inc_by(stats.frames_late);
        counts.gaps.inc_by(stats.gaps);
        counts.inputs_dropped.inc_by(stats.inputs_dropped);
        counts.events_lost.inc_by(stats.events_lost);
    }

    /// Everything, as [`CONTENT_TYPE`] has it.
    ///
    /// # Errors
    ///
    /// Never, as far as is known: text can always be written.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut page = String::with_capacity(16 * 1_024);
        text::encode(&mut page, &self.0.registry)?;
        Ok(page)
    }
}

impl Collector for Vitals {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let now = self.read();
        let mut gauge = |name: &str, about: &str, value: f64| {
            let metric = ConstGauge::new(value);
            metric.encode(encoder.encode_descriptor(name, about, None, MetricType::Gauge)?)
        };
        gauge("calls", "Calls in progress", f64::from(now.calls))?;
        gauge("calls_capacity", "The most calls at once", f64::from(now.capacity))?;
        let about = "New calls are refused, because tasks are woken late";
        gauge("overloaded", about, f64::from(u8::from(now.overloaded)))?;
        let about = "Lateness of wake-ups in the last half second, at the 95th percentile";
        gauge("scheduling_lag_p95_seconds", about, now.lag_ms / 1_000.0)?;
        let about = "Turn-model looks that wait";
        gauge("turn_queue_depth", about, now.queues.turn_model as f64)?;
        let about = "Decodes that a caller's pause waits for";
        gauge("decode_queue_depth", about, now.queues.decode as f64)?;
        let about = "Events of calls that wait to be written down";
        gauge("event_queue_depth", about, now.queues.events as f64)?;
        gauge("phrase_cache_bytes", "Memory of kept phrases", now.cache.bytes as f64)?;
        gauge("phrase_cache_phrases", "Phrases that are kept", now.cache.phrases as f64)?;
        if let Some(bytes) = now.memory_bytes {
            gauge("resident_memory_bytes", "Memory of the process", bytes as f64)?;
        }
        let mut counter = |name: &str, about: &str, value: u64| {
            let metric = ConstCounter::new(value);
            metric.encode(encoder.encode_descriptor(name, about, None, MetricType::Counter)?)
        };
        counter("phrase_cache_hits", "Phrases that were not synthesised again", now.cache.hits)?;
        counter("phrase_cache_misses", "Phrases that were synthesised", now.cache.misses)?;
        let about = "Samples of callers that recognisers did not take in time";
        counter("recognizer_samples_lost", about, now.lost_samples)?;
        let vad = now.vad;
        counter("vad_windows", "Windows of speech that the model scored", vad.scored)?;
        counter("vad_windows_skipped", "Windows of silence kept from the model", vad.skipped)?;
        let about = "Windows that were lost or scored by level alone";
        counter("vad_windows_lost", about, vad.lost + vad.failed)?;
        counter("vad_batches", "Runs of the voice-activity model", vad.batches)?;
        if let Some(turn) = now.turn_model {
            counter("turn_looks", "Looks of the turn model", turn.answered)?;
            counter("turn_looks_late", "Looks dropped for having waited too long", turn.late)?;
            let about = "Samples that a call's history lost";
            counter("turn_samples_lost", about, turn.lost_samples)?;
        }
        let about = "Deadlines of the egress clock's thread";
        counter("egress_deadlines", about, now.clock.deadlines)?;
        counter("egress_deadlines_late", "Late by more than 1 ms", now.clock.late)?;

        let lags = now.lags;
        let classes = lags.counts.iter().enumerate().map(|(class, count)| {
            let bound = BOUNDS_US.get(class).map_or(f64::MAX, |us| *us as f64 / 1e6);
            (bound, *count)
        });
        let classes: Vec<_> = classes.collect();
        let mut histogram = encoder.encode_descriptor(
            "wake_lag_seconds",
            "How late calls' tasks ran",
            None,
            MetricType::Histogram,
        )?;
        let none = None::<&std::collections::HashMap<usize, _>>;
        histogram.encode_histogram::<Label>(lags.sum_us as f64 / 1e6, lags.total(), &classes, none)
    }
}

#[cfg(test)]
mod tests {
    use turntaking::input::{EndReason, TurnId};
    use turntaking::output::TurnTimes;
    use turntaking::time::Instant;

    use super::*;
    use crate::session::CallId;

    fn note(metrics: &Metrics, kind: SessionEventKind) {
        metrics.note(&SessionEvent { call: CallId::random(), at: Instant::START, kind });
    }

    #[test]
    fn what_happens_is_counted() {
        let metrics = Metrics::new(Vitals::default());
        let ms = Instant::from_millis;
        let times = TurnTimes {
            speech_ended: Some(ms(1_000)),
            committed: Some(ms(1_320)),
            first_played: Some(ms(1_450)),
            ..TurnTimes::default()
        };
        let onset = Duration::from_millis(20);
        let measure = TurnMeasure { turn: TurnId(2), times, speculative: true, onset };
        note(&metrics, SessionEventKind::Audible(measure));
        let times = TurnTimes { first_played: Some(ms(120)), ..TurnTimes::default() };
        let greeting = TurnMeasure { turn: TurnId(1), times, speculative: false, onset };
        note(&metrics, SessionEventKind::Audible(greeting));
        let stats = CallStats {
            speculations: 3,
            speculations_wasted: 1,
            tokens_wasted: 9,
            ..CallStats::default()
        };
        note(&metrics, SessionEventKind::Ended { reason: EndReason::CustomerEndedCall, stats });
        metrics.refused(Refused::Overloaded { lag_ms: 40 });
        let page = metrics.text().expect("text");
        for line in [
            "causerie_turn_latency_seconds_sum{prepared=\"yes\"} 0.47",
            "causerie_turn_latency_seconds_bucket{le=\"0.5\",prepared=\"yes\"} 1",
            "causerie_turn_latency_seconds_bucket{le=\"0.4\",prepared=\"yes\"} 0",
            "causerie_turn_stage_seconds_sum{stage=\"endpointing\"} 0.32",
            "causerie_greeting_latency_seconds_sum 0.14",
            "causerie_calls_ended_total{ended_reason=\"customer-ended-call\"} 1",
            "causerie_calls_refused_total{reason=\"overloaded\"} 1",
            "causerie_speculations_total{outcome=\"kept\"} 2",
            "causerie_speculation_wasted_tokens_total 9",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
        assert!(page.ends_with("# EOF\n"), "as OpenMetrics wants it");
    }
}
