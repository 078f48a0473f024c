//! The form of all errors, and the headers of all responses.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;

use crate::support::{BASE, Server};

#[tokio::test]
async fn the_framework_speaks_our_form() {
    let server = Server::open().await;
    for path in ["/nowhere", "/api/v1/churn/v2/nowhere", "/api/v1/churn/v1/organizations"] {
        assert_eq!(server.get(path).await.error(), (404, "not_found".to_owned()), "{path}");
    }
    let answer = server.ask("DELETE", &format!("{BASE}/organizations"), "", None).await;
    assert_eq!(answer.error(), (405, "method_not_allowed".to_owned()));
    let allow = answer.headers["allow"].to_str().expect("text");
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");

    let raw = |content_type: &str, body: &str| {
        let request = Request::builder().method("POST").uri(format!("{BASE}/organizations"));
        request.header("content-type", content_type).body(Body::from(body.to_owned())).expect("is a request")
    };
    for (content_type, body, status, code) in [
        ("application/json", "{", 400, "invalid_json"),
        ("application/json", "", 400, "invalid_json"),
        ("application/json", "\u{1}", 400, "invalid_json"),
        ("application/json", "[]", 422, "invalid_body"),
        ("application/json", "{}", 422, "invalid_body"),
        ("application/json", r#"{"organization_id": 7}"#, 422, "invalid_body"),
        ("application/json", r#"{"organization_id": "acme", "colour": "red"}"#, 422, "invalid_body"),
        ("text/plain", "{}", 415, "unsupported_media_type"),
    ] {
        let answer = server.send(raw(content_type, body)).await;
        assert_eq!(answer.error(), (status, code.to_owned()), "{content_type} {body:?}");
    }
    let long = json!({"organization_id": "acme", "name": "x".repeat(server.state.config.max_body_bytes)});
    let answer = server.post(&format!("{BASE}/organizations"), long).await;
    assert_eq!(answer.error(), (413, "payload_too_large".to_owned()));

    for query in ["limit=0", "limit=1001", "limit=ten", "offset=-1", "limit=1&limit=2", "offset=99999999999999999999"] {
        let answer = server.get(&format!("{BASE}/organizations?{query}")).await;
        assert_eq!(answer.error(), (400, "invalid_query".to_owned()), "{query}");
    }
    let answer = server.get(&format!("{BASE}/organizations/acme/datasets/7")).await;
    assert_eq!(answer.error(), (400, "invalid_path".to_owned()));
}

#[tokio::test]
async fn a_request_has_an_id() {
    let server = Server::open().await;
    let with = |id: &'static [u8]| {
        Request::builder().uri("/healthz").header("x-request-id", id).body(Body::empty()).expect("is a request")
    };
    assert_eq!(server.send(with(b"trace-7.a")).await.headers["x-request-id"], "trace-7.a");
    for id in [&b"two words"[..], b"", b"\xff", &[b'x'; 129]] {
        let id: &'static [u8] = id.to_vec().leak();
        let answered = server.send(with(id)).await.headers["x-request-id"].clone();
        assert_eq!(answered.len(), 36, "{id:?} became {answered:?}");
    }
}

#[tokio::test]
async fn answers_carry_their_headers() {
    let server = Server::with(&[("CORS_ORIGINS", "https://app.example")]).await;
    for path in ["/healthz", "/nowhere", "/docs/"] {
        let headers = server.get(path).await.headers;
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["x-frame-options"], "DENY", "{path}");
        assert!(headers["content-security-policy"].to_str().expect("text").contains("default-src 'self'"), "{path}");
        assert_eq!(headers["cache-control"], "no-store", "{path}");
    }
    let from = |origin: &str| {
        Request::builder().uri("/healthz").header("origin", origin).body(Body::empty()).expect("is a request")
    };
    let allowed = server.send(from("https://app.example")).await.headers;
    assert_eq!(allowed["access-control-allow-origin"], "https://app.example");
    let refused = server.send(from("https://evil.example")).await.headers;
    assert!(!refused.contains_key("access-control-allow-origin"));
    // Without the setting no other site may call.
    let closed = Server::open().await.send(from("https://app.example")).await.headers;
    assert!(!closed.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn it_lives_and_is_ready() {
    let server = Server::locked().await;
    assert_eq!(server.get("/healthz").await.json(), json!({"status": "ok"}));
    let ready = json!({"status": "ready", "database": "ok", "storage": "ok"});
    assert_eq!(server.get("/readyz").await.json(), ready);
    server.get(&format!("{BASE}/organizations/secret-name/datasets")).await;
    let metrics = server.get("/metrics").await;
    assert!(metrics.headers["content-type"].to_str().expect("text").starts_with("text/plain"));
    assert!(metrics.text.contains("churn_http_requests_total{"), "{}", metrics.text);
    assert!(metrics.text.contains("route=\"/api/v1/churn/v2/organizations/{org_id}/datasets\""), "{}", metrics.text);
    assert!(!metrics.text.contains("secret-name"));

    server.state.shutdown.cancel();
    let stopping = server.get("/readyz").await;
    assert_eq!(
        (stopping.status, stopping.json()["status"].clone()),
        (StatusCode::SERVICE_UNAVAILABLE, json!("not_ready"))
    );
}

#[tokio::test]
async fn it_is_not_ready_without_its_database() {
    let server = Server::open().await;
    server.state.store.close().await;
    let answer = server.get("/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_ne!(answer.json()["database"], "ok");
    assert_eq!(answer.json()["storage"], "ok");
}

#[tokio::test]
async fn the_description_names_every_answer() {
    let server = Server::locked().await;
    let openapi = server.get("/openapi.json").await.json();
    assert_eq!(openapi["info"]["title"], "churn");
    let mut operations = 0;
    for (path, item) in openapi["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("an item") {
            operations += 1;
            let has = |status: &str| operation["responses"].get(status).is_some();
            let called = format!("{method} {path}");
            assert!(["200", "201", "202", "204"].iter().any(|status| has(status)), "{called}");
            for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                let parameters = operation["parameters"].as_array().expect("parameters");
                assert!(parameters.iter().any(|one| one["name"] == name && one["required"] == true), "{called} {name}");
            }
            if path.starts_with(BASE) {
                let mut wanted = vec!["400", "401", "403", "429", "500", "503"];
                if path.contains('{') {
                    wanted.push("404");
                }
                if operation.get("requestBody").is_some() {
                    wanted.extend(["413", "415", "422"]);
                }
                for status in wanted {
                    assert!(has(status), "{called} {status}");
                }
            }
        }
    }
    assert!(operations > 15, "{operations}");
    // The page asks nobody else.
    let page = server.get("/docs/").await.text;
    assert!(page.contains("swagger-ui") && !page.contains("https://"), "{page}");
}

/// The rest of a refused body cannot be told from the next request.
#[tokio::test]
async fn a_refused_body_ends_its_connection() {
    let server = Server::open().await;
    let with = |body: &'static str| {
        let request = Request::builder().method("POST").uri(format!("{BASE}/organizations"));
        let request = request.header("content-type", "application/json").header("content-length", body.len());
        request.body(Body::from(body)).expect("is a request")
    };
    assert_eq!(server.send(with("[]")).await.headers["connection"], "close");
    assert!(!server.send(with(r#"{"organization_id": "acme"}"#)).await.headers.contains_key("connection"));
    assert!(!server.get("/nowhere").await.headers.contains_key("connection"));
}
