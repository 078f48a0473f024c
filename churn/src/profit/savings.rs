//! Savings where every customer has costs of their own: the cost of deciding by a model, compared with contacting nobody or
//! everybody.

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::features::Fixed;
use crate::objects::objects;
use crate::segments::check_probability;

/// One kind of cost, in the currency of the caller: −10^12 to 10^12, below 0 for a gain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Costs<'a> {
    /// The same cost for every customer.
    Same(f64),
    /// The cost of each customer, one per row.
    Each(&'a [f64]),
}

impl From<f64> for Costs<'_> {
    fn from(cost: f64) -> Self {
        Costs::Same(cost)
    }
}

impl<'a> From<&'a [f64]> for Costs<'a> {
    fn from(costs: &'a [f64]) -> Self {
        Costs::Each(costs)
    }
}

impl Costs<'_> {
    fn of(self, row: usize) -> f64 {
        match self {
            Costs::Same(cost) => cost,
            Costs::Each(costs) => costs[row],
        }
    }

    fn rows(self) -> Option<usize> {
        match self {
            Costs::Same(_) => None,
            Costs::Each(costs) => Some(costs.len()),
        }
    }
}

/// The cost matrix of each customer: what each of the four combinations of decision and outcome costs. All amounts are in the
/// same currency. The default of each cost is 0.
///
/// The costs of contacting that [`Campaign`](super::Campaign) describes are, for a customer of value V: `tp_cost` =
/// (1 − γ) · V + γ · d + f, `fp_cost` = d + f, `tn_cost` = 0, and `fn_cost` = V.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CustomerCosts<'a> {
    /// The cost of a true positive: the customer is contacted and would have churned.
    pub tp_cost: Costs<'a>,
    /// The cost of a false positive: the customer is contacted and would have stayed.
    pub fp_cost: Costs<'a>,
    /// The cost of a true negative: the customer is not contacted and stays.
    pub tn_cost: Costs<'a>,
    /// The cost of a false negative: the customer is not contacted and churns.
    pub fn_cost: Costs<'a>,
}

impl Default for CustomerCosts<'_> {
    fn default() -> Self {
        let free = Costs::Same(0.0);
        CustomerCosts { tp_cost: free, fp_cost: free, tn_cost: free, fn_cost: free }
    }
}

/// The cost matrix of one customer.
#[derive(Clone, Copy)]
struct Matrix {
    tp_cost: f64,
    fp_cost: f64,
    tn_cost: f64,
    fn_cost: f64,
}

impl CustomerCosts<'_> {
    /// The number of customers; none if every cost is the same for all.
    fn rows(&self) -> Result<Option<usize>> {
        let mut found: Option<(&str, usize)> = None;
        let CustomerCosts { tp_cost, fp_cost, tn_cost, fn_cost } = *self;
        for (name, costs) in [("tp_cost", tp_cost), ("fp_cost", fp_cost), ("tn_cost", tn_cost), ("fn_cost", fn_cost)] {
            let Some(rows) = costs.rows() else { continue };
            match found {
                Some((first, expected)) if rows != expected => {
                    let message =
                        format!("{expected} of {first} and {rows} of {name}; expected one of each a customer");
                    return Err(Error::new(ErrorKind::ShapeMismatch, message));
                }
                _ => found = Some((name, rows)),
            }
        }
        Ok(found.map(|(_, rows)| rows))
    }

    /// The checked cost matrix of a customer.
    fn matrix(&self, row: usize) -> Result<Matrix> {
        let checked = |name: &str, costs: Costs<'_>| {
            let cost = costs.of(row);
            let expected = "−10^12 to 10^12";
            match costs {
                _ if (-1e12..=1e12).contains(&cost) => Ok(cost),
                Costs::Same(_) => Err(invalid_parameter(name, cost, expected)),
                Costs::Each(_) => {
                    Err(at_row(row, invalid_parameter(&format!("{name} of row {}", row + 1), cost, expected)))
                }
            }
        };
        Ok(Matrix {
            tp_cost: checked("tp_cost", self.tp_cost)?,
            fp_cost: checked("fp_cost", self.fp_cost)?,
            tn_cost: checked("tn_cost", self.tn_cost)?,
            fn_cost: checked("fn_cost", self.fn_cost)?,
        })
    }
}

fn at_row(row: usize, error: Error) -> Error {
    error.at_line(row as u64 + 1)
}

impl Matrix {
    /// The probability above which contacting costs less than not contacting.
    fn threshold(self, row: usize) -> Result<f64> {
        let Matrix { tp_cost, fp_cost, tn_cost, fn_cost } = self;
        let excess = fp_cost - tn_cost;
        let gain = excess + fn_cost - tp_cost;
        // A gain of 0 may have been rounded to below 0, by no more than this.
        let rounding = 2.0 * f64::EPSILON * (tp_cost.abs() + fp_cost.abs() + tn_cost.abs() + fn_cost.abs());
        if gain < -rounding {
            let message = format!(
                "row {}: contacting adds tp_cost − fn_cost = {} to the cost of a churner and fp_cost − tn_cost = {excess} \
                 to that of a customer who stays; expected the first to be at most the second, else a threshold above \
                 which to contact does not exist",
                row + 1,
                tp_cost - fn_cost
            );
            return Err(at_row(row, Error::new(ErrorKind::InvalidParameter, message)));
        }
        Ok(if gain > 0.0 {
            excess / gain
        } else if excess < 0.0 {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        })
    }
}

/// Computes the cost-optimal threshold of each customer (Bayes minimum risk): the probability of churn above which contacting
/// the customer has a lower expected cost than not contacting,
///
/// ```text
/// t = (fp_cost − tn_cost) / (fp_cost − tn_cost + fn_cost − tp_cost)
/// ```
///
/// (Höppner et al. 2022, EJOR 297(1)). There is one threshold per customer, or a single one if every cost is the same for all.
/// It is usually between 0 and 1. A threshold below 0 says that contacting this customer always costs less, and one of 1 or
/// more that it never does. If the denominator is 0, contacting changes the cost of a churner and of a customer who stays by
/// the same amount; then the threshold is −∞ if contacting lowers the cost, else ∞.
///
/// ```
/// use churn::profit::{Costs, CustomerCosts, cost_thresholds};
/// // Contacting costs 10. A churner who is contacted stays; one who is not costs 50 or 1000.
/// let costs = CustomerCosts {
///     tp_cost: 10.0.into(), fp_cost: 10.0.into(), fn_cost: Costs::Each(&[50.0, 1000.0]), ..CustomerCosts::default()
/// };
/// assert_eq!(cost_thresholds(&costs)?, [0.2, 0.01]);
/// # Ok::<(), churn::Error>(())
/// ```
///
/// # Errors
/// `shape_mismatch`, `invalid_parameter` for a cost that is not from −10^12 to 10^12, and for a customer whose denominator is
/// below 0: then contacting pays below a probability and not above it, which mostly means that two costs were exchanged.
pub fn cost_thresholds(costs: &CustomerCosts<'_>) -> Result<Vec<f64>> {
    (0..costs.rows()?.unwrap_or(1)).map(|row| costs.matrix(row)?.threshold(row)).collect()
}

/// Settings of [`savings`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct SavingsConfig {
    /// One threshold for all customers, 0 to 1, such as 0.5; default none, for the [cost-optimal threshold](cost_thresholds) of
    /// each customer.
    pub threshold: Option<f64>,
}

objects! { @default SavingsConfig { threshold } }

/// The result of [`savings`]. All costs are totals over the customers, in the currency of the costs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Savings {
    /// Customers judged.
    pub customers: u64,
    /// Number of them that are contacted, because their probability is above the threshold.
    pub contacted: u64,
    /// The cost of contacting these customers and no others.
    pub cost: f64,
    /// The cost of contacting nobody.
    pub cost_none: f64,
    /// The cost of contacting everybody.
    pub cost_all: f64,
    /// Share of the cost that the model saves, 1 − cost / min(cost_none, cost_all). At most 1 if no cost is below 0; 0 if the
    /// model is as good as contacting nobody or everybody, whichever costs less; below 0 if it is worse. None if the lower of
    /// the two is not above 0, since there is no share of it; then compare the costs themselves.
    pub savings: Option<f64>,
    /// The cost if each customer were contacted at random with the probability of churn. It needs no threshold and changes
    /// smoothly with the probabilities.
    pub expected_cost: f64,
    /// The share 1 − expected_cost / min(cost_none, cost_all); none where `savings` is none.
    pub expected_savings: Option<f64>,
}

objects! {
    Savings { customers, contacted, cost, cost_none, cost_all, savings, expected_cost, expected_savings }
}

/// Computes the savings of a model where every customer has costs of their own (Bahnsen et al. 2014, SDM; Höppner et al. 2022,
/// EJOR 297(1)): each customer whose probability is above the own [cost-optimal threshold](cost_thresholds) is contacted, and
/// the cost of these decisions is compared with the cheaper of contacting nobody and contacting everybody,
///
/// ```text
/// cost    = Σ over churners of (tp_cost if contacted, else fn_cost) + Σ over others of (fp_cost if contacted, else tn_cost)
/// savings = 1 − cost / min(cost_none, cost_all)
/// ```
///
/// The thresholds are the best ones if the probabilities are calibrated. The results agree with `cost_loss`, `savings_score`,
/// `expected_cost_loss` (times the number of customers) and `expected_savings_score` of empulse 0.13.1, with these differences:
/// probabilities that are all 0 or 1 are probabilities and not decisions (give `threshold`: 0.5 for decisions); a customer
/// without a threshold is an error; and savings relative to a cost of 0 or below are none.
///
/// Worked by hand: contacting costs 10, and a contacted churner stays. The four customers would cost 50, 1000, 500 and 200 if
/// they left, so their thresholds are 0.2, 0.01, 0.02 and 0.05. The first three are above them and contacted, which costs 30;
/// the fourth is not, stays, and costs nothing. Contacting nobody costs the two churners, 50 + 500 = 550, and contacting
/// everybody costs 40. So the savings are 1 − 30/40 = 0.25.
///
/// ```
/// use churn::profit::{Costs, CustomerCosts, SavingsConfig, savings};
/// let costs = CustomerCosts {
///     tp_cost: 10.0.into(), fp_cost: 10.0.into(), fn_cost: Costs::Each(&[50.0, 1000.0, 500.0, 200.0]),
///     ..CustomerCosts::default()
/// };
/// let churned = [true, false, true, false];
/// let found = savings(&churned, &[0.5, 0.25, 0.125, 0.0], &costs, &SavingsConfig::default())?;
/// assert_eq!((found.contacted, found.cost, found.cost_none, found.cost_all), (3, 30.0, 550.0, 40.0));
/// assert_eq!(found.savings, Some(0.25));
/// assert_eq!(found.expected_cost, 471.25); // (½ · 10 + ½ · 50) + ¼ · 10 + (⅛ · 10 + ⅞ · 500)
/// # Ok::<(), churn::Error>(())
/// ```
///
/// # Errors
/// `shape_mismatch`, `too_few_rows` for none, `invalid_probability`, `invalid_parameter` for the configuration, for a cost, and,
/// unless the configuration has a threshold, for a customer without one (see [`cost_thresholds`]).
pub fn savings(
    churned: &[bool],
    probabilities: &[f64],
    costs: &CustomerCosts<'_>,
    config: &SavingsConfig,
) -> Result<Savings> {
    if let Some(threshold) = config.threshold
        && !(0.0..=1.0).contains(&threshold)
    {
        return Err(invalid_parameter("threshold", threshold, "0 to 1, or none for the threshold of each customer"));
    }
    let customers = churned.len();
    let priced = costs.rows()?.unwrap_or(customers);
    if probabilities.len() != customers || priced != customers {
        let message = format!(
            "{customers} outcomes, {} probabilities and costs of {priced} customers; expected one of each a customer",
            probabilities.len()
        );
        return Err(Error::new(ErrorKind::ShapeMismatch, message));
    }
    if customers == 0 {
        return Err(Error::new(ErrorKind::TooFewRows, "no costs to compare: there is no row"));
    }

    let mut contacted = 0;
    // Fixed point, so that the sums do not depend on the order of the rows.
    let [mut cost, mut cost_none, mut cost_all, mut expected_cost] = [Fixed::default(); 4];
    for (row, (&churned, &p)) in churned.iter().zip(probabilities).enumerate() {
        check_probability(p).map_err(|error| at_row(row, error))?;
        let matrix = costs.matrix(row)?;
        let threshold = config.threshold.map_or_else(|| matrix.threshold(row), Ok)?;
        let (if_contacted, if_not) =
            if churned { (matrix.tp_cost, matrix.fn_cost) } else { (matrix.fp_cost, matrix.tn_cost) };
        contacted += u64::from(p > threshold);
        cost.add(if p > threshold { if_contacted } else { if_not });
        cost_none.add(if_not);
        cost_all.add(if_contacted);
        expected_cost.add(p * if_contacted);
        expected_cost.add((1.0 - p) * if_not);
    }
    let [cost, cost_none, cost_all, expected_cost] = [cost, cost_none, cost_all, expected_cost].map(Fixed::value);
    let baseline = cost_none.min(cost_all);
    let saved = |cost: f64| (baseline > 0.0).then(|| 1.0 - cost / baseline);
    Ok(Savings {
        customers: customers as u64,
        contacted,
        cost,
        cost_none,
        cost_all,
        savings: saved(cost),
        expected_cost,
        expected_savings: saved(expected_cost),
    })
}
