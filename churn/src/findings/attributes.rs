//! Findings about a joined table: the shares of customers and of categories that it matches.

use super::{Finding, percent};
use crate::features::{FeatureSpec, FeatureTable};
use crate::table::OTHER;

/// There is a finding if the share of customers found in the table is below this.
const FEW_MATCHED: f64 = 0.5;
/// There is a finding if the share of values without a level is this much larger than in training.
const MANY_UNKNOWN: f64 = 0.1;
/// It is an error if no value has a level, and that had at most this probability if values were as rare as in training.
const UNLIKELY: f64 = 1e-3;

/// The findings about the joined columns of a table, which come after the first `computed` columns. `unknown` is the number of
/// values of each joined column that are not a level of it, and `usual` its share in training; `matched` is the number of customers
/// found.
pub(crate) fn joined(
    table: &FeatureTable,
    computed: usize,
    matched: u64,
    unknown: &[u64],
    usual: &dyn Fn(&FeatureSpec) -> f64,
) -> Vec<Finding> {
    let rows = table.rows() as u64;
    let mut findings = Vec::new();
    if table.specs.len() == computed || rows == 0 {
        return findings;
    }
    let share = matched as f64 / rows as f64;
    let ids = "ids are compared byte for byte, so case, blanks and leading zeros count";
    if matched == 0 {
        let example = table.customer_ids().next().unwrap_or_default();
        let message =
            format!("none of the {rows} customers of the log is found in the joined table, {example:?} for one: {ids}");
        findings.push(Finding::new("unmatched_attributes", message).evidence("customers", rows));
    } else if share < FEW_MATCHED {
        let message = format!(
            "{matched} of {rows} customers ({}) are found in the joined table; the others have missing values in its columns: {ids}",
            percent(share)
        );
        let finding =
            Finding::new("few_attributes_matched", message).evidence("customers", rows).evidence("matched", matched);
        findings.push(finding);
    }
    for (at, (spec, &unknown)) in table.specs[computed..].iter().zip(unknown).enumerate() {
        let Some(levels) = &spec.levels else { continue };
        let present = table.values.column(computed + at).iter().filter(|value| !value.is_nan()).count() as u64;
        // A value without a level is missing, or is the level for all others.
        let known = if spec.has_many_levels() { present.saturating_sub(unknown) } else { present };
        let (rows, usual) = ((known + unknown).max(1) as f64, usual(spec));
        let share = unknown as f64 / rows;
        let by_chance = 3.0 * (usual * (1.0 - usual) / rows).sqrt();
        let own = levels.iter().filter(|level| !spec.has_many_levels() || *level != OTHER);
        let some: Vec<&str> = own.clone().take(5).map(String::as_str).collect();
        let count_as = if spec.has_many_levels() { "all rare values do" } else { "missing" };
        let says = |what: String| {
            format!(
                "{what} of the column {:?} are none of the {} levels that the model has learned from ({}, …) and count as {count_as}",
                spec.name,
                own.clone().count(),
                some.join(", ")
            )
        };
        let (code, message) = match known {
            // All of a few customers may have rare values by chance.
            0 if unknown > 0 && libm::pow(usual, rows) < UNLIKELY => {
                ("unknown_levels", says(format!("all {unknown} values")))
            }
            _ if share > usual + MANY_UNKNOWN.max(by_chance) => {
                ("many_unknown_levels", says(format!("{unknown} values ({})", percent(share))))
            }
            _ => continue,
        };
        let finding = Finding::new(code, message)
            .evidence("column", spec.name.as_str())
            .evidence("unknown", unknown)
            .evidence("known", known);
        findings.push(finding);
    }
    findings
}
