//! Points in time as they are recorded, and the clock that deadlines go by.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

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
        let seconds = self.0.div_euclid(1_000_000);
        let micros = self.0.rem_euclid(1_000_000);
        let at = time::OffsetDateTime::from_unix_timestamp(seconds).ok();
        let Some((at, year)) = at.and_then(|at| Some((at, u32::try_from(at.year()).ok()?))) else {
            return "9999-12-31T23:59:59.999999Z".to_owned();
        };
        // By hand: hooks are told the time of each message, and to format it took longer than the rest of their request.
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let (month, day) = (u8::from(at.month()), at.day());
        write_digits(&mut text[..4], year);
        for (place, part) in [
            (5, month),
            (8, day),
            (11, at.hour()),
            (14, at.minute()),
            (17, at.second()),
        ] {
            write_digits(&mut text[place..place + 2], u32::from(part));
        }
        write_digits(&mut text[20..26], u32::try_from(micros).unwrap_or_default());
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Reads any RFC 3339 date and time; `None` if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let at = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).ok()?;
        i64::try_from(at.unix_timestamp_nanos() / 1000).ok().map(Self)
    }
}

/// The last decimal digits of a number, as many as there is place for.
fn write_digits(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

impl From<SystemTime> for Timestamp {
    fn from(at: SystemTime) -> Self {
        let micros = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        Self(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

/// The present on a clock that never goes back: milliseconds since it was first looked at in this process.
pub(crate) fn millis() -> u64 {
    millis_at(Instant::now())
}

/// A moment on the same clock, for whoever has read the time already.
pub(crate) fn millis_at(moment: Instant) -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let since = moment.saturating_duration_since(*START.get_or_init(|| moment));
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
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
        for (micros, text) in [
            (1, "1970-01-01T00:00:00.000001Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (951_827_696_000_000, "2000-02-29T12:34:56.000000Z"),
            (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
            (-62_167_219_200_000_000, "0000-01-01T00:00:00.000000Z"),
            (i64::MAX, "9999-12-31T23:59:59.999999Z"),
            (i64::MIN, "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(Timestamp(micros).rfc3339(), text, "{micros}");
        }
    }
}
