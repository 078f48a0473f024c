//! Both databases: SQLite in a file, and a PostgreSQL of its own where the machine has one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use churn_server::store::Store;
use tempfile::TempDir;

/// A PostgreSQL server that lives as long as this value.
pub(crate) struct Postgres {
    folder: TempDir,
    binaries: PathBuf,
}

impl Postgres {
    /// None where there is no PostgreSQL; the reason is said.
    pub(crate) fn start() -> Option<Postgres> {
        let Some(binaries) = binaries() else {
            say("skipped on PostgreSQL: this machine has no initdb and pg_ctl");
            return None;
        };
        let postgres = Postgres { folder: TempDir::new().expect("a folder"), binaries };
        let folder = postgres.folder.path();
        if is_root() {
            // It refuses to run as root.
            let done = Command::new("chown").arg("postgres").arg(folder).status().expect("chown runs");
            if !done.success() {
                say("skipped on PostgreSQL: there is no user postgres to run it as");
                return None;
            }
        }
        let data = postgres.data();
        postgres.run("initdb", &["-D", &data, "-A", "trust", "-U", "churn", "-N"]);
        let options = format!("-c listen_addresses= -c unix_socket_directories={} -c fsync=off", folder.display());
        let log = folder.join("log").display().to_string();
        postgres.run("pg_ctl", &["-D", &data, "-w", "-l", &log, "-o", &options, "start"]);
        Some(postgres)
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    /// Runs one of its programs as a user that it accepts.
    #[track_caller]
    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.binaries.join(program);
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("runuser");
                command.args(["-u", "postgres", "--"]).arg(&program);
                command
            }
            false => Command::new(&program),
        };
        // Files, not pipes: the server would keep a pipe open.
        let done = command
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("runs");
        assert!(done.success(), "{} {arguments:?}: {done}", program.display());
    }

    /// A new empty database.
    pub(crate) async fn database(&self, name: &str) -> Store {
        Store::open(&self.create(name).await, 8).await.expect("opens")
    }

    /// The address of a new empty database.
    pub(crate) async fn create(&self, name: &str) -> String {
        let url =
            |database: &str| format!("postgres://churn@localhost/{database}?host={}", self.folder.path().display());
        let admin = sqlx::PgPool::connect(&url("postgres")).await.expect("connects");
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&admin).await.expect("is made");
        admin.close().await;
        url(name)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if Path::new(&self.data()).join("postmaster.pid").exists() {
            self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "stop"]);
        }
    }
}

/// A new SQLite database in a file.
pub(crate) async fn sqlite(folder: &TempDir, name: &str) -> Store {
    Store::open(&format!("sqlite:{}/{name}.db", folder.path().display()), 8).await.expect("opens")
}

#[cfg(unix)]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

/// Folder of initdb and pg_ctl.
fn binaries() -> Option<PathBuf> {
    let debian =
        std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = debian.collect();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::split_paths(&path));
    folders.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists())
}

#[expect(clippy::print_stderr, reason = "a test that does not run must say so")]
fn say(text: &str) {
    eprintln!("{text}");
}
