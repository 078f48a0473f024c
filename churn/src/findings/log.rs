//! Findings about the days and rows of a log.

use super::{Finding, percent};
use crate::day::Day;
use crate::events::{EventUnit, Events, NO_TYPE};
use crate::labels::{LabelConfig, LabelKind};
use crate::order;

/// A gap can isolate rows from a log only if it is longer than this many days.
const ISOLATING_DAYS: i32 = 60;
/// It must also be at least this multiple of the longest gap elsewhere.
const ISOLATING_TIMES: i32 = 10;
/// A window is thin if it has less than this share of the events per day before it.
const THIN: f64 = 0.25;
/// A log has events on nearly every day if at least this share of its days has events.
const NEARLY_EVERY_DAY: f64 = 0.95;
/// Share of rows from which on order lines and duplicates are findings.
const MANY_ROWS: f64 = 0.3;

/// The days with events up to the end of a day, rising, with the number of events of each.
struct DailyCounts {
    days: Vec<(i32, u64)>,
    rows: u64,
}

impl DailyCounts {
    fn new(events: &Events, as_of: Day) -> DailyCounts {
        let first = events.first_day().number();
        // Dense: the years 1 to 9999 are 3.7 million days.
        let mut counts = vec![0u64; (events.last_day().number() - first + 1) as usize];
        let (history, _) = events.split_at(as_of);
        for customer in history.customers() {
            history.of(customer).days().for_each(|day| counts[(day - first) as usize] += 1);
        }
        let days: Vec<(i32, u64)> = (first..).zip(counts).filter(|&(_, count)| count > 0).collect();
        DailyCounts { rows: days.iter().map(|day| day.1).sum(), days }
    }

    /// Largest number of isolated rows for a finding: less than 0.1 % of the rows, or up to three in a log of some dozens.
    fn handful(&self) -> u64 {
        (self.rows.saturating_sub(1) / 1000).max(u64::min(3, self.rows / 20))
    }

    /// Number of events from one day to another, both included.
    fn between(&self, from: i32, to: i32) -> u64 {
        let start = self.days.partition_point(|&(day, _)| day < from);
        self.days[start..].iter().take_while(|&&(day, _)| day <= to).map(|day| day.1).sum()
    }

    /// The indices of the first and the last day of the log without a few isolated rows at its ends.
    fn body(&self) -> (usize, usize) {
        let gaps: Vec<i32> = self.days.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        let handful = self.handful();
        // The days that are left after removing a few rows at either end. Their gaps are the gaps of the log itself.
        let kept = |counts: &mut dyn Iterator<Item = &(i32, u64)>| {
            let mut rows = 0;
            counts
                .take_while(|day| {
                    rows += day.1;
                    rows <= handful
                })
                .count()
        };
        let from = kept(&mut self.days.iter());
        let to = self.days.len().saturating_sub(1 + kept(&mut self.days.iter().rev()));
        if from >= to {
            return (0, self.days.len().saturating_sub(1));
        }
        let usual = gaps[from..to].iter().copied().max().unwrap_or(1);
        let separates = |gap: i32| gap > ISOLATING_DAYS && gap >= ISOLATING_TIMES.saturating_mul(usual);
        let first = (0..from).rev().find(|&at| separates(gaps[at])).map_or(0, |at| at + 1);
        let last = (to..gaps.len()).find(|&at| separates(gaps[at])).unwrap_or(gaps.len());
        (first, last)
    }
}

/// Findings about rows that are isolated at the start or the end of the log.
pub(super) fn isolated(events: &Events, as_of: Day) -> Vec<Finding> {
    let days = DailyCounts::new(events, as_of);
    isolated_of(events, &days, days.body())
}

fn isolated_of(events: &Events, days: &DailyCounts, (first, last): (usize, usize)) -> Vec<Finding> {
    let mut findings = Vec::new();
    let day = |at: usize| Day::new(days.days[at].0).expect("days of events are days");
    let mut found = |code: &str, rows: u64, far: Day, near: Day, setting: &str, side: &str, so: &str| {
        let who = events.iter().find(|event| event.1 == far).map_or("", |event| event.0);
        let report = events.report();
        let line = match far {
            day if day == events.last_day() => report.last_day_line,
            day if day == events.first_day() => report.first_day_line,
            _ => None,
        };
        let at = line.map_or(String::new(), |line| format!("line {line}, "));
        let message = format!(
            "{rows} of {} rows {} on {far} or {side} ({at}customer {who:?}), {} days {side} {near}, where all others are: {so}. \
             {setting} = {near} leaves {} out.",
            days.rows,
            if rows == 1 { "is" } else { "are" },
            (far.number() - near.number()).abs(),
            if rows == 1 { "it" } else { "them" },
        );
        let finding = Finding::new(code, message)
            .evidence("rows", rows)
            .evidence("day", far)
            .evidence("nearest_day", near)
            .evidence("customer_id", who)
            .suggest(setting, near);
        findings.push(finding);
    };
    if last + 1 < days.days.len() {
        let rows = days.days[last + 1..].iter().map(|day| day.1).sum();
        let so = "the last day of the log decides who counts as silent, so nearly everybody would";
        found("isolated_last_day", rows, day(last + 1), day(last), "last_day", "after", so);
    }
    if first > 0 {
        let rows = days.days[..first].iter().map(|day| day.1).sum();
        let so = "the log would seem to begin that early";
        found("isolated_first_day", rows, day(first - 1), day(first), "first_day", "before", so);
    }
    findings
}

/// Findings about the days: isolated rows, thin outcome windows, gaps.
pub(super) fn of_days(events: &Events, as_of: Day, definition: &LabelConfig, cutoffs: &[Day]) -> Vec<Finding> {
    let days = DailyCounts::new(events, as_of);
    let body = days.body();
    let mut findings = isolated_of(events, &days, body);
    // The other checks use the log without the isolated rows, which are reported already.
    let (first, last) = (days.days[body.0].0, days.days[body.1].0);
    // Only definitions with an outcome window have one to check.
    if findings.is_empty() && definition.labels == LabelKind::OutcomeWindow {
        findings.extend(thin_window(&days, first, definition, cutoffs));
    }
    findings.extend(gap(&days, body, first, last));
    findings
}

/// The finding about the outcome window with the fewest events per day relative to the time before it.
fn thin_window(days: &DailyCounts, first: i32, definition: &LabelConfig, cutoffs: &[Day]) -> Option<Finding> {
    let length = definition.horizon_days;
    let rate = |from: i32, to: i32| days.between(from, to) as f64 / f64::from(to - from + 1);
    let thin = |cutoff: &Day| {
        let (from, to) = (definition.window_start(*cutoff).number(), definition.window_end(*cutoff).number());
        let earliest = first.max(cutoff.number() - length + 1);
        // The horizon before the cutoff may be thin itself; then the whole past is the reference.
        let before = rate(earliest, cutoff.number()).max(rate(first.min(earliest), cutoff.number()));
        let within = rate(from, to);
        // A thin second half of the window is enough: exports that stop early, and prebooked events, leave a dense first half.
        let later = rate(from + (to - from + 1) / 2, to);
        let least = within.min(later);
        (earliest <= cutoff.number() && before > 0.0 && least < THIN * before)
            .then_some((*cutoff, before, within, least, to))
    };
    let (cutoff, before, within, least, to) =
        cutoffs.iter().filter_map(thin).min_by(|a, b| (a.3 / a.1).total_cmp(&(b.3 / b.1)))?;
    let message = format!(
        "the outcome window of {length} days after {cutoff} holds {within:.2} events a day, {least:.2} in its thinner half, where \
         the days before held {before:.2}: who does not come back in it may only be missing from the log"
    );
    let finding = |message: String| {
        Finding::new("thin_window", message)
            .evidence("cutoff", cutoff)
            .evidence("events_a_day_before", before)
            .evidence("events_a_day_in_window", within)
            .evidence("events_a_day_in_thinner_half", least)
    };
    let last = days.days.last().map_or(to, |day| day.0);
    // The end of the log tells whether it stays thin.
    if last - to >= length / 2 && rate((to + 1).max(last - length + 1), last) >= THIN * before {
        return Some(finding(format!(
            "{message}. Later days are dense again, so find out whether rows of that time are missing."
        )));
    }
    let last_dense_day = last_dense_day(days, first, before, to);
    let message = format!(
        "{message} (events booked ahead, an export that stopped early, an activity that ends). last_day = {last_dense_day} uses \
         the log up to where it is as dense as before."
    );
    Some(finding(message).suggest("last_day", last_dense_day))
}

/// The last day for which the two weeks up to it have at least half of the usual events per day.
fn last_dense_day(days: &DailyCounts, first: i32, usual: f64, last: i32) -> Day {
    const SPAN: i32 = 14;
    let is_dense = |day: i32| days.between(day - SPAN + 1, day) as f64 >= 0.5 * usual * f64::from(SPAN);
    let place = days.days.iter().rev().map(|day| day.0).filter(|&day| day <= last).find(|&day| is_dense(day));
    Day::new(place.unwrap_or(first)).expect("days of events are days")
}

/// The longest run of days without events, in a log that has events on nearly every day.
fn gap(days: &DailyCounts, (from, to): (usize, usize), first: i32, last: i32) -> Option<Finding> {
    const SHORTEST: i32 = 3;
    let pair = days.days[from..=to].windows(2).max_by_key(|pair| pair[1].0 - pair[0].0)?;
    let empty = pair[1].0 - pair[0].0 - 1;
    let share = f64::from((to - from + 1) as u32) / f64::from(last - first + 1 - empty);
    if empty < SHORTEST || share < NEARLY_EVERY_DAY {
        return None;
    }
    let day = |number: i32| Day::new(number).expect("days between events are days");
    let (start, end) = (day(pair[0].0 + 1), day(pair[1].0 - 1));
    let message = format!(
        "there is no event from {start} to {end} ({empty} days), while {} of the other days have some: if rows are missing, \
         customers look as if they had paused",
        percent(share)
    );
    Some(
        Finding::new("gap_in_log", message)
            .evidence("first_day_without", start)
            .evidence("last_day_without", end)
            .evidence("days", empty)
            .evidence("share_of_other_days", share),
    )
}

/// Findings about rows that share a customer's day.
pub(super) fn of_rows(events: &Events, as_of: Day) -> Vec<Finding> {
    let (history, _) = events.split_at(as_of);
    let (mut rows, mut sharing, mut equal) = (0u64, 0u64, 0u64);
    let mut day_rows: Vec<(u16, u64)> = Vec::new();
    let mut close = |day_rows: &mut Vec<(u16, u64)>| {
        rows += day_rows.len() as u64;
        if day_rows.len() > 1 {
            order::sort_mostly_short(day_rows);
            let several = |group: &[(u16, u64)]| if group.len() > 1 { group.len() as u64 } else { 0 };
            sharing += day_rows.chunk_by(|a, b| a.0 == b.0).map(several).sum::<u64>();
            // Without an amount, two equal rows of a day may be two visits, because their times are not kept.
            let with_amount = |group: &&[(u16, u64)]| !f64::from_bits(group[0].1).is_nan();
            equal += day_rows.chunk_by(|a, b| a == b).filter(with_amount).map(several).sum::<u64>();
        }
        day_rows.clear();
    };
    for customer in history.customers() {
        let side = history.of(customer);
        let mut current = None;
        for ((day, amount), event_type) in side.days().zip(side.amounts()).zip(side.types()) {
            if current != Some(day) {
                close(&mut day_rows);
                current = Some(day);
            }
            day_rows.push((event_type, amount.to_bits()));
        }
        close(&mut day_rows);
    }
    let share = |part: u64| part as f64 / rows.max(1) as f64;
    let mut findings = Vec::new();
    if share(equal) > MANY_ROWS {
        let message = format!(
            "{} of the rows ({equal} of {rows}) are equal to another row of the same customer in day, amount and type: a file \
             that was written twice counts everything twice",
            percent(share(equal))
        );
        let finding = Finding::new("duplicate_rows", message).evidence("rows", equal).evidence("share", share(equal));
        findings.push(finding);
    }
    if share(sharing) > MANY_ROWS && events.unit() == EventUnit::Row {
        let message = format!(
            "{} of the rows ({sharing} of {rows}) share customer, day and type with another row: if they are lines of orders, \
             each line counts as an event. order_id names the column of the order, merge = \"day\" makes one event of a \
             customer's rows of a day.",
            percent(share(sharing))
        );
        let finding = Finding::new("order_lines", message)
            .evidence("rows", sharing)
            .evidence("share", share(sharing))
            .suggest("merge", "day");
        findings.push(finding);
    }
    findings
}

/// Prefixes of words that mean that a customer leaves or takes money back.
const LEAVING: [&str; 14] = [
    "cancel",
    "churn",
    "unsubscri",
    "terminat",
    "expir",
    "refund",
    "chargeback",
    "bounce",
    "uninstall",
    "deactivat",
    "optout",
    "lapse",
    "complain",
    "suspend",
];

/// Words that mean the same only as a whole, because other words have the same prefix.
const LEAVING_WORDS: [&str; 8] = ["close", "closed", "closes", "closing", "closure", "return", "returned", "returns"];

/// Returns true if the name of an event type means that a customer leaves or takes money back.
fn is_leaving_type(name: &str) -> bool {
    // Splits names such as `subscription_cancelled`, `OrderRefunded` and `opt-out` into words, at changes of case and at
    // characters that are not letters.
    let mut words: Vec<String> = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        if !c.is_alphabetic() || (c.is_uppercase() && before.is_lowercase()) {
            words.push(String::new());
        }
        if c.is_alphabetic() {
            words.last_mut().expect("there is a word").extend(c.to_lowercase());
        }
        before = c;
    }
    let pairs: Vec<String> = words.windows(2).map(|pair| pair.concat()).collect();
    let says =
        |word: &String| LEAVING.iter().any(|start| word.starts_with(start)) || LEAVING_WORDS.contains(&word.as_str());
    words.iter().chain(&pairs).any(says)
}

/// The finding about event types of leaving customers that count as coming back.
pub(super) fn of_types(events: &Events, definition: &LabelConfig) -> Option<Finding> {
    let counts = |name: &&str| definition.event_types.as_ref().is_none_or(|types| types.iter().any(|t| t == name));
    let (leaving, staying): (Vec<&str>, Vec<&str>) =
        events.event_types().filter(counts).partition(|name| is_leaving_type(name));
    if leaving.is_empty() {
        return None;
    }
    let numbers: Vec<usize> = leaving.iter().filter_map(|name| events.type_names().search(name)).collect();
    let (history, _) = events.split_at(events.last_day());
    let is_leaving = |number: &u16| *number != NO_TYPE && numbers.contains(&usize::from(*number));
    let rows: usize = history.customers().map(|c| history.of(c).types().filter(is_leaving).count()).sum();
    let quoted = |names: &[&str]| names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    let mut message = format!(
        "{rows} events of the types {} count as coming back, although their names say that a customer leaves or takes money \
         back",
        quoted(&leaving)
    );
    if staying.is_empty() {
        message.push_str(". Name the types that count with event_types.");
    } else {
        message.push_str(&format!(". event_types = [{}] leaves them out.", quoted(&staying)));
    }
    let finding =
        Finding::new("leaving_event_counts_as_return", message).evidence("events", rows).evidence("types", leaving);
    Some(if staying.is_empty() { finding } else { finding.suggest("event_types", staying) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_say_leaving() {
        for name in [
            "cancel",
            "Cancelled",
            "subscription_canceled",
            "OrderRefunded",
            "charge-back",
            "chargeback",
            "opt_out",
            "optOut",
            "account.closed",
            "card_expired",
            "email bounced",
            "customer-churn",
            "returned",
            "UNSUBSCRIBED",
        ] {
            assert!(is_leaving_type(name), "{name}");
        }
        for name in ["purchase", "login", "closet", "payment", "renewal", "scancelable", "order", "", "page_view"] {
            assert!(!is_leaving_type(name), "{name}");
        }
    }

    /// Ten days with a hundred rows each, then a gap of 61 days and a row. Up to max(1000/1000, 3) rows can be isolated.
    #[test]
    fn a_row_is_isolated_by_sixty_days_and_ten_gaps() {
        let days = |far: &[(i32, u64)]| {
            let days: Vec<(i32, u64)> = (0..10).map(|day| (day, 100)).chain(far.iter().copied()).collect();
            DailyCounts { rows: days.iter().map(|day| day.1).sum(), days }
        };
        assert_eq!(days(&[(70, 1)]).body(), (0, 9));
        assert_eq!(days(&[(69, 1)]).body(), (0, 10), "60 days are not more than 60");
        assert_eq!(days(&[(70, 4)]).body(), (0, 10), "four rows are more than a handful");
        assert_eq!(days(&[(70, 1), (500, 2)]).body(), (0, 9), "two far days");
        let days =
            DailyCounts { rows: 1001, days: std::iter::once((-100, 1)).chain((0..10).map(|day| (day, 100))).collect() };
        assert_eq!(days.body(), (1, 10));
        // The log itself has gaps of 7 days, so a gap of 70 days is needed.
        let pausing =
            |gap: i32| DailyCounts { rows: 1001, days: (0..10).map(|i| (7 * i, 100)).chain([(63 + gap, 1)]).collect() };
        assert_eq!(pausing(69).body(), (0, 10));
        assert_eq!(pausing(70).body(), (0, 9));
    }
}
