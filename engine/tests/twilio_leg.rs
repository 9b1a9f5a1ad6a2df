//! A Twilio leg's protocol, limits and endings, on a socket without a network and on paused time.

#[path = "support/carrier_socket.rs"]
mod carrier_socket;

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message};
use engine::transport::egress_clock::Ticker;
use engine::transport::twilio::{self, AcceptError, StartInfo, TwilioLeg, TwilioSettings};
use engine::transport::{LegEnd, MediaTransport, TransportEvent};
use serde_json::json;
use tokio::time::timeout;
use turntaking::input::TurnId;
use turntaking::time::Instant;

use carrier_socket::{CarrierSocket, EngineSocket, event_of, pair, start};

type Accepted = Result<(TwilioLeg<EngineSocket>, StartInfo, ()), AcceptError>;

async fn accept(socket: EngineSocket) -> Accepted {
    let wanted = |start: &StartInfo| match start.custom_parameters.get("token") {
        Some(token) if token == "secret" => Ok(()),
        _ => Err("no token"),
    };
    twilio::accept(socket, TwilioSettings::default(), Ticker::tokio(), wanted).await
}

/// A leg, its carrier, and the call's clock.
struct Call {
    leg: TwilioLeg<EngineSocket>,
    carrier: CarrierSocket,
    began: tokio::time::Instant,
    audio: Vec<i16>,
}

impl Call {
    async fn begin(room: usize) -> Self {
        let (engine, carrier) = pair(room);
        carrier.start();
        let (leg, start, ()) = accept(engine).await.expect("a good start");
        assert_eq!((start.stream_sid.as_str(), start.call_sid.as_str()), ("MZ1", "CA1"));
        Self { leg, carrier, began: tokio::time::Instant::now(), audio: Vec::new() }
    }

    fn now(&self) -> Instant {
        Instant::START + self.began.elapsed()
    }

    /// The next event but reports of the playhead.
    async fn next(&mut self) -> TransportEvent {
        loop {
            let began = self.began;
            let event = poll_fn(|cx| {
                let now = Instant::START + began.elapsed();
                self.leg.poll_event(cx, now, &mut self.audio)
            })
            .await;
            if !matches!(event, TransportEvent::Played { .. }) {
                return event;
            }
        }
    }

    /// Lets the leg work for so long, with a caller who is silent but there.
    async fn run(&mut self, duration: Duration) -> Vec<TransportEvent> {
        let mut events = Vec::new();
        let until = self.began.elapsed() + duration;
        while self.began.elapsed() < until {
            let stamp = self.began.elapsed().as_millis() as u64;
            self.carrier.media(stamp / 20 + 1, stamp, &[0xff; 160]);
            let _ = timeout(Duration::from_millis(20), async {
                loop {
                    let event = self.next().await;
                    events.push(event);
                }
            })
            .await;
        }
        events
    }

    /// The leg ends so, once, and lets go of its socket.
    async fn ends(&mut self, end: LegEnd) {
        let mut event = self.next().await;
        while matches!(event, TransportEvent::Audio { .. }) {
            event = self.next().await;
        }
        assert_eq!(event, TransportEvent::Ended(end));
        let more = timeout(Duration::from_secs(60), self.next()).await;
        assert!(more.is_err(), "after the end came {more:?}");
        assert!(self.carrier.is_closed(), "the socket was kept");
    }
}

#[tokio::test(start_paused = true)]
async fn a_socket_without_a_start_is_closed_after_5_s() {
    let (engine, mut carrier) = pair(8);
    carrier.send(json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}));
    let began = tokio::time::Instant::now();
    let refused = accept(engine).await.err().expect("refused");
    assert!(matches!(refused, AcceptError::TimedOut(_)), "{refused}");
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    assert_eq!(carrier.received_events(), ["close 1008"]);
    assert!(carrier.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_not_wanted_is_refused() {
    let with = |change: fn(&mut serde_json::Value)| {
        let mut start = start();
        change(&mut start);
        Message::text(start.to_string())
    };
    let cases: [(Message, &str, &str); 6] = [
        (with(|s| s["start"]["customParameters"] = json!({})), "refused: no token", "close 1008"),
        (with(|s| s["start"]["mediaFormat"]["sampleRate"] = json!(16000)), "8000", "close 1003"),
        (with(|s| s["start"] = json!(null)), "start", "close 1002"),
        (Message::text("hello"), "handshake", "close 1002"),
        (Message::binary(vec![1]), "binary", "close 1002"),
        (Message::text(r#"{"event":"stop"}"#), "before `start`", "close 1002"),
    ];
    for (message, reason, close) in cases {
        let (engine, mut carrier) = pair(8);
        carrier.send_raw(message);
        let refused = accept(engine).await.err().expect("refused").to_string();
        assert!(refused.contains(reason), "{refused:?} has no {reason:?}");
        assert_eq!(carrier.received_events(), [close]);
        assert!(carrier.is_closed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_leaves_before_start_is_let_go() {
    let (engine, carrier) = pair(8);
    drop(carrier);
    assert!(matches!(accept(engine).await.err(), Some(AcceptError::Closed)));
}

#[tokio::test(start_paused = true)]
async fn the_caller_is_heard_on_the_carriers_time() {
    let mut call = Call::begin(64).await;
    call.carrier.media(1, 0, &[0x80; 160]);
    call.carrier.send(json!({"event": "tomorrow"}));
    call.carrier.send(json!({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": "5"}}));
    call.carrier.media(2, 20, &[0xff; 33]);
    call.carrier.media(3, 1_000, &[0xff; 160]);
    assert_eq!(call.next().await, TransportEvent::Audio { at: 0 });
    assert_eq!(call.audio, [codecs::g711::mulaw_decode(0x80); 160]);
    assert_eq!(call.next().await, TransportEvent::Digit('5'));
    assert_eq!(call.next().await, TransportEvent::Audio { at: 160 });
    assert_eq!(call.audio, [0; 33]);
    assert_eq!(call.next().await, TransportEvent::Audio { at: 8_000 });
    assert_eq!(call.leg.counts().ignored, 1);
    assert_eq!(call.leg.counts().ingress.gaps, 1);
}

#[tokio::test(start_paused = true)]
async fn stop_ends_the_call_and_is_answered_with_a_close() {
    let mut call = Call::begin(64).await;
    call.carrier.send(json!({"event": "stop", "stop": {"callSid": "CA1"}}));
    call.ends(LegEnd::Stopped).await;
    assert_eq!(call.carrier.received_events(), ["close 1000"]);
}

#[tokio::test(start_paused = true)]
async fn how_far_a_reply_was_heard_is_known_after_the_caller_hung_up() {
    let mut call = Call::begin(10_000).await;
    call.leg.queue(TurnId(1), &[1_000; 16_000]);
    call.run(Duration::from_millis(500)).await;
    call.carrier.send(json!({"event": "stop", "stop": {"callSid": "CA1"}}));
    assert_eq!(call.next().await, TransportEvent::Ended(LegEnd::Stopped));
    let now = call.now();
    let (turn, at) = call.leg.stop(now).expect("it was playing");
    assert_eq!(turn, TurnId(1));
    assert!((3_000..4_000).contains(&at), "{at} samples in 500 ms");
}

#[tokio::test(start_paused = true)]
async fn a_close_frame_and_a_close_without_one() {
    let mut call = Call::begin(64).await;
    let frame = CloseFrame { code: 1001, reason: "".into() };
    call.carrier.send_raw(Message::Close(Some(frame)));
    call.ends(LegEnd::PeerClosed).await;

    let mut call = Call::begin(64).await;
    let (_, other) = pair(1);
    drop(std::mem::replace(&mut call.carrier, other));
    assert_eq!(call.next().await, TransportEvent::Ended(LegEnd::Disconnected));
}

#[tokio::test(start_paused = true)]
async fn a_silent_socket_is_dead_after_5_s() {
    let mut call = Call::begin(64).await;
    call.run(Duration::from_secs(2)).await;
    let silent_since = call.began.elapsed();
    call.ends(LegEnd::Silent).await;
    // `ends` waits 60 s for a second event.
    let took = call.began.elapsed() - Duration::from_secs(60) - silent_since;
    assert!((4_900..5_300).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn pongs_are_no_sign_of_life_of_the_call() {
    let mut call = Call::begin(64).await;
    for _ in 0..8 {
        call.carrier.received();
        let wait = timeout(Duration::from_millis(600), call.next()).await;
        assert!(wait.is_err(), "{wait:?}");
    }
    call.ends(LegEnd::Silent).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_dead_after_5_s() {
    // Room for three frames, and nobody reads.
    let mut call = Call::begin(3).await;
    call.leg.queue(TurnId(1), &[1_000; 80_000]);
    let events = call.run(Duration::from_millis(4_900)).await;
    assert!(events.iter().all(|event| matches!(event, TransportEvent::Audio { .. })), "{events:?}");
    let events = call.run(Duration::from_millis(400)).await;
    assert!(events.contains(&TransportEvent::Ended(LegEnd::Stalled)), "{events:?}");
    assert!(call.carrier.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stops_answering_pings_is_dead_though_it_sends() {
    let mut call = Call::begin(10_000).await;
    for _ in 0..100 {
        call.run(Duration::from_millis(20)).await;
        call.carrier.received();
    }
    let mut ended = Vec::new();
    for _ in 0..70 {
        ended.extend(call.run(Duration::from_millis(100)).await);
    }
    let end = TransportEvent::Ended(LegEnd::Stalled);
    assert_eq!(ended.iter().filter(|&event| *event == end).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn ten_malformed_frames_in_a_row_are_too_many() {
    let mut call = Call::begin(64).await;
    for _ in 0..3 {
        for _ in 0..9 {
            call.carrier.send_raw(Message::text("{\"event\":"));
        }
        call.carrier.media(1, 0, &[0xff; 160]);
        call.carrier.send(json!({"event": "mark", "mark": {"name": "not ours"}}));
    }
    call.run(Duration::from_millis(40)).await;
    assert_eq!(call.leg.counts().malformed, 27);
    for _ in 0..5 {
        call.carrier.send_raw(Message::binary(vec![0]));
        call.carrier.send(json!({"event": "media", "media": {"timestamp": "0", "payload": "*"}}));
    }
    call.ends(LegEnd::ProtocolError).await;
    assert_eq!(call.carrier.received_events().last().map(String::as_str), Some("close 1002"));
}

#[tokio::test(start_paused = true)]
async fn a_reply_goes_out_with_a_bounded_lead_and_early_marks() {
    let mut call = Call::begin(10_000).await;
    call.leg.queue(TurnId(1), &[1_000; 16_000]);
    call.run(Duration::from_millis(20)).await;
    let mut sent = call.carrier.received();
    sent.retain(|message| event_of(message).is_some());
    let names: Vec<_> = sent.iter().filter_map(event_of).collect();
    assert_eq!(
        names,
        ["media", "mark", "media", "mark", "media", "mark", "media"],
        "20 ms, then 100 ms each, up to 300"
    );
    let Message::Text(mark) = &sent[1] else { panic!("{:?}", sent[1]) };
    let mark: serde_json::Value = serde_json::from_str(mark.as_str()).expect("JSON");
    assert_eq!(mark["mark"]["name"], "t1.160.0");
    assert_eq!(mark["streamSid"], "MZ1");
}

#[tokio::test(start_paused = true)]
async fn a_clear_leaves_at_once_and_is_never_lost() {
    let mut call = Call::begin(10_000).await;
    call.leg.queue(TurnId(1), &[1_000; 16_000]);
    call.run(Duration::from_millis(400)).await;
    call.carrier.received();
    let now = call.now();
    let (turn, at) = call.leg.hold(now).expect("playing");
    assert_eq!(turn, TurnId(1));
    assert!((1_600..4_000).contains(&at), "{at}");
    // It leaves with the next poll: no time passes.
    let _ = timeout(Duration::ZERO, call.next()).await;
    assert_eq!(call.carrier.received_events(), ["clear"]);
    let now = call.now();
    call.leg.resume(now, at - 800);
    let _ = timeout(Duration::ZERO, call.next()).await;
    assert_eq!(call.carrier.received_events()[..2], ["media", "mark"]);

    // A peer that reads nothing gets the clear as the next thing once it reads.
    let mut call = Call::begin(2).await;
    call.leg.queue(TurnId(1), &[1_000; 16_000]);
    call.run(Duration::from_millis(400)).await;
    let now = call.now();
    call.leg.stop(now).expect("playing");
    call.run(Duration::from_millis(100)).await;
    call.carrier.received();
    call.run(Duration::from_millis(40)).await;
    assert_eq!(call.carrier.received_events(), ["clear"]);
}

#[tokio::test(start_paused = true)]
async fn our_close_waits_for_what_is_being_played() {
    let mut call = Call::begin(10_000).await;
    call.leg.queue(TurnId(1), &[1_000; 8_000]);
    let now = call.now();
    call.leg.close(now);
    call.run(Duration::from_millis(900)).await;
    let sent = call.carrier.received_events();
    assert_eq!(sent.last().map(String::as_str), Some("mark"), "not yet closed");
    // No mark comes back: half a second beyond the estimate it is given up.
    call.run(Duration::from_millis(900)).await;
    assert_eq!(call.carrier.received_events(), ["close 1000"]);
    call.carrier.send_raw(Message::Close(None));
    call.ends(LegEnd::Closed).await;
}

#[tokio::test(start_paused = true)]
async fn our_close_does_not_wait_for_a_peer_that_does_not_answer() {
    let mut call = Call::begin(10_000).await;
    let now = call.now();
    call.leg.close(now);
    let events = call.run(Duration::from_millis(1_200)).await;
    assert_eq!(events.last(), Some(&TransportEvent::Ended(LegEnd::Closed)));
    assert_eq!(call.carrier.received_events(), ["close 1000"]);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_frames_lets_others_run() {
    let mut call = Call::begin(64).await;
    for _ in 0..1_000 {
        call.carrier.send(json!({"event": "tomorrow"}));
    }
    let mut polls = 0;
    poll_fn(|cx| {
        let now = Instant::START;
        assert!(call.leg.poll_event(cx, now, &mut call.audio).is_pending());
        polls += 1;
        if call.leg.counts().ignored == 1_000 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    assert!(polls > 10, "all read in {polls} polls");
}
