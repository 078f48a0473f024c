//! The results at several days, and the intervals of their means: how far to believe the evaluation.

use super::day_charts::{churners, ranking, share};
use super::evidence::{captioned, dash};
use super::words::{Escaped, count, counted, decimal, percent, signed};
use super::{ReportPage, date, table};
use crate::model::{CutoffResult, Estimate, OverTime, PairedResult};

/// Largest number of days that are shown, the latest ones.
const MOST: usize = 12;

impl ReportPage<'_> {
    pub(super) fn found_over_time(&self) -> Option<&OverTime> {
        self.evaluation.over_time.as_ref()
    }

    /// The simplest order of customers, with the event as the reasons call it.
    fn by_last_event(&self) -> String {
        let event = self.report.reasons.map_or("event", |(_, words)| words.event.as_str());
        format!("sorting by the last {} alone", Escaped(event))
    }

    /// The basis of the mean AUC in words, and the AUC of recency alone.
    fn basis_and_recency(&self, found: &OverTime) -> String {
        let recency = match found.recency_auc {
            Some(auc) => format!("{} reaches {}", self.by_last_event(), decimal(share(auc.mean), 2)),
            None => "chance is 0.50".to_owned(),
        };
        format!("{}; {recency}", basis(found))
    }

    /// The words below the AUC of the first tiles.
    pub(super) fn auc_note(&self, found: &OverTime) -> String {
        format!("{}, {}", auc_interval(found), self.basis_and_recency(found))
    }

    /// The section on the results at several days.
    pub(super) fn belief(&self) -> String {
        let Some(found) = self.found_over_time() else { return String::new() };
        let auc = decimal(share(found.roc_auc.mean), 2);
        let headline = format!("AUC {auc} ({}), {}.", auc_interval(found), self.basis_and_recency(found));
        let days = &found.cutoffs[found.cutoffs.len().saturating_sub(MOST)..];
        let (words, evidence) = match found.cutoffs.len() {
            0 => (
                "Customers were held out, not days. The interval says how far the AUC would move with other customers; how far \
                 it moves from time to time cannot be seen from here.",
                String::new(),
            ),
            1 => (
                "Only one day was judged, so there is nothing to compare over time. The interval says how far the AUC would move \
                 with other customers; on other days it may move further.",
                String::new(),
            ),
            _ => (
                "At each day a model learned from what was known by then, and was judged by what its customers did afterwards. \
                 The interval says how far the mean would move with other customers and other days like these.",
                format!(
                    "<div class=\"charts\">\n{}{}</div>\n{}",
                    self.auc_chart(found, days),
                    churner_chart(found, days),
                    rows(days)
                ),
            ),
        };
        format!(
            "<section>\n<h2>How far to believe it</h2>\n<p><strong>{headline}</strong></p>\n<p class=\"quiet\">{words}</p>\n{evidence}</section>\n"
        )
    }

    fn auc_chart(&self, found: &OverTime, days: &[CutoffResult]) -> String {
        let won = found.against.iter().find(|other| other.name == RECENCY).map_or(String::new(), |other| {
            format!(
                " The model ranks better than recency alone on {} of {}; the mean difference is {} (95 % interval {}).",
                count(other.cutoffs_won),
                counted(found.cutoffs.len() as u64, "day"),
                signed(other.roc_auc.mean, 3),
                interval(&other.roc_auc, |value| signed(value, 3))
            )
        });
        let diamonds = match found.recency_auc {
            Some(_) => format!("The circles are the model, the diamonds {}.", self.by_last_event()),
            None => "The circles are the model.".to_owned(),
        };
        captioned(
            "How it ranks, day by day",
            &ranking(days, &found.roc_auc, "recency alone"),
            &format!("{diamonds} The band is the 95 % interval of the mean.{won}"),
        )
    }

    /// A table of the measures that have intervals, and of the differences to simpler ways.
    pub(super) fn intervals(&self, found: &OverTime) -> String {
        const MOST_OTHERS: usize = 4;
        let others = &found.against[..found.against.len().min(MOST_OTHERS)];
        let titles: String = others
            .iter()
            .map(|other| {
                format!("<th scope=\"col\">Minus {}<small>95 % interval</small></th>", other_name(&other.name))
            })
            .collect();
        let title = match found.cutoffs.len() {
            0 | 1 => "This model".to_owned(),
            n => format!("This model, mean of {}", counted(n as u64, "day")),
        };
        let head = format!(
            "<tr><th scope=\"col\">Measure</th><th scope=\"col\">{title}<small>95 % interval</small></th>{titles}</tr>\n"
        );
        let row = |name: &str, own: String, difference: &dyn Fn(&PairedResult) -> Option<String>| {
            let cells: String =
                others.iter().map(|other| format!("<td>{}</td>", difference(other).unwrap_or_else(dash))).collect();
            format!("<tr><th scope=\"row\">{name}</th><td>{own}</td>{cells}</tr>\n")
        };
        let own = |estimate: &Estimate, places| with_interval(estimate, |value| decimal(value, places));
        let gap = |estimate: &Estimate, places| Some(with_interval(estimate, |value| signed(value, places)));
        let none = |_: &PairedResult| None;
        let body = [
            row("AUC, higher is better", with_interval(&found.roc_auc, |auc| decimal(share(auc), 3)), &|other| {
                gap(&other.roc_auc, 3)
            }),
            row("Log-loss, lower is better", own(&found.log_loss, 4), &|other| gap(other.log_loss.as_ref()?, 4)),
            row("Brier, lower is better", own(&found.brier, 4), &|other| gap(other.brier.as_ref()?, 4)),
            row("Lift at 10 %, higher is better", own(&found.lift_10, 2), &none),
            row("Churn rate", with_interval(&found.base_rate, |rate| percent(share(rate))), &none),
            row(
                "Predicted − observed churn rate, in points",
                with_interval(&found.predicted_minus_observed, |gap| signed(100.0 * gap, 1)),
                &none,
            ),
        ];
        table("Measures with their 95 % intervals", &head, &body.concat(), "")
    }
}

const RECENCY: &str = "recency";

fn other_name(name: &str) -> String {
    match name {
        RECENCY => "recency alone".to_owned(),
        "logistic_regression" => "logistic regression".to_owned(),
        name => Escaped(name).to_string(),
    }
}

/// The basis of the means in words.
pub(super) fn basis(found: &OverTime) -> String {
    match found.cutoffs.len() {
        0 => "judged on held-out customers".to_owned(),
        1 => "judged at one day".to_owned(),
        n => format!("mean of {}", counted(n as u64, "day")),
    }
}

fn auc_interval(found: &OverTime) -> String {
    format!("95 % interval {}", interval(&found.roc_auc, |auc| decimal(share(auc), 2)))
}

/// The bounds of the interval: `0.83 to 0.87`.
pub(super) fn interval(estimate: &Estimate, words: impl Fn(f64) -> String) -> String {
    format!("<span class=\"nowrap\">{} to {}</span>", words(estimate.low), words(estimate.high))
}

/// The mean, and its interval below it.
fn with_interval(estimate: &Estimate, words: impl Fn(f64) -> String) -> String {
    format!("{}<small class=\"interval\">{}</small>", words(estimate.mean), interval(estimate, &words))
}

fn churner_chart(found: &OverTime, days: &[CutoffResult]) -> String {
    let expected: f64 = days.iter().map(|row| row.expected).sum();
    let churned = days.iter().fold(0u64, |sum, row| sum.saturating_add(row.churned));
    let gap = &found.predicted_minus_observed;
    let verdict = match gap {
        gap if gap.low > 0.0 => "the probabilities are too high",
        gap if gap.high < 0.0 => "the probabilities are too low",
        _ => "no more than chance explains",
    };
    captioned(
        "Whether it expects as many as leave",
        &churners(days),
        &format!(
            "Over these {} the probabilities add up to {} churners, and {} were observed. The mean gap of predicted and observed \
             churn rate is {} points (95 % interval {}): {verdict}.",
            counted(days.len() as u64, "day"),
            decimal(expected, 0),
            count(churned),
            signed(100.0 * gap.mean, 1),
            interval(gap, |gap| signed(100.0 * gap, 1))
        ),
    )
}

/// A table of the days.
fn rows(days: &[CutoffResult]) -> String {
    let head = "<tr><th scope=\"col\">Day</th><th scope=\"col\">Customers</th><th scope=\"col\">Churners expected</th>\
        <th scope=\"col\">Churners observed</th><th scope=\"col\">AUC</th><th scope=\"col\">AUC of recency alone</th>\
        <th scope=\"col\">Log-loss</th><th scope=\"col\">Brier</th><th scope=\"col\">Lift at 10\u{a0}%</th></tr>\n";
    let body: String = days
        .iter()
        .map(|row| {
            let cells = [
                count(row.customers),
                decimal(row.expected, 1),
                count(row.churned),
                decimal(row.roc_auc, 3),
                row.recency_auc.map_or_else(dash, |auc| decimal(auc, 3)),
                decimal(row.log_loss, 4),
                decimal(row.brier, 4),
                decimal(row.lift_10, 2),
            ];
            let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
            format!("<tr><th scope=\"row\">{}</th>{cells}</tr>\n", date(row.cutoff))
        })
        .collect();
    format!(
        "<div class=\"card days\">\n<h3>The results day by day</h3>\n{}</div>\n",
        table("The results day by day", head, &body, "")
    )
}
