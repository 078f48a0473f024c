//! The form of the dates of a column.

use std::ops::RangeInclusive;
use std::sync::OnceLock;

use super::{Reading, text};
use crate::day::Day;
use crate::events::DateParser;
use crate::order;

/// The forms that read all values of a column.
pub(super) enum Form {
    /// One, or several that give the same days. None is the standard form.
    One { format: Option<String>, example: String },
    /// Several that give different days.
    Several { readings: Vec<Reading>, message: String },
    /// None.
    None { message: String },
}

/// The years of a plausible date, and of one that is a number of seconds: smaller numbers are numbers of orders and the like.
const YEARS: RangeInclusive<i32> = 1970..=2100;
const UNIX_YEARS: RangeInclusive<i32> = 1990..=2050;

/// The forms of dates that are tried, the standard one first.
fn formats() -> Vec<Option<String>> {
    let mut dates = vec!["%Y%m%d".to_owned()];
    let numbers = [
        ["%d", "%m", "%Y"],
        ["%m", "%d", "%Y"],
        ["%Y", "%m", "%d"],
        ["%d", "%m", "%y"],
        ["%m", "%d", "%y"],
        ["%y", "%m", "%d"],
    ];
    let names = [["%d", "%b", "%Y"], ["%d", "%b", "%y"], ["%d", "%B", "%Y"]];
    for separator in ["/", ".", "-"] {
        dates.extend(numbers.iter().chain(&names).map(|order| order.join(separator)));
    }
    // Numbers with spaces are left out: a space in a format stands for any number of them, and for none.
    dates.extend(names.iter().map(|order| order.join(" ")));
    dates.extend(["%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%d %b, %Y", "%d. %B %Y", "%a, %d %b %Y"].map(str::to_owned));
    dates.extend(["%A, %B %d, %Y", "%a %b %d %Y", "%Y年%m月%d日"].map(str::to_owned));
    let times = [
        "",
        " %H:%M",
        " %H:%M:%S",
        " %H:%M:%S%.f",
        "T%H:%M",
        "T%H:%M:%S",
        "T%H:%M:%S%.f",
        ", %H:%M",
        ", %H:%M:%S",
        " %I:%M %p",
        " %I:%M:%S %p",
        ", %I:%M %p",
        ", %I:%M:%S %p",
        " %I:%M%p",
        " at %I:%M %p",
        "%H%M%S",
        " %H:%M Uhr",
    ];
    let zones = ["", " %z", "%z", " %:z", "%:z", " UTC", " GMT", "Z"];
    let mut formats = vec![None];
    for date in &dates {
        for time in times {
            for zone in if time.is_empty() { &zones[..1] } else { &zones[..] } {
                formats.push(Some(format!("{date}{time}{zone}")));
            }
        }
    }
    formats.extend(["unix_s", "unix_ms", "unix_us"].map(|unit| Some(unit.to_owned())));
    formats
}

/// The format, none for the standard form, and its parser.
type Candidate = (Option<String>, DateParser);

fn all_candidates() -> &'static [Candidate] {
    static ALL: OnceLock<Vec<Candidate>> = OnceLock::new();
    let parser = |format: Option<String>| Some((format.clone(), DateParser::new(format.as_deref()).ok()?));
    ALL.get_or_init(|| formats().into_iter().filter_map(parser).collect())
}

/// The candidates that read this value as a plausible date.
fn candidates(value: &str) -> Vec<&'static Candidate> {
    all_candidates().iter().filter(|(_, parser)| plausible(parser, value).is_some()).collect()
}

fn plausible(parser: &DateParser, value: &str) -> Option<Day> {
    let years = if parser.is_unix() { &UNIX_YEARS } else { &YEARS };
    parser.parse(value.as_bytes()).filter(|day| years.contains(&day.ymd().0))
}

/// The formats that read this value, for a message: `; date_format = "%d.%m.%Y" makes it 2024-12-31`. Empty if there are none.
pub(crate) fn advice(value: &str) -> String {
    let mut readings: Vec<(String, Day)> = Vec::new();
    for (format, parser) in candidates(value) {
        if let (Some(format), Some(day)) = (format, plausible(parser, value))
            && readings.iter().all(|(_, other)| *other != day)
        {
            readings.push((format.clone(), day));
        }
    }
    let said: Vec<String> =
        readings.iter().map(|(format, day)| format!("date_format = {format:?} makes it {day}")).collect();
    if said.is_empty() { String::new() } else { format!("; {}", said.join(", ")) }
}

/// True if most of the first values are dates that cannot be plain numbers, such as those of customers.
pub(super) fn are_clear_dates(values: &[&str]) -> bool {
    values.iter().any(|value| !value.bytes().all(|c| c.is_ascii_digit())) && are_dates(values)
}

/// True if most of the first values are dates of some form.
pub(super) fn are_dates(values: &[&str]) -> bool {
    let Some(first) = values.first() else { return false };
    let few = &values[..values.len().min(50)];
    let reads = |parser: &DateParser| few.iter().filter(|value| plausible(parser, value).is_some()).count() * 10;
    candidates(first).iter().any(|(_, parser)| reads(parser) >= few.len() * 4)
}

/// The form of these values, of which there is one. A few values that no form reads do not count: the reader refuses their rows.
pub(super) fn form(values: &[&str]) -> Form {
    let found = form_of_all(values);
    if let Form::None { .. } = found
        && let Some((_, parser)) = best(values)
    {
        let mut failing: Vec<&str> =
            values.iter().copied().filter(|value| plausible(parser, value).is_none()).collect();
        let few = failing.len() * 10 <= values.len();
        order::sort(&mut failing);
        failing.dedup();
        // A date of another century is read by the form although it is not plausible, so it is no such value.
        let is_read =
            |value: &&str| all_candidates().iter().any(|(_, parser)| parser.parse(value.as_bytes()).is_some());
        if few && !failing.iter().any(is_read) {
            let read: Vec<&str> = values.iter().copied().filter(|value| plausible(parser, value).is_some()).collect();
            return form_of_all(&read);
        }
    }
    found
}

fn form_of_all(values: &[&str]) -> Form {
    // Forms with the same days are one reading, so only the first is kept.
    let mut readings: Vec<(Option<String>, Vec<Day>)> = Vec::new();
    for (format, parser) in candidates(values[0]) {
        let days: Option<Vec<Day>> = values.iter().map(|value| plausible(parser, value)).collect();
        let Some(days) = days else { continue };
        if format.is_none() {
            return Form::One { format: None, example: values[0].to_owned() };
        }
        if readings.iter().all(|(_, other)| *other != days) {
            readings.push((format.clone(), days));
        }
    }
    match &mut readings[..] {
        [] => none(values),
        [(format, _)] => Form::One { format: format.take(), example: values[0].to_owned() },
        [(_, first), (_, second), ..] => {
            let at = first.iter().zip(second.iter()).position(|(a, b)| a != b).unwrap_or(0);
            let value = values[at];
            let said: Vec<String> = readings.iter().map(|(_, days)| days[at].to_string()).collect();
            let message =
                format!("is the date {value:?} {}? All dates of the sample can be read either way", said.join(" or "));
            let reading = |(format, days): &(Option<String>, Vec<Day>)| Reading {
                options: vec![("date_format".to_owned(), text(format.clone().unwrap_or_default()))],
                example: format!("{value:?} is {}", days[at]),
            };
            Form::Several { readings: readings.iter().map(reading).collect(), message }
        }
    }
}

/// The form that reads most of the values.
fn best(values: &[&str]) -> Option<&'static Candidate> {
    // The forms of a few different values are enough to find the best.
    let some = values.iter().step_by(values.len().div_ceil(20));
    let forms = some.flat_map(|value| candidates(value));
    let failing = |parser: &DateParser| values.iter().filter(|value| plausible(parser, value).is_none()).count();
    forms.min_by_key(|(_, parser)| failing(parser))
}

/// No form reads all values: names a value that the best form does not read.
fn none(values: &[&str]) -> Form {
    let message = match best(values) {
        None if values.iter().all(|value| is_day_of_spreadsheet(value)) => format!(
            "{:?} looks like the number that a spreadsheet has for a day; give the column the format of a date there, and save the \
             file again",
            values[0]
        ),
        None => format!("{:?} is not a date of a known form; give `date_format`, such as %d/%m/%Y", values[0]),
        Some((format, parser)) => {
            let form = format.as_deref().unwrap_or("YYYY-MM-DD");
            let failing: Vec<&&str> = values.iter().filter(|value| plausible(parser, value).is_none()).collect();
            format!(
                "the dates have different forms: {form} reads {} of {}, but not {:?}; write them in one form, or give \
                 `date_format` and skip the other rows",
                values.len() - failing.len(),
                values.len(),
                failing.first().copied().unwrap_or(&"")
            )
        }
    };
    Form::None { message }
}

/// True for the number of a day from 1982 to 2091 in a spreadsheet, which counts from 1900.
fn is_day_of_spreadsheet(value: &str) -> bool {
    value
        .split('.')
        .next()
        .and_then(|whole| whole.parse::<u32>().ok())
        .is_some_and(|day| (30_000..70_000).contains(&day))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(values: &[&str]) -> String {
        match form(values) {
            Form::One { format, .. } => format.unwrap_or_else(|| "standard".to_owned()),
            Form::Several { readings, .. } => {
                let said = |reading: &Reading| reading.example.clone();
                format!("several: {}", readings.iter().map(said).collect::<Vec<_>>().join("; "))
            }
            Form::None { message } => message,
        }
    }

    #[test]
    fn few_values_that_are_no_dates_do_not_count() {
        let with = |other: &'static str, times: usize| {
            let mut values = ["31.12.2024", "05.06.2024"].repeat(9);
            values.extend(vec![other; times]);
            values.rotate_right(1);
            found(&values)
        };
        assert_eq!(with("31.02.2024", 2), "%d.%m.%Y");
        assert_eq!(with("unknown", 1), "%d.%m.%Y");
        assert!(with("31.02.2024", 3).starts_with("the dates have different forms: %d.%m.%Y reads 18 of 21"));
        // A date of another form or of another century is none of them.
        for other in ["31.12.9999", "01.01.1900"] {
            assert!(with(other, 1).starts_with("the dates have different forms: %d.%m.%Y reads 18 of 19"), "{other}");
        }
        assert!(with("2024-12-31", 1).starts_with("the dates have different forms: %d.%m.%Y reads 18 of 19"));
    }

    #[test]
    fn forms_of_the_world() {
        for (values, expected) in [
            (&["2024-01-05", "2024-02-01 10:00"][..], "standard"),
            (&["31.12.2024", "01.02.2024"], "%d.%m.%Y"),
            (&["1/6/2024 2:15 PM", "2/16/2024 12:52 AM"], "%m/%d/%Y %I:%M %p"),
            (&["Jan 8, 2024", "Feb 23, 2024"], "%b %d, %Y"),
            (&["January 8, 2024"], "%B %d, %Y"),
            (&["20240105", "20241231"], "%Y%m%d"),
            (&["1704412800", "1704499200"], "unix_s"),
            (&["1704412800123", "1704499200000"], "unix_ms"),
            (&["2024-01-05 14:02:11 +0100"], "%Y-%m-%d %H:%M:%S %z"),
            (&["16-Mar-15", "01-Apr-15"], "%d-%b-%y"),
            (&["2024/01/26"], "%Y/%m/%d"),
            (&["5 Mar 2024", "17 Apr 2024"], "%d %b %Y"),
            (&["11.1.24", "24.1.24", "30.1.24"], "several: \"11.1.24\" is 2024-01-11; \"11.1.24\" is 2011-01-24"),
        ] {
            assert_eq!(found(values), expected, "{values:?}");
        }
        let both = found(&["03/04/2024", "05/06/2024"]);
        assert_eq!(both, "several: \"03/04/2024\" is 2024-04-03; \"03/04/2024\" is 2024-03-04");
        let mixed = found(&["31.12.2024", "30.12.2024", "2024-12-31"]);
        assert!(mixed.contains("%d.%m.%Y reads 2 of 3, but not \"2024-12-31\""), "{mixed}");
        assert!(found(&["soon"]).contains("date_format"));
        assert!(found(&["45011", "45296"]).contains("spreadsheet"));
        assert!(found(&["2024115", "2024129"]).contains("date_format"));
        assert!(are_dates(&["1/2/2024", "x", "3/4/2024"]) && !are_dates(&["17850", "13047"]) && !are_dates(&["a@b.c"]));
    }
}
