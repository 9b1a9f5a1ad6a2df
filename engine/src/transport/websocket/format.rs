//! Samples as they stand in binary frames.

use codecs::{SampleRate, g711};

/// How samples are written: without a header, one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// 16 bits, the least significant byte first.
    PcmS16Le,
    /// G.711.
    MuLaw,
}

/// What both directions of a socket carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioFormat {
    /// How samples are written.
    pub encoding: Encoding,
    /// Samples a second.
    pub rate: SampleRate,
}

impl AudioFormat {
    /// Appends `samples` as they are sent.
    pub fn write(self, samples: impl IntoIterator<Item = i16>, bytes: &mut impl Extend<u8>) {
        let samples = samples.into_iter();
        match self.encoding {
            Encoding::PcmS16Le => bytes.extend(samples.flat_map(i16::to_le_bytes)),
            Encoding::MuLaw => bytes.extend(samples.map(g711::mulaw_encode)),
        }
    }
}

/// Reads samples out of frames that may end in the midst of one.
#[derive(Debug)]
pub(super) struct Reader {
    encoding: Encoding,
    /// The first half of a sample, whose second half the next frame begins with.
    half: Option<u8>,
}

impl Reader {
    pub(super) const fn new(encoding: Encoding) -> Self {
        Self { encoding, half: None }
    }

    /// Appends the samples of a frame.
    pub(super) fn read(&mut self, bytes: &[u8], samples: &mut Vec<i16>) {
        match self.encoding {
            Encoding::MuLaw => samples.extend(bytes.iter().map(|&code| g711::mulaw_decode(code))),
            Encoding::PcmS16Le => {
                let mut bytes = bytes;
                if let Some(low) = self.half
                    && let Some((&high, rest)) = bytes.split_first()
                {
                    self.half = None;
                    samples.push(i16::from_le_bytes([low, high]));
                    bytes = rest;
                }
                let (pairs, rest) = bytes.as_chunks();
                samples.extend(pairs.iter().map(|&pair| i16::from_le_bytes(pair)));
                self.half = self.half.or_else(|| rest.first().copied());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_may_be_split_between_frames() {
        let format = AudioFormat { encoding: Encoding::PcmS16Le, rate: SampleRate::HZ_16000 };
        let sent = [1, -2, 300, -30_000, 5];
        let mut bytes = Vec::new();
        format.write(sent, &mut bytes);
        for length in 1..=bytes.len() {
            let (mut reader, mut samples) = (Reader::new(format.encoding), Vec::new());
            for part in bytes.chunks(length) {
                reader.read(part, &mut samples);
                reader.read(&[], &mut samples);
            }
            assert_eq!(samples, sent, "in pieces of {length}");
        }
    }

    #[test]
    fn mulaw_is_one_byte_a_sample() {
        let format = AudioFormat { encoding: Encoding::MuLaw, rate: SampleRate::HZ_8000 };
        let mut bytes = Vec::new();
        format.write([0, 1_000, -1_000], &mut bytes);
        assert_eq!(bytes.len(), 3);
        let mut samples = Vec::new();
        Reader::new(format.encoding).read(&bytes, &mut samples);
        let near = |a: i16, b: i16| (a - b).abs() < 40;
        assert!(near(samples[1], 1_000) && near(samples[2], -1_000), "{samples:?}");
    }
}
