//! The sound behind the voice, from wherever it is configured to a loop that a call can play.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use codecs::ambience::Ambience;
use codecs::wav::Wav;
use codecs::{Resampler, SampleRate};
use nanomp3::SliceReader;

use crate::config::{Background, ServerUrl};
use crate::http;

/// What telephone calls are mixed at.
const RATE: SampleRate = SampleRate::HZ_8000;

/// Largest file that is fetched, in bytes: ten minutes of a good MP3.
const LARGEST: usize = 20 * 1_024 * 1_024;

/// What is used of a long recording: it comes again after five minutes.
const LONGEST: Duration = Duration::from_secs(300);

/// A server that takes longer is done without.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a file of this machine is no sound.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackgroundError {
    /// It cannot be read.
    #[error("`background_sound`: {} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no sound, or too little of one.
    #[error("`background_sound`: {}: {reason}", path.display())]
    Sound {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// The loop for `background`. A URL that gives none is done without, and said to be: a telephone
/// is answered although somebody else's server is down.
///
/// # Errors
///
/// Where a file of this machine is not there, or no sound.
pub async fn load(background: &Background) -> Result<Option<Arc<Ambience>>, BackgroundError> {
    let ambience = match background {
        Background::Off => None,
        Background::Office => Some(Ambience::office(RATE)),
        Background::File(path) => Some(read(path)?),
        Background::Url(url) => match fetch(url).await {
            Ok(ambience) => Some(ambience),
            Err(reason) => {
                tracing::warn!(%url, reason, "calls have no background sound");
                None
            }
        },
    };
    Ok(ambience.map(Arc::new))
}

fn read(path: &Path) -> Result<Ambience, BackgroundError> {
    let bytes = std::fs::read(path)
        .map_err(|source| BackgroundError::Read { path: path.to_owned(), source })?;
    decode(&bytes).map_err(|reason| BackgroundError::Sound { path: path.to_owned(), reason })
}

async fn fetch(url: &ServerUrl) -> Result<Ambience, String> {
    // Its own words name the whole URL, and customers put secrets there.
    let told = |error: reqwest::Error| error.without_url().to_string();
    // Its own: recordings stand where redirects lead, and no secret goes with the request.
    let client = reqwest::Client::builder().timeout(PATIENCE).build().map_err(told)?;
    let response = client.get(url.expose()).send().await.map_err(told)?;
    if !response.status().is_success() {
        return Err(format!("the server answered {}", response.status()));
    }
    let bytes = http::body(response, LARGEST).await.map_err(|error| error.to_string())?;
    decode(&bytes)
}

/// A loop of the WAV or MP3 in `bytes`, in one channel, no louder than a background is.
fn decode(bytes: &[u8]) -> Result<Ambience, String> {
    let (rate, channels, samples) = if bytes.starts_with(b"RIFF") {
        let wav = Wav::read(Cursor::new(bytes)).map_err(|error| error.to_string())?;
        (wav.rate, wav.channels, wav.samples)
    } else {
        decode_mp3(bytes)?
    };
    let longest = rate.samples_in(LONGEST) as usize;
    let mono: Vec<i16> = samples
        .chunks_exact(channels)
        .take(longest)
        .map(|frame| (frame.iter().map(|&s| i32::from(s)).sum::<i32>() / channels as i32) as i16)
        .collect();
    let mut resampler = Resampler::new(rate, RATE).map_err(|error| error.to_string())?;
    let mut samples = Vec::new();
    resampler.process(&mono, &mut samples);
    resampler.flush(&mut samples);
    let ambience = Ambience::of(RATE, samples).ok_or("it is shorter than a second")?;
    Ok(ambience.quietened())
}

/// Rate, channels and interleaved samples, [`LONGEST`] at most.
fn decode_mp3(bytes: &[u8]) -> Result<(SampleRate, usize, Vec<i16>), String> {
    let mut reader = SliceReader::<i16>::new(bytes);
    let rate = SampleRate::new(reader.sample_rate());
    let (Some(channels), Some(rate)) = (reader.channels(), rate) else {
        return Err("it is neither WAV nor MP3".to_owned());
    };
    let channels = usize::from(channels.num());
    let enough = rate.samples_in(LONGEST) as usize * channels;
    let mut samples = Vec::new();
    while samples.len() < enough
        && let Some(frame) = reader.read_frame().map_err(|error| error.to_string())?
    {
        samples.extend_from_slice(frame);
    }
    Ok((rate, channels, samples))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(rate: SampleRate, samples: &[i16]) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let audio = codecs::Pcm { rate, samples };
        codecs::wav::write_mono(&mut bytes, audio).expect("a vector takes it");
        bytes.into_inner()
    }

    /// Frames of MPEG-1 Layer III at 44.1 kHz and 128 kbit/s without a sound in them.
    fn mp3(frames: usize) -> Vec<u8> {
        let mut frame = vec![0; 417];
        frame[..4].copy_from_slice(&[0xff, 0xfb, 0x90, 0xc4]);
        frame.repeat(frames)
    }

    #[test]
    fn wav_and_mp3_are_loops_at_the_rate_of_telephones() {
        let tone: Vec<i16> = (0..44_100).map(|n| (n % 100 * 100) as i16).collect();
        let rate = SampleRate::new(22_050).expect("a rate");
        for bytes in [wav(rate, &tone), mp3(100)] {
            let ambience = decode(&bytes).expect("a sound");
            assert_eq!(ambience.rate(), RATE);
        }
    }

    #[test]
    fn what_is_no_sound_is_told() {
        assert_eq!(decode(b"<html>not found</html>"), Err("it is neither WAV nor MP3".to_owned()));
        assert_eq!(decode(b""), Err("it is neither WAV nor MP3".to_owned()));
        assert_eq!(decode(&mp3(10)), Err("it is shorter than a second".to_owned()));
        assert!(decode(b"RIFF....WAVE").is_err());
    }

    #[tokio::test]
    async fn a_file_must_be_there_and_a_server_need_not() {
        let missing = Background::File(PathBuf::from("/nowhere/office.wav"));
        let error = load(&missing).await.expect_err("it is not there").to_string();
        assert!(
            error.starts_with("`background_sound`: /nowhere/office.wav cannot be read"),
            "{error}"
        );
        // Nobody listens on port 9.
        let url = ServerUrl::parse("http://127.0.0.1:9/office.mp3").expect("a URL");
        assert_eq!(load(&Background::Url(url)).await.expect("done without"), None);
        assert_eq!(load(&Background::Off).await.expect("nothing"), None);
        assert!(load(&Background::Office).await.expect("ours").is_some());
    }
}
