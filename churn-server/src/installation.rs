//! Ownership of the storage: a marker in each bucket, `churn.installation`, names the database that the files belong to.
//!
//! The database has a name, created once, and the marker holds it. The marker also holds a token. At every start and before
//! every sweep a new token is drawn, and the database stores it too. So the name tells a second database on the same storage
//! apart. The token tells a copy of this database apart, such as a restored backup: the storage has a newer token. Both are
//! refused at the start. No sweep and no removal takes place if the name or the token differs.
//!
//! The database stores the next token before the marker gets it. So after an interrupted start, the database still owns the
//! storage.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::storage::{Bucket, Location, Result, Storage, StorageError, StorageErrorKind, put_bytes};
use crate::store::{ExclusiveLock, InstallationRow, Store};

/// Key of the marker. An organization id contains no point, so no folder of an organization has this name.
pub const MARKER: &str = "churn.installation";

/// Maximum bytes of a marker that are read.
const MAX_MARKER: u64 = 64 << 10;

/// Maximum time to wait for the exclusive lock. Others hold it for moments at a start, and for the length of a sweep.
const PATIENCE: Duration = Duration::from_secs(60);

/// Content of the marker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Marker {
    installation: String,
    token: String,
    about: String,
}

/// Owner of the storage, according to the markers.
#[derive(Clone, Debug, PartialEq)]
enum Owner {
    /// This database in its current state.
    Us,
    /// Another state of this database.
    OurCopy,
    /// Another database.
    Other(String),
    /// No owner: there is no marker.
    Nobody,
}

/// Ties a database to its storage.
#[derive(Clone, Debug)]
pub struct Installation {
    store: Store,
    storage: Arc<dyn Storage>,
    prefix: String,
}

impl Installation {
    /// Creates the tie. Keys in the storage begin with the prefix, which is empty or ends with `/`.
    pub(crate) fn new(store: Store, storage: Arc<dyn Storage>, prefix: String) -> Self {
        Installation { store, storage, prefix }
    }

    /// Locations of the markers in the storage.
    pub(crate) fn markers(&self) -> Result<[Location; Bucket::ALL.len()]> {
        let at = |bucket| Location::new(bucket, MARKER)?.with_prefix(&self.prefix);
        Ok([at(Bucket::Datasets)?, at(Bucket::Utils)?, at(Bucket::Models)?])
    }

    /// Checks at the start that the storage belongs to this database. A storage without an owner is marked as ours if it
    /// contains nothing unknown to this database.
    ///
    /// # Errors
    /// `storage_not_ours`, with what to do about it.
    pub(crate) async fn claim(&self) -> Result<()> {
        let lock = self.lock_exclusive().await?;
        let row = self.row().await?;
        match self.owner(&row).await? {
            Owner::Us => {
                return match self.rotate_token(&lock).await {
                    // The storage is ours. A full disk or an unreachable storage does not keep the server from answering.
                    Err(error) if matches!(error.kind(), StorageErrorKind::Full | StorageErrorKind::Unavailable) => {
                        tracing::warn!(%error, "the marker in storage could not be renewed");
                        Ok(())
                    }
                    done => done,
                };
            }
            Owner::OurCopy => return Err(not_ours(OUR_COPY)),
            Owner::Other(id) => {
                return Err(not_ours(&format!("it belongs to another installation of churn-server ({id})")));
            }
            Owner::Nobody if row.token.is_some() => return Err(not_ours(MOVED)),
            Owner::Nobody if !self.store.has_files().await.map_err(database)? && !self.is_empty().await? => {
                return Err(not_ours("there are files in it, and this database is new and knows none of them"));
            }
            Owner::Nobody => (),
        }
        self.rotate_token(&lock).await?;
        // Another database may have done the same at the same moment; the last one wins.
        match self.owner(&self.row().await?).await? {
            Owner::Us => Ok(()),
            _ => Err(not_ours("another installation of churn-server has taken it just now")),
        }
    }

    /// Takes the storage over, whoever owns it, and writes our marker. All files on record are forgotten, so that none is
    /// removed that another database may have accepted since. Returns the number of forgotten files, and a sentence about the
    /// previous owner.
    ///
    /// # Errors
    /// The errors of database and storage.
    pub(crate) async fn adopt(&self) -> Result<(u64, String)> {
        let lock = self.lock_exclusive().await?;
        let was = match self.owner(&self.row().await?).await? {
            Owner::Us => "it was ours before".to_owned(),
            Owner::OurCopy => "it was that of a copy of this database".to_owned(),
            Owner::Other(id) => format!("it belonged to the installation {id}, which is refused from now on"),
            Owner::Nobody => "it had no owner".to_owned(),
        };
        let forgotten = self.store.delete_all_file_records().await.map_err(database)?;
        self.rotate_token(&lock).await?;
        Ok((forgotten, was))
    }

    /// Draws a new token. Copies of this database are refused from then on.
    pub(crate) async fn rotate_token(&self, _: &ExclusiveLock) -> Result<()> {
        // An interrupted change is completed first; otherwise the database would forget its token, which a marker may hold
        // already.
        let unfinished = self.row().await?.next_token;
        for token in unfinished.into_iter().chain([uuid::Uuid::new_v4().to_string()]) {
            self.store.set_next_token(&token).await.map_err(database)?;
            let about =
                "churn-server: the files of this bucket, or below this prefix, belong to one database. Do not remove";
            let marker = Marker { installation: self.row().await?.id, token: token.clone(), about: about.to_owned() };
            let text = serde_json::to_string(&marker).map_err(|error| invalid_marker(error.to_string()))?;
            for at in self.markers()? {
                put_bytes(&*self.storage, &at, at.bucket().content_type(), text.clone()).await?;
            }
            self.store.set_token(&token).await.map_err(database)?;
        }
        Ok(())
    }

    /// Waits for the exclusive lock that [`Installation::rotate_token`] needs.
    pub(crate) async fn lock_exclusive(&self) -> Result<ExclusiveLock> {
        let busy =
            || StorageError::new(StorageErrorKind::Unavailable, "another process works on the storage for a long time");
        self.store.lock_exclusive(PATIENCE).await.map_err(database)?.ok_or_else(busy)
    }

    /// Checks that the storage belongs to this database in its current state.
    ///
    /// # Errors
    /// `storage_not_ours`.
    pub(crate) async fn check_owner(&self) -> Result<()> {
        let mut row = self.row().await?;
        loop {
            let owner = self.owner(&row).await?;
            let now = self.row().await?;
            match owner {
                Owner::Us => return Ok(()),
                // Another process has drawn a token between the two reads.
                _ if now != row => row = now,
                Owner::OurCopy => return Err(not_ours(OUR_COPY)),
                Owner::Other(id) => return Err(not_ours(&format!("the installation {id} has taken it over"))),
                Owner::Nobody => return Err(not_ours(MOVED)),
            }
        }
    }

    async fn row(&self) -> Result<InstallationRow> {
        self.store.installation().await.map_err(database)
    }

    async fn owner(&self, row: &InstallationRow) -> Result<Owner> {
        let mut found = Owner::Nobody;
        for at in self.markers()? {
            let content = match self.storage.get(&at).await {
                Ok(content) => content.bytes(MAX_MARKER).await?,
                Err(error) if error.kind() == StorageErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let marker: Marker = serde_json::from_slice(&content)
                .map_err(|error| invalid_marker(format!("{at} is no marker of churn-server: {error}")))?;
            let known = [&row.token, &row.next_token].into_iter().flatten().any(|token| *token == marker.token);
            match (marker.installation == row.id, known) {
                (false, _) => return Ok(Owner::Other(marker.installation)),
                (true, false) => return Ok(Owner::OurCopy),
                (true, true) => found = Owner::Us,
            }
        }
        Ok(found)
    }

    async fn is_empty(&self) -> Result<bool> {
        for bucket in Bucket::ALL {
            if !self.storage.list(bucket, &self.prefix).await?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

const OUR_COPY: &str = "it has been used by another copy of this database since: by a server that runs on such a copy, or \
     because this database is a backup that was restored";

const MOVED: &str = "the marker of this database is not in it: it is another bucket, folder (DATA_DIR) or STORAGE_PREFIX than \
     before, or its files are gone";

fn not_ours(found: &str) -> StorageError {
    let message = format!(
        "{found}. Nothing was changed. Either set another STORAGE_PREFIX, or correct the settings of storage and database; or, \
         if this database is to have these files from now on and no other server uses them, run `churn-server adopt`"
    );
    StorageError::new(StorageErrorKind::NotOurs, message)
}

fn invalid_marker(message: String) -> StorageError {
    StorageError::new(StorageErrorKind::Other, message)
}

/// Converts an error of the database into an error of the storage.
pub(crate) fn database(error: ApiError) -> StorageError {
    let kind = match error.code() {
        "storage_full" => StorageErrorKind::Full,
        _ => StorageErrorKind::Unavailable,
    };
    StorageError::new(kind, format!("the database: {}", error.message())).with_source(error)
}
