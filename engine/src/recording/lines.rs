//! Lines of text through a bounded ring of bytes.
//!
//! A line goes in whole or not at all, so the reader may copy bytes to a file as they come. Lines
//! that do not fit are counted, and the next one that does is preceded by a line that says how
//! many are missing: a reader of the file always knows.

use std::io::Write as _;

use rtrb::{Consumer, Producer, RingBuffer};

/// A ring for `capacity` bytes of lines.
pub(super) fn line_ring(capacity: usize) -> (LineWriter, Consumer<u8>) {
    let (bytes, reader) = RingBuffer::new(capacity);
    (LineWriter { bytes, pending: 0, lost: 0 }, reader)
}

/// The writing end: drops the newest line when full, and counts it.
#[derive(Debug)]
pub(super) struct LineWriter {
    bytes: Producer<u8>,
    /// Lines lost since the last marker.
    pending: u64,
    /// Lines lost in all.
    lost: u64,
}

impl LineWriter {
    /// Appends a line; `line` has no line break in it.
    pub(super) fn push(&mut self, line: &str) {
        debug_assert!(!line.contains('\n'), "one line at a time");
        let marker = Marker::new(self.pending);
        let length = marker.as_bytes().len() + line.len() + 1;
        let Ok(chunk) = self.bytes.write_chunk_uninit(length) else {
            self.pending += 1;
            self.lost += 1;
            return;
        };
        let bytes = marker.as_bytes().iter().chain(line.as_bytes()).chain(b"\n");
        chunk.fill_from_iter(bytes.copied());
        self.pending = 0;
    }

    /// Lines lost since the last marker: those that the file does not tell of yet.
    pub(super) fn pending(&self) -> u64 {
        self.pending
    }

    /// Lines lost in all.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }
}

/// The line that stands for lost ones, made on the stack: `{"lost":N}`, or nothing for none.
pub(super) struct Marker {
    bytes: [u8; 32],
    length: usize,
}

impl Marker {
    pub(super) fn new(lost: u64) -> Self {
        let mut bytes = [0; 32];
        let mut rest = &mut bytes[..];
        if lost > 0 {
            writeln!(rest, "{{\"lost\":{lost}}}").expect("20 digits and 10 other bytes fit in 32");
        }
        let length = 32 - rest.len();
        Self { bytes, length }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(reader: &mut Consumer<u8>) -> String {
        let chunk = reader.read_chunk(reader.slots()).expect("that many are there");
        String::from_utf8(chunk.into_iter().collect()).expect("whole lines of UTF-8")
    }

    #[test]
    fn lines_come_out_as_they_went_in() {
        let (mut writer, mut reader) = line_ring(64);
        for round in 0..50 {
            writer.push(&format!("{{\"n\":{round}}}"));
            writer.push("{\"é\":1}");
            assert_eq!(drain(&mut reader), format!("{{\"n\":{round}}}\n{{\"é\":1}}\n"));
        }
        assert_eq!((writer.pending(), writer.lost()), (0, 0));
    }

    #[test]
    fn lost_lines_are_told_of_before_the_next_one() {
        let (mut writer, mut reader) = line_ring(32);
        writer.push("0123456789");
        writer.push("0123456789");
        writer.push("0123456789");
        writer.push("a line that is longer than the ring is long");
        assert_eq!((writer.pending(), writer.lost()), (2, 2));
        assert_eq!(drain(&mut reader), "0123456789\n0123456789\n");
        writer.push("on");
        assert_eq!(drain(&mut reader), "{\"lost\":2}\non\n");
        assert_eq!((writer.pending(), writer.lost()), (0, 2));
    }

    #[test]
    fn the_longest_marker_fits() {
        let marker = Marker::new(u64::MAX);
        assert_eq!(marker.as_bytes(), b"{\"lost\":18446744073709551615}\n");
    }
}
