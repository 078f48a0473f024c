//! Records of a CSV stream (RFC 4180), block by block: no row is ever held twice, and memory does not grow with the file.
//!
//! LF or CRLF ends a record; blank lines are no records; a field that begins with a quote ends at the closing one, doubled
//! quotes inside it are one, and it may hold delimiters and line ends. A quote elsewhere is an ordinary character.

use std::io::Read;

use memchr::{memchr, memchr_iter, memchr2};

use super::ingest::{Columns, Fields, IngestReport, Intake, ReadOptions, Sink, shown};
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::progress::{Observer, step};

/// A record longer than this is a damaged file, most often a quote that is never closed.
const MAX_RECORD: usize = 1 << 20;
const BLOCK: usize = 1 << 18;

/// Reads the records of a stream one after the other.
pub(crate) struct Records<R> {
    reader: R,
    delimiter: u8,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    exhausted: bool,
    line: u64,
    consumed: u64,
    unquoted: Vec<u8>,
    ends: Vec<usize>,
}

/// One record: the bytes of its fields and where each ends.
pub(crate) struct Record<'a> {
    /// The line that the record starts on, 1-based.
    pub(crate) line: u64,
    bytes: &'a [u8],
    ends: &'a [usize],
    /// Bytes between the end of a field and the start of the next: 1 where the fields stand in the file as they are.
    gap: usize,
}

impl Record<'_> {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn get(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] + self.gap };
        &self.bytes[start..self.ends[index]]
    }
}

/// What the parser of quoted records found.
enum Scan {
    /// The record ends before this offset of the buffer.
    Complete(usize),
    /// The buffer ends inside the record; true inside quotes.
    Open(bool),
}

impl<R: Read> Records<R> {
    pub(crate) fn new(reader: R, delimiter: char) -> Result<Self> {
        let delimiter = u8::try_from(delimiter)
            .ok()
            .filter(|&c| c.is_ascii() && !matches!(c, b'"' | b'\n' | b'\r' | 0))
            .ok_or_else(|| {
                invalid_parameter(
                    "delimiter",
                    format!("{delimiter:?}"),
                    "one ASCII character other than a quote or line end",
                )
            })?;
        let mut records = Records {
            reader,
            delimiter,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            exhausted: false,
            line: 1,
            consumed: 0,
            unquoted: Vec::new(),
            ends: Vec::new(),
        };
        records.fill()?;
        let head = &records.buffer[..records.end];
        if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
            let message = "the file is UTF-16 (it begins with that byte order mark); save it as UTF-8";
            return Err(Error::new(ErrorKind::NotUtf8, message).at_line(1));
        }
        if head.starts_with(b"\xef\xbb\xbf") {
            records.start = 3;
        }
        Ok(records)
    }

    /// Bytes of the stream that have been turned into records.
    pub(crate) fn consumed(&self) -> u64 {
        self.consumed + self.start as u64
    }

    /// Moves what is left to the front and reads until the buffer is full or the stream ends.
    fn fill(&mut self) -> Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.consumed += self.start as u64;
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            let longer = (self.buffer.len() * 2).clamp(BLOCK, 2 * MAX_RECORD);
            self.buffer.resize(longer, 0);
        }
        while self.end < self.buffer.len() && !self.exhausted {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.exhausted = true,
                Ok(n) => self.end += n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => (),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The next record, or nothing at the end of the stream.
    pub(crate) fn next(&mut self) -> Result<Option<Record<'_>>> {
        loop {
            let available = &self.buffer[self.start..self.end];
            match memchr2(b'\n', b'"', available) {
                Some(at) if available[at] == b'\n' => {
                    let (from, line) = (self.start, self.line);
                    self.start += at + 1;
                    self.line += 1;
                    let text = strip_return(&self.buffer[from..from + at]);
                    if text.is_empty() {
                        continue;
                    }
                    self.ends.clear();
                    self.ends.extend(memchr_iter(self.delimiter, text).chain([text.len()]));
                    self.check_length(text.len(), line)?;
                    let bytes = &self.buffer[from..from + text.len()];
                    return Ok(Some(Record { line, bytes, ends: &self.ends, gap: 1 }));
                }
                None if available.is_empty() && self.exhausted => return Ok(None),
                _ => (),
            }
            // A quote comes first, or the block ends before the line does.
            match self.scan() {
                Scan::Complete(length) => {
                    let (line, raw) = (self.line, &self.buffer[self.start..self.start + length]);
                    let blank = strip_return(raw.strip_suffix(b"\n").unwrap_or(raw)).is_empty();
                    self.line += memchr_iter(b'\n', raw).count() as u64;
                    self.start += length;
                    if blank {
                        continue;
                    }
                    self.check_length(length, line)?;
                    return Ok(Some(Record { line, bytes: &self.unquoted, ends: &self.ends, gap: 0 }));
                }
                Scan::Open(quoted) => {
                    self.check_length(self.end - self.start, self.line)?;
                    if self.exhausted {
                        debug_assert!(quoted, "a record outside quotes is complete at the end of the stream");
                        let message =
                            format!("line {}: a quoted field begins in this record and is never closed", self.line);
                        return Err(Error::new(ErrorKind::UnclosedQuote, message).at_line(self.line));
                    }
                    self.fill()?;
                }
            }
        }
    }

    fn check_length(&self, length: usize, line: u64) -> Result<()> {
        if length <= MAX_RECORD {
            return Ok(());
        }
        let message = format!(
            "line {line}: a record of more than 1 MiB begins here; is a quote left open, or is this not a CSV file?"
        );
        Err(Error::new(ErrorKind::RecordTooLong, message).at_line(line))
    }

    /// Parses the record at `start` character by character into `unquoted` and `ends`.
    fn scan(&mut self) -> Scan {
        #[derive(PartialEq)]
        enum State {
            FieldStart,
            Plain,
            Quoted,
            QuoteInQuoted,
        }
        self.unquoted.clear();
        self.ends.clear();
        let mut state = State::FieldStart;
        let available = &self.buffer[self.start..self.end];
        for (i, &c) in available.iter().enumerate() {
            match (&state, c) {
                (State::Quoted, b'"') => state = State::QuoteInQuoted,
                (State::Quoted, _) => self.unquoted.push(c),
                (State::QuoteInQuoted, b'"') => {
                    self.unquoted.push(b'"');
                    state = State::Quoted;
                }
                (State::FieldStart, b'"') => state = State::Quoted,
                (_, b'\n') => {
                    // The carriage return of a CRLF is part of the line end, unless quotes made it data.
                    if state == State::Plain && i > 0 && available[i - 1] == b'\r' {
                        self.unquoted.pop();
                    }
                    self.ends.push(self.unquoted.len());
                    return Scan::Complete(i + 1);
                }
                (_, c) if c == self.delimiter => {
                    self.ends.push(self.unquoted.len());
                    state = State::FieldStart;
                }
                (_, c) => {
                    self.unquoted.push(c);
                    state = State::Plain;
                }
            }
        }
        if !self.exhausted || state == State::Quoted {
            return Scan::Open(state == State::Quoted);
        }
        if state == State::Plain && available.last() == Some(&b'\r') {
            self.unquoted.pop();
        }
        self.ends.push(self.unquoted.len());
        Scan::Complete(available.len())
    }
}

fn strip_return(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"\r").unwrap_or(text)
}

/// The names of a header record, in order, trimmed.
pub(crate) fn header<R: Read>(records: &mut Records<R>) -> Result<Vec<String>> {
    let Some(record) = records.next()? else {
        return Err(Error::new(ErrorKind::EmptyFile, "the file is empty: expected a header line with column names"));
    };
    let line = record.line;
    (0..record.len())
        .map(|i| match std::str::from_utf8(record.get(i)) {
            Ok(name) if !name.contains('\0') => Ok(name.trim().to_owned()),
            _ => {
                let message = format!(
                    "line {line}: the header is not UTF-8 text ({}); is this a CSV file?",
                    shown(record.get(i))
                );
                Err(Error::new(ErrorKind::NotUtf8, message).at_line(line))
            }
        })
        .collect()
}

/// The position of a column, by the caller's name for it (then it must be there) or its own.
pub(crate) fn find_column(names: &[String], mapped: Option<&str>, own: &str, required: bool) -> Result<Option<usize>> {
    let name = mapped.unwrap_or(own);
    let mut found = names.iter().enumerate().filter(|(_, n)| *n == name).map(|(i, _)| i);
    match (found.next(), found.next()) {
        (Some(at), None) => Ok(Some(at)),
        (Some(_), Some(_)) => {
            let message = format!("the column {name:?} stands in the header twice; rename one of them");
            Err(Error::new(ErrorKind::DuplicateColumn, message).at_line(1))
        }
        (None, _) if required || mapped.is_some() => {
            let there: Vec<String> = names.iter().take(30).map(|name| shown(name.as_bytes())).collect();
            let message = format!(
                "no column {name:?}; the header has {}. Map {own} to the right one if it goes by another name",
                there.join(", ")
            );
            Err(Error::new(ErrorKind::MissingColumn, message).at_line(1))
        }
        (None, _) => Ok(None),
    }
}

/// Where the columns of a log stand.
pub(crate) struct Positions {
    pub(crate) customer: usize,
    pub(crate) date: usize,
    pub(crate) amount: Option<usize>,
    pub(crate) event_type: Option<usize>,
    pub(crate) label: Option<usize>,
}

impl Positions {
    pub(crate) fn find(names: &[String], columns: &Columns, labels: bool) -> Result<Self> {
        let find = |mapped: &Option<String>, own, required| find_column(names, mapped.as_deref(), own, required);
        Ok(Positions {
            customer: find(&columns.customer_id, "customer_id", true)?.expect("a required column is found"),
            date: find(&columns.event_date, "event_date", true)?.expect("a required column is found"),
            amount: find(&columns.amount, "amount", false)?,
            event_type: find(&columns.event_type, "event_type", false)?,
            label: if labels { find(&columns.churn_label, "churn_label", false)? } else { None },
        })
    }
}

/// Reads a whole log into a sink.
pub(crate) fn read<R: Read, S: Sink>(
    reader: R,
    options: &ReadOptions,
    sink: &mut S,
    observer: &dyn Observer,
) -> Result<IngestReport> {
    // Bytes between two words to the observer.
    const STRIDE: u64 = 1 << 20;
    let mut intake = Intake::new(sink, options)?;
    let mut records = Records::new(reader, options.delimiter)?;
    let names = header(&mut records)?;
    let at = Positions::find(&names, &options.columns, S::LABELS)?;
    let mut told = 0;
    loop {
        if records.consumed() >= told {
            step(observer, "read", records.consumed() as usize, 0)?;
            told = records.consumed() + STRIDE;
        }
        let Some(record) = records.next()? else { break };
        if record.len() != names.len() {
            intake.wrong_field_count(record.line, record.len(), names.len());
            continue;
        }
        let fields = Fields {
            customer: record.get(at.customer),
            date: record.get(at.date),
            amount: at.amount.map(|i| record.get(i)),
            event_type: at.event_type.map(|i| record.get(i)),
            label: at.label.map(|i| record.get(i)),
        };
        intake.text(record.line, &fields)?;
    }
    intake.finish()
}

/// A field as CSV: quoted where it must be.
pub(crate) fn quoted(field: &str) -> std::borrow::Cow<'_, str> {
    if memchr(b'"', field.as_bytes()).is_none() && !field.contains([',', '\n', '\r']) {
        return field.into();
    }
    format!("\"{}\"", field.replace('"', "\"\"")).into()
}
