//! Records of a CSV stream (RFC 4180), read block by block. No row is held twice, and memory does not grow with the file.
//!
//! LF or CRLF ends a record; CR alone too, if the first block has no LF at all. Blank lines are not records. A field that starts with a quote ends at the closing quote; doubled
//! quotes inside it stand for one quote, and it may contain delimiters and line ends. A quote elsewhere is an ordinary
//! character.
//!
//! After a closing quote there must be a delimiter or a line end. Anything else makes the record malformed. An example is
//! `"TV 32""`, where the last two quotes stand for one quote within the field, which then goes on to the next quote of the
//! file. A malformed record ends with the line on which the faulty field begins, so the lines below are read normally.
//!
//! A block is cut at the end of a record before it is parsed, so that blocks can be parsed in parallel.

use std::io::Read;

use memchr::{memchr, memchr_iter, memrchr};

use super::ingest::{BadRowReason, RowError, quote_for_message};
use super::separators::Separators;
use crate::error::{Error, ErrorKind, Result, invalid_parameter};

/// The largest record in bytes. A longer one means that the file is damaged, most often by a quote that is never closed.
pub(crate) const MAX_RECORD: usize = 1 << 20;
/// Size of a block in bytes: small enough that a block and the rows parsed from it stay in the cache of a core.
const BLOCK: usize = 1 << 17;
/// Cuts a stream into blocks of whole records.
pub(super) struct Blocks<R> {
    reader: R,
    delimiter: u8,
    carry: Vec<u8>,
    exhausted: bool,
    /// True if lines end in CR alone; then each is read as LF.
    returns: bool,
}

/// The state of the input after the last block.
#[derive(PartialEq)]
pub(super) enum End {
    /// No error: the input ends, or another block follows.
    Sound,
    TooLong,
    Unclosed,
}

impl End {
    pub(super) fn error(&self, line: u64) -> Result<()> {
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
    /// Starts reading after the first `skip_lines` lines.
    fn new(reader: R, delimiter: char, skip_lines: u32) -> Result<Self> {
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
        let mut blocks = Blocks { reader, delimiter, carry: Vec::new(), exhausted: false, returns: false };
        let mut head = Vec::new();
        blocks.fill(&mut head, BLOCK)?;
        if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
            let message = "the file is UTF-16 (it begins with that byte order mark); save it as UTF-8";
            return Err(Error::new(ErrorKind::NotUtf8, message).at_line(1));
        }
        if let Some(format) = compression(&head) {
            let message = format!("the file is compressed with {format}; decompress it first");
            return Err(Error::new(ErrorKind::NotUtf8, message).at_line(1));
        }
        if head.starts_with(b"\xef\xbb\xbf") {
            head.drain(..3);
        }
        // A line end that was added at the end of the stream does not count.
        let only_last = |at| blocks.exhausted && at + 1 == head.len();
        if memchr(b'\r', &head).is_some() && memchr(b'\n', &head).is_none_or(only_last) {
            blocks.returns = true;
            returns_to_line_ends(&mut head);
        }
        for skipped in 0..skip_lines {
            while memchr(b'\n', &head).is_none() && !blocks.exhausted {
                // The text of a line that is skipped is of no interest.
                head.clear();
                blocks.fill(&mut head, BLOCK)?;
            }
            let Some(end) = memchr(b'\n', &head) else {
                let message = format!("the file has {skipped} lines; skip_lines = {skip_lines} leaves none");
                return Err(Error::new(ErrorKind::EmptyFile, message).at_line(1));
            };
            head.drain(..=end);
        }
        blocks.carry = head;
        Ok(blocks)
    }

    /// Reads until the text has this length or the stream ends. At the end of the stream a missing line end is added.
    fn fill(&mut self, text: &mut Vec<u8>, length: usize) -> Result<()> {
        if self.exhausted || text.len() >= length {
            return Ok(());
        }
        let missing = length - text.len();
        text.reserve(missing + 1);
        let before = text.len();
        if self.reader.by_ref().take(missing as u64).read_to_end(text)? < missing {
            self.exhausted = true;
            if text.last().is_some_and(|&last| last != b'\n') {
                text.push(b'\n');
            }
        }
        if self.returns {
            returns_to_line_ends(&mut text[before..]);
        }
        Ok(())
    }

    /// Fills `text` with the next whole records; at the end of the stream it is empty.
    pub(super) fn next(&mut self, text: &mut Vec<u8>) -> Result<End> {
        text.clear();
        text.append(&mut self.carry);
        let mut length = BLOCK;
        loop {
            self.fill(text, length)?;
            let end = last_end(text, self.delimiter);
            // A block grows only while its first record is not complete.
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

    pub(super) fn reader(&mut self) -> &mut R {
        &mut self.reader
    }

    /// Puts records back in front of the remaining input.
    fn put_back(&mut self, mut text: Vec<u8>) {
        text.append(&mut self.carry);
        self.carry = text;
    }
}

/// The name of the compression, or of the kind of file, that these first bytes belong to; none for text.
pub(super) fn compression(head: &[u8]) -> Option<&'static str> {
    const MAGIC: [(&[u8], &str); 3] =
        [(&[0x1f, 0x8b], "gzip"), (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"), (b"PK\x03\x04", "zip, like a spreadsheet")];
    MAGIC.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name)
}

fn returns_to_line_ends(text: &mut [u8]) {
    text.iter_mut().filter(|c| **c == b'\r').for_each(|c| *c = b'\n');
}

/// Returns the end of the last whole record.
fn last_end(text: &[u8], delimiter: u8) -> usize {
    if memchr(b'"', text).is_none() {
        return memrchr(b'\n', text).map_or(0, |at| at + 1);
    }
    let mut cursor = RecordCursor { more: true, ..RecordCursor::new(text, delimiter) };
    while let RecordStep::Record { .. } | RecordStep::Malformed { .. } = cursor.next(text, &mut []) {}
    cursor.at
}

/// Returns the end of the first record, or of the text if the record is not complete.
fn first_end(text: &[u8], delimiter: u8) -> usize {
    let mut cursor = RecordCursor { more: true, ..RecordCursor::new(text, delimiter) };
    match cursor.next(text, &mut []) {
        RecordStep::Record { .. } | RecordStep::Malformed { .. } => cursor.at,
        RecordStep::End | RecordStep::Open => text.len(),
    }
}

/// The start and the end of a field in its block.
pub(super) type Span = (u32, u32);

/// A cursor over the records of a block.
pub(super) struct RecordCursor {
    delimiter: u8,
    separators: Separators,
    /// The position of the next record; `line` is the number of line ends before it.
    at: usize,
    pub(super) line: u32,
    /// True if more input may follow the text. If false, the text was cut at the end of a record. Then a record that is still
    /// open at its end is malformed: the cut was made with knowledge of the text after it, which showed that.
    more: bool,
}

pub(super) enum RecordStep {
    /// A record with `fields` fields. If it is not `plain`, [`unquote`] must be used to find its fields.
    Record { from: usize, to: usize, line: u32, fields: usize, plain: bool },
    /// A record with text after the closing quote of the field that begins at `open`.
    Malformed { open: usize, line: u32 },
    /// The block ends.
    End,
    /// The block ends within a record.
    Open,
}

impl RecordCursor {
    /// A cursor at the start of a whole block.
    pub(super) fn new(text: &[u8], delimiter: u8) -> Self {
        RecordCursor { delimiter, separators: Separators::from(text, 0, delimiter), at: 0, line: 0, more: false }
    }

    /// Finds the next record. Its fields are written to `spans`, as far as there is room.
    #[inline(always)]
    pub(super) fn next(&mut self, text: &[u8], spans: &mut [Span]) -> RecordStep {
        'records: while self.at < text.len() {
            let (from, line) = (self.at, self.line);
            let (mut start, mut fields, mut lines) = (from, 0, 1);
            loop {
                let at = self.separators.next(text);
                if at == text.len() {
                    return RecordStep::Open;
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
                        Quoted::Open => return self.open(text, from, at, line),
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
                        // A blank line.
                        continue 'records;
                    }
                    return RecordStep::Record { from, to: next, line, fields, plain: true };
                }
            }
        }
        RecordStep::End
    }

    /// Reads a field that starts with a quote.
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

    /// Reads a record with doubled quotes, or with text after a closing quote.
    #[cold]
    fn hard(&mut self, text: &[u8], from: usize, line: u32) -> RecordStep {
        let mut fields = Fields::new(self.delimiter);
        // The last quote that opened a field.
        let mut open = from;
        for at in from..text.len() {
            let was = fields.state;
            let part = fields.step(text[at]);
            if was == ParserState::FieldStart && part == CharClass::Quote {
                open = at;
            }
            if was == ParserState::QuoteInQuoted && part == CharClass::Data && text[at] != b'"' {
                match text.get(at + 1) {
                    Some(b'\n') if text[at] == b'\r' => (),
                    None if text[at] == b'\r' => break,
                    // At this position the record would be too long in any case.
                    _ if self.more && at - from > MAX_RECORD => break,
                    _ => return self.malformed(text, from, open, line),
                }
            }
            if part == CharClass::RecordEnd {
                self.ends(text, from, at + 1);
                return RecordStep::Record { from, to: at + 1, line, fields: fields.ended, plain: false };
            }
        }
        self.open(text, from, open, line)
    }

    /// Handles a record whose field that begins at `open` does not end in the text.
    #[cold]
    fn open(&mut self, text: &[u8], from: usize, open: usize, line: u32) -> RecordStep {
        if self.more { RecordStep::Open } else { self.malformed(text, from, open, line) }
    }

    /// Ends a malformed record at the end of the line on which its faulty field begins.
    #[cold]
    fn malformed(&mut self, text: &[u8], from: usize, open: usize, line: u32) -> RecordStep {
        let to = memchr(b'\n', &text[open..]).map_or(text.len(), |length| open + length + 1);
        self.ends(text, from, to);
        RecordStep::Malformed { open, line }
    }

    /// Moves on to the next record, which begins at `to`.
    fn ends(&mut self, text: &[u8], from: usize, to: usize) {
        self.at = to;
        self.line += memchr_iter(b'\n', &text[from..to]).count() as u32;
        self.separators = Separators::from(text, to, self.delimiter);
    }
}

enum Quoted {
    /// A complete field: it ends at `close`, and the next field or record begins at `to`.
    Field {
        close: usize,
        to: usize,
        ends_record: bool,
    },
    Open,
    Hard,
}

/// A state machine that reads a record character by character.
struct Fields {
    delimiter: u8,
    state: ParserState,
    ended: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum ParserState {
    FieldStart,
    Plain,
    Quoted,
    QuoteInQuoted,
}

/// The role of a character in its record.
#[derive(PartialEq)]
enum CharClass {
    Data,
    Quote,
    FieldEnd,
    RecordEnd,
}

impl Fields {
    fn new(delimiter: u8) -> Self {
        Fields { delimiter, state: ParserState::FieldStart, ended: 0 }
    }

    fn step(&mut self, c: u8) -> CharClass {
        let (state, part) = match (self.state, c) {
            (ParserState::Quoted, b'"') => (ParserState::QuoteInQuoted, CharClass::Quote),
            (ParserState::Quoted, _) | (ParserState::QuoteInQuoted, b'"') => (ParserState::Quoted, CharClass::Data),
            (ParserState::FieldStart, b'"') => (ParserState::Quoted, CharClass::Quote),
            (_, b'\n') => (ParserState::FieldStart, CharClass::RecordEnd),
            (_, c) if c == self.delimiter => (ParserState::FieldStart, CharClass::FieldEnd),
            (_, _) => (ParserState::Plain, CharClass::Data),
        };
        self.state = state;
        self.ended += usize::from(part == CharClass::FieldEnd || part == CharClass::RecordEnd);
        part
    }
}

/// Removes the quotes of the record from `from` to `to` in place, and writes the spans of its fields.
pub(super) fn unquote(text: &mut [u8], from: usize, to: usize, delimiter: u8, spans: &mut [Span]) {
    let mut fields = Fields::new(delimiter);
    let (mut start, mut end) = (from, from);
    for at in from..to {
        let c = text[at];
        let was = fields.state;
        match fields.step(c) {
            CharClass::Quote => (),
            CharClass::Data => {
                text[end] = c;
                end += 1;
            }
            part @ (CharClass::FieldEnd | CharClass::RecordEnd) => {
                // The carriage return of a CRLF is part of the line end, unless it is quoted.
                let returns =
                    part == CharClass::RecordEnd && was == ParserState::Plain && end > start && text[end - 1] == b'\r';
                if let Some(span) = spans.get_mut(fields.ended - 1) {
                    *span = (start as u32, (end - usize::from(returns)) as u32);
                }
                start = end;
            }
        }
    }
}

/// The error of a malformed record whose faulty field begins at `open`.
#[cold]
pub(super) fn text_after_quote(text: &[u8], open: usize) -> RowError {
    let line = text[open..].split(|&c| c == b'\n').next().unwrap_or(&[]);
    let message = format!(
        "text stands behind the closing quote of the field that begins with {} (expected a delimiter or the end of the line \
         there; a quote inside a quoted field is written twice)",
        quote_for_message(line.strip_suffix(b"\r").unwrap_or(line))
    );
    (BadRowReason::TextAfterQuote, message)
}

/// Reads the records of a stream one by one.
pub(crate) struct RecordReader<R> {
    blocks: Blocks<R>,
    text: Vec<u8>,
    cursor: RecordCursor,
    spans: Vec<Span>,
    /// Number of lines before the block.
    lines: u64,
}

/// A record with the bytes of its fields.
pub(crate) struct CsvRecord<'a> {
    /// The line that the record starts on, 1-based.
    pub(crate) line: u64,
    text: &'a [u8],
    spans: &'a [Span],
}

impl CsvRecord<'_> {
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    pub(crate) fn get(&self, index: usize) -> &[u8] {
        field(self.text, self.spans[index])
    }
}

#[inline(always)]
pub(super) fn field(text: &[u8], (start, end): Span) -> &[u8] {
    &text[start as usize..end as usize]
}

impl<R: Read> RecordReader<R> {
    /// Starts reading after the first `skip_lines` lines.
    pub(crate) fn new(reader: R, delimiter: char, skip_lines: u32) -> Result<Self> {
        let blocks = Blocks::new(reader, delimiter, skip_lines)?;
        let cursor = RecordCursor::new(&[], blocks.delimiter);
        Ok(RecordReader { blocks, text: Vec::new(), cursor, spans: vec![(0, 0); 32], lines: skip_lines.into() })
    }

    /// Reads the next record; `None` at the end of the stream, an error for a malformed record.
    pub(crate) fn next(&mut self) -> Result<Option<CsvRecord<'_>>> {
        loop {
            let delimiter = self.blocks.delimiter;
            let step = self.cursor.next(&self.text, &mut self.spans);
            if let RecordStep::Malformed { open, line } = step {
                let (line, (_, message)) = (self.lines + u64::from(line) + 1, text_after_quote(&self.text, open));
                return Err(Error::new(ErrorKind::BadRows, format!("line {line}: {message}")).at_line(line));
            }
            if let RecordStep::Record { from, to, line, fields, plain } = step {
                if fields > self.spans.len() {
                    // The record has more fields than any before. Read it again, with room for all.
                    self.spans.resize(fields, (0, 0));
                    let separators = Separators::from(&self.text, from, delimiter);
                    self.cursor = RecordCursor { delimiter, separators, at: from, line, more: false };
                    continue;
                }
                if !plain {
                    unquote(&mut self.text, from, to, delimiter, &mut self.spans);
                }
                let line = self.lines + u64::from(line) + 1;
                return Ok(Some(CsvRecord { line, text: &self.text, spans: &self.spans[..fields] }));
            }
            self.lines += u64::from(self.cursor.line);
            let end = self.blocks.next(&mut self.text)?;
            end.error(self.lines + 1)?;
            self.cursor = RecordCursor::new(&self.text, delimiter);
            if self.text.is_empty() {
                return Ok(None);
            }
        }
    }

    pub(super) fn delimiter(&self) -> u8 {
        self.blocks.delimiter
    }

    /// Returns the remaining input as blocks, and the number of lines before it.
    pub(super) fn into_blocks(mut self) -> (Blocks<R>, u64) {
        self.text.drain(..self.cursor.at);
        self.blocks.put_back(self.text);
        (self.blocks, self.lines + u64::from(self.cursor.line))
    }
}
