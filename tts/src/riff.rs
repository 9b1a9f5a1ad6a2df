//! WAV as programs write it to a pipe: the sizes in the header may be wrong, the samples are not.

use codecs::SampleRate;

/// A mono 16-bit recording.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Recording {
    /// Samples per second.
    pub rate: SampleRate,
    /// The samples.
    pub samples: Vec<i16>,
}

/// Reads a RIFF/WAVE file of 16-bit mono PCM. A `data` chunk that claims more than there is ends
/// with the file: a program that streams does not know its length.
///
/// # Errors
///
/// What is wrong with the bytes, in words.
pub(crate) fn read(bytes: &[u8]) -> Result<Recording, String> {
    if bytes.len() < 12 || &bytes[..4] != b"RIFF" || &bytes[8..12] != b"WAVE" {
        return Err(format!("{} bytes that are not a WAV file", bytes.len()));
    }
    let mut rest = &bytes[12..];
    let mut rate = None;
    while let Some((head, body)) = rest.split_at_checked(8) {
        let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let chunk = &body[..size.min(body.len())];
        match &head[..4] {
            b"fmt " if chunk.len() >= 16 => {
                let field = |at: usize| u16::from_le_bytes([chunk[at], chunk[at + 1]]);
                let (format, channels, bits) = (field(0), field(2), field(14));
                if (format, channels, bits) != (1, 1, 16) {
                    return Err(format!(
                        "a WAV file of format {format}, {channels} channels, {bits} bits; 16-bit \
                         mono PCM is needed"
                    ));
                }
                let hz = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
                rate = SampleRate::new(hz);
            }
            b"data" => {
                let rate = rate.ok_or("a WAV file without a sample rate")?;
                let pairs = chunk.chunks_exact(2);
                let samples = pairs.map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
                return Ok(Recording { rate, samples });
            }
            _ => {}
        }
        rest = body.get(size + size % 2..).unwrap_or_default();
    }
    Err("a WAV file without samples".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(channels: u16, data_size: u32) -> Vec<u8> {
        let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0".to_vec();
        bytes.extend(channels.to_le_bytes());
        bytes.extend(16_000_u32.to_le_bytes());
        bytes.extend([0, 0, 0, 0, 2, 0, 16, 0]);
        bytes.extend(b"LIST\x01\0\0\0x\0data");
        bytes.extend(data_size.to_le_bytes());
        bytes.extend([1, 0, 255, 255, 9]);
        bytes
    }

    #[test]
    fn a_streamed_header_does_not_limit_the_samples() {
        for size in [4, 0x7fff_f000, u32::MAX] {
            let recording = read(&wav(1, size)).expect("readable");
            assert_eq!(recording.rate, SampleRate::HZ_16000);
            assert_eq!(recording.samples, [1, -1]);
        }
    }

    #[test]
    fn what_is_not_16_bit_mono_is_named() {
        assert!(read(b"Usage: flite").expect_err("text").contains("not a WAV"));
        assert!(read(&wav(2, 4)).expect_err("stereo").contains("2 channels"));
        let cut = &wav(1, 4)[..30];
        assert!(read(cut).is_err());
        for len in 0..wav(1, 4).len() {
            let _ = read(&wav(1, 4)[..len]);
        }
    }
}
