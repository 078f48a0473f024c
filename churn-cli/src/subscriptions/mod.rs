//! `churn subscriptions`: from periods to movements by month, retention, and the customers who may leave, in one run.

mod arguments;
mod customers;
mod files;
mod reading;
mod text;

use std::path::PathBuf;

use churn::{
    CustomerBase, Day, ErrorKind, FeatureTable, Finding, Model, Movement, Predictions, Retention, RetentionBy,
    SlippingConfig, SlippingList, Subscriptions, TrainConfig, check_subscriptions, movements, retention,
    train_observed,
};
use clap::Args;
use serde_json::{Value, json};

use arguments::{PeriodArgs, SubscriptionTrainArgs};
use customers::{Risk, Riskiest};
use reading::Data;

use crate::failure::{Failure, Result};
use crate::files::{Files, create_folder};
use crate::session::Session;
use crate::{check, decision, documents, exit, summary};

/// The options of `churn subscriptions`.
#[derive(Args, Debug)]
pub(crate) struct SubscriptionsCommand {
    /// CSV file (also compressed) or .xlsx spreadsheet with one period a row; a file named .parquet is read as Parquet
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Log of usage events of the same customers, such as logins, from which the model learns too
    #[arg(long, value_name = "FILE")]
    usage: Option<PathBuf>,
    /// Folder for the files [default: none is written]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Day at which the customers are scored; nothing that became known later is used [default: the last day of the data]
    #[arg(long, value_name = "DATE")]
    as_of: Option<Day>,
    #[command(flatten)]
    reading: PeriodArgs,
    #[command(flatten)]
    training: SubscriptionTrainArgs,
}

/// The retention curves of all spells, of the cohorts and of the plans.
struct Curves {
    all: Vec<Retention>,
    cohort: Vec<Retention>,
    plan: Vec<Retention>,
}

impl Curves {
    fn of(subscriptions: &Subscriptions, allowed_gap_days: i32) -> Result<Self> {
        let curves = |by| match retention(subscriptions, by, allowed_gap_days) {
            // No spell is old enough, or none has a plan.
            Err(error) if error.kind() == ErrorKind::NoCustomers => Ok(Vec::new()),
            found => found,
        };
        Ok(Curves {
            all: curves(RetentionBy::All)?,
            cohort: curves(RetentionBy::Cohort)?,
            plan: curves(RetentionBy::Plan)?,
        })
    }

    /// The curves with the name of their grouping.
    fn by(&self) -> [(&'static str, &[Retention]); 3] {
        [("all", &self.all), ("cohort", &self.cohort), ("plan", &self.plan)]
    }
}

/// The results of a run, from which the files and the document are made.
struct Results {
    findings: Vec<Finding>,
    base: CustomerBase,
    movements: Vec<Movement>,
    curves: Curves,
    /// The model, or the reason why the data is not enough for one.
    model: std::result::Result<Model, Failure>,
    /// The scored customers; none without a model, and if nobody is active.
    scored: Option<Scored>,
}

/// The active customers with their risk.
struct Scored {
    features: FeatureTable,
    predictions: Predictions,
    slipping: SlippingList,
    risks: Vec<Risk>,
    riskiest: Riskiest,
}

impl SubscriptionsCommand {
    pub(crate) fn run(&self, session: &Session<'_>) -> Result<u8> {
        let config = self.training.config()?;
        let options = self.reading.options()?;
        if let Some(out) = &self.out {
            create_folder(out)?;
        }
        let subscriptions = reading::read_periods(&self.file, &options, session)?;
        let read = documents::periods(&self.file, &subscriptions);
        let subscriptions = reading::known_by(subscriptions, self.as_of, session)?;
        let as_of = self.as_of.unwrap_or(subscriptions.last_day());
        let usage = self.usage.as_deref().map(|path| reading::read_usage(path, &subscriptions, as_of, session));
        let data = Data { subscriptions, usage: usage.transpose()? };
        let results = self.results(&data, as_of, &config, session)?;
        let mut files = Files::new(session);
        if let Some(out) = &self.out {
            files::write(out, &self.file, &data, &results, &mut files)?;
            session.say(&summary::files(files.written(), session.elapsed()));
        }
        let usage = self.usage.as_deref().zip(data.usage.as_ref());
        let usage = usage.map(|(path, (events, found))| documents::input(path, events, found));
        let mut document = document(&results);
        document["input"] = read;
        document["usage"] = usage.into();
        document["files"] = documents::files(files.written());
        session.document(&document)?;
        Ok(exit::OK)
    }

    /// Computes the results and prints each when it is there.
    fn results(&self, data: &Data, as_of: Day, config: &TrainConfig, session: &Session<'_>) -> Result<Results> {
        let Data { subscriptions, .. } = data;
        let allowed_gap_days = config.labels.allowed_gap_days;
        let findings = check_subscriptions(subscriptions);
        let stopping: Vec<Finding> =
            findings.iter().filter(|finding| check::stops(finding, &config.allow)).cloned().collect();
        if !stopping.is_empty() {
            return Err(Failure::of_findings(stopping));
        }
        session.say(&check::findings_with_options(&findings));
        let base = subscriptions.customer_base(as_of)?;
        session.say(&text::base(&base));
        session.check_interrupted()?;
        let movements = movements(subscriptions, allowed_gap_days)?;
        let has_amounts = subscriptions.periods().any(|period| period.amount.is_some());
        session.say(&text::movements(&movements, has_amounts, allowed_gap_days));
        session.check_interrupted()?;
        let curves = Curves::of(subscriptions, allowed_gap_days)?;
        session.say(&text::retention(&curves.all, subscriptions, allowed_gap_days));

        let trained = train_observed(data.input(&config.allow), config, &session.progress("Training"));
        let model = match trained {
            Ok(model) => Ok(model),
            Err(error) if is_too_little(error.kind()) => Err(Failure::from(error)),
            Err(error) => return Err(error.into()),
        };
        let scored = match &model {
            Ok(model) => {
                let told = |finding: &&Finding| !findings.contains(finding);
                let new: Vec<Finding> = model.findings().unwrap_or_default().iter().filter(told).cloned().collect();
                session.say(&summary::findings(&new));
                session.say(&summary::judged(model));
                score(model, data, &base, config, session)?
            }
            Err(failure) => {
                session.say(&format!("\nNo model: {}\n", failure.message));
                None
            }
        };
        Ok(Results { findings, base, movements, curves, model, scored })
    }
}

/// True for an error of data that are good but too short or too few to train on.
fn is_too_little(kind: ErrorKind) -> bool {
    use ErrorKind::{CutoffOutsideData, NoCustomers, OneClass, TooFewRows};
    matches!(kind, CutoffOutsideData | NoCustomers | OneClass | TooFewRows)
}

/// Scores the active customers, and prints the risk bands and those at the greatest risk.
fn score(
    model: &Model,
    data: &Data,
    base: &CustomerBase,
    config: &TrainConfig,
    session: &Session<'_>,
) -> Result<Option<Scored>> {
    session.check_interrupted()?;
    if base.active == 0 {
        session.say(&format!("\nNobody is scored: no customer is active on {}.\n", base.as_of));
        return Ok(None);
    }
    let features = model.features(data.input(&config.allow), Some(base.as_of))?;
    let predictions = model.predict_features(&features)?;
    session.say(&summary::segments(model, &predictions, base.as_of));
    let risks = customers::risks(model, &predictions, base)?;
    let riskiest = Riskiest::of(model, &features, &risks)?;
    session.say(&text::riskiest(&riskiest, &risks));
    session.say(&text::dunning_count(&predictions));
    let slipping = model.slipping_away(data.input(&config.allow), Some(base.as_of), &SlippingConfig::default())?;
    session.say(&decision::slipping(&slipping));
    Ok(Some(Scored { features, predictions, slipping, risks, riskiest }))
}

/// The document of the results, without what was read and written.
fn document(results: &Results) -> Value {
    let Results { findings, base, movements, curves, model, scored } = results;
    let retention: serde_json::Map<String, Value> =
        curves.by().into_iter().map(|(by, curves)| (by.to_owned(), json!(curves))).collect();
    let predictions = scored.as_ref().map(|Scored { predictions, slipping, risks, riskiest, .. }| {
        let mut document = documents::predictions(predictions);
        document["slipping"] = json!(slipping);
        document["riskiest"] = riskiest.document(risks);
        document["more_likely_involuntary"] = predictions.dunning().map(|rows| rows.len()).into();
        document
    });
    json!({
        "findings": findings,
        "status": base,
        "movements": movements,
        "retention": retention,
        "model": model.as_ref().ok().map(documents::model),
        "no_model": model.as_ref().err().map(|Failure { code, message, .. }| json!({ "code": code, "message": message })),
        "predictions": predictions,
    })
}
