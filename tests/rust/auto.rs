//! The search of `auto`: what it may see, what it reports, and how it keeps to a time.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use churn::{
    Candidate, ChangeConfig, Column, ColumnData, Events, ExplainConfig, Explanation, FeatureConfig,
    FeaturePerturbation, FeatureSet, Input, LearnConfig, MeanMember, Model, ModelKind, Observer, Protocol,
    SearchProtocol, Table, TableConfig, TrainConfig, train, train_matrix, train_table, train_table_observed,
};
use churn_tests::{Xorshift, csv_of, day, log_lines, read};

/// Small enough for a test, and given: they may not be varied.
fn learning() -> LearnConfig {
    LearnConfig { model: ModelKind::Auto, trees: 10, rounds: Some(10), ..LearnConfig::default() }
}

fn log() -> Events {
    read(&csv_of(&log_lines(7, 300, 600)))
}

/// Two numbers of which the log-odds are a sum, and a category that says nothing.
fn table(rows: usize) -> Table {
    let mut random = Xorshift::new(9);
    let x: Vec<[f64; 2]> = (0..rows).map(|_| [random.unit(), random.unit()]).collect();
    let churned = x.iter().map(|[a, b]| Some(random.unit() < 1.0 / (1.0 + (2.0 - 3.0 * a - b).exp()))).collect();
    let plan = (0..rows).map(|_| Some((*random.pick(&["basic", "gold"])).to_owned())).collect();
    let column = |name: &str, data| Column { name: name.to_owned(), data };
    Table::new(vec![
        column("a", ColumnData::Numeric(x.iter().map(|x| x[0]).collect())),
        column("b", ColumnData::Numeric(x.iter().map(|x| x[1]).collect())),
        column("plan", ColumnData::Categorical(plan)),
        column("churned", ColumnData::Boolean(churned)),
    ])
    .expect("columns of one length")
}

fn table_config(learning: LearnConfig) -> TableConfig {
    TableConfig { learning, ..TableConfig::default() }
}

/// Asserts the properties of every list of candidates of which none failed.
fn check(model: &Model, sets: &[Option<FeatureSet>]) {
    let candidates = &model.evaluation().expect("an evaluation").candidates;
    let chosen = &candidates[0];
    assert_eq!(model.kind(), chosen.model);
    assert_eq!(model.parameters().time_budget, None);
    // Those with a log-loss come first, by log-loss; the others were given up after one part of the customers.
    let losses: Vec<f64> = candidates.iter().map_while(|c| c.log_loss).collect();
    assert!(losses.iter().all(|loss| *loss > 0.0) && losses[1..].is_sorted(), "{losses:?}");
    assert!(candidates[..losses.len()].iter().all(|c| c.failure.is_none()));
    let given_up = &candidates[losses.len()..];
    assert!(
        given_up.iter().all(|c| c.log_loss.is_none() && c.failure.as_ref().is_some_and(|f| f.contains("given up")))
    );
    assert!(!given_up.is_empty(), "there are more variations than are scored on everybody");
    assert!(chosen.standard_error.is_none() && candidates[1..losses.len()].iter().all(|c| c.standard_error.is_some()));
    let as_asked = |c: &&Candidate| c.settings.is_empty() && c.members.is_empty();
    for &feature_set in sets {
        for learner in ModelKind::LEARNERS {
            let of = |c: &&Candidate| as_asked(c) && (c.model, c.feature_set) == (learner, feature_set);
            assert_eq!(candidates.iter().filter(of).count(), 1, "{learner:?}, {feature_set:?}");
        }
    }
    // Of the recipes as asked for the best is chosen, or another one that is better still.
    let best = candidates.iter().filter(as_asked).filter_map(|c| c.log_loss).min_by(f64::total_cmp);
    assert!(chosen.log_loss <= best);
    let own: Vec<&String> = candidates.iter().flat_map(|c| c.settings.keys()).collect();
    assert!(own.iter().all(|name| *name != "trees" && *name != "rounds"), "given settings are kept: {own:?}");
    assert!(candidates.iter().filter(|c| c.model == ModelKind::Auto).all(|c| c.members.len() > 1));
    // What the search chose is what the model was fitted with.
    let parameters = serde_json::to_value(model.parameters()).expect("settings are JSON");
    for (name, value) in &chosen.settings {
        assert_eq!(parameters[name].as_f64(), value.as_f64(), "{name}");
    }
}

#[test]
fn events_are_searched_out_of_time_where_there_are_cutoffs_enough() {
    let events = log();
    for (snapshots, protocol, search) in [
        (1, Protocol::Holdout, SearchProtocol::Customers),
        (2, Protocol::OutOfTime, SearchProtocol::Customers),
        (4, Protocol::OutOfTime, SearchProtocol::OutOfTime),
    ] {
        for feature_set in [FeatureSet::Rfm, FeatureSet::Behavioral] {
            let config = TrainConfig {
                features: FeatureConfig { feature_set, ..FeatureConfig::default() },
                learning: learning(),
                snapshots: Some(snapshots),
                ..TrainConfig::default()
            };
            let model = train(&events, &config).unwrap_or_else(|error| panic!("{snapshots}: {error}"));
            let evaluation = model.evaluation().expect("an evaluation");
            assert_eq!((evaluation.protocol, evaluation.search_protocol), (protocol, Some(search)), "{snapshots}");
            check(&model, &[Some(FeatureSet::Rfm), Some(FeatureSet::Behavioral)]);
            let chosen = evaluation.candidates[0].feature_set.expect("features of events");
            assert_eq!(model.feature_specs().len() > 8, chosen == FeatureSet::Behavioral);
            assert_eq!(Model::from_json(&model.to_json()).expect("our own document"), model);
        }
    }
}

#[test]
fn a_table_is_searched_by_groups_of_customers() {
    let model = train_table(&table(400), &table_config(learning())).expect("both classes");
    assert_eq!(model.evaluation().expect("an evaluation").search_protocol, Some(SearchProtocol::Customers));
    check(&model, &[None]);
    assert!(
        model.evaluation().expect("an evaluation").candidates.iter().all(|c| c.seconds.is_none()),
        "nothing is timed without a clock"
    );
    let single = train_table(&table(400), &TableConfig::default()).expect("both classes");
    assert!(
        single.evaluation().expect("an evaluation").candidates.is_empty()
            && single.evaluation().expect("an evaluation").search_protocol.is_none()
    );
}

/// If the log-odds are a sum, nothing beats logistic regression by more than luck, and the search does not lose to it: it takes it, or
/// a mean that is mostly made of it.
#[test]
fn where_the_default_is_right_it_is_kept() {
    let model = train_table(&table(8000), &table_config(learning())).expect("both classes");
    let members = &model.parameters().members;
    let logistic: f64 = members.iter().filter(|of| of.model == ModelKind::LogisticRegression).map(|of| of.weight).sum();
    assert!(model.kind() == ModelKind::LogisticRegression || logistic >= 0.5, "{members:?}");
    let evaluation = model.evaluation().expect("an evaluation");
    assert!(
        evaluation.metrics.log_loss < evaluation.logistic_regression.as_ref().expect("a comparison").log_loss + 0.005
    );
}

/// The search finds the same, no matter what the customers do after the last cutoff, by which the model is judged.
#[test]
fn the_search_does_not_see_what_is_judged() {
    let cutoffs: Vec<_> = ["2023-08-01", "2023-11-01", "2024-02-01", "2024-05-01"].map(day).to_vec();
    let last = cutoffs[3];
    let config = TrainConfig { learning: learning(), cutoffs: Some(cutoffs), ..TrainConfig::default() };
    let lines = log_lines(7, 300, 600);
    let searched = |csv: &str| {
        let model = train(&read(csv), &config).unwrap_or_else(|error| panic!("{error}"));
        (
            model.evaluation().expect("an evaluation").candidates.clone(),
            model.evaluation().expect("an evaluation").metrics.base_rate,
        )
    };
    let (before, base_rate) = searched(&csv_of(&lines));
    let keep = |line: &&String| {
        let mut fields = line.split(',');
        let (customer, date) = (fields.next().expect("an id"), fields.next().expect("a day"));
        day(date) <= last || customer == "c0000" || !customer.ends_with(['1', '3', '5'])
    };
    let changed: Vec<String> = lines.iter().filter(keep).cloned().collect();
    let (after, other_rate) = searched(&csv_of(&changed));
    assert!(other_rate > base_rate, "the change has to matter to what is judged: {base_rate} and {other_rate}");
    assert_eq!(before, after);
}

/// A joined column with the name of a wider feature: that set cannot be had, and the other one is searched.
#[test]
fn a_recipe_that_cannot_be_tried_is_listed() {
    let events = log();
    let ids: Vec<Option<String>> = events.customer_ids().map(|id| Some(id.to_owned())).collect();
    let numbers = (0..ids.len()).map(|i| (i % 7) as f64).collect();
    let joined = Table::new(vec![
        Column { name: "id".to_owned(), data: ColumnData::Categorical(ids) },
        Column { name: "count_7d".to_owned(), data: ColumnData::Numeric(numbers) },
    ])
    .expect("columns of one length");
    let config = TrainConfig { learning: learning(), ..TrainConfig::default() };
    let model = train(Input::from(&events).with_attributes(&joined, "id"), &config).expect("rfm can be had");
    let (judged, failed): (Vec<&Candidate>, Vec<&Candidate>) = model
        .evaluation()
        .expect("an evaluation")
        .candidates
        .iter()
        .partition(|c| c.feature_set == Some(FeatureSet::Rfm));
    assert!(judged.iter().filter(|c| c.log_loss.is_some()).count() >= 3);
    assert_eq!(failed.len(), 3);
    for (i, candidate) in failed.iter().enumerate() {
        assert_eq!((candidate.model, candidate.feature_set), (ModelKind::LEARNERS[i], Some(FeatureSet::Behavioral)));
        assert!(candidate.failure.as_ref().is_some_and(|reason| reason.contains("count_7d")), "{candidate:?}");
    }
    assert_eq!(
        model.evaluation().expect("an evaluation").candidates[judged.len()..].iter().collect::<Vec<_>>(),
        failed,
        "failed ones come last"
    );
}

/// A clock that a step of the work moves by ten milliseconds, and an end to the caller's patience.
struct Steps {
    steps: AtomicU64,
    patience: u64,
    stages: Mutex<BTreeMap<&'static str, Vec<(u64, u64)>>>,
}

impl Steps {
    fn new(patience: u64) -> Self {
        Steps { steps: AtomicU64::new(0), patience, stages: Mutex::default() }
    }

    fn seconds(&self) -> f64 {
        self.steps.load(Ordering::Relaxed) as f64 / 100.0
    }
}

impl Observer for Steps {
    fn progress(&self, stage: &'static str, done: u64, total: u64) {
        self.stages.lock().expect("no panic").entry(stage).or_default().push((done, total));
    }

    fn elapsed(&self) -> Option<Duration> {
        Some(Duration::from_millis(10 * self.steps.load(Ordering::Relaxed)))
    }

    fn cancelled(&self) -> bool {
        self.steps.fetch_add(1, Ordering::Relaxed) >= self.patience
    }
}

#[test]
fn a_time_budget_is_kept() {
    let table = table(400);
    let with = |time_budget| {
        let clock = Steps::new(u64::MAX);
        let config = table_config(LearnConfig { time_budget, ..learning() });
        let model = train_table_observed(&table, &config, &clock).unwrap_or_else(|error| panic!("{error}"));
        (model, clock)
    };
    let judged = |model: &Model| {
        model.evaluation().expect("an evaluation").candidates.iter().filter(|c| c.log_loss.is_some()).count()
    };
    let (whole, clock) = with(None);
    let (all, most) = (judged(&whole), clock.seconds());
    let spent: f64 = whole.evaluation().expect("an evaluation").candidates.iter().filter_map(|c| c.seconds).sum();
    assert!(spent > 0.0 && spent < most, "{spent} of {most} seconds");
    let stages = clock.stages.lock().expect("no panic");
    let search = &stages["search"];
    assert!(search.is_sorted() && search[0].0 == 0 && search.last().is_some_and(|(done, total)| done == total));

    // With time enough, the same is tried and found.
    let (generous, _) = with(Some(1e6));
    assert_eq!(generous, whole);

    // Even the least of these leaves room for the first trial and what follows it.
    let mut counts = Vec::new();
    for share in [0.25, 0.4, 0.6, 0.8] {
        let (model, clock) = with(Some(share * most));
        // By this clock, a trial that is not begun takes a step too, and there are about forty of them.
        let limit = share * most + 0.4;
        assert!(clock.seconds() <= limit, "{} of {limit} seconds", clock.seconds());
        let failures =
            model.evaluation().expect("an evaluation").candidates.iter().filter_map(|c| c.failure.as_deref());
        let late = failures.filter(|failure| !failure.contains("given up"));
        assert!(late.clone().all(|failure| failure == "not finished within the time budget"));
        counts.push((judged(&model), late.count()));
    }
    // More time is not always more trials, because it may go to recipes that take longer.
    assert!(counts[1..].iter().all(|count| count.0 > counts[0].0) && counts[0].0 < all, "{counts:?}");
    assert!(counts.iter().any(|count| count.1 > 0), "{counts:?}");

    // The first trial runs in any case.
    let (model, _) = with(Some(0.001));
    assert_eq!((judged(&model), model.kind()), (1, ModelKind::LogisticRegression));
}

#[test]
fn a_time_budget_needs_a_clock_and_a_search() {
    let table = table(400);
    let code = |learning| train_table(&table, &table_config(learning)).expect_err("refused").code();
    assert_eq!(code(LearnConfig { time_budget: Some(60.0), ..learning() }), "invalid_parameter");
    for time_budget in [0.0, -1.0, 2e6, f64::NAN] {
        let config = table_config(LearnConfig { time_budget: Some(time_budget), ..learning() });
        let refused = train_table_observed(&table, &config, &Steps::new(u64::MAX)).expect_err("out of range");
        assert_eq!(refused.code(), "invalid_parameter", "{time_budget}");
    }
    let single = LearnConfig { time_budget: Some(60.0), model: ModelKind::RandomForest, ..learning() };
    let refused = train_table_observed(&table, &table_config(single), &Steps::new(u64::MAX)).expect_err("no search");
    assert!(refused.to_string().contains("only auto searches"), "{refused}");
}

#[test]
fn the_caller_can_stop_it_at_any_step() {
    let table = table(400);
    let run = |patience, time_budget| {
        let clock = Steps::new(patience);
        let config = table_config(LearnConfig { time_budget, ..learning() });
        let code = train_table_observed(&table, &config, &clock).map_or_else(|error| error.code(), |_| "trained");
        (code, clock.steps.into_inner())
    };
    for time_budget in [None, Some(2.0)] {
        let (code, steps) = run(u64::MAX, time_budget);
        assert_eq!(code, "trained");
        for patience in (0..steps).step_by(7) {
            assert_eq!(run(patience, time_budget).0, "cancelled", "after {patience} of {steps} steps");
        }
    }
}

fn member(weight: f64, model: ModelKind) -> MeanMember {
    MeanMember { weight, model, rounds: Some(10), max_depth: Some(3), leaf_l2: Some(1.0), ..MeanMember::default() }
}

/// A mean has three quarters of the margin and of the contributions of the one, and a quarter of those of the other.
#[test]
fn a_mean_is_fitted_explained_and_read_back() {
    let table = table(600);
    let members = vec![member(0.75, ModelKind::GradientBoosting), member(0.25, ModelKind::LogisticRegression)];
    let mean = LearnConfig { model: ModelKind::Auto, members: members.clone(), ..LearnConfig::default() };
    let config = TableConfig { evaluation: false, ..table_config(mean) };
    let mean = train_table(&table, &config).expect("both classes");
    assert_eq!((mean.kind(), &mean.parameters().members), (ModelKind::Auto, &members));
    assert_eq!(Model::from_json(&mean.to_json()).expect("our own document"), mean);
    let single = |of: &MeanMember| {
        let learning = LearnConfig {
            model: of.model,
            rounds: of.rounds,
            max_depth: of.max_depth,
            leaf_l2: of.leaf_l2,
            ..LearnConfig::default()
        };
        train_table(&table, &table_config(learning)).expect("both classes")
    };
    let singles: Vec<Model> = members.iter().map(single).collect();
    for feature_perturbation in [FeaturePerturbation::TreePathDependent, FeaturePerturbation::Interventional] {
        let explain = |model: &Model| {
            let features = model.table_features(&table, None).expect("the columns are there");
            let config = ExplainConfig { feature_perturbation, ..ExplainConfig::default() };
            model.explain_with(&features, &config).expect("background rows were kept")
        };
        let (found, of_members) = (explain(&mean), [explain(&singles[0]), explain(&singles[1])]);
        let weighted =
            |value: &dyn Fn(&Explanation) -> f64| 0.75 * value(&of_members[0]) + 0.25 * value(&of_members[1]);
        for row in 0..600 {
            assert!((found.margin()[row] - weighted(&|of| of.margin()[row])).abs() < 1e-12);
            for feature in 0..3 {
                let of = |of: &Explanation| of.contributions()[(row, feature)];
                assert!((of(&found) - weighted(&of)).abs() < 1e-12, "row {row}, feature {feature}");
            }
        }
    }
    // What is searched for a change is found, and it is a change for the better.
    let features = mean.table_features(&table, None).expect("the columns are there");
    let risks = mean.predict_table(&table, None).expect("the columns are there");
    let (id, risk) = risks
        .customer_ids()
        .zip(risks.churn_probabilities().iter().copied())
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .expect("there are rows");
    let below = risk - 0.1;
    let changes = mean.smallest_changes(
        &features,
        id,
        &ChangeConfig { below: Some(below), features: Some(vec!["a".to_owned(), "b".to_owned()]) },
    );
    let changes = changes.expect("the customer is there");
    assert!(!changes.is_empty() && changes.iter().all(|change| change.churn_probability < below));
}

#[test]
fn a_mean_that_cannot_be_meant_is_refused() {
    let both = || vec![member(0.75, ModelKind::GradientBoosting), member(0.25, ModelKind::LogisticRegression)];
    let forest = vec![member(1.0, ModelKind::RandomForest)];
    let auto = |members| LearnConfig { model: ModelKind::Auto, members, ..LearnConfig::default() };
    for (config, expected) in [
        (LearnConfig { model: ModelKind::RandomForest, ..auto(both()) }, "the model auto, which averages them"),
        (LearnConfig { max_depth: Some(4), ..auto(both()) }, "in each of the members"),
        (LearnConfig { trees: 50, ..auto(both()) }, "in each of the members"),
        (auto(forest), "logistic_regression or gradient_boosting"),
        (auto(vec![member(0.5, ModelKind::GradientBoosting)]), "weights that add up to 1"),
        (auto(vec![member(0.0, ModelKind::GradientBoosting)]), "weights above 0"),
        (auto(vec![member(f64::NAN, ModelKind::GradientBoosting)]), "weights above 0"),
        (auto(vec![member(0.0625, ModelKind::LogisticRegression); 17]), "at most 16"),
        (auto(vec![MeanMember { learning_rate: 2.0, ..member(1.0, ModelKind::GradientBoosting) }]), "learning_rate"),
        (LearnConfig { time_budget: Some(9.0), ..auto(both()) }, "nothing to search for"),
    ] {
        let error = train_table(&table(100), &table_config(config)).expect_err(expected);
        assert_eq!(error.code(), "invalid_parameter");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let unknown = r#"{"model": "auto", "members": [{"weight": 1, "trees": 5}]}"#;
    let error = serde_json::from_str::<LearnConfig>(unknown).expect_err("a mean has no forests").to_string();
    assert!(error.contains("members[0]") && error.contains("trees"), "{error}");
}

/// A matrix is learned from as a table of the same columns is.
#[test]
fn a_matrix_has_the_model_of_its_table() {
    let table = table(500);
    let number = |name: &str| match table.column(name).expect("it is there") {
        ColumnData::Numeric(values) => values.clone(),
        _ => unreachable!("numbers"),
    };
    let (a, b) = (number("a"), number("b"));
    let x = ndarray::Array2::from_shape_fn((500, 2), |(row, column)| if column == 0 { a[row] } else { b[row] });
    let y: Vec<bool> = match table.column("churned").expect("it is there") {
        ColumnData::Boolean(values) => values.iter().map(|value| *value == Some(true)).collect(),
        _ => unreachable!("labels"),
    };
    let names = ["a".to_owned(), "b".to_owned()];
    for learning in [learning(), LearnConfig { model: ModelKind::GradientBoosting, ..LearnConfig::default() }] {
        let config = TableConfig { leave_out: vec!["plan".to_owned()], ..table_config(learning) };
        let model = train_matrix(x.clone(), &names, &y, None, &config, &()).expect("both classes");
        let of_table = train_table(&table, &config).expect("both classes");
        assert_eq!(model.to_json(), of_table.to_json());
        let p = model.probabilities(&x).expect("two columns");
        assert_eq!(p, of_table.table_probabilities(&table).expect("the columns are there"));
        assert_eq!(
            model.probabilities(&x.slice(ndarray::s![.., ..1]).to_owned()).expect_err("one").code(),
            "feature_mismatch"
        );
    }
    let few = TableConfig { evaluation: false, ..TableConfig::default() };
    let ten = |config: &TableConfig| {
        train_matrix(x.slice(ndarray::s![..10, ..]).to_owned(), &names, &y[..10], None, config, &())
    };
    assert_eq!(ten(&TableConfig::default()).expect_err("too few to judge").code(), "too_few_rows");
    let silent = TableConfig { evaluation: false, ..table_config(learning()) };
    assert!(train_table(&table, &silent).expect("it is searched all the same").evaluation().is_none());
    assert!(ten(&few).is_ok() || y[..10].iter().filter(|&&y| y).count() < 2);
}
