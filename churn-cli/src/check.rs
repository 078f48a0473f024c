//! `churn check`: the findings about a log, and the settings that it suggests.

use churn::{Finding, Severity, Suggestion, TrainConfig, check, suggest};
use clap::Args;
use serde_json::json;

use crate::arguments::{FileArgs, ReadArgs, TrainArgs};
use crate::failure::Result;
use crate::options::assignment;
use crate::reading::{Log, read_log};
use crate::session::Session;
use crate::summary::{self, percent};
use crate::{documents, exit};

/// The options of `churn check`.
#[derive(Args, Debug)]
pub(crate) struct CheckCommand {
    #[command(flatten)]
    file: FileArgs,
    #[command(flatten)]
    reading: ReadArgs,
    #[command(flatten)]
    training: TrainArgs,
}

impl CheckCommand {
    pub(crate) fn run(&self, session: &Session<'_>) -> Result<u8> {
        let config = self.training.config()?;
        let path = &self.file.file;
        let Log { events, found: form } = read_log(path, &self.reading, session)?;
        session.check_interrupted()?;
        let findings = check(&events, &config.labels)?;
        session.check_interrupted()?;
        // A log in which nobody comes back suggests nothing.
        let suggestion = suggest(&events);
        session.say(&findings_with_options(&findings));
        match &suggestion {
            Ok(suggestion) => session.say(&suggested(suggestion, &config)),
            Err(error) => session.say(&format!("\nNo setting is suggested: {error}\n")),
        }
        session.document(&json!({
            "input": documents::input(path, &events, &form),
            "findings": findings,
            "suggestion": suggestion.ok(),
        }))?;
        Ok(if findings.iter().any(|finding| stops(finding, &config.allow)) { exit::REFUSED } else { exit::OK })
    }
}

/// True for a finding of severity error whose code is not allowed.
pub(crate) fn stops(finding: &Finding, allow: &[String]) -> bool {
    finding.severity == Severity::Error && !allow.contains(&finding.code)
}

/// The findings, each with the options that correct it.
pub(crate) fn findings_with_options(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "\nThere is no finding.\n".to_owned();
    }
    let paragraph = |finding: &Finding| {
        let mut text = summary::findings(std::slice::from_ref(finding));
        let options = finding.suggestion.iter().filter_map(|(setting, value)| assignment(setting, value));
        options.for_each(|option| text.push_str(&format!("  suggested: {option}\n")));
        text
    };
    findings.iter().map(paragraph).collect()
}

/// The proposed definition of churn beside the one in use.
fn suggested(suggestion: &Suggestion, config: &TrainConfig) -> String {
    let in_use = config.labels.active_within_days.map_or("no limit".to_owned(), |days| days.to_string());
    let mut text = format!(
        "\nSuggested by the pauses of {} customers who came back\n  --horizon-days {:<13} in use: {}\n  \
         --active-within-days {:<7} in use: {in_use}\n\n  {:<12} {:>24}\n",
        summary::count(suggestion.customers),
        suggestion.horizon_days,
        config.labels.horizon_days,
        suggestion.active_within_days,
        "horizon",
        "pauses that end within"
    );
    for row in &suggestion.shares {
        text.push_str(&format!("  {:<12} {:>24}\n", format!("{} days", row.horizon_days), percent(row.share)));
    }
    text
}
