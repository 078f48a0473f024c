//! The program `churn` on small logs: its results, its files, its messages and its exit codes. One file, and long, because most of it
//! is cases.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use churn::{Day, Model};
use serde_json::Value;

/// A new folder with a log of 200 customers, some of whom stop, and a log with a row that is dated 2099.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the folder can be made");
    let mut log = String::from("customer_id,event_date,amount\n");
    for i in 0..2000 {
        let (customer, k) = (i % 200, i / 200);
        let day = Day::new(19_700 + (customer * 7 + k * (2 + customer % 40)) % 360).expect("a day");
        log.push_str(&format!("c{customer:03},{day},{}.50\n", 5 + customer % 30));
    }
    fs::write(folder.join("log.csv"), &log).expect("the log can be written");
    fs::write(folder.join("far.csv"), log + "c000,2099-01-01,1\n").expect("the log can be written");
    folder
}

fn churn(folder: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_churn");
    Command::new(program).current_dir(folder).args(arguments).output().expect("the program runs")
}

/// Runs the command, requires its exit code, and returns what it printed to standard output and to standard error.
fn ends_with(code: i32, folder: &Path, arguments: &[&str]) -> (String, String) {
    let output = churn(folder, arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is UTF-8");
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}\n{err}");
    (out, err)
}

fn document(folder: &Path, code: i32, arguments: &[&str]) -> Value {
    let (out, _) = ends_with(code, folder, &[arguments, &["--json"]].concat());
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

/// The names of the files of a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder can be read");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

const FAST: [&str; 2] = ["--model", "logistic_regression"];

#[test]
fn report_prints_the_results_and_writes_the_files() {
    let folder = folder("report");
    let (out, err) = ends_with(0, &folder, &[&["report", "log.csv"][..], &FAST].concat());
    for part in ["Read log.csv\n  rows         2,000\n", "recency alone", "Critical", "A campaign:", "Written\n"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert_eq!(err, "", "no progress where there is no terminal");
    let written = folder.join("churn-report");
    let files = [
        "contact_list.csv",
        "contacts.csv",
        "controls.csv",
        "evaluation.json",
        "features.csv",
        "model.json",
        "predictions.csv",
        "report.html",
    ];
    assert_eq!(names(&written), files);
    let read = |name: &str| fs::read_to_string(written.join(name)).expect("the file can be read");
    let rows = |name: &str| read(name).lines().count() - 1;
    assert_eq!((rows("features.csv"), rows("predictions.csv")), (200, 200));
    assert_eq!(rows("contacts.csv") + rows("controls.csv"), rows("contact_list.csv"));
    assert!(read("report.html").starts_with("<!doctype html>"));
    let model = Model::from_json(&read("model.json")).expect("a model");
    let evaluation: Value = serde_json::from_str(&read("evaluation.json")).expect("JSON");
    assert_eq!(evaluation, serde_json::to_value(model.evaluation()).expect("JSON"));

    let found =
        document(&folder, 0, &[&["report", "log.csv", "--out", "b", "--as-of", "2024-11-01"][..], &FAST].concat());
    assert_eq!(found["predictions"]["as_of"], "2024-11-01");
    assert_eq!(found["input"]["last_day"], "2024-11-01");
    assert_eq!(found["model"]["model"], "logistic_regression");
    assert_eq!(found["files"].as_array().map(Vec::len), Some(8));
    assert_eq!(names(&folder.join("b")), files);
}

#[test]
fn check_ends_with_the_worst_finding() {
    let folder = folder("check");
    let (out, _) = ends_with(0, &folder, &["check", "log.csv"]);
    assert!(out.contains("Suggested by the pauses of 200 customers"), "{out}");
    let found = document(&folder, 0, &["check", "log.csv"]);
    assert_eq!(found["input"]["customers"], 200);
    assert!(found["suggestion"]["horizon_days"].is_number(), "{found}");

    let (out, _) = ends_with(1, &folder, &["check", "far.csv"]);
    assert!(out.contains("[isolated_last_day]\n  suggested: --last-day 2024-12-"), "{out}");
    let found = document(&folder, 1, &["check", "far.csv"]);
    assert_eq!(found["findings"][0]["code"], "isolated_last_day");
    ends_with(0, &folder, &["check", "far.csv", "--allow", "isolated_last_day"]);
    ends_with(0, &folder, &["check", "far.csv", "--last-day", "2025-01-01"]);
}

#[test]
fn train_and_predict() {
    let folder = folder("train");
    let train = ["train", "log.csv", "--out", "m.json", "--horizon-days", "60", "--set", "l2=2"];
    let (out, _) = ends_with(0, &folder, &[&train[..], &FAST].concat());
    assert!(out.contains("within 60 days") && out.contains("m.json"), "{out}");
    let model = Model::from_json(&fs::read_to_string(folder.join("m.json")).expect("written")).expect("a model");
    assert_eq!((model.labels().horizon_days, model.parameters().l2), (60, 2.0));

    let (out, _) = ends_with(0, &folder, &["predict", "m.json", "log.csv", "--out", "p.csv"]);
    assert!(out.contains("Critical"), "{out}");
    let predictions = fs::read_to_string(folder.join("p.csv")).expect("written");
    assert!(predictions.starts_with("customer_id,churn_probability"), "{predictions}");
    assert_eq!(predictions.lines().count(), 201);

    // On 2026-01-01 nobody has had an event for a year.
    let late = ["predict", "m.json", "log.csv", "--as-of", "2026-01-01"];
    let (_, err) = ends_with(1, &folder, &late);
    assert!(err.starts_with("error: no_customers: ") && err.contains("--include-inactive scores them"), "{err}");
    let found = document(&folder, 0, &[&late[..], &["--include-inactive"]].concat());
    assert_eq!(found["predictions"]["coverage"]["inactive"], 200);
    assert_eq!(found["predictions"]["customers"], 200);
    assert_eq!(names(&folder), ["far.csv", "log.csv", "m.json", "p.csv", "predictions.csv"]);
}

#[test]
fn the_reading_options_reach_the_core() {
    let folder = folder("reading");
    let rows = "wer;wann;wie viel;was\na;05.01.2024;1;kauf\na;05.01.2024;2;kauf\nb;06.01.2024;3;kauf\nb;x;3;kauf\n";
    fs::write(folder.join("other.csv"), rows).expect("written");
    let options = [
        "check",
        "other.csv",
        "--delimiter",
        ";",
        "--date-format",
        "%d.%m.%Y",
        "--merge",
        "day",
        "--skip-bad-rows",
        "--max-bad-share",
        "0.3",
        "--customer-id",
        "wer",
        "--event-date",
        "wann",
        "--amount",
        "wie viel",
        "--event-type",
        "was",
        "--last-day",
        "2024-01-05",
    ];
    let report = &document(&folder, 0, &options)["input"];
    assert_eq!((&report["events"], &report["event_unit"]), (&1.into(), &"day".into()), "{report}");
    let counts = ["rows", "good", "bad", "outside"].map(|key| report["report"][key].as_u64());
    assert_eq!(counts, [Some(4), Some(2), Some(1), Some(1)]);
}

#[test]
fn failures_have_codes_and_options() {
    let folder = folder("failures");
    for (code, arguments, expected) in [
        (1, &["check", "none.csv"][..], "error: io: cannot read none.csv: "),
        (1, &["check", "."], "error: io: cannot read .: it is a folder"),
        (1, &["check", "log.csv", "--amount", "total"], "error: missing_column: log.csv: "),
        (1, &["check", "log.csv", "--amount", "total"], "\nhint: name the columns with --customer-id"),
        (1, &["check", "log.csv", "--date-format", "%d.%m.%Y"], "--skip-bad-rows leaves them out"),
        (1, &["train", "far.csv"], "\nhint: --allow isolated_last_day continues"),
        (1, &["train", "far.csv"], ". --last-day 2024-12-"),
        (1, &["train", "log.csv", "--horizon-days", "700"], "error: cutoff_outside_data: "),
        (1, &["predict", "log.csv", "log.csv"], "error: invalid_document: log.csv: "),
        (
            1,
            &["train", "log.csv", "--set", "trees=3", "--out", "no/such/m.json"],
            "error: io: cannot write no/such/m.json",
        ),
        (2, &["train", "log.csv", "--set", "horizont=60"], "error: invalid_parameter: --set: unknown key \"horizont\""),
        (2, &["train", "log.csv", "--set", "trees=0"], "error: invalid_parameter: --set trees is 0; expected 1 to"),
        (2, &["train", "log.csv", "--horizon-days", "0"], "error: invalid_parameter: --horizon-days is 0; "),
        (2, &["check", "log.csv", "--date-format", "%Q"], "error: invalid_parameter: --date-format is \"%Q\""),
        (2, &["check", "log.csv", "--allow", "x"], "error: invalid_parameter: --allow is \"x\""),
        (2, &["check"], "error: "),
        (2, &["check", "log.csv", "--nonsense"], "error: unexpected argument '--nonsense'"),
        (2, &["report", "log.csv", "--model", "svm"], "[possible values: auto, "),
        (2, &[], "Usage: churn"),
    ] {
        let (out, err) = ends_with(code, &folder, arguments);
        assert!(err.contains(expected), "{arguments:?}: {err}");
        // What was read may have been printed before the failure.
        assert!(out.is_empty() || out.starts_with("Read "), "{out}");
    }
    let found = document(&folder, 1, &["train", "far.csv"]);
    assert_eq!(found["error"]["code"], "finding");
    assert_eq!(found["error"]["findings"][0]["suggestion"]["last_day"].as_str().map(str::len), Some(10));
    assert_eq!(names(&folder), ["far.csv", "log.csv"], "a failure leaves no file");
}

#[test]
fn no_content_of_a_file_panics() {
    let folder = folder("hostile");
    let header = "customer_id,event_date\n";
    let periods = "customer_id,start_date,end_date,amount\n";
    let files: [(&str, Vec<u8>); 11] = [
        ("empty.csv", Vec::new()),
        ("header.csv", header.into()),
        ("row.csv", format!("{header}a,2024-01-01\n").into()),
        ("quote.csv", format!("{header}\"a,2024-01-01\n").into()),
        ("bytes.csv", (0..=255).cycle().take(5000).collect()),
        ("utf8.csv", [header.as_bytes(), b"\xff\xfe,2024-01-01\n"].concat()),
        ("far.csv", format!("{header}a,9999-12-31\nb,0001-01-01\n").into()),
        ("periods.csv", format!("{periods}a,9999-12-31,,1e12\nb,0001-01-01,9999-12-31,1e12\n").into()),
        ("known.csv", b"customer_id,start_date,end_date,known_at\na,2024-01-02,2024-01-05,0001-01-01\n".to_vec()),
        ("json.json", br#"{"format_version": 1}"#.to_vec()),
        ("no.parquet", b"PAR1PAR1".to_vec()),
    ];
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).expect("written");
        for arguments in [
            &["check", name][..],
            &["train", name],
            &["report", name],
            &["predict", name, name],
            &["subscriptions", name],
            &["subscriptions", "known.csv", "--usage", name],
        ] {
            let output = churn(&folder, arguments);
            let err = String::from_utf8_lossy(&output.stderr);
            assert!(matches!(output.status.code(), Some(0 | 1)), "{arguments:?}: {err}");
            assert!(!err.contains("panicked"), "{arguments:?}: {err}");
        }
    }
    // An id does not reach the terminal as it is.
    let ids = "customer_id,event_date\n\u{1b}[2J,2099-01-01\n";
    let log = fs::read_to_string(folder.join("log.csv")).expect("written");
    let rows: String =
        log.lines().skip(1).map(|row| format!("{}\n", row.rsplit_once(',').map_or("", |row| row.0))).collect();
    fs::write(folder.join("escape.csv"), ids.to_owned() + &rows).expect("written");
    let (out, _) = ends_with(1, &folder, &["check", "escape.csv"]);
    assert!(out.contains("isolated_last_day") && !out.contains('\u{1b}'), "{out}");
}

#[cfg(feature = "parquet")]
#[test]
fn a_parquet_file_is_known_by_its_name() {
    let folder = folder("parquet");
    fs::copy(folder.join("log.csv"), folder.join("log.PARQUET")).expect("copied");
    let (_, err) = ends_with(1, &folder, &["check", "log.PARQUET"]);
    assert!(err.starts_with("error: io: log.PARQUET: not a readable Parquet file"), "{err}");
}

#[test]
fn help_names_the_exit_codes() {
    let folder = folder("help");
    for arguments in [
        &["--help"][..],
        &["report", "--help"],
        &["check", "--help"],
        &["predict", "--help"],
        &["subscriptions", "--help"],
    ] {
        let (out, err) = ends_with(0, &folder, arguments);
        assert!(out.contains("Usage: churn") && out.contains("130 interrupted"), "{out}");
        assert_eq!(err, "");
    }
    let (out, _) = ends_with(0, &folder, &["--version"]);
    assert_eq!(out.trim(), format!("churn {}", env!("CARGO_PKG_VERSION")));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_work_and_leaves_no_file() {
    use std::io::Read as _;
    use std::process::Stdio;

    let folder = folder("interrupted");
    let mut program = Command::new(env!("CARGO_BIN_EXE_churn"))
        .current_dir(&folder)
        .args(["train", "log.csv", "--set", "trees=10000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    // The first text comes when the log has been read.
    let mut out = program.stdout.take().expect("it is piped");
    out.read_exact(&mut [0; 5]).expect("it says what it has read");
    let id = program.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill runs").success());
    let mut err = String::new();
    program.stderr.take().expect("it is piped").read_to_string(&mut err).expect("UTF-8");
    assert_eq!(program.wait().expect("it ends").code(), Some(130), "{err}");
    assert_eq!(err, "error: cancelled: interrupted\n");
    assert_eq!(names(&folder), ["far.csv", "log.csv"]);
}

#[test]
fn backtest_prints_a_row_per_cutoff_and_writes_the_predictions() {
    let folder = folder("backtest");
    let asked = ["--horizon-days", "40", "--against", "forest:model=random_forest", "--against", "forest:trees=5"];
    let arguments = [&["backtest", "log.csv", "--predictions", "all.csv"][..], &FAST, &asked].concat();
    let (out, err) = ends_with(0, &folder, &arguments);
    for part in ["snapshots", "Means over ", "AUC of recency alone", "recency ", "forest ", "Written\n"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert_eq!(err, "");
    let text = fs::read_to_string(folder.join("backtest.json")).expect("the result was written");
    let found: Value = serde_json::from_str(&text).expect("JSON");
    let cutoffs = found["cutoffs"].as_array().expect("a list");
    assert!(cutoffs.len() >= 3, "{}", cutoffs.len());
    assert!(cutoffs.iter().all(|row| row["against"]["forest"]["roc_auc"].is_number()));
    assert_eq!(found["config"]["against"]["forest"]["trees"], 5);
    let judged: u64 = cutoffs.iter().map(|row| row["customers"].as_u64().expect("a number")).sum();
    let csv = fs::read_to_string(folder.join("all.csv")).expect("the predictions were written");
    assert_eq!(csv.lines().next(), Some("cutoff,customer_id,churned,churn_probability,forest"));
    assert_eq!(csv.lines().count() as u64, judged + 1);

    let printed =
        document(&folder, 0, &[&["backtest", "log.csv", "--most-cutoffs", "2"][..], &FAST, &asked[..2]].concat());
    assert_eq!(printed["backtest"]["cutoffs"].as_array().map(Vec::len), Some(2));
    let (_, err) = ends_with(2, &folder, &["backtest", "log.csv", "--against", "recency:trees=5"]);
    assert!(err.contains("that one is taken"), "{err}");
    let (_, err) = ends_with(2, &folder, &["backtest", "log.csv", "--against", "other:horizont=5"]);
    assert!(err.contains("--against: other: unknown key"), "{err}");
    let (_, err) = ends_with(2, &folder, &["backtest", "log.csv", "--step-days", "0"]);
    assert!(err.contains("1 to 3650"), "{err}");
}

#[test]
fn bench_judges_logs_of_a_file_and_the_history_of_a_repository() {
    let folder = folder("bench");
    let logs = r#"
        [[log]]
        name = "mine"
        title = "A log of my own"
        file = "log.csv"
        source = "made up"
        licence = "none needed"
        settings = { horizon_days = 40 }

        [[table]]
        name = "customers"
        title = "A table of my own"
        file = "table.csv"
        source = "made up"
        licence = "none needed"
        label = "left"
        customer_id = "id"
        costs = ["tp", "fp", "tn", "fn"]
    "#;
    let mut table = String::from("id,plan,age,left,tp,fp,tn,fn\n");
    for i in 0..400 {
        let left = i % 7 < 3;
        let age = 20 + i % 50 + if left { 15 } else { 0 };
        let plan = if i % 3 == 0 { "gold" } else { "basic" };
        table.push_str(&format!("{i},{plan},{age},{},5,5,0,{}\n", if left { "yes" } else { "no" }, 20 + i % 30));
    }
    fs::write(folder.join("table.csv"), table).expect("the file can be written");
    fs::write(folder.join("logs.toml"), logs).expect("the file can be written");
    let arguments = ["bench", "--logs", "logs.toml", "--no-peers", "--out", "a"];
    ends_with(0, &folder, &arguments);
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("the file can be read");
    let page = read("a/README.md");
    for part in [
        "## Protocol",
        "| mine: A log of my own | 2000 | 200 |",
        "**churn, default**",
        "recency",
        "mine.svg",
        "Audit:",
        "5 folds of the customers",
        "contacted",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(read("a/mine.svg").starts_with("<svg"));
    // Another run has the same numbers.
    ends_with(0, &folder, &[&arguments[..5], &["b"]].concat());
    for name in ["README.md", "results.json", "mine.svg", "mine/predictions.csv"] {
        assert_eq!(read(&format!("a/{name}")), read(&format!("b/{name}")), "{name}");
    }
    let changed = logs.replacen("source", "sha256 = \"00\"\nsource", 1);
    fs::write(folder.join("changed.toml"), changed).expect("the file can be written");
    let (_, err) = ends_with(1, &folder, &["bench", "--logs", "changed.toml", "--no-peers"]);
    assert!(err.contains("the checksum is"), "{err}");
    let (_, err) = ends_with(2, &folder, &["bench", "--log", "no_such_log", "--no-peers"]);
    assert!(err.contains("expected one of cdnow"), "{err}");
    let (_, err) = ends_with(1, &folder, &["bench", "--log", "rails", "--no-peers"]);
    assert!(err.contains("--data names the folder"), "{err}");

    // A repository with 80 people, each with commits on some days of two years.
    let git = |arguments: &[&str], stdin: &str| {
        use std::io::Write as _;
        let mut command = Command::new("git");
        command.current_dir(&folder).args(arguments).stdin(std::process::Stdio::piped());
        let mut child = command.spawn().expect("git is installed");
        child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).expect("git reads");
        assert!(child.wait().expect("git ends").success(), "git {arguments:?}");
    };
    git(&["init", "--quiet", "history"], "");
    let mut stream = String::new();
    for number in 0..1600 {
        let (person, seconds) = (number * 7 % 80, 1_600_000_000 + number * 40_000);
        if person % 3 == 0 && number > 500 + 10 * person {
            continue;
        }
        let who = format!("Person <p{person}@example.org> {seconds} +0000");
        stream.push_str(&format!("commit refs/heads/main\nauthor {who}\ncommitter {who}\ndata 1\n.\n"));
    }
    git(&["-C", "history", "fast-import", "--quiet"], &stream);
    git(&["-C", "history", "symbolic-ref", "HEAD", "refs/heads/main"], "");
    ends_with(0, &folder, &["bench", "--git", "history", "--no-peers", "--out", "c"]);
    let page = read("c/README.md");
    assert!(page.contains("Contributors to the repository history") && page.contains("| 80 |"), "{page}");
    assert!(!read("c/history/log.csv").contains("example.org"));
}

/// The numbers of customers of [`periods`] on its last day.
#[derive(Debug, Default, PartialEq)]
struct Status {
    active: u64,
    already_cancelled: u64,
    not_active: u64,
}

/// The last day of [`periods`], 2024-12-31.
const LAST_DAY: i32 = 20_088;

/// Writes the file `periods.csv`: 400 customers from 2022 on, most of whom have the plan basic and leave in the end, every second of
/// them because a payment fails. Every fiftieth has an id that a spreadsheet would execute. Returns their status on 2024-12-31.
fn periods(folder: &Path) -> Status {
    let mut text = String::from("customer_id,start_date,end_date,plan,amount,known_at,end_reason\n");
    let mut status = Status::default();
    for i in 0..400 {
        let id = if i % 50 == 0 { format!("=c{i:03}") } else { format!("c{i:03}") };
        let start = 19_000 + (i * 37) % 1000;
        let (plan, amount, lasts) = match i % 3 {
            0 => ("pro", 30, 400 + (i * 53) % 2000),
            _ => ("basic", 10, 40 + (i * 53) % 500),
        };
        let (end, fails) = (start + lasts, i % 4 < 2);
        let known_at = end - 20;
        let day = |number| Day::new(number).expect("a day");
        text.push_str(&format!("{id},{},", day(start)));
        let row = match (fails, end <= LAST_DAY, known_at <= LAST_DAY) {
            (true, true, _) => format!("{},{plan},{amount},,involuntary\n", day(end)),
            (false, _, true) => format!("{},{plan},{amount},{},voluntary\n", day(end), day(known_at)),
            _ => format!(",{plan},{amount},,\n"),
        };
        text.push_str(&row);
        match () {
            () if end <= LAST_DAY => status.not_active += 1,
            () if !fails && known_at <= LAST_DAY => status.already_cancelled += 1,
            () => status.active += 1,
        }
    }
    fs::write(folder.join("periods.csv"), text).expect("the periods can be written");
    status
}

/// The rows of a CSV file without quoted fields, by column.
fn table(path: &Path) -> Vec<std::collections::BTreeMap<String, String>> {
    let text = fs::read_to_string(path).expect("the file was written");
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    let header: Vec<String> = lines.next().expect("a header").split(',').map(str::to_owned).collect();
    lines.map(|line| header.iter().cloned().zip(line.split(',').map(str::to_owned)).collect()).collect()
}

#[test]
fn subscriptions_prints_the_results_and_writes_the_files() {
    let folder = folder("subscriptions");
    let status = periods(&folder);
    assert!(status.active > 50 && status.already_cancelled > 1, "{status:?}");
    let arguments = ["subscriptions", "periods.csv", "--last-day", "2024-12-31", "--horizon-days", "60", "--out", "a"];
    let (out, err) = ends_with(0, &folder, &[&arguments[..], &FAST].concat());
    for part in [
        "Read periods.csv\n  rows         400\n  periods      400\n  customers    400\n  days         2022-01-08 to 2024-12-31\n",
        "Customers on 2024-12-31\n  active ",
        "Customers by month, the last 12\n",
        "  2024-12* ",
        "Amounts per month\n",
        "  365 days ",
        "within 60 days",
        "95 % interval",
        "Critical",
        "Active customers at the greatest risk, and why\n",
        " a month\n",
        "Written\n",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(!out.contains("2023-12"), "the last twelve months only: {out}");
    assert_eq!(err, "");
    let written = folder.join("a");
    let files = [
        "already_cancelled.csv",
        "dunning.csv",
        "model.json",
        "movements.csv",
        "predictions.csv",
        "report.html",
        "retention.csv",
    ];
    assert_eq!(names(&written), files);
    let page = fs::read_to_string(written.join("report.html")).expect("written");
    for part in ["What came and went", "How long customers stay", "Slipping away", "At the greatest risk"] {
        assert!(page.contains(part), "{part}");
    }

    let months = table(&written.join("movements.csv"));
    assert_eq!(months.len(), 36, "2022 to 2024");
    let number =
        |row: &std::collections::BTreeMap<String, String>, key: &str| row[key].parse::<f64>().expect("a number");
    for row in &months {
        let of = |part: &str| number(row, &format!("customers_{part}"));
        assert_eq!(of("start") + of("new") + of("reactivation") - of("churn"), of("end"), "{row:?}");
        let of = |part: &str| number(row, &format!("amounts_{part}"));
        let grown = of("start") + of("new") + of("expansion") + of("reactivation");
        assert_eq!(grown - of("contraction") - of("churn"), of("end"), "{row:?}");
    }
    let last = &months[35];
    assert_eq!((last["month"].as_str(), last["provisional"].as_str()), ("2024-12-01", "true"));
    assert_eq!(number(last, "customers_end"), (status.active + status.already_cancelled) as f64);

    let curves = table(&written.join("retention.csv"));
    assert_eq!(curves[0]["by"], "all");
    let groups = |by: &str| {
        let of = curves.iter().filter(|row| row["by"] == by).map(|row| row["group"].as_str());
        of.collect::<std::collections::BTreeSet<&str>>()
    };
    assert_eq!(groups("plan").into_iter().collect::<Vec<_>>(), ["basic", "pro"]);
    assert!(groups("cohort").contains("2022-01"), "{:?}", groups("cohort"));

    let scored = table(&written.join("predictions.csv"));
    assert_eq!(scored.len() as u64, status.active);
    for row in &scored {
        let of = |key| number(row, key);
        let p = of("churn_probability");
        assert!((of("voluntary_probability") + of("involuntary_probability") - p).abs() < 1e-12, "{row:?}");
        // The integral of exp(−λt) over 36 months, with the rate of a probability over 60 days.
        let (rate, days) = (-(1.0 - p).ln() / 60.0, 36.0 * 30.4375);
        let expected = of("amount") * (1.0 - (-rate * days).exp()) / rate / 30.4375;
        assert!((of("expected_value") - expected).abs() < 1e-6 * expected, "{row:?}: {expected}");
    }
    assert!(scored[0]["customer_id"].starts_with("=c"), "the ids are those of the data");

    let cancelled = fs::read_to_string(written.join("already_cancelled.csv")).expect("written");
    assert!(cancelled.starts_with("\u{feff}customer_id,end_date,amount\r\n\""), "{cancelled}");
    assert_eq!(cancelled.lines().count() as u64 - 1, status.already_cancelled);
    let dunning = table(&written.join("dunning.csv"));
    assert!(!dunning.is_empty() && dunning.len() < scored.len(), "{}", dunning.len());
    for row in &dunning {
        assert!(2.0 * number(row, "involuntary_probability") > number(row, "churn_probability"), "{row:?}");
        let id = row["customer_id"].trim_matches('"');
        assert!(id.starts_with('c') || id.starts_with("'=c"), "{id}");
    }
    let model = Model::from_json(&fs::read_to_string(written.join("model.json")).expect("written")).expect("a model");
    assert_eq!((model.labels().horizon_days, model.labels().allowed_gap_days), (60, 30));
}

#[test]
fn subscriptions_prints_one_document() {
    let folder = folder("subscriptions_document");
    let status = periods(&folder);
    let mut usage = String::from("customer_id,event_date\n");
    (0..4000).for_each(|i| {
        let day = Day::new(19_100 + (i * 7) % 980).expect("a day");
        usage.push_str(&format!("c{:03},{day}\n", i % 400));
    });
    fs::write(folder.join("usage.csv"), usage).expect("written");
    let arguments = ["subscriptions", "periods.csv", "--last-day", "2024-12-31", "--horizon-days", "60"];
    let found = document(&folder, 0, &[&arguments[..], &FAST].concat());
    assert_eq!((&found["input"]["periods"], &found["input"]["customers"]), (&400.into(), &400.into()));
    assert_eq!(found["findings"], Value::Array(Vec::new()));
    let count = |key: &str| found["status"][key].as_u64().expect("a number");
    let counted = Status {
        active: count("active"),
        already_cancelled: count("already_cancelled"),
        not_active: count("not_active"),
    };
    assert_eq!(counted, status);
    assert_eq!(found["movements"].as_array().map(Vec::len), Some(36));
    assert_eq!(found["retention"]["all"][0]["spells"], 400, "everybody began 30 days before the end of the data");
    assert_eq!(found["retention"]["plan"].as_array().map(Vec::len), Some(2));
    assert_eq!((&found["model"]["model"], &found["no_model"]), (&"logistic_regression".into(), &Value::Null));
    assert!(found["model"]["evaluation"]["over_time"]["roc_auc"]["low"].is_number(), "{}", found["model"]);
    assert_eq!(found["predictions"]["customers"].as_u64(), Some(status.active));
    let riskiest = found["predictions"]["riskiest"]["customers"].as_array().expect("a list");
    assert_eq!(riskiest.len(), 10);
    let risks: Vec<f64> = riskiest.iter().map(|row| row["churn_probability"].as_f64().expect("a number")).collect();
    assert!(risks.is_sorted_by(|a, b| a >= b), "{risks:?}");
    assert!(riskiest[0]["causes"]["involuntary"].is_number(), "{}", riskiest[0]);
    assert_eq!(found["files"], Value::Array(Vec::new()));
    assert_eq!(names(&folder), ["far.csv", "log.csv", "periods.csv", "usage.csv"], "no file without --out");

    let past = ["--usage", "usage.csv", "--as-of", "2024-09-30", "--allowed-gap-days", "10", "--gap-days", "5"];
    let found = document(&folder, 0, &[&arguments[..], &FAST, &past].concat());
    assert_eq!(
        (&found["input"]["last_day"], &found["usage"]["last_day"]),
        (&"2024-12-31".into(), &"2024-09-30".into())
    );
    assert_eq!(
        (&found["status"]["as_of"], &found["predictions"]["as_of"]),
        (&"2024-09-30".into(), &"2024-09-30".into())
    );
    assert_eq!(found["movements"].as_array().map(Vec::len), Some(33), "up to September 2024");
    let definition = found["model"]["definition"].as_str().expect("a sentence");
    assert!(definition.contains("a gap of 5 days and is not resumed within 10 days"), "{definition}");
}

#[test]
fn subscriptions_without_a_model_has_movements_and_retention() {
    let folder = folder("subscriptions_short");
    let export = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/subscriptions/exports/recurly_history.csv");
    let arguments = ["subscriptions", export, "--preset", "recurly_history", "--out", "a"];
    let (out, _) = ends_with(0, &folder, &arguments);
    assert!(out.contains("Customers by month\n") && out.contains("Retention: "), "{out}");
    assert_eq!(out.lines().filter(|line| line.starts_with("No model: the active customers: ")).count(), 1, "{out}");
    assert_eq!(names(&folder.join("a")), ["movements.csv", "retention.csv"]);
    let found = document(&folder, 0, &arguments[..4]);
    assert_eq!((&found["input"]["periods"], &found["no_model"]["code"]), (&12.into(), &"too_few_rows".into()));
    assert_eq!((&found["model"], &found["predictions"]), (&Value::Null, &Value::Null));

    // Of a week, no month is over and no spell is old enough.
    fs::write(folder.join("week.csv"), "customer_id,start_date,end_date\na,2024-03-01,\nb,2024-03-02,2024-03-07\n")
        .expect("written");
    let (out, _) = ends_with(0, &folder, &["subscriptions", "week.csv"]);
    for part in ["No movements: ", "No retention: no spell begins by 2024-02-06", "No model: the cutoff "] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(!out.contains("a month"), "the file has no amounts: {out}");
}

#[test]
fn subscriptions_fail_with_codes_and_options() {
    let folder = folder("subscriptions_failures");
    periods(&folder);
    let mut ended = String::from("customer_id,start_date,end_date,end_reason\n");
    for start in (1..=30).map(|i| 19_000 + 10 * i) {
        let day = |number| Day::new(number).expect("a day");
        ended.push_str(&format!("c{start},{},{},churned\n", day(start), day(start + 9)));
    }
    fs::write(folder.join("ended.csv"), ended).expect("written");
    fs::write(folder.join("broken.parquet"), "PAR1PAR1").expect("written");
    let ended = ["subscriptions", "ended.csv", "--reasons", "churned=voluntary", "--out", "a"];
    for (code, arguments, expected) in [
        (1, &ended[..], "error: finding: none of the 30 customers is active on 2022-11-13"),
        (1, &ended, "\nhint: --allow all_subscriptions_ended continues"),
        (1, &ended[..2], "expected voluntary, involuntary, trial_not_converted or other"),
        (1, &ended[..2], "\nhint: --skip-bad-rows leaves them out"),
        (1, &["subscriptions", "none.csv"], "error: io: cannot read none.csv: "),
        (1, &["subscriptions", "broken.parquet"], "error: io: broken.parquet: "),
        (1, &["subscriptions", "log.csv"], "error: missing_column: log.csv: "),
        (1, &["subscriptions", "log.csv"], "\nhint: name the columns with --customer-id, --start-date, "),
        (1, &["subscriptions", "periods.csv", "--usage", "none.csv"], "error: io: cannot read none.csv: "),
        (
            1,
            &["subscriptions", "periods.csv", "--usage", "periods.csv"],
            "\nhint: a log of usage events is read without",
        ),
        (
            1,
            &["subscriptions", "ended.csv", "--end-reason", "", "--usage", "log.csv"],
            "\nhint: both files need the same",
        ),
        (2, &["subscriptions", "periods.csv", "--event-date", "x"], "error: unexpected argument '--event-date'"),
        (2, &["subscriptions", "periods.csv", "--preset", "stripe", "--plan", "x"], "cannot be used with"),
        (2, &["subscriptions", "periods.csv", "--preset", "paper"], "[possible values: stripe, stripe_invoices, "),
        (2, &["subscriptions", "periods.csv", "--reasons", "gone=quit"], "the causes are voluntary, involuntary"),
        (2, &["subscriptions", "periods.csv", "--gap-days", "4000"], "4000 is not in 0..=3650"),
        (
            2,
            &["subscriptions", "periods.csv", "--horizon-days", "0"],
            "error: invalid_parameter: --horizon-days is 0; ",
        ),
        (
            2,
            &["subscriptions", "periods.csv", "--set", "labels=inactivity"],
            "error: invalid_parameter: --set labels is ",
        ),
        (2, &["subscriptions", "periods.csv", "--allow", "x"], "error: invalid_parameter: --allow is \"x\""),
    ] {
        let (_, err) = ends_with(code, &folder, arguments);
        assert!(err.contains(expected), "{arguments:?}: {err}");
    }
    assert_eq!(names(&folder.join("a")), [""; 0], "a failure leaves no file");
    let (out, _) = ends_with(0, &folder, &[&ended[..], &["--allow", "all_subscriptions_ended"]].concat());
    assert!(out.contains("ERROR  none of the 30 customers is active"), "{out}");
}
