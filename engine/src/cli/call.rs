//! `causerie call`.

use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use codecs::SampleRate;
use codecs::resample::Resampler;
use codecs::wav::Wav;

use super::CallArgs;
use crate::api::{TWILIO_INBOUND, TWILIO_MEDIA};
use crate::carrier::{
    self, Action, CallRecord, CallerScript, CarrierConfig, Dialled, Webhook, When,
};
use crate::config::{Config, PublicUrl, Secret};
use crate::transport::twilio::signature::AuthToken;

/// Silence that parts two turns of the assistant, in what is printed.
const TURN_GAP: Duration = Duration::from_millis(700);

/// How long the assistant may take to begin its greeting before the caller speaks all the same.
const GREETING: Duration = Duration::from_secs(4);

/// Plays a WAV into a running server as Twilio would, saves both sides, prints the turns. The
/// webhook is signed with `twilio.auth_token` of this machine's configuration.
pub async fn run(args: &CallArgs, config: &Config) -> ExitCode {
    match call(args, config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("causerie: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn call(args: &CallArgs, config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    let server = PublicUrl::parse(&args.url).map_err(|reason| format!("--url: {reason}"))?;
    let samples = speech(&args.audio)?;
    let said = CallRecord::RATE.duration_of(samples.len() as u64);

    let mut line = CarrierConfig::new(server.websocket(TWILIO_MEDIA));
    line.max_duration =
        GREETING + Duration::from_secs(30) + said + Duration::from_secs(args.linger_seconds);
    let public = config.public_url.as_ref().unwrap_or(&server);
    let webhook = Webhook {
        url: server.http(TWILIO_INBOUND),
        signed_url: public.http(TWILIO_INBOUND),
        auth_token: config
            .twilio
            .auth_token
            .as_ref()
            .map(|token| AuthToken::new(Secret::expose(token))),
        call_sid: line.call_sid.clone(),
        account_sid: line.account_sid.clone(),
        from: "+33612345678".to_owned(),
        to: "+33123456789".to_owned(),
    };
    match webhook.dial(&reqwest::Client::new()).await? {
        Dialled::Stream { parameters, .. } => line.custom_parameters = parameters,
        Dialled::Rejected => return Err("the server is full: it answered with busy".into()),
        Dialled::Said(text) => return Err(format!("the server said: {text}").into()),
    }
    let script = CallerScript::default()
        .then(When::AgentSilentOr { silence: TURN_GAP, latest: GREETING }, Action::Say(samples))
        .then(When::AfterPrevious(Duration::from_secs(args.linger_seconds)), Action::HangUp);
    let record = carrier::place_call(line, script).await?;
    record.write_wav(BufWriter::new(File::create(&args.out)?))?;
    tell(&record, &args.out);
    Ok(())
}

/// The caller's words at the call's rate.
fn speech(path: &Path) -> Result<Vec<i16>, Box<dyn std::error::Error>> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(|error: io::Error| named(&error))?;
    let wav = Wav::read(BufReader::new(file)).map_err(|error| named(&error))?;
    let rate = wav.rate;
    let samples = wav.into_mono();
    if rate == SampleRate::HZ_8000 {
        return Ok(samples);
    }
    let mut resampler = Resampler::new(rate, SampleRate::HZ_8000).map_err(|error| named(&error))?;
    let mut resampled = Vec::with_capacity(samples.len());
    resampler.process(&samples, &mut resampled);
    resampler.flush(&mut resampled);
    Ok(resampled)
}

fn tell(record: &CallRecord, out: &Path) {
    let seconds = |position: u64| CallRecord::RATE.duration_of(position).as_secs_f64();
    let mut turns: Vec<_> =
        record.cues.iter().map(|cue| (cue.range.start, cue.speech_end, "caller   ")).collect();
    turns.extend(
        record.utterances(TURN_GAP).into_iter().map(|said| (said.start, said.end, "assistant")),
    );
    turns.sort_unstable();
    turns.retain(|(start, end, _)| end > start);
    for (start, end, who) in turns {
        println!("{who}  {:7.2} s to {:7.2} s", seconds(start), seconds(end));
    }
    if let Some(time) = record.response_time(0) {
        println!("end of speech to first audio: {} ms", time.as_millis());
    }
    println!("both sides are in {}", out.display());
}
