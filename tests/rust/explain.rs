//! Explanations: the Shapley values of `tests/vectors/explain.json`, that contributions add up to the margin on a million rows,
//! that threads and batches change no bit, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use churn::{
    ChangeConfig, Column, ColumnData, ExplainConfig, Explanation, FeaturePerturbation, LearnConfig, Model, ModelKind,
    Output, Table, TableConfig, TrainConfig, Value, train, train_table,
};
use churn_tests::customers::{customers, features_of, model, only};
use churn_tests::{csv_of, log_lines, near, read, say, vector_path, vectors};
use serde_json::{Value as Json, json};

pub(crate) const LEARNERS: [ModelKind; 3] =
    [ModelKind::LogisticRegression, ModelKind::RandomForest, ModelKind::GradientBoosting];

/// Cases that `explain.json` must hold at least.
const CASES: usize = 104;

// ---------------------------------------------------------------- the vectors

/// The document of a learner; of `auto`, a weighted mean.
pub(crate) fn document(kind: ModelKind) -> Json {
    let path = vector_path("documents").join(document_name(kind));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn document_name(kind: ModelKind) -> String {
    format!("{}_v1.json", if kind == ModelKind::Auto { "average" } else { kind.name() })
}

/// One row of the documents' features.
fn row_of(row: &Json) -> Table {
    let column = |name: &str, data| Column { name: name.to_owned(), data };
    let number = |name: &str| ColumnData::Numeric(vec![row[name].as_f64().unwrap_or(f64::NAN)]);
    Table::new(vec![
        column("age", number("age")),
        column("plan", ColumnData::Categorical(vec![row["plan"].as_str().map(str::to_owned)])),
        column("spend", number("spend")),
        column("active", ColumnData::Boolean(vec![row["active"].as_bool()])),
    ])
    .unwrap()
}

pub(crate) fn interventional() -> ExplainConfig {
    ExplainConfig { feature_perturbation: FeaturePerturbation::Interventional, ..ExplainConfig::default() }
}

#[test]
fn contributions_are_those_of_the_oracle() {
    let file = vectors("explain.json");
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() >= CASES, "{} cases, {CASES} are declared", cases.len());
    let (mut models, mut in_words) = (BTreeMap::new(), 0);
    for kind in LEARNERS.into_iter().chain([ModelKind::Auto]) {
        let mut with_background = document(kind);
        with_background["background"] = file["background"].clone();
        let name = document_name(kind);
        with_background["typical"] = file["typical"][&name].clone();
        models.insert(name, Model::from_json(&with_background.to_string()).unwrap());
    }
    for case in cases {
        let (name, model) = (case["name"].as_str().unwrap(), &models[case["document"].as_str().unwrap()]);
        let config = ExplainConfig {
            feature_perturbation: serde_json::from_value(case["feature_perturbation"].clone()).unwrap(),
            ..ExplainConfig::default()
        };
        let table = model.table_features(&row_of(&case["row"]), None).unwrap();
        let explanation = model.explain_with(&table, &config).unwrap_or_else(|error| panic!("{name}: {error}"));
        let output = if model.kind() == ModelKind::RandomForest { Output::Rate } else { Output::LogOdds };
        assert_eq!(explanation.output(), output, "{name}");
        let same = |what: &str, found: f64, expected: &Json| {
            let expected = expected.as_f64().unwrap();
            assert!(near(found, expected, 1e-12, 1e-12), "{name}: {what} is {found}, not {expected}");
        };
        same("the base", explanation.base(), &case["base"]);
        same("the margin", explanation.margin()[0], &case["margin"]);
        assert_eq!(explanation.names().count(), case["contributions"].as_object().unwrap().len(), "{name}");
        for (feature, &found) in explanation.names().zip(explanation.contributions()) {
            same(feature, found, &case["contributions"][feature]);
        }
        let expected: Vec<&str> =
            case["reasons"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
        let reasons = explanation.reasons(0);
        let texts: Vec<&str> = reasons.iter().map(|reason| reason.text.as_str()).take(expected.len()).collect();
        assert_eq!(texts, expected, "{name}");
        in_words += expected.len();
    }
    assert!(in_words >= 2 * CASES, "{in_words} reasons in words");
    say(&format!("vectors/explain.json: {} cases", cases.len()));
}

// ---------------------------------------------------------------- made-up customers

pub(crate) fn explained(model: &Model, table: &Table, config: &ExplainConfig) -> Explanation {
    model.explain_with(&model.table_features(table, None).unwrap(), config).unwrap()
}

/// The largest |base + sum of contributions − margin|.
fn gap(explanation: &Explanation) -> f64 {
    let sums = explanation.contributions().rows().into_iter().map(|row| explanation.base() + row.sum());
    let gaps = sums.zip(explanation.margin()).map(|(sum, margin)| (sum - margin).abs());
    // Of a number and none the maximum is the number; here none must win.
    gaps.fold(0.0, |most: f64, gap| if gap.is_nan() || gap > most { gap } else { most })
}

#[test]
fn contributions_add_up_on_a_million_rows() {
    const BLOCK: usize = 50_000;
    for kind in LEARNERS {
        let model = model(kind, 8);
        let (mut most, mut distinct) = (0.0f64, 0);
        for block in 0..20 {
            let table = customers(100 + block, BLOCK, block % 2 == 1);
            let explanation = explained(&model, &table, &ExplainConfig::default());
            assert_eq!(explanation.margin().len(), BLOCK);
            let gap = gap(&explanation);
            assert!(gap <= 1e-9, "{kind:?}: a row of block {block} is off by {gap}");
            most = most.max(gap);
            let mut margins: Vec<u64> = explanation.margin().iter().map(|margin| margin.to_bits()).collect();
            margins.sort_unstable();
            margins.dedup();
            distinct = distinct.max(margins.len());
        }
        // Contributions of rows that are all alike would show little.
        assert!(distinct > 1000, "{kind:?}: {distinct} different margins");
        let table = customers(7, 20_000, true);
        let against = explained(&model, &table, &interventional());
        let gap = gap(&against);
        assert!(gap <= 1e-9, "{kind:?}: a row is off by {gap} against the background");
        let probabilities = model.predict_table(&table, None).unwrap();
        assert_eq!(probabilities.churn_probabilities(), against.churn_probabilities(), "{kind:?}");
        say(&format!(
            "explain: {} adds up to {most:.1e} on 1,000,000 rows, {gap:.1e} on 20,000 against a background",
            kind.name()
        ));
    }
}

#[test]
fn contributions_of_a_log_add_up() {
    let events = read(&csv_of(&log_lines(12, 400, 600)));
    for kind in LEARNERS {
        let learning = LearnConfig { model: kind, trees: 12, rounds: Some(12), ..LearnConfig::default() };
        let model = train(&events, &TrainConfig { learning, ..TrainConfig::default() }).unwrap();
        let features = model.features(&events, None).unwrap();
        let explanation = model.explain(&features).unwrap();
        assert!(gap(&explanation) <= 1e-9);
        let bits = |p: &[f64]| p.iter().map(|p| p.to_bits()).collect::<Vec<u64>>();
        let predictions = model.predict_features(&features).unwrap();
        assert_eq!(bits(explanation.churn_probabilities()), bits(predictions.churn_probabilities()));
        assert!(gap(&model.explain_with(&features, &interventional()).unwrap()) <= 1e-9);
    }
}

fn bits(explanation: &Explanation) -> Vec<u64> {
    let numbers =
        explanation.contributions().iter().chain(explanation.margin()).chain(explanation.churn_probabilities());
    numbers.chain(&[explanation.base()]).map(|value| value.to_bits()).collect()
}

#[test]
fn neither_threads_nor_company_change_a_bit() {
    let table = customers(3, 700, true);
    for kind in LEARNERS {
        let model = model(kind, 10);
        for config in [ExplainConfig::default(), interventional()] {
            let explain = || explained(&model, &table, &config);
            let with = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(explain);
            let one = with(1);
            for threads in [2, 3] {
                assert!(bits(&with(threads)) == bits(&one), "{kind:?}: {threads} threads give other bits than one");
            }
            for row in [0, 127, 128, 512, 699] {
                let alone = explained(&model, &only(&table, row), &config);
                let (found, expected) = (alone.contributions().row(0), one.contributions().row(row));
                let bits =
                    |values: ndarray::ArrayView1<'_, f64>| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(found), bits(expected), "{kind:?}: row {row} alone");
                assert_eq!(alone.margin()[0].to_bits(), one.margin()[row].to_bits(), "{kind:?}: row {row} alone");
            }
        }
        // The document gives the same contributions as the model that was just trained.
        let again = Model::from_json(&model.to_json()).unwrap();
        for config in [ExplainConfig::default(), interventional()] {
            assert!(bits(&explained(&again, &table, &config)) == bits(&explained(&model, &table, &config)), "{kind:?}");
        }
    }
}

#[test]
fn a_row_alone_has_the_bits_of_the_table() {
    let table = customers(5, 300, true);
    for kind in LEARNERS {
        let model = model(kind, 12);
        let features = features_of(&model, &table);
        for config in [ExplainConfig::default(), interventional()] {
            let explainer = model.explainer(&config).unwrap();
            let all = explainer.explain(&features).unwrap();
            assert_eq!(bits(&all), bits(&model.explain_with(&features, &config).unwrap()), "{kind:?}");
            assert_eq!((explainer.base().to_bits(), explainer.output()), (all.base().to_bits(), all.output()));
            // What stood there before does not matter.
            let mut contributions = vec![f64::NAN; features.specs().len()];
            for i in 0..features.rows() {
                let row = features.values().row(i).to_vec();
                let margin = explainer.explain_row(&row, &mut contributions).unwrap();
                assert_eq!(margin.to_bits(), all.margin()[i].to_bits(), "{kind:?}: row {i}");
                let probability = model.probability_of(&row).unwrap();
                assert_eq!(probability.to_bits(), all.churn_probabilities()[i].to_bits(), "{kind:?}: row {i}");
                let same =
                    contributions.iter().zip(all.contributions().row(i)).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{kind:?}: row {i} alone gives {contributions:?}, not {:?}", all.contributions().row(i));
                assert_eq!(explainer.reasons(&row, &contributions).unwrap(), all.reasons(i), "{kind:?}: row {i}");
            }
        }
    }
}

#[test]
fn rows_that_are_none_are_refused() {
    for kind in LEARNERS {
        let model = model(kind, 3);
        let features = features_of(&model, &customers(6, 1, false));
        let explainer = model.explainer(&ExplainConfig::default()).unwrap();
        let good = features.values().row(0).to_vec();
        let plan = features.names().position(|name| name == "plan").unwrap();
        let with = |value: f64| {
            let mut row = good.clone();
            row[plan] = value;
            row
        };
        assert!(model.probability_of(&good).is_ok() && model.probability_of(&with(f64::NAN)).is_ok());
        let longer: Vec<f64> = good.iter().copied().chain([0.0]).collect();
        for row in [Vec::new(), good[1..].to_vec(), longer, with(-1.0), with(5.0), with(0.5), with(f64::INFINITY)] {
            assert_eq!(model.probability_of(&row).unwrap_err().code(), "feature_mismatch", "{kind:?}: {row:?}");
            let mut contributions = vec![0.0; good.len()];
            let refused = explainer.explain_row(&row, &mut contributions).unwrap_err();
            assert_eq!(refused.code(), "feature_mismatch", "{kind:?}: {row:?}");
        }
        let refused = explainer.explain_row(&good, &mut vec![0.0; good.len() - 1]).unwrap_err();
        assert_eq!(refused.code(), "feature_mismatch", "{kind:?}");
        assert_eq!(explainer.reasons(&good, &[]).unwrap_err().code(), "feature_mismatch", "{kind:?}");
    }
}

// ---------------------------------------------------------------- what is refused

#[test]
fn explanations_are_refused_with_a_code() {
    let table = customers(4, 400, false);
    for kind in LEARNERS {
        let learning =
            LearnConfig { model: kind, background_rows: 0, trees: 3, rounds: Some(3), ..LearnConfig::default() };
        let bare = train_table(&table, &TableConfig { learning, ..TableConfig::default() }).unwrap();
        let features = bare.table_features(&table, None).unwrap();
        assert!(bare.explain(&features).is_ok(), "{kind:?}");
        assert_eq!(
            bare.explain_with(&features, &interventional()).unwrap_err().code(),
            "missing_background",
            "{kind:?}"
        );

        // The documents of the vectors have other columns, no background and no ranges.
        let other = Model::from_json(&document(kind).to_string()).unwrap();
        assert_eq!(other.explain(&features).unwrap_err().code(), "feature_mismatch", "{kind:?}");
        let row = row_of(&json!({"age": 30, "plan": "gold", "spend": 10.0, "active": true}));
        let row = other.table_features(&row, None).unwrap();
        assert_eq!(other.explain_with(&row, &interventional()).unwrap_err().code(), "missing_background", "{kind:?}");
        assert_eq!(other.what_if(&features, "1", &[]).unwrap_err().code(), "feature_mismatch", "{kind:?}");
        let config = ChangeConfig { below: Some(1e-9), features: Some(vec!["age".to_owned()]) };
        assert_eq!(other.smallest_changes(&row, "1", &config).unwrap_err().code(), "missing_background", "{kind:?}");

        let change = |below, features: Option<&str>| {
            let config = ChangeConfig { below, features: features.map(|name| vec![name.to_owned()]) };
            bare.smallest_changes(&features_of(&bare, &table), "1", &config).map_err(|error| error.code())
        };
        let now = bare.predict_features(&features).unwrap().churn_probabilities()[0];
        for below in [now.next_up(), 0.0, -0.5, f64::NAN, 1.5] {
            assert_eq!(change(Some(below), Some("spend")).unwrap_err(), "invalid_parameter", "{kind:?}: below {below}");
        }
        assert!(change(Some(now), Some("spend")).is_ok(), "{kind:?}");
        assert_eq!(change(Some(now), None).unwrap_err(), "invalid_parameter", "{kind:?}: columns are not named");
        assert_eq!(change(Some(now), Some("no such")).unwrap_err(), "missing_column", "{kind:?}");
        let nobody = bare.smallest_changes(&features, "401", &ChangeConfig::default()).unwrap_err();
        assert_eq!(nobody.code(), "no_customers", "{kind:?}");
        assert_eq!(bare.what_if(&features, "401", &[]).unwrap_err().code(), "no_customers", "{kind:?}");
        let what_if = |feature, value| bare.what_if(&features, "1", &[(feature, value)]).map_err(|error| error.code());
        assert_eq!(what_if("no such", Value::Number(1.0)).unwrap_err(), "missing_column", "{kind:?}");
        assert_eq!(what_if("spend", Value::Text("a lot".to_owned())).unwrap_err(), "feature_mismatch", "{kind:?}");
        assert_eq!(what_if("spend", Value::Number(1e101)).unwrap_err(), "feature_mismatch", "{kind:?}");
        assert_eq!(
            explained(&bare, &table, &ExplainConfig::default()).dependence("no such").unwrap_err().code(),
            "missing_column"
        );

        for config in [
            ExplainConfig { reasons: 101, ..ExplainConfig::default() },
            ExplainConfig { event: String::new(), ..ExplainConfig::default() },
            ExplainConfig { event: "{value}".to_owned(), ..ExplainConfig::default() },
        ] {
            assert_eq!(bare.explain_with(&features, &config).unwrap_err().code(), "invalid_parameter", "{config:?}");
        }
        let learning = LearnConfig { model: kind, background_rows: 10_001, ..LearnConfig::default() };
        let refused = train_table(&table, &TableConfig { learning, ..TableConfig::default() }).unwrap_err();
        assert_eq!(refused.code(), "invalid_parameter", "{kind:?}");
    }
}

/// Backgrounds, typical values and trees that a document may hold, and those that are refused.
#[test]
fn broken_documents_are_refused() {
    let good = |kind| {
        let mut document: Json = serde_json::from_str(&model(kind, 3).to_json()).unwrap();
        assert_eq!(document["background"].as_array().unwrap().len(), 100);
        // Otherwise a changed tree is found by what the golden rows score.
        document["golden"].as_array_mut().unwrap().truncate(1);
        assert!(Model::from_json(&document.to_string()).is_ok());
        document
    };
    let refused = |document: &Json, what: &str| {
        assert_eq!(Model::from_json(&document.to_string()).unwrap_err().code(), "invalid_document", "{what}");
    };
    let broken = |document: &Json, path: &str, value: Json| {
        let mut broken = document.clone();
        *broken.pointer_mut(path).unwrap_or_else(|| panic!("no {path}")) = value;
        refused(&broken, &format!("{path} changed"));
    };

    let logistic = good(ModelKind::LogisticRegression);
    // spend, visits, age, plan (five levels), city, active, always.
    let row = logistic["background"][0].clone();
    broken(&logistic, "/background/0", json!([1.0, 2.0]));
    broken(&logistic, "/background/0", json!([1.0, 2.0, 3.0, 0, 0, 1, 1, 1]));
    broken(&logistic, "/background/0/3", json!(5));
    broken(&logistic, "/background/0/3", json!(-1));
    broken(&logistic, "/background/0/3", json!(0.5));
    broken(&logistic, "/background/0/0", json!("much"));
    broken(&logistic, "/background", Json::Array(vec![row.clone(); 10_001]));
    broken(&logistic, "/background", json!(null));
    broken(&logistic, "/typical", Json::Array(vec![logistic["typical"][0].clone()]));
    broken(&logistic, "/typical/0/range", json!([2.0, 1.0]));
    broken(&logistic, "/typical/0/range", json!([-1e101, 1.0]));
    broken(&logistic, "/typical/0/range", json!([0.0, 1.0, 2.0]));
    broken(&logistic, "/typical/0/stayed_median", json!(1e101));
    broken(&logistic, "/typical/0/churn_rates", json!([0.5]));
    broken(&logistic, "/typical/3/churn_rates", json!([0.5]));
    broken(&logistic, "/typical/3/churn_rates/0", json!(1.5));
    broken(&logistic, "/typical/3/churn_rates/0", json!(-0.1));
    broken(&logistic, "/typical/0/by_segment", json!([1.0, 2.0, 3.0]));
    broken(&logistic, "/typical/0/by_segment/1", json!(1e101));
    broken(&logistic, "/typical/0/by_segment/1", json!("much"));
    broken(&logistic, "/typical/3/by_segment/1", json!(5));
    broken(&logistic, "/typical/3/by_segment/1", json!(-1));
    broken(&logistic, "/typical/3/by_segment/1", json!(0.5));
    let mut allowed = logistic.clone();
    allowed["background"] = Json::Array(vec![row; 10_000]);
    assert!(Model::from_json(&allowed.to_string()).is_ok());
    for key in ["background", "typical"] {
        allowed.as_object_mut().unwrap().remove(key);
    }
    assert!(Model::from_json(&allowed.to_string()).is_ok(), "documents from before explanations have neither");

    for kind in [ModelKind::RandomForest, ModelKind::GradientBoosting] {
        let document = good(kind);
        let tree = format!("/learner/{}/trees/0", kind.name());
        for cover in [json!(0.0), json!(-1.0), json!(1e101), json!(null)] {
            broken(&document, &format!("{tree}/cover/1"), cover);
        }
        // Both children of the root the same one; and the left one a grandchild that has a parent already.
        let right = document.pointer(&format!("{tree}/right/0")).unwrap().clone();
        broken(&document, &format!("{tree}/left/0"), right);
        let grandchild = document.pointer(&format!("{tree}/left/1")).unwrap().clone();
        assert_ne!(grandchild, json!(0), "{kind:?}: the tree is deeper than one");
        broken(&document, &format!("{tree}/left/0"), grandchild);
        broken(&document, &format!("{tree}/left/0"), json!(0));
        broken(&document, &format!("{tree}/right/0"), json!(1_000_000));
        // A node that nobody leads to.
        let mut orphan = document.clone();
        let lists = orphan.pointer_mut(&tree).unwrap().as_object_mut().unwrap();
        for (name, list) in lists.iter_mut().filter(|(name, _)| *name != "levels") {
            list.as_array_mut().unwrap().push(json!(if name == "feature" { -1 } else { 1 }));
        }
        refused(&orphan, "an orphan");
        for (depth, fits) in [(32, true), (33, false)] {
            let mut deep = document.clone();
            let trees = deep.pointer_mut(&format!("/learner/{}/trees", kind.name())).unwrap().as_array_mut().unwrap();
            trees.push(chain(depth, 0.0, |_| (1.0, 1.0)));
            // Of a forest a further tree changes the mean.
            let found = Model::from_json(&deep.to_string()).map_err(|error| error.code());
            let loads = !matches!(found, Err("invalid_document"));
            assert_eq!(loads, fits, "{kind:?}: depth {depth}: {found:?}");
        }
    }
}

/// A tree of numbers that splits the first feature again and again: at the depth d a leaf on the left, and further to the
/// right. `covers(d)` are those of the two.
fn chain(depth: usize, value: f64, covers: impl Fn(usize) -> (f64, f64)) -> Json {
    let nodes = 2 * depth + 1;
    let mut tree = json!({
        "feature": vec![-1; nodes], "threshold": vec![0.0; nodes], "levels": {}, "missing_left": vec![0; nodes],
        "left": vec![0; nodes], "right": vec![0; nodes], "value": vec![value; nodes], "cover": vec![1.0; nodes],
    });
    for d in 0..depth {
        let node = 2 * d;
        tree["feature"][node] = json!(0);
        tree["threshold"][node] = json!(d as f64);
        (tree["left"][node], tree["right"][node]) = (json!(node + 1), json!(node + 2));
        (tree["cover"][node + 1], tree["cover"][node + 2]) = (json!(covers(d).0), json!(covers(d).1));
        tree["value"][node + 1] = json!(value * (d + 1) as f64);
    }
    tree
}

/// Contributions are finite and add up for all covers that a document may have.
#[test]
fn extreme_covers_still_add_up() {
    for (left, right) in
        [(1.0, 1.0), (1e-9, 1.0), (1e-80, 1e80), (1e80, 1e-80), (1e-300, 1e100), (5e-324, 1e100), (1e100, 5e-324)]
    {
        for depth in [1, 2, 5, 9, 17, 32] {
            let mut extreme = document(ModelKind::GradientBoosting);
            let trees = extreme["learner"]["gradient_boosting"]["trees"].as_array_mut().unwrap();
            *trees = vec![chain(depth, 1.0, |_| (left, right))];
            // The golden rows are those of the old trees.
            let model = golden_again(extreme);
            let rows = [-1.0, 0.0, 0.5, 3.0, 31.0, 100.0, f64::NAN];
            let found = rows.iter().map(|&age| {
                let table = row_of(&json!({"age": age, "plan": "gold", "spend": 10.0, "active": true}));
                explained(&model, &table, &ExplainConfig::default())
            });
            for (age, explanation) in rows.iter().zip(found) {
                let gap = gap(&explanation);
                assert!(gap <= 1e-9, "covers {left} and {right}, depth {depth}, age {age}: off by {gap}");
            }
        }
    }
}

/// The document with golden rows that fit its learner: one row whose probability is read from the message of the refusal.
pub(crate) fn golden_again(mut document: Json) -> Model {
    document["golden"] = json!([{"features": [1.0, 0, 1.0, 1.0], "probability": 0.5}]);
    match Model::from_json(&document.to_string()) {
        Ok(model) => model,
        Err(error) => {
            assert_eq!(error.code(), "golden_mismatch", "{error}");
            let text = error.to_string();
            let scored = text.split("scores ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
            document["golden"][0]["probability"] = json!(scored.parse::<f64>().unwrap());
            Model::from_json(&document.to_string()).unwrap()
        }
    }
}
