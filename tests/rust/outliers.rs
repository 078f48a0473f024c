//! A few absurd rows in a log: whatever is learned ranks the customers about as well as it does without them.

use std::fmt::Write as _;

use churn::{FeatureConfig, FeatureSet, LearnConfig, Model, ModelKind, TrainConfig, finding_codes, train};
use churn_tests::{csv_of, log_lines, read, say};

/// Trained on a log of 375 customers with these further rows.
fn trained(model: ModelKind, feature_set: FeatureSet, further: &str) -> Model {
    let config = TrainConfig {
        features: FeatureConfig { feature_set, ..FeatureConfig::default() },
        learning: LearnConfig { model, ..LearnConfig::default() },
        // What is learned where nobody heeds a finding.
        allow: finding_codes().iter().map(|info| info.code.to_owned()).collect(),
        ..TrainConfig::default()
    };
    let events = read(&(csv_of(&log_lines(21, 375, 700)) + further));
    train(&events, &config).expect("both classes")
}

/// Days of which every learner has seen some: the log begins on 2023-01-01.
#[test]
fn no_row_outweighs_all_others() {
    let row = |amount: &str| format!("c0005,2024-03-10,{amount},purchase\n");
    let mut bot = String::new();
    (0..5000).for_each(|_| writeln!(bot, "c0007,2024-03-10,0.01,purchase").expect("a text"));
    let absurd = [
        ("one amount", row("99999999")),
        ("a refund of as much", row("-99999999")),
        ("two amounts", row("99999999") + "c0017,2023-11-02,500000000000,purchase\n"),
        ("the largest amount that is read", row("1000000000000")),
        ("the day of a bot", bot),
    ];
    for model in ModelKind::LEARNERS {
        for feature_set in [FeatureSet::Rfm, FeatureSet::Behavioral] {
            let before = trained(model, feature_set, "");
            let auc = before.evaluation().expect("an evaluation").metrics.roc_auc;
            assert!(auc > 0.7, "{model:?} {feature_set:?}: the log has something to learn, AUC {auc}");
            for (what, further) in &absurd {
                let after = trained(model, feature_set, further);
                let with = after.evaluation().expect("an evaluation").metrics.roc_auc;
                say(&format!("outliers: {} {feature_set:?}, {what}: AUC {auc:.3}, then {with:.3}", model.name()));
                assert!(with > auc - 0.02, "{model:?} {feature_set:?}, {what}: AUC {auc} before and {with} after");
                let codes: Vec<&str> = after.findings().expect("trained").iter().map(|f| f.code.as_str()).collect();
                assert!(!codes.contains(&"constant_model"), "{model:?} {feature_set:?}, {what}: {codes:?}");
            }
        }
    }
}
