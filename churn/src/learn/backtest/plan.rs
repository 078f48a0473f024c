//! The cutoffs of a backtest: those that are judged, and those that each model learns from.
//!
//! A model learns from cutoffs a horizon apart, like those of [`train`](crate::train): the latest whose outcome was known by
//! the judged cutoff, and those before it. So the cutoffs form chains of days a horizon apart, and all models of a chain share
//! its snapshots.

use std::collections::BTreeMap;

use super::BacktestConfig;
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result};
use crate::events::Events;
use crate::labels::{Labels, check_cutoff, labels};
use crate::learn::fit::enough;
use crate::learn::snapshot::most_by_default;
use crate::learn::stack::type_counts;
use crate::order;
use crate::progress::{Observer, step};

/// Days a horizon apart that have customers, oldest first.
pub(super) struct Chain {
    pub(super) days: Vec<ChainDay>,
    pub(super) judged: Vec<Judged>,
}

/// A day of a chain, with what must be known of it before the features are computed.
pub(super) struct ChainDay {
    pub(super) day: Day,
    pub(super) type_counts: Vec<u64>,
    rows: usize,
    churned: usize,
}

/// A cutoff to judge at.
pub(super) struct Judged {
    /// Its index among the days of the chain.
    pub(super) at: usize,
    /// The number of days whose outcome was known by then.
    pub(super) known: usize,
}

/// A cutoff that cannot be judged.
pub(super) type Skipped = (Day, String);

/// The largest number of cutoffs to learn from.
pub(super) fn most_snapshots(events: &Events, snapshots: Option<usize>) -> usize {
    snapshots.unwrap_or_else(|| most_by_default(events.customers() as u64))
}

/// Returns the chains, and the cutoffs that are left out with the reason. The observer can cancel the work.
pub(super) fn plan(
    events: &Events,
    config: &BacktestConfig,
    observer: &dyn Observer,
) -> Result<(Vec<Chain>, Vec<Skipped>)> {
    let definition = &config.training.labels;
    let horizon = definition.horizon_days;
    let mut chains: BTreeMap<i32, Vec<Day>> = BTreeMap::new();
    for day in judged_days(events, config)? {
        chains.entry(day.number().rem_euclid(horizon)).or_default().push(day);
    }
    let most = super::recipes(config).iter().map(|recipe| most_snapshots(events, recipe.snapshots)).max().unwrap_or(1);
    // The number of steps from a cutoff back to the latest one whose outcome was known.
    let delay = 1 + (definition.gap_days + horizon - 1) / horizon;
    let (mut found, mut skipped) = (Vec::new(), Vec::new());
    let count = chains.len();
    for (number, (_, judged)) in chains.into_iter().enumerate() {
        step(observer, "labels", number, count)?;
        let mut days: Vec<ChainDay> = Vec::new();
        let back = delay.saturating_add(i32::try_from(most).unwrap_or(i32::MAX) - 1);
        // A cutoff to learn from has a horizon of past, like those of training.
        let earliest =
            judged[0].plus(back.saturating_mul(-horizon)).max(events.first_day().plus(horizon)).min(judged[0]);
        let last = judged[judged.len() - 1];
        let steps = (last.number() - earliest.number()) / horizon;
        for back in (0..=steps.max(0)).rev() {
            let day = last.plus(-back * horizon);
            let needed = judged.binary_search(&day).is_ok()
                || judged.iter().any(|judged| {
                    let steps = (judged.number() - day.number()) / horizon;
                    judged > &day && (delay..delay + most as i32).contains(&steps)
                });
            if !needed {
                continue;
            }
            let (history, outcome) = events.split_at(day);
            match labels(&history, &outcome, definition) {
                Ok(labels) => days.push(ChainDay::new(events, day, &labels, config)),
                Err(error) if error.kind() == ErrorKind::NoCustomers => continue,
                Err(error) => return Err(error),
            }
        }
        let mut kept = Vec::new();
        for &day in &judged {
            let Some(at) = days.iter().position(|known| known.day == day) else {
                skipped.push((day, "no customer is covered".to_owned()));
                continue;
            };
            let known = days.iter().filter(|known| definition.window_end(known.day) <= day).count();
            let from = known.saturating_sub(most_snapshots(events, config.training.snapshots));
            let (rows, churned) =
                days[from..known].iter().fold((0, 0), |sum, day| (sum.0 + day.rows, sum.1 + day.churned));
            let checked = enough(rows, churned, "the customers to learn from")
                .and_then(|()| enough(days[at].rows, days[at].churned, "the customers to judge"));
            match checked {
                Ok(()) => kept.push(Judged { at, known }),
                Err(error) => skipped.push((day, error.to_string())),
            }
        }
        if !kept.is_empty() {
            found.push(Chain { days, judged: kept });
        }
    }
    order::sort(&mut skipped);
    match found.is_empty() {
        false => Ok((found, skipped)),
        true => {
            let why = skipped.last().map_or_else(String::new, |(day, why)| format!("; at {day}: {why}"));
            let message = format!("no cutoff can be judged{why}. A longer log or a shorter horizon_days is needed.");
            Err(Error::new(ErrorKind::TooFewRows, message))
        }
    }
}

impl ChainDay {
    fn new(events: &Events, day: Day, labels: &Labels, config: &BacktestConfig) -> Self {
        let features = super::recipes(config).into_iter().map(|recipe| recipe.features);
        // All recipes count the same types, so one that fits them is enough.
        let fits = features.into_iter().find(|features| features.fits_types());
        let type_counts = fits.map_or_else(Vec::new, |features| type_counts(events, day, labels, &features));
        ChainDay { day, type_counts, rows: labels.len(), churned: labels.churned() }
    }
}

/// The cutoffs to judge at, oldest first.
fn judged_days(events: &Events, config: &BacktestConfig) -> Result<Vec<Day>> {
    let definition = &config.training.labels;
    let mut days = match &config.training.cutoffs {
        Some(given) => {
            let days = crate::learn::snapshot::given_cutoffs(given)?;
            for &day in &days {
                check_cutoff(events, day, definition)?;
            }
            days
        }
        None => {
            let step = config.step_days.unwrap_or(definition.horizon_days);
            let mut day = events.last_day().plus(-definition.gap_days).plus(-definition.horizon_days);
            check_cutoff(events, day, definition)?;
            // Before the first of them a model has to learn from an earlier cutoff, which has a horizon of past.
            let first = definition.window_end(events.first_day().plus(definition.horizon_days));
            let mut days = vec![day];
            while day.plus(-step) >= first && days.len() < 1000 {
                day = day.plus(-step);
                days.push(day);
            }
            days.reverse();
            days
        }
    };
    if let Some(most) = config.most_cutoffs {
        days.drain(..days.len().saturating_sub(most));
    }
    Ok(days)
}
