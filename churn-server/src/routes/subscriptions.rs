//! The customers, movements and retention of a data set of subscriptions, computed from its periods while the request waits.

use axum::extract::State;
use axum::response::Response;
use churn::{
    CustomerBase, Day, Movement, Observer, Retention, RetentionBy, Subscriptions, check_for_features, movements,
    retention,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::csv_file;
use super::datasets::data_form;
use super::findings::{allowed, train_config};
use crate::auth::{Read, Tenant};
use crate::data::Data;
use crate::error::{ApiError, ErrorBody, Result};
use crate::extract::{DatasetPath, Json, Path, Query};
use crate::state::AppState;
use crate::storage::Location;
use crate::store::DataKind;

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(customer_base))
        .routes(routes!(already_cancelled))
        .routes(routes!(movements_by_month))
        .routes(routes!(retention_curves))
}

/// The day of a question about subscriptions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct DayQuery {
    /// The day; nothing that became known later is used. Default: the last day of the data.
    #[param(value_type = Option<String>, format = Date)]
    as_of: Option<Day>,
    /// Codes of findings, separated by commas, that do not stop the computation even if they are errors.
    #[param(example = "last_day_far_behind")]
    allow: Option<String>,
}

/// The customers by their status on a day.
#[derive(ToSchema)]
#[schema(as = CustomerBase)]
#[expect(dead_code, reason = "it is only described: the library writes it")]
struct CustomerBaseSchema {
    #[schema(format = Date)]
    as_of: String,
    /// Number of active customers.
    active: u64,
    /// Number of customers who have cancelled, but whose subscription still runs.
    already_cancelled: u64,
    /// Number of the other customers whose first period had started.
    not_active: u64,
    /// Amount per month of the active customers.
    active_amount: f64,
    /// Amount per month of those who have already cancelled.
    already_cancelled_amount: f64,
}

/// The customers of subscriptions by their status
#[utoipa::path(get, path = "/organizations/{org_id}/datasets/{dataset_id}/customer-base", tag = "data sets", params(DayQuery), responses(
    (status = 200, body = CustomerBaseSchema),
    (status = 409, description = "The data set has events (`not_subscriptions`)", body = ErrorBody),
    (status = 422, description = "Findings stop it (`finding`)", body = ErrorBody),
))]
async fn customer_base(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Path(DatasetPath { dataset_id }): Path<DatasetPath>,
    Query(day): Query<DayQuery>,
) -> Result<Json<CustomerBase>> {
    let base = |found: &Subscriptions, as_of, _| found.customer_base(as_of);
    of_periods(&state, &tenant.org_id, &dataset_id.to_string(), day, base).await.map(Json)
}

/// The customers who have already cancelled
///
/// Their subscription still runs, and that they leave is known. So they are on no list by risk, but on this one: to win back or to let
/// go. Columns: customer_id, end_date (the first day without a period), amount (per month). The file is made for mail tools: UTF-8
/// with a byte order mark, CRLF line ends, and ids that no spreadsheet takes for a formula.
#[utoipa::path(get, path = "/organizations/{org_id}/datasets/{dataset_id}/already-cancelled", tag = "data sets", params(DayQuery), responses(
    (status = 200, content_type = "text/csv", body = String),
    (status = 409, description = "The data set has events (`not_subscriptions`)", body = ErrorBody),
    (status = 422, description = "Findings stop it (`finding`)", body = ErrorBody),
))]
async fn already_cancelled(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Path(DatasetPath { dataset_id }): Path<DatasetPath>,
    Query(day): Query<DayQuery>,
) -> Result<Response> {
    let list = |found: &Subscriptions, as_of, _| {
        let mut text = Vec::new();
        found.customer_base(as_of)?.write_cancelled(&mut text)?;
        Ok(text)
    };
    let text = of_periods(&state, &tenant.org_id, &dataset_id.to_string(), day, list).await?;
    Ok(csv_file(text, &format!("already_cancelled_{dataset_id}.csv")))
}

/// The movements of a data set.
#[derive(Debug, Serialize, ToSchema)]
struct MovementList {
    /// The months, oldest first. `customers` and `amounts` (per month) have `start`, `new`, `expansion`, `reactivation`,
    /// `contraction`, `churn` and `end`; a `provisional` month may change, because customers may still come back in time.
    #[schema(value_type = Vec<Object>)]
    months: Vec<Movement>,
}

/// The movements of subscriptions by month
///
/// From the month of the first period to the last month that the data covers to its end: customers and amounts per month that were
/// there, came, grew, shrank and left, with the retention and churn rates.
#[utoipa::path(get, path = "/organizations/{org_id}/datasets/{dataset_id}/movements", tag = "data sets", params(DayQuery), responses(
    (status = 200, body = MovementList),
    (status = 409, description = "The data set has events (`not_subscriptions`)", body = ErrorBody),
    (status = 422, description = "Findings stop it (`finding`)", body = ErrorBody),
))]
async fn movements_by_month(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Path(DatasetPath { dataset_id }): Path<DatasetPath>,
    Query(day): Query<DayQuery>,
) -> Result<Json<MovementList>> {
    let by_month = |found: &Subscriptions, as_of, gap| movements(found.known_by(as_of)?.as_ref(), gap);
    let months = of_periods(&state, &tenant.org_id, &dataset_id.to_string(), day, by_month).await?;
    Ok(Json(MovementList { months }))
}

/// The groups that have a curve each.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct RetentionQuery {
    /// `all`, `cohort` (the month in which a spell began) or `plan` (with which it began). Default: `all`.
    #[param(value_type = Option<String>, example = "plan")]
    by: Option<RetentionBy>,
}

/// The retention curves of a data set.
#[derive(Debug, Serialize, ToSchema)]
struct RetentionList {
    /// A curve for each group: `group` (null for all), `spells`, and `curve` with `time` (days), `at_risk`, `ended`, `survival` and
    /// the bounds `low` and `high` of its 95 % interval.
    #[schema(value_type = Vec<Object>)]
    curves: Vec<Retention>,
}

/// The retention curves of subscriptions
///
/// Kaplan–Meier curves of the days that customers stay without a break, with 95 % intervals.
#[utoipa::path(get, path = "/organizations/{org_id}/datasets/{dataset_id}/retention", tag = "data sets", params(RetentionQuery, DayQuery), responses(
    (status = 200, body = RetentionList),
    (status = 409, description = "The data set has events (`not_subscriptions`)", body = ErrorBody),
    (status = 422, description = "Findings stop it (`finding`)", body = ErrorBody),
))]
async fn retention_curves(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Path(DatasetPath { dataset_id }): Path<DatasetPath>,
    Query(RetentionQuery { by }): Query<RetentionQuery>,
    Query(day): Query<DayQuery>,
) -> Result<Json<RetentionList>> {
    let curves = move |found: &Subscriptions, as_of, gap| {
        retention(found.known_by(as_of)?.as_ref(), by.unwrap_or_default(), gap)
    };
    let curves = of_periods(&state, &tenant.org_id, &dataset_id.to_string(), day, curves).await?;
    Ok(Json(RetentionList { curves }))
}

/// Reads the periods of a data set and computes something from them, the day and the allowed gap of the organization's settings.
/// Findings that stop a training stop it too: numbers of data that are read wrongly would be wrong.
async fn of_periods<T: Send + 'static>(
    state: &AppState,
    org_id: &str,
    dataset_id: &str,
    DayQuery { as_of, allow }: DayQuery,
    compute: impl FnOnce(&Subscriptions, Day, i32) -> churn::Result<T> + Send + 'static,
) -> Result<T> {
    let allow = allowed(allow.as_deref())?;
    let settings = state.store.organization(org_id).await?.settings.0;
    let dataset = state.store.dataset(org_id, dataset_id).await?;
    if dataset.kind != DataKind::Subscriptions {
        let message = format!("the data set {dataset_id} has events, not subscriptions");
        return Err(ApiError::conflict("not_subscriptions", message));
    }
    let no_overrides: Map<String, Value> = Map::new();
    let definition = train_config(&settings, &dataset, &no_overrides)?.labels;
    let form = data_form(settings.read, &dataset)?;
    let at: Location = dataset.file_key.parse()?;
    let reader = state.storage.get(&at).await?.reader();
    let work = move |observer: &dyn Observer| match form.read(reader, observer)? {
        Data::Subscriptions { subscriptions, .. } => {
            check_for_features(&*subscriptions, &definition, &allow)?;
            let as_of = as_of.unwrap_or(subscriptions.last_day());
            compute(&subscriptions, as_of, definition.allowed_gap_days)
        }
        Data::Events(_) => unreachable!("the form is that of subscriptions"),
    };
    Ok(state.cpu.run_observed(work).await??)
}
