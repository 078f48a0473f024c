//! The backtest: from a data set to the quality that models had at the cutoffs of its past.

use std::sync::Arc;

use axum::http::StatusCode;
use churn::{BacktestConfig, Observer, ReadOptions, TrainConfig, backtest_observed};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Control, JobFailure, JobResult, Result, blocking, payload};
use crate::error::{ApiError, Result as ApiResult};
use crate::state::AppState;
use crate::storage::{Location, put_bytes};
use crate::store::{BacktestMade, Job};

/// Maximum number of cutoffs of a backtest: 25 years of quarters, or two years of weeks.
pub(crate) const MOST_CUTOFFS: usize = 100;

/// Maximum number of recipes in `against`.
const MOST_RECIPES: usize = 8;

/// Payload of a backtest: the state when the job was accepted, so that another attempt makes the same result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BacktestPayload {
    /// Location of the rows in the storage.
    pub file_key: String,
    /// Options for reading the rows.
    pub read: ReadOptions,
    /// Settings of the backtest.
    pub config: BacktestConfig,
}

/// Checks that a backtest is within the limits of this server: the number of recipes, the number of cutoffs, and the rows in
/// memory. The number of customers is unknown before the features of the data set are made; the job repeats the check.
///
/// # Errors
/// `backtest_too_large`.
pub(crate) fn check_backtest_size(config: &BacktestConfig, customers: Option<u64>, limit: u64) -> ApiResult<()> {
    let recipes = config.against.len();
    if recipes > MOST_RECIPES {
        let message = format!("against has {recipes} recipes; here {MOST_RECIPES} are taken at most");
        return Err(too_large(message, json!({ "recipes": recipes, "max_recipes": MOST_RECIPES })));
    }
    let cutoffs = config.training.cutoffs.as_ref().map(Vec::len).or(config.most_cutoffs).unwrap_or(MOST_CUTOFFS);
    if cutoffs > MOST_CUTOFFS {
        let message =
            format!("{cutoffs} cutoffs may be judged; here {MOST_CUTOFFS} are taken at most: set most_cutoffs");
        return Err(too_large(message, json!({ "cutoffs": cutoffs, "max_cutoffs": MOST_CUTOFFS })));
    }
    let customers = customers.unwrap_or(0);
    let values = most_values(config, customers);
    if values > limit {
        let message = format!(
            "a model of this backtest and the rows that it is judged on may take {values} values (customers × cutoffs × \
             features) for {customers} customers; here {limit} are taken: ask for fewer snapshots, or for the feature set rfm"
        );
        let details = json!({ "values": values, "max_values": limit, "customers": customers });
        return Err(too_large(message, details));
    }
    Ok(())
}

fn too_large(message: String, details: Value) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "backtest_too_large", message).with_details(details)
}

/// The largest number of values that a backtest holds at once: of the cutoffs that one model learns from, and of the cutoff
/// that is judged, with the features of the widest recipe.
fn most_values(config: &BacktestConfig, customers: u64) -> u64 {
    let (mut snapshots, mut features) = (1, 0);
    for recipe in std::iter::once(&config.training).chain(config.against.values()) {
        // The cutoffs of a backtest are judged, not learned from.
        let recipe = TrainConfig { cutoffs: None, ..recipe.clone() };
        let one = TrainConfig { snapshots: Some(1), ..recipe.clone() };
        let row = one.most_values(1).max(1);
        features = features.max(row);
        snapshots = snapshots.max(recipe.most_values(customers) / one.most_values(customers).max(1));
    }
    customers.saturating_mul(snapshots + 1).saturating_mul(features)
}

/// Runs the backtest and writes its result.
pub(super) async fn run(state: &AppState, job: &Job, control: &Arc<Control>) -> Result<JobResult> {
    let BacktestPayload { file_key, read, config } = payload(job)?;
    let events = super::features::read(state, &file_key, read, control).await?;
    check_backtest_size(&config, Some(events.customers() as u64), state.config.max_training_values)?;
    let observer = control.clone();
    let (found, text) = blocking(move || {
        let found = backtest_observed(&events, &config, &*observer)?;
        drop(events);
        observer.progress("write", 0, 1);
        let text = serde_json::to_string(&found).map_err(ApiError::internal)?;
        Ok((found, text))
    })
    .await?;
    if control.cancelled() {
        return Err(JobFailure::cancelled());
    }
    let at = Location::backtest(&job.org_id, &job.subject_id)?;
    put_bytes(&*state.storage, &at, "application/json", text).await?;
    Ok(JobResult::Backtest { id: job.subject_id.clone(), made: BacktestMade::new(found, at.to_string()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1,000 customers × (5 cutoffs to learn from and 1 to judge) × the 8 features of `rfm`; another recipe is wider or longer.
    #[test]
    fn the_rows_of_the_largest_recipe_are_counted() {
        let values = |json: &str| most_values(&BacktestConfig::from_json(json).expect("settings"), 1000);
        assert_eq!(values(r#"{"feature_set": "rfm", "snapshots": 5, "model": "logistic_regression"}"#), 48_000);
        let longer = r#"{"feature_set": "rfm", "snapshots": 5, "model": "logistic_regression",
            "cutoffs": ["2024-01-01", "2024-02-01"], "against": {"longer": {"snapshots": 9}}}"#;
        assert_eq!(values(longer), 80_000);
        let wider = r#"{"feature_set": "rfm", "snapshots": 5, "against": {"wider": {"feature_set": "behavioral"}}}"#;
        assert!(values(wider) > 48_000);
        // Twelve snapshots by default.
        assert_eq!(values(r#"{"feature_set": "rfm", "model": "logistic_regression"}"#), 104_000);
    }
}
