//! Subscription periods: reading, what was known on a day, movements and retention curves.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Date32Array, LargeStringArray};
use churn::{LabelConfig, RetentionBy, SubscriptionOptions};
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict};

use crate::arrow::Batches;
use crate::convert::{config, date, optional_day, to_python};
use crate::error::raise;
use crate::events::{CsvSource, Events};
use crate::ids::{IdTypeTracker, Ids};
use crate::outgoing::{Outgoing, numbers};
use crate::watch::PyObserver;

/// Subscription periods: from when to when each customer had a contract, and what is known of it.
///
/// Created by :func:`read_subscriptions` and :meth:`Subscriptions.from_table`.
///
/// Examples
/// --------
/// >>> import churn
/// >>> subscriptions = churn.Subscriptions.from_table({
/// ...     "customer_id": ["anna", "bert"], "start_date": ["2024-01-01", "2024-01-01"], "end_date": [None, "2024-04-01"]})
/// >>> len(subscriptions), subscriptions.last_day
/// (2, datetime.date(2024, 4, 1))
#[pyclass(frozen, module = "churn")]
pub(crate) struct Subscriptions {
    pub(crate) inner: churn::Subscriptions,
    pub(crate) ids: Ids,
}

#[pymethods]
impl Subscriptions {
    /// Reads a table with the columns `customer_id` and `start_date`, and optionally `end_date`, `subscription_id`, `plan`, `amount`
    /// (per month), `known_at` (the day on which the end became known), `end_reason` and `trial`.
    ///
    /// Parameters
    /// ----------
    /// table : table
    ///     As for :meth:`Events.from_table`.
    /// **options
    ///     As for :func:`read_subscriptions`.
    ///
    /// Returns
    /// -------
    /// Subscriptions
    ///
    /// Raises
    /// ------
    /// MissingColumnError, InvalidColumnError, BadRowsError, NoGoodRowsError
    #[staticmethod]
    #[pyo3(signature = (table, **options))]
    fn from_table(table: &Bound<'_, PyAny>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Subscriptions> {
        let options: SubscriptionOptions = config(options)?;
        let watch = PyObserver::new(None)?;
        let id = options.columns.customer_id.clone().unwrap_or_else(|| "customer_id".to_owned());
        let (batches, seen) = (Batches::new(table, None)?, IdTypeTracker::default());
        let inner = watch
            .run(table.py(), |watch| churn::Subscriptions::from_arrow(batches.read_log(watch, &id, &seen), &options))?;
        Ok(Subscriptions { inner, ids: seen.ids() })
    }

    /// Takes each payment of a log for a fixed term.
    ///
    /// Parameters
    /// ----------
    /// payments : Events
    ///     Events with an amount of 0 or less are no payments.
    /// term_days : int
    ///     The days that a payment is for, 1 to 3650.
    ///
    /// Returns
    /// -------
    /// Subscriptions
    ///     Their ends are known at the start.
    ///
    /// Examples
    /// --------
    /// >>> import churn
    /// >>> payments = churn.read_csv(b"customer_id,event_date,amount\nanna,2024-01-01,30\nanna,2024-01-29,30\n")
    /// >>> churn.Subscriptions.from_payments(payments, 30).status("2024-01-29")
    /// {'anna': 'active'}
    #[staticmethod]
    fn from_payments(payments: &Bound<'_, Events>, term_days: i32) -> PyResult<Subscriptions> {
        let (py, Events { inner: events, ids, .. }) = (payments.py(), payments.get());
        let inner = py.detach(|| churn::Subscriptions::from_payments(events, term_days)).map_err(raise)?;
        Ok(Subscriptions { inner, ids: ids.clone() })
    }

    fn __len__(&self) -> usize {
        self.inner.len()
    }

    /// The number of customers.
    #[getter]
    fn customers(&self) -> usize {
        self.inner.customers()
    }

    /// The customer ids as text, in byte order.
    #[getter]
    fn customer_ids(&self) -> Vec<&str> {
        self.inner.customer_ids().collect()
    }

    /// The first day of the first period.
    #[getter]
    fn first_day<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        date(py, self.inner.first_day())
    }

    /// The last day that the data covers.
    #[getter]
    fn last_day<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        date(py, self.inner.last_day())
    }

    /// Counts of the rows that were read and left out: `rows`, `good`, `bad`, `ignored`, `outside`, and `bad_rows` with `line`,
    /// `reason` and `message`.
    #[getter]
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, self.inner.report())
    }

    /// Returns the status of each customer whose first period had started, as it was known on a day.
    ///
    /// Parameters
    /// ----------
    /// as_of : date or str, optional
    ///     The last day of the data if left out.
    ///
    /// Returns
    /// -------
    /// dict
    ///     `"active"`, `"already_cancelled"` or `"not_active"` by customer id.
    ///
    /// Examples
    /// --------
    /// >>> import churn
    /// >>> subscriptions = churn.read_subscriptions(
    /// ...     b"customer_id,start_date,end_date,known_at\nanna,2024-01-01,,\nbert,2024-01-01,2024-04-01,2024-03-10\n")
    /// >>> subscriptions.status("2024-03-09"), subscriptions.status("2024-03-10")["bert"]
    /// ({'anna': 'active', 'bert': 'active'}, 'already_cancelled')
    #[pyo3(signature = (as_of=None))]
    fn status<'py>(&self, py: Python<'py>, as_of: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyDict>> {
        let as_of = optional_day(as_of)?.unwrap_or(self.inner.last_day());
        let found = PyDict::new(py);
        for (id, status) in self.inner.known_at(as_of).statuses() {
            found.set_item(self.ids.value(py, id)?, status.name())?;
        }
        Ok(found)
    }

    /// Returns the numbers of customers by status on a day with the amounts they pay, and the list of those who have already cancelled.
    ///
    /// Parameters
    /// ----------
    /// as_of : date or str, optional
    ///     The last day of the data if left out.
    ///
    /// Returns
    /// -------
    /// dict
    ///     `as_of`, `active`, `already_cancelled`, `not_active`, `active_amount` and `already_cancelled_amount` (per month), and
    ///     `cancelled`: a list of dicts with `customer_id`, `end_date` (the first day without a period) and `amount` (per month, or
    ///     None).
    ///
    /// Examples
    /// --------
    /// >>> import churn
    /// >>> subscriptions = churn.read_subscriptions(
    /// ...     b"customer_id,start_date,end_date,known_at\nanna,2024-01-01,,\nbert,2024-01-01,2024-04-01,2024-03-10\n")
    /// >>> subscriptions.customer_base("2024-03-10")["cancelled"]
    /// [{'customer_id': 'bert', 'end_date': datetime.date(2024, 4, 1), 'amount': None}]
    #[pyo3(signature = (as_of=None))]
    fn customer_base<'py>(&self, py: Python<'py>, as_of: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let as_of = optional_day(as_of)?.unwrap_or(self.inner.last_day());
        let base = self.inner.customer_base(as_of).map_err(raise)?;
        let found = to_python(py, &base)?;
        found.set_item("as_of", date(py, base.as_of)?)?;
        let mut cancelled = Vec::new();
        for customer in &base.cancelled {
            let row = PyDict::new(py);
            row.set_item("customer_id", self.ids.value(py, &customer.customer_id)?)?;
            row.set_item("end_date", date(py, customer.end_date)?)?;
            row.set_item("amount", customer.amount)?;
            cancelled.push(row);
        }
        found.set_item("cancelled", cancelled)?;
        Ok(found)
    }

    /// Returns the periods as a pandas frame, as the file says them: with ends that were not known on earlier days.
    fn to_pandas<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.frame(py)
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        self.stream(py, requested_schema)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        self.schema(py)
    }

    fn __repr__(&self) -> String {
        let Subscriptions { inner, .. } = self;
        let (count, customers) = (inner.len(), inner.customers());
        format!(
            "<Subscriptions: {count} periods of {customers} customers, {} to {}>",
            inner.first_day(),
            inner.last_day()
        )
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("churn._display")?.call_method1("table", (slf,))
    }
}

impl Outgoing for Subscriptions {
    fn columns(&self) -> Vec<(String, ArrayRef)> {
        let periods: Vec<churn::Period> = self.inner.periods().collect();
        let days = |of: fn(&churn::Period) -> Option<churn::Day>| -> ArrayRef {
            Arc::new(periods.iter().map(|period| of(period).map(churn::Day::number)).collect::<Date32Array>())
        };
        let words = |of: fn(&churn::Period) -> Option<&str>| -> ArrayRef {
            Arc::new(periods.iter().map(of).collect::<LargeStringArray>())
        };
        let trials: BooleanArray = periods.iter().map(|period| Some(period.trial)).collect();
        vec![
            ("customer_id".to_owned(), self.ids.column(|| periods.iter().map(|period| period.customer_id.as_str()))),
            ("start_date".to_owned(), days(|period| Some(period.start_date))),
            ("end_date".to_owned(), days(|period| period.end_date)),
            ("subscription_id".to_owned(), words(|period| period.subscription_id.as_deref())),
            ("plan".to_owned(), words(|period| period.plan.as_deref())),
            ("amount".to_owned(), numbers(periods.iter().map(|period| period.amount.unwrap_or(f64::NAN)))),
            ("known_at".to_owned(), days(|period| period.known_at)),
            ("end_reason".to_owned(), words(|period| period.end_reason.map(churn::EndReason::name))),
            ("trial".to_owned(), Arc::new(trials)),
        ]
    }
}

/// Labels of customers with a subscription: `customer_id`, `churned` and `cause`.
#[pyclass(frozen, module = "churn")]
pub(crate) struct SubscriptionLabels {
    inner: churn::SubscriptionLabels,
    ids: Ids,
}

#[pymethods]
impl SubscriptionLabels {
    /// The ids of the active customers as text, in byte order.
    #[getter]
    fn customer_id(&self) -> &[String] {
        &self.inner.customer_ids
    }

    /// True for each customer whose subscription ends in the window.
    #[getter]
    fn churned<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<bool>> {
        PyArray1::from_slice(py, &self.inner.churned)
    }

    /// The cause for each customer who churned: `"voluntary"`, `"involuntary"`, `"trial_not_converted"` or `"other"`; None for the
    /// others.
    #[getter]
    fn cause(&self) -> Vec<Option<&'static str>> {
        self.inner.causes.iter().map(|cause| cause.map(churn::EndReason::name)).collect()
    }

    fn __len__(&self) -> usize {
        self.inner.churned.len()
    }

    /// Returns the labels as a pandas frame.
    fn to_pandas<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.frame(py)
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        self.stream(py, requested_schema)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        self.schema(py)
    }

    fn __repr__(&self) -> String {
        let churned = self.inner.churned.iter().filter(|&&churned| churned).count();
        format!("<SubscriptionLabels: {} customers, {churned} churned>", self.inner.churned.len())
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("churn._display")?.call_method1("table", (slf,))
    }
}

impl Outgoing for SubscriptionLabels {
    fn columns(&self) -> Vec<(String, ArrayRef)> {
        let labels = &self.inner;
        let churned = BooleanArray::from(labels.churned.clone());
        let causes: LargeStringArray = labels.causes.iter().map(|cause| cause.map(churn::EndReason::name)).collect();
        vec![
            ("customer_id".to_owned(), self.ids.column(|| labels.customer_ids.iter().map(String::as_str))),
            ("churned".to_owned(), Arc::new(churned)),
            ("cause".to_owned(), Arc::new(causes)),
        ]
    }
}

/// Labels the active customers of a cutoff.
pub(crate) fn labels_of(
    py: Python<'_>,
    subscriptions: &Subscriptions,
    cutoff: churn::Day,
    config: &LabelConfig,
) -> PyResult<SubscriptionLabels> {
    let Subscriptions { inner, ids } = subscriptions;
    let labels = py.detach(|| churn::subscription_labels(inner, cutoff, config)).map_err(raise)?;
    Ok(SubscriptionLabels { inner: labels, ids: ids.clone() })
}

/// Reads subscription periods from CSV or Parquet: one row for each period of a subscription.
///
/// Parameters
/// ----------
/// path_or_buffer : str, path, bytes or file
///     CSV, or a path that ends in `.parquet`.
/// preset : {"stripe", "stripe_invoices", "recurly", "recurly_history", "chargebee", "chartmogul"}, optional
///     The system whose export it is.
/// columns : dict, optional
///     The names of the columns in the file, by `customer_id`, `start_date`, `end_date`, `subscription_id`, `plan`, `amount`,
///     `known_at`, `end_reason`, `trial`.
/// ends_known : {"at_end", "at_start"}, default "at_end"
///     The day on which the end of a period without a `known_at` is known: the end itself, or for fixed terms the start.
/// inclusive_ends : bool, default False
///     True if `end_date` is the last day of a period and not the first day after it.
/// last_day : date or str, optional
///     The last day that the data covers; the latest day on which anything became known if left out.
/// reasons : dict, optional
///     The causes of the texts of `end_reason`: `"voluntary"`, `"involuntary"`, `"trial_not_converted"` or `"other"`.
/// **options
///     `date_format`, `delimiter`, `on_bad_row`, `max_bad_share`, `encoding`, `skip_lines`, `decimal`, `thousands`, `currency`,
///     `null_values`, as for :func:`read_csv`.
///
/// Returns
/// -------
/// Subscriptions
///
/// Raises
/// ------
/// BadRowsError
///     With the lines and the reasons; `on_bad_row="skip"` leaves them out.
///
/// Examples
/// --------
/// >>> import churn
/// >>> churn.read_subscriptions(b"customer_id,start_date,end_date\nanna,2024-01-01,\nbert,2024-01-01,2024-04-01\n")
/// <Subscriptions: 2 periods of 2 customers, 2024-01-01 to 2024-04-01>
#[pyfunction]
#[pyo3(signature = (path_or_buffer, **options))]
pub(crate) fn read_subscriptions(
    path_or_buffer: &Bound<'_, PyAny>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Subscriptions> {
    let py = path_or_buffer.py();
    let options: SubscriptionOptions = config(options)?;
    let is_parquet =
        |path: &std::path::Path| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"));
    if let Some(path) = crate::events::path_of(path_or_buffer)?.filter(|path| is_parquet(path)) {
        let file = crate::events::open(&path)?;
        let inner = py.detach(|| churn::Subscriptions::from_parquet(file, &options)).map_err(raise)?;
        return Ok(Subscriptions { inner, ids: Ids::Text });
    }
    let watch = PyObserver::new(None)?;
    let source = CsvSource::new(path_or_buffer)?;
    let inner = source.read(py, &watch, |reader, _| churn::Subscriptions::from_csv(reader, &options))?;
    Ok(Subscriptions { inner, ids: Ids::Text })
}

/// Computes the movements of each month: who and how much was there, came, grew, shrank and left.
///
/// Parameters
/// ----------
/// subscriptions : Subscriptions
/// allowed_gap_days : int, default 30
///     The longest hole between two periods that is no churn.
///
/// Returns
/// -------
/// list of dict
///     `month`, `customers` and `amounts` (each with `start`, `new`, `expansion`, `reactivation`, `contraction`, `churn`, `end`),
///     `gross_retention`, `net_retention`, `customer_churn_rate`, `revenue_churn_rate`, `provisional`. `pandas.json_normalize`
///     makes a frame of it.
///
/// Examples
/// --------
/// >>> import churn
/// >>> subscriptions = churn.read_subscriptions(b"customer_id,start_date,end_date,amount\n"
/// ...     b"anna,2024-01-01,,20\nbert,2024-01-01,2024-03-15,10\ncarl,2024-04-30,,5\n")
/// >>> [(month["month"], month["amounts"]["churn"]) for month in churn.movements(subscriptions)]
/// [('2024-01-01', 0.0), ('2024-02-01', 0.0), ('2024-03-01', 10.0), ('2024-04-01', 0.0)]
#[pyfunction]
#[pyo3(signature = (subscriptions, allowed_gap_days=30))]
pub(crate) fn movements<'py>(
    subscriptions: &Bound<'py, Subscriptions>,
    allowed_gap_days: i32,
) -> PyResult<Bound<'py, PyAny>> {
    let (py, inner) = (subscriptions.py(), &subscriptions.get().inner);
    to_python(py, &py.detach(|| churn::movements(inner, allowed_gap_days)).map_err(raise)?)
}

/// Computes Kaplan-Meier curves of the days that subscriptions last.
///
/// Parameters
/// ----------
/// subscriptions : Subscriptions
/// by : {"all", "cohort", "plan"}, default "all"
///     One curve, or one for each month in which subscriptions began, or for each plan.
/// allowed_gap_days : int, default 30
///
/// Returns
/// -------
/// list of dict
///     `group`, `spells`, and `curve`: a list of `time` (days), `at_risk`, `ended`, `survival`, `low`, `high`.
///
/// Examples
/// --------
/// >>> import churn
/// >>> subscriptions = churn.read_subscriptions(b"customer_id,start_date,end_date\n"
/// ...     b"anna,2024-01-01,\nbert,2024-01-01,2024-03-01\ncarl,2024-06-30,\n")
/// >>> [(point["time"], point["survival"]) for point in churn.retention(subscriptions)[0]["curve"]]
/// [(60.0, 0.5)]
#[pyfunction]
#[pyo3(signature = (subscriptions, by="all", allowed_gap_days=30))]
pub(crate) fn retention<'py>(
    subscriptions: &Bound<'py, Subscriptions>,
    by: &str,
    allowed_gap_days: i32,
) -> PyResult<Bound<'py, PyAny>> {
    let kinds =
        BTreeMap::from([("all", RetentionBy::All), ("cohort", RetentionBy::Cohort), ("plan", RetentionBy::Plan)]);
    let by = *kinds
        .get(by)
        .ok_or_else(|| crate::error::invalid(format!("by is {by:?}; expected \"all\", \"cohort\" or \"plan\"")))?;
    let (py, inner) = (subscriptions.py(), &subscriptions.get().inner);
    to_python(py, &py.detach(|| churn::retention(inner, by, allowed_gap_days)).map_err(raise)?)
}

/// Computes the Kaplan-Meier estimate of durations, some of which were not seen to their end.
///
/// Parameters
/// ----------
/// durations : array of float
/// ended : array of bool
///     False for a duration that goes on.
///
/// Returns
/// -------
/// list of dict
///     A point for each duration at which something ended: `time`, `at_risk`, `ended`, `survival`, and the 95 % interval `low` and
///     `high`.
///
/// Examples
/// --------
/// >>> import churn
/// >>> [point["survival"] for point in churn.kaplan_meier([1.0, 2.0, 4.0, 4.0], [True, False, True, False])]
/// [0.75, 0.375]
#[pyfunction]
pub(crate) fn kaplan_meier<'py>(
    py: Python<'py>,
    durations: &Bound<'py, PyAny>,
    ended: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let durations = crate::convert::floats(durations, "durations")?;
    let numpy = py.import("numpy")?;
    let ended = numpy.call_method1("ascontiguousarray", (ended, "bool"))?;
    let ended: PyReadonlyArray1<'_, bool> = ended.extract()?;
    to_python(py, &churn::kaplan_meier(&durations, ended.as_slice()?).map_err(raise)?)
}
