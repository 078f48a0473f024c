//! Whom to contact: a budget spent where it is expected to earn most, with a control group held out at random.

use std::io::Write;

use serde::Serialize;

use super::Campaign;
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::events::quoted;
use crate::json::{Json, JsonResult};
use crate::objects::{FromJson, Object, deserialized, names, objects};
use crate::random::mix;

/// What the list is ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RankBy {
    /// The expected profit; only customers for whom it is above 0 are chosen.
    #[default]
    ExpectedProfit,
    /// The probability of churn alone: the usual practice, as a baseline to compare with. Costs and values choose nobody
    /// and leave nobody out, so without a budget everybody is chosen.
    Probability,
}

names! { RankBy { ExpectedProfit, Probability } }

/// How to choose. As JSON or keyword arguments all keys stand side by side: those of [`Campaign`], and the ones below.
///
/// ```
/// use churn::profit::{ContactConfig, RankBy};
/// let config: ContactConfig =
///     serde_json::from_str(r#"{"clv": 500, "budget": 2000, "control_share": 0.2, "rank_by": "probability"}"#).unwrap();
/// assert_eq!((config.campaign.clv, config.budget, config.rank_by), (500.0, Some(2000.0), RankBy::Probability));
/// assert!(serde_json::from_str::<ContactConfig>(r#"{"budjet": 2000}"#).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContactConfig {
    /// Costs and success.
    #[serde(flatten)]
    pub campaign: Campaign,
    /// The most that the campaign may cost, above 0; none for no limit. Each contact reserves the contact and the
    /// incentive, the most it can cost, so it is never exceeded; too little for one contact chooses nobody.
    pub budget: Option<f64>,
    /// Share of the chosen customers that is not contacted, to compare with, 0 to below 1; default 0.1.
    pub control_share: f64,
    /// Decides with the customer's id who is in the control group; default 0.
    pub seed: u64,
    /// Expected profit (default) or probability.
    pub rank_by: RankBy,
}

impl Default for ContactConfig {
    fn default() -> Self {
        ContactConfig {
            campaign: Campaign::default(),
            budget: None,
            control_share: 0.1,
            seed: 0,
            rank_by: RankBy::ExpectedProfit,
        }
    }
}

impl FromJson for ContactConfig {
    fn from_json(json: &Json) -> JsonResult<Self> {
        let given = ContactConfig::default();
        let own: &[&str] = &["budget", "control_share", "seed", "rank_by"];
        let object = Object::of(json, &[Campaign::KEYS, own].concat())?;
        Ok(ContactConfig {
            campaign: Campaign::of_object(object)?,
            budget: object.field("budget")?,
            control_share: object.field_or("control_share", given.control_share)?,
            seed: object.field_or("seed", given.seed)?,
            rank_by: object.field_or("rank_by", given.rank_by)?,
        })
    }
}

deserialized!(ContactConfig);

impl ContactConfig {
    fn check(&self) -> Result<()> {
        if let Some(budget) = self.budget
            && !(budget > 0.0 && budget.is_finite())
        {
            return Err(invalid_parameter("budget", budget, "a number above 0, or none for no limit"));
        }
        if !(0.0..1.0).contains(&self.control_share) {
            return Err(invalid_parameter("control_share", self.control_share, "0 to below 1"));
        }
        Ok(())
    }

    /// How many of so many customers the budget is enough for.
    fn affordable(&self, customers: usize) -> usize {
        let Some(budget) = self.budget else { return customers };
        let cost = self.cost_of_contact();
        // Free contacts divide to infinity, which min brings back.
        let count = (budget / cost).floor().min(customers as f64);
        // The quotient may have been rounded up to the next whole number.
        if count * cost > budget { count as usize - 1 } else { count as usize }
    }

    fn cost_of_contact(&self) -> f64 {
        self.campaign.incentive_cost + self.campaign.contact_cost
    }

    /// The size of the control group among so many chosen: their share, halves rounded up.
    fn controls(&self, chosen: usize) -> usize {
        (self.control_share * chosen as f64).round() as usize
    }
}

/// What is to happen with a chosen customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactGroup {
    /// Contacted.
    Contact,
    /// Left alone, to compare with.
    Control,
}

names! { ContactGroup { Contact, Control } }

impl ContactGroup {
    /// The name as it is written in files and answers.
    pub fn name(self) -> &'static str {
        match self {
            ContactGroup::Contact => "contact",
            ContactGroup::Control => "control",
        }
    }
}

/// A customer on the list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contact {
    /// Who.
    pub customer_id: String,
    /// The probability of churn.
    pub churn_probability: f64,
    /// V, what the customer is worth by staying.
    pub value: f64,
    /// What contacting is expected to earn.
    pub expected_profit: f64,
    /// Contact or control.
    pub group: ContactGroup,
}

objects! { Contact { customer_id, churn_probability, value, expected_profit, group } }

/// The customers chosen, those most worth contacting first, and what contacting them comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContactList {
    /// By falling expected profit or probability; equal ones by the bytes of their ids.
    pub entries: Vec<Contact>,
    /// How many of them are contacted.
    pub contacts: u64,
    /// How many are in the control group.
    pub controls: u64,
    /// The most that the contacts can cost: contacts · (contact_cost + incentive_cost), never above the budget.
    pub reserved_budget: f64,
    /// What the contacts are expected to earn together.
    pub expected_profit: f64,
}

objects! { ContactList { entries, contacts, controls, reserved_budget, expected_profit } }

impl ContactList {
    /// Writes `customer_id,churn_probability,value,expected_profit,group`, in the order of the list.
    ///
    /// # Errors
    /// `io`.
    pub fn write_csv(&self, mut writer: impl Write) -> Result<()> {
        writeln!(writer, "customer_id,churn_probability,value,expected_profit,group")?;
        for Contact { customer_id, churn_probability, value, expected_profit, group } in &self.entries {
            let id = quoted(customer_id);
            writeln!(writer, "{id},{churn_probability},{value},{expected_profit},{}", group.name())?;
        }
        writer.flush()?;
        Ok(())
    }
}

/// Chooses whom to contact, and whom of them to leave alone as a control group.
///
/// Customers are ranked, and the budget is enough for floor(budget / (f + d)) contacts. As many are chosen as leave that many
/// to contact after `round(control_share · chosen)` of them, taken by a hash of the seed and the id, are held out. So the
/// groups differ by chance alone, and neither the order of the rows nor customers who are not chosen change anything.
///
/// `values` is what each customer is worth by staying, 0 to 10^12; `clv` for all without them. Nobody worth contacting, or
/// no customers at all, is an empty list.
///
/// # Errors
/// `shape_mismatch`, `invalid_probability`, `invalid_parameter` for the configuration or a value, `invalid_column` where a
/// customer stands there twice.
pub fn contact_list<'a>(
    customer_ids: impl IntoIterator<Item = &'a str>,
    probabilities: &[f64],
    values: Option<&[f64]>,
    config: &ContactConfig,
) -> Result<ContactList> {
    config.check()?;
    let ids: Vec<&str> = customer_ids.into_iter().collect();
    if ids.len() != probabilities.len() {
        let message = format!(
            "{} customer ids and {} probabilities; expected one of each a customer",
            ids.len(),
            probabilities.len()
        );
        return Err(Error::new(ErrorKind::ShapeMismatch, message));
    }
    let profits = config.campaign.profits(probabilities, values)?;
    check_unique(&ids)?;

    // Adding 0 makes the two zeros one, so that they tie.
    let rank = |row: usize| match config.rank_by {
        RankBy::ExpectedProfit => profits[row].1,
        RankBy::Probability => probabilities[row] + 0.0,
    };
    let eligible = |row: &usize| config.rank_by == RankBy::Probability || profits[*row].1 > 0.0;
    let mut rows: Vec<usize> = (0..ids.len()).filter(eligible).collect();
    rows.sort_unstable_by(|&a, &b| rank(b).total_cmp(&rank(a)).then_with(|| ids[a].cmp(ids[b])));
    let affordable = config.affordable(rows.len());
    let mut chosen = affordable;
    while chosen < rows.len() && chosen + 1 - config.controls(chosen + 1) <= affordable {
        chosen += 1;
    }
    rows.truncate(chosen);

    let mut drawn: Vec<(u64, &str, usize)> =
        rows.iter().enumerate().map(|(place, &row)| (draw(config.seed, ids[row]), ids[row], place)).collect();
    drawn.sort_unstable();
    let controls = config.controls(chosen);
    let mut groups = vec![ContactGroup::Contact; chosen];
    for &(_, _, place) in &drawn[..controls] {
        groups[place] = ContactGroup::Control;
    }
    let entries: Vec<Contact> = rows
        .iter()
        .zip(groups)
        .map(|(&row, group)| Contact {
            customer_id: ids[row].to_owned(),
            churn_probability: probabilities[row],
            value: profits[row].0,
            expected_profit: profits[row].1,
            group,
        })
        .collect();
    let contacts = chosen - controls;
    let contacted = entries.iter().filter(|entry| entry.group == ContactGroup::Contact);
    Ok(ContactList {
        contacts: contacts as u64,
        controls: controls as u64,
        reserved_budget: contacts as f64 * config.cost_of_contact(),
        // Not sum, which is -0 of nothing.
        expected_profit: contacted.fold(0.0, |sum, entry| sum + entry.expected_profit),
        entries,
    })
}

fn check_unique(ids: &[&str]) -> Result<()> {
    let mut sorted: Vec<(&str, usize)> = ids.iter().copied().zip(1..).collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        None => Ok(()),
        Some(pair) => {
            let (id, row) = pair[1];
            let message = format!("row {row}: the customer {id:?} is there already; expected each customer once");
            Err(Error::new(ErrorKind::InvalidColumn, message).at_line(row as u64))
        }
    }
}

/// A number that looks random, by the seed and the bytes of the id alone.
fn draw(seed: u64, id: &str) -> u64 {
    id.as_bytes().chunks(8).fold(mix(seed ^ mix(id.len() as u64)), |state, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(state ^ u64::from_le_bytes(word))
    })
}
