//! The periods as they were known at the end of a day.

use super::{EndReason, EndsKnown, NONE, Stored, Subscriptions};
use crate::day::Day;

/// The periods that had started by a day, with those of their ends that were known on it. Features take this, so an end that
/// became known later cannot reach them.
#[derive(Clone, Copy)]
pub struct SubscriptionHistory<'a> {
    subscriptions: &'a Subscriptions,
    as_of: Day,
}

/// A period as it was known on a day.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct KnownPeriod<'a> {
    /// The first day.
    pub start_date: Day,
    /// The first day after it, if it was known; it may lie after the day of the history.
    pub end_date: Option<Day>,
    /// True if the end was known because it was announced, such as by a cancellation (`known_at`).
    pub is_cancelled: bool,
    /// Why it ended, if the end was known.
    pub end_reason: Option<EndReason>,
    /// The plan.
    pub plan: Option<&'a str>,
    /// The amount per month.
    pub amount: Option<f64>,
    /// True for a trial.
    pub trial: bool,
}

/// A known period with days as numbers; `end` is [`NONE`] if it was not known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) start: i32,
    pub(super) end: KnownEnd,
    pub(super) is_cancelled: bool,
    pub(super) reason: Option<EndReason>,
    pub(super) plan: u32,
    pub(super) subscription: u32,
    pub(super) is_trial: bool,
    /// NaN if there is none.
    pub(super) amount: f64,
}

/// A day number, or [`NONE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KnownEnd(pub(super) i32);

impl KnownEnd {
    pub(super) fn is_none(self) -> bool {
        self.0 == NONE
    }
}

impl Known {
    /// True if a paid period covers the day.
    pub(super) fn covers(&self, day: i32) -> bool {
        !self.is_trial && self.start <= day && day < self.end.0
    }
}

impl<'a> SubscriptionHistory<'a> {
    pub(super) fn new(subscriptions: &'a Subscriptions, as_of: Day) -> Self {
        SubscriptionHistory { subscriptions, as_of }
    }

    /// The day at whose end the periods are seen.
    pub fn as_of(&self) -> Day {
        self.as_of
    }

    /// Iterates over the known periods as (customer, period), in the canonical order.
    pub fn periods(&self) -> impl Iterator<Item = (&'a str, KnownPeriod<'a>)> + use<'a> {
        let (subscriptions, history) = (self.subscriptions, *self);
        let day = |number: i32| if number == NONE { None } else { Day::new(number) };
        (0..subscriptions.customers()).flat_map(move |customer| {
            let known = history.known(customer);
            known.map(move |known| {
                let period = KnownPeriod {
                    start_date: day(known.start).expect("days of periods are days"),
                    end_date: day(known.end.0),
                    is_cancelled: known.is_cancelled,
                    end_reason: known.reason,
                    plan: subscriptions.plan(known.plan),
                    amount: (!known.amount.is_nan()).then_some(known.amount),
                    trial: known.is_trial,
                };
                (subscriptions.ids.get(customer), period)
            })
        })
    }

    pub(crate) fn subscriptions(&self) -> &'a Subscriptions {
        self.subscriptions
    }

    /// The known periods of a customer, in the canonical order.
    pub(super) fn known(&self, customer: usize) -> impl Iterator<Item = Known> + use<'a> {
        self.stored_and_known(customer).map(|(_, known)| known)
    }

    pub(super) fn stored_and_known(&self, customer: usize) -> impl Iterator<Item = (&'a Stored, Known)> + use<'a> {
        let (as_of, ends_known) = (self.as_of.number(), self.subscriptions.ends_known);
        let started = move |stored: &&Stored| stored.start <= as_of;
        self.subscriptions.stored_of(customer).iter().take_while(started).map(move |stored| {
            let is_cancelled = stored.known_at <= as_of;
            let has_come = stored.known_at == NONE && stored.end <= as_of;
            // With fixed terms every end is known. If it were known of those alone who have not cancelled, its absence would tell who
            // will.
            let is_known = stored.end != NONE && (is_cancelled || has_come || ends_known == EndsKnown::AtStart);
            let known = Known {
                start: stored.start,
                end: KnownEnd(if is_known { stored.end } else { NONE }),
                is_cancelled,
                // Why a term ends is not known before it has, or before it is cancelled.
                reason: stored.reason.filter(|_| is_known && (is_cancelled || stored.end <= as_of)),
                plan: stored.plan,
                subscription: stored.subscription,
                is_trial: stored.is_trial,
                amount: stored.amount,
            };
            (stored, known)
        })
    }
}
