//! Comparison of two models by the outcomes of the customers of a log.
//!
//! Both models score the customers at the last cutoff whose outcome window lies inside the log. So they are evaluated on the
//! same customers, and the differences are paired ([`compare`](crate::compare())). The test is fair only if the outcomes lie
//! after all data that either model was trained on: the log must go on for a horizon after the training data.
//! [`Judgement::in_sample`] is true if it does not.

use serde::Serialize;

use crate::compare::{CompareConfig, Comparison, compare};
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result};
use crate::input::Input;
use crate::labels::{LabelConfig, LabelKind, labels};
use crate::model::Model;
use crate::objects::objects;

/// The comparison of two models on the labelled customers of a log.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Judgement {
    /// Log-loss and AUC of both models, with intervals of the difference.
    pub comparison: Comparison,
    /// The day at whose end the customers were scored.
    pub cutoff: Day,
    /// True if a model was trained on outcomes that it is evaluated on, so its measures are too good.
    pub in_sample: bool,
    /// Messages for a reader of the result.
    pub warnings: Vec<String>,
}

objects! { Judgement { comparison, cutoff, in_sample, warnings } }

/// Compares two models on a log, at the last cutoff whose outcome window lies wholly inside it. The customers are those that
/// the definition of the first model covers.
///
/// # Errors
/// `feature_mismatch` if the definitions of churn differ in more than the customers that they cover; the errors of
/// [`labels`](crate::labels()), [`Model::predict`] and [`compare`](crate::compare()).
pub fn compare_models<'a>(
    a: &Model,
    b: &Model,
    input: impl Into<Input<'a>>,
    config: &CompareConfig,
) -> Result<Judgement> {
    let input = input.into().include_inactive(true);
    let definition = a.labels();
    if question(definition) != question(b.labels()) {
        let message = format!(
            "the models mean different things by churn and cannot be compared: {} / {}",
            a.definition(),
            b.definition()
        );
        return Err(Error::new(ErrorKind::FeatureMismatch, message));
    }
    let events = input.events;
    let window = definition.gap_days + definition.horizon_days;
    let has_window = definition.labels == LabelKind::OutcomeWindow;
    let cutoff = if has_window { events.last_day().plus(-window) } else { events.last_day() };
    let (history, outcome) = events.split_at(cutoff);
    let truth = labels(&history, &outcome, definition)?;
    let (from_a, from_b) = (a.predict(input, Some(cutoff))?, b.predict(input, Some(cutoff))?);
    // Labels and predictions are both in byte order of the ids, and every labelled customer has a prediction.
    let mut predicted = from_a.customer_ids().zip(from_a.churn_probabilities()).zip(from_b.churn_probabilities());
    let (mut churned, mut p_a, mut p_b) = (Vec::new(), Vec::new(), Vec::new());
    for (id, outcome) in truth.iter() {
        if let Some(((_, &a), &b)) = predicted.by_ref().find(|((customer, _), _)| *customer == id) {
            churned.push(outcome);
            p_a.push(a);
            p_b.push(b);
        }
    }
    let comparison = compare(&churned, &p_a, &p_b, config)?;
    let last = [a, b].iter().filter_map(|model| model.cutoffs().last()).max().copied();
    let in_sample = match has_window {
        true => last.is_some_and(|last| cutoff < last.plus(window)),
        false => last.is_some_and(|last| cutoff <= last),
    };
    let mut warnings = Vec::new();
    if in_sample {
        let better = match last.filter(|_| has_window) {
            Some(last) => format!("a log with events until {} or later", last.plus(window).plus(window)),
            None => "a later log with labels".to_owned(),
        };
        warnings.push(format!(
            "a model has learned from the outcomes that it is judged by here, which flatters it; {better} makes a fair test"
        ));
    }
    warnings.extend(a.warnings().iter().chain(b.warnings()).cloned());
    warnings.dedup();
    Ok(Judgement { comparison, cutoff, in_sample, warnings })
}

/// The definition without the condition that decides who is covered.
fn question(labels: &LabelConfig) -> LabelConfig {
    LabelConfig { active_within_days: None, ..labels.clone() }
}
