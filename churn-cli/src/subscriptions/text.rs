//! The results in text.

use std::fmt::Write as _;

use churn::{CustomerBase, Movement, Predictions, Retention, Subscriptions, SurvivalPoint};

use super::customers::{Risk, Riskiest};
use crate::summary::{self, amount, count, line, percent};

/// Months that are printed; the file has all of them.
const MONTHS: usize = 12;

/// The periods that were read.
pub(super) fn read(subscriptions: &Subscriptions, source: &str) -> String {
    let report = subscriptions.report();
    let mut text = format!("Read {source}\n");
    text.push_str(&summary::rows(report, "that are no periods"));
    if report.outside > 0 {
        line(&mut text, "", &format!("{} start after the last day", count(report.outside)));
    }
    line(&mut text, "periods", &count(subscriptions.len() as u64));
    line(&mut text, "customers", &count(subscriptions.customers() as u64));
    line(&mut text, "days", &format!("{} to {}", subscriptions.first_day(), subscriptions.last_day()));
    text
}

/// The customers by their status.
pub(super) fn base(base: &CustomerBase) -> String {
    let CustomerBase { active, already_cancelled, not_active, active_amount, already_cancelled_amount, .. } = *base;
    let paying = |sum: f64| if sum > 0.0 { format!("{} a month", amount(sum)) } else { String::new() };
    let rows = [
        ("active", active, paying(active_amount)),
        ("already cancelled", already_cancelled, paying(already_cancelled_amount)),
        ("not active", not_active, String::new()),
    ];
    let rows = rows.map(|(name, customers, paying)| vec![name.to_owned(), count(customers), paying]);
    format!("\nCustomers on {}\n{}", base.as_of, table(&rows))
}

/// The movements of the last months: customers, and amounts if there are any.
pub(super) fn movements(months: &[Movement], has_amounts: bool, allowed_gap_days: i32) -> String {
    if months.is_empty() {
        return "\nNo movements: the data covers no month to its end.\n".to_owned();
    }
    let shown = &months[months.len().saturating_sub(MONTHS)..];
    let name = |month: &Movement| {
        let mark = if month.provisional { "*" } else { " " };
        format!("{}{mark}", &month.month.to_string()[..7])
    };
    let rate = |rate: Option<f64>| rate.map_or("–".to_owned(), percent);
    let mut text = format!("\nCustomers by month{}\n", if shown.len() < months.len() { ", the last 12" } else { "" });
    let mut rows = vec![words(["month", "start", "new", "reactivated", "churned", "end", "churn rate"])];
    rows.extend(shown.iter().map(|month| {
        let customers = &month.customers;
        let mut row = vec![name(month)];
        let counts = [customers.start, customers.new, customers.reactivation, customers.churn, customers.end];
        row.extend(counts.map(|customers| count(customers as u64)));
        row.push(rate(month.customer_churn_rate));
        row
    }));
    text.push_str(&table(&rows));
    if has_amounts {
        let of = |month: &Movement| {
            let amounts = &month.amounts;
            let kept = [amounts.expansion, amounts.reactivation, amounts.contraction];
            [amounts.start, amounts.new, kept[0], kept[1], kept[2], amounts.churn, amounts.end]
        };
        let largest = shown.iter().flat_map(of).fold(0.0, f64::max);
        // One form in all rows: whole amounts, or those with hundredths.
        let money = |value: f64| if largest < 1000.0 { format!("{value:.2}") } else { count(value.round() as u64) };
        text.push_str("\nAmounts per month\n");
        let mut rows = vec![words([
            "month",
            "start",
            "new",
            "expansion",
            "reactivated",
            "contraction",
            "churned",
            "end",
            "gross ret.",
            "net ret.",
        ])];
        rows.extend(shown.iter().map(|month| {
            let mut row = vec![name(month)];
            row.extend(of(month).map(money));
            row.extend([rate(month.gross_retention), rate(month.net_retention)]);
            row
        }));
        text.push_str(&table(&rows));
    }
    if shown.iter().any(|month| month.provisional) {
        let _ = writeln!(
            text,
            "  * provisional: those who are missing may still come back within {allowed_gap_days} days, which is no churn."
        );
    }
    text
}

/// The share of spells that last longer than some numbers of days.
pub(super) fn retention(all: &[Retention], subscriptions: &Subscriptions, allowed_gap_days: i32) -> String {
    let until = subscriptions.last_day().plus(-allowed_gap_days);
    let Some(all) = all.first() else {
        return format!(
            "\nNo retention: no spell begins by {until}, {allowed_gap_days} days before the end of the data.\n"
        );
    };
    let mut rows = vec![words(["longer than", "share", "95 % interval"])];
    rows.extend([30, 90, 180, 365].map(|days| {
        let (share, interval) = match all.at(f64::from(days)) {
            None => ("–".to_owned(), "nobody was seen for so long".to_owned()),
            Some(None) => (percent(1.0), "–".to_owned()),
            Some(Some(SurvivalPoint { survival, low: Some(low), high: Some(high), .. })) => {
                (percent(*survival), format!("{} to {}", percent(*low), percent(*high)))
            }
            Some(Some(point)) => (percent(point.survival), "–".to_owned()),
        };
        vec![format!("{days} days"), share, interval]
    }));
    format!(
        "\nRetention: the share of {} spells that last longer (a spell is a customer's time without a break)\n{}",
        count(all.spells),
        table(&rows)
    )
}

/// The customers at the greatest risk, each with the causes and with what raises the risk most.
pub(super) fn riskiest(riskiest: &Riskiest, risks: &[Risk]) -> String {
    let mut text = String::from("\nActive customers at the greatest risk, and why\n");
    if let Some(shared) = &riskiest.shared {
        let _ = writeln!(text, "  Most of them have one reason in common: {shared}");
    }
    for (row, reasons) in &riskiest.rows {
        let Risk { customer_id, churn_probability, causes, amount: paid, .. } = &risks[*row];
        let mut facts: Vec<String> =
            causes.iter().map(|(cause, p)| format!("{} {}", cause.name(), percent(*p))).collect();
        facts.extend(paid.map(|paid| format!("{} a month", amount(paid))));
        let mut line = |name: &str, risk: &str, why: &str| {
            let _ = writeln!(text, "  {name:<16} {risk:>8}   {why}");
        };
        let mut reasons = reasons.iter().take(2).map(String::as_str);
        let first = match facts.is_empty() {
            true => reasons.next().unwrap_or("nothing else that raises it").to_owned(),
            false => facts.join(", "),
        };
        line(customer_id, &percent(*churn_probability), &first);
        reasons.for_each(|reason| line("", "", reason));
    }
    text
}

/// The number of customers for dunning, if the model tells the causes apart.
pub(super) fn dunning_count(predictions: &Predictions) -> String {
    predictions.dunning().map_or(String::new(), |rows| {
        format!(
            "\nOf the active customers, {} are more likely to be lost by a failed payment than by a cancellation.\n",
            count(rows.len() as u64)
        )
    })
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

/// Aligned columns: the first to the left, the others to the right.
fn table(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut shown = String::new();
        for (i, (field, &width)) in row.iter().zip(&widths).enumerate() {
            let _ = match i {
                0 => write!(shown, "  {field:<width$}"),
                _ => write!(shown, "   {field:>width$}"),
            };
        }
        let _ = writeln!(text, "{}", shown.trim_end());
    }
    text
}
