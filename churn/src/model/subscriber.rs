//! Scoring of one customer of a subscription, from all known periods, as a service does for every request.

use std::collections::BTreeMap;

use ndarray::Array2;
use serde::Serialize;

use super::{Model, Prediction};
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result};
use crate::events::{Customer, CustomerId, Strings, Transaction, quote_for_message};
use crate::features::FeatureTable;
use crate::json::{Json, JsonResult};
use crate::labels::LabelKind;
use crate::objects::{FromJson, Object, deserialized};
use crate::subscriptions::{
    EndReason, EndsKnown, FeatureColumns, PLAN, Period, SubscriptionStatus, Subscriptions, days_to_renewal,
};
use crate::table::Value;

/// One customer of a subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscriber {
    /// The customer id. In JSON it may be text or a whole number.
    pub customer_id: String,
    /// All periods of the customer, in any order. Their own `customer_id` is not used, and may be left out in JSON.
    pub periods: Vec<Period>,
    /// The usage events, if the model was trained with some: empty for a customer without one.
    pub usage: Option<Vec<Transaction>>,
    /// The values of joined columns by name. Columns that are left out are missing values.
    pub attributes: BTreeMap<String, Value>,
}

impl FromJson for Subscriber {
    fn from_json(json: &Json) -> JsonResult<Self> {
        let object = Object::of(json, &["customer_id", "periods", "usage", "attributes"])?;
        let CustomerId(customer_id) = object.field("customer_id")?;
        Ok(Subscriber {
            customer_id,
            periods: object.field("periods")?,
            usage: object.field("usage")?,
            attributes: object.field("attributes")?,
        })
    }
}

deserialized!(Subscriber);

/// The predicted risk of one customer of a subscription.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SubscriberPrediction {
    /// The risk. It is covered if the customer is active and, for a model of the days before renewals, the renewal is due.
    #[serde(flatten)]
    pub prediction: Prediction,
    /// The status on the day.
    pub status: SubscriptionStatus,
    /// The probability to leave for each cause that the model knows. They add up to the probability of churn.
    pub causes: BTreeMap<EndReason, f64>,
}

impl Model {
    /// Predicts the risk of one customer of a subscription at the end of a day, with the same bits as in a batch. What became known
    /// after the day is not used. A customer who has already cancelled is scored too: [`Prediction::covered`] and
    /// [`Prediction::note`] then say that the probability is a guess.
    ///
    /// # Errors
    /// `bad_rows` with the number of the period or event; `no_customers` if no paid period covers the day; `feature_mismatch`, also
    /// if the model needs joined columns or usage events and none are given, or knows no usage events and some are given.
    pub fn predict_subscriber(&self, subscriber: &Subscriber, as_of: Day) -> Result<SubscriberPrediction> {
        let (table, standing) = self.row_of_subscriber(subscriber, as_of)?;
        let scored = self.score(&table);
        let causes = scored.causes().iter().map(|(cause, p)| (*cause, p[0])).collect();
        let prediction = scored.iter().next().expect("the row of the customer");
        let Standing { status, covered, note } = standing;
        Ok(SubscriberPrediction { prediction: Prediction { covered, note, ..prediction }, status, causes })
    }

    /// Computes the features of one customer of a subscription, as a table with one row for [`Model::explain_with`].
    ///
    /// # Errors
    /// The errors of [`Model::predict_subscriber`].
    pub fn subscriber_features(&self, subscriber: &Subscriber, as_of: Day) -> Result<FeatureTable> {
        Ok(self.row_of_subscriber(subscriber, as_of)?.0)
    }

    /// Returns true for a model of subscriptions that learned from usage events too, and needs them to predict.
    pub fn needs_usage(&self) -> bool {
        self.labels().labels == LabelKind::SubscriptionEnd && self.document.feature_config.is_some()
    }

    fn row_of_subscriber(&self, subscriber: &Subscriber, as_of: Day) -> Result<(FeatureTable, Standing)> {
        let mismatch = |message: &str| Err(Error::new(ErrorKind::FeatureMismatch, message));
        if self.labels().labels != LabelKind::SubscriptionEnd {
            return mismatch("the model was not trained on subscriptions: it predicts the data that it was trained on");
        }
        let Subscriber { customer_id, periods, usage, attributes } = subscriber;
        let nobody = |what: String| {
            let message = format!("customer {} {what} {as_of}", quote_for_message(customer_id.as_bytes()));
            Error::new(ErrorKind::NoCustomers, message)
        };
        let periods = periods.iter().map(|period| Period { customer_id: customer_id.clone(), ..period.clone() });
        let ends_known = self.trained_ends_known().unwrap_or(EndsKnown::AtEnd);
        // All are checked, also those that start later.
        let subscriptions = Subscriptions::from_periods(periods, ends_known, None)?;
        if subscriptions.first_day() > as_of {
            return Err(nobody("has no period that starts by".to_owned()));
        }
        let history = subscriptions.known_at(as_of);
        let status = history.started().next().map_or(SubscriptionStatus::NotActive, |(_, status)| status);
        let note = match status {
            SubscriptionStatus::NotActive => return Err(nobody("has no running subscription on".to_owned())),
            SubscriptionStatus::AlreadyCancelled => Some(
                "The customer has already cancelled. The model has learned from active customers, so this probability is a guess.",
            ),
            SubscriptionStatus::Active => {
                let due = |days| days_to_renewal(&history, 0).is_some_and(|to| to <= days);
                let is_due = self.labels().before_renewal_days.is_none_or(due);
                (!is_due).then_some("The next renewal is not due yet. The model has learned from customers shortly before a renewal, so this probability is a guess.")
            }
        };

        let specs = self.document.features.clone();
        let mut values = Array2::from_elem((1, specs.len()), f64::NAN);
        let row = values.as_slice_mut().expect("a new array is one slice");
        let customer = Customer {
            customer_id: customer_id.clone(),
            transactions: usage.clone().unwrap_or_default(),
            attributes: attributes.clone(),
        };
        let mut at = 0;
        match (&self.prepared.customer, usage) {
            (Some(_), None) => {
                return mismatch("the model also needs the usage events of the customer: none is an empty list");
            }
            (Some(features), Some(usage)) => {
                at = features.len();
                if usage.iter().any(|event| event.event_date <= as_of) {
                    features.fill(&customer, as_of, &mut row[..at])?;
                }
            }
            (None, Some(_)) => {
                return mismatch("the model was trained without usage events: predict without them");
            }
            (None, None) => (),
        }
        let plan = specs.iter().find(|spec| spec.name == PLAN).and_then(|spec| spec.levels.as_ref());
        let columns = FeatureColumns::of(plan.map_or(&[][..], Vec::as_slice), self.labels());
        let own = columns.compute(&history, &[0]);
        let until = at + own.ncols();
        row[at..until].copy_from_slice(own.as_slice().expect("a new array is one slice"));
        let unknown = self.fill_joined(&customer, &mut row[until..])?;
        let mut table = FeatureTable::of_columns(Strings::from_iter([customer_id.as_str()]), specs, values);
        (table.as_of, table.config) = (Some(as_of), self.document.feature_config.clone());
        // Whom it covers is said by the note.
        table.include_inactive = true;
        let covered = note.is_none();
        let note = match (note, unknown) {
            (Some(note), Some(unknown)) => Some(format!("{note} {unknown}")),
            (note, unknown) => note.map(str::to_owned).or(unknown),
        };
        Ok((table, Standing { status, covered, note }))
    }
}

/// The status of a customer, and a sentence on what the model does not know of it.
struct Standing {
    status: SubscriptionStatus,
    covered: bool,
    note: Option<String>,
}
