//! What every source of rows shares: the options, the checks of a row, the report, and the door ([`Sink`]) to whatever
//! keeps or sums the rows.
//!
//! A bad row is counted with its line and reason and never reaches the sink. In mode `fail` the whole reading fails with
//! them; in mode `skip` they are left out as long as their share stays within `max_bad_share`.

use serde::{Deserialize, Serialize};

use super::Day;
use super::dates::DateParser;
use super::rows::{Rows, Shard, Sink};
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::parallel;

/// How to read a log. Every field has a default: the column names of this library, ISO dates, `fail` on the first bad row.
///
/// ```
/// let options: churn::ReadOptions = serde_json::from_str(
///     r#"{"columns": {"event_date": "InvoiceDate"}, "date_format": "%d/%m/%Y", "on_bad_row": "skip"}"#,
/// ).unwrap();
/// assert_eq!(options.max_bad_share, 0.05);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReadOptions {
    /// The header names of the columns.
    pub columns: Columns,
    /// A strptime format (`%Y%m%d`, `%d-%b-%y`, …) used instead of `YYYY-MM-DD`, RFC 3339 and `YYYY-MM-DD HH:MM[:SS]`.
    pub date_format: Option<String>,
    /// The one ASCII character between the fields of a CSV file.
    pub delimiter: char,
    /// What a bad row does.
    pub on_bad_row: OnBadRow,
    /// With `skip`: the largest share (0..1) of bad rows that is accepted.
    pub max_bad_share: f64,
}

impl Default for ReadOptions {
    fn default() -> Self {
        ReadOptions {
            columns: Columns::default(),
            date_format: None,
            delimiter: ',',
            on_bad_row: OnBadRow::Fail,
            max_bad_share: 0.05,
        }
    }
}

/// The header names of the columns. A column left at `None` has the name of its field; of these, `customer_id` and
/// `event_date` must be there and the others may be absent. A column that is named must be there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Columns {
    /// Who: an opaque string, kept byte for byte.
    pub customer_id: Option<String>,
    /// When: taken to its UTC calendar day.
    pub event_date: Option<String>,
    /// How much: a decimal within ±10^12; negative for a refund, empty where there is none.
    pub amount: Option<String>,
    /// What kind of event, empty where unknown.
    pub event_type: Option<String>,
    /// 0 or 1, the same in all rows of a customer.
    pub churn_label: Option<String>,
}

/// What a bad row does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBadRow {
    /// Reading fails and lists the first ten bad rows.
    Fail,
    /// The row is left out and reported.
    Skip,
}

/// Why a row is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadRowReason {
    /// The customer id is empty.
    MissingCustomer,
    /// The date cannot be read.
    InvalidDate,
    /// The amount is not a number within ±10^12.
    InvalidAmount,
    /// More or fewer fields than the header has.
    WrongFieldCount,
    /// The label is not 0 or 1.
    InvalidLabel,
    /// The label differs from another row of the same customer.
    ConflictingLabel,
    /// The customer id or event type is not UTF-8.
    InvalidUtf8,
}

/// One row that was not used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BadRow {
    /// The line the row starts on (1-based; in a CSV file the header is line 1, in a table the first row is row 1).
    pub line: u64,
    /// Why.
    pub reason: BadRowReason,
    /// The same in words, with what was found and what would be right.
    pub message: String,
}

/// What was read and what was refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IngestReport {
    /// Data rows seen; `rows = good + bad`.
    pub rows: u64,
    /// Rows used.
    pub good: u64,
    /// Rows left out.
    pub bad: u64,
    /// The bad rows by line, the first 1,000 of them; `bad` counts them all.
    pub bad_rows: Vec<BadRow>,
}

/// Amounts beyond this are refused, so that no sum of up to 2^32 of them can overflow its fixed-point accumulator.
pub(crate) const MAX_AMOUNT: f64 = 1e12;

/// Bad rows that a report lists: a file of nothing else must not fill the memory.
pub(crate) const REPORTED_BAD_ROWS: usize = 1000;

/// Bad rows that the message of an error shows.
const SHOWN_BAD_ROWS: usize = 10;

pub(crate) type Refusal = (BadRowReason, String);

/// What came of a piece of a source.
#[derive(Default)]
pub(crate) struct Parsed {
    pub(crate) rows: Rows,
    /// The first of the bad rows; their lines count from 0.
    pub(crate) refused: Vec<BadRow>,
    pub(crate) bad: u64,
    /// Lines of the piece.
    pub(crate) lines: u64,
    pub(crate) failed: Option<Error>,
}

impl Parsed {
    /// Counts a bad row.
    #[cold]
    pub(crate) fn refuse(&mut self, line: u64, (reason, message): Refusal) {
        self.bad += 1;
        if self.refused.len() < REPORTED_BAD_ROWS {
            self.refused.push(BadRow { line, reason, message });
        }
    }
}

/// Hands rows to a sink and keeps the report.
pub(crate) struct Intake {
    on_bad_row: OnBadRow,
    max_bad_share: f64,
    report: IngestReport,
    lines: u64,
}

impl Intake {
    pub(crate) fn new(options: &ReadOptions) -> Result<Self> {
        if !(0.0..=1.0).contains(&options.max_bad_share) {
            return Err(invalid_parameter("max_bad_share", options.max_bad_share, "a share from 0 to 1"));
        }
        Ok(Intake {
            on_bad_row: options.on_bad_row,
            max_bad_share: options.max_bad_share,
            report: IngestReport::default(),
            lines: 0,
        })
    }

    /// Lines that hold no rows.
    pub(crate) fn starts_after(&mut self, lines: u64) {
        self.lines = lines;
    }

    /// Lines so far.
    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    /// Takes the pieces that come next in the source.
    pub(crate) fn take<S: Sink>(&mut self, mut pieces: Vec<Parsed>, sink: &mut S) -> Result<()> {
        let (shards, type_names) = sink.parts();
        let mut refused = Vec::new();
        for piece in &mut pieces {
            if let Some(error) = piece.failed.take() {
                return Err(error);
            }
            let first_line = self.lines + 1;
            self.lines += piece.lines;
            self.report.bad += piece.bad;
            self.report.rows += piece.bad + piece.rows.len() as u64;
            self.report.good += piece.rows.len() as u64;
            refused.extend(piece.refused.drain(..).map(|row| BadRow { line: first_line + row.line, ..row }));
            piece.rows.first_line = first_line;
            piece.rows.number_types(type_names)?;
        }
        let conflicts = parallel::map_mut(shards, |number, shard| {
            pieces.iter().flat_map(|piece| shard.take(number, &piece.rows)).collect::<Vec<BadRow>>()
        });
        for row in conflicts.into_iter().flatten() {
            self.report.good -= 1;
            self.report.bad += 1;
            refused.push(row);
        }
        refused.sort_by_key(|row| row.line);
        refused.truncate(REPORTED_BAD_ROWS - self.report.bad_rows.len());
        self.report.bad_rows.append(&mut refused);
        Ok(())
    }

    /// The report, or the error that the bad rows amount to.
    pub(crate) fn finish<S: Sink>(mut self, sink: &mut S) -> Result<IngestReport> {
        if self.on_bad_row == OnBadRow::Skip {
            for shard in sink.parts().0 {
                let (withdrawn, first) = shard.withdraw_conflicts();
                self.report.good -= withdrawn;
                self.report.bad += withdrawn;
                self.report.bad_rows.extend(first);
            }
            self.report.bad_rows.sort_by_key(|row| row.line);
            self.report.bad_rows.truncate(REPORTED_BAD_ROWS);
        }
        let report = self.report;
        let share = report.bad as f64 / report.rows.max(1) as f64;
        let fail = match self.on_bad_row {
            OnBadRow::Fail if report.bad > 0 => Some((ErrorKind::BadRows, String::new())),
            OnBadRow::Skip if share > self.max_bad_share => {
                let more = format!(", more than max_bad_share = {} allows", self.max_bad_share);
                Some((ErrorKind::TooManyBadRows, more))
            }
            _ => None,
        };
        if let Some((kind, more)) = fail {
            let shown = report.bad_rows.iter().take(SHOWN_BAD_ROWS);
            let listed: String = shown.map(|row| format!("\n  line {}: {}", row.line, row.message)).collect();
            let first = if report.bad > SHOWN_BAD_ROWS as u64 { "; the first of them" } else { "" };
            let message = format!("{} of {} rows are bad{more}{first}:{listed}", report.bad, report.rows);
            let line = report.bad_rows.first().map_or(1, |row| row.line);
            return Err(Error::new(kind, message).at_line(line).with_report(report));
        }
        if report.good == 0 {
            let message = match report.rows {
                0 => "there is a header but no row".to_owned(),
                rows => format!("none of the {rows} rows can be used"),
            };
            return Err(Error::new(ErrorKind::NoGoodRows, message).with_report(report));
        }
        Ok(report)
    }
}

pub(crate) fn conflict(customer: &str) -> Refusal {
    let message = format!("churn_label differs from another row of customer {}", shown(customer.as_bytes()));
    (BadRowReason::ConflictingLabel, message)
}

/// Text from the input as a message may show it: quoted, on one line, not long.
pub(crate) fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

pub(crate) fn missing_customer() -> Refusal {
    (BadRowReason::MissingCustomer, "customer_id is empty".to_owned())
}

#[inline(always)]
pub(crate) fn date(dates: &DateParser, text: &[u8]) -> std::result::Result<Day, Refusal> {
    dates.parse(text).ok_or_else(|| {
        let message = format!("event_date {} is not a date (expected {})", shown(text), dates.expected());
        (BadRowReason::InvalidDate, message)
    })
}

/// Refuses text that is not UTF-8.
pub(crate) fn utf8(text: &[u8], column: &str) -> std::result::Result<(), Refusal> {
    match std::str::from_utf8(text) {
        Ok(_) => Ok(()),
        Err(_) => Err((BadRowReason::InvalidUtf8, format!("{column} {} is not UTF-8 text", shown(text)))),
    }
}

/// A decimal number, NaN for an empty field.
#[inline(always)]
pub(crate) fn amount(text: &[u8]) -> std::result::Result<f64, Refusal> {
    if let Some(value) = plain_decimal(text) {
        return Ok(value);
    }
    let trimmed = text.trim_ascii();
    if trimmed.is_empty() {
        return Ok(f64::NAN);
    }
    parse_decimal(trimmed).ok_or(f64::NAN).and_then(checked_amount).map_err(|_| refused_amount(&shown(text)))
}

pub(crate) fn refused_amount(shown: &str) -> Refusal {
    let message = format!("amount {shown} is not a number within ±10^12 (expected a decimal such as 12.50)");
    (BadRowReason::InvalidAmount, message)
}

/// The amount if it is finite and within range, with one zero only.
pub(crate) fn checked_amount(amount: f64) -> std::result::Result<f64, f64> {
    if amount.abs() <= MAX_AMOUNT { Ok(amount + 0.0) } else { Err(amount) }
}

/// Digits with at most one point among them, eight characters in all and no sign: what most amounts look like. Some
/// arithmetic on all eight at once instead of a step a digit.
#[inline(always)]
pub(crate) fn plain_decimal(text: &[u8]) -> Option<f64> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const POWERS: [f64; 8] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7];
    let n = text.len();
    if !(1..=8).contains(&n) {
        return None;
    }
    // Each character less '0', so that digits are 0..=9 and the bytes behind the text are 0.
    let used = u64::MAX >> (64 - 8 * n);
    let digits = load(text) ^ ((0x30 * ONES) & used);
    // The first byte that was a point (0x2e ^ 0x30 = 0x1e).
    let from_point = digits ^ (0x1e * ONES);
    let points = from_point.wrapping_sub(ONES) & !from_point & (0x80 * ONES);
    let (packed, count, decimals) = match points.trailing_zeros() {
        64 => (digits, n, 0),
        bit => {
            let point = (bit / 8) as usize;
            let before = (1u64 << (8 * point)) - 1;
            // What stands before the point moves up by one and takes its place.
            let behind = digits & !before & !(0xff << (8 * point));
            ((digits & before) << 8 | behind, n, n - 1 - point)
        }
    };
    if n == 1 && decimals == 0 && points != 0 || (packed | packed.wrapping_add(0x76 * ONES)) & (0x80 * ONES) != 0 {
        return None;
    }
    // Pairs, then fours, then all eight; the last digit stands in the highest byte.
    let all = packed << (64 - 8 * count);
    let pairs = (all & 0x00ff_00ff_00ff_00ff).wrapping_mul(10) + (all >> 8 & 0x00ff_00ff_00ff_00ff);
    let fours = (pairs & 0x0000_ffff_0000_ffff).wrapping_mul(100) + (pairs >> 16 & 0x0000_ffff_0000_ffff);
    let value = (fours & 0xffff_ffff) * 10_000 + (fours >> 32);
    // Both are exact, so the quotient is rounded once.
    Some(value as f64 / POWERS[decimals])
}

/// Up to eight bytes as a number, the first one lowest.
#[inline(always)]
fn load(text: &[u8]) -> u64 {
    let n = text.len();
    let half = |at: usize| u64::from(u32::from_le_bytes(text[at..at + 4].try_into().expect("four bytes")));
    match n {
        8.. => u64::from_le_bytes(text[..8].try_into().expect("eight bytes")),
        4.. => half(0) | half(n - 4) << (8 * (n - 4)),
        0 => 0,
        _ => {
            let byte = |at: usize| u64::from(text[at]) << (8 * at);
            byte(0) | byte(n / 2) | byte(n - 1)
        }
    }
}

/// `[+-]digits[.digits][e[+-]digits]`, correctly rounded. Not `inf`, `nan` or anything with a separator.
pub(crate) fn parse_decimal(text: &[u8]) -> Option<f64> {
    // Up to 15 digits and 22 decimals both parts of the quotient are exact doubles, so one division rounds correctly.
    const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.len() <= 16 {
        let (mut mantissa, mut count, mut point) = (0u64, 0, None);
        let plain = digits.iter().all(|&c| match c {
            b'0'..=b'9' => {
                mantissa = mantissa * 10 + u64::from(c - b'0');
                count += 1;
                true
            }
            b'.' if point.is_none() => {
                point = Some(count);
                true
            }
            _ => false,
        });
        if plain && (1..=15).contains(&count) {
            let value = mantissa as f64 / POWERS[point.map_or(0, |point| count - point)];
            return Some(if negative { -value } else { value });
        }
    }
    if !text.iter().all(|c| matches!(c, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

pub(crate) fn label(text: &[u8]) -> std::result::Result<Option<bool>, Refusal> {
    match text.trim_ascii() {
        b"0" => Ok(Some(false)),
        b"1" => Ok(Some(true)),
        b"" => Ok(None),
        _ => Err((BadRowReason::InvalidLabel, format!("churn_label {} is not 0 or 1", shown(text)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_path_rounds_like_the_standard_library() {
        for text in [
            "0",
            "1",
            "-1.5",
            "+1.5",
            ".5",
            "5.",
            "20.10",
            "0.1",
            "123456789.012345",
            "999999999999999",
            "0.000000000000001",
            "1e3",
            "-2.5E-3",
        ] {
            let expected: f64 = text.parse().expect(text);
            assert_eq!(parse_decimal(text.as_bytes()).expect(text).to_bits(), expected.to_bits(), "{text}");
        }
        for text in ["", "-", ".", "1,000", "inf", "nan", "infinity", "1e", "--1", "1.2.3", "0x10", "1_000"] {
            assert!(parse_decimal(text.as_bytes()).is_none(), "{text}");
        }
    }
}
