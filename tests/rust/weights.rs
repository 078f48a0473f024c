//! Weights of customers from a joined table: what is learned follows them, and they are no feature.

use churn::{
    BacktestConfig, Column, ColumnData, Events, Input, LabelConfig, LearnConfig, Model, ModelKind, Table, TrainConfig,
    backtest, labels, train,
};
use churn_tests::{csv_of, day, log_lines, read};

const CUTOFF: &str = "2024-01-01";

fn log() -> Events {
    read(&csv_of(&log_lines(11, 400, 600)))
}

/// A weight for each customer, by id.
fn weighed(events: &Events, weight: impl Fn(&str) -> f64) -> Table {
    let ids: Vec<&str> = events.customer_ids().collect();
    let texts = ids.iter().map(|id| Some((*id).to_owned())).collect();
    Table::new(vec![
        Column { name: "id".to_owned(), data: ColumnData::Categorical(texts) },
        Column { name: "value".to_owned(), data: ColumnData::Numeric(ids.iter().map(|id| weight(id)).collect()) },
    ])
    .expect("columns of one length")
}

fn settings(model: ModelKind) -> TrainConfig {
    let learning = LearnConfig { model, trees: 10, ..LearnConfig::default() };
    TrainConfig { learning, weight: Some("value".to_owned()), ..TrainConfig::default() }
}

fn trained(events: &Events, table: &Table, config: &TrainConfig) -> churn::Result<Model> {
    train(Input::from(events).with_attributes(table, "id"), config)
}

#[test]
fn equal_weights_change_nothing_and_are_no_feature() {
    let events = log();
    let equal = weighed(&events, |_| 1.0);
    for model in ModelKind::LEARNERS.into_iter().chain([ModelKind::Auto]) {
        let config = settings(model);
        let with = trained(&events, &equal, &config).expect("a weight for everybody");
        let without = train(&events, &TrainConfig { weight: None, ..config }).expect("a model");
        assert_eq!(with.to_json(), without.to_json(), "{model:?}");
    }
}

/// At its minimum, a logistic regression whose intercept has no penalty gives weighted rows the churners that they had: the sum of
/// weight · (probability − outcome) is 0. If nearly all of the weight is on one part of the customers, that is so for this part.
#[test]
fn what_is_learned_follows_the_weights() {
    let events = log();
    let (history, outcome) = events.split_at(day(CUTOFF));
    let definition = LabelConfig::default();
    let churned = labels(&history, &outcome, &definition).expect("customers to label");
    // Of those that churned every other one, and of the others one in seven.
    let chosen: Vec<&str> = churned
        .iter()
        .enumerate()
        .filter(|(number, (_, churned))| number % if *churned { 2 } else { 7 } == 0)
        .map(|(_, (id, _))| id)
        .collect();
    let weights = weighed(&events, |id| if chosen.contains(&id) { 1e6 } else { 1.0 });
    let learning = LearnConfig {
        model: ModelKind::LogisticRegression,
        calibration: churn::CalibrationKind::None,
        ..LearnConfig::default()
    };
    let config = TrainConfig {
        learning,
        cutoffs: Some(vec![day(CUTOFF)]),
        evaluation: false,
        weight: Some("value".to_owned()),
        ..TrainConfig::default()
    };
    let past = events.truncated(day(CUTOFF)).expect("events by then");
    // The mean over the chosen customers of probability − outcome.
    let excess = |model: &Model| {
        let predictions = model.predict(&past, Some(day(CUTOFF))).expect("the customers of the cutoff");
        let p: std::collections::HashMap<&str, f64> =
            predictions.customer_ids().zip(predictions.churn_probabilities().iter().copied()).collect();
        let of_chosen = churned.iter().filter(|(id, _)| chosen.contains(id));
        let sum: f64 = of_chosen.map(|(id, churned)| p[id] - f64::from(u8::from(churned))).sum();
        sum / chosen.len() as f64
    };
    let with = excess(&trained(&events, &weights, &config).expect("a weight for everybody"));
    let without = excess(&train(&events, &TrainConfig { weight: None, ..config }).expect("a model"));
    assert!(with.abs() < 1e-4 && without.abs() > 0.05, "{with} with weights, {without} without");
}

#[test]
fn weights_that_cannot_be_meant_are_refused() {
    let events = log();
    let config = settings(ModelKind::LogisticRegression);
    let refused = |result: churn::Result<Model>| {
        let error = result.expect_err("refused");
        (error.code(), error.to_string())
    };
    let (code, message) = refused(train(&events, &config));
    assert!(code == "invalid_parameter" && message.contains("no joined table"), "{message}");

    let (code, message) =
        refused(trained(&events, &weighed(&events, |id| f64::from(u8::from(id != "c0007"))), &config));
    assert!(code == "invalid_column" && message.contains("is 0; expected a number above 0"), "{message}");

    let mut columns = weighed(&events, |_| 2.0).columns().to_vec();
    let without_some: Vec<Column> = columns
        .iter()
        .map(|Column { name, data }| {
            let data = match data {
                ColumnData::Categorical(ids) => ColumnData::Categorical(ids[..50].to_vec()),
                ColumnData::Numeric(values) => ColumnData::Numeric(values[..50].to_vec()),
                other => other.clone(),
            };
            Column { name: name.clone(), data }
        })
        .collect();
    let (code, message) = refused(trained(&events, &Table::new(without_some).expect("a table"), &config));
    assert!(code == "invalid_column" && message.contains("has no weight"), "{message}");

    let rows = columns[0].data.clone();
    let days = match rows {
        ColumnData::Categorical(ids) => vec![Some("2020-01-01".to_owned()); ids.len()],
        _ => unreachable!("ids are text"),
    };
    columns.push(Column { name: "valid_from".to_owned(), data: ColumnData::Categorical(days) });
    let (code, message) = refused(trained(&events, &Table::new(columns).expect("a table"), &config));
    assert!(code == "invalid_parameter" && message.contains("without valid_from"), "{message}");
}

#[test]
fn a_backtest_has_one_weight_for_all_recipes() {
    let events = log();
    let (equal, unequal) = (weighed(&events, |_| 1.0), weighed(&events, |id| if id < "c0200" { 50.0 } else { 1.0 }));
    let config = |json: &str| BacktestConfig::from_json(json).expect("settings");
    let judged = |table: &Table, config: &BacktestConfig| {
        backtest(Input::from(&events).with_attributes(table, "id"), config).expect("cutoffs to judge at").over_time
    };
    let weighted = config(r#"{"model": "logistic_regression", "most_cutoffs": 2, "weight": "value"}"#);
    let plain = config(r#"{"model": "logistic_regression", "most_cutoffs": 2}"#);
    assert_eq!(judged(&equal, &weighted), backtest(&events, &plain).expect("cutoffs to judge at").over_time);
    assert_ne!(judged(&unequal, &weighted), judged(&equal, &weighted));
    let two = config(r#"{"weight": "value", "against": {"other": {"weight": "other"}}}"#);
    assert!(two.check().expect_err("one weight").to_string().contains("weight"));
}
