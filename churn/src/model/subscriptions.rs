//! Scoring of subscriptions: the features of the active customers, and how many others there are.

use ndarray::{Array2, Axis, concatenate};

use super::Model;
use crate::coverage::Coverage;
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result};
use crate::events::Events;
use crate::features::{FeatureConfig, FeatureSpec, FeatureTable, compute, computed};
use crate::findings::{check_allowed, check_plans, check_subscriptions, check_usage, fail_on_errors};
use crate::input::SubscriptionInput;
use crate::labels::LabelKind;
use crate::subscriptions::{
    EndsKnown, FeatureColumns, PLAN, Subscriptions, active_and_cancelled, current_plans, days_to_renewal,
};

impl Model {
    /// The features of the customers whose subscription is active at the end of a day.
    pub(super) fn subscription_features(
        &self,
        input: SubscriptionInput<'_>,
        as_of: Option<Day>,
    ) -> Result<FeatureTable> {
        if self.labels().labels != LabelKind::SubscriptionEnd {
            let message = "the model was not trained on subscriptions: it predicts the data that it was trained on";
            return Err(Error::new(ErrorKind::FeatureMismatch, message));
        }
        check_allowed(input.allow)?;
        let config = self.document.feature_config.as_ref();
        let usage = match (config, input.usage) {
            (Some(config), Some(usage)) => Some((usage, config)),
            (None, None) => None,
            (Some(_), None) => {
                let message = "the model also needs the usage events that it was trained with";
                return Err(Error::new(ErrorKind::FeatureMismatch, message));
            }
            (None, Some(_)) => {
                let message = "the model was trained without usage events: predict without them";
                return Err(Error::new(ErrorKind::FeatureMismatch, message));
            }
        };
        let subscriptions = input.subscriptions;
        let mut found = check_subscriptions(subscriptions);
        fail_on_errors(&found, input.allow)?;
        self.check_ends_known(subscriptions.ends_known())?;
        let as_of = as_of.unwrap_or(subscriptions.last_day());
        subscriptions.check_day(as_of)?;
        let history = subscriptions.known_at(as_of);
        let (mut customers, cancelled, not_active) = active_and_cancelled(&history);
        let running = customers.len();
        if let Some(days) = self.labels().before_renewal_days {
            customers.retain(|&customer| days_to_renewal(&history, customer).is_some_and(|to| to <= days));
        }
        let coverage = Coverage {
            covered: customers.len() as u64,
            inactive: 0,
            not_active,
            already_cancelled: cancelled.len() as u64,
            not_due: (running - customers.len()) as u64,
        };
        let active = customers.len();
        if input.include_cancelled {
            customers.extend(&cancelled);
            customers.sort_unstable();
        }
        if customers.is_empty() || (active == 0 && !input.include_cancelled) {
            let message = format!(
                "no customer to score at {as_of}: {not_active} are not active, {} have already cancelled, the renewals of {} are not due",
                cancelled.len(),
                coverage.not_due
            );
            return Err(Error::new(ErrorKind::NoCustomers, message));
        }
        let plan = self.document.features.iter().find(|spec| spec.name == PLAN).and_then(|spec| spec.levels.as_ref());
        let plans = plan.map_or(&[][..], Vec::as_slice);
        let columns = FeatureColumns::of(plans, self.labels());
        let mut table = table_of(subscriptions, as_of, &customers, &columns, usage)?;
        if let Some((events, _)) = usage {
            let (_, users) = users_of(events, as_of, table.ids.iter());
            found.extend(check_usage(events, as_of, customers.len() as u64, users.len() as u64));
        }
        let with_plan = current_plans(&history, &customers, self.labels().allowed_gap_days).len() as u64;
        let at = table.specs.iter().position(|spec| spec.name == PLAN);
        let known = at.map_or(0, |at| table.values.column(at).iter().filter(|level| !level.is_nan()).count() as u64);
        found.extend(check_plans(known, with_plan - known, plans));
        table.findings = found;
        table.coverage = Some(coverage);
        table.include_inactive = input.include_cancelled;
        let is_cancelled = |customer: &usize| cancelled.binary_search(customer).is_ok();
        table.cancelled = Some(customers.iter().map(is_cancelled).collect());
        self.join_and_check(&mut table, input.attributes, input.allow)?;
        Ok(table)
    }
}

impl Model {
    /// The way in which the ends of the training were known; none if the document does not tell.
    pub(super) fn trained_ends_known(&self) -> Option<EndsKnown> {
        let term = self.document.histograms.iter().find(|histogram| histogram.name == "days_to_renewal");
        match term {
            _ if self.labels().before_renewal_days.is_some() => Some(EndsKnown::AtStart),
            Some(term) if term.missing == self.document.training.rows => Some(EndsKnown::AtEnd),
            Some(_) => Some(EndsKnown::AtStart),
            None => None,
        }
    }

    /// Refuses subscriptions whose ends are known in another way than those of the training: `days_to_renewal` was never missing there,
    /// or always.
    fn check_ends_known(&self, ends_known: EndsKnown) -> Result<()> {
        let Some(trained) = self.trained_ends_known() else { return Ok(()) };
        if trained == ends_known {
            return Ok(());
        }
        let name = |known| if known == EndsKnown::AtEnd { "at_end" } else { "at_start" };
        let message = format!(
            "the model was trained on subscriptions read with ends_known = {:?}; these were read with {:?}",
            name(trained),
            name(ends_known)
        );
        Err(Error::new(ErrorKind::FeatureMismatch, message))
    }
}

/// The features of these customers: of their usage events, if there are any, and then of their subscriptions.
pub(crate) fn table_of(
    subscriptions: &Subscriptions,
    as_of: Day,
    customers: &[usize],
    columns: &FeatureColumns<'_>,
    usage: Option<(&Events, &FeatureConfig)>,
) -> Result<FeatureTable> {
    let history = subscriptions.known_at(as_of);
    let own = columns.compute(&history, customers);
    let ids = subscriptions.ids().select(customers.iter().map(|&customer| customer as u32));
    let (values, specs, config) = match usage {
        None => (own, columns.specs(), None),
        Some((events, config)) => {
            let (used, specs) = usage_of(events, as_of, ids.iter(), customers.len(), config)?;
            let values = concatenate(Axis(1), &[used.view(), own.view()]).expect("as many rows in both");
            // Rows are read as slices, which need the rows one after another.
            let values = values.as_standard_layout().into_owned();
            (values, [specs, columns.specs()].concat(), Some(config.clone()))
        }
    };
    let mut table = FeatureTable::of_columns(ids, specs, values);
    (table.as_of, table.config) = (Some(as_of), config);
    Ok(table)
}

/// The features of usage events for each customer; missing for customers without an event by the day.
fn usage_of<'a>(
    events: &Events,
    as_of: Day,
    ids: impl Iterator<Item = &'a str>,
    rows: usize,
    config: &FeatureConfig,
) -> Result<(Array2<f64>, Vec<FeatureSpec>)> {
    let types = config.event_type_columns.as_deref().unwrap_or(&[]);
    let specs: Vec<FeatureSpec> = computed(config.feature_set, &config.windows, types)
        .into_iter()
        .map(|feature| FeatureSpec::numeric(feature.info.name))
        .collect();
    let mut values = Array2::from_elem((rows, specs.len()), f64::NAN);
    let (rows, users) = users_of(events, as_of, ids);
    if !users.is_empty() {
        let table = compute(&events.split_at(as_of).0, &users, config)?;
        for (from, &row) in rows.iter().enumerate() {
            values.row_mut(row).assign(&table.values.row(from));
        }
    }
    Ok((values, specs))
}

/// The customers with an event by a day: the number of each in the list, and in the events.
pub(crate) fn users_of<'a>(
    events: &Events,
    as_of: Day,
    ids: impl Iterator<Item = &'a str>,
) -> (Vec<usize>, Vec<usize>) {
    let history = events.split_at(as_of).0;
    ids.enumerate()
        .filter_map(|(row, id)| Some((row, events.ids().search(id)?)))
        .filter(|&(_, customer)| history.of(customer).last_day().is_some())
        .unzip()
}
