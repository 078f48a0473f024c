//! Settings, read once from the environment. `.env.example` documents each of them, and a test compares the two.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::storage::{Bucket, Location, S3Config, StorageConfig, SupabaseConfig};

/// Default port of the server.
pub const DEFAULT_PORT: u16 = 5000;

/// Default port for the health and metrics routes of a worker. If it is taken, a free port is used.
pub const DEFAULT_WORKER_PORT: u16 = 5001;

/// Names of all variables that are read.
pub const VARIABLES: &[&str] = &[
    "HOST",
    "PORT",
    "WORKER_PORT",
    "SECRET_KEY",
    "JWT_AUDIENCE",
    "JWT_ISSUER",
    "DATA_DIR",
    "DATABASE_URL",
    "DATABASE_CONNECTIONS",
    "SUPABASE_URL",
    "SUPABASE_ANON_KEY",
    "SUPABASE_SERVICE_KEY",
    "S3_ENDPOINT",
    "S3_REGION",
    "S3_ACCESS_KEY_ID",
    "S3_SECRET_ACCESS_KEY",
    "S3_BUCKET_PREFIX",
    "S3_ALLOW_HTTP",
    "STORAGE_PREFIX",
    "ALLOW_PUBLIC_BUCKETS",
    "CORS_ORIGINS",
    "RATE_LIMIT",
    "MAX_BODY_BYTES",
    "MAX_UPLOAD_BYTES",
    "MAX_LOG_ROWS",
    "MAX_TRAINING_VALUES",
    "REQUEST_TIMEOUT_SECONDS",
    "UPLOAD_IDLE_SECONDS",
    "UPLOAD_MIN_BYTES_PER_SECOND",
    "SHUTDOWN_SECONDS",
    "CPU_SLOTS",
    "JOB_WORKERS",
    "JOB_ATTEMPTS",
    "JOB_LEASE_SECONDS",
    "JOB_PATIENCE_SECONDS",
    "MAX_OPEN_JOBS",
    "MODEL_CACHE",
    "OFFLINE_SECONDS",
    "ORPHAN_GRACE_SECONDS",
    "SWEEP_SECONDS",
    "BROWSER_DIR",
    "LOG_FORMAT",
    "LOG_LEVEL",
];

/// Format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The settings of a server or worker.
#[derive(Clone, Debug)]
pub struct Config {
    /// IP address to listen on.
    pub host: IpAddr,
    /// Port to listen on; 0 for a free one.
    pub port: u16,
    /// Port for the health and metrics routes of a worker. None for the default port, or a free one if that is taken.
    pub worker_port: Option<u16>,
    /// Key that tokens are signed with, at least 32 bytes. Without it no token is needed, and only loopback addresses are
    /// allowed.
    pub secret_key: Option<String>,
    /// Required `aud` of tokens.
    pub jwt_audience: String,
    /// Required `iss` of tokens, if it is checked.
    pub jwt_issuer: Option<String>,
    /// Folder of the SQLite database and the files, unless other settings place them elsewhere.
    pub data_dir: PathBuf,
    /// `sqlite:PATH` or `postgres://…`.
    pub database_url: String,
    /// Maximum number of connections to the database.
    pub database_connections: u32,
    /// Storage of the files.
    pub storage: StorageConfig,
    /// Prefix of all keys in the storage, without a `/` at the end; empty for no prefix.
    pub storage_prefix: String,
    /// Origins of other sites whose pages may call the API; `*` for all.
    pub cors_origins: Vec<String>,
    /// Maximum requests per second with one token; 0 for no limit.
    pub rate_limit: u32,
    /// Maximum bytes of the body of a prediction request.
    pub max_body_bytes: usize,
    /// Maximum bytes of an upload.
    pub max_upload_bytes: u64,
    /// Maximum rows of a log that is held in memory: to train, to score, to compare.
    pub max_log_rows: u64,
    /// Maximum values of the table that a training or a backtest builds from a log: customers × cutoffs × features.
    pub max_training_values: u64,
    /// Time limit of a request, except uploads and downloads.
    pub request_timeout: Duration,
    /// Maximum time that the sender of a body may be silent.
    pub upload_idle: Duration,
    /// Minimum bytes per second from the sender of a form, averaged over `upload_idle`; 0 for no minimum.
    pub upload_min_rate: u64,
    /// Time that running requests and jobs get to end at shutdown.
    pub shutdown: Duration,
    /// Maximum number of threads for computations.
    pub cpu_slots: usize,
    /// Jobs that run at once in this process; 0 for a server that leaves them to workers.
    pub job_workers: usize,
    /// Maximum number of attempts of a job.
    pub job_attempts: u32,
    /// Time without a heartbeat after which a worker counts as dead.
    pub job_lease: Duration,
    /// Maximum time that a job waits for an unreachable storage or database.
    pub job_patience: Duration,
    /// Maximum number of waiting and running jobs of one organization.
    pub max_open_jobs: u64,
    /// Number of models that are kept in memory.
    pub model_cache: u64,
    /// Time for which predictions continue with the models in memory while the database is unreachable.
    pub offline: Duration,
    /// Minimum age of a file without a row before it is removed.
    pub orphan_grace: Duration,
    /// Time between two sweeps for such files.
    pub sweep_every: Duration,
    /// The folder of the browser page, if there is one.
    pub browser_dir: Option<PathBuf>,
    /// Format of the log.
    pub log_format: LogFormat,
    /// Filter of the log, in the syntax of `RUST_LOG`.
    pub log_level: String,
}

impl Config {
    /// Reads the settings from the environment.
    ///
    /// # Errors
    /// A sentence that names the variable, its value, and what is expected.
    pub fn from_env() -> Result<Config, String> {
        check_names(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))?;
        Config::from_variables(|name| std::env::var(name).ok())
    }

    /// Reads the settings from a function that returns the variables. An empty variable counts as not set.
    ///
    /// # Errors
    /// As [`Config::from_env`].
    pub fn from_variables(get: impl Fn(&str) -> Option<String>) -> Result<Config, String> {
        let vars = Variables(&|name| {
            debug_assert!(VARIABLES.contains(&name), "{name} is not listed");
            get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        });
        let secret_key = vars.text("SECRET_KEY");
        if let Some(key) = &secret_key
            && key.len() < 32
        {
            return Err(format!("SECRET_KEY has {} bytes; expected at least 32 (openssl rand -base64 32)", key.len()));
        }
        let host: IpAddr = vars.parsed("HOST", "127.0.0.1", "an IP address, such as 127.0.0.1 or 0.0.0.0")?;
        if secret_key.is_none() && !host.is_loopback() {
            return Err(format!(
                "HOST is {host}, but SECRET_KEY is not set: without it everything is allowed, and only this machine may \
                 connect. Set SECRET_KEY, or HOST=127.0.0.1"
            ));
        }
        let data_dir = PathBuf::from(vars.text("DATA_DIR").unwrap_or_else(|| "churn-data".to_owned()));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let seconds = |name, default, range| Ok::<_, String>(Duration::from_secs(vars.number(name, default, range)?));
        Ok(Config {
            host,
            port: vars.number("PORT", u64::from(DEFAULT_PORT), 0..=65_535)? as u16,
            worker_port: match vars.text("WORKER_PORT") {
                Some(_) => Some(vars.number("WORKER_PORT", 0, 0..=65_535)? as u16),
                None => None,
            },
            secret_key,
            jwt_audience: vars.text("JWT_AUDIENCE").unwrap_or_else(|| "authenticated".to_owned()),
            jwt_issuer: vars.text("JWT_ISSUER"),
            database_url: vars
                .text("DATABASE_URL")
                .unwrap_or_else(|| format!("sqlite:{}", data_dir.join("churn.db").display())),
            database_connections: vars.number("DATABASE_CONNECTIONS", 10, 1..=1000)? as u32,
            storage: storage(&vars, &data_dir)?,
            storage_prefix: storage_prefix(&vars)?,
            cors_origins: vars
                .text("CORS_ORIGINS")
                .map(|list| list.split(',').map(|origin| origin.trim().to_owned()).collect())
                .unwrap_or_default(),
            rate_limit: vars.number("RATE_LIMIT", 2000, 0..=1_000_000)? as u32,
            max_body_bytes: vars.number("MAX_BODY_BYTES", 1_000_000, 1000..=1_000_000_000)? as usize,
            max_upload_bytes: vars.number("MAX_UPLOAD_BYTES", 10_000_000_000, 1000..=1_000_000_000_000_000)?,
            max_log_rows: vars.number("MAX_LOG_ROWS", 100_000_000, 1..=1_000_000_000_000)?,
            max_training_values: vars.number("MAX_TRAINING_VALUES", 100_000_000, 1000..=1_000_000_000_000)?,
            request_timeout: seconds("REQUEST_TIMEOUT_SECONDS", 30, 1..=3600)?,
            upload_idle: seconds("UPLOAD_IDLE_SECONDS", 60, 1..=3600)?,
            upload_min_rate: vars.number("UPLOAD_MIN_BYTES_PER_SECOND", 1000, 0..=1_000_000_000)?,
            shutdown: seconds("SHUTDOWN_SECONDS", 30, 0..=3600)?,
            cpu_slots: vars.number("CPU_SLOTS", cores as u64, 1..=1024)? as usize,
            job_workers: vars.number("JOB_WORKERS", 1, 0..=1024)? as usize,
            job_attempts: vars.number("JOB_ATTEMPTS", 5, 1..=100)? as u32,
            job_lease: seconds("JOB_LEASE_SECONDS", 30, 1..=3600)?,
            job_patience: seconds("JOB_PATIENCE_SECONDS", 86_400, 0..=31_536_000)?,
            max_open_jobs: vars.number("MAX_OPEN_JOBS", 10_000, 1..=1_000_000_000)?,
            model_cache: vars.number("MODEL_CACHE", 256, 1..=1_000_000)?,
            offline: seconds("OFFLINE_SECONDS", 3600, 0..=31_536_000)?,
            orphan_grace: seconds("ORPHAN_GRACE_SECONDS", 3600, 0..=31_536_000)?,
            sweep_every: seconds("SWEEP_SECONDS", 900, 1..=31_536_000)?,
            browser_dir: vars.text("BROWSER_DIR").map(PathBuf::from),
            log_format: match vars.text("LOG_FORMAT").as_deref() {
                None | Some("text") => LogFormat::Text,
                Some("json") => LogFormat::Json,
                Some(other) => return Err(format!("LOG_FORMAT is {other:?}; expected text or json")),
            },
            log_level: vars.text("LOG_LEVEL").unwrap_or_else(|| "info,sqlx=warn,hyper=warn".to_owned()),
            data_dir,
        })
    }
}

/// Chooses the storage: Supabase if it is configured, else S3, else a folder.
fn storage(vars: &Variables<'_>, data_dir: &std::path::Path) -> Result<StorageConfig, String> {
    let spool = data_dir.join("spool");
    let allow_public = vars.parsed("ALLOW_PUBLIC_BUCKETS", "false", "true or false")?;
    if let Some(url) = vars.text("SUPABASE_URL") {
        let key = vars.text("SUPABASE_SERVICE_KEY").or_else(|| vars.text("SUPABASE_ANON_KEY")).ok_or(
            "SUPABASE_URL is set, but no key: set SUPABASE_SERVICE_KEY, or SUPABASE_ANON_KEY if its policies allow \
             the server to write",
        )?;
        return Ok(StorageConfig::Supabase(SupabaseConfig { spool, allow_public, ..SupabaseConfig::new(url, key) }));
    }
    if let Some(endpoint) = vars.text("S3_ENDPOINT") {
        let needed = |name: &str| vars.text(name).ok_or_else(|| format!("S3_ENDPOINT is set, but {name} is not"));
        return Ok(StorageConfig::S3(S3Config {
            endpoint: Some(endpoint),
            region: vars.text("S3_REGION").unwrap_or_else(|| "us-east-1".to_owned()),
            access_key_id: needed("S3_ACCESS_KEY_ID")?,
            secret_access_key: needed("S3_SECRET_ACCESS_KEY")?,
            bucket_prefix: vars.text("S3_BUCKET_PREFIX").unwrap_or_default(),
            allow_http: vars.parsed("S3_ALLOW_HTTP", "false", "true or false")?,
            allow_public,
            backoff: Default::default(),
        }));
    }
    Ok(StorageConfig::Local { folder: data_dir.join("storage") })
}

fn storage_prefix(vars: &Variables<'_>) -> Result<String, String> {
    let prefix = vars.text("STORAGE_PREFIX").unwrap_or_default();
    let sound = prefix.len() <= 200 && Location::new(Bucket::Datasets, prefix.as_str()).is_ok();
    if prefix.is_empty() || sound {
        return Ok(prefix);
    }
    Err(format!(
        "STORAGE_PREFIX is {prefix:?}; expected letters, digits, '_', '-' and '.', in parts between '/' if there are several, \
         such as staging"
    ))
}

/// Refuses variables whose names almost match one of ours. A misspelt variable would be ignored without a message, and its
/// default used.
fn check_names(names: impl Iterator<Item = String>) -> Result<(), String> {
    for name in names {
        let capitals = name.to_ascii_uppercase();
        let nearly = |known: &&&str| allowed_edits(known).is_some_and(|allowed| edits(&capitals, known) <= allowed);
        if VARIABLES.contains(&name.as_str()) {
            continue;
        }
        if let Some(known) = VARIABLES.iter().filter(nearly).min_by_key(|known| edits(&capitals, known)) {
            return Err(format!(
                "{name} is set, which is no setting of this program: {known} is meant? Correct its name, or unset it"
            ));
        }
    }
    Ok(())
}

/// Returns the maximum number of edits for a misspelling of a name. None for short names, which are too similar to those of
/// other programs (HOME, HOST).
fn allowed_edits(known: &str) -> Option<usize> {
    match known.len() {
        0..=5 => None,
        6..=8 => Some(1),
        _ => Some(2),
    }
}

/// Returns the number of letters to insert, delete, replace or swap with the next one (restricted Damerau-Levenshtein
/// distance).
fn edits(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let swapped = match i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    true => rows[i - 2][j - 2] + 1,
                    false => usize::MAX,
                };
                replaced.min(swapped).min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1)
            };
        }
    }
    rows[a.len()][b.len()]
}

/// Reads variables and reports which one is invalid.
struct Variables<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Variables<'_> {
    fn text(&self, name: &str) -> Option<String> {
        (self.0)(name)
    }

    fn parsed<T: FromStr>(&self, name: &str, default: &str, expected: &str) -> Result<T, String> {
        let text = self.text(name).unwrap_or_else(|| default.to_owned());
        text.parse().map_err(|_| format!("{name} is {text:?}; expected {expected}"))
    }

    fn number(&self, name: &str, default: u64, range: std::ops::RangeInclusive<u64>) -> Result<u64, String> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let number = self.parsed(name, &default.to_string(), &expected)?;
        if range.contains(&number) { Ok(number) } else { Err(format!("{name} is {number}; expected {expected}")) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn config(variables: &[(&str, &str)]) -> Result<Config, String> {
        let map: BTreeMap<&str, &str> = variables.iter().copied().collect();
        Config::from_variables(|name| map.get(name).map(|&value| value.to_owned()))
    }

    const KEY: (&str, &str) = ("SECRET_KEY", "0123456789abcdef0123456789abcdef");

    #[test]
    fn nothing_set_is_a_folder_on_this_machine() {
        let config = config(&[]).expect("has defaults");
        assert_eq!((config.host.to_string().as_str(), config.port), ("127.0.0.1", 5000));
        assert_eq!(config.database_url, "sqlite:churn-data/churn.db");
        assert!(matches!(config.storage, StorageConfig::Local { folder } if folder.ends_with("churn-data/storage")));
    }

    #[test]
    fn without_a_key_nobody_else_may_connect() {
        assert!(config(&[("HOST", "0.0.0.0")]).expect_err("is refused").contains("SECRET_KEY"));
        assert!(config(&[("HOST", "0.0.0.0"), KEY]).is_ok());
        assert!(config(&[("HOST", "::1")]).is_ok());
        assert!(config(&[("SECRET_KEY", "short")]).expect_err("is refused").contains("at least 32"));
        // An empty variable, as compose files create it, counts as not set.
        assert!(config(&[("SECRET_KEY", " ")]).expect("has defaults").secret_key.is_none());
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        for (name, value) in [
            ("PORT", "http"),
            ("PORT", "70000"),
            ("HOST", "localhost"),
            ("LOG_FORMAT", "xml"),
            ("RATE_LIMIT", "-1"),
            ("JOB_ATTEMPTS", "0"),
        ] {
            let error = config(&[(name, value)]).expect_err("is refused");
            assert!(error.contains(name) && error.contains(value), "{error}");
        }
    }

    #[test]
    fn supabase_needs_a_key_and_goes_before_s3() {
        let url = ("SUPABASE_URL", "https://p.supabase.co");
        assert!(config(&[url]).expect_err("is refused").contains("SUPABASE_SERVICE_KEY"));
        let both =
            config(&[url, ("SUPABASE_ANON_KEY", "anon"), ("SUPABASE_SERVICE_KEY", "service")]).expect("is enough");
        assert!(matches!(both.storage, StorageConfig::Supabase(supabase) if supabase.key == "service"));
        assert!(
            config(&[("S3_ENDPOINT", "http://localhost:9000")]).expect_err("is refused").contains("S3_ACCESS_KEY_ID")
        );
    }

    #[test]
    fn a_prefix_is_a_path_of_plain_names() {
        assert_eq!(config(&[]).expect("has defaults").storage_prefix, "");
        assert_eq!(config(&[("STORAGE_PREFIX", "a/staging-1")]).expect("is one").storage_prefix, "a/staging-1");
        for bad in ["/a", "a/", "../a", ".a", "a b", "ä"] {
            assert!(config(&[("STORAGE_PREFIX", bad)]).expect_err("is none").contains("STORAGE_PREFIX"), "{bad}");
        }
    }

    #[test]
    fn misspelt_variables_are_refused() {
        let check = |name: &str| check_names(std::iter::once(name.to_owned()));
        for (name, meant) in [
            ("DATABSE_URL", "DATABASE_URL"),
            ("DATABASE_ULR", "DATABASE_URL"),
            ("DATABASEURL", "DATABASE_URL"),
            ("database_url", "DATABASE_URL"),
            ("SUPABASE_SERVICEKEY", "SUPABASE_SERVICE_KEY"),
            ("DATADIR", "DATA_DIR"),
            ("SECRETKEY", "SECRET_KEY"),
            ("MAX_UPLOAD_BYTE", "MAX_UPLOAD_BYTES"),
        ] {
            let error = check(name).expect_err("is refused");
            assert!(error.contains(name) && error.contains(meant), "{error}");
        }
        for name in VARIABLES.iter().copied().chain([
            "HOME",
            "host",
            "HOSTNAME",
            "PATH",
            "PORTS",
            "PGHOST",
            "RUST_LOG",
            "LANG",
            "PWD",
            "DATABASE_NAME",
            "AWS_REGION",
            "SUPABASE_DB_URL",
            "SUPABASE_SERVICE_ROLE_KEY",
            "POSTGRES_PASSWORD",
        ]) {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn every_variable_is_documented() {
        let example = include_str!("../.env.example");
        let documented: Vec<&str> = example
            .lines()
            .filter_map(|line| line.trim_start_matches('#').trim_start().split_once('='))
            .map(|(name, _)| name)
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'))
            .collect();
        assert_eq!(documented, VARIABLES);
    }
}
