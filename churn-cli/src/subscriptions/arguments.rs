//! The options of `churn subscriptions`: how periods are read, and what is trained.

use std::collections::BTreeMap;

use churn::{
    Day, EndReason, EndsKnown, ErrorKind, Json, ModelKind, OnBadRow, SubscriptionColumns, SubscriptionOptions,
    SubscriptionPreset, TrainConfig,
};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::arguments::{TrainArgs, delimiter, from_settings, kinds, number, setting};
use crate::failure::{Failure, Result};

/// The options of reading periods.
#[derive(Args, Debug)]
#[command(next_help_heading = "Reading the periods")]
pub(super) struct PeriodArgs {
    /// System whose export it is; its documented columns are used
    #[arg(long, value_parser = presets(), conflicts_with_all = COLUMNS)]
    preset: Option<SubscriptionPreset>,
    /// Day on which the end of a period without a `known_at` is known: at_start for fixed terms
    #[arg(long, value_name = "WHEN", value_parser = ends_known(), default_value = "at_end")]
    ends_known: EndsKnown,
    /// Last day that the data covers; periods that start later are left out and counted [default: the latest day on which anything
    /// became known]
    #[arg(long, value_name = "DATE")]
    last_day: Option<Day>,
    /// Column of the customer [default: customer_id]
    #[arg(long, value_name = "COL")]
    customer_id: Option<String>,
    /// Column of the first day of the period [default: start_date]
    #[arg(long, value_name = "COL")]
    start_date: Option<String>,
    /// Column of the first day after the period, empty while it runs [default: end_date, if there is one]
    #[arg(long, value_name = "COL")]
    end_date: Option<String>,
    /// Column of the subscription, whose periods may not overlap [default: subscription_id, if there is one]
    #[arg(long, value_name = "COL")]
    subscription_id: Option<String>,
    /// Column of the plan [default: plan, if there is one]
    #[arg(long, value_name = "COL")]
    plan: Option<String>,
    /// Column of the amount per month [default: amount, if there is one]
    #[arg(long, value_name = "COL")]
    amount: Option<String>,
    /// Column of the day on which the end became known, such as the day of the cancellation [default: known_at, if there is one]
    #[arg(long, value_name = "COL")]
    known_at: Option<String>,
    /// Column of the reason of the end [default: end_reason, if there is one]
    #[arg(long, value_name = "COL")]
    end_reason: Option<String>,
    /// Column that is true or 1 for a trial [default: trial, if there is one]
    #[arg(long, value_name = "COL")]
    trial: Option<String>,
    /// Cause that a text of the reason stands for, such as expired_card=involuntary; can be given several times
    #[arg(long, value_name = "TEXT=CAUSE", value_parser = reason)]
    reasons: Vec<(String, EndReason)>,
    /// Form of the dates, such as %d/%m/%Y [default: YYYY-MM-DD and RFC 3339]
    #[arg(long, value_name = "F")]
    date_format: Option<String>,
    /// Character between the fields of a CSV file; \t for a tab
    #[arg(long, value_name = "C", default_value = ",", value_parser = delimiter)]
    delimiter: char,
    /// Encoding of a CSV file, such as windows-1252 or shift_jis [default: UTF-8, or what the file says by itself]
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,
    /// Number of lines above the column names
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip_lines: u32,
    /// Decimal mark of the amounts, a point or a comma
    #[arg(long, value_name = "C", default_value = ".", value_parser = delimiter)]
    decimal: char,
    /// Thousands separator of the amounts, such as a comma, a point, a space or an apostrophe [default: none]
    #[arg(long, value_name = "C", value_parser = delimiter)]
    thousands: Option<char>,
    /// end_date is the last day of a period, not the first day after it
    #[arg(long)]
    inclusive_ends: bool,
    /// Amounts may have a currency sign or code
    #[arg(long)]
    currency: bool,
    /// Text that stands for a missing value, such as NULL; can be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    null_values: Vec<String>,
    /// Leave out rows that cannot be read instead of stopping, as long as they are no more than --max-bad-share
    #[arg(long)]
    skip_bad_rows: bool,
    /// Largest share of the rows that may be left out, 0 to 1
    #[arg(
        long,
        value_name = "SHARE",
        requires = "skip_bad_rows",
        default_value_t = SubscriptionOptions::default().max_bad_share
    )]
    max_bad_share: f64,
}

/// The options that name columns. A preset names them all, so an option would have no effect.
const COLUMNS: [&str; 9] =
    ["customer_id", "start_date", "end_date", "subscription_id", "plan", "amount", "known_at", "end_reason", "trial"];

impl PeriodArgs {
    /// The options as the core takes them.
    ///
    /// # Errors
    /// `invalid_parameter` for a text that stands for two causes.
    pub(super) fn options(&self) -> Result<SubscriptionOptions> {
        let mut reasons = BTreeMap::new();
        for (text, cause) in &self.reasons {
            if reasons.insert(text.clone(), *cause).is_some_and(|other| other != *cause) {
                let message = format!("--reasons: {text:?} stands for two causes");
                return Err(Failure::new(ErrorKind::InvalidParameter, message));
            }
        }
        Ok(SubscriptionOptions {
            columns: SubscriptionColumns {
                customer_id: self.customer_id.clone(),
                start_date: self.start_date.clone(),
                end_date: self.end_date.clone(),
                subscription_id: self.subscription_id.clone(),
                plan: self.plan.clone(),
                amount: self.amount.clone(),
                known_at: self.known_at.clone(),
                end_reason: self.end_reason.clone(),
                trial: self.trial.clone(),
            },
            preset: self.preset,
            ends_known: self.ends_known,
            inclusive_ends: self.inclusive_ends,
            last_day: self.last_day,
            reasons,
            date_format: self.date_format.clone(),
            delimiter: self.delimiter,
            on_bad_row: if self.skip_bad_rows { OnBadRow::Skip } else { OnBadRow::Fail },
            max_bad_share: self.max_bad_share,
            encoding: self.encoding.clone(),
            skip_lines: self.skip_lines,
            decimal: self.decimal,
            thousands: self.thousands,
            currency: self.currency,
            null_values: self.null_values.clone(),
        })
    }
}

/// The settings of the training that subscriptions have.
#[derive(Args, Debug)]
#[command(next_help_heading = "Training")]
pub(super) struct SubscriptionTrainArgs {
    /// Days in which a subscription may end, 1 to 3650 [default: 90]
    #[arg(long, value_name = "DAYS")]
    horizon_days: Option<i32>,
    /// Days between the day of scoring and the horizon, 0 to 3650 [default: 0]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i32).range(0..=3650))]
    gap_days: Option<i32>,
    /// The longest hole between two periods that is no churn, 0 to 3650 days [default: 30]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i32).range(0..=3650))]
    allowed_gap_days: Option<i32>,
    /// Number of cutoffs to learn from, 1 to 1000 [default: as many as the data has room for, up to 12]
    #[arg(long, value_name = "N")]
    snapshots: Option<usize>,
    /// Learner; auto searches for the best [default: random_forest]
    #[arg(long, value_parser = kinds())]
    model: Option<ModelKind>,
    /// Seconds that the search of `--model auto` may take [default: no limit]
    #[arg(long, value_name = "SECONDS")]
    time_budget: Option<f64>,
    /// Seed of everything random [default: 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Code of a finding that may not stop the work; can be given several times
    #[arg(long, value_name = "CODE")]
    allow: Vec<String>,
    /// Any other setting of the training, such as trees=300; the value is JSON or else a text; can be given several times
    #[arg(long, value_name = "SETTING=VALUE", value_parser = setting)]
    set: Vec<(String, Json)>,
}

impl SubscriptionTrainArgs {
    /// The settings as the core takes them.
    ///
    /// # Errors
    /// `invalid_parameter` for a setting that is unknown, given twice, or out of its range.
    pub(super) fn config(&self) -> Result<TrainConfig> {
        let shared = TrainArgs {
            horizon_days: self.horizon_days,
            snapshots: self.snapshots,
            model: self.model,
            time_budget: self.time_budget,
            seed: self.seed,
            allow: self.allow.clone(),
            set: self.set.clone(),
            ..TrainArgs::default()
        };
        let own = [("gap_days", self.gap_days), ("allowed_gap_days", self.allowed_gap_days)];
        let mut settings = shared.settings();
        settings.extend(own.into_iter().filter_map(|(key, days)| Some((key.to_owned(), number(days?)))));
        let config: TrainConfig = from_settings(settings)?;
        config.check()?;
        Ok(config)
    }
}

fn presets() -> impl TypedValueParser<Value = SubscriptionPreset> {
    let all = SubscriptionPreset::ALL;
    PossibleValuesParser::new(all.map(SubscriptionPreset::name)).map(move |name| {
        let named = all.into_iter().find(|preset| preset.name() == name);
        named.expect("the values are the names of the presets")
    })
}

fn ends_known() -> impl TypedValueParser<Value = EndsKnown> {
    PossibleValuesParser::new(["at_end", "at_start"]).map(|name| match name.as_str() {
        "at_start" => EndsKnown::AtStart,
        _ => EndsKnown::AtEnd,
    })
}

/// Reads `TEXT=CAUSE`. The text may have an equals sign, a cause has none.
fn reason(text: &str) -> std::result::Result<(String, EndReason), String> {
    let expected = || {
        let causes = EndReason::ALL.map(EndReason::name).join(", ");
        format!("expected TEXT=CAUSE, such as expired_card=involuntary; the causes are {causes}")
    };
    let (text, cause) = text.rsplit_once('=').ok_or_else(expected)?;
    let cause = EndReason::ALL.into_iter().find(|known| known.name() == cause).ok_or_else(expected)?;
    Ok((text.to_owned(), cause))
}
