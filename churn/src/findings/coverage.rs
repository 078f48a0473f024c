//! Findings about the customers that a model scores.

use super::{Finding, sort_by_severity};
use crate::coverage::Coverage;
use crate::day::Day;
use crate::features::FeatureTable;
use crate::labels::{INACTIVITY_WARNING, LabelConfig, LabelKind};
use crate::model::Model;

impl Model {
    /// The findings about scoring customers of a feature table of this model, worst first: the findings about its data, about
    /// every prediction of the model, and about customers that the definition of churn does not cover. `coverage` counts the
    /// customers to score, which may be a part of the table.
    pub fn scoring_findings(&self, table: &FeatureTable, coverage: Coverage, include_inactive: bool) -> Vec<Finding> {
        let mut findings = table.findings().to_vec();
        if self.labels().labels == LabelKind::Inactivity {
            findings.push(Finding::new("inactivity_rule", INACTIVITY_WARNING.to_owned()));
        }
        if let Some(as_of) = table.as_of() {
            findings.extend(not_covered(self.labels(), coverage, as_of, include_inactive));
        }
        sort_by_severity(&mut findings);
        findings
    }
}

/// The finding about customers that a definition does not cover, if there are any.
fn not_covered(definition: &LabelConfig, coverage: Coverage, as_of: Day, are_scored: bool) -> Option<Finding> {
    let within = definition.active_within_days.filter(|_| coverage.inactive > 0)?;
    let who = format!(
        "{} of {} customers have no event in the {within} days before {as_of}, and the model has learned from customers who \
         have one",
        coverage.inactive,
        coverage.customers()
    );
    let finding = match are_scored {
        true => Finding::new("customers_guessed", format!("{who}: their probabilities are guesses.")),
        false => {
            let message = format!("{who}: they are left out. include_inactive = true scores them too.");
            Finding::new("customers_left_out", message)
        }
    };
    Some(
        finding
            .evidence("inactive", coverage.inactive)
            .evidence("customers", coverage.customers())
            .evidence("active_within_days", within)
            .evidence("as_of", as_of),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn customers_beyond_the_definition_are_left_out_or_guessed() {
        let (definition, as_of) = (LabelConfig::default(), Day::new(20_000).expect("a day"));
        let found = |inactive, are_scored| {
            let coverage = Coverage { covered: 7, inactive, ..Coverage::default() };
            not_covered(&definition, coverage, as_of, are_scored).map(|finding| (finding.code, finding.message))
        };
        assert_eq!(found(0, false), None);
        assert_eq!(found(0, true), None);
        let (code, message) = found(3, false).expect("three are not covered");
        assert_eq!(code, "customers_left_out");
        assert!(message.starts_with("3 of 10 customers have no event in the 365 days before 2024-10-04"), "{message}");
        let (code, message) = found(3, true).expect("three are not covered");
        assert_eq!(code, "customers_guessed");
        assert!(message.ends_with("their probabilities are guesses."), "{message}");
    }
}
