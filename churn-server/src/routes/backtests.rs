//! Backtests: how well models would have predicted at the cutoffs of a data set's past. They run as background jobs.

use axum::extract::State;
use axum::http::StatusCode;
use churn::{BacktestConfig, Estimate, Finding};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::datasets::FailureBody;
use super::findings::{FindingSchema, allowed, provided_labels};
use super::training::{Features, choose_dataset, model_type, settings_of};
use super::{discard_all, log_options};
use crate::auth::{Admin, Read, Tenant, Write};
use crate::error::{ApiError, ErrorBody, Result};
use crate::extract::{Json, Path, Query, RawBody, checked_text, new_id};
use crate::jobs::{BacktestPayload, MOST_CUTOFFS, check_backtest_size};
use crate::state::AppState;
use crate::storage::Location;
use crate::store::{BacktestRow, BacktestStatus, DatasetRow, JobKind, NewBacktest, NewJob, PageQuery, Settings};
use crate::time::Stamp;
use crate::waiting::{Wait, WaitQuery};

/// Maximum bytes of a result. The limits of a backtest keep it far below.
const MAX_RESULT: u64 = 32_000_000;

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(backtest)).routes(routes!(list)).routes(routes!(get, delete))
}

/// Parameters of a backtest.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct BacktestQuery {
    /// `logistic_regression`, `random_forest`, `gradient_boosting` or `auto`; default `logistic_regression`.
    #[param(example = "logistic_regression")]
    model_type: Option<String>,
    /// The data set whose past is judged. Only its file is needed. Default: the one that `train` takes, or the newest one if
    /// none has features.
    dataset_id: Option<Uuid>,
    /// Codes of findings, separated by commas, that do not stop the backtest even if they are errors.
    #[param(example = "regular_payers")]
    allow: Option<String>,
}

/// Response to an accepted backtest.
#[derive(Debug, Serialize, ToSchema)]
struct BacktestStarted {
    success: bool,
    #[schema(example = "Backtest started in background")]
    message: &'static str,
    #[schema(example = "logistic_regression")]
    model_type: &'static str,
    job_id: String,
    backtest_id: String,
    dataset_id: String,
}

/// Start a backtest
///
/// Judges the settings of a training at many cutoffs in the past of a data set. At each cutoff, a model learns from what was
/// known by then, scores the customers, and is judged by what they did next. It runs in the background, with the organization's
/// training settings; a JSON body overrides some of them and has four more keys: `step_days` (days from one cutoff to the next;
/// default: the horizon), `most_cutoffs` (the latest cutoffs; at most and by default 100), `against` (up to eight other recipes
/// by name, each with the settings that differ) and `cutoffs`, which are judged here. No model is stored. The predictions of
/// the customers are not offered.
#[utoipa::path(post, path = "/organizations/{org_id}/backtest", tag = "backtests", params(BacktestQuery),
    request_body(content = Option<Value>, content_type = "application/json", description = "Settings of the backtest, all keys side by side",
        example = json!({"horizon_days": 60, "against": {"one snapshot": {"snapshots": 1}}})),
    responses(
        (status = 202, body = BacktestStarted),
        (status = 413, description = "The log has too many rows to be held in memory (`too_many_rows`)", body = ErrorBody),
        (status = 422, description = "It would take too much work (`backtest_too_large`), or predictions were asked for (`invalid_body`)", body = ErrorBody),
    ))]
async fn backtest(
    tenant: Tenant<Write>,
    State(state): State<AppState>,
    Query(query): Query<BacktestQuery>,
    RawBody(body): RawBody,
) -> Result<(StatusCode, Json<BacktestStarted>)> {
    let allow = allowed(query.allow.as_deref())?;
    let what = "settings of a backtest, such as {\"horizon_days\": 60}";
    let mut overrides = settings_of(&body, what)?.unwrap_or_default();
    let model_type = model_type(query.model_type.as_deref(), &overrides)?;
    overrides.insert("model".to_owned(), model_type.name().into());
    if overrides.get("predictions") == Some(&Value::Bool(true)) {
        let message = "predictions is true; the predictions of a backtest are not offered here: leave it out, or run the \
                       backtest with the library";
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", message));
    }
    let settings = state.store.organization(&tenant.org_id).await?.settings.0;
    let dataset = choose_dataset(&state, &tenant.org_id, query.dataset_id, Features::MayBeUnderWay).await?;
    state.check_rows(dataset.row_count as u64)?;
    let read = log_options(settings.read.clone(), &dataset, "a backtest")?;
    let config = backtest_config(&settings, &dataset, overrides, allow)?;
    let customers = dataset.customers.and_then(|customers| u64::try_from(customers).ok());
    check_backtest_size(&config, customers, state.config.max_training_values)?;
    let payload = BacktestPayload { file_key: dataset.file_key.clone(), read, config };
    let (job_id, backtest_id) = (new_id(), new_id());
    let (org_id, dataset_id, max_attempts) = (&tenant.org_id, &dataset.id, state.config.job_attempts);
    let mut tx = state.store.begin().await?;
    tx.lock_dataset(dataset_id).await?;
    let new = NewBacktest { id: &backtest_id, org_id, job_id: &job_id, dataset_id, model_type: model_type.name() };
    tx.insert_backtest(&new).await?;
    let job = NewJob { id: &job_id, org_id, kind: JobKind::Backtest, subject_id: &backtest_id, max_attempts };
    tx.insert_job(&job, &payload).await?;
    tx.check_open_jobs(org_id, state.config.max_open_jobs).await?;
    tx.commit().await?;
    state.wake.notify_one();
    let started = BacktestStarted {
        success: true,
        message: "Backtest started in background",
        model_type: model_type.name(),
        job_id,
        backtest_id,
        dataset_id: dataset.id,
    };
    Ok((StatusCode::ACCEPTED, Json(started)))
}

/// Returns the settings of a backtest of a data set: those of the organization, overridden by those of one request.
///
/// # Errors
/// `invalid_parameter`.
fn backtest_config(
    settings: &Settings,
    dataset: &DatasetRow,
    mut overrides: Map<String, Value>,
    allow: Vec<String>,
) -> Result<BacktestConfig> {
    if provided_labels(settings, dataset, &overrides) {
        // As in training. The library refuses it and says which labels are needed.
        overrides.insert("labels".to_owned(), "provided".into());
    }
    if !allow.is_empty() {
        // All recipes have the same allowed findings, so these are set before the recipes are read.
        let known = overrides.get("allow").or_else(|| settings.train.get("allow")).cloned();
        let mut all = match known {
            Some(Value::Array(all)) => all,
            None => Vec::new(),
            Some(other) => vec![other],
        };
        all.extend(allow.into_iter().map(Value::from));
        overrides.insert("allow".to_owned(), all.into());
    }
    let mut config = settings.backtest_config(&overrides)?;
    for name in config.against.keys() {
        checked_text("the name of a recipe in against", name, 100)?;
    }
    if config.training.cutoffs.is_none() {
        config.most_cutoffs.get_or_insert(MOST_CUTOFFS);
    }
    Ok(config)
}

/// Summary of a backtest.
#[derive(Debug, Serialize, ToSchema)]
struct BacktestSummary {
    backtest_id: String,
    job_id: String,
    dataset_id: String,
    /// Requested model type.
    #[schema(example = "logistic_regression")]
    model_type: String,
    status: BacktestStatus,
    /// Number of cutoffs that were judged; null before the backtest is completed.
    judged_cutoffs: Option<i64>,
    /// The mean AUC over these cutoffs with its standard error and the bounds of its 95 % interval.
    #[schema(value_type = Option<Object>, example = json!({"mean": 0.91, "standard_error": 0.01, "low": 0.89, "high": 0.93}))]
    roc_auc: Option<Estimate>,
    /// Findings of the backtest, worst first. Null before it is completed.
    #[schema(value_type = Option<Vec<FindingSchema>>)]
    findings: Option<Vec<Finding>>,
    error: Option<FailureBody>,
    created_at: Stamp,
    finished_at: Option<Stamp>,
}

impl From<BacktestRow> for BacktestSummary {
    fn from(row: BacktestRow) -> Self {
        BacktestSummary {
            backtest_id: row.id,
            job_id: row.job_id,
            dataset_id: row.dataset_id,
            model_type: row.model_type,
            status: row.status,
            judged_cutoffs: row.judged_cutoffs,
            roc_auc: row.roc_auc.map(|found| found.0),
            findings: row.findings.map(|findings| findings.0),
            error: FailureBody::of(row.error_code, row.error_message, row.error_line, row.error_findings),
            created_at: row.created_at,
            finished_at: row.finished_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct BacktestList {
    total: i64,
    limit: i64,
    offset: i64,
    backtests: Vec<BacktestSummary>,
}

/// Filter of the list of backtests.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct BacktestFilter {
    /// Only backtests with this status.
    #[param(inline)]
    status: Option<BacktestStatus>,
}

/// Path parameter of a backtest.
#[derive(Debug, Deserialize)]
struct BacktestPath {
    backtest_id: Uuid,
}

/// The backtests, newest first
#[utoipa::path(get, path = "/organizations/{org_id}/backtests", tag = "backtests", params(BacktestFilter, PageQuery), responses((status = 200, body = BacktestList)))]
async fn list(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Query(filter): Query<BacktestFilter>,
    Query(page): Query<PageQuery>,
) -> Result<Json<BacktestList>> {
    let page = page.check()?;
    state.store.organization(&tenant.org_id).await?;
    let found = state.store.backtests(&tenant.org_id, filter.status, page).await?;
    let backtests = found.rows.into_iter().map(BacktestSummary::from).collect();
    Ok(Json(BacktestList { total: found.total, limit: page.limit, offset: page.offset, backtests }))
}

/// A backtest with its result.
#[derive(Debug, Serialize, ToSchema)]
struct BacktestAnswer {
    #[serde(flatten)]
    summary: BacktestSummary,
    /// The result, as the library writes it; null before the backtest is completed. `cutoffs` has a row per cutoff. `roc_auc`,
    /// `log_loss`, `brier`, `lift_10`, `base_rate` and `predicted_minus_observed` are means with 95 % intervals. `against` has
    /// the differences to recency alone, to logistic regression and to the other recipes; `reliability` and `segments` the
    /// observed rates beside the predicted ones; `skipped` the cutoffs that could not be judged.
    #[schema(value_type = Option<Object>)]
    result: Option<Box<RawValue>>,
}

/// One backtest
///
/// With `wait`, the response is delayed until the backtest has ended or the waiting time is over.
#[utoipa::path(get, path = "/organizations/{org_id}/backtests/{backtest_id}", tag = "backtests", params(WaitQuery), responses((status = 200, body = BacktestAnswer)))]
async fn get(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Path(BacktestPath { backtest_id }): Path<BacktestPath>,
    Query(wait): Query<WaitQuery>,
) -> Result<Json<BacktestAnswer>> {
    let (org_id, id) = (&tenant.org_id, backtest_id.to_string());
    let mut wait = Wait::from_query(&state, org_id, wait)?;
    let row = loop {
        let row = state.store.backtest(org_id, &id).await?;
        if row.status != BacktestStatus::Processing || !wait.next_poll().await {
            break row;
        }
    };
    let result = match &row.result_key {
        Some(key) => Some(result(&state, key).await?),
        None => None,
    };
    Ok(Json(BacktestAnswer { summary: row.into(), result }))
}

/// Reads the result of a backtest from the storage.
async fn result(state: &AppState, key: &str) -> Result<Box<RawValue>> {
    let at: Location = key.parse()?;
    let bytes = state.storage.get(&at).await?.bytes(MAX_RESULT).await?;
    serde_json::from_slice(&bytes).map_err(|error| ApiError::internal(format_args!("the result {at}: {error}")))
}

/// Delete a backtest
///
/// Also deletes its result and its job, which is stopped if it still runs.
#[utoipa::path(delete, path = "/organizations/{org_id}/backtests/{backtest_id}", tag = "backtests", responses((status = 204)))]
async fn delete(
    tenant: Tenant<Admin>,
    State(state): State<AppState>,
    Path(BacktestPath { backtest_id }): Path<BacktestPath>,
) -> Result<StatusCode> {
    let mut tx = state.store.begin().await?;
    let files = tx.delete_backtest(&tenant.org_id, &backtest_id.to_string()).await?;
    tx.commit().await?;
    discard_all(&state, files).await;
    Ok(StatusCode::NO_CONTENT)
}
