//! The ITU-T Software Tools' vectors for G.711 (G.191): every 16-bit sample through both laws.
//!
//! `sweep.src` holds the samples; `.u` and `.a` their codes, one to a 16-bit word; `.reu` and
//! `.rea` the codes expanded; `.u-u` and `.a-a` the samples companded and expanded in one pass.
//! All words are little-endian.

use std::path::PathBuf;

use codecs::g711::Law;

fn words(name: &str) -> Option<Vec<i16>> {
    let path = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/audio/codec/itu_stl_g711"
    ))
    .join(name);
    let Ok(bytes) = std::fs::read(&path) else {
        eprintln!("skipped: {name} is not there");
        return None;
    };
    let (words, rest) = bytes.as_chunks();
    assert!(rest.is_empty(), "{name} holds whole words");
    Some(words.iter().map(|&word| i16::from_le_bytes(word)).collect())
}

fn check(law: Law, codes: &str, expanded: &str, both: &str) {
    let Some(samples) = words("sweep.src") else { return };
    let (Some(codes), Some(expanded), Some(both)) = (words(codes), words(expanded), words(both))
    else {
        return;
    };
    assert_eq!(samples.len(), 65_536, "the sweep is complete");

    let mut encoded = vec![0; samples.len()];
    law.encode_into(&samples, &mut encoded);
    let encoded_words: Vec<i16> = encoded.iter().map(|&code| i16::from(code)).collect();
    assert_eq!(encoded_words, codes);

    let reference: Vec<u8> = codes.iter().map(|&word| word as u8).collect();
    let mut decoded = vec![0; samples.len()];
    law.decode_into(&reference, &mut decoded);
    assert_eq!(decoded, expanded);

    law.decode_into(&encoded, &mut decoded);
    assert_eq!(decoded, both);
}

#[test]
fn mulaw_is_bit_exact() {
    check(Law::Mu, "sweep-r.u", "sweep-r.reu", "sweep-r.u-u");
}

#[test]
fn alaw_is_bit_exact() {
    check(Law::A, "sweep-r.a", "sweep-r.rea", "sweep-r.a-a");
}
