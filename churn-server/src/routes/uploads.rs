//! The upload of a data set: as plain CSV that is checked on the way, or in another form that the server finds.

use axum::extract::State;
use axum::http::StatusCode;
use churn::{CheckedCsv, Detected, Found, ReadOptions, TrialRead};
use futures_util::StreamExt;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::datasets::{changed, path_of, with_label};
use super::detected::store_detected;
use super::discard;
use super::training::check_options;
use crate::auth::{Tenant, Write};
use crate::error::{ApiError, ErrorBody, Result};
use crate::extract::{Json, boolean, checked_text, new_id};
use crate::multipart::Multipart;
use crate::state::AppState;
use crate::storage::{Location, UploadError, Uploaded, store_any};
use crate::store::{DatasetStatus, NewDataset};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(upload))
}

/// Maximum bytes of the field `read_options`, as of other settings in JSON.
const MAX_READ_OPTIONS: usize = 20_000;

/// The form of an upload.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is only described: the fields are read as they come")]
struct UploadForm {
    /// A CSV file with a header. The columns customer_id and event_date are required; amount, event_type and churn_label are
    /// optional. With `detect`, also a file with other names of columns, other forms of dates and numbers, another delimiter or
    /// encoding, compressed with gzip or zstd, or a spreadsheet (.xlsx).
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// True if the file has the column churn_label: true, false, 1, 0, True, False.
    #[schema(default = "false", example = "false")]
    has_churn_label: Option<String>,
    /// True to find how the file is written: true, false, 1, 0, True, False.
    #[schema(default = "false", example = "true")]
    detect: Option<String>,
    /// Reading options of this data set as a JSON object, with the keys of `read` in the settings of the organization, which
    /// they override. At most 20,000 bytes.
    #[schema(example = "{\"date_format\": \"%d/%m/%Y\"}")]
    read_options: Option<String>,
}

/// Response to an upload.
#[derive(Debug, Serialize, ToSchema)]
struct UploadAnswer {
    success: bool,
    dataset_id: String,
    /// Path of the file in this API. A download needs the same token.
    #[schema(example = "/api/v1/churn/v2/organizations/acme/datasets/019ab0c4-9a4e-7d60-8d5c-1f0e8d3b2a10/file")]
    file_url: String,
    /// Number of rows, without the header.
    #[schema(example = 1000)]
    row_count: i64,
    status: DatasetStatus,
    #[schema(example = "Dataset uploaded: 1000 rows")]
    message: String,
    /// The form of the file that was found; null without `detect`.
    detected: Option<DetectedAnswer>,
}

/// The form of a file, found from a sample of the whole file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Detected)]
struct DetectedAnswer {
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

/// Upload a data set
///
/// The file is streamed to storage while its header and rows are checked. It counts only once it is complete: an upload that
/// breaks off or is refused leaves nothing behind. The first upload creates the organization. The fields of the form may come in
/// any order.
///
/// By default the file must be in the standard form, or in the one that the options of reading name. With `detect` the server
/// finds the form from a sample of the whole file, stores the text as plain CSV in UTF-8, and stores the options that were found
/// with the data set. If the sample can be read in several ways, nothing is kept: the error `unclear_file` lists the questions, and
/// the same file is sent again with the options of one of the readings in `read_options`.
#[utoipa::path(post, path = "/organizations/{org_id}/upload-dataset", tag = "data sets",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, body = UploadAnswer),
        (status = 413, description = "The file, or its text after unpacking, is larger than MAX_UPLOAD_BYTES (`payload_too_large`)", body = ErrorBody),
        (status = 422, description = "The file or the options cannot be used: a row is wrong (`bad_rows`), the options are invalid \
            (`invalid_body`). With `detect` also: the file cannot be unpacked or decoded (`unreadable_file`), or it can be read \
            in several ways (`unclear_file`); then `details.questions` lists the questions, each with `code`, `message`, the `option` that answers it, and \
            `readings`. A reading has `options`, an object for `read_options`, and an `example`. `details.header` and \
            `details.rows` show the beginning of the file", body = ErrorBody),
    ))]
async fn upload(
    tenant: Tenant<Write>,
    State(state): State<AppState>,
    mut form: Multipart,
) -> Result<Json<UploadAnswer>> {
    let org_id = &tenant.org_id;
    let _room = state.acquire_upload_slot(org_id)?;
    let of_organization = match state.store.organization(org_id).await {
        Ok(organization) => organization.settings.0.read,
        Err(error) if error.status() == StatusCode::NOT_FOUND => ReadOptions::default(),
        Err(error) => return Err(error),
    };
    // With `detect`, the received file and its text are two objects, and the first of them is removed at the end.
    let (received_id, text_id) = (new_id(), new_id());
    let (received_at, text_at) = (Location::dataset(org_id, &received_id)?, Location::dataset(org_id, &text_id)?);
    let taken = async {
        let (received, fields) = receive(&state, &mut form, &received_at, &of_organization).await?;
        let options = fields.options(&of_organization)?;
        let (id, at, uploaded, options, detected) = match fields.detect {
            true => {
                let (uploaded, detected) =
                    store_detected(&state, &received_at, received.size, &text_at, &options).await?;
                (text_id, &text_at, uploaded, detected.options.clone(), Some(detected))
            }
            false => {
                let csv = match received.checked {
                    Some((checked_with, result)) if checked_with == options => result?,
                    _ => {
                        // The form named options only after the file, so the file is checked again.
                        let reader = state.storage.get(&received_at).await?.reader();
                        let options = options.clone();
                        state.cpu.run(move || churn::check_csv(reader, &options)).await??
                    }
                };
                (received_id, &received_at, Uploaded { size: received.size, csv }, options, None)
            }
        };
        // The file name is only informative: one that cannot be stored is dropped.
        let filename = received.filename.as_deref().filter(|name| checked_text("filename", name, 255).is_ok());
        let report = &uploaded.csv.report;
        let new = NewDataset {
            id: &id,
            org_id,
            filename,
            has_churn_label: fields.has_label,
            row_count: report.rows as i64,
            bad_rows: report.bad as i64,
            bytes: uploaded.size as i64,
            file_key: &at.to_string(),
        };
        let own = own_options(&options, &with_label(of_organization, fields.has_label), detected.is_some())?;
        let mut tx = state.store.begin().await?;
        tx.ensure_organization(org_id).await?;
        tx.insert_dataset(&new).await?;
        if !own.is_empty() {
            tx.dataset_read_options(&id, &own).await?;
        }
        tx.commit().await?;
        Ok((id, report.rows, detected))
    };
    let taken: Result<_> = taken.await;
    if !matches!(&taken, Ok((_, _, None))) {
        discard(&state, &received_at).await;
    }
    if taken.is_err() {
        discard(&state, &text_at).await;
    }
    let (id, rows, detected) = taken?;
    metrics::counter!("churn_uploaded_rows_total").increment(rows);
    Ok(Json(UploadAnswer {
        success: true,
        file_url: format!("{}/file", path_of(org_id, &id)),
        row_count: rows as i64,
        status: DatasetStatus::Uploaded,
        message: format!("Dataset uploaded: {rows} rows"),
        dataset_id: id,
        detected: detected.map(DetectedAnswer::from),
    }))
}

/// Fields of the form beside the file.
#[derive(Debug, Default)]
struct Fields {
    has_label: bool,
    detect: bool,
    /// Empty if none are given.
    read_options: Map<String, Value>,
}

impl Fields {
    /// The options for reading the file under these fields.
    fn options(&self, of_organization: &ReadOptions) -> Result<ReadOptions> {
        Ok(with_label(changed(of_organization.clone(), Some(&self.read_options))?, self.has_label))
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
async fn receive(
    state: &AppState,
    form: &mut Multipart,
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
                let options = fields.options(of_organization)?;
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
            Some("has_churn_label") => fields.has_label = boolean("has_churn_label", field.text().await?.trim())?,
            Some("detect") => fields.detect = boolean("detect", field.text().await?.trim())?,
            Some("read_options") => {
                let text = field.text_within(MAX_READ_OPTIONS).await?;
                fields.read_options = parse_options(text.trim(), of_organization)?;
            }
            // Other fields are skipped.
            _ => (),
        }
    }
    let received =
        received.ok_or_else(|| ApiError::bad_request("invalid_multipart", "the form has no field \"file\""))?;
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

/// Returns the options that differ from those of the organization, by name. If the form of the file was found, all options of its
/// form belong to it, also where the organization has the same today. The encoding is left out, because files in storage are UTF-8.
fn own_options(options: &ReadOptions, from: &ReadOptions, found: bool) -> Result<Map<String, Value>> {
    /// The options that say which rows are used, and not how the file is written.
    const ROWS: [&str; 5] = ["on_bad_row", "max_bad_share", "merge", "first_day", "last_day"];
    let keys = |options: &ReadOptions| match serde_json::to_value(options) {
        Ok(Value::Object(keys)) => Ok(keys),
        _ => Err(ApiError::internal("options of reading are no object")),
    };
    let from = keys(from)?;
    let is_own = |name: &str, value: &Value| {
        name != "encoding" && (from.get(name) != Some(value) || (found && !ROWS.contains(&name)))
    };
    Ok(keys(options)?.into_iter().filter(|(name, value)| is_own(name, value)).collect())
}
