//! Fitting of logistic regression: derives the terms from the training set, then fits the coefficients by
//! [Newton's method](super::newton).

use std::ops::Range;

use super::design::{gather, summaries};
use super::fence::Fence;
use super::newton::{BLOCK, Problem};
use crate::error::{Error, ErrorKind, Result};
use crate::learn::levels::spread;
use crate::learn::rows::TrainingSet;
use crate::model::Logistic;
use crate::model::logistic::{MOST_DEVIATIONS, Term, TermKind};
use crate::order;
use crate::progress::Observer;

const MAX_TERMS: usize = 2000;

impl Logistic {
    /// `noise` is that of [`Growth`](crate::learn::trees::Growth).
    pub(crate) fn fit(set: &TrainingSet<'_>, l2: f64, noise: f64, observer: &dyn Observer) -> Result<Logistic> {
        let x = set.x.as_standard_layout();
        let x = x.as_slice().expect("the layout is standard");
        let mut terms = terms(set, x)?;
        shrink_levels(set, x, noise, &mut terms);
        let y: Vec<f64> = set.rows.iter().map(|&row| f64::from(u8::from(set.y[row as usize]))).collect();
        let weights: Vec<f64> = set.rows.iter().map(|&row| set.weight(row)).collect();
        let fill = |rows: Range<usize>, out: &mut [f64]| {
            for (term, column) in terms.iter().zip(out.chunks_exact_mut(BLOCK)) {
                gather(set, x, term.feature, rows.clone(), column);
                term.standardise(&mut column[..rows.len()]);
            }
        };
        let columns = terms.len();
        let solution = Problem { fill: &fill, columns, y: &y, weights: &weights, l2, observer }.minimum()?;
        for (term, &coefficient) in terms.iter_mut().zip(&solution[1..]) {
            term.coefficient = coefficient;
        }
        Ok(Logistic { intercept: solution[0], terms })
    }
}

impl Term {
    fn new(feature: usize, kind: TermKind, fence: Fence, mean: f64, variance: f64) -> Self {
        let scale = variance.sqrt();
        // A constant column has no information. Its scale is 1, so that rounding errors are not amplified and 1/scale does not
        // overflow.
        let scale = if scale > f64::max(1e-12 * mean.abs(), 1e-300) { scale } else { 1.0 };
        let limit = |limit: f64| limit.is_finite().then_some(limit);
        Term { feature, kind, low: limit(fence.low), high: limit(fence.high), mean, scale, coefficient: 0.0 }
    }

    /// Standardises the values of a feature in many rows, in place.
    fn standardise(&self, values: &mut [f64]) {
        let (mean, inverse) = (self.mean, 1.0 / self.scale);
        let standard = |raw: f64| ((raw - mean) * inverse).clamp(-MOST_DEVIATIONS, MOST_DEVIATIONS);
        let (no, yes) = (standard(0.0), standard(1.0));
        match self.kind {
            TermKind::Median(median) => {
                values.iter_mut().for_each(|v| *v = standard(if v.is_nan() { median } else { self.cut(*v) }));
            }
            TermKind::Missing => values.iter_mut().for_each(|v| *v = if v.is_nan() { yes } else { no }),
            TermKind::Level(level) => {
                let level = level as f64;
                values.iter_mut().for_each(|v| *v = if *v == level { yes } else { no });
            }
        }
    }
}

/// Derives the terms of a training set with their medians, means and scales: one for each number and level in the order of
/// the features, then one for each feature with missing values. If there would be too many, the rarest levels get none.
fn terms(set: &TrainingSet<'_>, x: &[f64]) -> Result<Vec<Term>> {
    let summaries = summaries(set, x);
    let numbers = set.specs.iter().filter(|spec| spec.levels.is_none()).count();
    let indicators = summaries.iter().filter(|summary| summary.missing > 0).count();
    let Some(room) = MAX_TERMS.checked_sub(numbers + indicators) else {
        let message = format!(
            "{numbers} numbers and {indicators} indicators of missing values; logistic regression takes at most {MAX_TERMS} together"
        );
        return Err(Error::new(ErrorKind::TooManyValues, message));
    };
    let levels =
        |feature: usize| summaries[feature].levels.iter().enumerate().map(move |(l, &rows)| (rows, feature, l));
    let mut kept: Vec<(usize, usize, usize)> = (0..summaries.len()).flat_map(levels).collect();
    order::sort_by(&mut kept, |a, b| b.0.cmp(&a.0).then(a.cmp(b)));
    kept.truncate(room);
    order::sort_by(&mut kept, |a, b| (a.1, a.2).cmp(&(b.1, b.2)));
    let mut kept = kept.into_iter().peekable();
    let n = set.rows.len() as f64;
    let indicator = |feature: usize, kind: TermKind, rows: usize| {
        let mean = rows as f64 / n;
        Term::new(feature, kind, Fence::NONE, mean, mean * (1.0 - mean))
    };
    let mut terms = Vec::new();
    for (feature, (spec, summary)) in set.specs.iter().zip(&summaries).enumerate() {
        if spec.levels.is_none() {
            // Missing values count as the median.
            let missing = summary.missing as f64;
            let away = summary.median - summary.mean;
            let mean = summary.mean + away * (missing / n);
            let squares = summary.squares + away * away * missing * (1.0 - missing / n);
            terms.push(Term::new(feature, TermKind::Median(summary.median), summary.fence, mean, squares / n));
        }
        while let Some((rows, _, level)) = kept.next_if(|kept| kept.1 == feature) {
            terms.push(indicator(feature, TermKind::Level(level), rows));
        }
    }
    for (feature, summary) in summaries.iter().enumerate().filter(|(_, summary)| summary.missing > 0) {
        terms.push(indicator(feature, TermKind::Missing, summary.missing));
    }
    Ok(terms)
}

/// Widens the scales of the levels of each category, so that the penalty on a coefficient is that of a random effect.
///
/// The levels of a category differ in their log-odds with the variance τ², which is estimated by the moments of DerSimonian and Laird
/// (1986). A level's coefficient then has a normal prior with that variance (divided by l2), which is what the penalty is with the scale
/// 1/τ. The standard deviation of a rare level is tiny, so with it as the scale, a level of ten rows would be hardly penalised at
/// all, and a category of many levels without information would be learned by heart.
fn shrink_levels(set: &TrainingSet<'_>, x: &[f64], noise: f64, terms: &mut [Term]) {
    const SMALLEST_SPREAD: f64 = 1e-3;
    let width = set.specs.len();
    let rate = set.rate();
    let spread_of = |feature: usize| {
        let levels = set.specs[feature].levels.as_ref()?.len();
        let (mut weights, mut churned) = (vec![0.0; levels], vec![0.0; levels]);
        for &row in set.rows {
            let level = x[row as usize * width + feature];
            if level.is_nan() {
                continue;
            }
            weights[level as usize] += set.weight(row);
            churned[level as usize] += if set.y[row as usize] { set.weight(row) } else { 0.0 };
        }
        Some(spread(&weights, &churned, rate, noise).max(SMALLEST_SPREAD))
    };
    let spreads: Vec<Option<f64>> = (0..width).map(spread_of).collect();
    for term in terms {
        if let (TermKind::Level(_), Some(spread)) = (&term.kind, spreads[term.feature]) {
            term.scale = term.scale.max(1.0 / spread);
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::features::FeatureSpec;
    use crate::learn::trees::Binned;
    use crate::model::level_log_odds::LevelLogOdds;

    fn terms_of(x: &Array2<f64>, specs: &[FeatureSpec]) -> Result<Vec<Term>> {
        let rows: Vec<u32> = (0..x.nrows() as u32).collect();
        let (y, weights) = (vec![true; x.nrows()], vec![1.0; x.nrows()]);
        let set = TrainingSet {
            x: x.view(),
            specs,
            binned: &Binned::default(),
            y: &y,
            weights: &weights,
            log_odds: &LevelLogOdds::default(),
            rows: &rows,
        };
        terms(&set, x.as_slice().expect("rows"))
    }

    #[test]
    fn of_too_many_levels_the_rarest_have_no_term() {
        // Ten categories of 250 levels and one number with a gap: 2,502 terms. In every category level 0 has the first 200
        // rows, each of the levels up to 199 two more, and the levels from 200 on one.
        let level = |i: usize| match i {
            0..200 => 0.0,
            200..598 => ((i - 200) / 2 + 1) as f64,
            _ => (i - 598 + 200) as f64,
        };
        let rows = 648;
        let x = Array2::from_shape_fn((rows, 11), |(i, j)| match (i, j) {
            (0, 10) => f64::NAN,
            (_, 10) => i as f64,
            _ => level(i),
        });
        let category = |j: usize| FeatureSpec {
            name: format!("c{j}"),
            levels: (j < 10).then(|| (0..250).map(|l| format!("{l:03}")).collect()),
        };
        let specs: Vec<FeatureSpec> = (0..11).map(category).collect();
        // The number and its indicator leave 1,998: none for the levels of one row, nor for the last two of the others.
        let terms = terms_of(&x, &specs).expect("the rarest are left out");
        let of = |feature: usize| terms.iter().filter(|term| term.feature == feature).count();
        assert_eq!((0..11).map(of).collect::<Vec<_>>(), [200, 200, 200, 200, 200, 200, 200, 200, 200, 198, 2]);
        assert!(terms.iter().all(|term| !matches!(term.kind, TermKind::Level(200..))));
        assert_eq!(terms.iter().rfind(|term| term.feature == 9).map(|t| t.kind.clone()), Some(TermKind::Level(197)));

        let numbers: Vec<FeatureSpec> = (0..2001).map(|j| FeatureSpec::numeric(format!("x{j}"))).collect();
        let error = terms_of(&Array2::zeros((rows, 2001)), &numbers).expect_err("too many numbers");
        assert_eq!(error.code(), "too_many_values");
    }

    #[test]
    fn columns_are_standardised_as_values_are() {
        let terms = [
            Term::new(0, TermKind::Median(3.0), Fence::NONE, 2.5, 0.49),
            Term::new(0, TermKind::Median(3.0), Fence { low: -1.0, high: 2.75 }, 2.5, 0.49),
            Term::new(0, TermKind::Missing, Fence::NONE, 0.25, 0.16),
            Term::new(0, TermKind::Level(3), Fence::NONE, 0.2, 0.16),
        ];
        let values = [0.0, -0.0, 1.0, 3.0, f64::NAN, 1e100, -1e100, 2.5];
        for term in terms {
            let mut column = values;
            term.standardise(&mut column);
            for (found, value) in column.into_iter().zip(values) {
                let right = term.standardised(value);
                // The block form multiplies by 1/scale instead of dividing, which adds two roundings.
                assert!(
                    (found - right).abs() <= 4e-16 * right.abs(),
                    "{:?} of {value}: {found}, not {right}",
                    term.kind
                );
            }
        }
    }
}
