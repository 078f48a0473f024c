//! Health, readiness and metrics of the server. These routes need no token and belong to no organization.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::extract::Json;
use crate::state::AppState;
use crate::storage::StorageError;

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics_text))
}

#[derive(Debug, Serialize, ToSchema)]
struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

/// The process answers
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, body = Health)))]
async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

#[derive(Debug, Serialize, ToSchema)]
struct Readiness {
    /// `ready` or `not_ready`.
    #[schema(example = "ready")]
    status: &'static str,
    /// `ok`, or an error code: `unavailable`, `storage_full`, `internal`.
    #[schema(example = "ok")]
    database: String,
    /// `ok`, or an error code: `storage_unavailable`, `storage_denied`, `storage_type_refused`, `storage_full`,
    /// `storage_public`, `storage_not_ours`, `storage_error`.
    #[schema(example = "ok")]
    storage: String,
}

/// Time for which a result of `/readyz` is reused, so that frequent requests do not load the storage.
const FRESH: Duration = Duration::from_secs(1);

/// Timeout for the checks of database and storage.
const PATIENCE: Duration = Duration::from_secs(10);

/// Database and storage can be reached, and written to
///
/// The check changes nothing: no bucket is created and no file is written. Details are in the log.
#[utoipa::path(get, path = "/readyz", tag = "operation", responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
async fn readyz(State(state): State<AppState>) -> (StatusCode, Json<Readiness>) {
    let (database, storage) = {
        // One request runs the checks; the others wait for its result.
        let mut known = state.ready.lock().await;
        match &*known {
            Some((at, found)) if at.elapsed() < FRESH => found.clone(),
            _ => {
                let found = tokio::join!(
                    word("the database", state.store.ping()),
                    word("the storage", state.storage.check(&[]))
                );
                *known = Some((Instant::now(), found.clone()));
                found
            }
        }
    };
    let ready = database == "ok" && storage == "ok" && !state.shutdown.is_cancelled();
    let status = if ready { "ready" } else { "not_ready" };
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(Readiness { status, database, storage }))
}

/// Runs a check and returns `ok` or the error code.
async fn word<E: Coded>(what: &str, check: impl Future<Output = Result<(), E>>) -> String {
    match tokio::time::timeout(PATIENCE, check).await {
        Ok(Ok(())) => "ok".to_owned(),
        Ok(Err(error)) => {
            tracing::warn!(%error, "{what} is not ready");
            error.code().to_owned()
        }
        Err(_) => {
            tracing::warn!("{what} does not answer");
            "unavailable".to_owned()
        }
    }
}

/// An error with a stable code.
trait Coded: std::fmt::Display {
    fn code(&self) -> &'static str;
}

impl Coded for ApiError {
    fn code(&self) -> &'static str {
        ApiError::code(self)
    }
}

impl Coded for StorageError {
    fn code(&self) -> &'static str {
        StorageError::code(self)
    }
}

/// Routes of a process that only runs jobs: `/healthz` and `/metrics`.
pub fn worker(state: AppState) -> Router {
    Router::new().route("/healthz", get(healthz)).route("/metrics", get(metrics_text)).with_state(state)
}

/// Minimum time between two looks at the queue for `/metrics`, because anybody may request it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Sets the gauges that belong to no request: the job queue (shared by all processes on this database) and whether database and
/// storage can be reached.
async fn measure(state: &AppState) {
    static LOOKED: Mutex<Option<Instant>> = Mutex::new(None);
    let away = state.store.unreachable_for();
    metrics::gauge!("churn_database_up").set(if away.is_some() { 0.0 } else { 1.0 });
    metrics::gauge!("churn_offline_seconds").set(away.unwrap_or_default().as_secs_f64());
    metrics::gauge!("churn_offline_limit_seconds").set(state.config.offline.as_secs_f64());
    metrics::gauge!("churn_storage_up").set(if state.storage.is_away() { 0.0 } else { 1.0 });
    {
        let mut looked = LOOKED.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.is_some_and(|last| last.elapsed() < LOOK_EVERY) {
            return;
        }
        *looked = Some(Instant::now());
    }
    match tokio::time::timeout(Duration::from_secs(5), state.store.queue_depth()).await {
        Ok(Ok(depth)) => {
            metrics::gauge!("churn_jobs", "status" => "queued").set(depth.queued as f64);
            metrics::gauge!("churn_jobs", "status" => "running").set(depth.running as f64);
            metrics::gauge!("churn_jobs_away").set(depth.away as f64);
            metrics::gauge!("churn_jobs_organizations").set(depth.organizations as f64);
            metrics::gauge!("churn_jobs_longest_wait_seconds").set(depth.longest_wait as f64 / 1000.0);
        }
        Ok(Err(error)) => tracing::debug!(%error, "the queue could not be counted"),
        Err(_) => tracing::debug!("counting the queue takes too long"),
    }
}

/// Counters and timings for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "operation", responses((status = 200, content_type = "text/plain", body = String)))]
async fn metrics_text(State(state): State<AppState>) -> impl IntoResponse {
    measure(&state).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], recorder().render())
}

/// Returns the metrics recorder of this process. The first call installs it.
pub fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| {
        const SECONDS: &[f64] =
            &[0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0];
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
            .expect("there are buckets")
            .build_recorder();
        let handle = recorder.handle();
        // Another recorder is installed only if a program embeds this server; the metrics then go to that recorder.
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("metrics go to a recorder that was there before; /metrics stays empty");
        }
        handle
    })
}
