//! Bulk prediction: many customers, scored by a background job.

use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use churn::Day;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::findings::allowed;
use super::{discard, read_options};
use crate::auth::{Tenant, Write};
use crate::error::{ApiError, Result};
use crate::extract::{Json, Query, boolean, new_id};
use crate::jobs::BulkPayload;
use crate::multipart::Multipart;
use crate::state::AppState;
use crate::storage::{Bucket, Location, store_csv};
use crate::store::{DatasetRow, JobKind, NewBatch, NewJob};
use crate::time::today;

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(predict_bulk))
}

/// Parameters of a bulk prediction.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct BulkQuery {
    /// Data set to score. If it is given, no file is uploaded.
    dataset_id: Option<Uuid>,
    /// The as-of day of the scoring, at most tomorrow. Default: the last day of the rows.
    #[param(value_type = Option<String>, format = Date)]
    as_of: Option<Day>,
    /// If true, also score customers inactive for longer than any customer that the model has learned from, by default 365
    /// days. Their scores are guesses.
    #[serde(default)]
    #[param(default = false)]
    include_inactive: bool,
    /// Codes of findings, separated by commas, that do not stop the scoring even if they are errors.
    #[param(example = "isolated_last_day")]
    allow: Option<String>,
}

/// Form that uploads a file to score.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is only described: the fields are read as they come")]
struct BulkForm {
    /// A CSV file of transactions, as for a data set.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// Same as the query parameter `as_of`.
    #[schema(value_type = Option<String>, format = Date)]
    as_of: Option<String>,
    /// Same as the query parameter `include_inactive`.
    #[schema(default = "false", example = "false")]
    include_inactive: Option<String>,
    /// Same as the query parameter `allow`.
    #[schema(example = "isolated_last_day")]
    allow: Option<String>,
}

/// Response to an accepted bulk prediction.
#[derive(Debug, Serialize, ToSchema)]
struct BulkStarted {
    success: bool,
    #[schema(example = "Bulk prediction started in background")]
    message: &'static str,
    batch_id: String,
    job_id: String,
}

/// Predict many customers
///
/// Runs in the background with the models that are currently in use. The rows come from a CSV file of transactions or from an
/// existing data set. While the first model of the organization is being trained, the request waits for it. Customers inactive
/// for longer than any customer that the model has learned from are left out and counted, unless `include_inactive` is true.
/// Rows far away from all others stop the job with the code `finding`, unless `allow` lists the code of the finding. All other
/// findings are in `findings` of the batch.
#[utoipa::path(post, path = "/organizations/{org_id}/predict-bulk", tag = "predictions", params(BulkQuery),
    request_body(content = Option<BulkForm>, content_type = "multipart/form-data"),
    responses((status = 202, body = BulkStarted)))]
async fn predict_bulk(
    tenant: Tenant<Write>,
    State(state): State<AppState>,
    Query(query): Query<BulkQuery>,
    request: Request,
) -> Result<(StatusCode, Json<BulkStarted>)> {
    let org_id = &tenant.org_id;
    let organization = state.store.organization(org_id).await?;
    let settings = organization.settings.0;
    let in_use = match state.store.models_in_use(org_id).await {
        Err(error) if error.code() == "no_model" => {
            crate::waiting::first_model(&state, org_id).await?;
            state.store.models_in_use(org_id).await?
        }
        found => found?,
    };
    let (batch_id, job_id) = (new_id(), new_id());
    let mut wish = query;
    allowed(wish.allow.as_deref())?;
    let (input, dataset): (Option<Location>, Option<DatasetRow>) = match wish.dataset_id {
        Some(id) => {
            let dataset = state.store.dataset(org_id, &id.to_string()).await?;
            state.check_rows(dataset.row_count as u64)?;
            (None, Some(dataset))
        }
        None => {
            let _room = state.acquire_upload_slot(org_id)?;
            let at = Location::new(Bucket::Utils, format!("org_{org_id}/bulk/{batch_id}.csv"))?;
            let mut form = Multipart::from_request(request, &state).await?;
            let stored = take_form(&state, &mut form, &at, &settings.read, &mut wish).await;
            if let Err(error) = stored {
                discard(&state, &at).await;
                return Err(error);
            }
            (Some(at), None)
        }
    };
    let accepted = async {
        if let Some(day) = wish.as_of
            && day > today().plus(1)
        {
            let message = format!("as_of is {day}, which lies in the future; expected a day up to today, {}", today());
            return Err(ApiError::bad_request("invalid_parameter", message));
        }
        let input_key = match (&input, &dataset) {
            (Some(at), _) => at.to_string(),
            (None, dataset) => dataset.as_ref().map(|dataset| dataset.file_key.clone()).unwrap_or_default(),
        };
        let read = match &dataset {
            Some(dataset) => read_options(settings.read, dataset)?,
            None => settings.read,
        };
        let challenger = in_use.challenger.as_ref().map(|row| (row.id.clone(), organization.traffic_share));
        let payload = BulkPayload {
            input_key: input_key.clone(),
            read,
            as_of: wish.as_of,
            include_inactive: wish.include_inactive,
            allow: allowed(wish.allow.as_deref())?,
            model_id: in_use.active.id.clone(),
            challenger,
            thresholds: settings.thresholds,
            campaign: settings.campaign,
        };
        let new = NewBatch {
            id: &batch_id,
            org_id,
            job_id: &job_id,
            dataset_id: dataset.as_ref().map(|dataset| dataset.id.as_str()),
            input_key: &input_key,
            model_id: &in_use.active.id,
            model_version: in_use.active.version,
            challenger_id: in_use.challenger.as_ref().map(|row| row.id.as_str()),
        };
        let max_attempts = state.config.job_attempts;
        let job = NewJob { id: &job_id, org_id, kind: JobKind::PredictBulk, subject_id: &batch_id, max_attempts };
        let mut tx = state.store.begin().await?;
        if let Some(dataset) = &dataset {
            tx.lock_dataset(&dataset.id).await?;
        }
        tx.insert_batch(&new).await?;
        tx.insert_job(&job, &payload).await?;
        tx.check_open_jobs(org_id, state.config.max_open_jobs).await?;
        tx.commit().await
    };
    if let Err(error) = accepted.await {
        if let Some(at) = &input {
            discard(&state, at).await;
        }
        return Err(error);
    }
    state.wake.notify_one();
    let message = "Bulk prediction started in background";
    Ok((StatusCode::ACCEPTED, Json(BulkStarted { success: true, message, batch_id, job_id })))
}

/// Stores the file of a form, and takes its other fields as parameters.
async fn take_form(
    state: &AppState,
    form: &mut Multipart,
    at: &Location,
    options: &churn::ReadOptions,
    wish: &mut BulkQuery,
) -> Result<()> {
    let mut stored = false;
    while let Some(field) = form.next().await? {
        match field.name() {
            Some("file") if stored => {
                return Err(ApiError::bad_request("invalid_multipart", "the form has the field \"file\" twice"));
            }
            Some("file") => {
                let max_bytes = state.config.max_upload_bytes;
                let taken = store_csv(&*state.storage, at, field.content(), max_bytes, options).await;
                let taken = form.own_error_first(taken)?;
                state.check_rows(taken.csv.report.rows)?;
                stored = true;
            }
            Some("as_of") => {
                let text = field.text().await?;
                if !text.trim().is_empty() {
                    wish.as_of = Some(text.trim().parse::<Day>()?);
                }
            }
            Some("include_inactive") => {
                wish.include_inactive = boolean("include_inactive", field.text().await?.trim())?;
            }
            Some("allow") => wish.allow = Some(field.text().await?),
            // Other fields are skipped.
            _ => (),
        }
    }
    if stored {
        return Ok(());
    }
    let message = "the form has no field \"file\"; send one, or name a data set with ?dataset_id=";
    Err(ApiError::bad_request("invalid_multipart", message))
}
