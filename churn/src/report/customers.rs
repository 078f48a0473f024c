//! The scored customers: the number in each risk band, and the customers with the highest risk.

use std::collections::HashMap;

use super::words::{Escaped, bound, count, counted, decimal, percent};
use super::{ReportPage, table};
use crate::coverage::Coverage;
use crate::day::Day;
use crate::events::Events;
use crate::explain::ListReasons;
use crate::labels::LabelConfig;
use crate::model::{Prediction, Predictions};
use crate::segments::Segment;

/// The last day and the number of a customer's events, and their total amount, or the amount per month of a subscription.
#[derive(Clone, Copy)]
pub(super) struct Past {
    events: Option<(Day, u64)>,
    amount: f64,
}

impl Past {
    /// The past of a subscription.
    #[cfg(feature = "subscriptions")]
    pub(super) fn of_amount(amount: f64) -> Self {
        Past { events: None, amount }
    }
}

/// Finds the past of a customer.
pub(super) type PastOf<'a> = dyn Fn(&str) -> Option<Past> + 'a;

/// A scored customer, with the past if it is known, and the likeliest cause of leaving if the model tells causes apart.
pub(super) struct ReportCustomer {
    prediction: Prediction,
    past: Option<Past>,
    cause: Option<(&'static str, f64)>,
}

/// The scored customers that the definition of churn covers.
pub(super) struct ReportCustomers {
    customers: Vec<ReportCustomer>,
    coverage: Coverage,
    active_within: Option<i32>,
    has_amounts: bool,
}

impl ReportCustomers {
    pub(super) fn new(predictions: &Predictions, past: &PastOf<'_>, labels: &LabelConfig) -> Self {
        let customers: Vec<ReportCustomer> = predictions
            .iter()
            .enumerate()
            .filter(|(_, prediction)| prediction.covered)
            .map(|(row, prediction)| ReportCustomer {
                past: past(&prediction.customer_id),
                cause: predictions.likeliest_cause(row),
                prediction,
            })
            .collect();
        let has_amounts = customers.iter().any(|customer| customer.past.is_some_and(|past| past.amount != 0.0));
        let coverage = predictions.coverage().unwrap_or_default();
        ReportCustomers { customers, coverage, active_within: labels.active_within_days, has_amounts }
    }

    pub(super) fn customers(&self) -> u64 {
        self.customers.len() as u64
    }

    pub(super) fn in_bands(&self, bands: &[Segment]) -> u64 {
        self.customers.iter().filter(|customer| bands.contains(&customer.prediction.risk_segment)).count() as u64
    }

    /// The expected number of churners: the sum of the probabilities.
    pub(super) fn expected(&self) -> f64 {
        self.customers.iter().map(|customer| customer.prediction.churn_probability).sum()
    }

    /// The first `most` customers by falling probability, then by falling total amount, then by id.
    fn riskiest(&self, most: usize) -> Vec<&ReportCustomer> {
        let amount = |customer: &ReportCustomer| customer.past.map_or(0.0, |past| past.amount);
        let mut order: Vec<&ReportCustomer> = self.customers.iter().collect();
        crate::order::sort_by(&mut order, |a, b| {
            (b.prediction.churn_probability.total_cmp(&a.prediction.churn_probability))
                .then_with(|| amount(b).total_cmp(&amount(a)))
                .then_with(|| a.prediction.customer_id.cmp(&b.prediction.customer_id))
        });
        order.truncate(most);
        order
    }
}

/// The pasts of the customers of a log by a day.
pub(super) fn pasts(events: &Events, as_of: Day) -> HashMap<&str, Past> {
    let mut pasts: HashMap<&str, Past> = HashMap::new();
    for (customer, day, amount, _) in events.iter().filter(|event| event.1 <= as_of) {
        let past = pasts.entry(customer).or_insert(Past { events: None, amount: 0.0 });
        past.events = Some(past.events.map_or((day, 1), |(last, events)| (last.max(day), events + 1)));
        past.amount += amount.unwrap_or(0.0);
    }
    pasts
}

impl ReportPage<'_> {
    /// The section of the risk bands: the scored customers in each, and the observed churn of the test customers in each.
    pub(super) fn segments(&self) -> String {
        let evaluation = self.evaluation;
        let today = self.today.as_ref();
        let mut rows = String::new();
        let mut bar = String::new();
        for row in &evaluation.segments {
            let name = row.segment.name();
            rows.push_str(&format!(
                "<tr><th scope=\"row\"><span class=\"band\"><i class=\"{name}\"></i>{name}</span></th><td class=\"nowrap wide\">{} to {}</td>",
                bound(row.from),
                bound(row.to)
            ));
            if let Some(today) = today {
                let customers = today.in_bands(&[row.segment]);
                let share = customers as f64 / today.customers().max(1) as f64;
                rows.push_str(&format!("<td>{}</td><td class=\"wide\">{}</td>", count(customers), percent(share)));
                if customers > 0 {
                    bar.push_str(&format!("<span class=\"{name}\" style=\"flex:{customers} 1 0\"></span>"));
                }
            }
            let rate = |value: Option<f64>| value.map_or("–".to_owned(), percent);
            rows.push_str(&format!(
                "<td class=\"gap wide\">{}</td><td>{}</td><td>{}</td></tr>\n",
                count(row.customers),
                rate(row.mean_probability),
                rate(row.observed_rate)
            ));
        }
        let (columns, total) = match today {
            Some(today) => (
                "<th scope=\"col\">Customers today</th><th scope=\"col\" class=\"wide\">Share</th>",
                format!("<td>{}</td><td class=\"wide\"></td>", count(today.customers())),
            ),
            None => ("", String::new()),
        };
        let head = format!(
            "<tr><th scope=\"col\">Risk</th><th scope=\"col\" class=\"wide\">Probability</th>{columns}\
             <th scope=\"col\" class=\"gap wide\">Customers in the test</th><th scope=\"col\">Predicted</th>\
             <th scope=\"col\">Observed</th></tr>\n"
        );
        let foot = format!(
            "<tr><th scope=\"row\">All</th><td class=\"wide\"></td>{total}<td class=\"gap wide\">{}</td><td>{}</td><td>{}</td></tr>\n",
            count(evaluation.metrics.n),
            percent(self.mean_predicted()),
            percent(evaluation.metrics.base_rate)
        );
        let silent = today.map_or(String::new(), ReportCustomers::silent_note);
        let stack = match bar.is_empty() {
            true => String::new(),
            false => format!("<div class=\"stack\" aria-hidden=\"true\">{bar}</div>\n"),
        };
        format!(
            "<section class=\"card\">\n<h2>Risk segments</h2>\n<p class=\"hint\">Observed churn should lie inside the band, near the \
             mean predicted probability: it is what really happened to the customers of the test.{silent}</p>\n{stack}{}</section>\n",
            table("Customers by risk segment, with the churn observed in the test", &head, &rows, &foot)
        )
    }

    /// The section of the customers whose risk rose most.
    pub(super) fn slipping(&self) -> String {
        const MOST: usize = 10;
        let Some(list) = self.report.slipping.filter(|list| !list.customers.is_empty()) else { return String::new() };
        let has_values = list.customers.iter().any(|customer| customer.value_at_risk.is_some());
        let mut head =
            "<tr><th scope=\"col\">Customer</th><th scope=\"col\">Risk then</th><th scope=\"col\">Risk now</th>"
                .to_owned();
        if has_values {
            head.push_str("<th scope=\"col\">Value at risk</th>");
        }
        head.push_str("</tr>\n");
        let columns = head.matches("<th").count();
        let mut rows = String::new();
        for customer in list.customers.iter().take(MOST) {
            rows.push_str(&format!(
                "<tr><th scope=\"row\" class=\"id\"><bdi>{}</bdi></th><td>{}</td><td>{}</td>",
                Escaped(&customer.customer_id),
                percent(customer.probability_before),
                percent(customer.churn_probability)
            ));
            if has_values {
                rows.push_str(&format!("<td>{}</td>", decimal(customer.value_at_risk.unwrap_or(f64::NAN), 2)));
            }
            rows.push_str("</tr>\n");
            let changes: String =
                customer.changes.iter().map(|change| format!("<li>{}</li>\n", Escaped(change))).collect();
            if !changes.is_empty() {
                rows.push_str(&format!("<tr class=\"why\"><td colspan=\"{columns}\"><ul>\n{changes}</ul></td></tr>\n"));
            }
        }
        let worth = match (has_values, self.is_on_subscriptions()) {
            (false, _) => "",
            (true, true) => " Value at risk is the amount of a year times the risk now.",
            (true, false) => " Value at risk is the amount of the last 365 days times the risk now.",
        };
        let title = format!("The risk that rose most from {} to {}", list.before, list.as_of);
        format!(
            "<section class=\"card\">\n<h2>Slipping away</h2>\n<p class=\"hint\">{title}, and below each customer what \
             changed.{worth}</p>\n{}</section>\n",
            table(&title, &head, &rows, "")
        )
    }

    /// The section of the ten customers with the highest risk.
    pub(super) fn riskiest(&self) -> String {
        const MOST: usize = 10;
        let Some(today) = &self.today else { return String::new() };
        let known = today.customers.iter().any(|customer| customer.past.is_some_and(|past| past.events.is_some()));
        let subscribed = self.is_on_subscriptions();
        let has_causes = subscribed && today.customers.iter().any(|customer| customer.cause.is_some());
        let mut head = "<tr><th scope=\"col\">Customer</th><th scope=\"col\">Probability of churn</th><th scope=\"col\" class=\"left\">Risk</th>".to_owned();
        if known {
            head.push_str(
                "<th scope=\"col\" class=\"wide\">Last active</th><th scope=\"col\" class=\"wide\">Events</th>",
            );
        }
        if has_causes {
            head.push_str("<th scope=\"col\" class=\"left wide\">Likeliest cause</th>");
        }
        if today.has_amounts {
            let name = if subscribed { "Amount per month" } else { "Total amount" };
            head.push_str(&format!("<th scope=\"col\">{name}</th>"));
        }
        head.push_str("</tr>\n");
        let columns = head.matches("<th").count();
        let mut rows = String::new();
        let riskiest = today.riskiest(MOST);
        let reasons = self.reasons(&riskiest);
        let shared = reasons.as_ref().and_then(|reasons| reasons.shared.as_ref());
        let shared = shared.map_or(String::new(), |shared| {
            let item = reason_item(shared.raises_risk, &shared.text);
            format!("<p class=\"shared\">Shared by most:</p>\n<ul class=\"shared\">\n{item}</ul>\n")
        });
        for (i, ReportCustomer { prediction, past, cause }) in riskiest.into_iter().enumerate() {
            let band = prediction.risk_segment.name();
            rows.push_str(&format!(
                "<tr><th scope=\"row\" class=\"id\"><bdi>{}</bdi></th><td>{}</td>\
                 <td class=\"left\"><span class=\"band\"><i class=\"{band}\"></i>{band}</span></td>",
                Escaped(&prediction.customer_id),
                percent(prediction.churn_probability)
            ));
            if known {
                let (last, events) = past
                    .and_then(|past| past.events)
                    .map_or(("–".to_owned(), "–".to_owned()), |(last, events)| (last.to_string(), count(events)));
                rows.push_str(&format!("<td class=\"nowrap wide\">{last}</td><td class=\"wide\">{events}</td>"));
            }
            if has_causes {
                let cause = cause.map_or("–".to_owned(), |(name, p)| format!("{name}, {}", percent(p)));
                rows.push_str(&format!("<td class=\"left wide\">{cause}</td>"));
            }
            if today.has_amounts {
                rows.push_str(&format!("<td>{}</td>", decimal(past.map_or(f64::NAN, |past| past.amount), 2)));
            }
            rows.push_str("</tr>\n");
            let own = reasons.as_ref().map_or(&[][..], |reasons| &reasons.rows[i]);
            if !own.is_empty() {
                let items: String = own.iter().map(|reason| reason_item(reason.raises_risk, &reason.text)).collect();
                rows.push_str(&format!("<tr class=\"why\"><td colspan=\"{columns}\"><ul>\n{items}</ul></td></tr>\n"));
            }
        }
        let title =
            format!("The first {} of {}", today.customers().min(MOST as u64), counted(today.customers(), "customer"));
        let ties = match (today.has_amounts, subscribed) {
            (false, _) => "",
            (true, false) => "; among equals those who have spent most come first",
            (true, true) => "; among equals those who pay most come first",
        };
        let why = match reasons {
            Some(_) => {
                " Below each, what moves the risk most: <span class=\"up\">▲</span> raises it, <span class=\"down\">▼</span> lowers it. \
                 The facts are the customer's own; that they lead to churn is what the model has learned, not what is proven."
            }
            None => "",
        };
        format!(
            "<section class=\"card\">\n<h2>At the greatest risk</h2>\n<p class=\"hint\">{title} by probability{ties}.{why}</p>\n{shared}{}</section>\n",
            table(&title, &head, &rows, "")
        )
    }

    /// The reasons of these customers; none without features of this model.
    fn reasons(&self, customers: &[&ReportCustomer]) -> Option<ListReasons> {
        let (features, config) = self.report.reasons?;
        let places: HashMap<&str, usize> = features.customer_ids().enumerate().map(|(row, id)| (id, row)).collect();
        let rows: Option<Vec<usize>> =
            customers.iter().map(|customer| places.get(customer.prediction.customer_id.as_str()).copied()).collect();
        let explanation = self.report.model.explain_with(&features.select(&rows?), config).ok()?;
        let all: Vec<usize> = (0..customers.len()).collect();
        Some(explanation.list_reasons(&all))
    }
}

/// A reason as an item of a list.
fn reason_item(raises_risk: bool, text: &str) -> String {
    let (class, mark) = if raises_risk { ("up", "▲") } else { ("down", "▼") };
    format!("<li><span class=\"{class}\" aria-hidden=\"true\">{mark}</span>{}</li>\n", Escaped(text))
}

impl ReportCustomers {
    fn silent_note(&self) -> String {
        let Coverage { inactive, not_active, already_cancelled, not_due, .. } = self.coverage;
        let mut others = Vec::new();
        if let (1.., Some(days)) = (inactive, self.active_within) {
            others.push(format!(
                "{} without an event in the {} before that day, whom the model knows nothing about",
                counted(inactive, "customer"),
                counted(days.unsigned_abs().into(), "day")
            ));
        }
        let mut other = |customers: u64, words: &str| {
            if customers > 0 {
                others.push(format!("{} {words}", counted(customers, "customer")));
            }
        };
        // A build without subscriptions is spared their words.
        if cfg!(feature = "subscriptions") {
            other(already_cancelled, "who cancelled already");
            other(not_active, "without a running subscription");
            other(not_due, "whose renewal is not due");
        }
        if others.is_empty() { String::new() } else { format!(" Not counted: {}.", others.join(", ")) }
    }
}
