//! Prediction for one customer, answered at once.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use churn::{
    Customer, CustomerId, Day, EndReason, FromJson, INACTIVITY_WARNING, LabelKind, Period, Prediction, Reason, Segment,
    Subscriber, SubscriberPrediction, SubscriptionStatus, Transaction,
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
use crate::serving::{Hot, Serving};
use crate::state::AppState;
use crate::store::DataKind;
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

/// A customer with all their known events, or with all known periods of their subscriptions.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PredictRequest {
    #[schema(schema_with = customer_id)]
    customer_id: Short<CustomerId>,
    /// Events of the customer in any order, for a model of events. Each listed event counts. At least one must be on or before
    /// `as_of`.
    #[schema(value_type = Option<Vec<TransactionSchema>>, min_items = 1)]
    transactions: Option<Vec<Short<Transaction>>>,
    /// Periods of the customer in any order, for a model of subscriptions. One of them must cover `as_of`.
    #[schema(value_type = Option<Vec<PeriodSchema>>, min_items = 1)]
    periods: Option<Vec<Short<Period>>>,
    /// Usage events of the customer, beside `periods`: required if the model was trained with some, and empty for a customer without
    /// one.
    #[schema(value_type = Option<Vec<TransactionSchema>>)]
    usage: Option<Vec<Short<Transaction>>>,
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

/// One period of a subscription, from `start_date` to the day before `end_date`.
#[derive(ToSchema)]
#[schema(as = Period)]
#[expect(dead_code, reason = "it is only described: the core reads it")]
struct PeriodSchema {
    #[schema(example = "2026-01-01", format = Date)]
    start_date: String,
    /// First day after the period; left out while it runs.
    #[schema(format = Date)]
    end_date: Option<String>,
    subscription_id: Option<String>,
    #[schema(example = "pro")]
    plan: Option<String>,
    /// Amount per month, 0 to 10^12.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64, example = 30)]
    amount: Option<f64>,
    /// Day on which the end became known, such as the day of the cancellation. Only with `end_date`.
    #[schema(format = Date)]
    known_at: Option<String>,
    /// `voluntary`, `involuntary`, `trial_not_converted` or `other`. Only with `end_date`.
    end_reason: Option<String>,
    /// True for a trial.
    #[schema(default = false)]
    trial: Option<bool>,
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
    /// Status of a subscription, `active` or `already_cancelled`; left out for a model of events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "active")]
    status: Option<SubscriptionStatus>,
    /// Probability to leave for each cause that a model of subscriptions knows; left out for a model of events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, example = json!({"voluntary": 0.12, "involuntary": 0.05}))]
    causes: Option<BTreeMap<EndReason, f64>>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Predict one customer
///
/// Uses only the events, or for a model of subscriptions the periods, in the request. The active model answers, or the challenger for its share of the customers. While the
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
    let answer = if request.rows() > MANY || query.explain {
        let own = state.clone();
        state.cpu.run(move || score(&own, &serving, request, query.explain)).await??
    } else {
        score(&state, &serving, request, false)?
    };
    Ok(Json(answer))
}

impl PredictRequest {
    /// The number of events and periods.
    fn rows(&self) -> usize {
        let of = |rows: &Option<Vec<Short<Transaction>>>| rows.as_ref().map_or(0, Vec::len);
        of(&self.transactions) + of(&self.usage) + self.periods.as_ref().map_or(0, Vec::len)
    }
}

/// The day of a prediction.
fn day_of(asked: Option<Short<Day>>) -> Result<Day> {
    let today = today();
    let as_of = asked.map_or(today, |Short(day)| day);
    // Tomorrow has already begun in some time zones.
    if as_of > today.plus(1) {
        let message = format!("as_of is {as_of}, which lies in the future; expected a day up to today, {today} in UTC");
        return Err(ApiError::bad_request("invalid_parameter", message));
    }
    Ok(as_of)
}

/// The rows of a request.
fn rows<T>(rows: Vec<Short<T>>) -> Vec<T> {
    rows.into_iter().map(|Short(row)| row).collect()
}

fn score(state: &AppState, serving: &Serving, request: PredictRequest, explain: bool) -> Result<PredictAnswer> {
    let PredictRequest { customer_id: Short(CustomerId(customer_id)), transactions, periods, usage, as_of } = request;
    let as_of = day_of(as_of)?;
    if customer_id.is_empty() {
        return Err(ApiError::bad_request("invalid_parameter", "customer_id is empty; expected the id of a customer"));
    }
    let hot = serving.model_for(&customer_id);
    let expected = match hot.kind() {
        DataKind::Events => "transactions, because the model in use predicts events",
        DataKind::Subscriptions => "periods, because the model in use predicts subscriptions",
    };
    let invalid = |found: &str| {
        let message = format!("the body has {found}; expected {expected}");
        Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", message))
    };
    match (hot.kind(), transactions, periods, usage) {
        (_, Some(_), Some(_), _) => invalid("transactions and periods"),
        (_, None, None, _) => invalid("neither transactions nor periods"),
        (DataKind::Events, Some(_), None, Some(_)) => invalid("usage"),
        (DataKind::Events, Some(transactions), None, None) => {
            let customer = Customer { customer_id, transactions: rows(transactions), attributes: Default::default() };
            score_customer(state, serving, hot, &customer, as_of, explain)
        }
        (DataKind::Subscriptions, None, Some(periods), usage) => {
            let usage = usage.map(rows);
            let subscriber = Subscriber { customer_id, periods: rows(periods), usage, attributes: Default::default() };
            score_subscriber(state, serving, hot, &subscriber, as_of, explain)
        }
        (DataKind::Events, None, Some(_), _) => invalid("periods"),
        (DataKind::Subscriptions, Some(_), None, _) => invalid("transactions"),
    }
}

fn score_customer(
    state: &AppState,
    serving: &Serving,
    hot: &Hot,
    customer: &Customer,
    as_of: Day,
    explain: bool,
) -> Result<PredictAnswer> {
    let after = customer.transactions.iter().filter(|transaction| transaction.event_date > as_of).count() as u64;
    let (prediction, reasons) = match explain {
        false => (hot.model().predict_one(customer, as_of)?, None),
        true => {
            let explained = state.serving.explainer(hot)?.explain_one(customer, as_of)?;
            (explained.prediction, Some(explained.reasons))
        }
    };
    let answer = answer(serving, hot, prediction, as_of, reasons)?;
    Ok(PredictAnswer { transactions_after_as_of: after, ..answer })
}

fn score_subscriber(
    state: &AppState,
    serving: &Serving,
    hot: &Hot,
    subscriber: &Subscriber,
    as_of: Day,
    explain: bool,
) -> Result<PredictAnswer> {
    let SubscriberPrediction { prediction, status, causes, .. } = hot.model().predict_subscriber(subscriber, as_of)?;
    let reasons = match explain {
        false => None,
        true => {
            let table = hot.model().subscriber_features(subscriber, as_of)?;
            Some(state.serving.explainer(hot)?.explain(&table)?.reasons(0))
        }
    };
    let answer = answer(serving, hot, prediction, as_of, reasons)?;
    Ok(PredictAnswer { status: Some(status), causes: Some(causes), ..answer })
}

fn answer(
    serving: &Serving,
    hot: &Hot,
    prediction: Prediction,
    as_of: Day,
    reasons: Option<Vec<Reason>>,
) -> Result<PredictAnswer> {
    let Prediction { customer_id, churn_probability, covered, note, .. } = prediction;
    let mut warnings = Vec::new();
    if hot.model().labels().labels == LabelKind::Inactivity {
        warnings.push(INACTIVITY_WARNING.to_owned());
    }
    warnings.extend(note);
    Ok(PredictAnswer {
        risk_segment: serving.segment(churn_probability)?,
        churn_probability,
        covered,
        model_version: hot.version(),
        as_of,
        transactions_after_as_of: 0,
        warnings,
        reasons: reasons.map(|reasons| reasons.into_iter().map(ReasonAnswer::from).collect()),
        status: None,
        causes: None,
        customer_id,
    })
}
