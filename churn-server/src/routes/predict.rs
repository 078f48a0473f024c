//! One customer, scored at once.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use churn::{Customer, Day, Events, Reason, Segment, Transaction};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{Read, Tenant};
use crate::error::{ApiError, Result};
use crate::extract::{Json, Query, Raw};
use crate::serving::{Hot, Serving};
use crate::state::AppState;
use crate::time::today;

/// Bodies beyond this are worked on beside the threads that answer requests.
const LARGE: usize = 64 << 10;

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(predict))
}

/// A customer and everything known of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PredictRequest {
    #[schema(min_length = 1, example = "C001")]
    customer_id: String,
    /// Their events in any order, each one that is listed counts; at least one on or before `as_of`.
    #[schema(value_type = Vec<TransactionSchema>, min_items = 1)]
    transactions: Vec<Transaction>,
    /// The day that the customer is looked at, at the latest tomorrow; events after it do not count. Default today in UTC.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Date, example = "2026-10-15")]
    as_of: Option<Day>,
}

/// One event.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is only described: the core reads it")]
struct TransactionSchema {
    /// `YYYY-MM-DD`, RFC 3339 or `YYYY-MM-DD HH:MM[:SS]`.
    #[schema(example = "2026-10-01")]
    event_date: String,
    /// Within ±10^12; below 0 for a refund, left out for an event without one.
    #[schema(minimum = -1_000_000_000_000_i64, maximum = 1_000_000_000_000_i64, example = 12.5)]
    amount: Option<f64>,
    #[schema(example = "purchase")]
    event_type: Option<String>,
}

/// What else to answer.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PredictQuery {
    /// Whether to say why.
    #[serde(default)]
    #[param(default = false)]
    explain: bool,
}

/// A reason for a customer's risk.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct ReasonAnswer {
    #[schema(example = "recency_score")]
    feature: String,
    /// Of the feature; null where it is missing.
    value: Option<f64>,
    /// What it adds to the margin of the model.
    contribution: f64,
    raises_risk: bool,
    /// In words.
    #[schema(example = "last event 94 days ago; for half of those who stayed it was 31 days or less")]
    text: String,
}

impl From<Reason> for ReasonAnswer {
    fn from(reason: Reason) -> Self {
        let Reason { feature, value, contribution, raises_risk, text } = reason;
        ReasonAnswer { feature, value, contribution, raises_risk, text }
    }
}

/// The risk of a customer.
#[derive(Debug, Serialize, ToSchema)]
struct PredictAnswer {
    customer_id: String,
    /// Calibrated.
    #[schema(minimum = 0, maximum = 1, example = 0.23)]
    churn_probability: f64,
    /// Low, Medium, High or Critical.
    #[schema(value_type = String, example = "Low")]
    risk_segment: Segment,
    /// The version of the model that says so.
    model_version: i64,
    #[schema(value_type = String, format = Date)]
    as_of: Day,
    /// Events after `as_of`, which do not count; left out if there are none.
    #[serde(skip_serializing_if = "is_zero")]
    transactions_after_as_of: u64,
    /// The strongest first; with `explain` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons: Option<Vec<ReasonAnswer>>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Predict one customer
///
/// From the events in the request alone, with the active model, or with the challenger for its share of the customers.
#[utoipa::path(post, path = "/organizations/{org_id}/predict", tag = "predictions", params(PredictQuery),
    request_body = PredictRequest, responses((status = 200, body = PredictAnswer)))]
async fn predict(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Query(query): Query<PredictQuery>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Json<PredictAnswer>> {
    let is_json = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        let value = value.split(';').next().unwrap_or_default().trim();
        value.eq_ignore_ascii_case("application/json")
    });
    if !is_json {
        let message = "expected the header content-type: application/json";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
    }
    let serving = state.serving.of(&state, &tenant.org_id).await?;
    let answer = if body.len() > LARGE || query.explain {
        let own = state.clone();
        state.cpu.run(move || score(&own, &serving, &body, query.explain)).await??
    } else {
        score(&state, &serving, &body, false)?
    };
    Ok(Json(answer))
}

fn score(state: &AppState, serving: &Serving, body: &[u8], explain: bool) -> Result<PredictAnswer> {
    let request: PredictRequest = serde_json::from_slice(body).map_err(|error| {
        let (status, code) = match error.classify() {
            serde_json::error::Category::Data => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_body"),
            _ => (StatusCode::BAD_REQUEST, "invalid_json"),
        };
        ApiError::new(status, code, format!("the body: {error}"))
    })?;
    let today = today();
    let as_of = request.as_of.unwrap_or(today);
    // Tomorrow has begun somewhere.
    if as_of > today.plus(1) {
        let message = format!("as_of is {as_of}, which lies in the future; expected a day up to today, {today} in UTC");
        return Err(ApiError::bad_request("invalid_parameter", message));
    }
    if request.customer_id.is_empty() {
        return Err(ApiError::bad_request("invalid_parameter", "customer_id is empty; expected the id of a customer"));
    }
    let hot = serving.model_for(&request.customer_id);
    let customer = Customer {
        customer_id: request.customer_id,
        transactions: request.transactions,
        attributes: Default::default(),
    };
    let prediction = hot.model().predict_one(&customer, as_of)?;
    let after = customer.transactions.iter().filter(|transaction| transaction.event_date > as_of).count();
    let reasons = match explain {
        true => Some(reasons(state, hot, &customer, as_of)?),
        false => None,
    };
    Ok(PredictAnswer {
        risk_segment: serving.segment(prediction.churn_probability)?,
        churn_probability: prediction.churn_probability,
        model_version: hot.version(),
        as_of,
        transactions_after_as_of: after as u64,
        reasons,
        customer_id: customer.customer_id,
    })
}

fn reasons(state: &AppState, hot: &Hot, customer: &Customer, as_of: Day) -> Result<Vec<ReasonAnswer>> {
    let explainer = state.serving.explainer(hot)?;
    let rows = customer.transactions.iter().map(|transaction| (customer.customer_id.as_str(), transaction.clone()));
    let table = hot.model().features(&Events::from_rows(rows)?, Some(as_of))?;
    let row = table.values().row(0).to_vec();
    let mut contributions = vec![0.0; row.len()];
    explainer.explain_row(&row, &mut contributions)?;
    Ok(explainer.reasons(&row, &contributions)?.into_iter().map(ReasonAnswer::from).collect())
}
