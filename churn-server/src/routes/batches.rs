//! Results of bulk predictions: files, pages, customers with their reasons, segment sizes over time.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use churn::profit::{DunningRow, write_dunning};
use churn::{Coverage, EndReason, ExplainConfig, Finding, Reason, Segment, SharedReason};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::datasets::FailureBody;
use super::findings::{FindingSchema, warnings};
use super::predict::ReasonAnswer;
use super::{BASE, csv_file, discard_all, download};
use crate::auth::{Admin, Read, Tenant};
use crate::error::{ApiError, Result};
use crate::extract::{Json, Path, Query};
use crate::jobs::PredictionRow;
use crate::pages::{self, SortOrder, Wish};
use crate::serving::Hot;
use crate::state::AppState;
use crate::store::{Batch, BatchStatus, PageQuery, SegmentCounts};
use crate::time::Stamp;
use crate::waiting::{Wait, WaitQuery};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get, delete))
        .routes(routes!(results))
        .routes(routes!(file))
        .routes(routes!(dunning))
        .routes(routes!(customers))
        .routes(routes!(slipping_away))
        .routes(routes!(segments))
}

/// A batch of predictions.
#[derive(Debug, Serialize, ToSchema)]
struct BatchAnswer {
    batch_id: String,
    job_id: String,
    status: BatchStatus,
    dataset_id: Option<String>,
    model_id: String,
    /// Version of the model that was active when the batch was accepted.
    model_version: i64,
    challenger_id: Option<String>,
    /// The as-of day: customers are scored from their events up to this day.
    #[schema(format = Date)]
    as_of: Option<String>,
    /// Number of customers scored.
    customers: Option<i64>,
    /// Number of customers inactive for longer than any customer that the model has learned from. `findings` says whether they
    /// are scored.
    inactive_customers: Option<i64>,
    /// Numbers of customers that the model covers, and of those that it does not, by reason: `covered`, `inactive`, and of
    /// subscriptions `not_active`, `already_cancelled` and `not_due`. Null before the batch is completed, and for a batch of an older
    /// version.
    #[schema(value_type = Option<Object>, example = json!({"covered": 940, "inactive": 0, "not_active": 310, "already_cancelled": 12}))]
    coverage: Option<Coverage>,
    /// Findings of the scoring, worst first. Null before the batch is completed, and for a batch of an older version that did
    /// not check.
    #[schema(value_type = Option<Vec<FindingSchema>>)]
    findings: Option<Vec<Finding>>,
    /// Messages of the findings that are warnings or errors. For batches of older versions: their own warnings.
    warnings: Vec<String>,
    /// Number of customers per segment: Low, Medium, High, Critical.
    #[schema(value_type = Option<Object>)]
    segments: Option<SegmentCounts>,
    mean_probability: Option<f64>,
    /// Path of the file in this API; null until the file is there.
    file_url: Option<String>,
    error: Option<FailureBody>,
    created_at: Stamp,
    finished_at: Option<Stamp>,
}

impl From<Batch> for BatchAnswer {
    fn from(row: Batch) -> Self {
        let path = format!("{BASE}/organizations/{}/prediction-batches/{}/file", row.org_id, row.id);
        let findings = row.findings.map(|findings| findings.0);
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
            inactive_customers: row.inactive_customers,
            coverage: row.coverage.map(|coverage| coverage.0),
            warnings: match &findings {
                Some(findings) => warnings(findings),
                None => row.warnings.map(|warnings| warnings.0).unwrap_or_default(),
            },
            findings,
            segments: row.segments.map(|segments| segments.0),
            mean_probability: row.mean_probability,
            file_url: row.file_key.map(|_| path),
            error: FailureBody::of(row.error_code, row.error_message, row.error_line, row.error_findings),
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

/// Path parameter of a batch.
#[derive(Debug, Deserialize)]
struct BatchPath {
    batch_id: Uuid,
}

/// The batches, newest first
#[utoipa::path(get, path = "/organizations/{org_id}/prediction-batches", tag = "predictions", params(PageQuery), responses((status = 200, body = BatchList)))]
async fn list(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Query(page): Query<PageQuery>,
) -> Result<Json<BatchList>> {
    let page = page.check()?;
    state.store.organization(&tenant.org_id).await?;
    let found = state.store.batches(&tenant.org_id, None, page).await?;
    let batches = found.rows.into_iter().map(BatchAnswer::from).collect();
    Ok(Json(BatchList { total: found.total, limit: page.limit, offset: page.offset, batches }))
}

/// One batch
///
/// With `wait`, the response is delayed until the batch has ended or the waiting time is over.
#[utoipa::path(get, path = "/organizations/{org_id}/prediction-batches/{batch_id}", tag = "predictions", params(WaitQuery), responses((status = 200, body = BatchAnswer)))]
async fn get(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Path(BatchPath { batch_id }): Path<BatchPath>,
    Query(wait): Query<WaitQuery>,
) -> Result<Json<BatchAnswer>> {
    let (org_id, id) = (&tenant.org_id, batch_id.to_string());
    let mut wait = Wait::from_query(&state, org_id, wait)?;
    loop {
        let batch = state.store.batch(org_id, &id).await?;
        if batch.status != BatchStatus::Processing || !wait.next_poll().await {
            return Ok(Json(batch.into()));
        }
    }
}

/// Delete a batch
///
/// Also deletes its job (which is stopped if it still runs), its predictions, and the file that was uploaded to be scored.
#[utoipa::path(delete, path = "/organizations/{org_id}/prediction-batches/{batch_id}", tag = "predictions", responses((status = 204)))]
async fn delete(
    tenant: Tenant<Admin>,
    State(state): State<AppState>,
    Path(BatchPath { batch_id }): Path<BatchPath>,
) -> Result<StatusCode> {
    let mut tx = state.store.begin().await?;
    let files = tx.delete_batch(&tenant.org_id, &batch_id.to_string()).await?;
    tx.commit().await?;
    discard_all(&state, files).await;
    Ok(StatusCode::NO_CONTENT)
}

/// The predictions of a batch as a file
///
/// One row per customer, highest risk first. Columns: customer_id, churn_probability, risk_segment, model_version,
/// expected_profit, and reasons; of subscriptions also amount (per month), causes (a JSON object with the probability of each) and
/// is_dunning (true if a failed payment is more likely than a cancellation; empty if the model does not tell them apart) and status.
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

/// The customers for dunning
///
/// The scored customers of subscriptions who are more likely to leave because a payment fails than because they cancel, by falling
/// probability that a payment fails: a reminder helps them, and an offer does not. Columns: customer_id, churn_probability,
/// involuntary_probability, amount (per month). The file is made for mail tools: UTF-8 with a byte order mark, CRLF line ends, and
/// ids that no spreadsheet takes for a formula.
#[utoipa::path(get, path = "/organizations/{org_id}/prediction-batches/{batch_id}/dunning", tag = "predictions", responses(
    (status = 200, content_type = "text/csv", body = String),
    (status = 409, description = "The batch is not completed, it scored events (`not_subscriptions`), or the model does not tell these \
        causes apart (`no_causes`)", body = crate::error::ErrorBody),
))]
async fn dunning(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Path(BatchPath { batch_id }): Path<BatchPath>,
) -> Result<Response> {
    let batch = state.store.batch(&tenant.org_id, &batch_id.to_string()).await?;
    let key = batch.file_key.as_ref().ok_or_else(|| pages::not_ready(&batch))?;
    let reader = state.storage.get(&key.parse()?).await?.reader();
    let text = state.cpu.run(move || dunning_list(reader)).await??;
    Ok(csv_file(text, &format!("dunning_{batch_id}.csv")))
}

fn dunning_list(reader: impl std::io::Read) -> Result<Vec<u8>> {
    let (mut found, mut is_told): (Vec<(f64, PredictionRow)>, bool) = (Vec::new(), false);
    for row in csv::Reader::from_reader(reader).into_deserialize::<PredictionRow>() {
        let row = row.map_err(ApiError::internal)?;
        let Some(causes) = row.causes() else {
            return Err(ApiError::conflict("not_subscriptions", "the batch scored events, not subscriptions"));
        };
        is_told |= row.is_dunning.is_some();
        if row.is_dunning.as_deref() == Some("true") {
            found.push((causes.get(&EndReason::Involuntary).copied().unwrap_or(0.0), row));
        }
    }
    if !is_told {
        let message = "the model does not tell failed payments from cancellations: the data that it learned from have no end_reason, or \
                       too few customers left for one of them";
        return Err(ApiError::conflict("no_causes", message));
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    let rows = found.iter().map(|(involuntary_probability, row)| DunningRow {
        customer_id: &row.customer_id,
        churn_probability: row.churn_probability,
        involuntary_probability: *involuntary_probability,
        amount: row.amount(),
    });
    let mut text = Vec::new();
    write_dunning(rows, &mut text)?;
    Ok(text)
}

/// Filter for the predictions of a batch.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ResultsQuery {
    /// Only predictions in this segment: Low, Medium, High or Critical.
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
    params(ResultsQuery, PageQuery), responses((status = 200, body = ResultList)))]
async fn results(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Path(BatchPath { batch_id }): Path<BatchPath>,
    Query(query): Query<ResultsQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<ResultList>> {
    let page = page.check()?;
    let batch = state.store.batch(&tenant.org_id, &batch_id.to_string()).await?;
    let wish = Wish { segment: query.risk_segment, search: None, order: SortOrder::Riskiest, page };
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

/// Sort key of the customer list.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Sort {
    #[default]
    ChurnProbability,
    ExpectedProfit,
    CustomerId,
}

/// Sort direction: ascending or descending.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Direction {
    Asc,
    Desc,
}

/// Filter and sort order of the customer list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CustomersQuery {
    /// The batch. Default: the newest completed batch.
    batch_id: Option<Uuid>,
    /// Only customers in this segment: Low, Medium, High or Critical.
    #[param(value_type = Option<String>, example = "Critical")]
    risk_segment: Option<Segment>,
    /// Only customers whose id contains this text, ignoring case.
    #[param(max_length = 200)]
    search: Option<String>,
    /// Sort key. Default: churn_probability.
    #[param(inline)]
    sort: Option<Sort>,
    /// Sort direction. Default: desc, but asc for customer_id.
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
    /// Expected profit of contacting the customer, computed with the organization's campaign.
    expected_profit: f64,
    reasons: Vec<ReasonAnswer>,
    /// Amount per month of a subscription; left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<f64>,
    /// Probability to leave for each cause, of subscriptions: `voluntary`, `involuntary`, `trial_not_converted`, `other`. They add up
    /// to the probability of churn. Empty if the model does not tell causes apart; left out for a batch of events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, example = json!({"voluntary": 0.12, "involuntary": 0.05}))]
    causes: Option<BTreeMap<EndReason, f64>>,
    /// Status of a subscription: `active` or `already_cancelled`; left out for a batch of events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "active")]
    status: Option<String>,
}

/// The reason that most customers of a page have in common.
#[derive(Debug, Serialize, ToSchema)]
struct SharedReasonAnswer {
    #[schema(example = "recency_score")]
    feature: String,
    raises_risk: bool,
    /// Number of customers of the page that share the reason.
    customers: u64,
    /// Direction of the reason and the values of these customers, in words.
    #[schema(
        example = "raises the risk: last event 208 to 372 days ago; for half of those who stayed it was 31 days or less"
    )]
    text: String,
}

impl SharedReasonAnswer {
    /// Returns the shared reason of customers of a batch, each with probability of churn and reasons. None if there is none, or
    /// if the model no longer exists.
    async fn of(state: &AppState, batch: &Batch, listed: &[(f64, Vec<Reason>)]) -> Option<Self> {
        let hot = Hot::load(state, &batch.org_id, &batch.model_id).await.ok()?;
        let shared = hot.model().shared_reason(listed, &ExplainConfig::default()).ok()??;
        let SharedReason { feature, raises_risk, customers, text } = shared;
        Some(SharedReasonAnswer { feature, raises_risk, customers, text })
    }
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
    /// The reason that comes first for at least 80 % of at least five customers of this page. Null if there is none, if two
    /// models scored the batch, or if the model no longer exists.
    shared_reason: Option<SharedReasonAnswer>,
    customers: Vec<CustomerAnswer>,
}

/// The customers with their risk, the reasons for it, and the expected profit of contacting them
#[utoipa::path(get, path = "/organizations/{org_id}/prediction-customers", tag = "predictions",
    params(CustomersQuery, PageQuery), responses((status = 200, body = CustomerList)))]
async fn customers(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Query(query): Query<CustomersQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<CustomerList>> {
    let page = page.check()?;
    let batch = completed_batch(&state, &tenant.org_id, query.batch_id).await?;
    if query.search.as_ref().is_some_and(|search| search.chars().count() > 200) {
        return Err(ApiError::bad_request("invalid_query", "search has more than 200 characters"));
    }
    // The expected profit increases with the risk, so both sort keys give the same order.
    let order = match (query.sort.unwrap_or_default(), query.order) {
        (Sort::CustomerId, Some(Direction::Desc)) => SortOrder::IdFalling,
        (Sort::CustomerId, _) => SortOrder::IdRising,
        (_, Some(Direction::Asc)) => SortOrder::Safest,
        _ => SortOrder::Riskiest,
    };
    let search = query.search.filter(|search| !search.is_empty());
    let found = pages::read(&state, &batch, Wish { segment: query.risk_segment, search, order, page }).await?;
    let one_model = found.rows.iter().all(|row| row.model_version == batch.model_version);
    let listed: Vec<_> = found.rows.iter().map(|row| (row.churn_probability, row.reasons())).collect();
    let shared_reason = if one_model { SharedReasonAnswer::of(&state, &batch, &listed).await } else { None };
    let answer = |(row, (_, reasons)): (PredictionRow, (f64, Vec<Reason>))| CustomerAnswer {
        reasons: reasons.into_iter().map(ReasonAnswer::from).collect(),
        amount: row.amount(),
        causes: row.causes(),
        status: row.status,
        customer_id: row.customer_id,
        churn_probability: row.churn_probability,
        risk_segment: row.risk_segment,
        model_version: row.model_version,
        expected_profit: row.expected_profit,
    };
    Ok(Json(CustomerList {
        shared_reason,
        batch_id: batch.id,
        as_of: batch.as_of,
        model_version: batch.model_version,
        total: found.total,
        limit: page.limit,
        offset: page.offset,
        customers: found.rows.into_iter().zip(listed).map(answer).collect(),
    }))
}

/// A customer whose risk rose.
#[derive(Debug, Serialize, ToSchema)]
struct SlippingAnswer {
    customer_id: String,
    /// Probability of churn on the earlier day.
    #[schema(example = 0.12)]
    probability_before: f64,
    /// Probability of churn on the day of the batch.
    #[schema(example = 0.67)]
    churn_probability: f64,
    #[schema(value_type = String, example = "High")]
    risk_segment: Segment,
    /// Facts that raised the risk most, each with its value now and on the earlier day, strongest first.
    #[schema(example = json!(["last event 41 days ago; 30 days earlier: 11 days ago"]))]
    changes: Vec<String>,
    /// Sum of the amounts of the last 365 days, times the probability of churn; null for a log without amounts.
    value_at_risk: Option<f64>,
}

#[derive(Debug, Serialize, ToSchema)]
struct SlippingAnswers {
    batch_id: String,
    /// The as-of day: customers are scored from their events up to this day.
    #[schema(format = Date)]
    as_of: String,
    /// The earlier day, a third of the horizon before `as_of`.
    #[schema(format = Date)]
    before: String,
    /// Version of the model that computed both probabilities: the active one.
    model_version: i64,
    total: u64,
    limit: i64,
    offset: i64,
    customers: Vec<SlippingAnswer>,
}

/// Selects the batch.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SlippingQuery {
    /// The batch. Default: the newest completed batch.
    batch_id: Option<Uuid>,
}

/// The customers who are slipping away
///
/// Returns the customers whose risk rose most within a third of the horizon, largest rise first, with what changed. Only
/// customers that the model's definition of churn covers on both days are listed. A batch keeps the 50 largest rises.
#[utoipa::path(get, path = "/organizations/{org_id}/slipping-away", tag = "predictions",
    params(SlippingQuery, PageQuery), responses((status = 200, body = SlippingAnswers)))]
async fn slipping_away(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Query(query): Query<SlippingQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<SlippingAnswers>> {
    let page = page.check()?;
    let batch = completed_batch(&state, &tenant.org_id, query.batch_id).await?;
    let Some(list) = batch.slipping.as_ref().map(|list| &list.0) else {
        let message = match batch.status {
            BatchStatus::Completed => {
                format!("the batch {} was scored by a version that did not look who is slipping away", batch.id)
            }
            _ => return Err(pages::not_ready(&batch)),
        };
        return Err(ApiError::not_found("no_predictions", message));
    };
    let answer = |row: &churn::Slipping| SlippingAnswer {
        customer_id: row.customer_id.clone(),
        probability_before: row.probability_before,
        churn_probability: row.churn_probability,
        risk_segment: row.risk_segment,
        changes: row.changes.clone(),
        value_at_risk: row.value_at_risk,
    };
    let offset = usize::try_from(page.offset).unwrap_or(usize::MAX);
    let customers = list.customers.iter().skip(offset).take(page.limit as usize).map(answer).collect();
    Ok(Json(SlippingAnswers {
        as_of: list.as_of.to_string(),
        before: list.before.to_string(),
        model_version: batch.model_version,
        total: list.customers.len() as u64,
        limit: page.limit,
        offset: page.offset,
        customers,
        batch_id: batch.id,
    }))
}

/// Returns the named batch, or the newest completed one if none is named.
async fn completed_batch(state: &AppState, org_id: &str, named: Option<Uuid>) -> Result<Batch> {
    state.store.organization(org_id).await?;
    let Some(id) = named else {
        let newest = PageQuery { limit: 1, offset: 0 };
        let found = state.store.batches(org_id, Some(BatchStatus::Completed), newest).await?;
        return found.rows.into_iter().next().ok_or_else(|| {
            ApiError::not_found("no_predictions", "there are no predictions yet: POST predict-bulk makes some")
        });
    };
    state.store.batch(org_id, &id.to_string()).await
}

/// Segment sizes of one batch.
#[derive(Debug, Serialize, ToSchema)]
struct SegmentPoint {
    batch_id: String,
    #[schema(format = Date)]
    as_of: Option<String>,
    created_at: Stamp,
    model_version: i64,
    customers: i64,
    /// Number of customers per segment: Low, Medium, High, Critical.
    #[schema(value_type = Object)]
    segments: SegmentCounts,
    mean_probability: Option<f64>,
}

#[derive(Debug, Serialize, ToSchema)]
struct SegmentHistory {
    points: Vec<SegmentPoint>,
}

/// Length of the segment history.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct HistoryQuery {
    /// Maximum number of batches, 1 to 1000. The newest are taken.
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
    let page = PageQuery { limit: query.limit.unwrap_or(50), offset: 0 }.check()?;
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
