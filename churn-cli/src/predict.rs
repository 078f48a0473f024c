//! `churn predict`: the risk of the customers of a log by a model.

use std::path::PathBuf;

use churn::{Day, Input};
use clap::Args;
use serde_json::json;

use crate::arguments::{FileArgs, ReadArgs};
use crate::failure::Result;
use crate::files::Files;
use crate::reading::{Log, read_log, read_model, up_to};
use crate::session::Session;
use crate::{documents, exit, summary};

/// The options of `churn predict`.
#[derive(Args, Debug)]
pub(crate) struct PredictCommand {
    /// Model that `churn train` or `churn report` has written
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    #[command(flatten)]
    file: FileArgs,
    /// File for the predictions, in CSV
    #[arg(long, value_name = "FILE", default_value = "predictions.csv")]
    out: PathBuf,
    /// Day at which the customers are scored; nothing after it is used [default: the last day of the log]
    #[arg(long, value_name = "DATE")]
    as_of: Option<Day>,
    /// Score also the customers that the model does not cover, because they have been away for too long
    #[arg(long)]
    include_inactive: bool,
    /// Code of a finding that may not stop the work; can be given several times
    #[arg(long, value_name = "CODE")]
    allow: Vec<String>,
    #[command(flatten)]
    reading: ReadArgs,
}

impl PredictCommand {
    pub(crate) fn run(&self, session: &Session<'_>) -> Result<u8> {
        let model = read_model(&self.model)?;
        let path = &self.file.file;
        let Log { events, found } = read_log(path, &self.reading, session)?;
        let events = up_to(events, self.as_of, session)?;
        session.check_interrupted()?;
        let input = Input::from(&events).allow(&self.allow).include_inactive(self.include_inactive);
        let as_of = self.as_of.unwrap_or(events.last_day());
        let predictions = model.predict(input, Some(as_of))?;
        session.say(&summary::segments(&model, &predictions, as_of));
        session.say(&summary::findings(predictions.findings()));
        let mut files = Files::new(session);
        files.write(&self.out, |writer| predictions.write_csv(writer))?;
        session.say(&summary::files(files.written(), session.elapsed()));
        session.document(&json!({
            "input": documents::input(path, &events, &found),
            "model": { "model": model.kind().name(), "definition": model.definition() },
            "predictions": documents::predictions(&predictions),
            "files": documents::files(files.written()),
        }))?;
        Ok(exit::OK)
    }
}
