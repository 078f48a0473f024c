//! Findings about the results of training: the columns, the churn rates of the cutoffs, and the evaluation of the model.

use super::{Finding, percent};
use crate::day::Day;
use crate::error::Result;
use crate::learn::{LearningRows, slope_of_log_odds};
use crate::metrics::roc_auc;
use crate::model::{Evaluation, OverTime, Protocol};
use crate::segments::SegmentRow;

/// An AUC of a single column above this is suspicious.
const SEPARATES: f64 = 0.97;
/// An AUC of a model above this is suspicious.
const TOO_GOOD: f64 = 0.995;
/// Largest number of rows on which a column is checked.
const MOST_ROWS: usize = 20_000;
/// Smallest number of rows of either outcome for the check, because a column may separate fewer rows by chance.
const FEWEST_OF_A_CLASS: usize = 10;

/// The input of the findings about results.
pub(crate) struct Judged<'a> {
    pub(crate) evaluation: &'a Evaluation,
    /// Outcomes of the test rows.
    pub(crate) y: &'a [bool],
    /// Predicted probabilities of the test rows.
    pub(crate) p: &'a [f64],
    /// True if the labels have a time, so that an out-of-time test is possible.
    pub(crate) labels_have_time: bool,
}

/// The findings about the training rows: columns that separate the outcomes, and churn rates that change.
pub(crate) fn of_rows(
    data: &LearningRows<'_>,
    rates: &[(Day, u64, u64)],
    recency_auc: Option<f64>,
) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    findings.extend(base_rate_moves(rates));
    if let Some(auc) = recency_auc.filter(|&auc| auc > SEPARATES) {
        let message = format!(
            "recency alone ranks the outcome with AUC {auc:.3}: the label is very likely computed from the past it is predicted \
             from, or the horizon is shorter than everybody's pauses"
        );
        findings.push(Finding::new("recency_separates", message).evidence("recency_auc", auc));
        // Every column that depends on the last event would be reported for the same reason.
        return Ok(findings);
    }
    let churned = data.y.iter().filter(|&&y| y).count();
    if churned.min(data.y.len() - churned) < FEWEST_OF_A_CLASS {
        return Ok(findings);
    }
    let step = data.y.len().div_ceil(MOST_ROWS).max(1);
    let rows: Vec<usize> = (0..data.y.len()).step_by(step).collect();
    let y: Vec<bool> = rows.iter().map(|&row| data.y[row]).collect();
    if !(y.contains(&true) && y.contains(&false)) {
        return Ok(findings);
    }
    let mut separating = Vec::new();
    for (feature, spec) in data.specs.iter().enumerate() {
        let values: Vec<f64> = rows.iter().map(|&row| data.x[(row, feature)]).collect();
        let scores = match &spec.levels {
            Some(levels) => cross_fitted_rates(&values, &y, levels.len()),
            None => values.iter().map(|&value| if value.is_nan() { f64::MIN } else { value }).collect(),
        };
        let auc = roc_auc(&y, &scores)?;
        let auc = if spec.levels.is_some() { auc } else { auc.max(1.0 - auc) };
        if auc > SEPARATES {
            separating.push((auc, spec.name.as_str()));
        }
    }
    crate::order::sort_by(&mut separating, |a, b| b.0.total_cmp(&a.0));
    for (auc, name) in separating.into_iter().take(5) {
        let mut message = format!(
            "the column {name:?} alone ranks the outcome with AUC {auc:.3}: it very likely holds the outcome, or something that \
             is known only after it"
        );
        // Only training on a table has the setting leave_out.
        let is_table = rates.is_empty();
        if is_table {
            message.push_str(&format!(". leave_out = [{name:?}] learns without it."));
        }
        let finding = Finding::new("column_separates", message).evidence("column", name).evidence("auc", auc);
        findings.push(if is_table { finding.suggest("leave_out", vec![name]) } else { finding });
    }
    Ok(findings)
}

/// The churn rate of each row's level, computed from the other half of the rows, so that a rare level does not use its own
/// outcome. Missing values are a separate level.
fn cross_fitted_rates(values: &[f64], y: &[bool], levels: usize) -> Vec<f64> {
    let level = |value: f64| if value.is_nan() { levels } else { value as usize };
    let mut sums = [vec![(0.0, 0.0); levels + 1], vec![(0.0, 0.0); levels + 1]];
    // The halves are chosen by a hash of the row number, because the order of the rows may have a pattern.
    let half = |row: usize| (crate::random::mix(row as u64) & 1) as usize;
    for (row, (&value, &churned)) in values.iter().zip(y).enumerate() {
        let sum = &mut sums[half(row)][level(value)];
        *sum = (sum.0 + f64::from(u8::from(churned)), sum.1 + 1.0);
    }
    let rate = y.iter().filter(|&&y| y).count() as f64 / y.len() as f64;
    let other = |row: usize, value: f64| sums[1 - half(row)][level(value)];
    values
        .iter()
        .enumerate()
        .map(|(row, &value)| {
            let (churned, count) = other(row, value);
            (churned + rate) / (count + 1.0)
        })
        .collect()
}

/// The finding about the churn rate of the last cutoff compared with that of all earlier ones.
fn base_rate_moves(rates: &[(Day, u64, u64)]) -> Option<Finding> {
    /// Smallest change that is reported.
    const LEAST: f64 = 0.02;
    let (&(last, customers, churned), earlier) = rates.split_last()?;
    let (before, churned_before) = earlier.iter().fold((0, 0), |sum, row| (sum.0 + row.1, sum.1 + row.2));
    if before == 0 || customers == 0 {
        return None;
    }
    let (now, then) = (churned as f64 / customers as f64, churned_before as f64 / before as f64);
    let pooled = (churned + churned_before) as f64 / (customers + before) as f64;
    let error = (pooled * (1.0 - pooled) * (1.0 / customers as f64 + 1.0 / before as f64)).sqrt();
    if (now - then).abs() < f64::max(LEAST, 2.0 * error) {
        return None;
    }
    let (direction, low) = if now > then { ("rose", "low") } else { ("fell", "high") };
    let message = format!(
        "the churn rate {direction} from {} at the earlier cutoffs to {} at {last} (standard error {}): probabilities learned from \
         all of them may be too {low} by up to {:.0} points",
        percent(then),
        percent(now),
        percent(error),
        100.0 * (now - then).abs()
    );
    Some(
        Finding::new("base_rate_moves", message)
            .evidence("earlier_rate", then)
            .evidence("last_rate", now)
            .evidence("standard_error", error)
            .evidence("last_cutoff", last),
    )
}

/// The findings about an evaluated model.
pub(crate) fn of_results(judged: &Judged<'_>) -> Vec<Finding> {
    let Judged { evaluation, y, p, labels_have_time } = judged;
    let metrics = &evaluation.metrics;
    let mut findings = Vec::new();
    if let Some(recency_auc) = evaluation.recency_auc.filter(|&auc| metrics.roc_auc <= auc) {
        findings.push(below_recency(metrics.roc_auc, recency_auc));
    }
    findings.extend(constant(p));
    findings.extend(slope(y, p));
    findings.extend(evaluation.segments.iter().filter_map(band_off));
    if metrics.roc_auc > TOO_GOOD
        && let Some(first) = evaluation.importance.first()
    {
        let message = format!(
            "the model ranks with AUC {:.4}, which is too good to be true: the column {:?} carries most of it and may hold the \
             outcome, or something that is known only after it",
            metrics.roc_auc, first.feature
        );
        let finding = Finding::new("column_separates", message)
            .evidence("column", first.feature.as_str())
            .evidence("roc_auc", metrics.roc_auc);
        findings.push(finding);
    }
    if *labels_have_time && evaluation.protocol == Protocol::Holdout {
        let message = "the model was judged on a held-out fifth of the customers and not out of time: no earlier cutoff's outcome \
             was known by the last cutoff, or one side had too few customers. What changes over time is not in its figures; a longer \
             log or a shorter horizon_days leaves room for a second cutoff."
            .to_owned();
        findings.push(Finding::new("not_out_of_time", message));
    }
    findings.extend(few_customers(metrics.roc_auc, y));
    findings
}

/// The findings about results at several cutoffs. `rates` are cutoff, customers and churners of each, oldest first.
pub(crate) fn of_over_time(found: &OverTime, rates: &[(Day, u64, u64)]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = base_rate_moves(rates).into_iter().collect();
    let auc = found.roc_auc.mean;
    if let Some(recency) = found.against.iter().find(|other| other.name == "recency" && other.roc_auc.mean <= 0.0) {
        findings.push(below_recency(auc, recency.mean_roc_auc));
    }
    findings.extend(found.segments.iter().filter_map(band_off));
    if auc > TOO_GOOD {
        let message = format!(
            "the models rank with a mean AUC of {auc:.4}, which is too good to be true: a column may hold the outcome, or something \
             that is known only after it"
        );
        findings.push(Finding::new("column_separates", message).evidence("roc_auc", auc));
    }
    findings.extend(results_change(found));
    findings
}

/// The finding about a mean AUC of the later half of the cutoffs that lies outside the interval of the earlier half.
fn results_change(found: &OverTime) -> Option<Finding> {
    let earlier = found.earlier_roc_auc?;
    let rows = &found.cutoffs[found.cutoffs.len() / 2..];
    let later = rows.iter().map(|row| row.roc_auc).sum::<f64>() / rows.len() as f64;
    if (earlier.low..=earlier.high).contains(&later) {
        return None;
    }
    let (direction, from) = (if later > earlier.mean { "better" } else { "worse" }, rows[0].cutoff);
    let message = format!(
        "the models rank {direction} at the later cutoffs: the mean AUC is {:.3} ({:.3} to {:.3}) before {from} and {later:.3} from \
         then on. Expect the later figure.",
        earlier.mean, earlier.low, earlier.high
    );
    let finding = Finding::new("results_change", message);
    Some(finding.evidence("earlier_roc_auc", earlier.mean).evidence("later_roc_auc", later).evidence("from", from))
}

fn below_recency(auc: f64, recency_auc: f64) -> Finding {
    let message = format!(
        "the model ranks with AUC {auc:.3}, no better than sorting by the last event ({recency_auc:.3}): more history, other \
         features or another model may help, and sorting by recency does as well"
    );
    Finding::new("model_below_recency", message).evidence("roc_auc", auc).evidence("recency_auc", recency_auc)
}

fn constant(p: &[f64]) -> Option<Finding> {
    const SPREAD: f64 = 0.02;
    let mut sorted = p.to_vec();
    let (low, high) = (crate::features::percentile(&mut sorted, 0.05), crate::features::percentile(&mut sorted, 0.95));
    (high - low < SPREAD).then(|| {
        let message = format!(
            "nine tenths of the customers have a probability between {low:.3} and {high:.3}: the model has learned next to nothing \
             from these features"
        );
        Finding::new("constant_model", message).evidence("from", low).evidence("to", high)
    })
}

/// The finding about the calibration slope, which is the slope of the outcomes on the log-odds of the probabilities. It is 1 if
/// they are correct, and below 1 if they are too extreme.
fn slope(y: &[bool], p: &[f64]) -> Option<Finding> {
    const FLATTEST: f64 = 0.5;
    const STEEPEST: f64 = 2.0;
    let (slope, error) = slope_of_log_odds(y, p)?;
    if (FLATTEST..=STEEPEST).contains(&slope) || (slope - 1.0).abs() < 2.0 * error {
        return None;
    }
    let what = if slope < 1.0 { "far too extreme" } else { "far too timid" };
    let message = format!(
        "the probabilities are {what}: on the judged customers the log-odds of churn change by {slope:.2} where the model says 1 \
         (standard error {error:.2})"
    );
    Some(Finding::new("calibration_off", message).evidence("slope", slope).evidence("standard_error", error))
}

/// The finding about a band whose observed rate is outside by more than two standard errors of a rate at its bound.
fn band_off(row: &SegmentRow) -> Option<Finding> {
    let observed = row.observed_rate?;
    let error = |rate: f64| (rate * (1.0 - rate) / row.customers as f64).sqrt();
    let (from, to) = (row.from - 2.0 * error(row.from), row.to + 2.0 * error(row.to));
    if (from..=to).contains(&observed) {
        return None;
    }
    let name = row.segment.name();
    let message = format!(
        "of the {} judged customers in the band {name} ({:.2} to {:.2}) {} churned, {} were predicted: take the observed rate \
         for the true one",
        row.customers,
        row.from,
        row.to,
        percent(observed),
        percent(row.mean_probability.unwrap_or(f64::NAN))
    );
    Some(
        Finding::new("band_off", message)
            .evidence("segment", name)
            .evidence("customers", row.customers)
            .evidence("observed_rate", observed)
            .evidence("mean_probability", row.mean_probability.unwrap_or(f64::NAN)),
    )
}

/// The finding about too few customers, by the half-width of the 95 % interval of the AUC (Hanley and McNeil 1982).
fn few_customers(auc: f64, y: &[bool]) -> Option<Finding> {
    const WIDE: f64 = 0.05;
    let churned = y.iter().filter(|&&y| y).count() as f64;
    let stayed = y.len() as f64 - churned;
    let (q1, q2) = (auc / (2.0 - auc), 2.0 * auc * auc / (1.0 + auc));
    let variance = (auc * (1.0 - auc) + (churned - 1.0) * (q1 - auc * auc) + (stayed - 1.0) * (q2 - auc * auc))
        / (churned * stayed);
    let half_width = 1.96 * variance.max(0.0).sqrt();
    (half_width > WIDE).then(|| {
        let message = format!(
            "{} customers were judged, {churned} of whom churned: the AUC of {auc:.3} is known to ± {half_width:.2} only",
            y.len()
        );
        Finding::new("few_customers", message)
            .evidence("customers", y.len())
            .evidence("churned", churned)
            .evidence("half_width", half_width)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segments::Segment;

    /// By hand: 2,500 customers in Low (up to 0.3): two standard errors at 0.3 are 2 · √(0.21/2500) = 0.01833.
    #[test]
    fn a_band_is_off_by_two_standard_errors() {
        let row = |observed: f64| SegmentRow {
            segment: Segment::Low,
            from: 0.0,
            to: 0.3,
            customers: 2500,
            churned: (2500.0 * observed) as u64,
            observed_rate: Some(observed),
            mean_probability: Some(0.18),
        };
        assert!(band_off(&row(0.317)).is_none());
        let finding = band_off(&row(0.3184)).expect("just beyond");
        assert_eq!(finding.code, "band_off");
        assert!(finding.message.contains("31.8 %") && finding.message.contains("18.0 %"), "{}", finding.message);
        assert!(band_off(&row(0.0)).is_none());
    }

    /// By hand: 100 of 1,000 and 150 of 1,000: pooled 0.125, error √(0.125 · 0.875 · 2/1000) = 0.01479; the move is 0.05.
    #[test]
    fn a_rate_moves_by_two_standard_errors() {
        let day = |month: u32| Day::from_ymd(2024, month, 1).expect("a day");
        let finding = base_rate_moves(&[(day(1), 1000, 100), (day(4), 1000, 150)]).expect("it moved");
        assert!(
            finding
                .message
                .contains("from 10.0 % at the earlier cutoffs to 15.0 % at 2024-04-01 (standard error 1.5 %)"),
            "{}",
            finding.message
        );
        assert!(
            base_rate_moves(&[(day(1), 1000, 100), (day(4), 1000, 125)]).is_none(),
            "2.5 points are below 2 errors of 1.4"
        );
        assert!(base_rate_moves(&[(day(1), 1000, 100)]).is_none());
    }

    /// By hand, Hanley and McNeil at AUC 0.8 with 50 and 50: q1 = 2/3, q2 = 1.28/1.8; variance =
    /// (0.16 + 49 · (0.66667 − 0.64) + 49 · (0.71111 − 0.64)) / 2500 = 0.0019805; 1.96 · √ = 0.0872.
    #[test]
    fn few_customers_by_hand() {
        let y: Vec<bool> = (0..100).map(|i| i % 2 == 0).collect();
        let finding = few_customers(0.8, &y).expect("wide");
        assert!(finding.message.ends_with("± 0.09 only"), "{}", finding.message);
        let many: Vec<bool> = (0..1000).map(|i| i % 2 == 0).collect();
        assert!(few_customers(0.8, &many).is_none());
    }

    /// A category with a different level for each row has no information about other rows.
    #[test]
    fn a_level_does_not_tell_its_own_outcome() {
        let y: Vec<bool> = (0..200).map(|i| i % 3 == 0).collect();
        let ids: Vec<f64> = (0..200).map(f64::from).collect();
        let auc = roc_auc(&y, &cross_fitted_rates(&ids, &y, 200)).expect("two classes");
        assert_eq!(auc, 0.5);
        let copy: Vec<f64> = y.iter().map(|&y| f64::from(u8::from(y))).collect();
        assert_eq!(roc_auc(&y, &cross_fitted_rates(&copy, &y, 2)).expect("two classes"), 1.0);
    }
}
