//! Comparison of two models on the same customers: the difference of their measures, with confidence intervals.
//!
//! The customers are the same, so the differences are paired: a customer that is hard to predict is hard for both models.
//! The difference of the log-loss is the mean of the differences row by row; its standard error is their standard deviation
//! over √n. The standard error of the difference of the AUC is that of DeLong, DeLong and Clarke-Pearson (1988), computed
//! from midranks (Sun and Xu 2014). Let V(i) be the share of the non-churners ranked below churner i, and V(j) the share of
//! the churners ranked above non-churner j; ties count half. Then
//!
//! ```text
//! variance = var over churners of (V_b − V_a) / churners + var over non-churners of (V_b − V_a) / non-churners
//! ```
//!
//! The interval is difference ± z · standard error. If it contains 0, the data does not tell which model is better.
//!
//! Worked by hand, with two churners and two non-churners: model a gives 0.9, 0.4 to the churners and 0.6, 0.1 to the
//! others, so V = 1, ½ and ½, 1, and the AUC is ¾. Model b ranks both churners first, so V = 1 throughout and the AUC is 1.
//! The differences 0, ½ and ½, 0 have variance ⅛ each, so the standard error is √(⅛/2 + ⅛/2) = √⅛.
//!
//! ```
//! use churn::{CompareConfig, compare};
//! let churned = [true, true, false, false];
//! let found = compare(&churned, &[0.9, 0.4, 0.6, 0.1], &[0.9, 0.7, 0.6, 0.1], &CompareConfig::default())?;
//! assert_eq!((found.roc_auc.a, found.roc_auc.b, found.roc_auc.difference), (0.75, 1.0, 0.25));
//! assert!((found.roc_auc.standard_error - 0.125f64.sqrt()).abs() < 1e-15);
//! # Ok::<(), churn::Error>(())
//! ```

use serde::Serialize;
use special::Error as _;

use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::metrics::{RankedRows, log_loss_of};
use crate::objects::objects;

/// Settings for comparing two models.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CompareConfig {
    /// The confidence level of the intervals: the share of them that contain the true difference. Above 0 and below 1; default
    /// 0.95.
    pub confidence: f64,
}

objects! { @default CompareConfig { confidence } }

impl Default for CompareConfig {
    fn default() -> Self {
        CompareConfig { confidence: 0.95 }
    }
}

/// One measure of two models, and their difference with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// The measure of the first model, as computed by [`evaluate`](crate::evaluate).
    pub a: f64,
    /// The measure of the second model.
    pub b: f64,
    /// b − a.
    pub difference: f64,
    /// The standard error of the difference.
    pub standard_error: f64,
    /// Lower bound of the interval: difference − z · standard_error.
    pub low: f64,
    /// Upper bound of the interval: difference + z · standard_error.
    pub high: f64,
}

objects! { Difference { a, b, difference, standard_error, low, high } }

impl Difference {
    fn new(a: f64, b: f64, standard_error: f64, z: f64) -> Self {
        let difference = b - a;
        let half = z * standard_error;
        Difference { a, b, difference, standard_error, low: difference - half, high: difference + half }
    }
}

/// The result of comparing two models on the same customers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Customers judged.
    pub n: u64,
    /// The log-loss. A difference below 0 means that b is better.
    pub log_loss: Difference,
    /// The AUC. A difference above 0 means that b is better.
    pub roc_auc: Difference,
}

objects! { Comparison { n, log_loss, roc_auc } }

/// Compares the probabilities that two models give to the same customers. Exchanging the models changes only the signs.
/// Identical probabilities differ by 0 with the interval [0, 0].
///
/// # Errors
/// `shape_mismatch`, `too_few_rows` for none, `one_class` for fewer than two of either outcome, `invalid_probability`,
/// `invalid_parameter`.
pub fn compare(churned: &[bool], a: &[f64], b: &[f64], config: &CompareConfig) -> Result<Comparison> {
    let z = two_sided_z(config.confidence)?;
    let (by_a, by_b) = (RankedRows::new(churned, a)?, RankedRows::new(churned, b)?);
    let (churners, others) = (by_a.positives(), by_a.negatives());
    if churners < 2 || others < 2 {
        let message =
            format!("{churners} churned and {others} stayed; expected at least two of either to compare models");
        return Err(Error::new(ErrorKind::OneClass, message));
    }
    let (loss_a, loss_b) = (by_a.log_loss(), by_b.log_loss());
    Ok(Comparison {
        n: churned.len() as u64,
        log_loss: Difference::new(loss_a, loss_b, loss_error(churned, a, b, loss_b - loss_a), z),
        roc_auc: Difference::new(by_a.roc_auc(), by_b.roc_auc(), auc_error(churned, a, b), z),
    })
}

/// Standard deviation of the differences of the log-loss over √n.
fn loss_error(churned: &[bool], a: &[f64], b: &[f64], mean: f64) -> f64 {
    let difference = |((&y, &a), &b): ((&bool, &f64), &f64)| log_loss_of(b, y) - log_loss_of(a, y);
    let mut squares: Vec<f64> = churned.iter().zip(a).zip(b).map(difference).map(|d| (d - mean) * (d - mean)).collect();
    // The squares are added in rising order, so the sum does not depend on the order of the rows or of the models.
    squares.sort_unstable_by(f64::total_cmp);
    let n = squares.len() as f64;
    (squares.iter().sum::<f64>() / (n - 1.0) / n).sqrt()
}

/// DeLong's standard error of the difference of the AUC.
fn auc_error(churned: &[bool], a: &[f64], b: &[f64]) -> f64 {
    let differences: Vec<i128> =
        placements(churned, b).into_iter().zip(placements(churned, a)).map(|(b, a)| b - a).collect();
    // Variance of the mean over one class. The sums are integers until the division, so they do not depend on the row order.
    let variance = |class: bool| {
        let own = || differences.iter().zip(churned).filter(move |row| *row.1 == class).map(|row| *row.0);
        let n = own().count() as i128;
        let (sum, squares) = own().fold((0, 0), |(sum, squares), d| (sum + d, squares + d * d));
        // The placements are doubled (a tie counts 1, a win 2), so the other class is counted twice here too.
        let whole = 2.0 * (churned.len() as f64 - n as f64);
        (n * squares - sum * sum) as f64 / ((n * n * (n - 1)) as f64 * whole * whole)
    };
    (variance(true) + variance(false)).sqrt()
}

/// For each row, the number of rows of the other class that it is ranked correctly against. Counted twice, ties once.
pub(crate) fn placements(churned: &[bool], scores: &[f64]) -> Vec<i128> {
    let mut rows: Vec<usize> = (0..scores.len()).collect();
    rows.sort_unstable_by(|&i, &j| scores[i].total_cmp(&scores[j]));
    let count = |rows: &[usize]| rows.iter().filter(|&&row| churned[row]).count() as i128;
    let (mut churners_above, mut others_below) = (count(&rows), 0);
    let mut placements = vec![0; scores.len()];
    for group in rows.chunk_by(|&i, &j| scores[i] == scores[j]) {
        let tied_churners = count(group);
        let tied_others = group.len() as i128 - tied_churners;
        churners_above -= tied_churners;
        for &row in group {
            placements[row] =
                if churned[row] { 2 * others_below + tied_others } else { 2 * churners_above + tied_churners };
        }
        others_below += tied_others;
    }
    placements
}

/// The z for which a standard normal variable lies within ±z with this probability: √2 · erf⁻¹(confidence), 1.96 for 0.95.
pub(crate) fn two_sided_z(confidence: f64) -> Result<f64> {
    if !(confidence > 0.0 && confidence < 1.0) {
        return Err(invalid_parameter("confidence", confidence, "above 0 and below 1"));
    }
    Ok(std::f64::consts::SQRT_2 * confidence.inv_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values computed with mpmath, to 16 digits or more.
    #[test]
    fn quantiles() {
        for (confidence, z) in [
            (0.5, 0.674_489_750_196_081_7),
            (0.9, 1.644_853_626_951_472_7),
            (0.95, 1.959_963_984_540_054),
            (0.99, 2.575_829_303_548_901),
            (0.999, 3.290_526_731_491_895),
        ] {
            let found = two_sided_z(confidence).unwrap();
            assert!((found - z).abs() < 4e-15, "{confidence}: {found}");
        }
        for confidence in [0.0, 1.0, -0.5, 1.5, f64::NAN] {
            assert_eq!(two_sided_z(confidence).unwrap_err().code(), "invalid_parameter");
        }
    }
}
