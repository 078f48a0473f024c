//! Times of each step on a small log: read, features, train, predict, explain. `cargo bench -p openchurn` takes about a
//! minute. Against other libraries: `examples/bench`.
#![allow(clippy::unwrap_used, reason = "a benchmark may fail")]
#![allow(missing_docs, reason = "a program")]

use std::fmt::Write as _;
use std::sync::LazyLock;

use churn::{
    CalibrationKind, Customer, Day, Events, FeatureConfig, FeatureSet, FeatureStream, FeatureTable, LabelConfig,
    LearnConfig, Model, ModelKind, ReadOptions, TrainConfig, Transaction, features, labels, train,
};
use divan::{Bencher, counter::ItemsCount};

const CUSTOMERS: u64 = 20_000;
const ROWS: u64 = 200_000;

/// Rows in no order; a customer comes as often as its number says and leaves some day.
static CSV: LazyLock<String> = LazyLock::new(|| {
    let mut csv = "customer_id,event_date,amount,event_type\n".to_owned();
    let mut state = 1u64;
    let mut draw = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    for _ in 0..ROWS {
        let customer = draw(CUSTOMERS).max(draw(CUSTOMERS));
        let left = 200 + customer * 7919 % 530;
        let day = Day::new(19_000 + draw(left) as i32).unwrap();
        let cents = 100 + draw(20_000);
        let kind = ["purchase", "login", "refund"][usize::from(cents % 7 == 0) + usize::from(cents % 49 == 0)];
        writeln!(csv, "C{customer:09},{day},{}.{:02},{kind}", cents / 100, cents % 100).unwrap();
    }
    csv
});

static EVENTS: LazyLock<Events> = LazyLock::new(|| Events::from_csv(CSV.as_bytes(), &ReadOptions::default()).unwrap());

/// Nothing is searched for, so that the learner is what is measured; training evaluates too, so it fits more than once.
fn recipe(model: ModelKind) -> TrainConfig {
    let learning = LearnConfig {
        model,
        calibration: CalibrationKind::None,
        rounds: Some(100),
        max_depth: Some(if model == ModelKind::GradientBoosting { 5 } else { 10 }),
        leaf_l2: Some(1.0),
        column_sample: 1.0,
        ..LearnConfig::default()
    };
    TrainConfig { learning, ..TrainConfig::default() }
}

static MODEL: LazyLock<Model> = LazyLock::new(|| train(&*EVENTS, &recipe(ModelKind::GradientBoosting)).unwrap());
static TABLE: LazyLock<FeatureTable> = LazyLock::new(|| MODEL.features(&*EVENTS, None).unwrap());

#[divan::bench(sample_count = 20)]
fn read(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(ROWS)).bench(|| Events::from_csv(CSV.as_bytes(), &ReadOptions::default()).unwrap());
}

/// In one pass, as a file is read.
#[divan::bench(sample_count = 20, args = [FeatureSet::Rfm, FeatureSet::Behavioral])]
fn read_to_features(bencher: Bencher<'_, '_>, feature_set: FeatureSet) {
    let config = FeatureConfig { feature_set, ..FeatureConfig::default() };
    bencher.counter(ItemsCount::new(ROWS)).bench(|| {
        let mut stream = FeatureStream::new(EVENTS.last_day(), &config).unwrap();
        stream.read_csv(CSV.as_bytes(), &ReadOptions::default()).unwrap();
        stream.finish().unwrap()
    });
}

#[divan::bench(sample_count = 20, args = [FeatureSet::Rfm, FeatureSet::Behavioral])]
fn features_of_events(bencher: Bencher<'_, '_>, feature_set: FeatureSet) {
    let config = FeatureConfig { feature_set, ..FeatureConfig::default() };
    let (history, _) = EVENTS.split_at(EVENTS.last_day());
    bencher.counter(ItemsCount::new(CUSTOMERS)).bench(|| features(&history, &config).unwrap());
}

#[divan::bench(sample_count = 20)]
fn labels_of_events(bencher: Bencher<'_, '_>) {
    let (history, outcome) = EVENTS.split_at(Day::new(19_600).unwrap());
    bencher.bench(|| labels(&history, &outcome, &LabelConfig::default()).unwrap());
}

#[divan::bench(sample_count = 3, sample_size = 1, args = ModelKind::LEARNERS)]
fn train_on_events(bencher: Bencher<'_, '_>, model: ModelKind) {
    let config = recipe(model);
    bencher.bench(|| train(&*EVENTS, &config).unwrap());
}

#[divan::bench(sample_count = 20)]
fn predict_table(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(TABLE.rows())).bench(|| MODEL.predict_features(&TABLE).unwrap());
}

#[divan::bench]
fn predict_one(bencher: Bencher<'_, '_>) {
    let transaction = |(day, amount): (i32, f64)| Transaction {
        event_date: Day::new(day).unwrap(),
        amount: Some(amount),
        event_type: Some("purchase".to_owned()),
        order_id: None,
    };
    let customer = Customer {
        customer_id: "C1".to_owned(),
        transactions: [(19_300, 20.0), (19_400, 35.5), (19_700, 12.25)].map(transaction).to_vec(),
        attributes: Default::default(),
    };
    bencher.bench(|| MODEL.predict_one(&customer, EVENTS.last_day()).unwrap());
}

#[divan::bench(sample_count = 20)]
fn explain_one(bencher: Bencher<'_, '_>) {
    let row = TABLE.select(&[0]);
    bencher.bench(|| MODEL.explain(&row).unwrap());
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn explain_table(bencher: Bencher<'_, '_>) {
    let rows = TABLE.select(&(0..1000).collect::<Vec<_>>());
    bencher.counter(ItemsCount::new(1000usize)).bench(|| MODEL.explain(&rows).unwrap());
}

fn main() {
    divan::main();
}
