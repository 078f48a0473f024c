//! The four steps and what is around them: upload, features, training, prediction; in memory, with a worker.

use std::sync::OnceLock;
use std::time::Duration;

use axum::http::StatusCode;
use churn::report::Report;
use churn::{
    Customer, Day, Events, FeatureConfig, LearnConfig, Model, ModelKind, ReadOptions, Segment, TrainConfig,
    Transaction, features, train,
};
use churn_server::jobs::{Worker, WorkerOptions};
use churn_server::storage::{Location, put_bytes};
use churn_server::store::{JobKind, NewJob};
use serde_json::{Value, json};

use crate::support::{BASE, Server};

/// 200 customers over 400 days, some of whom fall silent: rows `customer_id,event_date,amount`.
pub(crate) fn log() -> String {
    let mut csv = "customer_id,event_date,amount\n".to_owned();
    for customer in 0..200 {
        // Each buys at an interval of its own; every third stops somewhere in the second half.
        let interval = 5 + customer % 23;
        let end = if customer % 3 == 0 { 150 + (customer * 7) % 200 } else { 400 };
        for day in (customer % 11..end).step_by(interval) {
            let date = Day::new(19_700 + day as i32).expect("a day");
            csv += &format!("c{customer:03},{date},{}.50\n", 5 + (customer * day) % 30);
        }
    }
    csv
}

pub(crate) fn events() -> Events {
    Events::from_csv(log().as_bytes(), &ReadOptions::default()).expect("is a log")
}

/// The defaults of the API, which are not those of the library.
fn as_over_rest() -> TrainConfig {
    let learning = LearnConfig { model: ModelKind::LogisticRegression, ..LearnConfig::default() };
    TrainConfig { features: FeatureConfig::default(), learning, ..TrainConfig::default() }
}

/// The model that the library itself trains on the log.
pub(crate) fn model() -> Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(|| train(&events(), &as_over_rest()).expect("trains")).clone()
}

/// A worker that looks often.
pub(crate) fn work(server: &Server) -> tokio::task::JoinHandle<()> {
    let options = WorkerOptions {
        poll: Duration::from_millis(20),
        beat: Duration::from_millis(20),
        backoff: Duration::from_millis(20),
        ..WorkerOptions::default()
    };
    tokio::spawn(Worker::new(server.state.clone(), options).run(server.state.shutdown.clone()))
}

pub(crate) fn org(path: &str) -> String {
    format!("{BASE}/organizations/acme{path}")
}

/// Asks until the answer fits; a test that waits in vain ends by itself.
pub(crate) async fn until(server: &Server, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    for _ in 0..3000 {
        let answer = server.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        last = answer.json();
        if fits(&last) {
            return last;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{path} stays {last}");
}

pub(crate) async fn ended(server: &Server, started: &Value) -> Value {
    let path = org(&format!("/jobs/{}", started["job_id"].as_str().expect("a job")));
    until(server, &path, |job| !["queued", "running"].contains(&job["status"].as_str().expect("a status"))).await
}

pub(crate) async fn upload(server: &Server, csv: &str) -> String {
    let answer = server.form(&org("/upload-dataset"), "", &[("file", csv)]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()["dataset_id"].as_str().expect("an id").to_owned()
}

pub(crate) async fn accepted(server: &Server, path: &str, body: Option<Value>) -> Value {
    let answer = server.ask("POST", &org(path), "", body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    answer.json()
}

/// Uploaded, with features.
pub(crate) async fn ready(server: &Server, csv: &str) -> String {
    let dataset = upload(server, csv).await;
    let started = accepted(server, &format!("/datasets/{dataset}/process-features"), None).await;
    let job = ended(server, &started).await;
    assert_eq!(job["status"], "completed", "{job}");
    dataset
}

/// A trained model, by its id.
pub(crate) async fn trained(server: &Server, query: &str, body: Option<Value>) -> String {
    let started = accepted(server, &format!("/train{query}"), body).await;
    let job = ended(server, &started).await;
    assert_eq!(job["status"], "completed", "{job}");
    started["model_id"].as_str().expect("a model").to_owned()
}

/// One customer of the log as a request.
pub(crate) fn customer(id: &str, as_of: Day) -> (Value, Customer) {
    let transactions: Vec<Transaction> = events()
        .iter()
        .filter(|(customer, ..)| *customer == id)
        .map(|(_, event_date, amount, _)| Transaction { event_date, amount, event_type: None, order_id: None })
        .collect();
    let rows: Vec<Value> =
        transactions.iter().map(|row| json!({"event_date": row.event_date, "amount": row.amount})).collect();
    let request = json!({"customer_id": id, "transactions": rows, "as_of": as_of});
    (request, Customer { customer_id: id.to_owned(), transactions, attributes: Default::default() })
}

/// The log with each row in two lines of an order, as the organization's settings say, or without orders and by day: features,
/// model and predictions are those of the library, one customer's lines those of the batch.
#[tokio::test(flavor = "multi_thread")]
async fn settings_say_what_one_event_is() {
    let lines = log().lines().skip(1).enumerate().fold(String::new(), |mut csv, (order, line)| {
        let (row, amount) = line.rsplit_once(',').expect("an amount");
        let amount: f64 = amount.parse().expect("a number");
        csv += &format!("{row},{},order {order}\n{row},1.25,order {order}\n", amount - 1.25);
        csv
    });
    let orders = json!({"columns": {"order_id": "invoice"}});
    for (read, header, unit) in [
        (&orders, "customer_id,event_date,amount,invoice\n", "order"),
        (&json!({"merge": "day"}), "customer_id,event_date,amount,order_id\n", "day"),
    ] {
        let server = Server::open().await;
        let _worker = work(&server);
        let body = json!({"organization_id": "acme", "settings": {"read": read}});
        assert_eq!(server.post(&format!("{BASE}/organizations"), body).await.status, StatusCode::CREATED);
        let dataset = ready(&server, &format!("{header}{lines}")).await;
        // The library's own log has one row an event.
        let events = events();
        let table = features(&events.split_at(events.last_day()).0, &FeatureConfig::default()).expect("features");
        let mut expected = Vec::new();
        table.write_csv(&mut expected).expect("writes");
        let path = org(&format!("/datasets/{dataset}/features"));
        assert_eq!(server.get(&path).await.text.as_bytes(), expected, "{unit}");

        let id = trained(&server, "", None).await;
        let document = server.get(&org(&format!("/models/{id}/document"))).await;
        assert_eq!(document.json()["event_unit"], unit);
        let own: Value = serde_json::from_str(&model().to_json()).expect("JSON");
        assert_eq!(document.json()["golden"], own["golden"]);

        // The lines of one customer, and all lines as a file.
        let (as_of, expected) = (events.last_day(), model().predict(&events, None).expect("predicts"));
        let c003 = expected.iter().find(|row| row.customer_id == "c003").expect("is there");
        let transaction = |line: &str| {
            let fields: Vec<&str> = line.split(',').collect();
            let amount: f64 = fields[2].parse().expect("a number");
            json!({"event_date": fields[1], "amount": amount, "order_id": fields[3]})
        };
        let own: Vec<Value> = lines.lines().filter(|line| line.starts_with("c003,")).map(transaction).collect();
        let request = json!({"customer_id": "c003", "transactions": own, "as_of": as_of});
        for query in ["", "?explain=true"] {
            let answer = server.post(&org(&format!("/predict{query}")), request.clone()).await.json();
            assert_eq!(answer["churn_probability"], c003.churn_probability, "{unit} {query} {answer}");
        }
        let started = server.form(&org("/predict-bulk"), "", &[("file", &format!("{header}{lines}"))]).await.json();
        assert_eq!(ended(&server, &started).await["status"], "completed");
        let batch = started["batch_id"].as_str().expect("an id");
        let file = server.get(&org(&format!("/prediction-batches/{batch}/file"))).await.text;
        let found = file.lines().find(|line| line.starts_with("c003,")).expect("is there");
        assert_eq!(found.split(',').nth(1), Some(c003.churn_probability.to_string().as_str()), "{unit} {found}");
    }
    let both = json!({"read": {"columns": {"order_id": "invoice"}, "merge": "day"}});
    let server = Server::open().await;
    let refused =
        server.post(&format!("{BASE}/organizations"), json!({"organization_id": "b", "settings": both})).await;
    assert_eq!(refused.error(), (400, "invalid_parameter".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_four_steps_give_what_the_library_gives() {
    let server = Server::open().await;
    let _worker = work(&server);
    let dataset = upload(&server, &log()).await;
    let path = org(&format!("/datasets/{dataset}"));
    assert_eq!(server.get(&path).await.json()["status"], "uploaded");
    let early = server.post(&org("/train"), json!({})).await;
    assert_eq!(early.error(), (409, "features_not_ready".to_owned()));

    let started = accepted(&server, &format!("/datasets/{dataset}/process-features"), None).await;
    assert_eq!(started["message"], "Feature engineering started in background");
    assert_eq!(ended(&server, &started).await["status"], "completed");
    let found = server.get(&path).await.json();
    let events = events();
    assert_eq!(
        (&found["status"], &found["customers"], &found["features"]),
        (&json!("features_ready"), &json!(200), &json!(8))
    );
    assert_eq!(found["last_day"], json!(events.last_day()));
    let table = features(&events.split_at(events.last_day()).0, &FeatureConfig::default()).expect("features");
    let mut expected = Vec::new();
    table.write_csv(&mut expected).expect("writes");
    assert_eq!(server.get(&format!("{path}/features")).await.text.as_bytes(), expected);

    assert_eq!(server.get(&org("/training-status")).await.json()["status"], "not_started");
    let as_of = events.last_day();
    let (request, own) = customer("c003", as_of);
    let missing = server.post(&org("/predict"), request.clone()).await;
    assert_eq!(missing.error(), (404, "no_model".to_owned()));
    assert!(missing.text.contains("train one first"), "{}", missing.text);

    let started = accepted(&server, "/train?model_type=logistic_regression", None).await;
    assert_eq!((&started["model_type"], &started["dataset_id"]), (&json!("logistic_regression"), &json!(dataset)));
    let status = until(&server, &org("/training-status"), |status| status["status"] != "training").await;
    let model = model();
    let metrics = &model.evaluation().expect("an evaluation").metrics;
    assert_eq!(status["status"], "completed", "{status}");
    assert_eq!(status["roc_auc"], json!(metrics.roc_auc));
    assert_eq!(status["f1_score"], json!(metrics.f1));
    let over_time = model.evaluation().expect("an evaluation").over_time.as_ref().expect("is there");
    let interval = json!({"low": over_time.roc_auc.low, "high": over_time.roc_auc.high});
    assert_eq!((&status["roc_auc_interval"], &status["judged_cutoffs"]), (&interval, &json!(over_time.cutoffs.len())));
    assert_eq!(status["training_samples"], json!(model.training().rows));
    assert_eq!((&status["model_version"], &status["progress"]), (&json!(1), &json!(1.0)));
    let document =
        server.get(&org(&format!("/models/{}/document", started["model_id"].as_str().expect("an id")))).await;
    assert_eq!(document.text, model.to_json());
    let report = server.get(&org(&format!("/models/{}/report", started["model_id"].as_str().expect("an id")))).await;
    assert_eq!(report.text, Report::new("Churn model", &model).to_html().expect("an evaluated model"));

    let answer = server.post(&org("/predict"), request.clone()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let expected = model.predict_one(&own, as_of).expect("predicts");
    assert_eq!(
        answer.json(),
        json!({
            "customer_id": "c003", "churn_probability": expected.churn_probability, "covered": true,
            "risk_segment": expected.risk_segment, "model_version": 1, "as_of": as_of,
        })
    );
    let explained = server.post(&org("/predict?explain=true"), request).await.json();
    let table = model.features(&events, Some(as_of)).expect("features");
    let row = table.customer_ids().position(|id| id == "c003").expect("is there");
    assert_eq!(explained["reasons"], json!(model.explain(&table).expect("explains").reasons(row)));
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_predictions_are_those_of_the_library_page_by_page() {
    let server = Server::open().await;
    let _worker = work(&server);
    let dataset = ready(&server, &log()).await;
    trained(&server, "", None).await;
    let settings = json!({"campaign": {"clv": 500.0}, "thresholds": {"medium": 0.1, "high": 0.2, "critical": 0.8}});
    assert_eq!(server.ask("PATCH", &org("/settings"), "", Some(settings)).await.status, StatusCode::OK);
    let nothing = server.get(&org("/prediction-customers")).await;
    assert_eq!(nothing.error(), (404, "no_predictions".to_owned()));

    // By a file and by a data set.
    let sent = server.form(&org("/predict-bulk"), "", &[("file", &log())]).await;
    assert_eq!(sent.status, StatusCode::ACCEPTED, "{}", sent.text);
    let by_dataset = accepted(&server, &format!("/predict-bulk?dataset_id={dataset}"), None).await;
    let mut files = Vec::new();
    for started in [sent.json(), by_dataset] {
        let job = ended(&server, &started).await;
        assert_eq!((&job["status"], &job["kind"]), (&json!("completed"), &json!("predict_bulk")), "{job}");
        let id = started["batch_id"].as_str().expect("an id").to_owned();
        files.push(server.get(&org(&format!("/prediction-batches/{id}/file"))).await.text);
    }
    assert_eq!(files[0], files[1]);

    let (model, events) = (model(), events());
    let predictions = model.predict(&events, None).expect("predicts");
    let mut expected: Vec<(f64, String)> =
        predictions.iter().map(|row| (row.churn_probability, row.customer_id)).collect();
    expected.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let segment = |p: f64| match p {
        p if p < 0.1 => Segment::Low,
        p if p < 0.2 => Segment::Medium,
        p if p < 0.8 => Segment::High,
        _ => Segment::Critical,
    };
    let batch = server.get(&org("/prediction-batches?limit=1")).await.json()["batches"][0].clone();
    let count = |wanted: Segment| expected.iter().filter(|(p, _)| segment(*p) == wanted).count();
    for wanted in Segment::ALL {
        assert_eq!(batch["segments"][wanted.name()], json!(count(wanted)), "{batch}");
    }
    assert_eq!((&batch["customers"], &batch["as_of"]), (&json!(200), &json!(events.last_day())));
    assert_eq!(server.get(&org("/segments")).await.json()["points"].as_array().map(Vec::len), Some(2));

    // Every page of every order holds what sorting the whole would put there.
    let table = model.features(&events, None).expect("features");
    let explanation = model.explain(&table).expect("explains");
    let ids: Vec<&str> = table.customer_ids().collect();
    let mut rising = expected.clone();
    rising.reverse();
    let mut by_id = expected.clone();
    by_id.sort_by(|a, b| a.1.cmp(&b.1));
    let critical: Vec<_> = expected.iter().filter(|(p, _)| segment(*p) == Segment::Critical).cloned().collect();
    let search: Vec<_> = expected.iter().filter(|(_, id)| id.contains("c01")).cloned().collect();
    let mut shared = 0;
    for (query, whole) in [
        ("", &expected),
        ("&sort=expected_profit&order=asc", &rising),
        ("&sort=customer_id", &by_id),
        ("&risk_segment=Critical", &critical),
        ("&search=C01", &search),
    ] {
        for (offset, limit) in [(0, 3), (98, 5), (0, 1000), (whole.len() - 1, 10), (whole.len() + 5, 10)] {
            let path = org(&format!("/prediction-customers?limit={limit}&offset={offset}{query}"));
            let found = server.get(&path).await.json();
            assert_eq!(found["total"], json!(whole.len()), "{path}");
            let customers = found["customers"].as_array().expect("a list");
            let page: Vec<_> = whole.iter().skip(offset).take(limit).collect();
            let rows: Vec<usize> =
                page.iter().map(|(_, id)| ids.iter().position(|other| other == id).expect("is there")).collect();
            assert_eq!(found["shared_reason"], json!(explanation.list_reasons(&rows).shared), "{path}");
            shared += usize::from(found["shared_reason"].is_object());
            assert_eq!(customers.len(), page.len(), "{path}");
            for (found, (p, id)) in customers.iter().zip(page) {
                assert_eq!((&found["customer_id"], &found["churn_probability"]), (&json!(id), &json!(p)), "{path}");
                assert_eq!(found["risk_segment"], json!(segment(*p)));
                let row = ids.iter().position(|other| other == id).expect("is there");
                assert_eq!(found["reasons"], json!(explanation.reasons(row)), "{path}");
                // p · 0.3 · (500 − 10) − (1 − p) · 10 − 1
                let profit = p * 0.3 * 490.0 - (1.0 - p) * 10.0 - 1.0;
                assert!((found["expected_profit"].as_f64().expect("a number") - profit).abs() < 1e-9);
            }
        }
    }
    assert!(shared > 0, "no page shares a reason");
    let deep = server.get(&org("/prediction-customers?sort=customer_id&offset=10000")).await;
    assert_eq!(deep.error(), (400, "invalid_query".to_owned()));
    let id = batch["batch_id"].as_str().expect("an id");
    let results =
        server.get(&org(&format!("/prediction-batches/{id}/results?limit=2&risk_segment=Critical"))).await.json();
    assert_eq!(results["predictions"][1]["customer_id"], json!(critical[1].1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_trained_says_why() {
    let server = Server::open().await;
    let _worker = work(&server);
    let none = server.post(&org("/train"), json!({})).await;
    assert_eq!(none.error(), (404, "organization_not_found".to_owned()));
    let few = ready(&server, "customer_id,event_date\nanna,2024-01-05\nanna,2024-12-05\nbert,2024-06-06\n").await;
    let started = accepted(&server, "/train", None).await;
    let job = ended(&server, &started).await;
    assert_eq!(
        (&job["status"], &job["error"]["code"], &job["attempts"]),
        (&json!("failed"), &json!("too_few_rows"), &json!(1))
    );
    let status = server.get(&org("/training-status")).await.json();
    assert_eq!((&status["status"], &status["error_code"]), (&json!("failed"), &json!("too_few_rows")));
    assert!(status["error_message"].as_str().is_some_and(|message| message.contains("50")), "{status}");

    let unknown = server.post(&org("/train?model_type=deep_learning"), json!({})).await;
    assert_eq!(unknown.error(), (400, "invalid_model_type".to_owned()));
    let valid = ["logistic_regression", "random_forest", "gradient_boosting", "auto"];
    assert_eq!(unknown.json()["details"]["valid"], json!(valid));
    for (body, code) in [
        (json!({"horizont": 60}), "invalid_parameter"),
        (json!({"horizon_days": 0}), "invalid_parameter"),
        (json!({"model": 7}), "invalid_model_type"),
        (json!({"model": "auto"}), "invalid_parameter"),
    ] {
        let answer = server.post(&org("/train?model_type=random_forest"), body.clone()).await;
        assert_eq!(answer.error(), (400, code.to_owned()), "{body}");
    }
    let list = server.post(&org("/train"), json!([1])).await;
    assert_eq!(list.error(), (422, "invalid_body".to_owned()));
    let unknown = server.post(&org("/train?dataset_id=00000000-0000-7000-8000-000000000000"), json!({})).await;
    assert_eq!(unknown.error(), (404, "dataset_not_found".to_owned()));
    assert_eq!(server.get(&org(&format!("/datasets/{few}"))).await.json()["status"], "features_ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_cannot_be_read_are_named() {
    let server = Server::open().await;
    let dataset = upload(&server, &log()).await;
    // The file is changed behind the server's back: line 3 has no date.
    let at = Location::dataset("acme", &dataset).expect("a place");
    let broken = "customer_id,event_date\nanna,2024-01-05\nbert,yesterday\n";
    put_bytes(&*server.state.storage, &at, "text/csv", broken).await.expect("is stored");
    let _worker = work(&server);
    let started = accepted(&server, &format!("/datasets/{dataset}/process-features"), None).await;
    let job = ended(&server, &started).await;
    assert_eq!(
        (&job["status"], &job["error"]["code"], &job["error"]["line"]),
        (&json!("failed"), &json!("bad_rows"), &json!(3))
    );
    let found = server.get(&org(&format!("/datasets/{dataset}"))).await.json();
    assert_eq!((&found["status"], &found["error"]["line"]), (&json!("error"), &json!(3)));
    assert!(found["error"]["message"].as_str().is_some_and(|message| message.contains("yesterday")), "{found}");
    // And the file comes back: the features can be made.
    put_bytes(&*server.state.storage, &at, "text/csv", log()).await.expect("is stored");
    let started = accepted(&server, &format!("/datasets/{dataset}/process-features"), None).await;
    assert_eq!(ended(&server, &started).await["status"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_file_and_row_is_made_good() {
    let server = Server::open().await;
    let dataset = upload(&server, &log()).await;
    let started = accepted(&server, &format!("/datasets/{dataset}/process-features"), None).await;
    // A worker took the job, wrote the file, half of it even, and was killed before the row.
    let store = &server.state.store;
    let taken = store.claim_job("killed", Duration::ZERO).await.expect("answers").expect("a job");
    let at = Location::features("acme", &dataset).expect("a place");
    put_bytes(&*server.state.storage, &at, "text/csv", "customer_id,recency_score\nc0").await.expect("is stored");
    let path = org(&format!("/datasets/{dataset}"));
    assert_eq!(server.get(&path).await.json()["status"], "processing");
    assert_eq!(server.get(&format!("{path}/features")).await.error().0, 404);

    let _worker = work(&server);
    let job = ended(&server, &started).await;
    assert_eq!((&job["status"], &job["attempts"]), (&json!("completed"), &json!(2)));
    assert!(store.begin_fenced(&taken, "killed").await.expect("answers").is_none());
    let text = server.get(&format!("{path}/features")).await.text;
    assert_eq!(text.lines().count(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_stop_when_they_are_told_to() {
    let server = Server::open().await;
    let dataset = ready_without_worker(&server).await;
    // Long enough to be caught at work.
    let body = json!({"trees": 10_000, "max_depth": 10});
    let started = accepted(&server, &format!("/train?model_type=random_forest&dataset_id={dataset}"), Some(body)).await;
    let worker = work(&server);
    let path = org(&format!("/jobs/{}", started["job_id"].as_str().expect("an id")));
    until(&server, &path, |job| job["status"] == "running" && job["progress"].as_f64() > Some(0.2)).await;
    let asked = server.ask("POST", &format!("{path}/cancel"), "", None).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.text);
    let job = ended(&server, &started).await;
    assert_eq!((&job["status"], &job["error"]["code"]), (&json!("cancelled"), &json!("cancelled")));
    let again = server.ask("POST", &format!("{path}/cancel"), "", None).await;
    assert_eq!(again.error(), (409, "job_finished".to_owned()));
    let status = server.get(&org("/training-status")).await.json();
    assert_eq!((&status["status"], &status["error_code"]), (&json!("failed"), &json!("cancelled")));

    // A process that goes down hands its job back as if it had never had it.
    let body = json!({"trees": 10_000, "max_depth": 10});
    let started = accepted(&server, "/train?model_type=random_forest", Some(body)).await;
    let path = org(&format!("/jobs/{}", started["job_id"].as_str().expect("an id")));
    until(&server, &path, |job| job["status"] == "running").await;
    server.state.shutdown.cancel();
    worker.await.expect("no panic");
    let job = server.get(&path).await.json();
    assert_eq!((&job["status"], &job["attempts"], &job["error"]), (&json!("queued"), &json!(0), &Value::Null));
}

/// With features that a worker made which is gone.
async fn ready_without_worker(server: &Server) -> String {
    let worker = work(server);
    let dataset = ready(server, &log()).await;
    worker.abort();
    dataset
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_not_tried_again() {
    let server = Server::open().await;
    let dataset = ready_without_worker(&server).await;
    // What the handler is told makes no sense: no attempt will cure that.
    let mut tx = server.state.store.begin().await.expect("begins");
    let job = NewJob { id: "j", org_id: "acme", kind: JobKind::ProcessFeatures, subject_id: &dataset, max_attempts: 5 };
    tx.insert_job(&job, &json!({"file_key": 7})).await.expect("is accepted");
    tx.commit().await.expect("commits");
    let _worker = work(&server);
    for _ in 0..500 {
        let job = server.state.store.job("acme", "j").await.expect("is there");
        if job.finished_at.is_some() {
            assert_eq!((job.error_code.as_deref(), job.attempts), (Some("invalid_payload"), 1));
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the job does not end");
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_that_came_with_the_data_are_learned_from() {
    let server = Server::open().await;
    let _worker = work(&server);
    let mut csv = "customer_id,event_date,amount,churn_label\n".to_owned();
    for row in log().lines().skip(1) {
        let number: u32 = row[1..4].parse().expect("a number");
        csv += &format!("{row},{}\n", u32::from(number.is_multiple_of(4)));
    }
    let answer = server.form(&org("/upload-dataset"), "", &[("has_churn_label", "true"), ("file", &csv)]).await;
    let dataset = answer.json()["dataset_id"].as_str().expect("an id").to_owned();
    let started = accepted(&server, &format!("/datasets/{dataset}/process-features"), None).await;
    assert_eq!(ended(&server, &started).await["status"], "completed");
    trained(&server, "", None).await;
    let status = server.get(&org("/training-status")).await.json();
    // One row a customer; a quarter of the 200 is labelled.
    assert_eq!((&status["training_samples"], &status["churn_rate"]), (&json!(200), &json!(0.25)));
    let by_window = trained(&server, "?activate=true", Some(json!({"labels": "outcome_window"}))).await;
    let found = server.get(&org(&format!("/models/{by_window}"))).await.json();
    assert_eq!((&found["role"], &found["version"]), (&json!("active"), &json!(2)));
    assert!(found["definition"].as_str().is_some_and(|text| text.contains("90 days")), "{found}");
    assert_ne!(found["training_samples"], json!(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_compared_on_what_happened_later() {
    let server = Server::open().await;
    let _worker = work(&server);
    // Both learn from the first 250 days and are judged on the whole, whose last 90 days none has seen.
    let early: String = log()
        .lines()
        .filter(|row| row.starts_with("customer_id") || row[5..15] < *Day::new(19_950).expect("a day").to_string())
        .map(|row| format!("{row}\n"))
        .collect();
    let first = ready(&server, &early).await;
    let a = trained(&server, "", None).await;
    let missing = server.get(&org("/models/comparison")).await;
    assert_eq!(missing.error(), (404, "no_challenger".to_owned()));
    let b = trained(&server, "?model_type=random_forest&activate=false", Some(json!({"trees": 20}))).await;
    let other = trained(&server, "?activate=false", Some(json!({"horizon_days": 30}))).await;
    let challenge = json!({"model_id": b, "traffic_share": 0.5});
    assert_eq!(server.ask("PUT", &org("/models/challenger"), "", Some(challenge)).await.status, StatusCode::OK);
    let second = ready(&server, &log()).await;

    let found = server.get(&org("/models/comparison?confidence=0.9")).await.json();
    assert_eq!(
        (&found["a"]["model_id"], &found["b"]["model_id"], &found["dataset_id"]),
        (&json!(a), &json!(b), &json!(second))
    );
    assert_eq!(found["in_sample"], json!(false));
    assert!(!found["warnings"].to_string().contains("flatters"), "{found}");
    let models = [&a, &b].map(|id| org(&format!("/models/{id}/document")));
    let [a_model, b_model] = [server.get(&models[0]).await.text, server.get(&models[1]).await.text]
        .map(|document| Model::from_json(&document).expect("is a document"));
    let events = events();
    let cutoff = events.last_day().plus(-90);
    assert_eq!(found["cutoff"], json!(cutoff));
    let (history, outcome) = events.split_at(cutoff);
    let truth = churn::labels(&history, &outcome, &churn::LabelConfig::default()).expect("labels");
    let probability = |model: &Model, id: &str| {
        let predictions = model.predict(&events, Some(cutoff)).expect("predicts");
        let at = predictions.customer_ids().position(|other| other == id).expect("is there");
        predictions.churn_probabilities()[at]
    };
    let churned: Vec<bool> = truth.iter().map(|row| row.1).collect();
    let of = |model: &Model| truth.iter().map(|row| probability(model, row.0)).collect::<Vec<f64>>();
    let config = churn::CompareConfig { confidence: 0.9 };
    let expected = churn::compare(&churned, &of(&a_model), &of(&b_model), &config).expect("compares");
    assert_eq!(found["log_loss"], json!(expected.log_loss));
    assert_eq!(found["roc_auc"], json!(expected.roc_auc));
    assert_eq!(found["customers"], json!(expected.n));

    let same = server.get(&org(&format!("/models/comparison?a={a}&b={a}"))).await.json();
    assert_eq!((&same["log_loss"]["difference"], &same["verdict"]), (&json!(0.0), &json!("no difference shown")));
    let seen = server.get(&org(&format!("/models/comparison?dataset_id={first}"))).await.json();
    assert_eq!(seen["in_sample"], json!(true), "{seen}");
    let unlike = server.get(&org(&format!("/models/comparison?b={other}"))).await;
    assert_eq!(unlike.error(), (409, "conflict".to_owned()));
    let sure = server.get(&org("/models/comparison?confidence=1")).await;
    assert_eq!(sure.error(), (400, "invalid_parameter".to_owned()));
}
