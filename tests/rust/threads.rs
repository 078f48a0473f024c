//! A source of threads takes all parallel work of the process, which is why it has a test program of its own.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use churn::{FeatureConfig, FeatureSet, LearnConfig, ModelKind, Threads, TrainConfig, train, use_threads};
use churn_tests::{csv_of, log_lines, prediction_bits, read};

static ASKED: AtomicUsize = AtomicUsize::new(0);

fn three() -> Threads {
    static THREADS: OnceLock<Threads> = OnceLock::new();
    ASKED.fetch_add(1, Ordering::Relaxed);
    THREADS.get_or_init(|| Threads::new(3)).clone()
}

/// The names of this process's threads.
#[cfg(target_os = "linux")]
fn names() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("the threads of this process");
    let name = |task: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(task.ok()?.path().join("comm")).ok();
    tasks.filter_map(name).map(|name| name.trim().to_owned()).collect()
}

/// Everything goes to the three threads, nothing to the pool of the process, and the bits are those of one thread.
#[test]
fn all_work_goes_to_the_threads_of_the_source() {
    let csv = csv_of(&log_lines(5, 900, 600));
    let models = [ModelKind::LogisticRegression, ModelKind::RandomForest, ModelKind::GradientBoosting];
    let outcome = || {
        let events = read(&csv);
        models.map(|model| {
            let config = TrainConfig {
                features: FeatureConfig { feature_set: FeatureSet::Behavioral, ..FeatureConfig::default() },
                learning: LearnConfig { model, trees: 20, rounds: Some(20), ..LearnConfig::default() },
                ..TrainConfig::default()
            };
            let model = train(&events, &config).unwrap_or_else(|error| panic!("{model:?}: {error}"));
            (model.to_json(), prediction_bits(&model.predict(&events, None).expect("the log of the training")))
        })
    };
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool").install(outcome);
    use_threads(three);
    assert!(outcome() == alone, "another number of threads, another model");
    assert!(ASKED.load(Ordering::Relaxed) > 100, "the source was hardly asked");
    // The first source stays.
    use_threads(|| Threads::new(1));
    let asked = ASKED.load(Ordering::Relaxed);
    assert!(outcome() == alone);
    assert!(ASKED.load(Ordering::Relaxed) > asked);
    #[cfg(target_os = "linux")]
    assert_eq!(names().iter().filter(|name| name.starts_with("churn-")).count(), 3, "{:?}", names());
}
