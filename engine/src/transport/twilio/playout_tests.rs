//! The playout against a simulated carrier on virtual time: a network with delay, jitter and
//! loss, a clock that drifts, a queue that plays 20 ms each 20 ms.

use std::collections::BTreeMap;

use super::*;
use crate::carrier::playout_model::{FRAME as FRAME_LEN, PlayoutModel};

const TURN: TurnId = TurnId(1);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A reply in which every 20 ms have their own loudness, so that what is heard tells where in
/// the reply it is: µ-law codes 0..=126 repeat after 127 frames (2.54 s).
fn reply(samples: usize) -> Vec<i16> {
    (0..samples).map(|index| g711::mulaw_decode(code_of(index as u64))).collect()
}

fn code_of(position: u64) -> u8 {
    (position / 160 % 127) as u8
}

/// The wire between us and the carrier.
#[derive(Clone, Copy)]
struct Wire {
    /// One way.
    delay: Duration,
    /// Up to so much more, each way.
    jitter: Duration,
    /// Of 100 marks, how many never come back.
    marks_lost: u64,
    drift_ppm: i64,
    seed: u64,
}

const GOOD: Wire =
    Wire { delay: ms20(), jitter: Duration::ZERO, marks_lost: 0, drift_ppm: 0, seed: 1 };

const fn ms20() -> Duration {
    Duration::from_millis(20)
}

enum Down {
    Media(Vec<u8>),
    Mark(MarkName),
    Clear,
}

/// Both ends and the wire. Time moves by a millisecond.
struct Line {
    wire: Wire,
    random: u64,
    now: Instant,
    /// Ticks of ours come at so many ms after each 20.
    playout: Playout,
    model: PlayoutModel,
    /// By arrival in µs, then by order.
    down: BTreeMap<(u64, u64), Down>,
    up: BTreeMap<(u64, u64), String>,
    last_down: u64,
    last_up: u64,
    count: u64,
    frames: u64,
    /// The code heard at each sample of the carrier's time.
    heard: Vec<u8>,
    played: Vec<(Instant, Played)>,
    /// The runs they belong to, each with the last position reported of it.
    runs: Vec<(u64, u64)>,
    /// Samples sent and not played, at the carrier, at most.
    most_queued: usize,
}

impl Line {
    fn new(wire: Wire) -> Self {
        Self::with(wire, PlayoutSettings::default())
    }

    fn with(wire: Wire, settings: PlayoutSettings) -> Self {
        let mut playout = Playout::new(settings);
        // As the pings would have it: at their best.
        playout.set_network(wire.delay);
        Self {
            wire,
            random: wire.seed,
            now: Instant::START,
            playout,
            model: PlayoutModel::new(2),
            down: BTreeMap::new(),
            up: BTreeMap::new(),
            last_down: 0,
            last_up: 0,
            count: 0,
            frames: 0,
            heard: Vec::new(),
            played: Vec::new(),
            runs: Vec::new(),
            most_queued: 0,
        }
    }

    fn chance(&mut self, of: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 33) % of.max(1)
    }

    /// Through the wire: in order, as TCP does.
    fn arrival(&mut self, last: u64) -> u64 {
        let jitter = self.wire.jitter.as_micros() as u64;
        let at = (self.now + self.wire.delay).as_micros() + self.chance(jitter + 1);
        at.max(last)
    }

    fn run(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.now < until {
            self.now = self.now + ms(1);
            self.carrier();
            self.returned();
            // Our tick, at a phase of its own.
            if self.now.as_micros() % 20_000 == 7_000 {
                self.tick();
            }
        }
    }

    /// What a task does when it wakes.
    fn tick(&mut self) {
        while let Some(played) = self.playout.poll_played(self.now) {
            self.played.push((self.now, played));
            let run = self.playout.run();
            self.runs.pop_if(|(last, _)| *last == run);
            self.runs.push((run, played.until));
        }
        let mut payload = Vec::new();
        while let Some(frame) = self.playout.poll_transmit(self.now, &mut payload) {
            let frame = match frame {
                Transmit::Media => Down::Media(payload.clone()),
                Transmit::Mark(name) => Down::Mark(name),
                Transmit::Clear => Down::Clear,
            };
            let at = self.arrival(self.last_down);
            self.last_down = at;
            self.count += 1;
            self.down.insert((at, self.count), frame);
        }
    }

    fn carrier(&mut self) {
        while let Some(entry) = self.down.first_entry() {
            if entry.key().0 > self.now.as_micros() {
                break;
            }
            match entry.remove() {
                Down::Media(payload) => self.model.media(&payload),
                Down::Mark(name) => self.model.mark(name.to_string()),
                Down::Clear => self.model.clear(),
            }
        }
        self.most_queued = self.most_queued.max(self.model.queued());
        // The carrier's clock: 20 ms of it are a little more or less of ours.
        let due = |frames: u64| {
            i128::from(frames) * 20_000 * 1_000_000 / (1_000_000 + i128::from(self.wire.drift_ppm))
        };
        while due(self.frames) <= i128::from(self.now.as_micros()) {
            let mut frame = [0; FRAME_LEN];
            self.model.play(&mut frame);
            self.heard.extend(frame.map(g711::mulaw_encode));
            self.frames += 1;
        }
        while let Some(name) = self.model.pop_returned() {
            if self.chance(100) >= self.wire.marks_lost {
                let at = self.arrival(self.last_up);
                self.last_up = at;
                self.count += 1;
                self.up.insert((at, self.count), name);
            }
        }
    }

    fn returned(&mut self) {
        while let Some(entry) = self.up.first_entry() {
            if entry.key().0 > self.now.as_micros() {
                break;
            }
            let name = MarkName::parse(&entry.remove()).expect("one of ours");
            self.playout.handle_mark(name, self.now);
        }
    }

    fn queue(&mut self, samples: &[i16]) {
        self.playout.queue(TURN, samples);
        self.tick();
    }

    fn hold(&mut self) -> u64 {
        let (turn, at) = self.playout.hold(self.now).expect("playing");
        assert_eq!(turn, TURN);
        self.tick();
        at
    }

    /// How many samples of the reply were heard, counted from `from` on.
    fn heard_from(&self, from: usize) -> u64 {
        let silence = g711::MULAW_SILENCE;
        self.heard[from..].iter().filter(|&&code| code != silence).count() as u64
    }

    fn last_played(&self) -> Option<Played> {
        self.played.last().map(|(_, played)| *played)
    }
}

/// By how much a position may be off: the frame in the loudspeaker, our tick and the wire.
const NEAR: u64 = 8 * 45;

#[track_caller]
fn assert_near(estimate: u64, truth: u64, tolerance: u64) {
    assert!(estimate.abs_diff(truth) <= tolerance, "estimate {estimate}, truth {truth}");
}

#[test]
fn a_reply_is_heard_whole_and_in_order_and_reported_to_the_end() {
    let mut line = Line::new(GOOD);
    let samples = reply(16_077);
    line.queue(&samples);
    line.playout.finish(TURN);
    line.run(ms(2_500));
    let heard: Vec<u8> =
        line.heard.iter().copied().filter(|&code| code != g711::MULAW_SILENCE).collect();
    let sent: Vec<u8> = samples.iter().map(|&sample| g711::mulaw_encode(sample)).collect();
    assert!(heard == sent, "{} heard of {}", heard.len(), sent.len());
    assert_eq!(line.model.runs().len(), 1, "without a gap");
    let end = Played { turn: TURN, until: 16_077, acknowledged: true };
    assert_eq!(line.last_played(), Some(end));
    assert!(line.playout.is_idle(line.now));
    assert_eq!(line.playout.counts(), PlayoutCounts::default());
}

#[test]
fn the_lead_is_bounded_and_kept() {
    for lead in [200, 300, 400] {
        let settings = PlayoutSettings { lead: ms(lead), ..PlayoutSettings::default() };
        let mut line = Line::with(GOOD, settings);
        line.queue(&reply(40_000));
        line.playout.finish(TURN);
        line.run(ms(3_000));
        let most = line.most_queued as u64;
        assert!(most <= lead * 8, "{most} samples at the carrier, {lead} ms allowed");
        assert!(most + 640 >= lead * 8, "{most} samples at the carrier, {lead} ms wanted");
        line.run(ms(3_000));
        assert_eq!(line.model.runs().len(), 1);
    }
}

#[test]
fn reports_never_go_back_and_come_every_100_ms() {
    let mut line = Line::new(Wire { jitter: ms(60), ..GOOD });
    line.queue(&reply(40_000));
    line.playout.finish(TURN);
    line.run(ms(6_000));
    for pair in line.played.windows(2) {
        let ((earlier, before), (later, after)) = (pair[0], pair[1]);
        assert!(before.until <= after.until, "{before:?} then {after:?}");
        assert!(later.since(earlier) <= ms(200), "nothing for {:?}", later.since(earlier));
    }
    assert!(line.played.iter().any(|(_, played)| played.acknowledged));
}

#[test]
fn the_estimate_is_near_the_truth_on_any_line() {
    let mut worst = 0;
    for seed in 1..=40 {
        for wire in [
            Wire { seed, ..GOOD },
            Wire { delay: ms(60), seed, ..GOOD },
            Wire { delay: ms(1), seed, ..GOOD },
            Wire { delay: ms(150), seed, ..GOOD },
            Wire { jitter: ms(80), seed, ..GOOD },
            Wire { marks_lost: 60, seed, ..GOOD },
            Wire { drift_ppm: 100, seed, ..GOOD },
            Wire { drift_ppm: -100, marks_lost: 30, jitter: ms(40), seed, ..GOOD },
        ] {
            let mut line = Line::new(wire);
            line.run(ms(seed * 13));
            line.queue(&reply(80_000));
            line.playout.finish(TURN);
            line.run(ms(700 + seed * 137));
            let at = line.hold();
            line.run(ms(400));
            let truth = line.heard_from(0);
            // What the clear's way and the marks' way back vary is not knowable.
            let unknown = wire.jitter.as_millis() as u64 * 2 * 8;
            assert_near(at, truth, NEAR + unknown);
            if wire.delay == GOOD.delay && wire.jitter.is_zero() {
                worst = worst.max(at.abs_diff(truth));
            }
        }
    }
    assert!(worst <= 8 * 25, "{worst} samples off on a quiet line");
}

#[test]
fn a_long_reply_on_a_drifting_carrier_keeps_its_lead_and_its_place() {
    for drift_ppm in [-100, 100] {
        let mut line = Line::new(Wire { drift_ppm, ..GOOD });
        // 110 s, queued as it is needed.
        let samples = reply(8_000);
        for _ in 0..110 {
            line.queue(&samples);
            line.run(ms(999));
        }
        assert_eq!(line.model.runs().len(), 1, "no gap");
        let at = line.hold();
        line.run(ms(400));
        assert_near(at, line.heard_from(0), NEAR);
    }
}

#[test]
fn a_hold_stops_the_voice_and_a_resume_plays_on_from_a_word() {
    let mut line = Line::new(GOOD);
    line.queue(&reply(24_000));
    line.playout.finish(TURN);
    line.run(ms(1_000));
    let held_at = line.now;
    let at = line.hold();
    line.run(ms(400));
    let last = line.heard.iter().rposition(|&code| code != g711::MULAW_SILENCE).expect("heard");
    let stopped = last as u64 / 8 - held_at.as_micros() / 1_000;
    assert!(stopped <= 60, "{stopped} ms after the hold something was heard");

    let resumed_at = line.heard.len();
    let word = at - 1_234;
    line.playout.resume(word);
    line.tick();
    let before = line.played.len();
    line.run(ms(4_000));
    assert_eq!(line.heard_from(resumed_at), 24_000 - word, "from the word to the end");
    let first = line.heard[resumed_at..].iter().find(|&&code| code != g711::MULAW_SILENCE);
    assert_eq!(first, Some(&code_of(word)));
    let (_, first) = line.played[before];
    assert!(first.until > word && first.until <= word + 320, "{first:?} after {word}");
    let end = Played { turn: TURN, until: 24_000, acknowledged: true };
    assert_eq!(line.last_played(), Some(end));
}

#[test]
fn marks_that_a_clear_returned_move_nothing() {
    let mut line = Line::new(GOOD);
    line.queue(&reply(24_000));
    line.playout.finish(TURN);
    line.run(ms(500));
    let at = line.hold();
    let before = line.played.len();
    line.run(ms(300));
    assert!(line.playout.counts().void_marks >= 2, "the carrier held marks");
    assert_eq!(line.played.len(), before, "nothing is reported while held");
    assert_eq!(line.playout.hold(line.now), Some((TURN, at)), "still there");
}

#[test]
fn a_mark_from_before_a_clear_is_not_taken_for_its_twin_after_the_resume() {
    let mut playout = Playout::new(PlayoutSettings::default());
    let mut payload = Vec::new();
    let mut now = Instant::from_millis(0);
    playout.queue(TURN, &reply(8_000));
    let mut names = Vec::new();
    while let Some(frame) = playout.poll_transmit(now, &mut payload) {
        if let Transmit::Mark(name) = frame {
            names.push(name);
        }
    }
    assert!(names.len() >= 3, "{names:?}");
    now = Instant::from_millis(100);
    playout.hold(now);
    assert_eq!(playout.poll_transmit(now, &mut payload), Some(Transmit::Clear));
    playout.resume(0);
    while playout.poll_transmit(now, &mut payload).is_some() {}
    for name in names {
        playout.handle_mark(name, now);
    }
    assert_eq!(playout.poll_played(now), None);
    assert_eq!(playout.hold(now), Some((TURN, 0)));
}

#[test]
fn a_stop_forgets_what_was_not_heard_and_keeps_what_was() {
    let mut line = Line::new(GOOD);
    let samples = reply(24_000);
    line.queue(&samples);
    line.run(ms(1_000));
    let (turn, at) = line.playout.stop(line.now).expect("playing");
    assert_eq!(turn, TURN);
    line.tick();
    assert_eq!(line.playout.stop(line.now), None);
    assert_eq!(line.playout.hold(line.now), None);
    let mut heard = Vec::new();
    line.playout.reply_samples(TURN, 0..u64::MAX, &mut heard);
    assert!(heard == samples[..at as usize], "{} of {at} samples", heard.len());
    line.playout.queue(TURN, &samples);
    assert_eq!(line.playout.counts().late_samples, 24_000);
    line.run(ms(400));
    assert_near(line.heard_from(0), at, NEAR);

    // The next reply takes its place.
    let from = line.heard.len();
    line.playout.queue(TurnId(2), &samples[..1_600]);
    line.playout.finish(TurnId(2));
    line.tick();
    line.run(ms(1_000));
    assert_eq!(line.heard_from(from), 1_600);
    let end = Played { turn: TurnId(2), until: 1_600, acknowledged: true };
    assert_eq!(line.last_played(), Some(end));
    line.playout.queue(TURN, &samples);
    assert_eq!(line.playout.counts().late_samples, 48_000, "old turns are late");
}

#[test]
fn a_reply_queued_behind_a_finished_one_waits_for_it() {
    let mut line = Line::new(GOOD);
    line.queue(&reply(8_000));
    line.playout.finish(TURN);
    line.playout.queue(TurnId(2), &reply(4_000));
    line.playout.finish(TurnId(2));
    assert!(!line.playout.is_idle(line.now));
    line.run(ms(2_500));
    assert_eq!(line.heard_from(0), 12_000);
    let ends: Vec<_> = line
        .played
        .iter()
        .filter(|(_, played)| matches!((played.turn.0, played.until), (1, 8_000) | (2, 4_000)))
        .map(|(_, played)| played.turn.0)
        .collect();
    assert!(ends.starts_with(&[1]) && ends.ends_with(&[2]), "{ends:?}");
    assert!(line.playout.is_idle(line.now));
}

#[test]
fn a_voice_slower_than_speech_makes_gaps_and_the_playhead_knows() {
    let mut line = Line::new(GOOD);
    let samples = reply(24_000);
    // 100 ms of audio each 150 ms.
    for chunk in samples.chunks(800) {
        line.queue(chunk);
        line.run(ms(150));
    }
    assert!(line.playout.counts().underruns >= 10, "{:?}", line.playout.counts());
    let (_, at) = line.playout.hold(line.now).expect("playing");
    line.tick();
    line.run(ms(300));
    assert_near(at, line.heard_from(0), NEAR);
    // Each gap is told: a run ends where a chunk did, or a few of them that met in time.
    assert_eq!(line.runs.len(), line.playout.counts().underruns as usize + 1);
    let ends = &line.runs[..line.runs.len() - 1];
    assert!(ends.iter().all(|(_, end)| end % 800 == 0), "{ends:?}");
    // Reports followed it all the way.
    let last = line.last_played().expect("reports");
    assert!(last.until + 1_000 >= at, "{last:?}, held at {at}");
}

#[test]
fn a_chunk_that_comes_just_before_the_queue_runs_dry_makes_no_gap() {
    let mut line = Line::new(GOOD);
    let samples = reply(24_000);
    line.queue(&samples[..2_400]);
    line.run(ms(200));
    for chunk in samples[2_400..].chunks(1_600) {
        line.queue(chunk);
        line.run(ms(200));
    }
    assert_eq!(line.model.runs().len(), 1);
    assert_eq!(line.playout.counts().underruns, 0);
}

#[test]
fn nothing_sent_is_nothing_to_clear() {
    let mut playout = Playout::new(PlayoutSettings::default());
    let mut payload = Vec::new();
    let now = Instant::from_millis(5);
    assert_eq!(playout.hold(now), None);
    assert_eq!(playout.stop(now), None);
    playout.queue(TURN, &[1_000; 800]);
    assert_eq!(playout.hold(now), Some((TURN, 0)));
    assert_eq!(playout.poll_transmit(now, &mut payload), None, "held before it was sent");
    playout.resume(0);
    assert_eq!(playout.poll_transmit(now, &mut payload), Some(Transmit::Media));
}

#[test]
fn two_holds_in_a_row_and_a_resume_at_once_send_one_clear_each() {
    let mut playout = Playout::new(PlayoutSettings::default());
    let mut payload = Vec::new();
    let now = Instant::from_millis(0);
    playout.queue(TURN, &reply(8_000));
    while playout.poll_transmit(now, &mut payload).is_some() {}
    let now = Instant::from_millis(300);
    let held = playout.hold(now);
    assert_eq!(playout.hold(now), held);
    playout.resume(held.expect("playing").1);
    assert_eq!(playout.poll_transmit(now, &mut payload), Some(Transmit::Clear));
    assert_eq!(playout.poll_transmit(now, &mut payload), Some(Transmit::Media));
}

#[test]
fn a_reply_held_at_its_very_end_is_reported_once_resumed() {
    let mut line = Line::new(GOOD);
    line.queue(&reply(1_600));
    line.playout.finish(TURN);
    line.run(ms(255));
    // Played, by the estimate; the last mark is on its way.
    let at = line.hold();
    assert_eq!(at, 1_600);
    line.playout.resume(at);
    let end = Played { turn: TURN, until: 1_600, acknowledged: false };
    assert_eq!(line.playout.poll_played(line.now), Some(end));
    assert_eq!(line.playout.poll_played(line.now), None);
    line.tick();
    assert!(line.playout.is_idle(line.now));
}

#[test]
fn a_last_mark_that_is_lost_does_not_keep_a_reply_alive() {
    let mut line = Line::new(Wire { marks_lost: 100, ..GOOD });
    line.queue(&reply(8_000));
    line.playout.finish(TURN);
    line.run(ms(2_000));
    let end = Played { turn: TURN, until: 8_000, acknowledged: false };
    assert_eq!(line.last_played(), Some(end));
    assert!(line.playout.is_idle(line.now));
    assert_eq!(line.playout.stop(line.now), None);
}

#[test]
fn what_was_reported_is_still_there_and_what_is_old_is_not() {
    let mut line = Line::new(GOOD);
    let samples = reply(80_000);
    line.queue(&samples);
    let mut from = 0;
    for _ in 0..450 {
        line.run(ms(20));
        for (_, played) in line.played.drain(..) {
            let mut out = Vec::new();
            line.playout.reply_samples(TURN, from..played.until, &mut out);
            assert!(out == samples[from as usize..played.until as usize]);
            from = played.until;
        }
    }
    let mut old = Vec::new();
    line.playout.reply_samples(TURN, 0..8_000, &mut old);
    assert_eq!(old, [0i16; 0], "more than 3 s ago");
    let held = line.hold();
    line.playout.resume(0);
    let again = line.playout.hold(line.now).expect("playing").1;
    assert!(held - again >= 3 * 8_000 && held - again <= 4 * 8_000, "from what is kept");
}

#[test]
fn a_voice_that_never_ends_is_cut_at_two_minutes_ahead() {
    let mut playout = Playout::new(PlayoutSettings::default());
    for _ in 0..130 {
        playout.queue(TURN, &[500; 8_000]);
    }
    assert_eq!(playout.counts().overflowed_samples, 10 * 8_000);
}

#[test]
fn a_mark_sent_long_after_its_audio_does_not_set_the_playhead_back() {
    let mut line = Line::new(GOOD);
    line.queue(&reply(1_000));
    line.run(ms(1_000));
    // Only now is it known that this was all.
    line.playout.finish(TURN);
    line.run(ms(100));
    let end = Played { turn: TURN, until: 1_000, acknowledged: true };
    assert_eq!(line.last_played(), Some(end));
    assert!(line.playout.is_idle(line.now));
    // And the other way: more comes, and is timed from when it comes.
    let mut line = Line::new(GOOD);
    line.queue(&reply(1_000));
    line.run(ms(1_000));
    line.queue(&reply(16_000));
    line.run(ms(800));
    let at = line.hold();
    line.run(ms(300));
    assert_near(at, line.heard_from(0), NEAR);
}

#[test]
fn foreign_marks_are_counted() {
    let mut playout = Playout::new(PlayoutSettings::default());
    let now = Instant::from_millis(10);
    let name = MarkName { turn: TURN, until: 160, clears: 0 };
    playout.handle_mark(name, now);
    let mut payload = Vec::new();
    playout.queue(TURN, &reply(800));
    while playout.poll_transmit(now, &mut payload).is_some() {}
    playout.handle_mark(MarkName { turn: TurnId(9), ..name }, now);
    playout.handle_mark(MarkName { until: 8_000, ..name }, now);
    assert_eq!(playout.counts().foreign_marks, 3);
    playout.handle_mark(name, now);
    playout.handle_mark(name, now);
    assert_eq!(playout.counts().foreign_marks, 4, "the second time");
}

/// Anything, in any order, on any line: what was heard is in the replies, in order, positions
/// never go back but by a resume, and the carrier never holds more than the lead.
#[test]
fn no_sequence_of_commands_breaks_the_playout() {
    for seed in 1..=300 {
        let mut line = Line::new(Wire {
            delay: ms(seed % 50),
            jitter: ms(seed % 7 * 10),
            marks_lost: seed % 3 * 40,
            drift_ppm: seed as i64 % 5 * 50 - 100,
            seed,
        });
        let mut turn = TurnId(1);
        let mut queued: u64 = 0;
        let mut at = 0;
        let mut held = false;
        for _ in 0..60 {
            match line.chance(10) {
                0..=3 => {
                    let chunk = reply(line.chance(6_000) as usize);
                    line.playout.queue(turn, &chunk);
                    queued += chunk.len() as u64;
                }
                4 => {
                    let before = line.playout.hold(line.now);
                    if let Some((of, position)) = before {
                        assert_eq!(of, turn, "seed {seed}");
                        assert!(position >= at && position <= queued, "seed {seed}: {position}");
                        at = position;
                        held = true;
                        line.tick();
                    }
                }
                5 | 6 if held => {
                    let from = at - line.chance(at + 1).min(4_000);
                    line.playout.resume(from);
                    at = from;
                    held = false;
                    line.tick();
                }
                7 if line.chance(3) == 0 => {
                    line.playout.finish(turn);
                    line.playout.stop(line.now);
                    line.tick();
                    turn = TurnId(turn.0 + 1);
                    (queued, at, held) = (0, 0, false);
                }
                _ => {}
            }
            let step = line.chance(300);
            line.run(ms(step));
            for (_, played) in line.played.drain(..) {
                assert!(!held, "seed {seed}: {played:?} while held");
                assert_eq!(played.turn, turn, "seed {seed}");
                assert!(played.until >= at, "seed {seed}: {played:?} after {at}");
                assert!(played.until <= queued, "seed {seed}: {played:?} of {queued}");
                at = played.until;
            }
            // The lead, and what a stale estimate may let through.
            let slack = (line.wire.delay + line.wire.jitter).as_millis() as usize * 2 * 8;
            assert!(line.most_queued <= 2_400 + 480 + slack, "seed {seed}: {}", line.most_queued);
        }
    }
}

/// A line with the office behind everything; `heard` has all of it.
fn with_background(wire: Wire) -> (Line, Arc<Ambience>) {
    let mut line = Line::new(wire);
    let office = Arc::new(Ambience::office(codecs::SampleRate::HZ_8000));
    line.playout.set_background(Some(Arc::clone(&office)));
    (line, office)
}

/// Stretches of digital silence in what was heard, from 200 ms on, longer than a frame: where they
/// begin, and how long they are, in samples. The office itself is never silent for so long.
fn gaps(line: &Line) -> Vec<(usize, usize)> {
    let mut gaps = Vec::new();
    let mut since = None;
    for (at, &code) in line.heard.iter().enumerate().skip(1_600) {
        if g711::mulaw_decode(code) == 0 {
            since.get_or_insert(at);
        } else if let Some(began) = since.take()
            && at - began >= 40
        {
            gaps.push((began, at - began));
        }
    }
    gaps
}

#[test]
fn the_background_plays_without_a_gap_and_little_of_it_waits() {
    for wire in [GOOD, Wire { drift_ppm: 100, ..GOOD }, Wire { drift_ppm: -100, ..GOOD }] {
        let (mut line, _) = with_background(wire);
        line.run(ms(60_000));
        assert_eq!(gaps(&line), []);
        assert_eq!(line.model.runs().len(), 1);
        let allowed = (background::LEAD + ms(40) + ms(20)).as_millis() as usize * 8;
        assert!(line.most_queued <= allowed, "{} samples at the carrier", line.most_queued);
        assert_eq!(line.played, [], "it is nobody's reply");
    }
}

#[test]
fn a_reply_is_heard_whole_over_the_background_and_reported_to_the_end() {
    for seed in 1..=20 {
        let (mut line, _) = with_background(Wire { seed, ..GOOD });
        line.run(ms(500 + seed * 37));
        let began = line.now;
        line.queue(&vec![20_000; 16_077]);
        line.playout.finish(TURN);
        line.run(ms(3_000));
        let loud: Vec<usize> = (0..line.heard.len())
            .filter(|&at| g711::mulaw_decode(line.heard[at]) > 15_000)
            .collect();
        let [first, .., last] = loud[..] else { panic!("nothing heard") };
        assert_eq!((loud.len(), last - first + 1), (16_077, 16_077), "whole, in one piece");
        assert_eq!(gaps(&line), [], "and the background before and behind it");
        let end = Played { turn: TURN, until: 16_077, acknowledged: true };
        assert_eq!(line.last_played(), Some(end));
        assert_eq!(line.playout.counts(), PlayoutCounts::default());
        // It waited behind the background that was on its way and at the carrier.
        let waited = Duration::from_micros(first as u64 * 125) - began.since_start();
        assert!(waited <= background::LEAD + ms(20) + ms(20) + ms(20), "{waited:?}");
    }
}

#[test]
fn positions_of_a_reply_are_near_the_truth_over_the_background() {
    for seed in 1..=30 {
        for wire in [
            Wire { seed, ..GOOD },
            Wire { delay: ms(60), seed, ..GOOD },
            Wire { jitter: ms(30), seed, ..GOOD },
        ] {
            let (mut line, _) = with_background(wire);
            line.run(ms(300 + seed * 13));
            line.queue(&vec![20_000; 80_000]);
            line.playout.finish(TURN);
            line.run(ms(700 + seed * 137));
            let at = line.hold();
            line.run(ms(400));
            let loud = |code: &&u8| g711::mulaw_decode(**code) > 15_000;
            let truth = line.heard.iter().filter(loud).count() as u64;
            assert_near(at, truth, NEAR + wire.jitter.as_millis() as u64 * 2 * 8);
        }
    }
}

#[test]
fn a_clear_leaves_no_gap_longer_than_itself() {
    let (mut line, _) = with_background(GOOD);
    line.run(ms(400));
    line.queue(&vec![20_000; 80_000]);
    line.run(ms(1_000));
    line.hold();
    line.run(ms(500));
    line.playout.resume(8_000);
    line.run(ms(1_000));
    line.playout.stop(line.now);
    line.tick();
    line.run(ms(500));
    // The carrier waits for two frames before it plays again, as after any clear.
    let gaps = gaps(&line);
    assert_eq!(gaps.len(), 2, "{gaps:?}");
    assert!(gaps.iter().all(|(_, length)| *length <= 60 * 8), "{gaps:?}");
}

#[test]
fn each_moment_has_its_own_sample_of_the_background() {
    let (mut line, office) = with_background(GOOD);
    line.run(ms(2_000));
    line.queue(&vec![0; 8_000]);
    line.playout.finish(TURN);
    line.run(ms(3_000));
    // By the estimate of when it is heard: early or late by the same for the whole call.
    let late = (0..640).find(|late| {
        (2_400..36_000_u64).all(|at| {
            let sample = g711::mulaw_encode(office.sample(at + 320 - late));
            let heard = line.heard[at as usize];
            heard == sample || heard == again(sample)
        })
    });
    assert!(late.is_some(), "not the office from beginning to end, or 40 ms off");
}

/// What becomes of a sample that is mixed into silence.
fn again(code: u8) -> u8 {
    g711::mulaw_encode(g711::mulaw_decode(code))
}

#[test]
fn a_voice_that_falls_behind_is_heard_between_the_background() {
    let (mut line, _) = with_background(GOOD);
    line.run(ms(300));
    for _ in 0..10 {
        line.queue(&vec![20_000; 1_600]);
        line.run(ms(400));
    }
    line.playout.finish(TURN);
    line.run(ms(1_000));
    let loud = |code: &&u8| g711::mulaw_decode(**code) > 15_000;
    assert_eq!(line.heard.iter().filter(loud).count(), 16_000);
    assert_eq!(gaps(&line), []);
    assert_eq!(line.last_played().map(|played| played.until), Some(16_000));
    assert!(line.runs.len() >= 10, "each piece is a run: {:?}", line.runs);
    assert_eq!(line.playout.counts().underruns, 9);
}
