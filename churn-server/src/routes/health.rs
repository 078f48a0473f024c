//! Whether the server lives, whether it can work, and how busy it is. No token is needed, and no organization is named.

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

use crate::extract::Json;
use crate::state::AppState;

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
    /// `ok`, or what is the matter.
    #[schema(example = "ok")]
    database: &'static str,
    /// `ok`, or what is the matter.
    #[schema(example = "ok")]
    storage: &'static str,
}

/// Database and storage can be reached
#[utoipa::path(get, path = "/readyz", tag = "operation", responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
async fn readyz(State(state): State<AppState>) -> (StatusCode, Json<Readiness>) {
    let (database, storage) = tokio::join!(state.store.ping(), state.storage.prepare());
    if let Err(error) = &database {
        tracing::warn!(%error, "the database is away");
    }
    if let Err(error) = &storage {
        tracing::warn!(%error, "the storage is away");
    }
    let word = |ok| if ok { "ok" } else { "cannot be reached; the log says why" };
    let ready = database.is_ok() && storage.is_ok() && !state.shutdown.is_cancelled();
    let answer = Readiness {
        status: if ready { "ready" } else { "not_ready" },
        database: word(database.is_ok()),
        storage: word(storage.is_ok()),
    };
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(answer))
}

/// What a process tells of itself that only runs jobs.
pub fn worker(state: AppState) -> Router {
    Router::new().route("/healthz", get(healthz)).route("/metrics", get(metrics_text)).with_state(state)
}

/// How often `/metrics` looks at the queue at most: anybody may ask.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Takes the measures that belong to no request: the line of jobs, which is that of all processes on this database, and
/// whether the database is there.
async fn measure(state: &AppState) {
    static LOOKED: Mutex<Option<Instant>> = Mutex::new(None);
    let away = state.store.away_for();
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

/// What collects the metrics of this process; the first call sets it up.
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
        // Another recorder can only be that of a program which embeds this one; its numbers then go there.
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("metrics go to a recorder that was there before; /metrics stays empty");
        }
        handle
    })
}
