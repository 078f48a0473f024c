//! Parsing of dates to days.

use super::Day;
use crate::error::Result;

#[cfg(feature = "date-formats")]
mod formats;

#[cfg(feature = "date-formats")]
use formats::Format;

/// Parses `YYYY-MM-DD`, RFC 3339 and `YYYY-MM-DD HH:MM[:SS]`, or instead a form given by the caller: a strptime format, or a
/// unit of the time since 1970.
pub(crate) struct DateParser {
    format: Option<(String, Form)>,
}

/// A form of dates that the caller gives.
enum Form {
    /// The number of seconds since 1970, times this.
    Unix(i64),
    Strptime(Format),
}

impl Form {
    fn new(format: &str) -> Result<Self> {
        Ok(match format {
            "unix_s" => Form::Unix(1),
            "unix_ms" => Form::Unix(1_000),
            "unix_us" => Form::Unix(1_000_000),
            other => Form::Strptime(Format::new(other)?),
        })
    }

    fn parse(&self, text: &[u8]) -> Option<Day> {
        match self {
            Form::Unix(per_second) => {
                // A fraction of a unit, which other programs write, cannot change the day.
                let whole = text.split(|&c| c == b'.').next()?;
                let digits = whole.strip_prefix(b"-").unwrap_or(whole);
                if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) || super::parse_decimal(text).is_none() {
                    return None;
                }
                let units: i64 = std::str::from_utf8(whole).ok()?.parse().ok()?;
                day_of_second(units.div_euclid(*per_second))
            }
            Form::Strptime(format) => format.parse(text),
        }
    }
}

/// The expected form of a date if no format is given, for messages.
pub(crate) const ISO: &str = "YYYY-MM-DD";

impl DateParser {
    pub(crate) fn new(format: Option<&str>) -> Result<Self> {
        let format = match format {
            Some(format) => Some((format.to_owned(), Form::new(format)?)),
            None => None,
        };
        Ok(DateParser { format })
    }

    /// True if the dates are numbers of a unit of time.
    #[cfg(feature = "date-formats")]
    pub(crate) fn is_unix(&self) -> bool {
        matches!(self.format, Some((_, Form::Unix(_))))
    }

    /// The formats that read this text as a date, for a message: `; date_format = "%d.%m.%Y" makes it 2024-12-31`. Empty if
    /// there are none, or if a format was given.
    pub(crate) fn advice(&self, text: &[u8]) -> String {
        #[cfg(feature = "date-formats")]
        if crate::events::GIVES_ADVICE
            && self.format.is_none()
            && let Ok(text) = std::str::from_utf8(text)
        {
            return crate::detect::date_advice(text.trim());
        }
        let _ = text;
        String::new()
    }

    /// The expected form of a date, for messages.
    pub(crate) fn expected(&self) -> String {
        match &self.format {
            Some((format, _)) => format!("the format {format}"),
            None => ISO.to_owned(),
        }
    }

    /// Returns the UTC calendar day, or `None` if the text is not a date.
    #[inline(always)]
    pub(crate) fn parse(&self, text: &[u8]) -> Option<Day> {
        self.parse_plain(text).or_else(|| self.parse_other(text))
    }

    /// [`DateParser::parse`] for `YYYY-MM-DD` only.
    #[inline(always)]
    pub(crate) fn parse_plain(&self, text: &[u8]) -> Option<Day> {
        Day::from_iso(text).filter(|_| self.format.is_none())
    }

    fn parse_other(&self, text: &[u8]) -> Option<Day> {
        let text = text.trim_ascii();
        match &self.format {
            Some((_, format)) => format.parse(text),
            None => day_of_text(text),
        }
    }
}

/// Parses `YYYY-MM-DD`, alone or with a time, to its UTC calendar day. The time follows after `T` or a space as
/// `HH:MM[:SS[.f]]`, and may have `Z` or an offset from UTC. Without an offset it is UTC.
pub(crate) fn day_of_text(text: &[u8]) -> Option<Day> {
    let text = text.trim_ascii();
    let (date, time) = text.split_at_checked(10)?;
    let day = Day::from_iso(date)?;
    match time {
        [] => Some(day),
        [b'T' | b't' | b' ', time @ ..] => {
            let (seconds, zone) = seconds_of_day(time)?;
            let moment = i64::from(day.number()) * 86_400 + seconds - offset(zone)?;
            day_of_second(moment)
        }
        _ => None,
    }
}

/// Parses `HH:MM[:SS[.f]]` to seconds, and returns the rest of the text. A leap second counts as the last second of its
/// minute, so it belongs to the day that it ends.
fn seconds_of_day(time: &[u8]) -> Option<(i64, &[u8])> {
    let (hours, rest) = two_digits(time, 23)?;
    let (minutes, mut rest) = two_digits(rest.strip_prefix(b":")?, 59)?;
    let mut seconds = 0;
    if let Some(behind) = rest.strip_prefix(b":") {
        (seconds, rest) = two_digits(behind, 60)?;
        if let Some(fraction) = rest.strip_prefix(b".") {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            // At most nanoseconds.
            if !(1..=9).contains(&digits) {
                return None;
            }
            rest = &fraction[digits..];
        }
    }
    Some((hours * 3600 + minutes * 60 + seconds.min(59), rest))
}

/// Parses the UTC offset of a zone to seconds: `Z`, `±HH:MM`, `±HHMM` or `±HH`; an empty zone is 0.
fn offset(zone: &[u8]) -> Option<i64> {
    let (sign, zone) = match zone {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', zone @ ..] => (1, zone),
        [b'-', zone @ ..] => (-1, zone),
        _ => return None,
    };
    let (hours, rest) = two_digits(zone, 23)?;
    let minutes = match rest {
        [] => 0,
        _ => match two_digits(rest.strip_prefix(b":").unwrap_or(rest), 59)? {
            (minutes, []) => minutes,
            _ => return None,
        },
    };
    Some(sign * (hours * 3600 + minutes * 60))
}

/// Parses a number of two digits up to `most`, and returns the rest of the text.
fn two_digits(text: &[u8], most: i64) -> Option<(i64, &[u8])> {
    let [tens @ b'0'..=b'9', ones @ b'0'..=b'9', rest @ ..] = text else { return None };
    let number = i64::from(tens - b'0') * 10 + i64::from(ones - b'0');
    (number <= most).then_some((number, rest))
}

/// The UTC day of a moment in seconds since 1970-01-01T00:00:00Z.
pub(crate) fn day_of_second(second: i64) -> Option<Day> {
    Day::new(i32::try_from(second.div_euclid(86_400)).ok()?)
}

/// A type without values: a build without `date-formats` supports no formats.
#[cfg(not(feature = "date-formats"))]
enum Format {}

#[cfg(not(feature = "date-formats"))]
impl Format {
    fn new(format: &str) -> Result<Self> {
        let expected = "none: this build reads YYYY-MM-DD and RFC 3339 alone; the feature date-formats, and the full build of the browser module, take strptime formats";
        Err(crate::error::invalid_parameter("date_format", format!("{format:?}"), expected))
    }

    fn parse(&self, _text: &[u8]) -> Option<Day> {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_date() {
        let parser = DateParser::new(None).expect("no format");
        let day = |text: &str| parser.parse(text.as_bytes()).map(|day| day.to_string());
        for good in [
            "2024-01-01",
            "2024-01-01 10:00",
            "2024-01-01 10:00:59",
            "2024-01-01T10:00:00Z",
            "2024-01-01T00:30:00.125Z",
        ] {
            assert_eq!(day(good).as_deref(), Some("2024-01-01"), "{good}");
        }
        assert_eq!(day("2024-01-01T23:30:00-05:00").as_deref(), Some("2024-01-02"));
        assert_eq!(day("2024-01-01 00:30:00+01:00").as_deref(), Some("2023-12-31"));
        for bad in [
            "",
            "2023-02-29",
            "2024-13-01",
            "24-01-01",
            "2024-1-1",
            "2024-01-01x",
            "2024-01-01 25:00",
            "2024-01-01 10:00 pm",
            "2024-01-01T",
        ] {
            assert_eq!(day(bad), None, "{bad}");
        }
    }

    #[test]
    fn times_are_strict() {
        let day = |text: &str| day_of_text(text.as_bytes()).map(|day| day.to_string());
        for good in [
            "2024-01-01t10:00:00z",
            "2024-01-01 23:59:60",
            "2024-01-01 10:00:00.123456789",
            "2024-01-01 10:00:00+00",
            "2024-01-01 10:00:00-0130",
            "  2024-01-01T10:00\t",
        ] {
            assert_eq!(day(good).as_deref(), Some("2024-01-01"), "{good}");
        }
        for bad in [
            "2024-01-01T10",
            "2024-01-01T1000",
            "2024-01-01T100000",
            "2024-01-01T24:00",
            "2024-01-01T10:60",
            "2024-01-01T10:00:61",
            "2024-01-01T10:00:00.",
            "2024-01-01T10:00:00,5",
            "2024-01-01T10:00:00.1234567891",
            "2024-01-01T10:00.5",
            "2024-01-01T10:00:00+1",
            "2024-01-01T10:00:00+01:00:30",
            "2024-01-01T10:00:00+24:00",
            "2024-01-01T10:00:00 Z",
            "2024-01-01T10:00:00[Europe/Paris]",
            "2024-01-01T10:00:00+01:00[Europe/Paris]",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:00-00:01",
        ] {
            assert_eq!(day(bad), None, "{bad}");
        }
    }

    #[cfg(not(feature = "date-formats"))]
    #[test]
    fn a_format_is_refused_where_none_can_be_read() {
        let error = DateParser::new(Some("%Y%m%d")).err().expect("no formats");
        assert_eq!(error.code(), "invalid_parameter");
        assert!(error.to_string().contains("date-formats"));
    }
}
