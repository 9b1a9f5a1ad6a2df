//! Moments as the store and the API have them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// Microseconds since 1970 in UTC. The API shows milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The present, by the system's clock.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    /// The moment `micros` microseconds after 1970 began.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970 began.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970 began, as Vapi's messages have them.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// The moment `duration` later.
    pub fn after(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros))
    }

    /// ISO 8601, in UTC, to the millisecond: `2026-11-21T03:56:05.123Z`.
    pub fn to_iso(self) -> String {
        let format = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        );
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000)
            .ok()
            .and_then(|moment| moment.format(format).ok())
            .unwrap_or_default()
    }

    /// Reads ISO 8601 with an offset, or a date alone; what is finer than a microsecond is cut.
    pub fn from_iso(text: &str) -> Option<Self> {
        let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
        let moment = OffsetDateTime::parse(&whole, &Rfc3339).ok()?;
        i64::try_from(moment.unix_timestamp_nanos().div_euclid(1_000)).ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_and_read_in_iso_8601() {
        let moment = Timestamp::from_micros(1_722_115_407_145_678);
        assert_eq!(moment.to_iso(), "2024-07-27T21:23:27.145Z");
        let read = |text| Timestamp::from_iso(text).map(Timestamp::as_micros);
        assert_eq!(read("2024-07-27T21:23:27.145Z"), Some(1_722_115_407_145_000));
        assert_eq!(read("2024-07-27T23:23:27.145+02:00"), Some(1_722_115_407_145_000));
        assert_eq!(read("2024-07-27"), Some(1_722_038_400_000_000));
        assert_eq!(read("yesterday"), None);
    }
}
