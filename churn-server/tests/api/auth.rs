//! Every operation × every kind of token: nobody gets what is not theirs.

use axum::http::StatusCode;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::support::{BASE, SECRET, Server, claims, now, sign, sign_with, token, unsigned};

/// Rights needed for each route, by hand from the API's description: read, write or admin. `any` needs a token and no
/// organization.
const OPERATIONS: &[(&str, &str, &str)] = &[
    ("GET", "/session", "any"),
    ("GET", "/organizations", "any"),
    ("POST", "/organizations", "any"),
    ("GET", "/organizations/{org_id}", "read"),
    ("PATCH", "/organizations/{org_id}/settings", "admin"),
    ("POST", "/organizations/{org_id}/upload-dataset", "write"),
    ("GET", "/organizations/{org_id}/datasets", "read"),
    ("GET", "/organizations/{org_id}/datasets/{dataset_id}", "read"),
    ("DELETE", "/organizations/{org_id}/datasets/{dataset_id}", "admin"),
    ("GET", "/organizations/{org_id}/datasets/{dataset_id}/file", "read"),
    ("GET", "/organizations/{org_id}/datasets/{dataset_id}/features", "read"),
    ("GET", "/organizations/{org_id}/datasets/{dataset_id}/check", "read"),
    ("POST", "/organizations/{org_id}/datasets/{dataset_id}/process-features", "write"),
    ("POST", "/organizations/{org_id}/train", "write"),
    ("GET", "/organizations/{org_id}/training-status", "read"),
    ("POST", "/organizations/{org_id}/backtest", "write"),
    ("GET", "/organizations/{org_id}/backtests", "read"),
    ("GET", "/organizations/{org_id}/backtests/{backtest_id}", "read"),
    ("DELETE", "/organizations/{org_id}/backtests/{backtest_id}", "admin"),
    ("GET", "/organizations/{org_id}/datasets/{dataset_id}/customer-base", "read"),
    ("GET", "/organizations/{org_id}/datasets/{dataset_id}/already-cancelled", "read"),
    ("GET", "/organizations/{org_id}/datasets/{dataset_id}/movements", "read"),
    ("GET", "/organizations/{org_id}/datasets/{dataset_id}/retention", "read"),
    ("GET", "/organizations/{org_id}/jobs", "read"),
    ("GET", "/organizations/{org_id}/jobs/{job_id}", "read"),
    ("POST", "/organizations/{org_id}/jobs/{job_id}/cancel", "write"),
    ("GET", "/organizations/{org_id}/models", "read"),
    ("GET", "/organizations/{org_id}/models/{model_id}", "read"),
    ("GET", "/organizations/{org_id}/models/{model_id}/document", "read"),
    ("GET", "/organizations/{org_id}/models/{model_id}/report", "read"),
    ("POST", "/organizations/{org_id}/models/{model_id}/activate", "admin"),
    ("POST", "/organizations/{org_id}/models/rollback", "admin"),
    ("PUT", "/organizations/{org_id}/models/challenger", "admin"),
    ("DELETE", "/organizations/{org_id}/models/challenger", "admin"),
    ("GET", "/organizations/{org_id}/models/comparison", "read"),
    ("POST", "/organizations/{org_id}/predict", "read"),
    ("POST", "/organizations/{org_id}/predict-bulk", "write"),
    ("GET", "/organizations/{org_id}/prediction-batches", "read"),
    ("GET", "/organizations/{org_id}/prediction-batches/{batch_id}", "read"),
    ("DELETE", "/organizations/{org_id}/prediction-batches/{batch_id}", "admin"),
    ("GET", "/organizations/{org_id}/prediction-batches/{batch_id}/results", "read"),
    ("GET", "/organizations/{org_id}/prediction-batches/{batch_id}/file", "read"),
    ("GET", "/organizations/{org_id}/prediction-batches/{batch_id}/dunning", "read"),
    ("GET", "/organizations/{org_id}/prediction-customers", "read"),
    ("GET", "/organizations/{org_id}/slipping-away", "read"),
    ("GET", "/organizations/{org_id}/segments", "read"),
    ("GET", "/organizations/{org_id}/api-keys", "admin"),
    ("POST", "/organizations/{org_id}/api-keys", "admin"),
    ("DELETE", "/organizations/{org_id}/api-keys/{key_id}", "admin"),
];

/// A path with ids in the places of its names.
fn filled(path: &str) -> String {
    let path = path.replace("{org_id}", "acme");
    let parts: Vec<&str> = path
        .split('/')
        .map(|part| if part.starts_with('{') { "00000000-0000-7000-8000-000000000000" } else { part })
        .collect();
    format!("{BASE}{}", parts.join("/"))
}

/// Everything that is described below the base.
fn described(server: &Server) -> Vec<(String, String)> {
    let openapi = serde_json::to_value(churn_server::routes::openapi(&server.state)).expect("is JSON");
    let mut operations: Vec<(String, String)> = openapi["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .filter_map(|(path, item)| Some((path.strip_prefix(BASE)?, item.as_object()?)))
        .flat_map(|(path, item)| item.keys().map(|method| (method.to_uppercase(), path.to_owned())))
        .collect();
    operations.sort();
    operations
}

#[tokio::test]
async fn the_table_is_complete() {
    let server = Server::locked().await;
    let mut table: Vec<(String, String)> =
        OPERATIONS.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    table.sort();
    assert_eq!(described(&server), table);
}

#[tokio::test]
async fn a_token_that_is_none_opens_nothing() {
    let server = Server::locked().await;
    let good = claims("acme", "admin");
    let with = |key: &str, value: Value| {
        let mut claims = good.clone();
        claims[key] = value;
        sign(&claims)
    };
    let without = |key: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().expect("an object").remove(key);
        sign(&claims)
    };
    let tampered = {
        let (head, signature) =
            token("acme", "read").rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("dots");
        let payload = unsigned(&good).split('.').nth(1).expect("a payload").to_owned();
        format!("{}.{payload}.{signature}", head.split('.').next().expect("a head"))
    };
    let refused = [
        ("missing", String::new()),
        ("malformed", "nonsense".to_owned()),
        ("malformed", "a.b.c".to_owned()),
        ("expired", with("exp", json!(now() - 3600))),
        ("invalid", sign_with(&good, Algorithm::HS256, "another secret of the same length or so")),
        ("invalid", sign_with(&good, Algorithm::HS512, SECRET)),
        ("invalid", tampered),
        ("invalid", with("aud", json!("somebody else"))),
        ("invalid", without("aud")),
        ("invalid", without("exp")),
        ("invalid", with("nbf", json!(now() + 3600))),
        ("invalid", with("organization_id", json!("globex"))),
        ("invalid", "churn_0123456789012345678901234567890123456789012".to_owned()),
    ];
    for (method, path, _) in OPERATIONS {
        for (reason, token) in &refused {
            let answer = server.ask(method, &filled(path), token, Some(json!({}))).await;
            assert_eq!(answer.error(), (401, "unauthorized".to_owned()), "{method} {path} {token}");
            assert_eq!(answer.json()["details"]["reason"], *reason, "{method} {path} {token}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
        // Refused too, as one that says nothing or as one whose algorithm is unknown.
        let answer = server.ask(method, &filled(path), &unsigned(&good), Some(json!({}))).await;
        assert_eq!(answer.error(), (401, "unauthorized".to_owned()), "{method} {path}");
    }
}

#[tokio::test]
async fn no_token_reaches_another_organization() {
    let server = Server::locked().await;
    let dataset = server.uploaded("acme", &token("acme", "write")).await;
    let mut nowhere = claims("acme", "admin");
    nowhere["app_metadata"] = json!({});
    // Users write this part themselves.
    nowhere["user_metadata"] = json!({"organization_id": "acme", "churn_role": "admin"});
    for token in [token("globex", "admin"), sign(&nowhere), token("", "admin"), token("acme2", "admin")] {
        for (method, path, needed) in OPERATIONS.iter().filter(|(.., needed)| *needed != "any") {
            let path = path.replace("{dataset_id}", &dataset);
            let answer = server.ask(method, &filled(&path), &token, Some(json!({}))).await;
            assert_eq!(answer.error(), (403, "forbidden".to_owned()), "{method} {path} {needed}");
        }
        let listed = server.ask("GET", &format!("{BASE}/organizations"), &token, None).await.json();
        assert_eq!(listed["total"], 0, "{listed}");
        let body = json!({"organization_id": "acme3"});
        let made = server.ask("POST", &format!("{BASE}/organizations"), &token, Some(body)).await;
        assert_eq!(made.error().0, 403);
    }
    // The id of another's data set under one's own path is not there.
    let path = format!("{BASE}/organizations/globex/datasets/{dataset}");
    for path in [path.clone(), format!("{path}/file"), format!("{path}/features")] {
        let answer = server.ask("GET", &path, &token("globex", "admin"), None).await;
        assert_eq!(answer.error(), (404, "dataset_not_found".to_owned()), "{path}");
    }
    let answer = server.ask("DELETE", &path, &token("globex", "admin"), None).await;
    assert_eq!(answer.error(), (404, "dataset_not_found".to_owned()));
    let own = format!("{BASE}/organizations/acme/datasets/{dataset}");
    assert_eq!(server.ask("GET", &own, &token("acme", "read"), None).await.status, StatusCode::OK);
}

#[tokio::test]
async fn roles_go_as_far_as_the_table_says() {
    let server = Server::locked().await;
    let ranks = ["read", "write", "admin"];
    for (method, path, needed) in OPERATIONS.iter().filter(|(.., needed)| *needed != "any") {
        let needed_rank = ranks.iter().position(|rank| rank == needed).expect("a role");
        for (rank, role) in ranks.iter().enumerate() {
            for organization in ["acme", "*"] {
                let answer = server.ask(method, &filled(path), &token(organization, role), Some(json!({}))).await;
                let refused = answer.status == StatusCode::FORBIDDEN;
                assert_eq!(refused, rank < needed_rank, "{method} {path} as {role}: {}", answer.text);
                assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path} as {role}");
                if refused {
                    assert_eq!(answer.json()["details"]["needed"], *needed);
                }
            }
        }
    }
    // A token without a role may read.
    let mut plain = claims("acme", "read");
    plain["app_metadata"] = json!({"organization_id": "acme"});
    let session = server.ask("GET", &format!("{BASE}/session"), &sign(&plain), None).await.json();
    assert_eq!((&session["role"], &session["organization_id"]), (&json!("read"), &json!("acme")));
}

#[tokio::test]
async fn keys_open_until_they_are_taken_back() {
    let server = Server::locked().await;
    let admin = token("acme", "admin");
    server.uploaded("acme", &admin).await;
    let keys = format!("{BASE}/organizations/acme/api-keys");
    let made = server.ask("POST", &keys, &admin, Some(json!({"name": "crm", "role": "read"}))).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let made = made.json();
    let (key, id) = (made["key"].as_str().expect("a key"), made["key_id"].as_str().expect("an id"));
    assert!(key.starts_with(made["prefix"].as_str().expect("a prefix")) && key.len() > 40);

    let datasets = format!("{BASE}/organizations/acme/datasets");
    assert_eq!(server.ask("GET", &datasets, key, None).await.status, StatusCode::OK);
    let by_header = axum::http::Request::builder().uri(&datasets).header("apikey", key);
    assert_eq!(server.send(by_header.body(axum::body::Body::empty()).expect("a request")).await.status, StatusCode::OK);
    assert_eq!(server.ask("GET", &keys, key, None).await.error().0, 403);
    let other = format!("{BASE}/organizations/globex/datasets");
    assert_eq!(server.ask("GET", &other, key, None).await.error().0, 403);

    // Shown once: the list has no key, and the database no more than its digest.
    let listed = server.ask("GET", &keys, &admin, None).await;
    assert!(!listed.text.contains(key), "{}", listed.text);
    assert_eq!(listed.json()["api_keys"][0]["key_id"], id);

    let one = format!("{keys}/{id}");
    assert_eq!(server.ask("DELETE", &one, &token("globex", "admin"), None).await.error().0, 403);
    assert_eq!(server.ask("DELETE", &one, &admin, None).await.status, StatusCode::NO_CONTENT);
    let refused = server.ask("GET", &datasets, key, None).await;
    assert_eq!(refused.error(), (401, "unauthorized".to_owned()));
    assert!(server.ask("GET", &keys, &admin, None).await.json()["api_keys"][0]["revoked_at"].is_string());
}

#[tokio::test]
async fn a_key_ends_when_it_was_said_to() {
    let server = Server::locked().await;
    let admin = token("acme", "admin");
    server.uploaded("acme", &admin).await;
    let keys = format!("{BASE}/organizations/acme/api-keys");
    let past = json!({"name": "old", "role": "read", "expires_at": "2020-01-01T00:00:00Z"});
    assert_eq!(server.ask("POST", &keys, &admin, Some(past)).await.error(), (400, "invalid_parameter".to_owned()));
    let soon = churn_server::time::Stamp::now().plus_millis(700);
    let body = json!({"name": "short", "role": "read", "expires_at": soon});
    let made = server.ask("POST", &keys, &admin, Some(body)).await.json();
    let key = made["key"].as_str().expect("a key");
    let datasets = format!("{BASE}/organizations/acme/datasets");
    assert_eq!(server.ask("GET", &datasets, key, None).await.status, StatusCode::OK);
    while churn_server::time::Stamp::now() <= soon {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let answer = server.ask("GET", &datasets, key, None).await;
    assert_eq!((answer.error().0, &answer.json()["details"]["reason"]), (401, &json!("expired")));
}

#[tokio::test]
async fn without_a_secret_everything_is_allowed() {
    let server = Server::open().await;
    let session = server.get(&format!("{BASE}/session")).await.json();
    assert_eq!(session["auth"], "open");
    assert_eq!(session["organization_id"], "*");
    let dataset = server.uploaded("acme", "").await;
    assert_eq!(server.get(&format!("{BASE}/organizations/acme/datasets/{dataset}")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_token_has_its_rate() {
    let server = Server::with(&[("SECRET_KEY", SECRET), ("RATE_LIMIT", "5")]).await;
    let path = format!("{BASE}/session");
    let mut refused = 0;
    for _ in 0..50 {
        let answer = server.ask("GET", &path, &token("acme", "read"), None).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(answer.error().1, "rate_limited");
            let wait: u64 = answer.headers["retry-after"].to_str().expect("text").parse().expect("seconds");
            assert!(wait >= 1);
            refused += 1;
        }
    }
    // Five at once and one every 200 ms: fifty in less than nine seconds cannot all pass.
    assert!(refused > 0);
    // Another token is not held back by it.
    assert_eq!(server.ask("GET", &path, &token("globex", "read"), None).await.status, StatusCode::OK);
}
