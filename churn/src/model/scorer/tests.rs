//! Tests that every way of scoring has the same bits as the plain walk, [`Learner::margin`].

use ndarray::Array2;

use super::{FEW, Scorer};
use crate::model::calibration::Calibration;
use crate::model::learner::{FittedMember, Learner};
use crate::model::level_log_odds::{CategoryLogOdds, LevelLogOdds};
use crate::model::logistic::{Logistic, Term, TermKind};
use crate::model::tree::{LevelSet, Node, Rule, Split, Tree};
use crate::random::Random;

/// Features of the random models; the last two are categories of 9 and of 255 levels.
const WIDTH: usize = 6;
const LEVELS: [usize; 2] = [9, 255];

fn unit(random: &mut Random) -> f64 {
    (random.next() >> 11) as f64 / (1u64 << 53) as f64
}

fn signed(random: &mut Random) -> f64 {
    2.0 * unit(random) - 1.0
}

/// A random threshold: coarse ones, which rows hit exactly, fine ones, zeros of both signs, and the largest numbers.
fn threshold(random: &mut Random) -> f64 {
    match random.below(12) {
        0 => 0.0,
        1 => -0.0,
        2 => 1e100,
        3 => -1e100,
        4 => f64::MIN_POSITIVE * signed(random),
        5..=8 => (signed(random) * 20.0).round() / 4.0,
        _ => signed(random) * 5.0,
    }
}

/// A random value of a row: thresholds and their neighbours, missing values, infinities, the largest and the smallest numbers.
fn value(random: &mut Random, thresholds: &[f64]) -> f64 {
    let near = |random: &mut Random| thresholds.get(random.below(thresholds.len().max(1))).copied().unwrap_or(0.0);
    match random.below(14) {
        0 | 1 => f64::NAN,
        2 => f64::INFINITY,
        3 => f64::NEG_INFINITY,
        4 => 1e300 * signed(random),
        5 => f64::from_bits((random.below(1 << 20) as u64) << 20 | random.below(1 << 20) as u64),
        6 => near(random).next_up(),
        7 => near(random).next_down(),
        8..=10 => near(random),
        11 => -0.0,
        _ => signed(random) * 5.0,
    }
}

/// A random tree of depth up to `depth`; a chain if `thin`. Children come after their parents, not always side by side.
fn tree(random: &mut Random, depth: usize, thin: bool, categories: bool) -> Tree {
    fn grow(nodes: &mut Vec<Node>, random: &mut Random, depth: usize, thin: bool, categories: bool) -> u32 {
        let at = nodes.len();
        nodes.push(Node { split: None, value: signed(random), cover: 1.0 });
        if random.below(40) == 0 {
            nodes[at].value = [0.0, -0.0][random.below(2)];
        }
        if depth == 0 || !thin && random.below(8) == 0 {
            return at as u32;
        }
        let feature = random.below(if categories { WIDTH } else { WIDTH - LEVELS.len() });
        let rule = match feature.checked_sub(WIDTH - LEVELS.len()) {
            None => Rule::AtMost(threshold(random)),
            Some(category) => {
                let mut set = LevelSet::default();
                (0..LEVELS[category]).filter(|_| random.below(2) == 0).for_each(|level| set.insert(level as u8));
                Rule::Levels(set)
            }
        };
        let short = if thin { 0 } else { depth - 1 };
        let (first, second) = if random.below(2) == 0 { (short, depth - 1) } else { (depth - 1, short) };
        let a = grow(nodes, random, first, thin, categories);
        let b = grow(nodes, random, second, thin, categories);
        let (left, right) = if random.below(2) == 0 { (a, b) } else { (b, a) };
        nodes[at].split =
            Some(Split { feature: feature as u32, rule, missing_left: random.below(2) == 0, left, right });
        at as u32
    }
    let mut nodes = Vec::new();
    grow(&mut nodes, random, depth, thin, categories);
    Tree { nodes }
}

fn rows(random: &mut Random, trees: &[Tree], n: usize) -> Array2<f64> {
    let splits = trees.iter().flat_map(|tree| &tree.nodes).filter_map(|node| node.split.as_ref());
    let thresholds: Vec<f64> =
        splits.filter_map(|split| if let Rule::AtMost(t) = split.rule { Some(t) } else { None }).collect();
    Array2::from_shape_fn((n, WIDTH), |(_, feature)| match feature.checked_sub(WIDTH - LEVELS.len()) {
        None => value(random, &thresholds),
        // A value that is not a level goes where the plain walk sends it.
        Some(_) if random.below(20) == 0 => [-3.0, 254.0, 255.0, 256.0, 1e18, f64::INFINITY][random.below(6)],
        Some(_) if random.below(6) == 0 => f64::NAN,
        Some(category) => random.below(LEVELS[category]) as f64,
    })
}

fn bits(values: impl IntoIterator<Item = f64>) -> Vec<u64> {
    values.into_iter().map(f64::to_bits).collect()
}

/// Compares all ways of scoring, for batches of this many rows.
fn check(learner: &Learner, x: &Array2<f64>, what: &str) {
    let scorer = Scorer::new(learner, &LevelLogOdds::default(), &Calibration::Platt { slope: 0.9, offset: -0.1 });
    let expected = bits(x.rows().into_iter().map(|row| learner.margin(row.as_slice().expect("a row of an array"))));
    assert_eq!(bits(scorer.margins(x)), expected, "{what}: a batch of {}", x.nrows());
    let alone = x.rows().into_iter().map(|row| scorer.margin(row.as_slice().expect("a row of an array")));
    assert_eq!(bits(alone), expected, "{what}: one by one");
    if let Learner::GradientBoosting { base, trees } = learner
        && let Some(lanes) = super::Lanes::new(trees)
    {
        // By the instructions that every machine has, too.
        for (x, expected) in x.as_slice().expect("an array of rows").chunks(256 * WIDTH).zip(expected.chunks(256)) {
            let mut sums = vec![*base; expected.len()];
            lanes.add_by(x, WIDTH, &mut sums, false);
            assert_eq!(bits(sums), expected, "{what}: without wide instructions");
        }
    }
    // What lies in memory in another order.
    let turned = x.t().as_standard_layout().into_owned().reversed_axes();
    assert_eq!(bits(scorer.margins(&turned)), expected, "{what}: by columns");
    let calibration = Calibration::Platt { slope: 0.9, offset: -0.1 };
    let expected = bits(
        x.rows()
            .into_iter()
            .map(|row| calibration.probability(learner.score(row.as_slice().expect("a row of an array")))),
    );
    assert_eq!(bits(scorer.probabilities(x)), expected, "{what}: probabilities");
}

#[test]
fn random_trees_have_the_bits_of_the_plain_walk() {
    let mut random = Random::new(17, 0);
    for (depths, thin) in [
        (0..=1, false),
        (2..=3, false),
        (4..=4, false),
        (5..=5, false),
        (5..=6, false),
        (7..=11, false),
        (30..=32, true),
    ] {
        for categories in [false, true] {
            for trees in [1, 3, 8, 21] {
                let trees: Vec<Tree> = (0..trees)
                    .map(|_| {
                        let depth = depths.start() + random.below(depths.end() - depths.start() + 1);
                        tree(&mut random, depth, thin, categories)
                    })
                    .collect();
                let n = [1, 7, FEW, FEW + 1, 255, 256, 257, 1030][random.below(8)];
                let x = rows(&mut random, &trees, n);
                let what = format!("{} trees of depth {depths:?}, categories: {categories}", trees.len());
                check(&Learner::RandomForest { trees: trees.clone() }, &x, &what);
                check(&Learner::GradientBoosting { base: -0.25, trees }, &x, &what);
            }
        }
    }
    check(&Learner::GradientBoosting { base: 0.5, trees: Vec::new() }, &Array2::zeros((300, WIDTH)), "no tree");
}

/// More thresholds of one feature than a byte can tell apart, by which rows are compared in several columns.
#[test]
fn many_thresholds_of_one_feature() {
    let mut random = Random::new(18, 0);
    let leaf = |value| Node { split: None, value, cover: 1.0 };
    let stump = |at: f64, missing_left| Tree {
        nodes: vec![
            Node {
                split: Some(Split { feature: 1, rule: Rule::AtMost(at), missing_left, left: 1, right: 2 }),
                value: 0.0,
                cover: 2.0,
            },
            leaf(at / 3.0),
            leaf(0.1 - at),
        ],
    };
    for count in [254, 255, 256, 509, 510, 511, 1500] {
        let trees: Vec<Tree> = (0..count).map(|i| stump(f64::from(i * 7 % count), random.below(2) == 0)).collect();
        let x = Array2::from_shape_fn((700, WIDTH), |(row, _)| match row % 9 {
            0 => f64::NAN,
            1 => row as f64 * 3.0 + 0.5,
            _ => (row * 11 % (count as usize + 2)) as f64 - 1.0,
        });
        check(&Learner::GradientBoosting { base: 0.0, trees }, &x, &format!("{count} thresholds"));
    }
}

/// Trees whose columns would not fit into the cache are walked.
#[test]
fn more_sets_than_columns() {
    let mut random = Random::new(19, 0);
    let trees: Vec<Tree> = (0..400).map(|_| tree(&mut random, 5, false, true)).collect();
    assert!(super::Lanes::new(&trees).is_none() && super::Lanes::new(&trees[..20]).is_some());
    let x = rows(&mut random, &trees, 300);
    check(&Learner::RandomForest { trees }, &x, "many sets");
}

#[test]
fn logistic_margins_by_the_block() {
    let mut random = Random::new(20, 0);
    for _ in 0..20 {
        let mut terms = Vec::new();
        for feature in 0..WIDTH {
            let kind = match random.below(3) {
                0 => TermKind::Median(signed(&mut random)),
                1 => TermKind::Missing,
                _ => TermKind::Level(random.below(9)),
            };
            let mut draw = || signed(&mut random) * 3.0;
            let (low, high) = if feature % 2 == 0 { (None, None) } else { (Some(-draw().abs()), Some(draw().abs())) };
            let (mean, scale, coefficient) = (draw(), draw().abs() + 1e-9, draw());
            terms.push(Term { feature, kind, low, high, mean, scale, coefficient });
        }
        let learner = Learner::LogisticRegression(Logistic { intercept: signed(&mut random), terms });
        let n = [1, 100, 256, 700][random.below(4)];
        let x = rows(&mut random, &[], n);
        check(&learner, &x, "logistic");
    }
}

/// Members with levels of their own: the first takes the category of 9 levels as log-odds, the second as levels.
#[test]
fn means_by_the_block() {
    let mut random = Random::new(21, 0);
    let numbered = FittedMember {
        weight: 0.75,
        level_log_odds: LevelLogOdds(vec![CategoryLogOdds {
            feature: WIDTH - LEVELS.len(),
            log_odds: (0..LEVELS[0]).map(|level| level as f64 / 4.0 - 1.0).collect(),
        }]),
        learner: Learner::GradientBoosting {
            base: -0.25,
            trees: (0..9).map(|_| tree(&mut random, 4, false, false)).collect(),
        },
    };
    let term = |feature: usize, kind: TermKind| Term {
        feature,
        kind,
        low: None,
        high: None,
        mean: 0.25,
        scale: 3.0,
        coefficient: 0.7,
    };
    let terms = vec![term(0, TermKind::Median(1.0)), term(WIDTH - LEVELS.len(), TermKind::Level(3))];
    let logistic = Learner::LogisticRegression(Logistic { intercept: 0.5, terms });
    let plain = FittedMember { weight: 0.25, level_log_odds: LevelLogOdds::default(), learner: logistic };
    let x = rows(&mut random, &[], 700);
    check(&Learner::Average { members: vec![numbered, plain] }, &x, "a mean");
}
