//! The files of this database: a storage that writes and removes only files that are on record.
//!
//! It wraps the backend, so that no caller can forget the record. A key is recorded before its file is written
//! (`store/files.rs` says how the record ends). A file is removed only if it is on record, if no row refers to it, and if the
//! marker of the storage is ours ([`Installation`]). It also puts STORAGE_PREFIX before every key; the database never stores
//! the prefix.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::config::Config;
use crate::installation::{Installation, MARKER, database};
use crate::storage::{
    Bucket, ByteStream, Content, Head, Listed, Location, Result, Storage, StorageError, StorageErrorKind,
};
use crate::store::{PendingFile, Store};

/// Maximum time to wait until the removal of an earlier file with the same key has ended.
const PATIENCE: Duration = Duration::from_secs(5);

/// The storage of a server.
#[derive(Debug)]
pub struct Files {
    storage: Arc<dyn Storage>,
    store: Store,
    installation: Installation,
    /// Empty, or with a `/` at its end.
    prefix: String,
    grace: Duration,
    /// Error of the last write, if the storage caused it and not the sender: a full disk, a key without rights.
    trouble: Mutex<Option<(StorageErrorKind, String)>>,
}

impl Files {
    /// Wraps the storage of these settings.
    pub fn new(config: &Config, store: Store, storage: Arc<dyn Storage>) -> Self {
        let prefix = match config.storage_prefix.as_str() {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let installation = Installation::new(store.clone(), Arc::clone(&storage), prefix.clone());
        Files { storage, store, installation, prefix, grace: config.orphan_grace, trouble: Mutex::new(None) }
    }

    /// Checks at the start that the storage belongs to this database, and that it is not public.
    ///
    /// # Errors
    /// `storage_not_ours` and `storage_public`, with what to do about it; those of database and storage.
    pub async fn claim(&self) -> Result<()> {
        self.installation.claim().await?;
        match self.storage.check(&self.installation.markers()?).await {
            // All other errors may pass; until then /readyz reports them.
            Err(error) if error.kind() == StorageErrorKind::Public => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes the storage over for this database. Returns the number of forgotten files on record, and a sentence about the
    /// previous owner.
    ///
    /// # Errors
    /// The errors of database and storage.
    pub async fn adopt(&self) -> Result<(u64, String)> {
        self.storage.prepare().await?;
        self.installation.adopt().await
    }

    /// Returns the files on record; those that the next sweep removes come first.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn pending(&self) -> crate::error::Result<Vec<PendingFile>> {
        self.store.pending_files(self.grace).await
    }

    /// Returns the numbers of files on record: of those that the next sweep removes, and of all.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn count_pending(&self) -> crate::error::Result<(i64, i64)> {
        self.store.count_pending_files(self.grace).await
    }

    /// Checks that the storage belongs to this database.
    ///
    /// # Errors
    /// `storage_not_ours`.
    pub async fn check_owner(&self) -> Result<()> {
        self.installation.check_owner().await
    }

    /// Writes the marker again if the last write failed, to check whether writing works again.
    pub(crate) async fn try_again(&self) {
        if self.trouble().is_none() {
            return;
        }
        let written = async {
            let lock = self.installation.lock_exclusive().await?;
            self.installation.check_owner().await?;
            self.installation.rotate_token(&lock).await
        };
        self.note(&written.await);
    }

    fn trouble(&self) -> Option<(StorageErrorKind, String)> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note<T>(&self, written: &Result<T>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match written {
            Ok(_) => *trouble = None,
            Err(error)
                if matches!(
                    error.kind(),
                    StorageErrorKind::Denied | StorageErrorKind::TypeRefused | StorageErrorKind::Full
                ) =>
            {
                *trouble = Some((error.kind(), error.to_string()));
            }
            Err(_) => (),
        }
    }

    /// Puts a key on record. If an earlier file of this key is being removed, it waits.
    async fn record(&self, key: &str) -> Result<()> {
        let started = Instant::now();
        while !self.store.record_file(key).await.map_err(database)? {
            if started.elapsed() > PATIENCE {
                let message = format!("an earlier file {key} is being removed; try again");
                return Err(StorageError::new(StorageErrorKind::Unavailable, message));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Renews the record of a key as long as the future is polled.
    async fn keep_on_record(&self, key: &str) {
        // A slow writer must not be taken for a dead one.
        let every = (self.grace / 4).clamp(Duration::from_millis(100), Duration::from_secs(300));
        loop {
            tokio::time::sleep(every).await;
            if let Err(error) = self.store.renew_file(key).await {
                tracing::warn!(%error, key, "a file that is being written could not be kept on record");
            }
        }
    }
}

#[async_trait]
impl Storage for Files {
    async fn prepare(&self) -> Result<()> {
        self.storage.prepare().await
    }

    async fn put(&self, at: &Location, content_type: &str, body: ByteStream<'_>, max_bytes: u64) -> Result<u64> {
        let (key, place) = (at.to_string(), at.with_prefix(&self.prefix)?);
        self.record(&key).await?;
        let written = tokio::select! {
            written = self.storage.put(&place, content_type, body, max_bytes) => written,
            () = self.keep_on_record(&key) => unreachable!("it goes on for ever"),
        };
        self.note(&written);
        if written.is_ok() && !self.store.renew_file(&key).await.map_err(database)? {
            // The record was given up while this process was stopped. The file exists now, so it must be on record.
            self.record(&key).await?;
            let message =
                format!("writing {at} took longer than ORPHAN_GRACE_SECONDS without a sign of life; try again");
            return Err(StorageError::new(StorageErrorKind::Unavailable, message));
        }
        written
    }

    async fn get(&self, at: &Location) -> Result<Content> {
        self.storage.get(&at.with_prefix(&self.prefix)?).await
    }

    async fn get_range(&self, at: &Location, range: Range<u64>) -> Result<Content> {
        self.storage.get_range(&at.with_prefix(&self.prefix)?, range).await
    }

    async fn head(&self, at: &Location) -> Result<Head> {
        self.storage.head(&at.with_prefix(&self.prefix)?).await
    }

    /// Removes a file that is on record and that no row refers to; any other file stays. Its record stays until the next sweep,
    /// in case another writer still writes it.
    async fn delete(&self, at: &Location) -> Result<bool> {
        if !self.store.is_file_deletable(&at.to_string()).await.map_err(database)? {
            return Ok(false);
        }
        self.installation.check_owner().await?;
        self.storage.delete(&at.with_prefix(&self.prefix)?).await
    }

    async fn list(&self, bucket: Bucket, prefix: &str) -> Result<Vec<Listed>> {
        let listed = self.storage.list(bucket, &format!("{}{prefix}", self.prefix)).await?;
        let own = listed.into_iter().filter_map(|found| {
            let key = found.location.key().strip_prefix(&self.prefix)?;
            (key != MARKER).then(|| Location::new(bucket, key).map(|location| Listed { location, ..found.clone() }))
        });
        own.collect()
    }

    fn is_away(&self) -> bool {
        self.storage.is_away()
    }

    async fn check(&self, _: &[Location]) -> Result<()> {
        let markers = self.installation.markers()?;
        self.storage.check(&markers).await?;
        for at in &markers {
            self.storage.head(at).await.map_err(|error| match error.kind() {
                StorageErrorKind::NotFound => {
                    let message = format!("the marker {at} is gone: is this the bucket or folder of before?");
                    StorageError::new(StorageErrorKind::NotOurs, message)
                }
                _ => error,
            })?;
        }
        match self.trouble() {
            Some((kind, message)) => Err(StorageError::new(kind, message)),
            None => Ok(()),
        }
    }

    /// Removes the files that are due, and what killed writers of this backend left behind. Only one process sweeps at a time;
    /// the others wait for it.
    async fn sweep(&self) -> Result<u64> {
        let mut lock = self.installation.lock_exclusive().await?;
        self.installation.check_owner().await?;
        // From here on, no copy of this database is accepted in its place.
        self.installation.rotate_token(&lock).await?;
        let mut removed = self.storage.sweep().await?;
        self.store.mark_files_for_deletion(self.grace).await.map_err(database)?;
        let mut doomed = self.store.doomed_files("").await.map_err(database)?;
        while let Some(last) = doomed.last().cloned() {
            for key in doomed {
                let place = key.parse::<Location>().and_then(|at| at.with_prefix(&self.prefix))?;
                lock.check_held().await.map_err(database)?;
                if self.storage.delete(&place).await? {
                    tracing::info!(at = %place, "a file that no row refers to is removed");
                    removed += 1;
                }
                self.store.delete_file_record(&key).await.map_err(database)?;
            }
            doomed = self.store.doomed_files(&last).await.map_err(database)?;
        }
        Ok(removed)
    }
}
