//! Bulk prediction: many customers, scored by a background job.

use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use churn::Day;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::datasets::data_form;
use super::detected::DetectedAnswer;
use super::discard;
use super::findings::allowed;
use super::forms::{FormFields, take_file};
use super::training::usage_file;
use crate::auth::{Tenant, Write};
use crate::data::DataForm;
use crate::error::{ApiError, ErrorBody, Result};
use crate::extract::{Json, Query, boolean, new_id};
use crate::jobs::BulkPayload;
use crate::multipart::Multipart;
use crate::serving::Hot;
use crate::state::AppState;
use crate::storage::{Bucket, Location};
use crate::store::{DataKind, JobKind, NewBatch, NewJob};
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
    /// days, and of subscriptions those who have already cancelled. Their scores are guesses.
    #[serde(default)]
    #[param(default = false)]
    include_inactive: bool,
    /// Codes of findings, separated by commas, that do not stop the scoring even if they are errors.
    #[param(example = "isolated_last_day")]
    allow: Option<String>,
    /// Data set of the usage events of the customers, if the model of subscriptions was trained with some.
    usage_dataset_id: Option<Uuid>,
    /// Kind of the file: that of the data that the model in use predicts.
    #[serde(skip, default = "events")]
    #[param(ignore)]
    kind: DataKind,
}

fn events() -> DataKind {
    DataKind::Events
}

/// Form that uploads a file to score.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is only described: the fields are read as they come")]
struct BulkForm {
    /// A file of transactions, as for a data set; of subscriptions, if the model in use predicts subscriptions.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// True to find how the file is written, as for a data set.
    #[schema(default = "false", example = "true")]
    detect: Option<String>,
    /// Reading options of this file as a JSON object, as for a data set.
    #[schema(example = "{\"date_format\": \"%d/%m/%Y\"}")]
    read_options: Option<String>,
    /// Same as the query parameter `as_of`.
    #[schema(value_type = Option<String>, format = Date)]
    as_of: Option<String>,
    /// Same as the query parameter `include_inactive`.
    #[schema(default = "false", example = "false")]
    include_inactive: Option<String>,
    /// Same as the query parameter `allow`.
    #[schema(example = "isolated_last_day")]
    allow: Option<String>,
    /// Same as the query parameter `usage_dataset_id`.
    usage_dataset_id: Option<String>,
}

/// Response to an accepted bulk prediction.
#[derive(Debug, Serialize, ToSchema)]
struct BulkStarted {
    success: bool,
    #[schema(example = "Bulk prediction started in background")]
    message: &'static str,
    batch_id: String,
    job_id: String,
    /// The form of the file that was found; null without `detect`.
    detected: Option<DetectedAnswer>,
}

impl FormFields for BulkQuery {
    const NAMES: &'static [&'static str] = &["as_of", "include_inactive", "allow", "usage_dataset_id"];
    const NO_FILE: &'static str = "the form has no field \"file\"; send one, or name a data set with ?dataset_id=";

    fn set(&mut self, name: &str, text: &str) -> Result<()> {
        match name {
            "as_of" if text.is_empty() => (),
            "as_of" => self.as_of = Some(text.parse::<Day>()?),
            "include_inactive" => self.include_inactive = boolean(name, text)?,
            "usage_dataset_id" if text.is_empty() => (),
            "usage_dataset_id" => {
                let id = text.parse::<Uuid>().map_err(|error| {
                    ApiError::bad_request("invalid_parameter", format!("usage_dataset_id: {error}"))
                })?;
                self.usage_dataset_id = Some(id);
            }
            _ => self.allow = Some(text.to_owned()),
        }
        Ok(())
    }

    fn kind(&self) -> DataKind {
        self.kind
    }
}

/// The rows to score.
struct Rows {
    /// Location of the rows in the storage.
    key: String,
    form: DataForm,
    count: u64,
    /// None for a file that is sent.
    dataset_id: Option<String>,
    /// The file that is sent, which belongs to the batch.
    file: Option<Location>,
    detected: Option<DetectedAnswer>,
}

/// Predict many customers
///
/// Runs in the background with the models that are currently in use. The rows come from a file of transactions or from an existing
/// data set. While the first model of the organization is being trained, the request waits for it. Customers inactive for longer
/// than any customer that the model has learned from are left out and counted, unless `include_inactive` is true. Of subscriptions, the
/// active customers are scored; `coverage` of the batch counts the others. Rows far away
/// from all others stop the job with the code `finding`, unless `allow` lists the code of the finding. All other findings are in
/// `findings` of the batch.
///
/// The file is read as in the upload of a data set: in the standard form, or in the one that the options of reading name, or with
/// `detect` in the form that the server finds. The fields of the form may come in any order. A file that is refused is not kept.
#[utoipa::path(post, path = "/organizations/{org_id}/predict-bulk", tag = "predictions", params(BulkQuery),
    request_body(content = Option<BulkForm>, content_type = "multipart/form-data"),
    responses(
        (status = 202, body = BulkStarted),
        (status = 413, description = "The file, or its text after unpacking, is larger than MAX_UPLOAD_BYTES (`payload_too_large`), or it has more than MAX_LOG_ROWS rows (`too_many_rows`)", body = ErrorBody),
        (status = 422, description = "The file or the options cannot be used, as for the upload of a data set. With `detect` the file may \
            be one that can be read in several ways (`unclear_file`); then `details.questions` lists the questions, and the options of a \
            reading answer its question in `read_options`", body = ErrorBody),
    ))]
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
    let active = Hot::load(&state, org_id, &in_use.active.id).await?;
    let mut wish = BulkQuery { kind: active.kind(), ..query };
    allowed(wish.allow.as_deref())?;
    let rows = match wish.dataset_id {
        Some(id) => {
            let dataset = state.store.dataset(org_id, &id.to_string()).await?;
            Rows {
                key: dataset.file_key.clone(),
                form: data_form(settings.read.clone(), &dataset)?,
                count: dataset.row_count as u64,
                dataset_id: Some(dataset.id),
                file: None,
                detected: None,
            }
        }
        None => {
            let _room = state.acquire_upload_slot(org_id)?;
            let at = |name: String| Location::new(Bucket::Utils, format!("org_{org_id}/bulk/{name}.csv"));
            let (received_at, text_at) = (at(batch_id.clone())?, at(format!("{batch_id}_text"))?);
            let mut form = Multipart::from_request(request, &state).await?;
            let file = take_file(&state, &mut form, &mut wish, (&received_at, &text_at), &settings.read).await?;
            Rows {
                key: file.at.to_string(),
                form: file.form,
                count: file.uploaded.csv.report.rows,
                dataset_id: None,
                file: Some(file.at),
                detected: file.detected.map(DetectedAnswer::from),
            }
        }
    };
    let accepted = async {
        state.check_rows(rows.count)?;
        if rows.form.kind() != active.kind() {
            let message = format!("the model in use predicts {}, and the data are {}", active.kind(), rows.form.kind());
            return Err(ApiError::conflict("feature_mismatch", message));
        }
        if active.model().needs_usage() && wish.usage_dataset_id.is_none() {
            let message = "the model in use also needs the usage events that it was trained with: name a data set of them with \
                           usage_dataset_id";
            return Err(ApiError::conflict("feature_mismatch", message));
        }
        let usage = usage_file(&state, &settings, org_id, rows.form.kind(), wish.usage_dataset_id).await?;
        if let Some(day) = wish.as_of
            && day > today().plus(1)
        {
            let message = format!("as_of is {day}, which lies in the future; expected a day up to today, {}", today());
            return Err(ApiError::bad_request("invalid_parameter", message));
        }
        let challenger = in_use.challenger.as_ref().map(|row| (row.id.clone(), organization.traffic_share));
        let payload = BulkPayload {
            input_key: rows.key.clone(),
            read: rows.form,
            usage,
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
            dataset_id: rows.dataset_id.as_deref(),
            input_key: &rows.key,
            model_id: &in_use.active.id,
            model_version: in_use.active.version,
            challenger_id: in_use.challenger.as_ref().map(|row| row.id.as_str()),
        };
        let max_attempts = state.config.job_attempts;
        let job = NewJob { id: &job_id, org_id, kind: JobKind::PredictBulk, subject_id: &batch_id, max_attempts };
        let mut tx = state.store.begin().await?;
        if let Some(dataset_id) = &rows.dataset_id {
            tx.lock_dataset(dataset_id).await?;
        }
        tx.insert_batch(&new).await?;
        tx.insert_job(&job, &payload).await?;
        tx.check_open_jobs(org_id, state.config.max_open_jobs).await?;
        tx.commit().await
    };
    if let Err(error) = accepted.await {
        if let Some(at) = &rows.file {
            discard(&state, at).await;
        }
        return Err(error);
    }
    state.wake.notify_one();
    let message = "Bulk prediction started in background";
    let detected = rows.detected;
    Ok((StatusCode::ACCEPTED, Json(BulkStarted { success: true, message, batch_id, job_id, detected })))
}
