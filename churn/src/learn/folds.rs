//! Assigns customers to folds, so that each row can be scored by a fit that has not seen its customer.

use crate::error::{Error, ErrorKind, Result};
use crate::random::{Random, mix};

pub(crate) const FOLDS: usize = 5;
/// From this number of rows on, only one of the five folds is scored, because a fifth of the rows is enough to calibrate on
/// and to choose settings by; and what an evaluation has found is not found again for the final fit.
pub(super) const MANY_ROWS: usize = 20_000;

/// Assigns rows to `folds` parts of about equal size and churn rate. All rows of a customer are in the same part.
pub(crate) fn assign_folds(y: &[bool], groups: &[u32], folds: usize, seed: u64) -> Vec<u8> {
    let most = groups.iter().max().map_or(0, |&g| g as usize + 1);
    let mut churns = vec![None; most];
    for (&group, &churned) in groups.iter().zip(y) {
        let ever = &mut churns[group as usize];
        *ever = Some(ever.unwrap_or(false) || churned);
    }
    let mut fold_of = vec![0u8; most];
    let mut random = Random::new(seed, mix(folds as u64));
    let mut assigned = 0;
    for class in [true, false] {
        let mut members: Vec<usize> = (0..most).filter(|&g| churns[g] == Some(class)).collect();
        random.shuffle(&mut members);
        for group in members {
            fold_of[group] = (assigned % folds) as u8;
            assigned += 1;
        }
    }
    groups.iter().map(|&g| fold_of[g as usize]).collect()
}

/// The training rows and the held-out rows of the first `scored` of the folds. Rows are learned from if they are among the first
/// `training`; the rows after them are held out, or if there are none, the training rows themselves.
pub(super) fn folds(
    y: &[bool],
    groups: &[u32],
    training: usize,
    scored: usize,
    seed: u64,
) -> Result<Vec<(Vec<u32>, Vec<u32>)>> {
    let fold_of = assign_folds(y, groups, FOLDS, seed);
    let held_out = if training < y.len() { training..y.len() } else { 0..training };
    let rows = |rows: std::ops::Range<usize>, is_in: &dyn Fn(usize) -> bool| -> Vec<u32> {
        rows.filter(|&row| is_in(usize::from(fold_of[row]))).map(|row| row as u32).collect()
    };
    let part = |fold| (rows(0..training, &|of| of != fold), rows(held_out.clone(), &|of| of == fold));
    let parts: Vec<(Vec<u32>, Vec<u32>)> = (0..scored).map(part).collect();
    for (learn, _) in &parts {
        let churned = learn.iter().filter(|&&row| y[row as usize]).count();
        if churned == 0 || churned == learn.len() {
            let message = "too few different customers: each part of them must leave both outcomes to the others, by whom calibration and settings that are not given are found";
            return Err(Error::new(ErrorKind::OneClass, message));
        }
    }
    Ok(parts)
}
