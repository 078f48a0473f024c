//! The upload of a data set: as plain CSV that is checked on the way, or in another form that the server finds.

use axum::extract::State;
use axum::http::StatusCode;
use churn::{ReadOptions, SubscriptionOptions};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::datasets::{path_of, with_label};
use super::detected::DetectedAnswer;
use super::discard;
use super::forms::{FormFields, take_file};
use crate::auth::{Tenant, Write};
use crate::data::DataForm;
use crate::error::{ApiError, ErrorBody, Result};
use crate::extract::{Json, boolean, checked_text, new_id};
use crate::multipart::Multipart;
use crate::state::AppState;
use crate::storage::Location;
use crate::store::{DataKind, DatasetStatus, NewDataset};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(upload))
}

/// The form of an upload.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is only described: the fields are read as they come")]
struct UploadForm {
    /// A CSV file with a header. The columns customer_id and event_date are required; amount, event_type and churn_label are
    /// optional. With `detect`, also a file with other names of columns, other forms of dates and numbers, another delimiter or
    /// encoding, compressed with gzip or zstd, or a spreadsheet (.xlsx).
    ///
    /// With the kind `subscriptions`, a file of any of these kinds with the columns customer_id and start_date, and optionally
    /// end_date, subscription_id, plan, amount (per month), known_at, end_reason and trial; or an export of subscriptions from
    /// Stripe, Recurly, Chargebee or ChartMogul, which is known by its columns.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// `events`: a log of events. `subscriptions`: periods of subscriptions.
    #[schema(value_type = Option<DataKind>, default = "events", example = "events")]
    kind: Option<String>,
    /// True if the file has the column churn_label: true, false, 1, 0, True, False.
    #[schema(default = "false", example = "false")]
    has_churn_label: Option<String>,
    /// True to find how the file is written: true, false, 1, 0, True, False.
    #[schema(default = "false", example = "true")]
    detect: Option<String>,
    /// Reading options of this data set as a JSON object, with the keys of `read` in the settings of the organization, which
    /// they override. Of subscriptions: `columns`, `preset`, `ends_known`, `inclusive_ends`, `last_day`, `reasons` and the options
    /// of the form of the file. At most 20,000 bytes.
    #[schema(example = "{\"date_format\": \"%d/%m/%Y\"}")]
    read_options: Option<String>,
}

/// Response to an upload.
#[derive(Debug, Serialize, ToSchema)]
struct UploadAnswer {
    success: bool,
    dataset_id: String,
    kind: DataKind,
    /// Path of the file in this API. A download needs the same token.
    #[schema(example = "/api/v1/churn/v2/organizations/acme/datasets/019ab0c4-9a4e-7d60-8d5c-1f0e8d3b2a10/file")]
    file_url: String,
    /// Number of rows, without the header.
    #[schema(example = 1000)]
    row_count: i64,
    status: DatasetStatus,
    #[schema(example = "Dataset uploaded: 1000 rows")]
    message: String,
    /// The form of the file that was found; null without `detect`, and for subscriptions.
    detected: Option<DetectedAnswer>,
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
///
/// A file of subscriptions is read completely before it counts. If neither a preset nor columns are given and its columns are those of
/// a known export, the preset is chosen, stored with the data set, and named in `message`.
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
    let (received_id, text_id) = (new_id(), new_id());
    let (received_at, text_at) = (Location::dataset(org_id, &received_id)?, Location::dataset(org_id, &text_id)?);
    let mut fields = UploadFields::default();
    let file = take_file(&state, &mut form, &mut fields, (&received_at, &text_at), &of_organization).await?;
    let id = if file.at == text_at { text_id } else { received_id };
    // The file name is only informative: one that cannot be stored is dropped.
    let filename = file.filename.as_deref().filter(|name| checked_text("filename", name, 255).is_ok());
    let (report, has_label, kind) = (&file.uploaded.csv.report, fields.has_label, fields.kind());
    let new = NewDataset {
        id: &id,
        org_id,
        filename,
        kind,
        has_churn_label: has_label,
        row_count: report.rows as i64,
        bad_rows: report.bad as i64,
        bytes: file.uploaded.size as i64,
        file_key: &file.at.to_string(),
    };
    let inserted = async {
        let own = match &file.form {
            DataForm::Events(options) => {
                own_options(&**options, &with_label(of_organization, has_label), file.detected.is_some())?
            }
            DataForm::Subscriptions { subscriptions } => {
                own_options(&**subscriptions, &SubscriptionOptions::default(), false)?
            }
        };
        let mut tx = state.store.begin().await?;
        tx.ensure_organization(org_id).await?;
        tx.insert_dataset(&new).await?;
        if !own.is_empty() {
            tx.dataset_read_options(&id, &own).await?;
        }
        tx.commit().await
    };
    if let Err(error) = inserted.await {
        discard(&state, &file.at).await;
        return Err(error);
    }
    let rows = report.rows;
    metrics::counter!("churn_uploaded_rows_total").increment(rows);
    let preset = match &file.form {
        DataForm::Subscriptions { subscriptions } => subscriptions.preset,
        DataForm::Events(_) => None,
    };
    let read_as = preset.map_or(String::new(), |preset| format!(", read as the export {:?}", preset.name()));
    Ok(Json(UploadAnswer {
        success: true,
        file_url: format!("{}/file", path_of(org_id, &id)),
        row_count: rows as i64,
        status: DatasetStatus::Uploaded,
        message: format!("Dataset uploaded: {rows} rows{read_as}"),
        kind,
        dataset_id: id,
        detected: file.detected.map(DetectedAnswer::from),
    }))
}

/// The fields of an upload that other forms do not have.
#[derive(Debug, Default)]
struct UploadFields {
    has_label: bool,
    kind: Option<DataKind>,
}

impl FormFields for UploadFields {
    const NAMES: &'static [&'static str] = &["has_churn_label", "kind"];

    fn set(&mut self, name: &str, text: &str) -> Result<()> {
        match name {
            "kind" => {
                let kind = text
                    .parse()
                    .map_err(|error| ApiError::bad_request("invalid_parameter", format!("kind {error}")))?;
                self.kind = Some(kind);
            }
            _ => self.has_label = boolean(name, text)?,
        }
        if self.has_label && self.kind == Some(DataKind::Subscriptions) {
            let message = "has_churn_label is true; the periods of subscriptions say themselves who leaves";
            return Err(ApiError::bad_request("invalid_parameter", message));
        }
        Ok(())
    }

    fn kind(&self) -> DataKind {
        self.kind.unwrap_or(DataKind::Events)
    }

    fn has_label(&self) -> bool {
        self.has_label
    }
}

/// Returns the options that differ from the others, such as those of the organization, by name. If the form of the file was found, all options of its
/// form belong to it, also where the organization has the same today. The encoding is left out, because files in storage are UTF-8.
fn own_options<T: Serialize>(options: &T, from: &T, found: bool) -> Result<Map<String, Value>> {
    /// The options that say which rows are used, and not how the file is written.
    const ROWS: [&str; 5] = ["on_bad_row", "max_bad_share", "merge", "first_day", "last_day"];
    let keys = |options: &T| match serde_json::to_value(options) {
        Ok(Value::Object(keys)) => Ok(keys),
        _ => Err(ApiError::internal("options of reading are no object")),
    };
    let from = keys(from)?;
    let is_own = |name: &str, value: &Value| {
        name != "encoding" && (from.get(name) != Some(value) || (found && !ROWS.contains(&name)))
    };
    Ok(keys(options)?.into_iter().filter(|(name, value)| is_own(name, value)).collect())
}
