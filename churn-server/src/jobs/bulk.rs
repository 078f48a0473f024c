//! From rows to a file of predictions.
//!
//! The file lists the customers by falling risk, equal ones by their id. So the segments follow one another, a page of any of
//! them is a few rows side by side, and because the index of every hundredth row is kept with the batch, such a page is one
//! small read from storage, however large the file is. The expected profit rises with the risk, so this is its order too.

use std::io::{self, Write};
use std::sync::Arc;

use churn::profit::Campaign;
use churn::{
    Day, Events, ExplainConfig, Explanation, Model, Observer, Predictions, ReadOptions, Reason, Segment, Thresholds,
};
use serde::{Deserialize, Serialize};

use super::{Control, Failure, Made, Result, blocking, payload};
use crate::serving::{Hot, challenged};
use crate::state::AppState;
use crate::storage::{Location, put_written};
use crate::store::{BatchMade, Job, SegmentCounts};

/// So many rows lie between two places of the index.
pub const PAGE_ROWS: u64 = 100;

/// Reasons of a customer.
const REASONS: usize = 3;

/// What the handler is told: everything as it was when the job was accepted, so that another attempt makes the same file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BulkPayload {
    /// Where the rows are.
    pub input_key: String,
    /// How they are read.
    pub read: ReadOptions,
    /// The day that customers are looked at; none for the last day of the rows.
    pub as_of: Option<Day>,
    /// The active model.
    pub model_id: String,
    /// The challenger, and the share of the customers that it scores.
    pub challenger: Option<(String, f64)>,
    /// Where the segments begin.
    pub thresholds: Thresholds,
    /// What expected profits go by.
    pub campaign: Campaign,
}

/// A row of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictionRow {
    /// Who.
    pub customer_id: String,
    /// The calibrated probability of churn.
    pub churn_probability: f64,
    /// Its band.
    pub risk_segment: Segment,
    /// The version of the model that says so.
    pub model_version: i64,
    /// What contacting the customer is expected to earn.
    pub expected_profit: f64,
    /// The strongest reason, in words.
    pub reason_1: String,
    /// The second.
    pub reason_2: String,
    /// The third.
    pub reason_3: String,
    /// The reasons for programs: a JSON list of feature, value and contribution of each.
    pub reason_values: String,
}

impl PredictionRow {
    /// The reasons with their numbers.
    pub fn reasons(&self) -> Vec<Reason> {
        let values: Vec<(String, Option<f64>, f64)> = serde_json::from_str(&self.reason_values).unwrap_or_default();
        let texts = [&self.reason_1, &self.reason_2, &self.reason_3];
        let reason = |((feature, value, contribution), text): ((String, Option<f64>, f64), &String)| Reason {
            feature,
            value,
            contribution,
            raises_risk: contribution > 0.0,
            text: text.clone(),
        };
        values.into_iter().zip(texts).map(reason).collect()
    }
}

/// The customers as one model sees them.
struct Scored {
    version: i64,
    predictions: Predictions,
    explanation: Explanation,
}

impl Scored {
    fn new(model: &Model, version: i64, events: &Events, as_of: Day, observer: &dyn Observer) -> Result<Self> {
        observer.progress("score", 0, 1);
        let table = model.features(events, Some(as_of))?;
        let predictions = model.predict_features(&table)?;
        let config = ExplainConfig { reasons: REASONS, ..ExplainConfig::default() };
        let explanation = model.explain_observed(&table, &config, observer)?;
        Ok(Scored { version, predictions, explanation })
    }
}

/// Scores every customer, explains them, and writes the file.
pub(super) async fn run(state: &AppState, job: &Job, control: &Arc<Control>) -> Result<Made> {
    let told: BulkPayload = payload(job)?;
    let active = Hot::load(state, &job.org_id, &told.model_id).await?;
    let challenger = match &told.challenger {
        Some((id, share)) if *share > 0.0 => Some((Hot::load(state, &job.org_id, id).await?, *share)),
        _ => None,
    };
    let events = super::features::read(state, &told.input_key, told.read.clone(), control).await?;
    let as_of = told.as_of.unwrap_or(events.last_day());
    let observer = control.clone();
    let scored = blocking(move || {
        let mut scored = vec![Scored::new(active.model(), active.version(), &events, as_of, &*observer)?];
        if let Some((model, share)) = &challenger {
            scored.push(Scored::new(model.model(), model.version(), &events, as_of, &*observer)?);
            return Ok((scored, Some((model.id().to_owned(), *share))));
        }
        Ok((scored, None))
    })
    .await?;
    if control.cancelled() {
        return Err(Failure::cancelled());
    }
    let at = Location::predictions(&job.org_id, &job.subject_id)?;
    let (file_key, observer) = (at.to_string(), control.clone());
    let write = move |writer: &mut dyn Write| -> Result<BatchMade> {
        let (scored, challenger) = scored;
        write_file(writer, &scored, challenger.as_ref(), &told, as_of, file_key, &*observer)
    };
    let (_, made) = put_written(&*state.storage, &at, "text/csv", u64::MAX, write).await?;
    Ok(Made::Batch { id: job.subject_id.clone(), made })
}

/// Counts the bytes that go through.
struct Counted<'a> {
    inner: &'a mut dyn Write,
    bytes: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn write_file(
    writer: &mut dyn Write,
    scored: &[Scored],
    challenger: Option<&(String, f64)>,
    told: &BulkPayload,
    as_of: Day,
    file_key: String,
    observer: &dyn Observer,
) -> Result<BatchMade> {
    let broken = |error: csv::Error| Failure::transient(crate::error::ApiError::internal(error));
    // The models see the same customers in the same order; who of them speaks of one is decided by the id.
    let ids: Vec<&str> = scored[0].predictions.customer_ids().collect();
    let speaker = |row: usize| match challenger {
        Some((id, share)) if challenged(id, ids[row], *share) => &scored[1],
        _ => &scored[0],
    };
    let probability = |row: usize| speaker(row).predictions.churn_probabilities()[row];
    let mut order: Vec<usize> = (0..ids.len()).collect();
    order.sort_unstable_by(|&a, &b| probability(b).total_cmp(&probability(a)).then_with(|| ids[a].cmp(ids[b])));

    let mut segments: SegmentCounts = Segment::ALL.into_iter().map(|segment| (segment, 0)).collect();
    let (mut page_index, mut sum) = (Vec::new(), 0.0);
    let mut csv = csv::Writer::from_writer(Counted { inner: writer, bytes: 0 });
    for (place, &row) in order.iter().enumerate() {
        if (place as u64).is_multiple_of(PAGE_ROWS) {
            if observer.cancelled() {
                return Err(Failure::cancelled());
            }
            observer.progress("write", place as u64, ids.len() as u64);
            if place == 0 {
                csv.write_record(PREDICTION_COLUMNS).map_err(broken)?;
            }
            // What the writer still holds belongs to the rows before.
            csv.flush().map_err(|error| broken(error.into()))?;
            page_index.push(csv.get_ref().bytes);
        }
        let (speaker, p) = (speaker(row), probability(row));
        let risk_segment = told.thresholds.segment(p)?;
        *segments.entry(risk_segment).or_default() += 1;
        sum += p;
        let reasons = speaker.explanation.reasons(row);
        let values: Vec<_> = reasons.iter().map(|r| (&r.feature, r.value, r.contribution)).collect();
        let reason_values = serde_json::to_string(&values)
            .map_err(|error| Failure::transient(crate::error::ApiError::internal(error)))?;
        let mut texts = reasons.into_iter().map(|reason| reason.text);
        let mut text = || texts.next().unwrap_or_default();
        let written = PredictionRow {
            customer_id: ids[row].to_owned(),
            churn_probability: p,
            risk_segment,
            model_version: speaker.version,
            expected_profit: told.campaign.expected_profit(p, told.campaign.clv)?,
            reason_1: text(),
            reason_2: text(),
            reason_3: text(),
            reason_values,
        };
        write_row(&mut csv, &written).map_err(broken)?;
    }
    csv.flush().map_err(|error| broken(error.into()))?;
    Ok(BatchMade {
        file_key,
        as_of,
        customers: ids.len() as u64,
        segments,
        mean_probability: sum / ids.len().max(1) as f64,
        page_index,
    })
}

/// The columns of the file.
pub const PREDICTION_COLUMNS: [&str; 9] = [
    "customer_id",
    "churn_probability",
    "risk_segment",
    "model_version",
    "expected_profit",
    "reason_1",
    "reason_2",
    "reason_3",
    "reason_values",
];

fn write_row<W: Write>(csv: &mut csv::Writer<W>, row: &PredictionRow) -> csv::Result<()> {
    csv.write_record([
        row.customer_id.as_str(),
        &row.churn_probability.to_string(),
        row.risk_segment.name(),
        &row.model_version.to_string(),
        &row.expected_profit.to_string(),
        &row.reason_1,
        &row.reason_2,
        &row.reason_3,
        &row.reason_values,
    ])
}
