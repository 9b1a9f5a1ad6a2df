//! The metadata of an ONNX model, read and added without loading the model.
//!
//! A model is one protobuf message, `ModelProto`; its field 14, repeated, holds key and value
//! pairs (`metadata_props`, onnx.proto3). Fields may come in any order and a repeated field may
//! be continued at the end of the message, so adding a pair is appending bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

const METADATA_PROPS: u64 = 14;
const LENGTH_DELIMITED: u64 = 2;
/// No pair of a voice model comes near; more is not a model.
const LARGEST_PAIR: u64 = 1 << 20;

/// Reads the pairs of the model at `path`.
///
/// # Errors
///
/// The file cannot be read, or is not a protobuf message.
pub fn read(path: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut file = BufReader::new(File::open(path)?);
    let length = file.get_ref().metadata()?.len();
    if length == 0 {
        return Err(broken("it is empty".to_owned()));
    }
    let mut pairs = BTreeMap::new();
    while !file.fill_buf()?.is_empty() {
        let tag = varint(&mut file)?;
        let skip = match tag & 7 {
            0 => {
                varint(&mut file)?;
                continue;
            }
            1 => 8,
            LENGTH_DELIMITED => varint(&mut file)?,
            5 => 4,
            kind => return Err(broken(format!("field of unknown kind {kind}"))),
        };
        if skip > length - file.stream_position()?.min(length) {
            return Err(broken(format!("field of {skip} bytes in a file of {length}")));
        }
        if tag == METADATA_PROPS << 3 | LENGTH_DELIMITED && skip <= LARGEST_PAIR {
            let mut bytes = vec![0; skip as usize];
            file.read_exact(&mut bytes)?;
            let (key, value) = pair(&bytes)?;
            pairs.insert(key, value);
        } else {
            file.seek(SeekFrom::Current(skip as i64))?;
        }
    }
    Ok(pairs)
}

/// Writes pairs in the form in which they continue a model.
///
/// # Errors
///
/// The writer fails.
pub fn append<'a>(
    model: &mut impl Write,
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> io::Result<()> {
    for (key, value) in pairs {
        let mut entry = Vec::new();
        for (field, text) in [(1, key), (2, value)] {
            entry.push(field << 3 | LENGTH_DELIMITED as u8);
            put_varint(&mut entry, text.len() as u64);
            entry.extend(text.as_bytes());
        }
        let mut head = Vec::new();
        put_varint(&mut head, METADATA_PROPS << 3 | LENGTH_DELIMITED);
        put_varint(&mut head, entry.len() as u64);
        model.write_all(&head)?;
        model.write_all(&entry)?;
    }
    Ok(())
}

fn pair(bytes: &[u8]) -> io::Result<(String, String)> {
    let (mut key, mut value) = (String::new(), String::new());
    let mut rest = bytes;
    while !rest.is_empty() {
        let tag = varint(&mut rest)?;
        if tag & 7 != LENGTH_DELIMITED {
            return Err(broken("metadata that is no text".to_owned()));
        }
        let length = varint(&mut rest)? as usize;
        let Some((text, after)) = rest.split_at_checked(length) else {
            return Err(broken("metadata that is cut off".to_owned()));
        };
        let text = String::from_utf8_lossy(text).into_owned();
        match tag >> 3 {
            1 => key = text,
            2 => value = text,
            _ => {}
        }
        rest = after;
    }
    Ok((key, value))
}

fn varint(from: &mut impl Read) -> io::Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        value |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(broken("a number longer than 64 bits".to_owned()))
}

fn put_varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

fn broken(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not an ONNX model: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_is_read_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("model.onnx");
        // ir_version 8, and a graph of 300 bytes, which is skipped.
        let mut model = vec![0x08, 8, 0x3a, 0xac, 0x02];
        model.extend([0x72; 300]);
        let long = "é".repeat(100);
        append(&mut model, [("comment", "piper"), ("voice", &long)]).expect("memory");
        std::fs::write(&path, &model).expect("written");
        let pairs = read(&path).expect("a model");
        assert_eq!(pairs.len(), 2);
        assert_eq!((pairs["comment"].as_str(), pairs["voice"].as_str()), ("piper", long.as_str()));
        for length in 0..model.len() {
            std::fs::write(&path, &model[..length]).expect("written");
            let _ = read(&path);
        }
        std::fs::write(&path, b"version https://git-lfs").expect("written");
        assert!(read(&path).is_err(), "a pointer file is no model");
        for bytes in [&b""[..], b"<!DOCTYPE html>", &[0xff; 40], &[0x72, 0x05, 1, 2]] {
            std::fs::write(&path, bytes).expect("written");
            assert!(read(&path).is_err(), "{bytes:?}");
        }
    }
}
