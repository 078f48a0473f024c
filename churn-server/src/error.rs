//! The error of a request: a status, a stable code, a message for people, and details for programs.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use churn::ErrorKind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::storage::{StorageError, StorageErrorKind, UploadError};
use crate::store::JsonText;

/// Result of everything that can make a request fail.
pub type Result<T, E = ApiError> = std::result::Result<T, E>;

/// Error response of a request. Its text goes to the caller and contains no secrets.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    details: Value,
    retry_after: Option<Duration>,
}

/// JSON body of every error response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ErrorBody {
    /// Stable code in snake_case.
    #[schema(example = "dataset_not_found")]
    pub code: String,
    /// Description of the error: what was found, its location, and what was expected.
    pub message: String,
    /// Details for programs; null if there are none.
    pub details: Value,
}

impl ApiError {
    /// Creates an error from a status, a code and a message.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let mut message = message.into();
        // The message may quote the request, and PostgreSQL cannot store NUL in text.
        if message.contains('\0') {
            message = message.replace('\0', "\u{fffd}");
        }
        ApiError { status, code, message, details: Value::Null, retry_after: None }
    }

    /// 400 Bad Request.
    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 403 Forbidden.
    pub fn forbidden(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 404 Not Found.
    pub fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 409 Conflict.
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::CONFLICT, code, message)
    }

    /// 401 Unauthorized, with the reason in the details.
    pub fn unauthorized(reason: &'static str, message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message).with_details(json!({ "reason": reason }))
    }

    /// 429 Too Many Requests, with the time to wait before the next request.
    pub fn rate_limited(wait: Duration) -> Self {
        let message = "too many requests with this token; Retry-After says how many seconds to wait";
        ApiError { retry_after: Some(wait), ..ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message) }
    }

    /// 429 Too Many Requests, for an organization with too many open jobs.
    pub fn too_many_jobs(limit: u64) -> Self {
        let message = format!("{limit} jobs of this organization wait or run, which is as many as may; come again");
        let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_jobs", message);
        ApiError { retry_after: Some(Duration::from_secs(10)), ..error }
    }

    /// 503 Service Unavailable; the caller may retry.
    pub fn unavailable(message: impl Into<String>) -> Self {
        ApiError::service_unavailable("unavailable", message)
    }

    /// 503 Service Unavailable with a code of its own; the caller may retry.
    pub fn service_unavailable(code: &'static str, message: impl Into<String>) -> Self {
        let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, message);
        ApiError { retry_after: Some(Duration::from_secs(1)), ..error }
    }

    /// 413 Payload Too Large, with the limit and the setting that raises it, if there is one.
    pub fn too_large(limit: u64, setting: Option<&str>) -> Self {
        let message = match setting {
            Some(setting) => format!("the body is larger than {limit} bytes, the limit here, which {setting} sets"),
            None => format!("the body is larger than {limit} bytes, the fixed limit of settings"),
        };
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message)
            .with_details(json!({ "max_bytes": limit, "setting": setting }))
    }

    /// 413 Payload Too Large, for a file whose text after unpacking is larger than an upload may be.
    pub fn too_large_unpacked(limit: u64) -> Self {
        let message = format!(
            "the unpacked text of the file is larger than {limit} bytes, the limit here, which MAX_UPLOAD_BYTES sets"
        );
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message)
            .with_details(json!({ "max_bytes": limit, "setting": "MAX_UPLOAD_BYTES" }))
    }

    /// 413 Payload Too Large, for a log that does not fit into memory.
    pub fn too_many_rows(rows: u64, limit: u64) -> Self {
        let message = format!("the log has {rows} rows; here it would be held in memory, and {limit} are taken");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_rows", message)
            .with_details(json!({ "rows": rows, "max_rows": limit }))
    }

    /// 413 Payload Too Large, for a file of periods that does not fit into memory.
    pub fn too_many_periods(limit: u64) -> Self {
        let message =
            format!("the file has more than {limit} lines; periods are held in memory, and so many are taken");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_rows", message)
            .with_details(json!({ "max_rows": limit }))
    }

    /// 507 Insufficient Storage: a disk or a quota of the storage is full.
    pub fn storage_full(what: &str) -> Self {
        let message = format!("{what}; whoever runs the server has to make some, then try again");
        ApiError::new(StatusCode::INSUFFICIENT_STORAGE, "storage_full", message)
    }

    /// 500 Internal Server Error. The cause goes to the log, not to the caller.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "internal error");
        let message = "something went wrong on this side; the log has it under this request's x-request-id";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// Returns the error with details for programs.
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The message for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The details for programs; null if there are none.
    pub fn details(&self) -> &Value {
        &self.details
    }

    /// Line of the data that caused the error, if there is one.
    pub fn line(&self) -> Option<i64> {
        self.details.get("line").and_then(Value::as_i64)
    }

    /// Findings that stopped the work, if there are any.
    pub fn findings(&self) -> Option<JsonText<&Value>> {
        self.details.get("findings").map(JsonText)
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ApiError {}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.push((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        if let Some(wait) = self.retry_after {
            headers.push((header::RETRY_AFTER, HeaderValue::from(wait.as_secs_f64().ceil().max(1.0) as u64)));
        }
        let body = ErrorBody { code: self.code.to_owned(), message: self.message, details: self.details };
        let mut response = (self.status, Json(body)).into_response();
        response.headers_mut().extend(headers);
        response
    }
}

/// Converts an error about data or settings that a caller sent. For errors in our own documents use [`ApiError::internal`].
impl From<churn::Error> for ApiError {
    fn from(error: churn::Error) -> Self {
        let status = match error.kind() {
            ErrorKind::InvalidParameter | ErrorKind::InvalidProbability | ErrorKind::FeatureMismatch => {
                StatusCode::BAD_REQUEST
            }
            ErrorKind::Io
            | ErrorKind::Leak
            | ErrorKind::GoldenMismatch
            | ErrorKind::InvalidDocument
            | ErrorKind::UnsupportedVersion => {
                return ApiError::internal(format!("{}: {error}", error.code()));
            }
            ErrorKind::Cancelled => StatusCode::CONFLICT,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let mut details = serde_json::Map::new();
        if let Some(line) = error.line() {
            details.insert("line".into(), line.into());
        }
        if let Some(report) = error.report() {
            details.insert("rows".into(), report.rows.into());
            details.insert("bad".into(), report.bad.into());
            details.insert("bad_rows".into(), json!(report.bad_rows.iter().take(10).collect::<Vec<_>>()));
        }
        if !error.findings().is_empty() {
            details.insert("findings".into(), json!(error.findings()));
        }
        let details = if details.is_empty() { Value::Null } else { Value::Object(details) };
        ApiError::new(status, error.code(), error.to_string()).with_details(details)
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        match error.kind() {
            StorageErrorKind::NotFound => ApiError::not_found(error.code(), error.to_string()),
            StorageErrorKind::TooLarge => {
                ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", error.to_string())
            }
            StorageErrorKind::InvalidKey | StorageErrorKind::InvalidRange | StorageErrorKind::Body => {
                ApiError::bad_request(error.code(), error.to_string())
            }
            StorageErrorKind::Unavailable => {
                tracing::warn!(%error, "storage is away");
                let unavailable = ApiError::unavailable("the storage cannot be reached at the moment");
                ApiError { retry_after: error.retry_after().or(unavailable.retry_after), ..unavailable }
            }
            // The operator has to fix this. The log holds the message of the storage.
            StorageErrorKind::Denied => {
                tracing::error!(%error, "the storage refuses this server");
                let message = "the storage refuses this server: its key was changed or may not do this. Whoever runs the server \
                               has to set a valid key, or the rights of its folder; the log has what the storage said";
                ApiError::new(StatusCode::BAD_GATEWAY, error.code(), message)
            }
            StorageErrorKind::TypeRefused => {
                tracing::error!(%error, "the storage refuses this type of file");
                let message = "the storage does not take files of this type: whoever runs the server has to add text/csv and \
                               application/json to the types that its buckets allow";
                ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error.code(), message)
            }
            StorageErrorKind::Full => {
                tracing::error!(%error, "the storage is full");
                ApiError::storage_full("the storage has no room left")
            }
            StorageErrorKind::Public | StorageErrorKind::NotOurs => {
                tracing::error!(%error, "the storage cannot be used");
                let message = "the storage cannot be used as it is; the log of the server says why";
                ApiError::new(StatusCode::SERVICE_UNAVAILABLE, error.code(), message)
            }
            StorageErrorKind::Other => ApiError::internal(error),
        }
    }
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Csv(error) => error.into(),
            UploadError::Storage(error) => error.into(),
        }
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) => {
                tracing::warn!(%error, "the database is away");
                ApiError::unavailable("the database cannot be reached at the moment")
            }
            // SQLITE_FULL of SQLite, `disk_full` of PostgreSQL.
            sqlx::Error::Database(cause) if matches!(cause.code().as_deref(), Some("13" | "53100")) => {
                tracing::error!(error = %cause, "the disk of the database is full");
                ApiError::storage_full("the disk of the database is full")
            }
            error => ApiError::internal(error),
        }
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        let message = rejection.body_text();
        match rejection {
            JsonRejection::JsonDataError(_) => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", message),
            _ => from_status(rejection.status(), "invalid_json", message),
        }
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        from_status(rejection.status(), "invalid_query", rejection.body_text())
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        from_status(rejection.status(), "invalid_path", rejection.body_text())
    }
}

/// Converts a rejection of the framework by its status. `code` is the code of a plain bad request.
pub(crate) fn from_status(status: StatusCode, code: &'static str, message: String) -> ApiError {
    let code = match status {
        StatusCode::BAD_REQUEST => code,
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::PAYLOAD_TOO_LARGE => "payload_too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
        StatusCode::UNPROCESSABLE_ENTITY => "invalid_body",
        _ => return ApiError::internal(format!("{status}: {message}")),
    };
    ApiError::new(status, code, message)
}
