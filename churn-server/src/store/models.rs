//! Models: their versions, their roles, and the history of activations.

use churn::{Estimate, Finding, Metrics};
use sqlx::FromRow;

use super::organizations::organization_not_found;
use super::{JsonText, PageQuery, Paged, Store, Tx, on_pool, on_tx, text_enum};
use crate::error::{ApiError, Result};
use crate::time::Stamp;

text_enum! {
    /// Status of a model.
    ModelStatus {
        /// A job is training the model.
        Training = "training",
        /// The document is in storage.
        Completed = "completed",
        /// The model could not be trained; the error says why.
        Failed = "failed",
    }
}

text_enum! {
    /// Role of a model in use.
    ModelRole {
        /// Scores the customers.
        Active = "active",
        /// Scores the share of the customers that the organization has set.
        Challenger = "challenger",
    }
}

/// A row of `models`.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct ModelRow {
    /// Id of the model.
    pub id: String,
    /// Organization of the model.
    pub org_id: String,
    /// Version within the organization, starting at 1.
    pub version: i64,
    /// Requested model type.
    pub model_type: String,
    /// Model type that was trained; for `auto`, the learner that won.
    pub kind: Option<String>,
    /// Status of the model.
    pub status: ModelStatus,
    /// Role of the model, if it is in use.
    pub role: Option<ModelRole>,
    /// Data set that the model was trained on.
    pub dataset_id: String,
    /// Job that trained the model.
    pub job_id: String,
    /// Location of the model document.
    pub document_key: Option<String>,
    /// Number of labelled rows.
    pub training_samples: Option<i64>,
    /// Share of these rows that churned.
    pub churn_rate: Option<f64>,
    /// AUC of recency alone on the evaluated rows.
    pub recency_auc: Option<f64>,
    /// Metrics on rows that were not used for training.
    pub metrics: Option<JsonText<Metrics>>,
    /// The mean AUC of the evaluation over its cutoffs, with its interval; None for a model of an older version.
    pub roc_auc_over_time: Option<JsonText<Estimate>>,
    /// Number of these cutoffs; 0 if customers were held out instead.
    pub judged_cutoffs: Option<i64>,
    /// Warnings about the results of the model.
    pub warnings: Option<JsonText<Vec<String>>>,
    /// Findings of the training, worst first; None if nothing was checked.
    pub findings: Option<JsonText<Vec<Finding>>>,
    /// Code of the error that stopped the training.
    pub error_code: Option<String>,
    /// Message of that error.
    pub error_message: Option<String>,
    /// Line of the file that caused the error.
    pub error_line: Option<i64>,
    /// Findings that stopped the training.
    pub error_findings: Option<JsonText<Vec<Finding>>>,
    /// Time at which the training was requested.
    pub created_at: Stamp,
    /// Time at which the training was completed.
    pub trained_at: Option<Stamp>,
}

/// A model to be trained.
#[derive(Clone, Debug)]
pub struct NewModel<'a> {
    /// Id of the model.
    pub id: &'a str,
    /// Organization of the model.
    pub org_id: &'a str,
    /// Requested model type.
    pub model_type: &'a str,
    /// Data set to train on.
    pub dataset_id: &'a str,
    /// Job that trains the model.
    pub job_id: &'a str,
}

/// The models that score the customers of an organization.
#[derive(Clone, Debug, PartialEq)]
pub struct InUse {
    /// The active model.
    pub active: ModelRow,
    /// The challenger, which scores a share of the customers.
    pub challenger: Option<ModelRow>,
}

fn model_not_found(org_id: &str, id: &str) -> ApiError {
    ApiError::not_found("model_not_found", format!("the organization {org_id:?} has no model {id:?}"))
}

/// Returns the error for a prediction before there is a model.
pub(crate) fn no_model(org_id: &str) -> ApiError {
    let message = format!(
        "the organization {org_id:?} has no model yet: train one first with POST /organizations/{org_id}/train, and see \
         GET /organizations/{org_id}/training-status"
    );
    ApiError::not_found("no_model", message)
}

impl Store {
    /// Returns a model of an organization.
    ///
    /// # Errors
    /// `model_not_found`.
    pub async fn model(&self, org_id: &str, id: &str) -> Result<ModelRow> {
        const SQL: &str = "SELECT * FROM models WHERE org_id = $1 AND id = $2";
        let found: Option<ModelRow> =
            on_pool!(self.reachable_pool()?, db => sqlx::query_as(SQL).bind(org_id).bind(id).fetch_optional(db).await)?;
        found.ok_or_else(|| model_not_found(org_id, id))
    }

    /// Returns the models of an organization, newest first.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn models(&self, org_id: &str, status: Option<ModelStatus>, page: PageQuery) -> Result<Paged<ModelRow>> {
        const COUNT: &str = "SELECT COUNT(*) FROM models WHERE org_id = $1 AND ($2 IS NULL OR status = $2)";
        const SQL: &str = "SELECT * FROM models WHERE org_id = $1 AND ($2 IS NULL OR status = $2) \
             ORDER BY version DESC LIMIT $3 OFFSET $4";
        let status = status.map(ModelStatus::name);
        let (total, rows) = on_pool!(self.reachable_pool()?, db => (
            sqlx::query_scalar::<_, i64>(COUNT).bind(org_id).bind(status).fetch_one(db).await?,
            sqlx::query_as::<_, ModelRow>(SQL)
                .bind(org_id).bind(status).bind(page.limit).bind(page.offset).fetch_all(db).await?,
        ));
        Ok(Paged { total, rows })
    }

    /// Returns the model with this role.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn model_in_role(&self, org_id: &str, role: ModelRole) -> Result<Option<ModelRow>> {
        const SQL: &str = "SELECT * FROM models WHERE org_id = $1 AND role = $2";
        Ok(
            on_pool!(self.reachable_pool()?, db => sqlx::query_as(SQL).bind(org_id).bind(role.name()).fetch_optional(db).await)?,
        )
    }

    /// Returns the serving generation. It is incremented whenever anything changes that predictions use.
    ///
    /// # Errors
    /// `organization_not_found`.
    pub async fn serving_generation(&self, org_id: &str) -> Result<i64> {
        const SQL: &str = "SELECT serving_generation FROM organizations WHERE id = $1";
        let found =
            on_pool!(self.reachable_pool()?, db => sqlx::query_scalar(SQL).bind(org_id).fetch_optional(db).await)?;
        found.ok_or_else(|| organization_not_found(org_id))
    }

    /// Returns the models in use.
    ///
    /// # Errors
    /// `no_model`.
    pub async fn models_in_use(&self, org_id: &str) -> Result<InUse> {
        const SQL: &str = "SELECT * FROM models WHERE org_id = $1 AND role IS NOT NULL";
        let rows: Vec<ModelRow> =
            on_pool!(self.reachable_pool()?, db => sqlx::query_as(SQL).bind(org_id).fetch_all(db).await)?;
        let (mut active, mut challenger) = (None, None);
        for row in rows {
            match row.role {
                Some(ModelRole::Active) => active = Some(row),
                _ => challenger = Some(row),
            }
        }
        Ok(InUse { active: active.ok_or_else(|| no_model(org_id))?, challenger })
    }
}

impl Tx {
    /// Locks the organization's row until the end of the transaction, so that versions and roles change one after the other.
    /// Increments the serving generation, so that every server sees the change.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn bump_serving_generation(&mut self, org_id: &str) -> Result<()> {
        const SQL: &str = "UPDATE organizations SET serving_generation = serving_generation + 1 WHERE id = $1";
        on_tx!(self, db => sqlx::query(SQL).bind(org_id).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Inserts a new model that a job will train. It gets the next version.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn insert_model(&mut self, new: &NewModel<'_>) -> Result<()> {
        // Two trainings that begin at once wait for each other here.
        const LOCK: &str = "UPDATE organizations SET name = name WHERE id = $1";
        const SQL: &str = "INSERT INTO models (id, org_id, version, model_type, status, dataset_id, job_id, created_at) \
             VALUES ($1, $2, (SELECT COALESCE(MAX(version), 0) + 1 FROM models WHERE org_id = $2), $3, 'training', $4, $5, $6)";
        on_tx!(self, db => sqlx::query(LOCK).bind(new.org_id).execute(db).await.map(drop))?;
        on_tx!(self, db => sqlx::query(SQL)
            .bind(new.id).bind(new.org_id).bind(new.model_type).bind(new.dataset_id).bind(new.job_id).bind(Stamp::now())
            .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Marks a training as completed; the document is in storage.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn training_completed(&mut self, id: &str, document_key: &str, model: &churn::Model) -> Result<()> {
        const SQL: &str = "UPDATE models SET status = 'completed', document_key = $2, kind = $3, training_samples = $4, \
             churn_rate = $5, recency_auc = $6, metrics = $7, warnings = $8, trained_at = $9, findings = $10, \
             roc_auc_over_time = $11, judged_cutoffs = $12, \
             error_code = NULL, error_message = NULL, error_line = NULL, error_findings = NULL WHERE id = $1";
        let (training, evaluation) = (model.training(), model.evaluation());
        let over_time = evaluation.and_then(|evaluation| evaluation.over_time.as_ref());
        self.confirm_file(document_key).await?;
        on_tx!(self, db => sqlx::query(SQL)
            .bind(id).bind(document_key).bind(model.kind().name()).bind(training.rows as i64).bind(training.base_rate)
            .bind(evaluation.and_then(|evaluation| evaluation.recency_auc))
            .bind(evaluation.map(|evaluation| JsonText(&evaluation.metrics))).bind(JsonText(model.warnings()))
            .bind(Stamp::now()).bind(model.findings().map(JsonText))
            .bind(over_time.map(|found| JsonText(found.roc_auc))).bind(over_time.map(|found| found.cutoffs.len() as i64))
            .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Marks a training as failed.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn training_failed(&mut self, id: &str, error: &ApiError) -> Result<()> {
        const SQL: &str = "UPDATE models SET status = 'failed', error_code = $2, error_message = $3, error_line = $4, \
             error_findings = $5 WHERE id = $1";
        on_tx!(self, db => sqlx::query(SQL)
            .bind(id).bind(error.code()).bind(error.message()).bind(error.line()).bind(error.findings()).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Activates a model in place of the active one. Does nothing if it is already active. With `only_first`, it is activated
    /// only if no other model is active.
    ///
    /// # Errors
    /// `model_not_found`; `model_not_ready`.
    pub async fn activate_model(&mut self, org_id: &str, id: &str, only_first: bool) -> Result<()> {
        const ACTIVE: &str = "SELECT id FROM models WHERE org_id = $1 AND role = 'active'";
        const STATUS: &str = "SELECT status FROM models WHERE org_id = $1 AND id = $2";
        const NOTE: &str = "INSERT INTO activations (id, org_id, model_id, previous_id, created_at) \
             VALUES ($1, $2, $3, $4, $5)";
        self.bump_serving_generation(org_id).await?;
        let active: Option<String> =
            on_tx!(self, db => sqlx::query_scalar(ACTIVE).bind(org_id).fetch_optional(db).await)?;
        let status: Option<ModelStatus> =
            on_tx!(self, db => sqlx::query_scalar(STATUS).bind(org_id).bind(id).fetch_optional(db).await)?;
        match status {
            None => return Err(model_not_found(org_id, id)),
            Some(ModelStatus::Completed) => (),
            Some(status) => {
                let message = format!("the model {id} cannot be put to use: it is {status}, not completed");
                return Err(ApiError::conflict("model_not_ready", message));
            }
        }
        if active.as_deref() == Some(id) || (only_first && active.is_some()) {
            return Ok(());
        }
        self.set_active(org_id, id).await?;
        let note = uuid::Uuid::now_v7().to_string();
        on_tx!(self, db => sqlx::query(NOTE)
            .bind(note).bind(org_id).bind(id).bind(active).bind(Stamp::now()).execute(db).await.map(drop))?;
        Ok(())
    }

    async fn set_active(&mut self, org_id: &str, id: &str) -> Result<()> {
        const AWAY: &str = "UPDATE models SET role = NULL WHERE org_id = $1 AND (role = 'active' OR id = $2)";
        const SET: &str = "UPDATE models SET role = 'active' WHERE org_id = $1 AND id = $2";
        for sql in [AWAY, SET] {
            on_tx!(self, db => sqlx::query(sql).bind(org_id).bind(id).execute(db).await.map(drop))?;
        }
        Ok(())
    }

    /// Activates the model that was active before the current one, and returns its id. A second call goes one further back.
    ///
    /// # Errors
    /// `nothing_to_roll_back`.
    pub async fn roll_back_model(&mut self, org_id: &str) -> Result<String> {
        // The newest activation of the active model that is not undone.
        const LAST: &str = "SELECT activations.id, activations.previous_id FROM activations JOIN models \
             ON models.id = activations.model_id WHERE activations.org_id = $1 AND models.role = 'active' \
             AND activations.previous_id IS NOT NULL AND NOT activations.undone ORDER BY activations.created_at DESC, \
             activations.id DESC LIMIT 1";
        const UNDO: &str = "UPDATE activations SET undone = TRUE WHERE id = $1";
        self.bump_serving_generation(org_id).await?;
        let last: Option<(String, String)> =
            on_tx!(self, db => sqlx::query_as(LAST).bind(org_id).fetch_optional(db).await)?;
        let Some((change, previous)) = last else {
            let message = "the active model took over from no other: there is nothing to roll back to";
            return Err(ApiError::conflict("nothing_to_roll_back", message));
        };
        self.set_active(org_id, &previous).await?;
        on_tx!(self, db => sqlx::query(UNDO).bind(change).execute(db).await.map(drop))?;
        Ok(previous)
    }

    /// Makes a model the challenger, which scores a share of the customers.
    ///
    /// # Errors
    /// `no_model`; `model_not_found`; `model_not_ready`; `conflict` if it is the active one.
    pub async fn set_challenger(&mut self, org_id: &str, id: &str, share: f64) -> Result<()> {
        const ROW: &str = "SELECT * FROM models WHERE org_id = $1 AND id = $2";
        const ACTIVE: &str = "SELECT COUNT(*) FROM models WHERE org_id = $1 AND role = 'active'";
        const SET: &str = "UPDATE models SET role = 'challenger' WHERE org_id = $1 AND id = $2";
        const SHARE: &str = "UPDATE organizations SET traffic_share = $2 WHERE id = $1";
        self.remove_challenger(org_id).await?;
        let active: i64 = on_tx!(self, db => sqlx::query_scalar(ACTIVE).bind(org_id).fetch_one(db).await)?;
        if active == 0 {
            return Err(no_model(org_id));
        }
        let row: Option<ModelRow> =
            on_tx!(self, db => sqlx::query_as(ROW).bind(org_id).bind(id).fetch_optional(db).await)?;
        match row {
            None => return Err(model_not_found(org_id, id)),
            Some(ModelRow { role: Some(_), .. }) => {
                let message = format!("the model {id} is the active one; a challenger is another");
                return Err(ApiError::conflict("conflict", message));
            }
            Some(ModelRow { status: ModelStatus::Completed, .. }) => (),
            Some(ModelRow { status, .. }) => {
                let message = format!("the model {id} cannot be put to use: it is {status}, not completed");
                return Err(ApiError::conflict("model_not_ready", message));
            }
        }
        on_tx!(self, db => sqlx::query(SET).bind(org_id).bind(id).execute(db).await.map(drop))?;
        on_tx!(self, db => sqlx::query(SHARE).bind(org_id).bind(share).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Makes the active model score all customers. Returns false if there was no challenger.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn remove_challenger(&mut self, org_id: &str) -> Result<bool> {
        const AWAY: &str = "UPDATE models SET role = NULL WHERE org_id = $1 AND role = 'challenger'";
        const SHARE: &str = "UPDATE organizations SET traffic_share = 0 WHERE id = $1";
        self.bump_serving_generation(org_id).await?;
        let rows =
            on_tx!(self, db => sqlx::query(AWAY).bind(org_id).execute(db).await.map(|done| done.rows_affected()))?;
        on_tx!(self, db => sqlx::query(SHARE).bind(org_id).execute(db).await.map(drop))?;
        Ok(rows > 0)
    }
}
