//! Contributions in words: the customer's own value, the usual one among those who stayed, and the typical one in the
//! customer's risk segment.

use ndarray::ArrayView1;
use serde::Serialize;

use super::ExplainConfig;
use crate::features::{Bound, FeatureSpec, Measure, Quantity, Scales, Wording, wordings};
use crate::labels::LabelKind;
use crate::model::{Document, Typical};
use crate::objects::objects;
use crate::segments::{Segment, Thresholds};

/// One reason for a customer's risk.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reason {
    /// The feature of the reason.
    pub feature: String,
    /// The value of the feature; none if it is missing. For a category, the index of its level.
    pub value: Option<f64>,
    /// The contribution to the margin, including the other features of a log with the same theme. For example, the counts over
    /// all windows are one reason.
    pub contribution: f64,
    /// True if it raises the risk, false if it lowers it.
    pub raises_risk: bool,
    /// The reason in words: the direction, the customer's value, the usual value among customers who stayed, and the typical
    /// value in the customer's risk segment. For example `raises the risk: last event 94 days ago; for half of those who
    /// stayed it was 31 days or less; typical in Critical: 180 days`. The segment is by the thresholds that the model was
    /// trained with. It is left out if the model has no typical value for it.
    pub text: String,
}

objects! { Reason { feature, value, contribution, raises_risk, text } }

/// The words for the direction of a reason.
pub(super) fn direction(raises_risk: bool) -> &'static str {
    if raises_risk { "raises the risk" } else { "lowers the risk" }
}

/// The wordings of a model's features, with the data that they need.
#[derive(Clone, Debug)]
pub(super) struct ReasonWriter {
    wordings: Vec<Wording>,
    typical: Vec<Typical>,
    scales: Option<Scales>,
    base_rate: f64,
    /// The thresholds of the training, which define the segments of the typical values.
    thresholds: Thresholds,
    event: String,
    pub(super) most: usize,
}

impl ReasonWriter {
    pub(super) fn new(document: &Document, config: &ExplainConfig) -> Self {
        let features = document.feature_config.as_ref();
        ReasonWriter {
            wordings: wordings(features, &document.features, document.labels.labels == LabelKind::SubscriptionEnd),
            typical: document.typical.clone(),
            scales: features.and_then(|features| features.scales),
            base_rate: document.training.base_rate,
            thresholds: document.parameters.thresholds,
            event: config.event.clone(),
            most: config.reasons,
        }
    }

    pub(super) fn reasons(
        &self,
        specs: &[FeatureSpec],
        values: ArrayView1<'_, f64>,
        contributions: ArrayView1<'_, f64>,
        probability: f64,
        most: usize,
    ) -> Vec<Reason> {
        let segment = self.segment(probability);
        let mut groups = self.groups(specs, contributions);
        groups.retain(|(_, sum)| *sum != 0.0);
        crate::order::sort_by(&mut groups, |(_, a), (_, b)| b.abs().total_cmp(&a.abs()));
        groups.truncate(most);
        let reason = |(features, contribution): (Vec<usize>, f64)| {
            let feature = self.representative(&features, contributions, contribution);
            let fact = self.fact(feature, &specs[feature], &[values[feature]], Some(segment));
            Reason {
                feature: specs[feature].name.clone(),
                value: (!values[feature].is_nan()).then_some(values[feature]),
                contribution,
                raises_risk: contribution > 0.0,
                text: format!("{}: {fact}", direction(contribution > 0.0)),
            }
        };
        groups.into_iter().map(reason).collect()
    }

    /// Groups the features by theme, each group with the sum of its contributions.
    fn groups(&self, specs: &[FeatureSpec], contributions: ArrayView1<'_, f64>) -> Vec<(Vec<usize>, f64)> {
        let mut groups: Vec<(Vec<usize>, f64)> = Vec::new();
        for feature in 0..specs.len() {
            let theme = self.wordings[feature].theme;
            let same = |group: &&mut (Vec<usize>, f64)| !theme.is_empty() && self.wordings[group.0[0]].theme == theme;
            match groups.iter_mut().find(same) {
                Some((features, sum)) => {
                    features.push(feature);
                    *sum += contributions[feature];
                }
                None => groups.push((vec![feature], contributions[feature])),
            }
        }
        groups
    }

    /// The feature that words the reason of a group: the one with the largest contribution in the direction of the group. Plain
    /// features come first.
    fn representative(&self, features: &[usize], contributions: ArrayView1<'_, f64>, sum: f64) -> usize {
        let strength = |feature: usize| {
            let pull = contributions[feature] * sum.signum();
            (pull > 0.0 && self.wordings[feature].plain, pull)
        };
        let stronger = |a, b| if strength(b) > strength(a) { b } else { a };
        features.iter().copied().reduce(stronger).expect("a group has a feature")
    }

    /// The strongest changes between two days that raised a customer's risk, in words, with the value now and the value then.
    pub(super) fn changes(
        &self,
        specs: &[FeatureSpec],
        then: (ArrayView1<'_, f64>, ArrayView1<'_, f64>),
        now: (ArrayView1<'_, f64>, ArrayView1<'_, f64>),
        days: i32,
    ) -> Vec<String> {
        let rise: Vec<f64> = now.1.iter().zip(then.1).map(|(now, then)| now - then).collect();
        let rise = ArrayView1::from(&rise);
        let mut groups = self.groups(specs, rise);
        groups.retain(|(_, sum)| *sum > 0.0);
        crate::order::sort_by(&mut groups, |(_, a), (_, b)| b.total_cmp(a));
        let change = |(features, sum): (Vec<usize>, f64)| {
            let feature = self.representative(&features, rise, sum);
            let (spec, wording) = (&specs[feature], &self.wordings[feature]);
            let (before, after) = (then.0[feature], now.0[feature]);
            let absent = || wording.fill_absent(&self.event);
            let shown = |value: f64| self.amount(feature, spec, value);
            // What stayed the same is no change, even if it counts for more now.
            if shown(before) == shown(after) {
                return None;
            }
            let text = if after.is_nan() { absent() } else { wording.fill(&shown(after), &self.event) };
            let before = if before.is_nan() { absent() } else { shown(before) };
            Some(format!("{text}; {days} days earlier: {before}"))
        };
        groups.into_iter().filter_map(change).take(self.most).collect()
    }

    /// The values of a feature of one or more customers in words, with the usual value, and the typical value in their risk
    /// segment if all have the same one.
    pub(super) fn fact(&self, feature: usize, spec: &FeatureSpec, values: &[f64], segment: Option<Segment>) -> String {
        let wording = &self.wordings[feature];
        let mut present: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        crate::order::sort_by(&mut present, f64::total_cmp);
        if present.is_empty() {
            return wording.fill_absent(&self.event);
        }
        let mut text = match &spec.levels {
            Some(levels) => self.category(feature, wording, levels, &present),
            None => self.number(feature, wording, &present),
        };
        if present.len() < values.len() {
            text = format!("{text}, or {}", wording.fill_absent(&self.event));
        }
        let typical = segment.and_then(|of| Some((of, self.typical.get(feature)?.in_segment(of)?)));
        match typical {
            Some((of, typical)) => {
                format!("{text}; typical in {}: {}", of.name(), self.amount(feature, spec, typical))
            }
            None => text,
        }
    }

    /// The risk segment of a probability by the thresholds of the training.
    pub(super) fn segment(&self, probability: f64) -> Segment {
        self.thresholds.band(probability)
    }

    /// A feature's value in words, alone.
    pub(super) fn amount(&self, feature: usize, spec: &FeatureSpec, value: f64) -> String {
        match &spec.levels {
            _ if value.is_nan() => "missing".to_owned(),
            Some(levels) => levels[value as usize].clone(),
            None => {
                let wording = &self.wordings[feature];
                format_quantity(wording.measure, wording.raw.quantity(value, self.scales), &self.event)
            }
        }
    }

    /// A level in words with its churn rate, or a list of the first levels if there are several.
    fn category(&self, feature: usize, wording: &Wording, levels: &[String], sorted: &[f64]) -> String {
        const MOST: usize = 3;
        let mut found: Vec<usize> = sorted.iter().map(|&level| level as usize).collect();
        found.dedup();
        let names: Vec<&str> = found.iter().take(MOST).map(|&level| levels[level].as_str()).collect();
        let others = if found.len() > MOST { " or others" } else { "" };
        let text = wording.fill(&format!("{}{others}", names.join(" or ")), &self.event);
        let rate = match found.as_slice() {
            &[level] => self.typical.get(feature).and_then(|typical| *typical.churn_rates.get(level)?),
            _ => None,
        };
        let percent = |rate: f64| Measure::Share.format(rate, Bound::Exact, "");
        match rate {
            Some(rate) => {
                format!("{text}; {} of such customers churned, {} of all", percent(rate), percent(self.base_rate))
            }
            None => text,
        }
    }

    /// The range of some sorted values in words, and their relation to the usual value if all are on the same side of it.
    fn number(&self, feature: usize, wording: &Wording, sorted: &[f64]) -> String {
        let quantity = |value: f64| wording.raw.quantity(value, self.scales);
        let in_words = |quantity| format_quantity(wording.measure, quantity, &self.event);
        let (mut low, mut high) = (quantity(sorted[0]), quantity(sorted[sorted.len() - 1]));
        if low.amount > high.amount {
            // A recency score falls as the days rise, so the ends change places.
            (low, high) = (high, low);
        }
        let text = wording.fill(&between(&in_words(low), &in_words(high)), &self.event);
        let Some(median) = self.typical.get(feature).and_then(|typical| typical.stayed_median) else { return text };
        let usual = quantity(median);
        let usual_as =
            |bound: Bound| format_quantity(wording.measure, Quantity { amount: usual.amount, bound }, &self.event);
        if in_words(low) == in_words(usual) && in_words(high) == in_words(usual) {
            format!("{text}, as is usual among those who stayed")
        } else if low.amount > usual.amount {
            format!("{text}; for half of those who stayed it was {}", usual_as(Bound::AtMost))
        } else if high.amount <= usual.amount {
            format!("{text}; for half of those who stayed it was {}", usual_as(Bound::AtLeast))
        } else {
            text
        }
    }
}

/// Joins the ends of a range: `12 days` and `40 days` become `12 to 40 days`.
fn between(low: &str, high: &str) -> String {
    if low == high {
        return low.to_owned();
    }
    match (low.split_once(' '), high.split_once(' ')) {
        (Some((low, unit)), Some((high, other))) if unit == other => format!("{low} to {high} {unit}"),
        _ => format!("{low} to {high}"),
    }
}

/// A quantity in words, marked if it is only a bound.
fn format_quantity(measure: Measure, quantity: Quantity, event: &str) -> String {
    let amount = measure.format(quantity.amount, quantity.bound, event);
    match quantity.bound {
        Bound::Exact => amount,
        Bound::AtLeast => format!("{amount} or more"),
        Bound::AtMost => format!("{amount} or less"),
    }
}
