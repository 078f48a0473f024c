//! The whole job: from a file of events to the risk of every customer of today, learned, calibrated and judged out of time.

use std::fs::{self, File};
use std::path::Path;

use churn::{Events, ModelKind, ReadOptions, TrainConfig, train};
use serde_json::json;

use crate::{Result, measured};

pub(crate) fn job(path: &Path, check: Option<&Path>) -> Result<()> {
    let mut config = TrainConfig::default();
    config.learning.model = ModelKind::GradientBoosting;
    let ((model, _risks), line) = measured(1, 0.0, || {
        let events = Events::from_csv(File::open(path)?, &ReadOptions::default())?;
        let model = train(&events, &config)?;
        let risks = model.predict(&events, None)?;
        Ok((model, risks))
    })?;
    if let Some(folder) = check {
        let evaluation = model.evaluation().ok_or("the model was not evaluated")?;
        let judged = json!({"log_loss": evaluation.metrics.log_loss, "customers": evaluation.test_rows});
        fs::create_dir_all(folder)?;
        fs::write(folder.join("judged.json"), judged.to_string())?;
    }
    println!("{line}");
    Ok(())
}
