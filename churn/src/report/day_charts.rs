//! The charts of results day by day: the AUC, and the expected and observed churners.

use super::drawing::{ACCENT, BOTTOM, Chart, FINE, INK, LABEL, LEFT, REFERENCE, RIGHT, TOP, centre, round_step};
use super::words::{count, decimal, short_count};
use crate::model::{CutoffResult, Estimate};

/// Largest number of days whose values are written into the chart, and of days that are named on the axis.
const MOST_LABELS: usize = 5;

/// The AUC of the model and of recency alone at each day, with the interval of the mean as a band. `recency` names the line of
/// recency.
pub(super) fn ranking(days: &[CutoffResult], mean: &Estimate, recency: &str) -> String {
    let values = days.iter().flat_map(|row| [Some(row.roc_auc), row.recency_auc]).flatten();
    let least = values.chain([mean.low]).map(share).fold(0.5, f64::min);
    let low = (least * 10.0).floor() / 10.0;
    let step = if 1.0 - low > 0.55 { 0.2 } else { 0.1 };
    let y = |auc: f64| BOTTOM - (share(auc) - low) / (1.0 - low) * (BOTTOM - TOP);
    let mut chart = Chart::default();
    for i in 0..=((1.0 - low) / step + 1e-9) as usize {
        let auc = 1.0 - step * i as f64;
        chart.tick(y(auc), &decimal(auc, 1));
    }
    let (top, bottom) = (y(mean.high), y(mean.low));
    chart.rect([LEFT, top, RIGHT - LEFT, (bottom - top).max(1.0)], &format!("fill=\"{ACCENT}\" fill-opacity=\"0.1\""));
    axes(&mut chart, days, "AUC (0.5 is chance)");
    let x = |i: usize| centre(i, days.len());
    let model: Vec<(f64, f64)> = days.iter().enumerate().map(|(i, row)| (x(i), y(row.roc_auc))).collect();
    let other: Vec<(f64, f64)> =
        days.iter().enumerate().filter_map(|(i, row)| row.recency_auc.map(|auc| (x(i), y(auc)))).collect();
    chart.line(&other, REFERENCE, 2.0);
    chart.line(&model, ACCENT, 2.5);
    other.iter().for_each(|&at| chart.diamond(at));
    model.iter().for_each(|&at| chart.dot(at));
    if days.len() <= MOST_LABELS {
        for (i, row) in days.iter().enumerate() {
            // The higher of the two values stands above its mark, the lower one below.
            let model_above = row.recency_auc.is_none_or(|recency| row.roc_auc >= recency);
            let place = |auc: f64, above: bool| y(auc) + if above { -10.0 } else { 20.0 };
            chart.text([x(i), place(row.roc_auc, model_above)], "middle", INK, &decimal(row.roc_auc, 2));
            if let Some(auc) = row.recency_auc {
                chart.text([x(i), place(auc, !model_above)], "middle", LABEL, &decimal(auc, 2));
            }
        }
    }
    chart.dot((LEFT + 8.0, 16.0));
    chart.text([LEFT + 19.0, 20.0], "start", INK, "the model");
    if !other.is_empty() {
        chart.diamond((LEFT + 98.0, 16.0));
        chart.text([LEFT + 109.0, 20.0], "start", INK, recency);
    }
    let range = |name: &str, values: &mut dyn Iterator<Item = f64>| {
        let (low, high) = values.fold((1.0, 0.0), |(low, high), auc| (share(auc).min(low), share(auc).max(high)));
        format!("{name} between {} and {}", decimal(low, 2), decimal(high, 2))
    };
    let mut summary = format!("AUC at {} days: ", days.len());
    summary.push_str(&range("the model", &mut days.iter().map(|row| row.roc_auc)));
    if !other.is_empty() {
        summary.push_str(", ");
        summary.push_str(&range(recency, &mut days.iter().filter_map(|row| row.recency_auc)));
    }
    chart.finish(&format!("{summary}."))
}

/// The churners that the probabilities let expect, and those that were observed, at each day.
pub(super) fn churners(days: &[CutoffResult]) -> String {
    let most = days.iter().flat_map(|row| [amount(row.expected), row.churned as f64]).fold(1.0, f64::max);
    let step = round_step(most / 5.0);
    let high = step * (1.04 * most / step).ceil();
    let y = |churners: f64| BOTTOM - (churners / high).clamp(0.0, 1.0) * (BOTTOM - TOP);
    let mut chart = Chart::default();
    for i in 0..=(high / step).round() as usize {
        let churners = step * i as f64;
        chart.tick(y(churners), &short_count(churners));
    }
    let group = (RIGHT - LEFT) / days.len().max(1) as f64;
    let width = (0.41 * group).min(46.0);
    let expected_style =
        format!("fill=\"{ACCENT}\" fill-opacity=\"0.15\" stroke=\"{ACCENT}\" stroke-width=\"{}\"", 1.5 * FINE);
    let observed_style = format!("fill=\"{ACCENT}\"");
    let gap = (0.02 * group).max(1.0);
    for (i, row) in days.iter().enumerate() {
        let middle = centre(i, days.len());
        let bars = [
            (middle - gap - width, amount(row.expected), &expected_style),
            (middle + gap, row.churned as f64, &observed_style),
        ];
        for (x, churners, style) in bars {
            chart.rect([x, y(churners), width, BOTTOM - y(churners)], style);
            if days.len() <= MOST_LABELS {
                chart.text([x + width / 2.0, y(churners) - 6.0], "middle", INK, &bar_label(churners));
            }
        }
    }
    axes(&mut chart, days, "Churners");
    chart.rect([LEFT + 2.0, 10.0, 12.0, 12.0], &expected_style);
    chart.text([LEFT + 20.0, 20.0], "start", INK, "expected");
    chart.rect([LEFT + 92.0, 10.0, 12.0, 12.0], &observed_style);
    chart.text([LEFT + 110.0, 20.0], "start", INK, "observed");
    let pair =
        |row: &CutoffResult| format!("{} {} and {}", row.cutoff, short_count(amount(row.expected)), count(row.churned));
    let pairs: Vec<String> = days.iter().map(pair).collect();
    chart.finish(&format!("Churners expected and observed: {}.", pairs.join(", ")))
}

/// A share within 0 and 1: an evaluation may come from an untrusted document.
pub(super) fn share(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) }
}

/// A number of customers, for the same reason not negative and not infinite.
fn amount(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(0.0, 1e15) }
}

/// The number above a bar, which has room for five characters: 12345 → `12.3k`.
fn bar_label(churners: f64) -> String {
    if (9_999.5..99_950.0).contains(&churners) { decimal(churners / 1e3, 1) + "k" } else { short_count(churners) }
}

/// The axes with the days.
fn axes(chart: &mut Chart, days: &[CutoffResult], title: &str) {
    let labels: Vec<String> = days.iter().map(|row| row.cutoff.to_string()).collect();
    chart.axes(&labels, MOST_LABELS, "Day at which the customers were scored", title);
}
