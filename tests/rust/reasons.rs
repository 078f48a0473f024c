//! Reasons in words: typical values, facts, order, and the reason that most of a list share.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use churn::{
    Column, ColumnData, ExplainConfig, FeatureConfig, FeatureSet, LearnConfig, ListReasons, Model, ModelKind, Reason,
    Segment, SharedReason, Table, TableConfig, Thresholds, TrainConfig, train, train_table,
};
use churn_tests::customers::{customers, features_of, model};
use churn_tests::{csv_of, log_lines, read};
use serde_json::{Value as Json, json};

use crate::explain::{LEARNERS, document, explained, golden_again, interventional};

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
