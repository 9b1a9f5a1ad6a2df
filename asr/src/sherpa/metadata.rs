//! The metadata of an ONNX file, read without loading its weights.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// Keys and values as the exporter wrote them.
pub(super) type Metadata = HashMap<String, String>;

/// Field of `ModelProto` that holds a `StringStringEntryProto` (onnx.proto3, `metadata_props`).
const METADATA_PROPS: u64 = 14;
/// Fields of `StringStringEntryProto`.
const KEY: u64 = 1;
const VALUE: u64 = 2;
/// Longest entry that is read; what exporters write is a few hundred bytes.
const LONGEST_ENTRY: u64 = 1 << 20;

/// Reads the metadata of the model at `path`.
pub(super) fn read_metadata(path: &Path) -> Result<Metadata, String> {
    let read = || -> io::Result<Metadata> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        model(&mut BufReader::new(file), length)
    };
    read().map_err(|error| match error.kind() {
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
            format!("{} is not an ONNX model: {error}", path.display())
        }
        _ => format!("cannot read {}: {error}", path.display()),
    })
}

/// Goes over the fields of a `ModelProto` of `length` bytes, past all but the metadata. The
/// format is protobuf's wire format: a key (field number and wire type), then the value.
fn model(file: &mut (impl Read + Seek), length: u64) -> io::Result<Metadata> {
    let mut metadata = Metadata::new();
    let mut fields = 0;
    while file.stream_position()? < length {
        let key = varint(file)?;
        fields += 1;
        let skipped = match key & 7 {
            0 => {
                varint(file)?;
                0
            }
            1 => 8,
            2 => {
                let size = varint(file)?;
                if size > length - file.stream_position()?.min(length) {
                    return Err(invalid("a field is longer than the file"));
                }
                if key >> 3 == METADATA_PROPS {
                    let (key, value) = entry(file, size)?;
                    metadata.insert(key, value);
                    0
                } else {
                    size
                }
            }
            5 => 4,
            _ => return Err(invalid("it has a field of an unknown kind")),
        };
        let skipped = i64::try_from(skipped).map_err(|_| invalid("a field is too long"))?;
        file.seek(SeekFrom::Current(skipped))?;
    }
    if fields == 0 {
        return Err(invalid("it is empty"));
    }
    Ok(metadata)
}

fn entry(file: &mut impl Read, size: u64) -> io::Result<(String, String)> {
    if size > LONGEST_ENTRY {
        return Err(invalid("its metadata is too long"));
    }
    let mut bytes = vec![0; size as usize];
    file.read_exact(&mut bytes)?;
    let mut rest = &bytes[..];
    let (mut key, mut value) = (String::new(), String::new());
    while !rest.is_empty() {
        let field = varint(&mut rest)?;
        if field & 7 != 2 {
            return Err(invalid("its metadata is not text"));
        }
        let size = usize::try_from(varint(&mut rest)?).unwrap_or(usize::MAX);
        let (text, after) =
            rest.split_at_checked(size).ok_or_else(|| invalid("its metadata is cut"))?;
        let text = String::from_utf8_lossy(text).into_owned();
        match field >> 3 {
            KEY => key = text,
            VALUE => value = text,
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
        if byte[0] < 0x80 {
            return Ok(value);
        }
    }
    Err(invalid("it has a number of more than 64 bits"))
}

fn invalid(reason: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn tiny() -> Vec<u8> {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tiny-transducer/encoder.onnx");
        std::fs::read(path).expect("the tiny model is there")
    }

    fn parse(bytes: &[u8]) -> io::Result<Metadata> {
        model(&mut Cursor::new(bytes), bytes.len() as u64)
    }

    #[test]
    fn metadata_is_found_behind_the_graph() {
        let metadata = parse(&tiny()).expect("a model");
        assert_eq!(metadata["model_type"], "lstm");
        assert_eq!(metadata["T"], "19");
    }

    #[test]
    fn what_is_not_a_model_is_refused() {
        for bytes in [&b""[..], b"<!DOCTYPE html>", &[0xff; 40], &[0x72, 0x05, 1, 2]] {
            assert!(parse(bytes).is_err(), "{bytes:?}");
        }
        let whole = tiny();
        assert!(parse(&whole[..whole.len() - 1]).is_err(), "cut short");
    }

    #[test]
    fn no_cut_or_changed_byte_makes_it_panic() {
        let whole = tiny();
        for at in 0..whole.len() {
            let _ = parse(&whole[..at]);
            let mut changed = whole.clone();
            changed[at] ^= 0xff;
            let _ = parse(&changed);
        }
    }
}
