//! Times, in whole seconds.

use crate::der::{Value, tag};
use serde::Serialize;
use std::fmt;

/// Seconds since 1970-01-01T00:00:00Z, leap seconds left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(pub i64);

const DAY_SECONDS: i64 = 86_400;

impl UnixTime {
    /// From the parts of a date of the Gregorian calendar; none if there is no such date.
    fn from_parts(parts: [u32; 6]) -> Option<Self> {
        let [year, month, day, hour, minute, second] = parts.map(i64::from);
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days_of_month = match month {
            2 => 28 + i64::from(is_leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        let exists = (1..=days_of_month).contains(&day) && hour < 24 && minute < 60 && second < 60;
        exists.then(|| {
            Self(
                days_from_epoch(year, month, day) * DAY_SECONDS
                    + hour * 3600
                    + minute * 60
                    + second,
            )
        })
    }

    /// From RFC 3339, such as `2026-01-31T12:00:00Z` or `2026-01-31T14:00:00.5+02:00`. Fractions
    /// of a second are left out.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (date, mut zone) = bytes.split_at_checked(19)?;
        let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        if !separators.iter().all(|(at, byte)| date[*at].to_ascii_uppercase() == *byte) {
            return None;
        }
        let local = Self::from_parts([
            decimal(&date[0..4])?,
            decimal(&date[5..7])?,
            decimal(&date[8..10])?,
            decimal(&date[11..13])?,
            decimal(&date[14..16])?,
            decimal(&date[17..19])?,
        ])?;
        if let Some(fraction) = zone.strip_prefix(b".") {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            zone = fraction.get(digits..).filter(|_| digits > 0)?;
        }
        let sign = match zone {
            [b'Z' | b'z'] => return Some(local),
            [b'+', _, _, b':', _, _] => 1,
            [b'-', _, _, b':', _, _] => -1,
            _ => return None,
        };
        let (hours, minutes) = (decimal(&zone[1..3])?, decimal(&zone[4..6])?);
        let ahead = i64::from(60 * hours + minutes) * 60;
        (hours < 24 && minutes < 60).then_some(Self(local.0 - sign * ahead))
    }

    /// From a UTCTime or GeneralizedTime as RFC 5280 allows them: in UTC, with seconds, without
    /// fractions.
    pub(super) fn from_der(value: &Value<'_>) -> Option<Self> {
        let (year, rest) = match value.tag {
            tag::UTC_TIME => {
                let (digits, rest) = value.content.split_at_checked(2)?;
                let short = decimal(digits)?;
                (if short < 50 { 2000 + short } else { 1900 + short }, rest)
            }
            tag::GENERALIZED_TIME => {
                let (digits, rest) = value.content.split_at_checked(4)?;
                (decimal(digits)?, rest)
            }
            _ => return None,
        };
        let [digits @ .., b'Z'] = rest else { return None };
        if digits.len() != 10 {
            return None;
        }
        Self::from_parts([
            year,
            decimal(&digits[0..2])?,
            decimal(&digits[2..4])?,
            decimal(&digits[4..6])?,
            decimal(&digits[6..8])?,
            decimal(&digits[8..10])?,
        ])
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, seconds) = (self.0.div_euclid(DAY_SECONDS), self.0.rem_euclid(DAY_SECONDS));
        let (year, month, day) = date_from_days(days);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(formatter, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

impl Serialize for UnixTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn decimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |sum, digit| {
        digit.is_ascii_digit().then(|| 10 * sum + u32::from(digit - b'0'))
    })
}

/// Days from 1970-01-01. Years begin in March here, so that the leap day is the last of its year.
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719468 days lie between 0000-03-01 and 1970-01-01.
    365 * year + leap_days + day_of_year - 719_468
}

/// The inverse of [`days_from_epoch`].
fn date_from_days(days: i64) -> (i64, i64, i64) {
    const CENTURIES_4_DAYS: i64 = 146_097;
    let shifted = days.saturating_add(719_468);
    let (era, day_of_era) =
        (shifted.div_euclid(CENTURIES_4_DAYS), shifted.rem_euclid(CENTURIES_4_DAYS));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = (shifted_month + 2) % 12 + 1;
    (400 * era + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_dates() {
        let check = |text: &str, seconds: i64| {
            let time = UnixTime::from_rfc3339(text).unwrap();
            assert_eq!(time, UnixTime(seconds), "{text}");
            assert_eq!(time.to_string(), text);
        };
        check("1970-01-01T00:00:00Z", 0);
        check("2000-02-29T23:59:59Z", 951_868_799);
        check("2026-11-25T22:18:49Z", 1_795_645_129);
        check("9999-12-31T23:59:59Z", 253_402_300_799);
        check("1950-01-01T00:00:00Z", -631_152_000);
    }

    #[test]
    fn zones_and_fractions() {
        let check = |text: &str| {
            let time = UnixTime::from_rfc3339(text).map(|time| time.to_string());
            assert_eq!(time.as_deref(), Some("2026-01-31T12:00:00Z"), "{text}");
        };
        check("2026-01-31t12:00:00z");
        check("2026-01-31T12:00:00.123456789Z");
        check("2026-01-31T14:00:00+02:00");
        check("2026-01-31T00:30:00.5-11:30");
        check("2026-02-01T11:59:00+23:59");
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "2026-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00+0000",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00+00:60",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00Zulu",
            "2026-01-01T00:00:00\u{e9}",
            "2026-01-01 00:00:00Z",
            "+026-01-01T00:00:00Z",
            "",
        ] {
            assert_eq!(UnixTime::from_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn times_in_der() {
        let check = |tag: u8, text: &[u8], expected: Option<&str>| {
            let value = Value { tag, content: text, whole: text };
            let time = UnixTime::from_der(&value).map(|time| time.to_string());
            assert_eq!(time.as_deref(), expected, "{}", String::from_utf8_lossy(text));
        };
        check(tag::UTC_TIME, b"491231235959Z", Some("2049-12-31T23:59:59Z"));
        check(tag::UTC_TIME, b"500101000000Z", Some("1950-01-01T00:00:00Z"));
        check(tag::GENERALIZED_TIME, b"20500101000000Z", Some("2050-01-01T00:00:00Z"));
        check(tag::GENERALIZED_TIME, b"99991231235959Z", Some("9999-12-31T23:59:59Z"));
        for bad in [&b"5001010000Z"[..], b"500101000000", b"500101000000+0000", b"5", b"", b"Z"] {
            check(tag::UTC_TIME, bad, None);
        }
        check(tag::GENERALIZED_TIME, b"20500101000000.5Z", None);
        check(tag::GENERALIZED_TIME, b"500101000000Z", None);
        check(tag::INTEGER, b"500101000000Z", None);
    }

    proptest! {
        #[test]
        fn each_second_prints_and_reads(seconds in -62_135_596_800i64..253_402_300_800) {
            let time = UnixTime(seconds);
            prop_assert_eq!(UnixTime::from_rfc3339(&time.to_string()), Some(time));
        }

        #[test]
        fn no_time_panics(seconds: i64) {
            prop_assert!(!UnixTime(seconds).to_string().is_empty());
        }
    }
}
