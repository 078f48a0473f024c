//! The status of customers on a day, and the label of the active ones: does the spell end in the window?

#[cfg(feature = "train")]
use std::collections::BTreeMap;

use serde::Serialize;

#[cfg(feature = "train")]
use super::EndsKnown;
#[cfg(feature = "train")]
use super::features::days_to_renewal;
use super::known::{Known, SubscriptionHistory};
use super::timeline::Timeline;
use super::{EndReason, NONE, Subscriptions};
use crate::day::Day;
#[cfg(feature = "train")]
use crate::error::invalid_parameter;
use crate::error::{Error, ErrorKind, Result};
use crate::labels::LabelConfig;
use crate::objects::names;
use crate::parallel;

/// The status of a customer on a day, by what was known on that day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStatus {
    /// A paid period covers the day, and the customer has not cancelled.
    Active,
    /// Paid periods cover the day, and all of them are cancelled.
    AlreadyCancelled,
    /// No paid period covers the day.
    NotActive,
}

names! { SubscriptionStatus { Active, AlreadyCancelled, NotActive } }

impl SubscriptionStatus {
    /// The name as it is written in files and responses.
    pub fn name(self) -> &'static str {
        match self {
            SubscriptionStatus::Active => "active",
            SubscriptionStatus::AlreadyCancelled => "already_cancelled",
            SubscriptionStatus::NotActive => "not_active",
        }
    }

    pub(super) fn of(periods: impl Iterator<Item = Known>, day: i32) -> Self {
        let mut covering = periods.filter(|period| period.covers(day));
        match covering.next() {
            None => SubscriptionStatus::NotActive,
            Some(first) if first.is_cancelled && covering.all(|period| period.is_cancelled) => {
                SubscriptionStatus::AlreadyCancelled
            }
            Some(_) => SubscriptionStatus::Active,
        }
    }
}

impl<'a> SubscriptionHistory<'a> {
    /// Iterates over the customers whose first period, also a trial, had started, in byte order of the ids, with their status.
    pub fn statuses(&self) -> impl Iterator<Item = (&'a str, SubscriptionStatus)> + use<'a> {
        let ids = self.subscriptions().ids();
        self.started().map(move |(customer, status)| (ids.get(customer), status))
    }

    /// The customers whose first period had started, by number, with their status.
    pub(crate) fn started(&self) -> impl Iterator<Item = (usize, SubscriptionStatus)> + use<'a> {
        let history = *self;
        let day = self.as_of().number();
        (0..self.subscriptions().customers())
            .filter(move |&customer| history.known(customer).next().is_some())
            .map(move |customer| (customer, SubscriptionStatus::of(history.known(customer), day)))
    }
}

/// The label of each active customer at a cutoff.
#[derive(Clone, Debug, PartialEq)]
pub struct SubscriptionLabels {
    /// The customers in byte order of their ids.
    pub customer_ids: Vec<String>,
    /// True for each customer whose spell ends in the window.
    pub churned: Vec<bool>,
    /// The cause for each customer who churned.
    pub causes: Vec<Option<EndReason>>,
    pub(crate) customers: Vec<usize>,
}

/// Labels the customers who are active at a cutoff. A customer has churned if the spell that covers the cutoff ends on a day e with
/// cutoff + gap < e ≤ cutoff + gap + horizon, and is not resumed within `allowed_gap_days`. Customers who have already cancelled
/// are not labelled, nor are those whose period had ended by the cutoff without anybody knowing.
///
/// ```
/// use churn::{LabelConfig, SubscriptionOptions, Subscriptions, subscription_labels};
/// // Bert leaves on 2024-04-01. Carl's payment fails, and ten days later he is back.
/// let csv = "customer_id,start_date,end_date,end_reason\n\
///     anna,2024-01-01,,\n\
///     bert,2024-01-01,2024-04-01,voluntary\n\
///     carl,2024-01-01,2024-03-01,involuntary\ncarl,2024-03-11,,\n\
///     dora,2024-06-01,,\n";
/// let subscriptions = Subscriptions::from_csv(csv.as_bytes(), &SubscriptionOptions::default())?;
/// let config = LabelConfig { horizon_days: 60, ..LabelConfig::default() };
/// let labels = subscription_labels(&subscriptions, "2024-02-15".parse()?, &config)?;
/// assert_eq!(labels.customer_ids, ["anna", "bert", "carl"]);
/// assert_eq!(labels.churned, [false, true, false]);
/// # Ok::<(), churn::Error>(())
/// ```
///
/// # Errors
/// `invalid_parameter`; `cutoff_outside_data` if the cutoff lies before the data, or if the data does not reach cutoff + gap +
/// horizon + allowed gap; `no_customers` if nobody is active.
pub fn subscription_labels(
    subscriptions: &Subscriptions,
    cutoff: Day,
    config: &LabelConfig,
) -> Result<SubscriptionLabels> {
    config.check()?;
    check_cutoff(subscriptions, cutoff, config)?;
    let then = subscriptions.known_at(cutoff);
    let later = subscriptions.known_at(subscriptions.last_day());
    let day = cutoff.number();
    let (from, to) = (day + config.gap_days, day + config.gap_days + config.horizon_days);
    let outcome = |customer: usize| {
        if SubscriptionStatus::of(then.known(customer), day) != SubscriptionStatus::Active {
            return None;
        }
        let periods: Vec<Known> = later.known(customer).collect();
        let mut timeline = Timeline::default();
        timeline.fill(&periods, config.allowed_gap_days);
        // None for a period whose end became known later.
        let spell = timeline.spell_at(day).filter(|_| periods.iter().any(|period| period.covers(day)))?;
        let churned = from < spell.end && spell.end <= to;
        Some((churned, churned.then(|| cause(&periods, spell.end))))
    };
    let outcomes = parallel::map(subscriptions.customers(), outcome);
    let mut labels = SubscriptionLabels::none();
    for (customer, outcome) in outcomes.into_iter().enumerate() {
        let Some((churned, cause)) = outcome else { continue };
        labels.customer_ids.push(subscriptions.ids().get(customer).to_owned());
        labels.churned.push(churned);
        labels.causes.push(cause);
        labels.customers.push(customer);
    }
    if labels.customers.is_empty() {
        let message = format!("no customer is active at {cutoff}: nobody to label");
        return Err(Error::new(ErrorKind::NoCustomers, message));
    }
    Ok(labels)
}

/// The labels of the active customers so many days before each renewal, by day: churned if the spell ends by the end of the term. Only
/// renewals whose outcome the data decides.
#[cfg(feature = "train")]
pub(crate) fn renewal_labels(
    subscriptions: &Subscriptions,
    days: i32,
    config: &LabelConfig,
) -> Result<BTreeMap<Day, SubscriptionLabels>> {
    if subscriptions.ends_known() != EndsKnown::AtStart {
        let expected =
            "left out, or subscriptions that are read with ends_known = at_start: only then renewals are known before";
        return Err(invalid_parameter("before_renewal_days", days, expected));
    }
    let later = subscriptions.known_at(subscriptions.last_day());
    let decided = subscriptions.last_day().number() - config.allowed_gap_days;
    let of_customer = |customer: usize| {
        let periods: Vec<Known> = later.known(customer).collect();
        let mut timeline = Timeline::default();
        timeline.fill(&periods, config.allowed_gap_days);
        let mut found: Vec<(i32, bool, Option<EndReason>)> = Vec::new();
        for stored in subscriptions.stored_of(customer).iter().filter(|stored| !stored.is_trial && stored.end != NONE) {
            let at = stored.end - days;
            if at < stored.start || stored.end > decided || found.iter().any(|row| row.0 == at) {
                continue;
            }
            let then = subscriptions.known_at(Day::new(at).expect("a day of a period"));
            // An announced end is no renewal, and others of the customer may come first.
            if SubscriptionStatus::of(then.known(customer), at) != SubscriptionStatus::Active
                || days_to_renewal(&then, customer) != Some(days)
            {
                continue;
            }
            let Some(spell) = timeline.spell_at(at) else { continue };
            let churned = spell.end <= stored.end;
            found.push((at, churned, churned.then(|| cause(&periods, spell.end))));
        }
        found
    };
    let mut labels: BTreeMap<Day, SubscriptionLabels> = BTreeMap::new();
    for (customer, rows) in parallel::map(subscriptions.customers(), of_customer).into_iter().enumerate() {
        for (at, churned, cause) in rows {
            let of_day =
                labels.entry(Day::new(at).expect("a day of a period")).or_insert_with(SubscriptionLabels::none);
            of_day.customer_ids.push(subscriptions.ids().get(customer).to_owned());
            of_day.churned.push(churned);
            of_day.causes.push(cause);
            of_day.customers.push(customer);
        }
    }
    if labels.is_empty() {
        let message = format!("no renewal is decided by {}: nobody to label", subscriptions.last_day());
        return Err(Error::new(ErrorKind::NoCustomers, message));
    }
    Ok(labels)
}

impl SubscriptionLabels {
    fn none() -> Self {
        SubscriptionLabels { customer_ids: Vec::new(), churned: Vec::new(), causes: Vec::new(), customers: Vec::new() }
    }
}

/// The reason of the paid period that ends with the spell; of several, of the one with the largest amount, then of the one that
/// started last, then of the greatest subscription.
fn cause(periods: &[Known], end: i32) -> EndReason {
    let ending = periods.iter().filter(|period| !period.is_trial && period.end.0 == end);
    let last = ending.max_by(|a, b| {
        let amount = |period: &Known| if period.amount.is_nan() { -1.0 } else { period.amount };
        // Subscriptions are numbered in byte order; a missing one is the smallest.
        let rest = |period: &Known| (period.start, period.subscription.wrapping_add(1));
        amount(a).total_cmp(&amount(b)).then_with(|| rest(a).cmp(&rest(b)))
    });
    last.and_then(|period| period.reason).unwrap_or(EndReason::Other)
}

/// The last cutoff whose labels the data decides.
pub(crate) fn latest_cutoff(subscriptions: &Subscriptions, config: &LabelConfig) -> i64 {
    i64::from(subscriptions.last_day().number())
        - i64::from(config.gap_days)
        - i64::from(config.horizon_days)
        - i64::from(config.allowed_gap_days)
}

pub(crate) fn check_cutoff(subscriptions: &Subscriptions, cutoff: Day, config: &LabelConfig) -> Result<()> {
    let (first, last) = (subscriptions.first_day(), subscriptions.last_day());
    let latest = latest_cutoff(subscriptions, config);
    if cutoff >= first && i64::from(cutoff.number()) <= latest {
        return Ok(());
    }
    let possible = match i32::try_from(latest).ok().and_then(Day::new).filter(|&latest| latest >= first) {
        Some(latest) => format!("a cutoff from {first} to {latest} is possible"),
        None => "the data is shorter than that".to_owned(),
    };
    let message = format!(
        "the cutoff {cutoff} needs data until it is decided who has left: gap {}, horizon {} and allowed gap {} days; the \
         subscriptions are known from {first} to {last}: {possible}",
        config.gap_days, config.horizon_days, config.allowed_gap_days
    );
    Err(Error::new(ErrorKind::CutoffOutsideData, message))
}

const _: () = assert!(NONE == i32::MAX, "a spell that runs on ends after every window");
