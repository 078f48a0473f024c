//! Records of a CSV stream (RFC 4180), block by block: no row is ever held twice, and memory does not grow with the file.
//!
//! LF or CRLF ends a record; blank lines are no records; a field that begins with a quote ends at the closing one, doubled
//! quotes inside it are one, and it may hold delimiters and line ends. A quote elsewhere is an ordinary character.
//!
//! A block is cut at the end of a record before it is looked at, so that blocks can be parsed side by side.

use std::io::Read;

use memchr::{memchr, memchr_iter, memrchr};

use super::dates::DateParser;
use super::ids::Spread;
use super::ingest::{
    BadRowReason, Columns, IngestReport, Intake, Parsed, ReadOptions, amount, date, label, missing_customer, shown,
    utf8,
};
use super::rows::{Rows, Sink, Wants};
use super::separators::{self, Separators};
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::parallel;
use crate::progress::{Observer, step};

/// A record longer than this is a damaged file, most often a quote that is never closed.
const MAX_RECORD: usize = 1 << 20;
/// Small enough that a block and the rows made of it stay in the cache of a core.
const BLOCK: usize = 1 << 17;
/// Blocks that a thread gets before the rows are taken over.
const BLOCKS_PER_THREAD: usize = 8;

/// Cuts a stream into blocks of whole records.
struct Blocks<R> {
    reader: R,
    delimiter: u8,
    carry: Vec<u8>,
    exhausted: bool,
}

/// What stands behind the last block.
#[derive(PartialEq)]
enum End {
    /// Nothing, or a block that is still to come.
    Sound,
    TooLong,
    Unclosed,
}

impl End {
    fn error(&self, line: u64) -> Result<()> {
        let (kind, message) = match self {
            End::Sound => return Ok(()),
            End::TooLong => (
                ErrorKind::RecordTooLong,
                "a record of more than 1 MiB begins here; is a quote left open, or is this not a CSV file?",
            ),
            End::Unclosed => (ErrorKind::UnclosedQuote, "a quoted field begins in this record and is never closed"),
        };
        Err(Error::new(kind, format!("line {line}: {message}")).at_line(line))
    }
}

impl<R: Read> Blocks<R> {
    fn new(reader: R, delimiter: char) -> Result<Self> {
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
        let mut blocks = Blocks { reader, delimiter, carry: Vec::new(), exhausted: false };
        let mut head = Vec::new();
        blocks.fill(&mut head, BLOCK)?;
        if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
            let message = "the file is UTF-16 (it begins with that byte order mark); save it as UTF-8";
            return Err(Error::new(ErrorKind::NotUtf8, message).at_line(1));
        }
        if head.starts_with(b"\xef\xbb\xbf") {
            head.drain(..3);
        }
        blocks.carry = head;
        Ok(blocks)
    }

    /// Reads until the text has this length or the stream ends; at the end of the stream it ends in a line end.
    fn fill(&mut self, text: &mut Vec<u8>, length: usize) -> Result<()> {
        if self.exhausted || text.len() >= length {
            return Ok(());
        }
        let missing = length - text.len();
        text.reserve(missing + 1);
        if self.reader.by_ref().take(missing as u64).read_to_end(text)? < missing {
            self.exhausted = true;
            if text.last().is_some_and(|&last| last != b'\n') {
                text.push(b'\n');
            }
        }
        Ok(())
    }

    /// Fills `text` with the next records; with none at the end.
    fn next(&mut self, text: &mut Vec<u8>) -> Result<End> {
        text.clear();
        text.append(&mut self.carry);
        let mut length = BLOCK;
        loop {
            self.fill(text, length)?;
            let end = last_end(text, self.delimiter);
            // Blocks grow only while their first record has no end.
            let too_long = text.len() > MAX_RECORD + 1 && first_end(text, self.delimiter) > MAX_RECORD + 1;
            if end > 0 && !too_long {
                self.carry.extend_from_slice(&text[end..]);
                text.truncate(end);
                return Ok(End::Sound);
            }
            if too_long || self.exhausted {
                let end = match (too_long, text.is_empty()) {
                    (true, _) => End::TooLong,
                    (false, true) => End::Sound,
                    (false, false) => End::Unclosed,
                };
                text.clear();
                return Ok(end);
            }
            length = 2 * length.max(text.len());
        }
    }

    /// Puts records back in front of what is still to come.
    fn put_back(&mut self, mut text: Vec<u8>) {
        text.append(&mut self.carry);
        self.carry = text;
    }
}

/// Where the last whole record ends.
fn last_end(text: &[u8], delimiter: u8) -> usize {
    if memchr(b'"', text).is_none() {
        return memrchr(b'\n', text).map_or(0, |at| at + 1);
    }
    let mut walk = Walk::new(text, delimiter);
    while let Step::Record { .. } = walk.next(text, &mut []) {}
    walk.at
}

/// Where the first record ends, or the text if it has no end.
fn first_end(text: &[u8], delimiter: u8) -> usize {
    let mut walk = Walk::new(text, delimiter);
    match walk.next(text, &mut []) {
        Step::Record { to, .. } => to,
        Step::End | Step::Open => text.len(),
    }
}

/// From where to where a field stands in its block.
type Span = (u32, u32);

/// Walks over the records of a block.
struct Walk {
    delimiter: u8,
    separators: Separators,
    /// Where the next record begins, and after how many line ends.
    at: usize,
    line: u32,
}

enum Step {
    /// A record of so many fields; where its quotes are not plain, only [`unquote`] tells its fields.
    Record { from: usize, to: usize, line: u32, fields: usize, plain: bool },
    /// The block ends.
    End,
    /// The block ends within a record.
    Open,
}

impl Walk {
    fn new(text: &[u8], delimiter: u8) -> Self {
        Walk { delimiter, separators: Separators::from(text, 0, delimiter), at: 0, line: 0 }
    }

    /// The next record; its fields are written to as many spans as there are.
    #[inline(always)]
    fn next(&mut self, text: &[u8], spans: &mut [Span]) -> Step {
        'records: while self.at < text.len() {
            let (from, line) = (self.at, self.line);
            let (mut start, mut fields, mut lines) = (from, 0, 1);
            loop {
                let at = self.separators.next(text);
                if at == text.len() {
                    return Step::Open;
                }
                let (mut begin, mut stop, mut next) = (start, at, at + 1);
                let mut is_end = text[at] == b'\n';
                if text[at] == b'"' {
                    if at != start {
                        continue;
                    }
                    match self.quoted(text, at, &mut lines) {
                        Quoted::Field { close, to, ends_record } => {
                            (begin, stop, next, is_end) = (at + 1, close, to, ends_record);
                        }
                        Quoted::Open => return Step::Open,
                        Quoted::Hard => return self.hard(text, from, line),
                    }
                } else if is_end && stop > start && text[stop - 1] == b'\r' {
                    stop -= 1;
                }
                if let Some(span) = spans.get_mut(fields) {
                    *span = (begin as u32, stop as u32);
                }
                fields += 1;
                start = next;
                if is_end {
                    self.at = next;
                    self.line += lines;
                    if fields == 1 && stop == from {
                        // Nothing but the line end.
                        continue 'records;
                    }
                    return Step::Record { from, to: next, line, fields, plain: true };
                }
            }
        }
        Step::End
    }

    /// The field that a quote begins.
    fn quoted(&mut self, text: &[u8], open: usize, lines: &mut u32) -> Quoted {
        debug_assert_eq!(text[open], b'"');
        let close = loop {
            let at = self.separators.next(text);
            match text.get(at) {
                None => return Quoted::Open,
                Some(b'"') => break at,
                Some(b'\n') => *lines += 1,
                Some(_) => (),
            }
        };
        match (text.get(close + 1), text.get(close + 2)) {
            (Some(b'\n'), _) => (),
            (Some(b'\r'), Some(b'\n')) => {
                self.separators.next(text);
                return Quoted::Field { close, to: close + 3, ends_record: true };
            }
            (Some(&c), _) if c == self.delimiter => (),
            (None, _) | (Some(b'\r'), None) => return Quoted::Open,
            _ => return Quoted::Hard,
        }
        let at = self.separators.next(text);
        Quoted::Field { close, to: at + 1, ends_record: text[at] == b'\n' }
    }

    /// A record with doubled quotes, or with text behind a closing one.
    #[cold]
    fn hard(&mut self, text: &[u8], from: usize, line: u32) -> Step {
        let mut fields = Fields::new(self.delimiter);
        let Some(length) = text[from..].iter().position(|&c| fields.step(c) == Part::RecordEnd) else {
            return Step::Open;
        };
        let to = from + length + 1;
        self.at = to;
        self.line += memchr_iter(b'\n', &text[from..to]).count() as u32;
        self.separators = Separators::from(text, to, self.delimiter);
        Step::Record { from, to, line, fields: fields.ended, plain: false }
    }
}

enum Quoted {
    /// From behind its opening quote to `close`; the next field or record begins at `to`.
    Field {
        close: usize,
        to: usize,
        ends_record: bool,
    },
    Open,
    Hard,
}

/// Reads a record character by character.
struct Fields {
    delimiter: u8,
    state: State,
    ended: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    FieldStart,
    Plain,
    Quoted,
    QuoteInQuoted,
}

/// What a character is.
#[derive(PartialEq)]
enum Part {
    Data,
    Quote,
    FieldEnd,
    RecordEnd,
}

impl Fields {
    fn new(delimiter: u8) -> Self {
        Fields { delimiter, state: State::FieldStart, ended: 0 }
    }

    fn step(&mut self, c: u8) -> Part {
        let (state, part) = match (self.state, c) {
            (State::Quoted, b'"') => (State::QuoteInQuoted, Part::Quote),
            (State::Quoted, _) | (State::QuoteInQuoted, b'"') => (State::Quoted, Part::Data),
            (State::FieldStart, b'"') => (State::Quoted, Part::Quote),
            (_, b'\n') => (State::FieldStart, Part::RecordEnd),
            (_, c) if c == self.delimiter => (State::FieldStart, Part::FieldEnd),
            (_, _) => (State::Plain, Part::Data),
        };
        self.state = state;
        self.ended += usize::from(part == Part::FieldEnd || part == Part::RecordEnd);
        part
    }
}

/// Takes the quotes out of the record that stands there, in place, and tells where its fields are then.
fn unquote(text: &mut [u8], from: usize, to: usize, delimiter: u8, spans: &mut [Span]) {
    let mut fields = Fields::new(delimiter);
    let (mut start, mut end) = (from, from);
    for at in from..to {
        let c = text[at];
        let was = fields.state;
        match fields.step(c) {
            Part::Quote => (),
            Part::Data => {
                text[end] = c;
                end += 1;
            }
            part @ (Part::FieldEnd | Part::RecordEnd) => {
                // The carriage return of a CRLF is part of the line end, unless quotes made it data.
                let returns = part == Part::RecordEnd && was == State::Plain && end > start && text[end - 1] == b'\r';
                if let Some(span) = spans.get_mut(fields.ended - 1) {
                    *span = (start as u32, (end - usize::from(returns)) as u32);
                }
                start = end;
            }
        }
    }
}

/// Reads the records of a stream one after the other.
pub(crate) struct Records<R> {
    blocks: Blocks<R>,
    text: Vec<u8>,
    walk: Walk,
    spans: Vec<Span>,
    /// Lines before the block.
    lines: u64,
}

/// One record: the bytes of its fields.
pub(crate) struct Record<'a> {
    /// The line that the record starts on, 1-based.
    pub(crate) line: u64,
    text: &'a [u8],
    spans: &'a [Span],
}

impl Record<'_> {
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    pub(crate) fn get(&self, index: usize) -> &[u8] {
        field(self.text, self.spans[index])
    }
}

#[inline(always)]
fn field(text: &[u8], (start, end): Span) -> &[u8] {
    &text[start as usize..end as usize]
}

impl<R: Read> Records<R> {
    pub(crate) fn new(reader: R, delimiter: char) -> Result<Self> {
        let blocks = Blocks::new(reader, delimiter)?;
        let walk = Walk::new(&[], blocks.delimiter);
        Ok(Records { blocks, text: Vec::new(), walk, spans: vec![(0, 0); 32], lines: 0 })
    }

    /// The next record, or nothing at the end of the stream.
    pub(crate) fn next(&mut self) -> Result<Option<Record<'_>>> {
        loop {
            let delimiter = self.blocks.delimiter;
            if let Step::Record { from, to, line, fields, plain } = self.walk.next(&self.text, &mut self.spans) {
                if fields > self.spans.len() {
                    // More than ever before: once more, with room for all.
                    self.spans.resize(fields, (0, 0));
                    let separators = Separators::from(&self.text, from, delimiter);
                    self.walk = Walk { delimiter, separators, at: from, line };
                    continue;
                }
                if !plain {
                    unquote(&mut self.text, from, to, delimiter, &mut self.spans);
                }
                let line = self.lines + u64::from(line) + 1;
                return Ok(Some(Record { line, text: &self.text, spans: &self.spans[..fields] }));
            }
            self.lines += u64::from(self.walk.line);
            let end = self.blocks.next(&mut self.text)?;
            end.error(self.lines + 1)?;
            self.walk = Walk::new(&self.text, delimiter);
            if self.text.is_empty() {
                return Ok(None);
            }
        }
    }

    /// What is still to come, as blocks, and the lines before it.
    fn into_blocks(mut self) -> (Blocks<R>, u64) {
        self.text.drain(..self.walk.at);
        self.blocks.put_back(self.text);
        (self.blocks, self.lines + u64::from(self.walk.line))
    }
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

/// Turns blocks into rows.
struct RowParser<'a> {
    dates: &'a DateParser,
    at: Positions,
    columns: usize,
    delimiter: u8,
    wants: Wants,
    spread: Spread,
    shards: usize,
}

impl RowParser<'_> {
    fn parse(&self, text: &mut [u8]) -> Parsed {
        // Looked at once for all fields: a separator is never part of another character.
        let is_utf8 = text.is_ascii() || std::str::from_utf8(text).is_ok();
        // A row is rarely shorter than this, and what is left over is not much.
        let rows = Rows::new(self.wants, text.len() / 24);
        let mut parsed = Parsed { rows, ..Parsed::default() };
        let done = match memchr(b'"', text) {
            None => self.without_quotes(text, is_utf8, &mut parsed),
            Some(_) => self.with_quotes(text, is_utf8, &mut parsed),
        };
        parsed.failed = done.err();
        parsed.rows.deal(&self.spread, self.shards);
        parsed
    }

    /// Where there is no quote, every separator ends a field: they are found all at once.
    fn without_quotes(&self, text: &[u8], is_utf8: bool, parsed: &mut Parsed) -> Result<()> {
        let mut separators = Vec::new();
        let n = separators::positions(text, self.delimiter, &mut separators);
        let ends_record = |end: &u32| text[*end as usize] == b'\n';
        let (mut rest, mut start) = (&separators[..n], 0);
        while !rest.is_empty() {
            let fields = match rest.get(..self.columns) {
                Some([before @ .., last]) if ends_record(last) && !before.iter().any(ends_record) => self.columns,
                _ => 1 + rest.iter().position(ends_record).expect("a block ends in a line end"),
            };
            let ends = &rest[..fields];
            let line_end = ends[fields - 1];
            let returns = u32::from(line_end > start && text[line_end as usize - 1] == b'\r');
            if fields > 1 || line_end - returns > start {
                let begin = |i: usize| if i == 0 { start } else { ends[i - 1] + 1 };
                let end =
                    |i: usize| if i + 1 == fields { line_end - returns.min(line_end - begin(i)) } else { ends[i] };
                self.record(fields, |i| field(text, (begin(i), end(i))), is_utf8, parsed)?;
            }
            parsed.lines += 1;
            (rest, start) = (&rest[fields..], line_end + 1);
        }
        Ok(())
    }

    fn with_quotes(&self, text: &mut [u8], is_utf8: bool, parsed: &mut Parsed) -> Result<()> {
        let mut spans = vec![(0, 0); self.columns];
        let mut walk = Walk::new(text, self.delimiter);
        while let Step::Record { from, to, line, fields, plain } = walk.next(text, &mut spans) {
            if fields == self.columns && !plain {
                unquote(text, from, to, self.delimiter, &mut spans);
            }
            parsed.lines = u64::from(line);
            self.record(fields, |i| field(text, spans[i]), is_utf8, parsed)?;
        }
        parsed.lines = u64::from(walk.line);
        Ok(())
    }

    /// Takes a record of so many fields; it starts behind the lines so far.
    #[inline(always)]
    fn record<'t>(
        &self,
        fields: usize,
        get: impl Fn(usize) -> &'t [u8],
        is_utf8: bool,
        parsed: &mut Parsed,
    ) -> Result<()> {
        if fields != self.columns {
            let message = format!("{fields} fields where the header has {}", self.columns);
            parsed.refuse(parsed.lines, (BadRowReason::WrongFieldCount, message));
            return Ok(());
        }
        let check = || {
            let (customer, event_type) = (get(self.at.customer), self.at.event_type.map_or(&[][..], &get));
            if !is_utf8 {
                utf8(customer, "customer_id")?;
            }
            let day = date(self.dates, get(self.at.date))?;
            let amount = self.at.amount.map_or(Ok(f64::NAN), |i| amount(get(i)))?;
            if !is_utf8 {
                utf8(event_type, "event_type")?;
            }
            let label = self.at.label.map_or(Ok(None), |i| label(get(i)))?;
            if customer.is_empty() { Err(missing_customer()) } else { Ok((customer, day, amount, event_type, label)) }
        };
        match check() {
            Ok((customer, day, amount, event_type, label)) => {
                let id = parsed.rows.id(customer, &self.spread);
                parsed.rows.push(id, day, amount, event_type, label, parsed.lines as u32)
            }
            Err(refusal) => {
                parsed.refuse(parsed.lines, refusal);
                Ok(())
            }
        }
    }
}

/// Reads a whole log into a sink.
pub(crate) fn read<R: Read, S: Sink>(
    reader: R,
    options: &ReadOptions,
    sink: &mut S,
    observer: &dyn Observer,
) -> Result<IngestReport> {
    let dates = DateParser::new(options.date_format.as_deref())?;
    let mut intake = Intake::new(options)?;
    let mut records = Records::new(reader, options.delimiter)?;
    let names = header(&mut records)?;
    let wants = sink.wants();
    let parser = RowParser {
        dates: &dates,
        at: Positions::find(&names, &options.columns, wants.labels)?,
        columns: names.len(),
        delimiter: records.blocks.delimiter,
        wants,
        spread: sink.spread().clone(),
        shards: sink.parts().0.len(),
    };
    let (mut blocks, lines) = records.into_blocks();
    intake.starts_after(lines);
    let together = match parallel::threads() {
        1 => 1,
        threads => threads * BLOCKS_PER_THREAD,
    };
    let mut round = Round::new(together);
    let mut ahead = Round::new(together);
    let mut bytes = round.fill(&mut blocks)?;
    loop {
        step(observer, "read", bytes, 0)?;
        let Round { texts, filled, end } = &mut round;
        let take = || {
            let parsed = parallel::map_mut(&mut texts[..*filled], |_, text| parser.parse(text));
            intake.take(parsed, sink)
        };
        // A round that is not full is the last.
        let is_last = *filled < together;
        let (taken, read) = parallel::beside(take, || if is_last { Ok(0) } else { ahead.fill(&mut blocks) });
        taken?;
        end.error(intake.lines() + 1)?;
        if is_last {
            return intake.finish(sink);
        }
        bytes += read?;
        std::mem::swap(&mut round, &mut ahead);
    }
}

/// Blocks that are parsed together while the next ones are read.
struct Round {
    texts: Vec<Vec<u8>>,
    filled: usize,
    /// What stands behind the last of them.
    end: End,
}

impl Round {
    fn new(blocks: usize) -> Self {
        Round { texts: vec![Vec::new(); blocks], filled: 0, end: End::Sound }
    }

    /// Reads blocks, and returns their bytes.
    fn fill<R: Read>(&mut self, blocks: &mut Blocks<R>) -> Result<usize> {
        let mut bytes = 0;
        self.filled = 0;
        for text in &mut self.texts {
            self.end = blocks.next(text)?;
            if text.is_empty() {
                break;
            }
            bytes += text.len();
            self.filled += 1;
        }
        Ok(bytes)
    }
}

/// A field as CSV: quoted where it must be.
pub(crate) fn quoted(field: &str) -> std::borrow::Cow<'_, str> {
    if memchr(b'"', field.as_bytes()).is_none() && !field.contains([',', '\n', '\r']) {
        return field.into();
    }
    format!("\"{}\"", field.replace('"', "\"\"")).into()
}
