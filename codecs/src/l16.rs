//! L16: uncompressed 16-bit samples in network byte order (RFC 3551 §4.5.11).

/// A payload of L16 that does not hold whole samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an L16 payload of {0} bytes: it must be an even number, two bytes a sample")]
pub struct OddLength(pub usize);

/// Writes `samples` as L16.
///
/// # Panics
///
/// Where `bytes` is not twice as long as `samples`.
pub fn encode_into(samples: &[i16], bytes: &mut [u8]) {
    assert_eq!(samples.len() * 2, bytes.len(), "two bytes for each sample");
    for (bytes, sample) in bytes.as_chunks_mut().0.iter_mut().zip(samples) {
        *bytes = sample.to_be_bytes();
    }
}

/// Reads the samples of an L16 payload into the beginning of `samples`, and returns how many
/// they are.
///
/// # Errors
///
/// Where the payload's length is odd; nothing is written then.
///
/// # Panics
///
/// Where `samples` is shorter than half of `bytes`.
pub fn decode_into(bytes: &[u8], samples: &mut [i16]) -> Result<usize, OddLength> {
    let (pairs, rest) = bytes.as_chunks();
    if !rest.is_empty() {
        return Err(OddLength(bytes.len()));
    }
    for (sample, &pair) in samples[..pairs.len()].iter_mut().zip(pairs) {
        *sample = i16::from_be_bytes(pair);
    }
    Ok(pairs.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_significant_byte_goes_first() {
        let mut bytes = [0; 4];
        encode_into(&[0x1234, -2], &mut bytes);
        assert_eq!(bytes, [0x12, 0x34, 0xff, 0xfe]);
    }

    #[test]
    fn every_sample_survives() {
        let samples: Vec<i16> = (i16::MIN..=i16::MAX).collect();
        let mut bytes = vec![0; samples.len() * 2];
        encode_into(&samples, &mut bytes);
        let mut back = vec![0; samples.len()];
        assert_eq!(decode_into(&bytes, &mut back), Ok(samples.len()));
        assert_eq!(samples, back);
    }

    #[test]
    fn half_a_sample_is_refused() {
        let mut samples = [7; 2];
        assert_eq!(decode_into(&[1, 2, 3], &mut samples), Err(OddLength(3)));
        assert_eq!(samples, [7, 7]);
    }
}
