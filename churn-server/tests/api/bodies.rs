//! JSON bodies as large as they may be, and larger.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use axum::http::Request;
use futures_util::{Stream, StreamExt, stream};
use serde_json::{Value, json};

use crate::serving::with_model;
use crate::support::{Answer, BASE, Server};
use crate::work::model;

fn path(org_id: &str) -> String {
    format!("{BASE}/organizations/{org_id}/predict")
}

fn request(org_id: &str, body: Body) -> Request<Body> {
    let request = Request::builder().method("POST").uri(path(org_id)).header("content-type", "application/json");
    request.body(body).expect("is a request")
}

/// Pieces that are counted when they are taken.
fn counted(taken: &Arc<AtomicUsize>) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
    let taken = Arc::clone(taken);
    stream::repeat(Bytes::from_static(&[b' '; 1000])).map(move |piece| {
        taken.fetch_add(piece.len(), Ordering::Relaxed);
        Ok(piece)
    })
}

fn too_large(answer: &Answer) -> Value {
    assert_eq!(answer.error(), (413, "payload_too_large".to_owned()));
    answer.json()
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_read() {
    let server = Server::open().await;
    // The length is announced: the first byte is one too many.
    let long = "x".repeat(1_000_001);
    let said = too_large(&server.send(request("acme", Body::from(long))).await);
    assert_eq!(said["details"], json!({"max_bytes": 1_000_000, "setting": "MAX_BODY_BYTES"}));
    let message = said["message"].as_str().expect("text");
    assert!(message.contains("1000000") && message.contains("MAX_BODY_BYTES"), "{message}");
    // It is not announced: nothing is taken behind the piece in which it ends.
    let taken = Arc::new(AtomicUsize::new(0));
    too_large(&server.send(request("acme", Body::from_stream(counted(&taken)))).await);
    assert_eq!(taken.load(Ordering::Relaxed), 1_001_000);
    // Settings have a limit that nothing sets.
    let long = json!({"organization_id": "acme", "name": "x".repeat(20_000)});
    let said = too_large(&server.post(&format!("{BASE}/organizations"), long).await);
    assert_eq!(said["details"], json!({"max_bytes": 20_000, "setting": null}));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_transactions_fit_and_more_where_that_is_set() {
    // 66 bytes each with the comma; with what stands around them 990,058 bytes for 15,000.
    let transaction = json!({"event_date": "2024-01-05", "amount": 12.5, "event_type": "purchase"});
    let body = |count: usize| {
        let transactions = vec![transaction.clone(); count];
        json!({"customer_id": "C1", "as_of": "2024-06-01", "transactions": transactions})
    };
    let server = Server::open().await;
    with_model(&server.state, "m-1", &model(), true).await;
    let answer = server.post(&path("acme"), body(15_000)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    too_large(&server.post(&path("acme"), body(16_000)).await);

    let server = Server::with(&[("MAX_BODY_BYTES", "3000000")]).await;
    with_model(&server.state, "m-1", &model(), true).await;
    let answer = server.post(&path("acme"), body(40_000)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn a_value_is_short() {
    let server = Server::open().await;
    with_model(&server.state, "m-1", &model(), true).await;
    let with = |key: &str, value: Value| {
        let mut transaction = json!({"event_date": "2024-01-05"});
        transaction["note"] = "a further key".into();
        let mut body = json!({"customer_id": "C1", "as_of": "2024-06-01", "transactions": [transaction]});
        match key {
            "note" => body["transactions"][0]["note"] = value,
            key => body[key] = value,
        }
        body
    };
    let accepted = server.post(&path("acme"), with("note", json!("x".repeat(16_000)))).await;
    assert_eq!(accepted.status, 200, "{}", accepted.text);
    for (key, value, at) in [
        ("note", json!("x".repeat(16_384)), "transactions[0]"),
        ("note", json!(vec![json!([0]); 5000]), "transactions[0]"),
        ("customer_id", json!("x".repeat(16_384)), "customer_id"),
        ("customer_id", json!(vec![json!({"": 0}); 5000]), "customer_id"),
        ("as_of", json!("x".repeat(16_384)), "as_of"),
    ] {
        let answer = server.post(&path("acme"), with(key, value)).await;
        assert_eq!(answer.error(), (422, "invalid_body".to_owned()), "{key}");
        assert!(answer.text.contains(at) && answer.text.contains("at most 16384"), "{}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_end_keep_only_their_own_organization_waiting() {
    let server = Arc::new(Server::open().await);
    with_model(&server.state, "m-1", &model(), true).await;
    // A body of the longest kind takes most of the share of an organization. How long these are shows behind 32,000 bytes: one
    // is read on, the others wait with the 33 pieces that they have.
    let taken = Arc::new(AtomicUsize::new(0));
    let held: Vec<_> = (0..20)
        .map(|_| {
            let (server, body) = (Arc::clone(&server), counted(&taken).take(40).chain(stream::pending()));
            tokio::spawn(async move { server.send(request("slow", Body::from_stream(body))).await })
        })
        .collect();
    for _ in 0..500 {
        if taken.load(Ordering::Relaxed) >= 40_000 + 33_000 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let answer = server.post(&path("acme"), crate::serving::body("C1")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let taken = taken.load(Ordering::Relaxed);
    assert!((40_000..=40_000 + 19 * 33_000).contains(&taken), "{taken}");
    held.iter().for_each(tokio::task::JoinHandle::abort);
    for task in held {
        assert!(task.await.is_err(), "was answered");
    }
    // The room of those that have gone is free.
    let own = server.post(&path("slow"), crate::serving::body("C1")).await;
    assert_eq!(own.error(), (404, "organization_not_found".to_owned()));
}
