//! Training: from a data set to a model.

use std::sync::Arc;

use axum::http::StatusCode;
use churn::{Observer, ReadOptions, TrainConfig, train_observed};
use serde::{Deserialize, Serialize};

use super::{Control, JobFailure, JobResult, Result, blocking, payload};
use crate::data::DataForm;
use crate::error::{ApiError, Result as ApiResult};
use crate::state::AppState;
use crate::storage::{Location, put_bytes};
use crate::store::Job;

/// Payload of a training: the state when the job was accepted, so that another attempt makes the same model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrainPayload {
    /// Location of the rows in the storage.
    pub file_key: String,
    /// Kind of the data, with the options for reading the rows.
    pub read: DataForm,
    /// The file of the usage events of subscriptions, and how it is read.
    #[serde(default)]
    pub usage: Option<(String, ReadOptions)>,
    /// Training settings.
    pub config: TrainConfig,
    /// True to activate the model after the training, false not to. None to activate it if there is no active model.
    pub activate: Option<bool>,
    /// The data set. Its number of customers may have been unknown when the job was accepted.
    #[serde(default)]
    pub dataset_id: Option<String>,
}

/// Checks that the table of a training fits into the limit of this server. The number of customers is unknown before the
/// features of the data set are made; the check is repeated after that.
///
/// # Errors
/// `training_too_large`.
pub(crate) fn check_size(config: &TrainConfig, customers: Option<i64>, limit: u64) -> ApiResult<()> {
    let customers = customers.and_then(|customers| u64::try_from(customers).ok()).unwrap_or(0);
    let values = config.most_values(customers);
    if values <= limit {
        return Ok(());
    }
    let per_customer = config.most_values(1);
    let message = format!(
        "the table of this training may have {values} values, {per_customer} (cutoffs × features) of each of {customers} \
         customers; here {limit} are taken: ask for fewer snapshots or cutoffs, or for the feature set rfm"
    );
    let details = serde_json::json!({ "values": values, "max_values": limit, "customers": customers });
    Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "training_too_large", message).with_details(details))
}

/// Trains the model and writes its document. The model is evaluated out of time if the log is long enough for two cutoffs.
pub(super) async fn run(state: &AppState, job: &Job, control: &Arc<Control>) -> Result<JobResult> {
    let TrainPayload { file_key, read, usage, config, activate, dataset_id } = payload(job)?;
    if let Some(id) = dataset_id {
        let dataset = state.store.dataset(&job.org_id, &id).await?;
        check_size(&config, dataset.customers, state.config.max_training_values)?;
    }
    let data = super::features::read_data(state, &file_key, read, usage, control).await?;
    let observer = control.clone();
    let (model, document) = blocking(move || {
        let model = train_observed(data.source(&[], false), &config, &*observer)?;
        drop(data);
        observer.progress("write", 0, 1);
        let document = model.to_json();
        Ok((model, document))
    })
    .await?;
    if control.cancelled() {
        return Err(JobFailure::cancelled());
    }
    let at = Location::model(&job.org_id, &job.subject_id)?;
    put_bytes(&*state.storage, &at, "application/json", document).await?;
    Ok(JobResult::Model { id: job.subject_id.clone(), document_key: at.to_string(), model: Box::new(model), activate })
}
