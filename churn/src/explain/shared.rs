//! The reasons of a list of customers: one that most of them share is said once.

use serde::Serialize;

use super::reasons::{Reason, direction};
use super::{Explanation, position};
use crate::objects::objects;

/// Shorter lists share no reason.
const LEAST_ROWS: usize = 5;

/// The reasons of the customers of a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListReasons {
    /// The reason that most of the list share, to be said once above it; none where there is none.
    pub shared: Option<SharedReason>,
    /// The reasons of each customer, strongest first, without the shared one.
    pub rows: Vec<Vec<Reason>>,
}

objects! { ListReasons { shared, rows } }

/// A reason of most customers of a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SharedReason {
    /// The feature that is spoken of.
    pub feature: String,
    /// Whether it raises their risk or lowers it.
    pub raises_risk: bool,
    /// The customers whose strongest reason it is.
    pub customers: u64,
    /// The direction and their values in words, such as `raises the risk: last event 208 to 372 days ago`, with the usual value
    /// where all of theirs are on one side of it, and the typical one where all of them are in one risk segment.
    pub text: String,
}

objects! { SharedReason { feature, raises_risk, customers, text } }

impl Explanation {
    /// The reasons of the customers of a list, by their rows. Where the same feature in the same direction is the first
    /// reason of at least 80 % of at least five customers, it is the shared one, and each customer has the next reasons in
    /// its place.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn list_reasons(&self, rows: &[usize]) -> ListReasons {
        let most = self.voice.most;
        let truncated = |mut reasons: Vec<Vec<Reason>>| {
            reasons.iter_mut().for_each(|reasons| reasons.truncate(most));
            reasons
        };
        let mut reasons: Vec<Vec<Reason>> = rows.iter().map(|&row| self.first_reasons(row, most + 1)).collect();
        let Some((feature, raises_risk, sharers)) = shared(&reasons).filter(|_| most > 0) else {
            return ListReasons { shared: None, rows: truncated(reasons) };
        };
        for reasons in &mut reasons {
            reasons.retain(|reason| (&reason.feature, reason.raises_risk) != (&feature, raises_risk));
        }
        let sharers: Vec<usize> = sharers.into_iter().map(|at| rows[at]).collect();
        let text = format!("{}: {}", direction(raises_risk), self.shared_fact(&feature, &sharers));
        let shared = SharedReason { feature, raises_risk, customers: sharers.len() as u64, text };
        ListReasons { shared: Some(shared), rows: truncated(reasons) }
    }

    /// The values of a feature in these rows in words.
    fn shared_fact(&self, feature: &str, rows: &[usize]) -> String {
        let at = position(&self.specs, feature).expect("a reason is of a feature of the model");
        let values: Vec<f64> = rows.iter().map(|&row| self.values[(row, at)]).collect();
        let mut segments = rows.iter().map(|&row| self.voice.segment(self.probabilities[row]));
        let first = segments.next().filter(|first| segments.all(|segment| segment == *first));
        self.voice.fact(at, &self.specs[at], &values, first)
    }
}

/// The feature and the direction that are the first reason of at least 80 % of some lists of reasons, and of which lists.
fn shared(reasons: &[Vec<Reason>]) -> Option<(String, bool, Vec<usize>)> {
    if reasons.len() < LEAST_ROWS {
        return None;
    }
    let first = |of: &Vec<Reason>| of.first().map(|reason| (reason.feature.clone(), reason.raises_risk));
    // At most a fifth do not share it, so one of any more than a fifth does.
    reasons[..=reasons.len() / 5].iter().filter_map(first).find_map(|(feature, raises_risk)| {
        let shares =
            |of: &Vec<Reason>| of.first().is_some_and(|r| r.feature == feature && r.raises_risk == raises_risk);
        let sharers: Vec<usize> = (0..reasons.len()).filter(|&at| shares(&reasons[at])).collect();
        (5 * sharers.len() >= 4 * reasons.len()).then_some((feature, raises_risk, sharers))
    })
}
