//! Collects the results of the cutoffs and turns them into [`OverTime`].

use std::collections::BTreeMap;

use super::RECENCY;
use crate::day::Day;
use crate::error::Result;
use crate::learn::estimate::{Influence, Measure};
use crate::metrics::{Bin, EvaluationConfig, evaluate};
use crate::model::{CutoffResult, OverTime, PairedResult, Scores};
use crate::order;
use crate::segments::{Segment, SegmentRow, Thresholds};

/// The customers that are judged at a cutoff.
pub(in crate::learn) struct RowsOfCutoff<'a> {
    pub(in crate::learn) churned: &'a [bool],
    pub(in crate::learn) customers: &'a [u32],
}

/// The predictions at a cutoff.
pub(in crate::learn) struct Contest<'a> {
    /// None if customers were held out, at any of the cutoffs.
    pub(in crate::learn) cutoff: Option<Day>,
    pub(in crate::learn) learned_from: &'a [Day],
    pub(in crate::learn) train_rows: u64,
    pub(in crate::learn) rows: RowsOfCutoff<'a>,
    /// The probabilities of the recipe that is judged, then of the others.
    pub(in crate::learn) probabilities: Vec<&'a [f64]>,
    /// The score of recency alone, higher for customers who were away longer.
    pub(in crate::learn) recency: Option<Vec<f64>>,
}

/// The results so far.
pub(in crate::learn) struct Record {
    names: Vec<String>,
    cutoffs: Vec<CutoffResult>,
    roc_auc: Measure,
    /// The AUC at the cutoffs before a day, which is the first of the later half; none if there are few cutoffs.
    earlier: Option<(Day, Measure)>,
    log_loss: Measure,
    brier: Measure,
    lift_10: Measure,
    base_rate: Measure,
    predicted_minus_observed: Measure,
    recency_auc: Measure,
    over_recency: Measure,
    /// The differences of AUC, log-loss and Brier score to each other recipe.
    against: Vec<[Measure; 3]>,
    pooled: Pooled,
}

impl Record {
    /// An empty record; `customers` is the largest number of a customer plus 1, `names` are those of the other
    /// recipes, `cutoffs` those that will be added, oldest first.
    pub(in crate::learn) fn new(customers: usize, names: Vec<String>, thresholds: Thresholds, cutoffs: &[Day]) -> Self {
        /// Smallest number of cutoffs whose halves are compared.
        const LEAST: usize = 6;
        let measure = || Measure::new(customers);
        Record {
            earlier: (cutoffs.len() >= LEAST).then(|| (cutoffs[cutoffs.len() / 2], measure())),
            cutoffs: Vec::new(),
            roc_auc: measure(),
            log_loss: measure(),
            brier: measure(),
            lift_10: measure(),
            base_rate: measure(),
            predicted_minus_observed: measure(),
            recency_auc: measure(),
            over_recency: measure(),
            against: names.iter().map(|_| [measure(), measure(), measure()]).collect(),
            names,
            pooled: Pooled::new(thresholds),
        }
    }

    /// Adds a cutoff.
    pub(in crate::learn) fn add(&mut self, contest: &Contest<'_>) -> Result<()> {
        let Contest { cutoff, rows: RowsOfCutoff { churned, customers }, .. } = *contest;
        let p = contest.probabilities[0];
        let metrics = evaluate(churned, p, &EvaluationConfig::default())?;
        let influences =
            |p: &[f64]| [Influence::auc(churned, p), Influence::log_loss(churned, p), Influence::brier(churned, p)];
        let own = influences(p);
        let outcome = |churned: &bool| f64::from(u8::from(*churned));
        let add = |measure: &mut Measure, influence: &Influence| {
            measure.add(cutoff.unwrap_or(Day::MIN), influence, customers)
        };
        add(&mut self.roc_auc, &own[0]);
        if let Some((later, measure)) = &mut self.earlier
            && cutoff.is_some_and(|cutoff| cutoff < *later)
        {
            add(measure, &own[0]);
        }
        add(&mut self.log_loss, &own[1]);
        add(&mut self.brier, &own[2]);
        add(&mut self.lift_10, &Influence::lift_10(churned, p, metrics.lift_10));
        add(&mut self.base_rate, &Influence::mean(churned.iter().map(outcome)));
        let gap = churned.iter().zip(p).map(|(churned, p)| p - outcome(churned));
        add(&mut self.predicted_minus_observed, &Influence::mean(gap));
        let recency = contest.recency.as_ref().map(|score| Influence::auc(churned, score));
        if let Some(recency) = &recency {
            add(&mut self.recency_auc, recency);
            add(&mut self.over_recency, &own[0].minus(recency));
        }
        let mut against = BTreeMap::new();
        for ((name, measures), p) in self.names.iter().zip(&mut self.against).zip(&contest.probabilities[1..]) {
            let other = influences(p);
            for ((measure, own), other) in measures.iter_mut().zip(&own).zip(&other) {
                add(measure, &own.minus(other));
            }
            let [roc_auc, log_loss, brier] = other.map(|influence| influence.value);
            against.insert(name.clone(), Scores { roc_auc, log_loss, brier });
        }
        self.pooled.add(churned, p);
        let Some(cutoff) = cutoff else { return Ok(()) };
        self.cutoffs.push(CutoffResult {
            cutoff,
            customers: metrics.n,
            churned: churned.iter().filter(|&&churned| churned).count() as u64,
            base_rate: metrics.base_rate,
            expected: p.iter().sum(),
            learned_from: contest.learned_from.to_vec(),
            train_rows: contest.train_rows,
            roc_auc: metrics.roc_auc,
            log_loss: metrics.log_loss,
            brier: metrics.brier,
            lift_10: metrics.lift_10,
            recency_auc: recency.map(|recency| recency.value),
            against,
        });
        Ok(())
    }

    /// The results of all cutoffs. There must be one.
    pub(in crate::learn) fn finish(mut self) -> Result<OverTime> {
        order::sort_by(&mut self.cutoffs, |a, b| a.cutoff.cmp(&b.cutoff));
        let cutoffs = self.cutoffs;
        let has_recency = !self.recency_auc.is_empty();
        let mut against = Vec::new();
        if has_recency {
            let won = |row: &&CutoffResult| row.recency_auc.is_some_and(|auc| row.roc_auc > auc);
            against.push(PairedResult {
                name: RECENCY.to_owned(),
                mean_roc_auc: self.recency_auc.estimate().mean,
                roc_auc: self.over_recency.estimate(),
                log_loss: None,
                brier: None,
                cutoffs_won: cutoffs.iter().filter(won).count() as u64,
            });
        }
        for (name, [roc_auc, log_loss, brier]) in self.names.into_iter().zip(&self.against) {
            let of = |row: &CutoffResult| row.against[&name].roc_auc;
            let difference = roc_auc.estimate();
            against.push(PairedResult {
                mean_roc_auc: self.roc_auc.estimate().mean - difference.mean,
                roc_auc: difference,
                log_loss: Some(log_loss.estimate()),
                brier: Some(brier.estimate()),
                cutoffs_won: cutoffs.iter().filter(|row| row.roc_auc > of(row)).count() as u64,
                name,
            });
        }
        Ok(OverTime {
            roc_auc: self.roc_auc.estimate_of_share(),
            earlier_roc_auc: self.earlier.map(|(_, measure)| measure.estimate_of_share()),
            log_loss: self.log_loss.estimate_from_zero(),
            brier: self.brier.estimate_of_share(),
            lift_10: self.lift_10.estimate_from_zero(),
            base_rate: self.base_rate.estimate_of_share(),
            predicted_minus_observed: self.predicted_minus_observed.estimate(),
            recency_auc: has_recency.then(|| self.recency_auc.estimate_of_share()),
            against,
            reliability: self.pooled.reliability(),
            segments: self.pooled.segments(),
            cutoffs,
        })
    }
}

/// The predictions of all cutoffs in narrow bins, so that they need not be kept.
struct Pooled {
    thresholds: Thresholds,
    bins: Vec<Count>,
    bands: Vec<Count>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    customers: u64,
    churned: u64,
    probability: f64,
}

impl Count {
    fn add(&mut self, p: f64, churned: bool) {
        self.customers += 1;
        self.churned += u64::from(churned);
        self.probability += p;
    }

    fn share(&self, part: f64) -> Option<f64> {
        (self.customers > 0).then(|| part / self.customers as f64)
    }
}

impl Pooled {
    /// The number of bins between 0 and 1.
    const BINS: usize = 1000;

    fn new(thresholds: Thresholds) -> Self {
        let counts = |n| vec![Count::default(); n];
        Pooled { thresholds, bins: counts(Pooled::BINS), bands: counts(Segment::ALL.len()) }
    }

    fn add(&mut self, churned: &[bool], p: &[f64]) {
        for (&churned, &p) in churned.iter().zip(p) {
            let bin = ((p * Pooled::BINS as f64) as usize).min(Pooled::BINS - 1);
            self.bins[bin].add(p, churned);
            self.bands[self.thresholds.band(p) as usize].add(p, churned);
        }
    }

    /// Up to ten bins of about equal size: each ends with the narrow bin that completes its tenth.
    fn reliability(&self) -> Vec<Bin> {
        const PARTS: u64 = 10;
        let total: u64 = self.bins.iter().map(|bin| bin.customers).sum();
        let (mut found, mut open, mut seen) = (Vec::new(), Count::default(), 0);
        for bin in &self.bins {
            seen += bin.customers;
            open.customers += bin.customers;
            open.churned += bin.churned;
            open.probability += bin.probability;
            if open.customers > 0 && (seen * PARTS >= total * (found.len() as u64 + 1) || seen == total) {
                let n = open.customers as f64;
                let (predicted, observed) = (open.probability / n, open.churned as f64 / n);
                found.push(Bin { customers: open.customers, predicted, observed });
                open = Count::default();
            }
        }
        found
    }

    fn segments(&self) -> Vec<SegmentRow> {
        let row = |(segment, count): (Segment, &Count)| {
            let (from, to) = self.thresholds.bounds(segment);
            SegmentRow {
                segment,
                from,
                to,
                customers: count.customers,
                churned: count.churned,
                observed_rate: count.share(count.churned as f64),
                mean_probability: count.share(count.probability),
            }
        };
        Segment::ALL.into_iter().zip(&self.bands).map(row).collect()
    }
}
