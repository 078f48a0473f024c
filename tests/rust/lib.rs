//! Code that the tests share: paths of the vectors, comparison of numbers, made-up logs, and a small random generator.

pub mod customers;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use churn::{Day, Events, FeatureTable, Predictions, ReadOptions};

/// `tests/vectors/NAME`.
pub fn vector_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name)
}

/// The JSON of `tests/vectors/NAME`; a file that is missing or damaged fails the test.
pub fn vectors(name: &str) -> serde_json::Value {
    let path = vector_path(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Prints a line that the test harness does not swallow: counts of cases, and what was skipped, must be seen on success too.
pub fn say(line: &str) {
    // The harness captures print! and eprint!, not the stream itself. One write, so that no other line gets in between.
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).expect("standard error is open");
}

/// The text of a file of real data, or nothing where it is absent: the files are not part of this repository. They are looked for
/// in `$CHURN_DATA`, else in `../shared/data` beside the workspace, as they are or with `.xz` (unpacked by calling `xz`).
pub fn real_data(name: &str) -> Option<String> {
    static SKIPPED: AtomicUsize = AtomicUsize::new(0);
    let folder = std::env::var_os("CHURN_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let plain = folder.join(name);
    if let Ok(text) = std::fs::read_to_string(&plain) {
        return Some(text);
    }
    let packed = folder.join(format!("{name}.xz"));
    if packed.exists()
        && let Ok(output) = Command::new("xz").arg("-dc").arg(&packed).output()
    {
        assert!(output.status.success(), "xz cannot unpack {}", packed.display());
        return Some(String::from_utf8(output.stdout).expect("the data is UTF-8"));
    }
    let skipped = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    say(&format!("skipped: real data not found (set CHURN_DATA): {name}; {skipped} skipped so far"));
    None
}

/// Equal to 1e-9 relative or 1e-12 absolute; a missing value equals a missing value and nothing else.
pub fn agree(a: f64, b: f64) -> bool {
    near(a, b, 1e-9, 1e-12)
}

/// Equal within a relative or an absolute tolerance.
pub fn near(a: f64, b: f64, relative: f64, absolute: f64) -> bool {
    if a.is_nan() || b.is_nan() {
        return a.is_nan() && b.is_nan();
    }
    (a - b).abs() <= absolute.max(relative * a.abs().max(b.abs()))
}

/// Reads a log with the default options; a test that gives a bad one fails.
pub fn read(csv: &str) -> Events {
    Events::from_csv(csv.as_bytes(), &ReadOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// A day that a test writes down.
pub fn day(text: &str) -> Day {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// An event as plain values, the amount by its bits.
pub type Row = (String, i32, Option<u64>, Option<String>);

/// The events of a log in their canonical order.
pub fn rows(events: &Events) -> Vec<Row> {
    let plain = |(id, day, amount, event_type): (&str, Day, Option<f64>, Option<&str>)| {
        (id.to_owned(), day.number(), amount.map(f64::to_bits), event_type.map(str::to_owned))
    };
    events.iter().map(plain).collect()
}

/// Everything a feature table says, numbers by their bits.
#[derive(Debug, PartialEq)]
pub struct TableBits {
    ids: Vec<String>,
    names: Vec<String>,
    values: Vec<u64>,
    scales: Option<(u64, u64)>,
}

/// The bits of a feature table.
pub fn table_bits(table: &FeatureTable) -> TableBits {
    TableBits {
        ids: table.customer_ids().map(str::to_owned).collect(),
        names: table.names().map(str::to_owned).collect(),
        values: table.values().iter().map(|value| value.to_bits()).collect(),
        scales: table.scales().map(|scales| (scales.frequency.to_bits(), scales.monetary.to_bits())),
    }
}

/// The bits of predictions.
pub fn prediction_bits(predictions: &Predictions) -> Vec<(String, u64)> {
    let plain = |prediction: churn::Prediction| (prediction.customer_id, prediction.churn_probability.to_bits());
    predictions.iter().map(plain).collect()
}

/// The generator xorshift64* (Vigna 2016): cheap enough to make millions of inputs, and the same ones every time.
#[derive(Clone)]
pub struct Xorshift(u64);

impl Xorshift {
    /// A generator; different seeds give different streams.
    pub fn new(seed: u64) -> Self {
        let mut random = Xorshift(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            random.next();
        }
        random
    }

    /// 64 random bits.
    #[allow(clippy::should_implement_trait, reason = "an endless generator is no iterator that ends")]
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// One of 0..n.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// Uniform in 0..1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// One of the items.
    pub fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }

    /// Fisher and Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// The header of [`log_lines`].
pub const HEADER: &str = "customer_id,event_date,amount,event_type\n";

/// The lines of a made-up log over `days` days: each customer has a pace of their own and many stop at some day, so that the
/// recent past says something about what follows.
pub fn log_lines(seed: u64, customers: usize, days: i32) -> Vec<String> {
    let mut random = Xorshift::new(seed);
    let mut lines = Vec::new();
    for customer in 0..customers {
        let pace = 4.0 + 36.0 * random.unit();
        let mut at = random.unit() * f64::from(days) / 2.0;
        let stops = if random.below(2) == 0 { f64::from(days) } else { at + random.unit() * (f64::from(days) - at) };
        while at < f64::from(days) && at <= stops {
            let date = day("2023-01-01").plus(at as i32);
            let mut line = format!("c{customer:04},{date},");
            // A few events have no amount, a few are refunds.
            match random.below(10) {
                0 => (),
                1 => write!(line, "-{}.{:02}", random.below(40), random.below(100)).expect("a string grows"),
                _ => write!(line, "{}.{:02}", random.below(200), random.below(100)).expect("a string grows"),
            }
            line.push(',');
            line.push_str(random.pick(&["purchase", "purchase", "login", "support", ""]));
            line.push('\n');
            lines.push(line);
            at += pace * (0.2 + 1.6 * random.unit());
        }
    }
    // The windows of the default labels need the log to reach its last day, whoever stopped before.
    lines.push(format!("c0000,{},1.00,purchase\n", day("2023-01-01").plus(days)));
    lines
}

/// A log as CSV.
pub fn csv_of(lines: &[String]) -> String {
    HEADER.chars().chain(lines.iter().flat_map(|line| line.chars())).collect()
}

/// The CDNOW log as CSV, or nothing where it is absent; its file has its columns between spaces.
pub fn cdnow() -> Option<String> {
    let text = real_data("cdnow_master.txt")?;
    let rows = text.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(fields.len(), 4, "{line}");
        format!("{},{},{}\n", fields[0], fields[1], fields[3])
    });
    Some(format!("customer_id,event_date,amount\n{}", rows.collect::<String>()))
}
