//! docs/command.md lists the options that there are, and its examples are valid.

use std::collections::{BTreeMap, BTreeSet};

use clap::CommandFactory as _;

use crate::Cli;

/// The rows of the tables of docs/command.md: option with value, to subcommands and meaning.
fn documented(page: &str) -> BTreeMap<String, (String, String)> {
    let rows = page.lines().filter(|line| line.starts_with("| `--"));
    let cells = rows.map(|row| row.split(" | ").map(|cell| cell.trim_matches(['|', ' ']).to_owned()).collect());
    cells
        .map(|cells: Vec<String>| match &cells[..] {
            [option, commands, meaning] => (option.trim_matches('`').to_owned(), (commands.clone(), meaning.clone())),
            _ => panic!("a row has three cells: {cells:?}"),
        })
        .collect()
}

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/command.md");
    std::fs::read_to_string(path).expect("the page can be read")
}

#[test]
fn the_examples_of_the_page_are_valid() {
    let page = page();
    let blocks = page.split("```").skip(1).step_by(2);
    let commands = blocks.flat_map(str::lines).flat_map(|line| line.split(" && ")).filter(|line| !line.is_empty());
    let mut count = 0;
    for line in commands {
        let words = line.strip_prefix("churn ").unwrap_or_else(|| panic!("{line} is no command"));
        Cli::command().try_get_matches_from(words.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
        count += 1;
    }
    assert!(count > 5, "only {count} examples");
}

#[test]
fn the_page_lists_every_option() {
    let mut command = Cli::command();
    command.build();
    let page = documented(&page());
    let (mut options, mut all) = (BTreeMap::<String, BTreeSet<&str>>::new(), BTreeSet::new());
    for subcommand in command.get_subcommands().filter(|command| command.get_name() != "help") {
        all.insert(subcommand.get_name());
        for argument in subcommand.get_arguments() {
            let Some(long) = argument.get_long().filter(|long| !["help", "version"].contains(long)) else {
                continue;
            };
            let takes_value = argument.get_action().takes_values();
            let value = argument
                .get_value_names()
                .filter(|_| takes_value)
                .map_or(String::new(), |names| format!(" {}", names[0]));
            let option = format!("--{long}{value}");
            let (_, meaning) = page.get(&option).unwrap_or_else(|| panic!("{option} is not in the page"));
            for default in argument.get_default_values().iter().filter(|_| takes_value) {
                let default = format!("`{}`", default.to_string_lossy());
                assert!(meaning.contains(&default), "{option}: the page does not name the default {default}");
            }
            options.entry(option).or_default().insert(subcommand.get_name());
        }
    }
    let options: BTreeMap<String, String> = options
        .into_iter()
        .map(|(option, commands)| {
            let listed = commands.iter().copied().collect::<Vec<_>>().join(", ");
            (option, if commands == all { "all".to_owned() } else { listed })
        })
        .collect();
    let page: BTreeMap<String, String> = page.into_iter().map(|(option, row)| (option, row.0)).collect();
    assert_eq!(page, options);
}
