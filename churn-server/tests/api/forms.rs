//! Forms as hostile, slow and careless senders make them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;

use crate::datasets::objects;
use crate::support::{Answer, BASE, CSV, Server};

fn path(org_id: &str) -> String {
    format!("{BASE}/organizations/{org_id}/upload-dataset")
}

async fn send(server: &Server, org_id: &str, body: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Answer {
    let request = Request::builder().method("POST").uri(path(org_id));
    let request = request.header("content-type", "multipart/form-data; boundary=edge");
    server.send(request.body(Body::from_stream(body)).expect("is a request")).await
}

/// A beginning, and then the same piece for ever; and how many bytes were taken of it.
fn endless(
    start: &str,
    piece: &'static str,
) -> (impl Stream<Item = io::Result<Bytes>> + Send + use<>, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    let pieces =
        stream::iter([Bytes::from(start.to_owned())]).chain(stream::repeat(Bytes::from_static(piece.as_bytes())));
    let pieces = pieces.map(move |piece| {
        counted.fetch_add(piece.len(), Ordering::Relaxed);
        Ok(piece)
    });
    (pieces, taken)
}

const HEADER: &str = "--edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"log.csv\"\r\n";

#[tokio::test]
async fn what_has_no_end_is_refused_at_once() {
    let server = Server::open().await;
    let many = "\r\n--edge\r\ncontent-disposition: form-data; name=\"other\"\r\n\r\nx";
    for (called, start, piece) in [
        ("a preamble", "hello\r\n", "there is no boundary here\r\n"),
        ("a preamble of one line", "", "--edg--edg--edg--edg"),
        ("a header", &format!("{HEADER}x: ")[..], "more of the same header, without an end of its line"),
        ("headers", HEADER, "x-header: another one\r\n"),
        ("blanks behind a boundary", "--edge", "                "),
        ("fields", "", many),
        (
            "a field that nobody knows",
            "--edge\r\ncontent-disposition: form-data; name=\"x\"\r\n\r\n",
            "0123456789abcdef",
        ),
        ("a text", "--edge\r\ncontent-disposition: form-data; name=\"has_churn_label\"\r\n\r\n", "true"),
    ] {
        let (body, taken) = endless(start, piece);
        let answer = send(&server, "acme", body).await;
        assert_eq!(answer.error(), (400, "invalid_multipart".to_owned()), "{called}: {}", answer.text);
        // 64 KiB of a field that is skipped is the most that anything may have.
        let taken = taken.load(Ordering::Relaxed);
        assert!(taken < 66 << 10, "{called}: {taken} bytes");
    }
    assert!(objects(&server).await.is_empty());
    let request = Request::builder().method("POST").uri(path("acme"));
    let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
    let answer = server.send(request.header("content-type", long).body(Body::empty()).expect("is a request")).await;
    assert_eq!(answer.error(), (400, "invalid_multipart".to_owned()));
}

#[tokio::test]
async fn a_form_is_the_same_however_it_is_cut() {
    let server = Server::open().await;
    // What nearly looks like a boundary is content; the epilogue is nobody's business.
    let csv = "customer_id,event_date,note\nanna,2024-01-05,\"\r\n--edg\r\n--ed\r\r\n-\"\nbert,2024-01-06,\r\n";
    let form = format!(
        "a preamble\r\n{HEADER}content-type: text/csv\r\n\r\n{csv}\r\n--edge \t\r\n\r\nno name\r\n\
         --edge\r\nContent-Disposition: form-data; name=has_churn_label\r\n\r\nfalse\r\n--edge--\r\nan epilogue"
    );
    for size in [1, 2, 3, 5, 8, 13, 1000] {
        let pieces: Vec<io::Result<Bytes>> =
            form.as_bytes().chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let answer = send(&server, "acme", stream::iter(pieces)).await;
        assert_eq!(answer.status, StatusCode::OK, "{size}: {}", answer.text);
        assert_eq!(answer.json()["row_count"], 2);
        let id = answer.json()["dataset_id"].as_str().expect("an id").to_owned();
        let one = format!("{BASE}/organizations/acme/datasets/{id}");
        assert_eq!(server.get(&one).await.json()["filename"], "log.csv");
        assert_eq!(server.get(&format!("{one}/file")).await.text, csv, "{size}");
    }
}

#[tokio::test]
async fn a_file_without_an_end_is_broken() {
    let server = Server::open().await;
    for end in ["", "\r\n", "\r\n--edg", "\r\n--edge", "\r\n--edge\r", "\r\n--edgeX"] {
        let body = format!("{HEADER}\r\n{CSV}{end}");
        let answer = send(&server, "acme", stream::iter([Ok(Bytes::from(body))])).await;
        let (status, code) = answer.error();
        assert_eq!(status, 400, "{end:?}");
        assert!(code == "upload_broken" || code == "invalid_multipart", "{end:?} {code}");
    }
    let broken = stream::iter([Ok(Bytes::from(format!("{HEADER}\r\n{CSV}"))), Err(io::Error::other("gone"))]);
    assert_eq!(send(&server, "acme", broken).await.error(), (400, "upload_broken".to_owned()));
    assert!(objects(&server).await.is_empty());
}

#[tokio::test]
async fn a_trickle_is_given_up() {
    let variables = [("UPLOAD_IDLE_SECONDS", "2"), ("UPLOAD_MIN_BYTES_PER_SECOND", "100000")];
    let server = Server::with(&variables).await;
    let slow = |text: String| {
        stream::iter(text.into_bytes()).then(|byte| async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(Bytes::copy_from_slice(&[byte]))
        })
    };
    // A thousand bytes, which would take twenty seconds and more: in the headers, and in the file.
    let rows = "anna,2024-01-05\n".repeat(60);
    for text in [format!("{HEADER}x: {rows}"), format!("{HEADER}\r\ncustomer_id,event_date\n{rows}")] {
        let answer = send(&server, "acme", slow(text)).await;
        assert_eq!(answer.error(), (408, "upload_too_slow".to_owned()), "{}", answer.text);
        assert_eq!(answer.json()["details"], json!({"min_bytes_per_second": 100_000}));
    }
    assert!(objects(&server).await.is_empty());
    // One that pauses for less than it may, but is quick otherwise, is not.
    let pause = stream::once(async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        Ok(Bytes::from("\r\n--edge--\r\n"))
    });
    let answer =
        send(&server, "acme", stream::iter([Ok(Bytes::from(format!("{HEADER}\r\n{CSV}")))]).chain(pause)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_uploads_of_one_do_not_keep_others_out() {
    let server = Arc::new(Server::open().await);
    let mut held = Vec::new();
    for _ in 0..64 {
        let server = Arc::clone(&server);
        held.push(tokio::spawn(async move {
            let body = stream::iter([Ok(Bytes::from(HEADER))]).chain(stream::pending());
            send(&server, "slow", body).await
        }));
    }
    // 16 of them hold a place, which are all that one organization may have; the others are told so.
    let mut refused = 0;
    for _ in 0..500 {
        refused = held.iter().filter(|task| task.is_finished()).count();
        if refused == 48 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(refused, 48);
    for org_id in ["acme", "globex"] {
        server.uploaded(org_id, "").await;
    }
    let own = server.form(&path("slow"), "", &[("file", CSV)]).await;
    assert_eq!(own.error(), (503, "unavailable".to_owned()));
    assert!(own.headers.contains_key("retry-after"));
    held.iter().for_each(tokio::task::JoinHandle::abort);
    for task in held {
        // It was aborted, or had been refused.
        let _ = task.await;
    }
    server.uploaded("slow", "").await;
}

#[tokio::test]
async fn settings_are_small() {
    let server = Server::open().await;
    server.uploaded("acme", "").await;
    let long = json!({"seed": 1, "event_type_columns": vec!["x"; 100_000]});
    for (method, path) in [("POST", "/train"), ("PATCH", "/settings")] {
        let path = format!("{BASE}/organizations/acme{path}");
        let answer = server.ask(method, &path, "", Some(long.clone())).await;
        assert_eq!(answer.error(), (413, "payload_too_large".to_owned()), "{path}");
    }
}
