//! Explanations: the Shapley values of `tests/vectors/explain.json`, that contributions add up to the margin on a million rows,
//! that threads and batches change no bit, what is refused, and what reasons promise.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use churn::{
    ChangeConfig, Column, ColumnData, ExplainConfig, Explanation, FeatureConfig, FeaturePerturbation, FeatureSet,
    LearnConfig, ListReasons, Model, ModelKind, Output, Reason, Segment, SharedReason, Table, TableConfig, Thresholds,
    TrainConfig, Value, train, train_table,
};
use churn_tests::customers::{customers, features_of, model, only};
use churn_tests::{csv_of, log_lines, near, read, say, vector_path, vectors};
use serde_json::{Value as Json, json};

const LEARNERS: [ModelKind; 3] = [ModelKind::LogisticRegression, ModelKind::RandomForest, ModelKind::GradientBoosting];

/// Cases that `explain.json` must hold at least.
const CASES: usize = 78;

// ---------------------------------------------------------------- the vectors

fn document(kind: ModelKind) -> Json {
    let path = vector_path("documents").join(format!("{}_v1.json", kind.name()));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
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

fn interventional() -> ExplainConfig {
    ExplainConfig { feature_perturbation: FeaturePerturbation::Interventional, ..ExplainConfig::default() }
}

#[test]
fn contributions_are_those_of_the_oracle() {
    let file = vectors("explain.json");
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() >= CASES, "{} cases, {CASES} are declared", cases.len());
    let (mut models, mut in_words) = (BTreeMap::new(), 0);
    for kind in LEARNERS {
        let mut with_background = document(kind);
        with_background["background"] = file["background"].clone();
        let name = format!("{}_v1.json", kind.name());
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

fn explained(model: &Model, table: &Table, config: &ExplainConfig) -> Explanation {
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
fn golden_again(mut document: Json) -> Model {
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

// ---------------------------------------------------------------- reasons

/// The typical values by segment of a model are those of its training rows, found here by sorting and counting them: the lower
/// median or the first of the most common levels, of segments where at least 20 rows, and half of them, have a value.
#[test]
fn typical_values_are_those_of_the_segment() {
    let table = customers(21, 3000, true);
    let thresholds = Thresholds { medium: 0.01, high: 0.4, critical: 0.6 };
    let (mut found, mut scarce) = (0, 0);
    for kind in LEARNERS {
        let learning = LearnConfig { model: kind, thresholds, trees: 10, rounds: Some(10), ..LearnConfig::default() };
        let model = train_table(&table, &TableConfig { learning, ..TableConfig::default() }).unwrap();
        let document: Json = serde_json::from_str(&model.to_json()).unwrap();
        let features = features_of(&model, &table);
        let predictions = model.predict_features(&features).unwrap();
        assert_eq!(features.rows(), 3000, "every row is one of the training");
        for (j, spec) in features.specs().iter().enumerate() {
            let kept = document["typical"][j]["by_segment"].as_array().unwrap();
            assert_eq!(kept.len(), 4);
            for (segment, kept) in Segment::ALL.into_iter().zip(kept) {
                let (from, to) = thresholds.bounds(segment);
                let inside = |p: f64| p >= from && (p < to || segment == Segment::Critical);
                let rows = features.values().column(j).into_iter().zip(predictions.churn_probabilities());
                let all: Vec<f64> = rows.filter(|(_, p)| inside(**p)).map(|(value, _)| *value).collect();
                let mut values: Vec<f64> = all.iter().copied().filter(|value| !value.is_nan()).collect();
                values.sort_by(f64::total_cmp);
                if values.len() < 20 || values.len() * 2 < all.len() {
                    assert!(kept.is_null(), "{kind:?}: {} of {} in {}", values.len(), spec.name, segment.name());
                    scarce += 1;
                    continue;
                }
                let expected = match &spec.levels {
                    None => values[(values.len() - 1) / 2],
                    Some(levels) => {
                        let count = |level: usize| values.iter().filter(|value| **value == level as f64).count();
                        let most = (0..levels.len()).map(count).max();
                        (0..levels.len()).find(|&level| Some(count(level)) == most).unwrap() as f64
                    }
                };
                assert_eq!(kept.as_f64(), Some(expected), "{kind:?}: {} in {}", spec.name, segment.name());
                found += 1;
            }
        }
    }
    assert!(found >= 60 && scarce > 0, "{found} typical values, {scarce} segments without");
}

#[test]
fn reasons_are_the_strongest_contributions() {
    let table = customers(5, 500, true);
    for kind in LEARNERS {
        let model = model(kind, 12);
        for reasons in [0, 1, 3, 100] {
            for config in
                [ExplainConfig { reasons, ..ExplainConfig::default() }, ExplainConfig { reasons, ..interventional() }]
            {
                let explanation = explained(&model, &table, &config);
                let names: Vec<&str> = explanation.names().collect();
                let mut none = 0;
                for (row, contributions) in explanation.contributions().rows().into_iter().enumerate() {
                    let of: BTreeMap<&str, f64> = names.iter().copied().zip(contributions.iter().copied()).collect();
                    let some = contributions.iter().filter(|&&value| value != 0.0).count();
                    none += contributions.len() - some;
                    let found = explanation.reasons(row);
                    assert_eq!(found.len(), some.min(reasons), "{kind:?}: row {row}");
                    for reason in &found {
                        assert_eq!(reason.contribution.to_bits(), of[reason.feature.as_str()].to_bits(), "{kind:?}");
                        assert!(reason.contribution != 0.0 && !reason.text.is_empty(), "{kind:?}: {reason:?}");
                        assert_eq!(reason.raises_risk, reason.contribution > 0.0, "{kind:?}: {reason:?}");
                        let (value, _) = explanation.dependence(&reason.feature).unwrap()[row];
                        assert_eq!(reason.value, (!value.is_nan()).then_some(value), "{kind:?}: {reason:?}");
                    }
                    assert!(
                        found.windows(2).all(|pair| pair[0].contribution.abs() >= pair[1].contribution.abs()),
                        "{kind:?}"
                    );
                    let left_out = of.iter().filter(|(name, _)| found.iter().all(|reason| reason.feature != **name));
                    let weakest = found.last().map_or(f64::INFINITY, |reason| reason.contribution.abs());
                    assert!(reasons == 0 || left_out.into_iter().all(|(_, value)| value.abs() <= weakest), "{kind:?}");
                }
                // The column that never changes adds nothing, to anybody.
                assert!(none >= table.rows(), "{kind:?}: {none} contributions of nothing");
            }
        }
        let importance = explained(&model, &table, &ExplainConfig::default()).importance();
        assert!(importance.windows(2).all(|pair| pair[0].mean_absolute >= pair[1].mean_absolute), "{kind:?}");
        assert_eq!(importance.last().map(|last| (last.feature.as_str(), last.mean_absolute)), Some(("always", 0.0)));
    }
}

/// The reasons of a log: counts over several windows are one of them, all together are the whole way from base to margin, and
/// what they say of days and counts is so.
#[test]
fn reasons_of_a_log_are_facts() {
    let events = read(&csv_of(&log_lines(8, 150, 500)));
    let features = FeatureConfig { feature_set: FeatureSet::Behavioral, ..FeatureConfig::default() };
    let learning = LearnConfig { model: ModelKind::GradientBoosting, ..LearnConfig::default() };
    let model = train(&events, &TrainConfig { features, learning, ..TrainConfig::default() }).unwrap();
    let config = ExplainConfig { reasons: 100, event: "visit".to_owned(), ..ExplainConfig::default() };
    let explanation = model.explain_with(&model.features(&events, None).unwrap(), &config).unwrap();
    let today = events.last_day().number();
    let mut checked = 0;
    for (row, id) in explanation.customer_ids().enumerate() {
        let reasons = explanation.reasons(row);
        let sum: f64 = reasons.iter().map(|reason| reason.contribution).sum();
        assert!((explanation.base() + sum - explanation.margin()[row]).abs() < 1e-9);
        let about = |words: &[&str]| {
            reasons.iter().filter(|reason| words.iter().any(|word| reason.feature.starts_with(word))).count()
        };
        assert!(
            about(&["count_7", "count_30d", "count_90d", "count_180", "count_365", "decayed_count", "frequency"]) <= 1
        );
        assert!(about(&["amount_", "decayed_amount", "monetary"]) <= 1 && about(&["recency", "days_since_last"]) <= 1);
        let days: Vec<i32> = events.iter().filter(|event| event.0 == id).map(|event| event.1.number()).collect();
        for reason in &reasons {
            let (direction, fact) = reason.text.split_once(": ").unwrap();
            assert_eq!(direction, if reason.raises_risk { "raises the risk" } else { "lowers the risk" });
            let own = fact.split([';', ',']).next().unwrap();
            let words: Vec<&str> = own.split(' ').collect();
            match words.as_slice() {
                ["last", "visit", ago, "day" | "days", "ago"] => {
                    assert_eq!(ago.parse::<i32>().unwrap(), today - days.iter().max().unwrap(), "{own}");
                }
                ["first", "visit", ago, "day" | "days", "ago"] => {
                    assert_eq!(ago.parse::<i32>().unwrap(), today - days.iter().min().unwrap(), "{own}");
                }
                [count, "visit" | "visits", "in", "the", "last", window, "days"] => {
                    let window: i32 = window.parse().unwrap();
                    let within = days.iter().filter(|&&day| day > today - window).count();
                    assert_eq!(count.parse::<usize>().unwrap(), within, "{own}");
                }
                _ => continue,
            }
            checked += 1;
        }
    }
    assert!(checked >= 200, "{checked}");
}

/// A logistic regression of age and spend, and the typical values of both: of age (the age − 40) / 10 is added, of spend
/// (100 − the spend) / 500; then the levels basic and gold, which add 3 each.
fn of_three_features() -> Model {
    let mut document = document(ModelKind::LogisticRegression);
    let term = |feature: usize, kind: Json, mean: f64, scale: f64, coefficient: f64| json!({"feature": feature, "kind": kind, "mean": mean, "scale": scale, "coefficient": coefficient});
    document["learner"] = json!({"logistic_regression": {"intercept": 0.0, "terms": [
        term(0, json!({"median": 40.0}), 40.0, 10.0, 1.0),
        term(2, json!({"median": 100.0}), 100.0, 50.0, -0.1),
        term(1, json!({"level": 0}), 0.0, 1.0, 3.0),
        term(1, json!({"level": 1}), 0.0, 1.0, 3.0),
    ]}});
    document["calibration"] = json!("identity");
    let number = |median: f64, critical: f64| json!({"stayed_median": median, "range": [0.0, 1000.0], "churn_rates": [], "by_segment": [null, null, null, critical]});
    document["typical"] = json!([
        number(45.0, 66.0),
        {"stayed_median": null, "range": null, "churn_rates": [0.25, 0.5, null, null], "by_segment": [null, null, null, 1]},
        number(120.0, 80.0),
        {"stayed_median": null, "range": null, "churn_rates": [], "by_segment": []},
    ]);
    golden_again(document)
}

/// The shared reason of a list, and the reasons of its customers; each has an age, a plan and an amount spent.
fn listed(reasons: usize, customers: &[(f64, &str, f64)]) -> (Option<SharedReason>, Vec<Vec<String>>) {
    let column = |name: &str, data| Column { name: name.to_owned(), data };
    let table = Table::new(vec![
        column("age", ColumnData::Numeric(customers.iter().map(|one| one.0).collect())),
        column("plan", ColumnData::Categorical(customers.iter().map(|one| Some(one.1.to_owned())).collect())),
        column("spend", ColumnData::Numeric(customers.iter().map(|one| one.2).collect())),
        column("active", ColumnData::Boolean(vec![Some(true); customers.len()])),
    ])
    .unwrap();
    let (model, config) = (of_three_features(), ExplainConfig { reasons, ..ExplainConfig::default() });
    let explanation = explained(&model, &table, &config);
    let all: Vec<usize> = (0..customers.len()).collect();
    let ListReasons { shared, rows } = explanation.list_reasons(&all);
    // Of reasons that were kept the same is said.
    let kept: Vec<_> =
        all.iter().map(|&row| (explanation.churn_probabilities()[row], explanation.reasons(row))).collect();
    assert_eq!(model.shared_reason(&kept, &config).unwrap(), shared);
    let text = |reason: &Reason| reason.text.clone();
    (shared, rows.iter().map(|reasons| reasons.iter().map(text).collect()).collect())
}

/// Ages of 50 to 80 add 1 to 4, spend at most 0.2: age is the first reason of four of five. Their margins are 0.9 and more, so
/// that their probabilities are above 0.7; the fifth has a margin of −0.2, a probability of 0.45.
#[test]
fn a_reason_that_most_share_is_said_once() {
    let ages = [
        (50.0, "silver", 150.0),
        (60.0, "silver", 50.0),
        (40.0, "silver", 200.0),
        (80.0, "silver", 110.0),
        (70.0, "silver", 150.0),
    ];
    let less = |spend: &str| {
        format!(
            "lowers the risk: spend is {spend}; for half of those who stayed it was 120 or less; typical in Critical: 80"
        )
    };
    let (shared, rows) = listed(1, &ages);
    let text =
        "raises the risk: age is 50 to 80; for half of those who stayed it was 45 or less; typical in Critical: 66";
    let expected = SharedReason { feature: "age".to_owned(), raises_risk: true, customers: 4, text: text.to_owned() };
    assert_eq!(shared, Some(expected));
    let fifth = "lowers the risk: spend is 200; for half of those who stayed it was 120 or less".to_owned();
    let second =
        "raises the risk: spend is 50; for half of those who stayed it was 120 or more; typical in Critical: 80";
    let fourth =
        "lowers the risk: spend is 110; for half of those who stayed it was 120 or more; typical in Critical: 80";
    let own = [less("150"), second.to_owned(), fifth, fourth.to_owned(), less("150")];
    assert_eq!(rows, own.clone().map(|text| vec![text]));

    // Four customers are too few, three of five are no 80 %: each has the reasons of a single customer.
    let (shared, rows) = listed(1, &[ages[0], ages[1], ages[3], ages[4]]);
    assert_eq!(shared, None);
    assert!(rows.iter().all(|reasons| reasons.len() == 1 && reasons[0].starts_with("raises the risk: age is ")));
    assert_eq!(listed(1, &[ages[0], ages[1], ages[2], ages[2], ages[3]]).0, None);
    // An age of 30 lowers the risk: the same feature, another direction.
    let (shared, rows) = listed(2, &[ages[0], ages[1], (30.0, "silver", 200.0), ages[3], ages[4]]);
    assert_eq!(shared.map(|shared| shared.customers), Some(4));
    assert_eq!(rows[2].len(), 2);
    assert!(rows[2][0].starts_with("lowers the risk: age is 30;"));
    assert_eq!(listed(0, &ages), (None, vec![Vec::new(); 5]));
}

#[test]
fn reasons_that_a_model_never_gave_share_none() {
    let model = of_three_features();
    let kept = |feature: &str, value| {
        let reason =
            Reason { feature: feature.to_owned(), value, contribution: 1.0, raises_risk: true, text: String::new() };
        model.shared_reason(&vec![(0.5, vec![reason]); 5], &ExplainConfig::default()).map_err(|error| error.code())
    };
    assert_eq!(kept("nonsense", None), Err("missing_column"));
    for level in [-1.0, 0.5, 4.0, f64::INFINITY, 1e300] {
        assert_eq!(kept("plan", Some(level)), Err("invalid_parameter"));
    }
    assert_eq!(kept("plan", None).unwrap().unwrap().text, "raises the risk: plan is missing");
    assert_eq!(model.shared_reason(&[], &ExplainConfig::default()).unwrap(), None);
}

/// The two levels are named where they differ, with the churn rate where they do not.
#[test]
fn a_level_that_most_share_is_said_once() {
    let of = |plans: [&'static str; 5]| plans.map(|plan| (40.0, plan, 110.0));
    let text = |plans| listed(3, &of(plans)).0.map(|shared| shared.text);
    let two = "raises the risk: plan is basic or gold; typical in Critical: gold";
    assert_eq!(text(["basic", "gold", "silver", "basic", "gold"]).as_deref(), Some(two));
    let one = "raises the risk: plan is gold; 50 % of such customers churned, 37 % of all; typical in Critical: gold";
    assert_eq!(text(["gold"; 5]).as_deref(), Some(one));
}
