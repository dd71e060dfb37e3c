//! Points in time as they are recorded.

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The wall clock's reading.
    #[must_use]
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// RFC 3339 in UTC with microseconds, such as `2026-01-31T08:15:00.000001Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let Ok(at) = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1000) else {
            return "9999-12-31T23:59:59.999999Z".to_owned();
        };
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            at.microsecond(),
        )
    }

    /// Reads any RFC 3339 date and time; `None` if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let at = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).ok()?;
        i64::try_from(at.unix_timestamp_nanos() / 1000).ok().map(Self)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(at: SystemTime) -> Self {
        let micros = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        Self(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn rfc3339_round_trips_to_the_microsecond() {
        for micros in [0, 1, 1_700_000_000_123_456, 4_102_444_799_999_999] {
            let at = Timestamp(micros);
            assert_eq!(Timestamp::parse(&at.rfc3339()), Some(at), "{}", at.rfc3339());
        }
        assert_eq!(Timestamp(1).rfc3339(), "1970-01-01T00:00:00.000001Z");
    }
}
