//! The section of the campaign: its expected profit by the share of customers contacted, and its contact list.

use super::charts::{Height, Plot};
use super::evidence::figure;
use super::words::{Escaped, count, counted, decimal, percent};
use super::{Money, ReportPage, table};
use crate::metrics::Point;
use crate::profit::{Campaign, Contact, ContactGroup};

impl ReportPage<'_> {
    pub(super) fn money(&self) -> String {
        let Some(Money { config, worth, curve, contacts }) = self.report.money else { return String::new() };
        let Campaign { incentive_cost, contact_cost, success_rate, .. } = config.campaign;
        let points: Vec<Point> = curve.points.iter().map(|point| (point.share, point.profit)).collect();
        let all = curve.points.last().map_or(0.0, |point| point.profit);
        let low = points.iter().fold(0.0, |low: f64, point| low.min(point.1));
        let high = points.iter().fold(low + 1e-9, |high: f64, point| high.max(point.1));
        let room = 0.06 * (high - low);
        let best = curve.best;
        let (headline, highlight) = match best.threshold {
            Some(_) => (
                format!(
                    "Contacting the {} most worth it is expected to earn {}; contacting everybody {}.",
                    percent(best.share),
                    decimal(best.profit, 0),
                    decimal(all, 0)
                ),
                Some(((best.share, best.profit), format!("best: {}", percent(best.share)))),
            ),
            None => ("At these costs contacting nobody is best.".to_owned(), None),
        };
        let chart = figure(
            "What a campaign is expected to earn",
            &Plot {
                summary: headline.clone(),
                x_label: "Customers contacted, most worth it first",
                y_label: "Expected profit",
                curve: &points,
                reference: [(0.0, 0.0), (1.0, 0.0)],
                dots: false,
                highlight,
                height: Height::Money(if low < 0.0 { low - room } else { 0.0 }, high + room),
            },
            &headline,
        );
        let budget = match config.budget {
            Some(budget) => format!("The budget of {} ", decimal(budget, 2)),
            None => "Without a budget the list ".to_owned(),
        };
        let list = format!(
            "{budget}contacts {}, which can cost at most {} and is expected to earn {}. {} of the list {} left alone, drawn at \
             random: only by comparing with them will you know what contacting has changed.",
            counted(contacts.contacts, "customer"),
            decimal(contacts.reserved_budget, 2),
            decimal(contacts.expected_profit, 0),
            counted(contacts.controls, "customer"),
            if contacts.controls == 1 { "is" } else { "are" }
        );
        let assumed = format!(
            "Assumed: a contact costs {}, the incentive {} to whoever takes it, and of those who would leave {} accept it and \
             stay. Whoever would have stayed takes it too. {}",
            decimal(contact_cost, 2),
            decimal(incentive_cost, 2),
            percent(success_rate),
            Escaped(worth)
        );
        format!(
            "<section>\n<h2>What to do about it</h2>\n<p class=\"quiet\">{assumed}</p>\n<div class=\"pair\">\n{chart}<div class=\"card\">\n\
             <h3>Whom to contact first</h3>\n<p>{list}</p>\n{}</div>\n</div>\n</section>\n",
            first(&contacts.entries)
        )
    }
}

/// A table of the first customers of the contact list.
fn first(entries: &[Contact]) -> String {
    const MOST: usize = 8;
    let head = "<tr><th scope=\"col\">Customer</th><th scope=\"col\">Churn</th><th scope=\"col\">Worth</th>\
        <th scope=\"col\">Expected profit</th></tr>\n";
    let contacted = entries.iter().filter(|entry| entry.group == ContactGroup::Contact);
    let rows: String = contacted
        .take(MOST)
        .map(|entry| {
            format!(
                "<tr><th scope=\"row\" class=\"id\"><bdi>{}</bdi></th><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                Escaped(&entry.customer_id),
                percent(entry.churn_probability),
                decimal(entry.value, 2),
                decimal(entry.expected_profit, 2)
            )
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    table(&format!("The first of {} on the list", count(entries.len() as u64)), head, &rows, "")
}
