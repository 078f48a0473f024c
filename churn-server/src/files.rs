//! The files of this database: storage in which nothing is written, and nothing removed, that is not on record.
//!
//! It stands before the backend, so that no caller can forget it. A key is recorded before its file is written
//! (`store/files.rs` says how the record ends); what is removed must be on record, without a row that refers to it, in a
//! storage whose marker is ours ([`Installation`]). It also puts STORAGE_PREFIX before every key: the database never has it.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::config::Config;
use crate::installation::{Installation, MARKER, database};
use crate::storage::{Bucket, ByteStream, Content, ErrorKind, Head, Listed, Location, Result, Storage, StorageError};
use crate::store::{PendingFile, Store};

/// How long a key that is being removed is waited for.
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
    /// Why the last write failed, if that was no fault of its sender: a full disk, a key without rights.
    trouble: Mutex<Option<(ErrorKind, String)>>,
}

impl Files {
    /// Before the storage of these settings.
    pub fn new(config: &Config, store: Store, storage: Arc<dyn Storage>) -> Self {
        let prefix = match config.storage_prefix.as_str() {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let installation = Installation::new(store.clone(), Arc::clone(&storage), prefix.clone());
        Files { storage, store, installation, prefix, grace: config.orphan_grace, trouble: Mutex::new(None) }
    }

    /// Makes sure at the start that the storage is that of this database, and that strangers cannot read it.
    ///
    /// # Errors
    /// `storage_not_ours` and `storage_public`, with what to do about it; those of database and storage.
    pub async fn claim(&self) -> Result<()> {
        self.installation.claim().await?;
        match self.storage.check(&self.installation.markers()?).await {
            // Everything else may pass, and /readyz says so until then.
            Err(error) if error.kind() == ErrorKind::Public => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes the storage over for this database; returns how many files on record were forgotten, and whose it was.
    ///
    /// # Errors
    /// Those of database and storage.
    pub async fn adopt(&self) -> Result<(u64, String)> {
        self.storage.prepare().await?;
        self.installation.adopt().await
    }

    /// The files on record, with those first that the next sweep removes.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn pending(&self) -> crate::error::Result<Vec<PendingFile>> {
        self.store.pending_files(self.grace).await
    }

    /// Makes sure that the storage is that of this database.
    ///
    /// # Errors
    /// `storage_not_ours`.
    pub async fn confirm(&self) -> Result<()> {
        self.installation.confirm().await
    }

    /// Writes the marker again if the last write failed, to see whether the next would.
    pub(crate) async fn try_again(&self) {
        if self.trouble().is_none() {
            return;
        }
        let written = async {
            let alone = self.installation.alone().await?;
            self.installation.confirm().await?;
            self.installation.advance(&alone).await
        };
        self.note(&written.await);
    }

    fn trouble(&self) -> Option<(ErrorKind, String)> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note<T>(&self, written: &Result<T>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match written {
            Ok(_) => *trouble = None,
            Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::TypeRefused | ErrorKind::Full) => {
                *trouble = Some((error.kind(), error.to_string()));
            }
            Err(_) => (),
        }
    }

    /// Puts a key on record; one that is being removed is waited for.
    async fn record(&self, key: &str) -> Result<()> {
        let started = Instant::now();
        while !self.store.record_file(key).await.map_err(database)? {
            if started.elapsed() > PATIENCE {
                let message = format!("an earlier file {key} is being removed; try again");
                return Err(StorageError::new(ErrorKind::Unavailable, message));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Keeps a key on record for as long as it is polled.
    async fn keep_on_record(&self, key: &str) {
        // A writer that is slow must not be taken for one that has died.
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
        let (key, place) = (at.to_string(), at.behind(&self.prefix)?);
        self.record(&key).await?;
        let written = tokio::select! {
            written = self.storage.put(&place, content_type, body, max_bytes) => written,
            () = self.keep_on_record(&key) => unreachable!("it goes on for ever"),
        };
        self.note(&written);
        if written.is_ok() && !self.store.renew_file(&key).await.map_err(database)? {
            // It was given up while this process stood still. The file is there now, so it must be on record.
            self.record(&key).await?;
            let message =
                format!("writing {at} took longer than ORPHAN_GRACE_SECONDS without a sign of life; try again");
            return Err(StorageError::new(ErrorKind::Unavailable, message));
        }
        written
    }

    async fn get(&self, at: &Location) -> Result<Content> {
        self.storage.get(&at.behind(&self.prefix)?).await
    }

    async fn get_range(&self, at: &Location, range: Range<u64>) -> Result<Content> {
        self.storage.get_range(&at.behind(&self.prefix)?, range).await
    }

    async fn head(&self, at: &Location) -> Result<Head> {
        self.storage.head(&at.behind(&self.prefix)?).await
    }

    /// Removes a file that is on record and that no row refers to; every other one stays. It stays on record until the next
    /// sweep, for the case that somebody still writes it.
    async fn delete(&self, at: &Location) -> Result<bool> {
        if !self.store.file_may_go(&at.to_string()).await.map_err(database)? {
            return Ok(false);
        }
        self.installation.confirm().await?;
        self.storage.delete(&at.behind(&self.prefix)?).await
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
                ErrorKind::NotFound => {
                    let message = format!("the marker {at} is gone: is this the bucket or folder of before?");
                    StorageError::new(ErrorKind::NotOurs, message)
                }
                _ => error,
            })?;
        }
        match self.trouble() {
            Some((kind, message)) => Err(StorageError::new(kind, message)),
            None => Ok(()),
        }
    }

    /// Removes the files that are due, and what writers of this backend that were killed have left. One process at a time;
    /// another one has it done by then.
    async fn sweep(&self) -> Result<u64> {
        let mut alone = self.installation.alone().await?;
        self.installation.confirm().await?;
        // From here on no copy of this database takes itself for it.
        self.installation.advance(&alone).await?;
        let mut removed = self.storage.sweep().await?;
        for key in self.store.doom_files(self.grace).await.map_err(database)? {
            let place = key.parse::<Location>().and_then(|at| at.behind(&self.prefix))?;
            alone.still().await.map_err(database)?;
            if self.storage.delete(&place).await? {
                tracing::info!(at = %place, "a file that no row refers to is removed");
                removed += 1;
            }
            self.store.forget_file(&key).await.map_err(database)?;
        }
        Ok(removed)
    }
}
