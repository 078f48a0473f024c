//! The evidence for the model: curves, feature importance, baselines, the ingest report and the audit.

use super::charts::{Height, Plot, svg};
use super::over_time::{basis, interval};
use super::words::{Escaped, count, counted, decimal, kind_name, percent, plain_name, whole_percent};
use super::{ReportPage, date, is_logistic, table};
use crate::events::{Events, IngestReport};
use crate::metrics::{Metrics, Point};
use crate::model::SearchProtocol;

impl ReportPage<'_> {
    pub(super) fn curves(&self) -> String {
        let evaluation = self.evaluation;
        let (metrics, curves) = (&evaluation.metrics, &evaluation.curves);
        let false_alarms = metrics.fp as f64 / (metrics.fp as f64 + metrics.tn as f64).max(1.0);
        // The first point is the smallest selection that the scores can separate. A random part of it has the same
        // precision on average, so the curve is extended to recall 0 at that precision.
        let mut precision_recall = curves.precision_recall.clone();
        if let Some(&(_, precision)) = precision_recall.first() {
            precision_recall.insert(0, (0.0, precision));
        }
        let at_half =
            |point: Point| ((metrics.tp as f64 + metrics.fp as f64) > 0.0).then(|| (point, "at 50 %".to_owned()));
        let charts = [
            figure(
                "How well it separates (ROC)",
                &Plot {
                    summary: format!("ROC curve with an area of {} under it.", decimal(metrics.roc_auc, 3)),
                    x_label: "False alarms among those who stayed",
                    y_label: "Found among those who churned",
                    curve: &curves.roc,
                    reference: [(0.0, 0.0), (1.0, 1.0)],
                    dots: false,
                    highlight: at_half((false_alarms, metrics.recall)),
                    height: Height::Share,
                },
                &format!(
                    "The further the curve bends to the upper left, the better; the dashed line is chance. Calling everyone above \
                     50 % a churner finds {} of the churners at the price of {} of the others.",
                    whole_percent(metrics.recall),
                    whole_percent(false_alarms)
                ),
            ),
            figure(
                "How clean a selection is (precision and recall)",
                &Plot {
                    summary: format!("Precision against recall, average precision {}.", decimal(metrics.pr_auc, 3)),
                    x_label: "Found among those who churned",
                    y_label: "Churners among those selected",
                    curve: &precision_recall,
                    reference: [(0.0, metrics.base_rate), (1.0, metrics.base_rate)],
                    dots: false,
                    highlight: at_half((metrics.recall, metrics.precision)),
                    height: Height::Share,
                },
                &format!(
                    "The more churners a selection must find, the more others it takes in; the dashed line is the base rate of {}, \
                     what a random selection contains.",
                    percent(metrics.base_rate)
                ),
            ),
            figure(
                "Whether the probabilities are true (reliability)",
                &Plot {
                    summary: format!(
                        "Observed churn against predicted probability, mean gap {}.",
                        percent(metrics.ece)
                    ),
                    x_label: "Predicted probability",
                    y_label: "Observed churn rate",
                    curve: &curves.reliability.iter().map(|bin| (bin.predicted, bin.observed)).collect::<Vec<_>>(),
                    reference: [(0.0, 0.0), (1.0, 1.0)],
                    dots: true,
                    highlight: None,
                    height: Height::Share,
                },
                &format!(
                    "Each dot is about {}; on the dashed line a predicted 30 % means that 30 % churn. The mean gap is {}.",
                    counted(metrics.n / (curves.reliability.len() as u64).max(1), "customer"),
                    percent(metrics.ece)
                ),
            ),
            self.gain(),
        ];
        format!(
            "<section>\n<h2>How good the predictions are</h2>\n<p class=\"quiet\">All four charts show the {} of the test{}, \
             whose outcome the model had not seen.</p>\n<div class=\"charts\">\n{}</div>\n</section>\n",
            counted(metrics.n, "customer"),
            evaluation.test_cutoff.map_or(String::new(), |day| format!(" at {}", date(day))),
            charts.concat()
        )
    }

    fn gain(&self) -> String {
        const CONTACTED: f64 = 0.2;
        let evaluation = self.evaluation;
        let gain = &evaluation.curves.gain;
        let reached = gain.iter().find(|point| (point.0 - CONTACTED).abs() < 1e-6);
        let words = reached.map_or(String::new(), |&(_, reached)| {
            format!(
                " Contacting the {} at the greatest risk reaches {} of the churners, {} times as many as a random choice.",
                whole_percent(CONTACTED),
                whole_percent(reached),
                decimal(reached / CONTACTED, 1)
            )
        });
        let lift = self.found_over_time().map_or(String::new(), |found| {
            let interval = interval(&found.lift_10, |lift| decimal(lift, 1));
            format!("; {} {} (95 % interval {interval})", basis(found), decimal(found.lift_10.mean, 1))
        });
        figure(
            "What a campaign reaches (cumulative gain)",
            &Plot {
                summary: format!("Share of the churners reached by the share contacted.{words}"),
                x_label: "Customers contacted, riskiest first",
                y_label: "Churners reached",
                curve: gain,
                reference: [(0.0, 0.0), (1.0, 1.0)],
                dots: false,
                highlight: reached.map(|&point| (point, format!("{} reached", whole_percent(point.1)))),
                height: Height::Share,
            },
            &format!(
                "The dashed line is a random choice.{words} Lift in the first tenth: {}{lift}.",
                decimal(evaluation.metrics.lift_10, 1)
            ),
        )
    }

    pub(super) fn importance(&self) -> String {
        const MOST: usize = 12;
        let useful: Vec<_> = self.evaluation.importance.iter().filter(|row| row.log_loss_increase > 0.0).collect();
        let Some(largest) = useful.first().map(|row| row.log_loss_increase) else { return String::new() };
        let mut bars = String::new();
        for row in useful.iter().take(MOST) {
            let plain = plain_name(&row.feature);
            let raw = match plain == row.feature {
                true => String::new(),
                false => format!("<code>{}</code>", Escaped(&row.feature)),
            };
            bars.push_str(&format!(
                "<li><span class=\"name\">{}{raw}</span><span class=\"bar\" aria-hidden=\"true\"><b style=\"width:{:.1}%\"></b></span>\
                 <span class=\"value\">{}</span></li>\n",
                Escaped(&plain),
                100.0 * (row.log_loss_increase / largest).clamp(0.0, 1.0),
                decimal(row.log_loss_increase, 4)
            ));
        }
        let all = self.evaluation.importance.len();
        let hidden = all - useful.len().min(MOST);
        let rest = match (hidden, useful.len() > MOST) {
            (0, _) => String::new(),
            (hidden, true) => format!(" The {} less important are not shown.", count(hidden as u64)),
            (hidden, false) => format!(" Not shown: {} that it could do without.", counted(hidden as u64, "column")),
        };
        format!(
            "<section class=\"card\">\n<h2>What the model goes by</h2>\n<p class=\"hint\">How much worse the predictions become (log-loss) \
             when this one column is shuffled. Columns that say the same share their importance.{rest}</p>\n<ul class=\"bars\">\n{bars}</ul>\n</section>\n"
        )
    }

    pub(super) fn comparison(&self) -> String {
        let model = self.report.model;
        let evaluation = self.evaluation;
        let metrics = &evaluation.metrics;
        let head = "<tr><th scope=\"col\">Model</th>\
            <th scope=\"col\">AUC<small>higher is better</small></th><th scope=\"col\">PR-AUC<small>higher</small></th>\
            <th scope=\"col\">Lift at 10 %<small>higher</small></th><th scope=\"col\">Log-loss<small>lower</small></th>\
            <th scope=\"col\">Brier<small>lower</small></th><th scope=\"col\">Calibration error<small>lower</small></th></tr>\n";
        let mut rows = measured(&format!("{}, this report", kind_name(model.kind())), metrics, true);
        if let Some(logistic) = &evaluation.logistic_regression
            && (!is_logistic(model) || logistic != metrics)
        {
            let name = if is_logistic(model) { "Logistic regression, default settings" } else { "Logistic regression" };
            rows.push_str(&measured(name, logistic, false));
        }
        if let Some(auc) = evaluation.recency_auc {
            rows.push_str(&row("Recency alone", false, [decimal(auc, 3), dash(), dash(), dash(), dash(), dash()]));
        }
        let p = metrics.base_rate;
        let constant = [
            decimal(0.5, 3),
            decimal(p, 3),
            decimal(1.0, 2),
            decimal(-p * libm::log(p) - (1.0 - p) * libm::log(1.0 - p), 4),
            decimal(p * (1.0 - p), 4),
            dash(),
        ];
        rows.push_str(&row("The base rate for everyone", false, constant));
        let intervals = match self.found_over_time() {
            None => String::new(),
            Some(found) => {
                let alone = match evaluation.test_cutoff {
                    Some(day) => format!("All measures at {} alone", date(day)),
                    None => "All measures".to_owned(),
                };
                format!(
                    "<p class=\"hint\">A difference is the model minus the other, on the same customers; if its interval contains 0, \
                     it may be chance.</p>\n{}<h3>{alone}</h3>\n",
                    self.intervals(found)
                )
            }
        };
        format!(
            "<section class=\"card\">\n<h2>Compared with simpler ways</h2>\n<p>{}</p>\n{intervals}\
             <p class=\"hint\">All judged on the same {}.</p>\n{}{}</section>\n",
            self.verdict(),
            counted(metrics.n, "customer"),
            table("The chosen model beside simpler ones", head, &rows, ""),
            self.candidates()
        )
    }

    /// Sentences that compare the model with the simpler baselines, also if it is no better.
    fn verdict(&self) -> String {
        /// A difference of the AUC, and of the log-loss, that is worth a word if it has no interval.
        const NOTABLE: (f64, f64) = (0.01, 0.002);
        let evaluation = self.evaluation;
        let (chosen, logistic) = (&evaluation.metrics, &evaluation.logistic_regression);
        let found = self.found_over_time();
        let against = |name: &str| found?.against.iter().find(|other| other.name == name);
        let gain = match (against("recency"), evaluation.recency_auc) {
            (Some(other), _) => Some((other.roc_auc.low > 0.0, other.roc_auc.high < 0.0)),
            (None, Some(auc)) => {
                let gain = chosen.roc_auc - auc;
                Some((gain > NOTABLE.0, gain < -NOTABLE.0))
            }
            (None, None) => None,
        };
        let mut verdict = gain.map_or(String::new(), |gain| {
            let words = match gain {
                (true, _) => "ranks better than recency alone",
                (_, true) => "ranks worse than recency alone: sorting by the last activity would do better",
                _ => "ranks about as well as recency alone; what it adds is a probability",
            };
            format!("Recency alone gives an order and no probability. The model {words}.")
        });
        let worse = match against("logistic_regression").and_then(|other| other.log_loss) {
            Some(difference) => difference.low > 0.0,
            None => logistic.as_ref().is_some_and(|logistic| chosen.log_loss > logistic.log_loss + NOTABLE.1),
        };
        if worse {
            verdict.push_str(" Plain logistic regression did better (lower log-loss): consider it instead.");
        }
        verdict
    }

    fn candidates(&self) -> String {
        let candidates = &self.evaluation.candidates;
        if candidates.is_empty() {
            return String::new();
        }
        let timed = candidates.iter().any(|candidate| candidate.seconds.is_some());
        let rows: String = (candidates.iter().enumerate())
            .map(|(i, candidate)| {
                let class = if i == 0 { " class=\"chosen\"" } else { "" };
                let (name, details) = (kind_name(candidate.model), candidate.details());
                let loss = match (candidate.log_loss, &candidate.failure) {
                    (Some(loss), _) => decimal(loss, 4),
                    (None, failure) => Escaped(failure.as_deref().unwrap_or("not judged")).to_string(),
                };
                let error = candidate.standard_error.map_or_else(dash, |error| decimal(error, 4));
                let seconds = candidate.seconds.map_or_else(dash, |seconds| decimal(seconds, 1));
                let seconds = if timed { format!("<td class=\"wide\">{seconds}</td>") } else { String::new() };
                format!(
                    "<tr{class}><th scope=\"row\">{name}</th><td>{}</td><td>{loss}</td><td>{error}</td>{seconds}</tr>\n",
                    Escaped(&details)
                )
            })
            .collect();
        let seconds = if timed { "<th scope=\"col\" class=\"wide\">Seconds</th>" } else { "" };
        let head = format!(
            "<tr><th scope=\"col\">Learner</th><th scope=\"col\">Features and settings</th><th scope=\"col\">Log-loss on unseen rows</th>\
             <th scope=\"col\">± against the chosen</th>{seconds}</tr>\n"
        );
        let judged = match self.evaluation.search_protocol {
            Some(SearchProtocol::OutOfTime) => {
                "each customer at a later cutoff than was learned from, by what others had done"
            }
            _ => "each customer by what was learned from others",
        };
        format!(
            "<h3>Recipes tried</h3>\n<p class=\"hint\">Judged {judged}, without the rows of the test; the first was chosen. \
             The ± is the standard error of the difference.</p>\n{}",
            table("The recipes tried", &head, &rows, "")
        )
    }

    /// The sections on the data: the log, or the periods.
    pub(super) fn read(&self) -> String {
        #[cfg(feature = "subscriptions")]
        if let Some(subscriptions) = self.report.subscriptions {
            return self.read_section(&self.read_periods(), subscriptions.report());
        }
        let Some(events) = self.report.events else { return String::new() };
        let report = events.report();
        let left_out = if report.bad == 0 { ", every row could be read" } else { "" };
        let facts = [
            ("Rows", count(report.rows)),
            ("Used", count(report.good)),
            ("Left out", format!("{}{left_out}", count(report.bad))),
            ("Customers", count(events.customers() as u64)),
            ("Days", format!("{} to {}", events.first_day(), events.last_day())),
            ("Event types", event_types(events)),
        ];
        self.read_section(&facts, report)
    }

    fn read_section(&self, read: &[(&str, String)], report: &IngestReport) -> String {
        let mut facts = String::new();
        let mut fact = |name: &str, value: String| facts.push_str(&format!("<dt>{name}</dt><dd>{value}</dd>\n"));
        if let Some(source) = self.report.source {
            fact("Source", Escaped(source).to_string());
        }
        read.iter().for_each(|(name, value)| fact(name, value.clone()));
        let bad = match report.bad_rows.as_slice() {
            [] => String::new(),
            bad => bad_rows(&bad[..bad.len().min(10)], report.bad),
        };
        format!(
            "<section class=\"card\">\n<h2>What was read</h2>\n<dl class=\"facts\">\n{facts}</dl>\n{bad}</section>\n"
        )
    }

    pub(super) fn audit(&self) -> String {
        let (mark, title, words) = match self.report.model.audit() {
            Some(audit) => (
                "✓",
                "No future in the features",
                format!(
                    "The future was deleted and every feature recomputed: {} values compared, identical bits. That was done for \
                     {}, deleting {} in all.",
                    count(audit.values_compared),
                    counted(audit.cutoffs.len() as u64, "cutoff"),
                    match self.is_on_subscriptions() {
                        true => format!("{} periods, ends and events", count(audit.events_deleted)),
                        false => counted(audit.events_deleted, "event"),
                    }
                ),
            ),
            None if self.report.model.training().rows > 0 && self.report.model.cutoffs().is_empty() => (
                "?",
                "Not audited",
                "The model was trained on a finished table. Whether its columns were known before the outcome cannot be seen \
                 from here: whoever made the table must vouch for it."
                    .to_owned(),
            ),
            None => ("?", "Not audited", "The audit for knowledge of the future was turned off for this training.".to_owned()),
        };
        format!(
            "<section class=\"card seal\">\n<span aria-hidden=\"true\">{mark}</span>\n<div>\n<h2>{title}</h2>\n<p>{words}</p>\n</div>\n</section>\n"
        )
    }
}

pub(super) fn figure(title: &str, plot: &Plot<'_>, caption: &str) -> String {
    captioned(title, &svg(plot), caption)
}

pub(super) fn captioned(title: &str, chart: &str, caption: &str) -> String {
    format!("<figure>\n<h3>{title}</h3>\n{chart}<figcaption>{caption}</figcaption>\n</figure>\n")
}

pub(super) fn dash() -> String {
    "–".to_owned()
}

fn measured(name: &str, metrics: &Metrics, chosen: bool) -> String {
    let cells = [
        decimal(metrics.roc_auc, 3),
        decimal(metrics.pr_auc, 3),
        decimal(metrics.lift_10, 2),
        decimal(metrics.log_loss, 4),
        decimal(metrics.brier, 4),
        decimal(metrics.ece, 4),
    ];
    row(name, chosen, cells)
}

fn row(name: &str, chosen: bool, cells: [String; 6]) -> String {
    let class = if chosen { " class=\"chosen\"" } else { "" };
    let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
    format!("<tr{class}><th scope=\"row\">{name}</th>{cells}</tr>\n")
}

fn event_types(events: &Events) -> String {
    const MOST: usize = 12;
    let types: Vec<&str> = events.event_types().collect();
    if types.is_empty() {
        return "none given".to_owned();
    }
    let mut names =
        types.iter().take(MOST).map(|name| format!("<bdi>{}</bdi>", Escaped(name))).collect::<Vec<_>>().join(", ");
    if types.len() > MOST {
        names.push_str(&format!(" and {} more", count((types.len() - MOST) as u64)));
    }
    names
}

fn bad_rows(shown: &[crate::events::BadRow], all: u64) -> String {
    let rows: String = shown
        .iter()
        .map(|row| {
            format!("<tr><td>{}</td><td class=\"left id\">{}</td></tr>\n", count(row.line), Escaped(&row.message))
        })
        .collect();
    let title = format!("The first {} of {} left out", shown.len(), counted(all, "row"));
    let head = "<tr><th scope=\"col\">Line</th><th scope=\"col\" class=\"left\">Why</th></tr>\n";
    format!("<h3>{title}</h3>\n{}", table(&title, head, &rows, ""))
}
