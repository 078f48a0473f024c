//! Snapshots: the customers at a cutoff, stacked over several cutoffs as training rows, and the audit that no later event
//! reaches them.

use ndarray::{Array2, Axis, concatenate};

use super::rows::LearningRows;
use super::stack::Stack;
use super::weights::{CustomerWeights, row_weights};
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::events::{Events, Strings, quote_for_message};
use crate::features::{self, FeatureConfig, FeatureSpec, FeatureTable, Joined, infer_specs};
use crate::findings::{self, Finding};
use crate::input::Input;
use crate::labels::{LabelConfig, LabelKind, Labels, check_cutoff, labels};
use crate::model::Audit;
use crate::progress::{Observer, step};
use crate::table::{Table, VALID_FROM, Value, level};

impl Input<'_> {
    /// The specs of the joined columns; empty without a table.
    pub(crate) fn attribute_specs(&self) -> Result<Vec<FeatureSpec>> {
        joined_specs(self.attributes, self.weights)
    }

    /// The weights of rows of these customers; none if customers have none.
    pub(crate) fn weights_of(&self, customers: &[u32]) -> Result<Option<Vec<f64>>> {
        self.weights.map(|weights| weights.of_rows(customers, self.events.ids())).transpose()
    }
}

/// The features that the columns of a joined table become: all but ids, days and weights.
pub(super) fn joined_specs(
    attributes: Option<(&Table, &str)>,
    weights: Option<CustomerWeights<'_>>,
) -> Result<Vec<FeatureSpec>> {
    let Some((table, customer_id)) = attributes else { return Ok(Vec::new()) };
    let weight = weights.map(CustomerWeights::column);
    let no_features: Vec<&str> = [customer_id, VALID_FROM].into_iter().chain(weight).collect();
    infer_specs(table, &no_features)
}

impl Table {
    /// Reads the labels in a column: 0/1, true/false or yes/no.
    pub(crate) fn labels(&self, name: &str) -> Result<Vec<bool>> {
        let data = self.column(name)?;
        (0..self.rows())
            .map(|row| match data.value(row) {
                Value::Boolean(label) => Ok(label),
                Value::Number(0.0) => Ok(false),
                Value::Number(1.0) => Ok(true),
                Value::Text(text) if ["0", "no", "false"].iter().any(|no| text.eq_ignore_ascii_case(no)) => Ok(false),
                Value::Text(text) if ["1", "yes", "true"].iter().any(|yes| text.eq_ignore_ascii_case(yes)) => Ok(true),
                value => {
                    let found = level(&value).map_or("missing".to_owned(), |text| quote_for_message(text.as_bytes()));
                    let message = format!(
                        "row {}: the label in {name:?} is {found}; expected 0/1, true/false or yes/no",
                        row + 1
                    );
                    Err(Error::new(ErrorKind::InvalidColumn, message).at_line(row as u64 + 1))
                }
            })
            .collect()
    }
}

/// Labelled rows: rows × features, with the label and the customer of each row.
#[derive(Clone)]
pub(crate) struct LabelledRows {
    pub(crate) x: Array2<f64>,
    pub(crate) y: Vec<bool>,
    /// Rows of one customer share a number.
    pub(crate) groups: Vec<u32>,
    /// The number of cutoffs after the cutoff of each row; 0 for all rows of a table.
    pub(crate) ages: Vec<u16>,
    /// The weights of the rows; 1 each if none.
    pub(crate) weights: Option<Vec<f64>>,
    pub(crate) specs: Vec<FeatureSpec>,
}

/// The labelled customers of some cutoffs.
pub(crate) struct Snapshots<'a> {
    input: Input<'a>,
    parts: Vec<(Day, Labels)>,
    observer: &'a dyn Observer,
}

impl<'a> Snapshots<'a> {
    /// Labels the customers at each cutoff. With `skip_empty`, cutoffs without a customer to label are left out as long as one
    /// cutoff is left. The observer can cancel the work before each cutoff.
    pub(crate) fn new(
        input: Input<'a>,
        config: &LabelConfig,
        cutoffs: &[Day],
        skip_empty: bool,
        observer: &'a dyn Observer,
    ) -> Result<Self> {
        let mut parts = Vec::new();
        for (i, &cutoff) in cutoffs.iter().enumerate() {
            step(observer, "labels", i, cutoffs.len())?;
            let (history, outcome) = input.events.split_at(cutoff);
            let others = i + 1 < cutoffs.len() || !parts.is_empty();
            match labels(&history, &outcome, config) {
                Ok(labels) => parts.push((cutoff, labels)),
                Err(error) if skip_empty && others && error.kind() == ErrorKind::NoCustomers => continue,
                Err(error) => return Err(error),
            }
        }
        Ok(Snapshots { input, parts, observer })
    }

    pub(crate) fn len(&self) -> usize {
        self.parts.len()
    }

    pub(crate) fn events(&self) -> &'a Events {
        self.input.events
    }

    /// The cutoffs with their labels, oldest first.
    pub(crate) fn parts(&self) -> &[(Day, Labels)] {
        &self.parts
    }

    /// The rows of all cutoffs. `type_counts` are those of each.
    pub(crate) fn stack(
        &self,
        joined: &'a [FeatureSpec],
        config: FeatureConfig,
        type_counts: Vec<Vec<u64>>,
    ) -> Result<Stack<'a>> {
        let mut stack = Stack::new(self.input, joined, config);
        for (i, ((day, labels), counts)) in self.parts.iter().zip(type_counts).enumerate() {
            step(self.observer, "features", i, self.parts.len())?;
            stack.push(*day, labels, counts)?;
        }
        Ok(stack)
    }

    pub(crate) fn cutoffs(&self) -> Vec<Day> {
        self.parts.iter().map(|part| part.0).collect()
    }

    /// Returns the configuration with scales and event types fitted on the customers of these cutoffs.
    pub(crate) fn fit(&self, parts: std::ops::Range<usize>, config: &FeatureConfig) -> Result<FeatureConfig> {
        config.check()?;
        let seen: Vec<_> = self.parts[parts]
            .iter()
            .map(|(cutoff, labels)| (self.input.events.split_at(*cutoff).0, labels.customers.as_slice()))
            .collect();
        features::fit(&seen, config)
    }

    /// The data set of these cutoffs, one below the other.
    pub(crate) fn dataset(
        &self,
        parts: std::ops::Range<usize>,
        fitted: &FeatureConfig,
        joined: &[FeatureSpec],
    ) -> Result<LabelledRows> {
        let mut tables = Vec::new();
        let (mut y, mut groups, mut ages) = (Vec::new(), Vec::new(), Vec::new());
        let parts = &self.parts[parts];
        for (i, (cutoff, labels)) in parts.iter().enumerate() {
            step(self.observer, "features", i, parts.len())?;
            let (history, _) = self.input.events.split_at(*cutoff);
            let mut table = features::compute(&history, &labels.customers, fitted)?;
            if let Some((attributes, customer_id)) = self.input.attributes {
                table.join_as(attributes, customer_id, joined)?;
            }
            tables.push(table);
            y.extend_from_slice(&labels.churned);
            groups.extend(labels.customers.iter().map(|&c| c as u32));
            ages.resize(y.len(), (parts.len() - 1 - i) as u16);
        }
        let views: Vec<_> = tables.iter().map(|table| table.values.view()).collect();
        let x = concatenate(Axis(0), &views).expect("snapshots have the same columns");
        let weights = self.input.weights_of(&groups)?;
        Ok(LabelledRows { x, y, groups, ages, weights, specs: tables.swap_remove(0).specs })
    }

    /// Audits the joined columns: joins the rows that were valid at each cutoff, with and without the later rows of the
    /// table, and requires the same bits. Without a table, or without days in it, there is nothing to compare.
    pub(crate) fn audit_attributes(
        &self,
        joined: &[FeatureSpec],
        fitted: &FeatureConfig,
        stamp: &mut Audit,
    ) -> Result<()> {
        let Some((attributes, customer_id)) = self.input.attributes else { return Ok(()) };
        let Some(days) = attributes.valid_from()? else { return Ok(()) };
        for (cutoff, labels) in &self.parts {
            let kept: Vec<usize> = (0..days.len()).filter(|&row| days[row] <= *cutoff).collect();
            if kept.is_empty() {
                continue;
            }
            let (history, _) = self.input.events.split_at(*cutoff);
            let mut with = features::compute(&history, &labels.customers, fitted)?;
            let mut without = with.clone();
            with.join_as(attributes, customer_id, joined)?;
            without.join_as(&attributes.select(&kept), customer_id, joined)?;
            for (a, b) in with.values.iter().zip(&without.values) {
                if a.to_bits() != b.to_bits() {
                    let message =
                        format!("rows of the joined table that hold after {cutoff} reach the features at that day");
                    return Err(Error::new(ErrorKind::Leak, message));
                }
            }
            stamp.values_compared += (with.rows() * joined.len()) as u64;
        }
        stamp.inputs.push("attributes".to_owned());
        Ok(())
    }

    /// Cutoff, number of labelled customers and number of churners of each part, oldest first.
    pub(crate) fn rates(&self) -> Vec<(Day, u64, u64)> {
        self.parts.iter().map(|(day, labels)| (*day, labels.len() as u64, labels.churned() as u64)).collect()
    }

    /// The findings about the joined table at the last cutoff.
    pub(crate) fn check_attributes(&self, fitted: &FeatureConfig, joined: &[FeatureSpec]) -> Result<Vec<Finding>> {
        let (Some((attributes, customer_id)), Some((cutoff, labels))) = (self.input.attributes, self.parts.last())
        else {
            return Ok(Vec::new());
        };
        // A table that has nothing but weights.
        if joined.is_empty() {
            return Ok(Vec::new());
        }
        let (history, _) = self.input.events.split_at(*cutoff);
        let mut table = features::compute(&history, &labels.customers, fitted)?;
        let computed = table.specs().len();
        let Joined { matched, unknown } = table.join_as(attributes, customer_id, joined)?;
        let mut findings = findings::joined(&table, computed, matched, &unknown, &|_| 1.0);
        if attributes.valid_from()?.is_none() {
            findings.push(undated(joined));
        }
        Ok(findings)
    }

    /// The labels of these cutoffs, one below the other.
    pub(crate) fn churned(&self, parts: std::ops::Range<usize>) -> Vec<bool> {
        self.parts[parts].iter().flat_map(|(_, labels)| labels.churned.iter().copied()).collect()
    }

    /// The number of cutoffs whose outcome window had closed by cutoff number `at`. A model made on that day could have been
    /// trained on them.
    pub(crate) fn known_by(&self, at: usize, config: &LabelConfig) -> usize {
        let day = self.parts[at].0;
        self.parts[..at].iter().take_while(|(cutoff, _)| config.window_end(*cutoff) <= day).count()
    }
}

impl LabelledRows {
    /// Creates a data set from a table with a label column, and perhaps a column of weights.
    pub(crate) fn from_table(
        table: &Table,
        label: &str,
        customer_id: Option<&str>,
        weight: Option<&str>,
        leave_out: &[String],
    ) -> Result<Self> {
        let y = table.labels(label)?;
        let leave_out = leave_out.iter().map(String::as_str);
        let without: Vec<&str> = leave_out.clone().chain([label]).chain(customer_id).chain(weight).collect();
        for name in leave_out {
            table.column(name)?;
        }
        let specs = infer_specs(table, &without)?;
        if specs.is_empty() {
            return Err(Error::new(ErrorKind::MissingColumn, "the table has no column left to learn from"));
        }
        let groups = match customer_id {
            None => (0..y.len() as u32).collect(),
            Some(_) => {
                let ids: Strings = table.customer_ids(customer_id)?;
                let order = ids.sorted();
                let mut groups = vec![0; y.len()];
                for pair in order.windows(2) {
                    let same = ids.get(pair[0] as usize) == ids.get(pair[1] as usize);
                    groups[pair[1] as usize] = groups[pair[0] as usize] + u32::from(!same);
                }
                groups
            }
        };
        let ages = vec![0; y.len()];
        let weights = weight.map(|name| row_weights(table, name)).transpose()?;
        Ok(LabelledRows { x: features::encode(table, &specs)?, y, groups, ages, weights, specs })
    }

    /// All rows.
    pub(crate) fn rows(&self) -> LearningRows<'_> {
        let LabelledRows { x, y, groups, ages, weights, specs } = self;
        LearningRows { x: x.view(), specs, y, groups, ages, weights: weights.as_deref() }
    }

    /// Returns a data set of some of the rows.
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        self.rows().select(rows)
    }
}

/// The default for the largest number of cutoffs of a log with this many customers: twelve, or fewer if they would make more
/// than half a million rows, but at least three.
pub(super) fn most_by_default(customers: u64) -> usize {
    const ROWS: u64 = 500_000;
    ((ROWS / customers.max(1)) as usize).clamp(3, 12)
}

/// Largest number of cutoffs.
const MOST_CUTOFFS: usize = 1000;

/// The cutoffs that were asked for, oldest first.
pub(super) fn given_cutoffs(given: &[Day]) -> Result<Vec<Day>> {
    let mut cutoffs = given.to_vec();
    crate::order::sort(&mut cutoffs);
    cutoffs.dedup();
    if cutoffs.is_empty() || cutoffs.len() < given.len() || cutoffs.len() > MOST_CUTOFFS {
        return Err(invalid_parameter("cutoffs", format!("{} days", given.len()), "1 to 1000 different days"));
    }
    Ok(cutoffs)
}

/// Chooses the cutoffs to train on, oldest first. With `inactivity` and `provided` it is one, the last day of the log.
/// Otherwise they are the requested ones; or `count` cutoffs, the last as late as the data allows and each a horizon before
/// the next; or up to [`most_by_default`], as long as there is a whole horizon of past before each.
pub(crate) fn choose_cutoffs(
    events: &Events,
    config: &LabelConfig,
    count: Option<usize>,
    given: Option<&[Day]>,
) -> Result<Vec<Day>> {
    if let Some(given) = given {
        return given_cutoffs(given);
    }
    if count.is_some_and(|count| !(1..=MOST_CUTOFFS).contains(&count)) {
        return Err(invalid_parameter("snapshots", count.unwrap_or(0), "1 to 1000"));
    }
    if config.labels != LabelKind::OutcomeWindow {
        return Ok(vec![events.last_day()]);
    }
    let last = events.last_day().plus(-config.gap_days).plus(-config.horizon_days);
    check_cutoff(events, last, config)?;
    let mut cutoffs = vec![last];
    while cutoffs.len() < count.unwrap_or(most_by_default(events.customers() as u64)) {
        let earlier = cutoffs[cutoffs.len() - 1].plus(-config.horizon_days);
        let enough_past = earlier.plus(-config.horizon_days) >= events.first_day();
        match count {
            None if !enough_past => break,
            None => (),
            Some(_) => check_cutoff(events, earlier, config)?,
        }
        cutoffs.push(earlier);
    }
    cutoffs.reverse();
    Ok(cutoffs)
}

/// Audits a feature computation for leaks: deletes all events after each cutoff, computes the features again, and requires
/// the same bits. So `features` cannot have used the future, however it works.
///
/// ```
/// use churn::{Events, FeatureConfig, ReadOptions, audit, features};
/// let csv = "customer_id,event_date\nanna,2024-01-02\nanna,2024-01-20\nbert,2024-01-02\n";
/// let events = Events::from_csv(csv.as_bytes(), &ReadOptions::default())?;
/// let cutoff = "2024-01-03".parse()?;
/// let honest = audit(&events, &[cutoff], |events, day| features(&events.split_at(day).0, &FeatureConfig::default()))?;
/// assert_eq!(honest.events_deleted, 1);
/// let leaky = audit(&events, &[cutoff], |events, _| features(&events.split_at(events.last_day()).0, &FeatureConfig::default()));
/// assert_eq!(leaky.unwrap_err().code(), "leak");
/// # Ok::<(), churn::Error>(())
/// ```
///
/// # Errors
/// `leak` with the first customer and feature that differ; the errors of `features`; `no_customers` for a cutoff before the
/// data.
pub fn audit(
    events: &Events,
    cutoffs: &[Day],
    features: impl Fn(&Events, Day) -> Result<FeatureTable>,
) -> Result<Audit> {
    let mut stamp =
        Audit { cutoffs: cutoffs.to_vec(), events_deleted: 0, values_compared: 0, inputs: vec!["events".to_owned()] };
    for &cutoff in cutoffs {
        let past = events.truncated(cutoff)?;
        let (with, without) = (features(events, cutoff)?, features(&past, cutoff)?);
        compare_tables(&with, &without, cutoff)?;
        stamp.events_deleted += (events.len() - past.len()) as u64;
        stamp.values_compared += with.values.len() as u64;
    }
    Ok(stamp)
}

/// The finding about a joined table whose rows have no days.
pub(super) fn undated(joined: &[FeatureSpec]) -> Finding {
    let names: Vec<&str> = joined.iter().map(|spec| spec.name.as_str()).collect();
    let message = format!(
        "the joined columns {} have no valid_from: they are taken as known at every cutoff, and whatever was entered or summed up \
         later leaks into the features. A column valid_from with the day from which each row holds mends it; the audit does not cover \
         them.",
        names.join(", ")
    );
    Finding::new("undated_attributes", message).evidence("columns", names)
}

/// Returns the error `leak` unless the features computed with and without the future are the same.
pub(super) fn compare_tables(with: &FeatureTable, without: &FeatureTable, cutoff: Day) -> Result<()> {
    let leak = |what: String| {
        let message = format!("the future reaches the features at {cutoff}: {what}");
        Err(Error::new(ErrorKind::Leak, message))
    };
    if with.ids != without.ids || with.specs != without.specs {
        return leak("without what came after it there are other customers or columns".to_owned());
    }
    for (i, id) in with.ids.iter().enumerate() {
        for (j, spec) in with.specs.iter().enumerate() {
            let (a, b) = (with.values[(i, j)], without.values[(i, j)]);
            if a.to_bits() != b.to_bits() {
                return leak(format!("{} of customer {id:?} is {a}, and {b} without what came after it", spec.name));
            }
        }
    }
    Ok(())
}
