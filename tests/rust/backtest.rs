//! The backtest: published figures on real logs, what each model may learn from, and whether the intervals hold.

use churn::{
    Backtest, BacktestConfig, Day, Events, Observer, ReadOptions, Table, TrainConfig, backtest, backtest_observed,
    backtest_with_rows, train,
};
use churn_tests::{Xorshift, csv_of, day, log_lines, read, real_data, say};

fn config(json: &str) -> BacktestConfig {
    BacktestConfig::from_json(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn run(events: &Events, json: &str) -> Backtest {
    backtest(events, &config(json)).unwrap_or_else(|error| panic!("{json}: {error}"))
}

const FIRST_DAY: i32 = 19_000;

/// A log of `days` days. Each customer has an event on a day with a probability of its own, from `low` to `high`.
fn log(seed: u64, customers: usize, days: i32, low: f64, high: f64) -> Events {
    let mut random = Xorshift::new(seed);
    let mut csv = String::from("customer_id,event_date\n");
    for customer in 0..customers {
        let rate = low + (high - low) * random.unit();
        for number in 0..days {
            if random.unit() < rate {
                let date = Day::new(FIRST_DAY + number).expect("a day");
                csv.push_str(&format!("c{customer:04},{date}\n"));
            }
        }
    }
    // One customer keeps the ends of the log where they are.
    for number in [0, days - 1] {
        csv.push_str(&format!("ends,{}\n", Day::new(FIRST_DAY + number).expect("a day")));
    }
    Events::from_csv(csv.as_bytes(), &ReadOptions::default()).expect("good rows")
}

/// The cutoffs of the published figures: `count` days, 90 days apart, the last of them 2026-05-20.
fn quarters(count: i32) -> String {
    let last = day("2026-05-20");
    let days: Vec<String> = (0..count).rev().map(|back| format!("\"{}\"", last.plus(-90 * back))).collect();
    format!("[{}]", days.join(","))
}

fn contributors(name: &str) -> Option<Events> {
    let csv = real_data(&format!("{name}_contributors.csv"))?;
    Some(Events::from_csv(csv.as_bytes(), &ReadOptions::default()).expect("no bad row"))
}

/// shared/golden/backtest.json: recency .756; logistic regression with three snapshots .8424; boosting .8494 with three and
/// .856 with twelve; the gain of twelve .0067 ± .0015, of the log-loss −.0061 ± .0009.
#[test]
fn rails_has_the_published_figures() {
    let Some(events) = contributors("rails") else { return };
    let json = format!(
        r#"{{"model": "gradient_boosting", "snapshots": 12, "cutoffs": {}, "audit": false,
            "against": {{"three": {{"snapshots": 3}}, "logistic": {{"model": "logistic_regression", "snapshots": 3}}}}}}"#,
        quarters(35)
    );
    let found = run(&events, &json).over_time;
    assert_eq!(found.cutoffs.len(), 35);
    let named = |name: &str| found.against.iter().find(|other| other.name == name).expect("it was asked for");
    let (recency, three, logistic) = (named("recency"), named("three"), named("logistic"));
    say(&format!("rails: {:?}, gain of twelve snapshots {:?}", found.roc_auc, three.roc_auc));
    assert_eq!(recency.cutoffs_won, 35);
    assert!((recency.mean_roc_auc - 0.756).abs() < 5e-4, "{}", recency.mean_roc_auc);
    assert!((logistic.mean_roc_auc - 0.8424).abs() < 0.001, "{}", logistic.mean_roc_auc);
    assert!((three.mean_roc_auc - 0.8494).abs() < 0.001, "{}", three.mean_roc_auc);
    assert!(found.roc_auc.mean >= 0.855, "{:?}", found.roc_auc);
    assert!(three.roc_auc.mean >= 0.004 && three.roc_auc.low > 0.0, "{:?}", three.roc_auc);
    assert!(three.log_loss.is_some_and(|gain| gain.high < 0.0), "{:?}", three.log_loss);
}

/// shared/golden/backtest.json: recency .7553; boosting .8101 with three snapshots and .8161 with twelve.
#[test]
fn staged_recipes_has_the_published_figures() {
    let Some(events) = contributors("staged_recipes") else { return };
    let json = format!(
        r#"{{"model": "gradient_boosting", "snapshots": 12, "cutoffs": {}, "audit": false,
            "allow": ["isolated_first_day"]}}"#,
        quarters(28)
    );
    let found = run(&events, &json).over_time;
    say(&format!("staged-recipes: {:?}", found.roc_auc));
    assert_eq!(found.cutoffs.len(), 28);
    assert!(found.recency_auc.is_some_and(|auc| (auc.mean - 0.7553).abs() < 5e-4), "{:?}", found.recency_auc);
    assert!(found.roc_auc.mean >= 0.815, "{:?}", found.roc_auc);
}

/// The mean of the later half lies in the interval of the earlier half, or the result says that it does not.
#[test]
fn the_interval_of_the_earlier_half_covers_the_later_one_or_it_is_said() {
    for name in ["rails", "staged_recipes"] {
        let Some(events) = contributors(name) else { return };
        let json =
            r#"{"model": "logistic_regression", "audit": false, "most_cutoffs": 36, "allow": ["isolated_first_day"]}"#;
        let found = run(&events, json);
        let rows = &found.over_time.cutoffs;
        let later = &rows[rows.len() / 2..];
        let mean = later.iter().map(|row| row.roc_auc).sum::<f64>() / later.len() as f64;
        let earlier = found.over_time.earlier_roc_auc.expect("36 cutoffs");
        let said = found.findings.iter().any(|finding| finding.code == "results_change");
        say(&format!("{name}: {earlier:?}, later {mean:.4}, said {said}"));
        assert_eq!(said, !(earlier.low..=earlier.high).contains(&mean));
    }
}

/// Cutoffs 30 days apart, so the model of each learns from the days before it whose window of 30 days had closed: with a gap
/// of 10 days the last such day is two steps back.
#[test]
fn a_model_learns_from_what_was_known() {
    let events = log(1, 150, 400, 0.005, 0.06);
    for (gap, delay) in [(0, 1), (10, 2)] {
        let json =
            format!(r#"{{"horizon_days": 30, "gap_days": {gap}, "snapshots": 3, "model": "logistic_regression"}}"#);
        let found = run(&events, &json).over_time;
        // The first day is the earliest with a horizon before it; the last has its window in the log.
        let last = events.last_day().plus(-30 - gap);
        assert_eq!(found.cutoffs.last().map(|row| row.cutoff), Some(last));
        for row in &found.cutoffs {
            let expected: Vec<Day> = (delay..delay + 3)
                .rev()
                .map(|back| row.cutoff.plus(-30 * back))
                .filter(|&day| day >= events.first_day().plus(30))
                .collect();
            assert_eq!(row.learned_from, expected, "{}", row.cutoff);
            assert!(row.learned_from.iter().all(|day| day.plus(gap + 30) <= row.cutoff));
        }
        assert!(found.cutoffs.len() >= 9, "{}", found.cutoffs.len());
        assert!(found.cutoffs.windows(2).all(|pair| pair[1].cutoff == pair[0].cutoff.plus(30)));
    }
    // Steps shorter than the horizon: three chains of days, and still a row per step, in order.
    let found =
        run(&events, r#"{"horizon_days": 30, "step_days": 10, "most_cutoffs": 9, "model": "logistic_regression"}"#);
    let days: Vec<Day> = found.over_time.cutoffs.iter().map(|row| row.cutoff).collect();
    let last = events.last_day().plus(-30);
    assert_eq!(days, (0..9).rev().map(|back| last.plus(-10 * back)).collect::<Vec<Day>>());
    // Each is judged like a cutoff that is asked for alone.
    let row = &found.over_time.cutoffs[4];
    let json = format!(r#"{{"horizon_days": 30, "cutoffs": ["{}"], "model": "logistic_regression"}}"#, row.cutoff);
    assert_eq!(&run(&events, &json).over_time.cutoffs[0], row);
}

/// The last row is the evaluation of a training that stacks one more cutoff, to the last bit, and so are the rows before it.
#[test]
fn training_is_judged_by_the_backtest() {
    let events = log(2, 200, 500, 0.002, 0.05);
    for model in ["logistic_regression", "random_forest", "gradient_boosting"] {
        let settings = format!(r#""horizon_days": 45, "model": "{model}", "trees": 10, "seed": 7"#);
        let trained = TrainConfig::from_json(&format!("{{{settings}, \"snapshots\": 5}}")).expect("known settings");
        let model = train(&events, &trained).expect("enough customers");
        let evaluation = model.evaluation().expect("an evaluation");
        let over_time = evaluation.over_time.as_ref().expect("a new model has it");
        let found = run(&events, &format!("{{{settings}, \"snapshots\": 4, \"most_cutoffs\": 1}}")).over_time;
        let (row, last) = (&found.cutoffs[0], over_time.cutoffs.last().expect("four"));
        assert_eq!(row, last);
        assert_eq!((row.roc_auc, row.log_loss), (evaluation.metrics.roc_auc, evaluation.metrics.log_loss));
        assert_eq!(Some(row.cutoff), evaluation.test_cutoff);
        let snapshots: Vec<usize> = over_time.cutoffs.iter().map(|row| row.learned_from.len()).collect();
        assert_eq!(snapshots, [1, 2, 3, 4]);
        assert!(over_time.roc_auc.low < over_time.roc_auc.mean && over_time.roc_auc.mean < over_time.roc_auc.high);
    }
}

/// Event types are fitted for each model. The most frequent types change in the middle of the log, so the models have other
/// columns than the stack of all rows, and each is still the one that training makes of its own rows.
#[test]
fn each_model_has_the_event_types_of_its_own_rows() {
    let mut random = Xorshift::new(3);
    let mut csv = String::from("customer_id,event_date,event_type\n");
    for customer in 0..150 {
        let rate = 0.003 + 0.04 * random.unit();
        for number in 0..400 {
            if random.unit() < rate {
                let kind = if number < 200 { "abc" } else { "cde" };
                let kind = kind.as_bytes()[(random.unit() * 3.0) as usize] as char;
                csv.push_str(&format!("c{customer},{},{kind}\n", Day::new(FIRST_DAY + number).expect("a day")));
            }
        }
    }
    let events = Events::from_csv(csv.as_bytes(), &ReadOptions::default()).expect("good rows");
    let settings = r#""horizon_days": 40, "top_event_types": 2, "model": "random_forest", "trees": 5"#;
    let found = run(&events, &format!(r#"{{{settings}, "snapshots": 2, "predictions": true}}"#));
    for row in &found.over_time.cutoffs {
        let mut cutoffs = row.learned_from.clone();
        cutoffs.push(row.cutoff);
        let days: Vec<String> = cutoffs.iter().map(|day| format!("\"{day}\"")).collect();
        let alone =
            TrainConfig::from_json(&format!(r#"{{{settings}, "cutoffs": [{}]}}"#, days.join(","))).expect("known");
        let model = train(&events, &alone).expect("enough customers");
        assert_eq!(row.log_loss, model.evaluation().expect("an evaluation").metrics.log_loss, "{}", row.cutoff);
    }
}

/// Nothing in the past of these customers tells who comes back, so the AUC is ½ within its interval; a column with the last day
/// of each customer as of the end of the log makes it far better than it is, and the findings name the column.
#[test]
fn a_leak_is_seen() {
    let events = log(4, 300, 400, 0.01, 0.01);
    let json = r#"{"horizon_days": 40, "model": "logistic_regression"}"#;
    let honest = run(&events, json);
    let auc = honest.over_time.roc_auc;
    assert!((auc.low..=auc.high).contains(&0.5), "{auc:?}");
    assert!(honest.audit.is_some_and(|audit| audit.values_compared > 0 && audit.events_deleted > 0));

    let events = read(&csv_of(&log_lines(9, 300, 500)));
    let honest = run(&events, json).over_time.roc_auc.mean;
    let mut last_seen: std::collections::BTreeMap<&str, i32> = std::collections::BTreeMap::new();
    for (id, day, ..) in events.iter() {
        let seen = last_seen.entry(id).or_insert(0);
        *seen = (*seen).max(day.number() - FIRST_DAY);
    }
    let rows: String = last_seen.iter().map(|(id, day)| format!("{id},{day}\n")).collect();
    let table = Table::from_csv(format!("customer_id,last_seen\n{rows}").as_bytes(), ',').expect("a good table");
    let input = churn::Input::from(&events).with_attributes(&table, "customer_id");
    let planted = backtest(input, &config(json)).expect("findings are warnings");
    let codes: Vec<&str> = planted.findings.iter().map(|finding| finding.code.as_str()).collect();
    assert!(codes.contains(&"undated_attributes"), "{codes:?}");
    assert!(planted.findings.iter().any(|finding| finding.message.contains("last_seen")));
    // A column that was known when it says so: the number of events by a day, valid from that day on.
    let known = events.first_day().plus(150);
    let mut by_then: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for (id, day, ..) in events.iter() {
        *by_then.entry(id).or_insert(0) += usize::from(day <= known);
    }
    let rows: String = by_then.iter().map(|(id, count)| format!("{id},{count},{known}\n")).collect();
    let dated =
        Table::from_csv(format!("customer_id,orders,valid_from\n{rows}").as_bytes(), ',').expect("a good table");
    let audited = backtest(churn::Input::from(&events).with_attributes(&dated, "customer_id"), &config(json));
    let audited = audited.expect("the table matches");
    assert_eq!(audited.audit.expect("it is on").inputs, ["events", "attributes"]);
    let codes: Vec<&str> = audited.findings.iter().map(|finding| finding.code.as_str()).collect();
    assert!(!codes.contains(&"undated_attributes"), "{codes:?}");
    assert!((audited.over_time.roc_auc.mean - honest).abs() < 0.03, "{:?}, {honest}", audited.over_time.roc_auc);

    let leaking = planted.over_time.roc_auc.mean;
    say(&format!("backtest: AUC {honest:.3}, with the future in a column {leaking:.3}"));
    assert!(leaking > honest + 0.05, "{leaking}, {honest}");
}

/// Of 200 simulated logs, between 90 and 98 % have the true mean AUC in their interval. The truth is the mean over 600 other
/// logs of the same kind.
#[test]
fn the_interval_covers_the_truth() {
    let json = r#"{"horizon_days": 30, "feature_set": "rfm", "model": "logistic_regression", "calibration": "none",
        "snapshots": 2, "audit": false}"#;
    let config = config(json);
    let of =
        |seed: u64| backtest(&log(seed, 120, 330, 0.005, 0.06), &config).expect("enough customers").over_time.roc_auc;
    let truth = (1000..1600).map(|seed| of(seed).mean).sum::<f64>() / 600.0;
    let covered = (0..200).map(of).filter(|auc| (auc.low..=auc.high).contains(&truth)).count();
    say(&format!("the interval covers the mean AUC {truth:.4} in {covered} of 200 logs"));
    assert!((180..=196).contains(&covered), "{covered} of 200");
}

/// Predictions are those of the rows: the measures follow from them. The order of the rows of the file changes nothing.
#[test]
fn predictions_and_rows_are_those_that_are_judged() {
    let events = log(5, 150, 400, 0.005, 0.05);
    let config = config(
        r#"{"horizon_days": 40, "model": "gradient_boosting", "rounds": 5, "predictions": true, "against": {"forest":
            {"model": "random_forest", "trees": 5}}}"#,
    );
    let mut shown = Vec::new();
    let found = backtest_with_rows(&events, &config, &(), &mut |rows| {
        assert_eq!((rows.learn.nrows(), rows.test.nrows()), (rows.learn_churned.len(), rows.test_churned.len()));
        assert_eq!((rows.learn.ncols(), rows.test.ncols()), (rows.specs.len(), rows.specs.len()));
        shown.push((rows.cutoff, rows.learn_churned.len() as u64, rows.test_churned.to_vec()));
        Ok(())
    })
    .expect("enough customers");
    let kept = found.predictions.as_ref().expect("they were asked for");
    assert_eq!(kept.len(), found.over_time.cutoffs.len());
    for ((row, of), (cutoff, train_rows, churned)) in found.over_time.cutoffs.iter().zip(kept).zip(&shown) {
        assert_eq!((row.cutoff, of.cutoff, row.train_rows), (*cutoff, *cutoff, *train_rows));
        assert_eq!(&of.churned, churned);
        let metrics = |p: &[f64]| churn::evaluate(&of.churned, p, &churn::EvaluationConfig::default()).expect("both");
        assert_eq!(metrics(&of.churn_probability).roc_auc, row.roc_auc);
        assert!((metrics(&of.against["forest"]).log_loss - row.against["forest"].log_loss).abs() < 1e-12);
        assert!(of.customer_ids.windows(2).all(|pair| pair[0] < pair[1]));
    }
    // Judged from outside, the predictions have the measures, intervals and differences that the backtest says.
    let judged = churn::over_time(kept, &churn::Thresholds::default()).expect("both classes");
    for (row, of) in judged.cutoffs.iter().zip(&found.over_time.cutoffs) {
        let expected = churn::CutoffResult { learned_from: Vec::new(), train_rows: 0, ..of.clone() };
        assert_eq!(row, &expected);
    }
    let (ours, theirs) = (&found.over_time, &judged);
    assert!((ours.roc_auc.standard_error - theirs.roc_auc.standard_error).abs() < 1e-12);
    assert_eq!((&ours.segments, &ours.reliability), (&theirs.segments, &theirs.reliability));
    assert_eq!(ours.against.len(), theirs.against.len());
    let mut twice = kept[0].clone();
    twice.customer_ids[1] = twice.customer_ids[0].clone();
    let code =
        |of: churn::CutoffPredictions| churn::over_time(&[of], &churn::Thresholds::default()).map_err(|e| e.code());
    assert_eq!(code(twice), Err("invalid_parameter"));
    let mut short = kept[0].clone();
    short.churn_probability.pop();
    assert_eq!(code(short), Err("shape_mismatch"));

    let again = backtest(&events, &config).expect("the same");
    assert_eq!(serde_json::to_string(&again).expect("JSON"), serde_json::to_string(&found).expect("JSON"));
}

#[test]
fn what_cannot_be_judged_is_refused() {
    let events = log(6, 150, 400, 0.005, 0.05);
    let code = |json: &str| match BacktestConfig::from_json(json).and_then(|config| backtest(&events, &config)) {
        Ok(_) => "no error".to_owned(),
        Err(error) => format!("{}: {error}", error.code()),
    };
    for (json, expected) in [
        (r#"{"labels": "inactivity"}"#, "outcome_window"),
        (r#"{"most_cutofs": 5}"#, "most_cutoffs, "),
        (r#"{"step_days": 0}"#, "1 to 3650 days"),
        (r#"{"most_cutoffs": 0}"#, "1 to 1000"),
        (r#"{"against": {"recency": {}}}"#, "that one is taken"),
        (r#"{"against": {"other": 5}}"#, "against.other"),
        (r#"{"against": {"other": {"horizon_days": 10}}}"#, "the definition of churn"),
        (r#"{"against": {"other": {"horizont": 10}}}"#, "against.other"),
        (r#"{"cutoffs": ["2030-01-01"]}"#, "cutoff_outside_data"),
        (r#"{"horizon_days": 3000}"#, "cutoff_outside_data"),
        (r#"{"horizon_days": 190}"#, "a shorter horizon_days is needed"),
        (r#"{"snapshots": 0}"#, "1 to 1000"),
        (r#"{"allow": ["no_such_finding"]}"#, "no_such_finding"),
    ] {
        let found = code(json);
        assert!(found.contains(expected), "{json}: {found}");
    }

    struct Stop;
    impl Observer for Stop {
        fn cancelled(&self) -> bool {
            true
        }
    }
    let stopped = backtest_observed(&events, &config(r#"{"horizon_days": 40}"#), &Stop);
    assert_eq!(stopped.expect_err("it was cancelled").code(), "cancelled");
}

#[test]
fn written_settings_are_read_back() {
    for json in [r#"{}"#, r#"{"snapshots": 4, "against": {"one snapshot": {"snapshots": 1}}, "predictions": true}"#] {
        let config = config(json);
        let written = serde_json::to_string(&config).expect("settings are JSON");
        assert_eq!(self::config(&written), config, "{written}");
    }
    let mut unread = BacktestConfig::default();
    unread.training.compare_with_logistic = false;
    let message = unread.check().expect_err("a backtest always compares").to_string();
    assert!(message.contains("compare_with_logistic"), "{message}");
}
