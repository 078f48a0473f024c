//! Calibration: turns scores into probabilities that match frequencies. Of the customers given 0.3, three in ten churn.

use serde::Serialize;

use super::sigmoid;
use crate::json::{Json, JsonResult};
use crate::objects::{FromJson, Object, case, names};

/// The method that calibrates scores to probabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationKind {
    /// Isotonic where there are at least 1,000 customers of each outcome, else Platt.
    #[default]
    Auto,
    /// A logistic curve.
    Platt,
    /// A rising, piecewise linear curve.
    Isotonic,
    /// None: the learner's own probabilities.
    None,
}

names! { CalibrationKind { Auto, Platt, Isotonic, None } }

/// A fitted calibration of scores in log-odds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Calibration {
    Identity,
    Platt { slope: f64, offset: f64 },
    Isotonic { scores: Vec<f64>, probabilities: Vec<f64> },
}

impl FromJson for Calibration {
    fn from_json(json: &Json) -> JsonResult<Self> {
        match case(json)? {
            ("identity", Json::Null) => Ok(Calibration::Identity),
            ("platt", value) => {
                let platt = Object::of(value, &["slope", "offset"])?;
                Ok(Calibration::Platt { slope: platt.field("slope")?, offset: platt.field("offset")? })
            }
            ("isotonic", value) => {
                let isotonic = Object::of(value, &["scores", "probabilities"])?;
                let (scores, probabilities) = (isotonic.field("scores")?, isotonic.field("probabilities")?);
                Ok(Calibration::Isotonic { scores, probabilities })
            }
            _ => Err(json.expected("identity, platt or isotonic")),
        }
    }
}

impl Calibration {
    pub(crate) fn probability(&self, score: f64) -> f64 {
        match self {
            Calibration::Identity => sigmoid(score),
            Calibration::Platt { slope, offset } => sigmoid(slope * score + offset),
            Calibration::Isotonic { scores, probabilities } => {
                let above = scores.partition_point(|&s| s < score);
                match above {
                    0 => probabilities[0],
                    n if n == scores.len() => probabilities[n - 1],
                    _ => {
                        let (x0, x1) = (scores[above - 1], scores[above]);
                        let (y0, y1) = (probabilities[above - 1], probabilities[above]);
                        (y0 + (y1 - y0) * ((score - x0) / (x1 - x0))).clamp(y0, y1)
                    }
                }
            }
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Calibration::Identity => "none",
            Calibration::Platt { .. } => "Platt",
            Calibration::Isotonic { .. } => "isotonic",
        }
    }
}
