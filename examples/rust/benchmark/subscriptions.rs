//! Subscription periods in memory to the table of features, beside the features of the usage events of the same customers.

use churn::{
    Day, EndsKnown, Events, FeatureConfig, FeatureSet, Period, Subscriptions, Transaction, features,
    subscription_features,
};

use crate::{Result, measured};

/// Periods of each customer, and usage events of each.
const PERIODS: usize = 5;
const USES: usize = 50;
/// Days that the data covers.
const DAYS: usize = 2000;

/// The features of `customers` customers with five periods and fifty usage events each, at the end of the data.
pub(crate) fn subscriptions(customers: usize) -> Result<()> {
    let first = Day::from_ymd(2020, 1, 1).ok_or("a day")?;
    // A number that looks random for each customer and purpose.
    let drawn = |customer: usize, purpose: usize, below: usize| {
        let mixed = (customer as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ (purpose as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ (mixed >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 33) as usize % below
    };
    let id = |customer: usize| format!("c{customer:07}");
    let ids: Vec<String> = (0..customers).map(id).collect();
    let periods = (0..customers).flat_map(|customer| {
        let mut start = drawn(customer, 0, DAYS / 4);
        (0..PERIODS).map(move |i| {
            let end = start + 30 + drawn(customer, i + 1, 500);
            let period = Period {
                customer_id: id(customer),
                start_date: first.plus(start as i32),
                end_date: (end < DAYS).then(|| first.plus(end as i32)),
                subscription_id: None,
                plan: Some(["basic", "pro", "team"][drawn(customer, 20 + i, 3)].to_owned()),
                amount: Some(5.0 + drawn(customer, 30 + i, 50) as f64),
                known_at: None,
                end_reason: None,
                trial: false,
            };
            start = end + drawn(customer, 10 + i, 60);
            period
        })
    });
    let last = first.plus(DAYS as i32 - 1);
    let held = Subscriptions::from_periods(periods, EndsKnown::AtEnd, Some(last))?;
    let uses = (0..customers).flat_map(|customer| {
        let id = ids[customer].as_str();
        (0..USES).map(move |i| {
            let event_date = first.plus(drawn(customer, 100 + i, DAYS) as i32);
            (id, Transaction { event_date, amount: None, event_type: None, order_id: None })
        })
    });
    let events = Events::from_rows(uses)?;
    let config = FeatureConfig { feature_set: FeatureSet::Behavioral, ..FeatureConfig::default() };
    let (table, usage) = measured(1, 1.0, || Ok(features(&events.split_at(last).0, &config)?))?;
    let (own, line) = measured(1, 1.0, || Ok(subscription_features(&held.known_at(last), 30)?))?;
    println!(
        "{{\"periods\": {}, \"events\": {}, \"rows\": [{}, {}], \"usage\": {usage}, \"subscriptions\": {line}}}",
        held.len(),
        events.len(),
        table.rows(),
        own.rows()
    );
    Ok(())
}
