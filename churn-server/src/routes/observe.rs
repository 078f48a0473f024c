//! Observability of every request: an id that the caller gets back, one line in the log, and two metrics.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method};
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

/// Returns the method as a label of metrics. A caller may invent any number of methods, and every new label takes memory until
/// the server stops, so all that the API does not know are one.
fn method_label(method: &Method) -> &str {
    let known = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD, Method::OPTIONS];
    if known.contains(method) { method.as_str() } else { "other" }
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
    let labels = [("method", method_label(&method).to_owned()), ("route", route), ("status", status.to_string())];
    metrics::counter!("churn_http_requests_total", &labels).increment(1);
    metrics::histogram!("churn_http_request_seconds", &labels[..2]).record(elapsed.as_secs_f64());
    response.headers_mut().insert(HeaderName::from_static(REQUEST_ID), id);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invented_methods_share_a_label() {
        for (method, label) in [("GET", "GET"), ("OPTIONS", "OPTIONS"), ("AB", "other"), ("get", "other")] {
            assert_eq!(method_label(&method.parse().expect("a method")), label);
        }
    }
}
