//! The scripted leg keeps the transport's contract, to the sample, on paused time.

use std::future::poll_fn;
use std::time::Duration;

use codecs::SampleRate;
use engine::carrier::{Action, CallerScript, Cue, When};
use engine::transport::scripted::{CallLog, Heard, ScriptedLeg, ScriptedLine};
use engine::transport::{LegEnd, MediaTransport, TransportEvent};
use tokio::sync::oneshot;
use turntaking::input::TurnId;
use turntaking::time::Instant;

struct Call {
    leg: ScriptedLeg,
    log: oneshot::Receiver<CallLog>,
    began: tokio::time::Instant,
    audio: Vec<i16>,
}

impl Call {
    fn new(cues: Vec<Cue>) -> Self {
        let script = CallerScript { cues, noise_dbfs: None, seed: 1 };
        let line = ScriptedLine {
            rate: SampleRate::HZ_8000,
            latency: Duration::from_millis(60),
            script,
            end: LegEnd::Stopped,
        };
        let (leg, log) = ScriptedLeg::new(line);
        Self { leg, log, began: tokio::time::Instant::now(), audio: Vec::new() }
    }

    fn now(&self) -> Instant {
        Instant::START + self.began.elapsed()
    }

    async fn next(&mut self) -> TransportEvent {
        let began = self.began;
        poll_fn(|cx| {
            let now = Instant::START + began.elapsed();
            self.leg.poll_event(cx, now, &mut self.audio)
        })
        .await
    }

    /// Runs until the playhead is at `position` or beyond.
    async fn play_to(&mut self, position: u64) -> u64 {
        loop {
            if let TransportEvent::Played { until, .. } = self.next().await
                && until >= position
            {
                return until;
            }
        }
    }

    fn end(self) -> CallLog {
        drop(self.leg);
        let mut log = self.log;
        log.try_recv().expect("sent when dropped")
    }
}

fn at(millis: u64, action: Action) -> Cue {
    Cue { when: When::At(Duration::from_millis(millis)), action }
}

#[tokio::test(start_paused = true)]
async fn the_caller_speaks_in_real_time() {
    let mut call = Call::new(vec![
        at(20, Action::Say(vec![7; 200])),
        at(60, Action::Press('1')),
        at(80, Action::Gap(Duration::from_millis(40))),
        at(140, Action::HangUp),
    ]);
    let mut heard = Vec::new();
    loop {
        match call.next().await {
            TransportEvent::Audio { at } => heard.push((at, call.audio[0], call.now())),
            TransportEvent::Digit(digit) => assert_eq!(digit, '1'),
            TransportEvent::Played { .. } => panic!("nothing was queued"),
            TransportEvent::Ended(end) => {
                assert_eq!(end, LegEnd::Stopped);
                break;
            }
        }
    }
    let expected =
        [(0, 0, 20), (160, 7, 40), (320, 7, 60), (480, 0, 80), (960, 0, 140), (1_120, 0, 160)];
    let expected = expected.map(|(at, sample, ms)| (at, sample, Instant::from_millis(ms)));
    assert_eq!(heard, expected);
    let more = tokio::time::timeout(Duration::from_secs(5), call.next()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_heard_is_what_the_playhead_says() {
    let mut call = Call::new(Vec::new());
    let reply: Vec<i16> = (0..8_000).map(|sample| sample as i16 + 1).collect();
    call.leg.queue(TurnId(1), &reply);
    call.play_to(1_600).await;
    let now = call.now();
    let (_, held) = call.leg.hold(now).expect("playing");
    assert_eq!(held, 1_600);
    for _ in 0..10 {
        assert!(matches!(call.next().await, TransportEvent::Audio { .. }), "held");
    }
    let now = call.now();
    call.leg.resume(now, 1_000);
    call.play_to(2_000).await;
    let now = call.now();
    let (turn, stopped) = call.leg.stop(now).expect("playing");
    assert_eq!(turn, TurnId(1));
    assert_eq!(call.leg.stop(now), None);
    let mut kept = Vec::new();
    call.leg.reply_samples(TurnId(1), 0..u64::MAX, &mut kept);
    assert_eq!(kept, reply[..stopped as usize]);

    call.leg.queue(TurnId(2), &reply[..100]);
    call.leg.finish(TurnId(2));
    let now = call.now();
    call.leg.close(now);
    while call.next().await != TransportEvent::Ended(LegEnd::Closed) {}
    let log = call.end();
    let ranges: Vec<_> =
        log.heard.iter().map(|heard| (heard.turn.0, heard.range.clone())).collect();
    assert_eq!(ranges, [(1, 0..1_600), (1, 1_000..stopped), (2, 0..100)]);
    for Heard { range, at, .. } in &log.heard {
        let (from, length) = (*at as usize, (range.end - range.start) as usize);
        assert_eq!(log.agent[from..from + length], reply[range.start as usize..range.end as usize]);
    }
    assert_eq!(log.heard[0].at, 480, "60 ms after the first frame");
}
