//! Kaplan–Meier curves: the share of subscriptions that last longer than a number of days.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Subscriptions;
use super::known::Known;
use super::movements::check_gap;
use super::timeline::Timeline;
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result};
use crate::objects::names;

/// A step of a survival curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SurvivalPoint {
    /// The duration.
    pub time: f64,
    /// Number of those who had lasted at least so long.
    pub at_risk: u64,
    /// Number of those who ended at this duration.
    pub ended: u64,
    /// The share that lasts longer, 0..1.
    pub survival: f64,
    /// The lower bound of its 95 % interval; none where the share is 0.
    pub low: Option<f64>,
    /// The upper bound of its 95 % interval; none where the share is 0.
    pub high: Option<f64>,
}

/// A retention curve.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Retention {
    /// The cohort or plan; none for all spells.
    pub group: Option<String>,
    /// Number of spells.
    pub spells: u64,
    /// The longest duration with which a spell was seen, in days. Beyond it the curve says nothing, unless it has fallen to 0.
    pub longest: f64,
    /// A point for each number of days after which a spell ended.
    pub curve: Vec<SurvivalPoint>,
}

impl Retention {
    /// Returns the share that lasts longer than some days, as the last point of the curve up to there; none for the whole, if nobody
    /// has left by then. None at all if no spell was seen for so long.
    pub fn at(&self, days: f64) -> Option<Option<&SurvivalPoint>> {
        let point = self.curve[..self.curve.partition_point(|point| point.time <= days)].last();
        let is_over = point.is_some_and(|point| point.survival == 0.0);
        (days <= self.longest || is_over).then_some(point)
    }
}

/// The groups that have a curve each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RetentionBy {
    /// One curve for all spells.
    #[default]
    All,
    /// The month in which the spell began.
    Cohort,
    /// The plan with which the spell began; spells without one are left out.
    Plan,
}

names! { RetentionBy { All, Cohort, Plan } }

/// The Kaplan–Meier estimate of durations that may be censored: S(t) = Π (1 − d/n) over the durations up to t at which d of n end.
/// `ended` is false for a duration that was not seen to its end. The interval is that of Greenwood's variance on the scale of
/// log(−log S) (Kalbfleisch and Prentice, *The Statistical Analysis of Failure Time Data*, 1980).
///
/// ```
/// // Of four, one ends after 1, one is seen for 2, one ends after 3: S(1) = 1 − 1/4, S(3) = 3/4 · (1 − 1/2).
/// let curve = churn::kaplan_meier(&[1.0, 2.0, 3.0, 4.0], &[true, false, true, false])?;
/// assert_eq!((curve.len(), curve[0].survival, curve[1].survival), (2, 0.75, 0.375));
/// # Ok::<(), churn::Error>(())
/// ```
///
/// # Errors
/// `shape_mismatch` for lists of different lengths; `invalid_parameter` for a duration that is negative or not finite.
pub fn kaplan_meier(durations: &[f64], ended: &[bool]) -> Result<Vec<SurvivalPoint>> {
    if durations.len() != ended.len() {
        let message = format!("{} durations and {} ends; expected as many", durations.len(), ended.len());
        return Err(Error::new(ErrorKind::ShapeMismatch, message));
    }
    if let Some(row) = durations.iter().position(|duration| !(0.0..f64::INFINITY).contains(duration)) {
        let message = format!("duration {}: {}; expected a number from 0 on", row + 1, durations[row]);
        return Err(Error::new(ErrorKind::InvalidParameter, message));
    }
    let mut order: Vec<(f64, bool)> = durations.iter().copied().zip(ended.iter().copied()).collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    /// The 97.5 % quantile of the normal distribution.
    const Z: f64 = 1.959_963_984_540_054;
    let mut curve = Vec::new();
    let (mut survival, mut variance) = (1.0, 0.0);
    let mut at = 0;
    while at < order.len() {
        let time = order[at].0;
        let same = order[at..].iter().take_while(|other| other.0 == time);
        let (mut count, mut ends) = (0, 0);
        for (_, ended) in same {
            count += 1;
            ends += u64::from(*ended);
        }
        let at_risk = (order.len() - at) as u64;
        at += count;
        if ends == 0 {
            continue;
        }
        survival *= 1.0 - ends as f64 / at_risk as f64;
        variance += ends as f64 / (at_risk as f64 * (at_risk - ends) as f64);
        let (mut low, mut high) = (None, None);
        if survival > 0.0 {
            let log = libm::log(survival);
            let width = Z * variance.sqrt() / log;
            // The logarithm is negative, so the width is too.
            low = Some(libm::exp(-libm::exp(libm::log(-log) - width)));
            high = Some(libm::exp(-libm::exp(libm::log(-log) + width)));
        }
        curve.push(SurvivalPoint { time, at_risk, ended: ends, survival, low, high });
    }
    Ok(curve)
}

/// The Kaplan–Meier curves of the days that spells last. Spells are seen up to the day `last_day − allowed_gap_days`, up to which
/// it is known who came back in time. Groups are in the order of their names.
///
/// # Errors
/// `invalid_parameter` for an allowed gap outside 0 to 3650 days; `no_customers` if no spell begins by that day.
pub fn retention(subscriptions: &Subscriptions, by: RetentionBy, allowed_gap_days: i32) -> Result<Vec<Retention>> {
    check_gap(allowed_gap_days)?;
    let history = subscriptions.known_at(subscriptions.last_day());
    let until = subscriptions.last_day().number() - allowed_gap_days;
    let mut groups: BTreeMap<Option<String>, (Vec<f64>, Vec<bool>)> = BTreeMap::new();
    let (mut timeline, mut periods) = (Timeline::default(), Vec::<Known>::new());
    for customer in 0..subscriptions.customers() {
        periods.clear();
        periods.extend(history.known(customer));
        timeline.fill(&periods, allowed_gap_days);
        for spell in timeline.spells.iter().filter(|spell| spell.start <= until) {
            let group = match by {
                RetentionBy::All => None,
                RetentionBy::Cohort => {
                    let start = Day::new(spell.start).expect("days of periods are days").to_string();
                    Some(start[..7].to_owned())
                }
                RetentionBy::Plan => {
                    let first = timeline.stretch_by(spell.start).expect("a spell begins with a stretch");
                    match subscriptions.plan(first.plan) {
                        Some(plan) => Some(plan.to_owned()),
                        None => continue,
                    }
                }
            };
            let (durations, ended) = groups.entry(group).or_default();
            let end = if spell.end <= until { spell.end } else { until + 1 };
            durations.push(f64::from(end - spell.start));
            ended.push(spell.end <= until);
        }
    }
    if groups.is_empty() {
        let what = if by == RetentionBy::Plan { "no spell with a plan" } else { "no spell" };
        let message = format!(
            "{what} begins by {}, {allowed_gap_days} days before the end of the data",
            subscriptions.last_day().plus(-allowed_gap_days)
        );
        return Err(Error::new(ErrorKind::NoCustomers, message));
    }
    groups
        .into_iter()
        .map(|(group, (durations, ended))| {
            let longest = durations.iter().copied().fold(0.0, f64::max);
            let curve = kaplan_meier(&durations, &ended)?;
            Ok(Retention { group, spells: durations.len() as u64, longest, curve })
        })
        .collect()
}
