//! Explanations: the Shapley values of `tests/vectors/explain.json`, that contributions add up to the margin on a million rows,
//! that threads and batches change no bit, what is refused, and what reasons and changes promise.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use churn::{
    CalibrationKind, Change, ChangeConfig, Column, ColumnData, ExplainConfig, Explanation, FeatureConfig,
    FeaturePerturbation, FeatureSet, FeatureTable, LearnConfig, Model, ModelKind, Output, Table, TableConfig,
    TrainConfig, Value, registry, train, train_table,
};
use churn_tests::{Xorshift, csv_of, log_lines, near, prediction_bits, read, say, vector_path, vectors};
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
    let mut models = BTreeMap::new();
    for kind in LEARNERS {
        let mut with_background = document(kind);
        with_background["background"] = file["background"].clone();
        models.insert(format!("{}_v1.json", kind.name()), Model::from_json(&with_background.to_string()).unwrap());
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
    }
    say(&format!("vectors/explain.json: {} cases", cases.len()));
}

// ---------------------------------------------------------------- made-up customers

const NUMBERS: [&str; 3] = ["spend", "visits", "age"];
const PLANS: [&str; 5] = ["basic", "family", "gold", "silver", "student"];

/// Customers with three numbers, two categories, a flag and a column that never changes; every eighth value is missing. With
/// `wide` the values reach beyond those of training, and some categories are new.
fn customers(seed: u64, rows: usize, wide: bool) -> Table {
    let mut random = Xorshift::new(seed);
    let mut numbers = vec![Vec::with_capacity(rows); NUMBERS.len()];
    let (mut plans, mut cities) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    let (mut active, mut churned) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    let reach = if wide { 3.0 } else { 1.0 };
    for _ in 0..rows {
        let number = |low: f64, high: f64, random: &mut Xorshift| {
            let middle = (low + high) / 2.0;
            let value = middle + reach * (low - middle + random.unit() * (high - low));
            if random.below(8) == 0 { f64::NAN } else { value }
        };
        let spend = number(0.0, 400.0, &mut random);
        let visits = number(0.0, 40.0, &mut random).round();
        let age = number(18.0, 80.0, &mut random).round();
        let plan = (random.below(8) > 0).then(|| *random.pick(&PLANS.each_ref()));
        let city = random.below(if wide { 30 } else { 20 });
        let flag = (random.below(8) > 0).then(|| random.below(2) == 0);
        let margin = (200.0 - if spend.is_nan() { 100.0 } else { spend }) / 100.0
            - if visits > 12.0 { 1.5 } else { 0.0 }
            + if age < 30.0 && plan == Some("student") { 2.0 } else { 0.0 }
            + if plan == Some("basic") { 1.0 } else { -0.5 }
            + if city.is_multiple_of(3) { 0.8 } else { -0.4 }
            + if flag == Some(true) { -1.0 } else { 0.6 };
        churned.push(Some(random.unit() < 1.0 / (1.0 + (-margin).exp())));
        for (column, value) in numbers.iter_mut().zip([spend, visits, age]) {
            column.push(value);
        }
        plans.push(plan.map(|plan| (*plan).to_owned()));
        cities.push(Some(format!("city {city}")));
        active.push(flag);
    }
    let column = |name: &str, data| Column { name: name.to_owned(), data };
    let mut columns: Vec<Column> =
        NUMBERS.iter().zip(numbers).map(|(name, values)| column(name, ColumnData::Numeric(values))).collect();
    columns.push(column("plan", ColumnData::Categorical(plans)));
    columns.push(column("city", ColumnData::Categorical(cities)));
    columns.push(column("active", ColumnData::Boolean(active)));
    columns.push(column("always", ColumnData::Numeric(vec![1.0; rows])));
    columns.push(column("churned", ColumnData::Boolean(churned)));
    Table::new(columns).unwrap()
}

/// A model of them: few trees of the default depth, so that a million rows are soon explained.
fn model(kind: ModelKind, trees: usize) -> Model {
    let learning = LearnConfig { model: kind, trees, rounds: Some(trees), ..LearnConfig::default() };
    train_table(&customers(1, 3000, false), &TableConfig { learning, ..TableConfig::default() }).unwrap()
}

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

/// One row of a table.
fn only(table: &Table, row: usize) -> Table {
    let columns = table.columns().iter().map(|column| Column {
        name: column.name.clone(),
        data: match &column.data {
            ColumnData::Numeric(values) => ColumnData::Numeric(vec![values[row]]),
            ColumnData::Boolean(values) => ColumnData::Boolean(vec![values[row]]),
            ColumnData::Categorical(values) => ColumnData::Categorical(vec![values[row].clone()]),
        },
    });
    Table::new(columns.collect()).unwrap()
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

fn features_of(model: &Model, table: &Table) -> FeatureTable {
    model.table_features(table, None).unwrap()
}

/// What a document may say of backgrounds, typical values and trees, and what not.
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

/// Whatever covers a document may have, contributions are numbers and add up.
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
            let own = reason.text.split([';', ',']).next().unwrap();
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

// ---------------------------------------------------------------- changes

/// The features' ranges in training, and of categories the levels that were seen.
fn ranges(model: &Model) -> BTreeMap<String, Vec<f64>> {
    let document: Json = serde_json::from_str(&model.to_json()).unwrap();
    let of = |typical: &Json| -> Vec<f64> {
        if let Some(range) = typical["range"].as_array() {
            return range.iter().map(|value| value.as_f64().unwrap()).collect();
        }
        let rates = typical["churn_rates"].as_array().unwrap();
        (0..rates.len()).filter(|&level| !rates[level].is_null()).map(|level| level as f64).collect()
    };
    model
        .feature_specs()
        .iter()
        .zip(document["typical"].as_array().unwrap())
        .map(|(spec, t)| (spec.name.clone(), of(t)))
        .collect()
}

/// A value of a feature as a caller gives it.
fn given(model: &Model, feature: &str, value: f64) -> Value {
    let spec = model.feature_specs().iter().find(|spec| spec.name == feature).unwrap();
    match &spec.levels {
        Some(levels) => Value::Text(levels[value as usize].clone()),
        None => Value::Number(value),
    }
}

/// A thousand values of a feature within its range, or the levels of a category.
fn grid(model: &Model, ranges: &BTreeMap<String, Vec<f64>>, feature: &str) -> Vec<f64> {
    let spec = model.feature_specs().iter().find(|spec| spec.name == feature).unwrap();
    match (&spec.levels, ranges[feature].as_slice()) {
        (None, &[low, high]) => (0..=1000).map(|i| low + (high - low) * f64::from(i) / 1000.0).collect(),
        (_, levels) => levels.to_vec(),
    }
}

#[test]
fn the_smallest_changes_are_small_and_enough() {
    let table = customers(6, 80, false);
    let movable = ["spend", "visits", "plan", "city", "active", "always"].map(str::to_owned);
    for kind in LEARNERS {
        for calibration in [CalibrationKind::None, CalibrationKind::Auto] {
            let learning =
                LearnConfig { model: kind, calibration, trees: 12, rounds: Some(12), ..LearnConfig::default() };
            let model =
                train_table(&customers(1, 3000, false), &TableConfig { learning, ..TableConfig::default() }).unwrap();
            let (features, ranges) = (features_of(&model, &table), ranges(&model));
            let (mut single, mut several, mut nothing) = (0, 0, 0);
            for prediction in model.predict_features(&features).unwrap().iter() {
                let (id, now) = (prediction.customer_id.as_str(), prediction.churn_probability);
                for below in [now, now * 0.6, now * 0.1] {
                    let config = ChangeConfig { below: Some(below), features: Some(movable.to_vec()) };
                    let changes = model.smallest_changes(&features, id, &config).unwrap();
                    let what = format!("{kind:?}, {calibration:?}: customer {id} at {now}, below {below}");
                    check_changes(&model, &features, id, &changes, &ranges, &config, &what);
                    let of = |n: usize| changes.iter().filter(|change| change.steps.len() == n).count();
                    single += of(1);
                    several += of(2) + of(3);
                    nothing += usize::from(changes.is_empty());
                    // Every feature that no change names alone: no value of the grid does it.
                    for feature in &movable {
                        let named =
                            changes.iter().any(|change| change.steps.len() == 1 && change.steps[0].feature == *feature);
                        if !named {
                            for value in grid(&model, &ranges, feature) {
                                let after = probability(&model, &features, id, &[(feature, value)]);
                                assert!(
                                    after >= below,
                                    "{what}: {feature} = {value} gives {after}, but there is no change"
                                );
                            }
                        }
                    }
                }
            }
            assert!(single > 100 && several > 0, "{kind:?}: {single} changes of one feature, {several} of several");
            say(&format!(
                "explain: {} {calibration:?}: {single} changes of one feature, {several} of several, {nothing} times none",
                kind.name()
            ));
        }
    }
}

/// The probability of a customer with these values.
fn probability(model: &Model, features: &FeatureTable, id: &str, values: &[(&str, f64)]) -> f64 {
    let values: Vec<(&str, Value)> = values.iter().map(|&(name, value)| (name, given(model, name, value))).collect();
    model.what_if(features, id, &values).unwrap().after.churn_probability
}

fn check_changes(
    model: &Model,
    features: &FeatureTable,
    id: &str,
    changes: &[Change],
    ranges: &BTreeMap<String, Vec<f64>>,
    config: &ChangeConfig,
    what: &str,
) {
    let below = config.below.unwrap();
    let row = features.row(id).unwrap();
    assert!(changes.windows(2).all(|pair| pair[0].distance <= pair[1].distance), "{what}: not in order");
    for change in changes {
        assert!((1..=3).contains(&change.steps.len()), "{what}: {change:?}");
        let values: Vec<(&str, f64)> = change.steps.iter().map(|step| (step.feature.as_str(), step.to)).collect();
        let after = probability(model, features, id, &values);
        assert_eq!(after.to_bits(), change.churn_probability.to_bits(), "{what}: {change:?}");
        assert!(after < below, "{what}: {change:?} gives {after}");
        let mut distance = 0.0;
        for step in &change.steps {
            let at = features.names().position(|name| name == step.feature).unwrap();
            assert!(config.features.as_ref().is_none_or(|names| names.contains(&step.feature)), "{what}: {step:?}");
            assert_eq!(step.from, (!row[at].is_nan()).then_some(row[at]), "{what}: {step:?}");
            assert!(Some(step.to) != step.from && !step.text.is_empty(), "{what}: {step:?}");
            let range = &ranges[&step.feature];
            let category = model.feature_specs()[at].levels.is_some();
            let within = if category { range.contains(&step.to) } else { (range[0]..=range[1]).contains(&step.to) };
            assert!(within, "{what}: {step:?} is not within {range:?}");
            distance += match step.from {
                Some(from) if !category => (step.to - from).abs() / (range[1] - range[0]),
                _ => 1.0,
            };
        }
        assert!(near(change.distance, distance, 1e-12, 1e-12), "{what}: {change:?}, not {distance}");
        let [step] = change.steps.as_slice() else { continue };
        // No value of the grid that is nearer does it. A missing value is as far from all others, a level from all others.
        let at = features.names().position(|name| name == step.feature).unwrap();
        let Some(from) = step.from.filter(|_| model.feature_specs()[at].levels.is_none()) else { continue };
        let way = (step.to - from).abs();
        let grid = (1..200).map(|i| way * f64::from(i) / 200.0).flat_map(|d| [from - d, from + d]);
        let edges = [step.to.next_down(), step.to.next_up()];
        let (low, high) = (ranges[&step.feature][0], ranges[&step.feature][1]);
        // Of a logistic regression neighbouring numbers can come in the wrong order by rounding.
        let slack = if model.kind() == ModelKind::LogisticRegression { 1e-9 * (high - low) } else { 0.0 };
        let nearer = |value: &f64| (low..=high).contains(value) && (value - from).abs() < way - slack;
        for value in grid.chain(edges).filter(nearer) {
            let after = probability(model, features, id, &[(&step.feature, value)]);
            assert!(after >= below, "{what}: {value} is nearer than {step:?} and gives {after}");
        }
    }
}

/// Customers whose values lie outside those of training: changes still lead into their range.
#[test]
fn changes_lead_into_the_range_of_training() {
    let table = customers(8, 200, true);
    for kind in LEARNERS {
        let model = model(kind, 12);
        let (features, ranges) = (features_of(&model, &table), ranges(&model));
        let mut found = 0;
        for prediction in model.predict_features(&features).unwrap().iter() {
            let config = ChangeConfig {
                below: Some(prediction.churn_probability * 0.8),
                features: Some(NUMBERS.map(str::to_owned).to_vec()),
            };
            let changes = model.smallest_changes(&features, &prediction.customer_id, &config).unwrap();
            let what = format!("{kind:?}: customer {}", prediction.customer_id);
            check_changes(&model, &features, &prediction.customer_id, &changes, &ranges, &config, &what);
            found += changes.len();
        }
        assert!(found > 20, "{kind:?}: {found} changes");
    }
}

#[test]
fn what_if_is_what_prediction_says() {
    let table = customers(9, 60, false);
    for kind in LEARNERS {
        let model = model(kind, 12);
        let features = features_of(&model, &table);
        let before = prediction_bits(&model.predict_features(&features).unwrap());
        for (row, (id, now)) in before.iter().enumerate() {
            let unchanged = model.what_if(&features, id, &[]).unwrap();
            assert_eq!(unchanged.before, unchanged.after);
            assert_eq!(
                (unchanged.before.customer_id.as_str(), unchanged.before.churn_probability.to_bits()),
                (id.as_str(), *now)
            );
            let mut columns = only(&table, row).columns().to_vec();
            columns[0].data = ColumnData::Numeric(vec![222.5]);
            columns[1].data = ColumnData::Numeric(vec![f64::NAN]);
            columns[3].data = ColumnData::Categorical(vec![Some("basic".to_owned())]);
            columns[4].data = ColumnData::Categorical(vec![Some("a city that training had not seen".to_owned())]);
            columns[5].data = ColumnData::Boolean(vec![Some(true)]);
            let expected = model.predict_table(&Table::new(columns).unwrap(), None).unwrap();
            let changes = [
                ("spend", Value::Number(222.5)),
                ("visits", Value::Missing(())),
                ("plan", Value::Text("basic".to_owned())),
                ("city", Value::Text("a city that training had not seen".to_owned())),
                ("active", Value::Boolean(true)),
            ];
            let found = model.what_if(&features, id, &changes).unwrap();
            assert_eq!(found.before.churn_probability.to_bits(), *now, "{kind:?}: customer {id}");
            let expected = expected.iter().next().unwrap();
            assert_eq!(
                found.after.churn_probability.to_bits(),
                expected.churn_probability.to_bits(),
                "{kind:?}: customer {id}"
            );
            assert_eq!(found.after.risk_segment, expected.risk_segment);
        }
    }
}

/// Of a model of events the features that a business can move are known, and where a customer's band begins.
#[test]
fn changes_of_a_model_of_events() {
    let events = read(&csv_of(&log_lines(12, 400, 600)));
    let actionable: Vec<String> = registry(churn::FeatureSet::Rfm, &FeatureConfig::default().windows, &[])
        .into_iter()
        .filter(|info| info.actionable)
        .map(|info| info.name)
        .collect();
    assert!(!actionable.is_empty() && actionable.len() < 8);
    for kind in LEARNERS {
        let learning = LearnConfig { model: kind, trees: 12, rounds: Some(12), ..LearnConfig::default() };
        let model = train(&events, &TrainConfig { learning, ..TrainConfig::default() }).unwrap();
        let features = model.features(&events, None).unwrap();
        assert!(gap(&model.explain(&features).unwrap()) <= 1e-9);
        assert!(gap(&model.explain_with(&features, &interventional()).unwrap()) <= 1e-9);
        let ranges = ranges(&model);
        let (mut low, mut found) = (0, 0);
        for prediction in model.predict_features(&features).unwrap().iter() {
            let (id, segment) = (prediction.customer_id.as_str(), prediction.risk_segment);
            let changes = model.smallest_changes(&features, id, &ChangeConfig::default());
            let begins = model.thresholds().bounds(segment).0;
            if begins == 0.0 {
                // There is no lower band.
                assert_eq!(changes.unwrap_err().code(), "invalid_parameter", "{kind:?}: customer {id}");
                low += 1;
                continue;
            }
            let config = ChangeConfig { below: Some(begins), features: Some(actionable.clone()) };
            let changes = changes.unwrap();
            check_changes(&model, &features, id, &changes, &ranges, &config, &format!("{kind:?}: customer {id}"));
            found += changes.len();
        }
        assert!(low > 0 && found > 0, "{kind:?}: {low} customers of low risk, {found} changes");
    }
}
