//! Forms with a file of events or subscriptions, for an upload and for a bulk prediction. The file is stored under the options of
//! its form: as plain CSV that is checked on the way, or in another form that the server finds.

use axum::http::StatusCode;
use churn::{CheckedCsv, Detected, ReadOptions};
use futures_util::StreamExt;
use serde_json::{Map, Value};

use super::datasets::{form_of, with_label};
use super::detected::{store_detected, store_periods};
use super::discard;
use super::training::check_options;
use crate::data::DataForm;
use crate::error::{ApiError, Result};
use crate::extract::boolean;
use crate::multipart::Multipart;
use crate::state::AppState;
use crate::storage::{Location, UploadError, Uploaded, store_any};
use crate::store::DataKind;

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

    /// Kind of the data, as far as the fields so far say.
    fn kind(&self) -> DataKind;
}

/// The file of a form, stored and valid.
#[derive(Debug)]
pub(super) struct FormFile {
    /// Location of its text.
    pub(super) at: Location,
    pub(super) filename: Option<String>,
    /// Size and rows of its text.
    pub(super) uploaded: Uploaded,
    /// The form of its text, which is UTF-8 whatever the received file was.
    pub(super) form: DataForm,
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
        let filename = received.filename;
        let options = match fields.form(of_organization, further)? {
            DataForm::Subscriptions { subscriptions: given } => {
                let (uploaded, options) = store_periods(state, received_at, received.size, text_at, &given).await?;
                let form = DataForm::from(options);
                return Ok(FormFile { at: text_at.clone(), filename, uploaded, form, detected: None });
            }
            DataForm::Events(options) => *options,
        };
        if fields.detect {
            let (uploaded, detected) = store_detected(state, received_at, received.size, text_at, &options).await?;
            let form = DataForm::from(detected.options.clone()).stored();
            return Ok(FormFile { at: text_at.clone(), filename, uploaded, form, detected: Some(detected) });
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
        let form = DataForm::from(options).stored();
        Ok(FormFile { at: received_at.clone(), filename, uploaded, form, detected: None })
    };
    let taken: Result<FormFile> = taken.await;
    if !matches!(&taken, Ok(FormFile { at, .. }) if at == received_at) {
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
    /// The form of the file under these fields.
    fn form(&self, of_organization: &ReadOptions, further: &impl FormFields) -> Result<DataForm> {
        let form = checked_form(further.kind(), of_organization, &self.read_options)?;
        Ok(match form {
            DataForm::Events(options) => with_label(*options, further.has_label()).into(),
            form => form,
        })
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
                let options = match (further.kind(), fields.detect) {
                    (DataKind::Events, false) => match fields.form(of_organization, further)? {
                        DataForm::Events(options) => Some(*options),
                        DataForm::Subscriptions { .. } => None,
                    },
                    _ => None,
                };
                let (size, checked) = match options {
                    // How its rows are read is found when all of it is there.
                    None => {
                        let stored = storage.put(at, "text/csv", field.content().boxed(), max_bytes).await;
                        (form.own_error_first(stored.map_err(UploadError::Storage))?, None)
                    }
                    // A later field may say that it is read in another way, so a file that is refused is kept until then.
                    Some(options) => {
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
                fields.read_options = parse_options(text.trim())?;
                // A field that follows may say that they are of another kind.
                let other = match further.kind() {
                    DataKind::Events => DataKind::Subscriptions,
                    DataKind::Subscriptions => DataKind::Events,
                };
                let checked = |kind| checked_form(kind, of_organization, &fields.read_options);
                if checked(other).is_err() {
                    checked(further.kind())?;
                }
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
fn parse_options(text: &str) -> Result<Map<String, Value>> {
    if text.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_str(text).map_err(|error| invalid(&error.to_string()))
}

/// The form with these options, which the reader takes.
///
/// # Errors
/// `invalid_body`.
fn checked_form(kind: DataKind, of_organization: &ReadOptions, options: &Map<String, Value>) -> Result<DataForm> {
    let form = form_of(kind, of_organization.clone(), Some(options))?;
    check_options(&form).map_err(|error| invalid(error.message()))?;
    Ok(form)
}

fn invalid(message: &str) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", format!("read_options: {message}"))
}
