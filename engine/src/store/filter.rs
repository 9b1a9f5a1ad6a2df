//! Which rows of a list are wanted.

use super::timestamp::Timestamp;

/// Rows by their age. Bounds are whole milliseconds, as the API shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The most rows: 1 to 1000.
    pub limit: u32,
    /// When they were made.
    pub created: Span,
    /// When they were changed last.
    pub updated: Span,
}

/// Which resources of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceFilter {
    /// By age.
    pub page: Page,
    /// Those with one of these ids; `None`: all.
    pub ids: Option<Vec<String>>,
}

impl Default for Page {
    fn default() -> Self {
        Self { limit: 100, created: Span::default(), updated: Span::default() }
    }
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first moment inside.
    pub from: Timestamp,
    /// The first moment behind.
    pub until: Timestamp,
}

impl Default for Span {
    fn default() -> Self {
        Self { from: Timestamp::from_micros(i64::MIN), until: Timestamp::from_micros(i64::MAX) }
    }
}

impl Span {
    /// Keeps what is later than the millisecond of `moment`.
    pub fn after(&mut self, moment: Timestamp) {
        self.from = self.from.max(next(moment));
    }

    /// Keeps that millisecond and what is later.
    pub fn at_or_after(&mut self, moment: Timestamp) {
        self.from = self.from.max(floor(moment));
    }

    /// Keeps what is earlier than the millisecond of `moment`.
    pub fn before(&mut self, moment: Timestamp) {
        self.until = self.until.min(floor(moment));
    }

    /// Keeps that millisecond and what is earlier.
    pub fn at_or_before(&mut self, moment: Timestamp) {
        self.until = self.until.min(next(moment));
    }
}

fn floor(moment: Timestamp) -> Timestamp {
    Timestamp::from_micros(moment.as_millis().saturating_mul(1_000))
}

fn next(moment: Timestamp) -> Timestamp {
    Timestamp::from_micros((moment.as_millis() + 1).saturating_mul(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_compared_as_it_is_shown() {
        // Shown as ...145Z, kept with its microseconds.
        let row = Timestamp::from_micros(1_722_115_407_145_678);
        let shown = Timestamp::from_iso(&row.to_iso()).expect("ISO");
        let holds = |narrow: fn(&mut Span, Timestamp)| {
            let mut span = Span::default();
            narrow(&mut span, shown);
            span.from <= row && row < span.until
        };
        assert!(holds(Span::at_or_after) && holds(Span::at_or_before));
        assert!(!holds(Span::after) && !holds(Span::before));
    }
}
