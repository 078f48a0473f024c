//! A server in memory, asked without a network.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use churn_server::config::Config;
use churn_server::routes;
use churn_server::state::AppState;
use churn_server::storage::{Storage, StorageConfig};
use http_body_util::BodyExt;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) const BASE: &str = "/api/v1/churn/v2";
pub(crate) const SECRET: &str = "a secret of the tests, which is long enough";

/// A log of events that is sound.
pub(crate) const CSV: &str = "customer_id,event_date,amount,event_type\n\
    anna,2024-01-05,12.50,purchase\nbert,2024-01-06,3,purchase\nanna,2024-02-01,,login\n";

pub(crate) struct Server {
    pub(crate) state: AppState,
    app: Router,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {:?}", self.text))
    }

    /// The status and the code of an error, whose form is checked.
    #[track_caller]
    pub(crate) fn error(&self) -> (u16, String) {
        let body = self.json();
        let keys: Vec<&String> = body.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["code", "details", "message"], "{body}");
        assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
        (self.status.as_u16(), body["code"].as_str().expect("a code").to_owned())
    }
}

impl Server {
    /// With these variables, on memory.
    pub(crate) async fn with(variables: &[(&str, &str)]) -> Server {
        let get = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let config = Config::from_variables(get).expect("are settings");
        let config = Config { storage: StorageConfig::Memory, database_url: "sqlite::memory:".to_owned(), ..config };
        let state = AppState::open(config).await.expect("opens");
        Server { app: routes::app(state.clone()), state }
    }

    /// With these variables, on a storage of one's own.
    pub(crate) async fn on(storage: Arc<dyn Storage>, variables: &[(&str, &str)]) -> Server {
        let Server { state, .. } = Server::with(variables).await;
        let state = AppState::new(state.config.clone(), state.store.clone(), storage);
        Server { app: routes::app(state.clone()), state }
    }

    /// Starts a server that allows everything.
    pub(crate) async fn open() -> Server {
        Server::with(&[]).await
    }

    /// Starts a server that needs tokens.
    pub(crate) async fn locked() -> Server {
        Server::with(&[("SECRET_KEY", SECRET)]).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.expect("answers");
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.into_body().collect().await.expect("has a body").to_bytes();
        assert!(headers.contains_key("x-request-id"));
        Answer { status, headers, text: String::from_utf8_lossy(&bytes).into_owned() }
    }

    /// A request with a token, or with none if it is empty, and perhaps a JSON body.
    pub(crate) async fn ask(&self, method: &str, path: &str, token: &str, body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).expect("is a request")).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask("POST", path, "", Some(body)).await
    }

    /// A form of these fields in this order; `file` is sent as a file.
    pub(crate) async fn form(&self, path: &str, token: &str, fields: &[(&str, &str)]) -> Answer {
        let fields: Vec<(&str, &[u8])> = fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        self.form_of(path, token, "log.csv", &fields).await
    }

    /// A form whose fields may be any bytes, with the name of its file.
    pub(crate) async fn form_of(&self, path: &str, token: &str, filename: &str, fields: &[(&str, &[u8])]) -> Answer {
        let mut body = Vec::new();
        for (name, value) in fields {
            let file = match *name {
                "file" => format!("; filename=\"{filename}\"\r\ncontent-type: text/csv"),
                _ => String::new(),
            };
            let head = format!("--edge\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
            body.extend_from_slice(&[head.as_bytes(), value, b"\r\n"].concat());
        }
        body.extend_from_slice(b"--edge--\r\n");
        let mut request =
            Request::builder().method("POST").uri(path).header("content-type", "multipart/form-data; boundary=edge");
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.send(request.body(Body::from(body)).expect("is a request")).await
    }

    /// An uploaded data set of the organization, by its id.
    pub(crate) async fn uploaded(&self, org_id: &str, token: &str) -> String {
        let path = format!("{BASE}/organizations/{org_id}/upload-dataset");
        let answer = self.form(&path, token, &[("file", CSV)]).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json()["dataset_id"].as_str().expect("an id").to_owned()
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("is later");
    since.as_secs() as i64
}

/// The claims of a good token.
pub(crate) fn claims(organization: &str, role: &str) -> Value {
    json!({
        "sub": "u1", "aud": "authenticated", "exp": now() + 3600, "role": "authenticated",
        "app_metadata": {"organization_id": organization, "churn_role": role},
    })
}

pub(crate) fn sign(claims: &Value) -> String {
    sign_with(claims, Algorithm::HS256, SECRET)
}

pub(crate) fn sign_with(claims: &Value, algorithm: Algorithm, secret: &str) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).expect("can be signed")
}

/// A token that says that it need not be signed.
pub(crate) fn unsigned(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(&json!({"alg": "none", "typ": "JWT"})), part(claims))
}

pub(crate) fn token(organization: &str, role: &str) -> String {
    sign(&claims(organization, role))
}
