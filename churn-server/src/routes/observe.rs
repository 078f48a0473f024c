//! Observability of every request: an id that the caller gets back, one line in the log, and two metrics.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::{Instrument, field};
use uuid::Uuid;

/// Name of the header with the request id.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// Returns the caller's request id if it is safe to log, or else a new one.
fn request_id(request: &Request) -> HeaderValue {
    let sane = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=128).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte))
    };
    request
        .headers()
        .get(REQUEST_ID)
        .filter(sane)
        .cloned()
        .unwrap_or_else(|| HeaderValue::from_str(&Uuid::now_v7().to_string()).expect("a UUID can stand in a header"))
}

/// Outermost middleware: sets the request id, writes the log line and records the metrics.
pub(crate) async fn observe(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let id = request_id(&request);
    let method = request.method().clone();
    // The route pattern, not the path: it has only as many values as there are routes, and names no organization.
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        %method,
        path = request.uri().path(),
        organization = field::Empty,
    );
    let mut response = next.run(request).instrument(span.clone()).await;
    let (elapsed, status) = (start.elapsed(), response.status().as_u16());
    span.in_scope(|| tracing::info!(status, milliseconds = elapsed.as_secs_f64() * 1e3, "answered"));
    let method = if method.as_str().len() <= 7 { method.to_string() } else { "other".to_owned() };
    let labels = [("method", method), ("route", route), ("status", status.to_string())];
    metrics::counter!("churn_http_requests_total", &labels).increment(1);
    metrics::histogram!("churn_http_request_seconds", &labels[..2]).record(elapsed.as_secs_f64());
    response.headers_mut().insert(HeaderName::from_static(REQUEST_ID), id);
    response
}
