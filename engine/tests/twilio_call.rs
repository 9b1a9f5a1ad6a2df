//! Whole calls between the test carrier and a leg, over a real WebSocket: webhook, token, media
//! both ways, endings. In real time, so each is short, and none asserts on time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant as Moment};

use axum::Router;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{RawForm, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use codecs::g711;
use engine::carrier::{
    Action, CallEnd, CallRecord, CallerScript, CarrierConfig, Cue, Dialled, Fault, Impairments,
    Webhook, When, place_call,
};
use engine::transport::egress_clock::EgressClock;
use engine::transport::socket::limit_buffers;
use engine::transport::token::{self, TokenOffice};
use engine::transport::twilio::signature::{self, AuthToken};
use engine::transport::twilio::{self, TwilioSettings, twiml};
use engine::transport::{LegEnd, MediaTransport, TransportEvent};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use turntaking::input::TurnId;
use turntaking::time::Instant;

const PUBLIC_URL: &str = "https://voice.example";

/// What the agent does in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behaviour {
    /// Speaks once, then closes.
    SayAndClose,
    /// Speaks; at the caller's first sound stops and says something short; never closes.
    YieldToCaller,
    /// Holds at the caller's first sound, and goes on from 100 ms before when it has been quiet.
    HoldAndResume,
    /// Listens.
    Listen,
}

/// What the agent's side saw.
#[derive(Debug, Default)]
struct Seen {
    /// Positions and samples of the caller.
    audio: Vec<(u64, Vec<i16>)>,
    digits: String,
    played: u64,
    held: Vec<u64>,
    end: Option<LegEnd>,
}

struct Server {
    address: SocketAddr,
    seen: mpsc::Receiver<Seen>,
}

struct Shared {
    clock: EgressClock,
    office: TokenOffice,
    auth: AuthToken,
    behaviour: Behaviour,
    seen: mpsc::Sender<Seen>,
}

/// 20 ms each at their own loudness, none silent.
fn reply(frames: usize) -> Vec<i16> {
    (0..frames * 160).map(|at| g711::mulaw_decode((at / 160 % 60) as u8 + 0x80)).collect()
}

async fn serve(behaviour: Behaviour) -> Server {
    let (seen, seen_here) = mpsc::channel(4);
    let shared = Arc::new(Shared {
        clock: EgressClock::start(4).expect("a thread"),
        office: TokenOffice::new(Moment::now()).expect("randomness"),
        auth: AuthToken::new("12345"),
        behaviour,
        seen,
    });
    let app = Router::new()
        .route("/twilio/inbound", post(inbound))
        .route("/twilio/media", any(media))
        .with_state(shared);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, app).await });
    Server { address, seen: seen_here }
}

async fn inbound(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    RawForm(form): RawForm,
) -> Response {
    let url = reqwest::Url::parse(&format!("http://form?{}", String::from_utf8_lossy(&form)));
    let form: Vec<(String, String)> = url.expect("a form").query_pairs().into_owned().collect();
    let signed = headers
        .get(signature::HEADER)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|s| shared.auth.verify(&format!("{PUBLIC_URL}/twilio/inbound"), &form, s));
    if !signed {
        return StatusCode::FORBIDDEN.into_response();
    }
    let call_sid = form.iter().find(|(name, _)| name == "CallSid").expect("CallSid").1.as_str();
    let token = shared.office.issue(call_sid, Moment::now());
    let url = format!("{}/twilio/media", PUBLIC_URL.replace("https", "wss"));
    let twiml = twiml::connect_stream(&url, &[(token::PARAMETER, &token)]).expect("valid");
    ([("content-type", twiml::CONTENT_TYPE)], twiml).into_response()
}

async fn media(State(shared): State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    limit_buffers(upgrade).on_upgrade(move |socket| converse(shared, socket))
}

async fn converse(shared: Arc<Shared>, socket: WebSocket) {
    let accepted = twilio::accept(
        socket,
        TwilioSettings::default(),
        shared.clock.ticker(),
        |start: &twilio::StartInfo| {
            let token = start.custom_parameters.get(token::PARAMETER).map_or("", String::as_str);
            shared.office.redeem(token, &start.call_sid, Moment::now())
        },
    )
    .await;
    let Ok((mut leg, _, ())) = accepted else {
        let _ = shared.seen.send(Seen::default()).await;
        return;
    };
    let began = Moment::now();
    let now = || Instant::START + began.elapsed();
    let mut seen = Seen::default();
    let mut audio = Vec::new();
    let mut voiced = 0;
    let mut quiet = 0;
    if shared.behaviour != Behaviour::Listen {
        leg.queue(TurnId(1), &reply(50));
        leg.finish(TurnId(1));
    }
    if shared.behaviour == Behaviour::SayAndClose {
        leg.close(now());
    }
    loop {
        match std::future::poll_fn(|cx| leg.poll_event(cx, now(), &mut audio)).await {
            TransportEvent::Audio { at } => {
                let loud = audio.iter().any(|sample| sample.unsigned_abs() > 1_000);
                (voiced, quiet) = if loud { (voiced + 1, 0) } else { (voiced, quiet + 1) };
                seen.audio.push((at, audio.clone()));
                if loud && voiced == 1 && shared.behaviour == Behaviour::YieldToCaller {
                    seen.held.extend(leg.stop(now()).map(|(_, at)| at));
                    leg.queue(TurnId(2), &reply(10));
                    leg.finish(TurnId(2));
                }
                if shared.behaviour == Behaviour::HoldAndResume && voiced > 0 {
                    if loud && voiced == 1 {
                        seen.held.extend(leg.hold(now()).map(|(_, at)| at));
                    } else if quiet == 10 {
                        let from = seen.held.last().copied().unwrap_or_default();
                        leg.resume(now(), from.saturating_sub(800));
                    }
                }
            }
            TransportEvent::Digit(digit) => seen.digits.push(digit),
            TransportEvent::Played { until, .. } => seen.played = until,
            TransportEvent::Ended(end) => {
                seen.end = Some(end);
                break;
            }
        }
    }
    let _ = shared.seen.send(seen).await;
}

/// Announces the call, then carries it.
async fn call(server: &mut Server, script: CallerScript, line: Impairments) -> (CallRecord, Seen) {
    let mut config = CarrierConfig::new(format!("ws://{}/twilio/media", server.address));
    config.impairments = line;
    config.max_duration = Duration::from_secs(20);
    let webhook = Webhook {
        url: format!("http://{}/twilio/inbound", server.address),
        signed_url: format!("{PUBLIC_URL}/twilio/inbound"),
        auth_token: Some(AuthToken::new("12345")),
        call_sid: config.call_sid.clone(),
        account_sid: config.account_sid.clone(),
        from: "+12349013030".to_owned(),
        to: "+18005551212".to_owned(),
    };
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let Dialled::Stream { url, parameters } = webhook.dial(&client).await.expect("an answer")
    else {
        panic!("no stream");
    };
    assert_eq!(url, "wss://voice.example/twilio/media");
    config.custom_parameters = parameters;
    let record = place_call(config, script).await.expect("a socket");
    (record, server.seen.recv().await.expect("a call"))
}

fn script(cues: Vec<Cue>) -> CallerScript {
    CallerScript::new(cues)
}

fn cue(when: When, action: Action) -> Cue {
    Cue { when, action }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What was heard, silence left out.
fn heard(record: &CallRecord) -> Vec<i16> {
    record.agent.iter().copied().filter(|&sample| sample != 0).collect()
}

#[tokio::test]
async fn a_reply_is_heard_to_its_last_sample_before_the_agent_hangs_up() {
    let mut server = serve(Behaviour::SayAndClose).await;
    let (record, seen) = call(&mut server, script(vec![]), Impairments::default()).await;
    assert!(heard(&record) == reply(50), "{} samples heard", heard(&record).len());
    assert_eq!(record.end, CallEnd::ServerClosed(Some(1000)));
    assert_eq!((seen.end, seen.played), (Some(LegEnd::Closed), 8_000));
    assert!(record.marks >= 10, "{} marks", record.marks);
    assert_eq!(record.malformed, 0);
    assert!(record.most_queued <= ms(300), "{:?} waited", record.most_queued);
}

#[tokio::test]
async fn a_barge_in_cuts_the_reply_and_the_next_one_is_whole() {
    let mut server = serve(Behaviour::YieldToCaller).await;
    let script = script(vec![
        cue(When::AgentSpeaking(ms(300)), Action::Say(vec![8_000; 800])),
        cue(When::AgentSilent(ms(400)), Action::HangUp),
    ]);
    let (record, seen) = call(&mut server, script, Impairments::default()).await;
    assert_eq!(record.end, CallEnd::HungUp);
    assert_eq!(seen.end, Some(LegEnd::Stopped));
    assert_eq!(record.clears.len(), 1);
    let heard = heard(&record);
    let cut = heard.len() - 1_600;
    assert!(heard[..cut] == reply(50)[..cut], "not a prefix");
    assert!(heard[cut..] == reply(10)[..], "the second reply is not whole");
    assert_eq!(seen.held.len(), 1);
}

#[tokio::test]
async fn a_cough_holds_the_reply_and_it_goes_on() {
    let mut server = serve(Behaviour::HoldAndResume).await;
    let script = script(vec![
        cue(When::AgentSpeaking(ms(300)), Action::Say(vec![8_000; 800])),
        cue(When::AfterPrevious(ms(2_000)), Action::HangUp),
    ]);
    let (record, seen) = call(&mut server, script, Impairments::default()).await;
    assert_eq!(seen.played, 8_000, "heard to the end");
    assert_eq!((record.clears.len(), seen.held.len()), (1, 1));
    let heard = heard(&record);
    let again = &heard[heard.len() - (8_000 - seen.held[0] as usize + 800)..];
    assert!(again == &reply(50)[seen.held[0] as usize - 800..], "from before the hold to the end");
}

#[tokio::test]
async fn the_caller_is_understood_over_a_bad_line() {
    let mut server = serve(Behaviour::Listen).await;
    let speech: Vec<i16> = (0..8_000).map(|at| ((at * 37) % 20_000 - 10_000) as i16).collect();
    let script = script(vec![
        cue(When::At(ms(100)), Action::Say(speech)),
        cue(When::AfterPrevious(ms(0)), Action::Press('4')),
        cue(When::AfterPrevious(ms(200)), Action::HangUp),
    ]);
    let line = Impairments {
        reorder: 0.1,
        bunch: 3,
        delay: ms(20),
        jitter: ms(30),
        drift_ppm: 100,
        seed: 3,
        ..Impairments::default()
    };
    let (record, seen) = call(&mut server, script, line).await;
    assert_eq!(seen.digits, "4");
    let mut whole: Vec<i16> = Vec::new();
    for (at, samples) in &seen.audio {
        assert_eq!(*at, whole.len() as u64, "a gap");
        whole.extend(samples);
    }
    let said: Vec<i16> = record.caller[..whole.len()]
        .iter()
        .map(|&sample| g711::mulaw_decode(g711::mulaw_encode(sample)))
        .collect();
    assert!(whole == said, "what arrived is not what was said");
    assert!(record.caller.len() - whole.len() <= 4 * 160, "the end is missing");
}

#[tokio::test]
async fn lost_frames_are_gaps_at_their_place() {
    let mut server = serve(Behaviour::Listen).await;
    let line = Impairments { loss: 0.2, seed: 5, ..Impairments::default() };
    let script = script(vec![cue(When::At(ms(1_500)), Action::HangUp)]);
    let (record, seen) = call(&mut server, script, line).await;
    assert!(seen.audio.len() < 75, "nothing was lost");
    for (at, samples) in &seen.audio {
        let said = &record.caller[*at as usize..][..samples.len()];
        let said: Vec<i16> =
            said.iter().map(|&s| g711::mulaw_decode(g711::mulaw_encode(s))).collect();
        assert!(*samples == said, "the frame at {at} is from elsewhere");
    }
}

#[tokio::test]
async fn a_carrier_that_vanishes_is_noticed_at_once() {
    let mut server = serve(Behaviour::Listen).await;
    let fault = Some((ms(300), Fault::Vanish));
    let line = Impairments { fault, ..Impairments::default() };
    let (record, seen) = call(&mut server, script(vec![]), line).await;
    assert_eq!(record.end, CallEnd::Failed);
    assert_eq!(seen.end, Some(LegEnd::Disconnected));
}

#[tokio::test]
async fn a_stream_without_a_token_or_with_a_used_one_is_refused() {
    let mut server = serve(Behaviour::Listen).await;
    let config = CarrierConfig::new(format!("ws://{}/twilio/media", server.address));
    let record = place_call(config, script(vec![])).await.expect("a socket");
    assert_eq!(record.end, CallEnd::ServerClosed(Some(1008)));
    assert_eq!(server.seen.recv().await.expect("a call").end, None);
}

#[tokio::test]
async fn an_unsigned_webhook_is_refused() {
    let server = serve(Behaviour::Listen).await;
    let webhook = Webhook {
        url: format!("http://{}/twilio/inbound", server.address),
        signed_url: String::new(),
        auth_token: Some(AuthToken::new("12345")),
        call_sid: "CA1".to_owned(),
        account_sid: "AC1".to_owned(),
        from: "+1".to_owned(),
        to: "+2".to_owned(),
    };
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let refused = webhook.dial(&client).await.expect_err("signed for another URL").to_string();
    assert!(refused.contains("403"), "{refused}");
}

#[tokio::test]
async fn no_server_is_an_error_that_names_it() {
    let unused = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = unused.local_addr().expect("bound");
    drop(unused);
    let config = CarrierConfig::new(format!("ws://{address}/twilio/media"));
    let error = place_call(config, script(vec![])).await.expect_err("nobody there");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}
