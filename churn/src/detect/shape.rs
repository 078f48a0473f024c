//! The shape of a file: the delimiter, the line of the column names, and the rows of the sample.

use std::collections::VecDeque;

use super::columns::Role;
use super::sample::Sample;
use crate::error::{Error, ErrorKind, Result};
use crate::events::{ReadOptions, RecordReader};

/// Largest number of rows that are kept, and the number of the last rows, which may be sums.
const MOST_ROWS: usize = 20_000;
const LAST: usize = 100;
/// Number of records at the beginning from which the delimiter is found.
const FIRST: usize = 500;

pub(super) struct Shape {
    pub(super) delimiter: char,
    pub(super) skip_lines: u32,
    pub(super) header: Vec<String>,
    /// The fields of the rows of the sample, trimmed, in the order of the file. Rows with another number of fields are not among
    /// them.
    pub(super) rows: Vec<Vec<String>>,
    /// Number of records among the first, and of those with the number of fields of the header.
    pub(super) lines: usize,
    pub(super) matching: usize,
}

/// The fields of a record and the line it starts on.
type Fields = (u64, Vec<String>);

/// Passes the records of a text to `take`, until it returns false. Malformed ones are left out.
fn records(text: &[u8], delimiter: char, skip_lines: u32, mut take: impl FnMut(Fields) -> bool) -> Result<()> {
    let mut reader = RecordReader::new(text, delimiter, skip_lines)?;
    loop {
        match reader.next() {
            Ok(Some(record)) => {
                let field = |i| String::from_utf8_lossy(record.get(i)).trim().to_owned();
                let fields = (0..record.len()).map(field).collect();
                if !take((record.line, fields)) {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == ErrorKind::BadRows => (),
            Ok(None) | Err(_) => return Ok(()),
        }
    }
}

/// The number of fields that most of the records have, and how many have it.
fn usual_width(records: &[Fields]) -> (usize, usize) {
    let mut widths: Vec<usize> = records.iter().map(|record| record.1.len()).collect();
    crate::order::sort(&mut widths);
    widths
        .chunk_by(|a, b| a == b)
        .map(|same| (same[0], same.len()))
        .max_by_key(|&(width, count)| (count, width))
        .unwrap_or((1, 0))
}

/// True for a word that stands before a sum.
pub(super) fn is_sum_word(text: &str) -> bool {
    const WORDS: [&str; 20] = [
        "total",
        "totals",
        "grand total",
        "subtotal",
        "sum",
        "summe",
        "gesamt",
        "gesamtsumme",
        "insgesamt",
        "somme",
        "total général",
        "totaux",
        "totale",
        "suma",
        "razem",
        "totaal",
        "toplam",
        "итого",
        "合計",
        "总计",
    ];
    WORDS.contains(&text.trim_end_matches(':').trim().to_lowercase().as_str())
}

impl Shape {
    pub(super) fn of(sample: &Sample, given: &ReadOptions) -> Result<Self> {
        let texts = sample.texts();
        let candidates: &[char] = if given.delimiter == ',' { &[',', ';', '\t', '|'] } else { &[given.delimiter] };
        let mut best: Option<(f64, usize, char, Vec<Fields>)> = None;
        for &delimiter in candidates {
            let mut found = Vec::new();
            records(texts[0], delimiter, given.skip_lines, |record| {
                found.push(record);
                found.len() < FIRST
            })?;
            let (width, count) = usual_width(&found);
            // Nearly all records have the same number of fields with the right delimiter; the more fields, the better.
            let share = (10.0 * count as f64 / found.len().max(1) as f64).round();
            let rank = if width > 1 { share } else { 0.0 };
            if best.as_ref().is_none_or(|best| (rank, width) > (best.0, best.1)) {
                best = Some((rank, width, delimiter, found));
            }
        }
        let (_, width, delimiter, first) = best.expect("there is a candidate");
        let matching = first.iter().filter(|record| record.1.len() == width).count();
        let filled = |fields: &[String]| fields.iter().filter(|field| !field.is_empty()).count();
        // Titles above the header have fewer fields, or mostly empty ones. Spreadsheets add empty columns at the end.
        let of_width = || first.iter().filter(|record| record.1.len() == width);
        let most = of_width().take(50).map(|record| filled(&record.1)).max().unwrap_or(0);
        let is_header = |record: &&Fields| record.1.len() == width && filled(&record.1) * 2 > most;
        let Some((line, header)) = first.iter().find(is_header).cloned() else {
            return Err(Error::new(ErrorKind::EmptyFile, "the file has no line with column names"));
        };
        let lines = first.len();
        // Every `stride`-th row is kept; if they become too many, every second of them. The last ones are kept in any case.
        let (mut rows, mut stride, mut number) = (Vec::new(), 1, 0);
        let mut last = VecDeque::new();
        for (i, text) in texts.iter().enumerate() {
            let (skip, after) = if i == 0 { (given.skip_lines, line) } else { (0, 0) };
            records(text, delimiter, skip, |(line, fields)| {
                if line <= after || fields.len() != width || filled(&fields) == 0 {
                    return true;
                }
                last.push_back((number, fields));
                if last.len() > LAST
                    && let Some((number, fields)) = last.pop_front()
                    && number % stride == 0
                {
                    rows.push((number, fields));
                }
                if rows.len() > MOST_ROWS {
                    stride *= 2;
                    rows.retain(|(number, _)| number % stride == 0);
                }
                number += 1;
                true
            })?;
        }
        let rows = rows.into_iter().chain(last).map(|(_, fields)| fields).collect();
        Ok(Shape { delimiter, skip_lines: (line - 1) as u32, header, rows, lines, matching })
    }

    /// The first fields of rows that are sums: a word like `Total`, and no date.
    pub(super) fn totals(&self, date: &Role) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for row in &self.rows {
            let is_sum = is_sum_word(&row[0]) && self.is_sum(row, date, std::slice::from_ref(&row[0]));
            if is_sum && !found.contains(&row[0]) {
                found.push(row[0].clone());
            }
        }
        found
    }

    /// True for a row that is no event because of `ignore_rows`, as the reader decides it: one of the texts is its first field, and
    /// it has no date.
    pub(super) fn is_sum(&self, row: &[String], date: &Role, ignored: &[String]) -> bool {
        ignored.contains(&row[0]) && date.column().is_some_and(|date| date == 0 || row[date].is_empty())
    }
}
