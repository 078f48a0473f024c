//! Where files are kept: one trait, and a backend for a folder, for memory, for Supabase Storage and for S3.
//!
//! Every backend keeps the same promises, and one test suite holds all of them to it: an object appears whole or not at
//! all, streams pass through without being held, and what is listed is sorted.

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
pub use error::{ErrorKind, Result, StorageError};
pub use local::Local;
pub use location::{Bucket, Location};
pub use memory::Memory;
pub use retry::Backoff;
pub use s3::{S3, S3Config};
pub use supabase::{Supabase, SupabaseConfig};
pub use upload::{UploadError, Uploaded, put_written, store_csv};

/// Bytes in pieces, as they come.
pub type ByteStream<'a> = stream::BoxStream<'a, io::Result<Bytes>>;

/// Size and age of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes.
    pub size: u64,
    /// When it was written, by the clock of the backend.
    pub modified: SystemTime,
}

/// An object in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where it is.
    pub location: Location,
    /// Bytes.
    pub size: u64,
    /// When it was written, by the clock of the backend.
    pub modified: SystemTime,
}

/// What an object holds, or a range of it.
pub struct Content {
    /// Bytes that the stream gives.
    pub size: u64,
    /// Them.
    pub stream: ByteStream<'static>,
}

impl Content {
    pub(crate) fn of(bytes: Bytes) -> Self {
        Content { size: bytes.len() as u64, stream: stream::once(async { Ok(bytes) }).boxed() }
    }

    /// The whole of it, for what is known to be small.
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

    /// A reader for code that blocks. It is made within the runtime and read on a thread of `spawn_blocking`.
    pub fn reader(self) -> impl io::Read + Send {
        SyncIoBridge::new(StreamReader::new(self.stream))
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("size", &self.size).finish_non_exhaustive()
    }
}

/// A place for objects.
#[async_trait]
pub trait Storage: fmt::Debug + Send + Sync {
    /// Makes sure that the buckets are there, creating them where that is possible. Cheap to repeat.
    ///
    /// # Errors
    /// `storage_denied` and `storage_unavailable`, with what to do about it.
    async fn prepare(&self) -> Result<()>;

    /// Writes a stream, replacing what was there, and returns how many bytes it had. All or nothing: until this returns, the
    /// object is absent or the old one, and it stays so if the stream fails, is longer than `max_bytes`, the future is
    /// dropped or the process killed.
    ///
    /// # Errors
    /// `upload_broken`, `payload_too_large`, and those of the backend.
    async fn put(&self, at: &Location, content_type: &str, body: ByteStream<'_>, max_bytes: u64) -> Result<u64>;

    /// The object as a stream.
    ///
    /// # Errors
    /// `object_not_found`, and those of the backend.
    async fn get(&self, at: &Location) -> Result<Content>;

    /// A range of the object, cut at its end.
    ///
    /// # Errors
    /// `invalid_range` for one that is empty or begins behind the end; `object_not_found`; those of the backend.
    async fn get_range(&self, at: &Location, range: Range<u64>) -> Result<Content>;

    /// Size and age.
    ///
    /// # Errors
    /// `object_not_found`, and those of the backend.
    async fn head(&self, at: &Location) -> Result<Head>;

    /// Removes the object; false if there was none.
    ///
    /// # Errors
    /// Those of the backend.
    async fn delete(&self, at: &Location) -> Result<bool>;

    /// The objects whose keys begin with this text (all for an empty one), in the order of the bytes of their keys.
    ///
    /// # Errors
    /// Those of the backend.
    async fn list(&self, bucket: Bucket, prefix: &str) -> Result<Vec<Listed>>;

    /// Looks whether files can be read and written and nobody else can read them, and changes nothing. Each of the objects in
    /// `there` is known to be there.
    ///
    /// # Errors
    /// What stands in the way: `storage_denied`, `storage_full`, `storage_public`, `storage_unavailable`.
    async fn check(&self, there: &[Location]) -> Result<()>;

    /// Removes what writers that were killed have left, and says how many such files there were. Writers at work are left
    /// alone.
    ///
    /// # Errors
    /// Those of the backend.
    async fn sweep(&self) -> Result<u64>;

    /// Whether the backend could not be reached when it was last asked.
    fn is_away(&self) -> bool {
        false
    }
}

/// Writes bytes that are in memory.
///
/// # Errors
/// Those of [`Storage::put`].
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

/// Which backend, and how it is reached.
#[derive(Clone, Debug)]
pub enum StorageConfig {
    /// Nothing outlives the process.
    Memory,
    /// A folder of this machine.
    Local {
        /// Created if it is not there.
        folder: std::path::PathBuf,
    },
    /// Supabase Storage by its REST API.
    Supabase(SupabaseConfig),
    /// S3, or what speaks like it.
    S3(S3Config),
}

/// The storage of a configuration. Nothing is asked of the backend yet; [`Storage::prepare`] does.
///
/// # Errors
/// `storage_error` for an address that is none.
pub fn open(config: &StorageConfig) -> Result<Arc<dyn Storage>> {
    Ok(match config {
        StorageConfig::Memory => Arc::new(Memory::default()),
        StorageConfig::Local { folder } => Arc::new(Local::new(folder)),
        StorageConfig::Supabase(config) => Arc::new(Breaker::new(Arc::new(Supabase::new(config)?))),
        StorageConfig::S3(config) => Arc::new(Breaker::new(Arc::new(S3::new(config)?))),
    })
}

/// The next piece of a body, within what may still come.
pub(crate) async fn next_piece(body: &mut ByteStream<'_>, size: &mut u64, max_bytes: u64) -> Result<Option<Bytes>> {
    let Some(piece) = body.try_next().await.map_err(StorageError::body)? else {
        return Ok(None);
    };
    *size += piece.len() as u64;
    if *size > max_bytes { Err(StorageError::too_large(max_bytes)) } else { Ok(Some(piece)) }
}

pub(crate) fn not_found(at: &Location) -> StorageError {
    StorageError::new(ErrorKind::NotFound, format!("there is no object {at}"))
}

/// What a range is of an object of this size.
pub(crate) fn clip(at: &Location, range: Range<u64>, size: u64) -> Result<Range<u64>> {
    if range.start >= range.end || range.start >= size {
        let Range { start, end } = range;
        let message = format!("bytes {start}..{end} of {at}, which has {size}");
        return Err(StorageError::new(ErrorKind::InvalidRange, message));
    }
    Ok(range.start..range.end.min(size))
}
