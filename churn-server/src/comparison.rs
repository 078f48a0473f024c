//! Comparison of two models with the outcomes of the customers of a data set.
//!
//! Both models score the customers at the last day whose outcome the data set contains. So they are judged by the same rows,
//! and the differences are paired ([`churn::compare`]). The comparison is fair only if the outcomes lie after all data that
//! either model was trained on: the data set must end at least one horizon after theirs. If it does not, the answer says so.

use churn::{CompareConfig, ErrorKind, Events, Judgement, compare_models};

use crate::error::{ApiError, Result};
use crate::routes::log_options;
use crate::serving::Hot;
use crate::state::AppState;
use crate::storage::Location;
use crate::store::{DatasetRow, ModelRow};

/// Compares two models on a data set.
///
/// # Errors
/// `model_not_ready`; `conflict` if the models use different definitions of churn; those of reading, labels and
/// [`churn::compare`].
pub async fn judge(
    state: &AppState,
    a: &ModelRow,
    b: &ModelRow,
    dataset: &DatasetRow,
    confidence: f64,
) -> Result<Judgement> {
    let (hot_a, hot_b) = (Hot::load(state, &a.org_id, &a.id).await?, Hot::load(state, &b.org_id, &b.id).await?);
    let settings = state.store.organization(&a.org_id).await?.settings.0;
    let options = log_options(settings.read, dataset, "the comparison of models")?;
    let at: Location = dataset.file_key.parse()?;
    let reader = state.storage.get(&at).await?.reader();
    let judged = state
        .cpu
        .run_observed(move |observer| {
            let events = Events::from_csv_observed(reader, &options, observer)?;
            compare_models(hot_a.model(), hot_b.model(), &events, &CompareConfig { confidence })
        })
        .await?;
    judged.map_err(|error| match error.kind() {
        ErrorKind::FeatureMismatch => ApiError::conflict("conflict", error.to_string()),
        _ => error.into(),
    })
}
