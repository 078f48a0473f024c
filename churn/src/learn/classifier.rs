//! A learner fitted on a matrix, without evaluation, for callers who evaluate it themselves.

use std::collections::BTreeSet;
use std::sync::Arc;

use ndarray::Array2;
use serde::Serialize;

use super::fit::{Fitted, fit_rows};
use super::rows::LearningRows;
use super::weights::check_weights;
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::features::FeatureSpec;
use crate::model::calibration::Calibration;
use crate::model::document::{FORMAT_VERSION, check_calibration, check_learner, check_specs, invalid, read};
use crate::model::level_log_odds::LevelLogOdds;
use crate::model::{LearnConfig, Learner, ModelKind, Scorer};
use crate::objects::objects;
use crate::progress::Observer;
use crate::table::{MAX_COLUMNS, MAX_NUMBER};

const FORMAT: &str = "churn-classifier";

/// A fitted learner on numeric features with its calibration, for cross-validation, benchmarks and other frameworks.
///
/// It holds out no rows and has no evaluation; [`train_table`](crate::train_table) does that and supports explanations. If
/// calibration is `none` and no setting is left to be chosen (forest: `max_depth` is given; boosting: `rounds`, `max_depth`
/// and `leaf_l2` are given), there is a single fit, and even a few rows are enough. Otherwise calibration and settings are
/// found on five folds.
///
/// ```
/// use churn::{Classifier, LearnConfig};
/// use ndarray::Array2;
///
/// let x = Array2::from_shape_fn((200, 2), |(i, j)| if j == 0 { i as f64 } else { (i % 7) as f64 });
/// let y: Vec<bool> = (0..200).map(|i| i >= 100).collect();
/// let names = ["days".to_owned(), "orders".to_owned()];
/// let fitted = Classifier::fit(&x, &names, &y, None, &LearnConfig::default())?;
/// let p = fitted.probabilities(&x)?;
/// assert!(p[0] < 0.1 && p[199] > 0.9);
/// assert_eq!(Classifier::from_json(&fitted.to_json())?.probabilities(&x)?, p);
/// # Ok::<(), churn::Error>(())
/// ```
#[derive(Clone)]
pub struct Classifier {
    document: Arc<ClassifierDocument>,
    scorer: Arc<Scorer>,
}

impl PartialEq for Classifier {
    fn eq(&self, other: &Self) -> bool {
        self.document == other.document
    }
}

impl std::fmt::Debug for Classifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Classifier").field("document", &self.document).finish()
    }
}

/// The classifier as it is stored in a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct ClassifierDocument {
    format: String,
    format_version: u32,
    library_version: String,
    features: Vec<FeatureSpec>,
    parameters: LearnConfig,
    learner: Learner,
    calibration: Calibration,
}

objects! { ClassifierDocument { format, format_version, library_version, features, parameters, learner, calibration } }

impl Classifier {
    /// Fits a learner. `x` is rows × features, with NaN for a missing value; `names` are the names of the features; `y` is true
    /// for each row that churned. Each row may have a weight above 0 and at most 10^9; without weights it is 1.
    ///
    /// # Errors
    /// `shape_mismatch` unless names, `y` and weights fit `x`; `invalid_column` for a number that is infinite or beyond
    /// ±10^100 and for a weight out of range, with its row; `duplicate_column`; `too_many_values` above 10,000 features;
    /// `no_good_rows` without a row or a feature; `one_class` if `y` has one value only, or too few rows of one where folds
    /// are needed; `invalid_parameter`, also for the model `auto`, which takes a table.
    pub fn fit(
        x: &Array2<f64>,
        names: &[String],
        y: &[bool],
        weights: Option<&[f64]>,
        config: &LearnConfig,
    ) -> Result<Classifier> {
        Classifier::fit_observed(x, names, y, weights, config, &())
    }

    /// [`Classifier::fit`] with an observer of its progress (stages `"cross-fit"`, `"trees"`, `"fit"`).
    ///
    /// # Errors
    /// The errors of [`Classifier::fit`], and `cancelled`.
    pub fn fit_observed(
        x: &Array2<f64>,
        names: &[String],
        y: &[bool],
        weights: Option<&[f64]>,
        config: &LearnConfig,
        observer: &dyn Observer,
    ) -> Result<Classifier> {
        config.check()?;
        if config.needs_search() {
            let expected = ModelKind::LEARNERS.map(ModelKind::name).join(", ");
            let expected = format!("one of {expected}; auto searches in train_matrix");
            return Err(invalid_parameter("model", "auto", &expected));
        }
        check_matrix(x, names, y, weights)?;
        let rows = y.len();
        let features: Vec<FeatureSpec> = names.iter().map(FeatureSpec::numeric).collect();
        let groups: Vec<u32> = (0..rows as u32).collect();
        let ages = vec![0; rows];
        let data = LearningRows { x: x.view(), specs: &features, y, groups: &groups, ages: &ages, weights };
        let Fitted { learner, calibration, config, .. } = fit_rows(&data, config, None, observer)?;
        Ok(Classifier::new(ClassifierDocument {
            format: FORMAT.to_owned(),
            format_version: FORMAT_VERSION,
            library_version: env!("CARGO_PKG_VERSION").to_owned(),
            features,
            parameters: config,
            learner,
            calibration,
        }))
    }

    fn new(document: ClassifierDocument) -> Self {
        let scorer = Scorer::new(&document.learner, &LevelLogOdds::default(), &document.calibration);
        Classifier { document: Arc::new(document), scorer: Arc::new(scorer) }
    }

    /// Predicts the probability of churn of each row of `x`: rows × features in the order of [`Classifier::names`], with NaN
    /// for a missing value.
    ///
    /// # Errors
    /// `shape_mismatch` for another number of features; `invalid_column` for a number that is infinite or beyond ±10^100.
    pub fn probabilities(&self, x: &Array2<f64>) -> Result<Vec<f64>> {
        let features = &self.document.features;
        if x.ncols() != features.len() {
            let message = format!("{} features; the classifier was fitted on {}", x.ncols(), features.len());
            return Err(Error::new(ErrorKind::ShapeMismatch, message));
        }
        check_numbers(x, |feature| &features[feature].name)?;
        Ok(self.scorer.probabilities(x))
    }

    /// The names of the features, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.document.features.iter().map(|spec| spec.name.as_str())
    }

    /// The settings that it was fitted with. Settings that fitting chose are filled in.
    pub fn parameters(&self) -> &LearnConfig {
        &self.document.parameters
    }

    /// Returns the classifier as a versioned JSON text (`"format": "churn-classifier"`).
    pub fn to_json(&self) -> String {
        serde_json::to_string(&*self.document).expect("a document has string keys and finite numbers")
    }

    /// Reads a text written by [`Classifier::to_json`], from any source, trusted or not. Every index, shape and size is
    /// checked.
    ///
    /// # Errors
    /// `invalid_document`, `unsupported_version`.
    pub fn from_json(text: &str) -> Result<Classifier> {
        let document: ClassifierDocument = read(text, FORMAT)?;
        document.parameters.check().map_err(invalid)?;
        check_specs(&document.features)?;
        if let Some(spec) = document.features.iter().find(|spec| spec.levels.is_some()) {
            return Err(invalid(format!("the feature {:?} has levels; a classifier takes numbers", spec.name)));
        }
        let no_levels = LevelLogOdds::default();
        check_learner(&document.learner, &no_levels, &document.features, document.parameters.model)?;
        check_calibration(&document.calibration)?;
        Ok(Classifier::new(document))
    }
}

/// Returns an error for a matrix that nothing can be learned from, or whose names, outcomes or weights do not fit it.
pub(super) fn check_matrix(x: &Array2<f64>, names: &[String], y: &[bool], weights: Option<&[f64]>) -> Result<()> {
    let (rows, width) = x.dim();
    let same = |what: &str, found: usize, of: &str, expected: usize| match found == expected {
        true => Ok(()),
        false => {
            let message = format!("{found} {what} for {expected} {of}");
            Err(Error::new(ErrorKind::ShapeMismatch, message))
        }
    };
    same("names", names.len(), "features", width)?;
    same("outcomes", y.len(), "rows", rows)?;
    same("weights", weights.map_or(rows, <[f64]>::len), "rows", rows)?;
    if rows == 0 || width == 0 {
        return Err(Error::new(ErrorKind::NoGoodRows, format!("{rows} rows of {width} features; expected some")));
    }
    if width > MAX_COLUMNS {
        let message = format!("{width} features; at most {MAX_COLUMNS} are taken");
        return Err(Error::new(ErrorKind::TooManyValues, message));
    }
    if rows > u32::MAX as usize {
        return Err(Error::new(ErrorKind::TooManyValues, format!("{rows} rows; at most 2^32 − 1 are taken")));
    }
    let mut seen = BTreeSet::new();
    if let Some(name) = names.iter().find(|name| !seen.insert(*name)) {
        return Err(Error::new(ErrorKind::DuplicateColumn, format!("two features are named {name:?}")));
    }
    check_numbers(x, |feature| &names[feature])?;
    check_weights(weights.unwrap_or(&[]), "the weight")?;
    check_two_classes(y)
}

/// Returns an error if all rows have one outcome.
pub(super) fn check_two_classes(y: &[bool]) -> Result<()> {
    let (churned, rows) = (y.iter().filter(|&&y| y).count(), y.len());
    if churned == 0 || churned == rows {
        let message = format!("{churned} of {rows} rows churned; expected some that did and some that did not");
        return Err(Error::new(ErrorKind::OneClass, message));
    }
    Ok(())
}

fn check_numbers<'a>(x: &Array2<f64>, name: impl Fn(usize) -> &'a String) -> Result<()> {
    // A fast pass first, because there is nearly always nothing to find.
    if !x.iter().any(|value| value.abs() > MAX_NUMBER) {
        return Ok(());
    }
    let ((row, feature), value) =
        x.indexed_iter().find(|(_, value)| value.abs() > MAX_NUMBER).expect("one was out of range");
    let message = format!(
        "row {}: {:?} is {value}; expected a number within ±10^100 or NaN where it is missing",
        row + 1,
        name(feature)
    );
    Err(Error::new(ErrorKind::InvalidColumn, message).at_line(row as u64 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CalibrationKind;

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("f{i}")).collect()
    }

    /// Settings without calibration, and with nothing left to be chosen.
    fn bare(model: ModelKind) -> LearnConfig {
        LearnConfig {
            model,
            calibration: CalibrationKind::None,
            rounds: Some(20),
            max_depth: Some(3),
            leaf_l2: Some(1.0),
            min_child_weight: Some(0.1),
            ..LearnConfig::default()
        }
    }

    /// Ten rows whose first feature determines the outcome.
    fn ten() -> (Array2<f64>, Vec<bool>) {
        let x = Array2::from_shape_fn((10, 2), |(i, j)| if j == 0 { i as f64 } else { f64::NAN });
        (x, (0..10).map(|i| i >= 6).collect())
    }

    #[test]
    fn ten_rows_suffice_where_nothing_is_chosen() {
        let (x, y) = ten();
        for model in ModelKind::LEARNERS {
            let config = bare(model);
            let fitted = Classifier::fit(&x, &names(2), &y, None, &config).expect("nothing needs folds");
            assert_eq!(fitted.parameters(), &config);
            let p = fitted.probabilities(&x).expect("the same shape");
            assert!(p[0] < 0.3 && p[9] > 0.7, "{model:?} {p:?}");
            let again = Classifier::from_json(&fitted.to_json()).expect("its own document");
            assert_eq!(again, fitted);
        }
    }

    #[test]
    fn folds_need_both_outcomes() {
        let (x, _) = ten();
        let y: Vec<bool> = (0..10).map(|i| i == 4).collect();
        let config = LearnConfig { calibration: CalibrationKind::Platt, ..bare(ModelKind::GradientBoosting) };
        let error = Classifier::fit(&x, &names(2), &y, None, &config).expect_err("one churner");
        assert_eq!(error.code(), "one_class");
        assert!(Classifier::fit(&x, &names(2), &y, None, &bare(ModelKind::GradientBoosting)).is_ok());
    }

    /// A bare fit and a calibrated one have the same trees if the settings are given: folds change only the calibration.
    #[test]
    fn folds_do_not_change_the_learner() {
        let x = Array2::from_shape_fn((300, 3), |(i, j)| ((i * (7 + j) * 31) % 101) as f64);
        let y: Vec<bool> = (0..300).map(|i| (i * 217) % 101 + i % 13 > 50).collect();
        for model in ModelKind::LEARNERS {
            let without = Classifier::fit(&x, &names(3), &y, None, &bare(model)).expect("a fit");
            let config = LearnConfig { calibration: CalibrationKind::Platt, ..bare(model) };
            let with = Classifier::fit(&x, &names(3), &y, None, &config).expect("a fit");
            assert_eq!(with.document.learner, without.document.learner);
            assert!(matches!(with.document.calibration, Calibration::Platt { .. }));
        }
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let (x, y) = ten();
        let config = bare(ModelKind::RandomForest);
        let code = |x: &Array2<f64>, names: &[String], y: &[bool], weights: Option<&[f64]>, config: &LearnConfig| {
            Classifier::fit(x, names, y, weights, config).expect_err("it cannot be fitted").code()
        };
        assert_eq!(code(&x, &names(3), &y, None, &config), "shape_mismatch");
        assert_eq!(code(&x, &names(2), &y[1..], None, &config), "shape_mismatch");
        assert_eq!(code(&x, &names(2), &y, Some(&[1.0; 9]), &config), "shape_mismatch");
        assert_eq!(code(&x, &names(2), &y, Some(&[0.0; 10]), &config), "invalid_column");
        assert_eq!(code(&x, &names(2), &y, Some(&[f64::NAN; 10]), &config), "invalid_column");
        assert_eq!(code(&x, &["a".to_owned(), "a".to_owned()], &y, None, &config), "duplicate_column");
        assert_eq!(code(&x, &names(2), &[true; 10], None, &config), "one_class");
        assert_eq!(code(&Array2::zeros((0, 2)), &names(2), &[], None, &config), "no_good_rows");
        assert_eq!(code(&Array2::zeros((10, 0)), &[], &y, None, &config), "no_good_rows");
        assert_eq!(code(&x, &names(2), &y, None, &bare(ModelKind::Auto)), "invalid_parameter");
        let mut infinite = x.clone();
        infinite[(3, 0)] = f64::INFINITY;
        let error = Classifier::fit(&infinite, &names(2), &y, None, &config).expect_err("a number out of range");
        assert_eq!((error.code(), error.line()), ("invalid_column", Some(4)));
        let fitted = Classifier::fit(&x, &names(2), &y, None, &config).expect("a fit");
        assert_eq!(fitted.probabilities(&infinite).expect_err("out of range").code(), "invalid_column");
        assert_eq!(fitted.probabilities(&Array2::zeros((1, 3))).expect_err("three").code(), "shape_mismatch");
    }

    /// The results are the same with one thread and with several. There are enough rows that blocks, groups of features and
    /// trees are spread over the threads.
    #[cfg(feature = "parallel")]
    #[test]
    fn threads_do_not_change_a_bit() {
        let mut random = crate::random::Random::new(11, 0);
        for (rows, width) in [(70_000, 9), (6_000, 70)] {
            let x = Array2::from_shape_fn((rows, width), |(_, j)| random.below(10 + 50 * j) as f64);
            let y: Vec<bool> = (0..rows).map(|i| x[(i, 1)] + x[(i, 2)] > 60.0 + random.below(40) as f64).collect();
            let weights: Vec<f64> = (0..rows).map(|i| 0.5 + (i % 7) as f64).collect();
            for (model, weights) in [
                (ModelKind::GradientBoosting, None),
                (ModelKind::GradientBoosting, Some(&weights[..])),
                (ModelKind::RandomForest, None),
                (ModelKind::RandomForest, Some(&weights[..])),
            ] {
                let calibration = CalibrationKind::Platt;
                let config = LearnConfig { rounds: Some(3), trees: 3, max_depth: Some(6), calibration, ..bare(model) };
                let fit = || Classifier::fit(&x, &names(width), &y, weights, &config).expect("a fit").to_json();
                let with = |threads| {
                    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool").install(fit)
                };
                let one = with(1);
                assert!([2, 3, 16].iter().all(|&threads| with(threads) == one), "{model:?} {rows}");
            }
        }
    }

    /// Each of these changes makes an invalid document.
    #[test]
    fn hostile_documents_are_refused() {
        let (x, y) = ten();
        let fitted = Classifier::fit(&x, &names(2), &y, None, &bare(ModelKind::GradientBoosting)).expect("a fit");
        let good: serde_json::Value = serde_json::from_str(&fitted.to_json()).expect("JSON");
        let changes: [(&str, serde_json::Value, &str); 8] = [
            ("/format", "churn-model".into(), "invalid_document"),
            ("/format_version", 2.into(), "unsupported_version"),
            ("/features", serde_json::json!([]), "invalid_document"),
            ("/features/0/levels", serde_json::json!(["a"]), "invalid_document"),
            ("/learner/gradient_boosting/trees/0/feature/0", 7.into(), "invalid_document"),
            ("/learner/gradient_boosting/trees/0/left/0", 0.into(), "invalid_document"),
            ("/learner/gradient_boosting/base", 1e200.into(), "invalid_document"),
            ("/parameters/model", "random_forest".into(), "invalid_document"),
        ];
        for (at, value, code) in changes {
            let mut bad = good.clone();
            match bad.pointer_mut(at) {
                Some(place) => *place = value,
                None => {
                    let (parent, key) = at.rsplit_once('/').expect("a pointer");
                    bad.pointer_mut(parent).expect("the parent")[key] = value;
                }
            }
            assert_eq!(Classifier::from_json(&bad.to_string()).expect_err(at).code(), code, "{at}");
        }
        assert_eq!(Classifier::from_json("[]").expect_err("a list").code(), "invalid_document");
    }
}
