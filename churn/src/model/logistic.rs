//! Logistic regression with an L2 penalty, fitted by Newton's method.
//!
//! **Structure.** margin = intercept + Σ coefficient · (value − mean)/scale over *terms*: a number with its missing values
//! replaced by the training median, an indicator of its absence if any was missing in training, or an indicator of a
//! category's level. All terms are standardised. **Algorithm.** Minimises Σ weight · log-loss + l2/2 · ‖coefficients‖² with
//! the intercept free, by Newton steps on the exact Hessian (Cholesky), halved while they do not improve: scikit-learn's
//! `LogisticRegression(C = 1/l2)` on the same standardised columns. **Constraints.** At most 2,000 terms.
//!
//! Rows are summed in fixed blocks, so the coefficients do not depend on the number of threads.

use ndarray::{Array2, ArrayView1};
use serde::{Deserialize, Serialize};

use super::TrainingSet;
use super::sigmoid;
use crate::error::{Error, ErrorKind, Result};
use crate::features::{FeatureSpec, percentile};
use crate::parallel;

/// One column of the design, as computed from a feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Term {
    pub(crate) feature: usize,
    pub(crate) kind: TermKind,
    pub(crate) mean: f64,
    pub(crate) scale: f64,
    pub(crate) coefficient: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TermKind {
    /// The number itself, or this median where it is missing.
    Median(f64),
    /// 1 where the feature is missing.
    Missing,
    /// 1 where the category has this level.
    Level(usize),
}

impl Term {
    fn raw(&self, value: f64) -> f64 {
        match self.kind {
            TermKind::Median(median) => {
                if value.is_nan() {
                    median
                } else {
                    value
                }
            }
            TermKind::Missing => f64::from(u8::from(value.is_nan())),
            TermKind::Level(level) => f64::from(u8::from(value == level as f64)),
        }
    }

    fn standardised(&self, value: f64) -> f64 {
        ((self.raw(value) - self.mean) / self.scale).clamp(-MOST_DEVIATIONS, MOST_DEVIATIONS)
    }
}

/// A fitted logistic regression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Logistic {
    pub(crate) intercept: f64,
    pub(crate) terms: Vec<Term>,
}

const MAX_TERMS: usize = 2000;
/// So many deviations from the mean are as far as any: beyond, the margin could overflow.
const MOST_DEVIATIONS: f64 = 1e6;
const BLOCK: usize = 1024;
const MAX_STEPS: usize = 200;

impl Logistic {
    /// The margin (log-odds) of a row of features.
    pub(crate) fn margin(&self, row: ArrayView1<'_, f64>) -> f64 {
        self.terms
            .iter()
            .fold(self.intercept, |sum, term| sum + term.coefficient * term.standardised(row[term.feature]))
    }

    /// Calls `add(feature, part)` with what each term adds to the margin beyond the intercept.
    pub(crate) fn parts(&self, row: ArrayView1<'_, f64>, mut add: impl FnMut(usize, f64)) {
        self.terms.iter().for_each(|term| add(term.feature, term.coefficient * term.standardised(row[term.feature])));
    }

    pub(crate) fn fit(set: &TrainingSet<'_>, l2: f64) -> Result<Logistic> {
        let mut terms = design(set)?;
        let (n, d) = (set.rows.len(), terms.len());
        let mut x = Array2::zeros((n, d));
        for (mut out, &row) in x.rows_mut().into_iter().zip(set.rows) {
            for (value, term) in out.iter_mut().zip(&terms) {
                *value = term.standardised(set.x[(row as usize, term.feature)]);
            }
        }
        let y: Vec<f64> = set.rows.iter().map(|&row| f64::from(u8::from(set.y[row as usize]))).collect();
        let weights: Vec<f64> = set.rows.iter().map(|&row| set.weight(row)).collect();
        let solution = newton(&x, &y, &weights, l2)?;
        for (term, &coefficient) in terms.iter_mut().zip(&solution[1..]) {
            term.coefficient = coefficient;
        }
        Ok(Logistic { intercept: solution[0], terms })
    }
}

/// The terms of a training set with their medians, means and scales: one for each number and level in the order of the
/// features, then one for each feature that has missing values.
fn design(set: &TrainingSet<'_>) -> Result<Vec<Term>> {
    let column = |feature: usize| set.rows.iter().map(move |&row| set.x[(row as usize, feature)]);
    let mut kinds = Vec::new();
    for (feature, FeatureSpec { levels, .. }) in set.specs.iter().enumerate() {
        match levels {
            Some(levels) => kinds.extend((0..levels.len()).map(|level| (feature, TermKind::Level(level)))),
            None => {
                let mut present: Vec<f64> = column(feature).filter(|v| !v.is_nan()).collect();
                let median = if present.is_empty() { 0.0 } else { percentile(&mut present, 0.5) };
                kinds.push((feature, TermKind::Median(median)));
            }
        }
    }
    for feature in 0..set.specs.len() {
        if column(feature).any(f64::is_nan) {
            kinds.push((feature, TermKind::Missing));
        }
    }
    if kinds.len() > MAX_TERMS {
        let message = format!(
            "{} terms (numbers, levels and indicators); logistic regression takes at most {MAX_TERMS}",
            kinds.len()
        );
        return Err(Error::new(ErrorKind::TooManyValues, message));
    }
    let n = set.rows.len() as f64;
    Ok(parallel::map(kinds.len(), |i| {
        let (feature, kind) = kinds[i].clone();
        let mut term = Term { feature, kind, mean: 0.0, scale: 1.0, coefficient: 0.0 };
        term.mean = column(feature).map(|v| term.raw(v)).sum::<f64>() / n;
        let variance = column(feature).map(|v| (term.raw(v) - term.mean) * (term.raw(v) - term.mean)).sum::<f64>() / n;
        let scale = variance.sqrt();
        // A constant column carries nothing; rounding alone must not blow it up.
        term.scale = if scale > 1e-12 * term.mean.abs().max(1e-300) { scale } else { 1.0 };
        term
    }))
}

/// Gradient, upper triangle of the Hessian, and objective at a point, without the penalty.
struct Sums {
    gradient: Vec<f64>,
    hessian: Vec<f64>,
    loss: f64,
}

fn sums(x: &Array2<f64>, y: &[f64], weights: &[f64], point: &[f64]) -> Sums {
    let d = point.len();
    let blocks = parallel::map(y.len().div_ceil(BLOCK), |block| {
        let mut sums = Sums { gradient: vec![0.0; d], hessian: vec![0.0; d * d], loss: 0.0 };
        let mut full = vec![1.0; d];
        for i in block * BLOCK..((block + 1) * BLOCK).min(y.len()) {
            full[1..].copy_from_slice(x.row(i).as_slice().expect("rows are contiguous"));
            let margin: f64 = full.iter().zip(point).map(|(a, b)| a * b).sum();
            let p = sigmoid(margin);
            // ln(1 + e^m) − y·m, written so that neither end overflows.
            sums.loss += weights[i] * (libm::log1p(libm::exp(-margin.abs())) + margin.max(0.0) - y[i] * margin);
            let (residual, curvature) = (weights[i] * (p - y[i]), weights[i] * p * (1.0 - p));
            for j in 0..d {
                sums.gradient[j] += residual * full[j];
                let scaled = curvature * full[j];
                for (h, value) in sums.hessian[j * d + j..(j + 1) * d].iter_mut().zip(&full[j..]) {
                    *h += scaled * value;
                }
            }
        }
        sums
    });
    blocks
        .into_iter()
        .reduce(|mut total, block| {
            total.gradient.iter_mut().zip(&block.gradient).for_each(|(a, b)| *a += b);
            total.hessian.iter_mut().zip(&block.hessian).for_each(|(a, b)| *a += b);
            total.loss += block.loss;
            total
        })
        .expect("there is at least one row")
}

/// Minimises the penalised loss; the first element is the intercept.
pub(crate) fn newton(x: &Array2<f64>, y: &[f64], weights: &[f64], l2: f64) -> Result<Vec<f64>> {
    let d = x.ncols() + 1;
    let penalty = |point: &[f64]| 0.5 * l2 * point[1..].iter().map(|c| c * c).sum::<f64>();
    let mut point = vec![0.0; d];
    let total: f64 = weights.iter().sum();
    let rate = y.iter().zip(weights).map(|(y, w)| y * w).sum::<f64>() / total;
    point[0] = libm::log(rate / (1.0 - rate));
    let mut here = sums(x, y, weights, &point);
    let mut objective = here.loss + penalty(&point);
    for _ in 0..MAX_STEPS {
        for (j, coefficient) in point.iter().enumerate().skip(1) {
            here.gradient[j] += l2 * coefficient;
            here.hessian[j * d + j] += l2;
        }
        let Some(step) = solve(&mut here.hessian, &here.gradient, d) else { break };
        let mut length = 1.0;
        loop {
            let next: Vec<f64> = point.iter().zip(&step).map(|(p, s)| p - length * s).collect();
            let there = sums(x, y, weights, &next);
            let value = there.loss + penalty(&next);
            if value <= objective {
                (point, here, objective) = (next, there, value);
                break;
            }
            length *= 0.5;
            if length < 1e-6 {
                // No step improves the objective any more: this is its minimum to machine precision.
                return Ok(point);
            }
        }
        let largest = step.iter().fold(0.0, |m: f64, s| m.max(s.abs()));
        if length * largest <= 1e-10 * point.iter().fold(1.0, |m: f64, p| m.max(p.abs())) {
            return Ok(point);
        }
    }
    if point.iter().all(|p| p.is_finite()) {
        return Ok(point);
    }
    Err(Error::new(ErrorKind::InvalidParameter, "the logistic fit did not converge; use a larger l2"))
}

/// Solves the symmetric system given by its upper triangle, by Cholesky in place; none if it is not positive definite.
fn solve(upper: &mut [f64], right: &[f64], d: usize) -> Option<Vec<f64>> {
    for j in 0..d {
        for k in 0..j {
            let factor = upper[k * d + j];
            for i in j..d {
                upper[j * d + i] -= factor * upper[k * d + i];
            }
        }
        let pivot = upper[j * d + j];
        if pivot.is_nan() || pivot <= 0.0 {
            return None;
        }
        let root = pivot.sqrt();
        upper[j * d + j..(j + 1) * d].iter_mut().for_each(|v| *v /= root);
    }
    let mut solution = right.to_vec();
    for j in 0..d {
        solution[j] /= upper[j * d + j];
        for i in j + 1..d {
            solution[i] -= upper[j * d + i] * solution[j];
        }
    }
    for j in (0..d).rev() {
        for i in j + 1..d {
            solution[j] -= upper[j * d + i] * solution[i];
        }
        solution[j] /= upper[j * d + j];
    }
    Some(solution)
}
