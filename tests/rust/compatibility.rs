//! Documents that were written once are read for ever. `tests/vectors/documents` holds one of each learner; the probabilities
//! in `expected.json` come from `score_document.py`, which knows the document and nothing of this library.
//!
//! To write them anew, as long as no release reads them: `cargo test -p churn-tests compatibility:: -- --ignored`
//! (needs `python3`).

use std::process::Command;

use churn::{
    CalibrationKind, Column, ColumnData, LearnConfig, MeanMember, Model, ModelKind, Table, TableConfig, train_table,
};
use churn_tests::{Xorshift, agree, near, say, vector_path, vectors};
use serde_json::{Value, json};

/// The name of each document, without the version, its learner and its calibration. In [`MANY_LEVELS`] the plan has many
/// levels.
const DOCUMENTS: [(&str, ModelKind, CalibrationKind); 5] = [
    ("logistic_regression", ModelKind::LogisticRegression, CalibrationKind::None),
    ("random_forest", ModelKind::RandomForest, CalibrationKind::Isotonic),
    ("gradient_boosting", ModelKind::GradientBoosting, CalibrationKind::Platt),
    (MANY_LEVELS, ModelKind::GradientBoosting, CalibrationKind::Platt),
    (MEAN, ModelKind::Auto, CalibrationKind::Platt),
];
const MANY_LEVELS: &str = "many_levels";
/// Boosting and logistic regression, averaged.
const MEAN: &str = "average";

/// Fewer rows in `expected.json` are a damaged file.
const ROWS: usize = 20;

/// No document of a test needs to be larger.
const MOST_BYTES: usize = 60_000;

fn file_name(name: &str) -> String {
    format!("{name}_v1.json")
}

fn document(name: &str) -> String {
    let path = vector_path("documents").join(file_name(name));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows as a table: age and spend in numbers, plan in categories, active true or false, each missing here and there.
fn table(rows: &[Value]) -> Table {
    let column = |name: &str, data| Column { name: name.to_owned(), data };
    let numbers = |name: &str| rows.iter().map(|row| row[name].as_f64().unwrap_or(f64::NAN)).collect();
    Table::new(vec![
        column("age", ColumnData::Numeric(numbers("age"))),
        column(
            "plan",
            ColumnData::Categorical(rows.iter().map(|row| row["plan"].as_str().map(str::to_owned)).collect()),
        ),
        column("spend", ColumnData::Numeric(numbers("spend"))),
        column("active", ColumnData::Boolean(rows.iter().map(|row| row["active"].as_bool()).collect())),
    ])
    .expect("columns of one length")
}

#[test]
fn old_documents_load_and_score_as_ever() {
    let expected = vectors("documents/expected.json");
    let rows = expected["rows"].as_array().expect("rows");
    assert!(rows.len() >= ROWS, "{} rows", rows.len());
    let table = table(rows);
    for (name, kind, _) in DOCUMENTS {
        let text = document(name);
        let model = Model::from_json(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(model.kind(), kind);
        let specs = model.feature_specs();
        assert_eq!(specs.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>(), ["age", "plan", "spend", "active"]);
        assert!(specs[1].levels.is_some() && text.len() <= MOST_BYTES);
        let probabilities = expected["probabilities"][file_name(name)].as_array().expect("probabilities");
        assert_eq!(probabilities.len(), rows.len(), "{name}");
        let predictions = model.predict_table(&table, None).expect("the columns are there");
        for ((found, expected), row) in predictions.churn_probabilities().iter().zip(probabilities).zip(rows) {
            let expected = expected.as_f64().expect("a probability");
            assert!(near(*found, expected, 0.0, 1e-12), "{name}: {found}, not {expected}, for {row}");
        }
        // A list of equal numbers would agree with a scorer that looks at nothing.
        let mut distinct: Vec<u64> = predictions.churn_probabilities().iter().map(|p| p.to_bits()).collect();
        distinct.sort_unstable();
        distinct.dedup();
        assert!(distinct.len() >= 5, "{name}: {} different probabilities", distinct.len());
    }
    say(&format!("vectors/documents: {} documents, {} rows", DOCUMENTS.len(), rows.len()));
}

/// The description of a model in its document survives reading and writing.
#[test]
fn old_documents_are_written_again_as_they_were() {
    for (name, ..) in DOCUMENTS {
        let model = Model::from_json(&document(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (old, new): (Value, Value) = (
            serde_json::from_str(&document(name)).expect("JSON"),
            serde_json::from_str(&model.to_json()).expect("JSON"),
        );
        keeps(&old, &new, name);
    }
}

/// Later versions may add keys at any depth; those that were there keep their values.
fn keeps(old: &Value, new: &Value, place: &str) {
    match (old, new) {
        (Value::Object(old), Value::Object(_)) => {
            old.iter().for_each(|(key, value)| keeps(value, &new[key], &format!("{place}: {key}")));
        }
        _ => assert_eq!(new, old, "{place}"),
    }
}

/// `auto` once kept nothing of a candidate but its learner and log-loss.
#[test]
fn old_candidates_load() {
    let mut value: Value = serde_json::from_str(&document("gradient_boosting")).expect("JSON");
    value["evaluation"]["candidates"] =
        json!([{"model": "gradient_boosting", "log_loss": 0.25}, {"model": "random_forest", "log_loss": 0.5}]);
    let model = Model::from_json(&value.to_string()).expect("an old document");
    let candidates = &model.evaluation().expect("an evaluation").candidates;
    assert_eq!(candidates.iter().map(|c| c.log_loss).collect::<Vec<_>>(), [Some(0.25), Some(0.5)]);
    assert_eq!(
        candidates.iter().map(|c| c.model).collect::<Vec<_>>(),
        [ModelKind::GradientBoosting, ModelKind::RandomForest]
    );
    assert!(candidates.iter().all(|c| c.feature_set.is_none() && c.settings.is_empty() && c.failure.is_none()));
    assert_eq!(model.evaluation().expect("an evaluation").search_protocol, None);
    assert_eq!(Model::from_json(&model.to_json()).expect("our own document"), model);
    value["evaluation"]["candidates"][0]["lucky"] = json!(true);
    assert_eq!(Model::from_json(&value.to_string()).expect_err("an unknown key").code(), "invalid_document");
}

/// One changed number is noticed by the golden rows.
#[test]
fn a_changed_document_is_refused() {
    for (name, kind, _) in DOCUMENTS {
        let mut value: Value = serde_json::from_str(&document(name)).expect("JSON");
        let learner = match kind {
            ModelKind::Auto => &mut value["learner"]["average"]["members"][0]["learner"]["gradient_boosting"],
            _ => &mut value["learner"][kind.name()],
        };
        match kind {
            ModelKind::LogisticRegression => {
                learner["intercept"] = json!(learner["intercept"].as_f64().expect("a number") + 1e-9)
            }
            ModelKind::GradientBoosting | ModelKind::Auto => {
                learner["base"] = json!(learner["base"].as_f64().expect("a number") + 1e-9)
            }
            _ => {
                for leaf in learner["trees"][0]["value"].as_array_mut().expect("values") {
                    *leaf = json!(leaf.as_f64().expect("a number") * 0.999);
                }
            }
        }
        assert_eq!(Model::from_json(&value.to_string()).expect_err("changed").code(), "golden_mismatch", "{name}");
        value["format_version"] = json!(2);
        assert_eq!(Model::from_json(&value.to_string()).expect_err("later").code(), "unsupported_version");
        value["format"] = json!("somebody else's");
        assert_eq!(Model::from_json(&value.to_string()).expect_err("foreign").code(), "invalid_document");
    }
}

/// Rows to train on: age, plan, spend and activity all tell something, and each is missing now and then.
fn training_rows() -> (Vec<Value>, Vec<f64>) {
    let mut random = Xorshift::new(2024);
    let rows: Vec<Value> = (0..240)
        .map(|_| {
            let or_null = |value: Value, random: &mut Xorshift| if random.below(9) == 0 { Value::Null } else { value };
            let age = or_null(json!(18 + random.below(50)), &mut random);
            let plan = or_null(json!(random.pick(&["basic", "gold", "silver", "à la carte"])), &mut random);
            let spend = or_null(json!(random.below(40_000) as f64 / 100.0), &mut random);
            let active = or_null(json!(random.below(2) == 0), &mut random);
            json!({"age": age, "plan": plan, "spend": spend, "active": active})
        })
        .collect();
    let churned = |row: &Value, random: &mut Xorshift| {
        let margin = (row["age"].as_f64().unwrap_or(60.0) - 40.0) / 15.0
            + if row["plan"] == "basic" || row["plan"].is_null() { 1.0 } else { -0.5 }
            - row["spend"].as_f64().unwrap_or(100.0) / 200.0
            + if row["active"] == true { -1.0 } else { 0.8 };
        f64::from(u8::from(random.unit() < 1.0 / (1.0 + (-margin).exp())))
    };
    let y = rows.iter().map(|row| churned(row, &mut random)).collect();
    (rows, y)
}

/// Rows to score: usual ones, everything missing, a level that training had not seen, values far outside, and the thresholds
/// of the trees with their neighbours.
fn rows_to_score(documents: &[Value]) -> Vec<Value> {
    let row = |age: Value, plan: Value, spend: Value, active: Value| json!({"age": age, "plan": plan, "spend": spend, "active": active});
    let mut rows = vec![
        row(Value::Null, Value::Null, Value::Null, Value::Null),
        row(json!(30), json!("platinum"), json!(100.5), json!(true)),
        row(json!(-1e9), json!("gold"), json!(1e9), json!(false)),
        row(json!(1e9), json!("basic"), json!(-1e9), json!(true)),
        row(json!(0), json!("à la carte"), json!(0), Value::Null),
    ];
    let (usual, _) = training_rows();
    rows.extend(usual.into_iter().step_by(20));
    let specs = ["age", "plan", "spend", "active"];
    for document in documents {
        for body in document["learner"].as_object().expect("a learner").values() {
            for tree in body["trees"].as_array().into_iter().flatten().take(2) {
                let features = tree["feature"].as_array().expect("features");
                for (node, feature) in features.iter().enumerate() {
                    let Some(feature) = feature.as_u64().filter(|feature| matches!(feature, 0 | 2)) else { continue };
                    let threshold = tree["threshold"][node].as_f64().expect("a threshold");
                    for value in [threshold, threshold.next_up()] {
                        let mut at = row(json!(44), json!("silver"), json!(210.25), json!(false));
                        at[specs[feature as usize]] = json!(value);
                        rows.push(at);
                    }
                }
            }
        }
    }
    rows
}

/// Rows to train on, of which half have one of 300 rarer plans.
fn rows_of_many_plans() -> (Vec<Value>, Vec<f64>) {
    let mut random = Xorshift::new(2025);
    let (few, few_churned) = training_rows();
    let (mut rows, mut churned) = (Vec::new(), Vec::new());
    for i in 0..3_000 {
        let mut row = few[i % few.len()].clone();
        let mut left = few_churned[i % few.len()];
        if i % 2 == 0 {
            let plan = random.below(300);
            row["plan"] = json!(format!("plan {plan:03}"));
            left = f64::from(u8::from(random.below(10) < plan % 10));
        }
        rows.push(row);
        churned.push(left);
    }
    (rows, churned)
}

#[test]
#[ignore = "writes the documents that are not there; those that are stay as they are"]
fn write_documents() {
    let folder = vector_path("documents");
    std::fs::create_dir_all(&folder).expect("the folder of the vectors can be written");
    for (name, model, calibration) in DOCUMENTS {
        if folder.join(file_name(name)).exists() {
            continue;
        }
        let (rows, y) = if name == MANY_LEVELS { rows_of_many_plans() } else { training_rows() };
        let mut columns = table(&rows).columns().to_vec();
        columns.push(Column { name: "churned".to_owned(), data: ColumnData::Numeric(y) });
        let training = Table::new(columns).expect("columns of one length");
        let member =
            |weight, model| MeanMember { weight, model, rounds: Some(6), max_depth: Some(3), ..MeanMember::default() };
        let members = match name == MEAN {
            true => vec![member(0.75, ModelKind::GradientBoosting), member(0.25, ModelKind::LogisticRegression)],
            false => Vec::new(),
        };
        let learning = LearnConfig { model, calibration, background_rows: 20, ..LearnConfig::default() };
        let learning = match members.is_empty() {
            true => LearnConfig { trees: 6, rounds: Some(6), max_depth: Some(3), ..learning },
            // The members have the settings of the learners.
            false => LearnConfig { members, ..learning },
        };
        let config = TableConfig { learning, ..TableConfig::default() };
        let fitted = train_table(&training, &config).unwrap_or_else(|error| panic!("{model:?}: {error}"));
        std::fs::write(folder.join(file_name(name)), fitted.to_json() + "\n").expect("the file can be written");
    }
    if !folder.join("expected.json").exists() {
        let documents: Vec<Value> =
            DOCUMENTS.iter().map(|(name, ..)| serde_json::from_str(&document(name)).expect("JSON")).collect();
        let expected = json!({
            "note": "Rows, and the probability that each document gives them, by score_document.py; a level that a document does not list is a missing value, or the level (other) of a category of many levels. Agree to 1e-12 absolute.",
            "rows": rows_to_score(&documents),
            "probabilities": {},
        });
        std::fs::write(folder.join("expected.json"), expected.to_string()).expect("the file can be written");
    }
    let scorer = Command::new("python3").arg(vector_path("score_document.py")).arg("--write").output();
    let scorer = scorer.expect("python3 computes the expected probabilities");
    assert!(scorer.status.success(), "{}", String::from_utf8_lossy(&scorer.stderr));
    say(String::from_utf8_lossy(&scorer.stdout).trim());
}

/// The scorer itself, where there is a Python: its golden rows and its own list must come out again.
#[test]
fn the_independent_scorer_agrees() {
    let Ok(output) = Command::new("python3").arg(vector_path("score_document.py")).output() else {
        say("skipped: python3 not found; score_document.py was not run");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("5 documents"), "{text}");
    // Guards against a tolerance that accepts everything.
    assert!(!near(0.5, 0.5 + 1e-11, 0.0, 1e-12) && agree(0.5, 0.5));
}
