use ndarray::{Array2, array};

use super::interventional;
use super::path_dependent::PathDependent;
use crate::model::tree::{LevelSet, Node, Rule, Split, Tree};

/// Contributions and base.
struct Shapley {
    contributions: Vec<f64>,
    base: f64,
}

fn path_dependent(trees: &[Tree], x: &Array2<f64>) -> Shapley {
    let prepared = PathDependent::new(trees);
    let mut contributions = vec![0.0; x.len()];
    prepared.add(trees, x.as_slice().unwrap(), x.ncols(), &mut contributions);
    Shapley { contributions, base: prepared.base }
}

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
    let (trees, background) = ([tree()], array![[0.0, 0.0], [1.0, 0.0]]);
    let mut contributions = vec![0.0; 2];
    interventional::add(&trees, &background, &[1.0, 1.0], 2, &mut contributions);
    let shapley = Shapley { contributions, base: interventional::base(&trees, &background) };
    assert!((shapley.base - 25.0).abs() < 1e-12);
    for (found, expected) in shapley.contributions.iter().zip([10.0, -15.0]) {
        assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
    }
}

/// Chains of 31 splits, with each of eight features three times or more. In the list of nodes, each split is followed by a
/// leaf and then by the next split.
#[test]
fn tables_that_are_not_kept_give_the_same_bits() {
    let chain = |seed: u32| {
        let mut nodes = Vec::new();
        for i in 0..31u32 {
            let feature = (i * 3 + seed) % 8;
            let threshold = f64::from((i * 7 + seed * 5) % 11) - 5.0;
            let (left, right) =
                if (i + seed).is_multiple_of(2) { (2 * i + 1, 2 * i + 2) } else { (2 * i + 2, 2 * i + 1) };
            nodes.push(split(feature, Rule::AtMost(threshold), i % 3 == 0, left, right, 0.0));
            nodes.push(leaf(f64::from((i * 13 + seed) % 17) - 8.0, f64::from(1 + i % 4)));
        }
        nodes.push(leaf(1.5, 2.0));
        let mut tree = Tree { nodes };
        for i in (0..=60).rev().step_by(2) {
            tree.nodes[i].cover = tree.nodes[i + 1].cover + tree.nodes[i + 2].cover;
        }
        tree
    };
    let trees: Vec<Tree> = (0..24).map(chain).collect();
    let value =
        |i: usize, j: usize| if (i + j).is_multiple_of(7) { f64::NAN } else { ((i * 5 + j * 3) % 13) as f64 - 6.0 };
    let x = Array2::from_shape_fn((300, 8), |(i, j)| value(i, j));
    let kept = path_dependent(&trees, &x);
    let anew = PathDependent::keeping(&trees, 0);
    let mut contributions = vec![0.0; x.len()];
    anew.add(&trees, x.as_slice().unwrap(), 8, &mut contributions);
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<u64>>();
    assert_eq!(bits(&contributions), bits(&kept.contributions));
    for (row, contributions) in x.rows().into_iter().zip(contributions.chunks(8)) {
        let margin: f64 = trees.iter().map(|tree| tree.value(row)).sum();
        assert!((anew.base + contributions.iter().sum::<f64>() - margin).abs() < 1e-9);
    }
}
