//! The split of the data into training and test rows, and of the training rows for the search.

use std::borrow::Cow;

use super::fit::{check_enough, folds_are_enough};
use super::folds::{FOLDS, assign_folds};
use super::search::{SearchRows, SearchSet};
use super::snapshot::{LabelledRows, Snapshots};
use super::stack::{Stack, fit_types, type_counts};
use crate::counts::mul_div;
use crate::error::Result;
use crate::features::{FeatureConfig, FeatureSet, FeatureSpec};
use crate::labels::LabelConfig;

/// Training rows and test rows of held-out customers.
pub(crate) struct TrainTestSplit {
    pub(crate) learn: LabelledRows,
    pub(crate) test: LabelledRows,
    /// The numbers of the training rows, and then of the test rows.
    pub(crate) numbers: Vec<usize>,
}

/// A cutoff that the recipe is judged at.
pub(crate) struct JudgedPart {
    /// The number of the cutoff.
    pub(crate) part: usize,
    /// The number of earlier cutoffs whose outcome was known by then.
    pub(crate) known: usize,
}

/// Holds out a stratified fifth of the customers as test rows.
pub(crate) fn holdout(data: &LabelledRows, seed: u64) -> TrainTestSplit {
    let parts = assign_folds(&data.y, &data.groups, FOLDS, seed ^ 0x5eed);
    let (test, learn): (Vec<usize>, Vec<usize>) = (0..data.y.len()).partition(|&row| parts[row] == 0);
    TrainTestSplit { learn: data.select(&learn), test: data.select(&test), numbers: [learn, test].concat() }
}

/// The labelled customers at the cutoffs of a log, from which data sets with any features are computed.
pub(crate) struct EventRows<'a> {
    snapshots: Snapshots<'a>,
    joined: &'a [FeatureSpec],
    labels: &'a LabelConfig,
    seed: u64,
    /// The number of cutoffs to train on if the last cutoff is the test; none to hold out customers instead.
    known: Option<usize>,
}

impl<'a> EventRows<'a> {
    pub(crate) fn new(snapshots: Snapshots<'a>, joined: &'a [FeatureSpec], labels: &'a LabelConfig, seed: u64) -> Self {
        let known = known(&snapshots, snapshots.len(), labels);
        EventRows { snapshots, joined, labels, seed, known }
    }

    pub(crate) fn snapshots(&self) -> &Snapshots<'a> {
        &self.snapshots
    }

    /// The cutoffs to judge the recipe at, oldest first; none if customers are held out instead. They are the last `most`, as
    /// long as few rows are learned from: the last one always.
    pub(crate) fn judged(&self, most: usize) -> Vec<JudgedPart> {
        /// Largest number of rows that are learned from at all of the cutoffs together.
        const MOST_ROWS: usize = 250_000;
        let mut found = Vec::new();
        let mut rows = 0;
        if self.known.is_none() {
            return found;
        }
        for part in (0..self.snapshots.len()).rev().take(most) {
            let Some(known) = known(&self.snapshots, part + 1, self.labels) else { break };
            rows += self.snapshots.churned(0..known).len();
            if rows > MOST_ROWS && !found.is_empty() {
                break;
            }
            found.push(JudgedPart { part, known });
        }
        found.reverse();
        found
    }

    /// The rows of all cutoffs, with the event types of the final fit and of the fits at the judged cutoffs.
    pub(crate) fn stack(&self, features: &FeatureConfig, judged: &[JudgedPart]) -> Result<Stack<'a>> {
        features.check()?;
        let events = self.snapshots.events();
        let parts = self.snapshots.parts();
        let counts: Vec<Vec<u64>> =
            parts.iter().map(|(day, labels)| type_counts(events, *day, labels, features)).collect();
        let mut wide = fit_types(events, counts.iter(), features);
        if let Some(types) = &mut wide.event_type_columns {
            for judged in judged {
                let fitted = fit_types(events, counts[..judged.known].iter(), features);
                let new =
                    fitted.event_type_columns.unwrap_or_default().into_iter().filter(|name| !types.contains(name));
                let new: Vec<String> = new.collect();
                types.extend(new);
            }
        }
        self.snapshots.stack(self.joined, wide, counts)
    }

    /// The data sets of the first cutoffs and of a later one. Scales and event types are fitted on the first cutoffs alone.
    fn at(&self, first: usize, later: usize, features: &FeatureConfig) -> Result<(LabelledRows, LabelledRows)> {
        let fitted = self.snapshots.fit(0..first, features)?;
        let rows = |parts| self.snapshots.dataset(parts, &fitted, self.joined);
        Ok((rows(0..first)?, rows(later..later + 1)?))
    }

    /// The number of rows that are fitted after the search: the training rows of the evaluation, plus all rows.
    pub(crate) fn refit_rows(&self) -> usize {
        let all = self.snapshots.churned(0..self.snapshots.len()).len();
        all + self.known.map_or(mul_div(all, FOLDS - 1, FOLDS), |known| self.snapshots.churned(0..known).len())
    }

    /// The training rows for the search. The last of their cutoffs is used for evaluation if there is an earlier one.
    fn to_search(&self, features: &FeatureConfig) -> Result<SearchRows<'static>> {
        let Some(usable) = self.known else {
            let everything = 0..self.snapshots.len();
            let fitted = self.snapshots.fit(everything.clone(), features)?;
            let all = self.snapshots.dataset(everything, &fitted, self.joined)?;
            return Ok(SearchRows::of_customers(Cow::Owned(holdout(&all, self.seed).learn)));
        };
        if let Some(earlier) = known(&self.snapshots, usable, self.labels) {
            let (learn, later) = self.at(earlier, usable - 1, features)?;
            if folds_are_enough(&learn, &later, self.seed) {
                return Ok(SearchRows::out_of_time(learn, later));
            }
        }
        let fitted = self.snapshots.fit(0..usable, features)?;
        Ok(SearchRows::of_customers(Cow::Owned(self.snapshots.dataset(0..usable, &fitted, self.joined)?)))
    }

    /// The rows for the search, with the features of the requested set and with those of the other set.
    pub(crate) fn search_sets(&self, features: &FeatureConfig) -> Vec<SearchSet<'static>> {
        let other = match features.feature_set {
            FeatureSet::Rfm => FeatureSet::Behavioral,
            FeatureSet::Behavioral => FeatureSet::Rfm,
        };
        let set = |feature_set| {
            let rows = self.to_search(&FeatureConfig { feature_set, ..features.clone() });
            SearchSet { feature_set: Some(feature_set), rows }
        };
        vec![set(features.feature_set), set(other)]
    }
}

/// The number of the first `upto` cutoffs whose outcome was known by the last of them. None if there are too few rows to train
/// or to test on.
fn known(snapshots: &Snapshots<'_>, upto: usize, labels: &LabelConfig) -> Option<usize> {
    let last = upto - 1;
    let known = snapshots.known_by(last, labels);
    let enough = |parts| check_enough(&snapshots.churned(parts), "").is_ok();
    (enough(0..known) && enough(last..upto)).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::day::Day;
    use crate::events::{Events, ReadOptions};
    use crate::input::Input;

    /// A log of 120 customers with events on regular days, and one event at the end. Every fourth customer stops after a while.
    fn log() -> Events {
        let mut csv = String::from("customer_id,event_date\nlast,2024-12-31\n");
        for customer in 0..120 {
            for day in (0..360).step_by(20).take_while(|&day| customer % 4 > 0 || day < 3 * customer) {
                let date = Day::new(19_723 + day).expect("a day of 2024");
                csv.push_str(&format!("c{customer},{date}\n"));
            }
        }
        Events::from_csv(csv.as_bytes(), &ReadOptions::default()).expect("good rows")
    }

    /// Cutoffs are 30 days apart with a horizon of 30. The outcome of a cutoff is known at the next one; with a gap of 10
    /// days, at the one after that.
    #[test]
    fn what_is_learned_from_was_known_when_it_is_judged() {
        let events = log();
        for (gap_days, count) in [(0, 2), (0, 4), (10, 3), (10, 5)] {
            let labels = LabelConfig { horizon_days: 30, gap_days, ..LabelConfig::default() };
            let first = Day::new(19_723 + 100).expect("a day of 2024");
            let cutoffs: Vec<Day> = (0..count).map(|i| first.plus(30 * i)).collect();
            let snapshots =
                Snapshots::new(Input::from(&events), &labels, &cutoffs, false, &()).expect("windows inside the log");
            let delay = if gap_days == 0 { 1 } else { 2 };
            let judged = known(&snapshots, cutoffs.len(), &labels).expect("enough of both");
            assert_eq!(judged, cutoffs.len() - delay);
            // The search uses only these cutoffs, and evaluates at the last of them with the outcomes known by then.
            let rows = EventRows::new(snapshots, &[], &labels, 0);
            match known(&rows.snapshots, judged, &labels) {
                Some(earlier) => {
                    assert_eq!(earlier, judged - delay);
                    for (i, &cutoff) in cutoffs.iter().enumerate() {
                        let is_known = labels.window_end(cutoff) <= cutoffs[judged - 1];
                        assert_eq!(is_known, i < earlier, "{cutoff}");
                    }
                }
                None => assert!(judged <= delay),
            }
        }
    }
}
