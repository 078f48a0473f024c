//! Findings about the pauses between a customer's events, and a proposal of a horizon from them.
//!
//! A pause is the time between two successive days with events of one customer. Every customer with a pause has the total
//! weight 1, which is divided among the customer's pauses. So the number of events does not matter.

use serde::Serialize;

use super::{Finding, percent};
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result};
use crate::events::Events;
use crate::labels::LabelConfig;
use crate::objects::objects;
use crate::order;

/// The usual horizons, in days.
const HORIZONS: [i32; 10] = [7, 14, 30, 60, 90, 120, 180, 270, 365, 730];
/// Share of the pauses that the proposed horizon covers.
const COVERED: f64 = 0.8;
/// Share of the pauses that the proposed `active_within_days` covers.
const NEARLY_ALL: f64 = 0.95;
/// A horizon that covers a smaller share of the pauses is too short.
const TOO_FEW: f64 = 0.5;
/// A horizon is too long if its tenth part covers this share of the pauses.
const NEEDLESS: f64 = 0.95;

/// The share of pauses that end within a horizon.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HorizonShare {
    /// The horizon in days.
    pub horizon_days: i32,
    /// The share (0..1) of pauses of at most `horizon_days` days, with equal weight for each customer.
    pub share: f64,
}

objects! { HorizonShare { horizon_days, share } }

/// Settings proposed for a log.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Suggestion {
    /// The shortest of the usual horizons within which 80 % of the pauses end, limited to horizons for which the log is long
    /// enough (three horizons).
    pub horizon_days: i32,
    /// The shortest of the usual horizons within which 95 % of the pauses end, at least twice the horizon. Customers who have
    /// been away for longer rarely come back.
    pub active_within_days: i32,
    /// The share of pauses that each usual horizon covers.
    pub shares: Vec<HorizonShare>,
    /// Number of customers with at least one pause.
    pub customers: u64,
}

objects! { Suggestion { horizon_days, active_within_days, shares, customers } }

/// The pauses of a log.
struct Pauses {
    /// Length in days and weight of each pause, sorted by length.
    pauses: Vec<(i32, f64)>,
    customers: u64,
    /// Number of customers with two pauses or more.
    repeated: u64,
    /// The median pause of each of them whose pauses are all nearly equal.
    regular: Vec<i32>,
}

impl Pauses {
    fn new(events: &Events, as_of: Day) -> Pauses {
        let (history, _) = events.split_at(as_of);
        let (mut pauses, mut regular) = (Vec::new(), Vec::new());
        let (mut customers, mut repeated) = (0, 0);
        let mut days: Vec<i32> = Vec::new();
        for customer in history.customers() {
            days.clear();
            days.extend(history.of(customer).days());
            days.dedup();
            if days.len() < 2 {
                continue;
            }
            customers += 1;
            let mut own: Vec<i32> = days.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let weight = 1.0 / own.len() as f64;
            pauses.extend(own.iter().map(|&pause| (pause, weight)));
            if own.len() >= 2 {
                repeated += 1;
                order::sort_mostly_short(&mut own);
                let median = own[own.len() / 2];
                // Nearly equal: within a twentieth, or within the difference of the lengths of months.
                if own[own.len() - 1] - own[0] <= i32::max(4, median / 20) {
                    regular.push(median);
                }
            }
        }
        pauses.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        Pauses { pauses, customers, repeated, regular }
    }

    /// The share of pauses of at most `days` days.
    fn within(&self, days: i32) -> f64 {
        let sum = |pauses: &[(i32, f64)]| pauses.iter().map(|pause| pause.1).sum::<f64>();
        let upto = self.pauses.partition_point(|&(pause, _)| pause <= days);
        sum(&self.pauses[..upto]) / self.customers.max(1) as f64
    }
}

/// Proposes `horizon_days` and `active_within_days` from the pauses between the events of the customers who came back.
///
/// # Errors
/// `too_few_rows` if fewer than 20 customers have come back.
pub fn suggest(events: &Events) -> Result<Suggestion> {
    const FEWEST: u64 = 20;
    let pauses = Pauses::new(events, events.last_day());
    if pauses.customers < FEWEST {
        let message = format!(
            "{} customers have events on two days or more; at least {FEWEST} are needed to see how long customers pause",
            pauses.customers
        );
        return Err(Error::new(ErrorKind::TooFewRows, message));
    }
    let days = events.last_day().number() - events.first_day().number();
    let shares: Vec<HorizonShare> =
        HORIZONS.map(|horizon_days| HorizonShare { horizon_days, share: pauses.within(horizon_days) }).to_vec();
    let possible: Vec<&HorizonShare> = shares.iter().filter(|row| 3 * row.horizon_days <= days).collect();
    let longest = possible.last().map_or(HORIZONS[0], |row| row.horizon_days);
    let horizon_days = possible.iter().find(|row| row.share >= COVERED).map_or(longest, |row| row.horizon_days);
    let covering = shares.iter().find(|row| row.share >= NEARLY_ALL).map_or(HORIZONS[9], |row| row.horizon_days);
    Ok(Suggestion {
        horizon_days,
        active_within_days: covering.max(2 * horizon_days),
        shares,
        customers: pauses.customers,
    })
}

/// Findings about the horizon compared with the pauses.
pub(super) fn of_pauses(events: &Events, as_of: Day, definition: &LabelConfig) -> Vec<Finding> {
    const FEWEST: u64 = 20;
    let pauses = Pauses::new(events, as_of);
    if pauses.customers < FEWEST {
        return Vec::new();
    }
    let horizon = definition.horizon_days;
    if let Some(finding) = regular_payers(&pauses, horizon) {
        return vec![finding];
    }
    // Pauses are over all event types, so they do not fit a definition for which only some types count.
    if definition.event_types.is_some() {
        return Vec::new();
    }
    let (share, proposed) = (pauses.within(horizon), suggest(events).ok());
    let proposal = |finding: Finding| match &proposed {
        Some(proposed) => finding.suggest("horizon_days", proposed.horizon_days),
        None => finding,
    };
    let mut findings = Vec::new();
    if share < TOO_FEW {
        let message = format!(
            "only {} of the pauses after which customers came back were over within horizon_days = {horizon}: most of those \
             whom this calls churned are only pausing{}",
            percent(share),
            proposed.as_ref().map_or(String::new(), |proposed| {
                let share = pauses.within(proposed.horizon_days);
                format!(". horizon_days = {} covers {}.", proposed.horizon_days, percent(share))
            })
        );
        let finding =
            Finding::new("horizon_too_short", message).evidence("horizon_days", horizon).evidence("share", share);
        findings.push(proposal(finding));
    }
    let tenth = horizon / 10;
    if tenth >= 1 && pauses.within(tenth) > NEEDLESS {
        let share = pauses.within(tenth);
        let message = format!(
            "{} of the pauses are over within {tenth} days, a tenth of horizon_days = {horizon}: a customer who is leaving is \
             found out late{}",
            percent(share),
            proposed
                .as_ref()
                .map_or(String::new(), |proposed| format!(". horizon_days = {} is proposed.", proposed.horizon_days))
        );
        let finding = Finding::new("horizon_too_long", message)
            .evidence("horizon_days", horizon)
            .evidence("days", tenth)
            .evidence("share", share);
        findings.push(proposal(finding));
    }
    findings
}

/// The finding about constant pauses that are about as long as the horizon or longer, such as regular payments.
fn regular_payers(pauses: &Pauses, horizon: i32) -> Option<Finding> {
    /// Share of customers, or of pauses, from which on a log consists of regular payments.
    const MANY_CUSTOMERS: f64 = 0.25;
    const MANY_PAUSES: f64 = 0.5;
    const FEWEST: usize = 10;
    let about = |pause: i32| i64::from(pause) * 10 >= i64::from(horizon) * 9;
    let mut long: Vec<i32> = pauses.regular.iter().copied().filter(|&pause| about(pause)).collect();
    order::sort(&mut long);
    let (mut customers, mut median) = (long.len(), long.get(long.len() / 2).copied().unwrap_or(0));
    let mut share = customers as f64 / pauses.repeated.max(1) as f64;
    if customers < FEWEST || share < MANY_CUSTOMERS {
        // If customers have only one pause each, the pauses of all customers are compared: half of them must be within a
        // twentieth of the median.
        let middle = pauses.pauses.get(pauses.pauses.len() / 2)?.0;
        let near = i32::max(4, middle / 20);
        let alike = pauses.pauses.iter().filter(|(pause, _)| (pause - middle).abs() <= near).count();
        share = alike as f64 / pauses.pauses.len() as f64;
        if !about(middle) || alike < FEWEST || share < MANY_PAUSES {
            return None;
        }
        (customers, median) = (pauses.customers as usize, middle);
    }
    let message = format!(
        "{customers} customers have events at constant intervals of about {median} days, which horizon_days = {horizon} does not \
         cover safely: these look like payments of a subscription, and customers who stay would be labelled churned. \
         horizon_days = {} covers an interval. Subscriptions that are read as periods, from a start to an end, say who leaves.",
        longer_than(median)
    );
    Some(
        Finding::new("regular_payers", message)
            .evidence("customers", customers)
            .evidence("interval_days", median)
            .evidence("share", share)
            .suggest("horizon_days", longer_than(median)),
    )
}

/// A horizon that is longer than an interval of days: a third more, rounded up to ten days.
fn longer_than(interval: i32) -> i32 {
    (interval + interval / 3 + 9) / 10 * 10
}
