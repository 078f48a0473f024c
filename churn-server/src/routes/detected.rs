//! Files in the forms that people have: the form of a stored file is found, and its text is stored as plain CSV in UTF-8.
//!
//! The file is read twice from the storage, because the form is found from a sample of the whole file. Neither pass holds the
//! file in memory, except a spreadsheet, whose parts are bounded.

use std::io::{self, Cursor, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use churn::{
    CheckedCsv, Detected, ErrorKind, Found, Question, ReadOptions, SubscriptionColumns, SubscriptionOptions,
    SubscriptionPreset, Subscriptions, TrialRead, check_csv, decoded_text, detect,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

use crate::data::ROWS_OF_A_PERIOD;
use crate::error::{ApiError, Result};
use crate::state::AppState;
use crate::storage::{Location, Storage, UploadError, Uploaded, store_text};

/// Maximum bytes of the parts of a spreadsheet together, and of its text.
const MAX_SPREADSHEET: u64 = 16 << 20;

/// First bytes of gzip, of zstd, and of zip files such as spreadsheets.
const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
const ZIP: &[u8] = b"PK\x03\x04";

/// The form of a file, found from a sample of the whole file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Detected)]
pub(super) struct DetectedAnswer {
    /// System that exports such files, if the columns are those of a known export.
    #[schema(example = "Shopify")]
    export: Option<String>,
    /// Options that were found, with the reason.
    #[schema(value_type = Vec<FoundSchema>)]
    found: Vec<Found>,
    /// Sentences on unusual things that do not keep the file from being read.
    doubts: Vec<String>,
    /// The sample read with these options.
    #[schema(value_type = Option<TrialReadSchema>)]
    trial: Option<TrialRead>,
    /// Names of the columns, in order.
    header: Vec<String>,
    /// Fields of the first rows.
    rows: Vec<Vec<String>>,
}

impl From<Detected> for DetectedAnswer {
    fn from(detected: Detected) -> Self {
        let Detected { export, found, doubts, trial, header, rows, .. } = detected;
        DetectedAnswer { export, found, doubts, trial, header, rows }
    }
}

/// An option that was found.
#[derive(ToSchema)]
#[schema(as = Found)]
#[expect(dead_code, reason = "it is only described: the library writes what it found")]
struct FoundSchema {
    /// Name of the option; those of the columns are `columns.customer_id` and so on.
    #[schema(example = "delimiter")]
    option: String,
    /// Value of the option.
    #[schema(example = json!(";"))]
    value: Value,
    /// Reason, with an example from the file.
    #[schema(example = "19 of 19 lines have 4 fields")]
    reason: String,
}

/// The sample of a file, read with the options that were found.
#[derive(ToSchema)]
#[schema(as = TrialRead)]
#[expect(dead_code, reason = "it is only described: the library writes the trial")]
struct TrialReadSchema {
    /// Number of rows of the sample.
    rows: u64,
    /// Number of rows of the sample that cannot be read.
    bad: u64,
    /// Reason why the first of them cannot be read; empty if there is none.
    first_bad: String,
    /// Number of customers.
    customers: u64,
    /// Customer with the most rows, and their number.
    #[schema(value_type = Vec<Value>, example = json!(["C0007", 12]))]
    largest_customer: (String, u64),
    #[schema(format = Date)]
    first_day: String,
    #[schema(format = Date)]
    last_day: String,
    /// Sum of the amounts.
    total_amount: f64,
    /// Event types in byte order, at most 50 of them.
    event_types: Vec<String>,
}

/// Finds the form of the file at `received`, and stores its text at `at`. Returns what was stored, and what was found. The
/// options that were found include the encoding of the received file; the stored text is UTF-8.
///
/// # Errors
/// `unclear_file` with the questions in the details; `unreadable_file` for a file that cannot be unpacked or decoded;
/// `payload_too_large` for a text larger than MAX_UPLOAD_BYTES; those of the data and of the storage.
pub(super) async fn store_detected(
    state: &AppState,
    received: &Location,
    size: u64,
    at: &Location,
    given: &ReadOptions,
) -> Result<(Uploaded, Detected)> {
    let opener = Opener::new(state, received, size).await?;
    let open_sample = opener.open(given.encoding.clone()).await?;
    let options = ReadOptions { encoding: None, ..given.clone() };
    let found = state.cpu.run(move || detect(open_sample()?, &options)).await?;
    let mut detected = found.map_err(|error| opener.explain(error))?;
    // The sample was decoded with a given encoding, so none was found.
    detected.options.encoding = detected.options.encoding.or_else(|| given.encoding.clone());
    if !detected.questions.is_empty() {
        return Err(unclear(detected));
    }

    let options = ReadOptions { encoding: None, ..detected.options.clone() };
    let check = move |reader: &mut dyn Read| check_csv(reader, &options);
    let uploaded = opener.store(at, detected.options.encoding.clone(), check).await?;
    Ok((uploaded, detected))
}

/// Reads the periods of the file at `received`, and stores its text at `at`. The file may be compressed, in another encoding, or a
/// spreadsheet. If the options name neither a preset nor columns and the columns are those of a known export, its preset is used.
/// Returns what was stored, and the options for reading it.
///
/// # Errors
/// `too_many_rows`; otherwise those of [`store_detected`] without `unclear_file`.
pub(super) async fn store_periods(
    state: &AppState,
    received: &Location,
    size: u64,
    at: &Location,
    given: &SubscriptionOptions,
) -> Result<(Uploaded, SubscriptionOptions)> {
    let opener = Opener::new(state, received, size).await?;
    let encoding = given.encoding.clone();
    let mut options = SubscriptionOptions { encoding: None, ..given.clone() };
    if options.preset.is_none() && options.columns == SubscriptionColumns::default() {
        let (open_header, asked) = (opener.open(encoding.clone()).await?, options.clone());
        let found = state.cpu.run(move || SubscriptionPreset::of_csv(open_header()?, &asked)).await?;
        options.preset = found.map_err(|error| opener.explain(error))?;
    }
    let (read_with, most) = (options.clone(), state.config.max_log_rows / ROWS_OF_A_PERIOD);
    let is_too_long = Arc::new(AtomicBool::new(false));
    let exceeded = is_too_long.clone();
    let check = move |reader: &mut dyn Read| {
        let mut lines = LimitedLines { reader, left: most.saturating_add(1), exceeded };
        let read = Subscriptions::from_csv(&mut lines, &read_with)?;
        let (report, first_day, last_day) = (read.report().clone(), read.first_day(), read.last_day());
        Ok(CheckedCsv { report, first_day, last_day })
    };
    let stored = opener.store(at, encoding, check).await;
    if is_too_long.load(Ordering::Relaxed) {
        return Err(ApiError::too_many_periods(most));
    }
    Ok((stored?, options))
}

/// Reader that fails beyond a number of lines.
struct LimitedLines<R> {
    reader: R,
    left: u64,
    exceeded: Arc<AtomicBool>,
}

impl<R: Read> Read for LimitedLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        let lines = buffer[..count].iter().filter(|&&byte| byte == b'\n').count() as u64;
        match self.left.checked_sub(lines) {
            Some(left) => self.left = left,
            None => {
                self.exceeded.store(true, Ordering::Relaxed);
                return Err(io::Error::other("the file has too many lines"));
            }
        }
        Ok(count)
    }
}

/// Opens the text of a received file, as often as it is needed.
struct Opener<'a> {
    state: &'a AppState,
    received: &'a Location,
    is_spreadsheet: bool,
    limit: u64,
    trouble: Trouble,
    /// Held by the readers, which work on after a caller who goes away.
    slot: Option<Arc<OwnedSemaphorePermit>>,
}

impl<'a> Opener<'a> {
    async fn new(state: &'a AppState, received: &'a Location, size: u64) -> Result<Self> {
        let head = first_bytes(state.storage.as_ref(), received, size).await?;
        let is_spreadsheet = head.starts_with(ZIP);
        let slot = match is_spreadsheet || head.starts_with(ZSTD) {
            true => Some(Arc::new(state.unpacking.clone().acquire_owned().await.map_err(ApiError::internal)?)),
            false => None,
        };
        let max_bytes = state.config.max_upload_bytes;
        let limit = if is_spreadsheet { max_bytes.min(MAX_SPREADSHEET) } else { max_bytes };
        Ok(Opener { state, received, is_spreadsheet, limit, trouble: Trouble::default(), slot })
    }

    /// A function that opens the text, for a thread for blocking work.
    async fn open(
        &self,
        encoding: Option<String>,
    ) -> Result<impl FnOnce() -> churn::Result<Held<Box<dyn Read>>> + use<>> {
        let source = self.state.storage.get(self.received).await?.reader();
        let (trouble, slot) = (self.trouble.clone(), self.slot.clone());
        let (limit, is_spreadsheet) = (self.limit, self.is_spreadsheet);
        Ok(move || {
            let text: Box<dyn Read> = Box::new(open(source, encoding.as_deref(), limit, is_spreadsheet, trouble)?);
            Ok(Held { text, _slot: slot })
        })
    }

    /// Stores the text while it is checked.
    async fn store(
        &self,
        at: &Location,
        encoding: Option<String>,
        check: impl FnOnce(&mut dyn Read) -> churn::Result<CheckedCsv> + Send + 'static,
    ) -> Result<Uploaded> {
        let open_text = self.open(encoding).await?;
        let max_bytes = self.state.config.max_upload_bytes;
        let stored = store_text(self.state.storage.as_ref(), at, open_text, max_bytes, check).await;
        stored.map_err(|error| match error {
            UploadError::Csv(error) => self.explain(error),
            UploadError::Storage(error) => error.into(),
        })
    }

    fn explain(&self, error: churn::Error) -> ApiError {
        self.trouble.explain(error, self.state.config.max_upload_bytes)
    }
}

/// The first bytes of an object of this size.
async fn first_bytes(storage: &dyn Storage, at: &Location, size: u64) -> Result<bytes::Bytes> {
    let length = size.min(4);
    if length == 0 {
        return Ok(bytes::Bytes::new());
    }
    Ok(storage.get_range(at, 0..length).await?.bytes(length).await?)
}

/// Opens the text of a file, with a limit on its size.
fn open<R: Read>(
    source: R,
    encoding: Option<&str>,
    limit: u64,
    is_spreadsheet: bool,
    trouble: Trouble,
) -> churn::Result<impl Read + use<R>> {
    let source = Source { source, trouble: trouble.clone() };
    // Here the limit of the parts of a spreadsheet counts; the size of the text is limited below, where the reason is kept.
    let most = if is_spreadsheet { limit } else { u64::MAX };
    let mut text = Limited { text: decoded_text(source, encoding, most)?, left: limit, trouble };
    let mut head = Vec::with_capacity(4);
    text.by_ref().take(4).read_to_end(&mut head)?;
    // The reader of the sample would unpack it again, without a limit.
    if [GZIP, ZSTD, ZIP].iter().any(|magic| head.starts_with(magic)) {
        return Err(io::Error::other("the file is compressed twice; unpack it once").into());
    }
    Ok(Cursor::new(head).chain(text))
}

/// Reader that holds a slot for unpacking.
struct Held<R> {
    text: R,
    _slot: Option<Arc<OwnedSemaphorePermit>>,
}

impl<R: Read> Read for Held<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.text.read(buffer)
    }
}

/// Reasons for a failure of a reader that its error does not tell apart.
#[derive(Clone, Debug, Default)]
struct Trouble {
    /// Error of the storage.
    source: Arc<Mutex<Option<io::Error>>>,
    /// True if the text is larger than its limit.
    is_too_large: Arc<AtomicBool>,
}

impl Trouble {
    /// The error for the caller. A fault of the file is theirs, a fault of the storage is ours.
    fn explain(&self, error: churn::Error, max_bytes: u64) -> ApiError {
        if let Some(error) = self.source.lock().unwrap_or_else(PoisonError::into_inner).take() {
            tracing::warn!(%error, "an uploaded file could not be read from the storage");
            return ApiError::unavailable("the storage cannot be read at the moment");
        }
        if self.is_too_large.load(Ordering::Relaxed) {
            return ApiError::too_large_unpacked(max_bytes);
        }
        match error.kind() {
            ErrorKind::Io => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "unreadable_file", error.to_string()),
            _ => error.into(),
        }
    }
}

/// Reader that keeps the error of the storage.
struct Source<R> {
    source: R,
    trouble: Trouble,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.read(buffer).inspect_err(|error| {
            let kept = io::Error::new(error.kind(), error.to_string());
            *self.trouble.source.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        })
    }
}

/// Reader that fails beyond a limit.
struct Limited<R> {
    text: R,
    left: u64,
    trouble: Trouble,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.text.read(buffer)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => {
                self.left = left;
                Ok(count)
            }
            None => {
                self.trouble.is_too_large.store(true, Ordering::Relaxed);
                Err(io::Error::other("the text of the file is too large"))
            }
        }
    }
}

/// The error for a file with questions. A reading is an object that can be sent as `read_options`.
fn unclear(detected: Detected) -> ApiError {
    let asked = |question: &Question| {
        let readings: Vec<Value> = question
            .readings
            .iter()
            .map(|reading| {
                let options: Map<String, Value> =
                    reading.options.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
                json!({ "options": options, "example": reading.example })
            })
            .collect();
        json!({
            "code": question.code, "message": question.message, "option": question.option, "readings": readings,
        })
    };
    let questions: Vec<Value> = detected.questions.iter().map(asked).collect();
    let details = json!({ "questions": questions, "header": detected.header, "rows": detected.rows });
    match detected.into_options() {
        Err(error) => ApiError::from(error).with_details(details),
        Ok(_) => ApiError::internal("a file without a question is not unclear"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8], limit: u64) -> (churn::Result<String>, Trouble) {
        let trouble = Trouble::default();
        let mut text = String::new();
        let read = open(bytes, None, limit, false, trouble.clone()).and_then(|mut reader| {
            reader.read_to_string(&mut text)?;
            Ok(())
        });
        (read.map(|()| text), trouble)
    }

    #[test]
    fn a_fault_of_the_file_is_told_from_one_of_the_storage() {
        let (read, _) = text(b"customer_id", 11);
        assert_eq!(read.expect("it is small enough"), "customer_id");
        let (read, trouble) = text(b"customer_id", 10);
        let error = trouble.explain(read.expect_err("it is too large"), 10);
        assert_eq!((error.status(), error.code()), (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large"));
        let (read, trouble) = text(b"\x1f\x8b no gzip", 100);
        let error = trouble.explain(read.expect_err("it is broken"), 100);
        assert_eq!((error.status(), error.code()), (StatusCode::UNPROCESSABLE_ENTITY, "unreadable_file"));

        struct Away;
        impl Read for Away {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the connection is gone"))
            }
        }
        let trouble = Trouble::default();
        let error = open(Away, None, 100, false, trouble.clone()).map(drop).expect_err("it is away");
        let error = trouble.explain(error, 100);
        assert_eq!((error.status(), error.code()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    }
}
