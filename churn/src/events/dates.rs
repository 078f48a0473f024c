//! From the text of a date to its day.

use jiff::fmt::strtime;

use super::Day;
use crate::error::{Result, invalid_parameter};

/// Reads `YYYY-MM-DD`, RFC 3339 and `YYYY-MM-DD HH:MM[:SS]`, or one caller-given strptime format instead of them.
pub(crate) struct DateParser {
    format: Option<String>,
}

/// What a date looks like where no format is given.
pub(crate) const ISO: &str = "YYYY-MM-DD";

impl DateParser {
    pub(crate) fn new(format: Option<&str>) -> Result<Self> {
        if let Some(format) = format {
            // A format that cannot print a date cannot read one either.
            let sample = jiff::civil::date(2001, 2, 3).at(4, 5, 6, 0).to_zoned(jiff::tz::TimeZone::UTC).ok();
            let printed = sample.and_then(|sample| strtime::format(format, &sample).ok());
            let round_trip = printed.and_then(|text| day_of(&strtime::parse(format, text).ok()?));
            if round_trip != Day::from_ymd(2001, 2, 3) {
                let expected = "a strptime format that gives year, month and day, such as %Y%m%d, %d/%m/%Y or %d-%b-%y";
                return Err(invalid_parameter("date_format", format!("{format:?}"), expected));
            }
        }
        Ok(DateParser { format: format.map(str::to_owned) })
    }

    /// What a date should look like, for messages.
    pub(crate) fn expected(&self) -> String {
        match &self.format {
            Some(format) => format!("the format {format}"),
            None => ISO.to_owned(),
        }
    }

    /// The UTC calendar day, or nothing where the text is no date.
    #[inline(always)]
    pub(crate) fn parse(&self, text: &[u8]) -> Option<Day> {
        self.parse_plain(text).or_else(|| self.parse_other(text))
    }

    /// [`DateParser::parse`] of `YYYY-MM-DD` alone.
    #[inline(always)]
    pub(crate) fn parse_plain(&self, text: &[u8]) -> Option<Day> {
        Day::from_iso(text).filter(|_| self.format.is_none())
    }

    fn parse_other(&self, text: &[u8]) -> Option<Day> {
        match &self.format {
            Some(format) => day_of(&strtime::parse(format, std::str::from_utf8(text.trim_ascii()).ok()?).ok()?),
            None => day_of_text(text),
        }
    }
}

/// The UTC calendar day of `YYYY-MM-DD`, RFC 3339 or `YYYY-MM-DD HH:MM[:SS]`.
pub(crate) fn day_of_text(text: &[u8]) -> Option<Day> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    if text.len() == 10 {
        return Day::from_iso(text.as_bytes());
    }
    // The date must stand there in full before a lenient parser sees the rest.
    let day = Day::from_iso(text.as_bytes().get(..10)?)?;
    match text.as_bytes()[10] {
        b'T' | b't' | b' ' => (),
        _ => return None,
    }
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return day_of_second(timestamp.as_second());
    }
    let has_no_zone = !text[11..].contains(['Z', 'z', '+', '-', '[']);
    (has_no_zone && text.parse::<jiff::civil::DateTime>().is_ok()).then_some(day)
}

/// The UTC day of a moment in seconds since 1970-01-01T00:00:00Z.
pub(crate) fn day_of_second(second: i64) -> Option<Day> {
    Day::new(i32::try_from(second.div_euclid(86_400)).ok()?)
}

fn day_of(parsed: &strtime::BrokenDownTime) -> Option<Day> {
    if parsed.offset().is_some() {
        return day_of_second(parsed.to_timestamp().ok()?.as_second());
    }
    let date = parsed.to_date().ok()?;
    Day::from_ymd(i32::from(date.year()), date.month() as u32, date.day() as u32)
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
    fn caller_given_formats() {
        let with = |format, text: &str| {
            DateParser::new(Some(format)).expect(format).parse(text.as_bytes()).map(|day| day.to_string())
        };
        assert_eq!(with("%Y%m%d", "19970101").as_deref(), Some("1997-01-01"));
        assert_eq!(with("%d-%b-%y", "16-Mar-15").as_deref(), Some("2015-03-16"));
        assert_eq!(with("%d/%m/%Y %H:%M", "09/12/2011 12:50").as_deref(), Some("2011-12-09"));
        assert_eq!(with("%Y-%m-%dT%H:%M:%S%z", "2024-01-01T23:30:00-0500").as_deref(), Some("2024-01-02"));
        assert_eq!(with("%Y%m%d", "19970230"), None);
        assert!(DateParser::new(Some("%H:%M")).is_err());
        assert!(DateParser::new(Some("%Q")).is_err());
    }
}
