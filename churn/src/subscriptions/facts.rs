//! The numbers that the checks of subscription periods use.

use std::collections::BTreeMap;

use super::{NONE, Stored, Subscriptions};
use crate::day::Day;

/// Numbers about the periods that are no trials.
pub(crate) struct Facts {
    pub(crate) customers: u64,
    pub(crate) periods: u64,
    /// Periods with an end.
    pub(crate) ended: u64,
    /// The day by which nearly all periods have started: all but one in two hundred, and but one.
    pub(crate) last_starts: Day,
    /// Periods that cover that day.
    pub(crate) running: u64,
    /// Of them, those with an end by the last day that nobody announced.
    pub(crate) ending_later: u64,
    /// Of them, those without an end.
    pub(crate) endless: u64,
    /// The end that most of those with an end later have, and their number.
    pub(crate) common_end: Option<(Day, u64)>,
    /// Starts, and ends or their announcements, after that day.
    pub(crate) later: u64,
    /// Ends or their announcements up to that day.
    pub(crate) earlier: u64,
    /// Customers who are active on the last day of the data.
    pub(crate) active_at_end: u64,
    /// Periods that are equal to the period before them, or differ from it in the end alone.
    pub(crate) duplicates: u64,
    /// Ends on whose next day a period of the customer starts, and ends on which one starts.
    pub(crate) followed_next_day: u64,
    pub(crate) followed_same_day: u64,
    /// The day on which most customers begin, and their number.
    pub(crate) common_start: Day,
    pub(crate) same_start: u64,
}

impl Subscriptions {
    pub(crate) fn facts(&self) -> Facts {
        let day = |number| Day::new(number).expect("days of periods are days");
        let paid = || self.periods.iter().filter(|period| !period.is_trial);
        let last = self.last_day.number();
        let mut starts: Vec<i32> = paid().map(|period| period.start).collect();
        starts.sort_unstable();
        // One row with a wrong year must not decide. A few rows decide for themselves.
        let left_out = if starts.len() < 50 { 0 } else { (starts.len() / 200).max(1) };
        let last_starts =
            starts.len().checked_sub(left_out + 1).map_or(self.first_day.number(), |at| starts[at]).min(last);
        let running = || paid().filter(|period| period.start <= last_starts && last_starts < period.end);
        let ends_later = |period: &&Stored| period.known_at == NONE && period.end <= last;
        let mut ends: BTreeMap<i32, u64> = BTreeMap::new();
        running()
            .filter(|period| period.known_at == NONE && period.end != NONE)
            .for_each(|period| *ends.entry(period.end).or_default() += 1);
        let twice = |a: &Stored, b: &Stored| {
            let what = |p: &Stored| (p.start, p.subscription, p.plan, p.is_trial);
            what(a) == what(b) && a.amount.total_cmp(&b.amount).is_eq()
        };
        let (mut duplicates, mut active_at_end, mut customers) = (0, 0, 0);
        let (mut followed_next_day, mut followed_same_day) = (0, 0);
        let mut begun: BTreeMap<i32, u64> = BTreeMap::new();
        for customer in 0..self.customers() {
            let periods = self.stored_of(customer);
            duplicates += periods.windows(2).filter(|pair| twice(&pair[0], &pair[1])).count() as u64;
            let starts_on = |number: i32| {
                let at = periods.partition_point(|period| period.start < number);
                periods.get(at).is_some_and(|period| period.start == number)
            };
            for period in periods.iter().filter(|period| period.end != NONE) {
                followed_next_day += u64::from(starts_on(period.end.saturating_add(1)));
                followed_same_day += u64::from(starts_on(period.end));
            }
            let Some(first) = periods.iter().find(|period| !period.is_trial) else { continue };
            customers += 1;
            *begun.entry(first.start).or_default() += 1;
            active_at_end += u64::from(self.known_at(self.last_day).known(customer).any(|period| period.covers(last)));
        }
        let (common_start, same_start) =
            begun.into_iter().max_by_key(|&(_, count)| count).unwrap_or((self.first_day.number(), 0));
        let known = |period: &Stored| if period.known_at == NONE { period.end } else { period.known_at };
        Facts {
            customers,
            periods: self.periods.len() as u64,
            ended: paid().filter(|period| period.end != NONE).count() as u64,
            last_starts: day(last_starts),
            running: running().count() as u64,
            ending_later: running().filter(ends_later).count() as u64,
            endless: running().filter(|period| period.end == NONE).count() as u64,
            common_end: ends.into_iter().max_by_key(|&(_, count)| count).map(|(end, count)| (day(end), count)),
            later: paid()
                .flat_map(|period| [period.start, known(period)])
                .filter(|&at| last_starts < at && at <= last)
                .count() as u64,
            earlier: paid().filter(|period| known(period) <= last_starts).count() as u64,
            active_at_end,
            duplicates,
            followed_next_day,
            followed_same_day,
            common_start: day(common_start),
            same_start,
        }
    }
}
