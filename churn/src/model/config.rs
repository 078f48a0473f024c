//! The settings of training, as structs and as one flat map of keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fit::LearnConfig;
use crate::day::Day;
use crate::error::{Result, invalid_parameter};
use crate::features::FeatureConfig;
use crate::labels::LabelConfig;

/// How to train on events. As JSON or keyword arguments all keys stand side by side: those of [`LabelConfig`],
/// [`FeatureConfig`] and [`LearnConfig`], and the ones below.
///
/// ```
/// let config: churn::TrainConfig = serde_json::from_str(
///     r#"{"model": "gradient_boosting", "horizon_days": 60, "feature_set": "behavioral", "snapshots": 3}"#,
/// ).unwrap();
/// assert_eq!((config.labels.horizon_days, config.snapshots), (60, Some(3)));
/// assert!(serde_json::from_str::<churn::TrainConfig>(r#"{"horizont": 60}"#).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, serde_json::Value>")]
pub struct TrainConfig {
    /// What churn means.
    #[serde(flatten)]
    pub labels: LabelConfig,
    /// What is known of a customer.
    #[serde(flatten)]
    pub features: FeatureConfig,
    /// How to learn.
    #[serde(flatten)]
    pub learning: LearnConfig,
    /// How many cutoffs to stack, 1 to 1000; none for up to four, as many as the log has room for.
    pub snapshots: Option<usize>,
    /// The cutoffs themselves.
    pub cutoffs: Option<Vec<Day>>,
    /// Whether to audit that no future reaches the features (default true).
    pub audit: bool,
}

impl Default for TrainConfig {
    fn default() -> Self {
        TrainConfig {
            labels: LabelConfig::default(),
            features: FeatureConfig::default(),
            learning: LearnConfig::default(),
            snapshots: None,
            cutoffs: None,
            audit: true,
        }
    }
}

impl TrainConfig {
    /// Reads settings from JSON, all keys side by side.
    ///
    /// # Errors
    /// `invalid_parameter`, naming an unknown key or a value of the wrong type.
    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map_err(|error| invalid_parameter("the configuration", error, "settings of TrainConfig"))
    }

    /// Refuses settings that no data could make right, as training does before it looks at the data.
    ///
    /// # Errors
    /// `invalid_parameter`, naming the setting.
    pub fn check(&self) -> Result<()> {
        self.labels.check()?;
        self.features.check()?;
        self.learning.check()
    }
}

/// How to train on a table with one row a customer. As JSON or keyword arguments all keys stand side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, serde_json::Value>")]
pub struct TableConfig {
    /// The label column: 0/1, true/false or yes/no.
    pub label: String,
    /// The column of customer ids; none if each row is another customer.
    pub customer_id: Option<String>,
    /// A column of row weights above 0.
    pub weight: Option<String>,
    /// Columns that are not learned from.
    pub leave_out: Vec<String>,
    /// How to learn.
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
            learning: LearnConfig::default(),
        }
    }
}

/// Takes the keys that a struct knows out of a map and reads it from them, so that several structs share one flat map and
/// whatever is left over is a mistake of the caller.
pub(crate) fn take<T: Default + Serialize + serde::de::DeserializeOwned>(
    map: &mut BTreeMap<String, serde_json::Value>,
) -> std::result::Result<T, String> {
    let known = serde_json::to_value(T::default()).map_err(|error| error.to_string())?;
    let keys = known.as_object().into_iter().flat_map(serde_json::Map::keys);
    let taken: serde_json::Map<_, _> = keys.filter_map(|key| map.remove_entry(key)).collect();
    serde_json::from_value(taken.into()).map_err(|error| error.to_string())
}

/// Refuses the key of a map that no struct has taken, naming those that are known.
pub(crate) fn nothing_left(
    map: &BTreeMap<String, serde_json::Value>,
    known: &impl Serialize,
) -> std::result::Result<(), String> {
    let Some(key) = map.keys().next() else { return Ok(()) };
    let known = serde_json::to_value(known).map_err(|error| error.to_string())?;
    let names: Vec<&str> = known.as_object().into_iter().flat_map(serde_json::Map::keys).map(String::as_str).collect();
    Err(format!("unknown setting {key:?}; expected one of {}", names.join(", ")))
}

/// The keys of [`TrainConfig`] that stand in no part of it.
#[derive(Serialize, Deserialize)]
#[serde(default)]
struct TrainKeys {
    snapshots: Option<usize>,
    cutoffs: Option<Vec<Day>>,
    audit: bool,
}

impl Default for TrainKeys {
    fn default() -> Self {
        TrainKeys { snapshots: None, cutoffs: None, audit: true }
    }
}

impl TryFrom<BTreeMap<String, serde_json::Value>> for TrainConfig {
    type Error = String;

    fn try_from(mut map: BTreeMap<String, serde_json::Value>) -> std::result::Result<Self, String> {
        let (labels, features, learning) = (take(&mut map)?, take(&mut map)?, take(&mut map)?);
        let TrainKeys { snapshots, cutoffs, audit } = take(&mut map)?;
        nothing_left(&map, &TrainConfig::default())?;
        Ok(TrainConfig { labels, features, learning, snapshots, cutoffs, audit })
    }
}

/// The keys of [`TableConfig`] that stand in no part of it.
#[derive(Serialize, Deserialize)]
#[serde(default)]
struct TableKeys {
    label: String,
    customer_id: Option<String>,
    weight: Option<String>,
    leave_out: Vec<String>,
}

impl Default for TableKeys {
    fn default() -> Self {
        let TableConfig { label, customer_id, weight, leave_out, .. } = TableConfig::default();
        TableKeys { label, customer_id, weight, leave_out }
    }
}

impl TryFrom<BTreeMap<String, serde_json::Value>> for TableConfig {
    type Error = String;

    fn try_from(mut map: BTreeMap<String, serde_json::Value>) -> std::result::Result<Self, String> {
        let learning = take(&mut map)?;
        let TableKeys { label, customer_id, weight, leave_out } = take(&mut map)?;
        nothing_left(&map, &TableConfig::default())?;
        Ok(TableConfig { label, customer_id, weight, leave_out, learning })
    }
}
