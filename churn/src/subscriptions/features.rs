//! The features of a customer's subscriptions at the end of a day, from what was known on it.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use ndarray::Array2;

use super::known::{Known, SubscriptionHistory};
use super::labels::SubscriptionStatus;
use super::movements::check_gap;
use super::timeline::{Timeline, compare_amounts};
use super::{EndReason, EndsKnown, NO_INDEX};
use crate::error::{Error, ErrorKind, Result};
use crate::features::{FeatureSpec, FeatureTable, Fixed, Measure, RawQuantity, Wording};
use crate::labels::LabelConfig;
use crate::parallel;

/// The name of the categorical feature.
pub(crate) const PLAN: &str = "plan";

/// A feature of subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionFeature {
    /// The name of the column.
    pub name: &'static str,
    /// The unit of a value: `"days"`, `"count"`, `"amount per month"` or `"level"`.
    pub unit: &'static str,
    /// A description in a few words.
    pub description: &'static str,
    /// The value in words; `{}` stands for the value with its unit.
    words: &'static str,
    /// The words for a missing value.
    absent: &'static str,
    measure: Unit,
    theme: &'static str,
}

/// The unit in which a value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Days,
    Count(&'static str),
    Money,
    Change,
    Level,
}

macro_rules! features {
    ($($name:literal, $measure:expr, $theme:literal, $description:literal, $words:literal, $absent:literal;)*) => {
        /// The features of subscriptions, in the order of their columns.
        pub const SUBSCRIPTION_FEATURES: &[SubscriptionFeature] = &[$(SubscriptionFeature {
            name: $name,
            unit: unit($measure),
            description: $description,
            words: $words,
            absent: $absent,
            measure: $measure,
            theme: $theme,
        }),*];
    };
}

const fn unit(measure: Unit) -> &'static str {
    match measure {
        Unit::Days => "days",
        Unit::Count(_) => "count",
        Unit::Money | Unit::Change => "amount per month",
        Unit::Level => "level",
    }
}

features! {
    "spell_days", Unit::Days, "tenure", "days since the current spell began", "subscribed for {} without a break", "not subscribed";
    "customer_days", Unit::Days, "tenure", "days since the first paid period began", "a customer for {}", "never a customer";
    "spells", Unit::Count("spell"), "", "spells so far, with the current one", "{} so far", "no spell";
    "period_days", Unit::Days, "", "days since the latest running period began", "the running period began {} ago", "no running period";
    "days_to_renewal", Unit::Days, "", "days to the next known end of a term", "renews in {}", "no known renewal";
    "term_days", Unit::Days, "", "length of that term", "a term of {}", "no fixed term";
    "subscriptions", Unit::Count("running subscription"), "", "paid periods that run", "{}", "no running subscription";
    "cancelled_subscriptions", Unit::Count("cancelled subscription"), "", "of them, those that are cancelled", "{} still running", "none cancelled";
    "amount", Unit::Money, "", "amount per month", "pays {} a month", "the amount is missing";
    "amount_change_30", Unit::Change, "change", "change of the amount in 30 days", "{} a month in 30 days", "no amount 30 days ago";
    "amount_change_90", Unit::Change, "change", "change of the amount in 90 days", "{} a month in 90 days", "no amount 90 days ago";
    "amount_change_365", Unit::Change, "change", "change of the amount in 365 days", "{} a month in 365 days", "no amount 365 days ago";
    "upgrades", Unit::Count("amount rise"), "", "times that the amount rose", "{}", "no amount";
    "downgrades", Unit::Count("amount cut"), "", "times that the amount fell", "{}", "no amount";
    "days_since_upgrade", Unit::Days, "", "days since the amount rose", "paid amount raised {} ago", "paid amount never raised";
    "days_since_downgrade", Unit::Days, "", "days since the amount fell", "paid amount reduced {} ago", "paid amount never reduced";
    "plan_changes", Unit::Count("plan change"), "", "changes of the plan", "{}", "no plan";
    "days_since_plan_change", Unit::Days, "", "days since the plan changed", "plan changed {} ago", "plan never changed";
    "involuntary_ends", Unit::Count("period"), "", "paid periods that ended involuntarily", "{} ended by a failed payment", "none";
    "trials", Unit::Count("trial"), "", "trials so far", "{} before", "no trial";
    "plan", Unit::Level, "", "the plan", "the plan is {}", "the plan is missing";
}

/// The wording of a feature of subscriptions; none for another name.
pub(crate) fn wording(name: &str) -> Option<Wording> {
    let feature = SUBSCRIPTION_FEATURES.iter().find(|feature| feature.name == name)?;
    let measure = match feature.measure {
        Unit::Days => Measure::Days,
        Unit::Count(unit) => Measure::Counted(unit),
        Unit::Money => Measure::Money,
        Unit::Change => Measure::Signed,
        Unit::Level => Measure::Number,
    };
    Some(Wording {
        text: feature.words.to_owned(),
        measure,
        raw: RawQuantity::Value,
        absent: feature.absent.to_owned(),
        theme: feature.theme,
        plain: true,
    })
}

/// The numbers of a customer that the features are made of.
#[derive(Default)]
struct State {
    timeline: Timeline,
    periods: Vec<Known>,
}

/// The columns of the features: all of them, with the plans that a value of `plan` can be.
pub(crate) struct FeatureColumns<'a> {
    plans: &'a [String],
    allowed_gap_days: i32,
    is_before_renewal: bool,
}

impl<'a> FeatureColumns<'a> {
    /// `plans` are the levels of the feature `plan`, in byte order.
    pub(crate) fn new(plans: &'a [String], allowed_gap_days: i32) -> Self {
        FeatureColumns { plans, allowed_gap_days, is_before_renewal: false }
    }

    /// The columns for a definition of churn. All rows before a renewal have the same days to it, and nearly the same since the term began.
    /// A model would learn from those columns by the few rows that differ, so they are missing.
    pub(crate) fn of(plans: &'a [String], definition: &LabelConfig) -> Self {
        let is_before_renewal = definition.before_renewal_days.is_some();
        FeatureColumns { is_before_renewal, ..FeatureColumns::new(plans, definition.allowed_gap_days) }
    }

    pub(crate) fn specs(&self) -> Vec<FeatureSpec> {
        let spec = |feature: &SubscriptionFeature| match feature.name {
            PLAN => FeatureSpec { name: PLAN.to_owned(), levels: Some(self.plans.to_vec()) },
            name => FeatureSpec::numeric(name),
        };
        SUBSCRIPTION_FEATURES.iter().map(spec).collect()
    }

    /// The features of these customers, who must be active or have already cancelled: customers × columns.
    pub(crate) fn compute(&self, history: &SubscriptionHistory<'_>, customers: &[usize]) -> Array2<f64> {
        let width = SUBSCRIPTION_FEATURES.len();
        let plans = &history.subscriptions().plans;
        // The level of each plan of the data; none for a plan without a level.
        let levels: Vec<f64> = plans
            .iter()
            .map(|plan| self.plans.binary_search_by(|level| level.as_str().cmp(plan)).map_or(f64::NAN, |at| at as f64))
            .collect();
        let of_the_term = ["period_days", "days_to_renewal"]
            .map(|name| SUBSCRIPTION_FEATURES.iter().position(|feature| feature.name == name).expect("a feature"));
        let mut values = Array2::from_elem((customers.len(), width), f64::NAN);
        let rows = values.as_slice_mut().expect("a new array is contiguous");
        parallel::for_each_block(rows, width, |first, block| {
            let mut state = State::default();
            for (i, row) in block.chunks_exact_mut(width).enumerate() {
                state.fill(history, customers[first + i], self.allowed_gap_days);
                state.write(history, &levels, row);
                if self.is_before_renewal {
                    for at in of_the_term {
                        row[at] = f64::NAN;
                    }
                }
            }
        });
        values
    }
}

/// Computes the features of every customer with a running paid period, also of those who have already cancelled, in byte order of the
/// ids. The levels of `plan` are the fifty most frequent plans.
///
/// ```
/// use churn::{SubscriptionOptions, Subscriptions, subscription_features};
/// // Worked by hand: on 2024-03-11 Anna has been there for 70 days, and has paid 10 more for 10 days.
/// let csv = "customer_id,start_date,end_date,plan,amount\n\
///     anna,2024-01-01,2024-03-01,basic,20\nanna,2024-03-01,,pro,30\nbert,2024-01-01,2024-02-01,basic,20\n";
/// let subscriptions = Subscriptions::from_csv(csv.as_bytes(), &SubscriptionOptions::default())?;
/// let table = subscription_features(&subscriptions.known_at("2024-03-11".parse()?), 30)?;
/// assert_eq!(table.customer_ids().collect::<Vec<_>>(), ["anna"]);
/// let row = table.row("anna").unwrap();
/// let value = |name: &str| row[table.names().position(|column| column == name).unwrap()];
/// assert_eq!((value("spell_days"), value("amount"), value("amount_change_30")), (70.0, 30.0, 10.0));
/// assert_eq!((value("upgrades"), value("days_since_plan_change")), (1.0, 10.0));
/// # Ok::<(), churn::Error>(())
/// ```
///
/// # Errors
/// `invalid_parameter` for an allowed gap outside 0 to 3650 days; `no_customers` if no paid period covers the day.
pub fn subscription_features(history: &SubscriptionHistory<'_>, allowed_gap_days: i32) -> Result<FeatureTable> {
    check_gap(allowed_gap_days)?;
    let (mut customers, cancelled, _) = active_and_cancelled(history);
    customers.extend(cancelled);
    customers.sort_unstable();
    if customers.is_empty() {
        let message = format!("no paid period covers {}", history.as_of());
        return Err(Error::new(ErrorKind::NoCustomers, message));
    }
    let plans = plan_levels(current_plans(history, &customers, allowed_gap_days));
    let columns = FeatureColumns::new(&plans, allowed_gap_days);
    let ids = history.subscriptions().ids().select(customers.iter().map(|&customer| customer as u32));
    let mut table = FeatureTable::of_columns(ids, columns.specs(), columns.compute(history, &customers));
    table.as_of = Some(history.as_of());
    Ok(table)
}

/// The levels of the feature `plan`: the most frequent of these plans, in byte order.
pub(crate) fn plan_levels<'a>(plans: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    /// Customers of rarer plans have no level.
    const MOST_PLANS: usize = 50;
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    plans.into_iter().for_each(|plan| *counts.entry(plan).or_default() += 1);
    let mut plans: Vec<(&str, u64)> = counts.into_iter().collect();
    plans.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    plans.truncate(MOST_PLANS);
    let mut plans: Vec<String> = plans.into_iter().map(|(plan, _)| plan.to_owned()).collect();
    plans.sort_unstable();
    plans
}

/// The plans of the current stretches of these customers.
pub(crate) fn current_plans<'a>(
    history: &SubscriptionHistory<'a>,
    customers: &[usize],
    allowed_gap_days: i32,
) -> Vec<&'a str> {
    let mut state = State::default();
    let plan = |&customer: &usize| {
        state.fill(history, customer, allowed_gap_days);
        let stretch = state.timeline.stretch_by(history.as_of().number())?;
        history.subscriptions().plan(stretch.plan)
    };
    customers.iter().filter_map(plan).collect()
}

impl State {
    fn fill(&mut self, history: &SubscriptionHistory<'_>, customer: usize, allowed_gap_days: i32) {
        self.periods.clear();
        self.periods.extend(history.known(customer));
        self.timeline.fill(&self.periods, allowed_gap_days);
    }

    fn write(&self, history: &SubscriptionHistory<'_>, levels: &[f64], row: &mut [f64]) {
        let day = history.as_of().number();
        let State { timeline, periods } = self;
        let since = |start: i32| f64::from(day - start);
        let covering = || periods.iter().filter(|period| period.covers(day));
        let count = |n: usize| n as f64;
        let or_missing = |value: Option<f64>| value.unwrap_or(f64::NAN);
        let spells = timeline.spells.partition_point(|spell| spell.start <= day);

        let next = next_term(history, periods.iter().copied(), day);

        let amount = amount_on(periods, day);
        let change = |days: i32| Some(amount?.minus(amount_on(periods, day - days)?).value());

        // Each change from one stretch of a spell to the next: the numbers of changes, and the last day of each kind.
        let (mut rises, mut cuts, mut plans) = ((0, None), (0, None), (0, None));
        let known = timeline.stretches.partition_point(|stretch| stretch.start <= day);
        for pair in timeline.stretches[..known].windows(2).filter(|pair| pair[0].spell == pair[1].spell) {
            let count = |(n, last): &mut (usize, Option<i32>)| (*n, *last) = (*n + 1, Some(pair[1].start));
            if let (Some(before), Some(after)) = (pair[0].amount, pair[1].amount) {
                match compare_amounts(after, before) {
                    Ordering::Greater => count(&mut rises),
                    Ordering::Less => count(&mut cuts),
                    Ordering::Equal => (),
                }
            }
            if pair[0].plan != pair[1].plan && pair[0].plan != NO_INDEX && pair[1].plan != NO_INDEX {
                count(&mut plans);
            }
        }
        let ended =
            |period: &&Known| !period.is_trial && period.end.0 <= day && period.reason == Some(EndReason::Involuntary);
        let plan = timeline.stretch_by(day).map_or(NO_INDEX, |stretch| stretch.plan);
        let values = [
            or_missing(timeline.spell_at(day).map(|spell| since(spell.start))),
            or_missing(timeline.spells.first().map(|spell| since(spell.start))),
            count(spells),
            or_missing(covering().map(|period| period.start).max().map(since)),
            or_missing(next.map(|(end, _)| f64::from(end - day))),
            or_missing(next.map(|(end, start)| f64::from(end - start))),
            count(covering().count()),
            count(covering().filter(|period| period.is_cancelled).count()),
            or_missing(amount.map(Fixed::value)),
            or_missing(change(30)),
            or_missing(change(90)),
            or_missing(change(365)),
            count(rises.0),
            count(cuts.0),
            or_missing(rises.1.map(since)),
            or_missing(cuts.1.map(since)),
            count(plans.0),
            or_missing(plans.1.map(since)),
            count(periods.iter().filter(ended).count()),
            count(periods.iter().filter(|period| period.is_trial).count()),
            if plan == NO_INDEX { f64::NAN } else { levels[plan as usize] },
        ];
        row.copy_from_slice(&values);
    }
}

/// The sum of the amounts of the periods that cover a day; none if none covers it or none has an amount.
pub(super) fn amount_on(periods: &[Known], day: i32) -> Option<Fixed> {
    let mut sum = None;
    for period in periods.iter().filter(|period| period.covers(day) && !period.amount.is_nan()) {
        sum.get_or_insert(Fixed::default()).add(period.amount);
    }
    sum
}

/// The days from a day to the next renewal of a customer: the earliest end of a covering period that is a fixed term and not cancelled.
pub(crate) fn days_to_renewal(history: &SubscriptionHistory<'_>, customer: usize) -> Option<i32> {
    let day = history.as_of().number();
    next_term(history, history.known(customer), day).map(|(end, _)| end - day)
}

/// The end and the start of the covering term that ends next; of several, of the longest.
fn next_term(history: &SubscriptionHistory<'_>, periods: impl Iterator<Item = Known>, day: i32) -> Option<(i32, i32)> {
    // Terms are known ends that nobody has announced.
    let terms = history.subscriptions().ends_known == EndsKnown::AtStart;
    let renewed = periods.filter(|period| period.covers(day) && !period.end.is_none() && !period.is_cancelled);
    renewed.map(|period| (period.end.0, period.start)).min().filter(|_| terms)
}

/// The customers that are active, and those that have already cancelled.
pub(crate) fn active_and_cancelled(history: &SubscriptionHistory<'_>) -> (Vec<usize>, Vec<usize>, u64) {
    let (mut active, mut cancelled, mut others) = (Vec::new(), Vec::new(), 0);
    for (customer, status) in history.started() {
        match status {
            SubscriptionStatus::Active => active.push(customer),
            SubscriptionStatus::AlreadyCancelled => cancelled.push(customer),
            SubscriptionStatus::NotActive => others += 1,
        }
    }
    (active, cancelled, others)
}
