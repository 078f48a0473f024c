//! Checks of the data before it is used, and of the results.
//!
//! A [`Finding`] has a stable code, a severity, a message with the numbers, the numbers for programs, and the settings that
//! would fix the problem. [`check`] checks a log. [`train`](crate::train) checks the log and the results, and stores its
//! findings in the model. [`Model::predict`](crate::Model::predict) checks the log that it scores. An `error` stops training
//! and scoring, unless its code is explicitly allowed. [`finding_codes`] lists all codes.
//!
//! ```
//! use churn::{Events, LabelConfig, ReadOptions, Severity, check};
//! // Two customers who come every week of 2024, and one row that is dated 2099.
//! let mut csv = String::from("customer_id,event_date\n");
//! for week in 0..52 {
//!     let day = churn::Day::new(19_723 + 7 * week).unwrap();
//!     csv.push_str(&format!("anna,{day}\nbert,{day}\n"));
//! }
//! csv.push_str("bert,2099-01-01\n");
//! let events = Events::from_csv(csv.as_bytes(), &ReadOptions::default())?;
//! let findings = check(&events, &LabelConfig::default())?;
//! assert_eq!((findings[0].code.as_str(), findings[0].severity), ("isolated_last_day", Severity::Error));
//! assert!(findings[0].message.contains("2099-01-01") && findings[0].message.contains("last_day = 2024-12-23"));
//! # Ok::<(), churn::Error>(())
//! ```

mod attributes;
mod coverage;
mod log;
mod pauses;
#[cfg(feature = "train")]
mod results;
#[cfg(feature = "subscriptions")]
mod subscriptions;

use std::collections::BTreeMap;

use serde::Serialize;

pub(crate) use attributes::joined;
pub use pauses::{HorizonShare, Suggestion, suggest};
#[cfg(feature = "train")]
pub(crate) use results::{Judged, of_over_time, of_results, of_rows};

#[cfg(feature = "subscriptions")]
pub use subscriptions::check_subscriptions;
#[cfg(feature = "subscriptions")]
pub(crate) use subscriptions::{check_plans, check_usage};

use crate::day::Day;
use crate::error::{Error, ErrorKind, Result};
use crate::events::Events;
use crate::input::Source;
use crate::json::Json;
use crate::labels::{LabelConfig, LabelKind};
use crate::objects::{names, objects};

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Information without a problem.
    Note,
    /// Results may be wrong or misleading.
    Warning,
    /// Results would be wrong. Training and scoring stop unless the code is allowed.
    Error,
}

names! { Severity { Note, Warning, Error } }

impl Severity {
    /// The name as it is written in files and responses.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One result of a check.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The code, one of [`finding_codes`].
    pub code: String,
    /// The severity.
    pub severity: Severity,
    /// The finding and a remedy, in one or two sentences with the numbers.
    pub message: String,
    /// The numbers of the finding by name.
    pub evidence: BTreeMap<String, Json>,
    /// The settings that would fix the problem, by name; empty if no setting does.
    pub suggestion: BTreeMap<String, Json>,
}

objects! { Finding { code, severity, message, evidence, suggestion } }

/// Description of a code of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FindingInfo {
    /// The stable code in snake_case.
    pub code: &'static str,
    /// The severity of findings with this code.
    pub severity: Severity,
    /// The meaning of the code in a sentence.
    pub meaning: &'static str,
}

macro_rules! findings {
    ($($(#[$when:meta])* $code:ident $severity:ident $meaning:literal;)*) => {
        const CODES: &[FindingInfo] = &[
            $($(#[$when])* FindingInfo { code: stringify!($code), severity: Severity::$severity, meaning: $meaning },)*
        ];
    };
}

findings! {
    isolated_last_day Error "A handful of rows lie far behind all others, and the last day decides who counts as silent.";
    isolated_first_day Error "A handful of rows lie far before all others.";
    regular_payers Error "Many customers have events at constant intervals about as long as the horizon or longer: these are payments, and everybody who stays would be labelled churned.";
    unmatched_attributes Error "No customer of the log is found in the joined table.";
    unknown_levels Error "No value of a joined category is one that the model has learned from.";
    #[cfg(feature = "subscriptions")]
    ends_known_in_advance Error "Most running subscriptions have an end that lies after everything else in the file: terms are taken for ends.";
    #[cfg(feature = "subscriptions")]
    terms_without_ends Error "Terms are said to be known from the start, but many running ones have no end.";
    #[cfg(feature = "subscriptions")]
    all_subscriptions_ended Error "No customer is active at the end of the data, so nobody stayed.";
    #[cfg(feature = "subscriptions")]
    no_period_ends Error "No period has an end, so nobody has left.";
    #[cfg(feature = "subscriptions")]
    last_day_far_behind Error "A few rows lie far after the day by which nearly all periods have started, and move the last day.";
    #[cfg(feature = "subscriptions")]
    unmatched_usage Error "No active customer has a usage event by the day.";
    #[cfg(feature = "subscriptions")]
    usage_ends_early Error "The usage events end long before the day on which the customers are looked at.";
    #[cfg(feature = "subscriptions")]
    nothing_before_last_day Warning "Hardly anything starts or ends in the weeks before the given last day of subscriptions.";
    inactivity_rule Warning "The label is computed from the very events that the features are computed from.";
    not_evaluated Warning "The model was trained without an evaluation: nobody knows how far to believe it.";
    few_attributes_matched Warning "Less than half of the customers are found in the joined table.";
    many_unknown_levels Warning "More than a tenth of the values of a joined category are ones that the model has not learned from.";
    thin_window Warning "The days that the labels are taken from hold far fewer events a day than the days before them.";
    gap_in_log Warning "Days without any event in a log that has events on nearly every day.";
    order_lines Warning "Many rows share customer, day and type with another row: they may be lines of orders instead of events.";
    duplicate_rows Warning "Many rows are equal to another row in every column that is used.";
    leaving_event_counts_as_return Warning "An event type whose name says that a customer leaves or takes money back counts as coming back.";
    horizon_too_short Warning "Many customers pause for longer than the horizon and come back afterwards.";
    horizon_too_long Warning "Nearly all who come back do so within a fraction of the horizon.";
    customers_guessed Warning "Customers are scored whom the model's definition of churn does not cover.";
    undated_attributes Warning "Joined columns without valid_from may hold values that were not known at the cutoffs.";
    recency_separates Warning "Recency alone ranks the outcome almost perfectly.";
    column_separates Warning "One column alone ranks the outcome almost perfectly.";
    model_below_recency Warning "The model ranks no better than recency alone.";
    constant_model Warning "The model gives nearly the same probability to everybody.";
    calibration_off Warning "The probabilities are far too extreme or far too timid.";
    band_off Warning "The churn observed in a risk segment lies outside its band by more than chance allows.";
    base_rate_moves Warning "The churn rate of the last cutoff differs from that of the earlier ones by more than chance allows.";
    results_change Warning "The models rank better or worse at the later cutoffs of a backtest by more than chance allows.";
    not_out_of_time Warning "The model was judged on held-out customers, although the labels have a time.";
    #[cfg(feature = "subscriptions")]
    inclusive_ends Warning "Most periods that are followed by another one end a day before it starts.";
    #[cfg(feature = "subscriptions")]
    duplicate_periods Warning "Many subscription periods are those of another row, equal or with another end.";
    #[cfg(feature = "subscriptions")]
    few_customers_use Warning "Less than a quarter of the active customers have usage events.";
    #[cfg(feature = "subscriptions")]
    many_start_together Warning "A third of the customers begin on the same day: the time before it may be missing.";
    customers_left_out Note "Customers whom the model's definition of churn does not cover are left out.";
    all_rounds_used Note "Boosting was still improving after the largest number of rounds that it tries.";
    few_customers Note "So few customers were judged that the AUC is known only roughly.";
}

/// All codes of findings, with severity and meaning.
pub fn finding_codes() -> &'static [FindingInfo] {
    CODES
}

impl Finding {
    /// Creates a finding with the severity that is declared for the code.
    pub(crate) fn new(code: &str, message: String) -> Finding {
        let info = CODES.iter().find(|info| info.code == code).expect("every code is declared");
        Finding {
            code: code.to_owned(),
            severity: info.severity,
            message,
            evidence: BTreeMap::new(),
            suggestion: BTreeMap::new(),
        }
    }

    pub(crate) fn evidence(mut self, name: &str, value: impl IntoJson) -> Finding {
        self.evidence.insert(name.to_owned(), value.into_json());
        self
    }

    pub(crate) fn suggest(mut self, setting: &str, value: impl IntoJson) -> Finding {
        self.suggestion.insert(setting.to_owned(), value.into_json());
        self
    }
}

/// A type that can be a value of evidence or of a setting.
pub(crate) trait IntoJson {
    fn into_json(self) -> Json;
}

impl IntoJson for u64 {
    fn into_json(self) -> Json {
        Json::Unsigned(self)
    }
}

impl IntoJson for usize {
    fn into_json(self) -> Json {
        Json::Unsigned(self as u64)
    }
}

impl IntoJson for i32 {
    fn into_json(self) -> Json {
        u64::try_from(self).map_or(Json::Negative(self.into()), Json::Unsigned)
    }
}

impl IntoJson for f64 {
    fn into_json(self) -> Json {
        match self {
            whole if whole.fract() == 0.0 && (0.0..1e15).contains(&whole) => Json::Unsigned(whole as u64),
            finite if finite.is_finite() => Json::Float(finite),
            _ => Json::Null,
        }
    }
}

impl IntoJson for bool {
    fn into_json(self) -> Json {
        Json::Boolean(self)
    }
}

impl IntoJson for &str {
    fn into_json(self) -> Json {
        Json::Text(self.to_owned())
    }
}

impl IntoJson for Day {
    fn into_json(self) -> Json {
        Json::Text(self.to_string())
    }
}

impl<T: IntoJson> IntoJson for Vec<T> {
    fn into_json(self) -> Json {
        Json::List(self.into_iter().map(IntoJson::into_json).collect())
    }
}

/// Checks a log before training: its days, its rows and its pauses against a definition of churn, at the last possible
/// cutoff. Returns the findings, worst first.
///
/// # Errors
/// `invalid_parameter` for a definition that is invalid for any data.
pub fn check(events: &Events, definition: &LabelConfig) -> Result<Vec<Finding>> {
    definition.check()?;
    let last = events.last_day();
    let cutoffs = match definition.labels {
        LabelKind::OutcomeWindow => vec![last.plus(-definition.gap_days).plus(-definition.horizon_days)],
        LabelKind::Inactivity | LabelKind::Provided | LabelKind::SubscriptionEnd => Vec::new(),
    };
    Ok(check_log(events, last, definition, &cutoffs))
}

/// [`check`] for data whose features are to be computed at their last day; of subscriptions [`check_subscriptions`]. The features of
/// a log do not depend on the definition of churn, so only findings about that day are errors: isolated rows.
///
/// # Errors
/// `finding`, unless `allow` has the code; `invalid_parameter` for an unknown code; the errors of [`check`].
pub fn check_for_features<'a>(
    source: impl Into<Source<'a>>,
    definition: &LabelConfig,
    allow: &[String],
) -> Result<Vec<Finding>> {
    check_allowed(allow)?;
    match source.into() {
        Source::Events(input) => {
            let findings = check(input.events, definition)?;
            fail_on_errors(&check_scored(input.events, input.events.last_day()), allow)?;
            Ok(findings)
        }
        #[cfg(feature = "subscriptions")]
        Source::Subscriptions(input) => {
            let findings = check_subscriptions(input.subscriptions);
            fail_on_errors(&findings, allow)?;
            Ok(findings)
        }
    }
}

/// The findings about the events up to the end of a day, worst first.
pub(crate) fn check_log(events: &Events, as_of: Day, definition: &LabelConfig, cutoffs: &[Day]) -> Vec<Finding> {
    let mut findings = log::of_days(events, as_of, definition, cutoffs);
    findings.extend(log::of_rows(events, as_of));
    if definition.labels == LabelKind::OutcomeWindow {
        findings.extend(log::of_types(events, definition));
        findings.extend(pauses::of_pauses(events, as_of, definition));
    }
    sort_by_severity(&mut findings);
    findings
}

/// The findings about a log that affect which customers a model scores and how: isolated rows.
pub(crate) fn check_scored(events: &Events, as_of: Day) -> Vec<Finding> {
    log::isolated(events, as_of)
}

pub(crate) fn sort_by_severity(findings: &mut [Finding]) {
    let rank = |finding: &Finding| CODES.iter().position(|info| info.code == finding.code).unwrap_or(CODES.len());
    crate::order::sort_by(findings, |a, b| b.severity.cmp(&a.severity).then(rank(a).cmp(&rank(b))));
}

/// Returns an error for unknown codes.
pub(crate) fn check_allowed(allow: &[String]) -> Result<()> {
    match allow.iter().find(|code| CODES.iter().all(|info| info.code != **code)) {
        None => Ok(()),
        Some(unknown) => {
            let codes: Vec<&str> = CODES.iter().map(|info| info.code).collect();
            let message = format!("allow is {unknown:?}; expected codes of findings: {}", codes.join(", "));
            Err(Error::new(ErrorKind::InvalidParameter, message))
        }
    }
}

/// Returns an error for findings that are errors, unless they are allowed.
///
/// # Errors
/// `finding`, with the messages and the codes to allow.
pub(crate) fn fail_on_errors(findings: &[Finding], allow: &[String]) -> Result<()> {
    let stopping: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error && !allow.contains(&finding.code))
        .collect();
    if stopping.is_empty() {
        return Ok(());
    }
    let messages: Vec<&str> = stopping.iter().map(|finding| finding.message.as_str()).collect();
    let codes: Vec<String> = stopping.iter().map(|finding| format!("{:?}", finding.code)).collect();
    let message = format!("{} (allow = [{}] goes on all the same)", messages.join(" "), codes.join(", "));
    Err(Error::new(ErrorKind::Finding, message).with_findings(stopping.into_iter().cloned().collect()))
}

/// Formats a share in percent, for messages.
fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
