//! Extractors of axum that answer with our errors, and ids and texts that can be stored in SQL.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::bodies::BodyLimit;
use crate::error::ApiError;
use crate::state::AppState;

/// Memory from which a body is parsed on a separate thread, not on one that answers requests: half a millisecond of work. That
/// is 64 KB of a prediction, and 2 KB of settings.
const LARGE: usize = 512_000;

/// A JSON request body or response. The request body is limited by the [`BodyLimit`] of its route.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + Send + 'static> FromRequest<AppState> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            let message = "expected the header content-type: application/json";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
        }
        let limit = BodyLimit::of(&request);
        let body = state.bodies.read(request, limit).await?;
        let parsed = match limit.memory(body.len()) {
            0..LARGE => axum::Json::from_bytes(&body),
            _ => state.cpu.run(move || axum::Json::from_bytes(&body)).await?,
        };
        let axum::Json(value) = parsed?;
        Ok(Json(value))
    }
}

/// Returns true for `application/json` and `application/*+json`.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.strip_prefix("application/").is_some_and(|kind| kind == "json" || kind.ends_with("+json"))
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// Query parameters.
#[derive(Clone, Copy, Debug, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub struct Query<T>(pub T);

/// Path parameters. The organization is not taken from here but from [`Tenant`](crate::auth::Tenant).
#[derive(Clone, Copy, Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub struct Path<T>(pub T);

/// Path parameter of a data set.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct DatasetPath {
    /// Id of the data set.
    pub dataset_id: Uuid,
}

/// Path parameter of an API key.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct KeyPath {
    /// Id of the key.
    pub key_id: Uuid,
}

/// Returns a new id: a UUID that sorts by its time of creation.
pub fn new_id() -> String {
    Uuid::now_v7().to_string()
}

/// Checks a text written by a person: 1 to `max` characters without control characters (some of which a database cannot even
/// store).
///
/// # Errors
/// `invalid_parameter`.
pub fn checked_text<'a>(name: &str, text: &'a str, max: usize) -> Result<&'a str, ApiError> {
    let length = text.chars().count();
    if (1..=max).contains(&length) && !text.chars().any(char::is_control) {
        return Ok(text);
    }
    let message = format!("{name} has {length} characters; expected 1 to {max}, none of them a control character");
    Err(ApiError::bad_request("invalid_parameter", message))
}

/// Bytes of a request body, at most the [`BodyLimit`] of its route.
#[derive(Clone, Debug)]
pub struct RawBody(pub Bytes);

impl FromRequest<AppState> for RawBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let limit = BodyLimit::of(&request);
        state.bodies.read(request, limit).await.map(RawBody)
    }
}

/// Parses a boolean form field: true, false, 1 or 0. An empty field is false.
///
/// # Errors
/// `invalid_parameter`.
pub fn boolean(name: &str, text: &str) -> Result<bool, ApiError> {
    match text {
        "true" | "True" | "TRUE" | "1" => Ok(true),
        "false" | "False" | "FALSE" | "0" | "" => Ok(false),
        _ => {
            let message = format!("{name} is {text:?}; expected true, false, 1 or 0");
            Err(ApiError::bad_request("invalid_parameter", message))
        }
    }
}
