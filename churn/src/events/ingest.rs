//! The common part of all sources of rows: the checks of a row, the report, and the interface ([`Sink`]) to the
//! consumer of the rows.
//!
//! A bad row is counted with its line and reason and never reaches the sink. In mode `fail`, reading fails with the bad rows.
//! In mode `skip`, they are left out as long as their share is within `max_bad_share`.

use serde::Serialize;

use super::Day;
use super::dates::DateParser;
use super::merge;
use super::numbers;
use super::options::{OnBadRow, ReadOptions};
use super::records::{Span, field};
use super::rows::{ParsedRows, Shard, Sink};
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::objects::{names, objects};
use crate::parallel;

/// The reason why a row is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
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
    /// There is text after the closing quote of a field.
    TextAfterQuote,
    /// The label is not 0 or 1.
    InvalidLabel,
    /// The label differs from another row of the same customer.
    ConflictingLabel,
    /// The customer id, event type or order id is not UTF-8.
    InvalidUtf8,
    /// A subscription period ends before it starts, or its reason or another value makes no sense.
    InvalidPeriod,
    /// A subscription period overlaps another one of the same subscription.
    OverlappingPeriods,
}

names! {
    BadRowReason {
        MissingCustomer, InvalidDate, InvalidAmount, WrongFieldCount, TextAfterQuote, InvalidLabel, ConflictingLabel,
        InvalidUtf8, InvalidPeriod, OverlappingPeriods,
    }
}

/// A bad row, which was not used.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BadRow {
    /// The line the row starts on (1-based; in a CSV file the header is line 1, in a table the first row is row 1).
    pub line: u64,
    /// The reason.
    pub reason: BadRowReason,
    /// The reason in words, with the value found and the expected form.
    pub message: String,
}

objects! { BadRow { line, reason, message } }

/// The result of reading a log: counts of the rows used, refused and left out, and the bad rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct IngestReport {
    /// Number of data rows read; `rows = good + bad + outside + ignored`.
    pub rows: u64,
    /// Number of rows used.
    pub good: u64,
    /// Number of bad rows.
    pub bad: u64,
    /// The first 1,000 bad rows, by line; `bad` counts all of them.
    pub bad_rows: Vec<BadRow>,
    /// Number of used rows that share their customer, day and event type with another row. None if rows are not kept: in one
    /// pass over a source, and if a source is only checked.
    pub rows_sharing_day: Option<u64>,
    /// Number of used rows that equal another row in every column that is read: customer, day, amount, event type and order.
    /// Different times of a day count as equal, because only the day is kept. None if `rows_sharing_day` is none.
    pub duplicate_rows: Option<u64>,
    /// Number of used rows that were merged into the event of another row, so the number of events is `good - merged_rows`. In
    /// one pass over a source, only rows up to as_of count. None if a source is only checked.
    pub merged_rows: Option<u64>,
    /// Number of rows left out because their day is before `first_day` or after `last_day` of the options.
    pub outside: u64,
    /// Number of rows left out because all of their fields are blank, or because of `ignore_rows` or `skip_anonymous` of the
    /// options.
    pub ignored: u64,
    /// The line of a row of the first day that is used. None if rows are not kept.
    pub first_day_line: Option<u64>,
    /// The line of a row of the last day that is used. None if rows are not kept.
    pub last_day_line: Option<u64>,
}

objects! {
    IngestReport {
        rows, good, bad, bad_rows, rows_sharing_day, duplicate_rows, merged_rows, outside = 0, ignored = 0, first_day_line,
        last_day_line,
    }
}

/// Largest absolute value of an amount. Larger ones are refused, so that a sum of up to 2^32 amounts cannot overflow its
/// fixed-point accumulator.
pub(crate) const MAX_AMOUNT: f64 = 1e12;

/// Largest number of bad rows in a report, so that a file of only bad rows does not fill the memory.
pub(crate) const REPORTED_BAD_ROWS: usize = 1000;

/// Number of bad rows in the message of an error.
const SHOWN_BAD_ROWS: usize = 10;

pub(crate) type RowError = (BadRowReason, String);

/// The result of parsing a piece of a source.
#[derive(Default)]
pub(crate) struct Parsed {
    pub(crate) rows: ParsedRows,
    /// The first bad rows, with lines counted from 0 within the piece.
    pub(crate) refused: Vec<BadRow>,
    pub(crate) bad: u64,
    /// Number of rows that are no events.
    pub(crate) ignored: u64,
    /// Number of lines of the piece.
    pub(crate) lines: u64,
    pub(crate) failed: Option<Error>,
    /// A buffer for the positions of a block's separators.
    pub(crate) separators: Vec<u32>,
}

impl Parsed {
    /// Clears the result, but keeps the allocated memory.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.refused.clear();
        (self.bad, self.ignored, self.lines, self.failed) = (0, 0, 0, None);
    }

    /// Counts a bad row, and keeps it if it is one of the first.
    #[cold]
    pub(crate) fn refuse(&mut self, line: u64, (reason, message): RowError) {
        self.bad += 1;
        if self.refused.len() < REPORTED_BAD_ROWS {
            self.refused.push(BadRow { line, reason, message });
        }
    }
}

/// Passes rows to a sink and collects the report.
pub(crate) struct Intake {
    on_bad_row: OnBadRow,
    max_bad_share: f64,
    report: IngestReport,
    lines: u64,
    /// The first and the last day so far, each with the line of one of its rows.
    ends: Option<[(i32, u64); 2]>,
}

impl Intake {
    pub(crate) fn new(options: &ReadOptions) -> Result<Self> {
        if !(0.0..=1.0).contains(&options.max_bad_share) {
            return Err(invalid_parameter("max_bad_share", options.max_bad_share, "a share from 0 to 1"));
        }
        if let (Some(first), Some(last)) = (options.first_day, options.last_day)
            && first > last
        {
            return Err(invalid_parameter("last_day", last, &format!("a day from first_day, {first}, on")));
        }
        merge::check(options.columns.order_id.as_deref(), options.merge)?;
        Ok(Intake {
            on_bad_row: options.on_bad_row,
            max_bad_share: options.max_bad_share,
            report: IngestReport::default(),
            lines: 0,
            ends: None,
        })
    }

    /// Sets the number of lines before the first row.
    pub(crate) fn starts_after(&mut self, lines: u64) {
        self.lines = lines;
    }

    /// Number of lines so far.
    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    /// Passes on the next pieces, in the order of the source.
    pub(crate) fn take<S: Sink>(&mut self, pieces: &mut [Parsed], sink: &mut S) -> Result<()> {
        let (shards, type_names) = sink.parts();
        let mut refused = Vec::new();
        for piece in pieces.iter_mut() {
            if let Some(error) = piece.failed.take() {
                return Err(error);
            }
            let first_line = self.lines + 1;
            self.lines += piece.lines;
            self.report.bad += piece.bad;
            self.report.rows += piece.bad + piece.ignored + piece.rows.len() as u64;
            self.report.ignored += piece.ignored;
            self.report.good += piece.rows.len() as u64;
            refused.extend(piece.refused.drain(..).map(|row| BadRow { line: first_line + row.line, ..row }));
            self.report.rows += piece.rows.outside;
            self.report.outside += piece.rows.outside;
            piece.rows.first_line = first_line;
            if let Some([first, last]) = piece.rows.ends() {
                self.ends = Some(self.ends.map_or([first, last], |[a, b]| {
                    [if first.0 < a.0 { first } else { a }, if last.0 > b.0 { last } else { b }]
                }));
            }
            piece.rows.number_types(type_names)?;
        }
        let pieces = &*pieces;
        let conflicts = parallel::map_mut(shards, |number, shard| {
            pieces.iter().flat_map(|piece| shard.take(number, &piece.rows)).collect::<Vec<BadRow>>()
        });
        for row in conflicts.into_iter().flatten() {
            self.report.good -= 1;
            self.report.bad += 1;
            refused.push(row);
        }
        by_line(&mut refused);
        refused.truncate(REPORTED_BAD_ROWS - self.report.bad_rows.len());
        self.report.bad_rows.append(&mut refused);
        Ok(())
    }

    /// Returns the report, or an error if there are too many bad rows or no good ones.
    pub(crate) fn finish<S: Sink>(mut self, sink: &mut S) -> Result<IngestReport> {
        if self.on_bad_row == OnBadRow::Skip {
            for shard in sink.parts().0 {
                let (withdrawn, first) = shard.withdraw_conflicts();
                self.report.good -= withdrawn;
                self.report.bad += withdrawn;
                self.report.bad_rows.extend(first);
            }
            by_line(&mut self.report.bad_rows);
            self.report.bad_rows.truncate(REPORTED_BAD_ROWS);
        }
        let [first_day_line, last_day_line] = self.ends.map_or([None; 2], |ends| ends.map(|end| Some(end.1)));
        let report = IngestReport { first_day_line, last_day_line, ..self.report };
        report.judged(self.on_bad_row, self.max_bad_share)
    }
}

impl IngestReport {
    /// Returns the report, or an error if there are too many bad rows or no good ones.
    pub(crate) fn judged(self, on_bad_row: OnBadRow, max_bad_share: f64) -> Result<IngestReport> {
        let report = self;
        let share = report.bad as f64 / report.rows.max(1) as f64;
        let fail = match on_bad_row {
            OnBadRow::Fail if report.bad > 0 => Some((ErrorKind::BadRows, String::new())),
            OnBadRow::Skip if share > max_bad_share => {
                let more = format!(", more than max_bad_share = {max_bad_share} allows");
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

pub(crate) fn conflict(customer: &str) -> RowError {
    let message =
        format!("churn_label differs from another row of customer {}", quote_for_message(customer.as_bytes()));
    (BadRowReason::ConflictingLabel, message)
}

/// Text from the input, formatted for a message: quoted, on one line, and shortened.
pub(crate) fn quote_for_message(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

pub(crate) fn missing_customer() -> RowError {
    (BadRowReason::MissingCustomer, "customer_id is empty".to_owned())
}

#[inline(always)]
pub(crate) fn date(dates: &DateParser, text: &[u8]) -> std::result::Result<Day, RowError> {
    dates.parse(text).ok_or_else(|| {
        let message = format!("event_date {} is not a date (expected {})", quote_for_message(text), dates.expected());
        (BadRowReason::InvalidDate, message)
    })
}

/// Returns an error for text that is not UTF-8.
pub(crate) fn utf8(text: &[u8], column: &str) -> std::result::Result<(), RowError> {
    match std::str::from_utf8(text) {
        Ok(_) => Ok(()),
        Err(_) => {
            let advice = match cfg!(feature = "files") {
                true => "; encoding = \"windows-1252\" reads the files of many older programs",
                false => "",
            };
            Err((BadRowReason::InvalidUtf8, format!("{column} {} is not UTF-8 text{advice}", quote_for_message(text))))
        }
    }
}

/// Parses the bytes of `text` from `start` to `end` as a decimal number; an empty field is NaN.
#[inline(always)]
pub(crate) fn amount(text: &[u8], (start, end): Span) -> std::result::Result<f64, RowError> {
    match plain_amount(text, (start, end)) {
        Some(amount) => Ok(amount),
        None => other_amount(field(text, (start, end))),
    }
}

/// The fast path of [`amount`]: up to eight characters after the sign, with enough text after them to load eight bytes.
#[inline(always)]
pub(crate) fn plain_amount(text: &[u8], (start, end): Span) -> Option<f64> {
    // No branches, because the presence and the sign of an amount change from row to row and would be mispredicted.
    let (start, end) = (start as usize, end as usize);
    let is_negative = start < end && text[start] == b'-';
    let digits = start + usize::from(is_negative);
    let eight = text.get(digits..digits + 8)?.try_into().expect("eight bytes");
    let value = plain_decimal(u64::from_le_bytes(eight), end - digits)?;
    if is_negative && digits == end {
        return None;
    }
    let nan = u64::from(start == end) * f64::NAN.to_bits();
    let sign = u64::from(is_negative) << 63;
    // Adding 0 turns −0 into 0.
    Some(f64::from_bits(value.to_bits() | nan | sign) + 0.0)
}

/// The slow path of [`amount`], for any text.
fn other_amount(text: &[u8]) -> std::result::Result<f64, RowError> {
    let trimmed = text.trim_ascii();
    if trimmed.is_empty() {
        return Ok(f64::NAN);
    }
    parse_decimal(trimmed).ok_or(f64::NAN).and_then(checked_amount).map_err(|_| {
        let (reason, message) = refused_amount(&quote_for_message(text));
        (reason, message + &numbers::advice(trimmed))
    })
}

pub(crate) fn refused_amount(shown: &str) -> RowError {
    let message = format!("amount {shown} is not a number within ±10^12 (expected a decimal such as 12.50)");
    (BadRowReason::InvalidAmount, message)
}

/// Returns the amount if it is finite and within range, with −0 turned into 0.
pub(crate) fn checked_amount(amount: f64) -> std::result::Result<f64, f64> {
    if amount.abs() <= MAX_AMOUNT { Ok(amount + 0.0) } else { Err(amount) }
}

/// Parses the first `n` of eight characters, the first one in the lowest byte: digits with at most one point, as in most
/// amounts. It computes with all digits at once instead of one by one. Without digits the result is 0.
#[inline(always)]
fn plain_decimal(eight: u64, n: usize) -> Option<f64> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const POWERS: [f64; 8] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7];
    if n > 8 {
        return None;
    }
    // Each character minus '0', so that digits are 0..=9, and the bytes after the text are 0.
    let used = u64::MAX.checked_shr(64 - 8 * n as u32).unwrap_or(0);
    let digits = (eight ^ (0x30 * ONES)) & used;
    // The index of the first byte that was a point (0x2e ^ 0x30 = 0x1e); `n` if there is none.
    let from_point = digits ^ (0x1e * ONES);
    let points = from_point.wrapping_sub(ONES) & !from_point & (0x80 * ONES);
    let point = (points.trailing_zeros() as usize / 8).min(n);
    let count = n.max(point + 1);
    // The digits before the point move up by one byte, over the point.
    let before = (1u64 << (8 * point % 64)) - 1;
    let behind = digits & !before & !(0xff << (8 * point % 64));
    let packed = (digits & before) << 8 | behind;
    let is_point = n == 1 && point == 0;
    if count > 8 || is_point || (packed | packed.wrapping_add(0x76 * ONES)) & (0x80 * ONES) != 0 {
        return None;
    }
    // Combines pairs of digits, then fours, then all eight. The last digit is in the highest byte.
    let all = packed << (64 - 8 * count);
    let pairs = (all & 0x00ff_00ff_00ff_00ff).wrapping_mul(10) + (all >> 8 & 0x00ff_00ff_00ff_00ff);
    let fours = (pairs & 0x0000_ffff_0000_ffff).wrapping_mul(100) + (pairs >> 16 & 0x0000_ffff_0000_ffff);
    let value = (fours & 0xffff_ffff) * 10_000 + (fours >> 32);
    // Both numbers are exact doubles, so the quotient is rounded once.
    Some(value as f64 / POWERS[count - 1 - point])
}

/// Parses `[+-]digits[.digits][e[+-]digits]`, correctly rounded. Does not accept `inf`, `nan` or digit separators.
pub(crate) fn parse_decimal(text: &[u8]) -> Option<f64> {
    // Up to 15 digits and 22 decimals, both parts of the quotient are exact doubles, so one division rounds correctly.
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

pub(crate) fn label(text: &[u8]) -> std::result::Result<Option<bool>, RowError> {
    match text.trim_ascii() {
        b"0" => Ok(Some(false)),
        b"1" => Ok(Some(true)),
        b"" => Ok(None),
        _ => Err((BadRowReason::InvalidLabel, format!("churn_label {} is not 0 or 1", quote_for_message(text)))),
    }
}

/// Sorts bad rows by their line.
fn by_line(rows: &mut [BadRow]) {
    crate::order::sort_by(rows, |a, b| a.line.cmp(&b.line));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_amounts_are_what_they_are_otherwise() {
        let mut random = crate::random::Random::new(7, 0);
        let alphabet = *b"0123456789012345..-+e \t\xff";
        let plain = |text: &[u8]| plain_amount(&[text, b",purchase\n"].concat(), (0, text.len() as u32));
        let mut plain_ones = 0;
        for _ in 0..300_000 {
            let text: Vec<u8> = (0..random.below(11)).map(|_| alphabet[random.below(alphabet.len())]).collect();
            if let Some(amount) = plain(&text) {
                let other = other_amount(&text).unwrap_or_else(|_| panic!("{} is no amount", quote_for_message(&text)));
                assert_eq!(amount.to_bits(), other.to_bits(), "{}", quote_for_message(&text));
                plain_ones += 1;
            }
        }
        assert!(plain_ones > 30_000, "{plain_ones}");
        for text in ["", "0", "19.97", "-3.5", "-0.00", ".5", "5.", "1234567", "-1234567", "12345.67"] {
            assert!(plain(text.as_bytes()).is_some(), "{text}");
        }
        for text in ["-", ".", "-.", "--1", "1.2.3", "1e3", " 1", "+5", "12 ", "123456789"] {
            assert!(plain(text.as_bytes()).is_none(), "{text}");
        }
    }

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
