//! Subcommands that manage the ownership of files and move a database.

use churn_server::config::Config;
use churn_server::state::AppState;
use churn_server::store::copy_database;

use crate::print_line;

/// `churn-server adopt`.
pub(crate) async fn adopt(config: Config) -> Result<(), String> {
    crate::log(&config)?;
    let state = AppState::connect(config).await?;
    let (forgotten, was) = state.files.adopt().await.map_err(|error| format!("the storage: {error}"))?;
    print_line(&format!(
        "The storage belongs to this database now; {was}. Nothing was removed. {forgotten} files that were on record as being \
         written or deleted are not any more, and stay where they are."
    ));
    Ok(())
}

/// `churn-server sweep`.
pub(crate) async fn sweep(config: Config, dry_run: bool) -> Result<(), String> {
    crate::log(&config)?;
    let state = AppState::connect(config).await?;
    if !dry_run {
        let removed = churn_server::sweep::sweep(&state).await.map_err(|error| error.to_string())?;
        print_line(&format!("{removed} files were removed."));
        return Ok(());
    }
    let pending = state.files.pending().await.map_err(|error| error.to_string())?;
    let (due, young): (Vec<_>, Vec<_>) = pending.into_iter().partition(|file| file.due);
    for file in &due {
        print_line(&format!("{}  {}, on record since {}", file.key, file.reason, file.recorded_at));
    }
    let grace = state.config.orphan_grace.as_secs();
    print_line(&format!(
        "{} files would be removed; {} more are on record, younger than {grace} seconds (ORPHAN_GRACE_SECONDS) or in use.",
        due.len(),
        young.len()
    ));
    match state.files.check_owner().await {
        Ok(()) => Ok(()),
        Err(error) => Err(format!("a sweep would remove nothing: {error}")),
    }
}

/// `churn-server migrate-database`.
pub(crate) async fn migrate_database(from: &str, to: &str) -> Result<(), String> {
    let tables = copy_database(from, to).await?;
    for (table, rows) in &tables {
        print_line(&format!("{table}: {rows} rows"));
    }
    print_line("Copied. Start the servers with DATABASE_URL as --to has it, and none on the old database any more.");
    Ok(())
}
