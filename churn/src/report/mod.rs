//! The report: one HTML page with the customers at risk, the evaluation of the model, and the data behind both.
//!
//! The page is self-contained: styles and charts are inline. It loads nothing and runs no script, and its content security
//! policy forbids both. It has styles for print, small screens and dark mode. All text from the data is escaped.
//!
//! ```
//! # use churn::*;
//! # let csv: String = std::iter::once("customer_id,event_date\n".to_owned()).chain((0..2000).map(|i| {
//! #     let (c, k) = (i % 200, i / 200);
//! #     format!("c{c:03},{}\n", Day::new(19_700 + (c * 7 + k * (2 + c % 40)) % 360).unwrap())
//! # })).collect();
//! use churn::report::Report;
//! # let events = Events::from_csv(csv.as_bytes(), &ReadOptions::default())?;
//! let model = train(&events, &TrainConfig::default())?;
//! let features = model.features(&events, None)?;
//! let predictions = model.predict_features(&features)?;
//! let words = ExplainConfig::default();
//! let mut report = Report::new("Churn report", &model);
//! report.source = Some("transactions.csv");
//! report.events = Some(&events);
//! report.predictions = Some(&predictions);
//! report.reasons = Some((&features, &words));
//! let html = report.to_html()?;
//! assert!(html.starts_with("<!doctype html>") && html.contains("transactions.csv"));
//! # Ok::<(), churn::Error>(())
//! ```

mod charts;
mod customers;
mod day_charts;
mod drawing;
mod evidence;
mod money;
mod over_time;
mod standard;
#[cfg(feature = "subscriptions")]
mod subscriptions;
mod words;

use customers::{PastOf, ReportCustomers, pasts};
use day_charts::share;
use over_time::{basis, interval};
pub use standard::ReportConfig;
#[cfg(feature = "subscriptions")]
use subscriptions::ReportBase;
use words::{Escaped, bound, count, counted, decimal, kind_name, percent, whole_percent};

use crate::day::Day;
use crate::error::{Result, invalid_parameter};
use crate::events::Events;
use crate::explain::ExplainConfig;
use crate::features::FeatureTable;
use crate::findings::Severity;
use crate::labels::LabelKind;
use crate::model::{Evaluation, Model, ModelKind, Predictions, Protocol};
use crate::profit::{ContactConfig, ContactList, ProfitCurve};
use crate::segments::Segment;
use crate::slipping::SlippingList;
#[cfg(feature = "subscriptions")]
use crate::subscriptions::Subscriptions;

/// The content of a report, for those who choose it; [`Model::report`] makes the usual one. Only the model is required. Without
/// predictions the page is about the model alone; without events it says nothing about the log.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Report<'a> {
    /// The title, which is the first line of the page.
    pub title: &'a str,
    /// The model.
    pub model: &'a Model,
    /// The source of the data, such as the name of a file.
    pub source: Option<&'a str>,
    /// The log that was read, for its ingest report and the last activity of its customers.
    pub events: Option<&'a Events>,
    /// The subscriptions, for the status of the customers, the movements by month and the retention curves.
    #[cfg(feature = "subscriptions")]
    pub subscriptions: Option<&'a Subscriptions>,
    /// The predictions of the customers to show.
    pub predictions: Option<&'a Predictions>,
    /// The features that the predictions were made from, and the settings of explanations. With them, the customers with the
    /// highest risk are shown with reasons. Features of another model give no reasons.
    pub reasons: Option<(&'a FeatureTable, &'a ExplainConfig)>,
    /// The customers whose risk rose most lately ([`Model::slipping_away`]). They are shown first.
    pub slipping: Option<&'a SlippingList>,
    /// A retention campaign for the scored customers.
    pub money: Option<Money<'a>>,
}

/// A retention campaign: its costs, its expected profit by the share of customers contacted, and its contact list.
#[derive(Clone, Copy, Debug)]
pub struct Money<'a> {
    /// Costs and budget.
    pub config: &'a ContactConfig,
    /// A sentence on the assumed value of a customer who stays.
    pub worth: &'a str,
    /// The result of [`expected_curve`](crate::profit::expected_curve).
    pub curve: &'a ProfitCurve,
    /// The result of [`contact_list`](crate::profit::contact_list).
    pub contacts: &'a ContactList,
}

/// The data that the sections need, computed once.
struct ReportPage<'a> {
    report: Report<'a>,
    evaluation: &'a Evaluation,
    today: Option<ReportCustomers>,
    #[cfg(feature = "subscriptions")]
    base: Option<ReportBase>,
}

impl<'a> Report<'a> {
    /// Creates a report on a model, without optional content.
    pub fn new(title: &'a str, model: &'a Model) -> Self {
        Report {
            title,
            model,
            source: None,
            events: None,
            #[cfg(feature = "subscriptions")]
            subscriptions: None,
            predictions: None,
            reasons: None,
            slipping: None,
            money: None,
        }
    }

    /// Renders the page.
    ///
    /// # Errors
    /// `invalid_parameter` for a model that was trained without an evaluation: the page could not say how far to believe it.
    pub fn to_html(&self) -> Result<String> {
        let evaluation = evaluation_of(self.model)?;
        let as_of = self.predictions.and_then(Predictions::as_of);
        #[cfg(feature = "subscriptions")]
        let base = self.subscriptions.and_then(|found| ReportBase::new(found, as_of, self.model.labels()));
        let past: Box<PastOf<'_>> = match (self.events, as_of) {
            #[cfg(feature = "subscriptions")]
            _ if base.is_some() => Box::new(|id| Some(customers::Past::of_amount(base.as_ref()?.base.amount(id)?))),
            (Some(events), Some(as_of)) => {
                let pasts = pasts(events, as_of);
                Box::new(move |id| pasts.get(id).copied())
            }
            _ => Box::new(|_| None),
        };
        let today = self.predictions.map(|predictions| ReportCustomers::new(predictions, &past, self.model.labels()));
        drop(past);
        let page = ReportPage {
            report: *self,
            evaluation,
            today,
            #[cfg(feature = "subscriptions")]
            base,
        };
        Ok(page.html())
    }
}

/// The evaluation of a model, without which there is no report.
fn evaluation_of(model: &Model) -> Result<&Evaluation> {
    let expected = "a model with an evaluation: train with evaluation = true";
    model.evaluation().ok_or_else(|| invalid_parameter("model", "a model without one", expected))
}

impl ReportPage<'_> {
    fn html(&self) -> String {
        let main = [
            self.tiles(),
            self.definition(),
            self.slipping(),
            self.segments(),
            self.riskiest(),
            self.money(),
            #[cfg(feature = "subscriptions")]
            self.subscriptions(),
            self.belief(),
            self.curves(),
            self.importance(),
            self.comparison(),
            self.read(),
            self.audit(),
        ];
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n\
             {}<main>\n{}</main>\n{}</body>\n</html>\n",
            Escaped(self.report.title),
            include_str!("style.css"),
            self.header(),
            main.concat(),
            self.footer(),
        )
    }

    fn header(&self) -> String {
        let (headline, lede) = self.headline();
        let mut eyebrow = vec![Escaped(self.report.title).to_string()];
        eyebrow.extend(self.report.source.map(|source| Escaped(source).to_string()));
        eyebrow.extend(self.as_of().map(|day| format!("<span class=\"nowrap\">as of {day}</span>")));
        let warnings = self.warnings();
        let warnings = match warnings.is_empty() {
            true => String::new(),
            false => {
                let items: String = warnings.iter().map(|warning| format!("<p>{}</p>\n", Escaped(warning))).collect();
                format!("<div class=\"warning\" role=\"note\">\n<h2>Read this first</h2>\n{items}</div>\n")
            }
        };
        format!(
            "<header>\n<p class=\"eyebrow\">{}</p>\n<h1>{headline}</h1>\n<p class=\"lede\">{lede}</p>\n{warnings}</header>\n",
            eyebrow.join(" · ")
        )
    }

    /// The messages of the findings of training and of the scored data.
    fn warnings(&self) -> Vec<&str> {
        let mut warnings: Vec<&str> = self.report.model.warnings().iter().map(String::as_str).collect();
        let scored = self.report.predictions.map_or(&[][..], Predictions::findings);
        for finding in scored.iter().filter(|finding| finding.severity > Severity::Note) {
            if !warnings.contains(&finding.message.as_str()) {
                warnings.push(&finding.message);
            }
        }
        warnings
    }

    /// True for a model of subscriptions. A build without them is spared their words.
    fn is_on_subscriptions(&self) -> bool {
        cfg!(feature = "subscriptions") && self.report.model.labels().labels == LabelKind::SubscriptionEnd
    }

    fn as_of(&self) -> Option<Day> {
        self.report.predictions.and_then(Predictions::as_of)
    }

    /// The main message of the report in one sentence, and two sentences that qualify it.
    fn headline(&self) -> (String, String) {
        let metrics = &self.evaluation.metrics;
        let auc = self.found_over_time().map_or(metrics.roc_auc, |found| share(found.roc_auc.mean));
        let Some(today) = &self.today else {
            let headline = format!(
                "Whenever the model takes one customer who churned and one who stayed, it gives the higher risk to the right one \
                 {} times in 100.",
                decimal(100.0 * auc, 0)
            );
            let lede = match self.found_over_time() {
                Some(found) => format!(
                    "That is measured on customers it had not seen, {}: {} churned. The 95 % interval is {} times.",
                    basis(found),
                    percent(share(found.base_rate.mean)),
                    interval(&found.roc_auc, |auc| decimal(100.0 * share(auc), 0))
                ),
                None => format!(
                    "That is measured on {} it had not seen, of whom {} churned.",
                    counted(metrics.n, "customer"),
                    percent(metrics.base_rate)
                ),
            };
            return (headline, lede);
        };
        let at_risk = today.in_bands(&[Segment::High, Segment::Critical]);
        let horizon = self.report.model.labels();
        let (risk, expected) = match horizon.labels {
            LabelKind::OutcomeWindow => {
                (format!("of not coming back within {} days", horizon.horizon_days), "will not come back in that time")
            }
            _ if self.is_on_subscriptions() => match horizon.before_renewal_days {
                Some(_) => ("of leaving at the next renewal".to_owned(), "will leave then"),
                None => (format!("of leaving within {} days", horizon.horizon_days), "will leave in that time"),
            },
            _ => ("of churn".to_owned(), "churn"),
        };
        let headline = format!(
            "Of {}, {} {} at high or critical risk {risk}.",
            counted(today.customers(), if self.is_on_subscriptions() { "active customer" } else { "customer" }),
            count(at_risk),
            if at_risk == 1 { "is" } else { "are" },
        );
        let lede = format!(
            "Adding up the probabilities, about {} of all {} {expected}. {}",
            decimal(today.expected(), 0),
            count(today.customers()),
            self.how_it_went()
        );
        (headline, lede)
    }

    /// A sentence on the observed churn of the test customers in the two upper bands.
    fn how_it_went(&self) -> String {
        let evaluation = self.evaluation;
        let upper = evaluation.segments.iter().filter(|row| row.segment >= Segment::High);
        let (customers, churned) =
            upper.fold((0.0, 0.0), |(n, k), row| (n + row.customers as f64, k + row.churned as f64));
        let test =
            format!("When the model was tested on {} it had not seen", counted(evaluation.metrics.n, "customer"));
        if customers == 0.0 {
            return format!("{test}, it put nobody into these two bands.");
        }
        format!(
            "{test}, {} of those it put into these two bands did churn, against {} of all of them.{}",
            whole_percent(churned / customers),
            whole_percent(evaluation.metrics.base_rate),
            self.bias()
        )
    }

    /// The mean of the predicted probabilities on the test rows.
    fn mean_predicted(&self) -> f64 {
        let segments = &self.evaluation.segments;
        let customers: f64 = segments.iter().map(|row| row.customers as f64).sum();
        let expected: f64 = segments.iter().map(|row| row.customers as f64 * row.mean_probability.unwrap_or(0.0)).sum();
        expected / customers
    }

    /// A warning if the probabilities of the test rows were too high or too low on average, as happens when the base rate
    /// moves.
    fn bias(&self) -> String {
        const NOTABLE: f64 = 0.03;
        let (predicted, observed) = (self.mean_predicted(), self.evaluation.metrics.base_rate);
        let direction = match predicted - observed {
            gap if gap > NOTABLE => "high",
            gap if gap < -NOTABLE => "low",
            _ => return String::new(),
        };
        format!(
            " The probabilities of that test were too {direction} as a whole ({} predicted, {} observed): take the numbers with care.",
            whole_percent(predicted),
            whole_percent(observed)
        )
    }

    fn tiles(&self) -> String {
        let evaluation = self.evaluation;
        let metrics = &evaluation.metrics;
        let tile = |name: &str, number: String, words: String| {
            format!("<div class=\"tile\"><dt>{name}</dt><dd class=\"number\">{number}</dd><dd>{words}</dd></div>\n")
        };
        let first = match &self.today {
            Some(today) => {
                let at_risk = today.in_bands(&[Segment::High, Segment::Critical]);
                let share = at_risk as f64 / today.customers().max(1) as f64;
                tile(
                    "Customers scored",
                    count(today.customers()),
                    format!("{} at high or critical risk", percent(share)),
                )
            }
            None => tile(
                "Customers learned from",
                count(self.report.model.training().customers),
                format!("in {}", counted(self.report.model.training().rows, "row")),
            ),
        };
        let found = self.found_over_time();
        let (auc, auc_note) = match (found, evaluation.recency_auc) {
            (Some(found), _) => (decimal(share(found.roc_auc.mean), 2), self.auc_note(found)),
            (None, Some(recency)) => {
                (decimal(metrics.roc_auc, 3), format!("recency alone: {}; chance: 0.5", decimal(recency, 3)))
            }
            (None, None) => (decimal(metrics.roc_auc, 3), "0.5 is chance, 1 is perfect".to_owned()),
        };
        let judged = format!("of the {} judged churned", counted(metrics.n, "customer"));
        let (base_rate, rate_note) = match found {
            Some(found) => {
                let interval = interval(&found.base_rate, |rate| percent(share(rate)));
                (
                    percent(share(found.base_rate.mean)),
                    format!("of the customers churned, 95 % interval {interval}, {}", basis(found)),
                )
            }
            None => (percent(metrics.base_rate), judged),
        };
        [
            "<dl class=\"tiles\">\n".to_owned(),
            first,
            tile("Base rate", base_rate, rate_note),
            tile("Ranking (AUC)", auc, auc_note),
            tile(
                "Calibration error",
                percent(metrics.ece),
                format!("{}: {}", calibration_word(metrics.ece), "mean gap between predicted and observed"),
            ),
            "</dl>\n".to_owned(),
        ]
        .concat()
    }

    fn definition(&self) -> String {
        let model = self.report.model;
        let evaluation = self.evaluation;
        let judged = counted(evaluation.metrics.n, "customer");
        let learned = counted(evaluation.train_rows, "row");
        let cutoffs = match self.report.model.cutoffs() {
            [] | [_] => String::new(),
            days => format!(" at the cutoffs {}", days.iter().map(|&day| date(day)).collect::<Vec<_>>().join(", ")),
        };
        let protocol = match (evaluation.protocol, evaluation.test_cutoff) {
            (Protocol::OutOfTime, Some(cutoff)) => format!(
                "Judged out of time at {} on {judged}: the model learned from {learned} of earlier cutoffs, whose \
                 outcome was known by then, and was compared with what these customers did afterwards.{}",
                date(cutoff),
                match self.found_over_time().map_or(0, |found| found.cutoffs.len()) {
                    0 | 1 => String::new(),
                    n => format!(" So it was at {} before.", counted(n as u64 - 1, "day")),
                }
            ),
            (Protocol::OutOfTime, None) => {
                format!("Judged out of time on {judged}, learned from {learned} before them.")
            }
            (Protocol::Holdout, _) => format!(
                "Judged on {judged} held out: a fifth, drawn at random, of whom the model saw nothing while it learned \
                 from the {learned} of the others."
            ),
        };
        let fitted = format!(
            "The model in use was then fitted on all {} of {}{cutoffs}.",
            counted(model.training().rows, "row"),
            counted(model.training().customers, "customer")
        );
        format!(
            "<section class=\"pair\">\n<div class=\"card\">\n<h2>What churn means here</h2>\n<p>{}</p>\n</div>\n\
             <div class=\"card\">\n<h2>How it was judged</h2>\n<p>{protocol}</p>\n<p class=\"quiet\">{fitted}</p>\n</div>\n</section>\n",
            Escaped(&model.definition())
        )
    }

    fn footer(&self) -> String {
        let model = self.report.model;
        let parameters = model.parameters();
        let thresholds = model.thresholds();
        format!(
            "<footer>\n<p>churn {} · {} · calibration {} · seed {} · risk bands from {}, {} and {} · training data <code>{}</code></p>\n</footer>\n",
            Escaped(self.report.model.library_version()),
            kind_name(model.kind()),
            Escaped(model.calibration()),
            parameters.seed,
            bound(thresholds.medium),
            bound(thresholds.high),
            bound(thresholds.critical),
            Escaped(&model.training().fingerprint),
        )
    }
}

/// A date as HTML that is not broken at its hyphens.
fn date(day: Day) -> String {
    format!("<span class=\"nowrap\">{day}</span>")
}

/// The expected calibration error in words.
fn calibration_word(ece: f64) -> &'static str {
    match ece {
        e if e < 0.02 => "very close",
        e if e < 0.05 => "close",
        e if e < 0.10 => "rough",
        _ => "poor, trust the order only",
    }
}

/// A table that scrolls on its own if the screen is too narrow for it. The caption is for screen readers.
fn table(caption: &str, head: &str, body: &str, foot: &str) -> String {
    let foot = if foot.is_empty() { String::new() } else { format!("<tfoot>\n{foot}</tfoot>\n") };
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\">\n<table>\n<caption><span class=\"unseen\">{caption}</span></caption>\n\
         <thead>\n{head}</thead>\n<tbody>\n{body}</tbody>\n{foot}</table>\n</div>\n"
    )
}

fn is_logistic(model: &Model) -> bool {
    model.kind() == ModelKind::LogisticRegression
}

#[cfg(test)]
mod tests;
