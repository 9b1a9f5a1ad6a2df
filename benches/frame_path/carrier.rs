//! The other end of the line, in a process of its own: this program, started again.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use engine::carrier::{
    Action, CallRecord, CallerScript, CarrierConfig, Dialled, Webhook, When, place_call,
};
use engine::demo::lines;

use crate::Outcome;

/// The first argument of a carrier's process.
pub(crate) const ROLE: &str = "carrier";

/// How much the caller says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A sentence a second, on a line with noise.
    Talkative,
    /// A word now and then, on a line without: little work for the voice detector.
    Quiet,
}

impl Caller {
    /// Where in the demo's recording the words are, and the pause after them.
    fn speech(self) -> (Range<u64>, Duration) {
        match self {
            Self::Talkative => (1_100..4_350, Duration::from_millis(900)),
            Self::Quiet => (1_200..1_400, Duration::from_secs(4)),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Talkative => "talkative",
            Self::Quiet => "quiet",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Talkative, Self::Quiet].into_iter().find(|caller| caller.name() == name)
    }
}

/// A carrier at work.
pub(crate) struct CarrierProcess(Child);

/// Starts a carrier that places `calls` calls to `server`.
pub(crate) fn start(
    server: SocketAddr,
    calls: usize,
    length: Duration,
    caller: Caller,
) -> std::io::Result<CarrierProcess> {
    let (calls, length) = (calls.to_string(), length.as_millis().to_string());
    Command::new(std::env::current_exe()?)
        .args([ROLE, &server.to_string(), &calls, &length, caller.name()])
        .stdin(Stdio::null())
        .spawn()
        .map(CarrierProcess)
}

impl CarrierProcess {
    /// Waits until its calls are over. False: they were not what they should be; it has said why.
    pub(crate) fn wait(mut self) -> std::io::Result<bool> {
        Ok(self.0.wait()?.success())
    }
}

/// The carrier's process: `server calls milliseconds caller`.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let &[server, calls, length, caller] = arguments else {
        return Err(format!("the carrier's arguments are {arguments:?}").into());
    };
    let (calls, length) = (calls.parse()?, Duration::from_millis(length.parse()?));
    let caller = Caller::from_name(caller).ok_or("the caller is `talkative` or `quiet`")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(place(server, calls, length, caller))
}

async fn place(server: &str, calls: usize, length: Duration, caller: Caller) -> Outcome {
    let models = std::env::var_os("CAUSERIE_MODELS_DIR")
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../models").into());
    let reading = Path::new(&models).join("demo-speech-en/two_cities.wav");
    let (speech, pause) = caller.speech();
    let ms = Duration::from_millis;
    let line = lines::recorded(&reading, Some((ms(speech.start), ms(speech.end))), "", "")?;
    let mut script = (0..length.as_secs()).fold(CallerScript::default(), |script, _| {
        script.then(When::AfterPrevious(pause), Action::Say(line.samples.clone()))
    });
    if caller == Caller::Quiet {
        script.noise_dbfs = None;
    }
    let client = reqwest::Client::new();
    let mut placed = tokio::task::JoinSet::new();
    for call in 0..calls {
        let mut line = CarrierConfig::new(format!("ws://{server}/twilio/media"));
        line.max_duration = length;
        let webhook = Webhook {
            url: format!("http://{server}/twilio/inbound"),
            signed_url: String::new(),
            auth_token: None,
            call_sid: line.call_sid.clone(),
            account_sid: line.account_sid.clone(),
            from: "+33612345678".to_owned(),
            to: "+33123456789".to_owned(),
        };
        match webhook.dial(&client).await? {
            Dialled::Stream { parameters, .. } => line.custom_parameters = parameters,
            other => return Err(format!("call {call} was answered with {other:?}").into()),
        }
        placed.spawn(place_call(line, script.clone()));
    }
    let mut steady = true;
    for record in placed.join_all().await {
        steady &= is_steady(&record?, length);
    }
    Ok(steady)
}

/// Both sides spoke from the beginning to the end.
fn is_steady(record: &CallRecord, length: Duration) -> bool {
    let heard: u64 = record.runs.iter().map(|run| run.range.end - run.range.start).sum();
    let heard = CallRecord::RATE.duration_of(heard);
    let steady = heard + Duration::from_secs(1) > length && record.malformed == 0;
    if !steady {
        eprintln!(
            "the call was not steady: {heard:?} of {length:?} heard, {} malformed frames, the \
             carrier was late by {:?} (p99), ended: {:?}",
            record.malformed, record.lateness_p99, record.end
        );
    }
    steady
}
