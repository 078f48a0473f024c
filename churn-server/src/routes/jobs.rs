//! Jobs: what works in the background, how far it is, and how to stop it.

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::datasets::Failure;
use crate::auth::{Read, Tenant, Write};
use crate::error::{ErrorBody, Result};
use crate::extract::{Json, Path, Query};
use crate::state::AppState;
use crate::store::{Job, JobKind, JobStatus, Page};
use crate::time::Stamp;
use crate::waiting::{Wait, WaitQuery};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get)).routes(routes!(cancel))
}

/// A job.
#[derive(Debug, Serialize, ToSchema)]
struct JobAnswer {
    job_id: String,
    organization_id: String,
    kind: JobKind,
    status: JobStatus,
    /// 0 to 1.
    #[schema(minimum = 0, maximum = 1, example = 0.42)]
    progress: f64,
    /// What is being done, or waited for: `waiting for features`, `waiting for storage`, `waiting for storage or database`.
    #[schema(example = "fit")]
    stage: Option<String>,
    /// The data set, model or batch that it is about.
    subject_id: String,
    /// How often it was begun.
    attempts: i64,
    /// How often it may be begun.
    max_attempts: i64,
    /// The job whose end it waits for.
    waits_for: Option<String>,
    /// Since when it waits for a storage or database that is away; such waiting counts as no attempt.
    away_since: Option<Stamp>,
    /// Whether somebody asked to stop it.
    cancel_requested: bool,
    /// What went wrong last; a job that waits for another attempt has one too.
    error: Option<Failure>,
    created_at: Stamp,
    started_at: Option<Stamp>,
    finished_at: Option<Stamp>,
}

impl From<Job> for JobAnswer {
    fn from(job: Job) -> Self {
        JobAnswer {
            job_id: job.id,
            organization_id: job.org_id,
            kind: job.kind,
            status: job.status,
            progress: job.progress,
            stage: job.stage,
            subject_id: job.subject_id,
            attempts: job.attempts,
            max_attempts: job.max_attempts,
            waits_for: job.waits_for,
            away_since: job.away_since,
            cancel_requested: job.cancel_requested != 0,
            error: Failure::of(job.error_code, job.error_message, job.error_line, job.error_findings),
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct JobList {
    total: i64,
    limit: i64,
    offset: i64,
    jobs: Vec<JobAnswer>,
}

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct JobFilter {
    /// Only of this kind.
    #[param(inline)]
    kind: Option<JobKind>,
    /// Only those that stand so.
    #[param(inline)]
    status: Option<JobStatus>,
}

/// The job of a path.
#[derive(Debug, Deserialize)]
struct JobPath {
    job_id: Uuid,
}

/// The jobs, newest first
#[utoipa::path(get, path = "/organizations/{org_id}/jobs", tag = "jobs", params(JobFilter, Page), responses((status = 200, body = JobList)))]
async fn list(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Query(filter): Query<JobFilter>,
    Query(page): Query<Page>,
) -> Result<Json<JobList>> {
    let page = page.check()?;
    state.store.organization(&tenant.org_id).await?;
    let found = state.store.jobs(&tenant.org_id, filter.kind, filter.status, page).await?;
    let jobs = found.rows.into_iter().map(JobAnswer::from).collect();
    Ok(Json(JobList { total: found.total, limit: page.limit, offset: page.offset, jobs }))
}

/// One job
///
/// With `wait` the answer comes when it has ended.
#[utoipa::path(get, path = "/organizations/{org_id}/jobs/{job_id}", tag = "jobs", params(WaitQuery), responses((status = 200, body = JobAnswer)))]
async fn get(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Path(JobPath { job_id }): Path<JobPath>,
    Query(wait): Query<WaitQuery>,
) -> Result<Json<JobAnswer>> {
    let (org_id, id) = (&tenant.org_id, job_id.to_string());
    let mut wait = Wait::asked(&state, org_id, wait)?;
    loop {
        let job = state.store.job(org_id, &id).await?;
        if job.finished_at.is_some() || !wait.again().await {
            return Ok(Json(job.into()));
        }
    }
}

/// Stop a job
///
/// One that waits is cancelled at once, one that runs within seconds.
#[utoipa::path(post, path = "/organizations/{org_id}/jobs/{job_id}/cancel", tag = "jobs", responses(
    (status = 202, body = JobAnswer),
    (status = 409, description = "It has ended already (`job_finished`)", body = ErrorBody),
))]
async fn cancel(
    tenant: Tenant<Write>,
    State(state): State<AppState>,
    Path(JobPath { job_id }): Path<JobPath>,
) -> Result<(StatusCode, Json<JobAnswer>)> {
    let job = state.store.cancel_job(&tenant.org_id, &job_id.to_string()).await?;
    Ok((StatusCode::ACCEPTED, Json(job.into())))
}
