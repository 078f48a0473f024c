//! Organizations and their settings.

use churn::profit::Campaign;
use churn::{BacktestConfig, ReadOptions, Thresholds, TrainConfig};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{JsonText, PageQuery, Paged, Store, Tx, conflict, on_pool, on_tx};
use crate::error::{ApiError, Result};
use crate::time::Stamp;

/// An organization.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Organization {
    /// Id, as used in paths.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Settings of the organization.
    pub settings: JsonText<Settings>,
    /// Incremented whenever anything changes that predictions use.
    pub serving_generation: i64,
    /// Share of the customers that the challenger scores.
    pub traffic_share: f64,
    /// Time of creation.
    pub created_at: Stamp,
}

/// Settings of an organization. Every key has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// With labels `inactivity`: days without an event after which a customer counts as churned, 1 to 3650.
    #[schema(minimum = 1, maximum = 3650, default = 30)]
    pub churn_threshold_days: i32,
    /// Lower bounds of the risk segments: 0 ≤ medium < high < critical ≤ 1.
    #[schema(value_type = Object, example = json!({"medium": 0.3, "high": 0.5, "critical": 0.7}))]
    pub thresholds: Thresholds,
    /// Costs and success rate of a retention campaign, used for the expected profits.
    #[schema(value_type = Object, example = json!({"clv": 200.0, "incentive_cost": 10.0, "contact_cost": 1.0, "success_rate": 0.3}))]
    pub campaign: Campaign,
    /// Options for reading CSV files: column names, date format, delimiter, treatment of bad rows, and which rows form one
    /// event.
    #[schema(value_type = Object, example = json!({"columns": {"event_date": "InvoiceDate"}, "on_bad_row": "skip"}))]
    pub read: ReadOptions,
    /// Training settings that differ from the defaults, all keys side by side.
    #[schema(value_type = Object, example = json!({"horizon_days": 60, "feature_set": "behavioral"}))]
    pub train: Map<String, Value>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            churn_threshold_days: 30,
            thresholds: Thresholds::default(),
            campaign: Campaign::default(),
            read: ReadOptions::default(),
            train: Map::new(),
        }
    }
}

impl Settings {
    /// Returns the settings with the keys of `changes` replaced.
    ///
    /// # Errors
    /// `invalid_body` for an unknown key or a wrong type, `invalid_parameter` for a value out of its range.
    pub fn changed(&self, changes: Map<String, Value>) -> Result<Settings> {
        let mut all = match serde_json::to_value(self) {
            Ok(Value::Object(all)) => all,
            _ => return Err(ApiError::internal("settings are no object")),
        };
        all.extend(changes);
        let settings: Settings = serde_json::from_value(Value::Object(all)).map_err(|error| {
            let status = axum::http::StatusCode::UNPROCESSABLE_ENTITY;
            ApiError::new(status, "invalid_body", format!("settings: {error}"))
        })?;
        settings.check()?;
        Ok(settings)
    }

    /// # Errors
    /// `invalid_parameter` for a value out of its range.
    pub fn check(&self) -> Result<()> {
        if !(1..=3650).contains(&self.churn_threshold_days) {
            let message = format!("churn_threshold_days is {}; expected 1 to 3650", self.churn_threshold_days);
            return Err(ApiError::bad_request("invalid_parameter", message));
        }
        self.thresholds.segment(0.0)?;
        self.campaign.threshold()?;
        // The reader checks its options before it reads.
        if let Err(error) = churn::Events::from_csv(&b""[..], &self.read)
            && error.kind() == churn::ErrorKind::InvalidParameter
        {
            return Err(error.into());
        }
        self.train_config(&Map::new()).map(drop)
    }

    /// Returns the training settings: the documented defaults of the API (logistic regression on the features `rfm`),
    /// overridden by the settings of the organization, and these by those of a request.
    ///
    /// # Errors
    /// `invalid_parameter`.
    pub fn train_config(&self, overrides: &Map<String, Value>) -> Result<TrainConfig> {
        let config = TrainConfig::from_json(&Value::Object(self.train_keys(overrides)?).to_string())?;
        config.check()?;
        Ok(config)
    }

    /// Returns the settings of a backtest: those of a training, and those that only a backtest has. The organization's own
    /// `cutoffs` are left out, because a training learns from them and a backtest would judge at them.
    ///
    /// # Errors
    /// `invalid_parameter`.
    pub fn backtest_config(&self, overrides: &Map<String, Value>) -> Result<BacktestConfig> {
        let mut keys = self.train_keys(overrides)?;
        // Settings of training that are not for a backtest.
        for key in ["cutoffs", "evaluation", "compare_with_logistic"] {
            if !overrides.contains_key(key) {
                keys.remove(key);
            }
        }
        let config = BacktestConfig::from_json(&Value::Object(keys).to_string())?;
        config.check()?;
        Ok(config)
    }

    /// Returns the keys of the training settings: the documented defaults, those of the organization, those of a request.
    fn train_keys(&self, overrides: &Map<String, Value>) -> Result<Map<String, Value>> {
        for (key, instead) in [("thresholds", "thresholds"), ("threshold_days", "churn_threshold_days")] {
            if self.train.contains_key(key) || overrides.contains_key(key) {
                let message = format!("train.{key} is settled by the organization's {instead}");
                return Err(ApiError::bad_request("invalid_parameter", message));
            }
        }
        // The defaults that the API documents, not those of the library.
        let documented = [("model", "logistic_regression"), ("feature_set", "rfm")];
        let mut keys: Map<String, Value> =
            documented.map(|(key, name)| (key.to_owned(), name.into())).into_iter().collect();
        keys.extend(self.train.clone());
        keys.extend(overrides.clone());
        keys.insert("thresholds".to_owned(), json!(self.thresholds));
        keys.insert("threshold_days".to_owned(), self.churn_threshold_days.into());
        Ok(keys)
    }
}

impl Store {
    /// Returns the organization with this id.
    ///
    /// # Errors
    /// `organization_not_found`.
    pub async fn organization(&self, id: &str) -> Result<Organization> {
        const SQL: &str =
            "SELECT id, name, settings, serving_generation, traffic_share, created_at FROM organizations WHERE id = $1";
        let found = on_pool!(self.reachable_pool()?, db => sqlx::query_as::<_, Organization>(SQL).bind(id).fetch_optional(db).await)?;
        found.ok_or_else(|| organization_not_found(id))
    }

    /// Returns all organizations, or only one, sorted by id.
    pub async fn organizations(&self, only: Option<&str>, page: PageQuery) -> Result<Paged<Organization>> {
        const COUNT: &str = "SELECT COUNT(*) FROM organizations WHERE $1 IS NULL OR id = $1";
        const SQL: &str = "SELECT id, name, settings, serving_generation, traffic_share, created_at FROM organizations \
             WHERE $1 IS NULL OR id = $1 ORDER BY id LIMIT $2 OFFSET $3";
        let (total, rows) = on_pool!(self.reachable_pool()?, db => (
            sqlx::query_scalar::<_, i64>(COUNT).bind(only).fetch_one(db).await?,
            sqlx::query_as::<_, Organization>(SQL).bind(only).bind(page.limit).bind(page.offset).fetch_all(db).await?,
        ));
        Ok(Paged { total, rows })
    }
}

impl Tx {
    /// Inserts a new organization.
    ///
    /// # Errors
    /// `organization_exists`.
    pub async fn insert_organization(&mut self, id: &str, name: &str, settings: &Settings) -> Result<()> {
        const SQL: &str = "INSERT INTO organizations (id, name, settings, created_at) VALUES ($1, $2, $3, $4)";
        let settings = JsonText(settings);
        on_tx!(self, db => sqlx::query(SQL).bind(id).bind(name).bind(settings).bind(Stamp::now()).execute(db).await.map(drop))
            .map_err(|error| {
                conflict(error, "organization_exists", || format!("there is an organization {id:?} already"))
            })
    }

    /// Creates the organization if it does not exist.
    pub async fn ensure_organization(&mut self, id: &str) -> Result<()> {
        const SQL: &str = "INSERT INTO organizations (id, name, settings, created_at) VALUES ($1, $1, $2, $3) \
             ON CONFLICT (id) DO NOTHING";
        let settings = JsonText(Settings::default());
        on_tx!(self, db => sqlx::query(SQL).bind(id).bind(settings).bind(Stamp::now()).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Replaces the settings. The next prediction uses them.
    pub async fn set_settings(&mut self, id: &str, settings: &Settings) -> Result<()> {
        const SQL: &str =
            "UPDATE organizations SET settings = $2, serving_generation = serving_generation + 1 WHERE id = $1";
        on_tx!(self, db => sqlx::query(SQL).bind(id).bind(JsonText(settings)).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Returns the organization as this transaction sees it.
    ///
    /// # Errors
    /// `organization_not_found`.
    pub async fn organization(&mut self, id: &str) -> Result<Organization> {
        const SQL: &str =
            "SELECT id, name, settings, serving_generation, traffic_share, created_at FROM organizations WHERE id = $1";
        let found = on_tx!(self, db => sqlx::query_as::<_, Organization>(SQL).bind(id).fetch_optional(db).await)?;
        found.ok_or_else(|| organization_not_found(id))
    }
}

pub(super) fn organization_not_found(id: &str) -> ApiError {
    let message = format!("there is no organization {id:?}; POST /organizations or a first upload makes it");
    ApiError::not_found("organization_not_found", message)
}
