//! Parsing of dates in a strptime format given by the caller.

use jiff::civil;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;

use super::day_of_second;
use crate::day::Day;
use crate::error::{Result, invalid_parameter};

pub(super) struct Format {
    format: String,
    /// The number of digits of a format without separators, which then no shorter number may have: `%Y%m%d` is not 2024115.
    digits: Option<usize>,
}

impl Format {
    pub(super) fn new(format: &str) -> Result<Self> {
        // Refuses a format that does not read back the date that it prints.
        let sample = civil::date(2001, 2, 3).at(4, 5, 6, 0).to_zoned(TimeZone::UTC).ok();
        let printed = sample.and_then(|sample| strtime::format(format, &sample).ok());
        let round_trip = printed.and_then(|text| day_of(&strtime::parse(format, text).ok()?));
        if round_trip != Day::from_ymd(2001, 2, 3) {
            let expected = "a strptime format that gives year, month and day, such as %Y%m%d, %d/%m/%Y or %d-%b-%y; or unix_s, unix_ms or unix_us";
            return Err(invalid_parameter("date_format", format!("{format:?}"), expected));
        }
        Ok(Format { format: format.to_owned(), digits: digits(format) })
    }

    pub(super) fn parse(&self, text: &[u8]) -> Option<Day> {
        if self.digits.is_some_and(|digits| digits != text.len()) {
            return None;
        }
        day_of(&strtime::parse(&self.format, std::str::from_utf8(text).ok()?).ok()?)
    }
}

/// The number of digits of a format of numbers without separators; none for another format.
fn digits(format: &str) -> Option<usize> {
    let parts = format.strip_prefix('%')?.split('%');
    parts
        .map(|part| match part {
            "Y" => Some(4),
            "y" | "m" | "d" | "H" | "M" | "S" => Some(2),
            _ => None,
        })
        .sum()
}

fn day_of(parsed: &BrokenDownTime) -> Option<Day> {
    if parsed.offset().is_some() {
        return day_of_second(parsed.to_timestamp().ok()?.as_second());
    }
    let date = parsed.to_date().ok()?;
    Day::from_ymd(i32::from(date.year()), date.month() as u32, date.day() as u32)
}

#[cfg(test)]
mod tests {
    use super::super::{DateParser, day_of_text};
    use super::*;
    use crate::random::Random;

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
        assert_eq!((with("%Y%m%d", "2024115"), with("%y%m%d", "240105").as_deref()), (None, Some("2024-01-05")));
        assert!(DateParser::new(Some("%H:%M")).is_err());
        assert!(DateParser::new(Some("%Q")).is_err());
    }

    /// Parses the standard date forms with jiff, as a reference. Forms that only jiff accepts are left out.
    fn by_jiff(text: &str) -> Option<Day> {
        let day = Day::from_iso(text.as_bytes().get(..10)?)?;
        let Some(time) = text.get(11..) else { return (text.len() == 10).then_some(day) };
        if !matches!(text.as_bytes()[10], b'T' | b't' | b' ') {
            return None;
        }
        let sign = time.find(['+', '-']);
        let (clock, zone) = time.split_at(sign.unwrap_or(time.len()));
        let without_colon = !clock.contains(':');
        let seconds_of_zone = zone.matches(':').count() > 1 || zone.replace(':', "").len() > 5 || zone.contains('.');
        let more_than_a_day = zone.get(1..3).is_some_and(|hours| hours >= "24");
        if without_colon || seconds_of_zone || more_than_a_day || text.contains(['[', ',']) {
            return None;
        }
        if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
            return day_of_second(timestamp.as_second());
        }
        let has_zone = time.contains(['Z', 'z', '+', '-']);
        (!has_zone && text.parse::<civil::DateTime>().is_ok()).then_some(day)
    }

    #[test]
    fn the_standard_forms_agree_with_a_calendar_library() {
        let mut random = Random::new(5, 6);
        let mut good = 0;
        for _ in 0..200_000 {
            let day = Day::new(Day::MIN.number() + random.below(3_652_059) as i32).expect("within range");
            let mut pick = |from: &[&'static str]| from[random.below(from.len())];
            let clock =
                pick(&["00:00", "23:59", "23:59:59", "12:30:60", "07:05:09.5", "01:02:03.123456789", "24:00", "9:00"]);
            let zone =
                pick(&["", "", "Z", "z", "+00:00", "-00:00", "+05:30", "-23:59", "+14", "-0800", "+9", "+24:00"]);
            let mut text = match pick(&["date", "time", "time", "time"]) {
                "date" => day.to_string(),
                _ => format!("{day}{}{clock}{zone}", pick(&["T", "t", " "])),
            };
            if random.below(2) == 0 {
                let at = random.below(text.len());
                let piece = b"0123456789:-+.,TZ [x"[random.below(20)] as char;
                match random.below(3) {
                    0 => text.insert(at, piece),
                    1 => text.replace_range(at..=at, &piece.to_string()),
                    _ => drop(text.remove(at)),
                }
            }
            let text = text.trim_ascii();
            let ours = day_of_text(text.as_bytes());
            good += u32::from(ours.is_some());
            assert_eq!(ours, by_jiff(text), "{text}");
        }
        assert!((60_000..150_000).contains(&good), "{good}");
    }
}
