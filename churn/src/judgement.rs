//! Two models judged by what the customers of a log did.
//!
//! Both look at the customers at the last day whose outcome the log tells, so they are judged by the same customers and the
//! differences are paired ([`compare`](crate::compare())). It is a fair test only where the outcomes lie after everything
//! that either model has learned from: a log that goes on for a horizon longer than theirs. [`Judgement::in_sample`] says
//! where it does not.

use serde::Serialize;

use crate::compare::{CompareConfig, Comparison, compare};
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result};
use crate::input::Input;
use crate::labels::{LabelConfig, LabelKind, labels};
use crate::model::Model;
use crate::objects::objects;

/// Two models on the labelled customers of a log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judgement {
    /// Log-loss and AUC with intervals.
    pub comparison: Comparison,
    /// The day that the customers were looked at.
    pub cutoff: Day,
    /// True if a model has learned from the outcomes that it is judged by, which flatters it.
    pub in_sample: bool,
    /// Messages for a reader of the result.
    pub warnings: Vec<String>,
}

objects! { Judgement { comparison, cutoff, in_sample, warnings } }

/// Compares two models on a log, at the last cutoff whose outcome window lies wholly inside it, on the customers that the
/// definition of the first one covers.
///
/// # Errors
/// `feature_mismatch` if the models mean different things by churn (but for whom they cover); those of
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
    // Labels and predictions are in the byte order of the ids, and everybody who has a label has a prediction.
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

/// The question that a definition asks, whomever it covers.
fn question(labels: &LabelConfig) -> LabelConfig {
    LabelConfig { active_within_days: None, ..labels.clone() }
}
