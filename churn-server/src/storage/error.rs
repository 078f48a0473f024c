//! Errors of the storage.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Result of every storage operation.
pub type Result<T> = std::result::Result<T, StorageError>;

/// The kinds of failure, each with a stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StorageErrorKind {
    /// There is no such object.
    NotFound,
    /// The object is larger than the caller or the backend allows.
    TooLarge,
    /// The key is not valid in every backend.
    InvalidKey,
    /// The range begins after the end of the object.
    InvalidRange,
    /// The stream to be stored failed; most often the client disconnected.
    Body,
    /// The backend denies access: the key is wrong or lacks a permission.
    Denied,
    /// The backend refuses files of this type: its list of allowed types does not contain it.
    TypeRefused,
    /// The backend or the disk is full.
    Full,
    /// The buckets are public.
    Public,
    /// The marker says that the files belong to another database, or a required marker is missing.
    NotOurs,
    /// The backend did not respond, or responded that it is unavailable, even after retries.
    Unavailable,
    /// Anything else, such as an invalid response.
    Other,
}

impl StorageErrorKind {
    /// Every kind.
    pub const ALL: [StorageErrorKind; 12] = [
        StorageErrorKind::NotFound,
        StorageErrorKind::TooLarge,
        StorageErrorKind::InvalidKey,
        StorageErrorKind::InvalidRange,
        StorageErrorKind::Body,
        StorageErrorKind::Denied,
        StorageErrorKind::TypeRefused,
        StorageErrorKind::Full,
        StorageErrorKind::Public,
        StorageErrorKind::NotOurs,
        StorageErrorKind::Unavailable,
        StorageErrorKind::Other,
    ];

    /// The stable snake_case code.
    pub fn code(self) -> &'static str {
        match self {
            StorageErrorKind::NotFound => "object_not_found",
            StorageErrorKind::TooLarge => "payload_too_large",
            StorageErrorKind::InvalidKey => "invalid_key",
            StorageErrorKind::InvalidRange => "invalid_range",
            StorageErrorKind::Body => "upload_broken",
            StorageErrorKind::Denied => "storage_denied",
            StorageErrorKind::TypeRefused => "storage_type_refused",
            StorageErrorKind::Full => "storage_full",
            StorageErrorKind::Public => "storage_public",
            StorageErrorKind::NotOurs => "storage_not_ours",
            StorageErrorKind::Unavailable => "storage_unavailable",
            StorageErrorKind::Other => "storage_error",
        }
    }
}

/// A storage error: its kind, a message for people, and its cause.
#[derive(Debug)]
pub struct StorageError {
    kind: StorageErrorKind,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    retry_after: Option<Duration>,
}

impl StorageError {
    pub(crate) fn new(kind: StorageErrorKind, message: impl Into<String>) -> Self {
        StorageError { kind, message: message.into(), source: None, retry_after: None }
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(crate) fn after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// Creates the error for a failed stream that was to be stored.
    pub(crate) fn body(source: std::io::Error) -> Self {
        let message = format!("the upload broke off: {source}");
        StorageError::new(StorageErrorKind::Body, message).with_source(source)
    }

    /// Creates the error for more bytes than allowed.
    pub(crate) fn too_large(max_bytes: u64) -> Self {
        StorageError::new(StorageErrorKind::TooLarge, format!("more than the {max_bytes} bytes that are allowed"))
    }

    /// Creates the error for a failure of the file system or of a stream from the backend.
    pub(crate) fn io(what: impl fmt::Display, source: std::io::Error) -> Self {
        let kind = match source.kind() {
            std::io::ErrorKind::NotFound => StorageErrorKind::NotFound,
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => StorageErrorKind::Denied,
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StorageErrorKind::Full,
            _ => StorageErrorKind::Other,
        };
        StorageError::new(kind, format!("{what}: {source}")).with_source(source)
    }

    /// The kind of the error.
    pub fn kind(&self) -> StorageErrorKind {
        self.kind
    }

    /// The stable code of the kind, such as `"object_not_found"`.
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// Time that the backend asks to wait before the next request.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for StorageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
