//! Savings where every customer has costs of their own.

use churn::profit::{self, Costs, CustomerCosts, SavingsConfig};
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::align::aligned;
use crate::convert::{config, floats, outcomes, quote_for_message, to_python};
use crate::error::{invalid, raise};

/// A cost for all customers, or one for each.
enum Given {
    Same(f64),
    Each(Vec<f64>),
}

impl Given {
    fn new(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Given> {
        if value.is_none() {
            return Ok(Given::Same(0.0));
        }
        // A column has a length; a number, even one of numpy, has none.
        if value.len().is_ok() {
            return floats(value, name).map(Given::Each);
        }
        let number = value.extract().map_err(|_| {
            invalid(format!("{name} is {}; expected a number, or one for each customer", quote_for_message(value)))
        })?;
        Ok(Given::Same(number))
    }

    fn costs(&self) -> Costs<'_> {
        match self {
            Given::Same(cost) => Costs::Same(*cost),
            Given::Each(costs) => Costs::Each(costs),
        }
    }
}

/// The four costs of the customers.
struct Matrices([Given; 4]);

impl Matrices {
    fn new([tp_cost, fp_cost, tn_cost, fn_cost]: [&Bound<'_, PyAny>; 4]) -> PyResult<Matrices> {
        Ok(Matrices([
            Given::new(tp_cost, "tp_cost")?,
            Given::new(fp_cost, "fp_cost")?,
            Given::new(tn_cost, "tn_cost")?,
            Given::new(fn_cost, "fn_cost")?,
        ]))
    }

    fn costs(&self) -> CustomerCosts<'_> {
        let [tp_cost, fp_cost, tn_cost, fn_cost] = &self.0;
        CustomerCosts {
            tp_cost: tp_cost.costs(),
            fp_cost: fp_cost.costs(),
            tn_cost: tn_cost.costs(),
            fn_cost: fn_cost.costs(),
        }
    }
}

/// Computes the share of the cost that a model saves where every customer has costs of their own (Bahnsen et al. 2014; Höppner
/// et al. 2022), compared with the cheaper of contacting nobody and contacting everybody.
///
/// Each customer whose probability is above the own cost-optimal threshold (see :func:`cost_thresholds`) is contacted.
///
/// Parameters
/// ----------
/// y_true, y_prob : array-like
/// tp_cost, fp_cost, tn_cost, fn_cost : float or array-like, dict, Series or frame by customer, default 0
///     The cost of contacting a customer who would have churned (`tp_cost`) or stayed (`fp_cost`), and of not contacting one who
///     stays (`tn_cost`) or churns (`fn_cost`): one for all customers, or one for each, from −10^12 to 10^12. Below 0 for a gain.
/// threshold : float, optional
///     One threshold for all customers, 0 to 1, instead of the own one of each.
///
/// Returns
/// -------
/// dict
///     `customers`; `contacted`, how many of them are; the total costs `cost` of the model, `cost_none` of contacting nobody and
///     `cost_all` of everybody; `savings`, the share 1 − cost / min(cost_none, cost_all), None if that minimum is not above 0;
///     `expected_cost` and `expected_savings`, the same if each customer were contacted at random with their probability.
///
/// Examples
/// --------
/// >>> import churn
/// >>> found = churn.profit.savings(
/// ...     [1, 0, 1, 0], [0.5, 0.25, 0.125, 0.0], tp_cost=10, fp_cost=10, fn_cost=[50, 1000, 500, 200]
/// ... )
/// >>> found["contacted"], found["cost"], found["cost_none"], found["cost_all"], found["savings"]
/// (3, 30.0, 550.0, 40.0, 0.25)
#[pyfunction]
#[pyo3(
    signature = (y_true, y_prob, *, tp_cost=None, fp_cost=None, tn_cost=None, fn_cost=None, **config),
    text_signature = "(y_true, y_prob, *, tp_cost=0.0, fp_cost=0.0, tn_cost=0.0, fn_cost=0.0, **config)"
)]
pub(crate) fn savings<'py>(
    y_true: &Bound<'py, PyAny>,
    y_prob: &Bound<'py, PyAny>,
    tp_cost: Option<&Bound<'py, PyAny>>,
    fp_cost: Option<&Bound<'py, PyAny>>,
    tn_cost: Option<&Bound<'py, PyAny>>,
    fn_cost: Option<&Bound<'py, PyAny>>,
    config: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let config: SavingsConfig = self::config(config)?;
    let py = y_true.py();
    let given = [
        ("y_true", "churned", Some(y_true)),
        ("y_prob", "churn_probability", Some(y_prob)),
        ("tp_cost", "tp_cost", tp_cost),
        ("fp_cost", "fp_cost", fp_cost),
        ("tn_cost", "tn_cost", tn_cost),
        ("fn_cost", "fn_cost", fn_cost),
    ];
    let [y, p, tp_cost, fp_cost, tn_cost, fn_cost] = aligned(py, None, given)?;
    let (y, p) = (outcomes(&y, "y_true")?, floats(&p, "y_prob")?);
    let matrices = Matrices::new([&tp_cost, &fp_cost, &tn_cost, &fn_cost])?;
    to_python(py, &py.detach(|| profit::savings(&y, &p, &matrices.costs(), &config)).map_err(raise)?)
}

/// Computes the cost-optimal threshold of each customer: the probability of churn above which contacting the customer has a
/// lower expected cost than not contacting, (fp_cost − tn_cost) / (fp_cost − tn_cost + fn_cost − tp_cost).
///
/// Parameters
/// ----------
/// tp_cost, fp_cost, tn_cost, fn_cost : float or array-like, dict, Series or frame by customer, default 0
///     As for :func:`savings`.
///
/// Returns
/// -------
/// numpy.ndarray
///     One threshold for each customer, in the order of the first cost that has ids; a single one if every cost is one number.
///     Below 0 if contacting always costs less, 1 or more if it never does.
///
/// Examples
/// --------
/// >>> import churn
/// >>> churn.profit.cost_thresholds(tp_cost=10, fp_cost=10, fn_cost=[50, 1000]).tolist()
/// [0.2, 0.01]
#[pyfunction]
#[pyo3(
    signature = (*, tp_cost=None, fp_cost=None, tn_cost=None, fn_cost=None),
    text_signature = "(*, tp_cost=0.0, fp_cost=0.0, tn_cost=0.0, fn_cost=0.0)"
)]
pub(crate) fn cost_thresholds<'py>(
    py: Python<'py>,
    tp_cost: Option<&Bound<'py, PyAny>>,
    fp_cost: Option<&Bound<'py, PyAny>>,
    tn_cost: Option<&Bound<'py, PyAny>>,
    fn_cost: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let given = [
        ("tp_cost", "tp_cost", tp_cost),
        ("fp_cost", "fp_cost", fp_cost),
        ("tn_cost", "tn_cost", tn_cost),
        ("fn_cost", "fn_cost", fn_cost),
    ];
    let [tp_cost, fp_cost, tn_cost, fn_cost] = aligned(py, None, given)?;
    let matrices = Matrices::new([&tp_cost, &fp_cost, &tn_cost, &fn_cost])?;
    let thresholds = profit::cost_thresholds(&matrices.costs()).map_err(raise)?;
    Ok(PyArray1::from_vec(py, thresholds))
}
