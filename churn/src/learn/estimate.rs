//! Means over cutoffs with confidence intervals; [`Estimate`] describes the method.
//!
//! The influence of a customer on a measure at a cutoff is the derivative of the measure with respect to the customer's weight.
//! The influences of a cutoff add up to 0, and the sum of their squares is the variance of the measure. For a mean over rows
//! the influence of a row is (value − mean) / rows.

use crate::compare::placements;
use crate::day::Day;
use crate::metrics::log_loss_of;
use crate::model::Estimate;
use crate::order;

/// The z of a 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

/// A measure at a cutoff and the influence of each row on it.
pub(super) struct Influence {
    pub(super) value: f64,
    pub(super) rows: Vec<f64>,
}

impl Influence {
    /// The mean of a value per row.
    pub(super) fn mean(values: impl Iterator<Item = f64>) -> Self {
        let mut rows: Vec<f64> = values.collect();
        let n = rows.len() as f64;
        let mean = rows.iter().sum::<f64>() / n;
        rows.iter_mut().for_each(|row| *row = (*row - mean) / n);
        Influence { value: mean, rows }
    }

    /// The AUC of a score; higher scores mean churn.
    pub(super) fn auc(churned: &[bool], scores: &[f64]) -> Self {
        let churners = churned.iter().filter(|&&churned| churned).count() as f64;
        let stayed = churned.len() as f64 - churners;
        // Placements are counted twice.
        let placements = placements(churned, scores);
        let above: i128 =
            placements.iter().zip(churned).filter(|(_, churned)| **churned).map(|(count, _)| *count).sum();
        let auc = above as f64 / (2.0 * churners * stayed);
        let row = |(count, &churned): (i128, &bool)| match churned {
            true => (count as f64 / (2.0 * stayed) - auc) / churners,
            false => (count as f64 / (2.0 * churners) - auc) / stayed,
        };
        Influence { value: auc, rows: placements.into_iter().zip(churned).map(row).collect() }
    }

    pub(super) fn log_loss(churned: &[bool], p: &[f64]) -> Self {
        Influence::mean(churned.iter().zip(p).map(|(&churned, &p)| log_loss_of(p, churned)))
    }

    pub(super) fn brier(churned: &[bool], p: &[f64]) -> Self {
        Influence::mean(churned.iter().zip(p).map(|(&churned, &p)| (p - f64::from(u8::from(churned))).powi(2)))
    }

    /// The lift at 10 %, whose value is given. The rate of churn at the edge of the tenth is taken from the probability there.
    pub(super) fn lift_10(churned: &[bool], p: &[f64], lift: f64) -> Self {
        let n = churned.len();
        let mut sorted = p.to_vec();
        let edge = *sorted.select_nth_unstable_by(n - n.div_ceil(10), f64::total_cmp).1;
        let base = churned.iter().filter(|&&churned| churned).count() as f64 / n as f64;
        let row = |(&churned, &p): (&bool, &f64)| {
            let (churned, within) = (f64::from(u8::from(churned)), if p >= edge { 1.0 } else { 0.0 });
            ((within * (churned - edge) / 0.1 + edge) / base - lift * churned / base) / n as f64
        };
        let mut rows: Vec<f64> = churned.iter().zip(p).map(row).collect();
        // Ties at the edge make the tenth larger, so the influences are centred.
        let mean = rows.iter().sum::<f64>() / n as f64;
        rows.iter_mut().for_each(|row| *row -= mean);
        Influence { value: lift, rows }
    }

    /// This measure minus another one of the same rows.
    pub(super) fn minus(&self, other: &Influence) -> Self {
        let rows = self.rows.iter().zip(&other.rows).map(|(a, b)| a - b).collect();
        Influence { value: self.value - other.value, rows }
    }
}

/// A measure over several cutoffs.
pub(super) struct Measure {
    /// Cutoff, value, and the variance that comes from the customers.
    cutoffs: Vec<(Day, f64, f64)>,
    /// The sum of each customer's influences over the cutoffs.
    customers: Vec<f64>,
}

impl Measure {
    /// A measure without a cutoff, of a log with this many customers.
    pub(super) fn new(customers: usize) -> Self {
        Measure { cutoffs: Vec::new(), customers: vec![0.0; customers] }
    }

    /// Returns true if there is no cutoff yet.
    pub(super) fn is_empty(&self) -> bool {
        self.cutoffs.is_empty()
    }

    /// Adds a cutoff. `customers` are the numbers of the customers of the rows.
    pub(super) fn add(&mut self, cutoff: Day, influence: &Influence, customers: &[u32]) {
        self.cutoffs.push((cutoff, influence.value, influence.rows.iter().map(|row| row * row).sum()));
        for (&customer, row) in customers.iter().zip(&influence.rows) {
            self.customers[customer as usize] += row;
        }
    }

    /// [`Measure::estimate`] of a measure that lies between 0 and 1, and so do the bounds of its interval.
    pub(super) fn estimate_of_share(&self) -> Estimate {
        let found = self.estimate();
        Estimate { low: found.low.max(0.0), high: found.high.min(1.0), ..found }
    }

    /// [`Measure::estimate`] of a measure that is never negative, and neither are the bounds of its interval.
    pub(super) fn estimate_from_zero(&self) -> Estimate {
        let found = self.estimate();
        Estimate { low: found.low.max(0.0), ..found }
    }

    /// The mean over all cutoffs. There must be one.
    pub(super) fn estimate(&self) -> Estimate {
        let mut cutoffs = self.cutoffs.clone();
        order::sort_by(&mut cutoffs, |a, b| a.0.cmp(&b.0));
        let n = cutoffs.len() as f64;
        let mean = cutoffs.iter().map(|cutoff| cutoff.1).sum::<f64>() / n;
        let of_customers = self.customers.iter().map(|sum| sum * sum).sum::<f64>() / (n * n);
        let of_time = variance_over_time(&cutoffs, mean);
        let variance = of_customers + of_time;
        let standard_error = variance.sqrt();
        let freedom = (n - 1.0) * (variance / of_time).powi(2);
        let half = standard_error * if of_time > 0.0 { student_t(freedom) } else { Z };
        Estimate { mean, standard_error, low: mean - half, high: mean + half }
    }
}

/// The variance of the mean that comes from differences between the cutoffs, beyond those of the customers drawn. The cutoffs
/// are in order.
fn variance_over_time(cutoffs: &[(Day, f64, f64)], mean: f64) -> f64 {
    let n = cutoffs.len();
    if n < 2 {
        return 0.0;
    }
    let covariance = |lag: usize| {
        let pairs = cutoffs.iter().zip(&cutoffs[lag..]);
        pairs.map(|(a, b)| (a.1 - mean) * (b.1 - mean)).sum::<f64>() / n as f64
    };
    let block = (1..n).take_while(|&block| block * block * block <= n).last().unwrap_or(1);
    let neighbours: f64 = (1..block).map(|lag| 2.0 * (1.0 - lag as f64 / block as f64) * covariance(lag)).sum();
    let between = covariance(0) * n as f64 / (n as f64 - 1.0) + neighbours;
    let within = cutoffs.iter().map(|cutoff| cutoff.2).sum::<f64>() / n as f64;
    ((between - within) / n as f64).max(0.0)
}

/// The t for which a variable of Student's distribution lies within ±t with probability 0.95, by the expansion around the
/// normal distribution (Abramowitz and Stegun 26.7.5). The error is below 1 % from two degrees of freedom on.
fn student_t(freedom: f64) -> f64 {
    let (z, v) = (Z, freedom.max(1.0));
    let g1 = (z.powi(3) + z) / 4.0;
    let g2 = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let g3 = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    let g4 = (79.0 * z.powi(9) + 776.0 * z.powi(7) + 1482.0 * z.powi(5) - 1920.0 * z.powi(3) - 945.0 * z) / 92_160.0;
    z + g1 / v + g2 / v.powi(2) + g3 / v.powi(3) + g4 / v.powi(4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{CompareConfig, compare};
    use crate::random::Random;

    /// Published quantiles of Student's distribution at 0.975.
    #[test]
    fn quantiles_of_student() {
        for (freedom, t) in [(2.0, 4.3027), (3.0, 3.1824), (5.0, 2.5706), (10.0, 2.2281), (30.0, 2.0423)] {
            assert!((student_t(freedom) / t - 1.0).abs() < 0.01, "{freedom}: {}", student_t(freedom));
        }
    }

    /// By hand: churners at .9 and .4, others at .6 and .1. Placements 1 and ½ of the churners, ½ and 1 of the others, AUC ¾;
    /// the influences are (±¼)/2, and their squares add up to 4/64.
    #[test]
    fn auc_by_hand() {
        let auc = Influence::auc(&[true, true, false, false], &[0.9, 0.4, 0.6, 0.1]);
        assert_eq!((auc.value, auc.rows), (0.75, vec![0.125, -0.125, -0.125, 0.125]));
    }

    /// With one cutoff the interval of a difference is that of DeLong, but for its n − 1.
    #[test]
    fn one_cutoff_is_a_paired_comparison() {
        let mut random = Random::new(4, 0);
        let mut uniform = || random.below(1 << 20) as f64 / f64::from(1 << 20);
        let a: Vec<f64> = (0..400).map(|_| uniform()).collect();
        let b: Vec<f64> = a.iter().map(|a| (a + uniform()) / 2.0).collect();
        let y: Vec<bool> = a.iter().map(|&a| uniform() < a).collect();
        let expected = compare(&y, &a, &b, &CompareConfig::default()).expect("two classes");
        let customers: Vec<u32> = (0..400).collect();
        let of = |influence: Influence| {
            let mut measure = Measure::new(400);
            measure.add(Day::MIN, &influence, &customers);
            measure.estimate()
        };
        let auc = of(Influence::auc(&y, &b).minus(&Influence::auc(&y, &a)));
        assert!((auc.mean - expected.roc_auc.difference).abs() < 1e-12);
        assert!((auc.standard_error / expected.roc_auc.standard_error - 1.0).abs() < 0.01);
        let loss = of(Influence::log_loss(&y, &b).minus(&Influence::log_loss(&y, &a)));
        assert!((loss.mean - expected.log_loss.difference).abs() < 1e-12);
        assert!((loss.standard_error / expected.log_loss.standard_error - 1.0).abs() < 0.01);
    }

    /// By hand, without an influence of customers: values 1, 2, 3 have variance 1, so the mean 2 has the variance ⅓.
    #[test]
    fn cutoffs_by_hand() {
        let mut measure = Measure::new(1);
        for (day, value) in [(1, 1.0), (3, 2.0), (2, 3.0)] {
            measure.add(Day::MIN.plus(day), &Influence { value, rows: vec![0.0] }, &[0]);
        }
        let found = measure.estimate();
        assert_eq!(found.mean, 2.0);
        assert!((found.standard_error - (1.0f64 / 3.0).sqrt()).abs() < 1e-15);
        assert!((found.high - 2.0 - found.standard_error * student_t(2.0)).abs() < 1e-15);
    }
}
