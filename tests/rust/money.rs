//! Properties of every campaign and every two models: the order of rows changes no bit, no threshold earns more than the
//! maximum, no budget is exceeded, the control group is what was promised.

use churn::profit::{Costs, CustomerCosts};
use churn::{EvaluationConfig, compare, evaluate, profit};
use churn_tests::{Xorshift, near};
use proptest::prelude::*;

/// Text of a result with every number in full: equal texts are equal bits.
fn text<T: serde::Serialize>(found: churn::Result<T>) -> Result<String, &'static str> {
    found.map(|found| serde_json::to_string(&found).expect("finite numbers")).map_err(|error| error.code())
}

/// A customer of the money tests: churned, two probabilities in 39ths, a value.
type Judged = (bool, u32, u32, u32);

fn judged() -> impl Strategy<Value = Vec<Judged>> {
    prop::collection::vec(judged_once(), 1..120)
}

fn judged_once() -> impl Strategy<Value = Judged> {
    (any::<bool>(), 0u32..40, 0u32..40, 0u32..300)
}

/// The costs of a customer: of a true positive, false positive, true negative, false negative. Contacting a churner never
/// adds more to the cost than contacting another customer.
fn matrix() -> impl Strategy<Value = [f64; 4]> {
    (-200.0f64..200.0, -200.0f64..200.0, -200.0f64..200.0, 0.0f64..200.0)
        .prop_map(|(tp, fp, tn, gain)| [tp, fp, tn, gain + tp - (fp - tn)])
}

/// Outcomes, the two models' probabilities, and values.
fn columns(rows: &[Judged]) -> (Vec<bool>, Vec<f64>, Vec<f64>, Vec<f64>) {
    let column = |of: fn(&Judged) -> u32, scale: f64| rows.iter().map(|row| f64::from(of(row)) / scale).collect();
    (
        rows.iter().map(|row| row.0).collect(),
        column(|row| row.1, 39.0),
        column(|row| row.2, 39.0),
        column(|row| row.3, 0.7),
    )
}

fn campaign() -> impl Strategy<Value = profit::Campaign> {
    (0.0f64..300.0, 0.0f64..30.0, 0.0f64..5.0, 0.0f64..=1.0).prop_map(
        |(clv, incentive_cost, contact_cost, success_rate)| profit::Campaign {
            clv,
            incentive_cost,
            contact_cost,
            success_rate,
        },
    )
}

/// Names in an order of their own: c7 ranks behind c10.
fn names(rows: usize) -> Vec<String> {
    (0..rows).map(|row| format!("c{row}")).collect()
}

fn list(
    names: &[String],
    p: &[f64],
    values: &[f64],
    config: &profit::ContactConfig,
) -> churn::Result<profit::ContactList> {
    profit::contact_list(names.iter().map(String::as_str), p, Some(values), config)
}

fn controls(list: &profit::ContactList) -> Vec<&str> {
    let held_out = list.entries.iter().filter(|entry| entry.group == profit::ContactGroup::Control);
    held_out.map(|entry| entry.customer_id.as_str()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn money_does_not_depend_on_the_order_of_rows(
        rows in judged(), campaign in campaign(), alpha in 0.5f64..=1000.0, beta in 0.5f64..=1000.0,
        budget in proptest::option::of(1.0f64..500.0), control_share in 0.0f64..0.9, by_probability: bool, seed: u64,
    ) {
        let profit::Campaign { clv, incentive_cost, contact_cost, .. } = campaign;
        let rank_by = if by_probability { profit::RankBy::Probability } else { profit::RankBy::ExpectedProfit };
        let say = |rows: &[(Judged, String)]| {
            let (rows, names): (Vec<Judged>, Vec<String>) = rows.iter().cloned().unzip();
            let (y, a, b, values) = columns(&rows);
            let stochastic = profit::EmpcConfig { alpha, beta, clv, incentive_cost, contact_cost };
            let config = profit::ContactConfig { campaign, budget, control_share, seed, rank_by };
            [
                text(profit::empc(&y, &a, &stochastic)),
                text(profit::mpc(&y, &a, &campaign)),
                text(profit::curve(&y, &a, &campaign)),
                text(profit::expected_curve(&a, Some(&values), &campaign)),
                text(list(&names, &a, &values, &config)),
                text(profit::campaign_outcome(&y, &a.iter().map(|p| *p > 0.5).collect::<Vec<_>>(), &Default::default())),
                text(compare(&y, &a, &b, &Default::default())),
            ]
        };
        let mut named: Vec<(Judged, String)> = rows.iter().copied().zip(names(rows.len())).collect();
        let before = say(&named);
        Xorshift::new(seed).shuffle(&mut named);
        prop_assert_eq!(before, say(&named));
    }

    #[test]
    fn no_threshold_earns_more_than_the_maximum_profit(rows in judged(), campaign in campaign()) {
        let (y, p, _, _) = columns(&rows);
        let Ok(best) = profit::mpc(&y, &p, &campaign) else { return Ok(()) };
        let earned = |threshold: f64| {
            let contacted = p.iter().zip(&y).filter(|row| *row.0 >= threshold);
            let kept = campaign.success_rate * (campaign.clv - campaign.incentive_cost);
            let paid = |churned: bool| if churned { kept } else { -campaign.incentive_cost };
            contacted.map(|(_, &churned)| paid(churned) - campaign.contact_cost).sum::<f64>() / y.len() as f64
        };
        prop_assert!(best.mpc >= 0.0);
        for &threshold in &p {
            prop_assert!(best.mpc >= earned(threshold) - 1e-9, "{:?}, {} at {}", best, earned(threshold), threshold);
        }
        prop_assert!(near(best.mpc, best.threshold.map_or(0.0, earned), 1e-9, 1e-9), "{:?}", best);
        let curve = profit::curve(&y, &p, &campaign).expect("both classes");
        prop_assert_eq!((curve.best.share, curve.best.threshold), (best.fraction, best.threshold));
        prop_assert!(curve.points.contains(&curve.best));
        // A success rate that hardly varies is a success rate: the expectation of a maximum is never below it.
        let (alpha, beta) = (campaign.success_rate * 1000.0, (1.0 - campaign.success_rate) * 1000.0);
        let profit::Campaign { clv, incentive_cost, contact_cost, .. } = campaign;
        let stochastic = profit::EmpcConfig { alpha, beta, clv, incentive_cost, contact_cost };
        if let Ok(expected) = profit::empc(&y, &p, &stochastic) {
            prop_assert!(expected.empc >= best.mpc - 1e-9, "{:?}, {:?}", expected, best);
            prop_assert!((0.0..=1.0 + 1e-12).contains(&expected.fraction), "{:?}", expected);
        }
    }

    #[test]
    fn a_list_keeps_to_its_budget_and_its_control_group(
        rows in judged(), campaign in campaign(), budget in 0.1f64..800.0, control_share in 0.0f64..0.9, seed: u64,
    ) {
        let (_, p, _, values) = columns(&rows);
        let ids = names(rows.len());
        let config = profit::ContactConfig { campaign, budget: Some(budget), control_share, seed, ..Default::default() };
        let found = list(&ids, &p, &values, &config).expect("a list");
        let cost = campaign.contact_cost + campaign.incentive_cost;
        let chosen = found.entries.len() as u64;
        prop_assert!(found.reserved_budget <= budget, "{} of {}", found.reserved_budget, budget);
        prop_assert_eq!(found.reserved_budget, found.contacts as f64 * cost);
        prop_assert_eq!(found.controls, (control_share * chosen as f64).round() as u64);
        prop_assert_eq!((found.contacts + found.controls, controls(&found).len() as u64), (chosen, found.controls));
        prop_assert!(found.entries.iter().all(|entry| entry.expected_profit > 0.0));
        prop_assert!(found.entries.windows(2).all(|pair| pair[0].expected_profit >= pair[1].expected_profit));
        // One contact more would cost too much, or everybody worth it is on the list.
        let worth_it = p.iter().zip(&values).filter(|row| campaign.expected_profit(*row.0, *row.1).expect("a profit") > 0.0);
        prop_assert!(chosen == worth_it.count() as u64 || (found.contacts + 1) as f64 * cost > budget);

        // Customers who are not chosen, because contacting them costs, change nothing.
        let (mut more_ids, mut more_p, mut more_values) = (ids.clone(), p.clone(), values.clone());
        if cost > 0.0 {
            more_ids.extend((0..40).map(|i| format!("b{i}")));
            more_p.extend([0.0; 40]);
            more_values.extend([500.0; 40]);
        }
        let with_more = list(&more_ids, &more_p, &more_values, &config).expect("a list");
        prop_assert_eq!(&with_more, &found);
    }

    #[test]
    fn savings_are_those_of_the_cheaper_decisions(
        rows in prop::collection::vec((judged_once(), matrix()), 1..60), one in proptest::option::of(0.0f64..=1.0), seed: u64,
    ) {
        let config = profit::SavingsConfig { threshold: one };
        let found = |rows: &[(Judged, [f64; 4])]| {
            let (judged, matrices): (Vec<Judged>, Vec<[f64; 4]>) = rows.iter().copied().unzip();
            let (y, p, ..) = columns(&judged);
            let columns = [0, 1, 2, 3].map(|i| matrices.iter().map(|costs| costs[i]).collect::<Vec<f64>>());
            let [tp_cost, fp_cost, tn_cost, fn_cost] = columns.each_ref().map(|column| Costs::from(column.as_slice()));
            let costs = CustomerCosts { tp_cost, fp_cost, tn_cost, fn_cost };
            (profit::savings(&y, &p, &costs, &config), profit::cost_thresholds(&costs))
        };
        let (before, thresholds) = found(&rows);
        let (before, thresholds) = (before.expect("costs within range"), thresholds.expect("thresholds"));
        let mut shuffled = rows.clone();
        Xorshift::new(seed).shuffle(&mut shuffled);
        prop_assert_eq!(text(Ok(before)), text(found(&shuffled).0));

        let mut cost = 0.0;
        for (((churned, p, ..), [tp, fp, tn, fn_]), own) in rows.iter().zip(&thresholds) {
            let p = f64::from(*p) / 39.0;
            // What is expected of the decision by the own threshold is never above that of the other decision.
            let (contact, leave) = (p * tp + (1.0 - p) * fp, p * fn_ + (1.0 - p) * tn);
            let (chosen, other) = if p > *own { (contact, leave) } else { (leave, contact) };
            prop_assert!(chosen <= other + 1e-9, "{chosen} {other} {p} {own}");
            cost += match (p > one.unwrap_or(*own), churned) {
                (true, true) => tp,
                (true, false) => fp,
                (false, true) => fn_,
                (false, false) => tn,
            };
        }
        prop_assert!(near(before.cost, cost, 1e-9, 1e-9), "{:?} {}", before, cost);
        let base = before.cost_none.min(before.cost_all);
        prop_assert_eq!(before.savings, (base > 0.0).then(|| 1.0 - before.cost / base));
    }

    /// Whatever the numbers are, the answer is a result or an error with a code.
    #[test]
    fn no_cost_panics(
        y: bool, p in 0.0f64..=1.0, any_p in prop::num::f64::ANY, threshold in proptest::option::of(prop::num::f64::ANY),
        costs in prop::array::uniform4(prop_oneof![prop::num::f64::ANY, -1e12..=1e12, Just(1e12), Just(-1e12), Just(0.0)]),
    ) {
        let [tp_cost, fp_cost, tn_cost, fn_cost] = costs.map(Costs::from);
        let costs = CustomerCosts { tp_cost, fp_cost, tn_cost, fn_cost };
        let _ = profit::cost_thresholds(&costs);
        for p in [p, any_p] {
            for threshold in [None, threshold, Some(0.5)] {
                let _ = profit::savings(&[y], &[p], &costs, &profit::SavingsConfig { threshold });
            }
        }
    }

    /// The costs that a campaign has by its own words lead to the threshold of the campaign.
    #[test]
    fn the_costs_of_a_campaign_have_its_threshold(campaign in campaign()) {
        let profit::Campaign { clv, incentive_cost, contact_cost, success_rate } = campaign;
        let costs = CustomerCosts {
            tp_cost: ((1.0 - success_rate) * clv + success_rate * incentive_cost + contact_cost).into(),
            fp_cost: (incentive_cost + contact_cost).into(),
            tn_cost: 0.0.into(),
            fn_cost: clv.into(),
        };
        let found = profit::cost_thresholds(&costs);
        match campaign.threshold().expect("a campaign") {
            Some(threshold) => prop_assert!(near(found.expect("one")[0], threshold, 1e-9, 1e-12)),
            None => prop_assert!(found.map_or(true, |found| found[0] > 1.0 - 1e-9)),
        }
    }

    #[test]
    fn exchanged_models_differ_by_the_opposite(rows in judged()) {
        let (y, a, b, _) = columns(&rows);
        let config = churn::CompareConfig::default();
        let Ok(found) = compare(&y, &a, &b, &config) else { return Ok(()) };
        let exchanged = compare(&y, &b, &a, &config).expect("the same rows");
        for (found, exchanged) in [(found.log_loss, exchanged.log_loss), (found.roc_auc, exchanged.roc_auc)] {
            prop_assert_eq!((found.a, found.b, found.difference), (exchanged.b, exchanged.a, -exchanged.difference));
            prop_assert_eq!(found.standard_error, exchanged.standard_error);
            prop_assert_eq!((found.low, found.high), (-exchanged.high, -exchanged.low));
        }
        let judged = evaluate(&y, &a, &EvaluationConfig::default()).expect("both classes");
        prop_assert_eq!((found.log_loss.a.to_bits(), found.roc_auc.a.to_bits()), (judged.log_loss.to_bits(), judged.roc_auc.to_bits()));
        let same = compare(&y, &a, &a, &config).expect("the same rows");
        for same in [same.log_loss, same.roc_auc] {
            prop_assert_eq!((same.difference, same.standard_error, same.low, same.high), (0.0, 0.0, 0.0, 0.0));
        }
    }
}

/// NaN is out of every range; JSON cannot hold it, so no vector can.
#[test]
fn settings_of_money_that_are_not_numbers_are_refused() {
    const NAN: f64 = f64::NAN;
    let code = |found: churn::Result<profit::Mpc>| found.map_err(|error| error.code());
    for campaign in [
        profit::Campaign { clv: NAN, ..Default::default() },
        profit::Campaign { incentive_cost: NAN, ..Default::default() },
        profit::Campaign { contact_cost: f64::INFINITY, ..Default::default() },
        profit::Campaign { success_rate: NAN, ..Default::default() },
    ] {
        assert_eq!(code(profit::mpc(&[true, false], &[0.5, 0.1], &campaign)), Err("invalid_parameter"));
        assert_eq!(campaign.threshold().map_err(|error| error.code()), Err("invalid_parameter"));
    }
    for (budget, control_share) in [(Some(NAN), 0.1), (Some(f64::INFINITY), 0.1), (None, NAN)] {
        let config = profit::ContactConfig { budget, control_share, ..Default::default() };
        let found = profit::contact_list(["a"], &[0.5], None, &config).map_err(|error| error.code());
        assert_eq!(found, Err("invalid_parameter"), "{config:?}");
    }
    let config = profit::EmpcConfig { alpha: NAN, ..Default::default() };
    let found = profit::empc(&[true, false], &[0.5, 0.1], &config).map_err(|error| error.code());
    assert_eq!(found, Err("invalid_parameter"));
}

/// Costs out of range, and a customer whom contacting can only drive away, are named with their rows; what rounding alone makes
/// is no error.
#[test]
fn costs_that_make_no_sense_are_named() {
    let refused = |fn_cost: &[f64]| {
        let costs = CustomerCosts { tp_cost: 1.0.into(), fn_cost: fn_cost.into(), ..CustomerCosts::default() };
        let error = profit::cost_thresholds(&costs).expect_err("a cost that makes no sense");
        (error.code(), error.line(), error.to_string())
    };
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let (code, line, message) = refused(&[1.0, bad]);
        assert_eq!((code, line), ("invalid_parameter", Some(2)));
        assert!(message.contains("fn_cost of row 2"), "{message}");
    }
    let (code, line, message) = refused(&[1.0, 1.0, 0.75]);
    assert_eq!((code, line), ("invalid_parameter", Some(3)));
    assert!(message.contains("row 3") && message.contains("tp_cost − fn_cost = 0.25"), "{message}");
    // 0.3 − 0.1 − 0.2 is −2.8e-17 in binary.
    let costs = CustomerCosts { tp_cost: 0.2.into(), fp_cost: 0.3.into(), tn_cost: 0.1.into(), fn_cost: 0.0.into() };
    assert_eq!(profit::cost_thresholds(&costs).expect("a threshold"), [f64::INFINITY]);
}

/// More thresholds than a plot can show: the curve is thinned, and keeps its ends and its best point.
#[test]
fn a_long_profit_curve_is_thinned() {
    let mut random = Xorshift::new(7);
    let p: Vec<f64> = (0..5000).map(|_| random.unit()).collect();
    let y: Vec<bool> = p.iter().map(|p| random.unit() < *p * 0.5).collect();
    let campaign = profit::Campaign::default();
    for curve in [profit::curve(&y, &p, &campaign), profit::expected_curve(&p, None, &campaign)] {
        let curve = curve.expect("a curve");
        let (first, last) = (curve.points[0], curve.points[curve.points.len() - 1]);
        assert!(curve.points.len() <= 202 && curve.points.contains(&curve.best), "{} points", curve.points.len());
        assert_eq!((first.share, first.threshold, first.profit, last.share), (0.0, None, 0.0, 1.0));
        assert!(curve.points.windows(2).all(|pair| pair[0].share < pair[1].share));
        assert!(curve.points.iter().all(|point| point.profit <= curve.best.profit));
    }
}

/// The list as a file: ids are quoted as a CSV file needs it.
#[test]
fn a_contact_list_is_written_in_its_order() {
    let config = profit::ContactConfig { control_share: 0.0, ..Default::default() };
    let list =
        profit::contact_list(["plain", "with \"quotes\", and more"], &[0.5, 1.0], None, &config).expect("a list");
    let mut file = Vec::new();
    list.write_csv(&mut file).expect("memory is writable");
    let expected = "customer_id,churn_probability,value,expected_profit,group\n\
                    \"with \"\"quotes\"\", and more\",1,200,56,contact\nplain,0.5,200,22.5,contact\n";
    assert_eq!(String::from_utf8(file).expect("UTF-8"), expected);
}
