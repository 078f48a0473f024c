//! From a log of transactions to risk: `cargo run --release --example quickstart [-- transactions.csv --help]`.
//!
//! Reads a CSV file, or makes a synthetic one, trains a model, scores the customers, says why and whom to contact, and writes
//! features, predictions, contact list, evaluation, model and report to a folder.
#![allow(clippy::print_stderr, reason = "errors of a command belong on standard error")]

#[path = "quickstart/decision.rs"]
mod decision;
#[path = "quickstart/files.rs"]
mod files;
#[path = "quickstart/log.rs"]
mod log;
#[path = "quickstart/progress.rs"]
mod progress;
#[path = "quickstart/summary.rs"]
mod summary;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use churn::profit::{Campaign, ContactConfig};
use churn::report::{Money, Report};
use churn::{
    Columns, Day, Events, ExplainConfig, FeatureConfig, FeatureSet, Input, LabelConfig, LearnConfig, Merge, Model,
    ModelKind, OnBadRow, ReadOptions, SlippingConfig, TrainConfig, suggest, train_observed,
};
use clap::Parser;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use decision::Scope;
use files::Folder;
use progress::Progress;
use summary::say;

/// Lists the customers who are about to leave: reads a log of transactions, trains a model, scores every customer and writes
/// a report.
#[derive(Parser)]
#[command(name = "quickstart")]
struct Arguments {
    /// CSV file with one event a row; without one a synthetic log is made
    file: Option<PathBuf>,
    /// Column of the customer [default: customer_id]
    #[arg(long, value_name = "COL", requires = "file")]
    customer_id: Option<String>,
    /// Column of the date [default: event_date]
    #[arg(long, value_name = "COL", requires = "file")]
    event_date: Option<String>,
    /// Column of the amount [default: amount, if there is one]
    #[arg(long, value_name = "COL", requires = "file")]
    amount: Option<String>,
    /// Column of the kind of event [default: event_type, if there is one]
    #[arg(long, value_name = "COL", requires = "file")]
    event_type: Option<String>,
    /// Column of the order: rows of a customer that share their order, day and kind are one event [default: order_id, if there is one]
    #[arg(long, value_name = "COL", requires = "file")]
    order_id: Option<String>,
    /// `day`: all rows of a customer that share their day and kind are one event
    #[arg(long, value_name = "HOW", value_parser = merges(), default_value = "none")]
    merge: Merge,
    /// Form of the dates, such as %d/%m/%Y [default: YYYY-MM-DD and RFC 3339]
    #[arg(long, value_name = "F", requires = "file")]
    date_format: Option<String>,
    /// Character between the fields; \t for a tab
    #[arg(long, value_name = "C", default_value = ",", value_parser = delimiter)]
    delimiter: char,
    /// Leave out rows that cannot be read, up to 5 % of them, instead of stopping
    #[arg(long)]
    skip_bad_rows: bool,
    /// Days in which a customer may come back
    #[arg(long, value_name = "DAYS", default_value_t = LabelConfig::default().horizon_days)]
    horizon_days: i32,
    /// First day whose rows are used; earlier ones are left out and counted
    #[arg(long, value_name = "DATE", requires = "file")]
    first_day: Option<Day>,
    /// Last day whose rows are used; later ones are left out and counted
    #[arg(long, value_name = "DATE", requires = "file")]
    last_day: Option<Day>,
    /// Code of a finding that may not stop the work; can be given several times
    #[arg(long, value_name = "CODE")]
    allow: Vec<String>,
    /// Day at which the customers are scored; nothing after it is used [default: the last day of the log]
    #[arg(long, value_name = "DATE")]
    as_of: Option<Day>,
    /// Learner
    #[arg(long, default_value = ModelKind::RandomForest.name(), value_parser = kinds())]
    model: ModelKind,
    /// Seconds that the search of `--model auto` may take [default: no limit]
    #[arg(long, value_name = "SECONDS")]
    time_budget: Option<f64>,
    /// Features; auto tries both sets, this one first
    #[arg(long, default_value = "behavioral", value_parser = feature_sets())]
    feature_set: FeatureSet,
    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Word for one event in the reasons [default: purchase if all have amounts of 0 or more, else event]
    #[arg(long, value_name = "WORD")]
    event: Option<String>,
    /// Cost of contacting a customer
    #[arg(long, value_name = "X", default_value_t = Campaign::default().contact_cost)]
    contact_cost: f64,
    /// Cost of the incentive that a contacted customer is offered
    #[arg(long, value_name = "X", default_value_t = Campaign::default().incentive_cost)]
    incentive_cost: f64,
    /// Share of those who would leave that accept the incentive and stay
    #[arg(long, value_name = "SHARE", default_value_t = Campaign::default().success_rate)]
    success_rate: f64,
    /// The most that the campaign may cost [default: no limit]
    #[arg(long, value_name = "X")]
    budget: Option<f64>,
    /// Folder for what is written
    #[arg(long, value_name = "DIR", default_value = "target/quickstart")]
    out: PathBuf,
}

fn kinds() -> impl TypedValueParser<Value = ModelKind> {
    let names = ["auto", "logistic_regression", "random_forest", "gradient_boosting"];
    PossibleValuesParser::new(names).try_map(|name| name.parse::<ModelKind>())
}

fn feature_sets() -> impl TypedValueParser<Value = FeatureSet> {
    PossibleValuesParser::new(["rfm", "behavioral"]).map(|name| match name.as_str() {
        "behavioral" => FeatureSet::Behavioral,
        _ => FeatureSet::Rfm,
    })
}

fn merges() -> impl TypedValueParser<Value = Merge> {
    PossibleValuesParser::new(["none", "day"]).map(|name| match name.as_str() {
        "day" => Merge::Day,
        _ => Merge::None,
    })
}

fn delimiter(text: &str) -> std::result::Result<char, &'static str> {
    match (text, text.chars().collect::<Vec<_>>().as_slice()) {
        ("\\t" | "tab", _) => Ok('\t'),
        (_, &[c]) => Ok(c),
        _ => Err("expected one character"),
    }
}

/// An error that ends the program: a stable code and one clear message.
struct Failure {
    code: &'static str,
    message: String,
}

type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    fn io(what: &str, path: &Path, error: &io::Error) -> Self {
        Failure { code: "io", message: format!("{what} {}: {error}", path.display()) }
    }

    fn at(path: &Path, error: &churn::Error) -> Self {
        Failure { code: error.code(), message: format!("{}: {error}", path.display()) }
    }
}

impl From<churn::Error> for Failure {
    fn from(error: churn::Error) -> Self {
        Failure { code: error.code(), message: error.to_string() }
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, message }) => {
            // Nobody is left to tell if standard error is closed too.
            let _ = writeln!(io::stderr(), "error[{code}]: {message}{}", hint(code));
            ExitCode::FAILURE
        }
    }
}

/// Option that avoids the error, if there is one.
fn hint(code: &str) -> &'static str {
    match code {
        "missing_column" => {
            "\nhint: name the columns with --customer-id, --event-date, --amount, --event-type and --order-id"
        }
        "bad_rows" => {
            "\nhint: --skip-bad-rows leaves them out and reports them; --date-format sets the form of the dates"
        }
        "finding" => {
            "\nhint: --last-day and --first-day leave out the days after or before; --allow CODE goes on all the same"
        }
        "cutoff_outside_data" => "\nhint: a shorter --horizon-days needs less history",
        _ => "",
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let start = Instant::now();
    let mut folder = Folder::create(&arguments.out)?;
    let path = match &arguments.file {
        Some(path) => path.clone(),
        None => synthesize(&mut folder, arguments.seed)?,
    };
    let whole = read(&path, &arguments.read_options())?;
    say(&summary::read(&whole, &path.display().to_string()));
    let events = up_to(whole, arguments.as_of)?;

    let config = arguments.train_config();
    if let Ok(proposed) = suggest(&events) {
        say(&summary::proposal(&proposed, &config.labels));
    }
    let progress = Progress::start("Training");
    let model = train_observed(&events, &config, &progress)?;
    drop(progress);
    say(&summary::model(&model));

    let as_of = arguments.as_of.unwrap_or(events.last_day());
    let input = Input::from(&events).allow(&config.allow);
    let features = model.features(input, Some(as_of))?;
    let predictions = model.predict_features(&features)?;
    let scope = Scope::new(&events, &predictions, as_of);
    say(&summary::segments(&model, &predictions, as_of));
    say(&summary::findings(predictions.findings()));
    let words = ExplainConfig { event: arguments.event_word(&events), ..ExplainConfig::default() };
    let lately = SlippingConfig { event: words.event.clone(), ..SlippingConfig::default() };
    let slipping = model.slipping_away(input, Some(as_of), &lately)?;
    say(&decision::slipping(&slipping));
    say(&scope.riskiest(&model, &features, &predictions, &words)?);
    let contact_config = arguments.contact_config();
    let (curve, contacts) = scope.campaign(&predictions, &contact_config)?;
    say(&decision::campaign(&curve, &contacts, &contact_config, scope.worth()));

    folder.write("features.csv", |writer| features.write_csv(writer))?;
    folder.write("predictions.csv", |writer| predictions.write_csv(writer))?;
    folder.write("contact_list.csv", |writer| contacts.write_csv(writer))?;
    folder.write("evaluation.json", |writer| Ok(writer.write_all(pretty(&model).as_bytes())?))?;
    folder.write("model.json", |writer| Ok(writer.write_all(model.to_json().as_bytes())?))?;
    let source = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut report = Report::new("Churn report", &model);
    report.source = Some(&source);
    report.events = Some(&events);
    report.predictions = Some(&predictions);
    report.reasons = Some((&features, &words));
    report.slipping = Some(&slipping);
    report.money = Some(Money { config: &contact_config, worth: scope.worth(), curve: &curve, contacts: &contacts });
    folder.write("report.html", |writer| Ok(writer.write_all(report.to_html().as_bytes())?))?;
    say(&summary::files(folder.written(), start.elapsed().as_secs_f64()));
    Ok(())
}

impl Arguments {
    fn read_options(&self) -> ReadOptions {
        ReadOptions {
            columns: Columns {
                customer_id: self.customer_id.clone(),
                event_date: self.event_date.clone(),
                amount: self.amount.clone(),
                event_type: self.event_type.clone(),
                order_id: self.order_id.clone(),
                churn_label: None,
            },
            date_format: self.date_format.clone(),
            delimiter: self.delimiter,
            first_day: self.first_day,
            last_day: self.last_day,
            on_bad_row: if self.skip_bad_rows { OnBadRow::Skip } else { OnBadRow::Fail },
            merge: self.merge,
            ..ReadOptions::default()
        }
    }

    /// Word for an event: a purchase, if the log holds nothing but amounts paid.
    fn event_word(&self, events: &Events) -> String {
        let purchases = || events.iter().all(|(_, _, amount, _)| amount.is_some_and(|amount| amount >= 0.0));
        self.event.clone().unwrap_or_else(|| if purchases() { "purchase" } else { "event" }.to_owned())
    }

    fn contact_config(&self) -> ContactConfig {
        let campaign = Campaign {
            contact_cost: self.contact_cost,
            incentive_cost: self.incentive_cost,
            success_rate: self.success_rate,
            ..Campaign::default()
        };
        ContactConfig { campaign, budget: self.budget, seed: self.seed, ..ContactConfig::default() }
    }

    fn train_config(&self) -> TrainConfig {
        TrainConfig {
            labels: LabelConfig { horizon_days: self.horizon_days, ..LabelConfig::default() },
            features: FeatureConfig { feature_set: self.feature_set, ..FeatureConfig::default() },
            learning: LearnConfig {
                model: self.model,
                seed: self.seed,
                time_budget: self.time_budget,
                ..LearnConfig::default()
            },
            allow: self.allow.clone(),
            ..TrainConfig::default()
        }
    }
}

/// Writes a log of its own to the folder, to be read like anybody else's.
fn synthesize(folder: &mut Folder, seed: u64) -> Result<PathBuf> {
    say("No file given: this is a synthetic log, made for this run; its numbers say nothing about real customers.\n");
    let _progress = Progress::start("Making a synthetic log");
    folder.write("transactions.csv", |writer| Ok(log::write(writer, seed)?))
}

fn read(path: &Path, options: &ReadOptions) -> Result<Events> {
    let failed = |error: io::Error| Failure::io("cannot read", path, &error);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(Failure { code: "io", message: format!("cannot read {}: it is a folder", path.display()) });
    }
    let progress = Progress::start("Reading");
    Events::from_csv(progress.reading(file, metadata.len()), options).map_err(|error| Failure::at(path, &error))
}

/// The log as it was known at the end of that day: the model may not learn from what is later either.
fn up_to(events: Events, as_of: Option<Day>) -> Result<Events> {
    match as_of {
        Some(day) if day < events.last_day() => {
            let past = events.truncated(day)?;
            let later = events.len() - past.len();
            say(&format!("  as of        {day}: {later} later events are not used\n"));
            Ok(past)
        }
        Some(day) if day > events.last_day() => {
            say(&format!("  as of        {day}: the log ends earlier, so its customers look quieter than they are\n"));
            Ok(events)
        }
        _ => Ok(events),
    }
}

fn pretty(model: &Model) -> String {
    let mut text = serde_json::to_string_pretty(model.evaluation()).expect("an evaluation has string keys");
    text.push('\n');
    text
}
