//! Server-sent events, read as the bytes come in.
//!
//! Follows the WHATWG HTML standard, section 9.2.6 "Interpreting an event stream"
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>), with one addition: an event
//! that the end of the stream cut short of its blank line is offered by [`EventParser::finish`],
//! because some servers forget that line after their last event.
//!
//! Bytes may be split anywhere, inside a UTF-8 character too: a line is decoded when it is whole.

/// One event of the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The `event:` field; empty where there was none.
    pub name: String,
    /// The `data:` lines, joined by line feeds.
    pub data: String,
}

/// An event is longer than the parser was told to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {limit} bytes")]
pub struct EventTooLong {
    /// The longest event allowed, in bytes.
    pub limit: usize,
}

/// Turns bytes into [`Event`]s: [`push`](Self::push) what came, then call
/// [`next_event`](Self::next_event) until there is none.
#[derive(Debug)]
pub struct EventParser {
    /// What was pushed; bytes before `line_start` have been read.
    buffer: Vec<u8>,
    line_start: usize,
    /// Bytes before this hold no line end.
    scanned: usize,
    /// The last line ended in CR: a LF that comes next belongs to it.
    after_carriage_return: bool,
    first_line: bool,
    event: Event,
    has_data: bool,
    limit: usize,
}

impl EventParser {
    /// A parser for a new stream, which holds at most `limit` bytes of one event.
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            line_start: 0,
            scanned: 0,
            after_carriage_return: false,
            first_line: true,
            event: Event::default(),
            has_data: false,
            limit,
        }
    }

    /// Takes the next bytes of the stream, of any length.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.line_start);
        self.scanned -= self.line_start;
        self.line_start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole event of what was pushed.
    ///
    /// # Errors
    /// [`EventTooLong`] where an event outgrows the limit; the stream cannot be read on.
    pub fn next_event(&mut self) -> Result<Option<Event>, EventTooLong> {
        while let Some((start, end)) = self.next_line() {
            if start == end {
                if let Some(event) = self.dispatch() {
                    return Ok(Some(event));
                }
                continue;
            }
            let line = String::from_utf8_lossy(&self.buffer[start..end]).into_owned();
            self.field(&line);
            self.check_length(0)?;
        }
        self.check_length(self.buffer.len() - self.line_start)?;
        Ok(None)
    }

    /// Ends the stream: the event that was under way, if it has data.
    pub fn finish(&mut self) -> Option<Event> {
        let rest = self.buffer.split_off(self.line_start);
        self.buffer.clear();
        self.line_start = 0;
        self.scanned = 0;
        let line = String::from_utf8_lossy(&rest).into_owned();
        let line = if self.after_carriage_return {
            line.strip_prefix('\n').unwrap_or(&line)
        } else {
            &line
        };
        if !line.is_empty() {
            self.field(line);
        }
        self.dispatch()
    }

    fn check_length(&self, unread: usize) -> Result<(), EventTooLong> {
        if self.event.data.len() + self.event.name.len() + unread > self.limit {
            return Err(EventTooLong { limit: self.limit });
        }
        Ok(())
    }

    /// Where the next whole line lies in the buffer, without its end.
    fn next_line(&mut self) -> Option<(usize, usize)> {
        if self.after_carriage_return && self.line_start < self.buffer.len() {
            self.after_carriage_return = false;
            if self.buffer[self.line_start] == b'\n' {
                self.line_start += 1;
                self.scanned = self.scanned.max(self.line_start);
            }
        }
        let Some(found) =
            self.buffer[self.scanned..].iter().position(|&byte| byte == b'\n' || byte == b'\r')
        else {
            self.scanned = self.buffer.len();
            return None;
        };
        let end = self.scanned + found;
        let mut start = self.line_start;
        self.after_carriage_return = self.buffer[end] == b'\r';
        self.line_start = end + 1;
        self.scanned = end + 1;
        if std::mem::take(&mut self.first_line) && self.buffer[start..end].starts_with(BOM) {
            start += BOM.len();
        }
        Some((start, end))
    }

    fn field(&mut self, line: &str) {
        // A line that begins with a colon is a comment: its field name is empty.
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            "event" => value.clone_into(&mut self.event.name),
            // `id` and `retry` serve reconnection, which a reply does not have.
            _ => {}
        }
    }

    fn dispatch(&mut self) -> Option<Event> {
        let event = std::mem::take(&mut self.event);
        std::mem::take(&mut self.has_data).then_some(event)
    }
}

/// UTF-8's byte order mark, which a stream may begin with.
const BOM: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<Event> {
        let mut parser = EventParser::new(4096);
        let mut events = Vec::new();
        for piece in pieces {
            parser.push(piece);
            while let Some(event) = parser.next_event().expect("short events") {
                events.push(event);
            }
        }
        events.extend(parser.finish());
        events
    }

    fn data(text: &str) -> Event {
        Event { name: String::new(), data: text.to_owned() }
    }

    /// All that a stream may hold: a mark, comments, all three line ends, fields without a space
    /// or without a colon, several data lines, an event's name, characters of two to four bytes.
    const STREAM: &str = "\u{feff}: hello\n\ndata: {\"a\":1}\n\r\n: ping\r\n\r\ndata:un\rdata:  deux\r\r\
        event: error\ndata: é€😀\n\nid: 7\nretry: 10\nunknown\ndata\n\ndata: [DONE]\n\n";

    fn expected() -> Vec<Event> {
        vec![
            data("{\"a\":1}"),
            data("un\n deux"),
            Event { name: "error".to_owned(), data: "é€😀".to_owned() },
            data(""),
            data("[DONE]"),
        ]
    }

    #[test]
    fn a_whole_stream() {
        assert_eq!(read(&[STREAM.as_bytes()]), expected());
    }

    #[test]
    fn every_split_in_three_reads_the_same() {
        let bytes = STREAM.as_bytes();
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(read(&pieces), expected(), "split at {first} and {second}");
            }
        }
    }

    #[test]
    fn byte_by_byte_reads_the_same() {
        let pieces: Vec<&[u8]> = STREAM.as_bytes().chunks(1).collect();
        assert_eq!(read(&pieces), expected());
    }

    #[test]
    fn an_event_is_out_with_its_blank_line() {
        let mut parser = EventParser::new(64);
        parser.push(b"data: a\n");
        assert_eq!(parser.next_event(), Ok(None));
        // The blank line's CR is enough: whether a LF follows does not matter.
        parser.push(b"\r");
        assert_eq!(parser.next_event(), Ok(Some(data("a"))));
        parser.push(b"\ndata: b\n\n");
        assert_eq!(parser.next_event(), Ok(Some(data("b"))));
    }

    #[test]
    fn the_end_offers_an_event_without_its_blank_line() {
        assert_eq!(read(&[b"data: [DONE]"]), [data("[DONE]")]);
        assert_eq!(read(&[b"data: [DONE]\r"]), [data("[DONE]")]);
        assert_eq!(read(&[b": only a comment"]), []);
    }

    #[test]
    fn a_mark_is_dropped_at_the_start_only() {
        assert_eq!(read(&[b"\xef", b"\xbb", b"\xbfdata: a\n\n"]), [data("a")]);
        assert_eq!(read(&[b"\n\xef\xbb\xbfdata: a\n\n"]), []);
    }

    #[test]
    fn bytes_that_are_no_utf8_become_replacement_characters() {
        assert_eq!(read(&[b"data: a\xffb\n\n"]), [data("a\u{fffd}b")]);
    }

    #[test]
    fn an_event_beyond_the_limit_is_refused() {
        let mut line = EventParser::new(8);
        line.push(b"data: 123456789");
        assert_eq!(line.next_event(), Err(EventTooLong { limit: 8 }));

        let mut lines = EventParser::new(8);
        for _ in 0..4 {
            lines.push(b"data:12\n");
        }
        assert_eq!(lines.next_event(), Err(EventTooLong { limit: 8 }));

        // Many short events in one piece are none too long.
        let mut many = EventParser::new(8);
        many.push(&b"data:12\n\n".repeat(100));
        let mut count = 0;
        while many.next_event().expect("short events").is_some() {
            count += 1;
        }
        assert_eq!(count, 100);
    }
}
