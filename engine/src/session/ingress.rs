//! From the caller's samples to what the Floor is told: voice activity, words, the turn model.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use asr::{Recognizer, RecognizerEvent, RecognizerStream, StreamConfig};
use codecs::SampleRate;
use codecs::beep::BeepDetector;
use turntaking::input::{Input, Probability, Stability};
use turntaking::output::RecognizerHint;
use turntaking::time::Instant;
use vad::{EchoGate, Gate, GateEvent, GateSettings, Score, TurnStream, VadStream};

use super::clock::AudioClock;
use super::providers::Providers;
use super::refusal::OpenError;
use crate::transport::MediaTransport;

/// The longest gap that is filled with silence, in ms: enough for the voice gate to close, little
/// enough not to flood the detectors at once after a hold.
const LONGEST_FILL_MS: u64 = 400;

/// What gaps are filled with, for rates up to 48 kHz.
static SILENCE: [i16; 48_000 * LONGEST_FILL_MS as usize / 1_000] =
    [0; 48_000 * LONGEST_FILL_MS as usize / 1_000];

/// A frame that comes so much later than the carrier's fastest is late: it has missed what the
/// carrier's own players allow for (Twilio's jitter buffer holds 60 ms).
const LATE: Duration = Duration::from_millis(60);

/// Silero's window at either of its rates.
const WINDOW: Duration = Duration::from_millis(32);

/// How much later than the carrier's fastest frames came.
#[derive(Debug, Default)]
struct Delay {
    frames: u64,
    total: Duration,
    late: u64,
}

/// One call's listening side.
pub(super) struct Ingress {
    clock: AudioClock,
    vad: Box<dyn VadStream>,
    gate: Gate,
    echo: EchoGate,
    /// What the caller hears of the assistant, on its way to `echo`.
    assistant: Vec<i16>,
    /// What the recogniser hears in here is the assistant.
    echoed: Range<u64>,
    /// The Floor is yet to hear that the speech that began may be the assistant's.
    suspected: bool,
    /// Samples of a detector's window.
    window: u64,
    /// Windows in which a voice was the assistant's.
    echo_windows: u64,
    recognizer: Box<dyn RecognizerStream>,
    /// What made it, for whom.
    source: (Arc<dyn Recognizer>, String),
    /// The first sample that it was given, and the number of its first segment.
    tuned_at: (u64, u32),
    /// One past the last segment that was told.
    segments: u32,
    rate: SampleRate,
    recognizer_failed: bool,
    turn: Option<TurnStream>,
    /// Samples pushed so far: the position of all three streams.
    pushed: u64,
    /// Where the carrier's next frame should begin.
    expected: Option<u64>,
    /// The gate's last edges, as stream positions.
    speech_began: u64,
    speech_ended: u64,
    /// The longest gap that is filled, in samples.
    longest_fill: u64,
    gaps: u64,
    delay: Delay,
    /// Listens for a machine's beep, until then.
    beeps: Option<(BeepDetector, Instant)>,
    /// Where the last beep ended, until it is told.
    beeped: Option<u64>,
}

impl Ingress {
    /// Opens the streams of a call in `language`, whose carrier sends audio at `rate`.
    ///
    /// # Errors
    ///
    /// Where one of the providers refuses.
    pub(super) fn open(
        providers: &Providers,
        language: &str,
        rate: SampleRate,
    ) -> Result<Self, OpenError> {
        let unknown = || OpenError::Rate { hz: rate.hz() };
        let vad = providers.vad.open(rate).ok_or_else(unknown)?;
        let echo = EchoGate::new(rate).ok_or_else(unknown)?;
        let language = language.to_owned();
        let source = (Arc::clone(&providers.recognizer), language.clone());
        let recognizer = providers.recognizer.open(&StreamConfig { rate, language })?;
        let turn = providers.turn_model.as_ref().and_then(|worker| worker.open(rate));
        let longest_fill = u64::from(rate.hz()) * LONGEST_FILL_MS / 1_000;
        let fill = (longest_fill as usize).min(SILENCE.len());
        Ok(Self {
            clock: AudioClock::new(rate),
            vad,
            gate: Gate::new(GateSettings::default(), rate.samples_in(WINDOW) as usize),
            echo,
            assistant: Vec::with_capacity(2 * fill),
            echoed: 0..0,
            suspected: false,
            window: rate.samples_in(WINDOW),
            echo_windows: 0,
            recognizer,
            source,
            tuned_at: (0, 0),
            segments: 0,
            rate,
            recognizer_failed: false,
            turn,
            pushed: 0,
            expected: None,
            speech_began: 0,
            speech_ended: 0,
            longest_fill: fill as u64,
            gaps: 0,
            delay: Delay::default(),
            beeps: None,
            beeped: None,
        })
    }

    /// Has another recogniser, or another language of this one, hear what is said from now on. The
    /// same goes on as it was.
    ///
    /// # Errors
    ///
    /// Where it refuses; then nothing changes.
    pub(super) fn retune(
        &mut self,
        providers: &Providers,
        language: &str,
    ) -> Result<(), OpenError> {
        let (recognizer, known) = &self.source;
        if Arc::ptr_eq(recognizer, &providers.recognizer) && known == language {
            return Ok(());
        }
        let language = language.to_owned();
        let source = (Arc::clone(&providers.recognizer), language.clone());
        self.recognizer = providers.recognizer.open(&StreamConfig { rate: self.rate, language })?;
        self.source = source;
        self.recognizer_failed = false;
        self.tuned_at = (self.pushed, self.segments);
        if self.gate.is_open() {
            // The caller is in mid-sentence: the rest of it is for the new one.
            self.recognizer.hint(asr::Hint::SpeechStarted { at: 0 });
        }
        Ok(())
    }

    /// Listens for a machine's beep until `until`.
    pub(super) fn listen_for_beeps(&mut self, rate: SampleRate, until: Instant) {
        self.beeps = Some((BeepDetector::new(rate), until));
    }

    /// Takes the carrier's next samples, the first of which stands at `at` on its timestamps.
    /// Frames that repeat what was heard are cut; a gap is filled with silence. `transport` knows
    /// what the caller hears meanwhile.
    pub(super) fn push(
        &mut self,
        now: Instant,
        at: u64,
        samples: &[i16],
        transport: &dyn MediaTransport,
    ) {
        let expected = *self.expected.get_or_insert(at);
        let repeated = usize::try_from(expected.saturating_sub(at)).unwrap_or(usize::MAX);
        let Some(samples) = samples.get(repeated..) else { return };
        let gap = at.saturating_sub(expected);
        if gap > 0 {
            self.gaps += 1;
            let fill = gap.min(self.longest_fill);
            let silence = &SILENCE[..usize::try_from(fill).unwrap_or(0)];
            self.listen(silence.len(), transport);
            self.push_contiguous(silence);
            self.clock.skip(gap - fill);
        }
        self.listen(samples.len(), transport);
        self.push_contiguous(samples);
        self.beeps.take_if(|(_, until)| now > *until);
        self.expected = Some(expected + gap + samples.len() as u64);
        self.clock.observe(self.pushed, now);
        let delay = now.since(self.clock.moment(self.pushed, now));
        self.delay.frames += 1;
        self.delay.total += delay;
        self.delay.late += u64::from(delay > LATE);
    }

    /// Tells the echo gate what the caller hears of the assistant while the next `samples` of the
    /// caller's are spoken.
    fn listen(&mut self, samples: usize, transport: &dyn MediaTransport) {
        let Some(playback) = transport.playback() else { return };
        let Some(heard_at) = self.clock.position(playback.at) else { return };
        let wanted = self.echo.wanted(samples);
        let length = usize::try_from(wanted.end - wanted.start).unwrap_or(0);
        // The caller's position `heard_at` is the reply's sample `first`.
        let offset = wanted.start as i64 - heard_at;
        self.assistant.clear();
        self.assistant.resize(length.min(usize::try_from(-offset).unwrap_or(0)), 0);
        let from = playback.first + u64::try_from(offset).unwrap_or(0);
        let until = from + (length - self.assistant.len()) as u64;
        let until = until.min(playback.until.unwrap_or(u64::MAX)).max(from);
        transport.reply_samples(playback.turn, from..until, &mut self.assistant);
        self.echo.play(&self.assistant);
    }

    fn push_contiguous(&mut self, samples: &[i16]) {
        self.vad.push(samples);
        let Self { echo, recognizer, recognizer_failed, turn, .. } = self;
        echo.push(samples, |heard| {
            if !*recognizer_failed {
                recognizer.push(heard);
            }
            if let Some(turn) = turn {
                turn.push(heard);
            }
        });
        if let Some((detector, _)) = &mut self.beeps {
            detector.process(samples, |beep| self.beeped = Some(beep.ended));
        }
        self.pushed += samples.len() as u64;
    }

    /// The next thing the Floor should know, if there is one.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Input<'static>> {
        if std::mem::take(&mut self.suspected) {
            return Poll::Ready(Input::EchoSuspected);
        }
        while let Poll::Ready(score) = self.vad.poll_score(cx) {
            if let Some(input) = self.on_score(score, now) {
                return Poll::Ready(input);
            }
        }
        if let Some(ended) = self.beeped.take() {
            return Poll::Ready(Input::Beep { until: self.clock.moment(ended, now) });
        }
        if let Some(turn) = &mut self.turn
            && let Poll::Ready((pause, score)) = turn.poll_score(cx)
        {
            return Poll::Ready(Input::TurnScore { pause, complete: Probability::new(score) });
        }
        if self.recognizer_failed {
            return Poll::Pending;
        }
        while let Poll::Ready(event) = self.recognizer.poll_event(cx) {
            if let RecognizerEvent::Transcript(transcript) = &event
                && transcript.covers + self.tuned_at.0 > self.echoed.start
                && transcript.covers + self.tuned_at.0 <= self.echoed.end
            {
                // The assistant's own words.
                continue;
            }
            return Poll::Ready(self.on_recognizer(event, now));
        }
        Poll::Pending
    }

    fn on_score(&mut self, score: Score, now: Instant) -> Option<Input<'static>> {
        let speaking = self.gate.is_open();
        if self.echo.take_revised() && speaking && self.echo.was_echo(self.speech_began..score.end)
        {
            // What the gate had opened for turns out to be the assistant's.
            self.gate.close();
            self.echo_windows += (score.end - self.speech_began) / self.window;
            self.speech_ended = self.speech_began;
            self.echoed = self.speech_began..self.pushed;
            self.suspected = false;
            return Some(Input::EchoFound { since: self.clock.moment(self.speech_began, now) });
        }
        let echo = self.echo.is_echo(score.end, speaking);
        let voiced = score.probability >= GateSettings::default().open_at;
        self.echo_windows += u64::from(echo && voiced);
        let probability = if echo { 0.0 } else { score.probability };
        match self.gate.accept(Score { probability, ..score })? {
            GateEvent::Started { since_sample: since } => {
                self.speech_began = since;
                self.suspected = self.echo.is_in_doubt();
                Some(Input::SpeechStarted { since: self.clock.moment(since, now) })
            }
            GateEvent::Stopped { since_sample: since } => {
                self.speech_ended = since;
                self.suspected = false;
                Some(Input::SpeechStopped { since: self.clock.moment(since, now) })
            }
            GateEvent::Doubted => Some(Input::NoiseSuspected),
            GateEvent::Assured => Some(Input::VoiceConfirmed),
        }
    }

    fn on_recognizer(&mut self, event: RecognizerEvent, now: Instant) -> Input<'static> {
        match event {
            RecognizerEvent::Transcript(transcript) => {
                let (first_sample, first_segment) = self.tuned_at;
                let segment = first_segment + transcript.segment;
                self.segments = self.segments.max(segment + 1);
                Input::Transcript {
                    segment,
                    text: Cow::Owned(transcript.text),
                    stability: match transcript.stability {
                        asr::Stability::Partial => Stability::Partial,
                        asr::Stability::Stable => Stability::Stable,
                        asr::Stability::Final => Stability::Final,
                    },
                    covers: self.clock.moment(first_sample + transcript.covers, now),
                }
            }
            RecognizerEvent::EndOfTurn { eager } => Input::EndOfTurn { eager },
            RecognizerEvent::TurnResumed => Input::TurnResumed,
            RecognizerEvent::Failed(error) => {
                tracing::error!(%error, "the transcriber failed in mid-call");
                self.recognizer_failed = true;
                Input::RecognizerFailed
            }
        }
    }

    /// Passes the Floor's view of the caller's turn on to the recogniser.
    pub(super) fn hint(&mut self, hint: RecognizerHint) {
        if self.recognizer_failed {
            return;
        }
        let hint = match hint {
            RecognizerHint::SpeechStarted => {
                asr::Hint::SpeechStarted { at: self.speech_began.saturating_sub(self.tuned_at.0) }
            }
            RecognizerHint::Pause => {
                asr::Hint::Pause { at: self.speech_ended.saturating_sub(self.tuned_at.0) }
            }
            RecognizerHint::TurnEnded => asr::Hint::TurnEnded,
        };
        self.recognizer.hint(hint);
    }

    /// Asks the turn model whether the caller has finished. Without a model nothing answers.
    pub(super) fn ask_turn_model(&mut self, pause: u32, now: std::time::Instant) {
        if let Some(turn) = &mut self.turn {
            turn.ask(pause, now);
        }
    }

    /// How much of the caller's audio a voice was found in that was the assistant's, in ms.
    pub(super) fn echo_ms(&self) -> u64 {
        self.echo_windows * u64::try_from(WINDOW.as_millis()).unwrap_or(0)
    }

    /// How much later than the carrier's fastest frames came, in the mean.
    pub(super) fn mean_delay(&self) -> Duration {
        let frames = u32::try_from(self.delay.frames).unwrap_or(u32::MAX);
        self.delay.total.checked_div(frames).unwrap_or_default()
    }

    /// Frames that came late.
    pub(super) const fn frames_late(&self) -> u64 {
        self.delay.late
    }

    /// Gaps in the caller's audio so far.
    pub(super) const fn gaps(&self) -> u64 {
        self.gaps
    }
}
