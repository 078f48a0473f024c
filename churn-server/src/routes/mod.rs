//! The routes, and the middleware of every request: request id and log line, limits, headers, uniform errors.

mod backtests;
mod batches;
mod bulk;
mod datasets;
mod detected;
mod docs;
mod findings;
mod forms;
mod health;
mod jobs;
mod keys;
mod models;
mod observe;
mod organizations;
mod predict;
mod subscriptions;
mod training;
mod uploads;

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower::service_fn;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::services::ServeDir;
use tower_http::set_header::{SetResponseHeader, SetResponseHeaderLayer};
use tower_http::timeout::RequestBodyTimeoutLayer;
use utoipa_axum::router::OpenApiRouter;

pub(crate) use datasets::log_options;
pub use health::{recorder, worker};
pub use keys::make as make_key;

use crate::bodies;
use crate::error::{ApiError, Result};
use crate::state::AppState;
use crate::storage::Location;

/// Path prefix of the API.
pub const BASE: &str = "/api/v1/churn/v2";

/// Content security policy: scripts, styles and pictures of this server only. The pages of `/docs` and of the dashboard set
/// styles from scripts.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
     object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Content security policy of the page that works in the browser alone. It compiles WebAssembly and runs it in a worker.
const BROWSER_POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; \
     img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Builds the routes and their API description.
fn described(state: &AppState) -> (Router<AppState>, utoipa::openapi::OpenApi) {
    let api = OpenApiRouter::new()
        .merge(organizations::router())
        .merge(uploads::router())
        .merge(datasets::router())
        .merge(findings::router())
        .merge(training::router())
        .merge(backtests::router())
        .merge(jobs::router())
        .merge(models::router())
        .merge(predict::router(state.config.max_body_bytes))
        .merge(bulk::router())
        .merge(batches::router())
        .merge(subscriptions::router())
        .merge(keys::router());
    let (router, mut openapi) =
        OpenApiRouter::with_openapi(docs::start()).nest(BASE, api).merge(health::router()).split_for_parts();
    docs::complete(&mut openapi, !state.auth.is_open());
    (router, openapi)
}

/// Returns the API description that `/openapi.json` serves.
pub fn openapi(state: &AppState) -> utoipa::openapi::OpenApi {
    described(state).1
}

/// Builds the router of the whole server.
pub fn app(state: AppState) -> Router {
    health::recorder();
    let (router, openapi) = described(&state);
    let config = &state.config;
    let header = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    router
        .merge(docs::page(openapi))
        .merge(crate::dashboard::router())
        .merge(browser(config.browser_dir.as_deref()))
        .fallback(|request: Request| async move {
            ApiError::not_found("not_found", format!("there is no {}; /docs lists what there is", request.uri().path()))
        })
        .method_not_allowed_fallback(|request: Request| async move {
            let message = format!("{} is not allowed here; the header Allow lists what is", request.method());
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
        })
        .layer(RequestBodyTimeoutLayer::new(config.upload_idle))
        // Outside of the previous layer, because bodies inside it do not report their length.
        .layer(middleware::from_fn(bodies::hold_reservation))
        .layer(middleware::from_fn_with_state(config.request_timeout, timeout))
        .layer(CatchPanicLayer::custom(|_| ApiError::internal("a handler panicked").into_response()))
        .layer(header(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::X_FRAME_OPTIONS, "DENY"))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
        .layer(header(HeaderName::from_static("cross-origin-resource-policy"), "same-origin"))
        .layer(header(header::CACHE_CONTROL, "no-store"))
        .layer(cors(&config.cors_origins))
        .layer(middleware::from_fn(observe::observe))
        .with_state(state)
}

/// Serves the folder of the browser page at `/browser/`, if one is set.
fn browser(folder: Option<&Path>) -> Router<AppState> {
    let Some(folder) = folder else { return Router::new() };
    let missing = service_fn(|request: Request| async move {
        let message = format!("the browser page has no {}", request.uri().path());
        Ok::<_, Infallible>(ApiError::not_found("not_found", message).into_response())
    });
    let files = ServeDir::new(folder).call_fallback_on_method_not_allowed(true).fallback(missing);
    let policy = HeaderValue::from_static(BROWSER_POLICY);
    let files = SetResponseHeader::if_not_present(files, header::CONTENT_SECURITY_POLICY, policy);
    Router::new().nest_service("/browser", files)
}

/// Builds the CORS layer for the allowed origins.
fn cors(origins: &[String]) -> CorsLayer {
    let allowed = match origins.iter().any(|origin| origin == "*") {
        true => AllowOrigin::any(),
        false => AllowOrigin::list(origins.iter().filter_map(|origin| origin.parse().ok())),
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods(["GET", "POST", "PUT", "PATCH", "DELETE"].map(|name| name.parse().expect("is a method")))
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("apikey"),
            HeaderName::from_static(observe::REQUEST_ID),
        ])
        .expose_headers([HeaderName::from_static(observe::REQUEST_ID), header::RETRY_AFTER])
        .max_age(Duration::from_secs(3600))
}

/// Ends requests that exceed the time limit. Forms have no limit because they carry files; the body timeout ends those whose
/// sender falls silent.
async fn timeout(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let is_form = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().to_ascii_lowercase().starts_with(b"multipart/form-data"));
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    let mut response = match is_form {
        true => next.run(request).await,
        false => tokio::time::timeout(limit, next.run(request)).await.unwrap_or_else(|_| {
            let message = format!("no answer within {} seconds; it was given up", limit.as_secs());
            ApiError::unavailable(message).into_response()
        }),
    };
    // After an error response, part of the body may be unread, and the connection cannot carry another request. The header
    // tells the client before it sends one.
    if has_body && !response.status().is_success() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Deletes an object that no row refers to. If that fails, the sweep deletes it later.
pub(crate) async fn discard(state: &AppState, at: &Location) {
    if let Err(error) = state.storage.delete(at).await {
        tracing::warn!(%error, %at, "a file could not be removed yet");
    }
}

/// Deletes the files of rows that were just deleted. A file exists as long as a row refers to it.
async fn discard_all(state: &AppState, keys: Vec<String>) {
    for key in keys {
        match key.parse() {
            Ok(at) => discard(state, &at).await,
            Err(error) => tracing::warn!(%error, key, "a key that is none"),
        }
    }
}

/// Sends a text as a CSV file.
pub(crate) fn csv_file(text: impl Into<Body>, filename: &str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{filename}\"")),
    ];
    (headers, text.into()).into_response()
}

/// Sends an object of the storage as a file download.
///
/// # Errors
/// The errors of the storage.
pub(crate) async fn download(state: &AppState, key: &str, filename: &str, content_type: &str) -> Result<Response> {
    let at: Location = key.parse()?;
    let content = state.storage.get(&at).await?;
    let headers = [
        (header::CONTENT_TYPE, content_type.to_owned()),
        (header::CONTENT_LENGTH, content.size.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{filename}\"")),
    ];
    Ok((headers, Body::from_stream(content.stream)).into_response())
}
