//! The cases of `tests/vectors`, which every implementation and binding runs. Their expected values come from an oracle that
//! does not know this library, or are worked by hand.
//!
//! Each file declares here how many cases it must hold: a runner that finds fewer fails, so that a case cannot go missing
//! unnoticed. One file, and long: a runner for each file of cases, except for that of `costs.json`, which is a module of its own.

use base64::Engine as _;
use churn::{
    CalibrationKind, Column, ColumnData, ErrorKind, EvaluationConfig, Events, FeatureConfig, FeatureSet, FeatureStream,
    FeatureTable, LabelConfig, LabelKind, LearnConfig, ModelKind, ReadOptions, Result, Table, TableConfig, Thresholds,
    compare, evaluate, features, labels, profit, segment_table, train_table,
};
use churn_tests::{agree, day, near, read, say, table_bits, vectors};
use serde_json::Value;

mod costs;

const RFM: usize = 11;
const BEHAVIORAL: usize = 11;
const LABELS: usize = 20;
const METRICS: usize = 17;
const METRIC_ERRORS: usize = 8;
const SEGMENTS: usize = 36;
const SEGMENT_ERRORS: usize = 8;
const SEGMENT_TABLES: usize = 3;
const ERRORS: usize = 64;
const ORDERS: usize = 16;
const ORDER_ERRORS: usize = 5;
const LOGISTIC: usize = 4;
const EXPECTED_PROFIT: usize = 11;
const EMPC: usize = 20;
const CURVES: usize = 17;
const EXPECTED_CURVES: usize = 6;
const CONTACT_LISTS: usize = 14;
const OUTCOMES: usize = 12;
const PROFIT_ERRORS: usize = 60;
const COMPARE: usize = 11;
const COMPARE_ERRORS: usize = 13;

/// The cases of a list, at least as many as declared.
fn cases(file: &Value, list: &str, declared: usize) -> Vec<Value> {
    let cases = file[list].as_array().cloned().unwrap_or_default();
    assert!(cases.len() >= declared, "{} {list}, {declared} are declared", cases.len());
    cases
}

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_else(|| panic!("{case}: no text {key:?}"))
}

fn number(value: &Value) -> f64 {
    // null is a missing value.
    if value.is_null() { f64::NAN } else { value.as_f64().unwrap_or_else(|| panic!("{value} is no number")) }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list of numbers").iter().map(number).collect()
}

fn outcomes(value: &Value) -> Vec<bool> {
    numbers(value).into_iter().map(|y| y == 1.0).collect()
}

/// The features of a case in memory and in one pass; both must have the same bits.
fn both_ways(name: &str, csv: &str, as_of: &str, config: &FeatureConfig) -> FeatureTable {
    both_ways_of((name, csv, &ReadOptions::default()), as_of, config)
}

/// [`both_ways`] with options of the reader.
fn both_ways_of((name, csv, options): (&str, &str, &ReadOptions), as_of: &str, config: &FeatureConfig) -> FeatureTable {
    let events = Events::from_csv(csv.as_bytes(), options).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (history, _) = events.split_at(day(as_of));
    let in_memory = features(&history, config).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut stream = FeatureStream::new(day(as_of), config).expect("the configuration is valid");
    stream.read_csv(csv.as_bytes(), options).unwrap_or_else(|error| panic!("{name}: {error}"));
    let streamed = stream.finish().unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(table_bits(&in_memory), table_bits(&streamed), "{name}: in memory and in one pass");
    in_memory
}

/// Every customer and feature of `expected`, and no customer beside them.
fn check_features(name: &str, table: &FeatureTable, expected: &Value) {
    let expected = expected.as_object().expect("customers");
    let mut customers: Vec<&str> = expected.keys().map(String::as_str).collect();
    customers.sort_unstable();
    assert_eq!(table.customer_ids().collect::<Vec<_>>(), customers, "{name}: customers");
    for (customer, features) in expected {
        let row = table.row(customer).expect("the customer is there");
        for (feature, value) in features.as_object().expect("features") {
            let at = table.names().position(|n| n == feature).unwrap_or_else(|| panic!("{name}: no {feature}"));
            assert!(agree(row[at], number(value)), "{name}: {feature} of {customer} is {}, not {value}", row[at]);
        }
    }
}

#[test]
fn rfm() {
    let cases = cases(&vectors("rfm.json"), "cases", RFM);
    for case in &cases {
        let (name, csv, as_of) = (text(case, "name"), text(case, "csv"), text(case, "as_of"));
        let table = both_ways(name, csv, as_of, &FeatureConfig::default());
        let scales = table.scales().expect("features of events have scales");
        assert!(agree(scales.frequency, number(&case["scales"]["frequency"])), "{name}: {scales:?}");
        assert!(agree(scales.monetary, number(&case["scales"]["monetary"])), "{name}: {scales:?}");
        let first = case["expected"].as_object().and_then(|customers| customers.values().next());
        assert_eq!(first.and_then(Value::as_object).map(serde_json::Map::len), Some(8), "{name}: eight features");
        check_features(name, &table, &case["expected"]);

        // One customer sent alone, with the scales of the batch, has the features of the batch.
        let given = FeatureConfig { scales: Some(scales), ..FeatureConfig::default() };
        for customer in table.customer_ids() {
            let header = csv.lines().next().expect("a header");
            let own = csv.lines().skip(1).filter(|line| line.starts_with(&format!("{customer},")));
            let alone = std::iter::once(header).chain(own).collect::<Vec<_>>().join("\n");
            let alone = both_ways(name, &alone, as_of, &given);
            let bits = |table: &FeatureTable| table.row(customer).map(|row| row.map(|v| v.to_bits()));
            assert_eq!(bits(&alone), bits(&table), "{name}: {customer} alone");
        }

        if case.get("labels").is_some() {
            let config = LabelConfig {
                horizon_days: case["horizon_days"].as_i64().expect("a horizon") as i32,
                gap_days: case.get("gap_days").and_then(Value::as_i64).unwrap_or(0) as i32,
                event_types: case.get("event_types").map(strings),
                ..LabelConfig::default()
            };
            // Where the log of the case ends before the window does, the labels are refused. A stranger who first comes after
            // the window closes it and has no label.
            let end = day(as_of).plus(config.gap_days + config.horizon_days);
            let mut events = read(csv);
            if events.last_day() < end {
                let refused = label(&events, as_of, &config).map_err(|error| error.kind());
                assert_eq!(refused, Err(ErrorKind::CutoffOutsideData), "{name}");
                let columns = csv.lines().next().map_or(0, |header| header.split(',').count());
                events = read(&format!("{csv}stranger,{}{}\n", end.plus(1), ",".repeat(columns - 2)));
            }
            check_labels(name, label(&events, as_of, &config), &case["labels"]);
        }
    }
    say(&format!("vectors/rfm.json: {} cases", cases.len()));
}

#[test]
fn behavioral() {
    let cases = cases(&vectors("behavioral.json"), "cases", BEHAVIORAL);
    let config = FeatureConfig { feature_set: FeatureSet::Behavioral, ..FeatureConfig::default() };
    for case in &cases {
        let (name, csv, as_of) = (text(case, "name"), text(case, "csv"), text(case, "as_of"));
        let table = both_ways(name, csv, as_of, &config);
        let names: Vec<&str> = table.names().skip(8).collect();
        assert_eq!(names, strings(&case["names"]), "{name}: names and their order");
        check_features(name, &table, &case["expected"]);
    }
    say(&format!("vectors/behavioral.json: {} cases", cases.len()));
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().expect("a list").iter().map(|v| v.as_str().expect("a text").to_owned()).collect()
}

type Labelled = Vec<(String, bool)>;

fn label(events: &Events, cutoff: &str, config: &LabelConfig) -> Result<Labelled> {
    let (history, outcome) = events.split_at(day(cutoff));
    let labels = labels(&history, &outcome, config)?;
    Ok(labels.iter().map(|(id, churned)| (id.to_owned(), churned)).collect())
}

fn check_labels(name: &str, found: Result<Labelled>, expected: &Value) {
    let found = found.unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut expected: Labelled = expected
        .as_object()
        .expect("customers")
        .iter()
        .map(|(id, churned)| (id.clone(), churned.as_u64() == Some(1)))
        .collect();
    expected.sort_unstable();
    assert_eq!(found, expected, "{name}: exactly these customers");
}

#[test]
fn labels_of_customers() {
    let cases = cases(&vectors("labels.json"), "cases", LABELS);
    for case in &cases {
        let (name, csv, definition) = (text(case, "name"), text(case, "csv"), &case["definition"]);
        let days = |key: &str, default: i32| definition.get(key).and_then(Value::as_i64).map_or(default, |d| d as i32);
        let config = LabelConfig {
            labels: serde_json::from_value::<LabelKind>(definition["kind"].clone()).expect("a kind of label"),
            horizon_days: days("horizon_days", 90),
            gap_days: days("gap_days", 0),
            active_within_days: definition["active_within_days"].as_i64().map(|d| d as i32),
            event_types: definition.get("event_types").filter(|types| !types.is_null()).map(strings),
            threshold_days: days("threshold_days", 30),
            ..LabelConfig::default()
        };
        let found = Events::from_csv(csv.as_bytes(), &ReadOptions::default()).and_then(|events| {
            let last = events.last_day().to_string();
            label(&events, case["cutoff"].as_str().unwrap_or(&last), &config)
        });
        match case.get("error") {
            Some(code) => {
                assert_eq!(found.expect_err(name).code(), code.as_str().expect("a code"), "{name}")
            }
            None => check_labels(name, found, &case["expected"]),
        }
    }
    say(&format!("vectors/labels.json: {} cases", cases.len()));
}

#[test]
fn metrics() {
    let file = vectors("metrics.json");
    let (cases, errors) = (cases(&file, "cases", METRICS), cases(&file, "errors", METRIC_ERRORS));
    for case in &cases {
        let name = text(case, "name");
        let metrics = evaluate(&outcomes(&case["y"]), &numbers(&case["p"]), &EvaluationConfig::default())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        // Through the document's own names, so that a measure cannot stand under another's.
        let found = serde_json::to_value(&metrics).expect("metrics have finite numbers");
        let expected = case["expected"].as_object().expect("measures");
        let keys = |value: &serde_json::Map<String, Value>| {
            let mut keys: Vec<String> = value.keys().cloned().collect();
            keys.sort_unstable();
            keys
        };
        assert_eq!(keys(found.as_object().expect("an object")), keys(expected), "{name}: all measures");
        for (measure, value) in expected {
            let (found, value) = (number(&found[measure]), number(value));
            assert!(agree(found, value), "{name}: {measure} is {found}, not {value}");
        }
    }
    for case in &errors {
        let found = evaluate(&outcomes(&case["y"]), &numbers(&case["p"]), &EvaluationConfig::default());
        assert_eq!(found.map_err(|e| e.code()), Err(text(case, "error")), "{}", text(case, "name"));
    }
    say(&format!("vectors/metrics.json: {} cases", cases.len() + errors.len()));
}

fn thresholds(file: &Value, case: &Value) -> Thresholds {
    let given = case.get("thresholds").unwrap_or(&file["default_thresholds"]);
    serde_json::from_value(given.clone()).expect("three thresholds")
}

#[test]
fn segments() {
    let file = vectors("segments.json");
    assert_eq!(thresholds(&file, &Value::Null), Thresholds::default());
    let bands = cases(&file, "cases", SEGMENTS);
    for case in &bands {
        let found = thresholds(&file, case).segment(number(&case["p"])).map(|segment| segment.name());
        assert_eq!(found.map_err(|e| e.code()), Ok(text(case, "segment")), "{case}");
    }
    let errors = cases(&file, "errors", SEGMENT_ERRORS);
    for case in &errors {
        let p = case.get("p").map_or(0.5, number);
        let found = thresholds(&file, case).segment(p);
        assert_eq!(found.map_err(|e| e.code()), Err(text(case, "error")), "{case}");
    }
    let tables = cases(&file, "tables", SEGMENT_TABLES);
    for case in &tables {
        let name = text(case, "name");
        let rows = segment_table(&outcomes(&case["y"]), &numbers(&case["p"]), &thresholds(&file, case))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = case["expected"].as_array().expect("rows");
        assert_eq!(rows.len(), expected.len(), "{name}");
        for (row, expected) in rows.iter().zip(expected) {
            assert_eq!(row.segment.name(), text(expected, "segment"), "{name}");
            let found = serde_json::to_value(row).expect("a row has finite numbers");
            for key in ["from", "to", "customers", "churned", "observed_rate", "mean_probability"] {
                let (found, value) = (number(&found[key]), number(&expected[key]));
                assert!(agree(found, value), "{name}: {key} of {:?} is {found}, not {value}", row.segment);
            }
        }
    }
    say(&format!("vectors/segments.json: {} cases", bands.len() + errors.len() + tables.len()));
}

/// The bytes of a case of errors.json.
fn bytes(case: &Value) -> Vec<u8> {
    if let Some(csv) = case.get("csv") {
        return csv.as_str().expect("a text").as_bytes().to_vec();
    }
    if let Some(encoded) = case.get("csv_base64") {
        let decoder = base64::engine::general_purpose::STANDARD;
        return decoder.decode(encoded.as_str().expect("a text")).expect("base64");
    }
    let parts = case["csv_parts"].as_array().expect("csv, csv_base64 or csv_parts");
    let part = |part: &Value| match part.as_str() {
        Some(text) => text.to_owned(),
        None => {
            let times = part["repeat"][1].as_u64().expect("a count") as usize;
            part["repeat"][0].as_str().expect("a text").repeat(times)
        }
    };
    parts.iter().map(part).collect::<String>().into_bytes()
}

/// Customer, day, bits of the amount and type of each event.
type PlainEvents = Vec<(String, String, Option<u64>, Option<String>)>;

/// Events as plain values in some order, and the same of a case.
fn sorted_events(events: &Events, expected: &Value) -> [PlainEvents; 2] {
    let plain = |event: &Value| {
        let part = |i: usize| event[i].as_str().map(str::to_owned);
        (part(0).expect("a customer"), part(1).expect("a day"), event[2].as_f64().map(f64::to_bits), part(3))
    };
    let found = events.iter().map(|(id, day, amount, kind)| {
        (id.to_owned(), day.to_string(), amount.map(f64::to_bits), kind.map(str::to_owned))
    });
    let mut both = [found.collect::<Vec<_>>(), expected.as_array().expect("events").iter().map(plain).collect()];
    both.iter_mut().for_each(|events| events.sort_unstable());
    both
}

#[test]
fn orders() {
    let file = vectors("orders.json");
    let (cases, errors) = (cases(&file, "cases", ORDERS), cases(&file, "errors", ORDER_ERRORS));
    let options = |case: &Value| -> ReadOptions { serde_json::from_value(case["options"].clone()).expect("options") };
    for case in &cases {
        let (name, csv, as_of, options) = (text(case, "name"), text(case, "csv"), text(case, "as_of"), options(case));
        let events = Events::from_csv(csv.as_bytes(), &options).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut report = serde_json::to_value(events.report()).expect("a report is JSON");
        report["customers"] = events.customers().into();
        report["unit"] = events.unit().name().into();
        for (key, expected) in case["report"].as_object().expect("counts") {
            assert_eq!(&report[key], expected, "{name}: {key}");
        }
        let [found, expected] = sorted_events(&events, &case["events"]);
        assert_eq!(found, expected, "{name}: events");
        // The log with one row an event, in memory and in one pass: the same bits of both feature sets.
        for feature_set in [FeatureSet::Rfm, FeatureSet::Behavioral] {
            let config = FeatureConfig { feature_set, ..FeatureConfig::default() };
            let table = both_ways_of((name, csv, &options), as_of, &config);
            let grouped = both_ways(name, text(case, "grouped"), as_of, &config);
            assert_eq!(table_bits(&table), table_bits(&grouped), "{name}: one row an event");
            if feature_set == FeatureSet::Behavioral {
                assert_eq!(table.names().skip(8).collect::<Vec<_>>(), strings(&case["names"]), "{name}");
                check_features(name, &table, &case["expected"]);
            }
        }
        // No row lies after the day, so the one pass merges the same ones; what else rows share it does not count.
        let streamed = stream_report(csv.as_bytes(), &options).unwrap_or_else(|error| panic!("{name}: {error}"));
        let shared = (streamed.rows_sharing_day, streamed.duplicate_rows);
        assert_eq!((streamed.merged_rows, shared), (case["report"]["merged_rows"].as_u64(), (None, None)), "{name}");
    }
    for case in &errors {
        let (name, csv, options) = (text(case, "name"), text(case, "csv").as_bytes(), options(case));
        let error = Events::from_csv(csv, &options).expect_err(name);
        assert_eq!(error.code(), text(case, "error"), "{name}: {error}");
        let streamed = FeatureStream::new(day("2024-05-31"), &FeatureConfig::default()).and_then(|mut stream| {
            stream.read_csv(csv, &options)?;
            stream.finish()
        });
        assert_eq!(streamed.map(|_| ()).map_err(|e| e.to_string()), Err(error.to_string()), "{name}: in one pass");
    }
    say(&format!("vectors/orders.json: {} cases", cases.len() + errors.len()));
}

#[test]
fn errors() {
    let cases = cases(&vectors("errors.json"), "cases", ERRORS);
    for case in &cases {
        let (name, expected, input) = (text(case, "name"), &case["expected"], bytes(case));
        let options = match case.get("options") {
            Some(options) => serde_json::from_value(options.clone()).unwrap_or_else(|e| panic!("{name}: {e}")),
            None => ReadOptions::default(),
        };
        let found = Events::from_csv(input.as_slice(), &options);
        if let Some(code) = expected.get("error") {
            let error = found.expect_err(name);
            assert_eq!(error.code(), code.as_str().expect("a code"), "{name}: {error}");
            if let Some(line) = expected["line"].as_u64() {
                assert_eq!(error.line(), Some(line), "{name}: {error}");
            }
            for part in strings(&expected["message_contains"]) {
                assert!(error.to_string().contains(&part), "{name}: {part:?} is not in {error}");
            }
            // The one-pass reader refuses what the reader in memory refuses; it does not read labels.
            let labelled = input.windows(11).any(|window| window == b"churn_label");
            if !labelled {
                let streamed = stream_report(&input, &options).expect_err(name);
                assert_eq!((streamed.code(), streamed.line()), (error.code(), error.line()), "{name}: in one pass");
            }
            continue;
        }
        let events = found.unwrap_or_else(|error| panic!("{name}: {error}"));
        let report = events.report();
        let count = |key: &str| expected[key].as_u64().unwrap_or_else(|| panic!("{name}: no {key}"));
        assert_eq!((report.rows, report.good, report.bad), (count("rows"), count("good"), count("bad")), "{name}");
        assert_eq!(events.customers() as u64, count("customers"), "{name}: customers");
        assert_eq!(events.len() as u64, count("good"), "{name}: every good row is an event");
        let bad: Vec<Value> =
            report.bad_rows.iter().map(|row| serde_json::json!({"line": row.line, "reason": row.reason})).collect();
        assert_eq!(Value::Array(bad), expected["bad_rows"], "{name}");
        if let Some(expected) = expected.get("events") {
            let [found, expected] = sorted_events(&events, expected);
            assert_eq!(found, expected, "{name}: events");
        }
    }
    say(&format!("vectors/errors.json: {} cases", cases.len()));
}

fn stream_report(input: &[u8], options: &ReadOptions) -> Result<churn::IngestReport> {
    FeatureStream::new(churn::Day::MAX, &FeatureConfig::default())?.read_csv(input, options)
}

#[test]
fn logistic() {
    /// Of fewer rows a fifth set apart leaves less than training takes.
    const LEAST_ROWS: usize = 64;
    let cases = cases(&vectors("logistic.json"), "cases", LOGISTIC);
    for case in &cases {
        let name = text(case, "name");
        let mut x: Vec<Vec<f64>> = case["x"].as_array().expect("rows").iter().map(numbers).collect();
        let (mut y, mut l2) = (numbers(&case["y"]), number(&case["l2"]));
        let mut weights = case.get("weights").map(numbers);
        let expected = &case["expected"];
        let probabilities = numbers(&expected["probabilities"]);
        let rows = x.len();
        // Every row twice and twice the penalty is twice the objective, with the same medians, means and deviations: the
        // same coefficients from enough rows.
        if rows < LEAST_ROWS {
            x.extend_from_within(..);
            y.extend_from_within(..);
            if let Some(weights) = &mut weights {
                weights.extend_from_within(..);
            }
            l2 *= 2.0;
        }
        let width = x[0].len();
        let numeric = |name: String, values: Vec<f64>| Column { name, data: ColumnData::Numeric(values) };
        let mut columns: Vec<Column> =
            (0..width).map(|j| numeric(format!("x{j}"), x.iter().map(|row| row[j]).collect())).collect();
        columns.push(numeric("churned".to_owned(), y));
        let weight = weights.map(|weights| {
            columns.push(numeric("weight".to_owned(), weights));
            "weight".to_owned()
        });
        let table = Table::new(columns).unwrap_or_else(|error| panic!("{name}: {error}"));
        let learning = LearnConfig {
            model: ModelKind::LogisticRegression,
            l2,
            calibration: CalibrationKind::None,
            ..LearnConfig::default()
        };
        let model = train_table(&table, &TableConfig { weight, learning, ..TableConfig::default() })
            .unwrap_or_else(|error| panic!("{name}: {error}"));

        let document: Value = serde_json::from_str(&model.to_json()).expect("a document is JSON");
        let fitted = &document["learner"]["logistic_regression"];
        let intercept = number(&fitted["intercept"]);
        // The fit stops at a step of 1e-10; the note of the file asks for 1e-7.
        assert!(near(intercept, number(&expected["intercept"]), 0.0, 1e-7), "{name}: intercept {intercept}");
        let found: Vec<f64> =
            fitted["terms"].as_array().expect("terms").iter().map(|term| number(&term["coefficient"])).collect();
        let expected = numbers(&expected["coefficients"]);
        assert_eq!(found.len(), expected.len(), "{name}: a term a column and an indicator a column with gaps");
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert!(near(*found, *expected, 0.0, 1e-7), "{name}: coefficient {i} is {found}, not {expected}");
        }
        let predicted = model.predict_table(&table, None).expect("the training table fits");
        for (i, (found, expected)) in predicted.churn_probabilities().iter().zip(&probabilities).enumerate() {
            assert!(near(*found, *expected, 0.0, 1e-8), "{name}: row {i} has {found}, not {expected}");
        }
        assert!(predicted.len() >= probabilities.len() && probabilities.len() == rows, "{name}: all rows compared");
    }
    say(&format!("vectors/logistic.json: {} cases", cases.len()));
}

/// Too few rows are refused by training, which is why a case above is doubled.
#[test]
fn forty_rows_are_too_few() {
    let column = |name: &str, value: fn(usize) -> f64| Column {
        name: name.to_owned(),
        data: ColumnData::Numeric((0..40).map(value).collect()),
    };
    let table = Table::new(vec![column("x", |i| i as f64), column("churned", |i| (i % 2) as f64)]).expect("a table");
    let error = train_table(&table, &TableConfig::default()).expect_err("40 rows");
    assert_eq!(error.kind(), ErrorKind::TooFewRows);
}

/// The configuration of a case, through the names that it has in files; without one the defaults.
fn config<T: serde::de::DeserializeOwned>(case: &Value) -> T {
    let given = case.get("config").cloned().unwrap_or_else(|| serde_json::json!({}));
    serde_json::from_value(given).unwrap_or_else(|error| panic!("{case}: {error}"))
}

fn to_value(found: impl serde::Serialize) -> Value {
    serde_json::to_value(found).expect("results have names and finite numbers")
}

/// Every number agrees, everything else is equal, and nothing stands beside it.
fn check(path: &str, found: &Value, expected: &Value) {
    match (found, expected) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = |map: &serde_json::Map<String, Value>| {
                let mut keys: Vec<String> = map.keys().cloned().collect();
                keys.sort_unstable();
                keys
            };
            assert_eq!(keys(a), keys(b), "{path}");
            a.iter().for_each(|(key, found)| check(&format!("{path}/{key}"), found, &b[key]));
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{path}");
            a.iter()
                .zip(b)
                .enumerate()
                .for_each(|(i, (found, expected))| check(&format!("{path}/{i}"), found, expected));
        }
        (Value::Number(_), Value::Number(_)) => {
            assert!(agree(number(found), number(expected)), "{path} is {found}, not {expected}");
        }
        _ => assert_eq!(found, expected, "{path}"),
    }
}

/// The values of a case; none for null.
fn values(case: &Value) -> Option<Vec<f64>> {
    case.get("values").filter(|values| !values.is_null()).map(numbers)
}

fn contact_list(case: &Value) -> Result<profit::ContactList> {
    let ids = strings(&case["customer_ids"]);
    let ids = ids.iter().map(String::as_str);
    profit::contact_list(ids, &numbers(&case["p"]), values(case).as_deref(), &config(case))
}

#[test]
fn profits() {
    let file = vectors("profit.json");
    let mut count = 0;
    let mut all = |list: &str, declared: usize| {
        let cases = cases(&file, list, declared);
        count += cases.len();
        cases
    };
    for case in all("expected_profit", EXPECTED_PROFIT) {
        let (name, campaign) = (text(&case, "name"), config::<profit::Campaign>(&case));
        let found = campaign.expected_profit(number(&case["p"]), number(&case["value"])).expect("a profit");
        check(name, &to_value(found), &case["profit"]);
        check(name, &to_value(campaign.threshold().expect("a campaign")), &case["threshold"]);
    }
    for case in all("empc", EMPC) {
        let name = text(&case, "name");
        let found = profit::empc(&outcomes(&case["y"]), &numbers(&case["p"]), &config(&case));
        check(name, &to_value(found.unwrap_or_else(|error| panic!("{name}: {error}"))), &case["expected"]);
    }
    for case in all("curve", CURVES) {
        let (name, y, p, campaign) = (text(&case, "name"), outcomes(&case["y"]), numbers(&case["p"]), config(&case));
        let mpc = profit::mpc(&y, &p, &campaign).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut found = to_value(profit::curve(&y, &p, &campaign).unwrap_or_else(|error| panic!("{name}: {error}")));
        let measures = found.as_object_mut().expect("an object");
        measures.extend(to_value(mpc).as_object().expect("an object").clone());
        check(name, &found, &case["expected"]);
    }
    for case in all("expected_curve", EXPECTED_CURVES) {
        let name = text(&case, "name");
        let found = profit::expected_curve(&numbers(&case["p"]), values(&case).as_deref(), &config(&case));
        check(name, &to_value(found.unwrap_or_else(|error| panic!("{name}: {error}"))), &case["expected"]);
    }
    for case in all("contact_list", CONTACT_LISTS) {
        let name = text(&case, "name");
        let found = contact_list(&case).unwrap_or_else(|error| panic!("{name}: {error}"));
        check(name, &to_value(&found), &case["expected"]);
    }
    for case in all("campaign_outcome", OUTCOMES) {
        let name = text(&case, "name");
        let (mut contacted, mut churned) = (Vec::new(), Vec::new());
        for (group, key) in [(true, "contacted"), (false, "control")] {
            let [retained, customers] = [0, 1].map(|i| case[key][i].as_u64().expect("a count"));
            contacted.extend((0..customers).map(|_| group));
            churned.extend((0..customers).map(|i| i >= retained));
        }
        let found = profit::campaign_outcome(&contacted, &churned, &config(&case));
        check(name, &to_value(found.unwrap_or_else(|error| panic!("{name}: {error}"))), &case["expected"]);
    }
    for case in all("errors", PROFIT_ERRORS) {
        let (y, p) = (|| outcomes(&case["y"]), || numbers(&case["p"]));
        let found = match text(&case, "call") {
            "empc" => profit::empc(&y(), &p(), &config(&case)).map(to_value),
            "mpc" => profit::mpc(&y(), &p(), &config(&case)).map(to_value),
            "curve" => profit::curve(&y(), &p(), &config(&case)).map(to_value),
            "expected_curve" => profit::expected_curve(&p(), values(&case).as_deref(), &config(&case)).map(to_value),
            "contact_list" => contact_list(&case).map(to_value),
            "campaign_outcome" => {
                profit::campaign_outcome(&outcomes(&case["contacted"]), &y(), &config(&case)).map(to_value)
            }
            call => panic!("{call}: no such call"),
        };
        assert_eq!(found.map_err(|e| e.code()), Err(text(&case, "error")), "{}", text(&case, "name"));
    }
    say(&format!("vectors/profit.json: {count} cases"));
}

#[test]
fn comparisons() {
    let file = vectors("compare.json");
    let judge = |case: &Value| {
        compare(&outcomes(&case["y"]), &numbers(&case["a"]), &numbers(&case["b"]), &config(case)).map(to_value)
    };
    let (cases, errors) = (cases(&file, "cases", COMPARE), cases(&file, "errors", COMPARE_ERRORS));
    for case in &cases {
        let name = text(case, "name");
        check(name, &judge(case).unwrap_or_else(|error| panic!("{name}: {error}")), &case["expected"]);
    }
    for case in &errors {
        assert_eq!(judge(case).map_err(|e| e.code()), Err(text(case, "error")), "{}", text(case, "name"));
    }
    say(&format!("vectors/compare.json: {} cases", cases.len() + errors.len()));
}
