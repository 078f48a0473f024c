//! Long work asks its caller between its parts whether to go on, on the caller's thread, and stops at the first no.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ThreadId;

use churn::{
    CalibrationKind, Classifier, Column, ColumnData, LearnConfig, ModelKind, Observer, Table, TableConfig,
    train_table_observed,
};
use churn_tests::say;
use ndarray::Array2;

/// Says no after so many words, and keeps what was said.
struct Patience {
    words: AtomicUsize,
    most: usize,
    threads: Mutex<Vec<ThreadId>>,
}

impl Patience {
    fn of(most: usize) -> Self {
        Patience { words: AtomicUsize::new(0), most, threads: Mutex::default() }
    }
}

impl Observer for Patience {
    fn cancelled(&self) -> bool {
        self.threads.lock().expect("no panic").push(std::thread::current().id());
        self.words.fetch_add(1, Ordering::Relaxed) >= self.most
    }
}

/// Some 600 rows in which the first of three columns tells a part of the outcome.
fn data() -> (Array2<f64>, Vec<bool>) {
    let x = Array2::from_shape_fn((600, 3), |(i, j)| ((i * (7 + j) * 31) % 101) as f64);
    let y = (0..600).map(|i| (i * 217) % 101 + i % 13 > 50).collect();
    (x, y)
}

/// The words of the whole work, and the code that each no leads to.
fn stop_everywhere(name: &str, least: usize, work: impl Fn(&Patience) -> churn::Result<()>) {
    let whole = Patience::of(usize::MAX);
    work(&whole).unwrap_or_else(|error| panic!("{name}: {error}"));
    let words = whole.words.into_inner();
    say(&format!("{name}: {words} words"));
    assert!(words >= least, "{name}: {words} words, expected {least}");
    let here = std::thread::current().id();
    assert!(whole.threads.lock().expect("no panic").iter().all(|&thread| thread == here), "{name}");
    for most in (0..words).step_by(words.div_ceil(60)) {
        let patience = Patience::of(most);
        let error = work(&patience).expect_err("it was told to stop");
        assert_eq!(error.code(), "cancelled", "{name}, word {most}: {error}");
        assert_eq!(patience.words.into_inner(), most + 1, "{name}: nobody asks again after a no");
    }
}

#[test]
fn fits_stop_between_their_parts() {
    let (x, y) = data();
    let names: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
    let config = |model| LearnConfig {
        model,
        trees: 20,
        rounds: Some(10),
        max_depth: Some(3),
        leaf_l2: Some(1.0),
        calibration: CalibrationKind::Platt,
        ..LearnConfig::default()
    };
    for (model, least) in [
        // Five folds and the whole, each of two passes over the rows or more; one word a fold; two passes for the curve.
        (ModelKind::LogisticRegression, 6 * 2 + 5 + 2),
        // One word for each batch of trees, of which there may be one; two passes for the curve.
        (ModelKind::RandomForest, 1 + 2),
        // The rounds of the folds, which go side by side, and those of the whole; a word for each fold before.
        (ModelKind::GradientBoosting, 10 + 10 + 5),
    ] {
        stop_everywhere(model.name(), least, |observer| {
            Classifier::fit_observed(&x, &names, &y, None, &config(model), observer).map(|_| ())
        });
    }
}

#[test]
fn training_stops_between_its_parts() {
    let (x, y) = data();
    let number = |name: &str, values: Vec<f64>| Column { name: name.to_owned(), data: ColumnData::Numeric(values) };
    let mut columns: Vec<Column> = (0..3).map(|j| number(&format!("f{j}"), x.column(j).to_vec())).collect();
    columns.push(number("churned", y.iter().map(|&y| f64::from(y)).collect()));
    let table = Table::new(columns).expect("columns of one length");
    for model in ModelKind::LEARNERS {
        let learning = LearnConfig { model, trees: 10, rounds: Some(10), ..LearnConfig::default() };
        let config = TableConfig { learning, ..TableConfig::default() };
        // Judged and fitted on all: at least a word for each of five folds of the logistic regression beside.
        stop_everywhere(&format!("training {}", model.name()), 5, |observer| {
            train_table_observed(&table, &config, observer).map(|_| ())
        });
    }
}
