//! The writer's side of one call: drains its rings into its files.

use std::io::{self, Seek, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use codecs::SampleRate;

use super::tap::{Block, TapReader};
use super::timeline::{AudioReport, Frame, Timeline};
use super::{JOURNAL_FILE, RECORDING_FILE, Report, lines};

/// How often files are made whole on disk: what a process that dies may lose of them.
const CHECKPOINT: Duration = Duration::from_secs(1);
/// Most frames a WAV file can hold: its lengths are 32-bit counts of bytes.
const MAX_FRAMES: u64 = (u32::MAX as u64 - 64) / 4;
/// Frames handed to the file at once.
const BLOCK_FRAMES: usize = 1_024;

/// One call's files and the rings they are fed from. `W` is a buffered file.
pub(super) struct CallWriter<W: Write + Seek> {
    call_id: String,
    reader: TapReader,
    /// A file that failed is given up; its ring is emptied all the same.
    audio: Option<AudioFile<W>>,
    journal: Option<W>,
    /// A block's samples, taken out of the ring.
    scratch: Vec<i16>,
    checkpointed: Duration,
    report: Report,
}

impl<W: Write + Seek> CallWriter<W> {
    /// A writer of `reader`'s call into the files given. Writes the recording's header.
    ///
    /// # Errors
    ///
    /// Where the header cannot be written.
    pub(super) fn new(
        call_id: String,
        rate: SampleRate,
        reader: TapReader,
        audio: Option<W>,
        journal: Option<W>,
        now: Duration,
    ) -> io::Result<Self> {
        let audio = audio.map(|file| AudioFile::new(file, rate)).transpose()?;
        Ok(Self {
            call_id,
            reader,
            audio,
            journal,
            scratch: Vec::new(),
            checkpointed: now,
            report: Report::default(),
        })
    }

    /// Takes what the session has handed over, and makes the files whole when that is due at
    /// `now`, the time since the recorder began. Returns whether the call is over; its files are
    /// complete then, and its report given.
    pub(super) fn service(&mut self, now: Duration) -> bool {
        // Looked at first: what was pushed before it was set is found below.
        let finished = self.reader.shared.finished.load(Ordering::Acquire);
        self.drain();
        if finished {
            self.close();
        } else if now.saturating_sub(self.checkpointed) >= CHECKPOINT {
            self.checkpointed = now;
            self.checkpoint();
        }
        finished
    }

    /// Takes what there is and completes the files, whether the session has finished or not.
    pub(super) fn close(&mut self) {
        self.drain();
        if let Some(audio) = self.audio.take() {
            match audio.finish() {
                Ok(report) => self.report.audio = report,
                Err(error) => self.fail(RECORDING_FILE, error),
            }
        }

        let shared = &self.reader.shared;
        self.report.dropped_samples = shared.dropped_samples.load(Ordering::Relaxed);
        self.report.lost_lines = shared.lost_lines.load(Ordering::Relaxed);
        let marker = lines::Marker::new(shared.pending_lines.load(Ordering::Relaxed));
        if let Some(mut file) = self.journal.take()
            && let Err(error) = file.write_all(marker.as_bytes()).and_then(|()| file.flush())
        {
            self.fail(JOURNAL_FILE, error);
        }
        if self.report.dropped_samples > 0 || self.report.lost_lines > 0 {
            tracing::warn!(
                call_id = self.call_id,
                dropped_samples = self.report.dropped_samples,
                lost_lines = self.report.lost_lines,
                "the disk was too slow: parts of the call were not kept"
            );
        }
        self.reader.shared.complete(self.report.clone());
    }

    fn drain(&mut self) {
        self.drain_audio();
        self.drain_journal();
    }

    fn drain_audio(&mut self) {
        if let (Some(audio), Some(background)) =
            (&mut self.audio, self.reader.shared.background.get())
            && !audio.timeline.has_background()
        {
            audio.timeline.set_background(Arc::clone(background));
        }
        while let Ok(block) = self.reader.blocks.pop() {
            let (Block::Caller { len, .. } | Block::Agent { len, .. }) = block;
            self.scratch.resize(len as usize, 0);
            self.reader
                .samples
                .pop_entire_slice(&mut self.scratch)
                .expect("a block's samples are pushed before it");
            if let Some(audio) = &mut self.audio
                && let Err(error) = audio.place(block, &self.scratch)
            {
                self.audio = None;
                self.fail(RECORDING_FILE, error);
            }
        }
    }

    fn drain_journal(&mut self) {
        let bytes = self
            .reader
            .lines
            .read_chunk(self.reader.lines.slots())
            .expect("only this end takes from it");
        let (first, second) = bytes.as_slices();
        let result = match &mut self.journal {
            Some(file) => file.write_all(first).and_then(|()| file.write_all(second)),
            None => Ok(()),
        };
        bytes.commit_all();
        if let Err(error) = result {
            self.journal = None;
            self.fail(JOURNAL_FILE, error);
        }
    }

    fn checkpoint(&mut self) {
        if let Some(audio) = &mut self.audio
            && let Err(error) = audio.file.flush()
        {
            self.audio = None;
            self.fail(RECORDING_FILE, from_hound(error));
        }
        if let Some(file) = &mut self.journal
            && let Err(error) = file.flush()
        {
            self.journal = None;
            self.fail(JOURNAL_FILE, error);
        }
    }

    /// Notes that a file has failed; the first time, says so.
    fn fail(&mut self, file: &str, error: io::Error) {
        if self.report.error.is_none() {
            tracing::error!(
                call_id = self.call_id,
                file,
                %error,
                "a call's file cannot be written any more; the call goes on"
            );
            self.report.error = Some(format!("{file}: {error}"));
        }
    }
}

/// The recording: what the timeline gives out, appended to the file.
struct AudioFile<W: Write + Seek> {
    timeline: Timeline,
    file: hound::WavWriter<W>,
}

impl<W: Write + Seek> AudioFile<W> {
    fn new(file: W, rate: SampleRate) -> io::Result<Self> {
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: rate.hz(),
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut file = hound::WavWriter::new(file, spec).map_err(from_hound)?;
        // A process that dies within the first second leaves a valid file as well.
        file.flush().map_err(from_hound)?;
        Ok(Self { timeline: Timeline::new(rate), file })
    }

    fn place(&mut self, block: Block, samples: &[i16]) -> io::Result<()> {
        let Self { timeline, file } = self;
        let mut result = Ok(());
        let sink = &mut |frames: &[Frame]| append(file, frames, &mut result);
        match block {
            Block::Caller { at, now, .. } => timeline.caller(at, now, samples, sink),
            Block::Agent { run, start, offset, .. } => {
                timeline.agent(run, start, offset, samples, sink);
            }
        }
        result
    }

    fn finish(mut self) -> io::Result<AudioReport> {
        let mut result = Ok(());
        let report =
            self.timeline.finish(&mut |frames| append(&mut self.file, frames, &mut result));
        result?;
        self.file.finalize().map_err(from_hound)?;
        Ok(report)
    }
}

/// Appends frames, unless that has failed before.
fn append<W: Write + Seek>(
    file: &mut hound::WavWriter<W>,
    frames: &[Frame],
    result: &mut io::Result<()>,
) {
    if result.is_err() {
        return;
    }
    if u64::from(file.duration()) + frames.len() as u64 > MAX_FRAMES {
        *result =
            Err(io::Error::new(io::ErrorKind::FileTooLarge, "a WAV file holds at most 4 GiB"));
        return;
    }
    // In small blocks: hound keeps a buffer of the largest.
    for block in frames.chunks(BLOCK_FRAMES) {
        let mut samples = file.get_i16_writer(2 * block.len() as u32);
        for &[caller, agent] in block {
            samples.write_sample(caller);
            samples.write_sample(agent);
        }
        if let Err(error) = samples.flush() {
            *result = Err(from_hound(error));
            return;
        }
    }
}

fn from_hound(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        error => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, SeekFrom};

    use codecs::wav::Wav;
    use turntaking::time::Instant;

    use super::super::{CallTap, Options};
    use super::*;

    const OPTIONS: Options = Options { audio: true, journal: true, rate: SampleRate::HZ_8000 };

    /// A disk that is full after so many bytes. What was written stays visible.
    #[derive(Clone, Default)]
    struct Disk {
        file: std::rc::Rc<std::cell::RefCell<Cursor<Vec<u8>>>>,
        room: usize,
    }

    impl Disk {
        fn with_room(room: usize) -> Self {
            Self { room, ..Self::default() }
        }

        fn bytes(&self) -> Vec<u8> {
            self.file.borrow().get_ref().clone()
        }

        fn wav(&self) -> Wav {
            Wav::read(Cursor::new(self.bytes())).expect("a valid file at any checkpoint")
        }
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut file = self.file.borrow_mut();
            if file.position() as usize + bytes.len() > self.room {
                return Err(io::ErrorKind::StorageFull.into());
            }
            file.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Disk {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.file.borrow_mut().seek(to)
        }
    }

    fn start(audio: &Disk, journal: &Disk) -> (CallTap, CallWriter<Disk>) {
        let (tap, reader) = CallTap::new(OPTIONS);
        let writer = CallWriter::new(
            "call".into(),
            OPTIONS.rate,
            reader,
            Some(audio.clone()),
            Some(journal.clone()),
            Duration::ZERO,
        );
        (tap, writer.expect("room for the header"))
    }

    fn speak(tap: &mut CallTap, from: u64, frames: u64) {
        for n in from..from + frames {
            let now = Instant::from_millis((n + 1) * 20);
            tap.caller(n * 160, now, &[n as i16 + 1; 160]);
            tap.agent(Instant::from_millis(n * 20), n == 0, &[-(n as i16) - 1; 160]);
        }
    }

    #[test]
    fn a_writer_that_is_gone_keeps_nobody_waiting() {
        let (tap, reader) = CallTap::new(OPTIONS);
        let handle = tap.finish();
        assert_eq!(handle.report(), None);
        drop(reader);
        let report = handle.report().expect("it will never be written");
        assert!(!report.is_complete(), "{report:?}");
    }

    #[test]
    fn the_file_can_be_read_after_each_checkpoint() {
        let (audio, journal) = (Disk::with_room(usize::MAX), Disk::with_room(usize::MAX));
        let (mut tap, mut writer) = start(&audio, &journal);
        assert!(audio.wav().samples.is_empty(), "a valid file from the beginning");
        for second in 0..5 {
            speak(&mut tap, second * 50, 20);
            assert!(!writer.service(Duration::from_millis(second * 1_000 + 400)));
            speak(&mut tap, second * 50 + 20, 30);
            tap.journal("{\"at\":1}");
            assert!(!writer.service(Duration::from_millis((second + 1) * 1_000)));
            // As it would be if the process died now.
            let wav = audio.wav();
            assert_eq!(wav.channel(0).len() as u64, (second + 1) * 8_000);
            assert_eq!(journal.bytes().len() as u64, (second + 1) * 9);
        }
        let handle = tap.finish();
        assert!(handle.report().is_none());
        assert!(writer.service(Duration::from_millis(5_001)));
        let report = handle.report().expect("complete");
        assert!(report.is_complete(), "{report:?}");
        assert_eq!(report.audio.frames, 40_000);
        let expected: Vec<i16> = (1..=250).flat_map(|n| [n; 160]).collect();
        assert_eq!(audio.wav().channel(0), expected);
        let expected: Vec<i16> = expected.iter().map(|s| -s).collect();
        assert_eq!(audio.wav().channel(1), expected);
    }

    #[test]
    fn what_does_not_fit_in_the_ring_is_counted_and_silent() {
        let (audio, journal) = (Disk::with_room(usize::MAX), Disk::with_room(usize::MAX));
        let (mut tap, mut writer) = start(&audio, &journal);
        // The writer sleeps for two seconds: the ring holds one of both sides.
        speak(&mut tap, 0, 100);
        for _ in 0..10_000 {
            tap.journal("{\"a line\":\"of some length\"}");
        }
        writer.service(Duration::from_millis(2_000));
        speak(&mut tap, 100, 10);
        tap.journal("{\"on\":1}");
        let handle = tap.finish();
        assert!(writer.service(Duration::from_millis(2_200)));

        let report = handle.report().expect("complete");
        assert_eq!(report.dropped_samples, 2 * 50 * 160);
        assert!(report.lost_lines > 0 && !report.is_complete());
        let wav = audio.wav();
        for (side, sign) in [(wav.channel(0), 1), (wav.channel(1), -1)] {
            assert_eq!(side[49 * 160], 50 * sign);
            assert!(side[50 * 160..100 * 160].iter().all(|&s| s == 0), "the lost second");
            assert_eq!(side[100 * 160], 101 * sign, "back in its place");
        }
        let text = String::from_utf8(journal.bytes()).expect("UTF-8");
        let kept = text.lines().filter(|line| line.contains("a line")).count() as u64;
        assert_eq!(kept + report.lost_lines, 10_000);
        let marker = format!("{{\"lost\":{}}}\n{{\"on\":1}}\n", report.lost_lines);
        assert!(text.ends_with(&marker), "{}", &text[text.len() - 60..]);
    }

    #[test]
    fn lines_lost_at_the_very_end_are_told_of_too() {
        let (audio, journal) = (Disk::with_room(usize::MAX), Disk::with_room(usize::MAX));
        let (mut tap, mut writer) = start(&audio, &journal);
        tap.journal(&"x".repeat(40_000));
        drop(tap);
        assert!(writer.service(Duration::ZERO));
        assert_eq!(journal.bytes(), b"{\"lost\":1}\n");
    }

    #[test]
    fn a_full_disk_ends_the_file_and_not_the_call() {
        let (audio, journal) = (Disk::with_room(20_000), Disk::with_room(usize::MAX));
        let (mut tap, mut writer) = start(&audio, &journal);
        for n in 0..20 {
            speak(&mut tap, n * 10, 10);
            tap.journal("{}");
            assert!(!writer.service(Duration::from_millis((n + 1) * 200)));
        }
        let handle = tap.finish();
        assert!(writer.service(Duration::from_secs(5)));
        let report = handle.report().expect("complete");
        let error = report.error.as_deref().expect("the disk was full");
        assert!(error.starts_with("recording.wav: "), "{error}");
        assert_eq!(report.dropped_samples, 0, "the ring was emptied all the same");
        assert_eq!(journal.bytes().len(), 20 * 3, "the journal is whole");
        assert!(audio.wav().samples.len() > 4_000, "what was written can be read");
    }

    #[test]
    fn closing_early_keeps_what_there_is() {
        let (audio, journal) = (Disk::with_room(usize::MAX), Disk::with_room(usize::MAX));
        let (mut tap, mut writer) = start(&audio, &journal);
        speak(&mut tap, 0, 10);
        writer.close();
        assert_eq!(audio.wav().channel(0).len(), 1_600);
        speak(&mut tap, 10, 10);
        assert!(tap.finish().report().expect("complete").is_complete());
    }
}
