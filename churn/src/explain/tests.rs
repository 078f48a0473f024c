use ndarray::array;

use super::shap::{interventional, path_dependent};
use crate::model::tree::{LevelSet, Node, Rule, Split, Tree};

fn leaf(value: f64, cover: f64) -> Node {
    Node { split: None, value, cover }
}

fn split(feature: u32, rule: Rule, missing_left: bool, left: u32, right: u32, cover: f64) -> Node {
    Node { split: Some(Split { feature, rule, missing_left, left, right }), value: 0.0, cover }
}

/// x₀ ≤ 0.5: 10 (60 rows); else the category x₁ in {1}: 20 (10 rows), else 40 (30 rows).
fn tree() -> Tree {
    let mut set = LevelSet::default();
    set.insert(1);
    Tree {
        nodes: vec![
            split(0, Rule::AtMost(0.5), true, 1, 2, 100.0),
            leaf(10.0, 60.0),
            split(1, Rule::Levels(set), false, 3, 4, 40.0),
            leaf(20.0, 10.0),
            leaf(40.0, 30.0),
        ],
    }
}

/// With nothing known: 0.6 · 10 + 0.1 · 20 + 0.3 · 40 = 20. The row (1, 1) goes to 20. Knowing x₀ alone gives ¼ · 20 + ¾ · 40 = 35;
/// knowing x₁ alone 0.6 · 10 + 0.4 · 20 = 14. So x₀: ½ · ((35 − 20) + (20 − 14)) = 10.5, x₁: ½ · ((14 − 20) + (20 − 35)) = −10.5.
/// The row (missing, 0) goes left to 10: x₀ alone 10, x₁ alone 0.6 · 10 + 0.4 · 40 = 22; x₀: ½ · ((10 − 20) + (10 − 22)) = −11,
/// x₁: ½ · ((22 − 20) + 0) = 1.
#[test]
fn path_dependent_by_hand() {
    let x = array![[1.0, 1.0, 7.0], [f64::NAN, 0.0, 7.0]];
    let shapley = path_dependent(&[tree()], &x);
    assert!((shapley.base - 20.0).abs() < 1e-12);
    for (found, expected) in shapley.contributions.iter().zip([10.5, -10.5, 0.0, -11.0, 1.0, 0.0]) {
        assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
    }
}

/// A feature asked for twice on the way: x₀ ≤ 2 (80 rows of 100), below it x₀ ≤ 1 (60 of 80) gives 1, else 2; above 2: 3. One
/// feature has the whole difference from 0.6 · 1 + 0.2 · 2 + 0.2 · 3 = 1.6.
#[test]
fn one_feature_twice() {
    let nodes = vec![
        split(0, Rule::AtMost(2.0), true, 1, 2, 100.0),
        split(0, Rule::AtMost(1.0), true, 3, 4, 80.0),
        leaf(3.0, 20.0),
        leaf(1.0, 60.0),
        leaf(2.0, 20.0),
    ];
    let shapley = path_dependent(&[Tree { nodes }], &array![[0.0], [1.5], [9.0]]);
    assert!((shapley.base - 1.6).abs() < 1e-12);
    for (found, expected) in shapley.contributions.iter().zip([-0.6, 0.4, 1.4]) {
        assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
    }
}

/// Against the one row (0, 0), which gives 10, the row (1, 1) gives 20. x₀ = 1 alone leads to (1, 0): 40; x₁ = 1 alone to (0, 1): 10.
/// x₀: ½ · ((40 − 10) + (20 − 10)) = 20, x₁: ½ · ((10 − 10) + (20 − 40)) = −10. Against (1, 0), which gives 40, x₁ has all of −20.
/// The mean of both: 10, −15, base 25.
#[test]
fn interventional_by_hand() {
    let shapley = interventional(&[tree()], &array![[0.0, 0.0], [1.0, 0.0]], &array![[1.0, 1.0]]);
    assert!((shapley.base - 25.0).abs() < 1e-12);
    for (found, expected) in shapley.contributions.iter().zip([10.0, -15.0]) {
        assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
    }
}
