//! The extractors of the framework with our errors, and ids that can stand in SQL.

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, FromRequestParts};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
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

/// A multipart body.
#[derive(Debug)]
pub struct Multipart(pub axum::extract::Multipart);

impl<S: Send + Sync> FromRequest<S> for Multipart {
    type Rejection = ApiError;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, ApiError> {
        let content_type =
            request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !content_type.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
            let message = format!("content-type is {content_type:?}; expected multipart/form-data");
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
        }
        let multipart = axum::extract::Multipart::from_request(request, state)
            .await
            .map_err(|rejection| from_status(rejection.status(), "invalid_multipart", rejection.body_text()))?;
        Ok(Multipart(multipart))
    }
}

impl Multipart {
    /// The next field; none after the last.
    ///
    /// # Errors
    /// `invalid_multipart`, `payload_too_large`.
    pub async fn next(&mut self) -> Result<Option<Field<'_>>, ApiError> {
        self.0.next_field().await.map_err(ApiError::from)
    }
}

impl From<MultipartError> for ApiError {
    fn from(error: MultipartError) -> Self {
        match error.status() {
            // A body that ends too early is the sender's fault, whoever notices it.
            StatusCode::INTERNAL_SERVER_ERROR => ApiError::bad_request("invalid_multipart", error.body_text()),
            status => from_status(status, "invalid_multipart", error.body_text()),
        }
    }
}

/// The text of a small field.
///
/// # Errors
/// `invalid_multipart` for more than a thousand bytes, or for bytes that are no text.
pub async fn text_field(mut field: Field<'_>) -> Result<String, ApiError> {
    let name = field.name().unwrap_or_default().to_owned();
    let mut bytes = Vec::new();
    while let Some(piece) = field.chunk().await? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > 1000 {
            let message = format!("the field {name:?} has more than 1000 bytes");
            return Err(ApiError::bad_request("invalid_multipart", message));
        }
    }
    String::from_utf8(bytes)
        .map_err(|_| ApiError::bad_request("invalid_multipart", format!("the field {name:?} is not UTF-8 text")))
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
