//! The program: `serve` (the default), `worker`, and subcommands for setup and maintenance.

mod commands;

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use churn_server::auth::{Role, is_organization_id, new_token};
use churn_server::config::{Config, DEFAULT_WORKER_PORT, LogFormat};
use churn_server::jobs::{Worker, WorkerOptions};
use churn_server::listen::listen;
use churn_server::routes::{self, make_key};
use churn_server::state::AppState;
use churn_server::store::{Store, lock_for_server};
use churn_server::sweep::keep_sweeping;
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Churn prediction as a service. Settings come from the environment or a file .env; .env.example documents them.
#[derive(Debug, Parser)]
#[command(name = "churn-server", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer requests, and run jobs unless JOB_WORKERS is 0 (the default command).
    Serve,
    /// Run jobs only, beside servers on the same database and storage.
    Worker,
    /// Make an API key for an organization, and create the organization if it does not exist.
    Key {
        /// The organization.
        organization: String,
        /// read, write or admin.
        #[arg(long, default_value = "admin")]
        role: Role,
        /// Name of the key, for people.
        #[arg(long, default_value = "command line")]
        name: String,
    },
    /// Sign a token (JWT) with SECRET_KEY.
    Token {
        /// The organization, or * for all.
        organization: String,
        /// read, write or admin.
        #[arg(long, default_value = "admin")]
        role: Role,
        /// Number of days until the token expires.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3650))]
        days: u64,
    },
    /// Make this database the owner of the storage, whoever owned it before: after a backup was restored, or to take it over.
    Adopt,
    /// Remove the files that a crash has left and no row refers to, without waiting for the next sweep.
    Sweep {
        /// Only list these files.
        #[arg(long)]
        dry_run: bool,
    },
    /// Copy a database into an empty one, from SQLite to PostgreSQL or back, while no server runs on either.
    MigrateDatabase {
        /// sqlite:PATH or postgres://…
        #[arg(long)]
        from: String,
        /// An empty database: sqlite:PATH or postgres://…
        #[arg(long)]
        to: String,
    },
    /// Print the description of the API (OpenAPI) as JSON.
    Openapi,
}

/// Lets all threads share two arenas of memory. By default glibc makes eight for every core, and each of them grows to the
/// largest job that any of its threads ever had, which adds up over days.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "a setting of the C library")]
fn share_memory() {
    // SAFETY: called first in `main`, before there is another thread; the call only sets a number.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 2) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn share_memory() {}

fn main() -> ExitCode {
    share_memory();
    // The file .env is optional, but one that cannot be read is an error.
    let from_file = match dotenvy::dotenv() {
        Ok(_) => Ok(()),
        Err(error) if error.not_found() => Ok(()),
        Err(error) => Err(format!("the file .env: {error}")),
    };
    let result = from_file.and_then(|()| Config::from_env()).and_then(|config| run(config, Arguments::parse()));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            print_error(&message);
            ExitCode::FAILURE
        }
    }
}

fn run(config: Config, arguments: Arguments) -> Result<(), String> {
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => runtime()?.block_on(serve(config)),
        Command::Worker => runtime()?.block_on(work(config)),
        Command::Key { organization, role, name } => runtime()?.block_on(key(config, &organization, role, &name)),
        Command::Token { organization, role, days } => {
            if organization != "*" {
                check_organization(&organization)?;
            }
            print_line(&new_token(&config, &organization, role, Duration::from_secs(days * 86_400))?);
            Ok(())
        }
        Command::Adopt => runtime()?.block_on(commands::adopt(config)),
        Command::Sweep { dry_run } => runtime()?.block_on(commands::sweep(config, dry_run)),
        Command::MigrateDatabase { from, to } => runtime()?.block_on(commands::migrate_database(&from, &to)),
        Command::Openapi => runtime()?.block_on(async {
            let config = Config {
                storage: churn_server::storage::StorageConfig::Memory,
                database_url: "sqlite::memory:".to_owned(),
                ..config
            };
            let openapi = routes::openapi(&AppState::open(config).await?);
            print_line(&openapi.to_pretty_json().map_err(|error| error.to_string())?);
            Ok(())
        }),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| format!("threads: {error}"))
}

fn check_organization(id: &str) -> Result<(), String> {
    match is_organization_id(id) {
        true => Ok(()),
        false => Err(format!("{id:?} is not an id of an organization: 1 to 64 letters, digits, _ and -")),
    }
}

/// Starts the log, and connects to database and storage.
async fn open(config: Config) -> Result<AppState, String> {
    log(&config)?;
    AppState::open(config).await
}

/// Starts the log.
fn log(config: &Config) -> Result<(), String> {
    let filter = EnvFilter::try_new(&config.log_level).map_err(|error| format!("LOG_LEVEL: {error}"))?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match config.log_format {
        LogFormat::Text => logs.with_target(false).init(),
        // The current span is the request; the list of spans would repeat it.
        LogFormat::Json => logs.json().flatten_event(true).with_span_list(false).init(),
    }
    Ok(())
}

async fn serve(config: Config) -> Result<(), String> {
    // Held until the process ends.
    let _only_server = lock_for_server(&config.database_url)?;
    let state = open(config).await?;
    let at = SocketAddr::new(state.config.host, state.config.port);
    let listener = tokio::net::TcpListener::bind(at).await.map_err(|error| format!("HOST and PORT, {at}: {error}"))?;
    let at = listener.local_addr().map_err(|error| error.to_string())?;
    print_banner(&state, at);
    tokio::spawn(wait_for_shutdown_signal(state.clone()));
    let sweeping = tokio::spawn(keep_sweeping(state.clone()));
    let working = (state.config.job_workers > 0).then(|| tokio::spawn(worker(&state).run(state.shutdown.clone())));
    listen(listener, routes::app(state.clone()), &state.shutdown, state.config.shutdown).await;
    sweeping.await.map_err(|error| error.to_string())?;
    if let Some(working) = working {
        working.await.map_err(|error| error.to_string())?;
    }
    state.store.close().await;
    tracing::info!("stopped");
    Ok(())
}

async fn work(config: Config) -> Result<(), String> {
    let state = open(config).await?;
    routes::recorder();
    let listener = worker_listener(&state.config).await?;
    let at = listener.local_addr().map_err(|error| error.to_string())?;
    print_line(&format!("churn-server worker {} at http://{at} (/healthz, /metrics)", env!("CARGO_PKG_VERSION")));
    tokio::spawn(wait_for_shutdown_signal(state.clone()));
    let telling = listen(listener, routes::worker(state.clone()), &state.shutdown, state.config.shutdown);
    tokio::join!(telling, keep_sweeping(state.clone()), worker(&state).run(state.shutdown.clone()));
    state.store.close().await;
    Ok(())
}

/// Binds the port for the health and metrics routes of a worker. If the default port is taken, perhaps by another worker on
/// this machine, a free one is used. A port set by the user must be free.
async fn worker_listener(config: &Config) -> Result<tokio::net::TcpListener, String> {
    let bind = |port| tokio::net::TcpListener::bind(SocketAddr::new(config.host, port));
    let taken = match bind(config.worker_port.unwrap_or(DEFAULT_WORKER_PORT)).await {
        Ok(listener) => return Ok(listener),
        Err(error) => error,
    };
    match config.worker_port {
        Some(port) => Err(format!("HOST and WORKER_PORT, {}: {taken}", SocketAddr::new(config.host, port))),
        None => bind(0).await.map_err(|error| format!("HOST {}: {error}", config.host)),
    }
}

/// Creates the job worker from the settings.
fn worker(state: &AppState) -> Worker {
    let Config { job_workers, job_lease, shutdown, .. } = state.config;
    let options =
        WorkerOptions { slots: job_workers.max(1), lease: job_lease, grace: shutdown, ..WorkerOptions::default() };
    Worker::new(state.clone(), options)
}

async fn key(config: Config, organization: &str, role: Role, name: &str) -> Result<(), String> {
    check_organization(organization)?;
    let store = Store::open(&config.database_url, 2).await?;
    let made = async {
        let mut tx = store.begin().await?;
        tx.ensure_organization(organization).await?;
        tx.commit().await?;
        make_key(&store, organization, name, role, None).await
    };
    let (_, key) = made.await.map_err(|error| error.to_string())?;
    print_line(&key);
    Ok(())
}

/// Waits for Ctrl-C or SIGTERM; a second one ends the program at once.
async fn wait_for_shutdown_signal(state: AppState) {
    signal().await;
    tracing::info!(seconds = state.config.shutdown.as_secs(), "stopping: running requests and jobs may end");
    state.shutdown.cancel();
    signal().await;
    std::process::exit(1);
}

async fn signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be listened to");
        tokio::select! {
            _ = tokio::signal::ctrl_c() => (),
            _ = terminate.recv() => (),
        }
    }
    #[cfg(not(unix))]
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Prints the addresses of the server and commands to try.
fn print_banner(state: &AppState, at: SocketAddr) {
    let url = format!("http://{at}");
    let base = format!("{url}{}", routes::BASE);
    let (header, who) = match state.auth.is_open() {
        true => ("", "No SECRET_KEY: no token is needed, and only this machine may connect."),
        false => (
            " -H \"Authorization: Bearer $TOKEN\"",
            "SECRET_KEY is set: requests need a token. Make one with: churn-server token acme",
        ),
    };
    print_line(&format!(
        "churn-server {version} at {url}

  dashboard  {url}/
  API        {url}/docs

{who}
Data: {data}

  curl{header} -F file=@transactions.csv {base}/organizations/acme/upload-dataset
  curl{header} -X POST {base}/organizations/acme/datasets/DATASET_ID/process-features
  curl{header} -X POST '{base}/organizations/acme/train?model_type=logistic_regression'
  curl{header} {base}/organizations/acme/training-status
  curl{header} {base}/organizations/acme/predict -H 'content-type: application/json' \\
    -d '{{\"customer_id\":\"C001\",\"transactions\":[{{\"event_date\":\"2026-01-31\",\"amount\":25}}]}}'
",
        version = env!("CARGO_PKG_VERSION"),
        data = state.config.data_dir.display(),
    ));
}

/// Prints a result to stdout. Logs go to stderr.
fn print_line(text: &str) {
    // The reader may have closed the pipe, which is not an error here.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints an error message to stderr.
fn print_error(text: &str) {
    let _ = writeln!(std::io::stderr(), "churn-server: {text}");
}
