//! The evaluation of a recipe before the model is fitted on all rows: at recent cutoffs, or on held-out customers.

use ndarray::{Array2, Axis};

use super::backtest::{Contest, LOGISTIC, Record, RowsOfCutoff, logistic_config, recency};
use super::fit::{Fitted, Found, check_enough, fit, fit_rows};
use super::folds::MANY_ROWS;
use super::holdout::{JudgedPart, holdout};
use super::probabilities;
use super::rows::LearningRows;
use super::snapshot::LabelledRows;
use super::stack::Stack;
use crate::day::Day;
use crate::error::Result;
use crate::features::FeatureConfig;
use crate::findings::{Finding, Judged, of_results, of_rows};
use crate::metrics::{EvaluationConfig, Metrics, curves, evaluate, log_loss_of};
use crate::model::{Evaluation, Importance, LearnConfig, Learner, OverTime, Protocol};
use crate::parallel;
use crate::progress::{Observer, step};
use crate::random::Random;
use crate::segments::segment_table;

/// The settings and the context for judging a recipe.
pub(super) struct Judge<'a> {
    pub(super) config: &'a LearnConfig,
    /// True to compare the recipe with logistic regression.
    pub(super) compare_with_logistic: bool,
    /// Cutoff, number of labelled customers and number of churners, oldest first; empty for a table.
    pub(super) rates: &'a [(Day, u64, u64)],
    pub(super) labels_have_time: bool,
    pub(super) observer: &'a dyn Observer,
}

/// The result, with what the search adds still missing.
pub(super) struct JudgedRecipe {
    /// None if the recipe was not judged.
    pub(super) evaluation: Option<Evaluation>,
    pub(super) findings: Vec<Finding>,
    /// Settings and scores from the last judged fit; none if its rows are so few that the final fit should find them itself.
    pub(super) found: Option<Found>,
}

/// The recipe and logistic regression, fitted on the same rows and applied to the same test rows.
struct Fits {
    fitted: Fitted,
    /// The probabilities of logistic regression; none if it is the recipe.
    logistic: Option<Vec<f64>>,
    test: LabelledRows,
    /// The margins of the test rows.
    margins: Vec<f64>,
    p: Vec<f64>,
    train_rows: u64,
}

impl Found {
    /// Settings and scores from a judged fit: the scores of its rows, and then those of the test rows. None if the rows are so
    /// few that the final fit should find them itself, or if the final fit finds them without other fits.
    fn of(fitted: Fitted, margins: Vec<f64>, rows: usize) -> Option<Found> {
        if rows < MANY_ROWS || matches!(fitted.learner, Learner::RandomForest { .. }) {
            return None;
        }
        let mut scores = fitted.unseen_scores;
        // Without folds, which neither calibration nor settings needed.
        scores.resize(rows, f64::NAN);
        scores.extend(margins);
        Some(Found { config: fitted.config, scores })
    }

    /// The same of a data set of `total` rows, in which the rows have these numbers.
    fn within(self, numbers: impl Iterator<Item = usize>, total: usize) -> Found {
        let mut scores = vec![f64::NAN; total];
        numbers.zip(&self.scores).for_each(|(row, score)| scores[row] = *score);
        Found { scores, ..self }
    }

    /// The same of the rows of all cutoffs, if the first were learned from and those of the last cutoff were the test.
    fn within_cutoffs(self, learned: usize, total: usize) -> Found {
        let tested = self.scores.len() - learned;
        self.within((0..learned).chain(total - tested..total), total)
    }
}

impl Judge<'_> {
    /// Judges at the last cutoffs of a stack, each time by a fit on the cutoffs whose outcome was known by then. `customers`
    /// is the number of customers of the log.
    pub(super) fn over_time(
        &self,
        stack: &mut Stack<'_>,
        judged: &[JudgedPart],
        features: &FeatureConfig,
        customers: usize,
    ) -> Result<JudgedRecipe> {
        let (days, total): (Vec<Day>, usize) = (stack.days().collect(), stack.rows());
        let mut record = self.record(customers);
        for (i, &JudgedPart { part, known }) in judged.iter().enumerate() {
            let fitted = stack.fit(0..known, features);
            let scaled = stack.scaled(&fitted, 0..known);
            let rows = scaled.learning_rows();
            let fits = self.fits(&rows, scaled.test_rows(part))?;
            record.add(&fits.contest(Some(days[part]), &days[..known]))?;
            if i + 1 == judged.len() {
                let judged = self.finish(fits, &rows, Protocol::OutOfTime, Some(days[part]), record.finish()?)?;
                return Ok(judged.of_cutoffs(rows.y.len(), total));
            }
        }
        unreachable!("there is a cutoff to judge at")
    }

    /// Judges at some cutoffs, each time by a fit on the cutoffs whose outcome was known by then. `rows(known, part)` gives the
    /// rows of the first `known` cutoffs and those of the cutoff `part`; all cutoffs have `total` rows.
    #[cfg(feature = "subscriptions")]
    pub(super) fn at_cutoffs(
        &self,
        days: &[Day],
        judged: &[JudgedPart],
        (customers, total): (usize, usize),
        rows: impl Fn(usize, usize) -> Result<(LabelledRows, LabelledRows)>,
    ) -> Result<JudgedRecipe> {
        let mut record = self.record(customers);
        for (i, &JudgedPart { part, known }) in judged.iter().enumerate() {
            let (learn, test) = rows(known, part)?;
            let fits = self.fits(&learn.rows(), test)?;
            record.add(&fits.contest(Some(days[part]), &days[..known]))?;
            if i + 1 == judged.len() {
                let judged =
                    self.finish(fits, &learn.rows(), Protocol::OutOfTime, Some(days[part]), record.finish()?)?;
                return Ok(judged.of_cutoffs(learn.y.len(), total));
            }
        }
        unreachable!("there is a cutoff to judge at")
    }

    /// Judges on held-out customers if it is wanted; otherwise the findings are those about the rows, and one that says so.
    pub(super) fn held_out_if(&self, wanted: bool, data: &LabelledRows) -> Result<JudgedRecipe> {
        if wanted {
            return self.held_out(data);
        }
        Ok(JudgedRecipe::not_judged(of_rows(&data.rows(), self.rates, None)?))
    }

    /// Judges on a stratified fifth of the customers.
    fn held_out(&self, data: &LabelledRows) -> Result<JudgedRecipe> {
        let split = holdout(data, self.config.seed);
        let rows = split.learn.rows();
        let fits = self.fits(&rows, split.test)?;
        let customers = data.groups.iter().max().map_or(0, |&last| last as usize + 1);
        let mut record = self.record(customers);
        record.add(&fits.contest(None, &[]))?;
        let judged = self.finish(fits, &rows, Protocol::Holdout, None, record.finish()?)?;
        Ok(JudgedRecipe {
            found: judged.found.map(|found| found.within(split.numbers.into_iter(), data.y.len())),
            ..judged
        })
    }

    /// The logistic regression that the recipe is compared with; none if it is the recipe, or if nobody wants it.
    fn logistic(&self) -> Option<LearnConfig> {
        Some(logistic_config(self.config)).filter(|logistic| self.compare_with_logistic && logistic != self.config)
    }

    fn record(&self, customers: usize) -> Record {
        let names = self.logistic().iter().map(|_| LOGISTIC.to_owned()).collect();
        Record::new(customers, names, self.config.thresholds, &[])
    }

    fn fits(&self, rows: &LearningRows<'_>, test: LabelledRows) -> Result<Fits> {
        let fitted = fit_rows(rows, self.config, None, self.observer)?;
        let logistic = match self.logistic() {
            Some(config) => Some(probabilities(&self.fit_logistic(rows, &config)?, &test.x)),
            None => None,
        };
        step(self.observer, "evaluate", 0, 0)?;
        let scorer = fitted.scorer();
        let margins = scorer.margins(&test.x);
        let p = margins.iter().map(|margin| scorer.calibrated(*margin)).collect();
        Ok(Fits { fitted, logistic, margins, p, test, train_rows: rows.y.len() as u64 })
    }

    /// Fits the logistic regression to compare with, on a sample of the customers if there are many: its few coefficients need
    /// no more.
    fn fit_logistic(&self, rows: &LearningRows<'_>, config: &LearnConfig) -> Result<Fitted> {
        let sample = rows.sample(MANY_ROWS, config.seed).map(|numbers| rows.select(&numbers));
        match &sample {
            Some(sample) if check_enough(&sample.y, "").is_ok() => fit(sample, config, self.observer),
            _ => fit_rows(rows, config, None, self.observer),
        }
    }

    fn finish(
        &self,
        fits: Fits,
        learned: &LearningRows<'_>,
        protocol: Protocol,
        test_cutoff: Option<Day>,
        over_time: OverTime,
    ) -> Result<JudgedRecipe> {
        let Fits { fitted, logistic, test, margins, p, train_rows } = fits;
        let defaults = EvaluationConfig::default();
        let metrics = evaluate(&test.y, &p, &defaults)?;
        let is_logistic = self.compare_with_logistic && logistic_config(self.config) == *self.config;
        let logistic_regression = logistic.map(|p| evaluate(&test.y, &p, &defaults)).transpose()?;
        // Over one cutoff, the mean is the value itself.
        let recency_auc = match over_time.cutoffs.last() {
            Some(last) => last.recency_auc,
            None => over_time.recency_auc.map(|auc| auc.mean),
        };
        let evaluation = Evaluation {
            protocol,
            test_cutoff,
            train_rows,
            test_rows: test.y.len() as u64,
            logistic_regression: logistic_regression.or_else(|| is_logistic.then(|| Metrics::clone(&metrics))),
            metrics,
            over_time: Some(over_time),
            recency_auc,
            curves: curves(&test.y, &p, &defaults)?,
            segments: segment_table(&test.y, &p, &self.config.thresholds)?,
            importance: importance(&fitted, &test, self.config.seed),
            search_protocol: None,
            candidates: Vec::new(),
        };
        let mut findings = of_rows(learned, self.rates, recency_auc)?;
        let labels_have_time = self.labels_have_time;
        findings.extend(of_results(&Judged { evaluation: &evaluation, y: &test.y, p: &p, labels_have_time }));
        let found = Found::of(fitted, margins, learned.y.len());
        Ok(JudgedRecipe { evaluation: Some(evaluation), findings, found })
    }
}

impl JudgedRecipe {
    /// The result without an evaluation: the findings about the rows, and one that says so.
    pub(super) fn not_judged(mut findings: Vec<Finding>) -> Self {
        let message = "the model was not evaluated, so nobody knows how far to believe it: train with evaluation = true before \
                       anyone acts on its predictions";
        findings.push(Finding::new("not_evaluated", message.to_owned()));
        JudgedRecipe { evaluation: None, findings, found: None }
    }

    /// The same with what was found by the rows of all cutoffs.
    fn of_cutoffs(self, learned: usize, total: usize) -> Self {
        JudgedRecipe { found: self.found.map(|found| found.within_cutoffs(learned, total)), ..self }
    }
}

impl Fits {
    fn contest<'a>(&'a self, cutoff: Option<Day>, learned_from: &'a [Day]) -> Contest<'a> {
        Contest {
            cutoff,
            learned_from,
            train_rows: self.train_rows,
            rows: RowsOfCutoff { churned: &self.test.y, customers: &self.test.groups },
            probabilities: std::iter::once(&self.p).chain(&self.logistic).map(Vec::as_slice).collect(),
            recency: recency(&self.test),
        }
    }
}

/// Permutation importance (Breiman 2001) on at most 2,000 test rows, with three shuffles per feature.
fn importance(fitted: &Fitted, test: &LabelledRows, seed: u64) -> Vec<Importance> {
    const MOST_ROWS: usize = 2_000;
    const SHUFFLES: u64 = 3;
    let step = test.y.len().div_ceil(MOST_ROWS);
    let rows: Vec<usize> = (0..test.y.len()).step_by(step).collect();
    const BLOCK: usize = 512;
    let scorer = fitted.scorer();
    let x = &test.x;
    let losses = |x: &Array2<f64>, rows: &[usize]| -> Vec<f64> {
        let loss = |(p, &row): (f64, &usize)| log_loss_of(p, test.y[row]);
        scorer.probabilities(x).into_iter().zip(rows).map(loss).collect()
    };
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / rows.len() as f64;
    let unshuffled = losses(&x.select(Axis(0), &rows), &rows);
    let before = mean(&unshuffled);
    let mut importance = parallel::map(test.specs.len(), |feature| {
        let mut increase = 0.0;
        for shuffle in 0..SHUFFLES {
            let mut order = rows.clone();
            Random::new(seed, (feature as u64) * SHUFFLES + shuffle).shuffle(&mut order);
            let mut shuffled = unshuffled.clone();
            // Only the rows that get another value are scored again. For a count that is mostly 0 they are few.
            let changes = |&i: &usize| x[(rows[i], feature)].to_bits() != x[(order[i], feature)].to_bits();
            let changed: Vec<usize> = (0..rows.len()).filter(changes).collect();
            for places in changed.chunks(BLOCK) {
                let targets: Vec<usize> = places.iter().map(|&i| rows[i]).collect();
                let mut block = x.select(Axis(0), &targets);
                block.column_mut(feature).iter_mut().zip(places).for_each(|(to, &i)| *to = x[(order[i], feature)]);
                places.iter().zip(losses(&block, &targets)).for_each(|(&i, loss)| shuffled[i] = loss);
            }
            increase += mean(&shuffled) - before;
        }
        Importance { feature: test.specs[feature].name.clone(), log_loss_increase: increase / SHUFFLES as f64 }
    });
    crate::order::sort_by(&mut importance, |a, b| b.log_loss_increase.total_cmp(&a.log_loss_increase));
    importance
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores of three rows that were learned from and two of the test, of eight rows in all. NaN is written as −1.
    #[test]
    fn scores_are_found_at_their_rows() {
        let found = || Found { config: LearnConfig::default(), scores: vec![1.0, 2.0, 3.0, 8.0, 9.0] };
        let scores = |found: Found| -> Vec<f64> {
            found.scores.into_iter().map(|score| if score.is_nan() { -1.0 } else { score }).collect()
        };
        let rows = [6, 0, 1, 5, 2].into_iter();
        assert_eq!(scores(found().within(rows, 8)), [2.0, 3.0, 9.0, -1.0, -1.0, 8.0, 1.0, -1.0]);
        assert_eq!(scores(found().within_cutoffs(3, 8)), [1.0, 2.0, 3.0, -1.0, -1.0, -1.0, 8.0, 9.0]);
    }
}
