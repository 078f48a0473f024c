//! The manifest of public names, `tests/vectors/api.json`: what it lists for Rust is exported, takes and gives what the
//! documentation says, and nothing of the list below is missing from it.

use std::collections::BTreeSet;

use churn::profit::{
    Campaign, CampaignOutcome, ContactConfig, ContactGroup, ContactList, CustomerCosts, Empc, EmpcConfig, Mpc,
    OutcomeConfig, ProfitCurve, Savings, SavingsConfig,
};
use churn::report::{Report, ReportConfig};
use churn::{
    Backtest, BacktestConfig, CancelledCustomer, Change, ChangeConfig, CheckedCsv, CompareConfig, Comparison, Coverage,
    CsvReading, Customer, CustomerBase, CutoffPredictions, CutoffResult, Day, DecodedText, Detected, EndReason,
    EndsKnown, Error, ErrorKind, Estimate, Evaluation, EvaluationConfig, EventUnit, Events, ExplainConfig,
    ExplainedPrediction, Explainer, Explanation, FeatureConfig, FeatureImportance, FeatureTable, Finding, FindingInfo,
    History, Judgement, LabelConfig, Labels, Merge, Metrics, Model, Movement, Outcome, OverTime, PairedResult, Period,
    Prediction, Predictions, ReadOptions, Reason, Result, Retention, RetentionBy, Scales, Segment, SlippingConfig,
    SlippingList, Source, Subscriber, SubscriberPrediction, SubscriptionColumns, SubscriptionHistory,
    SubscriptionInput, SubscriptionLabels, SubscriptionOptions, SubscriptionPreset, SubscriptionStatus, Subscriptions,
    Suggestion, SurvivalPoint, Table, TableConfig, Thresholds, TrainConfig, Value, WhatIf, audit_subscriptions,
    backtest, check, check_csv, check_subscriptions, compare, compare_models, decoded_text, detect, evaluate, features,
    finding_codes, kaplan_meier, labels, movements, profit, retention, subscription_features, subscription_labels,
    suggest, train, train_table,
};
use churn_tests::vectors;

/// A name, and an expression that compiles only if the name is exported with this meaning.
macro_rules! exported {
    ($($name:literal => $proof:expr,)*) => {{
        $(let _ = $proof;)*
        vec![$($name),*]
    }};
}

fn size<T>() -> usize {
    size_of::<T>()
}

#[test]
fn the_manifest_is_what_rust_exports() {
    type Judge = fn(&[bool], &[f64], &EvaluationConfig) -> Result<Metrics>;
    let exported = exported! {
        "Events" => size::<Events>,
        "Events::from_csv" => |reader: &[u8], options: &ReadOptions| -> Result<Events> {
            Events::from_csv(reader, options)
        },
        "Events::merged_by_day" => Events::merged_by_day as fn(&Events) -> Result<Events>,
        "Events::unit" => Events::unit as fn(&Events) -> EventUnit,
        "EventUnit" => EventUnit::default,
        "ReadOptions" => ReadOptions::default,
        "Merge" => Merge::default,
        "CheckedCsv" => size::<CheckedCsv>,
        "CsvReading" => CsvReading::new as fn(&ReadOptions) -> Result<CsvReading>,
        "check_csv" => |reader: &[u8], options: &ReadOptions| -> Result<CheckedCsv> { check_csv(reader, options) },
        "detect" => |reader: &[u8], given: &ReadOptions| -> Result<Detected> { detect(reader, given) },
        "Detected" => size::<Detected>,
        "Detected::into_options" => Detected::into_options as fn(Detected) -> Result<ReadOptions>,
        "decoded_text" => |reader: &'static [u8]| decoded_text(reader, None, 1),
        "DecodedText" => DecodedText::<&[u8]>::is_verbatim as fn(&_) -> bool,
        "check" => check as fn(&Events, &LabelConfig) -> Result<Vec<Finding>>,
        "suggest" => suggest as fn(&Events) -> Result<Suggestion>,
        "finding_codes" => finding_codes as fn() -> &'static [FindingInfo],
        "Finding" => size::<Finding>,
        "Suggestion" => size::<Suggestion>,
        "Model::findings" => Model::findings as fn(&Model) -> Option<&[Finding]>,
        "Predictions::findings" => Predictions::findings as fn(&Predictions) -> &[Finding],
        "Predictions::coverage" => Predictions::coverage as fn(&Predictions) -> Option<Coverage>,
        "Model::slipping_away" => |model: &Model, events: &Events, config: &SlippingConfig| -> Result<SlippingList> {
            model.slipping_away(events, None, config)
        },
        "SlippingConfig" => SlippingConfig::default,
        "SlippingList" => size::<SlippingList>,
        "Explainer::explain_one" => Explainer::explain_one as fn(&Explainer, &Customer, Day) -> Result<ExplainedPrediction>,
        "compare_models" => |a: &Model, b: &Model, events: &Events, config: &CompareConfig| -> Result<Judgement> {
            compare_models(a, b, events, config)
        },
        "Judgement" => size::<Judgement>,
        "features" => features as fn(&History<'_>, &FeatureConfig) -> Result<FeatureTable>,
        "FeatureConfig" => FeatureConfig::default,
        "FeatureTable" => size::<FeatureTable>,
        "Scales" => size::<Scales>,
        "labels" => labels as fn(&History<'_>, &Outcome<'_>, &LabelConfig) -> Result<Labels>,
        "LabelConfig" => LabelConfig::default,
        "Labels" => size::<Labels>,
        "train" => |events: &Events, config: &TrainConfig| -> Result<Model> { train(events, config) },
        "TrainConfig" => TrainConfig::default,
        "Model" => size::<Model>,
        "Model::event_unit" => Model::event_unit as fn(&Model) -> EventUnit,
        "train_table" => train_table as fn(&Table, &TableConfig) -> Result<Model>,
        "Table" => size::<Table>,
        "TableConfig" => TableConfig::default,
        "Model::predict" => |model: &Model, events: &Events, as_of: Option<Day>| -> Result<Predictions> {
            model.predict(events, as_of)
        },
        "Predictions" => size::<Predictions>,
        "Model::predict_one" => Model::predict_one as fn(&Model, &Customer, Day) -> Result<Prediction>,
        "Customer" => size::<Customer>,
        "Prediction" => size::<Prediction>,
        "Model::evaluation" => Model::evaluation as fn(&Model) -> Option<&Evaluation>,
        "evaluate" => evaluate as Judge,
        "EvaluationConfig" => EvaluationConfig::default,
        "Metrics" => size::<Metrics>,
        "backtest" => |events: &Events, config: &BacktestConfig| -> Result<Backtest> { backtest(events, config) },
        "BacktestConfig" => BacktestConfig::default,
        "Backtest" => size::<Backtest>,
        "OverTime" => size::<OverTime>,
        "CutoffResult" => size::<CutoffResult>,
        "Estimate" => size::<Estimate>,
        "PairedResult" => size::<PairedResult>,
        "CutoffPredictions" => size::<CutoffPredictions>,
        "Model::explain" => Model::explain as fn(&Model, &FeatureTable) -> Result<Explanation>,
        "Model::explain_with" => Model::explain_with as fn(&Model, &FeatureTable, &ExplainConfig) -> Result<Explanation>,
        "ExplainConfig" => ExplainConfig::default,
        "Explanation" => size::<Explanation>,
        "Explanation::reasons" => Explanation::reasons as fn(&Explanation, usize) -> Vec<Reason>,
        "Explanation::importance" => Explanation::importance as fn(&Explanation) -> Vec<FeatureImportance>,
        "Explanation::dependence" => Explanation::dependence as fn(&Explanation, &str) -> Result<Vec<(f64, f64)>>,
        "Reason" => size::<Reason>,
        "Model::what_if" => |model: &Model, table: &FeatureTable, changes: &[(&str, Value)]| -> Result<WhatIf> {
            model.what_if(table, "c", changes)
        },
        "Model::smallest_changes" => |model: &Model, table: &FeatureTable, config: &ChangeConfig| -> Result<Vec<Change>> {
            model.smallest_changes(table, "c", config)
        },
        "ChangeConfig" => ChangeConfig::default,
        "compare" => compare as fn(&[bool], &[f64], &[f64], &CompareConfig) -> Result<Comparison>,
        "CompareConfig" => CompareConfig::default,
        "Comparison" => size::<Comparison>,
        "profit::Campaign" => Campaign::default,
        "profit::empc" => profit::empc as fn(&[bool], &[f64], &EmpcConfig) -> Result<Empc>,
        "profit::EmpcConfig" => EmpcConfig::default,
        "profit::mpc" => profit::mpc as fn(&[bool], &[f64], &Campaign) -> Result<Mpc>,
        "profit::curve" => profit::curve as fn(&[bool], &[f64], &Campaign) -> Result<ProfitCurve>,
        "profit::expected_curve" => profit::expected_curve as fn(&[f64], Option<&[f64]>, &Campaign) -> Result<ProfitCurve>,
        "profit::contact_list" => |model: &Predictions, values: Option<&[f64]>, config: &ContactConfig| -> Result<ContactList> {
            profit::contact_list(model.customer_ids(), model.churn_probabilities(), values, config)
        },
        "profit::ContactConfig" => ContactConfig::default,
        "profit::ContactList" => size::<ContactList>,
        "profit::ContactList::write_group" => |list: &ContactList, writer: &mut Vec<u8>| -> Result<()> {
            list.write_group(ContactGroup::Contact, writer)
        },
        "profit::mail_field" => profit::mail_field as fn(&str) -> String,
        "profit::campaign_outcome" => profit::campaign_outcome as fn(&[bool], &[bool], &OutcomeConfig) -> Result<CampaignOutcome>,
        "profit::OutcomeConfig" => OutcomeConfig::default,
        "profit::savings" => profit::savings as fn(&[bool], &[f64], &CustomerCosts<'_>, &SavingsConfig) -> Result<Savings>,
        "profit::SavingsConfig" => SavingsConfig::default,
        "profit::Savings" => size::<Savings>,
        "profit::CustomerCosts" => CustomerCosts::default,
        "profit::cost_thresholds" => profit::cost_thresholds as fn(&CustomerCosts<'_>) -> Result<Vec<f64>>,
        "Thresholds" => Thresholds::default,
        "Thresholds::segment" => Thresholds::segment as fn(&Thresholds, f64) -> Result<Segment>,
        "Segment" => Segment::ALL,
        "Model::to_json" => Model::to_json as fn(&Model) -> String,
        "Model::from_json" => Model::from_json as fn(&str) -> Result<Model>,
        "Subscriptions" => size::<Subscriptions>,
        "Subscriptions::from_csv" => |reader: &[u8], options: &SubscriptionOptions| -> Result<Subscriptions> {
            Subscriptions::from_csv(reader, options)
        },
        "Subscriptions::from_periods" => |periods: Vec<Period>| -> Result<Subscriptions> {
            Subscriptions::from_periods(periods, EndsKnown::AtStart, None)
        },
        "Subscriptions::from_payments" => Subscriptions::from_payments as fn(&Events, i32) -> Result<Subscriptions>,
        "Subscriptions::known_at" => Subscriptions::known_at as fn(&Subscriptions, Day) -> SubscriptionHistory<'_>,
        "Subscriptions::truncated" => Subscriptions::truncated as fn(&Subscriptions, Day) -> Result<Subscriptions>,
        "SubscriptionOptions" => SubscriptionOptions::default,
        "SubscriptionColumns" => SubscriptionColumns::default,
        "Subscriptions::customer_base" => Subscriptions::customer_base as fn(&Subscriptions, Day) -> Result<CustomerBase>,
        "Subscriptions::known_by" => |subscriptions: &Subscriptions, day: Day| subscriptions.known_by(day).map(|_| ()),
        "CustomerBase" => CustomerBase::amount as fn(&CustomerBase, &str) -> Option<f64>,
        "CancelledCustomer" => size::<CancelledCustomer>,
        "SubscriptionPreset" => SubscriptionPreset::ALL,
        "SubscriptionPreset::of_columns" => SubscriptionPreset::of_columns as fn(&[String]) -> Option<SubscriptionPreset>,
        "SubscriptionPreset::of_csv" => |reader: &[u8], options: &SubscriptionOptions| -> Result<Option<_>> {
            SubscriptionPreset::of_csv(reader, options)
        },
        "Period" => size::<Period>,
        "EndReason" => EndReason::ALL,
        "EndsKnown" => EndsKnown::default,
        "SubscriptionHistory" => SubscriptionHistory::as_of as fn(&_) -> Day,
        "SubscriptionStatus" => SubscriptionStatus::name as fn(_) -> &'static str,
        "subscription_features" => subscription_features as fn(&_, i32) -> Result<FeatureTable>,
        "subscription_labels" => subscription_labels as fn(&_, Day, &LabelConfig) -> Result<SubscriptionLabels>,
        "SubscriptionLabels" => size::<SubscriptionLabels>,
        "SubscriptionInput" => |subscriptions: &'static Subscriptions| SubscriptionInput::from(subscriptions),
        "Source" => |events: &'static Events| Source::from(events),
        "Predictions::causes" => Predictions::causes as fn(&Predictions) -> &[(EndReason, Vec<f64>)],
        "Predictions::dunning" => Predictions::dunning as fn(&Predictions) -> Option<Vec<(usize, f64)>>,
        "Model::subscription_values" => Model::subscription_values as fn(&Model, &_, &_, f64) -> Result<Vec<Option<f64>>>,
        "Model::predict_subscriber" => {
            Model::predict_subscriber as fn(&Model, &Subscriber, Day) -> Result<SubscriberPrediction>
        },
        "Model::needs_usage" => Model::needs_usage as fn(&Model) -> bool,
        "Model::subscriber_features" => Model::subscriber_features as fn(&Model, &Subscriber, Day) -> Result<FeatureTable>,
        "Subscriber" => size::<Subscriber>,
        "SubscriberPrediction" => size::<SubscriberPrediction>,
        "check_subscriptions" => check_subscriptions as fn(&Subscriptions) -> Vec<Finding>,
        "audit_subscriptions" => |subscriptions: &Subscriptions, day: Day| {
            audit_subscriptions(subscriptions, &[day], |data, day| subscription_features(&data.known_at(day), 30))
        },
        "movements" => movements as fn(&Subscriptions, i32) -> Result<Vec<Movement>>,
        "Movement" => size::<Movement>,
        "retention" => retention as fn(&Subscriptions, RetentionBy, i32) -> Result<Vec<Retention>>,
        "RetentionBy" => RetentionBy::default,
        "Retention" => size::<Retention>,
        "kaplan_meier" => kaplan_meier as fn(&[f64], &[bool]) -> Result<Vec<SurvivalPoint>>,
        "SurvivalPoint" => size::<SurvivalPoint>,
        "report::Report" => |model: &'static Model| Report::new("title", model).to_html(),
        "report::ReportConfig" => ReportConfig::default,
        "Model::report" => |model: &Model, events: &Events, config: &ReportConfig| -> Result<String> {
            model.report(events, Some(Day::MAX), config)
        },
        "Events::event_word" => Events::event_word as fn(&Events) -> &'static str,
        "profit::subscription_value" => profit::subscription_value as fn(f64, f64, i32, f64) -> Result<f64>,
    };
    let manifest = vectors("api.json");
    let steps = manifest["steps"].as_array().expect("steps");
    assert!(steps.len() >= 14, "{} steps", steps.len());
    let listed: Vec<&str> = steps
        .iter()
        .flat_map(|step| step["rust"].as_array().expect("names"))
        .map(|name| name.as_str().expect("a name"))
        .collect();
    let listed_once: BTreeSet<&str> = listed.iter().copied().collect();
    assert_eq!(listed_once.len(), listed.len(), "a name is listed twice");
    assert_eq!(listed_once, exported.into_iter().collect::<BTreeSet<_>>());
}

/// Every step has its names in every language, spelled as the language does.
#[test]
fn spelling_follows_the_language() {
    let manifest = vectors("api.json");
    for step in manifest["steps"].as_array().expect("steps") {
        for (language, separator) in [("rust", "::"), ("python", "."), ("javascript", ".")] {
            let names = step[language].as_array().unwrap_or_else(|| panic!("{step}: no {language}"));
            assert!(!names.is_empty(), "{step}: {language}");
            for name in names {
                let name = name.as_str().expect("a name");
                let last = name.rsplit(separator).next().expect("a part");
                assert!(last.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{name} in {language}");
                let is_type = last.starts_with(|c: char| c.is_ascii_uppercase());
                let fits = match language {
                    _ if is_type => !last.contains('_'),
                    "javascript" => !last.contains('_'),
                    _ => !last.contains(|c: char| c.is_ascii_uppercase()),
                };
                assert!(fits, "{name} in {language}");
            }
        }
    }
}

/// The codes are the same in every language and in the REST answers: snake_case, one a kind, never empty.
#[test]
fn error_codes_are_snake_case_and_unique() {
    let codes: Vec<&str> = ErrorKind::ALL.iter().map(|kind| kind.code()).collect();
    assert!(codes.len() >= 26, "a code has gone: {codes:?}");
    let unique: BTreeSet<&str> = codes.iter().copied().collect();
    assert_eq!(unique.len(), codes.len(), "{codes:?}");
    for code in codes {
        let words_are_plain = code
            .split('_')
            .all(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
        assert!(words_are_plain, "{code}");
    }
    let error: Error = Thresholds::default().segment(2.0).expect_err("2 is no probability");
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidProbability, "invalid_probability"));
}
