//! One customer at a time: what is answered, by which model, and how soon a change is seen.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use churn::{ModelKind, TrainConfig, train};
use churn_server::serving::is_challenger_customer;
use churn_server::state::AppState;
use churn_server::storage::{Location, put_bytes};
use churn_server::store::{DataKind, NewDataset, NewModel};
use serde_json::{Value, json};

use crate::support::{BASE, Server};
use crate::work::{log, model};

fn org(path: &str) -> String {
    format!("{BASE}/organizations/acme{path}")
}

/// A trained model of the organization, without a worker.
pub(crate) async fn with_model(state: &AppState, id: &str, model: &churn::Model, activate: bool) {
    let at = Location::model("acme", id).expect("a place");
    put_bytes(&*state.storage, &at, "application/json", model.to_json()).await.expect("is stored");
    assert!(state.store.record_file("datasets/x.csv").await.expect("is on record"));
    let mut tx = state.store.begin().await.expect("begins");
    tx.ensure_organization("acme").await.expect("is made");
    // The first model comes with its data set.
    if id == "m-1" {
        let new = NewDataset {
            id: "d",
            org_id: "acme",
            filename: None,
            kind: DataKind::Events,
            has_churn_label: false,
            row_count: 1,
            bad_rows: 0,
            bytes: 1,
            file_key: "datasets/x.csv",
        };
        tx.insert_dataset(&new).await.expect("is inserted");
    }
    let new = NewModel { id, org_id: "acme", model_type: "logistic_regression", dataset_id: "d", job_id: "j" };
    tx.insert_model(&new).await.expect("is inserted");
    tx.training_completed(id, &at.to_string(), model).await.expect("is completed");
    if activate {
        tx.activate_model("acme", id, false).await.expect("is activated");
    }
    tx.commit().await.expect("commits");
}

fn forest() -> churn::Model {
    let events = churn::Events::from_csv(log().as_bytes(), &Default::default()).expect("is a log");
    let mut config = TrainConfig::default();
    config.learning.model = ModelKind::RandomForest;
    config.learning.trees = 10;
    train(&events, &config).expect("trains")
}

pub(crate) fn body(customer: &str) -> Value {
    json!({"customer_id": customer, "as_of": "2024-06-01", "transactions": [
        {"event_date": "2024-01-05", "amount": 12.5}, {"event_date": "2024-05-20", "amount": 3, "event_type": "purchase"},
    ]})
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said() {
    let server = Server::open().await;
    let unknown = server.post(&org("/predict"), body("C1")).await;
    assert_eq!(unknown.error(), (404, "organization_not_found".to_owned()));
    with_model(&server.state, "m-1", &model(), true).await;
    let with = |key: &str, value: Value| {
        let mut body = body("C1");
        body[key] = value;
        body
    };
    let row =
        |event_date: &str, amount: Value| with("transactions", json!([{"event_date": event_date, "amount": amount}]));
    for (body, status, code) in [
        (with("customer_id", json!("")), 400, "invalid_parameter"),
        (with("customer_id", json!(7.5)), 422, "invalid_body"),
        (with("customer_id", Value::Null), 422, "invalid_body"),
        (with("transactions", json!([])), 422, "no_good_rows"),
        (with("transactions", Value::Null), 422, "invalid_body"),
        (with("as_of", json!("2999-01-01")), 400, "invalid_parameter"),
        (with("as_of", json!("2023-12-31")), 422, "no_customers"),
        (with("as_of", json!("soon")), 422, "invalid_body"),
        (with("asof", json!("2024-06-01")), 422, "invalid_body"),
        (row("2024-13-01", json!(1)), 422, "invalid_body"),
        (row("2024-01-01", json!(1e13)), 422, "bad_rows"),
        (row("2024-01-01", json!("12")), 422, "invalid_body"),
        (row("2999-01-01", json!(12)), 422, "no_customers"),
    ] {
        let answer = server.post(&org("/predict"), body.clone()).await;
        assert_eq!(answer.error(), (status, code.to_owned()), "{body}: {}", answer.text);
    }
    let raw = |content_type: &str, body: &str| {
        let request = Request::builder().method("POST").uri(org("/predict")).header("content-type", content_type);
        request.body(Body::from(body.to_owned())).expect("a request")
    };
    let answer = server.send(raw("application/json", "{\"customer_id\": ")).await;
    assert_eq!(answer.error(), (400, "invalid_json".to_owned()));
    let answer = server.send(raw("text/plain", &body("C1").to_string())).await;
    assert_eq!(answer.error(), (415, "unsupported_media_type".to_owned()));
    let answer = server.send(raw("application/json; charset=utf-8", &body("C1").to_string())).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

/// Everything that a file may hold is accepted here: ids and types that are whole numbers, and further columns.
#[tokio::test]
async fn numbers_are_ids_and_further_keys_are_ignored() {
    let server = Server::open().await;
    with_model(&server.state, "m-1", &model(), true).await;
    let plain = server.post(&org("/predict"), body("7")).await;
    assert_eq!((plain.status, &plain.json()["customer_id"]), (StatusCode::OK, &json!("7")));
    for id in [json!(7), json!(7.0)] {
        let mut numeric = body("7");
        numeric["customer_id"] = id;
        for row in numeric["transactions"].as_array_mut().expect("rows") {
            row["order_line"] = json!({"sku": 5});
        }
        let answer = server.post(&org("/predict"), numeric).await;
        assert_eq!(answer.json(), plain.json());
    }
}

#[tokio::test]
async fn the_future_does_not_count_and_rows_that_are_there_twice_do() {
    let server = Server::open().await;
    let model = model();
    with_model(&server.state, "m-1", &model, true).await;
    let plain = server.post(&org("/predict"), body("C1")).await.json();
    assert!(plain.get("transactions_after_as_of").is_none(), "{plain}");
    let mut later = body("C1");
    let rows = later["transactions"].as_array_mut().expect("a list");
    rows.push(json!({"event_date": "2024-06-02", "amount": 1e6}));
    let with_later = server.post(&org("/predict"), later).await.json();
    assert_eq!(with_later["churn_probability"], plain["churn_probability"]);
    assert_eq!(with_later["transactions_after_as_of"], 1);

    // 20,000 transactions, which are few different ones: each counts, as in a file.
    let rows: Vec<Value> =
        (0..20_000).map(|i| json!({"event_date": format!("2024-05-{:02}", 1 + i % 28), "amount": 2.5})).collect();
    let many = json!({"customer_id": "C1", "as_of": "2024-06-01", "transactions": rows});
    let answer = server.post(&org("/predict"), many).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let mut csv = "customer_id,event_date,amount\n".to_owned();
    (0..20_000).for_each(|i| csv += &format!("C1,2024-05-{:02},2.5\n", 1 + i % 28));
    let events = churn::Events::from_csv(csv.as_bytes(), &Default::default()).expect("is a log");
    let as_of = "2024-06-01".parse().expect("a day");
    let expected = model.predict(&events, Some(as_of)).expect("predicts").churn_probabilities()[0];
    assert_eq!(answer.json()["churn_probability"], json!(expected));
}

#[tokio::test]
async fn a_change_made_elsewhere_is_seen_within_a_second() {
    let server = Server::open().await;
    // Two servers on one database and one storage.
    let other =
        AppState::new(server.state.config.clone(), server.state.store.clone(), Arc::clone(&server.state.storage));
    with_model(&server.state, "m-1", &model(), true).await;
    let version = async || server.post(&org("/predict"), body("C1")).await.json()["model_version"].clone();
    assert_eq!(version().await, 1);
    with_model(&other, "m-2", &forest(), true).await;
    let changed = std::time::Instant::now();
    while version().await != 2 {
        assert!(changed.elapsed() < Duration::from_secs(1), "the old version still answers");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Here it is seen with the next request.
    assert_eq!(server.ask("POST", &org("/models/rollback"), "", None).await.status, StatusCode::OK);
    assert_eq!(version().await, 1);
    let thresholds = json!({"thresholds": {"medium": 0.0, "high": 1e-300, "critical": 2e-300}});
    let before = server.post(&org("/predict"), body("C1")).await.json();
    assert_eq!(server.ask("PATCH", &org("/settings"), "", Some(thresholds)).await.status, StatusCode::OK);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let after = server.post(&org("/predict"), body("C1")).await.json();
    assert_eq!(after["churn_probability"], before["churn_probability"]);
    assert_ne!(before["risk_segment"], json!("Critical"), "{before}");
    assert_eq!(after["risk_segment"], json!("Critical"), "{after}");
}

/// On the server that trained it a version answers from the moment that its job is seen to have ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_was_trained_to_be_used_answers_at_once() {
    let server = Server::open().await;
    let worker = crate::work::work(&server);
    crate::work::ready(&server, &log()).await;
    crate::work::trained(&server, "", None).await;
    for expected in 2..6 {
        // Asked all the time, so that the version before it is known and fresh.
        let started = crate::work::accepted(&server, "/train?activate=true", None).await;
        let path = org(&format!("/jobs/{}", started["job_id"].as_str().expect("a job")));
        loop {
            let ended = server.get(&path).await.json()["status"] == "completed";
            let version = server.post(&org("/predict"), body("C1")).await.json()["model_version"].clone();
            if ended {
                assert_eq!(version, expected);
                break;
            }
        }
    }
    worker.abort();
}

#[tokio::test]
async fn a_challenger_scores_its_share_and_always_the_same_customers() {
    let server = Server::open().await;
    with_model(&server.state, "m-1", &model(), true).await;
    with_model(&server.state, "00000000-0000-7000-8000-000000000002", &forest(), false).await;
    let challenge = json!({"model_id": "00000000-0000-7000-8000-000000000002", "traffic_share": 0.3});
    let set = server.ask("PUT", &org("/models/challenger"), "", Some(challenge)).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.text);
    assert_eq!((&set.json()["active"]["version"], &set.json()["challenger"]["version"]), (&json!(1), &json!(2)));
    let versions = async || {
        let mut versions = Vec::new();
        for customer in 0..200 {
            let answer = server.post(&org("/predict"), body(&format!("C{customer}"))).await.json();
            versions.push(answer["model_version"].as_i64().expect("a version"));
        }
        versions
    };
    let first = versions().await;
    assert_eq!(versions().await, first);
    // 60 of 200 are expected; six standard deviations, √(200 · 0.3 · 0.7) = 6.5, are 39.
    let share = first.iter().filter(|&&version| version == 2).count();
    assert!((21..=99).contains(&share), "{share}");
    for (share, all) in [(0.0, 1), (1.0, 2)] {
        let challenge = json!({"model_id": "00000000-0000-7000-8000-000000000002", "traffic_share": share});
        server.ask("PUT", &org("/models/challenger"), "", Some(challenge)).await;
        assert!(versions().await.iter().all(|&version| version == all), "{share}");
    }
    assert_eq!(server.ask("DELETE", &org("/models/challenger"), "", None).await.status, StatusCode::NO_CONTENT);
    assert!(versions().await.iter().all(|&version| version == 1));
    let again = server.ask("DELETE", &org("/models/challenger"), "", None).await;
    assert_eq!(again.error(), (404, "no_challenger".to_owned()));
    for share in [-0.1, 1.1] {
        let bad = json!({"model_id": "00000000-0000-7000-8000-000000000002", "traffic_share": share});
        let answer = server.ask("PUT", &org("/models/challenger"), "", Some(bad)).await;
        assert_eq!(answer.error(), (400, "invalid_parameter".to_owned()));
    }
}

/// The draw is the beginning of SHA-256 over challenger, a zero byte and customer, as a share of all that it could be:
/// python3 -c "import hashlib; print(int.from_bytes(hashlib.sha256(b'a\\0b').digest()[:8], 'big') / 2**64)"
#[test]
fn the_draw_is_written_down() {
    let drawn = 0.3503790903157433;
    assert!(is_challenger_customer("a", "b", drawn + 1e-12));
    assert!(!is_challenger_customer("a", "b", drawn - 1e-12));
    assert!(!is_challenger_customer("a", "b", 0.0));
    assert!(is_challenger_customer("a", "b", 1.0));
}

#[tokio::test]
async fn a_damaged_document_is_never_served() {
    let server = Server::open().await;
    with_model(&server.state, "m-1", &model(), true).await;
    let at = Location::model("acme", "m-1").expect("a place");
    let document = model().to_json();
    put_bytes(&*server.state.storage, &at, "application/json", document[..document.len() / 2].to_owned())
        .await
        .expect("is stored");
    let answer = server.post(&org("/predict"), body("C1")).await;
    assert_eq!(answer.error(), (500, "internal".to_owned()));
    // It is not remembered either: the whole document serves.
    put_bytes(&*server.state.storage, &at, "application/json", document).await.expect("is stored");
    assert_eq!(server.post(&org("/predict"), body("C1")).await.status, StatusCode::OK);
}
