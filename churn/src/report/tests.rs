//! Tests of the page as text: every section is present, text from the data is escaped, and nothing is loaded.

use super::*;
use crate::profit::{contact_list, expected_curve};
use crate::{
    Column, ColumnData, Input, LearnConfig, OnBadRow, ReadOptions, Table, TableConfig, TrainConfig, train, train_table,
};

/// A log of 200 customers over 360 days. Some ids contain markup, and one row is bad.
fn log() -> Events {
    let mut csv = String::from("customer_id,event_date,amount,event_type\n");
    for i in 0..2000 {
        let (c, k) = (i % 200, i / 200);
        let day = Day::new(19_700 + (c * 7 + k * (2 + c % 40)) % 360).expect("a day");
        csv.push_str(&format!("<script>alert({c:03})</script>,{day},{}.50,<b>&visit\n", 5 + c % 30));
    }
    csv.push_str("anna,<img src=x>,1.00,visit\n");
    let options = ReadOptions { on_bad_row: OnBadRow::Skip, ..ReadOptions::default() };
    Events::from_csv(csv.as_bytes(), &options).expect("a log")
}

fn table_model() -> (Model, Predictions) {
    let rows = 400;
    let usage = (0..rows).map(|i| f64::from(i % 20)).collect();
    let churned = (0..rows).map(|i| Some((i % 20) < 6 + i % 3)).collect();
    let table = Table::new(vec![
        Column { name: "<i>usage".to_owned(), data: ColumnData::Numeric(usage) },
        Column { name: "churned".to_owned(), data: ColumnData::Boolean(churned) },
    ])
    .expect("a table");
    let model = train_table(&table, &TableConfig::default()).expect("a model");
    let predictions = model.predict_table(&table, None).expect("predictions");
    (model, predictions)
}

fn full_page() -> String {
    let events = log();
    let learning = LearnConfig { model: ModelKind::Auto, trees: 5, rounds: Some(5), ..LearnConfig::default() };
    let model = train(&events, &TrainConfig { learning, ..TrainConfig::default() }).expect("a model");
    let features = model.features(&events, None).expect("features");
    let predictions = model.predict_features(&features).expect("predictions");
    let config = ContactConfig { budget: Some(330.0), control_share: 0.2, ..ContactConfig::default() };
    let (ids, p) = (predictions.customer_ids(), predictions.churn_probabilities());
    let curve = expected_curve(p, None, &config.campaign).expect("a curve");
    let contacts = contact_list(ids, p, None, &config).expect("a list");
    let words = ExplainConfig { event: "<visit>".to_owned(), ..ExplainConfig::default() };
    let mut report = Report::new("Churn <report>", &model);
    report.reasons = Some((&features, &words));
    report.money = Some(Money { config: &config, worth: "<b>Two hundred each.", curve: &curve, contacts: &contacts });
    report.source = Some("\"><script>x</script>.csv");
    report.events = Some(&events);
    report.predictions = Some(&predictions);
    report.to_html().expect("an evaluated model")
}

#[test]
fn every_section_is_there() {
    let page = full_page();
    for text in [
        "Of 200 customers, ",
        "Customers scored",
        "Base rate",
        "sorting by the last &lt;visit&gt; alone reaches 0.",
        "How far to believe it",
        "Calibration error",
        "What churn means here",
        "no event of any type follows within 90 days",
        "Judged out of time at <span class=\"nowrap\">2024-09-03</span> on",
        "Risk segments",
        "Observed churn",
        "(ROC)",
        "(precision and recall)",
        "(reliability)",
        "(cumulative gain)",
        "What the model goes by",
        "Compared with simpler ways",
        "Recipes tried",
        "What was read",
        "The first 1 of 1 row left out",
        "<td>2,002</td>",
        "values compared, identical bits",
        "At the greatest risk",
        "The first 10 of 200 customers",
        "&lt;visit&gt;s in the last ",
        "What to do about it",
        "The budget of 330.00 contacts 30 customers, which can cost at most 330.00",
        "8 customers of the list are left alone",
        "&lt;b&gt;Two hundred each.",
        "What a campaign is expected to earn",
        "seed 0",
    ] {
        assert!(page.contains(text), "{text:?} is missing");
    }
    // The charts over time are there if there are two days.
    assert_eq!(page.matches("<svg role=\"img\"").count(), if page.contains("day by day") { 7 } else { 5 });
    assert_eq!(page.matches("<tr class=\"why\">").count(), 10);
}

/// Features of another model give no reasons.
#[test]
fn foreign_features_give_no_reasons() {
    let events = log();
    let model = train(&events, &TrainConfig::default()).expect("a model");
    let features = model.features(&events, None).expect("features");
    let other =
        crate::features(&events.split_at(events.last_day()).0, &crate::FeatureConfig::default()).expect("features");
    let predictions = model.predict_features(&features).expect("predictions");
    let words = ExplainConfig::default();
    let mut report = Report::new("x", &model);
    report.predictions = Some(&predictions);
    report.reasons = Some((&features, &words));
    assert!(report.to_html().expect("an evaluated model").contains("class=\"why\""));
    report.reasons = Some((&other, &words));
    assert!(!report.to_html().expect("an evaluated model").contains("class=\"why\""));
}

/// With one feature, a customer who shares its reason has no other reason left. Of the ten customers with the highest risk at
/// most two do not share it.
#[test]
fn a_shared_reason_is_said_once() {
    let rows = 400;
    let usage = (0..rows).map(|i| f64::from(i % 20)).collect();
    let churned = (0..rows).map(|i| Some((i % 20) < 6 + i % 3)).collect();
    let table = Table::new(vec![
        Column { name: "usage".to_owned(), data: ColumnData::Numeric(usage) },
        Column { name: "churned".to_owned(), data: ColumnData::Boolean(churned) },
    ])
    .expect("a table");
    let model = train_table(&table, &TableConfig::default()).expect("a model");
    let (features, words) = (model.table_features(&table, None).expect("features"), ExplainConfig::default());
    let predictions = model.predict_features(&features).expect("predictions");
    let mut report = Report::new("x", &model);
    (report.predictions, report.reasons) = (Some(&predictions), Some((&features, &words)));
    let page = report.to_html().expect("an evaluated model");
    assert_eq!(page.matches("Shared by most").count(), 1);
    assert_eq!(page.matches("raises the risk: usage is ").count(), 1);
    assert!(page.matches("<tr class=\"why\">").count() <= 2);
}

#[test]
fn nothing_foreign_becomes_markup() {
    let page = full_page();
    assert!(page.contains("&lt;script&gt;alert("));
    assert!(page.contains("&lt;b&gt;&amp;visit"));
    assert!(page.contains("<title>Churn &lt;report&gt;</title>"));
    for markup in ["<script", "<img", "<b>&", "<report", "javascript:", "onload", "\"><script"] {
        assert!(!page.contains(markup), "{markup:?} got out");
    }
}

#[test]
fn nothing_is_fetched() {
    let page = full_page();
    for reference in ["http:", "https:", "//", "url(", "@import", "src=", "href="] {
        let outside: Vec<_> = page.match_indices(reference).map(|(at, _)| &page[at.saturating_sub(20)..at]).collect();
        let harmless = outside.iter().all(|before| before.contains("&lt;img"));
        assert!(harmless, "{reference:?} after {outside:?}");
    }
    assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\""));
}

#[test]
fn tags_are_balanced() {
    for page in [full_page(), Report::new("x", &table_model().0).to_html().expect("an evaluated model")] {
        let mut open = Vec::new();
        for tag in page.split('<').skip(2).map(|rest| rest.split('>').next().expect("a tag")) {
            let name = tag.trim_start_matches('/').split_whitespace().next().expect("a name");
            match tag {
                _ if name == "meta" || tag.ends_with('/') => (),
                _ if tag.starts_with('/') => assert_eq!(open.pop(), Some(name), "at {tag}"),
                _ => open.push(name),
            }
        }
        assert_eq!(open, Vec::<&str>::new());
    }
}

#[test]
fn warnings_stand_at_the_top() {
    let events = log();
    let config = TrainConfig::from_json(r#"{"labels": "inactivity", "threshold_days": 60}"#).expect("a configuration");
    let model = train(Input::from(&events), &config).expect("a model");
    let page = Report::new("x", &model).to_html().expect("an evaluated model");
    let warning = page.find("The label is the inactivity rule").expect("the warning");
    assert!(warning < page.find("class=\"tiles\"").expect("the tiles"));
    assert!(page.contains("if 60 days or more have passed"));
}

#[test]
fn a_model_of_a_table_needs_no_events() {
    let (model, predictions) = table_model();
    let mut report = Report::new("Subscribers", &model);
    let about_the_model = report.to_html().expect("an evaluated model");
    assert!(about_the_model.contains("Customers learned from") && about_the_model.contains("Not audited"));
    assert!(!about_the_model.contains("What was read") && !about_the_model.contains("At the greatest risk"));
    report.predictions = Some(&predictions);
    let page = report.to_html().expect("an evaluated model");
    assert!(page.contains("Of 400 customers, ") && page.contains("At the greatest risk"));
    assert!(page.contains("&lt;i&gt;usage") && !page.contains("<i>usage"));
    assert!(page.contains("80 customers held out"));
}

#[test]
fn customers_who_left_long_ago_are_not_at_risk() {
    let mut csv = String::from("customer_id,event_date\ngone,2022-01-01\n");
    for i in 0..3000 {
        let (c, k) = (i % 200, i / 200);
        let day = Day::new(19_000 + (c * 7 + k * (2 + c % 60)) % 700).expect("a day");
        csv.push_str(&format!("c{c},{day}\n"));
    }
    let events = Events::from_csv(csv.as_bytes(), &ReadOptions::default()).expect("a log");
    let model = train(&events, &TrainConfig::default()).expect("a model");
    let predictions = model.predict(&events, None).expect("predictions");
    let mut report = Report::new("x", &model);
    (report.events, report.predictions) = (Some(&events), Some(&predictions));
    let page = report.to_html().expect("an evaluated model");
    assert!(!page.contains(">gone<"));
    assert!(page.contains(" without an event in the 365 days"));
}

/// The report of a model whose document has this in place of its results over time; null is left out.
fn page_with(over_time: serde_json::Value) -> String {
    let model = train(&log(), &TrainConfig::default()).expect("a model");
    let mut document: serde_json::Value = serde_json::from_str(&model.to_json()).expect("JSON");
    let evaluation = document["evaluation"].as_object_mut().expect("an evaluation");
    match over_time {
        serde_json::Value::Null => evaluation.remove("over_time"),
        found => evaluation.insert("over_time".to_owned(), found),
    };
    Report::new("x", &Model::from_json(&document.to_string()).expect("a document"))
        .to_html()
        .expect("an evaluated model")
}

/// Results at these days, with an AUC of 0.85 and one of 0.76 for recency.
fn results_at(days: &[&str]) -> serde_json::Value {
    use serde_json::json;
    let estimate = |mean: f64, half: f64| json!({"mean": mean, "standard_error": half / 2.0, "low": mean - half, "high": mean + half});
    let scores = json!({"roc_auc": 0.84, "log_loss": 0.5, "brier": 0.16});
    let row = |day: &&str| {
        json!({
            "cutoff": day, "customers": 1000, "churned": 300, "base_rate": 0.3, "expected": 290.4, "learned_from": ["2023-01-01"],
            "train_rows": 500, "roc_auc": 0.85, "log_loss": 0.4567, "brier": 0.1234, "lift_10": 3.21, "recency_auc": 0.76,
            "against": {"logistic_regression": scores},
        })
    };
    json!({
        "cutoffs": days.iter().map(row).collect::<Vec<_>>(), "roc_auc": estimate(0.85, 0.02), "earlier_roc_auc": null,
        "log_loss": estimate(0.4567, 0.01), "brier": estimate(0.1234, 0.004), "lift_10": estimate(3.21, 0.3),
        "base_rate": estimate(0.3, 0.025), "predicted_minus_observed": estimate(-0.0096, 0.02), "recency_auc": estimate(0.76, 0.03),
        "against": [
            {"name": "recency", "mean_roc_auc": 0.76, "roc_auc": estimate(0.09, 0.01), "log_loss": null, "brier": null, "cutoffs_won": days.len()},
            {"name": "logistic_regression", "mean_roc_auc": 0.86, "roc_auc": estimate(-0.01, 0.002),
             "log_loss": estimate(0.02, 0.005), "brier": estimate(0.003, 0.001), "cutoffs_won": 0},
        ],
        "reliability": [], "segments": [],
    })
}

/// The intervals that are shown whatever was judged.
const NUMBERS: [&str; 8] = [
    "<dd class=\"number\">0.85</dd>",
    "95 % interval <span class=\"nowrap\">0.83 to 0.87</span>",
    "<td>0.4567<small class",
    "0.4467 to 0.4667",
    "0.1194 to 0.1274",
    "2.91 to 3.51",
    "27.5\u{a0}% to 32.5\u{a0}%",
    "−3.0 to +1.0",
];

#[test]
fn results_over_time_have_charts_and_intervals() {
    let page = page_with(results_at(&["2024-03-01", "2024-05-30"]));
    for text in NUMBERS {
        assert!(page.contains(text), "{text:?} is missing");
    }
    for text in [
        "mean of 2 days; sorting by the last event alone reaches 0.76",
        "aria-label=\"AUC at 2 days: the model between 0.85 and 0.85, recency alone between 0.76 and 0.76.\"",
        "aria-label=\"Churners expected and observed: 2024-03-01 290 and 300, 2024-05-30 290 and 300.\"",
        "better than recency alone on 2 of 2 days; the mean difference is +0.090 (95 % interval <span class=\"nowrap\">+0.080 to +0.100</span>)",
        // 2 × 290.4, 2 × 300
        "Over these 2 days the probabilities add up to 581 churners, and 600 were observed.",
        "no more than chance explains",
        "<td>+0.0200<small class=\"interval\"><span class=\"nowrap\">+0.0150 to +0.0250</span></small></td>",
        "The model ranks better than recency alone. Plain logistic regression did better",
        "<tr><th scope=\"row\"><span class=\"nowrap\">2024-05-30</span></th><td>1,000</td><td>290.4</td><td>300</td><td>0.850</td>",
        "So it was at 1 day before.",
    ] {
        assert!(page.contains(text), "{text:?} is missing");
    }
    assert_eq!(page.matches("<svg role=\"img\"").count(), 6);
}

#[test]
fn one_day_has_a_sentence_in_place_of_charts() {
    for (days, words) in
        [(vec![], "Customers were held out, not days."), (vec!["2024-05-30"], "Only one day was judged")]
    {
        let page = page_with(results_at(&days));
        for text in NUMBERS {
            assert!(page.contains(text), "{text:?} is missing");
        }
        assert!(page.contains(words) && !page.contains("day by day"));
        assert_eq!(page.matches("<svg role=\"img\"").count(), 4);
    }
}

#[test]
fn an_older_document_has_no_intervals() {
    let page = page_with(serde_json::Value::Null);
    assert!(page.contains("recency alone: 0.") && page.contains("chance: 0.5"));
    for text in ["95 % interval", "How far to believe it", "NaN"] {
        assert!(!page.contains(text), "{text:?}");
    }
    assert_eq!(page.matches("<svg role=\"img\"").count(), 4);
}

/// A document may come from anybody.
#[test]
fn wild_results_over_time_stay_inside() {
    let mut wild = results_at(&vec!["2024-05-30"; 40]);
    for row in wild["cutoffs"].as_array_mut().expect("rows") {
        row["expected"] = serde_json::json!(-1e300);
        row["churned"] = serde_json::json!(u64::MAX);
        row["roc_auc"] = serde_json::json!(1e308);
        row["recency_auc"] = serde_json::json!(-5.0);
    }
    wild["roc_auc"]["low"] = serde_json::json!(-1e308);
    wild["against"][0]["name"] = serde_json::json!("<script>");
    let page = page_with(wild);
    assert!(page.contains("Minus &lt;script&gt;") && !page.contains("<script") && !page.contains("NaN"));
    assert!(page.len() < 200_000, "{}", page.len());
}

/// The example of `docs/subscriptions.md`, whose movements are worked by hand there: 35 new, 10 of expansion and 10 of churn in four
/// months, from nothing to 35.
#[cfg(feature = "subscriptions")]
#[test]
fn the_waterfall_adds_up_to_the_example_of_the_documentation() {
    let csv = "customer_id,start_date,end_date,amount,plan\nanna,2024-01-10,2024-03-05,20,<i>a\nanna,2024-03-05,,30,b\n\
               bert,2024-01-01,2024-03-20,10,b\ncarl,2024-04-30,,5,b\n";
    let subscriptions = crate::Subscriptions::from_csv(csv.as_bytes(), &crate::SubscriptionOptions::default());
    let subscriptions = subscriptions.expect("periods");
    let page = |as_of: &str| {
        let as_of = Some(as_of.parse().expect("a day"));
        let base = ReportBase::new(&subscriptions, as_of, &crate::LabelConfig::default()).expect("a base");
        base.sections()
    };
    let now = page("2024-04-30");
    let amounts =
        "Amount per month: 0 before, new +35, expansion +10, reactivation 0, contraction 0, churn −10, 35 at the end.";
    assert!(now.contains(amounts), "{now}");
    assert!(now.contains("Customers: 0 before, new +3, reactivation 0, churn −1, 2 at the end."), "{now}");
    // Anna and Bert come in January, and Bert is seen to leave after 79 days; Carl comes after the last day that counts.
    assert!(now.contains("The share of 2 spells"), "{now}");
    assert!(now.contains("&lt;i&gt;a") && !now.contains("<i>a"), "{now}");
    // At the end of February nobody has left, and nothing later is known.
    let then = page("2024-02-29");
    assert!(then.contains("Amount per month: 0 before, new +30, expansion 0"), "{then}");
    assert!(then.contains("churn 0, 30 at the end."), "{then}");
}

#[cfg(feature = "subscriptions")]
#[test]
fn a_report_on_subscriptions_has_causes_amounts_and_those_who_have_cancelled() {
    use crate::{EndReason, EndsKnown, Period, Subscriptions};
    let day = |number: i32| Day::new(19_000 + number).expect("a day");
    // Everybody leaves after 40 to 639 days, every third because a payment fails; ends are announced 20 days before.
    let periods = (0..1200).map(|i| {
        let (start, lasts) = (day(i % 500), 40 + (i * 37) % 600);
        let end = start.plus(lasts);
        let known_at = end.plus(-20);
        let has_ended = known_at <= day(700);
        Period {
            customer_id: format!("c{i}"),
            start_date: start,
            end_date: has_ended.then_some(end),
            subscription_id: None,
            plan: None,
            amount: Some(f64::from(10 + i % 3)),
            known_at: has_ended.then_some(known_at),
            end_reason: has_ended.then_some(if i % 3 == 0 { EndReason::Involuntary } else { EndReason::Voluntary }),
            trial: false,
        }
    });
    let subscriptions = Subscriptions::from_periods(periods, EndsKnown::AtEnd, Some(day(700))).expect("periods");
    let learning = LearnConfig { model: ModelKind::LogisticRegression, ..LearnConfig::default() };
    let model = train(&subscriptions, &TrainConfig { learning, ..TrainConfig::default() }).expect("a model");
    let predictions = model.predict(&subscriptions, None).expect("predictions");
    let slipping = model.slipping_away(&subscriptions, None, &crate::SlippingConfig::default()).expect("a list");
    let mut report = Report::new("Subscriptions", &model);
    report.subscriptions = Some(&subscriptions);
    report.predictions = Some(&predictions);
    report.slipping = Some(&slipping);
    let page = report.to_html().expect("an evaluated model");
    let coverage = predictions.coverage().expect("a coverage");
    for text in [
        format!("Of {} active customers, ", coverage.covered),
        "of leaving within 90 days".to_owned(),
        format!("Not counted: {} customers who cancelled already", coverage.already_cancelled),
        "Likeliest cause".to_owned(),
        "Amount per month</th>".to_owned(),
        "periods, ends and events in all".to_owned(),
        "<dt>Periods</dt><dd>1,200</dd>".to_owned(),
        "Slipping away".to_owned(),
    ] {
        assert!(page.contains(&text), "{text}");
    }
    assert!(coverage.already_cancelled > 0 && !slipping.customers.is_empty());
    for customer in &slipping.customers {
        let value = customer.value_at_risk.expect("an amount") / customer.churn_probability;
        assert!([120.0, 132.0, 144.0].iter().any(|year| (value - year).abs() < 1e-9), "{value}");
    }
}
