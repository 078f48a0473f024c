//! Two models judged by what the customers of a data set did.
//!
//! Both look at the customers at the last day whose outcome the data set tells, so they are judged by the same rows and the
//! differences are paired ([`churn::compare`]). It is a fair test only where the outcomes lie after everything that either
//! has learned: a data set that goes on for a horizon longer than theirs. Where it does not, the answer says so.

use churn::{CompareConfig, Comparison, Day, Events, LabelConfig, LabelKind, Model, compare, labels};

use crate::error::{ApiError, Result};
use crate::routes::with_label;
use crate::serving::Hot;
use crate::state::AppState;
use crate::storage::Location;
use crate::store::{Dataset, ModelRow};

/// What was found.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Log-loss and AUC with intervals.
    pub comparison: Comparison,
    /// The day that the customers were looked at.
    pub cutoff: Day,
    /// Whether a model has learned from the outcomes that it is judged by.
    pub in_sample: bool,
    /// What a reader must know.
    pub warnings: Vec<String>,
}

/// Compares two models on a data set.
///
/// # Errors
/// `model_not_ready`, `conflict` if they mean different things by churn, those of reading, labels and [`compare`].
pub async fn judge(state: &AppState, a: &ModelRow, b: &ModelRow, dataset: &Dataset, confidence: f64) -> Result<Judged> {
    let (hot_a, hot_b) = (Hot::load(state, &a.org_id, &a.id).await?, Hot::load(state, &b.org_id, &b.id).await?);
    let definition = hot_a.model().labels();
    if question(definition) != question(hot_b.model().labels()) {
        let message = format!(
            "version {} and version {} mean different things by churn and cannot be compared: {} / {}",
            a.version,
            b.version,
            hot_a.model().definition(),
            hot_b.model().definition()
        );
        return Err(ApiError::conflict("conflict", message));
    }
    let settings = state.store.organization(&a.org_id).await?.settings.0;
    let options = with_label(settings.read, dataset.has_churn_label);
    let at: Location = dataset.file_key.parse()?;
    let reader = state.storage.get(&at).await?.reader();
    let same_data = [a, b].iter().any(|row| row.dataset_id == dataset.id);
    state
        .cpu
        .run_observed(move |observer| {
            let events = Events::from_csv_observed(reader, &options, observer)?;
            judge_on(hot_a.model(), hot_b.model(), &events, same_data, confidence)
        })
        .await?
}

/// What a definition asks, whoever it covers.
fn question(labels: &LabelConfig) -> LabelConfig {
    LabelConfig { active_within_days: None, ..labels.clone() }
}

fn judge_on(a: &Model, b: &Model, events: &Events, same_data: bool, confidence: f64) -> Result<Judged> {
    let definition = a.labels();
    let window = definition.gap_days + definition.horizon_days;
    let cutoff = match definition.labels {
        LabelKind::OutcomeWindow => events.last_day().plus(-window),
        LabelKind::Inactivity | LabelKind::Provided => events.last_day(),
    };
    let (history, outcome) = events.split_at(cutoff);
    let truth = labels(&history, &outcome, definition)?;
    let (from_a, from_b) = (a.predict(events, Some(cutoff))?, b.predict(events, Some(cutoff))?);
    // Labels and predictions are in the byte order of the ids; only some customers are covered by the definition.
    let mut predicted = from_a.customer_ids().zip(from_a.churn_probabilities()).zip(from_b.churn_probabilities());
    let (mut churned, mut p_a, mut p_b) = (Vec::new(), Vec::new(), Vec::new());
    for (id, outcome) in truth.iter() {
        if let Some(((_, &a), &b)) = predicted.by_ref().find(|((customer, _), _)| *customer == id) {
            churned.push(outcome);
            p_a.push(a);
            p_b.push(b);
        }
    }
    let comparison = compare(&churned, &p_a, &p_b, &CompareConfig { confidence })?;
    let learned_until = [a, b].iter().filter_map(|model| model.cutoffs().last()).max().map(|last| last.plus(window));
    let in_sample = match definition.labels {
        LabelKind::OutcomeWindow => learned_until.is_some_and(|until| cutoff < until),
        LabelKind::Inactivity | LabelKind::Provided => same_data,
    };
    let mut warnings = Vec::new();
    if in_sample {
        let until = learned_until.filter(|_| definition.labels == LabelKind::OutcomeWindow);
        let better = match until {
            Some(until) => format!("a data set with events until {} or later", until.plus(window)),
            None => "another data set with labels".to_owned(),
        };
        warnings.push(format!(
            "a model has learned from the outcomes that it is judged by here, which flatters it; {better} makes a fair test"
        ));
    }
    warnings.extend(a.warnings().iter().chain(b.warnings()).cloned());
    warnings.dedup();
    Ok(Judged { comparison, cutoff, in_sample, warnings })
}
