//! The contact list of a campaign: customers chosen within a budget, with a control group held out at random.

use std::collections::HashMap;
use std::io::Write;

use serde::Serialize;

use super::Campaign;
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::events::quoted;
use crate::json::{Json, JsonResult};
use crate::objects::{FromJson, Object, deserialized, names, objects};
use crate::random::mix;

/// The ranking of the contact list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RankBy {
    /// By expected profit. Only customers whose expected profit is above 0 are chosen.
    #[default]
    ExpectedProfit,
    /// By the probability of churn alone. It is the usual practice, useful as a baseline. Costs and values do not affect the
    /// choice, so without a budget all customers are chosen.
    Probability,
}

names! { RankBy { ExpectedProfit, Probability } }

/// Settings for choosing the contact list. In JSON and in keyword arguments, the keys of [`Campaign`] and the keys below are
/// on one level.
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
    /// Costs and success rate of the campaign.
    #[serde(flatten)]
    pub campaign: Campaign,
    /// The largest cost of the campaign, above 0; none for no limit. Each contact reserves the cost of the contact and of the
    /// incentive, which is its largest possible cost. So the budget is never exceeded. A budget too small for one contact
    /// gives an empty list.
    pub budget: Option<f64>,
    /// Share of the chosen customers in the control group, which is not contacted; 0 to below 1; default 0.1.
    pub control_share: f64,
    /// Seed of the control group, which is drawn by the seed and the customer's id; default 0.
    pub seed: u64,
    /// The ranking: by expected profit (default) or by probability.
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

    /// Returns the number of customers, out of `customers`, that the budget is enough for.
    fn affordable(&self, customers: usize) -> usize {
        let Some(budget) = self.budget else { return customers };
        let cost = self.cost_of_contact();
        // If contacts are free, the quotient is infinite, and min limits it to the customers.
        let count = (budget / cost).floor().min(customers as f64);
        // The quotient may have been rounded up to the next whole number.
        if count * cost > budget { count as usize - 1 } else { count as usize }
    }

    fn cost_of_contact(&self) -> f64 {
        self.campaign.incentive_cost + self.campaign.contact_cost
    }

    /// The size of the control group among `chosen` customers: their share, with halves rounded up.
    fn controls(&self, chosen: usize) -> usize {
        (self.control_share * chosen as f64).round() as usize
    }
}

/// The group of a chosen customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactGroup {
    /// The customer is contacted.
    Contact,
    /// The customer is not contacted, as a control.
    Control,
}

names! { ContactGroup { Contact, Control } }

impl ContactGroup {
    /// The name as it is written in files and responses.
    pub fn name(self) -> &'static str {
        match self {
            ContactGroup::Contact => "contact",
            ContactGroup::Control => "control",
        }
    }
}

/// A customer on the list.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Contact {
    /// The customer.
    pub customer_id: String,
    /// The probability of churn.
    pub churn_probability: f64,
    /// V, the value of the customer if the customer stays.
    pub value: f64,
    /// The expected profit of contacting the customer.
    pub expected_profit: f64,
    /// The group: contact or control.
    pub group: ContactGroup,
}

objects! { Contact { customer_id, churn_probability, value, expected_profit, group } }

/// The chosen customers in order of the ranking, with the totals of the campaign.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContactList {
    /// The customers, by falling expected profit or probability; equal ones in byte order of their ids.
    pub entries: Vec<Contact>,
    /// Number of them that are contacted.
    pub contacts: u64,
    /// Number of them in the control group.
    pub controls: u64,
    /// The largest possible cost of the contacts: contacts · (contact_cost + incentive_cost). It is never above the budget.
    pub reserved_budget: f64,
    /// The total expected profit of the contacts.
    pub expected_profit: f64,
}

objects! { ContactList { entries, contacts, controls, reserved_budget, expected_profit } }

impl ContactList {
    /// Writes CSV with the columns `customer_id,churn_probability,value,expected_profit,group`, in the order of the list.
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

impl ContactList {
    /// Writes the customers of one group for a mail tool or a spreadsheet: CSV with the columns
    /// `customer_id,churn_probability,value,expected_profit`, in UTF-8 with a byte order mark, with CRLF line ends.
    ///
    /// Ids are quoted. An id that a spreadsheet would execute as a formula has an apostrophe in front. Phone numbers (`+49 170 …`),
    /// numbers and names (`@anna`) stay as they are, so that they can be joined: a spreadsheet may show such an id as a number, but it
    /// runs no function and reads no other cell.
    ///
    /// # Errors
    /// `io`.
    pub fn write_group(&self, group: ContactGroup, mut writer: impl Write) -> Result<()> {
        writer.write_all("\u{feff}customer_id,churn_probability,value,expected_profit\r\n".as_bytes())?;
        for contact in self.entries.iter().filter(|contact| contact.group == group) {
            let Contact { customer_id, churn_probability, value, expected_profit, .. } = contact;
            write!(writer, "{},{churn_probability},{value},{expected_profit}\r\n", mail_field(customer_id))?;
        }
        writer.flush()?;
        Ok(())
    }
}

/// Returns the field of a customer id in a CSV file for mail tools and spreadsheets: quoted, with an apostrophe in front if a
/// spreadsheet would execute the id as a formula. It is the first field of a row of [`ContactList::write_group`].
///
/// ```
/// use churn::profit::mail_field;
/// assert_eq!(mail_field("anna"), "\"anna\"");
/// assert_eq!(mail_field("=1+1"), "\"'=1+1\"");
/// ```
pub fn mail_field(customer_id: &str) -> String {
    let guard = if is_formula(customer_id) { "'" } else { "" };
    format!("\"{guard}{}\"", customer_id.replace('"', "\"\""))
}

/// True if a spreadsheet would run a function for this text or read another cell.
fn is_formula(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return false };
    let rest = &text[first.len_utf8()..];
    match first {
        '=' | '\t' | '\r' => true,
        '+' | '-' => !rest.chars().all(|c| c.is_ascii_digit() || " .()/-".contains(c)),
        '@' => !rest.chars().all(|c| c.is_alphanumeric() || "._-".contains(c)),
        _ => false,
    }
}

/// Chooses the customers to contact, and holds out some of them as a control group.
///
/// Customers are ranked, and the budget is enough for floor(budget / (f + d)) contacts. The control group is
/// `round(control_share · chosen)` of the chosen customers, drawn by a hash of the seed and the id. As many customers are
/// chosen as the budget allows for the rest. The groups differ by chance alone. Neither the order of the rows nor customers
/// who are not chosen change the result.
///
/// `values` is the value V of each customer, 0 to 10^12; without it, `clv` is the value of all. If no customer is worth
/// contacting, or there are no customers, the list is empty.
///
/// # Errors
/// `shape_mismatch`, `invalid_probability`, `invalid_parameter` for the configuration or a value, `invalid_column` if a
/// customer is listed twice.
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

    // Adding 0 turns −0 into 0, so that the two tie in total_cmp.
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
    crate::order::sort(&mut drawn);
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
        // Not `sum`, which is −0 for an empty list.
        expected_profit: contacted.fold(0.0, |sum, entry| sum + entry.expected_profit),
        entries,
    })
}

fn check_unique(ids: &[&str]) -> Result<()> {
    let mut seen: HashMap<&str, usize> = HashMap::with_capacity(ids.len());
    match ids.iter().zip(1..).find(|&(id, row)| seen.insert(id, row).is_some()) {
        None => Ok(()),
        Some((id, row)) => {
            let message = format!("row {row}: the customer {id:?} is there already; expected each customer once");
            Err(Error::new(ErrorKind::InvalidColumn, message).at_line(row as u64))
        }
    }
}

/// A pseudo-random number that depends only on the seed and the bytes of the id.
fn draw(seed: u64, id: &str) -> u64 {
    id.as_bytes().chunks(8).fold(mix(seed ^ mix(id.len() as u64)), |state, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(state ^ u64::from_le_bytes(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_written_for_spreadsheets() {
        let ids =
            ["=1+1", "+49 (170) 12-34", "-7.5", "@anna.b", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "a\"b,c", "Zoë"];
        let probabilities = vec![0.75; ids.len()];
        let config = ContactConfig { control_share: 0.0, ..ContactConfig::default() };
        let list = contact_list(ids, &probabilities, None, &config).expect("a list");
        let mut text = Vec::new();
        list.write_group(ContactGroup::Contact, &mut text).expect("memory");
        let text = String::from_utf8(text).expect("UTF-8");
        let (header, rows) = text.split_once("\r\n").expect("a header");
        assert_eq!(header, "\u{feff}customer_id,churn_probability,value,expected_profit");
        let found: Vec<&str> =
            rows.split_terminator("\r\n").map(|row| &row[..row.find("\",0.75").expect("a value") + 1]).collect();
        let expected = [
            "\"'+cmd|' /C calc'!A0\"",
            "\"+49 (170) 12-34\"",
            "\"'-2+3\"",
            "\"-7.5\"",
            "\"'=1+1\"",
            "\"'@SUM(A1)\"",
            "\"@anna.b\"",
            "\"Zoë\"",
            "\"a\"\"b,c\"",
        ];
        let mut sorted = found.clone();
        sorted.sort_unstable();
        let mut wanted = expected.to_vec();
        wanted.sort_unstable();
        assert_eq!(sorted, wanted);
        let mut none = Vec::new();
        list.write_group(ContactGroup::Control, &mut none).expect("memory");
        assert_eq!(none, "\u{feff}customer_id,churn_probability,value,expected_profit\r\n".as_bytes());
    }
}
