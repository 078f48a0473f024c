//! Contact lists for campaigns.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_cast::cast;
use arrow_schema::DataType;
use churn::ErrorKind;
use churn::profit::{self, ContactConfig, ContactGroup};
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyList};

use crate::align::aligned;
use crate::arrow::Batches;
use crate::convert::{optional_floats, to_python};
use crate::error::{error_of_kind, invalid, raise};
use crate::ids::{IdTypeTracker, Ids};
use crate::outgoing::{Outgoing, numbers, texts};
use crate::results::Predictions;
use crate::watch::PyObserver;

/// Chooses the customers to contact: spends a budget on the highest expected profit, with a random control group.
///
/// Parameters
/// ----------
/// predictions : Predictions or table
///     A table must have the columns `customer_id` and `churn_probability`.
/// values : dict, Series, table or array-like, optional
///     The worth of each customer who stays; `clv` for all if left out. By id: a dict, a Series whose index are the ids, or a
///     table with the columns `customer_id` and `value`; every customer of the predictions must have a value. An array or a list
///     must have one for each customer in the order of the predictions.
/// budget : float, optional
///     The most that the campaign may cost; no limit if left out.
/// control_share : float, default 0.1
///     Share of the chosen customers that is not contacted, to compare with.
/// rank_by : {"expected_profit", "probability"}
/// seed : int, default 0
/// clv, incentive_cost, contact_cost, success_rate : float, default 200, 10, 1 and 0.3
///
/// Returns
/// -------
/// ContactList
///
/// Examples
/// --------
/// >>> import churn
/// >>> people = {"customer_id": ["anna", "bert", "carl"], "churn_probability": [0.5, 0.05, 0.9]}
/// >>> contacts = churn.profit.contact_list(people, control_share=0)
/// >>> contacts.customer_id, round(contacts.expected_profit, 1)
/// (['carl', 'anna'], 71.8)
#[pyfunction]
#[pyo3(signature = (predictions, values=None, **config))]
pub(crate) fn contact_list(
    predictions: &Bound<'_, PyAny>,
    values: Option<&Bound<'_, PyAny>>,
    config: Option<&Bound<'_, PyDict>>,
) -> PyResult<ContactList> {
    let config: ContactConfig = crate::convert::config(config)?;
    let py = predictions.py();
    let of = |customers: Vec<&str>| {
        let [values] = aligned(py, Some(customers), [("values", "value", values)])?;
        optional_floats(Some(&values), "values")
    };
    let (found, ids) = if let Ok(predictions) = predictions.cast::<Predictions>() {
        let Predictions { inner: predictions, ids } = predictions.get();
        let (customers, values) = (|| predictions.customer_ids(), of(predictions.customer_ids().collect())?);
        let p = predictions.churn_probabilities();
        (py.detach(|| profit::contact_list(customers(), p, values.as_deref(), &config)), ids.clone())
    } else {
        let (customers, p, ids) = scored(predictions)?;
        let (customers, values) =
            (|| customers.iter().map(String::as_str), of(customers.iter().map(String::as_str).collect())?);
        (py.detach(|| profit::contact_list(customers(), &p, values.as_deref(), &config)), ids)
    };
    Ok(ContactList { inner: found.map_err(raise)?, ids })
}

/// Returns the ids and probabilities of a table, and the type of the ids.
fn scored(table: &Bound<'_, PyAny>) -> PyResult<(Vec<String>, Vec<f64>, Ids)> {
    let names = ["customer_id", "churn_probability"].map(str::to_owned);
    let watch = PyObserver::new(None)?;
    let batches = Batches::new(table, Some(&names))?;
    let seen = IdTypeTracker::default();
    let batches =
        watch.run(table.py(), |watch| batches.read_log(watch, &names[0], &seen).collect::<churn::Result<Vec<_>>>())?;
    let (mut ids, mut probabilities) = (Vec::new(), Vec::new());
    for batch in &batches {
        let column = |name: &str, to: DataType| -> PyResult<ArrayRef> {
            let found = batch.column_by_name(name).ok_or_else(|| {
                error_of_kind(ErrorKind::MissingColumn, format!("no column {name:?}; expected {}", names.join(" and ")))
            })?;
            cast(found, &to).map_err(|error| {
                error_of_kind(ErrorKind::InvalidColumn, format!("the column {name:?} cannot be read: {error}"))
            })
        };
        let texts = column("customer_id", DataType::LargeUtf8)?;
        for (row, id) in texts.as_string::<i64>().iter().enumerate() {
            let missing =
                || error_of_kind(ErrorKind::InvalidColumn, format!("row {}: customer_id is missing", row + 1));
            ids.push(id.ok_or_else(missing)?.to_owned());
        }
        let numbers = column("churn_probability", DataType::Float64)?;
        probabilities.extend(numbers.as_primitive::<Float64Type>().iter().map(|number| number.unwrap_or(f64::NAN)));
    }
    Ok((ids, probabilities, seen.ids()))
}

/// The chosen customers, highest expected profit or probability first: `customer_id`, `churn_probability`, `value`,
/// `expected_profit`, `group` (`"contact"` or `"control"`).
#[pyclass(frozen, module = "churn.profit")]
pub(crate) struct ContactList {
    inner: profit::ContactList,
    ids: Ids,
}

#[pymethods]
impl ContactList {
    /// The ids of the chosen customers as text. Frames keep the type that the ids had in the input.
    #[getter]
    fn customer_id(&self) -> Vec<&str> {
        self.inner.entries.iter().map(|entry| entry.customer_id.as_str()).collect()
    }

    /// The probability of churn of each customer.
    #[getter]
    fn churn_probability<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.numbers(py, |entry| entry.churn_probability)
    }

    /// The worth of each customer who stays.
    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.numbers(py, |entry| entry.value)
    }

    /// The expected profit of contacting each customer.
    #[getter]
    fn profit<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.numbers(py, |entry| entry.expected_profit)
    }

    /// The group of each customer: `"contact"`, or `"control"` for those not contacted, as a comparison.
    #[getter]
    fn group(&self) -> Vec<&'static str> {
        self.inner.entries.iter().map(|entry| entry.group.name()).collect()
    }

    /// The number of customers to contact.
    #[getter]
    fn contacts(&self) -> u64 {
        self.inner.contacts
    }

    /// The number of customers in the control group.
    #[getter]
    fn controls(&self) -> u64 {
        self.inner.controls
    }

    /// The maximum cost of all contacts. It never exceeds the budget.
    #[getter]
    fn reserved_budget(&self) -> f64 {
        self.inner.reserved_budget
    }

    /// The expected profit of all contacts together.
    #[getter]
    fn expected_profit(&self) -> f64 {
        self.inner.expected_profit
    }

    fn __len__(&self) -> usize {
        self.inner.entries.len()
    }

    /// Returns everything as dicts and lists: `entries`, `contacts`, `controls`, `reserved_budget`, `expected_profit`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let dict = to_python(py, &self.inner)?;
        self.ids.restore(dict.get_item("entries")?.cast::<PyList>()?)?;
        Ok(dict)
    }

    /// Writes the customers of one group for a mail tool or a spreadsheet.
    ///
    /// The file is CSV in UTF-8 with a byte order mark and CRLF line ends, with the columns `customer_id`, `churn_probability`,
    /// `value` and `expected_profit`. Ids are quoted; one that a spreadsheet would execute as a formula has an apostrophe in front,
    /// while phone numbers, numbers and names such as `@anna` stay as they are, although a spreadsheet may show them as numbers.
    ///
    /// Parameters
    /// ----------
    /// group : str
    ///     `"contact"`, or `"control"` for those not contacted.
    /// path : path
    fn write_group(&self, py: Python<'_>, group: &str, path: PathBuf) -> PyResult<()> {
        let group = match group {
            "contact" => ContactGroup::Contact,
            "control" => ContactGroup::Control,
            other => return Err(invalid(format!("group is {other:?}; expected \"contact\" or \"control\""))),
        };
        let file = File::create(&path)
            .map_err(|error| std::io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        py.detach(|| self.inner.write_group(group, BufWriter::new(file))).map_err(raise)
    }

    /// Returns the list as a pandas frame.
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
        let profit::ContactList { contacts, controls, expected_profit, .. } = &self.inner;
        format!("<ContactList: {contacts} to contact, {controls} held out, expected profit {expected_profit:.2}>")
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("churn._display")?.call_method1("table", (slf,))
    }
}

impl ContactList {
    fn numbers<'py>(&self, py: Python<'py>, of: impl Fn(&profit::Contact) -> f64) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_vec(py, self.inner.entries.iter().map(of).collect())
    }
}

impl Outgoing for ContactList {
    fn columns(&self) -> Vec<(String, ArrayRef)> {
        let entries = || self.inner.entries.iter();
        let number = |of: fn(&profit::Contact) -> f64| numbers(entries().map(of));
        vec![
            ("customer_id".to_owned(), self.ids.column(|| entries().map(|entry| entry.customer_id.as_str()))),
            ("churn_probability".to_owned(), number(|entry| entry.churn_probability)),
            ("value".to_owned(), number(|entry| entry.value)),
            ("expected_profit".to_owned(), number(|entry| entry.expected_profit)),
            ("group".to_owned(), texts(entries().map(|entry| entry.group.name()))),
        ]
    }
}
