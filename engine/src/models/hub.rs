//! One file over HTTPS, resumable, with a progress bar.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, RANGE};

/// A page that does not answer in this time is taken to be out of reach.
const CONNECT: Duration = Duration::from_secs(5);
/// A download that is silent for this long has failed; what has come is kept.
const STALL: Duration = Duration::from_secs(30);

/// Why a page gave no file.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// No connection, or one that broke.
    #[error("{0}")]
    Connection(String),
    /// The page has something else to say.
    #[error("the page answered {0}")]
    Status(StatusCode),
    /// More bytes came than the file has.
    #[error("the page sent more than the {0} bytes the file has")]
    TooLong(u64),
    /// The part cannot be written.
    #[error("cannot write: {0}")]
    Io(#[from] io::Error),
}

impl HubError {
    /// The host itself is out of reach: other files need not be tried there.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Connection(_))
    }
}

impl From<reqwest::Error> for HubError {
    fn from(error: reqwest::Error) -> Self {
        // The outer error repeats the URL and says only that sending failed; the reason is the
        // innermost one.
        let mut reason: &dyn std::error::Error = &error;
        while let Some(source) = reason.source() {
            reason = source;
        }
        let what = if error.is_timeout() { "no answer in time" } else { "no connection" };
        Self::Connection(format!("{what} ({reason})"))
    }
}

/// Fetches from project pages.
#[derive(Clone, Debug)]
pub(super) struct Hub {
    client: reqwest::Client,
}

impl Hub {
    /// Goes through the proxy of the environment, where there is one.
    ///
    /// # Errors
    ///
    /// Where the system's certificates cannot be read.
    pub(super) fn new() -> Result<Self, HubError> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(STALL)
            .user_agent(concat!("causerie/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client })
    }

    /// Writes what `url` has to `part`, going on from where an earlier attempt stopped.
    ///
    /// # Errors
    ///
    /// What has come stays in `part`, unless it is of no use.
    pub(super) async fn fetch(&self, url: &str, part: &Path, size: u64) -> Result<(), HubError> {
        let mut have = fs::metadata(part).map_or(0, |found| found.len());
        if have >= size {
            // Complete but never verified, or of another file: one more byte would not help.
            fs::remove_file(part)?;
            have = 0;
        }
        let mut request = self.client.get(url);
        if have > 0 {
            request = request.header(RANGE, format!("bytes={have}-"));
        }
        let mut response = request.send().await?;
        let mut file = match response.status() {
            StatusCode::PARTIAL_CONTENT if starts_at(&response, have) => {
                OpenOptions::new().append(true).open(part)?
            }
            StatusCode::OK => {
                have = 0;
                File::create(part)?
            }
            status => {
                // A range the page cannot serve must not be asked for again.
                if have > 0 {
                    fs::remove_file(part)?;
                }
                return Err(HubError::Status(status));
            }
        };

        let bar = bar(size);
        bar.set_position(have);
        while let Some(chunk) = response.chunk().await? {
            have += chunk.len() as u64;
            if have > size {
                drop(file);
                fs::remove_file(part)?;
                return Err(HubError::TooLong(size));
            }
            file.write_all(&chunk)?;
            bar.set_position(have);
        }
        file.sync_all()?;
        bar.finish_and_clear();
        Ok(())
    }
}

/// Does the answer go on at byte `offset`? `Content-Range: bytes 5-9/10` (RFC 9110 §14.4).
fn starts_at(response: &reqwest::Response, offset: u64) -> bool {
    response
        .headers()
        .get(CONTENT_RANGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("bytes "))
        .and_then(|value| value.split('-').next())
        .is_some_and(|start| start.parse() == Ok(offset))
}

/// Invisible where standard error is not a terminal.
fn bar(size: u64) -> ProgressBar {
    let style = "  {bar:40} {bytes:>11} of {total_bytes} {bytes_per_sec:>13} {eta:>4}";
    ProgressBar::new(size)
        .with_style(ProgressStyle::with_template(style).expect("a template that parses"))
}
