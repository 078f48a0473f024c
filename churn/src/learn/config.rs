//! The settings of training, as structs and as a flat map of keys.

use serde::Serialize;

use super::snapshot::most_by_default;
use crate::day::Day;
use crate::error::{Result, invalid_parameter};
use crate::features::{FeatureConfig, FeatureSet, registry};
use crate::findings::check_allowed;
use crate::json::{Json, JsonResult};
use crate::labels::{LabelConfig, LabelKind};
use crate::model::{LearnConfig, ModelKind};
use crate::objects::{FromJson, Object, deserialized};

/// Settings for training on events. In JSON and in keyword arguments, the keys of [`LabelConfig`], [`FeatureConfig`] and
/// [`LearnConfig`] and the keys below are on one level.
///
/// ```
/// let config: churn::TrainConfig = serde_json::from_str(
///     r#"{"model": "gradient_boosting", "horizon_days": 60, "feature_set": "behavioral", "snapshots": 3}"#,
/// ).unwrap();
/// assert_eq!((config.labels.horizon_days, config.snapshots), (60, Some(3)));
/// assert!(serde_json::from_str::<churn::TrainConfig>(r#"{"horizont": 60}"#).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrainConfig {
    /// The definition of churn.
    #[serde(flatten)]
    pub labels: LabelConfig,
    /// The settings of the features; the default set is `behavioral`.
    #[serde(flatten)]
    pub features: FeatureConfig,
    /// The settings of the learner; the default is a random forest.
    #[serde(flatten)]
    pub learning: LearnConfig,
    /// Number of cutoffs to stack, 1 to 1000. None for as many as the log has room for, up to twelve (down to three if twelve
    /// would make more than half a million rows).
    pub snapshots: Option<usize>,
    /// The cutoffs themselves, instead of their number.
    pub cutoffs: Option<Vec<Day>>,
    /// True to audit that no event after a cutoff reaches the features (default true).
    pub audit: bool,
    /// True to evaluate the recipe on rows that it was not trained on (default true). Without it, training takes less time, and
    /// nobody knows how far to believe the model: it has no report, and the candidates of `auto` are not listed. A
    /// backtest, which is an evaluation itself, takes neither this setting nor the next, so that they are written only where they are false.
    #[serde(skip_serializing_if = "is_true")]
    pub evaluation: bool,
    /// True to compare the recipe with logistic regression in the evaluation (default true).
    #[serde(skip_serializing_if = "is_true")]
    pub compare_with_logistic: bool,
    /// A column of the joined table with the weights of the customers: above 0 and at most 10^9, one for each customer that is
    /// learned from. It is not a feature. Learners and calibration weigh the rows of a customer by it; the measures of the evaluation
    /// count every customer once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
    /// Codes of findings that must not stop training ([`finding_codes`](crate::finding_codes)).
    pub allow: Vec<String>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        TrainConfig {
            labels: LabelConfig::default(),
            features: FeatureConfig { feature_set: FeatureSet::Behavioral, ..FeatureConfig::default() },
            learning: LearnConfig::default(),
            snapshots: None,
            cutoffs: None,
            audit: true,
            evaluation: true,
            compare_with_logistic: true,
            weight: None,
            allow: Vec::new(),
        }
    }
}

impl TrainConfig {
    /// Reads settings from JSON, with all keys on one level.
    ///
    /// # Errors
    /// `invalid_parameter`, naming an unknown key or a value of the wrong type.
    pub fn from_json(text: &str) -> Result<Self> {
        crate::objects::from_json(text)
            .map_err(|error| invalid_parameter("the configuration", error, "settings of TrainConfig"))
    }

    /// Checks the settings that are invalid for any data, as training does before it reads the data.
    ///
    /// # Errors
    /// `invalid_parameter`, naming the setting.
    pub fn check(&self) -> Result<()> {
        self.labels.check()?;
        self.features.check()?;
        check_allowed(&self.allow)?;
        self.learning.check()?;
        Ok(())
    }

    /// The largest number of values in the training table for a log of this many customers: one value of each feature for
    /// each customer at each cutoff. Training holds a small multiple of them in memory, at eight bytes each. So a service can
    /// refuse a training in advance that would not fit.
    ///
    /// ```
    /// use churn::TrainConfig;
    /// let config = TrainConfig::from_json(r#"{"snapshots": 400, "horizon_days": 1, "feature_set": "rfm"}"#)?;
    /// // 100,000 customers, 400 cutoffs, the 8 features of the set rfm.
    /// assert_eq!(config.most_values(100_000), 320_000_000);
    /// # Ok::<(), churn::Error>(())
    /// ```
    pub fn most_values(&self, customers: u64) -> u64 {
        let cutoffs = match (&self.cutoffs, self.snapshots) {
            (Some(cutoffs), _) => cutoffs.len(),
            (None, _) if self.labels.labels != LabelKind::OutcomeWindow => 1,
            (None, count) => count.unwrap_or(most_by_default(customers)),
        };
        let features = &self.features;
        let types = match &features.event_type_columns {
            Some(types) => types.clone(),
            None => (0..features.top_event_types).map(|number| number.to_string()).collect(),
        };
        let count = |set| registry(set, &features.windows, &types).len();
        let columns = match self.learning.needs_search() {
            // The search tries both sets.
            true => count(FeatureSet::Rfm).max(count(FeatureSet::Behavioral)),
            false => count(features.feature_set),
        };
        customers.saturating_mul(cutoffs as u64).saturating_mul(columns as u64)
    }
}

/// Settings for training on a table with one row per customer. In JSON and in keyword arguments, the keys of [`LearnConfig`]
/// and the keys below are on one level.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableConfig {
    /// The label column: 0/1, true/false or yes/no.
    pub label: String,
    /// The column of customer ids; none if each row is a different customer.
    pub customer_id: Option<String>,
    /// A column of row weights: above 0 and at most 10^9. Learners and calibration weigh the rows by it; the measures of the
    /// evaluation count every row once.
    pub weight: Option<String>,
    /// Columns that are not used as features.
    pub leave_out: Vec<String>,
    /// True to evaluate the recipe on rows that it was not trained on (default true). Without it, training takes less time, and
    /// nobody knows how far to believe the model: it has no report, and the candidates of `auto` are not listed.
    /// Without it, a few rows of either outcome suffice.
    pub evaluation: bool,
    /// True to compare the recipe with logistic regression in the evaluation (default true).
    pub compare_with_logistic: bool,
    /// The settings of the learner; the default is gradient boosting.
    #[serde(flatten)]
    pub learning: LearnConfig,
}

impl Default for TableConfig {
    fn default() -> Self {
        TableConfig {
            label: "churned".to_owned(),
            customer_id: None,
            weight: None,
            leave_out: Vec::new(),
            evaluation: true,
            compare_with_logistic: true,
            learning: LearnConfig { model: ModelKind::GradientBoosting, ..LearnConfig::default() },
        }
    }
}

impl TableConfig {
    /// Checks the settings that are invalid for any table, as training does first.
    ///
    /// # Errors
    /// `invalid_parameter`, naming the setting.
    pub fn check(&self) -> Result<()> {
        self.learning.check()?;
        Ok(())
    }
}

/// Returns whether a setting has its default, true.
fn is_true(setting: &bool) -> bool {
    *setting
}

impl TrainConfig {
    /// The keys that are read from an object.
    pub(crate) fn keys() -> Vec<&'static str> {
        let own: &[&str] = &["snapshots", "cutoffs", "audit", "evaluation", "compare_with_logistic", "weight", "allow"];
        [LabelConfig::KEYS, FeatureConfig::KEYS, LearnConfig::KEYS, own].concat()
    }
}

impl FromJson for TrainConfig {
    fn from_json(json: &Json) -> JsonResult<Self> {
        let object = Object::of(json, &TrainConfig::keys())?;
        let default = TrainConfig::default();
        Ok(TrainConfig {
            labels: LabelConfig::of_object(object)?,
            features: FeatureConfig {
                feature_set: object.field_or("feature_set", default.features.feature_set)?,
                ..FeatureConfig::of_object(object)?
            },
            learning: LearnConfig::of_object(object)?,
            snapshots: object.field("snapshots")?,
            cutoffs: object.field("cutoffs")?,
            audit: object.field_or("audit", true)?,
            evaluation: object.field_or("evaluation", true)?,
            compare_with_logistic: object.field_or("compare_with_logistic", true)?,
            weight: object.field("weight")?,
            allow: object.field_or("allow", Vec::new())?,
        })
    }
}

impl FromJson for TableConfig {
    fn from_json(json: &Json) -> JsonResult<Self> {
        let own: &[&str] = &["label", "customer_id", "weight", "leave_out", "evaluation", "compare_with_logistic"];
        let object = Object::of(json, &[own, LearnConfig::KEYS].concat())?;
        let default = TableConfig::default();
        Ok(TableConfig {
            label: object.field_or("label", default.label)?,
            customer_id: object.field("customer_id")?,
            weight: object.field("weight")?,
            leave_out: object.field_or("leave_out", Vec::new())?,
            evaluation: object.field_or("evaluation", true)?,
            compare_with_logistic: object.field_or("compare_with_logistic", true)?,
            learning: LearnConfig {
                model: object.field_or("model", default.learning.model)?,
                ..LearnConfig::of_object(object)?
            },
        })
    }
}

deserialized!(TrainConfig, TableConfig);
