//! The charts of results day by day: the AUC, and the expected and observed churners. They are written as SVG with the grid,
//! fonts and colours of [`super::charts`], which the style sheet replaces in the dark theme.

use std::fmt::Write;

use super::words::{Escaped, count, decimal, short_count};
use crate::model::{CutoffResult, Estimate};

/// Coordinates are pixels of a chart of this size; the drawing has four units for a pixel, as in the other charts.
const FINE: f64 = 4.0;
const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = WIDTH - 18.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = HEIGHT - 48.0;

// Keep in step with charts.rs and style.css.
const ACCENT: &str = "#2B53C4";
const REFERENCE: &str = "#8A94A3";
const GRID: &str = "#E4E8EE";
const AXIS: &str = "#B4BDC9";
const LABEL: &str = "#566170";
const INK: &str = "#18202E";

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
    chart.axes(days, "AUC (0.5 is chance)");
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
    chart.axes(days, "Churners");
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

/// The smallest of 1, 2, 5, 10, 20, 50, … that is not below this.
fn round_step(least: f64) -> f64 {
    let mut power = 1.0;
    loop {
        match [1.0, 2.0, 5.0].into_iter().map(|digit| digit * power).find(|&step| step >= least) {
            Some(step) => return step,
            None => power *= 10.0,
        }
    }
}

/// The middle of the part of the axis that belongs to a day.
fn centre(i: usize, days: usize) -> f64 {
    LEFT + (RIGHT - LEFT) * (i as f64 + 0.5) / days as f64
}

fn fine(pixels: f64) -> i32 {
    (pixels * FINE).round() as i32
}

/// The elements of a chart so far.
#[derive(Default)]
struct Chart(String);

impl Chart {
    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        self.0.write_fmt(element).expect("a string takes any text");
        self.0.push('\n');
    }

    fn text(&mut self, [x, y]: [f64; 2], anchor: &str, colour: &str, words: &str) {
        let (x, y, size, words) = (fine(x), fine(y), fine(12.0), Escaped(words));
        self.add(format_args!(
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" font-family=\"sans-serif\" font-size=\"{size}\" fill=\"{colour}\">{words}</text>"
        ));
    }

    fn rect(&mut self, [x, y, width, height]: [f64; 4], style: &str) {
        let (x, y, width, height) = (fine(x), fine(y), fine(width), fine(height));
        self.add(format_args!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" {style}/>"));
    }

    fn line(&mut self, points: &[(f64, f64)], colour: &str, width: f64) {
        if points.len() < 2 {
            return;
        }
        let points: Vec<String> = points.iter().map(|&(x, y)| format!("{},{}", fine(x), fine(y))).collect();
        let (points, width) = (points.join(" "), fine(width));
        self.add(format_args!(
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>"
        ));
    }

    fn dot(&mut self, (x, y): (f64, f64)) {
        let (x, y, r) = (fine(x), fine(y), fine(4.5));
        self.add(format_args!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\" fill=\"{ACCENT}\"/>"));
    }

    fn diamond(&mut self, (x, y): (f64, f64)) {
        let (left, right, top, bottom) = (fine(x - 5.5), fine(x + 5.5), fine(y - 5.5), fine(y + 5.5));
        let (x, y) = (fine(x), fine(y));
        self.add(format_args!(
            "<polygon points=\"{left},{y} {x},{top} {right},{y} {x},{bottom}\" fill=\"{REFERENCE}\"/>"
        ));
    }

    /// A line of the grid with its value.
    fn tick(&mut self, y: f64, words: &str) {
        self.line(&[(LEFT, y), (RIGHT, y)], GRID, 1.0);
        self.text([LEFT - 8.0, y + 4.0], "end", LABEL, words);
    }

    /// The axes, the days and the titles.
    fn axes(&mut self, days: &[CutoffResult], title: &str) {
        self.line(&[(LEFT, TOP), (LEFT, BOTTOM), (RIGHT, BOTTOM)], AXIS, 1.0);
        let every = days.len().div_ceil(MOST_LABELS).max(1);
        for (i, row) in days.iter().enumerate().step_by(every) {
            self.text([centre(i, days.len()), BOTTOM + 18.0], "middle", LABEL, &row.cutoff.to_string());
        }
        self.text([(LEFT + RIGHT) / 2.0, HEIGHT - 8.0], "middle", INK, "Day at which the customers were scored");
        let (x, y, size) = (fine(14.0), fine((TOP + BOTTOM) / 2.0), fine(13.0));
        self.add(format_args!(
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\" font-family=\"sans-serif\" font-size=\"{size}\" fill=\"{INK}\" \
             transform=\"rotate(-90 {x} {y})\">{title}</text>"
        ));
    }

    /// The `svg` element, which fills the width it is given. The summary is for screen readers.
    fn finish(self, summary: &str) -> String {
        format!(
            "<svg role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {} {}\">\n{}</svg>\n",
            Escaped(summary),
            fine(WIDTH),
            fine(HEIGHT),
            self.0
        )
    }
}
