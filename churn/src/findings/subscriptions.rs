//! Checks of subscription periods: files that say what nobody knew, and files that hold half of the customers.

use super::Finding;
use crate::subscriptions::{EndsKnown, Subscriptions};

/// Fewer customers than these prove nothing.
const LEAST_CUSTOMERS: usize = 20;

/// Checks subscription periods before training: whether the file knows ends in advance, has customers who stayed, and has periods twice.
/// Returns the findings, worst first. Training and scoring stop at those that are errors.
///
/// ```
/// use churn::{SubscriptionOptions, Subscriptions, check_subscriptions};
/// // Terms of a year, written with their end: the file is of April 2024, and its ends are of 2025.
/// let mut csv = "customer_id,start_date,end_date\n".to_owned();
/// for customer in 0..90 {
///     let start = churn::Day::from_ymd(2024, 1, 15).unwrap().plus(customer);
///     csv.push_str(&format!("c{customer},{start},{}\n", start.plus(365)));
/// }
/// let subscriptions = Subscriptions::from_csv(csv.as_bytes(), &SubscriptionOptions::default())?;
/// let findings = check_subscriptions(&subscriptions);
/// assert_eq!(findings[0].code, "ends_known_in_advance");
/// assert!(findings[0].message.contains("ends_known = \"at_start\""));
/// # Ok::<(), churn::Error>(())
/// ```
pub fn check_subscriptions(subscriptions: &Subscriptions) -> Vec<Finding> {
    let mut findings = Vec::new();
    let facts = subscriptions.facts();
    let last_day = subscriptions.last_day();
    let in_advance = subscriptions.ends_known() == EndsKnown::AtEnd
        && facts.running >= LEAST_CUSTOMERS as u64
        && 2 * facts.ending_later >= facts.running
        && last_day.number() - facts.latest_news.number() > 7;
    if in_advance {
        let message = format!(
            "on {}, the last day on which anything starts or is cancelled, {} of {} running periods have an end up to {last_day}: the \
             file knows ends in advance, so everybody would be counted as gone. If terms are fixed, ends_known = \"at_start\" reads \
             them as terms; otherwise last_day = {} leaves these ends out",
            facts.latest_news, facts.ending_later, facts.running, facts.latest_news
        );
        findings.push(
            Finding::new("ends_known_in_advance", message)
                .evidence("running", facts.running)
                .evidence("ending_later", facts.ending_later)
                .suggest("ends_known", "at_start"),
        );
    } else if facts.active_at_end == 0 && facts.customers >= LEAST_CUSTOMERS as u64 {
        let message = format!(
            "none of the {} customers is active on {last_day}: a file of ended subscriptions alone holds nobody who stayed, and a model \
             would learn that everybody leaves. Export all subscriptions, also the running ones",
            facts.customers
        );
        findings.push(Finding::new("all_subscriptions_ended", message).evidence("customers", facts.customers));
    }
    if facts.duplicates * 100 >= facts.periods && facts.duplicates > 0 {
        let message = format!(
            "{} of {} periods are equal to another one in every column: their amounts count twice. With a subscription_id such rows are \
             refused",
            facts.duplicates, facts.periods
        );
        findings.push(Finding::new("duplicate_periods", message).evidence("duplicates", facts.duplicates));
    }
    if facts.customers >= LEAST_CUSTOMERS as u64 && facts.same_start * 3 >= facts.customers {
        let message = format!(
            "{} of {} customers begin on {}: if the data were moved from another system on that day, nobody's time as a customer is true, \
             and nothing before that day can be learned from",
            facts.same_start, facts.customers, facts.common_start
        );
        findings.push(
            Finding::new("many_start_together", message)
                .evidence("customers", facts.same_start)
                .evidence("day", facts.common_start),
        );
    }
    findings
}
