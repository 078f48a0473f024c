//! An explainer: a model prepared once to explain any number of customers.

use std::sync::Arc;

use ndarray::Array2;
use serde::Serialize;

use super::interventional;
use super::path_dependent::PathDependent;
use super::reasons::{Reason, ReasonWriter};
use super::{ExplainConfig, Explanation, FeaturePerturbation, Output};
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result};
use crate::events::Customer;
use crate::features::FeatureTable;
use crate::model::document::Document;
use crate::model::learner::FittedMember;
use crate::model::level_log_odds::LevelLogOdds;
use crate::model::tree::Tree;
use crate::model::{Learner, Logistic, Model, Prediction};
use crate::parallel;
use crate::progress::{Observer, step};

/// Number of rows that walk through each tree together, so that the tree stays in the cache.
const BLOCK: usize = 128;

/// A model prepared for explanations. Prepare it once, because for a single customer preparing takes longer than explaining.
///
/// It contains the model and tables of about the size of its trees (at most about 64 MB; of a mean, for each member).
/// It can be kept and shared between threads.
///
/// ```
/// # use churn::*;
/// # let csv: String = std::iter::once("customer_id,event_date,amount\n".to_owned()).chain((0..2000).map(|i| {
/// #     let (c, k) = (i % 200, i / 200);
/// #     let day = Day::new(19_700 + (c * 7 + k * (2 + c % 40)) % 360).unwrap();
/// #     format!("c{c:03},{day},{}.50\n", 5 + c % 30)
/// # })).collect();
/// # let events = Events::from_csv(csv.as_bytes(), &ReadOptions::default())?;
/// # let model = train(&events, &TrainConfig::default())?;
/// let explainer = model.explainer(&ExplainConfig::default())?;
/// let features = model.features(&events, None)?;
/// let mut contributions = vec![0.0; features.specs().len()];
/// let row: Vec<f64> = features.row("c007").unwrap().to_vec();
/// let margin = explainer.explain_row(&row, &mut contributions)?;
/// assert!((explainer.base() + contributions.iter().sum::<f64>() - margin).abs() < 1e-9);
/// for reason in explainer.reasons(&row, &contributions)? {
///     println!("{}", reason.text);
/// }
/// # Ok::<(), churn::Error>(())
/// ```
#[derive(Clone)]
pub struct Explainer {
    model: Model,
    writer: Arc<ReasonWriter>,
    prepared: Arc<Prepared>,
}

/// The predicted risk of one customer with its explanation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ExplainedPrediction {
    /// The predicted risk.
    #[serde(flatten)]
    pub prediction: Prediction,
    /// The strongest reasons in words, strongest first.
    pub reasons: Vec<Reason>,
    /// The base: the margin if all features are unknown.
    pub base: f64,
    /// The margin, which is base + the sum of the contributions.
    pub margin: f64,
    /// The contribution of each feature to the margin, in the order of [`Model::feature_specs`].
    pub contributions: Vec<f64>,
}

/// A learner prepared for explanations.
struct Prepared {
    method: Method,
    /// The margin if all features are unknown.
    base: f64,
}

/// The method that computes contributions.
enum Method {
    /// Logistic regression: the terms of each feature, minus these means.
    Terms(Vec<f64>),
    PathDependent(PathDependent),
    /// Trees: compared with these background rows.
    Interventional(Array2<f64>),
    /// The weighted sum over the members of a mean.
    Average(Vec<Prepared>),
}

impl Model {
    /// Prepares the model for explanations.
    ///
    /// # Errors
    /// `missing_background` for `interventional` if the model has no background rows; `invalid_parameter`.
    pub fn explainer(&self, config: &ExplainConfig) -> Result<Explainer> {
        config.check()?;
        let background = match config.feature_perturbation {
            FeaturePerturbation::TreePathDependent => None,
            FeaturePerturbation::Interventional => Some(self.background()?),
        };
        let Document { learner, level_log_odds, features, .. } = &*self.document;
        let prepared = Arc::new(Prepared::new(learner, level_log_odds, background.as_ref(), features.len()));
        let writer = Arc::new(ReasonWriter::new(&self.document, config));
        Ok(Explainer { model: self.clone(), writer, prepared })
    }

    /// Explains the risk of each customer of a feature table ([`Model::features`], [`Model::table_features`]). The customers
    /// and their order are those of [`Model::predict_features`].
    ///
    /// # Errors
    /// The errors of [`Model::predict_features`].
    pub fn explain(&self, table: &FeatureTable) -> Result<Explanation> {
        self.explain_with(table, &ExplainConfig::default())
    }

    /// [`Model::explain`] with other settings.
    ///
    /// # Errors
    /// The errors of [`Model::predict_features`] and of [`Model::explainer`].
    pub fn explain_with(&self, table: &FeatureTable, config: &ExplainConfig) -> Result<Explanation> {
        self.explain_observed(table, config, &())
    }

    /// [`Model::explain_with`] with an observer of its progress (stage `"explain"`, in rows).
    ///
    /// # Errors
    /// The errors of [`Model::explain_with`], and `cancelled`.
    pub fn explain_observed(
        &self,
        table: &FeatureTable,
        config: &ExplainConfig,
        observer: &dyn Observer,
    ) -> Result<Explanation> {
        self.explainer(config)?.explain_observed(table, observer)
    }

    /// The background rows of the model.
    fn background(&self) -> Result<Array2<f64>> {
        let rows = &self.document.background;
        if rows.is_empty() {
            let message = "the model has kept no background rows: train it with background_rows above 0, or explain with tree_path_dependent";
            return Err(Error::new(ErrorKind::MissingBackground, message));
        }
        let values: Vec<f64> = rows.iter().flatten().map(|value| value.unwrap_or(f64::NAN)).collect();
        let width = self.document.features.len();
        Ok(Array2::from_shape_vec((rows.len(), width), values).expect("loading checked the rows"))
    }
}

impl Explainer {
    /// The base: the margin if all features are unknown.
    pub fn base(&self) -> f64 {
        self.prepared.base
    }

    /// The unit of the margin and the contributions.
    pub fn output(&self) -> Output {
        match self.model.document.learner {
            Learner::RandomForest { .. } => Output::Rate,
            Learner::LogisticRegression(_) | Learner::GradientBoosting { .. } | Learner::Average { .. } => {
                Output::LogOdds
            }
        }
    }

    /// Explains the risk of each customer of a feature table. The customers and their order are those of
    /// [`Model::predict_features`].
    ///
    /// # Errors
    /// The errors of [`Model::predict_features`].
    pub fn explain(&self, table: &FeatureTable) -> Result<Explanation> {
        self.explain_observed(table, &())
    }

    /// [`Explainer::explain`] with an observer of its progress (stage `"explain"`, in rows).
    ///
    /// # Errors
    /// The errors of [`Explainer::explain`], and `cancelled`.
    pub fn explain_observed(&self, table: &FeatureTable, observer: &dyn Observer) -> Result<Explanation> {
        let table = &*self.model.covered(table)?;
        // Number of blocks between two calls of the observer, which take a fraction of a second.
        let together = if self.prepared.is_slow() { 2 * parallel::threads() } else { 64 };
        let x = table.values.as_standard_layout();
        let (rows, width) = (x.as_slice().expect("the standard layout is contiguous"), x.ncols());
        let blocks = x.nrows().div_ceil(BLOCK);
        let mut contributions = Vec::with_capacity(rows.len());
        for first in (0..blocks).step_by(together) {
            step(observer, "explain", first * BLOCK, x.nrows())?;
            let explained = parallel::map(together.min(blocks - first), |block| {
                let block = first + block;
                let rows = &rows[block * BLOCK * width..((block + 1) * BLOCK).min(x.nrows()) * width];
                let mut values = vec![0.0; rows.len()];
                self.contributions(rows, width, &mut values);
                values
            });
            explained.iter().for_each(|values| contributions.extend_from_slice(values));
        }
        let contributions = Array2::from_shape_vec(x.dim(), contributions).expect("the blocks hold every row");
        let scorer = &self.model.prepared.scorer;
        let margin = scorer.margins(&table.values);
        if cfg!(debug_assertions) {
            let taken = self.model.document.level_log_odds.rows(rows, width);
            for (i, &margin) in margin.iter().enumerate() {
                let row = &taken[i * width..(i + 1) * width];
                let size = self.base().abs() + self.model.document.learner.margin_scale(row);
                let sum = self.base() + contributions.row(i).sum();
                let close = (sum - margin).abs() <= 1e-9 * size.max(1.0);
                assert!(close, "row {i} adds up to {sum}, its margin is {margin}");
            }
        }
        Ok(Explanation {
            ids: table.ids.clone(),
            specs: table.specs.clone(),
            values: table.values.clone(),
            contributions,
            base: self.base(),
            probabilities: margin.iter().map(|&margin| scorer.calibrated(margin)).collect(),
            margin,
            output: self.output(),
            writer: self.writer.clone(),
        })
    }

    /// Writes the contribution of each feature of one row, and returns the margin. The probability is that of
    /// [`Model::probability_of`]. The row has the features in the order of [`Model::feature_specs`]; a missing value is NaN, a
    /// category is the index of its level. The contributions have the same bits as those of [`Explainer::explain`].
    ///
    /// # Errors
    /// `feature_mismatch` for another number of features or contributions, or a category's value that is not the index of a
    /// level.
    pub fn explain_row(&self, row: &[f64], contributions: &mut [f64]) -> Result<f64> {
        self.model.check_row(row)?;
        self.check_contributions(contributions)?;
        contributions.fill(0.0);
        self.contributions(row, row.len(), contributions);
        Ok(self.model.prepared.scorer.margin(row))
    }

    /// The strongest reasons of one row in words, from the contributions of [`Explainer::explain_row`]. They are the same as
    /// those of [`Explanation::reasons`].
    ///
    /// # Errors
    /// The errors of [`Explainer::explain_row`].
    pub fn reasons(&self, row: &[f64], contributions: &[f64]) -> Result<Vec<Reason>> {
        self.model.check_row(row)?;
        self.check_contributions(contributions)?;
        let probability = self.model.probability(row);
        Ok(self.reasons_at(row, contributions, probability))
    }

    /// Predicts and explains the risk of one customer at the end of a day. The prediction is that of [`Model::predict_one`],
    /// the reasons are those of [`Explainer::reasons`].
    ///
    /// # Errors
    /// The errors of [`Model::predict_one`].
    pub fn explain_one(&self, customer: &Customer, as_of: Day) -> Result<ExplainedPrediction> {
        self.model.with_customer_row(customer, as_of, |row, prediction| {
            let mut contributions = vec![0.0; row.len()];
            let margin = self.explain_row(row, &mut contributions)?;
            let reasons = self.reasons_at(row, &contributions, prediction.churn_probability);
            Ok(ExplainedPrediction { prediction, reasons, base: self.base(), margin, contributions })
        })
    }

    /// The reasons of a row with this probability of churn.
    fn reasons_at(&self, row: &[f64], contributions: &[f64], probability: f64) -> Vec<Reason> {
        self.writer.reasons(self.model.feature_specs(), row.into(), contributions.into(), probability, self.writer.most)
    }

    fn check_contributions(&self, contributions: &[f64]) -> Result<()> {
        let features = self.model.feature_specs().len();
        if contributions.len() == features {
            return Ok(());
        }
        let message = format!("{} contributions; the model has {features} features", contributions.len());
        Err(Error::new(ErrorKind::FeatureMismatch, message))
    }

    /// Writes the contributions of some rows of features. The output must be filled with 0.
    fn contributions(&self, rows: &[f64], width: usize, contributions: &mut [f64]) {
        let Document { learner, level_log_odds, .. } = &*self.model.document;
        self.prepared.add(learner, level_log_odds, rows, width, contributions);
    }
}

impl Prepared {
    /// `background` has the levels of categories as they are in feature tables.
    fn new(
        learner: &Learner,
        level_log_odds: &LevelLogOdds,
        background: Option<&Array2<f64>>,
        features: usize,
    ) -> Self {
        let background = background.map(|rows| {
            let values = rows.as_slice().expect("the standard layout is contiguous");
            let taken = level_log_odds.rows(values, features).into_owned();
            Array2::from_shape_vec(rows.dim(), taken).expect("as many values as before")
        });
        let of_trees = |trees: &[Tree], background: Option<Array2<f64>>| match background {
            None => {
                let path_dependent = PathDependent::new(trees);
                let base = path_dependent.base;
                (Method::PathDependent(path_dependent), base)
            }
            Some(background) => {
                let base = interventional::base(trees, &background);
                (Method::Interventional(background), base)
            }
        };
        let (method, base) = match learner {
            Learner::LogisticRegression(logistic) => {
                let means = means(logistic, features, background.as_ref());
                let base = logistic.intercept + means.iter().sum::<f64>();
                (Method::Terms(means), base)
            }
            Learner::RandomForest { trees } => {
                let (method, base) = of_trees(trees, background);
                (method, base / trees.len() as f64)
            }
            Learner::GradientBoosting { base: own, trees } => {
                let (method, base) = of_trees(trees, background);
                (method, base + own)
            }
            Learner::Average { members } => {
                let of = |member: &FittedMember| {
                    Prepared::new(&member.learner, &member.level_log_odds, background.as_ref(), features)
                };
                let prepared: Vec<Prepared> = members.iter().map(of).collect();
                let base = members.iter().zip(&prepared).map(|(member, prepared)| member.weight * prepared.base).sum();
                (Method::Average(prepared), base)
            }
        };
        Prepared { method, base }
    }

    /// Returns true if a block of rows takes long.
    fn is_slow(&self) -> bool {
        match &self.method {
            Method::Interventional(_) => true,
            Method::Terms(_) | Method::PathDependent(_) => false,
            Method::Average(members) => members.iter().any(Prepared::is_slow),
        }
    }

    /// Writes the contributions of some rows of features to an output that is filled with 0.
    fn add(
        &self,
        learner: &Learner,
        level_log_odds: &LevelLogOdds,
        rows: &[f64],
        width: usize,
        contributions: &mut [f64],
    ) {
        let rows = &*level_log_odds.rows(rows, width);
        match (learner, &self.method) {
            (Learner::LogisticRegression(logistic), Method::Terms(means)) => {
                for (row, values) in rows.chunks_exact(width).zip(contributions.chunks_exact_mut(width)) {
                    logistic.parts(row.into(), |feature, part| values[feature] += part);
                    values.iter_mut().zip(means).for_each(|(value, mean)| *value -= mean);
                }
            }
            (Learner::RandomForest { trees }, method) => {
                method.add_trees(trees, rows, width, contributions);
                contributions.iter_mut().for_each(|value| *value /= trees.len() as f64);
            }
            (Learner::GradientBoosting { trees, .. }, method) => method.add_trees(trees, rows, width, contributions),
            (Learner::Average { members }, Method::Average(prepared)) => {
                let mut of_member = vec![0.0; contributions.len()];
                for (member, prepared) in members.iter().zip(prepared) {
                    of_member.fill(0.0);
                    prepared.add(&member.learner, &member.level_log_odds, rows, width, &mut of_member);
                    contributions.iter_mut().zip(&of_member).for_each(|(sum, value)| *sum += member.weight * value);
                }
            }
            (Learner::LogisticRegression(_) | Learner::Average { .. }, _) => {
                unreachable!("the method was made for this learner")
            }
        }
    }
}

impl Method {
    fn add_trees(&self, trees: &[Tree], rows: &[f64], width: usize, contributions: &mut [f64]) {
        match self {
            Method::PathDependent(prepared) => prepared.add(trees, rows, width, contributions),
            Method::Interventional(background) => {
                interventional::add(trees, background, rows, width, contributions);
            }
            Method::Terms(_) | Method::Average(_) => unreachable!("trees have no terms and no members"),
        }
    }
}

/// The mean of the terms of each feature over a background. Without a background the reference is the training rows, over
/// which every term is centred, so the means are 0.
fn means(logistic: &Logistic, features: usize, background: Option<&Array2<f64>>) -> Vec<f64> {
    let mut means = vec![0.0; features];
    if let Some(background) = background {
        for row in background.rows() {
            logistic.parts(row, |feature, part| means[feature] += part / background.nrows() as f64);
        }
    }
    means
}

impl std::fmt::Debug for Explainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Explainer").field("model", &self.model).field("base", &self.base()).finish_non_exhaustive()
    }
}
