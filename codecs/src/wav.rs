//! WAV files over any reader or writer.
//!
//! Written by `hound`. Read by hand, because real files need more than it takes: G.711, padded
//! chunks, lengths that a streaming writer never set.
//!
//! Whole files, for prompts, tests and tools. A call's recording is written as it grows, by the
//! engine.

use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::g711;
use crate::pcm::quantise;
use crate::{Pcm, SampleRate};

/// Why a WAV file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WavError {
    /// The reader or writer failed.
    #[error("cannot read or write the WAV data")]
    Io(#[from] io::Error),
    /// Not a WAV file, or a broken one.
    #[error("not a valid WAV file: {0}")]
    Malformed(&'static str),
    /// A valid file of a kind not read here.
    #[error(
        "WAV format tag {tag:#06x} with {bits} bits a sample is not supported: convert it to \
         16-bit PCM, for instance with `sox in.wav -e signed -b 16 out.wav`"
    )]
    Unsupported {
        /// The format tag of the `fmt ` chunk.
        tag: u16,
        /// Its bits per sample.
        bits: u16,
    },
    /// More than a WAV file's 32-bit lengths can hold.
    #[error("{0} samples do not fit in a WAV file (4 GiB)")]
    TooLong(usize),
}

/// A WAV file's audio, as 16-bit samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wav {
    /// Samples per second of each channel.
    pub rate: SampleRate,
    /// Number of channels, at least 1.
    pub channels: usize,
    /// The samples, interleaved: a whole number of frames.
    pub samples: Vec<i16>,
}

impl Wav {
    /// Reads PCM of 8 to 32 bits, 32-bit float, µ-law or A-law, at any rate and with any number
    /// of channels. Samples wider than 16 bits are rounded down, floats are clipped at full scale.
    /// A file cut short, or whose writer never set the length, is read as far as it goes.
    ///
    /// # Errors
    ///
    /// Where the reader fails, or the data is not a WAV file of these kinds.
    pub fn read(mut reader: impl Read + Seek) -> Result<Self, WavError> {
        let layout = Layout::read(&mut reader)?;
        let rate = SampleRate::new(layout.hz).ok_or(WavError::Malformed("the rate is 0 Hz"))?;
        let channels = usize::from(layout.channels);
        let mut samples = layout.read_samples(reader)?;
        samples.truncate(samples.len() / channels * channels);
        Ok(Self { rate, channels, samples })
    }

    /// The samples of one channel; silence where there is no such channel.
    pub fn channel(&self, index: usize) -> Vec<i16> {
        self.samples
            .chunks_exact(self.channels)
            .map(|frame| frame.get(index).copied().unwrap_or(0))
            .collect()
    }

    /// All channels in one, each frame their mean.
    pub fn into_mono(self) -> Vec<i16> {
        if self.channels == 1 {
            return self.samples;
        }
        self.samples
            .chunks_exact(self.channels)
            .map(|frame| {
                let sum: i64 = frame.iter().map(|&s| i64::from(s)).sum();
                // A mean of 16-bit samples has 16 bits.
                (sum / self.channels as i64) as i16
            })
            .collect()
    }
}

/// Writes a mono 16-bit PCM file.
///
/// # Errors
///
/// Where the writer fails or the file would be too long.
pub fn write_mono(writer: impl Write + Seek, audio: Pcm<'_>) -> Result<(), WavError> {
    write(writer, audio.rate, 1, audio.samples.len(), |frame, _| audio.samples[frame])
}

/// Writes a stereo 16-bit PCM file; the shorter channel is filled up with silence.
///
/// # Errors
///
/// Where the writer fails or the file would be too long.
pub fn write_stereo(
    writer: impl Write + Seek,
    rate: SampleRate,
    left: &[i16],
    right: &[i16],
) -> Result<(), WavError> {
    let frames = left.len().max(right.len());
    write(writer, rate, 2, frames, |frame, channel| {
        [left, right][channel].get(frame).copied().unwrap_or(0)
    })
}

fn write(
    writer: impl Write + Seek,
    rate: SampleRate,
    channels: u16,
    frames: usize,
    sample: impl Fn(usize, usize) -> i16,
) -> Result<(), WavError> {
    const BLOCK: usize = 4_096;
    let count = frames * usize::from(channels);
    if u32::try_from(count * 2 + 64).is_err() {
        return Err(WavError::TooLong(count));
    }
    let spec = hound::WavSpec {
        channels,
        sample_rate: rate.hz(),
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::new(writer, spec).map_err(from_hound)?;
    let mut start = 0;
    while start < frames {
        let block = BLOCK.min(frames - start);
        let mut samples = file.get_i16_writer((block * usize::from(channels)) as u32);
        for frame in start..start + block {
            for channel in 0..usize::from(channels) {
                samples.write_sample(sample(frame, channel));
            }
        }
        samples.flush().map_err(from_hound)?;
        start += block;
    }
    file.finalize().map_err(from_hound)
}

/// `WAVE_FORMAT_PCM` and the others of RFC 2361 and Microsoft's `mmreg.h`.
const PCM: u16 = 0x0001;
const FLOAT: u16 = 0x0003;
const ALAW: u16 = 0x0006;
const MULAW: u16 = 0x0007;
const EXTENSIBLE: u16 = 0xfffe;

/// What the chunks before the samples say.
struct Layout {
    /// The format tag; for `WAVE_FORMAT_EXTENSIBLE` that of its sub-format.
    tag: u16,
    channels: u16,
    hz: u32,
    /// Bits of a sample's container; those that count are the upper ones.
    bits: u16,
    /// Where the samples are, in bytes from the beginning.
    data: u64,
    /// Bytes of samples, those that are really there.
    length: u64,
}

impl Layout {
    fn read(reader: &mut (impl Read + Seek)) -> Result<Self, WavError> {
        let end = reader.seek(SeekFrom::End(0))?;
        reader.seek(SeekFrom::Start(0))?;
        let mut riff = [0; 12];
        read_exact(reader, &mut riff, "it is shorter than its header")?;
        if &riff[..4] != b"RIFF" || &riff[8..] != b"WAVE" {
            return Err(WavError::Malformed("it does not begin with RIFF and WAVE"));
        }
        let mut layout: Option<Self> = None;
        let mut position = 12;
        loop {
            let mut chunk = [0; 8];
            read_exact(reader, &mut chunk, "it has no data chunk")?;
            position += 8;
            let length = u64::from(u32_at(&chunk, 4));
            match &chunk[..4] {
                b"data" => {
                    let layout = layout.ok_or(WavError::Malformed("it has no fmt chunk"))?;
                    let length = length.min(end.saturating_sub(position));
                    return Ok(Self { data: position, length, ..layout });
                }
                b"fmt " => layout = Some(Self::read_format(reader, length)?),
                _ => {}
            }
            // Chunks are padded to an even length.
            position += length + length % 2;
            reader.seek(SeekFrom::Start(position))?;
        }
    }

    /// Reads `WAVEFORMATEX`, with the sub-format where it is `WAVEFORMATEXTENSIBLE` (`mmreg.h`).
    fn read_format(reader: &mut impl Read, length: u64) -> Result<Self, WavError> {
        const CUT: &str = "its fmt chunk is too short";
        let mut fields = [0; 26];
        if length < 16 {
            return Err(WavError::Malformed(CUT));
        }
        read_exact(reader, &mut fields[..16], CUT)?;
        let mut tag = u16_at(&fields, 0);
        if tag == EXTENSIBLE {
            if length < 26 {
                return Err(WavError::Malformed(CUT));
            }
            read_exact(reader, &mut fields[16..], CUT)?;
            // A sub-format's GUID begins with the tag it stands for.
            tag = u16_at(&fields, 24);
        }
        let (channels, block) = (u16_at(&fields, 2), u16_at(&fields, 12));
        if channels == 0 {
            return Err(WavError::Malformed("it has no channel"));
        }
        if block == 0 || block % channels != 0 {
            return Err(WavError::Malformed("its frame size does not fit its channels"));
        }
        // The container's width; `wBitsPerSample` may be less, and is wrong in some files.
        let bits = (block / channels).saturating_mul(8);
        match (tag, bits) {
            (PCM, 8 | 16 | 24 | 32) | (FLOAT, 32) | (ALAW | MULAW, 8) => {
                Ok(Self { tag, channels, hz: u32_at(&fields, 4), bits, data: 0, length: 0 })
            }
            _ => Err(WavError::Unsupported { tag, bits }),
        }
    }

    fn read_samples(&self, mut reader: impl Read + Seek) -> Result<Vec<i16>, WavError> {
        reader.seek(SeekFrom::Start(self.data))?;
        let mut bytes = Vec::new();
        reader.take(self.length).read_to_end(&mut bytes)?;
        let samples = bytes.chunks_exact(usize::from(self.bits / 8));
        let high =
            |bytes: &[u8]| i16::from_le_bytes([bytes[bytes.len() - 2], bytes[bytes.len() - 1]]);
        Ok(match (self.tag, self.bits) {
            (MULAW, _) => bytes.iter().map(|&code| g711::mulaw_decode(code)).collect(),
            (ALAW, _) => bytes.iter().map(|&code| g711::alaw_decode(code)).collect(),
            (FLOAT, _) => samples
                .map(|bytes| f32::from_bits(u32_at(bytes, 0)))
                .map(|float| quantise(float * 32_768.0))
                .collect(),
            // 8-bit samples, and only they, are unsigned.
            (_, 8) => bytes.iter().map(|&byte| (i16::from(byte) - 128) << 8).collect(),
            _ => samples.map(high).collect(),
        })
    }
}

fn read_exact(
    reader: &mut impl Read,
    bytes: &mut [u8],
    meaning: &'static str,
) -> Result<(), WavError> {
    reader.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => WavError::Malformed(meaning),
        _ => WavError::Io(error),
    })
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn from_hound(error: hound::Error) -> WavError {
    match error {
        hound::Error::IoError(error) => WavError::Io(error),
        hound::Error::FormatError(reason) => WavError::Malformed(reason),
        hound::Error::TooWide => WavError::Malformed("a sample is wider than its format says"),
        hound::Error::UnfinishedSample => WavError::Malformed("its last frame is not complete"),
        hound::Error::InvalidSampleFormat | hound::Error::Unsupported => {
            WavError::Malformed("its samples are of no known kind")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const RATE: SampleRate = SampleRate::HZ_8000;

    /// A file with any format, by hand.
    fn file(tag: u16, channels: u16, bits: u16, data: &[u8]) -> Vec<u8> {
        let block = channels * bits / 8;
        let mut bytes = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
        bytes.extend(tag.to_le_bytes());
        bytes.extend(channels.to_le_bytes());
        bytes.extend(8_000_u32.to_le_bytes());
        bytes.extend((8_000 * u32::from(block)).to_le_bytes());
        bytes.extend(block.to_le_bytes());
        bytes.extend(bits.to_le_bytes());
        bytes.extend(b"data");
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend(data);
        bytes
    }

    fn read(bytes: Vec<u8>) -> Result<Wav, WavError> {
        Wav::read(Cursor::new(bytes))
    }

    #[test]
    fn what_is_written_is_read_back() {
        let samples: Vec<i16> = (i16::MIN..=i16::MAX).collect();
        let mut bytes = Cursor::new(Vec::new());
        write_mono(&mut bytes, Pcm::new(RATE, &samples)).expect("memory takes it");
        let wav = Wav::read(bytes).expect("our own file");
        assert_eq!((wav.rate, wav.channels), (RATE, 1));
        assert_eq!(wav.into_mono(), samples);
    }

    #[test]
    fn stereo_keeps_its_sides_and_fills_the_shorter_one() {
        let mut bytes = Cursor::new(Vec::new());
        write_stereo(&mut bytes, RATE, &[1, 2, 3], &[-1]).expect("memory takes it");
        let wav = Wav::read(bytes).expect("our own file");
        assert_eq!(wav.channel(0), [1, 2, 3]);
        assert_eq!(wav.channel(1), [-1, 0, 0]);
        assert_eq!(wav.channel(2), [0, 0, 0]);
        assert_eq!(wav.into_mono(), [0, 1, 1]);
    }

    #[test]
    fn every_width_comes_to_the_same_samples() {
        let float: Vec<u8> = [0.5_f32, -1.0, 2.0].iter().flat_map(|f| f.to_le_bytes()).collect();
        let kinds: [(u16, u16, &[u8]); 5] = [
            (PCM, 8, &[192, 0, 255]),
            (PCM, 16, &[0x00, 0x40, 0x00, 0x80, 0xff, 0x7f]),
            (PCM, 24, &[0xff, 0x00, 0x40, 0, 0, 0x80, 0xff, 0xff, 0x7f]),
            (PCM, 32, &[1, 0, 0, 0x40, 0, 0, 0, 0x80, 0xff, 0xff, 0xff, 0x7f]),
            (FLOAT, 32, &float),
        ];
        for (tag, bits, data) in kinds {
            let wav = read(file(tag, 1, bits, data)).expect("a supported kind");
            let top = if bits == 8 { 127 << 8 } else { 32_767 };
            assert_eq!(wav.samples, [16_384, -32_768, top], "tag {tag}, {bits} bits");
        }
    }

    #[test]
    fn companded_files_are_expanded() {
        let wav = read(file(MULAW, 2, 8, &[0xff, 0x00, 0x80, 0xff])).expect("µ-law");
        assert_eq!(wav.samples, [0, -32_124, 32_124, 0]);
        let wav = read(file(ALAW, 1, 8, &[0xd5, 0x2a])).expect("A-law");
        assert_eq!(wav.samples, [8, -32_256]);
    }

    #[test]
    fn a_file_cut_short_is_read_as_far_as_it_goes() {
        let mut bytes = file(PCM, 2, 16, &[1, 0, 2, 0, 3, 0, 4, 0]);
        bytes.truncate(bytes.len() - 3);
        assert_eq!(read(bytes).expect("its frames").samples, [1, 2]);
        let mut bytes = file(MULAW, 1, 8, &[0xff, 0xff]);
        let length = bytes.len() - 6;
        bytes[length..length + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(read(bytes).expect("its samples").samples, [0, 0]);
    }

    #[test]
    fn what_is_no_wav_file_is_refused_with_the_reason() {
        let error = read(file(0x0055, 1, 16, &[])).expect_err("MP3 in WAV");
        assert!(error.to_string().contains("0x0055"), "{error}");
        for bytes in [vec![], b"RIFF".to_vec(), b"OggS\0\0\0\0WAVE".to_vec()] {
            assert!(matches!(read(bytes), Err(WavError::Malformed(_))));
        }
        let no_channel = file(PCM, 0, 16, &[]);
        assert!(matches!(read(no_channel), Err(WavError::Malformed(_))));
    }

    #[test]
    fn no_prefix_of_a_file_panics() {
        let bytes = file(PCM, 2, 24, &[7; 12]);
        for length in 0..bytes.len() {
            let result = read(bytes[..length].to_vec());
            assert!(result.is_err() || result.is_ok_and(|wav| wav.samples.len() <= 4));
        }
    }
}
