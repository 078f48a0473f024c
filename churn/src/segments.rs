//! Risk bands of the calibrated probability, and the observed churn rate in each.

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::json::{Json, JsonResult};
use crate::objects::{FromJson, deserialized, objects};

/// A risk band.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Segment {
    /// Probabilities below `medium`.
    Low,
    /// Probabilities from `medium` to below `high`.
    Medium,
    /// Probabilities from `high` to below `critical`.
    High,
    /// Probabilities of `critical` and above.
    Critical,
}

impl Segment {
    /// All four, from low to critical.
    pub const ALL: [Segment; 4] = [Segment::Low, Segment::Medium, Segment::High, Segment::Critical];

    /// The name as it is written in files and responses.
    pub fn name(self) -> &'static str {
        match self {
            Segment::Low => "Low",
            Segment::Medium => "Medium",
            Segment::High => "High",
            Segment::Critical => "Critical",
        }
    }
}

impl FromJson for Segment {
    fn from_json(json: &Json) -> JsonResult<Self> {
        let named = |segment: &Segment| matches!(json, Json::Text(text) if text == segment.name());
        Segment::ALL.into_iter().find(named).ok_or_else(|| json.expected("Low, Medium, High or Critical"))
    }
}

deserialized!(Segment);

/// Lower bounds of the risk bands; the band Low begins at 0.
///
/// ```
/// use churn::{Segment, Thresholds};
/// assert_eq!(Thresholds::default().segment(0.3)?, Segment::Medium);
/// assert_eq!(Thresholds::default().segment(0.29)?, Segment::Low);
/// # Ok::<(), churn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Thresholds {
    /// The lower bound of the band Medium; default 0.3.
    pub medium: f64,
    /// The lower bound of the band High; default 0.5.
    pub high: f64,
    /// The lower bound of the band Critical; default 0.7.
    pub critical: f64,
}

objects! { @default Thresholds { medium, high, critical } }

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds { medium: 0.3, high: 0.5, critical: 0.7 }
    }
}

impl Thresholds {
    pub(crate) fn check(&self) -> Result<()> {
        let Thresholds { medium, high, critical } = *self;
        if 0.0 <= medium && medium < high && high < critical && critical <= 1.0 {
            return Ok(());
        }
        let message = format!("thresholds are {medium}, {high}, {critical}; expected 0 ≤ medium < high < critical ≤ 1");
        Err(Error::new(ErrorKind::InvalidParameter, message))
    }

    /// The band of a probability.
    ///
    /// # Errors
    /// `invalid_probability` outside 0..1, `invalid_parameter` if the thresholds do not rise from 0 to 1.
    pub fn segment(&self, probability: f64) -> Result<Segment> {
        self.check()?;
        check_probability(probability)?;
        Ok(self.band(probability))
    }

    pub(crate) fn band(&self, probability: f64) -> Segment {
        match probability {
            p if p < self.medium => Segment::Low,
            p if p < self.high => Segment::Medium,
            p if p < self.critical => Segment::High,
            _ => Segment::Critical,
        }
    }

    /// Returns the lower bound of the band, and the lower bound of the next one (1 for Critical).
    pub fn bounds(&self, segment: Segment) -> (f64, f64) {
        match segment {
            Segment::Low => (0.0, self.medium),
            Segment::Medium => (self.medium, self.high),
            Segment::High => (self.high, self.critical),
            Segment::Critical => (self.critical, 1.0),
        }
    }
}

pub(crate) fn check_probability(probability: f64) -> Result<()> {
    if (0.0..=1.0).contains(&probability) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidProbability, format!("{probability} is not a probability; expected 0 to 1")))
}

/// One band of a segment table.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SegmentRow {
    /// The band.
    pub segment: Segment,
    /// The lower bound of the band.
    pub from: f64,
    /// The lower bound of the next band; 1 for the last one.
    pub to: f64,
    /// Customers in it.
    pub customers: u64,
    /// Number of them that churned.
    pub churned: u64,
    /// churned / customers; none without a customer.
    pub observed_rate: Option<f64>,
    /// Mean of the predicted probabilities; none without a customer.
    pub mean_probability: Option<f64>,
}

objects! { SegmentRow { segment, from, to, customers, churned, observed_rate, mean_probability } }

/// The four bands, each with its observed churn rate and its mean predicted probability.
///
/// # Errors
/// `shape_mismatch`, `invalid_probability`, `invalid_parameter`.
pub fn segment_table(churned: &[bool], probabilities: &[f64], thresholds: &Thresholds) -> Result<Vec<SegmentRow>> {
    thresholds.check()?;
    if churned.len() != probabilities.len() {
        let message = format!(
            "{} labels and {} probabilities; expected one of each a customer",
            churned.len(),
            probabilities.len()
        );
        return Err(Error::new(ErrorKind::ShapeMismatch, message));
    }
    // Sorted, so that the means do not depend on the order of the rows.
    let mut sorted: Vec<(f64, bool)> = probabilities.iter().copied().zip(churned.iter().copied()).collect();
    crate::metrics::sort_rows(&mut sorted);
    for &(probability, _) in &sorted {
        check_probability(probability)?;
    }
    Ok(Segment::ALL
        .map(|segment| {
            let within = || sorted.iter().filter(move |(p, _)| thresholds.band(*p) == segment);
            let customers = within().count() as u64;
            let churned = within().filter(|(_, churned)| *churned).count() as u64;
            let share = |part: f64| (customers > 0).then(|| part / customers as f64);
            let (from, to) = thresholds.bounds(segment);
            SegmentRow {
                segment,
                from,
                to,
                customers,
                churned,
                observed_rate: share(churned as f64),
                mean_probability: share(within().map(|(p, _)| p).sum()),
            }
        })
        .to_vec())
}
