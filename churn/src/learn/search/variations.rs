//! The variations of a recipe that the search tries. Only settings that were left at their defaults are varied.

use crate::model::{LearnConfig, ModelKind};
use crate::random::Random;

/// The number of variations of boosting: random points of a grid, which find good values of the few settings that matter sooner than
/// one setting after the other does (Bergstra and Bengio, "Random search for hyper-parameter optimization", 2012).
const BOOSTING: usize = 24;
/// Largest number of variations of the three learners together.
pub(super) const MOST_VARIATIONS: usize = BOOSTING + 3 + 3;

/// The variations of a recipe, each another one.
pub(super) fn variations(recipe: &LearnConfig, columns: usize) -> Vec<LearnConfig> {
    let default = LearnConfig { model: recipe.model, ..LearnConfig::default() };
    let vary = |free: bool, change: &dyn Fn(&mut LearnConfig)| {
        let mut varied = recipe.clone();
        change(&mut varied);
        free.then_some(varied)
    };
    let list = match recipe.model {
        // Few rows for the number of columns, or correlated columns, need more shrinkage.
        ModelKind::LogisticRegression => {
            let penalty = |l2: f64| vary(recipe.l2 == default.l2, &|c| c.l2 = l2);
            vec![penalty(0.1), penalty(10.0), penalty(100.0)]
        }
        // Noisy labels need larger leaves; a few strong columns among many weak ones need more features per split. More trees
        // reduce the variance of both.
        ModelKind::RandomForest => vec![
            vary(recipe.min_child_weight.is_none(), &|c| c.min_child_weight = Some(20.0)),
            vary(recipe.features_per_split.is_none(), &|c| c.features_per_split = Some(columns.div_ceil(2))),
            vary(recipe.trees == default.trees, &|c| c.trees = 300),
        ],
        ModelKind::GradientBoosting => return of_boosting(recipe),
        ModelKind::Auto => vec![],
    };
    list.into_iter().flatten().collect()
}

fn of_boosting(recipe: &LearnConfig) -> Vec<LearnConfig> {
    const STREAM: u64 = 0xb005;
    const DEPTHS: [usize; 7] = [2, 3, 4, 5, 6, 8, 10];
    const LEAF_WEIGHTS: [f64; 4] = [0.3, 1.0, 5.0, 20.0];
    const PENALTIES: [f64; 4] = [0.1, 1.0, 3.0, 10.0];
    const ROWS: [f64; 3] = [0.6, 0.8, 1.0];
    const COLUMNS: [f64; 4] = [0.3, 0.5, 0.7, 1.0];
    let default = LearnConfig { model: recipe.model, ..LearnConfig::default() };
    let mut random = Random::new(recipe.seed, STREAM);
    let mut found: Vec<LearnConfig> = Vec::new();
    // If nearly everything is given, there are fewer than that.
    for _ in 0..3 * BOOSTING {
        let mut draw = || {
            let mut varied = recipe.clone();
            // All are drawn, so that a setting that is given changes no other.
            let (depth, weight, penalty, rows, columns) = (
                DEPTHS[random.below(DEPTHS.len())],
                LEAF_WEIGHTS[random.below(LEAF_WEIGHTS.len())],
                PENALTIES[random.below(PENALTIES.len())],
                ROWS[random.below(ROWS.len())],
                COLUMNS[random.below(COLUMNS.len())],
            );
            varied.max_depth = recipe.max_depth.or(Some(depth));
            varied.min_child_weight = recipe.min_child_weight.or(Some(weight));
            varied.leaf_l2 = recipe.leaf_l2.or(Some(penalty));
            if recipe.row_sample == default.row_sample {
                varied.row_sample = rows;
            }
            if recipe.column_sample == default.column_sample {
                varied.column_sample = columns;
            }
            varied
        };
        let varied = draw();
        if varied != *recipe && !found.contains(&varied) && found.len() < BOOSTING {
            found.push(varied);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_kept() {
        let free = LearnConfig { model: ModelKind::GradientBoosting, ..LearnConfig::default() };
        let all = variations(&free, 10);
        assert_eq!(all.len(), BOOSTING);
        assert!(all.iter().all(|varied| varied.check().is_ok()));
        let depths = |varied: &[LearnConfig]| varied.iter().map(|varied| varied.max_depth).collect::<Vec<_>>();
        assert!(depths(&all).iter().any(|depth| *depth != depths(&all)[0]));
        let given = LearnConfig { max_depth: Some(4), row_sample: 0.9, ..free };
        let some = variations(&given, 10);
        assert!(some.iter().all(|varied| varied.max_depth == Some(4) && varied.row_sample == 0.9));
        let everything = LearnConfig { min_child_weight: Some(2.0), leaf_l2: Some(0.0), column_sample: 0.4, ..given };
        assert_eq!(variations(&everything, 10), []);
    }
}
