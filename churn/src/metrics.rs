//! Evaluation of predictions: [`evaluate`] and the curves behind the numbers.
//!
//! No measure depends on the order of the rows. They are sorted by probability first, and rows of equal probability are
//! treated alike: they get half credit in the AUC, a proportional share at the boundary of the lift, and their mean outcome
//! in the bins.
//!
//! Worked by hand: y = 0,1,1,0,1,0 and ŷ = 0,0,1,1,1,1 give two true positives. There are four predicted positives
//! (precision ½) and three actual positives (recall ⅔).
//!
//! ```
//! use churn::{EvaluationConfig, evaluate};
//! let y = [false, true, true, false, true, false];
//! let metrics = evaluate(&y, &[0.0, 0.0, 1.0, 1.0, 1.0, 1.0], &EvaluationConfig::default())?;
//! assert_eq!(metrics.precision, 0.5);
//! assert!((metrics.recall - 2.0 / 3.0).abs() < 1e-15);
//! # Ok::<(), churn::Error>(())
//! ```

use serde::Serialize;

use crate::counts;
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::objects::objects;
use crate::segments::check_probability;

/// Settings for evaluating predictions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EvaluationConfig {
    /// A customer with this probability or more is predicted to churn; default 0.5.
    pub threshold: f64,
    /// The number of equal-mass bins of the expected calibration error; default 10.
    pub bins: usize,
}

objects! { @default EvaluationConfig { threshold, bins } }

impl Default for EvaluationConfig {
    fn default() -> Self {
        EvaluationConfig { threshold: 0.5, bins: 10 }
    }
}

/// The measures of a set of predictions.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Metrics {
    /// Customers judged.
    pub n: u64,
    /// Share that churned.
    pub base_rate: f64,
    /// Share predicted correctly at the threshold.
    pub accuracy: f64,
    /// Share of the customers predicted to churn that did; 0 if none was predicted to.
    pub precision: f64,
    /// Share of the churners that were predicted to churn.
    pub recall: f64,
    /// Share of the customers who stayed that were predicted to stay.
    pub specificity: f64,
    /// Harmonic mean of precision and recall; 0 if both are.
    pub f1: f64,
    /// Probability that a churner is ranked above a customer who stayed; ties count half.
    pub roc_auc: f64,
    /// Average precision: Σ (recall step) · precision over falling thresholds.
    pub pr_auc: f64,
    /// Mean of −ln(probability of the observed outcome); probabilities are clipped to 1e-15.
    pub log_loss: f64,
    /// Mean squared difference of probability and outcome.
    pub brier: f64,
    /// Expected calibration error over equal-mass bins: Σ share · |mean probability − observed rate|.
    pub ece: f64,
    /// Churn rate of the tenth of the customers with the highest probabilities, divided by the base rate.
    pub lift_10: f64,
    /// True positives: customers predicted to churn who did.
    pub tp: u64,
    /// False positives: customers predicted to churn who stayed.
    pub fp: u64,
    /// True negatives: customers predicted to stay who did.
    pub tn: u64,
    /// False negatives: customers predicted to stay who churned; `fn` in files.
    #[serde(rename = "fn")]
    pub fn_: u64,
}

objects! {
    Metrics {
        n, base_rate, accuracy, precision, recall, specificity, f1, roc_auc, pr_auc, log_loss, brier, ece, lift_10, tp,
        fp, tn, fn_ as "fn",
    }
}

/// A point of a curve.
pub type Point = (f64, f64);

/// One bin of the reliability curve.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Bin {
    /// Customers in it.
    pub customers: u64,
    /// Mean predicted probability.
    pub predicted: f64,
    /// Observed churn rate.
    pub observed: f64,
}

objects! { Bin { customers, predicted, observed } }

/// The curves behind the measures, thinned to about 200 points for plotting.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curves {
    /// False positive rate and recall, from (0, 0) to (1, 1).
    pub roc: Vec<Point>,
    /// Recall and precision by falling threshold.
    pub precision_recall: Vec<Point>,
    /// Share of customers contacted, highest risk first, and the share of all churners among them, in steps of 5 %.
    pub gain: Vec<Point>,
    /// The bins of the expected calibration error.
    pub reliability: Vec<Bin>,
}

objects! { Curves { roc, precision_recall, gain, reliability } }

/// Evaluates predicted probabilities against the observed outcomes.
///
/// # Errors
/// `shape_mismatch`, `too_few_rows` for none, `one_class`, `invalid_probability`, `invalid_parameter`.
pub fn evaluate(churned: &[bool], probabilities: &[f64], config: &EvaluationConfig) -> Result<Metrics> {
    let sorted = RankedRows::new(churned, probabilities)?;
    check_probability(config.threshold)?;
    let n = sorted.rows.len() as f64;
    let (mut tp, mut fp, mut fn_, mut tn) = (0u64, 0u64, 0u64, 0u64);
    let mut brier = 0.0;
    for &(p, y) in &sorted.rows {
        *match (p >= config.threshold, y) {
            (true, true) => &mut tp,
            (true, false) => &mut fp,
            (false, true) => &mut fn_,
            (false, false) => &mut tn,
        } += 1;
        let miss = p - f64::from(u8::from(y));
        brier += miss * miss;
    }
    let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    let ece = sorted
        .bins(config.bins)?
        .iter()
        .map(|bin| bin.customers as f64 / n * (bin.predicted - bin.observed).abs())
        .sum();
    let base_rate = sorted.positives as f64 / n;
    let tenth = sorted.rows.len().div_ceil(10);
    Ok(Metrics {
        n: sorted.rows.len() as u64,
        base_rate,
        accuracy: share(tp + tn, sorted.rows.len() as u64),
        precision: share(tp, tp + fp),
        recall: share(tp, tp + fn_),
        specificity: share(tn, tn + fp),
        f1: share(2 * tp, 2 * tp + fp + fn_),
        roc_auc: sorted.roc_auc(),
        pr_auc: sorted.pr_auc(),
        log_loss: sorted.log_loss(),
        brier: brier / n,
        ece,
        lift_10: sorted.captured(tenth as f64) / tenth as f64 / base_rate,
        tp,
        fp,
        tn,
        fn_,
    })
}

/// The curves of the same predictions.
///
/// # Errors
/// The errors of [`evaluate`].
pub fn curves(churned: &[bool], probabilities: &[f64], config: &EvaluationConfig) -> Result<Curves> {
    let sorted = RankedRows::new(churned, probabilities)?;
    let (positives, negatives) = (sorted.positives as f64, sorted.negatives() as f64);
    let mut roc = vec![(0.0, 0.0)];
    let mut precision_recall = Vec::new();
    let (mut tp, mut fp) = (0.0, 0.0);
    sorted.ties(|pos, neg| {
        tp += pos as f64;
        fp += neg as f64;
        roc.push((fp / negatives, tp / positives));
        precision_recall.push((tp / positives, tp / (tp + fp)));
    });
    let n = sorted.rows.len() as f64;
    let gain =
        (0..=20).map(|i| f64::from(i) / 20.0).map(|share| (share, sorted.captured(share * n) / positives)).collect();
    Ok(Curves {
        roc: downsample(roc),
        precision_recall: downsample(precision_recall),
        gain,
        reliability: sorted.bins(config.bins)?,
    })
}

/// The AUC of any score, such as a single feature; higher scores mean churn.
///
/// # Errors
/// `shape_mismatch`, `too_few_rows`, `one_class`, `invalid_parameter` for a score that is not a number.
pub fn roc_auc(churned: &[bool], scores: &[f64]) -> Result<f64> {
    if let Some(at) = scores.iter().position(|s| s.is_nan()) {
        return Err(invalid_parameter(&format!("the score of row {}", at + 1), "not a number", "a number"));
    }
    Ok(RankedRows::unchecked(churned, scores)?.roc_auc())
}

/// −ln(probability of the observed outcome), with the probability clipped to 1e-15.
pub(crate) fn log_loss_of(p: f64, churned: bool) -> f64 {
    let p = p.clamp(1e-15, 1.0 - 1e-15);
    -libm::log(if churned { p } else { 1.0 - p })
}

/// At most about 200 points of a curve, the first and the last among them.
pub(crate) fn downsample<P: Copy>(points: Vec<P>) -> Vec<P> {
    const MOST: usize = 200;
    let last = points.len() - 1;
    if last < MOST {
        return points;
    }
    (0..=MOST).map(|i| points[counts::mul_div(last, i, MOST)]).collect()
}

/// Rows by rising probability; of equal ones, non-churners first.
pub(crate) struct RankedRows {
    rows: Vec<(f64, bool)>,
    positives: usize,
}

impl RankedRows {
    pub(crate) fn new(churned: &[bool], probabilities: &[f64]) -> Result<Self> {
        for (i, &p) in probabilities.iter().enumerate() {
            check_probability(p).map_err(|error| error.at_line(i as u64 + 1))?;
        }
        RankedRows::unchecked(churned, probabilities)
    }

    fn unchecked(churned: &[bool], scores: &[f64]) -> Result<Self> {
        if churned.len() != scores.len() {
            let message =
                format!("{} labels and {} predictions; expected one of each a customer", churned.len(), scores.len());
            return Err(Error::new(ErrorKind::ShapeMismatch, message));
        }
        if churned.is_empty() {
            return Err(Error::new(ErrorKind::TooFewRows, "nothing to evaluate: there is no row"));
        }
        // Adding 0 turns −0 into 0, so that the two tie.
        let mut rows: Vec<(f64, bool)> = scores.iter().map(|s| s + 0.0).zip(churned.iter().copied()).collect();
        sort_rows(&mut rows);
        let positives = churned.iter().filter(|&&y| y).count();
        if positives == 0 || positives == churned.len() {
            let found = if positives == 0 { "nobody churned" } else { "everybody churned" };
            return Err(Error::new(
                ErrorKind::OneClass,
                format!("{found}: both outcomes are needed to judge predictions"),
            ));
        }
        Ok(RankedRows { rows, positives })
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn positives(&self) -> usize {
        self.positives
    }

    pub(crate) fn negatives(&self) -> usize {
        self.rows.len() - self.positives
    }

    /// Score, positives and negatives of each group of equal scores, highest first.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (f64, usize, usize)> {
        self.rows.chunk_by(|a, b| a.0 == b.0).rev().map(|group| {
            let positives = group.iter().filter(|row| row.1).count();
            (group[0].0, positives, group.len() - positives)
        })
    }

    /// Calls `f(positives, negatives)` for each group of equal scores, highest first.
    fn ties(&self, mut f: impl FnMut(usize, usize)) {
        self.groups().for_each(|(_, positives, negatives)| f(positives, negatives));
    }

    pub(crate) fn log_loss(&self) -> f64 {
        self.rows.iter().map(|&(p, y)| log_loss_of(p, y)).sum::<f64>() / self.rows.len() as f64
    }

    /// The AUC as the Mann–Whitney statistic: the share of correctly ranked pairs, ties half. It is counted in integers and
    /// divided once.
    pub(crate) fn roc_auc(&self) -> f64 {
        let (mut above, mut twice) = (0u128, 0u128);
        self.ties(|pos, neg| {
            twice += (2 * above + pos as u128) * neg as u128;
            above += pos as u128;
        });
        twice as f64 / (2 * self.positives as u128 * self.negatives() as u128) as f64
    }

    fn pr_auc(&self) -> f64 {
        let (mut tp, mut taken, mut area) = (0.0, 0.0, 0.0);
        self.ties(|pos, neg| {
            tp += pos as f64;
            taken += (pos + neg) as f64;
            area += pos as f64 / self.positives as f64 * (tp / taken);
        });
        area
    }

    /// Churners among the `count` rows of the highest scores; rows tied at the boundary count in proportion.
    fn captured(&self, count: f64) -> f64 {
        let (mut left, mut captured) = (count, 0.0);
        self.ties(|pos, neg| {
            let group = (pos + neg) as f64;
            captured += pos as f64 * (left.min(group) / group);
            left = (left - group).max(0.0);
        });
        captured
    }

    /// Equal-mass bins, split like numpy's array_split. Each row counts with the mean outcome of the rows of its probability.
    fn bins(&self, bins: usize) -> Result<Vec<Bin>> {
        if !(1..=1000).contains(&bins) {
            return Err(invalid_parameter("bins", bins, "1 to 1000"));
        }
        let mut outcome = Vec::with_capacity(self.rows.len());
        for group in self.rows.chunk_by(|a, b| a.0 == b.0) {
            let mean = group.iter().filter(|row| row.1).count() as f64 / group.len() as f64;
            outcome.resize(outcome.len() + group.len(), mean);
        }
        let (size, longer) = (self.rows.len() / bins, self.rows.len() % bins);
        let mut from = 0;
        let mut result = Vec::new();
        for i in 0..bins {
            let to = from + size + usize::from(i < longer);
            if to > from {
                let n = (to - from) as f64;
                result.push(Bin {
                    customers: (to - from) as u64,
                    predicted: self.rows[from..to].iter().map(|row| row.0).sum::<f64>() / n,
                    observed: outcome[from..to].iter().sum::<f64>() / n,
                });
            }
            from = to;
        }
        Ok(result)
    }
}

/// Sorts probabilities with their outcomes, lowest probability first.
#[inline(never)]
pub(crate) fn sort_rows(rows: &mut [(f64, bool)]) {
    rows.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
}
