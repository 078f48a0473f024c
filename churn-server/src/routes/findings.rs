//! Checks of data sets: their findings, and the finding codes that a caller allows.

use axum::extract::State;
use churn::{
    Finding, FindingInfo, LabelConfig, LabelKind, Severity, Suggestion, TrainConfig, check, check_subscriptions,
    finding_codes, suggest,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::datasets::data_form;
use crate::auth::{Read, Tenant};
use crate::data::Data;
use crate::error::{ApiError, Result};
use crate::extract::{DatasetPath, Json, Path, Query};
use crate::state::AppState;
use crate::storage::Location;
use crate::store::{DataKind, DatasetRow, Settings};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(check_dataset))
}

/// Schema of a finding in the API description. The library serializes the findings themselves.
#[derive(ToSchema)]
#[schema(as = Finding)]
#[expect(dead_code, reason = "it is only described: the library writes findings")]
pub(super) struct FindingSchema {
    /// Stable code in snake_case.
    #[schema(example = "isolated_last_day")]
    code: String,
    /// `note`, `warning` or `error`; an error stops the work unless its code is allowed.
    #[schema(example = "error")]
    severity: String,
    /// The finding and how to fix it, with the numbers.
    message: String,
    /// Numbers behind the finding, by name.
    #[schema(value_type = Object)]
    evidence: Value,
    /// Settings that would fix the finding, by name; empty if no setting does.
    #[schema(value_type = Object, example = json!({"last_day": "2024-12-23"}))]
    suggestion: Value,
}

/// Returns the messages of the findings that are warnings or errors.
pub(super) fn warnings(findings: &[Finding]) -> Vec<String> {
    let loud = findings.iter().filter(|finding| finding.severity > Severity::Note);
    loud.map(|finding| finding.message.clone()).collect()
}

/// Parses a list of finding codes, separated by commas.
///
/// # Errors
/// `invalid_parameter` for an unknown code; the details list the valid ones.
pub(super) fn allowed(codes: Option<&str>) -> Result<Vec<String>> {
    let codes = codes.unwrap_or_default().split(',').map(str::trim).filter(|code| !code.is_empty());
    let allow: Vec<String> = codes.map(str::to_owned).collect();
    let checked = TrainConfig { allow: allow.clone(), ..TrainConfig::default() }.check();
    checked.map_err(|error| {
        let valid: Vec<&str> = finding_codes().iter().map(|FindingInfo { code, .. }| *code).collect();
        ApiError::from(error).with_details(json!({ "valid": valid }))
    })?;
    Ok(allow)
}

/// Returns the training settings for a data set: those of the organization, overridden by those of one request.
///
/// # Errors
/// `invalid_parameter`.
pub(super) fn train_config(
    settings: &Settings,
    dataset: &DatasetRow,
    overrides: &Map<String, Value>,
) -> Result<TrainConfig> {
    let mut config = settings.train_config(overrides)?;
    if dataset.kind == DataKind::Subscriptions
        && matches!(config.labels.labels, LabelKind::Inactivity | LabelKind::Provided)
    {
        let message = "labels goes with events; on subscriptions the periods say who leaves: leave it out";
        return Err(ApiError::bad_request("invalid_parameter", message));
    }
    if provided_labels(settings, dataset, overrides) {
        config.labels.labels = churn::LabelKind::Provided;
    }
    Ok(config)
}

/// Returns true if the labels of the data set are learned from: it has some, and no settings name others.
pub(super) fn provided_labels(settings: &Settings, dataset: &DatasetRow, overrides: &Map<String, Value>) -> bool {
    let labels_named = overrides.contains_key("labels") || settings.train.contains_key("labels");
    dataset.has_churn_label && !labels_named
}

/// Definition of churn for the check, where it differs from the settings of the organization.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CheckQuery {
    /// Days without an event after which a customer has churned, 1 to 3650.
    #[param(minimum = 1, maximum = 3650, example = 90)]
    horizon_days: Option<i32>,
    /// Days between the cutoff and the horizon, 0 to 3650.
    #[param(minimum = 0, maximum = 3650)]
    gap_days: Option<i32>,
}

/// The result of a check.
#[derive(Debug, Serialize, ToSchema)]
struct CheckAnswer {
    dataset_id: String,
    /// Definition of churn that the check used.
    #[schema(value_type = Object, example = json!({"labels": "outcome_window", "horizon_days": 90, "gap_days": 0}))]
    definition: LabelConfig,
    /// Findings, worst first.
    #[schema(value_type = Vec<FindingSchema>)]
    findings: Vec<Finding>,
    /// Settings proposed from the pauses between events; null if too few customers came back, and for subscriptions.
    #[schema(value_type = Option<SuggestionSchema>)]
    suggestion: Option<Suggestion>,
}

/// Settings proposed for a log.
#[derive(ToSchema)]
#[schema(as = Suggestion)]
#[expect(dead_code, reason = "it is only described: the library writes suggestions")]
struct SuggestionSchema {
    /// The shortest of the usual horizons within which 80 % of the pauses end.
    horizon_days: i32,
    /// The shortest of the usual spans within which 95 % of the pauses end.
    active_within_days: i32,
    /// Share of the pauses that each of the usual horizons covers.
    #[schema(value_type = Vec<Object>, example = json!([{"horizon_days": 90, "share": 0.86}]))]
    shares: Value,
    /// Number of customers with at least one pause.
    customers: u64,
}

/// Check a data set
///
/// Checks the days, rows and pauses of the data set against a definition of churn, and proposes settings. No model is trained.
/// The rows are read into memory while the request waits; `process-features` checks them in the background.
#[utoipa::path(get, path = "/organizations/{org_id}/datasets/{dataset_id}/check", tag = "data sets", params(CheckQuery), responses(
    (status = 200, body = CheckAnswer),
    (status = 413, description = "The log has more rows than may be held in memory (`too_many_rows`)", body = crate::error::ErrorBody),
    (status = 422, description = "The rows cannot be read as the settings say", body = crate::error::ErrorBody),
))]
async fn check_dataset(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Path(DatasetPath { dataset_id }): Path<DatasetPath>,
    Query(query): Query<CheckQuery>,
) -> Result<Json<CheckAnswer>> {
    let settings = state.store.organization(&tenant.org_id).await?.settings.0;
    let dataset = state.store.dataset(&tenant.org_id, &dataset_id.to_string()).await?;
    state.check_rows(dataset.row_count as u64)?;
    let given = [("horizon_days", query.horizon_days), ("gap_days", query.gap_days)];
    let overrides: Map<String, Value> =
        given.into_iter().filter_map(|(key, days)| Some((key.to_owned(), days?.into()))).collect();
    let definition = train_config(&settings, &dataset, &overrides)?.labels;
    let form = data_form(settings.read, &dataset)?;
    let at: Location = dataset.file_key.parse()?;
    let reader = state.storage.get(&at).await?.reader();
    let (definition, findings, suggestion) = state
        .cpu
        .run_observed(move |observer| {
            Ok::<_, churn::Error>(match form.read(reader, observer)? {
                Data::Events(events) => {
                    let findings = check(&events, &definition)?;
                    (definition, findings, suggest(&events).ok())
                }
                Data::Subscriptions { subscriptions, .. } => {
                    let definition = LabelConfig { labels: LabelKind::SubscriptionEnd, ..definition };
                    (definition, check_subscriptions(&subscriptions), None)
                }
            })
        })
        .await??;
    Ok(Json(CheckAnswer { dataset_id: dataset.id, definition, findings, suggestion }))
}
