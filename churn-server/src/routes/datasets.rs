//! Data sets: status, download and deletion, and the options for reading their files.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use churn::{Finding, ReadOptions, SubscriptionOptions};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::findings::FindingSchema;
use super::{discard_all, download};
use crate::auth::{Admin, Read, Tenant};
use crate::data::DataForm;
use crate::error::{ApiError, Result};
use crate::extract::{DatasetPath, Json, Path, Query};
use crate::state::AppState;
use crate::store::{DataKind, DatasetRow, DatasetStatus, JsonText, PageQuery};
use crate::time::Stamp;
use crate::waiting::{Wait, WaitQuery};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get, delete))
        .routes(routes!(file))
        .routes(routes!(features))
}

/// Adds the column `churn_label` to the reading options if the file has labels and the options name no label column.
pub(super) fn with_label(mut read: ReadOptions, has_label: bool) -> ReadOptions {
    if has_label && read.columns.churn_label.as_deref().is_none_or(str::is_empty) {
        read.columns.churn_label = Some("churn_label".to_owned());
    }
    read
}

/// Returns how the rows of a data set are read. The options of a log are those of the organization, overridden by those of the data
/// set; those of subscriptions are the data set's own, because the organization's name the columns of logs. The encoding is that of
/// the stored file, UTF-8, whatever the uploaded file had.
///
/// # Errors
/// `invalid_body` for invalid options.
pub(crate) fn data_form(read: ReadOptions, dataset: &DatasetRow) -> Result<DataForm> {
    let own = dataset.read_options.as_ref().map(|own| &own.0);
    Ok(match form_of(dataset.kind, read, own)?.stored() {
        DataForm::Events(options) => with_label(*options, dataset.has_churn_label).into(),
        form => form,
    })
}

/// Returns how the rows of a log are read.
///
/// # Errors
/// `not_events` for a data set of subscriptions; `invalid_body` for invalid options.
pub(crate) fn log_options(read: ReadOptions, dataset: &DatasetRow, what: &str) -> Result<ReadOptions> {
    match data_form(read, dataset)? {
        DataForm::Events(options) => Ok(*options),
        DataForm::Subscriptions { .. } => {
            let message = format!("the data set {} has subscriptions; {what} takes a log of events", dataset.id);
            Err(ApiError::conflict("not_events", message))
        }
    }
}

/// Returns the form of this kind with these options: those of a log replace options of the organization.
///
/// # Errors
/// `invalid_body` for invalid options.
pub(super) fn form_of(kind: DataKind, read: ReadOptions, own: Option<&Map<String, Value>>) -> Result<DataForm> {
    match kind {
        DataKind::Events => Ok(changed(read, own)?.into()),
        DataKind::Subscriptions => Ok(changed(SubscriptionOptions::default(), own)?.into()),
    }
}

/// Returns options with the keys of `changes` replaced.
///
/// # Errors
/// `invalid_body` for invalid options.
fn changed<T: Serialize + DeserializeOwned>(options: T, changes: Option<&Map<String, Value>>) -> Result<T> {
    let Some(changes) = changes else { return Ok(options) };
    let Ok(Value::Object(mut all)) = serde_json::to_value(options) else {
        return Err(ApiError::internal("options of reading are no object"));
    };
    all.extend(changes.clone());
    serde_json::from_value(Value::Object(all)).map_err(|error| {
        let message = format!("options of reading: {error}");
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", message)
    })
}

/// A data set and its status.
#[derive(Debug, Serialize, ToSchema)]
struct DatasetAnswer {
    dataset_id: String,
    organization_id: String,
    #[schema(example = "transactions.csv")]
    filename: Option<String>,
    kind: DataKind,
    status: DatasetStatus,
    has_churn_label: bool,
    row_count: i64,
    bad_rows: i64,
    bytes: i64,
    /// Number of customers in the features; null until the features are made.
    customers: Option<i64>,
    /// Number of feature columns.
    features: Option<i64>,
    #[schema(format = Date)]
    first_day: Option<String>,
    #[schema(format = Date)]
    last_day: Option<String>,
    /// Id of the newest job that made, or tries to make, its features.
    job_id: Option<String>,
    /// Path of the file in this API.
    download_url: String,
    /// Path of the features in this API; null until they are made.
    features_url: Option<String>,
    /// Findings of the check before the features were made, worst first. Null before that check, and for a log that is too
    /// large to be checked.
    #[schema(value_type = Option<Vec<FindingSchema>>)]
    findings: Option<Vec<Finding>>,
    /// Reading options of this data set that differ from those of the organization, or of subscriptions from the defaults: given, or
    /// found at the upload.
    #[schema(value_type = Object, example = json!({"last_day": "2024-12-23"}))]
    read_options: Map<String, Value>,
    error: Option<FailureBody>,
    created_at: Stamp,
    updated_at: Stamp,
}

/// Reason why a background job failed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Failure)]
pub(super) struct FailureBody {
    /// Stable error code.
    #[schema(example = "bad_rows")]
    pub code: String,
    /// Description of the error: what was found, its location, and what was expected.
    pub message: String,
    /// Line of the file that caused the error.
    pub line: Option<i64>,
    /// With the code `finding`: the findings that stopped the job. The parameter `allow` accepts their codes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Option<Vec<FindingSchema>>)]
    pub findings: Vec<Finding>,
}

impl FailureBody {
    /// Builds a failure from the columns of a row; None if the row has no error.
    pub(super) fn of(
        code: Option<String>,
        message: Option<String>,
        line: Option<i64>,
        findings: Option<JsonText<Vec<Finding>>>,
    ) -> Option<FailureBody> {
        let findings = findings.map(|findings| findings.0).unwrap_or_default();
        code.map(|code| FailureBody { code, message: message.unwrap_or_default(), line, findings })
    }
}

/// Returns the path of a data set in this API.
pub(super) fn path_of(org_id: &str, id: &str) -> String {
    format!("{}/organizations/{org_id}/datasets/{id}", super::BASE)
}

impl From<DatasetRow> for DatasetAnswer {
    fn from(row: DatasetRow) -> Self {
        let path = path_of(&row.org_id, &row.id);
        DatasetAnswer {
            download_url: format!("{path}/file"),
            features_url: row.features_key.is_some().then(|| format!("{path}/features")),
            error: FailureBody::of(row.error_code, row.error_message, row.error_line, row.error_findings),
            findings: row.findings.map(|findings| findings.0),
            read_options: row.read_options.map(|options| options.0).unwrap_or_default(),
            dataset_id: row.id,
            organization_id: row.org_id,
            filename: row.filename,
            kind: row.kind,
            status: row.status,
            has_churn_label: row.has_churn_label,
            row_count: row.row_count,
            bad_rows: row.bad_rows,
            bytes: row.bytes,
            customers: row.customers,
            features: row.features,
            first_day: row.first_day,
            last_day: row.last_day,
            job_id: row.job_id,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct DatasetList {
    total: i64,
    limit: i64,
    offset: i64,
    datasets: Vec<DatasetAnswer>,
}

/// Filter of the data set list.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only data sets with this status.
    #[param(inline)]
    status: Option<DatasetStatus>,
}

/// The data sets, newest first
#[utoipa::path(get, path = "/organizations/{org_id}/datasets", tag = "data sets", params(Filter, PageQuery), responses((status = 200, body = DatasetList)))]
async fn list(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Query(filter): Query<Filter>,
    Query(page): Query<PageQuery>,
) -> Result<Json<DatasetList>> {
    let page = page.check()?;
    state.store.organization(&tenant.org_id).await?;
    let found = state.store.datasets(&tenant.org_id, filter.status, page).await?;
    let datasets = found.rows.into_iter().map(DatasetAnswer::from).collect();
    Ok(Json(DatasetList { total: found.total, limit: page.limit, offset: page.offset, datasets }))
}

/// One data set
///
/// With `wait`, the response is delayed until its features are made, cannot be made, or the waiting time is over.
#[utoipa::path(get, path = "/organizations/{org_id}/datasets/{dataset_id}", tag = "data sets", params(WaitQuery), responses((status = 200, body = DatasetAnswer)))]
async fn get(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Path(DatasetPath { dataset_id }): Path<DatasetPath>,
    Query(wait): Query<WaitQuery>,
) -> Result<Json<DatasetAnswer>> {
    let (org_id, id) = (&tenant.org_id, dataset_id.to_string());
    let mut wait = Wait::from_query(&state, org_id, wait)?;
    loop {
        let row = state.store.dataset(org_id, &id).await?;
        if row.status != DatasetStatus::Processing || !wait.next_poll().await {
            return Ok(Json(row.into()));
        }
    }
}

/// The file as it was uploaded
///
/// A file that was uploaded with `detect` is returned as its text: unpacked, and in UTF-8.
#[utoipa::path(get, path = "/organizations/{org_id}/datasets/{dataset_id}/file", tag = "data sets",
    responses((status = 200, content_type = "text/csv", body = String)))]
async fn file(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Path(DatasetPath { dataset_id }): Path<DatasetPath>,
) -> Result<Response> {
    let row = state.store.dataset(&tenant.org_id, &dataset_id.to_string()).await?;
    download(&state, &row.file_key, &format!("{dataset_id}.csv"), "text/csv").await
}

/// The features, once they are made
#[utoipa::path(get, path = "/organizations/{org_id}/datasets/{dataset_id}/features", tag = "data sets",
    responses((status = 200, content_type = "text/csv", body = String)))]
async fn features(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Path(DatasetPath { dataset_id }): Path<DatasetPath>,
) -> Result<Response> {
    let row = state.store.dataset(&tenant.org_id, &dataset_id.to_string()).await?;
    let key = row.features_key.ok_or_else(|| {
        let message = "the features of this data set are not made yet; POST process-features makes them";
        ApiError::not_found("features_not_found", message)
    })?;
    download(&state, &key, &format!("features_{dataset_id}.csv"), "text/csv").await
}

/// Delete a data set
///
/// Also deletes its features, the batches that scored it with their predictions, the backtests on it, and the jobs of all of
/// these. Jobs that still run are stopped. Models trained on it stay; a training in progress ends as cancelled.
#[utoipa::path(delete, path = "/organizations/{org_id}/datasets/{dataset_id}", tag = "data sets", responses((status = 204)))]
async fn delete(
    tenant: Tenant<Admin>,
    State(state): State<AppState>,
    Path(DatasetPath { dataset_id }): Path<DatasetPath>,
) -> Result<StatusCode> {
    let mut tx = state.store.begin().await?;
    let files = tx.delete_dataset(&tenant.org_id, &dataset_id.to_string()).await?;
    tx.commit().await?;
    discard_all(&state, files).await;
    Ok(StatusCode::NO_CONTENT)
}
