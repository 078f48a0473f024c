//! Storage of files: one trait, with backends for a folder, for memory, for Supabase Storage and for S3.
//!
//! All backends give the same guarantees, and one test suite checks them: an object appears completely or not at all, streams
//! pass through without being held in memory, and lists are sorted.

mod breaker;
mod error;
mod local;
mod location;
mod memory;
mod retry;
mod s3;
mod supabase;
mod tus;
mod upload;

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio_util::io::{StreamReader, SyncIoBridge};

pub use breaker::Breaker;
pub use error::{Result, StorageError, StorageErrorKind};
pub use local::Local;
pub use location::{Bucket, Location};
pub use memory::Memory;
pub use retry::Backoff;
pub use s3::{S3, S3Config};
pub use supabase::{Supabase, SupabaseConfig};
pub use upload::{UploadError, Uploaded, put_written, store_any, store_csv, store_text};

/// A stream of bytes.
pub type ByteStream<'a> = stream::BoxStream<'a, io::Result<Bytes>>;

/// Size and age of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Size in bytes.
    pub size: u64,
    /// Time of the last write, by the clock of the backend.
    pub modified: SystemTime,
}

/// An entry in a list of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Location of the object.
    pub location: Location,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last write, by the clock of the backend.
    pub modified: SystemTime,
}

/// Content of an object, or of a range of it.
pub struct Content {
    /// Number of bytes in the stream.
    pub size: u64,
    /// The bytes.
    pub stream: ByteStream<'static>,
}

impl Content {
    pub(crate) fn of(bytes: Bytes) -> Self {
        Content { size: bytes.len() as u64, stream: stream::once(async { Ok(bytes) }).boxed() }
    }

    /// Reads the whole content, for objects that are known to be small.
    ///
    /// # Errors
    /// `payload_too_large` beyond `max_bytes`; `storage_error` if the stream breaks off.
    pub async fn bytes(self, max_bytes: u64) -> Result<Bytes> {
        if self.size > max_bytes {
            return Err(StorageError::too_large(max_bytes));
        }
        let mut all = BytesMut::with_capacity(self.size as usize);
        let mut stream = self.stream;
        while let Some(bytes) = stream.try_next().await.map_err(|error| StorageError::io("reading", error))? {
            if (all.len() + bytes.len()) as u64 > max_bytes {
                return Err(StorageError::too_large(max_bytes));
            }
            all.extend_from_slice(&bytes);
        }
        Ok(all.freeze())
    }

    /// Returns a reader for blocking code. Create it within the runtime, and read it on a thread of `spawn_blocking`.
    pub fn reader(self) -> impl io::Read + Send {
        SyncIoBridge::new(StreamReader::new(self.stream))
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("size", &self.size).finish_non_exhaustive()
    }
}

/// A storage for objects.
#[async_trait]
pub trait Storage: fmt::Debug + Send + Sync {
    /// Makes sure that the buckets exist, and creates them if that is possible. Cheap to repeat.
    ///
    /// # Errors
    /// `storage_denied` and `storage_unavailable`, with what to do about it.
    async fn prepare(&self) -> Result<()>;

    /// Writes a stream, replacing an existing object, and returns its number of bytes. The write is atomic: until it returns,
    /// the object is absent or the old one. It stays so if the stream fails or is longer than `max_bytes`, or if the future is
    /// dropped or the process killed.
    ///
    /// # Errors
    /// `upload_broken`, `payload_too_large`, and those of the backend.
    async fn put(&self, at: &Location, content_type: &str, body: ByteStream<'_>, max_bytes: u64) -> Result<u64>;

    /// Returns the object as a stream.
    ///
    /// # Errors
    /// `object_not_found`, and those of the backend.
    async fn get(&self, at: &Location) -> Result<Content>;

    /// Returns a range of the object, cut at its end.
    ///
    /// # Errors
    /// `invalid_range` for a range that is empty or begins after the end; `object_not_found`; those of the backend.
    async fn get_range(&self, at: &Location, range: Range<u64>) -> Result<Content>;

    /// Returns the size and age of the object.
    ///
    /// # Errors
    /// `object_not_found`, and those of the backend.
    async fn head(&self, at: &Location) -> Result<Head>;

    /// Deletes the object; returns false if there was none.
    ///
    /// # Errors
    /// The errors of the backend.
    async fn delete(&self, at: &Location) -> Result<bool>;

    /// Returns the objects whose keys begin with `prefix` (all for an empty one), sorted by the bytes of their keys.
    ///
    /// # Errors
    /// The errors of the backend.
    async fn list(&self, bucket: Bucket, prefix: &str) -> Result<Vec<Listed>>;

    /// Checks that files can be read and written and that nobody else can read them. Changes nothing. The objects in `there`
    /// are known to exist.
    ///
    /// # Errors
    /// The obstacle: `storage_denied`, `storage_full`, `storage_public`, `storage_unavailable`.
    async fn check(&self, there: &[Location]) -> Result<()>;

    /// Removes what killed writers left behind, and returns the number of such files. Active writers are not disturbed.
    ///
    /// # Errors
    /// The errors of the backend.
    async fn sweep(&self) -> Result<u64>;

    /// Returns true if the backend could not be reached by the last request.
    fn is_away(&self) -> bool {
        false
    }
}

/// Writes bytes from memory.
///
/// # Errors
/// The errors of [`Storage::put`].
pub async fn put_bytes(
    storage: &dyn Storage,
    at: &Location,
    content_type: &str,
    bytes: impl Into<Bytes>,
) -> Result<u64> {
    let bytes = bytes.into();
    let size = bytes.len() as u64;
    storage.put(at, content_type, stream::once(async { Ok(bytes) }).boxed(), size).await
}

/// The backend, and how to reach it.
#[derive(Clone, Debug)]
pub enum StorageConfig {
    /// In memory; nothing outlives the process.
    Memory,
    /// A local folder.
    Local {
        /// Created if it is missing.
        folder: std::path::PathBuf,
    },
    /// Supabase Storage, through its REST API.
    Supabase(SupabaseConfig),
    /// S3 or a compatible service.
    S3(S3Config),
}

/// Opens the storage of a configuration. Nothing is sent to the backend yet; [`Storage::prepare`] does that.
///
/// # Errors
/// `storage_error` for an invalid address.
pub fn open(config: &StorageConfig) -> Result<Arc<dyn Storage>> {
    Ok(match config {
        StorageConfig::Memory => Arc::new(Memory::default()),
        StorageConfig::Local { folder } => Arc::new(Local::new(folder)),
        StorageConfig::Supabase(config) => Arc::new(Breaker::new(Arc::new(Supabase::new(config)?))),
        StorageConfig::S3(config) => Arc::new(Breaker::new(Arc::new(S3::new(config)?))),
    })
}

/// Returns the next piece of a body, within its limit.
pub(crate) async fn next_piece(body: &mut ByteStream<'_>, size: &mut u64, max_bytes: u64) -> Result<Option<Bytes>> {
    let Some(piece) = body.try_next().await.map_err(StorageError::body)? else {
        return Ok(None);
    };
    *size += piece.len() as u64;
    if *size > max_bytes { Err(StorageError::too_large(max_bytes)) } else { Ok(Some(piece)) }
}

pub(crate) fn not_found(at: &Location) -> StorageError {
    StorageError::new(StorageErrorKind::NotFound, format!("there is no object {at}"))
}

/// Cuts a range to an object of this size.
pub(crate) fn clip(at: &Location, range: Range<u64>, size: u64) -> Result<Range<u64>> {
    if range.start >= range.end || range.start >= size {
        let Range { start, end } = range;
        let message = format!("bytes {start}..{end} of {at}, which has {size}");
        return Err(StorageError::new(StorageErrorKind::InvalidRange, message));
    }
    Ok(range.start..range.end.min(size))
}
