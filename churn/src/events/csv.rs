//! Reading a CSV log: finds the columns, and converts records to checked rows.

use std::io::Read;

use memchr::memchr;

use super::dates::DateParser;
use super::ids::{IdHasher, Names};
use super::ingest::{
    BadRow, BadRowReason, IngestReport, Intake, Parsed, amount, date, label, missing_customer, plain_amount,
    quote_for_message, utf8,
};
use super::merge::Merge;
use super::numbers::NumberFormat;
use super::options::ReadOptions;
use super::records::{Blocks, End, RecordCursor, RecordReader, RecordStep, Span, field, text_after_quote, unquote};
use super::rows::{GoodRow, ParsedRows, Shard, Sink, Wants};
use super::separators;
use super::text::Text;
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::parallel;
use crate::progress::{Observer, report_read};

/// Number of blocks per thread in a round of parsing, after which the rows are taken over.
const BLOCKS_PER_THREAD: usize = 8;

/// Reads the header record and returns its names, trimmed, in order.
pub(crate) fn header<R: Read>(records: &mut RecordReader<R>) -> Result<Vec<String>> {
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
                    quote_for_message(record.get(i))
                );
                Err(Error::new(ErrorKind::NotUtf8, message).at_line(line))
            }
        })
        .collect()
}

/// Finds the index of a column, by the caller's name for it (then it is required) or by its default name. None for an optional
/// column whose given name is empty.
pub(crate) fn find_column(names: &[String], mapped: Option<&str>, own: &str, required: bool) -> Result<Option<usize>> {
    if mapped == Some("") && !required {
        return Ok(None);
    }
    let name = mapped.unwrap_or(own);
    let mut found = names.iter().enumerate().filter(|(_, n)| *n == name).map(|(i, _)| i);
    match (found.next(), found.next()) {
        (Some(at), None) => Ok(Some(at)),
        (Some(_), Some(_)) => {
            let message = format!("the column {name:?} stands in the header twice; rename one of them");
            Err(Error::new(ErrorKind::DuplicateColumn, message).at_line(1))
        }
        (None, _) if required || mapped.is_some() => {
            let there: Vec<String> = names.iter().take(30).map(|name| quote_for_message(name.as_bytes())).collect();
            let advice = match names {
                [only] => match [';', '\t', '|', ','].into_iter().find(|&mark| only.contains(mark)) {
                    Some(mark) => format!("delimiter = {mark:?} separates its parts"),
                    None => "If this is a title, skip_lines = 1 leaves it out".to_owned(),
                },
                _ => format!("Map {own} to the right one if it goes by another name"),
            };
            let message = format!("no column {name:?}; the header has {}. {advice}", there.join(", "));
            Err(Error::new(ErrorKind::MissingColumn, message).at_line(1))
        }
        (None, _) => Ok(None),
    }
}

/// The indices of the columns of a log.
pub(crate) struct Positions {
    pub(crate) customer: usize,
    pub(crate) date: usize,
    pub(crate) amount: Option<usize>,
    pub(crate) event_type: Option<usize>,
    pub(crate) order: Option<usize>,
    pub(crate) label: Option<usize>,
}

impl Positions {
    pub(crate) fn find(names: &[String], options: &ReadOptions, labels: bool) -> Result<Self> {
        let columns = &options.columns;
        let find = |mapped: &Option<String>, own, required| find_column(names, mapped.as_deref(), own, required);
        Ok(Positions {
            customer: find(&columns.customer_id, "customer_id", true)?.expect("a required column is found"),
            date: find(&columns.event_date, "event_date", true)?.expect("a required column is found"),
            amount: find(&columns.amount, "amount", false)?,
            event_type: find(&columns.event_type, "event_type", false)?,
            order: match options.merge {
                Merge::None => find(&columns.order_id, "order_id", false)?,
                Merge::Day => None,
            },
            label: if labels { find(&columns.churn_label, "churn_label", false)? } else { None },
        })
    }
}

/// Parses blocks of records into rows.
struct RowParser {
    dates: DateParser,
    at: Positions,
    columns: usize,
    delimiter: u8,
    wants: Wants,
    hasher: IdHasher,
    shards: usize,
    /// The form of the values where it is not the standard one; none if it is, for all of them.
    form: Option<ValueForm>,
    skip_anonymous: bool,
}

/// The form of the values: of numbers, of missing values, and of rows that are no events.
pub(super) struct ValueForm {
    numbers: Option<NumberFormat>,
    nulls: Vec<String>,
    ignored: Vec<String>,
}

impl ValueForm {
    pub(super) fn new(options: &ReadOptions) -> Result<Option<Self>> {
        let numbers = NumberFormat::new(options.decimal, options.thousands, options.currency)?;
        let (nulls, ignored) = (options.null_values.clone(), options.ignore_rows.clone());
        let standard = numbers.is_none() && nulls.is_empty() && ignored.is_empty();
        Ok((!standard).then_some(ValueForm { numbers, nulls, ignored }))
    }

    fn is_null(&self, field: &[u8]) -> bool {
        is_one_of(&self.nulls, field)
    }
}

fn is_one_of(texts: &[String], field: &[u8]) -> bool {
    let field = field.trim_ascii();
    texts.iter().any(|text| text.trim_ascii().as_bytes() == field)
}

impl RowParser {
    /// Parses a block, and reuses the memory of `parsed`.
    fn parse(&self, text: &mut [u8], parsed: &mut Parsed) {
        parsed.clear();
        parsed.rows.wants = self.wants;
        // Checked once for all fields. That is valid because a separator byte is never part of another UTF-8 character.
        let is_utf8 = text.is_ascii() || std::str::from_utf8(text).is_ok();
        let done = match memchr(b'"', text) {
            None => self.without_quotes(text, is_utf8, parsed),
            Some(_) => self.with_quotes(text, is_utf8, parsed),
        };
        parsed.failed = done.err();
        parsed.rows.partition(&self.hasher, self.shards);
    }

    /// Parses a block without quotes. Every separator then ends a field, so all separators are found in one pass.
    fn without_quotes(&self, text: &[u8], is_utf8: bool, parsed: &mut Parsed) -> Result<()> {
        let mut separators = std::mem::take(&mut parsed.separators);
        let n = separators::positions(text, self.delimiter, &mut separators);
        let done = self.between(text, &separators[..n], is_utf8, parsed);
        parsed.separators = separators;
        done
    }

    /// Parses the rows between these separators.
    fn between(&self, text: &[u8], separators: &[u32], is_utf8: bool, parsed: &mut Parsed) -> Result<()> {
        let ends_record = |end: &u32| text[*end as usize] == b'\n';
        let (mut rest, mut start) = (separators, 0);
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
                self.record(text, fields, |i| (begin(i), end(i)), is_utf8, parsed)?;
            }
            parsed.lines += 1;
            (rest, start) = (&rest[fields..], line_end + 1);
        }
        Ok(())
    }

    fn with_quotes(&self, text: &mut [u8], is_utf8: bool, parsed: &mut Parsed) -> Result<()> {
        let mut spans = vec![(0, 0); self.columns];
        let mut cursor = RecordCursor::new(text, self.delimiter);
        loop {
            match cursor.next(text, &mut spans) {
                RecordStep::Record { from, to, line, fields, plain } => {
                    if fields == self.columns && !plain {
                        unquote(text, from, to, self.delimiter, &mut spans);
                    }
                    parsed.lines = u64::from(line);
                    self.record(text, fields, |i| spans[i], is_utf8, parsed)?;
                }
                RecordStep::Malformed { open, line } => parsed.refuse(line.into(), text_after_quote(text, open)),
                RecordStep::End | RecordStep::Open => break,
            }
        }
        parsed.lines = u64::from(cursor.line);
        Ok(())
    }

    /// Parses a record with `fields` fields, which starts after the lines counted so far.
    #[inline(always)]
    fn record(
        &self,
        text: &[u8],
        fields: usize,
        span: impl Fn(usize) -> Span,
        is_utf8: bool,
        parsed: &mut Parsed,
    ) -> Result<()> {
        let get = |i| field(text, span(i));
        let get_or_empty = |at: Option<usize>| at.map_or(&[][..], get);
        // The fast path, for nearly all rows: a valid row with an ISO date, a plain amount and no label.
        if fields == self.columns && is_utf8 && self.at.label.is_none() && self.form.is_none() {
            let customer = get(self.at.customer);
            let amount = self.at.amount.map_or(Some(f64::NAN), |i| plain_amount(text, span(i)));
            if let (Some(day), Some(amount), false) =
                (self.dates.parse_plain(get(self.at.date)), amount, customer.is_empty())
            {
                let (event_type, order) = (get_or_empty(self.at.event_type), get_or_empty(self.at.order));
                let row = GoodRow { day, amount, event_type, order, label: None, line: parsed.lines as u32 };
                return parsed.rows.push(customer, &self.hasher, row);
            }
        }
        self.any_record(text, fields, span, is_utf8, parsed)
    }

    /// The slow path of [`RowParser::record`], for any record.
    #[inline(never)]
    fn any_record(
        &self,
        text: &[u8],
        fields: usize,
        span: impl Fn(usize) -> Span,
        is_utf8: bool,
        parsed: &mut Parsed,
    ) -> Result<()> {
        if fields != self.columns {
            let message = format!("{fields} fields where the header has {}", self.columns);
            parsed.refuse(parsed.lines, (BadRowReason::WrongFieldCount, message));
            return Ok(());
        }
        let is_ignored = |first: &[u8]| self.form.as_ref().is_some_and(|form| is_one_of(&form.ignored, first));
        let is_blank = || (0..fields).all(|i| field(text, span(i)).trim_ascii().is_empty());
        let has_date = self.at.date != 0 && !field(text, span(self.at.date)).trim_ascii().is_empty();
        if !has_date && is_ignored(field(text, span(0))) || is_blank() {
            parsed.ignored += 1;
            return Ok(());
        }
        let get = |i| match field(text, span(i)) {
            field if self.form.as_ref().is_some_and(|form| form.is_null(field)) => &[],
            field => field,
        };
        if self.skip_anonymous && get(self.at.customer).is_empty() {
            parsed.ignored += 1;
            return Ok(());
        }
        let amount_at = |i| match &self.form {
            None => amount(text, span(i)),
            Some(ValueForm { numbers: Some(numbers), .. }) => numbers.amount(get(i)),
            Some(_) if get(i).is_empty() => Ok(f64::NAN),
            Some(_) => amount(text, span(i)),
        };
        let check = || {
            let get_or_empty = |at: Option<usize>| at.map_or(&[][..], get);
            let (event_type, order) = (get_or_empty(self.at.event_type), get_or_empty(self.at.order));
            let customer = get(self.at.customer);
            if !is_utf8 {
                utf8(customer, "customer_id")?;
            }
            let day = date(&self.dates, get(self.at.date)).map_err(|(reason, message)| {
                // Finding the form of a date takes long, so it is done for one row of a block only.
                let first = parsed.refused.is_empty();
                (reason, if first { message + &self.dates.advice(get(self.at.date)) } else { message })
            })?;
            let amount = self.at.amount.map_or(Ok(f64::NAN), amount_at)?;
            if !is_utf8 {
                utf8(event_type, "event_type")?;
                utf8(order, "order_id")?;
            }
            let label = self.at.label.map_or(Ok(None), |i| label(get(i)))?;
            if customer.is_empty() {
                let (reason, message) = missing_customer();
                return Err((reason, message + "; skip_anonymous = true leaves such rows out"));
            }
            let line = parsed.lines as u32;
            Ok((customer, GoodRow { day, amount, event_type, order, label, line }))
        };
        match check() {
            Ok((customer, row)) => parsed.rows.push(customer, &self.hasher, row),
            Err(refusal) => {
                parsed.refuse(parsed.lines, refusal);
                Ok(())
            }
        }
    }
}

/// Checks the header and every row of a CSV log without keeping them. It finds the bad rows that
/// [`Events::from_csv`](crate::Events::from_csv) would find, in memory that does not grow with the file, on one thread. It is
/// meant for a log that is stored elsewhere at the same time, such as an upload.
///
/// The text must be UTF-8 and not compressed, so that what is stored beside it can be read by every build.
///
/// It does not compare the labels of one customer, count event types, merge rows or count similar rows, because that would
/// take memory for the earlier rows. The churn_label column is checked if there is one.
///
/// ```
/// use churn::{OnBadRow, ReadOptions, check_csv};
/// let csv = "customer_id,event_date,amount\nanna,2024-01-05,12.50\nbert,2024-01-32,1\n";
/// let error = check_csv(csv.as_bytes(), &ReadOptions::default()).unwrap_err();
/// assert_eq!((error.code(), error.line()), ("bad_rows", Some(3)));
///
/// let options = ReadOptions { on_bad_row: OnBadRow::Skip, max_bad_share: 0.5, ..ReadOptions::default() };
/// let checked = check_csv(csv.as_bytes(), &options)?;
/// assert_eq!((checked.report.rows, checked.report.good, checked.report.bad_rows[0].line), (2, 1, 3));
/// assert_eq!(checked.last_day.to_string(), "2024-01-05");
/// # Ok::<(), churn::Error>(())
/// ```
///
/// # Errors
/// The errors of [`Events::from_csv`](crate::Events::from_csv), except those that need the comparisons named above.
pub fn check_csv(reader: impl Read, options: &ReadOptions) -> Result<CheckedCsv> {
    let mut sink = CheckSink { hasher: IdHasher::default(), days: [DaySpan(None)], names: Names::default() };
    check_utf8(options)?;
    let report = read_in_rounds(reader, options, &mut sink, &(), 1)?;
    let (first, last) = sink.days[0].0.expect("reading succeeds with a good row only");
    let day = |number| Day::new(number).expect("days of rows are days");
    Ok(CheckedCsv { report, first_day: day(first), last_day: day(last) })
}

/// Refuses an encoding other than UTF-8 where the bytes are taken as they are.
pub(super) fn check_utf8(options: &ReadOptions) -> Result<()> {
    match options.encoding.as_deref().filter(|label| !label.eq_ignore_ascii_case("utf-8")) {
        None => Ok(()),
        Some(encoding) => {
            let expected = "utf-8: this text is not decoded";
            Err(invalid_parameter("encoding", format!("{encoding:?}"), expected))
        }
    }
}

/// The result of [`check_csv`].
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedCsv {
    /// The counts of good and bad rows, and the bad rows.
    pub report: IngestReport,
    /// The first day of the good rows.
    pub first_day: Day,
    /// The last day of the good rows.
    pub last_day: Day,
}

/// A sink that keeps only the first and the last day.
struct CheckSink {
    hasher: IdHasher,
    days: [DaySpan; 1],
    names: Names,
}

/// The first and the last day; none before the first row.
struct DaySpan(Option<(i32, i32)>);

impl Sink for CheckSink {
    type Shard = DaySpan;

    fn wants(&self) -> Wants {
        Wants { labels: true, ..Wants::default() }
    }

    fn hasher(&self) -> &IdHasher {
        &self.hasher
    }

    fn parts(&mut self) -> (&mut [DaySpan], &mut Names) {
        (&mut self.days, &mut self.names)
    }
}

impl Shard for DaySpan {
    fn take(&mut self, _: usize, rows: &ParsedRows) -> Vec<BadRow> {
        for &day in &rows.days {
            let (first, last) = self.0.unwrap_or((day, day));
            self.0 = Some((first.min(day), last.max(day)));
        }
        Vec::new()
    }
}

/// Reads a whole log into a sink.
pub(crate) fn read<R: Read, S: Sink>(
    reader: R,
    options: &ReadOptions,
    sink: &mut S,
    observer: &dyn Observer,
) -> Result<IngestReport> {
    let together = match parallel::threads() {
        1 => 1,
        threads => threads * BLOCKS_PER_THREAD,
    };
    let reader = Text::new(reader, options.encoding.as_deref())?;
    read_in_rounds(reader, options, sink, observer, together)
}

/// Reads a log, `together` blocks at a time.
fn read_in_rounds<R: Read, S: Sink>(
    reader: R,
    options: &ReadOptions,
    sink: &mut S,
    observer: &dyn Observer,
    together: usize,
) -> Result<IngestReport> {
    let mut rounds = Rounds::start(reader, options, sink, together)?;
    while rounds.take(sink, observer)? {}
    rounds.finish(sink)
}

/// The reading of a log in rounds: the blocks of a round are parsed while those of the next are read.
pub(super) struct Rounds<R> {
    parser: RowParser,
    intake: Intake,
    blocks: Blocks<R>,
    round: Round,
    ahead: Round,
    parsed: Vec<Parsed>,
    /// Number of bytes read so far.
    bytes: u64,
}

impl<R: Read> Rounds<R> {
    /// Reads the header and the blocks of the first round.
    pub(super) fn start<S: Sink>(reader: R, options: &ReadOptions, sink: &mut S, together: usize) -> Result<Self> {
        let dates = DateParser::new(options.date_format.as_deref())?;
        let mut intake = Intake::new(options)?;
        let mut records = RecordReader::new(reader, options.delimiter, options.skip_lines)?;
        let names = header(&mut records)?;
        let wants = sink.wants();
        let at = Positions::find(&names, options, wants.labels)?;
        let parser = RowParser {
            dates,
            wants: wants.of_source(options.unit(at.order.is_some())).within(options),
            at,
            columns: names.len(),
            delimiter: records.delimiter(),
            hasher: sink.hasher().clone(),
            shards: sink.parts().0.len(),
            form: ValueForm::new(options)?,
            skip_anonymous: options.skip_anonymous,
        };
        let (mut blocks, lines) = records.into_blocks();
        intake.starts_after(lines);
        let mut round = Round::new(together);
        let bytes = round.fill(&mut blocks)?;
        let parsed = std::iter::repeat_with(Parsed::default).take(together).collect();
        Ok(Rounds { parser, intake, blocks, round, ahead: Round::new(together), parsed, bytes })
    }

    /// The source of the log.
    pub(super) fn reader(&mut self) -> &mut R {
        self.blocks.reader()
    }

    /// Returns the report, after all rounds were taken.
    pub(super) fn finish<S: Sink>(self, sink: &mut S) -> Result<IngestReport> {
        self.intake.finish(sink)
    }

    /// Parses a round into the sink, and reads the next one. Returns false after the last round.
    pub(super) fn take<S: Sink>(&mut self, sink: &mut S, observer: &dyn Observer) -> Result<bool> {
        report_read(observer, self.bytes)?;
        let Rounds { parser, intake, blocks, round: Round { texts, filled, end }, ahead, parsed, .. } = self;
        let together = texts.len();
        let mut take = || {
            let parsed = &mut parsed[..*filled];
            let mut both: Vec<_> = texts.iter_mut().zip(parsed.iter_mut()).collect();
            parallel::map_mut(&mut both, |_, (text, parsed)| parser.parse(text, parsed));
            intake.take(parsed, sink)
        };
        // A round that is not full is the last one.
        let is_last = *filled < together;
        let mut read_on = || if is_last { Ok(0) } else { ahead.fill(blocks) };
        let (taken, read) = if together == 1 { (take(), read_on()) } else { parallel::join(take, read_on) };
        taken?;
        end.error(intake.lines() + 1)?;
        self.bytes += read?;
        std::mem::swap(&mut self.round, &mut self.ahead);
        Ok(!is_last)
    }
}

/// Blocks that are parsed together while the next ones are read.
struct Round {
    texts: Vec<Vec<u8>>,
    filled: usize,
    /// The state of the input after the last of these blocks.
    end: End,
}

impl Round {
    fn new(blocks: usize) -> Self {
        Round { texts: vec![Vec::new(); blocks], filled: 0, end: End::Sound }
    }

    /// Reads the blocks of a round, and returns the number of their bytes.
    fn fill<R: Read>(&mut self, blocks: &mut Blocks<R>) -> Result<u64> {
        let mut bytes = 0;
        self.filled = 0;
        for text in &mut self.texts {
            self.end = blocks.next(text)?;
            if text.is_empty() {
                break;
            }
            bytes += text.len() as u64;
            self.filled += 1;
        }
        Ok(bytes)
    }
}

/// A field as CSV, quoted if necessary.
pub(crate) fn quoted(field: &str) -> std::borrow::Cow<'_, str> {
    if memchr(b'"', field.as_bytes()).is_none() && !field.contains([',', '\n', '\r']) {
        return field.into();
    }
    format!("\"{}\"", field.replace('"', "\"\"")).into()
}
