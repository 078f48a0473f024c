//! Docs of items and modules say what they are or do: they begin with a noun phrase or a verb, not with a riddle such as "What was
//! read" or "Those that have".

use std::fs;
use std::path::{Path, PathBuf};

/// First words that leave open what the item is.
const RIDDLES: [&str; 21] = [
    "what", "who", "whose", "whom", "whether", "those", "such", "so", "how", "them", "where", "when", "why", "that",
    "it", "nobody", "somebody", "whoever", "whatever", "which", "they",
];

const PACKAGES: [&str; 7] = ["churn", "churn-cli", "churn-server", "churn-py", "churn-wasm", "examples", "tests"];

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the entry can be read").path();
        let name = path.file_name().expect("has a name").to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && name != "node_modules" {
            rust_files(&path, files);
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
}

/// The first lines of the blocks of `///` and `//!` in a file, with their line numbers.
fn first_lines(text: &str) -> Vec<(usize, &str)> {
    let (mut lines, mut inside) = (Vec::new(), false);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start();
        let doc = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
        if let Some(doc) = doc.filter(|_| !inside) {
            lines.push((number + 1, doc.trim()));
        }
        inside = doc.is_some();
    }
    lines
}

#[test]
fn docs_say_what_things_are() {
    assert_eq!(
        first_lines("//! Days.\n\n/// A day.\n/// What?\nstruct Day;\n  /// Who.\n"),
        [(1, "Days."), (3, "A day."), (6, "Who.")]
    );
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for package in PACKAGES {
        let (mut files, mut all, mut riddles) = (Vec::new(), 0, Vec::new());
        rust_files(&root.join(package), &mut files);
        for file in &files {
            let text = fs::read_to_string(file).expect("the file can be read");
            for (line, doc) in first_lines(&text) {
                let word = doc.split(|c: char| !c.is_alphabetic()).next().unwrap_or("").to_lowercase();
                all += 1;
                if RIDDLES.contains(&word.as_str()) {
                    riddles.push(format!("{}:{line}: {doc}", file.display()));
                }
            }
        }
        assert!(all > 50, "{package}: only {all} docs were found");
        assert!(
            riddles.len() * 100 < 3 * all,
            "{package}: {} of {all} docs of items begin with a riddle:\n{}",
            riddles.len(),
            riddles.join("\n")
        );
    }
}
