//! A calendar day in UTC, which is the time resolution of this library.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::error::{Error, ErrorKind};
use crate::json::{Json, JsonError, JsonResult};
use crate::objects::{FromJson, deserialized};

/// A day as the number of days since 1970-01-01, from 0001-01-01 to 9999-12-31.
///
/// ```
/// use churn::Day;
/// let day: Day = "2024-02-29".parse()?;
/// assert_eq!(day.number(), 19_782);
/// assert_eq!(day.to_string(), "2024-02-29");
/// # Ok::<(), churn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

impl Day {
    /// 0001-01-01.
    pub const MIN: Day = Day(-719_162);
    /// 9999-12-31.
    pub const MAX: Day = Day(2_932_896);

    /// Creates the day with this number; none outside the years 1 to 9999.
    pub fn new(number: i32) -> Option<Day> {
        (Day::MIN.0..=Day::MAX.0).contains(&number).then_some(Day(number))
    }

    /// Creates the day of a proleptic Gregorian date; none if there is no such day in the years 1 to 9999.
    #[inline]
    pub fn from_ymd(year: i32, month: u32, day: u32) -> Option<Day> {
        // Number of days of the year before each month, and before the next year; the second row is for leap years.
        const BEFORE: [[u16; 13]; 2] = [
            [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365],
            [0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335, 366],
        ];
        if !(1..=9999).contains(&year) || !(1..=12).contains(&month) {
            return None;
        }
        let before = &BEFORE[usize::from(is_leap(year))];
        let (start, end) = (u32::from(before[month as usize - 1]), u32::from(before[month as usize]));
        if day < 1 || day > end - start {
            return None;
        }
        let past = year - 1;
        let years = 365 * past + past / 4 - past / 100 + past / 400;
        Some(Day(Day::MIN.0 + years + start as i32 + day as i32 - 1))
    }

    /// The number of days since 1970-01-01.
    pub fn number(self) -> i32 {
        self.0
    }

    /// Returns this day plus a number of days, limited to [`Day::MIN`] and [`Day::MAX`].
    pub fn plus(self, days: i32) -> Day {
        Day(self.0.saturating_add(days).clamp(Day::MIN.0, Day::MAX.0))
    }

    /// Year, month 1..12 and day of the month.
    pub fn ymd(self) -> (i32, u32, u32) {
        let z = self.0 + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + i32::from(month <= 2);
        (year, month as u32, (doy - (153 * mp + 2) / 5 + 1) as u32)
    }

    /// Number of months since year 0; consecutive calendar months differ by one. It is computed by multiplications instead of
    /// divisions, because it is needed for every event (Neri and Schneider 2023, "Euclidean affine functions and their
    /// application to calendar algorithms").
    #[inline]
    pub(crate) fn month_number(self) -> i32 {
        // Years start with March, so that the leap day is the last day of a year. The first year starts on 0000-03-01.
        let quarters = 4 * (self.0 + 719_468) as u32 + 3;
        let (century, day_of_century) = (quarters / 146_097, quarters % 146_097 / 4);
        let product = 2_939_745 * u64::from(4 * day_of_century + 3);
        let (year, day_of_year) = ((product >> 32) as u32, product as u32 / 2_939_745 / 4);
        let month = (2141 * day_of_year + 197_913) >> 16;
        // The months are 3..=14: January and February are months 13 and 14 of the year before.
        ((100 * century + year) * 12 + month - 1) as i32
    }

    /// Parses `YYYY-MM-DD` and nothing else.
    #[inline(always)]
    pub(crate) fn from_iso(text: &[u8]) -> Option<Day> {
        // The first eight characters at once, minus '0' or '-' as the position requires: digits become 0..=9, dashes 0. After
        // the addition, the highest bit of a byte is set if a digit is above 9 or a dash is not 0.
        const ZERO_OR_DASH: u64 = u64::from_le_bytes(*b"0000-00-");
        const TO_HIGH: u64 = u64::from_le_bytes([0x76, 0x76, 0x76, 0x76, 0x7f, 0x76, 0x76, 0x7f]);
        let text: &[u8; 10] = text.try_into().ok()?;
        let head = u64::from_le_bytes(text[..8].try_into().expect("eight bytes")) ^ ZERO_OR_DASH;
        let (tens, ones) = (text[8].wrapping_sub(b'0'), text[9].wrapping_sub(b'0'));
        if (head | (head.wrapping_add(TO_HIGH))) & 0x8080_8080_8080_8080 != 0 || tens > 9 || ones > 9 {
            return None;
        }
        let digit = |i: u32| (head >> (8 * i)) as u32 & 0xff;
        let year = digit(0) * 1000 + digit(1) * 100 + digit(2) * 10 + digit(3);
        Day::from_ymd(year as i32, digit(5) * 10 + digit(6), u32::from(tens) * 10 + u32::from(ones))
    }
}

fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.ymd();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl std::str::FromStr for Day {
    type Err = Error;

    /// Reads the forms that a log may have without a `date_format`: `YYYY-MM-DD`, alone or with a time, which gives the UTC day.
    fn from_str(text: &str) -> Result<Day, Error> {
        crate::events::day_of_text(text.as_bytes()).ok_or_else(|| {
            let shown = crate::events::quote_for_message(text.as_bytes());
            Error::new(ErrorKind::InvalidParameter, format!("{shown} is not a date (expected YYYY-MM-DD)"))
        })
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromJson for Day {
    fn from_json(json: &Json) -> JsonResult<Day> {
        let Json::Text(text) = json else { return Err(json.expected("a date (YYYY-MM-DD)")) };
        text.parse().map_err(|error: Error| JsonError::new(error.to_string()))
    }
}

deserialized!(Day);

#[cfg(all(test, feature = "date-formats"))]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_agrees_with_an_independent_one() {
        let mut date = jiff::civil::date(1, 1, 1);
        for number in Day::MIN.0..=Day::MAX.0 {
            let day = Day::new(number).expect("in range");
            assert_eq!(day.ymd(), (i32::from(date.year()), date.month() as u32, date.day() as u32));
            assert_eq!(Day::from_ymd(day.ymd().0, day.ymd().1, day.ymd().2), Some(day));
            assert_eq!(day.month_number(), i32::from(date.year()) * 12 + i32::from(date.month()) - 1);
            if number < Day::MAX.0 {
                date = date.tomorrow().expect("before the last day");
            }
        }
    }
}
