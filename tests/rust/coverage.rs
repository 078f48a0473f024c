//! Coverage: whom a definition of churn speaks of at a day, at every door of the core.

use churn::profit::{ContactConfig, contact_list};
use churn::{
    Customer, Events, ExplainConfig, FeatureConfig, Input, LabelConfig, Model, ReadOptions, SlippingConfig,
    TrainConfig, Transaction, cluster, features, train,
};
use churn_tests::{cdnow, day, read};

/// 200 customers over two years, of whom every fifth stops early, and one who was last seen in 2021.
fn log() -> Events {
    let mut csv = String::from("customer_id,event_date,amount\n");
    for customer in 0..200 {
        let every = 10 + customer % 30;
        let until = if customer % 5 == 0 { 150 + customer } else { 730 };
        for offset in (customer % 17..until).step_by(every as usize) {
            let date = day("2023-01-01").plus(offset);
            csv.push_str(&format!("c{customer:03},{date},{}.50\n", 5 + customer % 40));
        }
    }
    read(&csv)
}

fn model(events: &Events) -> Model {
    train(events, &TrainConfig::default()).expect("a log to learn from")
}

/// The customers with an event in the 365 days up to the last day, counted from the rows.
fn active(events: &Events) -> Vec<String> {
    let since = events.last_day().plus(-365);
    let mut ids: Vec<String> = events.iter().filter(|event| event.1 > since).map(|event| event.0.to_owned()).collect();
    ids.dedup();
    ids
}

#[test]
fn every_door_takes_the_covered_customers() {
    let events = log();
    let model = model(&events);
    let active = active(&events);
    let inactive = 200 - active.len() as u64;
    assert!(inactive > 10, "{inactive}");
    let ids = |ids: &mut dyn Iterator<Item = &str>| ids.map(str::to_owned).collect::<Vec<_>>();

    let predictions = model.predict(&events, None).expect("predictions");
    assert_eq!(ids(&mut predictions.customer_ids()), active);
    let coverage = predictions.coverage().expect("events have coverage");
    assert_eq!((coverage.covered, coverage.inactive), (active.len() as u64, inactive));
    assert!(predictions.covered().is_none());

    let table = model.features(&events, None).expect("features");
    assert_eq!(ids(&mut table.customer_ids()), active);
    assert_eq!(ids(&mut model.explain(&table).expect("reasons").customer_ids()), active);
    assert_eq!(cluster(&table, 3, 0).expect("clusters").assignments.len(), active.len());

    // A table of everybody, made without the model, is cut down in the same way.
    let config = table.fitted_config().expect("of events").clone();
    let everybody = features(&events.split_at(events.last_day()).0, &config).expect("features");
    assert_eq!(everybody.rows(), 200);
    assert_eq!(
        model.predict_features(&everybody).expect("predictions").churn_probabilities(),
        predictions.churn_probabilities()
    );
    assert_eq!(ids(&mut model.explain(&everybody).expect("reasons").customer_ids()), active);

    let list =
        contact_list(predictions.customer_ids(), predictions.churn_probabilities(), None, &ContactConfig::default())
            .expect("a list");
    assert!(list.entries.iter().all(|entry| active.contains(&entry.customer_id)));
    let slipping = model.slipping_away(&events, None, &SlippingConfig::default()).expect("a list");
    assert!(!slipping.customers.is_empty());
    assert!(slipping.customers.iter().all(|customer| active.contains(&customer.customer_id)));
}

#[test]
fn everybody_on_request() {
    let events = log();
    let model = model(&events);
    let active = active(&events);
    let all = model.predict(Input::from(&events).include_inactive(true), None).expect("predictions");
    assert_eq!(all.len(), 200);
    let covered = all.covered().expect("asked for");
    for (id, &covered) in all.customer_ids().zip(covered) {
        assert_eq!(covered, active.iter().any(|active| active == id), "{id}");
    }
    let coverage = all.coverage().expect("events have coverage");
    assert_eq!((coverage.covered, coverage.customers()), (active.len() as u64, 200));
    let mut csv = Vec::new();
    all.write_csv(&mut csv).expect("memory");
    let csv = String::from_utf8(csv).expect("text");
    assert!(csv.starts_with("customer_id,churn_probability,risk_segment,covered\n"));
    assert_eq!(csv.lines().filter(|line| line.ends_with(",false")).count() as u64, coverage.inactive);
    // Those who are covered have the same bits either way.
    let some = model.predict(&events, None).expect("predictions");
    let of_covered: Vec<f64> =
        all.churn_probabilities().iter().zip(covered).filter(|row| *row.1).map(|row| *row.0).collect();
    assert_eq!(some.churn_probabilities(), of_covered);
}

#[test]
fn one_customer_is_always_answered() {
    let events = log();
    let model = model(&events);
    let at = |last: &str| {
        let transaction = Transaction { event_date: day(last), amount: Some(5.0), ..transaction() };
        let customer =
            Customer { customer_id: "new".into(), transactions: vec![transaction], attributes: Default::default() };
        let prediction = model.predict_one(&customer, day("2024-12-31")).expect("an answer");
        let explainer = model.explainer(&ExplainConfig::default()).expect("an explainer");
        let explained = explainer.explain_one(&customer, day("2024-12-31")).expect("an answer");
        assert_eq!(explained.prediction, prediction);
        assert!((explained.base + explained.contributions.iter().sum::<f64>() - explained.margin).abs() < 1e-9);
        prediction
    };
    // 2024-01-02 is 364 days before 2024-12-31, a day of a leap year; 2024-01-01 is 365 days before.
    let (inside, outside) = (at("2024-01-02"), at("2024-01-01"));
    assert!(inside.covered && inside.note.is_none());
    assert!(!outside.covered);
    let note = outside.note.expect("a sentence");
    assert!(note.contains("2024-01-01") && note.contains("365 days") && note.contains("guess"), "{note}");
}

fn transaction() -> Transaction {
    Transaction { event_date: day("2024-01-01"), amount: None, event_type: None, order_id: None }
}

#[test]
fn nobody_covered_is_an_error_that_names_the_way_out() {
    let events = log();
    let model = model(&events);
    let later = events.last_day().plus(1000);
    let error = model.predict(&events, Some(later)).expect_err("nobody is active any more");
    assert_eq!(error.code(), "no_customers");
    assert!(error.to_string().contains("include_inactive = true"), "{error}");
    assert_eq!(model.predict(Input::from(&events).include_inactive(true), Some(later)).expect("asked for").len(), 200);
    let error = train(Input::from(&events).include_inactive(true), &TrainConfig::default()).expect_err("of no meaning");
    assert_eq!(error.code(), "invalid_parameter");
}

/// Labels and coverage are one rule: whoever has a label at a cutoff is covered there, and nobody else.
#[test]
fn the_labelled_are_the_covered() {
    let events = log();
    for within in [Some(30), Some(365), None] {
        let config = LabelConfig { active_within_days: within, ..LabelConfig::default() };
        let cutoff = day("2024-08-01");
        let (history, outcome) = events.split_at(cutoff);
        let labelled = churn::labels(&history, &outcome, &config).expect("labels");
        let table = features(&history, &FeatureConfig::default()).expect("features");
        for id in table.customer_ids() {
            let last = events.iter().filter(|e| e.0 == id && e.1 <= cutoff).map(|e| e.1).max().expect("a past");
            let has_label = labelled.iter().any(|(customer, _)| customer == id);
            assert_eq!(config.covers(last, cutoff), has_label, "{id} {within:?}");
        }
    }
}

/// 8,332 customers bought in the 365 days up to 1998-06-30, 15,238 did not: counted by awk from the file.
#[test]
fn cdnow_at_its_last_day() {
    let Some(csv) = cdnow() else { return };
    let options = ReadOptions { date_format: Some("%Y%m%d".into()), ..ReadOptions::default() };
    let events = Events::from_csv(csv.as_bytes(), &options).expect("good rows");
    let model = model(&events);
    let predictions = model.predict(&events, None).expect("predictions");
    let coverage = predictions.coverage().expect("events have coverage");
    assert_eq!((predictions.len(), coverage.covered, coverage.inactive), (8332, 8332, 15_238));
}
