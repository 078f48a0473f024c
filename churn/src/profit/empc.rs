//! The expected maximum profit measure: the profit of a model if the success rate is only known as a distribution.

use serde::Serialize;
use special::Beta as _;

use super::check_costs;
use crate::error::{Result, invalid_parameter};
use crate::metrics::RankedRows;
use crate::objects::objects;

/// Settings of [`empc`]: the costs of a [`Campaign`](super::Campaign), and the beta distribution of the success rate. Its mean
/// is α / (α + β), by default 0.3 with a standard deviation of 0.1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EmpcConfig {
    /// α, 0.5 to 1000; default 6.
    pub alpha: f64,
    /// β, 0.5 to 1000; default 14.
    pub beta: f64,
    /// V, the lifetime value of a customer who stays, 0 to 10^12; default 200.
    pub clv: f64,
    /// d, the cost of the incentive, 0 to 10^12; default 10.
    pub incentive_cost: f64,
    /// f, the cost of contacting a customer, 0 to 10^12; default 1.
    pub contact_cost: f64,
}

objects! { @default EmpcConfig { alpha, beta, clv, incentive_cost, contact_cost } }

impl Default for EmpcConfig {
    fn default() -> Self {
        EmpcConfig { alpha: 6.0, beta: 14.0, clv: 200.0, incentive_cost: 10.0, contact_cost: 1.0 }
    }
}

impl EmpcConfig {
    fn check(&self) -> Result<()> {
        check_costs(self.clv, self.incentive_cost, self.contact_cost)?;
        for (name, given) in [("alpha", self.alpha), ("beta", self.beta)] {
            // The limits bound the time: at the ends of this range the series of the incomplete beta function takes 70,000
            // terms, 0.2 ms; far outside it takes millions.
            if !(0.5..=1000.0).contains(&given) {
                return Err(invalid_parameter(name, given, "0.5 to 1000"));
            }
        }
        Ok(())
    }
}

/// The result of [`empc`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Empc {
    /// Expected maximum profit per customer, in the currency of the costs; 0 if contacting never pays.
    pub empc: f64,
    /// Expected share of the customers to contact for that profit, 0 to 1.
    pub fraction: f64,
}

objects! { Empc { empc, fraction } }

/// Computes the expected maximum profit measure for customer churn (Verbraken, Verbeke and Baesens 2013): the profit at the
/// best threshold for each success rate γ, averaged over γ.
///
/// ```text
/// EMPC = ∫ max over thresholds of [ π₀F₀ · (γ(V − d) − f) − π₁F₁ · (d + f) ] · h(γ) dγ
/// ```
///
/// π₀F₀ and π₁F₁ are the churners and the other customers at or above the threshold, as shares of all customers. h is the
/// density of Beta(α, β). The best thresholds are corners of the convex hull of the ROC curve. An edge of the hull that adds
/// k churners and m others pays if γ is at least γₑ = (f + (d + f) · m/k) / (V − d). So the integral is a sum over the edges,
///
/// ```text
/// EMPC = Σ k(V − d)/n · (μ · S(γₑ; α + 1, β) − γₑ · S(γₑ; α, β)),    fraction = Σ (k + m)/n · S(γₑ; α, β)
/// ```
///
/// with μ = α / (α + β) and S(x; a, b) = 1 − Iₓ(a, b), where I is the regularised incomplete beta function. Customers of
/// equal probability are one point of the curve.
///
/// ```
/// use churn::profit::{EmpcConfig, empc};
/// // All of one probability: contact all or nobody. With k = m it pays from γₑ = (1 + 11)/190 on, nearly always, so it is
/// // near the profit at the mean, ½ · (0.3 · 190 − 1) − ½ · 11 = 22.5.
/// let found = empc(&[true, false], &[0.4, 0.4], &EmpcConfig::default())?;
/// assert!((found.empc - 22.5).abs() < 0.01 && found.fraction > 0.99);
/// # Ok::<(), churn::Error>(())
/// ```
///
/// # Errors
/// `shape_mismatch`, `too_few_rows` for none, `one_class`, `invalid_probability`, `invalid_parameter`.
pub fn empc(churned: &[bool], probabilities: &[f64], config: &EmpcConfig) -> Result<Empc> {
    config.check()?;
    let sorted = RankedRows::new(churned, probabilities)?;
    let EmpcConfig { alpha, beta, clv, incentive_cost, contact_cost } = *config;
    let mut found = Empc { empc: 0.0, fraction: 0.0 };
    let saved = clv - incentive_cost;
    if saved <= 0.0 {
        return Ok(found);
    }
    let n = sorted.len() as f64;
    let mean = alpha / (alpha + beta);
    let (ln_beta, ln_beta_mean) = (beta.ln_beta(alpha), beta.ln_beta(alpha + 1.0));
    for (churners, others) in hull_edges(&sorted) {
        let (churners, others) = (churners as f64, others as f64);
        let needed = (contact_cost + (incentive_cost + contact_cost) * (others / churners)) / saved;
        // NaN (0/0) if contacts and incentives are free and no customer of the edge churned.
        if needed.is_nan() || needed >= 1.0 {
            break;
        }
        // S(x; a, b) is computed as I at 1 − x with (b, a), which avoids cancellation if S is small.
        let taken = (1.0 - needed).inc_beta(beta, alpha, ln_beta);
        let accepted = mean * (1.0 - needed).inc_beta(beta, alpha + 1.0, ln_beta_mean);
        found.empc += churners * saved * (accepted - needed * taken).max(0.0) / n;
        found.fraction += (churners + others) * taken / n;
    }
    Ok(found)
}

/// The edges of the convex hull of the ROC curve from its lower left, each as the numbers of churners and of others that it
/// adds. The share of churners falls from edge to edge.
fn hull_edges(sorted: &RankedRows) -> Vec<(u128, u128)> {
    let mut edges: Vec<(u128, u128)> = Vec::new();
    for (_, churners, others) in sorted.groups() {
        let mut edge = (churners as u128, others as u128);
        while let Some(&last) = edges.last()
            && last.0 * edge.1 <= edge.0 * last.1
        {
            edges.pop();
            edge = (edge.0 + last.0, edge.1 + last.1);
        }
        edges.push(edge);
    }
    edges
}
