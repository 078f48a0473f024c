//! The data about the training rows that a model stores: typical values, histograms, and a sample of the rows.

use ndarray::Array2;

use super::snapshot::LabelledRows;
use crate::features::{FeatureSpec, percentiles};
use crate::model::{Histogram, LearnConfig, Typical};
use crate::parallel;
use crate::random::Random;
use crate::segments::Segment;

/// Smallest number of rows with a value for which a segment has a typical value.
const LEAST_OF_A_SEGMENT: usize = 20;

impl Typical {
    /// The typical values of every feature of a data set. `segments` are the risk segments of its rows.
    pub(crate) fn of(data: &LabelledRows, segments: &[Segment]) -> Vec<Typical> {
        parallel::map(data.specs.len(), |feature| {
            // The values of a column are far apart, so they are fetched once.
            let column = data.x.column(feature).to_vec();
            let present = || column.iter().copied().zip(&data.y).filter(|(value, _)| !value.is_nan());
            let by_segment = by_segment(&column, &data.specs[feature], segments);
            let Some(levels) = &data.specs[feature].levels else {
                let mut stayed: Vec<f64> =
                    present().filter(|(_, churned)| !**churned).map(|(value, _)| value).collect();
                let median = (!stayed.is_empty()).then(|| lower_median(&mut stayed));
                let range = present().map(|(value, _)| (value, value)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
                return Typical { stayed_median: median, range, churn_rates: Vec::new(), by_segment };
            };
            let mut counts = vec![(0u64, 0u64); levels.len()];
            for (value, &churned) in present() {
                let (rows, left) = &mut counts[value as usize];
                *rows += 1;
                *left += u64::from(churned);
            }
            let rate = |(rows, left): (u64, u64)| (rows > 0).then(|| left as f64 / rows as f64);
            Typical {
                stayed_median: None,
                range: None,
                churn_rates: counts.into_iter().map(rate).collect(),
                by_segment,
            }
        })
    }
}

/// The typical value of a feature in each risk segment; none if too few of the segment's rows have a value.
fn by_segment(column: &[f64], spec: &FeatureSpec, segments: &[Segment]) -> Vec<Option<f64>> {
    let mut present = Segment::ALL.map(|_| Vec::new());
    let mut missing = Segment::ALL.map(|_| 0);
    for (&value, &segment) in column.iter().zip(segments) {
        match value.is_nan() {
            true => missing[segment as usize] += 1,
            false => present[segment as usize].push(value),
        }
    }
    let typical = |(values, missing): (&mut Vec<f64>, usize)| {
        let enough = values.len() >= LEAST_OF_A_SEGMENT.max(missing);
        enough.then(|| match &spec.levels {
            None => lower_median(values),
            Some(levels) => most_common(values, levels.len()),
        })
    };
    present.iter_mut().zip(missing).map(typical).collect()
}

/// The lower median: at least half of the values are at most this value, and at least half are this value or more. The list
/// must not be empty.
fn lower_median(values: &mut [f64]) -> f64 {
    let middle = (values.len() - 1) / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// The most common of `levels` levels; of equally common ones, the first.
fn most_common(values: &[f64], levels: usize) -> f64 {
    let mut counts = vec![0u64; levels];
    values.iter().for_each(|&value| counts[value as usize] += 1);
    let most = counts.iter().copied().max().unwrap_or(0);
    counts.iter().position(|&count| count == most).unwrap_or(0) as f64
}

impl Histogram {
    /// The distribution of a column: deciles of a numeric one, counts of the levels of a categorical one.
    pub(crate) fn of(x: &Array2<f64>, feature: usize, spec: &FeatureSpec) -> Self {
        let mut present: Vec<f64> = x.column(feature).iter().copied().filter(|v| !v.is_nan()).collect();
        let missing = (x.nrows() - present.len()) as u64;
        let mut edges = Vec::new();
        if spec.levels.is_none() && !present.is_empty() {
            edges = percentiles(&mut present, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]).to_vec();
            edges.dedup();
        }
        let mut counts = vec![0; spec.levels.as_ref().map_or(edges.len() + 1, Vec::len)];
        for value in present {
            let bin = if spec.levels.is_some() { value as usize } else { edges.partition_point(|e| *e < value) };
            counts[bin] += 1;
        }
        Histogram { name: spec.name.clone(), edges, counts, missing }
    }
}

/// Some training rows, drawn by the seed, in their order. A missing value is none.
pub(crate) fn background(data: &LabelledRows, config: &LearnConfig) -> Vec<Vec<Option<f64>>> {
    const STREAM: u64 = 0xbac6;
    let mut rows: Vec<usize> = (0..data.y.len()).collect();
    Random::new(config.seed, STREAM).shuffle(&mut rows);
    rows.truncate(config.background_rows);
    crate::order::sort(&mut rows);
    rows.into_iter().map(|row| data.x.row(row).iter().map(|v| (!v.is_nan()).then_some(*v)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The typical value in the segment Low of a column, which is categorical if `levels` is given.
    fn low(values: &[f64], levels: Option<usize>) -> Option<f64> {
        let levels = levels.map(|levels| (0..levels).map(|level| format!("{level}")).collect());
        let spec = FeatureSpec { name: "x".to_owned(), levels };
        let found = by_segment(values, &spec, &vec![Segment::Low; values.len()]);
        assert_eq!(found[1..], [None; 3], "nobody is in the other segments");
        found[0]
    }

    /// The lower median of 1 to 20 is 10. 19 values are too few. With 20 values and 20 missing ones, half of the rows have a
    /// value, which is enough; with 21 missing ones it is less than half.
    #[test]
    fn typical_values_by_hand() {
        let to = |last: i32| (1..=last).rev().map(f64::from);
        let missing = |rows| std::iter::repeat_n(f64::NAN, rows);
        let number = |values: &[f64]| low(values, None);
        assert_eq!(number(&to(20).collect::<Vec<f64>>()), Some(10.0));
        assert_eq!(number(&to(21).collect::<Vec<f64>>()), Some(11.0));
        assert_eq!(number(&to(19).collect::<Vec<f64>>()), None);
        assert_eq!(number(&to(20).chain(missing(20)).collect::<Vec<f64>>()), Some(10.0));
        assert_eq!(number(&missing(21).chain(to(20)).collect::<Vec<f64>>()), None);
    }

    /// Of two levels with ten rows each, the first is typical.
    #[test]
    fn typical_levels_by_hand() {
        let rows = |of: [(f64, usize); 3]| -> Vec<f64> {
            of.into_iter().flat_map(|(level, rows)| std::iter::repeat_n(level, rows)).collect()
        };
        assert_eq!(low(&rows([(2.0, 10), (1.0, 10), (0.0, 3)]), Some(4)), Some(1.0));
        assert_eq!(low(&rows([(2.0, 11), (1.0, 10), (0.0, 3)]), Some(4)), Some(2.0));
        assert_eq!(low(&rows([(2.0, 9), (1.0, 10), (0.0, 0)]), Some(4)), None);
    }
}
