//! Mistakes that must not go unnoticed: labels computed from the past, features that see the future, columns that are missing, and
//! settings that cannot be meant.

use std::collections::BTreeMap;

use churn::{
    CalibrationKind, ClassWeight, Column, ColumnData, Customer, Day, ErrorKind, Events, FeatureConfig, FeatureSet,
    INACTIVITY_WARNING, Input, LabelConfig, LabelKind, LearnConfig, Model, ModelKind, Protocol, ReadOptions, Table,
    TableConfig, TrainConfig, Transaction, Value, audit, features, labels, train, train_table,
};
use churn_tests::{Xorshift, csv_of, day, log_lines, read, table_bits};

fn log() -> Events {
    read(&csv_of(&log_lines(7, 300, 600)))
}

fn code(result: churn::Result<Model>) -> &'static str {
    result.map(|model| model.kind()).expect_err("this must be refused").code()
}

#[test]
fn the_inactivity_rule_carries_its_warning() {
    let events = log();
    let config = TrainConfig {
        labels: LabelConfig { labels: LabelKind::Inactivity, ..LabelConfig::default() },
        ..TrainConfig::default()
    };
    let model = train(&events, &config).expect("both classes");
    assert!(model.warnings().iter().any(|warning| warning == INACTIVITY_WARNING), "{:?}", model.warnings());
    // The label is a threshold on the days since the last event, and recency falls with them.
    assert_eq!(model.evaluation().expect("an evaluation").recency_auc, Some(1.0));
    assert!(model.warnings().len() >= 2, "a perfect recency is worth a warning of its own: {:?}", model.warnings());
    let kept = Model::from_json(&model.to_json()).expect("our own document");
    assert_eq!(kept.warnings(), model.warnings());

    let honest = train(&events, &TrainConfig::default()).expect("both classes");
    assert!(honest.warnings().iter().all(|warning| warning != INACTIVITY_WARNING), "{:?}", honest.warnings());
    assert_eq!(honest.evaluation().expect("an evaluation").protocol, Protocol::OutOfTime);
    assert!(honest.evaluation().expect("an evaluation").recency_auc.is_some_and(|auc| (0.5..0.99).contains(&auc)));
}

/// Labels drawn at random, 400 customers to judge by, 200 of either kind: the standard error of the AUC is
/// √((200 + 200 + 1) / (12 · 200 · 200)) = 0.029.
#[test]
fn labels_at_random_cannot_be_predicted() {
    let mut random = Xorshift::new(11);
    let labels: Vec<bool> = (0..2000).map(|_| random.below(2) == 1).collect();
    let mut csv = "customer_id,event_date,amount,churn_label\n".to_owned();
    for line in log_lines(8, 2000, 600) {
        let customer = line.split(',').next().expect("an id");
        let number: usize = customer.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number");
        let [date, amount] = [1, 2].map(|field| line.split(',').nth(field).expect("a field"));
        csv.push_str(&format!("{customer},{date},{amount},{}\n", u8::from(labels[number % 2000])));
    }
    let mut options = ReadOptions::default();
    options.columns.churn_label = Some("churn_label".to_owned());
    let events = Events::from_csv(csv.as_bytes(), &options).expect("no bad row");
    for model in [ModelKind::LogisticRegression, ModelKind::RandomForest, ModelKind::GradientBoosting] {
        let config = TrainConfig {
            labels: LabelConfig { labels: LabelKind::Provided, ..LabelConfig::default() },
            learning: LearnConfig { model, ..LearnConfig::default() },
            ..TrainConfig::default()
        };
        let model = train(&events, &config).expect("both classes");
        let auc = model.evaluation().expect("an evaluation").metrics.roc_auc;
        assert!((auc - 0.5).abs() < 3.0 * 0.029, "{}: {auc}", model.kind().name());
        assert!(
            model.evaluation().expect("an evaluation").metrics.n > 300,
            "{}",
            model.evaluation().expect("an evaluation").metrics.n
        );
    }
}

#[test]
fn the_audit_is_stamped_and_finds_a_planted_leak() {
    let events = log();
    let cutoff = day("2024-02-01");
    let config = FeatureConfig { feature_set: FeatureSet::Behavioral, ..FeatureConfig::default() };
    let stamp = audit(&events, &[cutoff], |events, day| features(&events.split_at(day).0, &config)).expect("honest");
    let later = events.iter().filter(|event| event.1 > cutoff).count() as u64;
    assert!(later > 0);
    assert_eq!((stamp.events_deleted, stamp.cutoffs.as_slice()), (later, [cutoff].as_slice()));

    // Sees a single day too far.
    let leaky = audit(&events, &[cutoff], |events, day| features(&events.split_at(day.plus(1)).0, &config));
    assert_eq!(leaky.expect_err("a leak").kind(), ErrorKind::Leak);
    // Sees only when the last event of the log was, through the scales.
    let sly = audit(&events, &[cutoff], |events, day| {
        let scales = churn::Scales { frequency: 1.0 + f64::from(events.last_day().number()), monetary: 1.0 };
        features(&events.split_at(day).0, &FeatureConfig { scales: Some(scales), ..FeatureConfig::default() })
    });
    assert_eq!(sly.expect_err("a leak").kind(), ErrorKind::Leak);

    let model = train(&events, &TrainConfig::default()).expect("both classes");
    let stamp = model.audit().expect("the audit is on by default");
    let days = stamp.cutoffs.iter().map(|&cutoff| events.iter().filter(|event| event.1 > cutoff).count() as u64);
    assert_eq!(stamp.events_deleted, days.sum::<u64>());
    assert!(stamp.cutoffs.len() > 1 && stamp.values_compared > 0);
    let unaudited = train(&events, &TrainConfig { audit: false, ..TrainConfig::default() }).expect("both classes");
    assert_eq!(unaudited.audit(), None);
}

/// As if it had been written then: nothing of a truncated log tells what came later.
#[test]
fn a_truncated_log_knows_nothing_of_the_future() {
    let csv =
        "customer_id,event_date,amount,event_type\na,2024-01-01,1,early\na,2024-03-01,2,late\nb,2024-03-01,2,late\n";
    let past = read(csv).truncated(day("2024-02-01")).expect("an event by then");
    assert_eq!(past.event_types().collect::<Vec<_>>(), ["early"]);
    assert_eq!(past.customer_ids().collect::<Vec<_>>(), ["a"]);
    assert_eq!((past.first_day(), past.last_day(), past.len()), (day("2024-01-01"), day("2024-01-01"), 1));
    assert_eq!((past.report().rows, past.report().good, past.report().bad), (1, 1, 0));
    let kinds: Vec<_> = past.iter().map(|event| event.3).collect();
    assert_eq!(kinds, [Some("early")]);
}

#[test]
fn a_window_that_reaches_past_the_data_is_refused() {
    let events = log();
    let config = LabelConfig::default();
    let latest = events.last_day().plus(-config.horizon_days);
    for (cutoff, expected) in [
        (latest, None),
        (latest.plus(1), Some(ErrorKind::CutoffOutsideData)),
        (events.last_day(), Some(ErrorKind::CutoffOutsideData)),
        (events.first_day(), None),
        (events.first_day().plus(-1), Some(ErrorKind::CutoffOutsideData)),
        (Day::MAX, Some(ErrorKind::CutoffOutsideData)),
        (Day::MIN, Some(ErrorKind::CutoffOutsideData)),
    ] {
        let (history, outcome) = events.split_at(cutoff);
        assert_eq!(labels(&history, &outcome, &config).err().map(|error| error.kind()), expected, "{cutoff}");
    }
    let with = |cutoffs: &[Day], snapshots| TrainConfig {
        cutoffs: (!cutoffs.is_empty()).then(|| cutoffs.to_vec()),
        snapshots,
        ..TrainConfig::default()
    };
    assert_eq!(code(train(&events, &with(&[latest.plus(1)], None))), "cutoff_outside_data");
    assert_eq!(code(train(&events, &with(&[], Some(20)))), "cutoff_outside_data");
    assert_eq!(code(train(&events, &with(&[], Some(0)))), "invalid_parameter");
    assert_eq!(code(train(&events, &with(&[latest, latest], None))), "invalid_parameter");
    // An outcome of another day does not belong to the history.
    let (history, _) = events.split_at(latest);
    let (_, other) = events.split_at(latest.plus(-1));
    assert_eq!(labels(&history, &other, &config).expect_err("mixed").kind(), ErrorKind::InvalidParameter);
}

/// Customer attributes: plan by customer, age for every other one; the last ten customers are not in the table.
fn attributes(events: &Events) -> Table {
    let ids: Vec<&str> = events.customer_ids().take(events.customers() - 10).collect();
    let column = |name: &str, data| Column { name: name.to_owned(), data };
    let some = |text: &str| Some(text.to_owned());
    Table::new(vec![
        column("id", ColumnData::Categorical(ids.iter().map(|id| some(id)).collect())),
        column("plan", ColumnData::Categorical((0..ids.len()).map(|i| some(["basic", "gold"][i % 2])).collect())),
        column(
            "age",
            ColumnData::Numeric((0..ids.len()).map(|i| if i % 3 == 0 { f64::NAN } else { i as f64 }).collect()),
        ),
    ])
    .expect("a table")
}

#[test]
fn joined_columns_become_features_and_are_asked_for() {
    let events = log();
    let table = attributes(&events);
    let input = Input::from(&events).with_attributes(&table, "id");
    let eight = TrainConfig { features: FeatureConfig::default(), ..TrainConfig::default() };
    let model = train(input, &eight).expect("both classes");
    let names: Vec<&str> = model.feature_specs().iter().map(|spec| spec.name.as_str()).collect();
    assert_eq!(names[8..], ["plan", "age"]);
    assert_eq!(model.feature_specs()[8].levels.as_deref(), Some(["basic".to_owned(), "gold".to_owned()].as_slice()));

    let joined = model.features(input.include_inactive(true), None).expect("the same columns");
    let plain = features(&events.split_at(events.last_day()).0, &FeatureConfig::default()).expect("customers");
    assert_eq!((joined.rows(), joined.values().ncols()), (plain.rows(), 10));
    let ids: Vec<&str> = events.customer_ids().collect();
    for (i, id) in ids.iter().enumerate() {
        let row = joined.row(id).expect("a customer");
        if i >= ids.len() - 10 {
            assert!(row[8].is_nan() && row[9].is_nan(), "{id} is not in the table");
        } else {
            assert_eq!(row[8], (i % 2) as f64, "{id}");
            assert!(if i % 3 == 0 { row[9].is_nan() } else { row[9] == i as f64 }, "{id}");
        }
    }

    // Without the columns there is no score, from the log or from a table of features.
    let missing = model.predict(&events, None).expect_err("no columns");
    assert_eq!(missing.kind(), ErrorKind::FeatureMismatch);
    assert!(missing.to_string().contains("plan") && missing.to_string().contains("age"), "{missing}");
    assert_eq!(model.predict_features(&plain).expect_err("no columns").kind(), ErrorKind::FeatureMismatch);
    let batch = model.predict(input.include_inactive(true), None).expect("the same columns");

    // One alone brings the values along; a column that the model does not know is refused.
    let id = ids[1];
    let transactions: Vec<Transaction> = events
        .iter()
        .filter(|event| event.0 == id)
        .map(|event| Transaction {
            event_date: event.1,
            amount: event.2,
            event_type: event.3.map(str::to_owned),
            order_id: None,
        })
        .collect();
    let mut customer = Customer {
        customer_id: id.to_owned(),
        transactions,
        attributes: BTreeMap::from([
            ("plan".to_owned(), Value::Text("gold".to_owned())),
            ("age".to_owned(), Value::Number(1.0)),
        ]),
    };
    let alone = model.predict_one(&customer, events.last_day()).expect("a customer with a past");
    assert_eq!(Some(alone.clone()), batch.iter().find(|prediction| prediction.customer_id == id));
    customer.attributes.insert("height".to_owned(), Value::Number(2.0));
    let unknown = model.predict_one(&customer, events.last_day()).expect_err("no such column");
    assert_eq!(unknown.kind(), ErrorKind::FeatureMismatch);
}

/// Ids are opaque: digits with leading zeros, or more of them than a double holds, are not the number they look like.
#[test]
fn ids_in_a_joined_table_are_kept_byte_for_byte() {
    let events = read("customer_id,event_date\n007,2024-01-01\n7,2024-01-01\n10000000000000000001,2024-01-01\n");
    let csv = "id,x\n007,1\n7,2\n10000000000000000001,3\n10000000000000000002,4\n";
    let table = Table::from_csv(csv.as_bytes(), ',').expect("a table");
    let mut features = features(&events.split_at(events.last_day()).0, &FeatureConfig::default()).expect("customers");
    features.join(&table, "id").expect("four different ids");
    let x: Vec<f64> = ["007", "7", "10000000000000000001"].map(|id| features.row(id).expect("a row")[8]).to_vec();
    assert_eq!(x, [1.0, 2.0, 3.0]);
}

#[test]
fn features_of_other_windows_or_scales_are_refused() {
    let events = log();
    let model = train(&events, &TrainConfig::default()).expect("both classes");
    let (history, _) = events.split_at(events.last_day());
    let own = model.features(&events, None).expect("customers");
    assert!(model.predict_features(&own).is_ok());
    let refitted = features(&history, &FeatureConfig::default()).expect("customers");
    assert_ne!(refitted.scales(), own.scales(), "scales of one day are not those of all snapshots");
    assert_eq!(model.predict_features(&refitted).expect_err("other scales").kind(), ErrorKind::FeatureMismatch);
    // A table without customers' events, and a model of events, do not meet by accident.
    let table = attributes(&events);
    assert_eq!(model.predict_table(&table, None).expect_err("other columns").kind(), ErrorKind::MissingColumn);
}

/// x decides y but for one row in ten.
fn small_table(rows: usize, churned: usize) -> Table {
    let numeric = |name: &str, values: Vec<f64>| Column { name: name.to_owned(), data: ColumnData::Numeric(values) };
    let y: Vec<f64> = (0..rows).map(|i| f64::from(u8::from(i < churned))).collect();
    let x = (0..rows).map(|i| if i % 10 == 0 { 0.5 } else { y[i] } + (i % 7) as f64 / 7.0).collect();
    Table::new(vec![numeric("x", x), numeric("churned", y)]).expect("a table")
}

#[test]
fn too_little_to_learn_from_is_refused() {
    for (rows, churned, expected) in [
        (49, 20, "too_few_rows"),
        (200, 0, "one_class"),
        (200, 4, "one_class"),
        (200, 196, "one_class"),
        (200, 200, "one_class"),
    ] {
        for model in churn::ModelKind::LEARNERS {
            let learning = LearnConfig { model, ..LearnConfig::default() };
            let config = TableConfig { learning, ..TableConfig::default() };
            let error = train_table(&small_table(rows, churned), &config).expect_err("too little");
            assert_eq!(error.code(), expected, "{churned} of {rows} churned, {model:?}");
        }
    }
    assert!(train_table(&small_table(200, 60), &TableConfig::default()).is_ok());
    // A log that is long enough, of too few customers.
    let few = read(&csv_of(&log_lines(8, 12, 200)));
    let config = TrainConfig { snapshots: Some(1), ..TrainConfig::default() };
    assert_eq!(code(train(&few, &config)), "too_few_rows");
}

#[test]
fn weights_that_bend_probabilities_need_calibration() {
    let balanced = |calibration| TableConfig {
        learning: LearnConfig { class_weight: ClassWeight::Balanced, calibration, ..LearnConfig::default() },
        ..TableConfig::default()
    };
    let table = small_table(300, 40);
    assert_eq!(code(train_table(&table, &balanced(CalibrationKind::None))), "invalid_parameter");
    let model = train_table(&table, &balanced(CalibrationKind::Auto)).expect("calibrated");
    // Calibration takes the weights' bend back: the mean probability is the base rate again, not one half.
    let p = model.predict_table(&table, None).expect("the same columns");
    let mean = p.churn_probabilities().iter().sum::<f64>() / 300.0;
    assert!((mean - 40.0 / 300.0).abs() < 0.03, "{mean}");
}

#[test]
fn settings_out_of_range_are_refused() {
    let events = log();
    for text in [
        r#"{"horizon_days": 0}"#,
        r#"{"horizon_days": 100000}"#,
        r#"{"gap_days": -1}"#,
        r#"{"active_within_days": 0}"#,
        r#"{"event_types": []}"#,
        r#"{"event_types": ["no such type"]}"#,
        r#"{"labels": "inactivity", "threshold_days": 0}"#,
        r#"{"windows": {"recent_days": 1}}"#,
        r#"{"scales": {"frequency": 0, "monetary": 1}}"#,
        r#"{"top_event_types": 100000}"#,
        r#"{"event_type_columns": ["a", "a"]}"#,
        r#"{"l2": 0}"#,
        r#"{"learning_rate": 1.5}"#,
        r#"{"trees": 0}"#,
        r#"{"rounds": 0}"#,
        r#"{"max_depth": 33}"#,
        r#"{"seed": 9007199254740992}"#,
        r#"{"thresholds": {"medium": 0.6}}"#,
        r#"{"model": "random_forest", "min_child_weight": -1}"#,
    ] {
        let config = TrainConfig::from_json(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(code(train(&events, &config)), "invalid_parameter", "{text}");
    }
}

#[test]
fn unknown_settings_are_refused() {
    for text in [
        r#"{"horizont": 60}"#,
        r#"{"windows": {"recent": 30}}"#,
        r#"{"thresholds": {"low": 0.1}}"#,
        r#"{"model": "svm"}"#,
        r#"{"labels": "whatever"}"#,
        r#"{"snapshots": -1}"#,
        r#"{"cutoffs": ["2024-02-30"]}"#,
        r#"{"audit": "yes"}"#,
        r#"{"label": "churned"}"#,
        "[]",
        "not json",
    ] {
        assert_eq!(TrainConfig::from_json(text).expect_err(text).kind(), ErrorKind::InvalidParameter, "{text}");
    }
    for text in [r#"{"horizon_days": 60}"#, r#"{"leaveout": []}"#, r#"{"label": 1}"#] {
        assert!(serde_json::from_str::<TableConfig>(text).is_err(), "{text}");
    }
    for text in [r#"{"delimeter": ";"}"#, r#"{"columns": {"customer": "x"}}"#, r#"{"on_bad_row": "ignore"}"#] {
        assert!(serde_json::from_str::<ReadOptions>(text).is_err(), "{text}");
    }
    for text in [r#"{"treshold": 0.5}"#, r#"{"bins": -1}"#] {
        assert!(serde_json::from_str::<churn::EvaluationConfig>(text).is_err(), "{text}");
    }
    for text in [
        r#"{"customer_id": "a", "transactions": [{"date": "2024-01-01"}]}"#,
        r#"{"customer_id": "a", "transactions": [{"event_date": "2024-13-01"}]}"#,
        r#"{"customer_id": "a", "transactions": [], "name": "x"}"#,
        r#"{"customer_id": 7.5, "transactions": []}"#,
    ] {
        assert!(serde_json::from_str::<Customer>(text).is_err(), "{text}");
    }
}

/// A flat configuration goes to JSON and back unchanged, so that what is stored is what was meant.
#[test]
fn settings_survive_json() {
    let config = TrainConfig::from_json(
        r#"{"model": "gradient_boosting", "horizon_days": 60, "feature_set": "behavioral", "snapshots": 3, "audit": false,
            "active_within_days": null, "l2": 0.25, "windows": {"recent_days": 14}}"#,
    )
    .expect("known settings");
    assert_eq!((config.labels.horizon_days, config.labels.active_within_days), (60, None));
    assert_eq!((config.features.windows.recent_days, config.features.windows.activity_days), (14, 90));
    let text = serde_json::to_string(&config).expect("finite numbers");
    assert_eq!(TrainConfig::from_json(&text).expect("our own text"), config);
}

/// The scales that travel in the model are those of its training customers, whatever log is scored.
#[test]
fn a_later_log_is_scored_with_the_scales_of_training() {
    let events = log();
    let model = train(&events, &TrainConfig::default()).expect("both classes");
    let own = model.features(&events, Some(day("2024-01-31"))).expect("customers");
    let single: String = events
        .iter()
        .filter(|event| event.0 == "c0007")
        .map(|(id, day, amount, kind)| {
            format!("{id},{day},{},{}\n", amount.map_or(String::new(), |a| a.to_string()), kind.unwrap_or(""))
        })
        .collect();
    let alone = read(&format!("customer_id,event_date,amount,event_type\n{single}"));
    let alone = model.features(&alone, Some(day("2024-01-31"))).expect("one customer");
    assert_eq!(alone.scales(), own.scales());
    let bits = |table: &churn::FeatureTable| table.row("c0007").expect("a row").mapv(f64::to_bits);
    assert_eq!(bits(&alone), bits(&own));
    assert_ne!(table_bits(&alone), table_bits(&own));
}

#[test]
fn numbers_too_large_to_compute_with_are_refused_and_the_largest_score() {
    let table = |values: Vec<f64>| {
        let churned = (0..values.len()).map(|row| Some(row % 2 == 0)).collect();
        Table::new(vec![
            Column { name: "churned".to_owned(), data: ColumnData::Boolean(churned) },
            Column { name: "x".to_owned(), data: ColumnData::Numeric(values.clone()) },
            Column { name: "z".to_owned(), data: ColumnData::Numeric(values.into_iter().map(|v| -v).collect()) },
        ])
    };
    let mut values: Vec<f64> = (0..200).map(|row| f64::from(row % 2) + 0.3 * f64::from(row % 7)).collect();
    values[17] = 1e308;
    let error = table(values.clone()).expect_err("too large");
    assert_eq!((error.code(), error.line()), ("invalid_column", Some(18)));

    values[17] = 1e100;
    for model in ModelKind::LEARNERS {
        let learning = LearnConfig { model, calibration: CalibrationKind::None, ..LearnConfig::default() };
        let model = train_table(
            &table(values.clone()).expect("within range"),
            &TableConfig { learning, ..TableConfig::default() },
        )
        .expect("within range");
        let predictions = model
            .predict_table(&table(vec![1e100, -1e100, f64::NAN, 0.5]).expect("within range"), None)
            .expect("within range");
        assert!(predictions.churn_probabilities().iter().all(|p| (0.0..=1.0).contains(p)), "{predictions:?}");
    }

    let learning = LearnConfig { model: ModelKind::LogisticRegression, ..LearnConfig::default() };
    values[17] = 1.0;
    let model = train_table(&table(values).expect("within range"), &TableConfig { learning, ..TableConfig::default() })
        .expect("within range");
    let mut document: serde_json::Value = serde_json::from_str(&model.to_json()).expect("within range");
    document["learner"]["logistic_regression"]["terms"][0]["coefficient"] = serde_json::json!(1e308);
    let error = Model::from_json(&document.to_string()).expect_err("too large");
    assert_eq!(error.code(), "invalid_document");
    assert!(error.to_string().contains("at most ±10^100"), "{error}");
}
