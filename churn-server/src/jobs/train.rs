//! From a data set to a model.

use std::sync::Arc;

use churn::{Observer, ReadOptions, TrainConfig, train_observed};
use serde::{Deserialize, Serialize};

use super::{Control, Failure, Made, Result, blocking, payload};
use crate::state::AppState;
use crate::storage::{Location, put_bytes};
use crate::store::Job;

/// What the handler is told: everything as it was when the job was accepted, so that another attempt makes the same model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrainPayload {
    /// Where the rows are.
    pub file_key: String,
    /// How they are read.
    pub read: ReadOptions,
    /// How to train.
    pub config: TrainConfig,
    /// Whether the model is put to use at once; none: if there is no other.
    pub activate: Option<bool>,
}

/// Trains, and writes the document; judged out of time where the log is long enough for two cutoffs.
pub(super) async fn run(state: &AppState, job: &Job, control: &Arc<Control>) -> Result<Made> {
    let TrainPayload { file_key, read, config, activate } = payload(job)?;
    let events = super::features::read(state, &file_key, read, control).await?;
    let observer = control.clone();
    let (model, document) = blocking(move || {
        let model = train_observed(&events, &config, &*observer)?;
        drop(events);
        observer.progress("write", 0, 1);
        let document = model.to_json();
        Ok((model, document))
    })
    .await?;
    if control.cancelled() {
        return Err(Failure::cancelled());
    }
    let at = Location::model(&job.org_id, &job.subject_id)?;
    put_bytes(&*state.storage, &at, "application/json", document).await?;
    Ok(Made::Model { id: job.subject_id.clone(), document_key: at.to_string(), model: Box::new(model), activate })
}
