//! The settings of the core as options of the command line, in messages and in advice.

use churn::{Json, TrainConfig};
use clap::CommandFactory as _;

use crate::Cli;

/// Names the settings of a message as the command line does: `horizon_days = 90` becomes `--horizon-days 90`, and
/// `trees is 0; …` becomes `--set trees is 0; …`.
pub(crate) fn in_options(message: &str) -> String {
    let words: Vec<&str> = message.split_inclusive(' ').collect();
    let mut text = String::with_capacity(message.len());
    let mut at = 0;
    while let Some(&word) = words.get(at) {
        let open = word.len() - word.trim_start_matches('(').len();
        let name = word[open..].trim_end();
        let next = words.get(at + 1).map(|next| next.trim_end());
        let named = match next {
            Some("=" | "names") => true,
            // The core begins with the name of a setting that it refuses.
            Some("is") => at == 0,
            _ => false,
        };
        let option = if named { option(name) } else { None };
        match option {
            Some((option, takes_value)) => {
                text.push_str(&word[..open]);
                text.push_str(&option);
                let assigned = next == Some("=");
                // `include_inactive = true` is a flag, whose value is not written.
                at += if assigned && !takes_value { 2 } else { usize::from(assigned) };
                text.push(if option.starts_with("--set") && assigned { '=' } else { ' ' });
            }
            None => text.push_str(word),
        }
        at += 1;
    }
    text
}

/// The option that gives a setting of the core a value, to be typed in a shell.
pub(crate) fn assignment(setting: &str, value: &Json) -> Option<String> {
    let value_of = value;
    let value = match value {
        Json::Text(text) => text.clone(),
        other => serde_json::to_string(other).ok()?,
    };
    let plain = |c: char| c.is_alphanumeric() || "-_.:/=".contains(c);
    let quoted = |text: String| match text.chars().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', "'\\''")),
    };
    let (option, takes_value) = option(setting)?;
    if let (Json::List(values), false) = (value_of, option.starts_with("--set ")) {
        // An option that may be given several times.
        let given: Option<Vec<String>> = values.iter().map(|value| assignment(setting, value)).collect();
        return Some(given?.join(" "));
    }
    Some(match option.strip_prefix("--set ") {
        Some(name) => format!("--set {}", quoted(format!("{name}={value}"))),
        None if takes_value => format!("{option} {}", quoted(value)),
        None => option,
    })
}

/// The option of a setting of the core, and whether it takes a value.
fn option(setting: &str) -> Option<(String, bool)> {
    let is_name = !setting.is_empty() && setting.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if !is_name {
        return None;
    }
    let long = setting.replace('_', "-");
    let settings = serde_json::to_value(TrainConfig::default()).ok()?;
    let is_of_training = settings.get(setting).is_some();
    let command = Cli::command();
    // A setting of the training that is an option of `subscriptions` alone is set with `--set` elsewhere, and there too.
    let commands = command.get_subcommands().filter(|command| !is_of_training || command.get_name() == "train");
    let mut arguments = commands.flat_map(|command| command.get_arguments());
    if let Some(argument) = arguments.find(|argument| argument.get_long() == Some(&long)) {
        return Some((format!("--{long}"), argument.get_action().takes_values()));
    }
    is_of_training.then(|| (format!("--set {setting}"), true))
}

#[cfg(test)]
mod tests {
    use churn::Json;

    use super::{assignment, in_options};

    #[test]
    fn assignments_can_be_typed_in_a_shell() {
        let list = Json::List(vec![Json::Text("it's".to_owned()), Json::Text("b".to_owned())]);
        for (setting, value, expected) in [
            ("horizon_days", Json::Unsigned(60), Some("--horizon-days 60")),
            ("last_day", Json::Text("2024-12-23".to_owned()), Some("--last-day 2024-12-23")),
            ("gap_days", Json::Unsigned(3), Some("--set gap_days=3")),
            ("event_types", list, Some(r#"--set 'event_types=["it'\''s","b"]'"#)),
            ("null_values", Json::List(vec![Json::Text("9999-12-31".to_owned())]), Some("--null-values 9999-12-31")),
            ("include_inactive", Json::Boolean(true), Some("--include-inactive")),
            ("ends_known", Json::Text("at_start".to_owned()), Some("--ends-known at_start")),
            ("no_such_setting", Json::Null, None),
        ] {
            assert_eq!(assignment(setting, &value).as_deref(), expected);
        }
    }

    #[test]
    fn settings_become_options() {
        for (message, expected) in [
            ("last_day = 2024-12-23 leaves it out.", "--last-day 2024-12-23 leaves it out."),
            ("is silent (horizon_days = 90): x", "is silent (--horizon-days 90): x"),
            ("gap_days = 3 helps", "--set gap_days=3 helps"),
            ("trees is 0; expected 1 to 10000", "--set trees is 0; expected 1 to 10000"),
            ("max_bad_share is 2; expected", "--max-bad-share is 2; expected"),
            ("include_inactive = true scores them all", "--include-inactive scores them all"),
            ("order_id names the column, merge = \"day\" makes", "--order-id names the column, --merge \"day\" makes"),
            // Names of columns are names of the data.
            (
                "event_date \"x\" is not a date\n  line 3: amount is 4",
                "event_date \"x\" is not a date\n  line 3: amount is 4",
            ),
            ("windows.recent_days is 1", "windows.recent_days is 1"),
            ("", ""),
        ] {
            assert_eq!(in_options(message), expected);
        }
    }
}
