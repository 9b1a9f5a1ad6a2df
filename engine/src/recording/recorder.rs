//! The one thread that writes all calls' files.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter};
use std::path::{Component, Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::call_writer::CallWriter;
use super::{CallTap, JOURNAL_FILE, Options, RECORDING_FILE};

/// How often each call's rings are emptied.
const TICK: Duration = Duration::from_millis(50);

type FileWriter = CallWriter<BufWriter<File>>;

/// Writes the recordings and journals of all calls, each in a directory named after the call.
///
/// [`shutdown`](Self::shutdown), or dropping it, completes the files of every call.
#[derive(Debug)]
pub struct Recorder {
    directory: PathBuf,
    calls: Option<Sender<FileWriter>>,
    thread: Option<JoinHandle<()>>,
    origin: Instant,
}

impl Recorder {
    /// A recorder into `directory`, which is made when the first call needs it.
    ///
    /// # Errors
    ///
    /// Where the thread cannot be started.
    pub fn new(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let (calls, new_calls) = mpsc::channel();
        let origin = Instant::now();
        let thread = std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || write_calls(&new_calls, origin))?;
        Ok(Self { directory: directory.into(), calls: Some(calls), thread: Some(thread), origin })
    }

    /// Where a call's files are.
    pub fn call_directory(&self, call_id: &str) -> PathBuf {
        self.directory.join(call_id)
    }

    /// Makes a call's files, readable by this user only, and begins to write them. Blocks for a
    /// few system calls: at a call's beginning, not within it.
    ///
    /// # Errors
    ///
    /// Where `call_id` is not a plain file name, where its files exist already, or where they
    /// cannot be made. The call can go on with [`CallTap::off`].
    pub fn start(&self, call_id: &str, options: Options) -> io::Result<CallTap> {
        let Some((tap, call)) = open(&self.directory, call_id, options, self.origin.elapsed())?
        else {
            return Ok(CallTap::off());
        };
        self.calls
            .as_ref()
            .and_then(|calls| calls.send(call).ok())
            .ok_or_else(|| io::Error::other("the recorder's thread has ended"))?;
        Ok(tap)
    }

    /// Completes the files of all calls, those in progress included, and ends the thread. Blocks
    /// until that is done.
    pub fn shutdown(mut self) {
        self.join();
    }

    fn join(&mut self) {
        // The thread sees the hang-up at its next tick at the latest.
        self.calls = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the recorder's thread has panicked; recordings are incomplete");
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.join();
    }
}

/// A [`Recorder`] without its thread, for calls on virtual time, which a thread of real time could
/// not keep up with: it writes when it is told to.
pub struct SteppedRecorder {
    directory: PathBuf,
    calls: Vec<FileWriter>,
}

impl SteppedRecorder {
    /// A recorder into `directory`, which is made when the first call needs it.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), calls: Vec::new() }
    }

    /// As [`Recorder::start`].
    ///
    /// # Errors
    ///
    /// As [`Recorder::start`].
    pub fn start(&mut self, call_id: &str, options: Options) -> io::Result<CallTap> {
        let Some((tap, call)) = open(&self.directory, call_id, options, Duration::ZERO)? else {
            return Ok(CallTap::off());
        };
        self.calls.push(call);
        Ok(tap)
    }

    /// Empties each call's rings at `now`, the time since the recorder was made; a second's audio
    /// fits in them. Completes the files of calls that are over.
    pub fn step(&mut self, now: Duration) {
        self.calls.retain_mut(|call| !call.service(now));
    }
}

/// Makes a call's files; `None` where nothing is to be kept.
fn open(
    directory: &Path,
    call_id: &str,
    options: Options,
    now: Duration,
) -> io::Result<Option<(CallTap, FileWriter)>> {
    if !options.audio && !options.journal {
        return Ok(None);
    }
    let directory = directory.join(plain_name(call_id)?);
    make_private_directory(&directory)?;
    let audio = options.audio.then(|| create(&directory.join(RECORDING_FILE))).transpose()?;
    let journal = options.journal.then(|| create(&directory.join(JOURNAL_FILE))).transpose()?;
    let (tap, reader) = CallTap::new(options);
    let call = CallWriter::new(call_id.to_owned(), options.rate, reader, audio, journal, now)?;
    Ok(Some((tap, call)))
}

fn write_calls(new_calls: &Receiver<FileWriter>, origin: Instant) {
    let mut calls: Vec<FileWriter> = Vec::new();
    let mut next_tick = Duration::ZERO;
    loop {
        // Without calls there is nothing to tick for.
        let next = if calls.is_empty() {
            new_calls.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            new_calls.recv_timeout(next_tick.saturating_sub(origin.elapsed()))
        };
        match next {
            Ok(call) => calls.push(call),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        // However many calls begin, those in progress have their turn.
        let now = origin.elapsed();
        if now >= next_tick {
            calls.retain_mut(|call| !call.service(now));
            next_tick = now + TICK;
        }
    }
    for mut call in calls {
        call.close();
    }
}

/// `call_id`, where it names an entry of a directory and nothing else.
fn plain_name(call_id: &str) -> io::Result<&Path> {
    let path = Path::new(call_id);
    let mut parts = path.components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(name)), None) if name == call_id => Ok(path),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("the call id {call_id:?} cannot be a directory's name"),
        )),
    }
}

/// For people's voices and words: for this user only.
pub(crate) fn make_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

fn create(path: &Path) -> io::Result<BufWriter<File>> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let file = options.open(path).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot create {}: {error}", path.display()))
    })?;
    Ok(BufWriter::new(file))
}

#[cfg(test)]
mod tests {
    use codecs::SampleRate;
    use codecs::wav::Wav;
    use turntaking::time::Instant;

    use super::*;

    const ALL: Options = Options { audio: true, journal: true, rate: SampleRate::HZ_8000 };

    fn wait(handle: super::super::FinishHandle) -> super::super::Report {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(handle)
    }

    fn speak(tap: &mut CallTap, value: i16) {
        for n in 0..25_u64 {
            tap.caller(n * 160, Instant::from_millis((n + 1) * 20), &[value; 160]);
        }
        tap.agent(Instant::from_millis(100), true, &[-value; 800]);
        tap.journal(&format!("{{\"value\":{value}}}"));
    }

    fn read(recorder: &Path, call: &str) -> Wav {
        let file = File::open(recorder.join(call).join(RECORDING_FILE)).expect("the recording");
        Wav::read(io::BufReader::new(file)).expect("a valid file")
    }

    #[test]
    fn many_calls_at_once_each_get_their_own_files() {
        let directory = tempfile::tempdir().expect("a directory");
        let recorder = Recorder::new(directory.path()).expect("a thread");
        let mut taps: Vec<CallTap> = (0..20)
            .map(|n| recorder.start(&format!("call-{n}"), ALL).expect("room on the disk"))
            .collect();
        for (n, tap) in taps.iter_mut().enumerate() {
            speak(tap, n as i16 + 1);
        }
        let handles: Vec<_> = taps.into_iter().map(CallTap::finish).collect();
        for (n, handle) in handles.into_iter().enumerate() {
            let report = wait(handle);
            assert!(report.is_complete(), "{report:?}");
            let value = n as i16 + 1;
            let wav = read(directory.path(), &format!("call-{n}"));
            assert_eq!(wav.channel(0), [value; 4_000]);
            let right = wav.channel(1);
            assert_eq!(right[800..1_600], [-value; 800]);
            assert_eq!(right.iter().filter(|&&s| s != 0).count(), 800);
            let journal = recorder.call_directory(&format!("call-{n}")).join(JOURNAL_FILE);
            let text = std::fs::read_to_string(journal).expect("the journal");
            assert_eq!(text, format!("{{\"value\":{value}}}\n"));
        }
        recorder.shutdown();
    }

    #[test]
    fn shutting_down_completes_calls_in_progress() {
        let directory = tempfile::tempdir().expect("a directory");
        let recorder = Recorder::new(directory.path()).expect("a thread");
        let mut tap = recorder.start("open", ALL).expect("room on the disk");
        speak(&mut tap, 5);
        recorder.shutdown();
        assert_eq!(read(directory.path(), "open").channel(0).len(), 4_000);
        assert!(tap.finish().report().is_some_and(|report| report.error.is_none()));
    }

    #[test]
    fn what_is_switched_off_leaves_no_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let recorder = Recorder::new(directory.path()).expect("a thread");
        let start = |id, audio, journal| {
            let mut tap = recorder.start(id, Options { audio, journal, ..ALL }).expect("room");
            assert_eq!(tap.has_journal(), journal);
            speak(&mut tap, 1);
            wait(tap.finish())
        };
        assert_eq!(start("none", false, false), super::super::Report::default());
        assert!(!directory.path().join("none").exists());
        start("audio", true, false);
        assert!(!directory.path().join("audio").join(JOURNAL_FILE).exists());
        start("journal", false, true);
        assert!(!directory.path().join("journal").join(RECORDING_FILE).exists());
        assert!(directory.path().join("journal").join(JOURNAL_FILE).exists());
    }

    #[test]
    fn an_id_that_leads_elsewhere_or_was_used_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let recorder = Recorder::new(directory.path().join("calls")).expect("a thread");
        for id in ["", ".", "..", "../out", "a/b", "/tmp/a", "a/"] {
            let error = recorder.start(id, ALL).expect_err("not a plain name");
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{id:?}");
        }
        let first = recorder.start("twice", ALL).expect("room on the disk");
        let error = recorder.start("twice", ALL).expect_err("it is there already");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(error.to_string().contains(RECORDING_FILE), "{error}");
        wait(first.finish());
    }

    #[cfg(unix)]
    #[test]
    fn files_are_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a directory");
        let recorder = Recorder::new(directory.path()).expect("a thread");
        wait(recorder.start("mine", ALL).expect("room on the disk").finish());
        let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
        let call = directory.path().join("mine");
        assert_eq!(mode(&call), 0o700);
        assert_eq!(mode(&call.join(RECORDING_FILE)), 0o600);
        assert_eq!(mode(&call.join(JOURNAL_FILE)), 0o600);
    }
}
