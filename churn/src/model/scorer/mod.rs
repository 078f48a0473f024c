//! Scoring: data structures that are derived from a learner once, when a model is made, and then score every row.
//!
//! The terms are those of the plain walk ([`Learner::margin`]), added in the same order, so the results have the same bits.
//! Batches of rows use [`lanes`] for shallow trees. Deep trees, and single rows, use [`flat`].

mod flat;
mod lanes;

#[cfg(test)]
mod tests;

use ndarray::Array2;

use super::calibration::Calibration;
use super::learner::{FittedMember, Learner, rate_logit};
use super::level_log_odds::LevelLogOdds;
use super::logistic::Logistic;
use super::tree::Tree;
use crate::parallel;
use flat::Flat;
use lanes::Lanes;

/// Number of rows that are scored together.
const BLOCK: usize = lanes::ROWS;

/// Up to this many rows are scored one after the other.
const FEW: usize = 24;

/// True if the target has vector (SIMD) instructions. If it does not, the code for them is left out.
pub(crate) const VECTORS: bool = cfg!(any(not(target_family = "wasm"), target_feature = "simd128"));

/// A learner with its calibration, ready to score.
pub(crate) struct Scorer {
    margins: Margins,
    calibration: Calibration,
}

/// A learner with the log-odds of its levels, ready to give margins.
struct Margins {
    kind: MarginKind,
    level_log_odds: LevelLogOdds,
}

enum MarginKind {
    Logistic(Logistic),
    /// The mean of the trees.
    Forest(Trees),
    /// The base and all trees.
    Boosting(f64, Trees),
    /// The weighted sum of members.
    Average(Vec<(f64, Margins)>),
}

struct Trees {
    flat: Flat,
    /// Present if every tree is shallow and the target has vector instructions.
    lanes: Option<Lanes>,
}

impl Trees {
    fn new(trees: &[Tree]) -> Self {
        Trees { flat: Flat::new(trees), lanes: if VECTORS { Lanes::new(trees) } else { None } }
    }

    /// Adds the trees' values of each row to the sum of the same index.
    fn add(&self, rows: &[f64], width: usize, sums: &mut [f64]) {
        match &self.lanes {
            Some(lanes) if VECTORS && sums.len() > FEW => lanes.add(rows, width, sums),
            _ => self.flat.add(rows, width, sums),
        }
    }
}

impl Margins {
    fn new(learner: &Learner, level_log_odds: &LevelLogOdds) -> Self {
        let kind = match learner {
            Learner::LogisticRegression(logistic) => MarginKind::Logistic(logistic.clone()),
            Learner::RandomForest { trees } => MarginKind::Forest(Trees::new(trees)),
            Learner::GradientBoosting { base, trees } => MarginKind::Boosting(*base, Trees::new(trees)),
            Learner::Average { members } => {
                let of = |member: &FittedMember| (member.weight, Margins::new(&member.learner, &member.level_log_odds));
                MarginKind::Average(members.iter().map(of).collect())
            }
        };
        Margins { kind, level_log_odds: level_log_odds.clone() }
    }

    /// The margin of a row.
    fn of_row(&self, row: &[f64]) -> f64 {
        let row = &*self.level_log_odds.rows(row, row.len());
        match &self.kind {
            MarginKind::Logistic(logistic) => logistic.margin(row.into()),
            MarginKind::Forest(trees) => trees.flat.sum(NOTHING, row) / trees.flat.trees() as f64,
            MarginKind::Boosting(base, trees) => trees.flat.sum(*base, row),
            MarginKind::Average(members) => {
                members.iter().fold(0.0, |sum, (weight, member)| sum + weight * member.of_row(row))
            }
        }
    }

    /// The margins of at most [`BLOCK`] rows of features, which are stored row after row.
    fn of_block(&self, rows: &[f64], width: usize, margins: &mut [f64]) {
        let rows = &*self.level_log_odds.rows(rows, width);
        match &self.kind {
            MarginKind::Logistic(logistic) => logistic.margins(rows, width, margins),
            MarginKind::Forest(trees) => {
                margins.fill(NOTHING);
                trees.add(rows, width, margins);
                margins.iter_mut().for_each(|margin| *margin /= trees.flat.trees() as f64);
            }
            MarginKind::Boosting(base, trees) => {
                margins.fill(*base);
                trees.add(rows, width, margins);
            }
            MarginKind::Average(members) => {
                margins.fill(0.0);
                let mut of_member = vec![0.0; margins.len()];
                for (weight, member) in members {
                    member.of_block(rows, width, &mut of_member);
                    margins.iter_mut().zip(&of_member).for_each(|(margin, value)| *margin += weight * value);
                }
            }
        }
    }
}

impl Scorer {
    pub(crate) fn new(learner: &Learner, level_log_odds: &LevelLogOdds, calibration: &Calibration) -> Self {
        Scorer { margins: Margins::new(learner, level_log_odds), calibration: calibration.clone() }
    }

    /// The margin of a row, with the same bits as [`Learner::margin`].
    pub(crate) fn margin(&self, row: &[f64]) -> f64 {
        self.margins.of_row(row)
    }

    /// The margin of every row.
    pub(crate) fn margins(&self, x: &Array2<f64>) -> Vec<f64> {
        self.each(x, |_| ())
    }

    /// The calibrated probability of every row.
    pub(crate) fn probabilities(&self, x: &Array2<f64>) -> Vec<f64> {
        self.each(x, |margins| margins.iter_mut().for_each(|margin| *margin = self.calibrated(*margin)))
    }

    fn each(&self, x: &Array2<f64>, finish: impl Fn(&mut [f64]) + Sync + Send) -> Vec<f64> {
        let (x, width) = (x.as_standard_layout(), x.ncols());
        let rows = x.as_slice().expect("the standard layout is contiguous");
        let mut margins = vec![0.0; x.nrows()];
        parallel::for_each_block(&mut margins, 1, |first, margins| {
            for (b, margins) in margins.chunks_mut(BLOCK).enumerate() {
                let first = first + b * BLOCK;
                self.margins.of_block(&rows[first * width..(first + margins.len()) * width], width, margins);
                finish(margins);
            }
        });
        margins
    }

    /// The calibrated probability of a row.
    pub(crate) fn probability(&self, row: &[f64]) -> f64 {
        self.calibrated(self.margin(row))
    }

    /// The calibrated probability of a margin.
    pub(crate) fn calibrated(&self, margin: f64) -> f64 {
        self.calibration.probability(match self.margins.kind {
            MarginKind::Forest(_) => rate_logit(margin),
            MarginKind::Logistic(_) | MarginKind::Boosting(..) | MarginKind::Average(_) => margin,
        })
    }
}

/// The start of a sum: −0 is the only number whose addition changes no number, not even −0.
const NOTHING: f64 = -0.0;
