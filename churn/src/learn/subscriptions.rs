//! Training on subscriptions: the active customers at some cutoffs, with what was known on each, and the ends that followed.

use std::borrow::Cow;
use std::ops::Range;

use ndarray::{Axis, concatenate};

use super::fit::{Fitted, check_enough, enough, fit};
use super::holdout::JudgedPart;
use super::judge::Judge;
use super::search::{SearchRows, SearchSet, Timer, search};
use super::snapshot::{LabelledRows, compare_tables, given_cutoffs, joined_specs, most_by_default};
use super::weights::WeightColumn;
use super::{JUDGED_CUTOFFS, TrainConfig, build};
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::events::Events;
use crate::features::{FeatureConfig, FeatureSpec, FeatureTable, fit as fit_features};
use crate::findings::{Finding, check_allowed, check_subscriptions, check_usage, fail_on_errors};
use crate::input::SubscriptionInput;
use crate::labels::{LabelConfig, LabelKind};
use crate::model::causes::{CauseModel, Causes};
use crate::model::subscriptions::{table_of, users_of};
use crate::model::{Audit, LearnConfig, Model};
use crate::progress::{Observer, step};
use crate::subscriptions::{
    EndReason, FeatureColumns, SubscriptionLabels, Subscriptions, current_plans, latest_cutoff, plan_levels,
    renewal_labels, subscription_labels,
};
use crate::table::VALID_FROM;

/// Smallest number of rows that churned for a cause with a model of its own; those of rarer causes count as other.
const LEAST_OF_A_CAUSE: usize = 25;

/// Trains a model on subscriptions.
pub(super) fn train_subscriptions(
    input: SubscriptionInput<'_>,
    config: &TrainConfig,
    observer: &dyn Observer,
) -> Result<Model> {
    let definition = definition(config)?;
    if input.include_cancelled {
        let expected = "false in training; customers who have already cancelled are not learned from";
        return Err(invalid_parameter("include_cancelled", true, expected));
    }
    let weights = WeightColumn::read(input.attributes, config.weight.as_deref(), input.subscriptions.ids())?;
    let input = SubscriptionInput { weights: weights.weights(), ..input };
    let timer = Timer::start(&config.learning, observer)?;
    let allow = [&config.allow[..], input.allow].concat();
    check_allowed(&allow)?;
    let mut findings = check_subscriptions(input.subscriptions);
    fail_on_errors(&findings, &allow)?;
    let rows = SubscriptionRows::new(input, &definition, &config.features, config, observer)?;
    let cutoffs = rows.cutoffs();
    check_enough(&rows.churned(0..rows.parts.len()), "the active customers")?;
    let all = 0..rows.parts.len();
    findings.extend(rows.check_usage());
    fail_on_errors(&findings, &allow)?;
    let fitted_features = rows.fit(all.clone())?;
    let audited = match config.audit {
        true => Some(rows.audit(&fitted_features, observer)?),
        false => None,
    };
    let mut learning = config.learning.clone();
    let mut found = None;
    if learning.needs_search() {
        let known = rows.known(rows.parts.len()).unwrap_or(rows.parts.len());
        let usable = rows.dataset(0..known, &rows.fit(0..known)?)?;
        let total = usable.y.len() + rows.churned(all.clone()).len();
        let rows = SearchRows::of_customers(Cow::Borrowed(&usable));
        let sets = vec![SearchSet { feature_set: None, rows: Ok(rows) }];
        let best = search(sets, &learning, total, &timer)?;
        learning = best.learning.clone();
        found = Some(best);
    }
    let rates = rows.rates();
    let compare_with_logistic = config.compare_with_logistic;
    let judge = Judge { config: &learning, compare_with_logistic, rates: &rates, labels_have_time: true, observer };
    let judged_parts = rows.judged(if found.is_some() { 1 } else { JUDGED_CUTOFFS });
    let data = rows.dataset(all, &fitted_features)?;
    let judged = match judged_parts.is_empty() || !config.evaluation {
        true => judge.held_out_if(config.evaluation, &data)?,
        false => judge.at_cutoffs(
            &cutoffs,
            &judged_parts,
            (input.subscriptions.customers(), data.y.len()),
            |known, part| {
                let fitted = rows.fit(0..known)?;
                Ok((rows.dataset(0..known, &fitted)?, rows.dataset(part..part + 1, &fitted)?))
            },
        )?,
    };
    findings.extend(rows.undated());
    fail_on_errors(&judged.findings, &allow)?;
    fail_on_errors(&findings, &allow)?;
    let causes = cause_models(&data, &rows.causes(), &learning, observer)?;
    let mut document = build(data, judged, findings, found, &learning, observer)?;
    document.causes = causes;
    document.feature_config = fitted_features.usage;
    document.labels = definition;
    document.cutoffs = cutoffs;
    document.audit = audited;
    Ok(Model::new(document))
}

/// Audits features of subscriptions for leaks: deletes the periods that start after each cutoff, masks the ends that became known
/// later, computes the features again and requires the same bits. So `features` cannot have used the future, however it works.
///
/// ```
/// use churn::{SubscriptionOptions, Subscriptions, audit_subscriptions, subscription_features};
/// let csv = "customer_id,start_date,end_date\nanna,2024-01-01,2024-06-01\nbert,2024-01-01,\n";
/// let subscriptions = Subscriptions::from_csv(csv.as_bytes(), &SubscriptionOptions::default())?;
/// let cutoff = "2024-03-01".parse()?;
/// let honest = audit_subscriptions(&subscriptions, &[cutoff], |data, day| subscription_features(&data.known_at(day), 30))?;
/// assert_eq!(honest.events_deleted, 1);
/// // Anna's end was not known in March.
/// let leaky = audit_subscriptions(&subscriptions, &[cutoff], |data, _| subscription_features(&data.known_at(data.last_day()), 30));
/// assert_eq!(leaky.unwrap_err().code(), "leak");
/// # Ok::<(), churn::Error>(())
/// ```
///
/// # Errors
/// `leak` with the first customer and feature that differ; the errors of `features`; `no_good_rows` for a cutoff before the data.
pub fn audit_subscriptions(
    subscriptions: &Subscriptions,
    cutoffs: &[Day],
    features: impl Fn(&Subscriptions, Day) -> Result<FeatureTable>,
) -> Result<Audit> {
    let inputs = vec!["subscriptions".to_owned()];
    let mut stamp = Audit { cutoffs: cutoffs.to_vec(), events_deleted: 0, values_compared: 0, inputs };
    for &cutoff in cutoffs {
        let past = subscriptions.truncated(cutoff)?;
        let (with, without) = (features(subscriptions, cutoff)?, features(&past, cutoff)?);
        compare_tables(&with, &without, cutoff)?;
        stamp.events_deleted += subscriptions.known_later(&past);
        stamp.values_compared += with.values.len() as u64;
    }
    Ok(stamp)
}

/// The definition of churn of a training on subscriptions.
fn definition(config: &TrainConfig) -> Result<LabelConfig> {
    match config.labels.labels {
        LabelKind::OutcomeWindow | LabelKind::SubscriptionEnd => {
            Ok(LabelConfig { labels: LabelKind::SubscriptionEnd, ..config.labels.clone() })
        }
        LabelKind::Inactivity | LabelKind::Provided => {
            let found = if config.labels.labels == LabelKind::Provided { "provided" } else { "inactivity" };
            Err(invalid_parameter("labels", found, "subscription_end: the periods say who leaves"))
        }
    }
}

/// The labelled customers of a cutoff, or of the days of a stretch of time before renewals.
struct Part {
    /// Rising, at least one.
    days: Vec<(Day, SubscriptionLabels)>,
}

impl Part {
    fn first_day(&self) -> Day {
        self.days[0].0
    }

    fn last_day(&self) -> Day {
        self.days[self.days.len() - 1].0
    }

    fn churned(&self) -> impl Iterator<Item = bool> {
        self.days.iter().flat_map(|(_, labels)| labels.churned.iter().copied())
    }
}

/// The labelled customers of some cutoffs.
struct SubscriptionRows<'a> {
    input: SubscriptionInput<'a>,
    definition: &'a LabelConfig,
    usage: &'a FeatureConfig,
    parts: Vec<Part>,
    joined: Vec<FeatureSpec>,
}

/// The settings of the features that are fitted on the cutoffs that are learned from.
struct FittedFeatures {
    /// The configuration of the usage features; none without usage events.
    usage: Option<FeatureConfig>,
    /// The levels of the feature `plan`.
    plans: Vec<String>,
}

impl<'a> SubscriptionRows<'a> {
    fn new(
        input: SubscriptionInput<'a>,
        definition: &'a LabelConfig,
        usage: &'a FeatureConfig,
        config: &TrainConfig,
        observer: &dyn Observer,
    ) -> Result<Self> {
        let subscriptions = input.subscriptions;
        let parts = match definition.before_renewal_days {
            Some(days) => before_renewals(subscriptions, days, definition, config)?,
            None => at_cutoffs(subscriptions, definition, config, observer)?,
        };
        let joined = joined_specs(input.attributes, input.weights)?;
        Ok(SubscriptionRows { input, definition, usage, parts, joined })
    }

    fn cutoffs(&self) -> Vec<Day> {
        self.parts.iter().map(Part::last_day).collect()
    }

    fn churned(&self, parts: Range<usize>) -> Vec<bool> {
        self.parts[parts].iter().flat_map(Part::churned).collect()
    }

    /// The cause of each row of all cutoffs; none for those who stayed.
    fn causes(&self) -> Vec<Option<EndReason>> {
        let days = self.parts.iter().flat_map(|part| &part.days);
        days.flat_map(|(_, labels)| labels.causes.iter().copied()).collect()
    }

    fn rates(&self) -> Vec<(Day, u64, u64)> {
        let rate = |part: &Part| {
            let (count, churned) = (part.churned().count(), part.churned().filter(|&churned| churned).count());
            (part.last_day(), count as u64, churned as u64)
        };
        self.parts.iter().map(rate).collect()
    }

    /// The number of the first `upto` cutoffs whose outcome was known by the last of them. None if there are too few rows to train
    /// or to test on.
    fn known(&self, upto: usize) -> Option<usize> {
        let last = upto - 1;
        let day = self.parts[last].first_day();
        let LabelConfig { before_renewal_days, gap_days, horizon_days, allowed_gap_days, .. } = *self.definition;
        let window = before_renewal_days.unwrap_or(gap_days + horizon_days);
        let decided = |part: &Part| part.last_day().plus(window).plus(allowed_gap_days);
        let known = self.parts[..last].iter().take_while(|part| decided(part) <= day).count();
        let is_enough = |parts| check_enough(&self.churned(parts), "").is_ok();
        (is_enough(0..known) && is_enough(last..upto)).then_some(known)
    }

    /// The cutoffs to judge the recipe at, oldest first; none if customers are held out instead.
    fn judged(&self, most: usize) -> Vec<JudgedPart> {
        let parts = (0..self.parts.len()).rev().take(most);
        let mut found: Vec<JudgedPart> =
            parts.map_while(|part| Some(JudgedPart { part, known: self.known(part + 1)? })).collect();
        found.reverse();
        found
    }

    /// Fits the settings of the features on these cutoffs.
    fn fit(&self, parts: Range<usize>) -> Result<FittedFeatures> {
        let days = || self.parts[parts.clone()].iter().flat_map(|part| &part.days);
        let mut plans = Vec::new();
        for (day, labels) in days() {
            let history = self.input.subscriptions.known_at(*day);
            plans.extend(current_plans(&history, &labels.customers, self.definition.allowed_gap_days));
        }
        let plans = plan_levels(plans);
        let Some(events) = self.input.usage else { return Ok(FittedFeatures { usage: None, plans }) };
        let users: Vec<(Day, Vec<usize>)> = days()
            .map(|(day, labels)| (*day, users_of(events, *day, labels.customer_ids.iter().map(String::as_str)).1))
            .filter(|(_, users)| !users.is_empty())
            .collect();
        if users.is_empty() {
            let message =
                format!("the usage events begin on {}, after the cutoffs that are learned from", events.first_day());
            return Err(Error::new(ErrorKind::NoCustomers, message));
        }
        let seen: Vec<_> = users.iter().map(|(day, users)| (events.split_at(*day).0, users.as_slice())).collect();
        Ok(FittedFeatures { usage: Some(fit_features(&seen, self.usage)?), plans })
    }

    /// The findings about the usage events at the last cutoff.
    fn check_usage(&self) -> Vec<Finding> {
        let Some((events, part)) = self.input.usage.zip(self.parts.last()) else { return Vec::new() };
        let (day, labels) = &part.days[part.days.len() - 1];
        let (_, users) = users_of(events, *day, labels.customer_ids.iter().map(String::as_str));
        check_usage(events, *day, labels.customer_ids.len() as u64, users.len() as u64)
    }

    /// The features of the labelled customers of a day, from these subscriptions and events.
    fn table(
        &self,
        subscriptions: &Subscriptions,
        usage: Option<&Events>,
        (day, labels): &(Day, SubscriptionLabels),
        fitted: &FittedFeatures,
    ) -> Result<FeatureTable> {
        let customer = |id: &String| subscriptions.ids().search(id).expect("a labelled customer has a period by then");
        let customers: Vec<usize> = labels.customer_ids.iter().map(customer).collect();
        let columns = FeatureColumns::of(&fitted.plans, self.definition);
        table_of(subscriptions, *day, &customers, &columns, usage.zip(fitted.usage.as_ref()))
    }

    /// The rows of these cutoffs, one below the other.
    fn dataset(&self, parts: Range<usize>, fitted: &FittedFeatures) -> Result<LabelledRows> {
        let count = parts.len();
        let (mut tables, mut y, mut groups, mut ages) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (i, part) in self.parts[parts].iter().enumerate() {
            for of_day in &part.days {
                let mut table = self.table(self.input.subscriptions, self.input.usage, of_day, fitted)?;
                if let Some((attributes, customer_id)) = self.input.attributes {
                    table.join_as(attributes, customer_id, &self.joined)?;
                }
                tables.push(table);
                y.extend_from_slice(&of_day.1.churned);
                groups.extend(of_day.1.customers.iter().map(|&customer| customer as u32));
            }
            ages.resize(y.len(), (count - 1 - i) as u16);
        }
        let views: Vec<_> = tables.iter().map(|table| table.values.view()).collect();
        let x = concatenate(Axis(0), &views).expect("cutoffs have the same columns");
        let weights =
            self.input.weights.map(|weights| weights.of_rows(&groups, self.input.subscriptions.ids())).transpose()?;
        Ok(LabelledRows { x, y, groups, ages, weights, specs: tables.swap_remove(0).specs })
    }

    /// Audits the features: deletes the later periods and events, masks the ends that became known later, computes the features again
    /// and requires the same bits.
    fn audit(&self, fitted: &FittedFeatures, observer: &dyn Observer) -> Result<Audit> {
        let mut inputs = vec!["subscriptions".to_owned()];
        inputs.extend(self.input.usage.map(|_| "events".to_owned()));
        let mut stamp = Audit { cutoffs: self.cutoffs(), events_deleted: 0, values_compared: 0, inputs };
        for (i, part) in self.parts.iter().enumerate() {
            step(observer, "audit", i, self.parts.len())?;
            // Of the days before renewals, the last one of each part.
            let of_day = &part.days[part.days.len() - 1];
            let cutoff = of_day.0;
            let past = self.input.subscriptions.truncated(cutoff)?;
            let usage = match self.input.usage {
                Some(events) if events.first_day() <= cutoff => Some(events.truncated(cutoff)?),
                // Nothing was used by then, so nothing later can reach the features.
                other => other.cloned(),
            };
            let with = self.table(self.input.subscriptions, self.input.usage, of_day, fitted)?;
            let without = self.table(&past, usage.as_ref(), of_day, fitted)?;
            compare_tables(&with, &without, cutoff)?;
            stamp.values_compared += with.values.len() as u64;
            stamp.events_deleted += self.input.subscriptions.known_later(&past);
            if let (Some(events), Some(past)) = (self.input.usage, &usage) {
                stamp.events_deleted += (events.len() - past.len()) as u64;
            }
        }
        Ok(stamp)
    }

    /// The finding about a joined table without days.
    fn undated(&self) -> Option<Finding> {
        let (table, _) = self.input.attributes?;
        if self.joined.is_empty() || table.column(VALID_FROM).is_ok() {
            return None;
        }
        Some(super::snapshot::undated(&self.joined))
    }
}

/// The active customers at each cutoff, with their labels.
fn at_cutoffs(
    subscriptions: &Subscriptions,
    definition: &LabelConfig,
    config: &TrainConfig,
    observer: &dyn Observer,
) -> Result<Vec<Part>> {
    let cutoffs = choose_cutoffs(subscriptions, definition, config)?;
    let by_default = config.snapshots.is_none() && config.cutoffs.is_none();
    let mut parts = Vec::new();
    for (i, &cutoff) in cutoffs.iter().enumerate() {
        step(observer, "labels", i, cutoffs.len())?;
        let others = i + 1 < cutoffs.len() || !parts.is_empty();
        match subscription_labels(subscriptions, cutoff, definition) {
            Ok(labels) => parts.push(Part { days: vec![(cutoff, labels)] }),
            // By default, a cutoff before the first active customer is left out.
            Err(error) if by_default && others && error.kind() == ErrorKind::NoCustomers => (),
            Err(error) => return Err(error),
        }
    }
    Ok(parts)
}

/// The customers before each of their renewals, in parts of a month or of `days`, whichever is longer; as many parts as there would be
/// cutoffs.
fn before_renewals(
    subscriptions: &Subscriptions,
    days: i32,
    definition: &LabelConfig,
    config: &TrainConfig,
) -> Result<Vec<Part>> {
    if config.cutoffs.is_some() {
        let expected = "left out with before_renewal_days: the renewals give the days";
        return Err(invalid_parameter("cutoffs", "given", expected));
    }
    let labels = renewal_labels(subscriptions, days, definition)?;
    let most = config.snapshots.unwrap_or(most_by_default(subscriptions.customers() as u64));
    let (length, latest) = (days.max(30), labels.keys().next_back().map_or(0, |day| day.number()));
    let mut parts: Vec<Part> = Vec::new();
    let mut number = None;
    for (day, labels) in labels {
        let part = (latest - day.number()) / length;
        if part as usize >= most {
            continue;
        }
        match parts.last_mut() {
            Some(last) if number == Some(part) => last.days.push((day, labels)),
            _ => parts.push(Part { days: vec![(day, labels)] }),
        }
        number = Some(part);
    }
    Ok(parts)
}

/// Chooses the cutoffs, oldest first: the given ones; or `snapshots`, the last as late as the data decides and each a horizon before
/// the next; or as many as there is a horizon of past before each.
fn choose_cutoffs(subscriptions: &Subscriptions, definition: &LabelConfig, config: &TrainConfig) -> Result<Vec<Day>> {
    if let Some(given) = config.cutoffs.as_deref() {
        return given_cutoffs(given);
    }
    let latest = latest_cutoff(subscriptions, definition);
    let day = |number: i64| i32::try_from(number).ok().and_then(Day::new).unwrap_or(Day::MIN);
    let last = day(latest);
    let mut cutoffs = vec![last];
    let most = config.snapshots.unwrap_or(most_by_default(subscriptions.customers() as u64));
    while cutoffs.len() < most {
        let earlier = cutoffs[cutoffs.len() - 1].plus(-definition.horizon_days);
        let enough_past = earlier.plus(-definition.horizon_days) >= subscriptions.first_day();
        if config.snapshots.is_none() && !enough_past {
            break;
        }
        cutoffs.push(earlier);
        if earlier == Day::MIN {
            break;
        }
    }
    cutoffs.reverse();
    Ok(cutoffs)
}

/// Fits a model for each cause with enough churners, on the customers who churned: it gives the share of the cause among them. If there
/// is one cause only, there is nothing to tell apart. Rare causes are counted with the others.
fn cause_models(
    data: &LabelledRows,
    causes: &[Option<EndReason>],
    config: &LearnConfig,
    observer: &dyn Observer,
) -> Result<Causes> {
    let (churned, causes): (Vec<usize>, Vec<EndReason>) =
        causes.iter().enumerate().filter_map(|(row, cause)| Some((row, (*cause)?))).unzip();
    let count = |cause: EndReason| causes.iter().filter(|&&other| other == cause).count();
    let is_common = |cause: EndReason| count(cause) >= LEAST_OF_A_CAUSE;
    let causes: Vec<EndReason> =
        causes.iter().map(|&cause| if is_common(cause) { cause } else { EndReason::Other }).collect();
    let told: Vec<EndReason> = EndReason::ALL
        .into_iter()
        .filter(|cause| {
            let count = causes.iter().filter(|other| *other == cause).count();
            enough(causes.len(), count, "").is_ok()
        })
        .collect();
    if told.len() < 2 {
        return Ok(Causes::none());
    }
    let rows = data.select(&churned);
    let mut fitted = Vec::new();
    for cause in told {
        let rows = LabelledRows { y: causes.iter().map(|other| *other == cause).collect(), ..rows.clone() };
        let model = fit(&rows, config, observer)?;
        let Fitted { learner, level_log_odds, calibration, .. } = model;
        fitted.push(CauseModel { cause, learner, level_log_odds, calibration });
    }
    Ok(Causes(fitted))
}
