//! The summary in text: the most important results. The report has more.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use churn::{
    Day, Detected, Estimate, Evaluation, EventUnit, Events, Finding, Found, IngestReport, Json, LabelConfig, Metrics,
    Model, OverTime, Predictions, Protocol, Suggestion,
};

use crate::options::{assignment, in_options};

/// The form of the file, as far as it differs from the standard one.
pub(crate) fn found(detected: &Detected) -> String {
    let mut text = String::new();
    if let Some(export) = &detected.export {
        let _ = writeln!(text, "The columns are those of {export}.");
    }
    if !detected.found.is_empty() {
        text.push_str("Found in the file (an option changes it, --no-detect leaves it out)\n");
    }
    for Found { option, value, reason } in &detected.found {
        let setting = option.strip_prefix("columns.").unwrap_or(option);
        let values: &[Json] = if let Json::List(values) = value { values } else { std::slice::from_ref(value) };
        let options: Vec<String> = values.iter().filter_map(|value| assignment(setting, value)).collect();
        let _ = writeln!(text, "  {:<36} {reason}", options.join(" "));
    }
    for doubt in &detected.doubts {
        let _ = writeln!(text, "  Note: {doubt}");
    }
    text
}

/// The log that was read.
pub(crate) fn read(events: &Events, source: &str) -> String {
    let mut text = format!("Read {source}\n");
    text.push_str(&rows(events.report(), "that are no events or have no customer"));
    line(&mut text, "events", &one_event(events));
    line(&mut text, "customers", &count(events.customers() as u64));
    line(&mut text, "days", &format!("{} to {}", events.first_day(), events.last_day()));
    let types: Vec<&str> = events.event_types().take(8).collect();
    if !types.is_empty() {
        let more = if events.event_types().nth(8).is_some() { ", …" } else { "" };
        line(&mut text, "event types", &format!("{}{more}", types.join(", ")));
    }
    text
}

/// The rows of a file, and the first bad ones. `ignored` says what the ignored rows are.
pub(crate) fn rows(report: &IngestReport, ignored: &str) -> String {
    let mut text = String::new();
    let bad = if report.bad > 0 { format!(", {} left out", count(report.bad)) } else { String::new() };
    let ignored = match report.ignored {
        0 => String::new(),
        rows => format!(", {} {ignored}", count(rows)),
    };
    line(&mut text, "rows", &format!("{}{bad}{ignored}", count(report.rows)));
    for row in report.bad_rows.iter().take(5) {
        line(&mut text, "", &format!("line {}: {}", row.line, row.message));
    }
    text
}

/// The number of events, and what one of them is.
fn one_event(events: &Events) -> String {
    let unit = match events.unit() {
        EventUnit::Row => "a row each",
        EventUnit::Order => "the rows of an order, day and kind each",
        EventUnit::Day => "the rows of a customer, day and kind each",
    };
    let sharing = match events.report().rows_sharing_day {
        Some(rows @ 1..) if events.unit() == EventUnit::Row => {
            format!("; {} rows share their customer, day and kind with another", count(rows))
        }
        _ => String::new(),
    };
    format!("{}, {unit}{sharing}", count(events.len() as u64))
}

/// The definition of churn, the evaluation and what the model pays attention to.
pub(crate) fn model(model: &Model) -> String {
    findings(model.findings().unwrap_or_default()) + &judged(model)
}

/// [`model`] without the findings.
pub(crate) fn judged(model: &Model) -> String {
    let mut text = format!("\nChurn: {}\n", model.definition());
    let Some(evaluation) = model.evaluation() else {
        text.push_str("Not evaluated.\n");
        return text;
    };
    let (n, learned) = (count(evaluation.metrics.n), count(evaluation.train_rows));
    match (evaluation.protocol, evaluation.test_cutoff) {
        (Protocol::OutOfTime, Some(cutoff)) => {
            let _ = writeln!(
                text,
                "Judged: out of time, at {cutoff} on {n} customers, learned from {learned} rows before."
            );
        }
        _ => {
            let _ = writeln!(text, "Judged: on {n} customers held out, learned from {learned} rows of the others.");
        }
    }
    if !evaluation.candidates.is_empty() {
        text.push_str("\nTried (log-loss on unseen rows, the first was chosen)\n");
    }
    for candidate in &evaluation.candidates {
        let recipe = format!("{}, {}", candidate.model.name(), candidate.details());
        let judged = candidate
            .log_loss
            .map_or_else(|| candidate.failure.clone().unwrap_or_default(), |loss| format!("{loss:.4}"));
        let seconds = candidate.seconds.map_or(String::new(), |seconds| format!("{seconds:>8.1} s"));
        let _ = writeln!(text, "  {recipe:<56} {judged}{seconds}");
    }
    text.push_str(&metrics_table(model, evaluation));
    text.push_str("\nMost important features (log-loss added by shuffling)\n");
    for row in evaluation.importance.iter().filter(|row| row.log_loss_increase > 0.0).take(6) {
        let _ = writeln!(text, "  {:<28} {:>8.4}", row.feature, row.log_loss_increase);
    }
    if let Some(audit) = model.audit() {
        let _ = writeln!(
            text,
            "\nAudit: the future was deleted and every feature recomputed: {} values compared, identical bits.",
            count(audit.values_compared)
        );
    }
    text
}

/// The findings, a paragraph each.
pub(crate) fn findings(findings: &[Finding]) -> String {
    let paragraph = |finding: &Finding| {
        format!("\n{}  {} [{}]\n", finding.severity.name().to_uppercase(), in_options(&finding.message), finding.code)
    };
    findings.iter().map(paragraph).collect()
}

/// The settings proposed from the pauses, where they differ from those in use.
pub(crate) fn proposal(proposed: &Suggestion, labels: &LabelConfig) -> String {
    let share = |days: i32| {
        let row = proposed.shares.iter().find(|row| row.horizon_days == days);
        row.map_or(String::new(), |row| format!(" ({} of the pauses end within it)", percent(row.share)))
    };
    let mut text = String::new();
    let horizon = proposed.horizon_days;
    if horizon != labels.horizon_days {
        line(
            &mut text,
            "proposed",
            &format!(
                "--horizon-days {horizon}{}, in use: {}{}",
                share(horizon),
                labels.horizon_days,
                share(labels.horizon_days)
            ),
        );
    }
    text
}

fn metrics_table(model: &Model, evaluation: &Evaluation) -> String {
    let mut text = format!(
        "\n  {:<28} {:>7} {:>7} {:>8} {:>8} {:>8} {:>8}\n",
        "", "AUC", "PR-AUC", "lift10%", "logloss", "Brier", "ECE"
    );
    let mut row = |name: &str, m: &Metrics| {
        let _ = writeln!(
            text,
            "  {name:<28} {:>7.3} {:>7.3} {:>8.2} {:>8.4} {:>8.4} {:>8.4}",
            m.roc_auc, m.pr_auc, m.lift_10, m.log_loss, m.brier, m.ece
        );
    };
    row(model.kind().name(), &evaluation.metrics);
    if let Some(logistic) = evaluation.logistic_regression.as_ref().filter(|other| **other != evaluation.metrics) {
        row("logistic_regression, default", logistic);
    }
    if let Some(auc) = evaluation.recency_auc {
        let _ = writeln!(text, "  {:<28} {auc:>7.3}", "recency alone");
    }
    let _ = writeln!(text, "  base rate {}", percent(evaluation.metrics.base_rate));
    if let Some(over_time) = &evaluation.over_time {
        text.push_str(&certainty(over_time));
    }
    text
}

/// The AUC with its interval, and its difference to recency.
fn certainty(over_time: &OverTime) -> String {
    let of = |auc: &Estimate| format!("{:.3} (95 % interval {:.3} to {:.3})", auc.mean, auc.low, auc.high);
    let judged = match over_time.cutoffs.len() {
        0 => "on the customers held out".to_owned(),
        1 => "at this cutoff".to_owned(),
        cutoffs => format!("as a mean over {cutoffs} cutoffs"),
    };
    let mut text = format!("  AUC {judged}: {}\n", of(&over_time.roc_auc));
    if let Some(recency) = over_time.against.iter().find(|other| other.name == "recency") {
        let _ = writeln!(text, "  above that of recency by {}", of(&recency.roc_auc));
    }
    text
}

/// The bands: the covered customers of today, and what was observed in the test.
pub(crate) fn segments(model: &Model, predictions: &Predictions, as_of: Day) -> String {
    let mut counts = [0u64; 4];
    predictions.risk_segments().for_each(|segment| counts[segment as usize] += 1);
    let total: u64 = counts.iter().sum();
    let mut text = format!(
        "\n  {:<10} {:>14} {:>10} {:>8}   {:>10} {:>10} {:>10}\n",
        format!("{as_of}"),
        "probability",
        "customers",
        "share",
        "in test",
        "predicted",
        "observed"
    );
    for (row, &customers) in model.evaluation().map_or(&[][..], |evaluation| &evaluation.segments).iter().zip(&counts) {
        let rate = |value: Option<f64>| value.map_or("–".to_owned(), percent);
        let _ = writeln!(
            text,
            "  {:<10} {:>14} {:>10} {:>8}   {:>10} {:>10} {:>10}",
            row.segment.name(),
            format!("{:.2} to {:.2}", row.from, row.to),
            count(customers),
            percent(customers as f64 / total.max(1) as f64),
            count(row.customers),
            rate(row.mean_probability),
            rate(row.observed_rate)
        );
    }
    if let (Some(coverage), Some(days)) = (predictions.coverage(), model.labels().active_within_days)
        && coverage.inactive > 0
    {
        let _ = writeln!(
            text,
            "  Not scored: {} customers without an event in the last {days} days; the model knows nothing about them.",
            count(coverage.inactive)
        );
    }
    text
}

/// The files that were written, and the time that the run took.
pub(crate) fn files(written: &[(PathBuf, u64)], elapsed: Duration) -> String {
    let mut text = String::from("\nWritten\n");
    for (path, bytes) in written {
        let _ = writeln!(text, "  {:<48} {:>10}", path.display().to_string(), size(*bytes));
    }
    let _ = writeln!(text, "\nDone in {:.1} s.", elapsed.as_secs_f64());
    text
}

pub(crate) fn line(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "  {name:<12} {value}");
}

pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn size(bytes: u64) -> String {
    match bytes {
        ..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

/// 12345.6 → `12,346`, 12.345 → `12.35`.
pub(crate) fn amount(value: f64) -> String {
    if value.abs() < 1000.0 {
        return format!("{value:.2}");
    }
    let sign = if value < 0.0 { "-" } else { "" };
    format!("{sign}{}", count(value.abs().round() as u64))
}

/// 1234567 → `1,234,567`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or("")).collect();
    groups.join(",")
}
