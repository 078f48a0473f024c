//! Why customers of a subscription would leave: a model for each cause, whose probabilities add up to the probability of churn.

#[cfg(all(feature = "subscriptions", feature = "train"))]
pub(crate) use given::CauseModel;
#[cfg(feature = "subscriptions")]
pub(crate) use given::Causes;

#[cfg(not(feature = "subscriptions"))]
pub(crate) use none::Causes;

#[cfg(not(feature = "subscriptions"))]
mod none {
    use serde::Serialize;

    use crate::json::{Json, JsonError, JsonResult};
    use crate::objects::FromJson;

    /// The part of a document that this build cannot read.
    #[derive(Clone, Debug, PartialEq, Serialize)]
    pub(crate) struct Causes;

    impl Causes {
        pub(crate) fn none() -> Self {
            Causes
        }

        pub(crate) fn is_empty(&self) -> bool {
            true
        }
    }

    impl FromJson for Causes {
        fn from_json(_: &Json) -> JsonResult<Self> {
            Err(JsonError::new("this build reads no models of subscriptions"))
        }

        fn missing() -> Option<Self> {
            Some(Causes::none())
        }
    }
}

#[cfg(feature = "subscriptions")]
mod given {
    use serde::Serialize;

    use crate::error::Result;
    use crate::features::FeatureSpec;
    use crate::json::{Json, JsonResult};
    use crate::model::Scorer;
    use crate::model::calibration::Calibration;
    use crate::model::document::{check_calibration, check_learner, invalid};
    use crate::model::learner::{Learner, ModelKind};
    use crate::model::level_log_odds::LevelLogOdds;
    use crate::objects::{FromJson, objects};
    use crate::subscriptions::EndReason;

    /// The model of one cause: its share among the customers who leave.
    #[derive(Clone, Debug, PartialEq, Serialize)]
    pub(crate) struct CauseModel {
        pub(crate) cause: EndReason,
        pub(crate) learner: Learner,
        #[serde(skip_serializing_if = "LevelLogOdds::is_empty")]
        pub(crate) level_log_odds: LevelLogOdds,
        pub(crate) calibration: Calibration,
    }

    objects! { CauseModel { cause, learner, level_log_odds, calibration } }

    /// The models of the causes; none if there were too few customers of a second cause.
    #[derive(Clone, Debug, PartialEq, Serialize)]
    pub(crate) struct Causes(pub(crate) Vec<CauseModel>);

    impl FromJson for Causes {
        fn from_json(json: &Json) -> JsonResult<Self> {
            Vec::from_json(json).map(Causes)
        }

        fn missing() -> Option<Self> {
            Some(Causes::none())
        }
    }

    impl Causes {
        pub(crate) fn none() -> Self {
            Causes(Vec::new())
        }

        pub(crate) fn is_empty(&self) -> bool {
            self.0.is_empty()
        }

        pub(crate) fn check(&self, features: &[FeatureSpec], model: ModelKind) -> Result<()> {
            if self.0.windows(2).any(|pair| pair[0].cause >= pair[1].cause) {
                return Err(invalid("the causes are not in their order, or one is there twice"));
            }
            self.0.iter().try_for_each(|cause| {
                check_learner(&cause.learner, &cause.level_log_odds, features, model)?;
                check_calibration(&cause.calibration)
            })
        }

        /// The probability of each cause for each row. Those of a row add up to its probability of churn, because the shares
        /// of the causes are scaled to add up to 1.
        pub(crate) fn probabilities(&self, x: &ndarray::Array2<f64>, churn: &[f64]) -> Vec<(EndReason, Vec<f64>)> {
            let scorer = |cause: &CauseModel| Scorer::new(&cause.learner, &cause.level_log_odds, &cause.calibration);
            let of = |cause: &CauseModel| scorer(cause).probabilities(x);
            let mut found: Vec<(EndReason, Vec<f64>)> = self.0.iter().map(|cause| (cause.cause, of(cause))).collect();
            for (row, &p) in churn.iter().enumerate() {
                let sum: f64 = found.iter().map(|(_, values)| values[row]).sum();
                let count = found.len() as f64;
                for (_, values) in &mut found {
                    values[row] = if sum > 0.0 { p * (values[row] / sum) } else { p / count };
                }
            }
            found
        }
    }
}
