//! The evaluation within training: it can be left out, and what it has found is not found again for the final fit.

use std::sync::Mutex;

use churn::report::Report;
use churn::{
    Day, Events, Model, ModelKind, Observer, ReadOptions, Table, TableConfig, TrainConfig, train, train_observed,
    train_table, train_table_observed,
};
use churn_tests::Xorshift;

/// The stages of a training, without repetitions.
#[derive(Default)]
struct Stages(Mutex<Vec<&'static str>>);

impl Observer for Stages {
    fn progress(&self, stage: &'static str, _: u64, _: u64) {
        let mut stages = self.0.lock().expect("nobody panicked");
        if stages.last() != Some(&stage) {
            stages.push(stage);
        }
    }
}

impl Stages {
    /// True if rows are scored by fits on other customers after the last evaluation, for the final fit.
    fn cross_fits_at_the_end(self) -> bool {
        let stages = self.0.into_inner().expect("nobody panicked");
        let evaluated = stages.iter().rposition(|&stage| stage == "evaluate").expect("it is evaluated");
        assert!(stages[..evaluated].contains(&"cross-fit"), "{stages:?}");
        stages[evaluated..].contains(&"cross-fit")
    }
}

/// A table with two numbers, of which the first raises the log-odds of churn.
fn table(rows: usize) -> Table {
    let mut random = Xorshift::new(5);
    let mut csv = "a,b,churned\n".to_owned();
    for _ in 0..rows {
        let (a, b) = (random.unit(), random.unit());
        let churned = random.unit() < 1.0 / (1.0 + (2.0 - 3.0 * a).exp());
        csv.push_str(&format!("{a},{b},{}\n", u8::from(churned)));
    }
    Table::from_csv(csv.as_bytes(), ',').expect("good rows")
}

fn table_config(model: ModelKind) -> TableConfig {
    let mut config = TableConfig::default();
    config.learning.model = model;
    config
}

/// 3,000 customers with an event every ten to sixty days for up to two years.
fn log() -> Events {
    let mut random = Xorshift::new(9);
    let mut csv = "customer_id,event_date\n".to_owned();
    for customer in 0..3_000 {
        let mut day = random.below(200);
        let (pause, last) = (10 + random.below(50), 200 + random.below(600));
        while day < last.min(720) {
            csv.push_str(&format!("c{customer},{}\n", Day::new(19_000 + day as i32).expect("a day")));
            day += 1 + random.below(2 * pause);
        }
    }
    Events::from_csv(csv.as_bytes(), &ReadOptions::default()).expect("good rows")
}

/// A fifth of 24,000 rows leaves 19,200 to learn from, a fifth of 26,000 leaves 20,800: from 20,000 on, the final fit takes what
/// the evaluation has found. A forest needs no other fits in any case.
#[test]
fn of_many_rows_nothing_is_found_twice() {
    for (rows, again) in [(24_000, true), (26_000, false)] {
        let table = table(rows);
        for model in [ModelKind::LogisticRegression, ModelKind::GradientBoosting] {
            let stages = Stages::default();
            let fitted = train_table_observed(&table, &table_config(model), &stages).expect("good rows");
            assert_eq!(stages.cross_fits_at_the_end(), again, "{model:?}, {rows} rows");
            // It is calibrated: the mean probability of its own rows is their churn rate, nearly.
            let p = fitted.predict_table(&table, None).expect("the same columns");
            let mean = p.churn_probabilities().iter().sum::<f64>() / rows as f64;
            assert!((mean - fitted.training().base_rate).abs() < 0.01, "{model:?}, {rows} rows: {mean}");
        }
    }
}

/// Ten churners among 26,000 rows: two in each part that is held out are few to choose by, but no reason to refuse.
#[test]
fn few_churners_among_many_rows_are_enough() {
    let mut csv = "a,churned\n".to_owned();
    (0..26_000).for_each(|row| csv.push_str(&format!("{},{}\n", row % 977, u8::from(row % 2_600 == 1_300))));
    let table = Table::from_csv(csv.as_bytes(), ',').expect("good rows");
    for model in ModelKind::LEARNERS {
        let fitted = train_table(&table, &table_config(model)).expect("ten churners");
        let p = fitted.predict_table(&table, None).expect("the same columns");
        assert!(p.churn_probabilities().iter().all(|p| *p > 0.0 && *p < 0.1), "{model:?}");
    }
}

/// The same for a log: about 30,000 rows before the last cutoff.
#[test]
fn of_many_cutoffs_nothing_is_found_twice() {
    let events = log();
    for (snapshots, again) in [(4, true), (12, false)] {
        let mut config = TrainConfig { snapshots: Some(snapshots), audit: false, ..TrainConfig::default() };
        (config.labels.horizon_days, config.learning.model) = (30, ModelKind::LogisticRegression);
        let stages = Stages::default();
        let model = train_observed(&events, &config, &stages).expect("a good log");
        assert_eq!(stages.cross_fits_at_the_end(), again, "{snapshots} cutoffs");
        assert_eq!(model.evaluation().expect("it is evaluated").train_rows >= 20_000, !again, "{snapshots} cutoffs");
    }
}

/// A model that nobody judged says so: in its findings, and where its report is asked for. Apart from that, it is the same.
#[test]
fn a_model_without_an_evaluation_says_so() {
    let events = log();
    let mut config = TrainConfig { evaluation: false, ..TrainConfig::default() };
    (config.learning.trees, config.learning.max_depth) = (5, Some(4));
    let model = train(&events, &config).expect("a good log");
    let table_model = train_table(&table(500), &TableConfig { evaluation: false, ..TableConfig::default() });
    for model in [&model, &table_model.expect("good rows")] {
        assert!(model.evaluation().is_none());
        let warning = model.warnings().iter().find(|warning| warning.contains("not evaluated")).expect("a warning");
        assert!(!warning.contains("  "), "{warning}");
        let error = Report::new("A report", model).to_html().expect_err("nobody knows how far to believe it");
        assert_eq!(error.code(), "invalid_parameter");
        assert_eq!(&Model::from_json(&model.to_json()).expect("its own document"), model);
    }
    let judged = train(&events, &TrainConfig { evaluation: true, ..config.clone() }).expect("a good log");
    let probabilities =
        |model: &Model| model.predict(&events, None).expect("its own log").churn_probabilities().to_vec();
    assert_eq!(probabilities(&model), probabilities(&judged));
    config.learning.model = ModelKind::Auto;
    assert!(train(&events, &config).expect("it is searched all the same").evaluation().is_none());
}

#[test]
fn nothing_but_the_comparison_is_left_out() {
    let table = table(500);
    for model in [ModelKind::LogisticRegression, ModelKind::GradientBoosting] {
        let config = table_config(model);
        let with = train_table(&table, &config).expect("good rows");
        let without = TableConfig { compare_with_logistic: false, ..config };
        let without = train_table(&table, &without).expect("good rows");
        let of = |model: &Model| model.evaluation().expect("it is evaluated").clone();
        assert!(of(&with).logistic_regression.is_some() && of(&without).logistic_regression.is_none());
        assert_eq!(of(&with).metrics, of(&without).metrics);
        assert!(Report::new("A report", &without).to_html().expect("an evaluated model").contains("AUC"));
    }
}
