//! `churn train`: a model of a log, written to a file.

use std::path::PathBuf;

use churn::{suggest, train_observed};
use clap::Args;
use serde_json::json;

use crate::arguments::{FileArgs, ReadArgs, TrainArgs};
use crate::failure::Result;
use crate::files::Files;
use crate::reading::{Log, read_log};
use crate::session::Session;
use crate::{documents, exit, summary};

/// The options of `churn train`.
#[derive(Args, Debug)]
pub(crate) struct TrainCommand {
    #[command(flatten)]
    file: FileArgs,
    /// File for the model
    #[arg(long, value_name = "FILE", default_value = "model.json")]
    out: PathBuf,
    #[command(flatten)]
    reading: ReadArgs,
    #[command(flatten)]
    training: TrainArgs,
}

impl TrainCommand {
    pub(crate) fn run(&self, session: &Session<'_>) -> Result<u8> {
        let config = self.training.config()?;
        let path = &self.file.file;
        let Log { events, found: form } = read_log(path, &self.reading, session)?;
        if let Ok(proposed) = suggest(&events) {
            session.say(&summary::proposal(&proposed, &config.labels));
        }
        let model = train_observed(&events, &config, &session.progress("Training"))?;
        session.say(&summary::model(&model));
        let mut files = Files::new(session);
        files.write(&self.out, |writer| Ok(writer.write_all(model.to_json().as_bytes())?))?;
        session.say(&summary::files(files.written(), session.elapsed()));
        session.document(&json!({
            "input": documents::input(path, &events, &form),
            "model": documents::model(&model),
            "files": documents::files(files.written()),
        }))?;
        Ok(exit::OK)
    }
}
