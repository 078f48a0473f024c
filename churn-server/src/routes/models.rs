//! Models: their versions, their roles, and comparisons of two models.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use churn::report::Report;
use churn::{Comparison, Day, Finding, Metrics};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::datasets::FailureBody;
use super::download;
use super::findings::FindingSchema;
use super::training::{Features, training_dataset};
use crate::auth::{Admin, Read, Tenant};
use crate::comparison;
use crate::error::{ApiError, ErrorBody, Result};
use crate::extract::{Json, Path, Query};
use crate::serving::Hot;
use crate::state::AppState;
use crate::store::{DataKind, ModelRole, ModelRow, ModelStatus, PageQuery};
use crate::time::Stamp;

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(roll_back))
        .routes(routes!(challenge, end_challenge))
        .routes(routes!(compare))
        .routes(routes!(get))
        .routes(routes!(document))
        .routes(routes!(report))
        .routes(routes!(activate))
}

/// Summary of a model.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ModelSummary {
    model_id: String,
    /// Version within the organization, starting at 1.
    version: i64,
    /// Requested model type.
    #[schema(example = "auto")]
    model_type: String,
    /// Model type that was trained; for `auto`, the one that was selected.
    #[schema(example = "gradient_boosting")]
    kind: Option<String>,
    status: ModelStatus,
    /// Role of the model; null if it is not in use.
    role: Option<ModelRole>,
    dataset_id: String,
    job_id: String,
    /// Number of labelled rows that the model was trained on.
    training_samples: Option<i64>,
    churn_rate: Option<f64>,
    /// Metrics on rows that were not used for training: accuracy, precision, recall, f1, roc_auc, pr_auc, log_loss, brier, ece,
    /// …
    #[schema(value_type = Option<Object>)]
    metrics: Option<Metrics>,
    /// AUC of recency alone, the baseline to beat.
    recency_auc: Option<f64>,
    /// Findings of the training about the data and the result, worst first. Null before the training is completed, and for a
    /// model of an older version that did not check.
    #[schema(value_type = Option<Vec<FindingSchema>>)]
    findings: Option<Vec<Finding>>,
    error: Option<FailureBody>,
    created_at: Stamp,
    trained_at: Option<Stamp>,
}

impl From<ModelRow> for ModelSummary {
    fn from(row: ModelRow) -> Self {
        ModelSummary {
            model_id: row.id,
            version: row.version,
            model_type: row.model_type,
            kind: row.kind,
            status: row.status,
            role: row.role,
            dataset_id: row.dataset_id,
            job_id: row.job_id,
            training_samples: row.training_samples,
            churn_rate: row.churn_rate,
            metrics: row.metrics.map(|metrics| metrics.0),
            recency_auc: row.recency_auc,
            findings: row.findings.map(|findings| findings.0),
            error: FailureBody::of(row.error_code, row.error_message, row.error_line, row.error_findings),
            created_at: row.created_at,
            trained_at: row.trained_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct ModelList {
    total: i64,
    limit: i64,
    offset: i64,
    models: Vec<ModelSummary>,
    /// Share of the customers that the challenger scores.
    traffic_share: f64,
}

/// Filter of the model list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ModelFilter {
    /// Only models with this status.
    #[param(inline)]
    status: Option<ModelStatus>,
}

/// Path parameter of a model.
#[derive(Debug, Deserialize)]
struct ModelPath {
    model_id: Uuid,
}

/// The models, newest first
#[utoipa::path(get, path = "/organizations/{org_id}/models", tag = "models", params(ModelFilter, PageQuery), responses((status = 200, body = ModelList)))]
async fn list(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Query(filter): Query<ModelFilter>,
    Query(page): Query<PageQuery>,
) -> Result<Json<ModelList>> {
    let page = page.check()?;
    let organization = state.store.organization(&tenant.org_id).await?;
    let found = state.store.models(&tenant.org_id, filter.status, page).await?;
    Ok(Json(ModelList {
        total: found.total,
        limit: page.limit,
        offset: page.offset,
        models: found.rows.into_iter().map(ModelSummary::from).collect(),
        traffic_share: organization.traffic_share,
    }))
}

/// A model with the details of its document. The details are empty before the training is completed.
#[derive(Debug, Serialize, ToSchema)]
struct ModelDetails {
    #[serde(flatten)]
    summary: ModelSummary,
    /// Evaluation of the model: protocol, metrics, curves, segments, importance, candidates.
    evaluation: Option<Value>,
    /// Training data of the model: rows, customers, base rate, fingerprint.
    training: Option<Value>,
    /// Settings that the model was fitted with, including the values chosen automatically.
    parameters: Option<Value>,
    /// Messages of the findings that are warnings or errors. For older models: their own warnings.
    warnings: Vec<String>,
    /// Definition of churn of the model, in one sentence.
    definition: Option<String>,
    /// Kind of the data that the model learned from and predicts.
    data_kind: Option<DataKind>,
    /// Cutoff days of the training rows.
    #[schema(value_type = Vec<String>)]
    cutoffs: Vec<Day>,
    /// Names of the features that the model uses.
    features: Vec<String>,
}

/// One model
#[utoipa::path(get, path = "/organizations/{org_id}/models/{model_id}", tag = "models", responses((status = 200, body = ModelDetails)))]
async fn get(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Path(ModelPath { model_id }): Path<ModelPath>,
) -> Result<Json<ModelDetails>> {
    let row = state.store.model(&tenant.org_id, &model_id.to_string()).await?;
    if row.status != ModelStatus::Completed {
        return Ok(Json(ModelDetails {
            summary: row.into(),
            evaluation: None,
            training: None,
            parameters: None,
            warnings: Vec::new(),
            definition: None,
            data_kind: None,
            cutoffs: Vec::new(),
            features: Vec::new(),
        }));
    }
    let hot = Hot::load(&state, &tenant.org_id, &row.id).await?;
    let model = hot.model();
    let value = |value: serde_json::Result<Value>| value.map(Some).map_err(ApiError::internal);
    Ok(Json(ModelDetails {
        summary: row.into(),
        evaluation: model.evaluation().map(serde_json::to_value).transpose().map_err(ApiError::internal)?,
        training: value(serde_json::to_value(model.training()))?,
        parameters: value(serde_json::to_value(model.parameters()))?,
        warnings: model.warnings().to_vec(),
        definition: Some(model.definition()),
        data_kind: Some(hot.kind()),
        cutoffs: model.cutoffs().to_vec(),
        features: model.feature_specs().iter().map(|spec| spec.name.clone()).collect(),
    }))
}

/// The model document
///
/// The same JSON document loads in Rust, Python and the browser.
#[utoipa::path(get, path = "/organizations/{org_id}/models/{model_id}/document", tag = "models",
    responses((status = 200, content_type = "application/json", body = Value)))]
async fn document(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Path(ModelPath { model_id }): Path<ModelPath>,
) -> Result<Response> {
    let row = state.store.model(&tenant.org_id, &model_id.to_string()).await?;
    let key = row.document_key.ok_or_else(|| {
        let message = format!("the model {model_id} has no document: it is {}", row.status);
        ApiError::not_found("model_not_found", message)
    })?;
    download(&state, &key, &format!("model_{}.json", row.version), "application/json").await
}

/// The report on a model
///
/// An HTML page on what the model learned and how far to believe it, in words. It loads nothing from elsewhere and runs no script.
#[utoipa::path(get, path = "/organizations/{org_id}/models/{model_id}/report", tag = "models", responses(
    (status = 200, content_type = "text/html", body = String),
    (status = 409, description = "It is not completed (`model_not_ready`), or it was trained with `evaluation: false` (`not_evaluated`)",
        body = ErrorBody),
))]
async fn report(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Path(ModelPath { model_id }): Path<ModelPath>,
) -> Result<Response> {
    let hot = Hot::load(&state, &tenant.org_id, &model_id.to_string()).await?;
    if hot.model().evaluation().is_none() {
        let message = "the model was trained without an evaluation, so nobody can say how far to believe it: train with evaluation: true";
        return Err(ApiError::conflict("not_evaluated", message));
    }
    let filename = format!("report_{}.html", hot.version());
    let page = state.cpu.run(move || Report::new("Churn model", hot.model()).to_html()).await??;
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{filename}\"")),
    ];
    Ok((headers, page).into_response())
}

/// Put a model to use
#[utoipa::path(post, path = "/organizations/{org_id}/models/{model_id}/activate", tag = "models", responses(
    (status = 200, body = ModelSummary),
    (status = 409, description = "It is not completed (`model_not_ready`)", body = ErrorBody),
))]
async fn activate(
    tenant: Tenant<Admin>,
    State(state): State<AppState>,
    Path(ModelPath { model_id }): Path<ModelPath>,
) -> Result<Json<ModelSummary>> {
    let id = model_id.to_string();
    let mut tx = state.store.begin().await?;
    tx.activate_model(&tenant.org_id, &id, false).await?;
    tx.commit().await?;
    state.serving.forget(&tenant.org_id);
    tracing::info!(organization = %tenant.org_id, model = %id, by = %tenant.principal.subject, "model activated");
    Ok(Json(state.store.model(&tenant.org_id, &id).await?.into()))
}

/// Go back to the model that was in use before
///
/// A second call goes back one model further.
#[utoipa::path(post, path = "/organizations/{org_id}/models/rollback", tag = "models", responses(
    (status = 200, body = ModelSummary),
    (status = 409, description = "The active model took over from no other (`nothing_to_roll_back`)", body = ErrorBody),
))]
async fn roll_back(tenant: Tenant<Admin>, State(state): State<AppState>) -> Result<Json<ModelSummary>> {
    state.store.organization(&tenant.org_id).await?;
    let mut tx = state.store.begin().await?;
    let id = tx.roll_back_model(&tenant.org_id).await?;
    tx.commit().await?;
    state.serving.forget(&tenant.org_id);
    tracing::info!(organization = %tenant.org_id, model = %id, by = %tenant.principal.subject, "model rolled back");
    Ok(Json(state.store.model(&tenant.org_id, &id).await?.into()))
}

/// Request to set the challenger.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewChallenger {
    /// Id of a completed model that is not the active one.
    model_id: Uuid,
    /// Share of the customers that the challenger scores, 0 to 1. A hash of the customer id decides which ones.
    #[schema(minimum = 0, maximum = 1, example = 0.1)]
    traffic_share: f64,
}

/// The models in use.
#[derive(Debug, Serialize, ToSchema)]
struct InUseAnswer {
    active: ModelSummary,
    challenger: ModelSummary,
    traffic_share: f64,
}

/// Let a challenger score a share of the customers
#[utoipa::path(put, path = "/organizations/{org_id}/models/challenger", tag = "models", request_body = NewChallenger, responses(
    (status = 200, body = InUseAnswer),
    (status = 409, description = "It is not completed (`model_not_ready`); it is the active one, or takes other data than that (`conflict`)", body = ErrorBody),
))]
async fn challenge(
    tenant: Tenant<Admin>,
    State(state): State<AppState>,
    Json(new): Json<NewChallenger>,
) -> Result<Json<InUseAnswer>> {
    if !(0.0..=1.0).contains(&new.traffic_share) {
        let message = format!("traffic_share is {}; expected 0 to 1", new.traffic_share);
        return Err(ApiError::bad_request("invalid_parameter", message));
    }
    state.store.organization(&tenant.org_id).await?;
    let active = state.store.model_in_role(&tenant.org_id, ModelRole::Active).await?;
    // Whether the challenger exists and is completed is checked when it is set.
    let challenger = Hot::load(&state, &tenant.org_id, &new.model_id.to_string()).await;
    if let (Some(active), Ok(challenger)) = (active, challenger)
        && !challenger.scores_as(&Hot::load(&state, &tenant.org_id, &active.id).await?)
    {
        let message = "the two models do not score the same customers from the same data: they differ in the kind of data, in usage events, \
                       or in before_renewal_days";
        return Err(ApiError::conflict("conflict", message));
    }
    let mut tx = state.store.begin().await?;
    tx.set_challenger(&tenant.org_id, &new.model_id.to_string(), new.traffic_share).await?;
    tx.commit().await?;
    state.serving.forget(&tenant.org_id);
    let in_use = state.store.models_in_use(&tenant.org_id).await?;
    let challenger = in_use.challenger.ok_or_else(no_challenger)?;
    Ok(Json(InUseAnswer {
        active: in_use.active.into(),
        challenger: challenger.into(),
        traffic_share: new.traffic_share,
    }))
}

fn no_challenger() -> ApiError {
    ApiError::not_found("no_challenger", "there is no challenger; PUT models/challenger sets one")
}

/// Let the active model score all customers
#[utoipa::path(delete, path = "/organizations/{org_id}/models/challenger", tag = "models", responses((status = 204)))]
async fn end_challenge(tenant: Tenant<Admin>, State(state): State<AppState>) -> Result<StatusCode> {
    state.store.organization(&tenant.org_id).await?;
    let mut tx = state.store.begin().await?;
    if !tx.remove_challenger(&tenant.org_id).await? {
        return Err(no_challenger());
    }
    tx.commit().await?;
    state.serving.forget(&tenant.org_id);
    Ok(StatusCode::NO_CONTENT)
}

/// Parameters of the comparison.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CompareQuery {
    /// The first model. Default: the active model.
    a: Option<Uuid>,
    /// The second model. Default: the challenger.
    b: Option<Uuid>,
    /// The data set with the outcomes of the customers. Default: the newest one whose features are ready.
    dataset_id: Option<Uuid>,
    /// Confidence level: the share of such intervals that contain the true difference.
    #[param(minimum = 0, maximum = 1, default = 0.95)]
    confidence: Option<f64>,
}

/// Comparison of two models on the same customers.
#[derive(Debug, Serialize, ToSchema)]
struct ComparisonAnswer {
    a: ModelSummary,
    b: ModelSummary,
    dataset_id: String,
    /// Day at which the customers are scored. Their outcomes after it are known.
    #[schema(value_type = String, format = Date)]
    cutoff: Day,
    customers: u64,
    /// Difference in log-loss; below 0 means b is better. Fields: a, b, difference, standard_error, low, high.
    #[schema(value_type = Object)]
    log_loss: churn::Difference,
    /// Difference in ROC AUC; above 0 means b is better. Fields: a, b, difference, standard_error, low, high.
    #[schema(value_type = Object)]
    roc_auc: churn::Difference,
    /// Verdict by the log-loss: there is a difference if its interval does not contain 0.
    #[schema(example = "no difference shown")]
    verdict: &'static str,
    /// True if a model has learned from the outcomes that it is judged by. The comparison then says little: use a data set with
    /// later days.
    in_sample: bool,
    warnings: Vec<String>,
}

/// Compare two models
///
/// Both models score the customers of a data set at the last day whose outcome is known there. They use the definition of churn
/// that both were trained with. Their scores are compared with the outcomes, customer by customer.
#[utoipa::path(get, path = "/organizations/{org_id}/models/comparison", tag = "models", params(CompareQuery), responses(
    (status = 200, body = ComparisonAnswer),
    (status = 409, description = "The models mean different things by churn (`conflict`), or one is not completed (`model_not_ready`)", body = ErrorBody),
    (status = 413, description = "The log has too many rows to be held in memory (`too_many_rows`)", body = ErrorBody),
    (status = 422, description = "The log does not tell what became of enough customers", body = ErrorBody),
))]
async fn compare(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Query(query): Query<CompareQuery>,
) -> Result<Json<ComparisonAnswer>> {
    state.store.organization(&tenant.org_id).await?;
    let a = match query.a {
        Some(id) => state.store.model(&tenant.org_id, &id.to_string()).await?,
        None => state.store.models_in_use(&tenant.org_id).await?.active,
    };
    let b = match query.b {
        Some(id) => state.store.model(&tenant.org_id, &id.to_string()).await?,
        None => state.store.model_in_role(&tenant.org_id, ModelRole::Challenger).await?.ok_or_else(no_challenger)?,
    };
    let dataset = training_dataset(&state, &tenant.org_id, query.dataset_id, Features::Ready).await?;
    let judged = comparison::judge(&state, &a, &b, &dataset, query.confidence.unwrap_or(0.95)).await?;
    let Comparison { n, log_loss, roc_auc } = judged.comparison;
    let verdict = match log_loss {
        loss if loss.high < 0.0 => "b is better",
        loss if loss.low > 0.0 => "a is better",
        _ => "no difference shown",
    };
    Ok(Json(ComparisonAnswer {
        a: a.into(),
        b: b.into(),
        dataset_id: dataset.id,
        cutoff: judged.cutoff,
        customers: n,
        log_loss,
        roc_auc,
        verdict,
        in_sample: judged.in_sample,
        warnings: judged.warnings,
    }))
}
