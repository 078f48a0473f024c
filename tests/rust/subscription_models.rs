//! Models of subscriptions: known hazards are predicted, causes included, and an end that nobody knew does not reach them.

use churn::{
    Column, ColumnData, Day, EndReason, Events, Period, Prediction, Subscriber, SubscriptionInput, SubscriptionOptions,
    SubscriptionStatus, Subscriptions, Table, TableConfig, TrainConfig, Transaction, Value, subscription_labels, train,
    train_table,
};
use churn_tests::{Xorshift, day, say};

fn read(csv: &str, options: &SubscriptionOptions) -> Subscriptions {
    Subscriptions::from_csv(csv.as_bytes(), options).unwrap_or_else(|error| panic!("{error}"))
}

/// A simulated market. Every day each customer cancels with the probability `voluntary` and leaves 20 days later, or a payment fails
/// with the probability `involuntary` and the customer is gone at once. Both depend on the plan and on the use of the product.
struct Market {
    csv: String,
    usage: String,
    /// For each customer: the probability to leave within 60 days of a day on which they are active, voluntarily and not.
    truth: std::collections::BTreeMap<String, (f64, f64)>,
    last_day: Day,
}

/// The probabilities to be gone within 60 days of somebody who has not cancelled: a cancellation of the first 40 days, or a failed
/// payment of the 60.
fn within_60_days(voluntary: f64, involuntary: f64) -> (f64, f64) {
    let (mut there, mut by) = (1.0, (0.0, 0.0));
    for day in 1..=60 {
        if day <= 40 {
            by.0 += there * voluntary;
        }
        by.1 += there * involuntary;
        // Who cancels after day 40 is still there on day 60, and pays no more.
        there *= 1.0 - voluntary - involuntary;
    }
    by
}

fn market(seed: u64, customers: usize) -> Market {
    let mut random = Xorshift::new(seed);
    let first = day("2022-01-01");
    let days = 730;
    let mut market = Market {
        csv: "customer_id,start_date,end_date,plan,amount,known_at,end_reason\n".to_owned(),
        usage: "customer_id,event_date\n".to_owned(),
        truth: std::collections::BTreeMap::new(),
        last_day: first.plus(days),
    };
    for customer in 0..customers {
        let id = format!("c{customer:05}");
        let is_pro = random.unit() < 0.4;
        let is_active_user = random.unit() < 0.5;
        let voluntary = if is_active_user { 0.0008 } else { 0.004 };
        let involuntary = if is_pro { 0.0002 } else { 0.0012 };
        market.truth.insert(id.clone(), within_60_days(voluntary, involuntary));
        let start = (random.unit() * f64::from(days - 1)) as i32;
        let mut end = None;
        for at in start + 1..=days {
            let drawn = random.unit();
            if drawn < voluntary {
                end = Some((at + 20, at, "voluntary"));
            } else if drawn < voluntary + involuntary {
                end = Some((at, at, "involuntary"));
            }
            if end.is_some() {
                break;
            }
        }
        let (plan, amount) = if is_pro { ("pro", 30) } else { ("basic", 10) };
        let ended = end.map_or(",,".to_owned(), |(end, known, reason)| {
            format!("{},{plan},{amount},{},{reason}", first.plus(end), first.plus(known))
        });
        let row = match end {
            Some(_) => format!("{id},{},{ended}\n", first.plus(start)),
            None => format!("{id},{},,{plan},{amount},,\n", first.plus(start)),
        };
        market.csv.push_str(&row);
        let gap = if is_active_user { 6.0 } else { 30.0 };
        let mut at = f64::from(start);
        let until = end.map_or(days, |end| end.0.min(days));
        while at < f64::from(until) {
            market.usage.push_str(&format!("{id},{}\n", first.plus(at as i32)));
            at += gap * (0.5 + random.unit());
        }
    }
    market
}

impl Market {
    fn subscriptions(&self) -> Subscriptions {
        let options = SubscriptionOptions { last_day: Some(self.last_day), ..SubscriptionOptions::default() };
        read(&self.csv, &options)
    }
}

/// Learned on one market and applied to another one, with hazards that are known: in every tenth of the predictions the mean
/// probability lies within two standard errors of the true one, also that of each cause.
#[test]
fn known_hazards_are_predicted() {
    let (learned, later) = (market(1, 15_000), market(2, 10_000));
    let usage = churn_tests::read(&learned.usage);
    let subscriptions = learned.subscriptions();
    let config = TrainConfig::from_json(r#"{"horizon_days": 60, "allowed_gap_days": 0}"#).expect("settings");
    let model = train(SubscriptionInput::from(&subscriptions).with_usage(&usage), &config).expect("a model");
    assert!(model.definition().contains("subscription ends within 60 days"), "{}", model.definition());
    let audit = model.audit().expect("an audit");
    assert_eq!(audit.inputs, ["subscriptions", "events"]);
    assert!(audit.events_deleted > 1000, "{audit:?}");

    let (subscriptions, usage) = (later.subscriptions(), churn_tests::read(&later.usage));
    let input = SubscriptionInput::from(&subscriptions).with_usage(&usage);
    let as_of = later.last_day.plus(-60);
    let predictions = model.predict(input, Some(as_of)).expect("predictions");
    let coverage = predictions.coverage().expect("of subscriptions");
    assert!(coverage.already_cancelled > 100 && coverage.not_active > 100, "{coverage:?}");
    assert_eq!(coverage.covered, predictions.len() as u64);
    let causes = predictions.causes();
    assert_eq!(causes.iter().map(|cause| cause.0).collect::<Vec<_>>(), [EndReason::Voluntary, EndReason::Involuntary]);
    let rows: Vec<(f64, f64, f64, (f64, f64))> = predictions
        .iter()
        .enumerate()
        .map(|(row, prediction)| {
            let (voluntary, involuntary) = (causes[0].1[row], causes[1].1[row]);
            assert!((voluntary + involuntary - prediction.churn_probability).abs() < 1e-12);
            (prediction.churn_probability, voluntary, involuntary, later.truth[&prediction.customer_id])
        })
        .collect();
    let check = |what: &str, found: &dyn Fn(usize) -> f64, truth: &dyn Fn(usize) -> f64| {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by(|&a, &b| found(a).total_cmp(&found(b)).then(a.cmp(&b)));
        for (tenth, part) in order.chunks(rows.len().div_ceil(10)).enumerate() {
            let mean =
                |value: &dyn Fn(usize) -> f64| part.iter().map(|&row| value(row)).sum::<f64>() / part.len() as f64;
            let (mean_found, mean_truth) = (mean(found), mean(truth));
            let error = (mean_truth * (1.0 - mean_truth) / part.len() as f64).sqrt();
            let away = (mean_found - mean_truth) / error;
            say(&format!("{what}, tenth {tenth}: {mean_found:.4}, true {mean_truth:.4}, {away:+.2} standard errors"));
            assert!(away.abs() <= 2.0, "{what}, tenth {tenth}: {mean_found} predicted, {mean_truth} true");
        }
    };
    check("churn", &|row| rows[row].0, &|row| rows[row].3.0 + rows[row].3.1);
    check("voluntary", &|row| rows[row].1, &|row| rows[row].3.0);
    check("involuntary", &|row| rows[row].2, &|row| rows[row].3.1);

    // The document keeps all of it, and the words are those of subscriptions.
    let same = churn::Model::from_json(&model.to_json()).expect("a document");
    assert_eq!(same.predict(input, Some(as_of)).expect("predictions"), predictions);
    let table = model.features(input, Some(as_of)).expect("features");
    let reasons: Vec<String> = (0..50)
        .flat_map(|row| model.explain(&table.select(&[row])).expect("reasons").reasons(0))
        .map(|reason| reason.text)
        .collect();
    assert!(reasons.iter().any(|text| text.contains("a month") || text.contains("plan")), "{reasons:?}");
    // Who has cancelled is scored on request only.
    let all = model.predict(input.include_cancelled(true), Some(as_of)).expect("predictions");
    assert_eq!(all.len() as u64, coverage.covered + coverage.already_cancelled);
    let covered = all.covered().expect("some are not covered").iter().filter(|&&covered| covered).count();
    assert_eq!(covered as u64, coverage.covered);
    // And left out again on request.
    let table = model.features(input.include_cancelled(true), Some(as_of)).expect("features");
    let active = model.predict_features(&table.include_inactive(false)).expect("predictions");
    assert_eq!((active.len() as u64, active.coverage()), (coverage.covered, Some(coverage)));
    // A model of subscriptions does not score events, nor the other way round.
    assert_eq!(model.predict(&usage, None).expect_err("events").code(), "feature_mismatch");
    assert_eq!(model.predict(&subscriptions, None).expect_err("without usage").code(), "feature_mismatch");
}

/// Ends without a pattern. With what was known on each day nothing can be predicted; with the file's own `end_date` everything can,
/// which is the leak of every exported file.
#[test]
fn the_end_that_a_file_tells_does_not_reach_the_features() {
    let mut random = Xorshift::new(7);
    let first = day("2022-01-01");
    let mut csv = "customer_id,start_date,end_date\n".to_owned();
    let (mut ids, mut ends) = (Vec::new(), Vec::new());
    for customer in 0..3_000 {
        let start = (random.unit() * 700.0) as i32;
        // The length is drawn from an exponential distribution of 150 days, so how long it has lasted says nothing.
        let end = start + 1 + (-150.0 * (1.0 - random.unit()).ln()) as i32;
        csv.push_str(&format!("c{customer:04},{},{}\n", first.plus(start), first.plus(end)));
        ids.push(format!("c{customer:04}"));
        ends.push(f64::from(end));
    }
    let options = SubscriptionOptions { last_day: Some(first.plus(730)), ..SubscriptionOptions::default() };
    let subscriptions = read(&csv, &options);
    let config = TrainConfig::from_json(r#"{"horizon_days": 60, "snapshots": 6}"#).expect("settings");
    let honest = train(&subscriptions, &config).expect("a model");
    let auc = honest.evaluation().expect("an evaluation").over_time.as_ref().expect("judged over time").roc_auc;
    say(&format!("random ends: AUC {auc:?}"));
    assert!(auc.low <= 0.5 && 0.5 <= auc.high, "{auc:?}");

    // The usual way: one day, the file joined to it, customers held out at random.
    let cutoff = first.plus(400);
    let labels = subscription_labels(&subscriptions, cutoff, &honest.labels().clone()).expect("labels");
    let end_of: std::collections::BTreeMap<&str, f64> = ids.iter().map(String::as_str).zip(ends).collect();
    let table = Table::new(vec![
        Column {
            name: "churned".to_owned(),
            data: ColumnData::Boolean(labels.churned.iter().map(|&churned| Some(churned)).collect()),
        },
        Column {
            name: "end_date".to_owned(),
            data: ColumnData::Numeric(labels.customer_ids.iter().map(|id| end_of[id.as_str()]).collect()),
        },
    ])
    .expect("a table");
    let leaky = train_table(&table, &TableConfig::default()).expect("a model");
    let auc = leaky.evaluation().expect("an evaluation").metrics.roc_auc;
    say(&format!("with the end of the file: AUC {auc:.4}"));
    assert!(auc > 0.95, "{auc}");
    // They are told, too.
    let found = leaky.findings().expect("findings");
    assert!(found.iter().any(|finding| finding.severity > churn::Severity::Note), "{found:?}");

    // The audit finds the same leak in features that are computed with it.
    let honest = |data: &Subscriptions, on: Day| churn::subscription_features(&data.known_at(on), 30);
    let stamp = churn::audit_subscriptions(&subscriptions, &[cutoff], honest).expect("no leak");
    assert!(stamp.events_deleted > 500 && stamp.values_compared > 1000, "{stamp:?}");
    let leaky = |data: &Subscriptions, on: Day| {
        let mut features = churn::subscription_features(&data.known_at(on), 30)?;
        let (ids, ends): (Vec<_>, Vec<_>) = data
            .periods()
            .map(|period| (Some(period.customer_id), period.end_date.map_or(f64::NAN, |day| f64::from(day.number()))))
            .unzip();
        let ends = Table::new(vec![
            Column { name: "customer_id".to_owned(), data: ColumnData::Categorical(ids) },
            Column { name: "end".to_owned(), data: ColumnData::Numeric(ends) },
        ])?;
        features.join(&ends, "customer_id")?;
        Ok(features)
    };
    let error = churn::audit_subscriptions(&subscriptions, &[cutoff], leaky).expect_err("a leak");
    assert_eq!(error.code(), "leak");
    assert!(error.to_string().contains("end of customer"), "{error}");
}

/// Fixed terms of a year, looked at 30 days before each renewal. Worked by hand: Anna renews in 2023 and not in 2024, so of her two
/// rows the second has churned; Bert cancels 60 days before his first renewal, so he has cancelled already and has no row; Carl
/// comes back 20 days after his term, which is no churn.
#[test]
fn customers_are_looked_at_before_each_renewal() {
    let mut csv = "customer_id,start_date,end_date,plan,amount,known_at\n\
        anna,2022-02-01,2023-02-01,basic,10,\nanna,2023-02-01,2024-02-01,basic,10,\n\
        bert,2022-03-01,2023-03-01,basic,10,2022-12-31\n\
        carl,2022-04-01,2023-04-01,basic,10,\ncarl,2023-04-21,2024-04-21,basic,10,\n"
        .to_owned();
    let mut random = Xorshift::new(11);
    for customer in 0..1500 {
        let plan = if random.unit() < 0.5 { "basic" } else { "pro" };
        let renews = if plan == "basic" { 0.6 } else { 0.9 };
        let mut start = day("2020-06-01").plus((random.unit() * 900.0) as i32);
        loop {
            let end = start.plus(365);
            csv.push_str(&format!("c{customer},{start},{end},{plan},10,\n"));
            start = end;
            if random.unit() > renews || start > day("2024-12-31") {
                break;
            }
        }
    }
    let options: SubscriptionOptions =
        serde_json::from_str(r#"{"ends_known": "at_start", "last_day": "2024-12-31"}"#).expect("options");
    let subscriptions = read(&csv, &options);
    let config =
        TrainConfig::from_json(r#"{"before_renewal_days": 30, "model": "logistic_regression", "snapshots": 40}"#)
            .expect("settings");
    let model = train(&subscriptions, &config).expect("a model");
    assert!(model.definition().contains("30 days before the renewal"), "{}", model.definition());
    let training = model.training();
    // 15 % of the terms of basic and pro together are 25 % that end; the first term of each is one.
    assert!(training.rows > 3000 && (0.15..0.35).contains(&training.base_rate), "{training:?}");
    let predictions = model.predict(&subscriptions, Some(day("2024-06-30"))).expect("predictions");
    let coverage = predictions.coverage().expect("of subscriptions");
    assert!(coverage.covered > 20 && coverage.not_due > 5 * coverage.covered, "{coverage:?}");
    // Each of them renews within 30 days.
    let every = churn::subscription_features(&subscriptions.known_at(day("2024-06-30")), 30).expect("features");
    let to_renewal = every.names().position(|name| name == "days_to_renewal").expect("a term");
    let due = |id: &str| (0.0..=30.0).contains(&every.row(id).expect("a customer")[to_renewal]);
    assert_eq!(every.customer_ids().filter(|id| due(id)).count() as u64, coverage.covered);
    // The truth is 40 % of basic and 10 % of pro.
    let table = model.features(&subscriptions, Some(day("2024-06-30"))).expect("features");
    let plan = table.names().position(|name| name == "plan").expect("a plan");
    for (row, prediction) in table.values().rows().into_iter().zip(predictions.iter()) {
        let truth = if row[plan] == 0.0 { 0.4 } else { 0.1 };
        assert!((prediction.churn_probability - truth).abs() < 0.1, "{truth}: {prediction:?}");
    }
    // Ends that are known only when they have come are no renewals.
    let options: SubscriptionOptions = serde_json::from_str(r#"{"last_day": "2023-06-30"}"#).expect("options");
    let error = train(&read(&csv, &options), &config).expect_err("no terms");
    assert!(error.to_string().contains("ends_known = at_start"), "{error}");
    // Without the others: the rows of Anna and Carl alone.
    let few = csv.lines().take(6).collect::<Vec<_>>().join("\n");
    let options: SubscriptionOptions =
        serde_json::from_str(r#"{"ends_known": "at_start", "last_day": "2024-06-30"}"#).expect("options");
    let error = train(&read(&few, &options), &config).expect_err("too few rows");
    assert!(error.to_string().contains("4 rows"), "{error}");
    // A log of events has no subscriptions.
    let events = churn_tests::read("customer_id,event_date\na,2024-01-01\na,2024-12-31\n");
    let error = train(&events, &config).expect_err("no subscriptions");
    assert!(error.to_string().contains("before_renewal_days"), "{error}");
}

/// Takes one customer out of subscriptions, with the periods in reverse order and without their own customer, which must not matter.
fn subscriber(id: &str, subscriptions: &Subscriptions, usage: &Events, country: &str) -> Subscriber {
    let mut periods: Vec<Period> = subscriptions.periods().filter(|period| period.customer_id == id).collect();
    periods.iter_mut().for_each(|period| period.customer_id.clear());
    periods.reverse();
    let transaction = |event: (&str, Day, Option<f64>, Option<&str>)| Transaction {
        event_date: event.1,
        amount: event.2,
        event_type: event.3.map(str::to_owned),
        order_id: None,
    };
    Subscriber {
        customer_id: id.to_owned(),
        periods,
        usage: Some(usage.iter().filter(|event| event.0 == id).map(transaction).collect()),
        attributes: [("country".to_owned(), Value::Text(country.to_owned()))].into(),
    }
}

/// One customer alone has the bits of the batch, with usage events and a joined table, also after a cancellation.
#[test]
fn one_subscriber_has_the_bits_of_the_batch() {
    let market = market(5, 1500);
    let (subscriptions, usage) = (market.subscriptions(), churn_tests::read(&market.usage));
    let ids: Vec<&str> = subscriptions.customer_ids().collect();
    let country = |id: &str| if id.ends_with(['1', '2', '3']) { "at" } else { "ch" };
    let table = Table::new(vec![
        Column {
            name: "customer_id".to_owned(),
            data: ColumnData::Categorical(ids.iter().map(|id| Some((*id).to_owned())).collect()),
        },
        Column {
            name: "country".to_owned(),
            data: ColumnData::Categorical(ids.iter().map(|id| Some(country(id).to_owned())).collect()),
        },
    ])
    .expect("a table");
    let input = SubscriptionInput::from(&subscriptions).with_usage(&usage).with_attributes(&table, "customer_id");
    let config = TrainConfig::from_json(r#"{"horizon_days": 60, "trees": 20}"#).expect("settings");
    let model = train(input, &config).expect("a model");
    for as_of in [market.last_day.plus(-200), market.last_day] {
        let batch = model.predict(input.include_cancelled(true), Some(as_of)).expect("predictions");
        let covered = batch.covered().expect("cancelled ones are there");
        let mut cancelled = 0;
        for (row, expected) in batch.iter().enumerate().step_by(7) {
            let id = expected.customer_id.as_str();
            let one = subscriber(id, &subscriptions, &usage, country(id));
            let found = model.predict_subscriber(&one, as_of).unwrap_or_else(|error| panic!("{id}: {error}"));
            let Prediction { churn_probability, risk_segment, .. } = found.prediction;
            assert_eq!(churn_probability.to_bits(), expected.churn_probability.to_bits(), "{id}");
            assert_eq!(risk_segment, expected.risk_segment);
            let status = if covered[row] { SubscriptionStatus::Active } else { SubscriptionStatus::AlreadyCancelled };
            assert_eq!((found.status, found.prediction.covered), (status, covered[row]), "{id}");
            assert_eq!(found.prediction.note.is_some(), !covered[row], "{id}");
            cancelled += usize::from(!covered[row]);
            for (cause, p) in batch.causes() {
                assert_eq!(found.causes[cause].to_bits(), p[row].to_bits(), "{id}: {}", cause.name());
            }
        }
        assert!(cancelled > 0);
    }
    // A customer who is gone has no risk left.
    let gone = subscriptions.known_at(market.last_day);
    let gone = gone.statuses().find(|(_, status)| *status == SubscriptionStatus::NotActive).expect("somebody has left");
    let one = subscriber(gone.0, &subscriptions, &usage, "at");
    let error = model.predict_subscriber(&one, market.last_day).expect_err("nobody to score");
    assert_eq!(error.code(), "no_customers");
    // Nothing beside the customer is needed, and nothing that belongs to no model is taken.
    let json = r#"{"customer_id": 7, "periods": [{"start_date": "2022-03-01", "plan": "pro", "amount": 30}],
        "usage": [], "attributes": {"country": "at"}}"#;
    let one: Subscriber = churn::from_json(json).expect("a subscriber");
    let found = model.predict_subscriber(&one, market.last_day).expect("a prediction");
    assert_eq!((found.prediction.customer_id.as_str(), found.status), ("7", SubscriptionStatus::Active));
    assert!(model.needs_usage());
    let without = Subscriber { usage: None, ..one.clone() };
    assert_eq!(model.predict_subscriber(&without, market.last_day).expect_err("no usage").code(), "feature_mismatch");
    let bad = Subscriber { periods: vec![Period { amount: Some(-1.0), ..one.periods[0].clone() }], ..one.clone() };
    assert_eq!(model.predict_subscriber(&bad, market.last_day).expect_err("a negative amount").code(), "bad_rows");
    let none = Subscriber { periods: Vec::new(), ..one };
    assert_eq!(model.predict_subscriber(&none, market.last_day).expect_err("no period").code(), "no_good_rows");
}
