//! Newton's method for the log-loss with an L2 penalty, over columns that are computed block by block.
//!
//! **Algorithm.** Minimises Σ weight · log-loss + l2/2 · ‖coefficients‖², with the intercept not penalised, by Newton steps
//! with the exact Hessian (Cholesky). A step is halved while it does not improve the objective. With many rows, every eighth
//! block is fitted first, and with very many rows, every 64th block before that. So all rows are only needed for the last
//! steps. The minimum and the tolerance are the same.
//!
//! **Memory.** There is no design matrix: a block of rows is standardised when it is read.
//!
//! Rows are summed in fixed blocks, lanes and groups, so the coefficients do not depend on the number of threads or on the
//! vector instructions.

use std::ops::Range;

use super::link::{exp_of_negative, ln_1p};
use crate::counts::chunk_range;
use crate::error::{Error, ErrorKind, Result};
use crate::parallel;
use crate::progress::{Observer, check_cancelled};

/// Number of rows that are processed together. With about thirty columns they fit in the first-level cache.
pub(crate) const BLOCK: usize = 128;
const LANES: usize = 4;
const MAX_STEPS: usize = 200;
/// Relative tolerance: a step is the last one if it, or the predicted next step, is at most this part of the largest
/// coefficient.
const TOLERANCE: f64 = 1e-10;
/// The tolerance for a part of the rows, whose minimum is only a starting point.
const ROUGHLY: f64 = 1e-3;
/// Largest number of groups of blocks that are summed in parallel. `MOST_NUMBERS` limits the total size of their Hessians.
const GROUPS: usize = 64;
const MOST_NUMBERS: usize = 1 << 23;
/// The part that is fitted first is one block in this many, if it has at least `LEAST_PART` rows and
/// `LEAST_PART_PER_COLUMN` rows per column.
const PART: usize = 8;
const LEAST_PART: usize = 4096;
const LEAST_PART_PER_COLUMN: usize = 50;

/// The minimisation problem.
pub(crate) struct Problem<'a> {
    /// Writes the columns of these rows, at most [`BLOCK`], one column after the other at a distance of [`BLOCK`].
    pub(crate) fill: &'a (dyn Fn(Range<usize>, &mut [f64]) + Sync),
    pub(crate) columns: usize,
    /// The target of each row, from 0 to 1.
    pub(crate) y: &'a [f64],
    pub(crate) weights: &'a [f64],
    pub(crate) l2: f64,
    /// The observer, which is called before every pass over the rows.
    pub(crate) observer: &'a dyn Observer,
}

/// The point at which the Newton steps ended; `arrived` is true if it is the minimum.
struct Descent {
    point: Vec<f64>,
    arrived: bool,
}

/// Gradient, upper triangle of the Hessian, and objective at a point.
struct Sums {
    gradient: Vec<f64>,
    hessian: Vec<f64>,
    objective: f64,
}

type BlockColumn = [f64; BLOCK];

impl Problem<'_> {
    /// Finds the minimum. The first element is the intercept.
    pub(crate) fn minimum(&self) -> Result<Vec<f64>> {
        let mut start = vec![0.0; self.columns + 1];
        let total: f64 = self.weights.iter().sum();
        let rate = self.y.iter().zip(self.weights).map(|(y, w)| y * w).sum::<f64>() / total;
        start[0] = libm::log(rate / (1.0 - rate));
        let least = LEAST_PART.max(LEAST_PART_PER_COLUMN * self.columns);
        let mut every = 1;
        while self.y.len() / (every * PART) >= least {
            every *= PART;
        }
        let mut from: Option<Vec<f64>> = None;
        while every > 1 {
            let Descent { point, arrived } = self.descend(from.as_ref().unwrap_or(&start), every, ROUGHLY)?;
            from = arrived.then_some(point);
            every /= PART;
        }
        let mut found = self.descend(from.as_ref().unwrap_or(&start), 1, TOLERANCE)?;
        if !found.arrived && from.is_some() {
            // A part can give a bad starting point, for example if its outcomes are separable and its coefficients grow too
            // large.
            found = self.descend(&start, 1, TOLERANCE)?;
        }
        if found.point.iter().all(|p| p.is_finite()) {
            return Ok(found.point);
        }
        Err(Error::new(ErrorKind::InvalidParameter, "the logistic fit did not converge; use a larger l2"))
    }

    /// Takes Newton steps on one of every `every` blocks, until a step is at most `tolerance` times the largest coefficient.
    fn descend(&self, start: &[f64], every: usize, tolerance: f64) -> Result<Descent> {
        // The relative rounding error of the objective. If a step promises a smaller improvement, the point is the minimum.
        const ROUNDING: f64 = 1e-13;
        const REST: f64 = 1e-9;
        let mut point = start.to_vec();
        let mut here = self.sums(&point, every)?;
        let mut before = f64::NAN;
        for _ in 0..MAX_STEPS {
            let Some(step) = solve(&mut here.hessian, &here.gradient) else { break };
            let taken = |length: f64| -> Vec<f64> { point.iter().zip(&step).map(|(p, s)| p - length * s).collect() };
            let size = largest(&step, 0.0) / largest(&point, 1.0);
            // Steps shrink quadratically: the next step is about the square of this one, times a factor estimated from the last
            // two.
            let next = size * size * f64::max(1.0, size / (before * before));
            if size <= tolerance || (before.is_finite() && next <= tolerance) {
                return Ok(Descent { point: taken(1.0), arrived: true });
            }
            let promised: f64 = step.iter().zip(&here.gradient).map(|(s, g)| s * g).sum();
            let nearly = promised <= REST * here.objective;
            let mut length = 1.0;
            loop {
                let next = taken(length);
                let there = self.sums(&next, every)?;
                if there.objective <= here.objective * (1.0 + ROUNDING) {
                    let at_rest = nearly && there.objective >= here.objective * (1.0 - ROUNDING);
                    (point, here) = (next, there);
                    if at_rest {
                        return Ok(Descent { point, arrived: true });
                    }
                    break;
                }
                length *= 0.5;
                if length < 1e-6 {
                    // No step improves the objective any more, so this is the minimum to machine precision.
                    return Ok(Descent { point, arrived: nearly });
                }
            }
            before = if length == 1.0 { size } else { f64::NAN };
        }
        Ok(Descent { point, arrived: false })
    }

    fn sums(&self, point: &[f64], every: usize) -> Result<Sums> {
        check_cancelled(self.observer, "fit")?;
        let d = point.len();
        let blocks = self.y.len().div_ceil(BLOCK).div_ceil(every);
        let groups = (MOST_NUMBERS / (d * d)).clamp(1, GROUPS).min(blocks);
        let mut total = parallel::map(groups, |group| {
            let mut work = Work::new(d);
            for block in chunk_range(blocks, group, groups) {
                let first = block * every * BLOCK;
                let rows = first..(first + BLOCK).min(self.y.len());
                if rows.len() < BLOCK {
                    // Rows beyond the end have the weight 0.
                    work.clear();
                }
                work.y[..rows.len()].copy_from_slice(&self.y[rows.clone()]);
                work.weights[..rows.len()].copy_from_slice(&self.weights[rows.clone()]);
                (self.fill)(rows, work.columns[1..d].as_flattened_mut());
                work.add(point);
            }
            work.sums
        })
        .into_iter()
        .reduce(|mut total, group| {
            total.gradient.iter_mut().zip(&group.gradient).for_each(|(a, b)| *a += b);
            total.hessian.iter_mut().zip(&group.hessian).for_each(|(a, b)| *a += b);
            total.objective += group.objective;
            total
        })
        .expect("there is at least one row");
        let l2 = self.l2 / every as f64;
        for (j, coefficient) in point.iter().enumerate().skip(1) {
            total.gradient[j] += l2 * coefficient;
            total.hessian[j * d + j] += l2;
            total.objective += 0.5 * l2 * coefficient * coefficient;
        }
        Ok(total)
    }
}

fn largest(values: &[f64], least: f64) -> f64 {
    values.iter().fold(least, |most, value| most.max(value.abs()))
}

/// A block of rows, and the sums that it is added to.
struct Work {
    /// A column of ones for the intercept, the columns of the terms, and columns of zeros up to a whole number of tiles.
    columns: Vec<BlockColumn>,
    y: BlockColumn,
    weights: BlockColumn,
    margins: BlockColumn,
    residuals: BlockColumn,
    roots: BlockColumn,
    losses: BlockColumn,
    sums: Sums,
}

impl Work {
    fn new(d: usize) -> Self {
        let mut columns = vec![[0.0; BLOCK]; d.next_multiple_of(TILE)];
        columns[0] = [1.0; BLOCK];
        let zero = [0.0; BLOCK];
        let sums = Sums { gradient: vec![0.0; d], hessian: vec![0.0; d * d], objective: 0.0 };
        Work { columns, y: zero, weights: zero, margins: zero, residuals: zero, roots: zero, losses: zero, sums }
    }

    fn clear(&mut self) {
        self.columns[1..].fill([0.0; BLOCK]);
        (self.y, self.weights) = ([0.0; BLOCK], [0.0; BLOCK]);
    }

    /// Adds the block's rows to the sums. The columns are overwritten.
    fn add(&mut self, point: &[f64]) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            #[allow(
                unsafe_code,
                reason = "the hot loop of the fit: the same operations, four rows at a time; avx2 is there"
            )]
            // SAFETY: the processor has the feature that the function requires.
            unsafe {
                return self.add_in_vectors(point);
            }
        }
        self.add_by(point, dots);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn add_in_vectors(&mut self, point: &[f64]) {
        self.add_by(point, |a, b| dots_in_vectors(a, b));
    }

    #[inline(always)]
    fn add_by(&mut self, point: &[f64], dots: impl Fn(&[BlockColumn; TILE], &[BlockColumn; HALF]) -> Tile) {
        let d = point.len();
        let Work { columns, y, weights, margins, residuals, roots, losses, sums } = self;
        // The intercept's column was overwritten like the others.
        columns[0] = [1.0; BLOCK];
        margins.fill(point[0]);
        for (column, coefficient) in columns[1..d].iter().zip(&point[1..]) {
            for (margin, value) in margins.iter_mut().zip(column) {
                *margin += coefficient * value;
            }
        }
        for i in 0..BLOCK {
            let (margin, y, weight) = (margins[i], y[i], weights[i]);
            let e = exp_of_negative(-margin.abs());
            let inverse = 1.0 / (1.0 + e);
            let p = if margin >= 0.0 { inverse } else { e * inverse };
            residuals[i] = weight * (p - y);
            // The square root of weight · p · (1 − p).
            roots[i] = (weight * e).sqrt() * inverse;
            // ln(1 + e^m) − y·m, written so that neither end overflows.
            losses[i] = weight * (ln_1p(e) + if margin >= 0.0 { margin } else { 0.0 } - y * margin);
        }
        sums.objective += sum(losses);
        for (column, gradient) in columns[..d].iter_mut().zip(&mut sums.gradient) {
            *gradient += dot(residuals, column);
            column.iter_mut().zip(roots.iter()).for_each(|(value, root)| *value *= root);
        }
        for i in (0..d).step_by(TILE) {
            for j in (i..d).step_by(HALF) {
                let (a, b) = (columns[i..].first_chunk(), columns[j..].first_chunk());
                let products = dots(a.expect("whole tiles"), b.expect("whole tiles"));
                for (row, products) in (i..d).zip(&products) {
                    for (column, product) in (j..d).zip(products) {
                        sums.hessian[row * d + column] += product;
                    }
                }
            }
        }
    }
}

/// A tile is `TILE` × `HALF` pairs of columns, so that its sums stay in registers.
const TILE: usize = 4;
const HALF: usize = 2;

type Tile = [[f64; HALF]; TILE];

/// The dot products of some columns with others, each summed in four lanes.
#[inline(always)]
fn dots(a: &[BlockColumn; TILE], b: &[BlockColumn; HALF]) -> Tile {
    std::array::from_fn(|i| std::array::from_fn(|j| dot(&a[i], &b[j])))
}

/// The same sums with explicit vector instructions, which the compiler does not generate by itself.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn dots_in_vectors(a: &[BlockColumn; TILE], b: &[BlockColumn; HALF]) -> Tile {
    use std::arch::x86_64::*;
    let load = |column: &BlockColumn, at: usize| {
        let four: &[f64; LANES] = column[at..at + LANES].try_into().expect("four lanes");
        _mm256_setr_pd(four[0], four[1], four[2], four[3])
    };
    let mut lanes = [[_mm256_setzero_pd(); HALF]; TILE];
    for at in (0..BLOCK).step_by(LANES) {
        let b: [__m256d; HALF] = [load(&b[0], at), load(&b[1], at)];
        for (a, lanes) in a.iter().zip(&mut lanes) {
            let a = load(a, at);
            for (lanes, b) in lanes.iter_mut().zip(b) {
                *lanes = _mm256_add_pd(*lanes, _mm256_mul_pd(a, b));
            }
        }
    }
    lanes.map(|row| {
        row.map(|lanes| {
            let pairs = _mm256_hadd_pd(lanes, lanes);
            _mm_cvtsd_f64(_mm256_castpd256_pd128(pairs)) + _mm_cvtsd_f64(_mm256_extractf128_pd::<1>(pairs))
        })
    })
}

#[inline(always)]
fn dot(a: &BlockColumn, b: &BlockColumn) -> f64 {
    let mut lanes = [0.0; LANES];
    for at in (0..BLOCK).step_by(LANES) {
        for lane in 0..LANES {
            lanes[lane] += a[at + lane] * b[at + lane];
        }
    }
    across(lanes)
}

#[inline(always)]
fn sum(a: &BlockColumn) -> f64 {
    let mut lanes = [0.0; LANES];
    for at in (0..BLOCK).step_by(LANES) {
        for lane in 0..LANES {
            lanes[lane] += a[at + lane];
        }
    }
    across(lanes)
}

#[inline(always)]
fn across(lanes: [f64; LANES]) -> f64 {
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])
}

/// Solves the symmetric system given by its upper triangle, by Cholesky decomposition in place. None if it is not positive
/// definite.
fn solve(upper: &mut [f64], right: &[f64]) -> Option<Vec<f64>> {
    let d = right.len();
    for j in 0..d {
        for k in 0..j {
            let factor = upper[k * d + j];
            let (above, row) = upper.split_at_mut(j * d);
            for (value, above) in row[j..d].iter_mut().zip(&above[k * d + j..(k + 1) * d]) {
                *value -= factor * above;
            }
        }
        let pivot = upper[j * d + j];
        if pivot.is_nan() || pivot <= 0.0 {
            return None;
        }
        let root = pivot.sqrt();
        upper[j * d + j..(j + 1) * d].iter_mut().for_each(|v| *v /= root);
    }
    let mut solution = right.to_vec();
    for j in 0..d {
        solution[j] /= upper[j * d + j];
        for i in j + 1..d {
            solution[i] -= upper[j * d + i] * solution[j];
        }
    }
    for j in (0..d).rev() {
        for i in j + 1..d {
            solution[j] -= upper[j * d + i] * solution[i];
        }
        solution[j] /= upper[j * d + j];
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Test data: columns, outcomes and weights.
    struct Data {
        columns: Vec<Vec<f64>>,
        y: Vec<f64>,
        weights: Vec<f64>,
    }

    /// Uniform columns from −2 to 2, an outcome that depends on the first two and on chance, and weights 0, 1 and 2.
    fn data(rows: usize, columns: usize) -> Data {
        let mut random = Random::new(7, 0);
        let mut uniform = || random.below(1 << 20) as f64 / f64::from(1 << 20);
        let columns: Vec<Vec<f64>> = (0..columns).map(|_| (0..rows).map(|_| 4.0 * uniform() - 2.0).collect()).collect();
        let y = (0..rows).map(|i| f64::from(u8::from(columns[0][i] - columns[1][i] + 4.0 * uniform() > 2.5))).collect();
        Data { columns, y, weights: (0..rows).map(|i| (i % 3) as f64).collect() }
    }

    fn minimum(data: &Data, l2: f64) -> Vec<f64> {
        let fill = |rows: Range<usize>, out: &mut [f64]| {
            for (column, out) in data.columns.iter().zip(out.chunks_exact_mut(BLOCK)) {
                out[..rows.len()].copy_from_slice(&column[rows.clone()]);
            }
        };
        let (columns, y, weights) = (data.columns.len(), &data.y, &data.weights);
        let problem = Problem { fill: &fill, columns, y, weights, l2, observer: &() };
        problem.minimum().expect("a minimum")
    }

    /// The gradient of the objective by its definition, one row at a time with libm.
    fn gradient(data: &Data, l2: f64, point: &[f64]) -> Vec<f64> {
        let mut gradient: Vec<f64> = point.iter().map(|p| l2 * p).collect();
        gradient[0] = 0.0;
        for (i, y) in data.y.iter().enumerate() {
            let margin = data.columns.iter().zip(&point[1..]).fold(point[0], |sum, (x, b)| sum + x[i] * b);
            let residual = data.weights[i] * (1.0 / (1.0 + libm::exp(-margin)) - y);
            gradient[0] += residual;
            data.columns.iter().zip(&mut gradient[1..]).for_each(|(x, g)| *g += residual * x[i]);
        }
        gradient
    }

    /// The objective is strictly convex, so the gradient is 0 only at its minimum. The Hessian is at least 0.05 per row here,
    /// so a gradient of 1e-10 per row means an error of 2e-9 in a coefficient.
    #[test]
    fn the_gradient_is_zero_at_the_minimum() {
        // Fewer rows than a block, a partial last block, and enough rows for one part and for a part of a part.
        for (rows, columns) in [(60, 2), (3000, 7), (40_000, 5), (270_000, 3)] {
            for l2 in [1.0, 100.0] {
                let data = data(rows, columns);
                let point = minimum(&data, l2);
                assert!(point[1] > 0.1 && point[2] < -0.1, "{rows} rows: {point:?}");
                for (j, slope) in gradient(&data, l2, &point).iter().enumerate() {
                    assert!(slope.abs() <= 1e-10 * rows as f64, "{rows} rows: the slope along {j} is {slope}");
                }
            }
        }
    }

    /// The blocks of the part that is fitted first are separable, and the penalty is nearly 0.
    #[test]
    fn a_part_that_is_separable_leads_nowhere() {
        let mut data = data(40_000, 2);
        for i in (0..data.y.len()).filter(|i| (i / BLOCK).is_multiple_of(PART)) {
            data.y[i] = f64::from(u8::from(data.columns[0][i] > 0.0));
        }
        let point = minimum(&data, 1e-9);
        for slope in gradient(&data, 1e-9, &point) {
            assert!(slope.abs() <= 1e-10 * 40_000.0, "{slope} at {point:?}");
        }
    }

    #[test]
    fn separable_and_collinear_columns_come_to_an_end() {
        let mut data = data(5000, 3);
        data.columns[2] = data.columns[0].clone();
        // Two columns of the same values share a coefficient evenly.
        let point = minimum(&data, 1e-6);
        assert!((point[1] - point[3]).abs() < 1e-4 * point[1], "{point:?}");
        data.y = data.columns[1].iter().map(|&x| f64::from(u8::from(x > 0.0))).collect();
        for l2 in [0.0, 1e-12, 1.0] {
            let point = minimum(&data, l2);
            assert!(point.iter().all(|p| p.is_finite()) && point[2] > 1.0, "{point:?}");
        }
        // The largest standardised value.
        data.columns[0][17] = 1e6;
        assert!(minimum(&data, 1.0).iter().all(|p| p.is_finite()));
    }

    #[test]
    fn vectors_and_single_numbers_give_the_same_bits() {
        for columns in [2, 3, 8, 30] {
            let data = data(BLOCK, columns);
            let work = |add: fn(&mut Work, &[f64])| {
                let mut work = Work::new(columns + 1);
                work.y.copy_from_slice(&data.y);
                work.weights.copy_from_slice(&data.weights);
                for (to, from) in work.columns[1..].iter_mut().zip(&data.columns) {
                    to.copy_from_slice(from);
                }
                let point: Vec<f64> = (0..=columns).map(|j| 0.3 - 0.1 * j as f64).collect();
                add(&mut work, &point);
                let Sums { gradient, hessian, objective } = work.sums;
                [gradient, hessian, vec![objective]].concat().into_iter().map(f64::to_bits).collect::<Vec<u64>>()
            };
            assert!(work(Work::add) == work(|work, point| work.add_by(point, dots)), "{columns} columns");
        }
    }

    #[cfg(feature = "parallel")]
    #[test]
    fn threads_change_no_bit_of_a_minimum() {
        let data = data(40_000, 9);
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| minimum(&data, 1.0)).into_iter().map(f64::to_bits).collect::<Vec<u64>>()
        };
        let one = with(1);
        assert!(with(2) == one && with(5) == one);
    }
}
