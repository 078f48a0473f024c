//! `churn report`: from a log to risk, reasons, a contact list and a report, in one run.

use std::io::Write;
use std::path::{Path, PathBuf};

use churn::profit::{ContactConfig, ContactGroup, ContactList, ProfitCurve};
use churn::report::{Money, Report};
use churn::{
    Day, Events, ExplainConfig, FeatureTable, Input, Model, Predictions, SlippingConfig, SlippingList, TrainConfig,
    suggest, train_observed,
};
use clap::Args;
use serde_json::json;

use crate::arguments::{CampaignArgs, FileArgs, ReadArgs, TrainArgs};
use crate::decision::{self, Scope};
use crate::failure::Result;
use crate::files::{Files, create_folder};
use crate::reading::{Log, read_log, up_to};
use crate::session::Session;
use crate::{documents, exit, summary};

/// The file and the options of `churn report`.
#[derive(Args, Debug)]
pub(crate) struct ReportCommand {
    #[command(flatten)]
    file: FileArgs,
    #[command(flatten)]
    options: ReportArgs,
}

impl ReportCommand {
    pub(crate) fn run(&self, session: &Session<'_>) -> Result<u8> {
        create_folder(&self.options.out)?;
        self.options.run(&self.file.file, Files::new(session), session)
    }
}

/// The options of a report.
#[derive(Args, Debug)]
pub struct ReportArgs {
    /// Folder for what is written
    #[arg(long, value_name = "DIR", default_value = "churn-report")]
    pub out: PathBuf,
    /// Day at which the customers are scored; nothing after it is used [default: the last day of the log]
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<Day>,
    /// Word for one event in the reasons [default: purchase if all have amounts of 0 or more, else event]
    #[arg(long, value_name = "WORD")]
    pub event: Option<String>,
    /// Options of reading the log.
    #[command(flatten)]
    pub reading: ReadArgs,
    /// Settings of the training.
    #[command(flatten)]
    pub training: TrainArgs,
    /// The costs of a campaign.
    #[command(flatten)]
    pub campaign: CampaignArgs,
}

/// The results of a run, from which the files and the page are made.
struct Results {
    model: Model,
    features: FeatureTable,
    predictions: Predictions,
    words: ExplainConfig,
    slipping: SlippingList,
    campaign: ContactConfig,
    worth: &'static str,
    curve: ProfitCurve,
    contacts: ContactList,
}

impl ReportArgs {
    /// Reads the log, prints the results and writes the files to the folder [`ReportArgs::out`], which must exist. `files` may
    /// have files from before.
    ///
    /// # Errors
    /// The errors of reading, training, scoring and writing.
    pub fn run(&self, path: &Path, mut files: Files<'_>, session: &Session<'_>) -> Result<u8> {
        let config = self.training.config()?;
        let Log { events, found } = read_log(path, &self.reading, session)?;
        let events = up_to(events, self.as_of, session)?;
        let suggestion = suggest(&events).ok();
        if let Some(proposed) = &suggestion {
            session.say(&summary::proposal(proposed, &config.labels));
        }
        let results = self.results(&events, &config, session)?;
        self.write(path, &events, &results, &mut files)?;
        session.say(&summary::files(files.written(), session.elapsed()));
        session.document(&json!({
            "input": documents::input(path, &events, &found),
            "suggestion": suggestion,
            "model": documents::model(&results.model),
            "predictions": documents::predictions(&results.predictions),
            "slipping": results.slipping,
            "campaign": {
                "settings": results.campaign,
                "best": results.curve.best,
                "contacts": results.contacts.contacts,
                "controls": results.contacts.controls,
                "reserved_budget": results.contacts.reserved_budget,
                "expected_profit": results.contacts.expected_profit,
            },
            "files": documents::files(files.written()),
        }))?;
        Ok(exit::OK)
    }

    /// Trains, scores and decides, and prints each result when it is there.
    fn results(&self, events: &Events, config: &TrainConfig, session: &Session<'_>) -> Result<Results> {
        let model = train_observed(events, config, &session.progress("Training"))?;
        session.say(&summary::model(&model));

        let as_of = self.as_of.unwrap_or(events.last_day());
        let input = Input::from(events).allow(&config.allow);
        let features = model.features(input, Some(as_of))?;
        let predictions = model.predict_features(&features)?;
        let scope = Scope::new(events, &predictions, as_of);
        session.say(&summary::segments(&model, &predictions, as_of));
        session.say(&summary::findings(predictions.findings()));
        session.check_interrupted()?;

        let event = self.event.clone().unwrap_or_else(|| events.event_word().to_owned());
        let words = ExplainConfig { event, ..ExplainConfig::default() };
        let lately = SlippingConfig { event: words.event.clone(), ..SlippingConfig::default() };
        let slipping = model.slipping_away(input, Some(as_of), &lately)?;
        session.say(&decision::slipping(&slipping));
        session.say(&scope.riskiest(&model, &features, &predictions, &words)?);
        session.check_interrupted()?;

        let campaign = self.campaign.config(config.learning.seed);
        let (curve, contacts) = scope.campaign(&predictions, &campaign)?;
        session.say(&decision::campaign(&curve, &contacts, &campaign, scope.worth()));
        let worth = scope.worth();
        Ok(Results { model, features, predictions, words, slipping, campaign, worth, curve, contacts })
    }

    fn write(&self, path: &Path, events: &Events, results: &Results, files: &mut Files<'_>) -> Result<()> {
        let Results { model, features, predictions, words, slipping, contacts, .. } = results;
        let mut write =
            |name: &str, fill: &dyn Fn(&mut dyn Write) -> churn::Result<()>| files.write(&self.out.join(name), fill);
        write("features.csv", &|writer| features.write_csv(writer))?;
        write("predictions.csv", &|writer| predictions.write_csv(writer))?;
        write("contact_list.csv", &|writer| contacts.write_csv(writer))?;
        write("contacts.csv", &|writer| contacts.write_group(ContactGroup::Contact, writer))?;
        write("controls.csv", &|writer| contacts.write_group(ContactGroup::Control, writer))?;
        write("evaluation.json", &|writer| Ok(writer.write_all(pretty(model).as_bytes())?))?;
        write("model.json", &|writer| Ok(writer.write_all(model.to_json().as_bytes())?))?;
        let source = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut report = Report::new("Churn report", model);
        report.source = Some(&source);
        report.events = Some(events);
        report.predictions = Some(predictions);
        report.reasons = Some((features, words));
        report.slipping = Some(slipping);
        let Results { campaign: config, worth, curve, .. } = results;
        report.money = Some(Money { config, worth, curve, contacts });
        write("report.html", &|writer| Ok(writer.write_all(report.to_html()?.as_bytes())?))
    }
}

fn pretty(model: &Model) -> String {
    let mut text = serde_json::to_string_pretty(&model.evaluation()).expect("an evaluation has string keys");
    text.push('\n');
    text
}
