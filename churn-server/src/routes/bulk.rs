//! Many customers, scored in the background; and what came of it: files, pages, segments over time.

use std::collections::BTreeMap;

use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use churn::{Day, Segment};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::datasets::{FORM_BYTES, Failure};
use super::predict::ReasonAnswer;
use super::{BASE, discard, download};
use crate::auth::{Read, Tenant, Write};
use crate::error::{ApiError, Result};
use crate::extract::{Json, Multipart, Path, Query, new_id, text_field};
use crate::jobs::{BulkPayload, PredictionRow};
use crate::pages::{self, Order, Wish};
use crate::state::AppState;
use crate::storage::{Bucket, Location, store_csv};
use crate::store::{Batch, BatchStatus, Dataset, JobKind, NewBatch, NewJob, Page, SegmentCounts};
use crate::time::{Stamp, today};

/// The routes of this file.
pub(super) fn router(max_upload_bytes: u64) -> OpenApiRouter<AppState> {
    let limit = usize::try_from(max_upload_bytes.saturating_add(FORM_BYTES)).unwrap_or(usize::MAX);
    OpenApiRouter::new()
        .routes(routes!(predict_bulk))
        .layer(DefaultBodyLimit::max(limit))
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(results))
        .routes(routes!(file))
        .routes(routes!(customers))
        .routes(routes!(segments))
}

/// What to score.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct BulkQuery {
    /// Score this data set; then no file is sent.
    dataset_id: Option<Uuid>,
    /// The day that customers are looked at, at the latest tomorrow; default the last day of the rows.
    #[param(value_type = Option<String>, format = Date)]
    as_of: Option<Day>,
}

/// The form of a file that is scored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is only described: the fields are read as they come")]
struct BulkForm {
    /// A CSV file of transactions, as for a data set.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// As the parameter of this name.
    #[schema(value_type = Option<String>, format = Date)]
    as_of: Option<String>,
}

/// A batch is on its way.
#[derive(Debug, Serialize, ToSchema)]
struct BulkStarted {
    success: bool,
    #[schema(example = "Bulk prediction started in background")]
    message: &'static str,
    batch_id: String,
    job_id: String,
}

/// Predict many customers
///
/// In the background, with the models that are in use now: a CSV file of transactions, or a data set that is there.
#[utoipa::path(post, path = "/organizations/{org_id}/predict-bulk", tag = "predictions", params(BulkQuery),
    request_body(content = Option<BulkForm>, content_type = "multipart/form-data"),
    responses((status = 202, body = BulkStarted)))]
async fn predict_bulk(
    tenant: Tenant<Write>,
    State(state): State<AppState>,
    Query(query): Query<BulkQuery>,
    request: Request,
) -> Result<(StatusCode, Json<BulkStarted>)> {
    let org_id = &tenant.org_id;
    let organization = state.store.organization(org_id).await?;
    let settings = organization.settings.0;
    let in_use = state.store.models_in_use(org_id).await?;
    let (batch_id, job_id) = (new_id(), new_id());
    let mut as_of = query.as_of;
    let (input, dataset): (Option<Location>, Option<Dataset>) = match query.dataset_id {
        Some(id) => (None, Some(state.store.dataset(org_id, &id.to_string()).await?)),
        None => {
            let _room = state.room_for_upload()?;
            let at = Location::new(Bucket::Utils, format!("org_{org_id}/bulk/{batch_id}.csv"))?;
            let mut form = Multipart::from_request(request, &state).await?;
            let stored = take_form(&state, &mut form, &at, &settings.read, &mut as_of).await;
            if let Err(error) = stored {
                discard(&state, &at).await;
                return Err(error);
            }
            (Some(at), None)
        }
    };
    let accepted = async {
        if let Some(day) = as_of
            && day > today().plus(1)
        {
            let message = format!("as_of is {day}, which lies in the future; expected a day up to today, {}", today());
            return Err(ApiError::bad_request("invalid_parameter", message));
        }
        let input_key = match (&input, &dataset) {
            (Some(at), _) => at.to_string(),
            (None, dataset) => dataset.as_ref().map(|dataset| dataset.file_key.clone()).unwrap_or_default(),
        };
        let read = match &dataset {
            Some(dataset) => super::with_label(settings.read, dataset.has_churn_label),
            None => settings.read,
        };
        let challenger = in_use.challenger.as_ref().map(|row| (row.id.clone(), organization.traffic_share));
        let payload = BulkPayload {
            input_key: input_key.clone(),
            read,
            as_of,
            model_id: in_use.active.id.clone(),
            challenger,
            thresholds: settings.thresholds,
            campaign: settings.campaign,
        };
        let new = NewBatch {
            id: &batch_id,
            org_id,
            job_id: &job_id,
            dataset_id: dataset.as_ref().map(|dataset| dataset.id.as_str()),
            input_key: &input_key,
            model_id: &in_use.active.id,
            model_version: in_use.active.version,
            challenger_id: in_use.challenger.as_ref().map(|row| row.id.as_str()),
        };
        let max_attempts = state.config.job_attempts;
        let job = NewJob { id: &job_id, org_id, kind: JobKind::PredictBulk, subject_id: &batch_id, max_attempts };
        let mut tx = state.store.begin().await?;
        tx.insert_batch(&new).await?;
        tx.insert_job(&job, &payload).await?;
        tx.commit().await
    };
    if let Err(error) = accepted.await {
        if let Some(at) = &input {
            discard(&state, at).await;
        }
        return Err(error);
    }
    state.wake.notify_one();
    let message = "Bulk prediction started in background";
    Ok((StatusCode::ACCEPTED, Json(BulkStarted { success: true, message, batch_id, job_id })))
}

/// Stores the file of a form.
async fn take_form(
    state: &AppState,
    form: &mut Multipart,
    at: &Location,
    options: &churn::ReadOptions,
    as_of: &mut Option<Day>,
) -> Result<()> {
    let mut stored = false;
    while let Some(field) = form.next().await? {
        match field.name() {
            Some("file") if stored => {
                return Err(ApiError::bad_request("invalid_multipart", "the form has the field \"file\" twice"));
            }
            Some("file") => {
                store_csv(&*state.storage, at, field, state.config.max_upload_bytes, options).await?;
                stored = true;
            }
            Some("as_of") => {
                let text = text_field(field).await?;
                if !text.trim().is_empty() {
                    *as_of = Some(text.trim().parse::<Day>()?);
                }
            }
            // Other fields are skipped.
            _ => (),
        }
    }
    if stored {
        return Ok(());
    }
    let message = "the form has no field \"file\"; send one, or name a data set with ?dataset_id=";
    Err(ApiError::bad_request("invalid_multipart", message))
}

/// A batch of predictions.
#[derive(Debug, Serialize, ToSchema)]
struct BatchAnswer {
    batch_id: String,
    job_id: String,
    status: BatchStatus,
    dataset_id: Option<String>,
    model_id: String,
    /// The version that was active when it was accepted.
    model_version: i64,
    challenger_id: Option<String>,
    /// The day that the customers were looked at.
    #[schema(format = Date)]
    as_of: Option<String>,
    customers: Option<i64>,
    /// Customers by segment: Low, Medium, High, Critical.
    #[schema(value_type = Option<Object>)]
    segments: Option<SegmentCounts>,
    mean_probability: Option<f64>,
    /// The path of the file in this API, once it is there.
    file_url: Option<String>,
    error: Option<Failure>,
    created_at: Stamp,
    finished_at: Option<Stamp>,
}

impl From<Batch> for BatchAnswer {
    fn from(row: Batch) -> Self {
        let path = format!("{BASE}/organizations/{}/prediction-batches/{}/file", row.org_id, row.id);
        BatchAnswer {
            batch_id: row.id,
            job_id: row.job_id,
            status: row.status,
            dataset_id: row.dataset_id,
            model_id: row.model_id,
            model_version: row.model_version,
            challenger_id: row.challenger_id,
            as_of: row.as_of,
            customers: row.customers,
            segments: row.segments.map(|segments| segments.0),
            mean_probability: row.mean_probability,
            file_url: row.file_key.map(|_| path),
            error: Failure::of(row.error_code, row.error_message, row.error_line),
            created_at: row.created_at,
            finished_at: row.finished_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct BatchList {
    total: i64,
    limit: i64,
    offset: i64,
    batches: Vec<BatchAnswer>,
}

/// The batch of a path.
#[derive(Debug, Deserialize)]
struct BatchPath {
    batch_id: Uuid,
}

/// The batches, newest first
#[utoipa::path(get, path = "/organizations/{org_id}/prediction-batches", tag = "predictions", params(Page), responses((status = 200, body = BatchList)))]
async fn list(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Query(page): Query<Page>,
) -> Result<Json<BatchList>> {
    let page = page.check()?;
    state.store.organization(&tenant.org_id).await?;
    let found = state.store.batches(&tenant.org_id, None, page).await?;
    let batches = found.rows.into_iter().map(BatchAnswer::from).collect();
    Ok(Json(BatchList { total: found.total, limit: page.limit, offset: page.offset, batches }))
}

/// One batch
#[utoipa::path(get, path = "/organizations/{org_id}/prediction-batches/{batch_id}", tag = "predictions", responses((status = 200, body = BatchAnswer)))]
async fn get(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Path(BatchPath { batch_id }): Path<BatchPath>,
) -> Result<Json<BatchAnswer>> {
    Ok(Json(state.store.batch(&tenant.org_id, &batch_id.to_string()).await?.into()))
}

/// The predictions of a batch as a file
///
/// The riskiest customer first: customer_id, churn_probability, risk_segment, model_version, expected_profit, and reasons.
#[utoipa::path(get, path = "/organizations/{org_id}/prediction-batches/{batch_id}/file", tag = "predictions",
    responses((status = 200, content_type = "text/csv", body = String)))]
async fn file(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Path(BatchPath { batch_id }): Path<BatchPath>,
) -> Result<Response> {
    let batch = state.store.batch(&tenant.org_id, &batch_id.to_string()).await?;
    let key = batch.file_key.as_ref().ok_or_else(|| pages::not_ready(&batch))?;
    download(&state, key, &format!("predictions_{batch_id}.csv"), "text/csv").await
}

/// Which part of a batch.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ResultsQuery {
    /// Only this segment: Low, Medium, High or Critical.
    #[param(value_type = Option<String>, example = "Critical")]
    risk_segment: Option<Segment>,
}

/// A prediction of a batch.
#[derive(Debug, Serialize, ToSchema)]
struct ResultAnswer {
    customer_id: String,
    churn_probability: f64,
    #[schema(value_type = String, example = "High")]
    risk_segment: Segment,
    model_version: i64,
}

#[derive(Debug, Serialize, ToSchema)]
struct ResultList {
    batch_id: String,
    total: u64,
    limit: i64,
    offset: i64,
    predictions: Vec<ResultAnswer>,
}

/// The predictions of a batch, page by page, the riskiest first
#[utoipa::path(get, path = "/organizations/{org_id}/prediction-batches/{batch_id}/results", tag = "predictions",
    params(ResultsQuery, Page), responses((status = 200, body = ResultList)))]
async fn results(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Path(BatchPath { batch_id }): Path<BatchPath>,
    Query(query): Query<ResultsQuery>,
    Query(page): Query<Page>,
) -> Result<Json<ResultList>> {
    let page = page.check()?;
    let batch = state.store.batch(&tenant.org_id, &batch_id.to_string()).await?;
    let wish = Wish { segment: query.risk_segment, search: None, order: Order::Riskiest, page };
    let found = pages::read(&state, &batch, wish).await?;
    let answer = |row: PredictionRow| ResultAnswer {
        customer_id: row.customer_id,
        churn_probability: row.churn_probability,
        risk_segment: row.risk_segment,
        model_version: row.model_version,
    };
    Ok(Json(ResultList {
        batch_id: batch.id,
        total: found.total,
        limit: page.limit,
        offset: page.offset,
        predictions: found.rows.into_iter().map(answer).collect(),
    }))
}

/// What customers are sorted by.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Sort {
    #[default]
    ChurnProbability,
    ExpectedProfit,
    CustomerId,
}

/// Rising or falling.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Direction {
    Asc,
    Desc,
}

/// Which customers.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CustomersQuery {
    /// The batch; default the newest that is completed.
    batch_id: Option<Uuid>,
    /// Only this segment: Low, Medium, High or Critical.
    #[param(value_type = Option<String>, example = "Critical")]
    risk_segment: Option<Segment>,
    /// Only customers whose id contains this, in upper or lower case.
    #[param(max_length = 200)]
    search: Option<String>,
    /// By what; default churn_probability.
    #[param(inline)]
    sort: Option<Sort>,
    /// Default desc, and asc for customer_id.
    #[param(inline)]
    order: Option<Direction>,
}

/// A customer of a batch.
#[derive(Debug, Serialize, ToSchema)]
struct CustomerAnswer {
    customer_id: String,
    churn_probability: f64,
    #[schema(value_type = String, example = "Critical")]
    risk_segment: Segment,
    model_version: i64,
    /// What contacting the customer is expected to earn, by the organization's campaign.
    expected_profit: f64,
    reasons: Vec<ReasonAnswer>,
}

#[derive(Debug, Serialize, ToSchema)]
struct CustomerList {
    batch_id: String,
    #[schema(format = Date)]
    as_of: Option<String>,
    model_version: i64,
    total: u64,
    limit: i64,
    offset: i64,
    customers: Vec<CustomerAnswer>,
}

/// The customers with their risk, the reasons for it, and what contacting them is expected to earn
#[utoipa::path(get, path = "/organizations/{org_id}/prediction-customers", tag = "predictions",
    params(CustomersQuery, Page), responses((status = 200, body = CustomerList)))]
async fn customers(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Query(query): Query<CustomersQuery>,
    Query(page): Query<Page>,
) -> Result<Json<CustomerList>> {
    let page = page.check()?;
    state.store.organization(&tenant.org_id).await?;
    let batch = match query.batch_id {
        Some(id) => state.store.batch(&tenant.org_id, &id.to_string()).await?,
        None => {
            let newest = Page { limit: 1, offset: 0 };
            let found = state.store.batches(&tenant.org_id, Some(BatchStatus::Completed), newest).await?;
            found.rows.into_iter().next().ok_or_else(|| {
                ApiError::not_found("no_predictions", "there are no predictions yet: POST predict-bulk makes some")
            })?
        }
    };
    if query.search.as_ref().is_some_and(|search| search.chars().count() > 200) {
        return Err(ApiError::bad_request("invalid_query", "search has more than 200 characters"));
    }
    // The expected profit rises with the risk: their orders are one.
    let order = match (query.sort.unwrap_or_default(), query.order) {
        (Sort::CustomerId, Some(Direction::Desc)) => Order::IdFalling,
        (Sort::CustomerId, _) => Order::IdRising,
        (_, Some(Direction::Asc)) => Order::Safest,
        _ => Order::Riskiest,
    };
    let search = query.search.filter(|search| !search.is_empty());
    let found = pages::read(&state, &batch, Wish { segment: query.risk_segment, search, order, page }).await?;
    let answer = |row: PredictionRow| CustomerAnswer {
        reasons: row.reasons().into_iter().map(ReasonAnswer::from).collect(),
        customer_id: row.customer_id,
        churn_probability: row.churn_probability,
        risk_segment: row.risk_segment,
        model_version: row.model_version,
        expected_profit: row.expected_profit,
    };
    Ok(Json(CustomerList {
        batch_id: batch.id,
        as_of: batch.as_of,
        model_version: batch.model_version,
        total: found.total,
        limit: page.limit,
        offset: page.offset,
        customers: found.rows.into_iter().map(answer).collect(),
    }))
}

/// The segments of one batch.
#[derive(Debug, Serialize, ToSchema)]
struct SegmentPoint {
    batch_id: String,
    #[schema(format = Date)]
    as_of: Option<String>,
    created_at: Stamp,
    model_version: i64,
    customers: i64,
    /// Customers by segment: Low, Medium, High, Critical.
    #[schema(value_type = Object)]
    segments: SegmentCounts,
    mean_probability: Option<f64>,
}

#[derive(Debug, Serialize, ToSchema)]
struct SegmentHistory {
    points: Vec<SegmentPoint>,
}

/// How many of the newest batches.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct HistoryQuery {
    /// At most so many, 1 to 1000.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<i64>,
}

/// The sizes of the segments over time, oldest first
#[utoipa::path(get, path = "/organizations/{org_id}/segments", tag = "predictions", params(HistoryQuery), responses((status = 200, body = SegmentHistory)))]
async fn segments(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<SegmentHistory>> {
    let page = Page { limit: query.limit.unwrap_or(50), offset: 0 }.check()?;
    state.store.organization(&tenant.org_id).await?;
    let newest = state.store.batches(&tenant.org_id, Some(BatchStatus::Completed), page).await?.rows;
    let point = |row: Batch| SegmentPoint {
        batch_id: row.id,
        as_of: row.as_of,
        created_at: row.created_at,
        model_version: row.model_version,
        customers: row.customers.unwrap_or_default(),
        segments: row.segments.map_or_else(BTreeMap::new, |segments| segments.0),
        mean_probability: row.mean_probability,
    };
    Ok(Json(SegmentHistory { points: newest.into_iter().rev().map(point).collect() }))
}
