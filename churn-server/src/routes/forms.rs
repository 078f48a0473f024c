//! Forms with a file of events, for an upload and for a bulk prediction. The file is stored under the options of its form: as
//! plain CSV that is checked on the way, or in another form that the server finds.

use axum::http::StatusCode;
use churn::{CheckedCsv, Detected, ReadOptions};
use futures_util::StreamExt;
use serde_json::{Map, Value};

use super::datasets::{changed, with_label};
use super::detected::store_detected;
use super::discard;
use super::training::check_options;
use crate::error::{ApiError, Result};
use crate::extract::boolean;
use crate::multipart::Multipart;
use crate::state::AppState;
use crate::storage::{Location, UploadError, Uploaded, store_any};

/// Maximum bytes of the field `read_options`, as of other settings in JSON.
const MAX_READ_OPTIONS: usize = 20_000;

/// The fields of a form beside `file`, `detect` and `read_options`, which all these forms have.
pub(super) trait FormFields {
    /// Names of the fields.
    const NAMES: &'static [&'static str];
    /// Error message for a form without a file.
    const NO_FILE: &'static str = "the form has no field \"file\"";

    /// Takes the text of a field.
    ///
    /// # Errors
    /// The errors of the field.
    fn set(&mut self, name: &str, text: &str) -> Result<()>;

    /// True if the file has the column of labels.
    fn has_label(&self) -> bool {
        false
    }
}

/// The file of a form, stored and valid.
#[derive(Debug)]
pub(super) struct FormFile {
    /// Location of its text.
    pub(super) at: Location,
    pub(super) filename: Option<String>,
    /// Size and rows of its text.
    pub(super) uploaded: Uploaded,
    /// Options for reading its text, which is UTF-8 whatever the received file was.
    pub(super) read: ReadOptions,
    /// The form of the received file; None without `detect`.
    pub(super) detected: Option<Detected>,
}

/// Reads a form, whose fields may come in any order, and stores its file. The file is stored at `received_at`. With `detect` its
/// text is stored at `text_at`, and the received file is removed. After an error nothing is left at either place.
///
/// # Errors
/// `invalid_multipart` for a form without a file or with two; `invalid_body` for invalid options; those of the further fields,
/// of the data and of the storage; with `detect` those of [`store_detected`].
pub(super) async fn take_file(
    state: &AppState,
    form: &mut Multipart,
    further: &mut impl FormFields,
    (received_at, text_at): (&Location, &Location),
    of_organization: &ReadOptions,
) -> Result<FormFile> {
    let taken = async {
        let (received, fields) = receive(state, form, further, received_at, of_organization).await?;
        let options = fields.options(of_organization, further)?;
        let filename = received.filename;
        if fields.detect {
            let (uploaded, detected) = store_detected(state, received_at, received.size, text_at, &options).await?;
            let read = ReadOptions { encoding: None, ..detected.options.clone() };
            return Ok(FormFile { at: text_at.clone(), filename, uploaded, read, detected: Some(detected) });
        }
        let csv = match received.checked {
            Some((checked_with, result)) if checked_with == options => result?,
            _ => {
                // The form named options only after the file, so the file is checked again.
                let reader = state.storage.get(received_at).await?.reader();
                let options = options.clone();
                state.cpu.run(move || churn::check_csv(reader, &options)).await??
            }
        };
        let uploaded = Uploaded { size: received.size, csv };
        let read = ReadOptions { encoding: None, ..options };
        Ok(FormFile { at: received_at.clone(), filename, uploaded, read, detected: None })
    };
    let taken: Result<FormFile> = taken.await;
    if !matches!(&taken, Ok(FormFile { detected: None, .. })) {
        discard(state, received_at).await;
    }
    if taken.is_err() {
        discard(state, text_at).await;
    }
    taken
}

/// The fields that say how the file is read.
#[derive(Debug, Default)]
struct Fields {
    detect: bool,
    /// Empty if none are given.
    read_options: Map<String, Value>,
}

impl Fields {
    /// The options for reading the file under these fields.
    fn options(&self, of_organization: &ReadOptions, further: &impl FormFields) -> Result<ReadOptions> {
        Ok(with_label(changed(of_organization.clone(), Some(&self.read_options))?, further.has_label()))
    }
}

/// A file in storage.
#[derive(Debug)]
struct Received {
    filename: Option<String>,
    size: u64,
    /// Options and result of the check on the way; None if there was none.
    checked: Option<(ReadOptions, churn::Result<CheckedCsv>)>,
}

/// Reads the form, and stores its file at `at`.
async fn receive<F: FormFields>(
    state: &AppState,
    form: &mut Multipart,
    further: &mut F,
    at: &Location,
    of_organization: &ReadOptions,
) -> Result<(Received, Fields)> {
    let (storage, max_bytes) = (state.storage.as_ref(), state.config.max_upload_bytes);
    let (mut received, mut fields) = (None::<Received>, Fields::default());
    while let Some(field) = form.next().await? {
        match field.name() {
            Some("file") if received.is_some() => {
                return Err(ApiError::bad_request("invalid_multipart", "the form has the field \"file\" twice"));
            }
            Some("file") => {
                let filename = field.file_name().map(str::to_owned);
                let options = fields.options(of_organization, further)?;
                let (size, checked) = match fields.detect {
                    // How its rows are read is found when all of it is there.
                    true => {
                        let stored = storage.put(at, "text/csv", field.content().boxed(), max_bytes).await;
                        (form.own_error_first(stored.map_err(UploadError::Storage))?, None)
                    }
                    // A later field may say that it is read in another way, so a file that is refused is kept until then.
                    false => {
                        let stored = store_any(storage, at, field.content(), max_bytes, &options).await;
                        let (size, result) = form.own_error_first(stored)?;
                        (size, Some((options, result)))
                    }
                };
                received = Some(Received { filename, size, checked });
            }
            Some("detect") => fields.detect = boolean("detect", field.text().await?.trim())?,
            Some("read_options") => {
                let text = field.text_within(MAX_READ_OPTIONS).await?;
                fields.read_options = parse_options(text.trim(), of_organization)?;
            }
            Some(name) => {
                // Other fields are skipped.
                if let Some(name) = F::NAMES.iter().find(|known| **known == name) {
                    further.set(name, field.text().await?.trim())?;
                }
            }
            None => (),
        }
    }
    let received = received.ok_or_else(|| ApiError::bad_request("invalid_multipart", F::NO_FILE))?;
    Ok((received, fields))
}

/// Parses the field `read_options`, which may be empty.
///
/// # Errors
/// `invalid_body`.
fn parse_options(text: &str, of_organization: &ReadOptions) -> Result<Map<String, Value>> {
    if text.is_empty() {
        return Ok(Map::new());
    }
    let invalid = |message: String| {
        let message = format!("read_options: {message}");
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", message)
    };
    let options: Map<String, Value> = serde_json::from_str(text).map_err(|error| invalid(error.to_string()))?;
    let read = changed(of_organization.clone(), Some(&options))?;
    check_options(read).map_err(|error| invalid(error.message().to_owned()))?;
    Ok(options)
}
