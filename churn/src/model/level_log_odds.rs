//! Categories of many levels. A learner takes each of their levels for a number: the log-odds of churn of its customers, shrunk to
//! the mean of all customers the more, the fewer they are.
//!
//! In feature tables, explanations and what-if questions the value of such a category is the index of its level, as for any other.
//! Only where a learner meets a row, [`LevelLogOdds::rows`] replaces the index by the number.

use std::borrow::Cow;

use serde::Serialize;

use super::document::invalid;
use crate::error::Result;
use crate::features::FeatureSpec;
use crate::json::{Json, JsonResult};
use crate::objects::{FromJson, objects};
use crate::table::MAX_NUMBER;

/// The log-odds of the levels of one category.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct CategoryLogOdds {
    /// The index of the feature.
    pub(crate) feature: usize,
    /// For each level, its log-odds of churn.
    pub(crate) log_odds: Vec<f64>,
}

objects! { CategoryLogOdds { feature, log_odds } }

/// The log-odds of the categories that a learner takes as numbers, by feature: all of many levels, and perhaps others. They
/// belong to a learner, which was fitted on them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct LevelLogOdds(pub(crate) Vec<CategoryLogOdds>);

impl FromJson for LevelLogOdds {
    fn from_json(json: &Json) -> JsonResult<Self> {
        Vec::from_json(json).map(LevelLogOdds)
    }

    fn missing() -> Option<Self> {
        Some(LevelLogOdds::default())
    }
}

impl LevelLogOdds {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns true if the learner takes this feature as log-odds.
    pub(crate) fn has(&self, feature: usize) -> bool {
        self.0.iter().any(|category| category.feature == feature)
    }

    /// Rows of features, stored one after the other, as the learner takes them.
    pub(crate) fn rows<'a>(&self, rows: &'a [f64], width: usize) -> Cow<'a, [f64]> {
        if self.is_empty() {
            return Cow::Borrowed(rows);
        }
        let mut rows = rows.to_vec();
        for row in rows.chunks_exact_mut(width) {
            for CategoryLogOdds { feature, log_odds } in &self.0 {
                let level = row[*feature];
                if !level.is_nan() {
                    row[*feature] = log_odds.get(level as usize).copied().unwrap_or(f64::NAN);
                }
            }
        }
        Cow::Owned(rows)
    }

    /// The features as the learner takes them: these categories are numbers.
    pub(crate) fn specs<'a>(&self, features: &'a [FeatureSpec]) -> Cow<'a, [FeatureSpec]> {
        if self.is_empty() {
            return Cow::Borrowed(features);
        }
        let taken = |(feature, spec): (usize, &FeatureSpec)| match self.has(feature) {
            true => FeatureSpec::numeric(&spec.name),
            false => spec.clone(),
        };
        Cow::Owned(features.iter().enumerate().map(taken).collect())
    }

    /// Returns an error if log-odds from a document do not fit the features: each category of many levels must have them, and no
    /// number may.
    pub(crate) fn check(&self, features: &[FeatureSpec]) -> Result<()> {
        if self.0.windows(2).any(|pair| pair[0].feature >= pair[1].feature) {
            return Err(invalid("the log-odds of levels are not in the order of the features"));
        }
        for CategoryLogOdds { feature, log_odds } in &self.0 {
            let levels = features.get(*feature).and_then(|spec| spec.levels.as_ref());
            let fits = levels.is_some_and(|levels| levels.len() == log_odds.len());
            if !fits || log_odds.iter().any(|value| value.abs() > MAX_NUMBER) {
                return Err(invalid(format!("the log-odds of the levels of feature {feature} do not fit")));
            }
        }
        match features.iter().enumerate().find(|(feature, spec)| spec.has_many_levels() && !self.has(*feature)) {
            Some((_, spec)) => Err(invalid(format!("the category {:?} of many levels has no log-odds", spec.name))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_become_log_odds() {
        let category = CategoryLogOdds { feature: 1, log_odds: vec![-0.5, 0.25] };
        let found = LevelLogOdds(vec![category]).rows(&[7.0, 1.0, 8.0, f64::NAN, 9.0, 0.0, 1.0, 2.0], 2).into_owned();
        assert_eq!(format!("{found:?}"), "[7.0, 0.25, 8.0, NaN, 9.0, -0.5, 1.0, NaN]");
    }
}
