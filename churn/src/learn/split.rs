//! Which rows are learned from, which are judged, and which of those to learn from the search may judge by.

use std::borrow::Cow;

use super::auto::{SearchRows, SearchSet};
use super::fit::{FOLDS, check_enough, deal};
use super::snapshot::{Dataset, Snapshots};
use crate::counts::share;
use crate::day::Day;
use crate::error::Result;
use crate::features::{FeatureConfig, FeatureSet, FeatureSpec};
use crate::labels::LabelConfig;
use crate::model::Protocol;

/// Rows to learn from and rows to judge by.
pub(crate) struct Split {
    pub(crate) learn: Dataset,
    pub(crate) learn_weights: Option<Vec<f64>>,
    pub(crate) test: Dataset,
    pub(crate) protocol: Protocol,
    pub(crate) test_cutoff: Option<Day>,
}

/// A stratified fifth of the customers set apart.
pub(crate) fn holdout(data: &Dataset, weights: Option<&[f64]>, seed: u64) -> Split {
    let parts = deal(&data.y, &data.groups, FOLDS, seed ^ 0x5eed);
    let (test, learn): (Vec<usize>, Vec<usize>) = (0..data.y.len()).partition(|&row| parts[row] == 0);
    Split {
        learn: data.select(&learn),
        learn_weights: weights.map(|weights| learn.iter().map(|&row| weights[row]).collect()),
        test: data.select(&test),
        protocol: Protocol::Holdout,
        test_cutoff: None,
    }
}

/// The labelled customers of the cutoffs of a log, with whatever features are asked for.
pub(crate) struct EventRows<'a> {
    snapshots: Snapshots<'a>,
    joined: Vec<FeatureSpec>,
    labels: &'a LabelConfig,
    seed: u64,
    /// The cutoffs to learn from when the last is judged; none to hold customers out.
    known: Option<usize>,
}

impl<'a> EventRows<'a> {
    pub(crate) fn new(snapshots: Snapshots<'a>, joined: Vec<FeatureSpec>, labels: &'a LabelConfig, seed: u64) -> Self {
        let known = known(&snapshots, snapshots.len(), labels);
        EventRows { snapshots, joined, labels, seed, known }
    }

    pub(crate) fn snapshots(&self) -> &Snapshots<'a> {
        &self.snapshots
    }

    /// The columns of the joined table.
    pub(crate) fn joined(&self) -> &[FeatureSpec] {
        &self.joined
    }

    /// All rows, and the features with what was fitted on them.
    pub(crate) fn all(&self, features: &FeatureConfig) -> Result<(FeatureConfig, Dataset)> {
        let all = 0..self.snapshots.len();
        let fitted = self.snapshots.fit(all.clone(), features)?;
        let data = self.snapshots.dataset(all, &fitted, &self.joined)?;
        Ok((fitted, data))
    }

    /// The last cutoff set apart, to be judged by what was known by then; a fifth of the customers where that is not possible.
    pub(crate) fn split(&self, all: &Dataset, features: &FeatureConfig) -> Result<Split> {
        let Some(known) = self.known else { return Ok(holdout(all, None, self.seed)) };
        let last = self.snapshots.len() - 1;
        let (learn, test) = self.at(known, last, features)?;
        let test_cutoff = self.snapshots.cutoffs().last().copied();
        Ok(Split { learn, learn_weights: None, test, protocol: Protocol::OutOfTime, test_cutoff })
    }

    /// The first cutoffs and a later one. Scales and types come from the first alone.
    fn at(&self, first: usize, later: usize, features: &FeatureConfig) -> Result<(Dataset, Dataset)> {
        let fitted = self.snapshots.fit(0..first, features)?;
        let rows = |parts| self.snapshots.dataset(parts, &fitted, &self.joined);
        Ok((rows(0..first)?, rows(later..later + 1)?))
    }

    /// The rows that are learned from when the recipe is judged, and all.
    pub(crate) fn refit_rows(&self) -> usize {
        let all = self.snapshots.churned(0..self.snapshots.len()).len();
        all + self.known.map_or(share(all, FOLDS - 1, FOLDS), |known| self.snapshots.churned(0..known).len())
    }

    /// The rows to learn from, for the search; the last of their cutoffs to judge by where there is an earlier one.
    fn to_search(&self, features: &FeatureConfig) -> Result<SearchRows<'static>> {
        let Some(usable) = self.known else {
            let (_, all) = self.all(features)?;
            return Ok(SearchRows::of_customers(Cow::Owned(holdout(&all, None, self.seed).learn), None));
        };
        if let Some(earlier) = known(&self.snapshots, usable, self.labels) {
            let (learn, later) = self.at(earlier, usable - 1, features)?;
            let rows = SearchRows::out_of_time(learn, later);
            if rows.enough(self.seed) {
                return Ok(rows);
            }
        }
        let fitted = self.snapshots.fit(0..usable, features)?;
        Ok(SearchRows::of_customers(Cow::Owned(self.snapshots.dataset(0..usable, &fitted, &self.joined)?), None))
    }

    /// Those rows with the features asked for, and with those of the other set.
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

/// The number of the first `upto` cutoffs whose outcome was known by the last of them; none if there is too little to learn
/// from or to judge.
fn known(snapshots: &Snapshots<'_>, upto: usize, labels: &LabelConfig) -> Option<usize> {
    let last = upto - 1;
    let known = snapshots.known_by(last, labels);
    let enough = |parts| check_enough(&snapshots.churned(parts), "").is_ok();
    (enough(0..known) && enough(last..upto)).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Events, ReadOptions};
    use crate::input::Input;

    /// 120 customers on all of these days and one event at the end; every fourth stops after a while.
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

    /// Cutoffs 30 days apart with a horizon of 30: the outcome of one is known at the next, with a gap of 10 days at the one
    /// after it.
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
            // The search sees nothing but those, and judges the last of them by what was known then.
            let rows = EventRows::new(snapshots, Vec::new(), &labels, 0);
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
