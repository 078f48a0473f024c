//! A data set of subscriptions through the same endpoints as one of events, with the results of the library.

use axum::http::StatusCode;
use churn::{
    Day, Events, LearnConfig, Model, ModelKind, ReadOptions, RetentionBy, Subscriber, SubscriptionInput,
    SubscriptionOptions, Subscriptions, TrainConfig, movements, retention, subscription_features, train,
};
use serde_json::{Value, json};

use crate::datasets::objects;
use crate::support::{Answer, Server};
use crate::work::{accepted, ended, log, org, ready, trained, work};

const AS_OF: &str = "2024-06-30";

/// 900 customers who leave after 40 to 640 days, sooner on the plan basic; of that plan every third because a payment fails, of the other
/// two of three. Cancellations are known 20 days before the end.
fn periods() -> String {
    let mut csv = "customer_id,start_date,end_date,plan,amount,known_at,end_reason\n".to_owned();
    let last = AS_OF.parse::<Day>().expect("a day");
    for i in 0..900 {
        let start = last.plus(-720 + (i * 7) % 700);
        let basic = i % 2 == 0;
        let end = start.plus(40 + (i * 37) % if basic { 200 } else { 600 });
        let is_involuntary = if basic { i % 3 == 0 } else { i % 3 != 0 };
        let notice = if is_involuntary { 0 } else { 20 };
        let known = end.plus(-notice);
        let (plan, amount) = if basic { ("basic", 8) } else { ("pro", 20) };
        let reason = if is_involuntary { "involuntary" } else { "voluntary" };
        match known <= last {
            true => csv += &format!("c{i:03},{start},{end},{plan},{amount},{known},{reason}\n"),
            false => csv += &format!("c{i:03},{start},,{plan},{amount},,\n"),
        }
    }
    csv
}

/// A login of each customer every 5 to 24 days as long as they are there.
fn logins() -> String {
    let mut csv = "customer_id,event_date\n".to_owned();
    for period in subscriptions().periods() {
        let end = period.end_date.unwrap_or(AS_OF.parse().expect("a day"));
        let every: usize = 5 + period.customer_id.bytes().map(usize::from).sum::<usize>() % 20;
        for day in (period.start_date.number()..end.number().min(period.start_date.number() + 720)).step_by(every) {
            csv += &format!("{},{}\n", period.customer_id, Day::new(day).expect("a day"));
        }
    }
    csv
}

fn options() -> SubscriptionOptions {
    SubscriptionOptions { last_day: Some(AS_OF.parse().expect("a day")), ..SubscriptionOptions::default() }
}

fn subscriptions() -> Subscriptions {
    Subscriptions::from_csv(periods().as_bytes(), &options()).expect("periods")
}

fn config() -> TrainConfig {
    let learning = LearnConfig { model: ModelKind::LogisticRegression, ..LearnConfig::default() };
    TrainConfig { features: churn::FeatureConfig::default(), learning, ..TrainConfig::default() }
}

const READ: &str = "{\"last_day\": \"2024-06-30\"}";

async fn uploaded(server: &Server, csv: &str) -> String {
    let fields = [("file", csv), ("read_options", READ), ("kind", "subscriptions")];
    let answer = server.form(&org("/upload-dataset"), "", &fields).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let answer = answer.json();
    assert_eq!((&answer["kind"], &answer["detected"]), (&json!("subscriptions"), &Value::Null));
    let id = answer["dataset_id"].as_str().expect("an id").to_owned();
    let started = accepted(server, &format!("/datasets/{id}/process-features"), None).await;
    let job = ended(server, &started).await;
    assert_eq!(job["status"], "completed", "{job}");
    id
}

/// The rows of a file of predictions as (customer, probability, amount, causes, is_dunning).
fn rows(text: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    csv::Reader::from_reader(text.as_bytes()).into_deserialize().map(|row| row.expect("a row")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_take_the_five_endpoints_with_the_results_of_the_library() {
    let server = Server::open().await;
    let _worker = work(&server);
    let id = uploaded(&server, &periods()).await;
    let dataset = server.get(&org(&format!("/datasets/{id}"))).await.json();
    assert_eq!((&dataset["kind"], &dataset["row_count"]), (&json!("subscriptions"), &json!(900)), "{dataset}");
    assert_eq!(dataset["read_options"], json!({"last_day": AS_OF}));
    assert_eq!((&dataset["last_day"], &dataset["features"]), (&json!(AS_OF), &json!(21)));
    let found = subscriptions();
    let as_of = found.last_day();
    let mut expected = Vec::new();
    subscription_features(&found.known_at(as_of), 30).expect("features").write_csv(&mut expected).expect("text");
    let features = server.get(&org(&format!("/datasets/{id}/features"))).await;
    assert_eq!(features.text.as_bytes(), expected);

    let model_id = trained(&server, "", None).await;
    let model = train(&found, &config()).expect("a model");
    let document = server.get(&org(&format!("/models/{model_id}/document"))).await;
    assert_eq!(document.text, model.to_json());
    let status = server.get(&org("/training-status")).await.json();
    assert_eq!(status["roc_auc"], json!(model.evaluation().expect("an evaluation").metrics.roc_auc));

    // The data set, and the same file once more: the model in use says what it is.
    for answer in [
        server.ask("POST", &org(&format!("/predict-bulk?dataset_id={id}")), "", None).await,
        server.form(&org("/predict-bulk"), "", &[("read_options", READ), ("file", &periods())]).await,
    ] {
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
        let started = answer.json();
        assert_eq!(ended(&server, &started).await["status"], "completed");
        batch_has_the_results_of_the_library(&server, &started, &model, &found).await;
    }

    // One customer, with the bits of the batch, and reasons.
    let predictions = model.predict(&found, None).expect("predictions");
    let first = predictions.iter().next().expect("a customer");
    let periods: Vec<Value> = found
        .periods()
        .filter(|period| period.customer_id == first.customer_id)
        .map(|period| json!({"start_date": period.start_date, "plan": period.plan, "amount": period.amount}))
        .collect();
    let request = json!({"customer_id": first.customer_id, "periods": periods, "as_of": AS_OF});
    let answer = server.post(&org("/predict?explain=true"), request.clone()).await.json();
    assert_eq!(answer["churn_probability"], json!(first.churn_probability), "{answer}");
    assert_eq!((&answer["status"], &answer["covered"]), (&json!("active"), &json!(true)));
    let sum: f64 = answer["causes"].as_object().expect("causes").values().map(|p| p.as_f64().expect("a number")).sum();
    assert!((sum - first.churn_probability).abs() < 1e-12, "{answer}");
    let subscriber: Subscriber =
        churn::from_json(&json!({"customer_id": first.customer_id, "periods": periods}).to_string())
            .expect("a subscriber");
    let table = model.subscriber_features(&subscriber, as_of).expect("features");
    let reasons = model.explain(&table).expect("reasons").reasons(0);
    assert_eq!(answer["reasons"][0]["text"], json!(reasons[0].text));
    assert!(server.post(&org("/predict"), request).await.json()["reasons"].is_null());

    // The customers, movements and curves of the data set.
    let of = |what: &str| org(&format!("/datasets/{id}/{what}"));
    let base = found.customer_base(as_of).expect("a day of the data");
    assert_eq!(server.get(&of("customer-base")).await.json(), json!(base));
    assert!(base.already_cancelled > 0);
    let mut list = Vec::new();
    base.write_cancelled(&mut list).expect("text");
    assert_eq!(server.get(&of("already-cancelled")).await.text.as_bytes(), list);
    let earlier = server.get(&of("customer-base?as_of=2023-12-31")).await.json();
    assert_eq!(earlier, json!(found.customer_base("2023-12-31".parse().expect("a day")).expect("a day of the data")));
    assert_eq!(server.get(&of("movements")).await.json()["months"], json!(movements(&found, 30).expect("months")));
    let curves = retention(&found, RetentionBy::Plan, 30).expect("curves");
    assert_eq!(server.get(&of("retention?by=plan")).await.json()["curves"], json!(curves));
    assert_eq!(server.get(&of("retention?by=size")).await.error(), (400, "invalid_query".to_owned()));
    let then = "2023-12-31".parse().expect("a day");
    let months = movements(&found.truncated(then).expect("periods"), 30).expect("months");
    assert_eq!(server.get(&of("movements?as_of=2023-12-31")).await.json()["months"], json!(months));
    for day in ["2099-01-01", "1999-01-01"] {
        let answer = server.get(&of(&format!("customer-base?as_of={day}"))).await;
        assert_eq!(answer.error(), (400, "invalid_parameter".to_owned()), "{day}");
    }
    let check = server.get(&of("check")).await.json();
    assert_eq!((&check["definition"]["labels"], &check["suggestion"]), (&json!("subscription_end"), &Value::Null));
}

async fn batch_has_the_results_of_the_library(server: &Server, started: &Value, model: &Model, found: &Subscriptions) {
    let id = started["batch_id"].as_str().expect("an id");
    let batch = server.get(&org(&format!("/prediction-batches/{id}"))).await.json();
    let predictions = model.predict(found, None).expect("predictions");
    let coverage = predictions.coverage().expect("a coverage");
    assert_eq!(batch["coverage"], json!(coverage), "{batch}");
    assert_eq!(batch["customers"], json!(predictions.len()));
    let file = rows(&server.get(&org(&format!("/prediction-batches/{id}/file"))).await.text);
    assert_eq!(file.len(), predictions.len());
    let base = found.customer_base(found.last_day()).expect("a day of the data");
    let by_id: std::collections::BTreeMap<String, usize> =
        predictions.iter().enumerate().map(|(row, prediction)| (prediction.customer_id, row)).collect();
    for row in &file {
        let at = by_id[&row["customer_id"]];
        assert_eq!(row["churn_probability"].parse(), Ok(predictions.churn_probabilities()[at]));
        assert_eq!(row["amount"].parse().ok(), base.amount(&row["customer_id"]));
        let causes: Value = serde_json::from_str(&row["causes"]).expect("causes");
        for (cause, p) in predictions.causes() {
            assert_eq!(causes[cause.name()], json!(p[at]), "{row:?}");
        }
    }
    let customer = server.get(&org("/prediction-customers?limit=1")).await.json()["customers"][0].clone();
    assert_eq!(
        customer["causes"].as_object().map(|causes| causes.len()),
        Some(predictions.causes().len()),
        "{customer}"
    );
    assert!(customer["amount"].is_number(), "{customer}");
    // The list for dunning is that of the library, with the ids in its order.
    let mut list = Vec::new();
    base.write_dunning(&predictions, &mut list).expect("text");
    let dunning = server.get(&org(&format!("/prediction-batches/{id}/dunning"))).await;
    assert!(dunning.text.lines().count() > 10, "{}", dunning.text);
    assert_eq!(dunning.text.lines().count(), String::from_utf8_lossy(&list).lines().count());
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&dunning.text), sorted(&String::from_utf8_lossy(&list)));
}

/// A model that learned from usage events needs them, and takes them from another data set.
#[tokio::test(flavor = "multi_thread")]
async fn usage_events_come_from_another_data_set() {
    let server = Server::open().await;
    let _worker = work(&server);
    let usage = ready(&server, &logins()).await;
    let id = uploaded(&server, &periods()).await;
    trained(&server, &format!("?dataset_id={id}&usage_dataset_id={usage}"), None).await;
    let events = Events::from_csv(logins().as_bytes(), &ReadOptions::default()).expect("a log");
    let found = subscriptions();
    let input = SubscriptionInput::from(&found).with_usage(&events);
    let model = train(input, &config()).expect("a model");
    let expected = model.predict(input, None).expect("predictions");

    let started = accepted(&server, &format!("/predict-bulk?dataset_id={id}&usage_dataset_id={usage}"), None).await;
    assert_eq!(ended(&server, &started).await["status"], "completed");
    let batch = started["batch_id"].as_str().expect("an id");
    let file = rows(&server.get(&org(&format!("/prediction-batches/{batch}/file"))).await.text);
    let by_id: std::collections::BTreeMap<String, f64> =
        expected.iter().map(|row| (row.customer_id, row.churn_probability)).collect();
    assert_eq!(file.len(), by_id.len());
    for row in &file {
        assert_eq!(row["churn_probability"].parse(), Ok(by_id[&row["customer_id"]]));
    }

    // Without them the reason is said, for many and for one; and events alone have no usage events.
    let answer = server.ask("POST", &org(&format!("/predict-bulk?dataset_id={id}")), "", None).await;
    assert_eq!(answer.error(), (409, "feature_mismatch".to_owned()));
    assert!(answer.json()["message"].as_str().expect("a message").contains("usage_dataset_id"), "{}", answer.text);
    let mut one = json!({"customer_id": "anna", "periods": [{"start_date": "2024-03-01", "plan": "pro", "amount": 20}], "as_of": AS_OF});
    assert_eq!(server.post(&org("/predict"), one.clone()).await.error(), (400, "feature_mismatch".to_owned()));
    one["usage"] = json!([]);
    let never = server.post(&org("/predict"), one.clone()).await.json()["churn_probability"].clone();
    one["usage"] = json!([{"event_date": "2024-06-29"}, {"event_date": "2024-06-20"}]);
    let lately = server.post(&org("/predict"), one).await.json()["churn_probability"].clone();
    assert!(never.is_number() && lately.is_number() && never != lately, "{never} {lately}");
    for (path, code) in [
        (format!("/train?dataset_id={usage}&usage_dataset_id={usage}"), (400, "invalid_parameter")),
        (format!("/train?dataset_id={id}&usage_dataset_id={id}"), (409, "not_events")),
    ] {
        let answer = server.ask("POST", &org(&path), "", None).await;
        assert_eq!(answer.error(), (code.0, code.1.to_owned()), "{path}");
    }
}

/// The kind may come before or after the file; an export is known by its columns; what is refused leaves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_subscriptions_says_what_is_wrong_and_leaves_nothing() {
    let server = Server::open().await;
    let send = async |fields: &[(&str, &str)]| -> Answer { server.form(&org("/upload-dataset"), "", fields).await };
    let csv = "customer_id,start_date,end_date\nanna,2024-01-01,\nbert,2024-01-01,2024-02-01\n";
    for fields in [[("kind", "subscriptions"), ("file", csv)], [("file", csv), ("kind", "subscriptions")]] {
        let answer = send(&fields).await.json();
        assert_eq!((&answer["kind"], &answer["row_count"]), (&json!("subscriptions"), &json!(2)), "{answer}");
    }
    let kept = objects(&server).await.len();
    assert_eq!(kept, 2, "only the text of each");

    let export = std::fs::read("../tests/subscriptions/exports/stripe_subscriptions.csv").expect("an export");
    let fields: &[(&str, &[u8])] = &[("kind", b"subscriptions"), ("file", &export)];
    let answer = server.form_of(&org("/upload-dataset"), "", "stripe.csv", fields).await.json();
    assert!(answer["message"].as_str().expect("a message").ends_with("read as the export \"stripe\""), "{answer}");
    let id = answer["dataset_id"].as_str().expect("an id");
    let dataset = server.get(&org(&format!("/datasets/{id}"))).await.json();
    assert_eq!(dataset["read_options"], json!({"preset": "stripe"}));
    // As people send it: compressed, and as a spreadsheet would write it in another encoding.
    let wide: Vec<u8> = "\u{feff}".encode_utf16().chain(csv.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let fields: &[(&str, &[u8])] = &[("kind", b"subscriptions"), ("file", &wide)];
    let answer = server.form_of(&org("/upload-dataset"), "", "wide.csv", fields).await.json();
    assert_eq!(answer["row_count"], 2, "{answer}");

    let kept = objects(&server).await.len();
    let overlapping = "customer_id,start_date,end_date\nanna,2024-01-01,2023-01-01\n";
    let columns = "{\"columns\": {\"event_date\": \"from\"}}";
    for (fields, code) in [
        (vec![("kind", "subscriptions"), ("file", overlapping)], (422, "bad_rows")),
        (vec![("kind", "subscriptions"), ("file", "a,b\n1,2\n")], (422, "missing_column")),
        (vec![("kind", "subscriptions"), ("file", csv), ("read_options", columns)], (422, "invalid_body")),
        (vec![("kind", "subscriptions"), ("has_churn_label", "true"), ("file", csv)], (400, "invalid_parameter")),
        (vec![("kind", "contracts"), ("file", csv)], (400, "invalid_parameter")),
        (vec![("file", csv)], (422, "missing_column")),
        (vec![("file", csv), ("read_options", "{\"preset\": \"stripe\"}")], (422, "invalid_body")),
        (
            vec![("kind", "subscriptions"), ("read_options", "{\"preset\": \"zuora\"}"), ("file", csv)],
            (422, "invalid_body"),
        ),
        (
            vec![("kind", "subscriptions"), ("read_options", "{\"max_bad_share\": 2}"), ("file", csv)],
            (422, "invalid_body"),
        ),
    ] {
        let answer = send(&fields).await;
        assert_eq!(answer.error(), (code.0, code.1.to_owned()), "{fields:?}: {}", answer.text);
    }
    assert_eq!(objects(&server).await.len(), kept);

    // Periods are held in memory: ten times fewer of them are taken than rows of a log.
    let server = Server::with(&[("MAX_LOG_ROWS", "30")]).await;
    let row = |i: usize| format!("c{i},2024-01-01,\n");
    let file = |rows: usize| "customer_id,start_date,end_date\n".to_owned() + &(0..rows).map(row).collect::<String>();
    let send =
        async |csv: &str| server.form(&org("/upload-dataset"), "", &[("kind", "subscriptions"), ("file", csv)]).await;
    assert_eq!(send(&file(3)).await.status, StatusCode::OK);
    let answer = send(&file(4)).await;
    assert_eq!(answer.error(), (413, "too_many_rows".to_owned()));
    assert_eq!(answer.json()["details"]["max_rows"], 3);
    assert_eq!(objects(&server).await.len(), 1);
}

/// Numbers of data that are read wrongly would be wrong: what stops a training stops them too. Whoever has cancelled is on no list for
/// dunning, also if they are scored.
#[tokio::test(flavor = "multi_thread")]
async fn findings_stop_the_numbers_and_the_cancelled_are_marked() {
    let server = Server::open().await;
    let _worker = work(&server);
    let wrong_year = periods() + "c999,2041-01-01,,pro,20,,\n";
    let answer =
        server.form(&org("/upload-dataset"), "", &[("file", &wrong_year), ("kind", "subscriptions")]).await.json();
    let wrong = answer["dataset_id"].as_str().expect("an id");
    for what in ["customer-base", "already-cancelled", "movements", "retention"] {
        let path = org(&format!("/datasets/{wrong}/{what}"));
        let answer = server.get(&path).await;
        assert_eq!(answer.error(), (422, "finding".to_owned()), "{what}");
        assert_eq!(answer.json()["details"]["findings"][0]["code"], "last_day_far_behind");
        assert_eq!(server.get(&format!("{path}?allow=last_day_far_behind")).await.status, StatusCode::OK, "{what}");
    }

    let id = uploaded(&server, &periods()).await;
    trained(&server, &format!("?dataset_id={id}"), None).await;
    let started = accepted(&server, &format!("/predict-bulk?dataset_id={id}&include_inactive=true"), None).await;
    assert_eq!(ended(&server, &started).await["status"], "completed");
    let batch = started["batch_id"].as_str().expect("an id");
    let file = rows(&server.get(&org(&format!("/prediction-batches/{batch}/file"))).await.text);
    let cancelled: Vec<&str> =
        file.iter().filter(|row| row["status"] == "already_cancelled").map(|row| row["customer_id"].as_str()).collect();
    let base = subscriptions().customer_base(AS_OF.parse().expect("a day")).expect("a day of the data");
    assert_eq!(cancelled.len() as u64, base.already_cancelled);
    let dunning = server.get(&org(&format!("/prediction-batches/{batch}/dunning"))).await.text;
    assert!(
        dunning.lines().count() > 1 && cancelled.iter().all(|id| !dunning.contains(&format!("\"{id}\""))),
        "{dunning}"
    );

    // A model that knows no causes has no list for dunning, rather than an empty one.
    let without: String =
        periods().lines().map(|line| line.rsplit_once(',').expect("a reason").0.to_owned() + "\n").collect();
    let id = uploaded(&server, &without).await;
    trained(&server, &format!("?dataset_id={id}&activate=true"), None).await;
    let started = accepted(&server, &format!("/predict-bulk?dataset_id={id}"), None).await;
    assert_eq!(ended(&server, &started).await["status"], "completed");
    let batch = started["batch_id"].as_str().expect("an id");
    let answer = server.get(&org(&format!("/prediction-batches/{batch}/dunning"))).await;
    assert_eq!(answer.error(), (409, "no_causes".to_owned()));
    let labels =
        server.ask("POST", &org(&format!("/train?dataset_id={id}")), "", Some(json!({"labels": "inactivity"}))).await;
    assert_eq!(labels.error(), (400, "invalid_parameter".to_owned()));
}

/// Events and subscriptions do not take each other's places.
#[tokio::test(flavor = "multi_thread")]
async fn each_kind_is_refused_in_the_place_of_the_other() {
    let server = Server::open().await;
    let _worker = work(&server);
    let events = ready(&server, &log()).await;
    let periods_id = uploaded(&server, &periods()).await;
    let of_events = trained(&server, &format!("?dataset_id={events}"), None).await;
    for (path, code) in [
        (format!("/predict-bulk?dataset_id={periods_id}"), (409, "feature_mismatch")),
        (format!("/backtest?dataset_id={periods_id}"), (409, "not_events")),
    ] {
        let answer = server.ask("POST", &org(&path), "", None).await;
        assert_eq!(answer.error(), (code.0, code.1.to_owned()), "{path}: {}", answer.text);
    }
    let alone = json!({"customer_id": "anna", "periods": [{"start_date": "2024-01-01"}]});
    assert_eq!(server.post(&org("/predict"), alone.clone()).await.error(), (422, "invalid_body".to_owned()));
    for what in ["customer-base", "already-cancelled", "movements", "retention"] {
        let answer = server.get(&org(&format!("/datasets/{events}/{what}"))).await;
        assert_eq!(answer.error(), (409, "not_subscriptions".to_owned()), "{what}");
    }
    let started = accepted(&server, &format!("/predict-bulk?dataset_id={events}"), None).await;
    assert_eq!(ended(&server, &started).await["status"], "completed");
    let batch = started["batch_id"].as_str().expect("an id");
    let answer = server.get(&org(&format!("/prediction-batches/{batch}/dunning"))).await;
    assert_eq!(answer.error(), (409, "not_subscriptions".to_owned()));
    let header = server.get(&org(&format!("/prediction-batches/{batch}/file"))).await.text;
    assert!(header.starts_with(
        "customer_id,churn_probability,risk_segment,model_version,expected_profit,reason_1,reason_2,reason_3,reason_values\n"
    ));

    // A challenger must take the same data.
    let challenger = trained(&server, &format!("?dataset_id={periods_id}&activate=false"), None).await;
    let body = json!({"model_id": challenger, "traffic_share": 1.0});
    let answer = server.ask("PUT", &org("/models/challenger"), "", Some(body)).await;
    assert_eq!(answer.error(), (409, "conflict".to_owned()));
    let details = server.get(&org(&format!("/models/{of_events}"))).await.json();
    assert_eq!(details["data_kind"], "events");

    // The other way round, with the model of subscriptions in use.
    let path = org(&format!("/models/{challenger}/activate"));
    let answer = server.ask("POST", &path, "", None).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let answer = server.ask("POST", &org(&format!("/predict-bulk?dataset_id={events}")), "", None).await;
    assert_eq!(answer.error(), (409, "feature_mismatch".to_owned()));
    let with_events = json!({"customer_id": "anna", "transactions": [{"event_date": "2024-01-01"}]});
    assert_eq!(server.post(&org("/predict"), with_events).await.error(), (422, "invalid_body".to_owned()));
    let both = json!({"customer_id": "anna", "transactions": [], "periods": [{"start_date": "2024-01-01"}]});
    assert_eq!(server.post(&org("/predict"), both).await.error(), (422, "invalid_body".to_owned()));
    assert_eq!(
        server.post(&org("/predict"), json!({"customer_id": "anna"})).await.error(),
        (422, "invalid_body".to_owned())
    );
    let gone = json!({"customer_id": "anna", "periods": [{"start_date": "2024-01-01", "end_date": "2024-02-01"}]});
    assert_eq!(server.post(&org("/predict"), gone).await.error(), (422, "no_customers".to_owned()));
    let bad = json!({"customer_id": "anna", "periods": [{"start_date": "2024-01-01", "amount": -1}]});
    assert_eq!(server.post(&org("/predict"), bad).await.error(), (422, "bad_rows".to_owned()));
}
