//! Prediction for one customer, answered at once.

use axum::Extension;
use axum::extract::State;
use churn::{
    Customer, CustomerId, Day, FromJson, INACTIVITY_WARNING, LabelKind, Prediction, Reason, Segment, Transaction,
};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{Read, Tenant};
use crate::bodies::BodyLimit;
use crate::error::{ApiError, Result};
use crate::extract::{Json, Query};
use crate::serving::Serving;
use crate::state::AppState;
use crate::time::today;

/// Maximum number of transactions that are scored on a thread that answers requests. More run on a separate thread.
const MANY: usize = 1000;

/// Maximum bytes of one value of the request, such as a transaction. It is parsed into a tree, which takes up to 40 times as
/// much memory.
const LONGEST: usize = 16_384;

/// The routes of this file.
pub(super) fn router(max_body_bytes: usize) -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(predict)).layer(Extension(BodyLimit::of_transactions(max_body_bytes)))
}

/// A customer with all their known events.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PredictRequest {
    #[schema(schema_with = customer_id)]
    customer_id: Short<CustomerId>,
    /// Events of the customer in any order. Each listed event counts. At least one must be on or before `as_of`.
    #[schema(value_type = Vec<TransactionSchema>, min_items = 1)]
    transactions: Vec<Short<Transaction>>,
    /// The as-of day of the prediction, at most tomorrow. Events after it do not count. Default: today in UTC.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Date, example = "2026-10-15")]
    as_of: Option<Short<Day>>,
}

/// A value whose JSON text has at most [`LONGEST`] bytes. A longer one is refused before it is parsed into a tree.
#[derive(Debug)]
struct Short<T>(T);

impl<'de, T: FromJson> Deserialize<'de> for Short<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        if text.len() > LONGEST {
            return Err(D::Error::custom(format!("has {} bytes; expected at most {LONGEST}", text.len())));
        }
        churn::from_json(text).map(Short).map_err(D::Error::custom)
    }
}

/// One event. Unknown keys are ignored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is only described: the core reads it")]
struct TransactionSchema {
    /// `YYYY-MM-DD`, RFC 3339 or `YYYY-MM-DD HH:MM[:SS]`.
    #[schema(example = "2026-10-01")]
    event_date: String,
    /// Amount within ±10^12. Negative for a refund; left out for an event without an amount.
    #[schema(minimum = -1_000_000_000_000_i64, maximum = 1_000_000_000_000_i64, example = 12.5)]
    amount: Option<f64>,
    #[schema(schema_with = event_type)]
    event_type: Option<String>,
    /// Id of the order. Events with the same order, day and type count as one event whose amount is their sum. An event without
    /// an order is counted by itself.
    #[schema(example = "536365")]
    order_id: Option<String>,
}

/// Schema of a customer id: a string or a whole number.
fn customer_id() -> Object {
    let types = SchemaType::from_iter([Type::String, Type::Integer]);
    ObjectBuilder::new()
        .schema_type(types)
        .min_length(Some(1))
        .examples(["C001"])
        .description(Some("Text, or a whole number, which stands for its digits."))
        .build()
}

/// Schema of an event type: a string, a whole number, or null.
fn event_type() -> Object {
    let types = SchemaType::from_iter([Type::String, Type::Integer, Type::Null]);
    ObjectBuilder::new()
        .schema_type(types)
        .examples(["purchase"])
        .description(Some("Text, or a whole number, which stands for its digits."))
        .build()
}

/// Options of the prediction.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PredictQuery {
    /// If true, the response includes the reasons.
    #[serde(default)]
    #[param(default = false)]
    explain: bool,
}

/// A reason for a customer's risk.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct ReasonAnswer {
    #[schema(example = "recency_score")]
    feature: String,
    /// Value of the feature; null if it is missing.
    value: Option<f64>,
    /// Contribution to the margin of the model.
    contribution: f64,
    raises_risk: bool,
    /// The reason in words.
    #[schema(
        example = "raises the risk: last event 94 days ago; for half of those who stayed it was 31 days or less; typical in High: 88 days"
    )]
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
    /// Calibrated probability of churn.
    #[schema(minimum = 0, maximum = 1, example = 0.23)]
    churn_probability: f64,
    /// Risk segment: Low, Medium, High or Critical.
    #[schema(value_type = String, example = "Low")]
    risk_segment: Segment,
    /// True if the model's definition of churn covers the customer. If false, `warnings` says why the probability is a guess.
    covered: bool,
    /// Version of the model that made the prediction.
    model_version: i64,
    #[schema(value_type = String, format = Date)]
    as_of: Day,
    /// Number of events after `as_of`, which do not count; left out if there are none.
    #[serde(skip_serializing_if = "is_zero")]
    transactions_after_as_of: u64,
    /// Warnings about the prediction; left out if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    /// Reasons, strongest first; only with `explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons: Option<Vec<ReasonAnswer>>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Predict one customer
///
/// Uses only the events in the request. The active model answers, or the challenger for its share of the customers. While the
/// first model of the organization is being trained, the request waits for it, within the time limit of requests.
#[utoipa::path(post, path = "/organizations/{org_id}/predict", tag = "predictions", params(PredictQuery),
    request_body = PredictRequest, responses((status = 200, body = PredictAnswer)))]
async fn predict(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Query(query): Query<PredictQuery>,
    Json(request): Json<PredictRequest>,
) -> Result<Json<PredictAnswer>> {
    let serving = match state.serving.of(&state, &tenant.org_id).await {
        Err(error) if error.code() == "no_model" => {
            crate::waiting::first_model(&state, &tenant.org_id).await?;
            state.serving.of(&state, &tenant.org_id).await?
        }
        serving => serving?,
    };
    let answer = if request.transactions.len() > MANY || query.explain {
        let own = state.clone();
        state.cpu.run(move || score(&own, &serving, request, query.explain)).await??
    } else {
        score(&state, &serving, request, false)?
    };
    Ok(Json(answer))
}

fn score(state: &AppState, serving: &Serving, request: PredictRequest, explain: bool) -> Result<PredictAnswer> {
    let PredictRequest { customer_id: Short(CustomerId(customer_id)), transactions, as_of } = request;
    let transactions: Vec<Transaction> = transactions.into_iter().map(|Short(transaction)| transaction).collect();
    let today = today();
    let as_of = as_of.map_or(today, |Short(day)| day);
    // Tomorrow has already begun in some time zones.
    if as_of > today.plus(1) {
        let message = format!("as_of is {as_of}, which lies in the future; expected a day up to today, {today} in UTC");
        return Err(ApiError::bad_request("invalid_parameter", message));
    }
    if customer_id.is_empty() {
        return Err(ApiError::bad_request("invalid_parameter", "customer_id is empty; expected the id of a customer"));
    }
    let hot = serving.model_for(&customer_id);
    let model = hot.model();
    let after = transactions.iter().filter(|transaction| transaction.event_date > as_of).count() as u64;
    let customer = Customer { customer_id, transactions, attributes: Default::default() };
    let (prediction, reasons) = match explain {
        false => (model.predict_one(&customer, as_of)?, None),
        true => {
            let explained = state.serving.explainer(hot)?.explain_one(&customer, as_of)?;
            (explained.prediction, Some(explained.reasons.into_iter().map(ReasonAnswer::from).collect()))
        }
    };
    let Prediction { customer_id, churn_probability, covered, note, .. } = prediction;
    let mut warnings = Vec::new();
    if model.labels().labels == LabelKind::Inactivity {
        warnings.push(INACTIVITY_WARNING.to_owned());
    }
    warnings.extend(note);
    Ok(PredictAnswer {
        risk_segment: serving.segment(churn_probability)?,
        churn_probability,
        covered,
        model_version: hot.version(),
        as_of,
        transactions_after_as_of: after,
        warnings,
        reasons,
        customer_id,
    })
}
