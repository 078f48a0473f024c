//! Properties of every log: no order, chunking or number of threads changes a bit, and no future reaches a feature.

use std::io::Read;

use churn::{
    Customer, EvaluationConfig, Events, FeatureConfig, FeatureSet, FeatureStream, FeatureTable, LabelConfig,
    LearnConfig, Model, ModelKind, ReadOptions, Thresholds, TrainConfig, Transaction, curves, evaluate, features,
    labels, roc_auc, segment_table, train,
};
use churn_tests::{HEADER, Xorshift, agree, csv_of, day, log_lines, near, prediction_bits, read, rows, table_bits};
use proptest::prelude::*;

/// One event: customer, day of 2023 and after, amount in cents, type.
type Event = (u8, i32, Option<i32>, u8);

fn event() -> impl Strategy<Value = Event> {
    (0u8..12, 0i32..500, proptest::option::weighted(0.9, -20_000i32..100_000), 0u8..6)
}

fn lines(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| line(event, 1.0)).collect()
}

fn line(&(customer, at, cents, kind): &Event, factor: f64) -> String {
    let kind = ["", "purchase", "login", "support", "visit", "return"][usize::from(kind)];
    let amount = cents.map_or(String::new(), |cents| (f64::from(cents) / 100.0 * factor).to_string());
    format!("c{customer},{},{amount},{kind}\n", day("2023-01-01").plus(at))
}

fn config(behavioral: bool) -> FeatureConfig {
    // Fewer columns than types, so that which types get one is at stake too.
    let feature_set = if behavioral { FeatureSet::Behavioral } else { FeatureSet::Rfm };
    FeatureConfig { feature_set, top_event_types: 3, ..FeatureConfig::default() }
}

/// The features of a log in memory; none where nothing had happened by then.
fn in_memory(csv: &str, as_of: i32, config: &FeatureConfig) -> Option<FeatureTable> {
    let events = read(csv);
    features(&events.split_at(day("2023-01-01").plus(as_of)).0, config).ok()
}

/// Gives its bytes a few at a time.
struct Trickle<'a> {
    bytes: &'a [u8],
    random: Xorshift,
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = (1 + self.random.below(7)).min(buffer.len()).min(self.bytes.len());
        buffer[..most].copy_from_slice(&self.bytes[..most]);
        self.bytes = &self.bytes[most..];
        Ok(most)
    }
}

fn stream(csv: &str, as_of: i32, config: &FeatureConfig, seed: u64) -> FeatureStream {
    let mut stream = FeatureStream::new(day("2023-01-01").plus(as_of), config).expect("a valid configuration");
    let reader = Trickle { bytes: csv.as_bytes(), random: Xorshift::new(seed) };
    stream.read_csv(reader, &ReadOptions::default()).expect("good rows");
    stream
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn row_order_changes_no_bit(
        events in prop::collection::vec(event(), 1..80), as_of in 0i32..500, seed: u64, behavioral: bool,
    ) {
        let mut shuffled = lines(&events);
        let before = csv_of(&shuffled);
        Xorshift::new(seed).shuffle(&mut shuffled);
        let after = csv_of(&shuffled);
        prop_assert_eq!(rows(&read(&before)), rows(&read(&after)));
        let config = config(behavioral);
        let tables = [&before, &after].map(|csv| in_memory(csv, as_of, &config).as_ref().map(table_bits));
        prop_assert_eq!(&tables[0], &tables[1]);
        // A customer of the first day, so that there is someone to label, and one of the last, so that the window is inside.
        let bounds = |csv: &str| format!("{csv}first,2022-12-31,,\nlast,2025-01-01,,\n");
        let label = |csv: &str| {
            let events = read(&bounds(csv));
            let (history, outcome) = events.split_at(day("2023-01-01").plus(as_of));
            let config = LabelConfig { active_within_days: None, ..LabelConfig::default() };
            let labels = labels(&history, &outcome, &config).expect("a window inside the log");
            labels.iter().map(|(id, churned)| (id.to_owned(), churned)).collect::<Vec<_>>()
        };
        prop_assert_eq!(label(&before), label(&after));
    }

    #[test]
    fn parts_merge_to_the_whole_in_any_order(
        events in prop::collection::vec(event(), 1..80), as_of in 0i32..500, parts in 1usize..6, seed: u64, behavioral: bool,
    ) {
        let config = config(behavioral);
        let mut random = Xorshift::new(seed);
        let mut dealt = vec![Vec::new(); parts];
        for line in lines(&events) {
            dealt[random.below(parts)].push(line);
        }
        // A part may be empty; a file without a row would be refused.
        dealt.retain(|part| !part.is_empty());
        let mut streams: Vec<FeatureStream> =
            dealt.iter().map(|part| stream(&csv_of(part), as_of, &config, seed)).collect();
        random.shuffle(&mut streams);
        let mut whole = streams.swap_remove(0);
        for part in &streams {
            whole.merge(part).expect("the same configuration");
        }
        let merged = whole.finish().ok().as_ref().map(table_bits);
        let expected = in_memory(&csv_of(&lines(&events)), as_of, &config).as_ref().map(table_bits);
        prop_assert_eq!(merged, expected);
    }

    #[test]
    fn the_future_changes_no_feature(
        events in prop::collection::vec(event(), 1..60), more in prop::collection::vec(event(), 1..40),
        as_of in 0i32..500, behavioral: bool,
    ) {
        let config = config(behavioral);
        let mut with_future = lines(&events);
        for &(customer, at, cents, kind) in &more {
            with_future.push(line(&(customer, as_of + 1 + at, cents, kind), 1.0));
        }
        let before = in_memory(&csv_of(&lines(&events)), as_of, &config).as_ref().map(table_bits);
        let after = in_memory(&csv_of(&with_future), as_of, &config).as_ref().map(table_bits);
        prop_assert_eq!(&before, &after);

        // Deleting the future first gives the same again, and a log that holds nothing of it.
        let whole = read(&csv_of(&with_future));
        let cutoff = day("2023-01-01").plus(as_of);
        match whole.truncated(cutoff) {
            Ok(past) => {
                prop_assert!(past.last_day() <= cutoff);
                let table = features(&past.split_at(cutoff).0, &config).expect("the past has customers");
                prop_assert_eq!(Some(table_bits(&table)), after);
                let kept = rows(&whole).into_iter().filter(|row| row.1 <= cutoff.number()).collect::<Vec<_>>();
                prop_assert_eq!(rows(&past), kept);
            }
            Err(error) => {
                prop_assert_eq!(error.code(), "no_customers");
                prop_assert_eq!(after, None);
            }
        }
    }

    #[test]
    fn the_currency_does_not_matter(
        events in prop::collection::vec(event(), 1..80), as_of in 0i32..500, factor in 0.001f64..1000.0,
    ) {
        let config = config(false);
        let scaled: Vec<String> = events.iter().map(|event| line(event, factor)).collect();
        let before = in_memory(&csv_of(&lines(&events)), as_of, &config);
        let after = in_memory(&csv_of(&scaled), as_of, &config);
        let (Some(before), Some(after)) = (before, after) else { return Ok(()) };
        // A scale that would be 0 or less becomes 1, which no factor changes.
        prop_assume!(before.scales().is_some_and(|scales| scales.monetary != 1.0));
        let at = before.names().position(|name| name == "monetary_score").expect("a feature");
        for (a, b) in before.values().column(at).iter().zip(after.values().column(at)) {
            prop_assert!(near(*a, *b, 1e-9, 1e-9), "{} and {}", a, b);
        }
    }

    #[test]
    fn metrics_do_not_depend_on_the_order_of_rows(
        pairs in prop::collection::vec((0u32..40, any::<bool>()), 2..120), seed: u64,
    ) {
        // Every number that judging gives, written out: equal texts are equal bits.
        let judge = |pairs: &[(u32, bool)]| {
            let (p, y): (Vec<f64>, Vec<bool>) = pairs.iter().map(|&(p, y)| (f64::from(p) / 39.0, y)).unzip();
            let config = EvaluationConfig::default();
            let metrics = evaluate(&y, &p, &config).map_err(|error| error.code());
            let table = segment_table(&y, &p, &Thresholds::default()).expect("probabilities");
            let text = (
                metrics.as_ref().map(|metrics| serde_json::to_string(metrics).expect("finite numbers")).map_err(|e| *e),
                curves(&y, &p, &config).map(|curves| serde_json::to_string(&curves).expect("finite numbers")).ok(),
                serde_json::to_string(&table).expect("finite numbers"),
            );
            (text, metrics, y, p)
        };
        let (text, metrics, y, p) = judge(&pairs);
        let mut shuffled = pairs.clone();
        Xorshift::new(seed).shuffle(&mut shuffled);
        prop_assert_eq!(text, judge(&shuffled).0);
        let Ok(metrics) = metrics else { return Ok(()) };
        let opposite: Vec<f64> = p.iter().map(|p| 1.0 - p).collect();
        let reversed = roc_auc(&y, &opposite).expect("both classes");
        prop_assert!((reversed - (1.0 - metrics.roc_auc)).abs() <= 1e-15, "{} and {}", reversed, metrics.roc_auc);
        // Counted pair by pair.
        let (mut won, mut all) = (0.0, 0.0);
        for (p1, _) in p.iter().zip(&y).filter(|row| *row.1) {
            for (p0, _) in p.iter().zip(&y).filter(|row| !*row.1) {
                won += if p1 > p0 { 1.0 } else if p1 == p0 { 0.5 } else { 0.0 };
                all += 1.0;
            }
        }
        prop_assert!(agree(metrics.roc_auc, won / all));
        prop_assert_eq!(metrics.tp + metrics.fp + metrics.tn + metrics.fn_, pairs.len() as u64);
    }
}

fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool").install(work)
}

/// The document and the bits of the predictions that training and scoring give.
fn outcome(csv: &str, model: ModelKind, feature_set: FeatureSet, seed: u64) -> (String, Vec<(String, u64)>) {
    let events = read(csv);
    let config = TrainConfig {
        features: FeatureConfig { feature_set, ..FeatureConfig::default() },
        learning: LearnConfig { model, seed, trees: 20, rounds: Some(20), ..LearnConfig::default() },
        ..TrainConfig::default()
    };
    let model = train(&events, &config).unwrap_or_else(|error| panic!("{model:?}: {error}"));
    let predictions = model.predict(&events, None).expect("the log of the training");
    (model.to_json(), prediction_bits(&predictions))
}

const LEARNERS: [ModelKind; 4] =
    [ModelKind::LogisticRegression, ModelKind::RandomForest, ModelKind::GradientBoosting, ModelKind::Auto];

#[test]
fn threads_change_no_bit() {
    // More rows than a block of any parallel loop holds, so that several threads have work.
    let csv = csv_of(&log_lines(11, 700, 600));
    for feature_set in [FeatureSet::Rfm, FeatureSet::Behavioral] {
        let config = FeatureConfig { feature_set, ..FeatureConfig::default() };
        let table = || {
            let events = read(&csv);
            let (history, outcome) = events.split_at(day("2024-03-01"));
            let labels = labels(&history, &outcome, &LabelConfig::default()).expect("a window inside the log");
            let table = features(&history, &config).expect("customers");
            (table_bits(&table), labels.iter().map(|(id, churned)| (id.to_owned(), churned)).collect::<Vec<_>>())
        };
        let one = with_threads(1, table);
        for threads in [2, 3, 8] {
            assert_eq!(with_threads(threads, table), one, "{threads} threads");
        }
    }
    for model in LEARNERS {
        let learn = || outcome(&csv, model, FeatureSet::Behavioral, 3);
        let one = with_threads(1, learn);
        for threads in [2, 3, 8] {
            assert!(with_threads(threads, learn) == one, "{model:?}: {threads} threads give other bits than one");
        }
    }
}

#[test]
fn neither_row_order_nor_chunking_changes_a_model() {
    for (seed, model) in LEARNERS.into_iter().enumerate() {
        let mut lines = log_lines(20 + seed as u64, 200, 500);
        let one = outcome(&csv_of(&lines), model, FeatureSet::Rfm, 1);
        Xorshift::new(seed as u64).shuffle(&mut lines);
        assert!(outcome(&csv_of(&lines), model, FeatureSet::Rfm, 1) == one, "{model:?}: another order, another model");
        let other_seed = outcome(&csv_of(&lines), model, FeatureSet::Rfm, 2);
        assert_ne!(other_seed.0, one.0, "{model:?}: the seed has to matter somewhere, or this test compares constants");
    }
    let csv = csv_of(&log_lines(31, 100, 400));
    let trickled =
        churn::Events::from_csv(Trickle { bytes: csv.as_bytes(), random: Xorshift::new(5) }, &ReadOptions::default());
    assert_eq!(rows(&trickled.expect("good rows")), rows(&read(&csv)));
}

#[test]
fn a_kept_model_predicts_the_same_bits() {
    let lines = log_lines(40, 250, 500);
    let (csv, other) = (csv_of(&lines), csv_of(&log_lines(41, 90, 450)));
    for model in ModelKind::LEARNERS {
        let config = TrainConfig {
            learning: LearnConfig { model, trees: 20, ..LearnConfig::default() },
            ..TrainConfig::default()
        };
        let fitted = train(&read(&csv), &config).unwrap_or_else(|error| panic!("{model:?}: {error}"));
        let kept = Model::from_json(&fitted.to_json()).unwrap_or_else(|error| panic!("{model:?}: {error}"));
        assert_eq!(kept.to_json(), fitted.to_json(), "{model:?}: written again");
        for log in [&csv, &other] {
            let events = read(log);
            for as_of in [None, Some(day("2024-01-31"))] {
                let bits = |model: &Model| prediction_bits(&model.predict(&events, as_of).expect("customers"));
                assert_eq!(bits(&kept), bits(&fitted), "{model:?}");
            }
        }
    }
}

#[test]
fn one_customer_alone_has_the_bits_of_the_batch() {
    let csv = csv_of(&log_lines(50, 250, 500));
    let events = read(&csv);
    for (model, feature_set) in
        ModelKind::LEARNERS.into_iter().zip([FeatureSet::Rfm, FeatureSet::Behavioral, FeatureSet::Behavioral])
    {
        let config = TrainConfig {
            features: FeatureConfig { feature_set, ..FeatureConfig::default() },
            learning: LearnConfig { model, trees: 20, ..LearnConfig::default() },
            ..TrainConfig::default()
        };
        let model = train(&events, &config).unwrap_or_else(|error| panic!("{model:?}: {error}"));
        let as_of = day("2024-03-31");
        let batch = model.predict(&events, Some(as_of)).expect("customers");
        assert!(batch.len() > 200);
        for expected in batch.iter() {
            let own = events.iter().filter(|event| event.0 == expected.customer_id);
            let mut transactions: Vec<Transaction> = own
                .map(|(_, event_date, amount, event_type)| Transaction {
                    event_date,
                    amount,
                    event_type: event_type.map(str::to_owned),
                    order_id: None,
                })
                .collect();
            transactions.reverse();
            let customer_id = expected.customer_id.clone();
            let customer = Customer { customer_id, transactions, attributes: Default::default() };
            let alone = model.predict_one(&customer, as_of).expect("a customer with a past");
            assert_eq!(alone.churn_probability.to_bits(), expected.churn_probability.to_bits(), "{customer:?}");
            assert_eq!(alone, expected);
        }
    }
}

/// A customer alone is refused for what a log with nobody else is refused for, in the same words.
#[test]
fn one_customer_alone_has_the_errors_of_a_log() {
    let events = read(&csv_of(&log_lines(52, 150, 500)));
    let features = FeatureConfig { feature_set: FeatureSet::Behavioral, ..FeatureConfig::default() };
    let model = train(&events, &TrainConfig { features, ..TrainConfig::default() }).expect("both classes");
    let (before, as_of, after) = (day("2024-03-30"), day("2024-03-31"), day("2024-04-01"));
    let row = |event_date, amount, event_type: &str| Transaction {
        event_date,
        amount,
        event_type: Some(event_type.to_owned()),
        order_id: None,
    };
    let types = |n: usize| (0..n).map(|i| row(before, None, &format!("type {i}"))).collect::<Vec<_>>();
    let good = row(before, Some(5.0), "purchase");
    let cases: [(&str, Vec<Transaction>, &str); 9] = [
        ("c", vec![good.clone(), row(before, Some(2e12), "")], "bad_rows"),
        ("c", vec![row(before, Some(f64::NAN), "")], "bad_rows"),
        ("c", vec![good.clone(), good.clone(), row(after, Some(f64::INFINITY), "")], "bad_rows"),
        ("", vec![good.clone()], "bad_rows"),
        ("", vec![], "no_good_rows"),
        ("c", vec![], "no_good_rows"),
        ("c", vec![row(after, Some(1.0), "purchase")], "no_customers"),
        ("c", types(10_001), "too_many_values"),
        ("c", types(10_000), ""),
    ];
    for (customer_id, transactions, code) in cases {
        let rows = transactions.iter().map(|transaction| (customer_id, transaction.clone()));
        let log = Events::from_rows(rows).and_then(|log| model.predict(&log, Some(as_of)));
        let customer = Customer { customer_id: customer_id.to_owned(), transactions, attributes: Default::default() };
        let what = format!("{customer_id:?} with {} transactions", customer.transactions.len());
        match (log, model.predict_one(&customer, as_of)) {
            (Ok(log), Ok(alone)) => assert_eq!((log.iter().next().as_ref(), code), (Some(&alone), ""), "{what}"),
            (Err(of_log), Err(alone)) => {
                assert_eq!((of_log.code(), alone.code()), (code, code), "{what}");
                // Without a customer a log can only say that there is none.
                if code != "no_customers" {
                    assert_eq!((of_log.to_string(), of_log.line()), (alone.to_string(), alone.line()), "{what}");
                }
            }
            (log, alone) => panic!("{what}: {log:?} and {alone:?}"),
        }
    }
}

/// The made-up logs are what the tests above take them for.
#[test]
fn the_made_up_log_has_both_classes_and_every_kind_of_row() {
    let lines = log_lines(60, 200, 500);
    assert!(lines.iter().any(|line| line.contains(",,")) && lines.iter().any(|line| line.contains(",-")));
    assert_eq!(lines, log_lines(60, 200, 500), "a seed is a log");
    assert_ne!(lines, log_lines(61, 200, 500));
    let events = read(&format!("{HEADER}{}", lines.concat()));
    assert_eq!((events.customers(), events.len()), (200, lines.len()));
}
