//! Recordings: `/call/{id}/...-recording` leads the holder of a key to a link for an hour; the
//! link itself needs none, as Vapi's do not.

use std::io::Cursor;
use std::path::PathBuf;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use codecs::pcm::{Pcm, SampleRate};
use codecs::wav::{self, Wav, WavError};
use serde::Deserialize;
use uuid::Uuid;

use super::auth::Owner;
use super::call;
use super::error::ApiError;
use crate::app::App;
use crate::recording::RECORDING_FILE;
use crate::store::{Timestamp, Track};

/// How long the link holds that a key was exchanged for.
const LIFETIME: Duration = Duration::from_secs(3_600);

/// `GET /call/{id}/{form}-recording`: 302 to the file.
pub(super) async fn redirect(
    State(app): State<App>,
    Owner(owner): Owner,
    Path((id, artifact)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let track = match artifact.as_str() {
        "mono-recording" => Track::Combined,
        "stereo-recording" => Track::Stereo,
        "customer-recording" => Track::Customer,
        "assistant-recording" => Track::Assistant,
        _ => return Err(ApiError::not_found("Artifact")),
    };
    let record = call::find(&app, owner, &id).await?;
    if record.call.recording_url.is_none() {
        return Err(ApiError::not_found("Recording"));
    }
    let until = Timestamp::now().after(LIFETIME);
    let location = app.links().recording(record.id, track, Some(until));
    Ok((StatusCode::FOUND, [(header::LOCATION, location)]).into_response())
}

/// What makes a link.
#[derive(Debug, Deserialize)]
pub(super) struct Signed {
    expires: i64,
    signature: String,
}

/// `GET /recording/{call}/{file}`: the file, to whoever has the link.
pub(super) async fn download(
    State(app): State<App>,
    Path((id, file)): Path<(String, String)>,
    Query(signed): Query<Signed>,
) -> Result<Response, ApiError> {
    let (Ok(id), Some(track)) = (Uuid::parse_str(&id), Track::from_file(&file)) else {
        return Err(ApiError::not_found("Recording"));
    };
    let Signed { expires, signature } = signed;
    if !app.links().allows(id, track, expires, &signature, Timestamp::now()) {
        let message = "the link has expired or was changed";
        return Err(ApiError::with(StatusCode::FORBIDDEN, message));
    }
    let path = app.call_folder(id).join(RECORDING_FILE);
    let made = tokio::task::spawn_blocking(move || make(path, track)).await;
    match made {
        Ok(Ok(wav)) => Ok(([(header::CONTENT_TYPE, "audio/wav")], wav).into_response()),
        Ok(Err(error)) if error.is_missing() => Err(ApiError::not_found("Recording")),
        failed => {
            tracing::error!(?failed, call = %id, "a recording cannot be read");
            let message = "the recording cannot be read";
            Err(ApiError::with(StatusCode::INTERNAL_SERVER_ERROR, message))
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum RecordingError {
    #[error(transparent)]
    File(#[from] std::io::Error),
    #[error(transparent)]
    Wav(#[from] WavError),
}

impl RecordingError {
    fn is_missing(&self) -> bool {
        matches!(self, Self::File(error) if error.kind() == std::io::ErrorKind::NotFound)
    }
}

/// The recording is stereo; every other form is made of it when it is asked for.
fn make(path: PathBuf, track: Track) -> Result<Vec<u8>, RecordingError> {
    let stereo = std::fs::read(path)?;
    if track == Track::Stereo {
        return Ok(stereo);
    }
    let wav = Wav::read(Cursor::new(stereo))?;
    let rate = wav.rate;
    let samples = match track {
        Track::Customer => wav.channel(0),
        Track::Assistant => wav.channel(1),
        Track::Combined | Track::Stereo => wav.into_mono(),
    };
    mono(rate, &samples)
}

fn mono(rate: SampleRate, samples: &[i16]) -> Result<Vec<u8>, RecordingError> {
    let mut out = Cursor::new(Vec::with_capacity(samples.len() * 2 + 64));
    wav::write_mono(&mut out, Pcm { rate, samples })?;
    Ok(out.into_inner())
}
