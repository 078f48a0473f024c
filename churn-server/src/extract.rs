//! The extractors of the framework with our errors, and ids that can stand in SQL.

use axum::extract::{FromRequest, FromRequestParts};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{ApiError, from_status};

/// A JSON body, or a JSON answer.
#[derive(Clone, Copy, Debug, FromRequest)]
#[from_request(via(axum::Json), rejection(ApiError))]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// Query parameters.
#[derive(Clone, Copy, Debug, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub struct Query<T>(pub T);

/// Path parameters; the organization is not taken from here but from [`Tenant`](crate::auth::Tenant).
#[derive(Clone, Copy, Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub struct Path<T>(pub T);

/// The data set of a path.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct DatasetPath {
    /// Its id.
    pub dataset_id: Uuid,
}

/// The key of a path.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct KeyPath {
    /// Its id.
    pub key_id: Uuid,
}

/// A new id: a UUID whose order is that of time.
pub fn new_id() -> String {
    Uuid::now_v7().to_string()
}

/// A text that people gave a thing: 1 to `max` characters without control characters (a database could not even hold all
/// of those).
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

/// The bytes of a body.
#[derive(Clone, Debug)]
pub struct Raw(pub axum::body::Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = ApiError;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, ApiError> {
        let bytes = axum::body::Bytes::from_request(request, state).await;
        bytes.map(Raw).map_err(|rejection| from_status(rejection.status(), "upload_broken", rejection.body_text()))
    }
}

/// What forms mean by true and false.
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
