//! Smallest changes: the changes that are found are enough, small, and within what was seen in training.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use churn::{
    CalibrationKind, Change, ChangeConfig, ColumnData, FeatureConfig, FeatureTable, LearnConfig, Model, ModelKind,
    Table, TableConfig, TrainConfig, Value, registry, train, train_table,
};
use churn_tests::customers::{NUMBERS, customers, features_of, model, only};
use churn_tests::{csv_of, log_lines, near, prediction_bits, read, say};
use serde_json::Value as Json;

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
    for kind in ModelKind::LEARNERS {
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
    for kind in ModelKind::LEARNERS {
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
    for kind in ModelKind::LEARNERS {
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
    for kind in ModelKind::LEARNERS {
        let learning = LearnConfig { model: kind, trees: 12, rounds: Some(12), ..LearnConfig::default() };
        let eight = FeatureConfig::default();
        let model = train(&events, &TrainConfig { features: eight, learning, ..TrainConfig::default() }).unwrap();
        let features = model.features(&events, None).unwrap();
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
