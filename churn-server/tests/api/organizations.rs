//! Organizations and their settings.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::support::{BASE, Server, token};

async fn create(server: &Server, body: Value) -> crate::support::Answer {
    server.post(&format!("{BASE}/organizations"), body).await
}

#[tokio::test]
async fn an_organization_is_made_once() {
    let server = Server::open().await;
    let made = create(&server, json!({"organization_id": "acme", "name": "Acme Inc"})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let made = made.json();
    assert_eq!((&made["organization_id"], &made["name"]), (&json!("acme"), &json!("Acme Inc")));
    assert_eq!(made["settings"]["thresholds"], json!({"medium": 0.3, "high": 0.5, "critical": 0.7}));
    assert_eq!(made["settings"]["churn_threshold_days"], 30);
    assert_eq!(server.get(&format!("{BASE}/organizations/acme")).await.json(), made);
    let again = create(&server, json!({"organization_id": "acme"})).await;
    assert_eq!(again.error(), (409, "organization_exists".to_owned()));
    let unknown = server.get(&format!("{BASE}/organizations/globex")).await;
    assert_eq!(unknown.error(), (404, "organization_not_found".to_owned()));
}

#[tokio::test]
async fn a_token_makes_its_own_organization_and_no_other() {
    let server = Server::locked().await;
    let path = format!("{BASE}/organizations");
    let body = |id: &str| Some(json!({"organization_id": id}));
    let acme = token("acme", "admin");
    assert_eq!(server.ask("POST", &path, &acme, body("globex")).await.error().0, 403);
    assert_eq!(server.ask("POST", &path, &token("acme", "write"), body("acme")).await.error().0, 403);
    assert_eq!(server.ask("POST", &path, &acme, body("acme")).await.status, StatusCode::CREATED);
    let platform = token("*", "admin");
    assert_eq!(server.ask("POST", &path, &platform, body("globex")).await.status, StatusCode::CREATED);
    let seen = |answer: Value| {
        let rows = answer["organizations"].as_array().expect("a list").clone();
        rows.iter().map(|row| row["organization_id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(seen(server.ask("GET", &path, &acme, None).await.json()), ["acme"]);
    assert_eq!(seen(server.ask("GET", &path, &token("*", "read"), None).await.json()), ["acme", "globex"]);
    let page = server.ask("GET", &format!("{path}?limit=1&offset=1"), &platform, None).await.json();
    assert_eq!((&page["total"], seen(page.clone())), (&json!(2), vec!["globex".to_owned()]));
}

#[tokio::test]
async fn what_is_no_organization_is_named() {
    let server = Server::open().await;
    let long = "x".repeat(65);
    for id in ["", "a b", "a/b", "../etc", "ä", long.as_str(), "*", "a\u{0}"] {
        let answer = create(&server, json!({"organization_id": id})).await;
        assert_eq!(answer.error(), (400, "invalid_organization_id".to_owned()), "{id:?}");
    }
    for path in ["a%20b", "%2e%2e", "%00", "%ff", long.as_str()] {
        let answer = server.get(&format!("{BASE}/organizations/{path}")).await;
        assert_eq!(answer.error().0, 400, "{path}: {}", answer.text);
    }
    for name in ["", "two\nlines", "\u{0}"] {
        let answer = create(&server, json!({"organization_id": "acme", "name": name})).await;
        assert_eq!(answer.error(), (400, "invalid_parameter".to_owned()), "{name:?}");
    }
}

#[tokio::test]
async fn settings_change_key_by_key() {
    let server = Server::open().await;
    create(&server, json!({"organization_id": "acme", "settings": {"churn_threshold_days": 45}})).await;
    let path = format!("{BASE}/organizations/acme/settings");
    let generation = || async { server.state.store.organization("acme").await.expect("is there").serving_generation };
    let before = generation().await;
    let changes = json!({"thresholds": {"medium": 0.2, "high": 0.4, "critical": 0.9}, "train": {"horizon_days": 60}});
    let changed = server.ask("PATCH", &path, "", Some(changes)).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    let settings = &changed.json()["settings"];
    assert_eq!(settings["thresholds"]["critical"], 0.9);
    assert_eq!(settings["churn_threshold_days"], 45);
    assert_eq!(settings["train"], json!({"horizon_days": 60}));
    assert_eq!(generation().await, before + 1);

    let stored = server.state.store.organization("acme").await.expect("is there").settings.0;
    let config = stored.train_config(&Default::default()).expect("is a configuration");
    assert_eq!((config.labels.horizon_days, config.labels.threshold_days), (60, 45));
    assert_eq!(config.learning.thresholds.critical, 0.9);

    for (changes, status, code) in [
        (json!({"thresholds": {"medium": 0.6, "high": 0.5, "critical": 0.7}}), 400, "invalid_parameter"),
        (json!({"thresholds": {"medium": 0.1, "tall": 0.5}}), 422, "invalid_body"),
        (json!({"churn_threshold_days": 0}), 400, "invalid_parameter"),
        (json!({"churn_threshold_days": "soon"}), 422, "invalid_body"),
        (json!({"colour": "red"}), 422, "invalid_body"),
        (json!({"train": {"horizont": 60}}), 400, "invalid_parameter"),
        (json!({"train": {"thresholds": {"medium": 0.1}}}), 400, "invalid_parameter"),
        (json!({"campaign": {"success_rate": 2.0}}), 400, "invalid_parameter"),
        (json!({"read": {"delimiter": "€"}}), 400, "invalid_parameter"),
        (json!([]), 422, "invalid_body"),
    ] {
        let answer = server.ask("PATCH", &path, "", Some(changes.clone())).await;
        assert_eq!(answer.error(), (status, code.to_owned()), "{changes}");
    }
    assert_eq!(generation().await, before + 1);
    let unknown = format!("{BASE}/organizations/globex/settings");
    assert_eq!(server.ask("PATCH", &unknown, "", Some(json!({}))).await.error().0, 404);
}
