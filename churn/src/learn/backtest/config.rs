//! The settings of a backtest, as a struct and as a flat map of keys.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{LOGISTIC, RECENCY};
use crate::error::{Result, invalid_parameter};
use crate::json::{Json, JsonResult};
use crate::labels::LabelKind;
use crate::learn::TrainConfig;
use crate::objects::{FromJson, Object, deserialized};

/// The settings of a training that a backtest does not take: it is an evaluation, and always compares with logistic regression.
const NOT_TAKEN: [&str; 2] = ["evaluation", "compare_with_logistic"];

/// Settings for a backtest. In JSON and in keyword arguments, the keys of [`TrainConfig`] and the keys below are on one level.
///
/// ```
/// let config: churn::BacktestConfig = serde_json::from_str(
///     r#"{"snapshots": 12, "most_cutoffs": 20, "against": {"three snapshots": {"snapshots": 3}}}"#,
/// ).unwrap();
/// assert_eq!(config.training.snapshots, Some(12));
/// assert_eq!(config.against["three snapshots"].snapshots, Some(3));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BacktestConfig {
    /// The recipe that is judged. `snapshots` is the largest number of earlier cutoffs that each model learns from. `cutoffs`
    /// are the cutoffs to judge at; none for all that the log allows.
    #[serde(flatten)]
    pub training: TrainConfig,
    /// Days from one judged cutoff to the next, 1 to 3650; none for the horizon. It is not used if `cutoffs` are given.
    pub step_days: Option<i32>,
    /// The largest number of cutoffs to judge at, 1 to 1000: the latest ones. None for all.
    pub most_cutoffs: Option<usize>,
    /// Other recipes by name, judged on the same customers. Logistic regression and recency alone are always there. In JSON, a
    /// recipe has only the settings that differ. Definition of churn, cutoffs, windows, audit and allowed findings are those
    /// of the recipe that is judged.
    pub against: BTreeMap<String, TrainConfig>,
    /// True to keep the prediction of every customer at every cutoff (default false).
    pub predictions: bool,
}

impl BacktestConfig {
    /// Reads settings from JSON, with all keys on one level.
    ///
    /// # Errors
    /// `invalid_parameter`, naming an unknown key or a value of the wrong type.
    pub fn from_json(text: &str) -> Result<Self> {
        crate::objects::from_json(text)
            .map_err(|error| invalid_parameter("the configuration", error, "settings of BacktestConfig"))
    }

    /// Checks the settings that are invalid for any data.
    ///
    /// # Errors
    /// `invalid_parameter`, naming the setting.
    pub fn check(&self) -> Result<()> {
        check_recipe(&self.training)?;
        if self.training.labels.labels != LabelKind::OutcomeWindow {
            let expected = "outcome_window: a backtest looks up what happened after each cutoff";
            return Err(invalid_parameter("labels", format!("{:?}", self.training.labels.labels), expected));
        }
        if let Some(step) = self.step_days.filter(|step| !(1..=3650).contains(step)) {
            return Err(invalid_parameter("step_days", step, "1 to 3650 days"));
        }
        if let Some(most) = self.most_cutoffs.filter(|most| !(1..=1000).contains(most)) {
            return Err(invalid_parameter("most_cutoffs", most, "1 to 1000"));
        }
        for (name, recipe) in &self.against {
            check_recipe(recipe)?;
            if [RECENCY, LOGISTIC].contains(&name.as_str()) || name.is_empty() {
                return Err(invalid_parameter("against", format!("{name:?}"), "another name: that one is taken"));
            }
            let of = |recipe: &TrainConfig| {
                let TrainConfig { labels, features, cutoffs, audit, weight, allow, .. } = recipe.clone();
                (labels, features.windows, cutoffs, audit, weight, allow)
            };
            if of(&self.training) != of(recipe) {
                let expected =
                    "the definition of churn, cutoffs, windows, audit, weight and allow of the recipe that is judged";
                return Err(invalid_parameter("against", format!("other ones for {name:?}"), expected));
            }
        }
        let counts = self.recipes().filter_map(|recipe| recipe.snapshots);
        match counts.into_iter().find(|count| !(1..=1000).contains(count)) {
            Some(count) => Err(invalid_parameter("snapshots", count, "1 to 1000")),
            None => Ok(()),
        }
    }

    /// The recipe that is judged, then the other ones.
    fn recipes(&self) -> impl Iterator<Item = &TrainConfig> {
        std::iter::once(&self.training).chain(self.against.values())
    }
}

/// Checks the settings of one recipe, and that those that only a training has are left as they are.
fn check_recipe(recipe: &TrainConfig) -> Result<()> {
    recipe.check()?;
    for (name, value) in NOT_TAKEN.into_iter().zip([recipe.evaluation, recipe.compare_with_logistic]) {
        if !value {
            return Err(invalid_parameter(name, value, "true: a backtest is an evaluation that compares"));
        }
    }
    Ok(())
}

impl FromJson for BacktestConfig {
    fn from_json(json: &Json) -> JsonResult<Self> {
        const OWN: [&str; 4] = ["step_days", "most_cutoffs", "against", "predictions"];
        let Json::Object(pairs) = json else { return Err(json.expected("an object")) };
        // Checked here, so that the error for an unknown key lists all of them.
        let recipe_keys = TrainConfig::keys().into_iter().filter(|key| !NOT_TAKEN.contains(key));
        Object::of(json, &OWN.into_iter().chain(recipe_keys).collect::<Vec<&str>>())?;
        let (own, recipe): (Vec<_>, Vec<_>) = pairs.iter().cloned().partition(|(key, _)| OWN.contains(&key.as_str()));
        let own = Json::Object(own);
        let object = Object::of(&own, &OWN)?;
        let with = |changes: &Json| -> JsonResult<TrainConfig> {
            let Json::Object(changes) = changes else { return Err(changes.expected("an object")) };
            let kept = recipe.iter().filter(|(key, _)| changes.iter().all(|(changed, _)| changed != key));
            <TrainConfig as FromJson>::from_json(&Json::Object(kept.chain(changes).cloned().collect()))
        };
        let mut against = BTreeMap::new();
        for (name, changes) in object.field::<BTreeMap<String, Json>>("against")? {
            let found = with(&changes).map_err(|error| error.at_key(&name).at_key("against"))?;
            against.insert(name, found);
        }
        Ok(BacktestConfig {
            training: <TrainConfig as FromJson>::from_json(&Json::Object(recipe.clone()))?,
            step_days: object.field("step_days")?,
            most_cutoffs: object.field("most_cutoffs")?,
            against,
            predictions: object.field_or("predictions", false)?,
        })
    }
}

deserialized!(BacktestConfig);
