//! Reading of a CSV log that is pushed piece by piece, for example from a network or from a stream of a browser.

use std::collections::VecDeque;
use std::fmt;

use super::builder::Builder;
use super::csv::{Rounds, ValueForm, check_utf8};
use super::dates::DateParser;
use super::ingest::Intake;
use super::{Events, ReadOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Observer;

/// Number of bytes that must be buffered before a round is parsed. A round never needs more, so the end of the buffer is never
/// taken for the end of the log. A block grows to twice the longest record, 2 MiB, and the first round needs three blocks.
const ENOUGH: usize = 8 << 20;

/// Reads a CSV log that is passed piece by piece, on one thread. It buffers up to 8 MiB of text in addition to the events.
///
/// ```
/// use churn::{CsvReading, ReadOptions};
/// let mut reading = CsvReading::new(&ReadOptions::default())?;
/// for piece in ["customer_id,event_da", "te\nanna,2024-01-05\nbert,20", "24-01-07\n"] {
///     reading.push(piece.as_bytes(), &())?;
/// }
/// let events = reading.finish(&())?;
/// assert_eq!((events.len(), events.last_day().to_string().as_str()), (2, "2024-01-07"));
/// # Ok::<(), churn::Error>(())
/// ```
pub struct CsvReading {
    options: ReadOptions,
    builder: Builder,
    state: ReadingState,
}

impl fmt::Debug for CsvReading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CsvReading").field("options", &self.options).finish_non_exhaustive()
    }
}

enum ReadingState {
    /// The header has not been read yet.
    Waiting(VecDeque<u8>),
    Reading(Box<Rounds<VecDeque<u8>>>),
    /// Reading has failed, and the error was returned.
    Failed,
}

impl CsvReading {
    /// Starts reading a log.
    ///
    /// # Errors
    /// `invalid_parameter` for an invalid date format, number form or share, and for an encoding other than UTF-8.
    pub fn new(options: &ReadOptions) -> Result<Self> {
        DateParser::new(options.date_format.as_deref())?;
        Intake::new(options)?;
        ValueForm::new(options)?;
        check_utf8(options)?;
        Ok(CsvReading {
            options: options.clone(),
            builder: Builder::default(),
            state: ReadingState::Waiting(VecDeque::new()),
        })
    }

    /// Adds the next bytes, in pieces of any length. After an error nothing more can be read.
    ///
    /// # Errors
    /// The errors of [`Events::from_csv`], and `cancelled`.
    pub fn push(&mut self, bytes: &[u8], observer: &dyn Observer) -> Result<()> {
        let pending = match &mut self.state {
            ReadingState::Waiting(pending) => pending,
            ReadingState::Reading(rounds) => rounds.reader(),
            ReadingState::Failed => return Err(failed()),
        };
        pending.extend(bytes);
        self.parse(ENOUGH, observer)
    }

    /// Ends the log and returns its events.
    ///
    /// # Errors
    /// The errors of [`Events::from_csv`], and `cancelled`.
    pub fn finish(mut self, observer: &dyn Observer) -> Result<Events> {
        self.parse(0, observer)?;
        let ReadingState::Reading(rounds) = self.state else { return Err(failed()) };
        let report = rounds.finish(&mut self.builder)?;
        self.builder.finish(report)
    }

    /// Parses as long as `enough` bytes are buffered; with 0, to the end of the buffer.
    fn parse(&mut self, enough: usize, observer: &dyn Observer) -> Result<()> {
        let found = self.try_parse(enough, observer);
        if found.is_err() {
            self.state = ReadingState::Failed;
        }
        found
    }

    fn try_parse(&mut self, enough: usize, observer: &dyn Observer) -> Result<()> {
        if let ReadingState::Waiting(pending) = &mut self.state {
            if pending.len() < enough {
                return Ok(());
            }
            let rounds = Rounds::start(std::mem::take(pending), &self.options, &mut self.builder, 1)?;
            self.state = ReadingState::Reading(Box::new(rounds));
        }
        if let ReadingState::Reading(rounds) = &mut self.state {
            while rounds.reader().len() >= enough && rounds.take(&mut self.builder, observer)? {}
        }
        Ok(())
    }
}

fn failed() -> Error {
    Error::new(ErrorKind::InvalidParameter, "reading this log has failed before; begin again with a new CsvReading")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of more than twice the buffered bytes, with quoted line ends and a bad row, in pieces of several lengths. The
    /// result is the same as that of reading it at once.
    #[test]
    fn pieces_of_any_length_are_the_whole() {
        let mut log = String::from("customer_id,event_date,amount\n");
        let mut row = 0;
        while log.len() < 2 * ENOUGH + ENOUGH / 2 {
            let day = row % 28 + 1;
            log += &format!("\"customer\n{}\",2024-{:02}-{day:02},{}.25\r\n", row % 1000, row % 12 + 1, row % 90);
            row += 1;
        }
        log += "late,2024-02-30,1\n";
        let options = ReadOptions { on_bad_row: crate::OnBadRow::Skip, ..ReadOptions::default() };
        let whole = Events::from_csv(log.as_bytes(), &options).unwrap();
        assert_eq!((whole.len(), whole.report().bad), (row, 1));
        for length in [977, 1 << 16, 5 << 20, log.len()] {
            let mut reading = CsvReading::new(&options).unwrap();
            for piece in log.as_bytes().chunks(length) {
                reading.push(piece, &()).unwrap();
            }
            let events = reading.finish(&()).unwrap();
            assert_eq!(events.report(), whole.report(), "pieces of {length}");
            assert!(events.iter().eq(whole.iter()), "pieces of {length}");
        }
    }

    /// A log that cannot be read gives an error as soon as that is known, and gives errors from then on.
    #[test]
    fn errors_are_those_of_the_whole() {
        let code = |pieces: &[&str]| -> &'static str {
            let mut reading = CsvReading::new(&ReadOptions::default()).unwrap();
            for piece in pieces {
                reading.push(piece.as_bytes(), &()).unwrap();
            }
            reading.finish(&()).unwrap_err().code()
        };
        assert_eq!(code(&[]), "empty_file");
        assert_eq!(code(&["customer_id,amou", "nt\n"]), "missing_column");
        assert_eq!(code(&["customer_id,event_date\nA,2024-", "01-32\n"]), "bad_rows");
        assert_eq!(code(&["customer_id,event_date\n\"A,2024-", "01-02\n"]), "unclosed_quote");
        let mut reading = CsvReading::new(&ReadOptions::default()).unwrap();
        let line = "a".repeat(ENOUGH);
        assert_eq!(reading.push(line.as_bytes(), &()).unwrap_err().code(), "record_too_long");
        assert_eq!(reading.push(b"more", &()).unwrap_err().code(), "invalid_parameter");
    }
}
