//! The list of all features: name, unit, range and formula in words, and the code that computes each from a customer's state.
//!
//! The order of the list is the order of the columns. To add a feature, add one entry here, a worked case to the test vectors,
//! and to [`Behavior`] any sum that it needs and that the state does not have yet.

use super::state::{Behavior, Clock, Rfm};
use super::wording::{Measure, RawQuantity, Wording};
use super::{FeatureSet, HALF_LIVES, Scales, WINDOWS, Windows};

/// Description of a feature.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FeatureInfo {
    /// The column name, the same in every language.
    pub name: String,
    /// The unit of the values.
    pub unit: &'static str,
    /// The range of the values.
    pub range: &'static str,
    /// The formula; D is the as_of day.
    pub formula: String,
    /// True if the feature can be missing, which has a meaning of its own (written as an empty field, null or NaN).
    pub may_be_missing: bool,
    /// True if the business can influence the feature: activity can be influenced, an age cannot.
    pub actionable: bool,
}

/// The input of the features of one customer.
pub(crate) struct View<'a> {
    pub(crate) clock: &'a Clock,
    pub(crate) rfm: &'a Rfm,
    pub(crate) behavior: &'a Behavior,
    /// Number of events of each listed type, and last of all other types.
    pub(crate) types: &'a [u32],
    /// None to compute [`UNSCALED`] features without their scales.
    pub(crate) scales: Option<Scales>,
}

pub(crate) type Compute = Box<dyn Fn(&View<'_>) -> f64 + Send + Sync>;

/// A feature with its code and the wording of its value.
pub(crate) struct Feature {
    pub(crate) info: FeatureInfo,
    pub(crate) compute: Compute,
    pub(crate) wording: Wording,
}

/// Lists the features of a set, in order. `event_types` are the types that get their own column (`behavioral` only).
pub fn registry(feature_set: FeatureSet, windows: &Windows, event_types: &[String]) -> Vec<FeatureInfo> {
    listed::<true>(feature_set, windows, event_types).into_iter().map(|feature| feature.info).collect()
}

/// Lists the features of a set with their code, but without the formulas in words.
pub(crate) fn features(feature_set: FeatureSet, windows: &Windows, event_types: &[String]) -> Vec<Feature> {
    listed::<false>(feature_set, windows, event_types)
}

fn listed<const FORMULAS: bool>(feature_set: FeatureSet, windows: &Windows, event_types: &[String]) -> Vec<Feature> {
    let mut list = List::<FORMULAS>(Vec::new());
    rfm(&mut list, windows);
    if feature_set == FeatureSet::Behavioral {
        behavioral(&mut list, event_types);
    }
    list.0
}

/// A list of features. The formulas are a compile-time option, so a program that prints none does not contain their text.
struct List<const FORMULAS: bool>(Vec<Feature>);

impl<const FORMULAS: bool> List<FORMULAS> {
    /// Adds a feature; a call of [`Feature::wording`] must follow.
    fn add(
        &mut self,
        name: impl Into<String>,
        unit: &'static str,
        range: &'static str,
        formula: impl FnOnce() -> String,
        compute: impl Fn(&View<'_>) -> f64 + Send + Sync + 'static,
    ) -> &mut Feature {
        let name = name.into();
        let info = FeatureInfo {
            may_be_missing: range.ends_with("or missing"),
            actionable: true,
            unit,
            range,
            formula: if FORMULAS { formula() } else { String::new() },
            name: name.clone(),
        };
        self.0.push(Feature { info, compute: Box::new(compute), wording: Wording::of_column(&name) });
        self.0.last_mut().expect("one was just added")
    }
}

impl Feature {
    /// Sets the wording of the last feature: `{}` stands for the value, `{event}` and `{events}` for the word for an event.
    fn wording(&mut self, text: impl Into<String>, measure: Measure) -> &mut Self {
        self.wording.text = text.into();
        self.wording.measure = measure;
        self
    }

    /// Sets the quantity that the score of the last feature stands for.
    fn raw(&mut self, raw: RawQuantity) -> &mut Self {
        self.wording.raw = raw;
        self
    }

    /// Sets the meaning of a missing value.
    fn absent_text(&mut self, text: &str) -> &mut Self {
        self.wording.absent = text.to_owned();
        self
    }

    /// Sets the theme that the feature shares with other features.
    fn theme(&mut self, theme: &'static str) -> &mut Self {
        self.wording.theme = theme;
        self
    }

    /// Marks the feature as one that people would not count by, such as a decayed count.
    fn not_plain(&mut self) {
        self.wording.plain = false;
    }

    /// Marks the feature as one that the business cannot influence.
    fn not_actionable(&mut self) {
        self.info.actionable = false;
    }
}

/// The columns whose features depend on a scale, for the frequency and for the monetary one. Without scales they hold the
/// number of events and the sum of amounts in the activity window.
#[cfg(feature = "train")]
pub(crate) const UNSCALED: [usize; 2] = [1, 2];

/// The score of a number of events or a sum of amounts, which is 100 at the scale.
pub(crate) fn score(value: f64, scale: f64) -> f64 {
    100.0 * share_of(value, scale)
}

fn share_of(part: f64, whole: f64) -> f64 {
    (part / whole).clamp(0.0, 1.0)
}

fn days(from: i32, to: i32) -> f64 {
    f64::from(to) - f64::from(from)
}

fn rfm<const FORMULAS: bool>(list: &mut List<FORMULAS>, windows: &Windows) {
    let Windows { recent_days: recent, activity_days: activity, full_days: full } = *windows;
    let full_days = f64::from(full);
    // The mean of the places 0..w−1 in the recent window, and the sum of the squared deviations from it.
    let w = f64::from(recent);
    let middle = (w - 1.0) / 2.0;
    let spread = w * (w * w - 1.0) / 12.0;

    list.add(
        "recency_score",
        "points",
        "0..100",
        || format!("100 · max(0, 1 − (D − last)/{full})"),
        move |view| 100.0 * (1.0 - days(view.rfm.last, view.clock.as_of) / full_days).max(0.0),
    )
    .wording("last {event} {} ago", Measure::Days)
    .raw(RawQuantity::DaysOfScore { full_days })
    .theme("recency");
    list.add(
        "frequency_score",
        "points",
        "0..100",
        || format!("100 · min(1, events in the last {activity} days / frequency scale)"),
        |view| {
            let events = f64::from(view.rfm.activity);
            view.scales.map_or(events, |scales| score(events, scales.frequency))
        },
    )
    .wording(format!("{{}} in the last {activity} days"), Measure::Events)
    .raw(RawQuantity::OfFrequencyScale)
    .theme("activity");
    list.add(
        "monetary_score",
        "points",
        "0..100",
        || format!("100 · min(1, max(0, sum of amounts in the last {activity} days) / monetary scale)"),
        |view| {
            let amounts = view.rfm.activity_amounts.value();
            view.scales.map_or(amounts, |scales| score(amounts, scales.monetary))
        },
    )
    .wording(format!("spent {{}} in the last {activity} days"), Measure::Money)
    .raw(RawQuantity::OfMonetaryScale)
    .theme("spending");
    list.add(
        "engagement_score",
        "points",
        "0..100",
        || format!(
            "½·A + ¼·T + ¼·G; A = 100·min(1, n/10) for the n events of the last {recent} days, T = 100·min(1, (D − first)/{full}), \
             G = 50·(1 + mean of (x − {middle})/{middle}) over their places x = {} − (D − day), 0 if n = 0",
            recent - 1
        ),
        move |view| {
            let n = f64::from(view.rfm.recent);
            let activity = 100.0 * share_of(n, 10.0);
            let tenure = 100.0 * share_of(days(view.rfm.first, view.clock.as_of), full_days);
            let growth = if n > 0.0 { 50.0 * (1.0 + (view.rfm.places as f64 / n - middle) / middle) } else { 0.0 };
            0.5 * activity + 0.25 * tenure + 0.25 * growth
        },
    )
    .wording(format!("engagement score {{}} of 100 (activity of the last {recent} days, and tenure)"), Measure::Number);
    list.add("tenure_days", "days", "≥ 0", || "D − first".to_owned(), |view| days(view.rfm.first, view.clock.as_of))
        .wording("first {event} {} ago", Measure::Days)
        .theme("tenure")
        .not_actionable();
    list.add(
        "activity_trend",
        "events per day, per day",
        "real",
        || format!("least-squares slope of the {recent} daily event counts of the last {recent} days = Σ (x − {middle}) / {spread} over their events"),
        move |view| (view.rfm.places as f64 - middle * f64::from(view.rfm.recent)) / spread,
    )
    .wording(format!("daily {{events}} changing by {{}} a day over the last {recent} days"), Measure::Signed);
    list.add(
        "avg_transaction_value",
        "money",
        "real",
        || "mean of the amounts that are present, 0 if none is".to_owned(),
        |view| {
            if view.rfm.with_amount == 0 { 0.0 } else { view.rfm.amounts.value() / f64::from(view.rfm.with_amount) }
        },
    )
    .wording("average amount {}", Measure::Money);
    list.add(
        "days_between_transactions",
        "days",
        "≥ 0 or missing",
        || "(last − first)/(n − 1), missing if n < 2".to_owned(),
        |view| {
            if view.rfm.events < 2 {
                f64::NAN
            } else {
                days(view.rfm.first, view.rfm.last) / (f64::from(view.rfm.events) - 1.0)
            }
        },
    )
    .wording("on average {} between {events}", Measure::Days)
    .absent_text("only one {event} so far");
}

fn behavioral<const FORMULAS: bool>(list: &mut List<FORMULAS>, event_types: &[String]) {
    for w in WINDOWS {
        list.add(
            format!("count_{w}d"),
            "events",
            "≥ 0",
            || format!("events in the last {w} days"),
            move |view| f64::from(view.behavior.count(0, w)),
        )
        .wording(format!("{{}} in the last {w} days"), Measure::Events)
        .theme("activity");
    }
    for w in WINDOWS {
        list.add(
            format!("amount_{w}d"),
            "money",
            "real",
            || format!("sum of the amounts in the last {w} days"),
            move |view| view.behavior.amount(w),
        )
        .wording(format!("spent {{}} in the last {w} days"), Measure::Money)
        .theme("spending");
    }
    for (i, h) in HALF_LIVES.iter().enumerate() {
        list.add(
            format!("decayed_count_{h}d"),
            "events",
            "≥ 0",
            || format!("Σ 2^(−(D − day)/{h}) over the events"),
            move |view| view.behavior.decayed_counts[i].value(),
        )
        .wording(format!("{{}}, if each counts half after {h} days"), Measure::Events)
        .theme("activity")
        .not_plain();
    }
    for (i, h) in HALF_LIVES.iter().enumerate() {
        list.add(
            format!("decayed_amount_{h}d"),
            "money",
            "real",
            || format!("Σ amount · 2^(−(D − day)/{h})"),
            move |view| view.behavior.decayed_amounts[i].value(),
        )
        .wording(format!("spent {{}}, if an amount counts half after {h} days"), Measure::Money)
        .theme("spending")
        .not_plain();
    }
    list.add(
        "active_months",
        "months",
        "0..64",
        || "distinct calendar months with an event, among the 64 that end with the month of D".to_owned(),
        |view| f64::from(view.behavior.months.count_ones()),
    )
    .wording("active in {}", Measure::Counted("month"));
    list.add(
        "largest_amount",
        "money",
        "real or missing",
        || "largest amount, missing if none is present".to_owned(),
        |view| view.behavior.largest,
    )
    .wording("largest amount {}", Measure::Money)
    .absent_text("no amount so far");
    list.add(
        "refund_count",
        "events",
        "≥ 0",
        || "events with an amount below 0".to_owned(),
        |view| f64::from(view.behavior.refunds),
    )
    .wording("{} so far", Measure::Counted("refund"));
    list.add(
        "refund_share",
        "share",
        "0..1",
        || "refund_count / events with an amount, 0 if none has one".to_owned(),
        |view| {
            if view.rfm.with_amount == 0 {
                0.0
            } else {
                f64::from(view.behavior.refunds) / f64::from(view.rfm.with_amount)
            }
        },
    )
    .wording("{} of the amounts are refunds", Measure::Share);
    list.add(
        "days_since_first",
        "days",
        "≥ 0",
        || "D − first".to_owned(),
        |view| days(view.rfm.first, view.clock.as_of),
    )
    .wording("first {event} {} ago", Measure::Days)
    .theme("tenure")
    .not_actionable();
    list.add("days_since_last", "days", "≥ 0", || "D − last".to_owned(), |view| days(view.rfm.last, view.clock.as_of))
        .wording("last {event} {} ago", Measure::Days)
        .theme("recency");
    list.add(
        "count_ratio_30d_90d",
        "ratio",
        "≥ 0 or missing",
        || "events in the last 30 days / events in the 90 days before them, missing if those hold none".to_owned(),
        |view| match view.behavior.count(30, 120) {
            0 => f64::NAN,
            prior => f64::from(view.behavior.count(0, 30)) / f64::from(prior),
        },
    )
    .wording("{} {events} in the last 30 days for each in the 90 before", Measure::Number)
    .absent_text("no {event} in the 90 days before the last 30");
    for (i, name) in event_types.iter().enumerate() {
        list.add(
            format!("event_type={name}"),
            "events",
            "≥ 0",
            || format!("events of type {name:?}"),
            move |view| f64::from(view.types[i]),
        )
        .wording(format!("{{}} of type {}", name.replace('{', "(").replace('}', ")")), Measure::Events);
    }
    let other = event_types.len();
    list.add(
        "event_type_other",
        "events",
        "≥ 0",
        || "events of all other types, and of none".to_owned(),
        move |view| f64::from(view.types[other]),
    )
    .wording("{} of another type or none", Measure::Events);
}
