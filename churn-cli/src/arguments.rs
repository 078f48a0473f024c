//! The groups of options that subcommands share: how a log is read, what is trained, what a campaign costs.

use std::path::PathBuf;

use churn::profit::{Campaign, ContactConfig};
use churn::{
    Columns, Day, ErrorKind, FeatureSet, FromJson, Json, Merge, ModelKind, OnBadRow, ReadOptions, TrainConfig,
};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::failure::{Failure, Result};

/// The options of reading a log.
#[derive(Args, Debug)]
#[command(next_help_heading = "Reading the log")]
pub struct ReadArgs {
    /// Column of the customer [default: customer_id]
    #[arg(long, value_name = "COL")]
    pub customer_id: Option<String>,
    /// Column of the date [default: event_date]
    #[arg(long, value_name = "COL")]
    pub event_date: Option<String>,
    /// Column of the amount [default: amount, if there is one]
    #[arg(long, value_name = "COL")]
    pub amount: Option<String>,
    /// Column of the kind of event [default: event_type, if there is one]
    #[arg(long, value_name = "COL")]
    pub event_type: Option<String>,
    /// Column of the order: rows of a customer that share their order, day and kind are one event [default: order_id, if there
    /// is one]
    #[arg(long, value_name = "COL")]
    pub order_id: Option<String>,
    /// Column of the label, 0 or 1, for `--set labels=provided` [default: churn_label, if there is one]
    #[arg(long, value_name = "COL")]
    pub churn_label: Option<String>,
    /// `day`: all rows of a customer that share their day and kind are one event
    #[arg(long, value_name = "HOW", value_parser = merges(), default_value = "none")]
    pub merge: Merge,
    /// Form of the dates, such as %d/%m/%Y [default: YYYY-MM-DD and RFC 3339]
    #[arg(long, value_name = "F")]
    pub date_format: Option<String>,
    /// Character between the fields of a CSV file; \t for a tab
    #[arg(long, value_name = "C", default_value = ",", value_parser = delimiter)]
    pub delimiter: char,
    /// Encoding of a CSV file, such as windows-1252 or shift_jis [default: UTF-8, or what the file says by itself]
    #[arg(long, value_name = "NAME")]
    pub encoding: Option<String>,
    /// Number of lines above the column names
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub skip_lines: u32,
    /// Decimal mark of the amounts, a point or a comma
    #[arg(long, value_name = "C", default_value = ".", value_parser = delimiter)]
    pub decimal: char,
    /// Thousands separator of the amounts, such as a comma, a point, a space or an apostrophe [default: none]
    #[arg(long, value_name = "C", value_parser = delimiter)]
    pub thousands: Option<char>,
    /// Amounts may have a currency sign or code, or be negative by parentheses
    #[arg(long)]
    pub currency: bool,
    /// Text that stands for a missing value, such as NULL; can be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub null_values: Vec<String>,
    /// Text of a first field, such as Total, whose rows are no events; can be given several times
    #[arg(long, value_name = "TEXT")]
    pub ignore_rows: Vec<String>,
    /// Leave out and count rows without a customer instead of refusing them
    #[arg(long)]
    pub skip_anonymous: bool,
    /// Take the options as they are given, and find out nothing about the form of the file
    #[arg(long)]
    pub no_detect: bool,
    /// Leave out rows that cannot be read instead of stopping, as long as they are no more than --max-bad-share
    #[arg(long)]
    pub skip_bad_rows: bool,
    /// Largest share of the rows that may be left out, 0 to 1
    #[arg(long, value_name = "SHARE", requires = "skip_bad_rows", default_value_t = ReadOptions::default().max_bad_share)]
    pub max_bad_share: f64,
    /// First day whose rows are used; earlier ones are left out and counted
    #[arg(long, value_name = "DATE")]
    pub first_day: Option<Day>,
    /// Last day whose rows are used; later ones are left out and counted
    #[arg(long, value_name = "DATE")]
    pub last_day: Option<Day>,
}

impl ReadArgs {
    /// The options as the core takes them.
    pub fn options(&self) -> ReadOptions {
        ReadOptions {
            columns: Columns {
                customer_id: self.customer_id.clone(),
                event_date: self.event_date.clone(),
                amount: self.amount.clone(),
                event_type: self.event_type.clone(),
                order_id: self.order_id.clone(),
                churn_label: self.churn_label.clone(),
            },
            date_format: self.date_format.clone(),
            delimiter: self.delimiter,
            encoding: self.encoding.clone(),
            skip_lines: self.skip_lines,
            decimal: self.decimal,
            thousands: self.thousands,
            currency: self.currency,
            null_values: self.null_values.clone(),
            ignore_rows: self.ignore_rows.clone(),
            skip_anonymous: self.skip_anonymous,
            on_bad_row: if self.skip_bad_rows { OnBadRow::Skip } else { OnBadRow::Fail },
            max_bad_share: self.max_bad_share,
            merge: self.merge,
            first_day: self.first_day,
            last_day: self.last_day,
        }
    }
}

/// The settings of a training: the definition of churn, the features and the learner.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Training")]
pub struct TrainArgs {
    /// Days in which a customer may come back, 1 to 3650 [default: 90]
    #[arg(long, value_name = "DAYS")]
    pub horizon_days: Option<i32>,
    /// Customers with an event in this many days before a cutoff are covered, 1 to 36500 [default: 365]
    #[arg(long, value_name = "DAYS")]
    pub active_within_days: Option<i32>,
    /// Number of cutoffs to learn from, 1 to 1000 [default: as many as the log has room for, up to 12]
    #[arg(long, value_name = "N")]
    pub snapshots: Option<usize>,
    /// Learner; auto searches for the best [default: random_forest]
    #[arg(long, value_parser = kinds())]
    pub model: Option<ModelKind>,
    /// Features; auto tries both sets, this one first [default: behavioral]
    #[arg(long, value_parser = feature_sets())]
    pub feature_set: Option<FeatureSet>,
    /// Seconds that the search of `--model auto` may take [default: no limit]
    #[arg(long, value_name = "SECONDS")]
    pub time_budget: Option<f64>,
    /// Seed of everything random [default: 0]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Code of a finding that may not stop the work; can be given several times
    #[arg(long, value_name = "CODE")]
    pub allow: Vec<String>,
    /// Any other setting of the training, such as trees=300 or 'event_types=["purchase"]'; the value is JSON or else a text; can
    /// be given several times
    #[arg(long, value_name = "SETTING=VALUE", value_parser = setting)]
    pub set: Vec<(String, Json)>,
}

impl TrainArgs {
    /// The settings as the core takes them.
    ///
    /// # Errors
    /// `invalid_parameter` for a setting that is unknown, given twice, or out of its range.
    pub fn config(&self) -> Result<TrainConfig> {
        let config: TrainConfig = from_settings(self.settings())?;
        config.check()?;
        Ok(config)
    }

    /// The given settings with their values.
    pub(crate) fn settings(&self) -> Vec<(String, Json)> {
        let count = |count: usize| Json::Unsigned(count as u64);
        let text = |text: &str| Json::Text(text.to_owned());
        let allow = || Json::List(self.allow.iter().map(|code| text(code)).collect());
        let given = [
            ("horizon_days", self.horizon_days.map(number)),
            ("active_within_days", self.active_within_days.map(number)),
            ("snapshots", self.snapshots.map(count)),
            ("model", self.model.map(|model| text(model.name()))),
            ("feature_set", self.feature_set.map(|set| text(set.name()))),
            ("time_budget", self.time_budget.map(Json::Float)),
            ("seed", self.seed.map(Json::Unsigned)),
            ("allow", (!self.allow.is_empty()).then(allow)),
        ];
        let given = given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        given.chain(self.set.iter().cloned()).collect()
    }
}

/// A whole number as JSON has it.
pub(crate) fn number(number: i32) -> Json {
    u64::try_from(number).map_or(Json::Negative(number.into()), Json::Unsigned)
}

/// Reads settings as the core takes them. It refuses unknown keys, and keys that are there twice: once as an option and once
/// with `--set`.
pub(crate) fn from_settings<T: FromJson>(settings: Vec<(String, Json)>) -> Result<T> {
    T::from_json(&Json::Object(settings))
        .map_err(|error| Failure::new(ErrorKind::InvalidParameter, format!("--set: {error}")))
}

/// The costs of a campaign.
#[derive(Args, Debug)]
#[command(next_help_heading = "Campaign")]
pub struct CampaignArgs {
    /// Cost of contacting a customer
    #[arg(long, value_name = "X", default_value_t = Campaign::default().contact_cost)]
    pub contact_cost: f64,
    /// Cost of the incentive that a contacted customer is offered
    #[arg(long, value_name = "X", default_value_t = Campaign::default().incentive_cost)]
    pub incentive_cost: f64,
    /// Share of those who would leave that accept the incentive and stay
    #[arg(long, value_name = "SHARE", default_value_t = Campaign::default().success_rate)]
    pub success_rate: f64,
    /// The most that the campaign may cost [default: no limit]
    #[arg(long, value_name = "X")]
    pub budget: Option<f64>,
}

impl CampaignArgs {
    /// The settings as the core takes them, with the seed of the control group.
    pub fn config(&self, seed: u64) -> ContactConfig {
        let campaign = Campaign {
            contact_cost: self.contact_cost,
            incentive_cost: self.incentive_cost,
            success_rate: self.success_rate,
            ..Campaign::default()
        };
        ContactConfig { campaign, budget: self.budget, seed, ..ContactConfig::default() }
    }
}

/// The file of a log.
#[derive(Args, Debug)]
pub struct FileArgs {
    /// CSV file (also compressed) or .xlsx spreadsheet with one event a row; a file named .parquet is read as Parquet
    pub file: PathBuf,
}

pub(crate) fn kinds() -> impl TypedValueParser<Value = ModelKind> {
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

pub(crate) fn delimiter(text: &str) -> std::result::Result<char, &'static str> {
    match (text, text.chars().collect::<Vec<_>>().as_slice()) {
        ("\\t" | "tab", _) => Ok('\t'),
        (_, &[c]) => Ok(c),
        _ => Err("expected one character"),
    }
}

/// Reads `SETTING=VALUE`. A value that is no JSON is a text, so that names need no quotes.
pub(crate) fn setting(text: &str) -> std::result::Result<(String, Json), &'static str> {
    let (name, value) = text.split_once('=').ok_or("expected SETTING=VALUE, such as trees=300")?;
    let value = Json::parse(value).unwrap_or_else(|_| Json::Text(value.to_owned()));
    Ok((name.trim().to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_options_the_defaults_of_the_core_hold() {
        let config = TrainArgs::default().config().expect("the defaults are valid");
        assert_eq!(config, TrainConfig::default());
        assert_eq!((config.labels.horizon_days, config.labels.active_within_days), (90, Some(365)));
        assert_eq!((config.learning.model, config.learning.seed), (ModelKind::RandomForest, 0));
    }

    #[test]
    fn every_setting_can_be_set() {
        let settings = serde_json::to_value(TrainConfig::default()).expect("settings are JSON");
        for (name, value) in settings.as_object().expect("settings are an object") {
            let given = setting(&format!("{name}={value}")).expect("it has an equals sign");
            let config = TrainArgs { set: vec![given], ..TrainArgs::default() }.config();
            assert_eq!(config.expect("a default is valid"), TrainConfig::default(), "{name}");
        }
        let arguments = TrainArgs {
            set: vec![setting("calibration=isotonic").expect("valid"), setting("trees=7").expect("valid")],
            time_budget: None,
            ..TrainArgs::default()
        };
        assert_eq!(arguments.config().expect("valid").learning.trees, 7);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refused = |arguments: TrainArgs| arguments.config().expect_err("it is refused").message;
        let set = |text| vec![setting(text).expect("it has an equals sign")];
        let unknown = refused(TrainArgs { set: set("horizont=60"), ..TrainArgs::default() });
        assert!(unknown.starts_with("--set: unknown key \"horizont\"; expected one of"), "{unknown}");
        let twice = refused(TrainArgs { horizon_days: Some(60), set: set("horizon_days=30"), ..TrainArgs::default() });
        assert_eq!(twice, "--set: horizon_days: is there twice");
        let range = refused(TrainArgs { horizon_days: Some(0), ..TrainArgs::default() });
        assert_eq!(range, "--horizon-days is 0; expected 1 to 3650 days");
        let code = refused(TrainArgs { allow: vec!["x".to_owned()], ..TrainArgs::default() });
        assert!(code.starts_with("--allow is \"x\"; expected codes of findings"), "{code}");
        assert!(setting("trees").is_err());
    }
}
