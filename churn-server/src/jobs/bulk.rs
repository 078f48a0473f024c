//! Bulk prediction: from rows to a file of predictions.
//!
//! The file lists the customers by risk, highest first, and equal risks by id. So the segments follow one another, and a page
//! of any segment is a few adjacent rows. The byte offset of every hundredth row is stored with the batch, so such a page is
//! one small read from storage, whatever the size of the file. The expected profit increases with the risk, so the order by
//! profit is the same.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use churn::profit::Campaign;
use churn::{
    Coverage, Day, EndReason, ErrorKind, ExplainConfig, Explanation, FeatureTable, Finding, Observer, Predictions,
    ReadOptions, Reason, Segment, SlippingConfig, SlippingList, Source, SubscriptionStatus, Thresholds,
};
use serde::{Deserialize, Serialize};

use super::{Control, JobFailure, JobResult, Result, blocking, payload};
use crate::data::{Data, DataForm};
use crate::error::ApiError;
use crate::serving::{Hot, is_challenger_customer};
use crate::state::AppState;
use crate::storage::{Location, put_written};
use crate::store::{BatchMade, Job, SegmentCounts};

/// Number of rows between two entries of the page index.
pub const PAGE_ROWS: u64 = 100;

/// Number of reasons per customer.
const REASONS: usize = 3;

/// Number of customers slipping away that a batch keeps: as many as one person can call in a week.
const SLIPPING: usize = 50;

/// Payload of a bulk prediction: the state when the job was accepted, so that another attempt makes the same file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BulkPayload {
    /// Location of the rows in the storage.
    pub input_key: String,
    /// Kind of the data, with the options for reading the rows.
    pub read: DataForm,
    /// The file of the usage events of subscriptions, and how it is read.
    #[serde(default)]
    pub usage: Option<(String, ReadOptions)>,
    /// The as-of day of the scoring. None for the last day of the rows.
    pub as_of: Option<Day>,
    /// True to also score customers inactive for longer than any customer that the model has learned from, and customers who have
    /// already cancelled.
    pub include_inactive: bool,
    /// Codes of findings that do not stop the job.
    #[serde(default)]
    pub allow: Vec<String>,
    /// The active model.
    pub model_id: String,
    /// Id of the challenger, and its share of the customers.
    pub challenger: Option<(String, f64)>,
    /// Lower bounds of the risk segments.
    pub thresholds: Thresholds,
    /// Campaign for the expected profits.
    pub campaign: Campaign,
}

/// A row of the file. Its fields are the columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictionRow {
    /// Id of the customer.
    pub customer_id: String,
    /// The calibrated probability of churn.
    pub churn_probability: f64,
    /// Risk segment of the probability.
    pub risk_segment: Segment,
    /// Version of the model that made the prediction.
    pub model_version: i64,
    /// Expected profit of contacting the customer.
    pub expected_profit: f64,
    /// The strongest reason, in words.
    pub reason_1: String,
    /// The second.
    pub reason_2: String,
    /// The third.
    pub reason_3: String,
    /// The reasons for programs: a JSON list with feature, value and contribution of each reason.
    pub reason_values: String,
    /// Of subscriptions: the amount per month, or nothing. A batch of events has no such column, nor one of the next two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// Of subscriptions: the probability to leave for each cause, as a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causes: Option<String>,
    /// Of subscriptions: `true` if the customer is active and a failed payment is more likely than a cancellation, else `false`, or
    /// nothing if the model does not tell these causes apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_dunning: Option<String>,
    /// Of subscriptions: `active` or `already_cancelled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

impl PredictionRow {
    /// Returns the reasons with their numbers.
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

    /// Returns the probability to leave for each cause; None for a batch of events.
    pub fn causes(&self) -> Option<BTreeMap<EndReason, f64>> {
        Some(serde_json::from_str(self.causes.as_deref()?).unwrap_or_default())
    }

    /// Returns the amount per month.
    pub fn amount(&self) -> Option<f64> {
        self.amount.as_deref()?.parse().ok()
    }
}

/// The customers that one model scored.
struct ScoredCustomers {
    version: i64,
    customer_ids: Vec<String>,
    probabilities: Vec<f64>,
    explanation: Explanation,
    subscribed: Option<Subscribed>,
}

/// Amounts, causes and status of the scored customers of subscriptions, one for each row.
struct Subscribed {
    amounts: Vec<Option<f64>>,
    causes: Vec<BTreeMap<EndReason, f64>>,
    /// None if the model does not tell the causes apart.
    is_dunning: Option<Vec<bool>>,
    statuses: Vec<SubscriptionStatus>,
}

impl Subscribed {
    /// None for a log.
    fn new(data: &Data, predictions: &Predictions) -> Option<Self> {
        let Data::Subscriptions { subscriptions, .. } = data else { return None };
        let base = subscriptions.customer_base(predictions.as_of().unwrap_or(subscriptions.last_day())).ok()?;
        let causes = predictions.causes();
        let is_dunning = predictions.dunning().map(|rows| {
            let mut is_dunning = vec![false; predictions.len()];
            rows.into_iter().for_each(|(row, _)| is_dunning[row] = true);
            is_dunning
        });
        let status = |row: usize| match predictions.covered().is_none_or(|covered| covered[row]) {
            true => SubscriptionStatus::Active,
            false => SubscriptionStatus::AlreadyCancelled,
        };
        Some(Subscribed {
            amounts: predictions.customer_ids().map(|id| base.amount(id)).collect(),
            causes: (0..predictions.len())
                .map(|row| causes.iter().map(|(cause, p)| (*cause, p[row])).collect())
                .collect(),
            statuses: (0..predictions.len()).map(status).collect(),
            is_dunning,
        })
    }
}

impl ScoredCustomers {
    /// Scores and explains the customers of a feature table.
    fn new(hot: &Hot, data: &Data, table: &FeatureTable, observer: &dyn Observer) -> Result<Self> {
        observer.progress("score", 0, 1);
        let predictions = hot.model().predict_features(table)?;
        let config = ExplainConfig { reasons: REASONS, ..ExplainConfig::default() };
        Ok(ScoredCustomers {
            version: hot.version(),
            customer_ids: predictions.customer_ids().map(str::to_owned).collect(),
            probabilities: predictions.churn_probabilities().to_vec(),
            subscribed: Subscribed::new(data, &predictions),
            explanation: hot.model().explain_observed(table, &config, observer)?,
        })
    }
}

/// All scored customers, and the findings about the others.
struct Scores {
    as_of: Day,
    models: Vec<ScoredCustomers>,
    coverage: Coverage,
    findings: Vec<Finding>,
    slipping: SlippingList,
}

/// Lets each model score its share of the customers. Customers that its definition of churn does not cover are scored only on
/// request.
fn score(
    data: &Data,
    told: &BulkPayload,
    active: &Hot,
    challenger: Option<&(Hot, f64)>,
    observer: &dyn Observer,
) -> Result<Scores> {
    let as_of = told.as_of.unwrap_or(data.last_day());
    let (mut models, mut findings, mut total) = (Vec::new(), Vec::<Finding>::new(), Coverage::default());
    for hot in std::iter::once(active).chain(challenger.map(|(hot, _)| hot)) {
        let is_challenger = hot.id() != active.id();
        let own = |id: &str| {
            challenger.is_some_and(|(hot, share)| is_challenger_customer(hot.id(), id, *share)) == is_challenger
        };
        // All customers, so that the inactive ones of this model's share can be counted.
        let all = hot.model().features(data.source(&told.allow, true), Some(as_of))?;
        let covered = hot.model().coverage_of(&all);
        let ids: Vec<&str> = all.customer_ids().collect();
        let share: Vec<usize> = (0..ids.len()).filter(|&row| own(ids[row])).collect();
        let scored: Vec<usize> = share.iter().copied().filter(|&row| told.include_inactive || covered[row]).collect();
        let away = share.iter().filter(|&&row| !covered[row]).count() as u64;
        let of_share = Coverage { covered: share.len() as u64 - away, ..Coverage::default() };
        let coverage = match data {
            Data::Events(_) => Coverage { inactive: away, ..of_share },
            Data::Subscriptions { .. } => Coverage { already_cancelled: away, ..of_share },
        };
        total.covered += coverage.covered;
        total.inactive += coverage.inactive;
        total.already_cancelled += coverage.already_cancelled;
        // Whoever is in no table belongs to no share.
        if let (false, Some(of_all)) = (is_challenger, all.coverage()) {
            (total.not_active, total.not_due) = (of_all.not_active, of_all.not_due);
        }
        for finding in hot.model().scoring_findings(&all, coverage, told.include_inactive) {
            // Both models report the same findings about the data.
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
        if !scored.is_empty() {
            models.push(ScoredCustomers::new(hot, data, &all.select(&scored), observer)?);
        }
    }
    if models.is_empty() {
        let customers = total.customers();
        let message = match data {
            Data::Events(_) => format!(
                "none of the {customers} customers was active recently enough at {as_of} to be like those that the model has \
                 learned from; include_inactive=true scores them all the same"
            ),
            Data::Subscriptions { .. } => format!(
                "none of the {customers} customers has a running subscription at {as_of} that is not cancelled; \
                 include_inactive=true also scores those who have cancelled"
            ),
        };
        return Err(JobFailure::permanent("no_customers", message));
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let slipping = slipping_away(data.source(&told.allow, false), told, active, as_of)?;
    Ok(Scores { as_of, models, coverage: total, findings, slipping })
}

/// Returns the customers whose risk rose most, according to the active model.
fn slipping_away(source: Source<'_>, told: &BulkPayload, active: &Hot, as_of: Day) -> Result<SlippingList> {
    let config = SlippingConfig { customers: SLIPPING, ..SlippingConfig::default() };
    let mut found = match active.model().slipping_away(source, Some(as_of), &config) {
        // No customer is covered: all scored customers have been inactive for longer.
        Err(error) if error.kind() == ErrorKind::NoCustomers => {
            return Ok(SlippingList { as_of, before: as_of, customers: Vec::new() });
        }
        found => found?,
    };
    for customer in &mut found.customers {
        customer.risk_segment = told.thresholds.segment(customer.churn_probability)?;
    }
    Ok(found)
}

/// Scores and explains the customers, and writes the file.
pub(super) async fn run(state: &AppState, job: &Job, control: &Arc<Control>) -> Result<JobResult> {
    let told: BulkPayload = payload(job)?;
    let active = Hot::load(state, &job.org_id, &told.model_id).await?;
    let challenger = match &told.challenger {
        Some((id, share)) if *share > 0.0 => Some((Hot::load(state, &job.org_id, id).await?, *share)),
        _ => None,
    };
    let challenger = challenger.filter(|(hot, _)| hot.scores_as(&active));
    if active.kind() != told.read.kind() {
        let message = format!("the model in use predicts {}, and the file has {}", active.kind(), told.read.kind());
        return Err(JobFailure::permanent("feature_mismatch", message));
    }
    let (form, usage) = (told.read.clone(), told.usage.clone());
    let data = super::features::read_data(state, &told.input_key, form, usage, control).await?;
    let observer = control.clone();
    let (told, scores) = blocking(move || {
        let scores = score(&data, &told, &active, challenger.as_ref(), &*observer)?;
        Ok((told, scores))
    })
    .await?;
    if control.cancelled() {
        return Err(JobFailure::cancelled());
    }
    let at = Location::predictions(&job.org_id, &job.subject_id)?;
    let (file_key, observer) = (at.to_string(), control.clone());
    let write =
        move |writer: &mut dyn Write| -> Result<BatchMade> { write_file(writer, scores, &told, file_key, &*observer) };
    let (_, made) = put_written(&*state.storage, &at, "text/csv", u64::MAX, write).await?;
    Ok(JobResult::Batch { id: job.subject_id.clone(), made })
}

/// Counts the bytes written.
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
    scores: Scores,
    told: &BulkPayload,
    file_key: String,
    observer: &dyn Observer,
) -> Result<BatchMade> {
    let broken = |error: csv::Error| JobFailure::transient(ApiError::internal(error));
    let Scores { as_of, models, coverage, findings, slipping } = scores;
    let mut order: Vec<(f64, &str, &ScoredCustomers, usize)> = Vec::new();
    for scored in &models {
        let customers = scored.probabilities.iter().zip(&scored.customer_ids).enumerate();
        order.extend(customers.map(|(row, (&p, id))| (p, id.as_str(), scored, row)));
    }
    order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));

    let mut segments: SegmentCounts = Segment::ALL.into_iter().map(|segment| (segment, 0)).collect();
    let (mut page_index, mut sum) = (Vec::new(), 0.0);
    // The writer puts a header row before the first row.
    let mut csv = csv::Writer::from_writer(Counted { inner: writer, bytes: 0 });
    for (place, &(p, customer_id, scored, row)) in order.iter().enumerate() {
        if (place as u64).is_multiple_of(PAGE_ROWS) {
            if observer.cancelled() {
                return Err(JobFailure::cancelled());
            }
            observer.progress("write", place as u64, order.len() as u64);
            // Bytes that are still in the buffer belong to the previous rows.
            csv.flush().map_err(|error| broken(error.into()))?;
            page_index.push(csv.get_ref().bytes);
        }
        let risk_segment = told.thresholds.segment(p)?;
        *segments.entry(risk_segment).or_default() += 1;
        sum += p;
        let reasons = scored.explanation.reasons(row);
        let values: Vec<_> = reasons.iter().map(|r| (&r.feature, r.value, r.contribution)).collect();
        let reason_values =
            serde_json::to_string(&values).map_err(|error| JobFailure::transient(ApiError::internal(error)))?;
        let mut texts = reasons.into_iter().map(|reason| reason.text);
        let mut text = || texts.next().unwrap_or_default();
        let subscribed = scored.subscribed.as_ref();
        let causes = subscribed.map(|of| serde_json::to_string(&of.causes[row])).transpose();
        let field = |amount: Option<f64>| amount.map_or(String::new(), |amount| amount.to_string());
        let written = PredictionRow {
            customer_id: customer_id.to_owned(),
            churn_probability: p,
            risk_segment,
            model_version: scored.version,
            expected_profit: told.campaign.expected_profit(p, told.campaign.clv)?,
            reason_1: text(),
            reason_2: text(),
            reason_3: text(),
            reason_values,
            amount: subscribed.map(|of| field(of.amounts[row])),
            causes: causes.map_err(|error| JobFailure::transient(ApiError::internal(error)))?,
            is_dunning: subscribed.map(|of| of.is_dunning.as_ref().map_or(String::new(), |all| all[row].to_string())),
            status: subscribed.map(|of| of.statuses[row].name().to_owned()),
        };
        csv.serialize(&written).map_err(broken)?;
    }
    csv.flush().map_err(|error| broken(error.into()))?;
    Ok(BatchMade {
        file_key,
        as_of,
        customers: order.len() as u64,
        coverage,
        findings,
        slipping,
        segments,
        mean_probability: sum / order.len().max(1) as f64,
        page_index,
    })
}
