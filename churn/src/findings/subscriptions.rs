//! Checks of subscription periods: files that say what nobody knew, and files that hold half of the customers.

use super::Finding;
use crate::day::Day;
use crate::events::Events;
use crate::subscriptions::{EndsKnown, Subscriptions};

/// Fewer customers than these prove nothing.
const LEAST_CUSTOMERS: u64 = 20;

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
    let (last_day, at_end) = (subscriptions.last_day(), subscriptions.ends_known() == EndsKnown::AtEnd);
    let many = facts.running >= LEAST_CUSTOMERS;
    // A far end that most share, or one beyond any contract, stands for no end at all.
    let sentinel = facts.common_end.filter(|&(end, count)| {
        end.number() > facts.last_starts.number() + 365 && (2 * count > facts.running || end.ymd().0 >= 2100)
    });
    let is_given = subscriptions.last_day_was_given();
    let tail = last_day.number() - facts.last_starts.number();
    // Where nobody new has come for a while, others still leave as usual.
    let before = f64::from((facts.last_starts.number() - subscriptions.first_day().number()).max(1));
    let usual = facts.earlier as f64 / before * f64::from(tail);
    let span = last_day.number() - subscriptions.first_day().number();
    if let Some((end, count)) = sentinel {
        let message = format!(
            "{count} of {} running periods end on {end}, which stands for no end: null_values = {end} reads them as running",
            facts.running
        );
        let finding = Finding::new("ends_known_in_advance", message).evidence("running", facts.running);
        findings.push(finding.evidence("ending_later", count).suggest("null_values", vec![end]));
    } else if at_end && !is_given && many && 2 * facts.ending_later >= facts.running {
        let message = format!(
            "on {}, the last day on which anything starts, {} of {} running periods have an end up to {last_day} that nobody announced: \
             the file knows ends in advance, so everybody would be counted as gone. If these are the ends of fixed terms, which are \
             renewed by a further row, ends_known = \"at_start\" reads them so; otherwise last_day = {} leaves them out",
            facts.last_starts, facts.ending_later, facts.running, facts.last_starts
        );
        let finding = Finding::new("ends_known_in_advance", message).evidence("running", facts.running);
        findings.push(finding.evidence("ending_later", facts.ending_later).suggest("ends_known", "at_start"));
    } else if !at_end && many && 5 * facts.endless >= facts.running {
        let message = format!(
            "ends_known = \"at_start\" says that every term has its end from the start, but {} of {} running periods have none: those that \
             have one are the ones that ended, so the end would tell who leaves. Leave ends_known out",
            facts.endless, facts.running
        );
        let finding = Finding::new("terms_without_ends", message).evidence("running", facts.running);
        findings.push(finding.evidence("endless", facts.endless).suggest("ends_known", "at_end"));
    } else if facts.customers >= LEAST_CUSTOMERS && facts.ended == 0 {
        let message = format!(
            "none of the {} periods has an end, so nobody has left. Is the column of the ends named otherwise, or are these payments?",
            facts.periods
        );
        findings.push(Finding::new("no_period_ends", message).evidence("periods", facts.periods));
    } else if facts.active_at_end == 0 && facts.customers >= LEAST_CUSTOMERS {
        let message = format!(
            "none of the {} customers is active on {last_day}: a file of ended subscriptions alone holds nobody who stayed, and a model \
             would learn that everybody leaves. Export all subscriptions, also the running ones",
            facts.customers
        );
        findings.push(Finding::new("all_subscriptions_ended", message).evidence("customers", facts.customers));
    } else if !is_given
        && facts.customers >= LEAST_CUSTOMERS
        && tail > 14
        && tail * 20 > span
        && (facts.later as f64) < 0.5 * usual
    {
        let message = format!(
            "{} starts and ends lie after {}, by which nearly all periods have started, and move the last day to {last_day}; as usual, \
             {usual:.0} customers would have left in these {tail} days, and the others would be counted as having stayed. last_day = {} \
             leaves them out; give the day of the export if it is another one",
            facts.later, facts.last_starts, facts.last_starts
        );
        let finding = Finding::new("last_day_far_behind", message).evidence("rows", facts.later);
        findings.push(finding.evidence("days", tail).suggest("last_day", facts.last_starts));
    }
    if is_given
        && facts.customers >= LEAST_CUSTOMERS
        && tail > 31
        && tail * 20 > span
        && (facts.later as f64) < 0.5 * usual
    {
        let message = format!(
            "last_day = {last_day} is given, but {} starts and ends lie in the {tail} days before it, where {usual:.0} customers would have \
             left as usual: if the data end earlier, nobody of the last weeks is seen to leave. Nearly all periods have started by {}",
            facts.later, facts.last_starts
        );
        let finding = Finding::new("nothing_before_last_day", message).evidence("rows", facts.later);
        findings.push(finding.evidence("days", tail));
    }
    if facts.followed_next_day >= LEAST_CUSTOMERS && facts.followed_next_day > 9 * facts.followed_same_day {
        let message = format!(
            "{} periods are followed by one that starts a day after their end, and {} by one that starts on it: end_date seems to be the last \
             day of a period. inclusive_ends = true reads it so",
            facts.followed_next_day, facts.followed_same_day
        );
        let finding = Finding::new("inclusive_ends", message).evidence("next_day", facts.followed_next_day);
        findings.push(finding.evidence("same_day", facts.followed_same_day).suggest("inclusive_ends", true));
    }
    if facts.duplicates * 100 >= facts.periods && facts.duplicates > 0 {
        let message = format!(
            "{} of {} periods are those of another row, equal or with another end: amounts count twice, and an old row that still runs hides \
             an end. With a subscription_id such rows are refused",
            facts.duplicates, facts.periods
        );
        findings.push(Finding::new("duplicate_periods", message).evidence("duplicates", facts.duplicates));
    }
    if facts.customers >= LEAST_CUSTOMERS && facts.same_start * 3 >= facts.customers {
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

/// Checks the usage events of active customers at a day. `users` of them have an event by then.
pub(crate) fn check_usage(events: &Events, day: Day, customers: u64, users: u64) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (first, last) = (events.first_day(), events.last_day());
    if users == 0 {
        let why = match first > day {
            true => format!("the events begin on {first}"),
            false => "ids are compared byte for byte, so case, blanks and leading zeros count".to_owned(),
        };
        let message = format!("none of the {customers} active customers has a usage event by {day}: {why}");
        findings.push(Finding::new("unmatched_usage", message).evidence("customers", customers));
        return findings;
    }
    let behind = day.number() - last.number();
    if behind > 14 {
        let message = format!(
            "the usage events end on {last}, {behind} days before {day}: everybody would seem to have stopped using the product. Take \
             events up to that day, or look at customers as of {last}"
        );
        findings.push(Finding::new("usage_ends_early", message).evidence("days", behind));
    }
    if 4 * users < customers {
        let message = format!(
            "{users} of {customers} active customers have a usage event by {day}; the others have missing values. Are all ids written in \
             the same way?"
        );
        findings
            .push(Finding::new("few_customers_use", message).evidence("customers", customers).evidence("users", users));
    }
    findings
}

/// Checks the plans of the scored customers: `known` are levels that the model has learned from, `unknown` are not.
pub(crate) fn check_plans(known: u64, unknown: u64, levels: &[String]) -> Option<Finding> {
    let code = match (known, unknown) {
        (0, 1..) if !levels.is_empty() => "unknown_levels",
        _ if unknown > known => "many_unknown_levels",
        _ => return None,
    };
    let some: Vec<&str> = levels.iter().take(5).map(String::as_str).collect();
    let message = format!(
        "the plans of {unknown} of {} customers are none of the {} that the model has learned from ({}, …) and count as missing",
        known + unknown,
        levels.len(),
        some.join(", ")
    );
    Some(Finding::new(code, message).evidence("unknown", unknown).evidence("known", known))
}
