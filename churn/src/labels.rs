//! The definitions of churn, and the label of each customer at a cutoff.
//!
//! With the default, `outcome_window`, a customer churned if no qualifying event falls into
//! (cutoff + gap, cutoff + gap + horizon]. Worked by hand: cutoff 2024-01-03, horizon 30. Anna was last seen on
//! 2024-01-02 and comes back on 2024-01-20, inside the window that ends on 2024-02-02; Bert comes back in May.
//!
//! ```
//! use churn::{Events, LabelConfig, ReadOptions, labels};
//! let csv = "customer_id,event_date\nanna,2024-01-02\nanna,2024-01-20\nbert,2024-01-02\nbert,2024-05-02\n";
//! let events = Events::from_csv(csv.as_bytes(), &ReadOptions::default())?;
//! let (history, outcome) = events.split_at("2024-01-03".parse()?);
//! let labels = labels(&history, &outcome, &LabelConfig { horizon_days: 30, ..LabelConfig::default() })?;
//! assert_eq!(labels.iter().collect::<Vec<_>>(), [("anna", false), ("bert", true)]);
//! # Ok::<(), churn::Error>(())
//! ```

use serde::Serialize;

use crate::day::Day;
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::events::{Events, History, Outcome, Strings, quote_for_message};
use crate::objects::{names, objects};

/// The rule that labels a customer as churned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelKind {
    /// No qualifying event in the window after the cutoff.
    #[default]
    OutcomeWindow,
    /// No event in the last `threshold_days` up to the cutoff. The rule is computed from the same rows as recency, so a model
    /// learns the rule and not the future. Results made with it carry [`INACTIVITY_WARNING`].
    Inactivity,
    /// The churn_label column.
    Provided,
    /// The end of the subscription in the window after the cutoff. It is the rule of every training on subscriptions.
    SubscriptionEnd,
}

names! { LabelKind { OutcomeWindow, Inactivity, Provided, SubscriptionEnd } }

/// The definition of churn. Every field has a default.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelConfig {
    /// The rule that labels a customer as churned.
    pub labels: LabelKind,
    /// `outcome_window`: length in days of the window in which a customer may come back; 1 to 3650.
    pub horizon_days: i32,
    /// `outcome_window`: days between the cutoff and the window, whose events do not count; 0 to 3650.
    pub gap_days: i32,
    /// `outcome_window`: only customers with an event in this many days up to the cutoff are labelled; none for all.
    pub active_within_days: Option<i32>,
    /// `outcome_window`: the event types that count as coming back; none for all.
    pub event_types: Option<Vec<String>>,
    /// `inactivity`: days without an event; 1 to 3650.
    pub threshold_days: i32,
    /// Subscriptions: the longest hole between two periods that is no churn; 0 to 3650 days.
    #[serde(skip_serializing_if = "is_default_gap")]
    pub allowed_gap_days: i32,
    /// Subscriptions with fixed terms: customers are looked at so many days before each of their renewals, and have churned if the
    /// subscription ends with the term; 1 to 3650. None looks at all customers on the same days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_renewal_days: Option<i32>,
}

objects! {
    @default LabelConfig {
        labels, horizon_days, gap_days, active_within_days, event_types, threshold_days, allowed_gap_days,
        before_renewal_days
    }
}

/// The default of `allowed_gap_days`.
pub const ALLOWED_GAP_DAYS: i32 = 30;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_default_gap(days: &i32) -> bool {
    *days == ALLOWED_GAP_DAYS
}

impl Default for LabelConfig {
    fn default() -> Self {
        LabelConfig {
            labels: LabelKind::OutcomeWindow,
            horizon_days: 90,
            gap_days: 0,
            active_within_days: Some(365),
            event_types: None,
            threshold_days: 30,
            allowed_gap_days: ALLOWED_GAP_DAYS,
            before_renewal_days: None,
        }
    }
}

/// The warning that every result with `inactivity` labels carries.
pub const INACTIVITY_WARNING: &str = "The label is the inactivity rule: it is computed from the same events as the features, \
     so the model repeats the rule and its evaluation says nothing about the future. Use outcome_window to predict who will leave.";

impl LabelConfig {
    pub(crate) fn check(&self) -> Result<()> {
        let within = |name, value: i32, low: i32| match (low..=3650).contains(&value) {
            true => Ok(()),
            false => Err(invalid_parameter(name, value, &format!("{low} to 3650 days"))),
        };
        within("horizon_days", self.horizon_days, 1)?;
        within("gap_days", self.gap_days, 0)?;
        within("threshold_days", self.threshold_days, 1)?;
        within("allowed_gap_days", self.allowed_gap_days, 0)?;
        if let Some(days) = self.before_renewal_days {
            within("before_renewal_days", days, 1)?;
        }
        if let Some(days) = self.active_within_days {
            match days {
                1..=36_500 => (),
                _ => return Err(invalid_parameter("active_within_days", days, "1 to 36500 days, or none")),
            }
        }
        if self.event_types.as_ref().is_some_and(Vec::is_empty) {
            return Err(invalid_parameter("event_types", "an empty list", "at least one type, or none for all"));
        }
        Ok(())
    }

    /// The first day of the window in which customers of this cutoff may come back.
    pub(crate) fn window_start(&self, cutoff: Day) -> Day {
        cutoff.plus(self.gap_days).plus(1)
    }

    /// The last day of the window in which customers of this cutoff may come back.
    pub(crate) fn window_end(&self, cutoff: Day) -> Day {
        cutoff.plus(self.gap_days).plus(self.horizon_days)
    }

    /// The definition in a sentence.
    pub fn describe(&self) -> String {
        match self.labels {
            LabelKind::OutcomeWindow => {
                let event = match &self.event_types {
                    Some(types) => format!("event of type {}", types.join(" or ")),
                    None => "event of any type".to_owned(),
                };
                let after = match self.gap_days {
                    0 => "the cutoff".to_owned(),
                    gap => format!("a gap of {gap} days after the cutoff"),
                };
                let of = match self.active_within_days {
                    Some(days) => format!("among customers active in the {days} days before the cutoff"),
                    None => "among all customers seen by the cutoff".to_owned(),
                };
                format!(
                    "A customer has churned if no {event} follows within {} days after {after}, {of}.",
                    self.horizon_days
                )
            }
            LabelKind::Inactivity => {
                format!(
                    "A customer has churned if {} days or more have passed since the last event.",
                    self.threshold_days
                )
            }
            #[cfg(not(feature = "subscriptions"))]
            LabelKind::SubscriptionEnd => "A customer has churned if the subscription ends.".to_owned(),
            LabelKind::Provided => "A customer has churned if the label that came with the data says so.".to_owned(),
            #[cfg(feature = "subscriptions")]
            LabelKind::SubscriptionEnd if self.before_renewal_days.is_some() => {
                format!(
                    "A customer has churned if the subscription ends with its term and is not resumed within {} days, among active \
                     customers who have not cancelled {} days before the renewal.",
                    self.allowed_gap_days,
                    self.before_renewal_days.unwrap_or_default()
                )
            }
            #[cfg(feature = "subscriptions")]
            LabelKind::SubscriptionEnd => {
                let after = match self.gap_days {
                    0 => String::new(),
                    gap => format!(" after a gap of {gap} days"),
                };
                format!(
                    "A customer has churned if the subscription ends within {} days{after} and is not resumed within {} days, among \
                     active customers who have not cancelled.",
                    self.horizon_days, self.allowed_gap_days
                )
            }
        }
    }
}

/// The label of each customer that the definition covers: churned or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    ids: Strings,
    pub(crate) customers: Vec<usize>,
    pub(crate) churned: Vec<bool>,
}

impl Labels {
    /// The number of customers.
    #[allow(clippy::len_without_is_empty, reason = "labels without a customer cannot be made")]
    pub fn len(&self) -> usize {
        self.churned.len()
    }

    /// Number of customers that churned.
    pub fn churned(&self) -> usize {
        self.churned.iter().filter(|&&churned| churned).count()
    }

    /// Customer id and whether they churned, in byte order of the ids.
    pub fn iter(&self) -> impl Iterator<Item = (&str, bool)> {
        self.ids.iter().zip(self.churned.iter().copied())
    }
}

/// The labels of the customers in `history` at its day, the cutoff.
///
/// # Errors
/// `cutoff_outside_data` if the cutoff lies before the data or its window is not wholly inside it; `missing_labels` for
/// `provided` without a churn_label column; `no_customers`; `invalid_parameter`, also for a type that no event has and for
/// an outcome of another log or day.
pub fn labels(history: &History<'_>, outcome: &Outcome<'_>, config: &LabelConfig) -> Result<Labels> {
    config.check()?;
    if !outcome.belongs_to(history) {
        return Err(invalid_parameter(
            "outcome",
            "of another log or day",
            "the outcome that split_at gave with this history",
        ));
    }
    #[cfg(feature = "subscriptions")]
    refuse_of_subscriptions(config)?;
    let (events, cutoff) = (history.events(), history.as_of());
    let mut customers: Vec<usize> = history.customers().collect();
    let churned: Vec<bool> = match config.labels {
        LabelKind::OutcomeWindow => {
            check_cutoff(events, cutoff, config)?;
            customers.retain(|&c| config.covers(history.last_event(c), cutoff));
            let counts = qualifying(events, config.event_types.as_deref())?;
            let (from, to) = (cutoff.plus(config.gap_days).number(), config.window_end(cutoff).number());
            let comes_back = |c: usize| {
                let after = outcome.of(c);
                after.days().zip(after.types()).any(|(day, number)| from < day && day <= to && counts(number))
            };
            customers.iter().map(|&c| !comes_back(c)).collect()
        }
        LabelKind::Inactivity => {
            let days_since = |c: usize| history.of(c).last_day().map_or(0, |last| cutoff.number() - last);
            customers.iter().map(|&c| days_since(c) >= config.threshold_days).collect()
        }
        LabelKind::Provided => {
            let Some(given) = events.labels() else {
                let message = "labels = provided needs a churn_label column with 0 or 1 for each customer";
                return Err(Error::new(ErrorKind::MissingLabels, message));
            };
            customers.retain(|&c| given[c].is_some());
            customers.iter().map(|&c| given[c] == Some(true)).collect()
        }
        LabelKind::SubscriptionEnd => {
            let expected = "outcome_window, inactivity or provided: a log of events has no subscriptions";
            return Err(invalid_parameter("labels", "subscription_end", expected));
        }
    };
    if customers.is_empty() {
        return Err(Error::new(
            ErrorKind::NoCustomers,
            format!("no customer to label at {cutoff}: {}", config.describe()),
        ));
    }
    Ok(Labels { ids: events.ids().select(customers.iter().map(|&c| c as u32)), customers, churned })
}

/// Refuses settings that would have no effect.
#[cfg(feature = "subscriptions")]
pub(crate) fn refuse_of_subscriptions(config: &LabelConfig) -> Result<()> {
    let expected = "left out: a log of events has no subscriptions";
    if config.allowed_gap_days != ALLOWED_GAP_DAYS {
        return Err(invalid_parameter("allowed_gap_days", config.allowed_gap_days, expected));
    }
    match config.before_renewal_days {
        Some(days) => Err(invalid_parameter("before_renewal_days", days, expected)),
        None => Ok(()),
    }
}

/// Returns an error if the past or the window of a cutoff is not inside the data.
pub(crate) fn check_cutoff(events: &Events, cutoff: Day, config: &LabelConfig) -> Result<()> {
    let (first, last) = (events.first_day(), events.last_day());
    let end = i64::from(cutoff.number()) + i64::from(config.gap_days) + i64::from(config.horizon_days);
    if cutoff >= first && end <= i64::from(last.number()) {
        return Ok(());
    }
    let latest = i64::from(last.number()) - i64::from(config.gap_days) - i64::from(config.horizon_days);
    let possible = match i32::try_from(latest).ok().and_then(Day::new).filter(|&latest| latest >= first) {
        Some(latest) => format!("a cutoff from {first} to {latest} is possible"),
        None => "the data is shorter than the window".to_owned(),
    };
    let message = format!(
        "the cutoff {cutoff} with gap {} and horizon {} days needs data from the cutoff to {}; the log runs from {first} to {last}: {possible}",
        config.gap_days,
        config.horizon_days,
        config.window_end(cutoff)
    );
    Err(Error::new(ErrorKind::CutoffOutsideData, message))
}

/// Returns a function that tells whether an event type, by its number, counts as coming back.
fn qualifying<'a>(events: &Events, types: Option<&'a [String]>) -> Result<impl Fn(u16) -> bool + use<'a>> {
    let listed = match types {
        None => None,
        Some(types) => {
            let mut listed = vec![false; events.type_names().len()];
            for name in types {
                let Some(at) = events.type_names().search(name) else {
                    let there: Vec<&str> = events.event_types().take(20).collect();
                    let message = format!("of the type {} there is no event", quote_for_message(name.as_bytes()));
                    return Err(invalid_parameter(
                        "event_types",
                        message,
                        &format!("types of this log: {}", there.join(", ")),
                    ));
                };
                listed[at] = true;
            }
            Some(listed)
        }
    };
    Ok(move |number: u16| {
        listed.as_ref().is_none_or(|listed| listed.get(usize::from(number)).copied().unwrap_or(false))
    })
}
