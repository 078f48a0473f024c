//! The page of the benchmark: protocol, tables and charts.

use std::fmt::Write as _;

use churn::{Estimate, OverTime, Severity, SkippedCutoff};

use super::Judged;

const OURS: &str = "churn, default";

/// The protocol. It was written before the first run, and is part of the page before the numbers.
const PROTOCOL: &str = "\
# Benchmark

`churn bench` makes this page. It judges the default of this library on real logs of events, beside other recipes of the
library and beside other libraries on the same rows. Nothing on this page is chosen by hand: a run replaces it, whatever the
numbers say.

```
churn bench --data DIR --out docs/benchmark             # the logs below; DIR holds their files
churn bench --git PATH                                  # the contributors of any git repository
churn bench --logs my-logs.toml --data DIR              # other logs: ten lines each, as in churn-cli/src/bench/logs.toml
```

## Protocol

1. **Question.** A customer churns who has no event in the 90 days after a cutoff, among those with an event in the 365 days
   before it. This is the default of the library.
2. **Cutoffs.** Every 90 days, back from the last day whose window of 90 days the log holds, as far as a model can learn from an
   earlier cutoff. All of them are judged; none is left out but those with fewer than 50 customers or fewer than 5 of either
   outcome, which are listed.
3. **Learning.** At each cutoff, every contestant learns from up to twelve earlier cutoffs whose outcome was known by then, and
   scores the customers of the day. Then the outcome is looked up.
4. **Contestants.** *churn, default*: a random forest on the behavioral features, calibrated. *churn, gradient boosting* and
   *logistic_regression*: the other learners on the same features. *churn, logistic regression, rfm*: on the eight RFM features.
   *LightGBM* and *XGBoost*: their defaults, on the very rows that ours learns from. *BG/NBD*: by the package lifetimes, fitted
   to the events of all customers up to the cutoff. *recency*: customers by the day of their last event, without a model.
   No contestant was tuned for this page. But the defaults of this library were once chosen on parts of the four logs and on the
   tables telco, bank and iranian (docs/accuracy.md says how), so small differences in its favour mean little there. The table
   churn_tv was not used for anything, nor is a repository that you name with `--git`.
5. **Measures.** AUC and log-loss per cutoff, and their means over the cutoffs with 95 % intervals. Differences are paired: the
   same customers at the same cutoffs. The intervals take in both that other customers could have come and that other times
   could have been judged. A difference whose interval contains 0 is not known to exist.
6. **Tables** with one row per customer have no time: five folds of the customers instead of cutoffs, rows with equal features
   in one fold. *churn, default* is gradient boosting there. Categories are given to LightGBM and XGBoost as categories. Where
   every customer has costs of their own, the savings at their own thresholds are shown.
7. **Failures** of a library are shown in place of its numbers.
";

/// The page of all logs.
pub(super) fn page(judged: &[Judged]) -> String {
    let mut text = PROTOCOL.to_owned();
    text.push_str(
        "\n## The data\n\n| data | events or rows | customers | source | licence | SHA-256 |\n|---|---|---|---|---|---|\n",
    );
    for of in judged {
        let sum = of.sha256.as_deref().map_or("–", |sum| &sum[..sum.len().min(16)]);
        let _ = writeln!(
            text,
            "| {}: {} | {} | {} | {} | {} | {sum} |",
            of.name, of.title, of.rows, of.customers, of.source, of.licence
        );
    }
    text.push_str("\n## Results\n");
    for of in judged {
        let (rows, name) = (&of.over_time.cutoffs, &of.name);
        let judged = match (of.backtest.is_some(), rows.first(), rows.last()) {
            (true, Some(first), Some(last)) => format!("{} cutoffs, {} to {}", rows.len(), first.cutoff, last.cutoff),
            _ => format!("{} folds of the customers", rows.len()),
        };
        let _ = writeln!(text, "\n### {}\n\n{judged}.\n", of.title);
        text.push_str(&table(of));
        let _ = writeln!(text, "\n![AUC at each cutoff or fold of {name}]({name}.svg)\n");
        text.push_str(&calibration(&of.over_time));
        text.push_str(&saved(of));
        text.push_str(&remarks(of));
    }
    text.push_str("\n## Versions\n\n");
    let _ = write!(text, "churn {}", env!("CARGO_PKG_VERSION"));
    if let Some(of) = judged.first() {
        for (name, version) in of.peers.iter().flat_map(|peer| &peer.versions) {
            let _ = write!(text, ", {name} {}", version.as_str().unwrap_or_default());
        }
    }
    text.push_str(".\n");
    text
}

/// The contestants of a log, best AUC first.
pub(super) fn table(of: &Judged) -> String {
    let over_time = &of.over_time;
    let mut rows = vec![(
        over_time.roc_auc.mean,
        format!(
            "| **{OURS}** | **{}** | {} | | | |\n",
            interval(&over_time.roc_auc, false),
            number(over_time.log_loss.mean, false)
        ),
    )];
    for other in &over_time.against {
        let loss = other.log_loss.map(|difference| over_time.log_loss.mean - difference.mean);
        rows.push((
            other.mean_roc_auc,
            format!(
                "| {} | {} | {} | {} | {} | {} |\n",
                other.name,
                number(other.mean_roc_auc, false),
                loss.map_or("–".to_owned(), |loss| number(loss, false)),
                interval(&other.roc_auc, true),
                other.log_loss.map_or("–".to_owned(), |loss| interval(&loss, true)),
                format_args!("{} of {}", other.cutoffs_won, over_time.cutoffs.len())
            ),
        ));
    }
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut text = format!(
        "| contestant | mean AUC | mean log-loss | AUC of {OURS} minus this | log-loss of {OURS} minus this | {OURS} has the higher AUC at |\n|---|---|---|---|---|---|\n"
    );
    rows.iter().for_each(|(_, row)| text.push_str(row));
    for (name, failure) in of.peers.iter().filter_map(|peer| Some((peer.name(), peer.failure.as_ref()?))) {
        let _ = writeln!(text, "| {name} | failed: {} | | | | |", failure.replace('|', "/"));
    }
    text
}

fn number(value: f64, signed: bool) -> String {
    if signed { format!("{value:+.4}") } else { format!("{value:.4}") }
}

fn interval(of: &Estimate, signed: bool) -> String {
    format!("{} ({} to {})", number(of.mean, signed), number(of.low, signed), number(of.high, signed))
}

/// Predicted and observed churn rates over all cutoffs.
fn calibration(over_time: &OverTime) -> String {
    let gap = &over_time.predicted_minus_observed;
    let mut text = format!(
        "Predicted minus observed churn rate of {OURS}: {} points.\n\n| band | customers | predicted | observed |\n|---|---|---|---|\n",
        interval(
            &Estimate { mean: 100.0 * gap.mean, standard_error: 0.0, low: 100.0 * gap.low, high: 100.0 * gap.high },
            true
        )
    );
    for row in &over_time.segments {
        if let (Some(predicted), Some(observed)) = (row.mean_probability, row.observed_rate) {
            let _ = writeln!(text, "| {} | {} | {predicted:.3} | {observed:.3} |", row.segment.name(), row.customers);
        }
    }
    text
}

/// The savings of each contestant, if the customers have costs of their own.
fn saved(of: &Judged) -> String {
    if of.savings.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "\nEvery customer has costs of their own, and is contacted if the probability is above their own threshold \
         (docs/campaign.md). Savings are relative to contacting nobody or everybody, whichever costs less.\n\n\
         | contestant | contacted | cost | savings |\n|---|---|---|---|\n",
    );
    for (name, savings) in &of.savings {
        let name = if name.is_empty() { OURS } else { name };
        let share = savings.savings.map_or("–".to_owned(), |share| number(share, false));
        let _ = writeln!(text, "| {name} | {} | {:.0} | {share} |", savings.contacted, savings.cost);
    }
    text
}

/// The audit, the cutoffs that were not judged, and the findings.
fn remarks(of: &Judged) -> String {
    let mut text = String::new();
    let Some(backtest) = &of.backtest else { return text };
    if let Some(audit) = &backtest.audit {
        let _ = writeln!(
            text,
            "\nAudit: after deleting all later events, {} feature values are the same bits.",
            audit.values_compared
        );
    }
    if !backtest.skipped.is_empty() {
        let each = |skipped: &SkippedCutoff| format!("{} ({})", skipped.cutoff, skipped.reason);
        let listed: Vec<String> = backtest.skipped.iter().map(each).collect();
        let _ = writeln!(text, "\nNot judged: {}.", listed.join("; "));
    }
    for finding in backtest.findings.iter().filter(|finding| finding.severity > Severity::Note) {
        let _ = writeln!(text, "\nFinding `{}`: {}", finding.code, finding.message);
    }
    text
}

/// The width and the height of a chart, and its margins.
const SIZE: (f64, f64) = (860.0, 300.0);
const LEFT: f64 = 52.0;
const RIGHT: f64 = 250.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 34.0;
/// Colours that people with colour-blindness can tell apart (Okabe and Ito).
const COLOURS: [&str; 8] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#888888", "#b8a200"];

/// The AUC at each cutoff or fold as a chart.
pub(super) fn chart(of: &Judged) -> String {
    let over_time = &of.over_time;
    let labels = |i: usize| match of.backtest.is_some() {
        true => over_time.cutoffs[i].cutoff.to_string(),
        false => format!("fold {}", i + 1),
    };
    let rows = &over_time.cutoffs;
    let mut series: Vec<(&str, Vec<f64>)> = vec![(OURS, rows.iter().map(|row| row.roc_auc).collect())];
    for other in &over_time.against {
        let of = |row: &churn::CutoffResult| match other.name.as_str() {
            "recency" => row.recency_auc.unwrap_or(f64::NAN),
            name => row.against.get(name).map_or(f64::NAN, |scores| scores.roc_auc),
        };
        series.push((&other.name, rows.iter().map(of).collect()));
    }
    let all = || series.iter().flat_map(|(_, values)| values.iter().copied()).filter(|value| value.is_finite());
    let low = (all().fold(1.0, f64::min) * 20.0).floor() / 20.0;
    let high = (all().fold(0.0, f64::max) * 20.0).ceil() / 20.0;
    let (width, height) = (SIZE.0 - LEFT - RIGHT, SIZE.1 - TOP - BOTTOM);
    let x = |i: usize| LEFT + width * if rows.len() > 1 { i as f64 / (rows.len() - 1) as f64 } else { 0.5 };
    let y = |value: f64| TOP + height * (high - value) / (high - low).max(1e-9);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>AUC at each cutoff or fold</title>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        SIZE.0, SIZE.1
    );
    let steps = ((high - low) / 0.05).round() as usize;
    for step in 0..=steps {
        let value = low + 0.05 * step as f64;
        let at = y(value);
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#444\">{value:.2}</text>",
            LEFT + width,
            LEFT - 8.0,
            at + 4.0
        );
    }
    for i in [0, rows.len() / 2, rows.len() - 1] {
        let anchor = if i == 0 { "start" } else { "middle" };
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" fill=\"#444\">{}</text>",
            x(i),
            SIZE.1 - 12.0,
            labels(i)
        );
    }
    // The first series is drawn last, on top of the others.
    for (number, (name, values)) in series.iter().enumerate().rev() {
        let colour = COLOURS[number % COLOURS.len()];
        let points: Vec<String> = values
            .iter()
            .enumerate()
            .filter(|(_, value)| value.is_finite())
            .map(|(i, &value)| format!("{:.1},{:.1}", x(i), y(value)))
            .collect();
        let thick = if number == 0 { 3.0 } else { 1.4 };
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{thick}\"/>",
            points.join(" ")
        );
        let at = TOP + 10.0 + 20.0 * number as f64;
        let from = LEFT + width + 16.0;
        let _ = writeln!(
            svg,
            "<path d=\"M{from:.0} {at:.0}h22\" stroke=\"{colour}\" stroke-width=\"{thick}\"/><text x=\"{:.0}\" y=\"{:.0}\" fill=\"#222\">{}</text>",
            from + 28.0,
            at + 4.0,
            escaped(name)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
