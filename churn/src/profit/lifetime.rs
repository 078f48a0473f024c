//! The expected amount that a customer of a subscription still pays, and the lists of the customers of subscriptions.

use std::io::Write;

use super::{check_money, mail_field};
use crate::error::{Result, invalid_parameter};
use crate::labels::LabelConfig;
use crate::model::{Model, Predictions};
use crate::segments::check_probability;
use crate::subscriptions::CustomerBase;

/// Mean length of a month in days.
const DAYS_OF_A_MONTH: f64 = 30.4375;

/// Computes the amount that a customer is expected to pay in the next `months` months, 0 to 1200. The customer pays `amount` a month, 0
/// to 10^12, and leaves within the next `horizon_days` days, 1 to 3650, with the given probability.
///
/// The rate at which customers leave is taken to stay what it is over the horizon. With H the horizon and T the months in days:
///
/// ```text
/// λ = −ln(1 − p) / H,    value = amount · (1 − exp(−λT)) / λ / 30.4375
/// ```
///
/// A customer who cannot leave (p = 0) pays for all the months; one who is sure to leave (p = 1) is worth 0. Discounts, and changes
/// of the amount, are not part of it.
///
/// ```
/// use churn::profit::subscription_value;
/// // Worked by hand: 487 days are 16 months. Half of the customers leave in them, so λ is ln 2 / 16 a month, and a quarter is left
/// // after 32 months: (1 − 1/4) / (ln 2 / 16) = 12 / ln 2 = 17.312 months of 20.
/// let value = subscription_value(20.0, 0.5, 487, 32.0)?;
/// assert!((value - 346.247).abs() < 0.001);
/// assert_eq!(subscription_value(20.0, 0.0, 90, 36.0)?, 720.0);
/// assert_eq!(subscription_value(20.0, 1.0, 90, 36.0)?, 0.0);
/// # Ok::<(), churn::Error>(())
/// ```
///
/// # Errors
/// `invalid_probability`; `invalid_parameter` for another value out of its range.
pub fn subscription_value(amount: f64, probability: f64, horizon_days: i32, months: f64) -> Result<f64> {
    check_money("amount", amount)?;
    check_probability(probability)?;
    if !(1..=3650).contains(&horizon_days) {
        return Err(invalid_parameter("horizon_days", horizon_days, "1 to 3650 days"));
    }
    if !(0.0..=1200.0).contains(&months) {
        return Err(invalid_parameter("months", months, "0 to 1200"));
    }
    // λT. A small probability is lost in 1 − p, and a small λT in 1 − exp(−λT).
    let leaving = -libm::log1p(-probability) * (months * DAYS_OF_A_MONTH / f64::from(horizon_days));
    // Not a number for no month of a customer who is sure to leave.
    let paid = if leaving > 0.0 { months * (-libm::expm1(-leaving) / leaving) } else { months };
    Ok(amount * paid)
}

impl Model {
    /// The amount that each scored customer is expected to pay in the next `months` months, 0 to 1200
    /// ([`subscription_value`]): none for a customer without an amount, and for a model of the days before renewals, which has
    /// no horizon. `base` has the amounts on the day of the predictions ([`crate::Subscriptions::customer_base`]).
    ///
    /// # Errors
    /// `invalid_parameter` for months outside their range.
    pub fn subscription_values(
        &self,
        predictions: &Predictions,
        base: &CustomerBase,
        months: f64,
    ) -> Result<Vec<Option<f64>>> {
        let LabelConfig { horizon_days, before_renewal_days, .. } = *self.labels();
        let customers = predictions.customer_ids().zip(predictions.churn_probabilities());
        let value = |(id, &p)| {
            let amount = base.amount(id).filter(|_| before_renewal_days.is_none());
            amount.map(|amount| subscription_value(amount, p, horizon_days, months)).transpose()
        };
        customers.map(value).collect()
    }
}

impl CustomerBase {
    /// Writes the list of the customers who have already cancelled, with the columns `customer_id,end_date,amount`, for mail
    /// tools: UTF-8 with a byte order mark, CRLF line ends, and ids that no spreadsheet takes for a formula.
    ///
    /// # Errors
    /// `io`.
    pub fn write_cancelled(&self, mut writer: impl Write) -> Result<()> {
        writer.write_all("\u{feff}customer_id,end_date,amount\r\n".as_bytes())?;
        for customer in &self.cancelled {
            let (id, end) = (mail_field(&customer.customer_id), customer.end_date);
            write!(writer, "{id},{end},{}\r\n", amount(customer.amount))?;
        }
        Ok(writer.flush()?)
    }

    /// Writes the list of the customers who are more likely to leave because a payment fails than because they cancel
    /// ([`Predictions::dunning`]), with the columns `customer_id,churn_probability,involuntary_probability,amount`, for mail tools
    /// as in [`CustomerBase::write_cancelled`]. The list is empty if the model does not tell these causes apart.
    ///
    /// # Errors
    /// `io`.
    pub fn write_dunning(&self, predictions: &Predictions, writer: impl Write) -> Result<()> {
        let row = |(row, involuntary_probability): (usize, f64)| {
            let customer_id = predictions.customer_id(row);
            let churn_probability = predictions.churn_probabilities()[row];
            DunningRow { customer_id, churn_probability, involuntary_probability, amount: self.amount(customer_id) }
        };
        write_dunning(predictions.dunning().unwrap_or_default().into_iter().map(row), writer)
    }
}

/// A row of the list of [`CustomerBase::write_dunning`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DunningRow<'a> {
    /// The customer.
    pub customer_id: &'a str,
    /// The probability of churn, 0 to 1.
    pub churn_probability: f64,
    /// The probability that a payment fails, 0 to 1.
    pub involuntary_probability: f64,
    /// The amount per month; none if it is not known.
    pub amount: Option<f64>,
}

/// Writes the list of [`CustomerBase::write_dunning`] from rows, such as those of stored predictions, in their order.
///
/// # Errors
/// `io`.
pub fn write_dunning<'a>(rows: impl IntoIterator<Item = DunningRow<'a>>, mut writer: impl Write) -> Result<()> {
    writer.write_all("\u{feff}customer_id,churn_probability,involuntary_probability,amount\r\n".as_bytes())?;
    for DunningRow { customer_id, churn_probability: p, involuntary_probability: involuntary, amount: per_month } in
        rows
    {
        write!(writer, "{},{p},{involuntary},{}\r\n", mail_field(customer_id), amount(per_month))?;
    }
    Ok(writer.flush()?)
}

/// An amount as a field; empty for none.
fn amount(amount: Option<f64>) -> String {
    amount.map_or(String::new(), |amount| amount.to_string())
}

#[cfg(test)]
mod tests {
    use super::subscription_value;

    /// The share of customers left is (1 − p)^(t / H), which is summed over steps of a hundredth of a day.
    #[test]
    fn it_is_the_integral_of_those_who_are_left() {
        for (probability, horizon_days, months) in
            [(0.3, 90, 36.0), (0.01, 30, 36.0), (0.95, 365, 12.0), (0.999, 7, 1.0)]
        {
            let steps = (months * 3043.75) as u32;
            let left =
                |step: u32| libm::pow(1.0 - probability, (f64::from(step) + 0.5) / 100.0 / f64::from(horizon_days));
            let expected = (0..steps).map(left).sum::<f64>() / 3043.75;
            let found = subscription_value(1.0, probability, horizon_days, months).expect("valid");
            assert!((found - expected).abs() < 1e-4 * expected, "{probability}: {found}, {expected}");
        }
    }

    #[test]
    fn the_limits_are_exact() {
        let value = |probability, months| subscription_value(10.0, probability, 90, months).expect("valid");
        assert_eq!((value(0.0, 36.0), value(1.0, 36.0), value(0.5, 0.0), value(1.0, 0.0)), (360.0, 0.0, 0.0, 0.0));
        // By the series, 36 · (1 − λT/2) with λT = p · 1095.75 / 90.
        let tiny = 1e-12;
        assert!((value(tiny, 36.0) - 360.0 * (1.0 - tiny * 1095.75 / 180.0)).abs() < 1e-12);
        assert_eq!(value(f64::MIN_POSITIVE / 8.0, 36.0), 360.0);
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for (amount, probability, horizon_days, months, code) in [
            (-1.0, 0.5, 90, 36.0, "invalid_parameter"),
            (f64::NAN, 0.5, 90, 36.0, "invalid_parameter"),
            (1.0, 1.5, 90, 36.0, "invalid_probability"),
            (1.0, f64::NAN, 90, 36.0, "invalid_probability"),
            (1.0, 0.5, 0, 36.0, "invalid_parameter"),
            (1.0, 0.5, 3651, 36.0, "invalid_parameter"),
            (1.0, 0.5, 90, -1.0, "invalid_parameter"),
            (1.0, 0.5, 90, f64::INFINITY, "invalid_parameter"),
        ] {
            let error = subscription_value(amount, probability, horizon_days, months).expect_err("it is refused");
            assert_eq!(error.code(), code, "{error}");
        }
    }
}
