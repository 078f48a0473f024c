//! Feature engineering and training, run by background jobs.

use axum::extract::State;
use axum::http::StatusCode;
use churn::{Estimate, Finding, ModelKind, ReadOptions};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::datasets::{data_form, form_of, log_options};
use super::findings::{FindingSchema, allowed, train_config};
use crate::auth::{Read, Tenant, Write};
use crate::data::DataForm;
use crate::error::{ApiError, ErrorBody, Result};
use crate::extract::{DatasetPath, Json, Path, Query, RawBody, new_id};
use crate::jobs::{FeaturesPayload, TrainPayload, check_size};
use crate::state::AppState;
use crate::store::{
    DataKind, DatasetRow, DatasetStatus, JobKind, JsonText, ModelStatus, NewJob, NewModel, PageQuery, Settings,
};
use crate::time::{Stamp, today};
use crate::waiting::{Wait, WaitQuery};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(process_features)).routes(routes!(train)).routes(routes!(training_status))
}

/// Response to an accepted request for features.
#[derive(Debug, Serialize, ToSchema)]
struct FeaturesStarted {
    success: bool,
    #[schema(example = "Feature engineering started in background")]
    message: &'static str,
    dataset_id: String,
    job_id: String,
}

/// Query parameter that allows findings.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AllowQuery {
    /// Codes of findings, separated by commas, that do not stop the work even if they are errors.
    #[param(example = "isolated_last_day")]
    pub allow: Option<String>,
}

/// Make the features of a data set
///
/// Runs in the background. If a job is making the features already, the response names that job. The rows are checked against
/// the organization's definition of churn, and `findings` of the data set holds the result. Rows far away from all others stop
/// the job with the code `finding`, unless `allow` lists the code of the finding. A JSON body sets reading options for this
/// data set alone, such as the `last_day` that a finding suggests. They are stored and also used for training and scoring;
/// options given before, or found at the upload, stay unless the body has the same key.
#[utoipa::path(post, path = "/organizations/{org_id}/datasets/{dataset_id}/process-features", tag = "data sets", params(AllowQuery),
    request_body(content = Option<Value>, content_type = "application/json", description = "Options of reading for this data set: those of the organization's `read` that differ", example = json!({"last_day": "2024-12-23"})),
    responses((status = 202, body = FeaturesStarted)))]
async fn process_features(
    tenant: Tenant<Write>,
    State(state): State<AppState>,
    Path(DatasetPath { dataset_id }): Path<DatasetPath>,
    Query(AllowQuery { allow }): Query<AllowQuery>,
    RawBody(body): RawBody,
) -> Result<(StatusCode, Json<FeaturesStarted>)> {
    let allow = allowed(allow.as_deref())?;
    let options = settings_of(&body, "options of reading, such as {\"last_day\": \"2024-12-31\"}")?;
    let mut dataset = state.store.dataset(&tenant.org_id, &dataset_id.to_string()).await?;
    let mut tx = state.store.begin().await?;
    let settings = tx.organization(&tenant.org_id).await?.settings.0;
    if let Some(options) = options {
        // Those of the upload stay, because the file cannot be read without them.
        let mut all = dataset.read_options.take().map(|own| own.0).unwrap_or_default();
        all.extend(options);
        check_options(&form_of(dataset.kind, settings.read.clone(), Some(&all))?)?;
        dataset.read_options = Some(JsonText(all));
    }
    let new = new_id();
    let job_id = match tx.mark_processing(&dataset.id, &new).await? {
        // Another request was first.
        Some(under_way) => under_way,
        None => {
            let definition = train_config(&settings, &dataset, &Map::new())?.labels;
            // Subscriptions are held in memory in any case.
            let fits = dataset.kind == DataKind::Subscriptions || state.check_rows(dataset.row_count as u64).is_ok();
            let payload = FeaturesPayload {
                file_key: dataset.file_key.clone(),
                read: data_form(settings.read, &dataset)?,
                definition: fits.then_some(definition),
                allow,
            };
            if let Some(options) = &dataset.read_options {
                tx.dataset_read_options(&dataset.id, &options.0).await?;
            }
            let job = NewJob {
                id: &new,
                org_id: &tenant.org_id,
                kind: JobKind::ProcessFeatures,
                subject_id: &dataset.id,
                max_attempts: state.config.job_attempts,
            };
            tx.insert_job(&job, &payload).await?;
            tx.check_open_jobs(&tenant.org_id, state.config.max_open_jobs).await?;
            tx.commit().await?;
            state.wake.notify_one();
            new
        }
    };
    let message = "Feature engineering started in background";
    Ok((StatusCode::ACCEPTED, Json(FeaturesStarted { success: true, message, dataset_id: dataset.id, job_id })))
}

/// Parameters of the training.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct TrainQuery {
    /// `logistic_regression`, `random_forest`, `gradient_boosting` or `auto`; default `logistic_regression`.
    #[param(example = "logistic_regression")]
    model_type: Option<String>,
    /// The data set to train on. Default: the newest one whose features are ready or being made.
    dataset_id: Option<Uuid>,
    /// A data set of usage events, such as logins, of the customers of the subscriptions to train on. The model learns from them
    /// too, and needs such events for predictions.
    usage_dataset_id: Option<Uuid>,
    /// Codes of findings, separated by commas, that do not stop the training even if they are errors.
    #[param(example = "regular_payers")]
    allow: Option<String>,
    /// `true`: the model is put to use as soon as it is trained. `false`: it is not. Left out: it is put to use if no other
    /// model is.
    activate: Option<bool>,
}

/// Response to an accepted training.
#[derive(Debug, Serialize, ToSchema)]
struct TrainingStarted {
    success: bool,
    #[schema(example = "Model training started in background")]
    message: &'static str,
    #[schema(example = "logistic_regression")]
    model_type: &'static str,
    job_id: String,
    model_id: String,
    dataset_id: String,
}

/// Train a model
///
/// Runs in the background on one data set, with the organization's training settings; a JSON body overrides some of them. While
/// the features of the data set are being made, the training waits for them. If they cannot be made, the training fails with
/// the same reason. A data set uploaded with labels is trained on these labels, unless the settings name other `labels`.
/// Otherwise a customer has churned if they do not come back within `horizon_days`, or on a data set of subscriptions, if the
/// subscription ends within `horizon_days`. Models are evaluated out of time if the log
/// is long enough. Findings that are errors stop the training with the code `finding`, unless `allow` lists the code of the
/// finding.
#[utoipa::path(post, path = "/organizations/{org_id}/train", tag = "training", params(TrainQuery),
    request_body(content = Option<Value>, content_type = "application/json", description = "Settings of training, all keys side by side", example = json!({"horizon_days": 60})),
    responses(
        (status = 202, body = TrainingStarted),
        (status = 409, description = "Nobody has asked for the features yet, or they could not be made (`features_not_ready`)", body = ErrorBody),
    ))]
async fn train(
    tenant: Tenant<Write>,
    State(state): State<AppState>,
    Query(query): Query<TrainQuery>,
    RawBody(body): RawBody,
) -> Result<(StatusCode, Json<TrainingStarted>)> {
    let allow = allowed(query.allow.as_deref())?;
    let what = "settings of training, such as {\"horizon_days\": 60}";
    let mut overrides = settings_of(&body, what)?.unwrap_or_default();
    let model_type = model_type(query.model_type.as_deref(), &overrides)?;
    overrides.insert("model".to_owned(), model_type.name().into());
    let settings = state.store.organization(&tenant.org_id).await?.settings.0;
    let dataset = training_dataset(&state, &tenant.org_id, query.dataset_id, Features::MayBeUnderWay).await?;
    let mut config = train_config(&settings, &dataset, &overrides)?;
    config.allow.extend(allow);
    let usage = usage_file(&state, &settings, &tenant.org_id, dataset.kind, query.usage_dataset_id).await?;
    check_size(&config, dataset.customers, state.config.max_training_values)?;
    let payload = TrainPayload {
        file_key: dataset.file_key.clone(),
        read: data_form(settings.read, &dataset)?,
        usage,
        config,
        activate: query.activate,
        dataset_id: Some(dataset.id.clone()),
    };
    let (job_id, model_id) = (new_id(), new_id());
    let (org_id, dataset_id, max_attempts) = (&tenant.org_id, &dataset.id, state.config.job_attempts);
    let mut tx = state.store.begin().await?;
    // Checked again in the transaction, because the job of the features may have ended since the first check.
    let held = tx.lock_dataset(dataset_id).await?;
    check_features(&held, Features::MayBeUnderWay)?;
    let model = NewModel { id: &model_id, org_id, model_type: model_type.name(), dataset_id, job_id: &job_id };
    tx.insert_model(&model).await?;
    let job = NewJob { id: &job_id, org_id, kind: JobKind::Train, subject_id: &model_id, max_attempts };
    tx.insert_job(&job, &payload).await?;
    tx.check_open_jobs(org_id, state.config.max_open_jobs).await?;
    if let (DatasetStatus::Processing, Some(features)) = (held.status, &held.job_id) {
        tx.wait_for_features(&job_id, features).await?;
    }
    tx.commit().await?;
    state.wake.notify_one();
    let started = TrainingStarted {
        success: true,
        message: "Model training started in background",
        model_type: model_type.name(),
        job_id,
        model_id,
        dataset_id: dataset.id,
    };
    Ok((StatusCode::ACCEPTED, Json(started)))
}

/// Parses the settings in a body that may be empty.
pub(super) fn settings_of(body: &[u8], what: &str) -> Result<Option<Map<String, Value>>> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(map)) => Ok(Some(map)),
        Ok(Value::Null) => Ok(None),
        Ok(_) => {
            let message = format!("expected an object with {what}");
            Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", message))
        }
        Err(error) => Err(ApiError::bad_request("invalid_json", format!("the body is not JSON: {error}"))),
    }
}

/// Refuses reading options that the reader would refuse.
pub(super) fn check_options(form: &DataForm) -> Result<()> {
    match form {
        DataForm::Events(read) => Settings { read: (**read).clone(), ..Settings::default() }.check(),
        DataForm::Subscriptions { subscriptions } => {
            subscriptions.check()?;
            match subscriptions.last_day {
                // Nobody has left yet on a day to come. Tomorrow has already begun in some time zones.
                Some(day) if day > today().plus(1) => {
                    let message =
                        format!("last_day is {day}, which lies in the future; expected a day up to today, {}", today());
                    Err(ApiError::bad_request("invalid_parameter", message))
                }
                _ => Ok(()),
            }
        }
    }
}

/// Returns the file of the usage events of subscriptions, and how it is read. None without a data set of usage events.
///
/// # Errors
/// `invalid_parameter` unless the other data, of this kind, are subscriptions; `not_events`; those of the data set.
pub(super) async fn usage_file(
    state: &AppState,
    settings: &Settings,
    org_id: &str,
    kind: DataKind,
    usage: Option<Uuid>,
) -> Result<Option<(String, ReadOptions)>> {
    let Some(id) = usage else { return Ok(None) };
    if kind != DataKind::Subscriptions {
        let message = "usage_dataset_id goes with subscriptions; the other data are events";
        return Err(ApiError::bad_request("invalid_parameter", message));
    }
    let usage = state.store.dataset(org_id, &id.to_string()).await?;
    state.check_rows(usage.row_count as u64)?;
    let read = log_options(settings.read.clone(), &usage, "usage_dataset_id")?;
    Ok(Some((usage.file_key, read)))
}

/// Returns the model type of a request: that of its query, or that of its body.
///
/// # Errors
/// `invalid_model_type`; `invalid_parameter` if the two differ.
pub(super) fn model_type(asked: Option<&str>, overrides: &Map<String, Value>) -> Result<ModelKind> {
    let kinds = [ModelKind::LogisticRegression, ModelKind::RandomForest, ModelKind::GradientBoosting, ModelKind::Auto];
    let valid: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    let unknown = |found: String| {
        let message = format!("model_type is {found}; expected one of {}", valid.join(", "));
        ApiError::bad_request("invalid_model_type", message).with_details(json!({ "valid": valid }))
    };
    let in_body = match overrides.get("model") {
        None => None,
        Some(Value::String(name)) => Some(name.as_str()),
        Some(other) => return Err(unknown(other.to_string())),
    };
    let name = match (asked, in_body) {
        (Some(one), Some(other)) if one != other => {
            let message = format!("model_type is {one:?}, and model in the body {other:?}: name one of them");
            return Err(ApiError::bad_request("invalid_parameter", message));
        }
        (one, other) => one.or(other).unwrap_or(ModelKind::LogisticRegression.name()),
    };
    kinds.into_iter().find(|kind| kind.name() == name).ok_or_else(|| unknown(format!("{name:?}")))
}

/// Requirement on the features of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Features {
    /// The features exist.
    Ready,
    /// The features exist, or a job that can be waited for is making them.
    MayBeUnderWay,
}

/// Returns the data set to train or compare on.
pub(super) async fn training_dataset(
    state: &AppState,
    org_id: &str,
    named: Option<Uuid>,
    features: Features,
) -> Result<DatasetRow> {
    let dataset = choose_dataset(state, org_id, named, features).await?;
    check_features(&dataset, features)?;
    state.check_rows(dataset.row_count as u64)?;
    Ok(dataset)
}

/// Returns the named data set, or the newest one whose features meet the requirement, or else the newest one.
pub(super) async fn choose_dataset(
    state: &AppState,
    org_id: &str,
    named: Option<Uuid>,
    features: Features,
) -> Result<DatasetRow> {
    match named {
        Some(id) => state.store.dataset(org_id, &id.to_string()).await,
        None => {
            let newest = PageQuery { limit: 1, offset: 0 };
            let mut found = state.store.datasets(org_id, Some(DatasetStatus::FeaturesReady), newest).await?.rows;
            if features == Features::MayBeUnderWay {
                found.extend(state.store.datasets(org_id, Some(DatasetStatus::Processing), newest).await?.rows);
            }
            if found.is_empty() {
                found = state.store.datasets(org_id, None, newest).await?.rows;
            }
            found.into_iter().max_by_key(|row| (row.created_at, row.id.clone())).ok_or_else(|| {
                let message = format!("the organization {org_id:?} has no data set: upload one first");
                ApiError::not_found("dataset_not_found", message)
            })
        }
    }
}

/// Refuses a data set whose features do not meet the requirement.
fn check_features(dataset: &DatasetRow, features: Features) -> Result<()> {
    let id = &dataset.id;
    let message = match dataset.status {
        DatasetStatus::Processing if features == Features::MayBeUnderWay => return Ok(()),
        DatasetStatus::Error => {
            let reason = dataset.error_message.as_deref().unwrap_or("its error says why");
            format!("the features of the data set {id} could not be made: {reason}")
        }
        // A data set whose features are being made again still has the previous ones.
        _ if dataset.features_key.is_some() => return Ok(()),
        DatasetStatus::Processing => format!("the features of the data set {id} are still being made"),
        _ => format!("the data set {id} has no features yet: run process-features first"),
    };
    Err(ApiError::conflict("features_not_ready", message))
}

/// Bounds of a 95 % confidence interval.
#[derive(Debug, Serialize, ToSchema)]
struct Interval {
    #[schema(example = 0.91)]
    low: f64,
    #[schema(example = 0.95)]
    high: f64,
}

impl From<Estimate> for Interval {
    fn from(estimate: Estimate) -> Self {
        Interval { low: estimate.low, high: estimate.high }
    }
}

/// Status of the newest training. Numbers are null before it is completed.
#[derive(Debug, Default, Serialize, ToSchema)]
struct TrainingStatus {
    /// `not_started`, `training`, `completed` or `failed`.
    #[schema(example = "completed")]
    status: &'static str,
    #[schema(example = "logistic_regression")]
    model_type: Option<String>,
    accuracy: Option<f64>,
    precision: Option<f64>,
    recall: Option<f64>,
    f1_score: Option<f64>,
    roc_auc: Option<f64>,
    /// The 95 % interval of the mean AUC over the judged cutoffs. Null for a model of an older version.
    roc_auc_interval: Option<Interval>,
    /// Number of cutoffs that the recipe was judged at, the one of `roc_auc` among them. 0 if customers were held out instead.
    judged_cutoffs: Option<i64>,
    /// Number of labelled rows that the model was trained on.
    training_samples: Option<i64>,
    churn_rate: Option<f64>,
    trained_at: Option<Stamp>,
    error_message: Option<String>,
    /// Progress from 0 to 1.
    progress: f64,
    /// Current stage, or what the job waits for: `waiting for features`, `waiting for storage`, `waiting for storage or
    /// database`.
    #[schema(example = "fit")]
    stage: Option<String>,
    job_id: Option<String>,
    model_id: Option<String>,
    model_version: Option<i64>,
    error_code: Option<String>,
    specificity: Option<f64>,
    pr_auc: Option<f64>,
    log_loss: Option<f64>,
    brier: Option<f64>,
    /// Expected calibration error.
    ece: Option<f64>,
    /// Churn rate of the riskiest 10 % of the customers, divided by the churn rate of all.
    lift_10: Option<f64>,
    /// AUC of recency alone, the baseline to beat.
    recency_auc: Option<f64>,
    /// Findings of the training about the data and the result, worst first. If the training failed with the code `finding`: the
    /// findings that stopped it. Null if nothing was checked.
    #[schema(value_type = Option<Vec<FindingSchema>>)]
    findings: Option<Vec<Finding>>,
    /// Messages of the findings that are warnings or errors. For older models: their own warnings.
    warnings: Vec<String>,
}

/// The status of the newest training
///
/// With `wait`, the response is delayed until the training has ended or the waiting time is over.
#[utoipa::path(get, path = "/organizations/{org_id}/training-status", tag = "training", params(WaitQuery), responses((status = 200, body = TrainingStatus)))]
async fn training_status(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Query(wait): Query<WaitQuery>,
) -> Result<Json<TrainingStatus>> {
    let org_id = &tenant.org_id;
    state.store.organization(org_id).await?;
    let newest = PageQuery { limit: 1, offset: 0 };
    let mut wait = Wait::from_query(&state, org_id, wait)?;
    let found = loop {
        let row = state.store.models(org_id, None, newest).await?.rows.into_iter().next();
        let has_ended = row.as_ref().is_none_or(|row| row.status != ModelStatus::Training);
        if has_ended || !wait.next_poll().await {
            break row;
        }
    };
    let Some(row) = found else {
        return Ok(Json(TrainingStatus { status: "not_started", ..TrainingStatus::default() }));
    };
    let (progress, stage) = match row.status {
        ModelStatus::Training => {
            let job = state.store.job(&tenant.org_id, &row.job_id).await?;
            (job.progress, job.stage)
        }
        ModelStatus::Completed => (1.0, None),
        ModelStatus::Failed => (0.0, None),
    };
    let metrics = row.metrics.map(|metrics| metrics.0);
    let of = |pick: fn(&churn::Metrics) -> f64| metrics.as_ref().map(pick);
    Ok(Json(TrainingStatus {
        status: row.status.name(),
        model_type: Some(row.model_type),
        accuracy: of(|m| m.accuracy),
        precision: of(|m| m.precision),
        recall: of(|m| m.recall),
        f1_score: of(|m| m.f1),
        roc_auc: of(|m| m.roc_auc),
        roc_auc_interval: row.roc_auc_over_time.map(|found| found.0.into()),
        judged_cutoffs: row.judged_cutoffs,
        training_samples: row.training_samples,
        churn_rate: row.churn_rate,
        trained_at: row.trained_at,
        error_message: row.error_message,
        progress,
        stage,
        job_id: Some(row.job_id),
        model_id: Some(row.id),
        model_version: Some(row.version),
        error_code: row.error_code,
        specificity: of(|m| m.specificity),
        pr_auc: of(|m| m.pr_auc),
        log_loss: of(|m| m.log_loss),
        brier: of(|m| m.brier),
        ece: of(|m| m.ece),
        lift_10: of(|m| m.lift_10),
        recency_auc: row.recency_auc,
        findings: row.error_findings.or(row.findings).map(|findings| findings.0),
        warnings: row.warnings.map(|warnings| warnings.0).unwrap_or_default(),
    }))
}
