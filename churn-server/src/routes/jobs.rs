//! Background jobs: list, progress, cancellation.

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::datasets::FailureBody;
use crate::auth::{Read, Tenant, Write};
use crate::error::{ErrorBody, Result};
use crate::extract::{Json, Path, Query};
use crate::state::AppState;
use crate::store::{Job, JobKind, JobStatus, PageQuery};
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
    /// Progress from 0 to 1.
    #[schema(minimum = 0, maximum = 1, example = 0.42)]
    progress: f64,
    /// Current stage, or what the job waits for: `waiting for features`, `waiting for storage`, `waiting for storage or
    /// database`.
    #[schema(example = "fit")]
    stage: Option<String>,
    /// Id of the data set, model, batch or backtest that the job works on.
    subject_id: String,
    /// Number of attempts so far.
    attempts: i64,
    /// Maximum number of attempts.
    max_attempts: i64,
    /// Id of the job that must end first.
    waits_for: Option<String>,
    /// Time since which the job has waited for an unreachable storage or database. Such waiting does not count as an attempt.
    away_since: Option<Stamp>,
    /// True if a caller asked to stop the job.
    cancel_requested: bool,
    /// The last error. A job that waits for another attempt has one too.
    error: Option<FailureBody>,
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
            error: FailureBody::of(job.error_code, job.error_message, job.error_line, job.error_findings),
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

/// Filter of the job list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct JobFilter {
    /// Only jobs of this kind.
    #[param(inline)]
    kind: Option<JobKind>,
    /// Only jobs with this status.
    #[param(inline)]
    status: Option<JobStatus>,
}

/// Path parameter of a job.
#[derive(Debug, Deserialize)]
struct JobPath {
    job_id: Uuid,
}

/// The jobs, newest first
#[utoipa::path(get, path = "/organizations/{org_id}/jobs", tag = "jobs", params(JobFilter, PageQuery), responses((status = 200, body = JobList)))]
async fn list(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Query(filter): Query<JobFilter>,
    Query(page): Query<PageQuery>,
) -> Result<Json<JobList>> {
    let page = page.check()?;
    state.store.organization(&tenant.org_id).await?;
    let found = state.store.jobs(&tenant.org_id, filter.kind, filter.status, page).await?;
    let jobs = found.rows.into_iter().map(JobAnswer::from).collect();
    Ok(Json(JobList { total: found.total, limit: page.limit, offset: page.offset, jobs }))
}

/// One job
///
/// With `wait`, the response is delayed until the job has ended or the waiting time is over.
#[utoipa::path(get, path = "/organizations/{org_id}/jobs/{job_id}", tag = "jobs", params(WaitQuery), responses((status = 200, body = JobAnswer)))]
async fn get(
    tenant: Tenant<Read>,
    State(state): State<AppState>,
    Path(JobPath { job_id }): Path<JobPath>,
    Query(wait): Query<WaitQuery>,
) -> Result<Json<JobAnswer>> {
    let (org_id, id) = (&tenant.org_id, job_id.to_string());
    let mut wait = Wait::from_query(&state, org_id, wait)?;
    loop {
        let job = state.store.job(org_id, &id).await?;
        if job.finished_at.is_some() || !wait.next_poll().await {
            return Ok(Json(job.into()));
        }
    }
}

/// Stop a job
///
/// A waiting job is cancelled at once, a running job within seconds.
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
