//! What the checks of subscription periods look at.

use std::collections::BTreeMap;

use super::{NONE, Stored, Subscriptions};
use crate::day::Day;

/// Numbers about the periods that are no trials.
pub(crate) struct Facts {
    pub(crate) customers: u64,
    pub(crate) periods: u64,
    /// The latest day on which a period starts or an end is announced.
    pub(crate) latest_news: Day,
    /// Periods that cover that day.
    pub(crate) running: u64,
    /// Of them, those with an end that nobody announced.
    pub(crate) ending_later: u64,
    /// Customers who are active on the last day of the data.
    pub(crate) active_at_end: u64,
    /// Periods that are equal to the period before them.
    pub(crate) duplicates: u64,
    /// The day on which most customers begin, and their number.
    pub(crate) common_start: Day,
    pub(crate) same_start: u64,
}

impl Subscriptions {
    pub(crate) fn facts(&self) -> Facts {
        let paid = || self.periods.iter().filter(|period| !period.is_trial);
        let news = |period: &Stored| match period.known_at {
            NONE => period.start,
            known_at => known_at.max(period.start),
        };
        let last = self.last_day.number();
        let latest = paid().map(news).filter(|&day| day <= last).max().unwrap_or(self.first_day.number());
        let running = || paid().filter(|period| period.start <= latest && latest < period.end);
        let later = |period: &&Stored| period.known_at == NONE && period.end <= last;
        let same = |a: &Stored, b: &Stored| {
            let days = |p: &Stored| (p.start, p.end, p.known_at, p.subscription, p.plan, p.is_trial, p.reason);
            days(a) == days(b) && a.amount.total_cmp(&b.amount).is_eq()
        };
        let (mut duplicates, mut active_at_end, mut customers) = (0, 0, 0);
        let mut starts: BTreeMap<i32, u64> = BTreeMap::new();
        for customer in 0..self.customers() {
            let periods = self.stored_of(customer);
            duplicates += periods.windows(2).filter(|pair| same(&pair[0], &pair[1])).count() as u64;
            let Some(first) = periods.iter().find(|period| !period.is_trial) else { continue };
            customers += 1;
            *starts.entry(first.start).or_default() += 1;
            active_at_end += u64::from(self.known_at(self.last_day).known(customer).any(|period| period.covers(last)));
        }
        let (common_start, same_start) =
            starts.into_iter().max_by_key(|&(_, count)| count).unwrap_or((self.first_day.number(), 0));
        let day = |number| Day::new(number).expect("days of periods are days");
        Facts {
            customers,
            periods: self.periods.len() as u64,
            latest_news: day(latest),
            running: running().count() as u64,
            ending_later: running().filter(later).count() as u64,
            active_at_end,
            duplicates,
            common_start: day(common_start),
            same_start,
        }
    }
}
