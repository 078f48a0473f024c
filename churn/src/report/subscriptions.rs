//! The sections on subscriptions: the customers by their status, what came and went by month, and how long customers stay.

use super::drawing::{ACCENT, AXIS, BOTTOM, Chart, FINE, INK, LABEL, LEFT, REFERENCE, RIGHT, TOP, centre, round_step};
use super::evidence::{captioned, dash};
use super::words::{Escaped, count, counted, decimal, percent, signed, whole_percent};
use super::{ReportPage, date, table};
use crate::day::Day;
use crate::labels::LabelConfig;
use crate::subscriptions::{
    CustomerBase, Movement, MovementValues, Retention, RetentionBy, Subscriptions, SurvivalPoint, movements, retention,
};

/// Largest number of months, cohorts and plans that are shown.
const MOST_MONTHS: usize = 12;
const MOST_PLANS: usize = 4;

/// The durations of the table of retention, in days, with their names.
const DURATIONS: [(i32, &str); 5] =
    [(30, "1 month"), (91, "3 months"), (182, "6 months"), (365, "1 year"), (730, "2 years")];

/// The numbers of the sections, by what was known on the day of the report.
pub(super) struct ReportBase {
    pub(super) base: CustomerBase,
    months: Vec<Movement>,
    has_amounts: bool,
    all: Option<Retention>,
    cohorts: Vec<Retention>,
    plans: Vec<Retention>,
}

impl ReportBase {
    /// None for a day that the data says nothing about.
    pub(super) fn new(subscriptions: &Subscriptions, as_of: Option<Day>, labels: &LabelConfig) -> Option<Self> {
        let gap = labels.allowed_gap_days;
        let as_of = as_of.unwrap_or(subscriptions.last_day());
        let known = subscriptions.known_by(as_of).ok()?;
        let curves = |by| retention(&known, by, gap).unwrap_or_default();
        let mut plans = curves(RetentionBy::Plan);
        plans.sort_by_key(|plan| std::cmp::Reverse(plan.spells));
        plans.truncate(MOST_PLANS);
        let mut months = movements(&known, gap).ok()?;
        months.drain(..months.len().saturating_sub(MOST_MONTHS));
        let mut cohorts = curves(RetentionBy::Cohort);
        cohorts.drain(..cohorts.len().saturating_sub(MOST_MONTHS));
        Some(ReportBase {
            base: subscriptions.customer_base(as_of).ok()?,
            has_amounts: months.iter().any(|month| month.amounts.start + month.amounts.end > 0.0),
            months,
            all: curves(RetentionBy::All).pop(),
            cohorts,
            plans,
        })
    }
}

impl ReportPage<'_> {
    /// The sections on subscriptions; empty for another report.
    pub(super) fn subscriptions(&self) -> String {
        self.base.as_ref().map_or(String::new(), ReportBase::sections)
    }

    /// The facts about the periods that were read.
    pub(super) fn read_periods(&self) -> Vec<(&'static str, String)> {
        let Some(subscriptions) = self.report.subscriptions else { return Vec::new() };
        let report = subscriptions.report();
        vec![
            ("Rows", count(report.rows)),
            ("Left out", count(report.bad + report.ignored + report.outside)),
            ("Periods", count(subscriptions.len() as u64)),
            ("Customers", count(subscriptions.customers() as u64)),
            ("Days", format!("{} to {}", subscriptions.first_day(), subscriptions.last_day())),
        ]
    }
}

impl ReportBase {
    pub(super) fn sections(&self) -> String {
        [self.status(), self.by_month(), self.retention()].concat()
    }

    /// The customers by status.
    fn status(&self) -> String {
        let CustomerBase { active, already_cancelled, not_active, active_amount, already_cancelled_amount, .. } =
            self.base;
        let row = |name: &str, customers: u64, amount: Option<f64>| {
            let amount = match (self.has_amounts, amount) {
                (false, _) => String::new(),
                (true, None) => format!("<td>{}</td>", dash()),
                (true, Some(amount)) => format!("<td>{}</td>", decimal(amount, 2)),
            };
            format!("<tr><th scope=\"row\">{name}</th><td>{}</td>{amount}</tr>\n", count(customers))
        };
        let amount = if self.has_amounts { "<th scope=\"col\">Amount per month</th>" } else { "" };
        let head = format!("<tr><th scope=\"col\">Status</th><th scope=\"col\">Customers</th>{amount}</tr>\n");
        let rows = [
            row("Active", active, Some(active_amount)),
            row("Already cancelled, still running", already_cancelled, Some(already_cancelled_amount)),
            row("Not active", not_active, None),
        ];
        let title = format!("Customers on {}", self.base.as_of);
        format!(
            "<section class=\"card\">\n<h2>Customers on {}</h2>\n<p class=\"hint\">Only active customers are scored. Those who have already \
             cancelled are known to leave: they are a list of their own, to win back or to let go.</p>\n{}</section>\n",
            date(self.base.as_of),
            table(&title, &head, &rows.concat(), "")
        )
    }

    /// The movements: waterfalls over the shown months, and the months.
    fn by_month(&self) -> String {
        let (Some(first), Some(last)) = (self.months.first(), self.months.last()) else { return String::new() };
        let span = format!("{} to {}", month_name(first), month_name(last));
        let months = counted(self.months.len() as u64, "month");
        let chart = |what: &str, has_sizes: bool, of: fn(&Movement) -> &MovementValues| {
            let all = over(&self.months, of);
            let starts: f64 = self.months.iter().map(|month| of(month).start).sum();
            let rate = match starts > 0.0 {
                true => format!(
                    " In an average month {} of what was there at its start churned.",
                    percent(all.churn / starts)
                ),
                false => String::new(),
            };
            captioned(
                &format!("{what}, {span}"),
                &waterfall(&all, what, has_sizes),
                &format!("What was there before, came and went in these {months}, and is there at the end.{rate}"),
            )
        };
        let amounts = match self.has_amounts {
            true => chart("Amount per month", true, |month| &month.amounts),
            false => String::new(),
        };
        let customers = chart("Customers", false, |month| &month.customers);
        format!(
            "<section>\n<h2>What came and went</h2>\n<div class=\"charts\">\n{amounts}{customers}</div>\n\
             <div class=\"card days\">\n{}</div>\n</section>\n",
            self.month_table()
        )
    }

    fn month_table(&self) -> String {
        let largest = self.months.iter().map(|month| month.amounts.start.max(month.amounts.end)).fold(0.0, f64::max);
        let places = if largest < 1000.0 { 2 } else { 0 };
        let column = |name: &str, is_wide: bool| {
            format!("<th scope=\"col\"{}>{name}</th>", if is_wide { " class=\"wide\"" } else { "" })
        };
        // On narrow screens the columns that are called wide are left out.
        let names: &[(&str, bool)] = match self.has_amounts {
            true => &[
                ("Start", true),
                ("New", false),
                ("Expansion", true),
                ("Reactivation", true),
                ("Contraction", true),
                ("Churn", false),
                ("End", false),
                ("Net retention", true),
                ("Customers lost", false),
            ],
            false => &[
                ("Start", false),
                ("New", false),
                ("Reactivation", true),
                ("Churn", false),
                ("End", false),
                ("Customers lost", false),
            ],
        };
        let head: String = names.iter().map(|&(name, is_wide)| column(name, is_wide)).collect();
        let rate = |rate: Option<f64>| rate.map_or_else(dash, percent);
        let rows: String = self
            .months
            .iter()
            .map(|month| {
                let money = |value: f64| decimal(value, places);
                let (amounts, customers) = (&month.amounts, &month.customers);
                let lost = rate(month.customer_churn_rate);
                let cells: Vec<String> = match self.has_amounts {
                    true => vec![
                        money(amounts.start),
                        money(amounts.new),
                        money(amounts.expansion),
                        money(amounts.reactivation),
                        money(amounts.contraction),
                        money(amounts.churn),
                        money(amounts.end),
                        rate(month.net_retention),
                        lost,
                    ],
                    false => {
                        let parts =
                            [customers.start, customers.new, customers.reactivation, customers.churn, customers.end];
                        parts.into_iter().map(|customers| count(customers as u64)).chain([lost]).collect()
                    }
                };
                let cells: String = cells
                    .iter()
                    .zip(names)
                    .map(|(cell, (_, is_wide))| {
                        format!("<td{}>{cell}</td>", if *is_wide { " class=\"wide\"" } else { "" })
                    })
                    .collect();
                let mark = if month.provisional { "*" } else { "" };
                format!("<tr><th scope=\"row\" class=\"nowrap\">{}{mark}</th>{cells}</tr>\n", month_name(month))
            })
            .collect();
        let note = match self.months.iter().any(|month| month.provisional) {
            true => "<p class=\"hint\">* Who is missing in this month may still come back in time.</p>\n",
            false => "",
        };
        let title = if self.has_amounts { "Amounts per month, by month" } else { "Customers by month" };
        format!(
            "<h3>{title}</h3>\n{}{note}",
            table(title, &format!("<tr><th scope=\"col\">Month</th>{head}</tr>\n"), &rows, "")
        )
    }

    /// The retention by plan and by the month of the begin.
    fn retention(&self) -> String {
        let Some(all) = &self.all else { return String::new() };
        let shown: Vec<(i32, &str)> =
            DURATIONS.into_iter().filter(|&(days, _)| all.at(f64::from(days)).is_some()).collect();
        if shown.is_empty() {
            return String::new();
        }
        let whole = captioned(
            "How long customers stay",
            &survival(std::slice::from_ref(all)),
            &format!(
                "The share of {} that last longer than so many days, with its 95 % interval (Kaplan–Meier). A spell is a \
                 customer's time without a break.",
                counted(all.spells, "spell")
            ),
        );
        let by_plan = match self.plans.len() {
            0 | 1 => String::new(),
            _ => captioned(
                "How long customers stay, by plan",
                &survival(&self.plans),
                "By the plan with which a spell began; the plans with the most spells.",
            ),
        };
        let charts = format!("<div class=\"charts\">\n{whole}{by_plan}</div>\n");
        let rows = |groups: &mut dyn Iterator<Item = &Retention>| -> String {
            groups.map(|group| retention_row(group, &shown)).collect()
        };
        let durations: String = shown.iter().map(|(_, name)| format!("<th scope=\"col\">{name}</th>")).collect();
        let head = |group: &str| {
            format!("<tr><th scope=\"col\">{group}</th><th scope=\"col\" class=\"wide\">Spells</th>{durations}</tr>\n")
        };
        let by_cohort = table(
            "Share of customers who stay longer, by the month in which they came",
            &head("Came in"),
            &rows(&mut self.cohorts.iter().chain([all])),
            "",
        );
        let by_plan = match self.plans.is_empty() {
            true => String::new(),
            false => {
                let title = "Share of customers who stay longer, by plan";
                format!("<h3>By plan</h3>\n{}", table(title, &head("Plan"), &rows(&mut self.plans.iter()), ""))
            }
        };
        format!(
            "<section>\n<h2>Who stays how long</h2>\n<p class=\"quiet\">The share of spells that last longer than the time above the \
             column, with its 95 % interval. A dash: not seen for so long yet.</p>\n{charts}<div class=\"card days\">\n{by_cohort}{by_plan}</div>\n</section>\n"
        )
    }
}

fn retention_row(group: &Retention, shown: &[(i32, &str)]) -> String {
    let cells: String = shown
        .iter()
        .map(|&(days, _)| {
            let (share, interval) = match group.at(f64::from(days)) {
                None => return format!("<td>{}</td>", dash()),
                Some(None) => (1.0, String::new()),
                Some(Some(SurvivalPoint { survival, low: Some(low), high: Some(high), .. })) => {
                    let interval = format!("{} to {}", whole_percent(*low), whole_percent(*high));
                    (*survival, format!("<small class=\"interval nowrap\">{interval}</small>"))
                }
                Some(Some(point)) => (point.survival, String::new()),
            };
            format!("<td class=\"heat\" style=\"--share:{}\">{}{interval}</td>", decimal(share, 3), percent(share))
        })
        .collect();
    let name = group.group.as_deref().unwrap_or("All");
    format!(
        "<tr><th scope=\"row\" class=\"id\"><bdi>{}</bdi></th><td class=\"wide\">{}</td>{cells}</tr>\n",
        Escaped(name),
        count(group.spells)
    )
}

/// The month as `2024-03`.
fn month_name(month: &Movement) -> String {
    month.month.to_string()[..7].to_owned()
}

/// The movements of several months as those of one.
fn over(months: &[Movement], of: fn(&Movement) -> &MovementValues) -> MovementValues {
    let sum = |part: fn(&MovementValues) -> f64| months.iter().map(|month| part(of(month))).sum();
    MovementValues {
        start: months.first().map_or(0.0, |month| of(month).start),
        new: sum(|values| values.new),
        expansion: sum(|values| values.expansion),
        reactivation: sum(|values| values.reactivation),
        contraction: sum(|values| values.contraction),
        churn: sum(|values| values.churn),
        end: months.last().map_or(0.0, |month| of(month).end),
    }
}

/// The bars from the start to the end, each beginning where the one before it ends. Only amounts grow and shrink.
fn waterfall(values: &MovementValues, title: &str, has_amounts: bool) -> String {
    let MovementValues { start, new, expansion, reactivation, contraction, churn, end } = *values;
    // The names have two lines at most.
    let changes = [
        ("new", new, true),
        ("expan-\nsion", expansion, has_amounts),
        ("reacti-\nvation", reactivation, true),
        ("contrac-\ntion", -contraction, has_amounts),
        ("churn", -churn, true),
    ];
    let changes: Vec<(&str, f64)> =
        changes.into_iter().filter(|change| change.2).map(|(name, value, _)| (name, value)).collect();
    let tops = changes.iter().scan(start, |level, (_, value)| {
        let before = *level;
        *level += value;
        Some(before.max(*level))
    });
    let most = tops.fold(start.max(end).max(1e-9), f64::max);
    let step = round_step(most / 5.0);
    let high = step * (1.04 * most / step).ceil();
    let y = |value: f64| BOTTOM - (value / high).clamp(0.0, 1.0) * (BOTTOM - TOP);
    let is_whole = [start, end].iter().chain(changes.iter().map(|change| &change.1)).all(|value| value.fract() == 0.0);
    let places = if most < 100.0 && !is_whole { 1 } else { 0 };
    let short = |value: f64| if value.abs() < 9_999.5 { decimal(value, places) } else { short_form(value) };
    let mut chart = Chart::default();
    for i in 0..=(high / step).round() as usize {
        chart.tick(y(step * i as f64), &tick(step * i as f64));
    }
    let parts = changes.len() + 2;
    let width = 0.7 * (RIGHT - LEFT) / parts as f64;
    let whole = format!("fill=\"{ACCENT}\"");
    let more = format!("fill=\"{ACCENT}\" fill-opacity=\"0.25\" stroke=\"{ACCENT}\" stroke-width=\"{}\"", 1.5 * FINE);
    let less = format!("fill=\"{REFERENCE}\"");
    let mut bar = |i: usize, from: f64, to: f64, style: &str, name: &str, label: &str| {
        let (top, bottom) = (y(from.max(to)), y(from.min(to)));
        chart.rect([centre(i, parts) - width / 2.0, top, width, (bottom - top).max(1.0)], style);
        chart.text([centre(i, parts), top - 6.0], "middle", INK, label);
        for (line, part) in name.split('\n').enumerate() {
            chart.text([centre(i, parts), BOTTOM + 16.0 + 13.0 * line as f64], "middle", LABEL, part);
        }
    };
    bar(0, 0.0, start, &whole, "before", &short(start));
    let mut level = start;
    let mut levels = vec![start];
    for (i, (name, value)) in changes.iter().enumerate() {
        let style = if *value < 0.0 { &less } else { &more };
        let sign = if *value < 0.0 { "−" } else { "+" };
        let label = if *value == 0.0 { short(0.0) } else { format!("{sign}{}", short(value.abs())) };
        bar(i + 1, level, level + value, style, name, &label);
        level += value;
        levels.push(level);
    }
    bar(parts - 1, 0.0, end, &whole, "end", &short(end));
    for (i, &level) in levels.iter().enumerate() {
        let (from, to) = (centre(i, parts) + width / 2.0, centre(i + 1, parts) - width / 2.0);
        chart.line(&[(from, y(level)), (to, y(level))], AXIS, 1.0);
    }
    chart.frame("", title);
    let listed: Vec<String> =
        changes.iter().map(|(name, value)| format!("{} {}", name.replace("-\n", ""), signed(*value, places))).collect();
    chart.finish(&format!(
        "{title}: {} before, {}, {} at the end.",
        decimal(start, places),
        listed.join(", "),
        decimal(end, places)
    ))
}

/// A value of an axis, whose steps are round numbers.
fn tick(value: f64) -> String {
    match value {
        value if value < 9_999.5 => decimal(value, if value.fract() == 0.0 { 0 } else { 1 }),
        value if value < 999_500.0 => decimal(value / 1e3, 0) + "k",
        value => short_form(value),
    }
}

/// A large number in up to five characters: 12,345 → `12.3k`, 1,234,567 → `1.2M`.
fn short_form(value: f64) -> String {
    match value {
        value if value < 99_950.0 => decimal(value / 1e3, 1) + "k",
        value if value < 999_500.0 => decimal(value / 1e3, 0) + "k",
        value if value < 99_950_000.0 => decimal(value / 1e6, 1) + "M",
        value if value < 999_500_000.0 => decimal(value / 1e6, 0) + "M",
        value => decimal(value / 1e9, 1) + "G",
    }
}

/// The steps of survival curves; of a single curve with its interval.
fn survival(groups: &[Retention]) -> String {
    const STROKES: [(&str, f64); MOST_PLANS] = [(ACCENT, 2.5), (REFERENCE, 2.0), (INK, 1.5), (LABEL, 3.5)];
    let last = groups.iter().filter_map(|group| group.curve.last()).map(|point| point.time).fold(1.0, f64::max);
    let step = day_step(last / 5.0);
    let high = step * (last / step).ceil();
    let right = if groups.len() == 1 { RIGHT } else { RIGHT - 86.0 };
    let x = |days: f64| LEFT + days / high * (right - LEFT);
    let y = |share: f64| BOTTOM - share.clamp(0.0, 1.0) * (BOTTOM - TOP);
    let mut chart = Chart::default();
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        chart.tick(y(share), &whole_percent(share));
    }
    for i in 0..=(high / step).round() as usize {
        chart.text([x(step * i as f64), BOTTOM + 18.0], "middle", LABEL, &count((step * i as f64) as u64));
    }
    if let [group] = groups {
        let bounds = |of: fn(&SurvivalPoint) -> Option<f64>| {
            steps(group, move |point| of(point).unwrap_or(point.survival)).map(|(days, share)| (x(days), y(share)))
        };
        let mut band: Vec<(f64, f64)> = bounds(|point| point.high).collect();
        let lower: Vec<(f64, f64)> = bounds(|point| point.low).collect();
        band.extend(lower.into_iter().rev());
        chart.area(&band, &format!("fill=\"{ACCENT}\" fill-opacity=\"0.12\""));
    }
    let mut ends: Vec<((f64, f64), &str)> = Vec::new();
    for (group, (colour, width)) in groups.iter().zip(STROKES) {
        let line: Vec<(f64, f64)> =
            steps(group, |point| point.survival).map(|(days, share)| (x(days), y(share))).collect();
        chart.line(&line, colour, width);
        ends.extend(line.last().copied().zip(group.group.as_deref()));
    }
    // The names stand beside the ends of their lines, one below the other.
    ends.sort_by(|a, b| a.0.1.total_cmp(&b.0.1));
    let mut places: Vec<f64> = Vec::new();
    for &((_, height), _) in &ends {
        places.push(places.last().map_or(height, |&above: &f64| height.max(above + 15.0)));
    }
    // And none below the axis.
    let mut floor = BOTTOM - 4.0;
    for place in places.iter_mut().rev() {
        *place = place.min(floor);
        floor = *place - 15.0;
    }
    for (((end, _), name), place) in ends.into_iter().zip(places) {
        let name: String =
            if name.chars().count() > 13 { name.chars().take(12).chain(['…']).collect() } else { name.to_owned() };
        chart.text([end + 6.0, place + 4.0], "start", INK, &name);
    }
    chart.frame("Days since they came", "Share that is still there");
    let words: Vec<String> = groups
        .iter()
        .map(|group| {
            let name = group.group.as_deref().map_or(String::new(), |name| format!("{name}: "));
            match group.curve.last() {
                Some(point) => format!("{name}{} after {} days", percent(point.survival), point.time),
                None => format!("{name}nobody has left"),
            }
        })
        .collect();
    chart.finish(&format!("Share of customers who are still there: {}.", words.join("; ")))
}

/// The corners of a curve: it stays at its height until the next step, and ends with the last one.
fn steps(group: &Retention, of: impl Fn(&SurvivalPoint) -> f64) -> impl Iterator<Item = (f64, f64)> {
    let mut height = 1.0;
    std::iter::once((0.0, 1.0)).chain(group.curve.iter().flat_map(move |point| {
        let before = std::mem::replace(&mut height, of(point));
        [(point.time, before), (point.time, height)]
    }))
}

/// The smallest number of days for a step of the axis that is not below this.
fn day_step(least: f64) -> f64 {
    let months = [1.0, 5.0, 10.0, 30.0, 60.0, 90.0, 180.0, 365.0, 730.0, 1825.0];
    months.into_iter().find(|&step| step >= least).unwrap_or_else(|| round_step(least))
}
