//! G.711 companding: µ-law and A-law, one byte a sample at 8 kHz (ITU-T G.711, 1988).
//!
//! Bit-exact with the ITU-T Software Tools (G.191), which compand negative samples by their one's
//! complement: -1 and 0 mirror each other.

/// Which of the two companding laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Law {
    /// North America and Japan; RTP payload type 0, `audio/x-mulaw`.
    Mu,
    /// The rest of the world; RTP payload type 8, `audio/x-alaw`.
    A,
}

impl Law {
    /// The code of silence.
    pub const fn silence(self) -> u8 {
        match self {
            Self::Mu => MULAW_SILENCE,
            Self::A => ALAW_SILENCE,
        }
    }

    /// Compands `samples` into `codes`.
    ///
    /// # Panics
    ///
    /// Where the slices differ in length.
    pub fn encode_into(self, samples: &[i16], codes: &mut [u8]) {
        match self {
            Self::Mu => mulaw_encode_into(samples, codes),
            Self::A => alaw_encode_into(samples, codes),
        }
    }

    /// Expands `codes` into `samples`.
    ///
    /// # Panics
    ///
    /// Where the slices differ in length.
    pub fn decode_into(self, codes: &[u8], samples: &mut [i16]) {
        match self {
            Self::Mu => mulaw_decode_into(codes, samples),
            Self::A => alaw_decode_into(codes, samples),
        }
    }
}

/// The µ-law code of silence.
pub const MULAW_SILENCE: u8 = mulaw_encode(0);
/// The A-law code of silence.
pub const ALAW_SILENCE: u8 = alaw_encode(0);

static MULAW_TO_LINEAR: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = expand_mulaw(code as u8);
        code += 1;
    }
    table
};

static ALAW_TO_LINEAR: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = expand_alaw(code as u8);
        code += 1;
    }
    table
};

/// The µ-law code of a sample. The two lowest bits do not count (14-bit input).
#[inline]
pub const fn mulaw_encode(sample: i16) -> u8 {
    /// Raises every segment's edge to a power of two.
    const BIAS: u16 = 33;
    let magnitude = (if sample < 0 { !sample } else { sample } as u16 >> 2) + BIAS;
    let magnitude = if magnitude > 0x1fff { 0x1fff } else { magnitude };
    // The bias makes 33 (bit 5) the least magnitude, so the segment is never negative.
    let segment = 10 - magnitude.leading_zeros() as u16;
    let step = (magnitude >> (segment + 1)) & 0x0f;
    let sign = if sample < 0 { 0 } else { 0x80 };
    sign | (!(segment << 4 | step) & 0x7f) as u8
}

/// The sample of a µ-law code.
#[inline]
pub fn mulaw_decode(code: u8) -> i16 {
    MULAW_TO_LINEAR[usize::from(code)]
}

/// The A-law code of a sample. The four lowest bits do not count in the two lowest segments
/// (13-bit input, on which STL works with 12 bits of magnitude).
#[inline]
pub const fn alaw_encode(sample: i16) -> u8 {
    /// Every even bit is inverted on the line (G.711 Table 1a, note 2).
    const EVEN_BITS: u8 = 0x55;
    let magnitude = if sample < 0 { !sample } else { sample } as u16 >> 4;
    let code = if magnitude < 32 {
        // The first two segments share their step.
        magnitude
    } else {
        let segment = 12 - magnitude.leading_zeros() as u16;
        (segment << 4) | ((magnitude >> (segment - 1)) & 0x0f)
    };
    let sign = if sample < 0 { 0 } else { 0x80 };
    (sign | code as u8) ^ EVEN_BITS
}

/// The sample of an A-law code.
#[inline]
pub fn alaw_decode(code: u8) -> i16 {
    ALAW_TO_LINEAR[usize::from(code)]
}

/// Compands `samples` to µ-law.
///
/// # Panics
///
/// Where the slices differ in length.
pub fn mulaw_encode_into(samples: &[i16], codes: &mut [u8]) {
    assert_eq!(samples.len(), codes.len(), "one code for each sample");
    for (code, &sample) in codes.iter_mut().zip(samples) {
        *code = mulaw_encode(sample);
    }
}

/// Expands µ-law `codes`.
///
/// # Panics
///
/// Where the slices differ in length.
pub fn mulaw_decode_into(codes: &[u8], samples: &mut [i16]) {
    assert_eq!(codes.len(), samples.len(), "one sample for each code");
    for (sample, &code) in samples.iter_mut().zip(codes) {
        *sample = mulaw_decode(code);
    }
}

/// Compands `samples` to A-law.
///
/// # Panics
///
/// Where the slices differ in length.
pub fn alaw_encode_into(samples: &[i16], codes: &mut [u8]) {
    assert_eq!(samples.len(), codes.len(), "one code for each sample");
    for (code, &sample) in codes.iter_mut().zip(samples) {
        *code = alaw_encode(sample);
    }
}

/// Expands A-law `codes`.
///
/// # Panics
///
/// Where the slices differ in length.
pub fn alaw_decode_into(codes: &[u8], samples: &mut [i16]) {
    assert_eq!(codes.len(), samples.len(), "one sample for each code");
    for (sample, &code) in samples.iter_mut().zip(codes) {
        *sample = alaw_decode(code);
    }
}

/// G.711 Table 2: a segment's values are its steps' middles, less the bias.
const fn expand_mulaw(code: u8) -> i16 {
    let bits = !code & 0x7f;
    let segment = (bits >> 4) as i16;
    let step = (bits & 0x0f) as i16;
    let magnitude = (((step << 1) + 33) << segment) - 33;
    let sample = magnitude << 2;
    if code & 0x80 == 0 { -sample } else { sample }
}

/// G.711 Table 1: a segment's values are its steps' middles.
const fn expand_alaw(code: u8) -> i16 {
    let bits = code ^ 0x55;
    let segment = ((bits >> 4) & 0x07) as i16;
    let step = (bits & 0x0f) as i16;
    let middle = (step << 4) + 8;
    let sample = if segment == 0 { middle } else { (middle + 0x100) << (segment - 1) };
    if bits & 0x80 == 0 { -sample } else { sample }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_the_code_carriers_send() {
        assert_eq!((Law::Mu.silence(), Law::A.silence()), (0xff, 0xd5));
        assert_eq!(mulaw_decode(MULAW_SILENCE), 0);
        assert_eq!(alaw_decode(ALAW_SILENCE), 8);
    }

    #[test]
    fn every_code_survives_expanding_and_companding() {
        for code in 0..=255 {
            assert_eq!(alaw_encode(alaw_decode(code)), code);
            // µ-law has two zeros; the negative one becomes the positive.
            let expected = if code == 0x7f { 0xff } else { code };
            assert_eq!(mulaw_encode(mulaw_decode(code)), expected);
        }
    }

    #[test]
    fn companding_is_odd_and_monotonic() {
        for law in [Law::Mu, Law::A] {
            let samples: Vec<i16> = (i16::MIN..=i16::MAX).collect();
            let mut codes = vec![0; samples.len()];
            let mut back = vec![0; samples.len()];
            law.encode_into(&samples, &mut codes);
            law.decode_into(&codes, &mut back);
            assert!(back.is_sorted(), "{law:?} keeps the order of samples");
            for (low, high) in back.iter().zip(back.iter().rev()) {
                assert_eq!(*low, -*high, "{law:?} is symmetric");
            }
            // Half a step of the segment: within 1/32 of the value, or half the least step.
            for (&sample, &decoded) in samples.iter().zip(&back) {
                let error = (i32::from(sample) - i32::from(decoded)).abs();
                let clip = if law == Law::Mu { 32_635 } else { 32_767 };
                if i32::from(sample).abs() <= clip {
                    assert!(error <= 8 + i32::from(sample).abs() / 31, "{law:?}: {sample}");
                }
            }
        }
    }
}
