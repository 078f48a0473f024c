//! Behavioural clusters of customers, by k-means on standardised features.
//!
//! The algorithm is smartcore's k-means (k-means++ start, Lloyd's iterations). Unlike everything else in this library, its
//! start depends on the word size of the target. So a 32-bit target may number or divide the clusters differently.

use smartcore::cluster::kmeans::{KMeans, KMeansParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;

use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::features::{FeatureTable, percentile};

/// Clusters of customers by behaviour, the largest first.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Clusters {
    /// The cluster of each row of the table, from 0.
    pub assignments: Vec<usize>,
    /// Number of customers in each cluster.
    pub sizes: Vec<usize>,
    /// Mean of each feature in each cluster over the present values, in the feature's unit; NaN if there is no value.
    pub centers: Vec<Vec<f64>>,
}

/// Groups the rows of a feature table into at most `k` clusters. Missing values are replaced by the median. Columns that do
/// not vary and categorical columns are left out of the distance.
///
/// ```
/// use churn::{Events, FeatureConfig, ReadOptions, cluster, features};
/// # let csv: String = std::iter::once("customer_id,event_date\n".to_owned())
/// #     .chain((0..20).flat_map(|c| (0..(if c < 12 { 2 } else { 20 })).map(move |k| format!("c{c},2024-03-{:02}\n", 1 + k))))
/// #     .collect();
/// let events = Events::from_csv(csv.as_bytes(), &ReadOptions::default())?;
/// let (history, _) = events.split_at(events.last_day());
/// let clusters = cluster(&features(&history, &FeatureConfig::default())?, 2, 0)?;
/// assert_eq!(clusters.sizes, [12, 8]);
/// # Ok::<(), churn::Error>(())
/// ```
///
/// # Errors
/// `invalid_parameter` unless 2 ≤ k ≤ the number of rows and k ≤ 1000; `invalid_column` if no column varies.
pub fn cluster(table: &FeatureTable, k: usize, seed: u64) -> Result<Clusters> {
    let rows = table.rows();
    if k < 2 || k > rows.min(1000) {
        return Err(invalid_parameter("k", k, &format!("2 to {}", rows.min(1000))));
    }
    let mut columns = Vec::new();
    for (column, spec) in table.values().columns().into_iter().zip(table.specs()) {
        let mut present: Vec<f64> = column.iter().copied().filter(|v| !v.is_nan()).collect();
        if spec.levels.is_some() || present.is_empty() {
            continue;
        }
        let median = percentile(&mut present, 0.5);
        let filled: Vec<f64> = column.iter().map(|v| if v.is_nan() { median } else { *v }).collect();
        let mean = filled.iter().sum::<f64>() / rows as f64;
        let deviation = (filled.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / rows as f64).sqrt();
        if deviation > 1e-12 * mean.abs() {
            columns.push(filled.iter().map(|v| (v - mean) / deviation).collect::<Vec<f64>>());
        }
    }
    if columns.is_empty() {
        return Err(Error::new(ErrorKind::InvalidColumn, "no numeric column varies: there is nothing to group by"));
    }
    let failed = |error: smartcore::error::Failed| Error::new(ErrorKind::InvalidParameter, format!("k-means: {error}"));
    let points = DenseMatrix::new(rows, columns.len(), columns.concat(), true).map_err(failed)?;
    let parameters = KMeansParameters { k, max_iter: 300, seed: Some(seed) };
    let found: Vec<i32> =
        KMeans::fit(&points, parameters).and_then(|kmeans| kmeans.predict(&points)).map_err(failed)?;

    let mut sizes = vec![0; k];
    found.iter().for_each(|&c| sizes[c as usize] += 1);
    let mut order: Vec<usize> = (0..k).filter(|&c| sizes[c] > 0).collect();
    order.sort_by_key(|&c| std::cmp::Reverse(sizes[c]));
    let rank =
        |c: i32| order.iter().position(|&o| o == c as usize).expect("every cluster that was assigned has a size");
    let assignments: Vec<usize> = found.into_iter().map(rank).collect();
    let center = |cluster: usize| {
        let mean = |column: ndarray::ArrayView1<'_, f64>| {
            let members =
                column.iter().zip(&assignments).filter(|(v, c)| **c == cluster && !v.is_nan()).map(|(v, _)| *v);
            let (sum, count) = members.fold((0.0, 0.0), |(sum, count), v| (sum + v, count + 1.0));
            if count > 0.0 { sum / count } else { f64::NAN }
        };
        table.values().columns().into_iter().map(mean).collect()
    };
    let centers = (0..order.len()).map(center).collect();
    Ok(Clusters { sizes: order.iter().map(|&c| sizes[c]).collect(), assignments, centers })
}
