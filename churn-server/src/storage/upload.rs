//! Streams that are looked at, or made, by code that blocks, on their way into storage.

use std::io::{self, Read, Write};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::mpsc;

use super::{ErrorKind, Location, Storage, StorageError};
use churn::{CheckedCsv, ReadOptions, check_csv};

/// Pieces that wait between two threads: few, because each upload under way holds so many.
const WAITING: usize = 4;

/// Bytes that a writer collects before it hands them over.
const TOGETHER: usize = 256 << 10;

/// A CSV file that is stored and sound.
#[derive(Clone, Debug, PartialEq)]
pub struct Uploaded {
    /// Its bytes.
    pub size: u64,
    /// Its rows, those that are bad, and its first and last day.
    pub csv: CheckedCsv,
}

/// Why an upload was not taken. Nothing of it is kept.
#[derive(Debug)]
pub enum UploadError {
    /// The file is not a log of events that these options allow.
    Csv(churn::Error),
    /// It could not be stored, or did not arrive whole.
    Storage(StorageError),
}

impl UploadError {
    /// The stable code of the error within.
    pub fn code(&self) -> &'static str {
        match self {
            UploadError::Csv(error) => error.code(),
            UploadError::Storage(error) => error.code(),
        }
    }
}

impl std::fmt::Display for UploadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            UploadError::Csv(error) => error.fmt(f),
            UploadError::Storage(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for UploadError {}

/// Stores a CSV file while its header and every row of it are checked. The object appears only when all of it has come and
/// been found good by the options: with the default ones no row may be bad, with `skip` so many as they say. The memory does
/// not depend on the size of the file. The checking takes a thread that may block for as long as the upload lasts.
///
/// # Errors
/// What the file, or storing it, deserves.
pub async fn store_csv<E>(
    storage: &dyn Storage,
    at: &Location,
    body: impl Stream<Item = Result<Bytes, E>> + Send,
    max_bytes: u64,
    options: &ReadOptions,
) -> Result<Uploaded, UploadError>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    let (pieces, received) = mpsc::channel(WAITING);
    let options = options.clone();
    let check = tokio::task::spawn_blocking(move || check_csv(Received::new(received), &options));
    let verdict = Arc::new(Mutex::new(None));
    let tee = Tee { body: Box::pin(body), pieces, check, verdict: verdict.clone() };
    let stream = stream::unfold(Some(tee), |tee| async {
        let (piece, tee) = tee?.next().await?;
        Some((piece, tee))
    });
    let stored = storage.put(at, "text/csv", pin!(stream).boxed(), max_bytes).await;
    let verdict = verdict.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (stored, verdict) {
        (_, Some(Err(error))) => Err(UploadError::Csv(error)),
        (Err(error), _) => Err(UploadError::Storage(error)),
        (Ok(size), Some(Ok(csv))) => Ok(Uploaded { size, csv }),
        (Ok(_), None) => Err(UploadError::Storage(StorageError::new(
            ErrorKind::Other,
            format!("{at} was stored without having been read to its end"),
        ))),
    }
}

/// Gives a body on, piece by piece, while it is checked; it does not end before the check has.
struct Tee<S> {
    body: std::pin::Pin<Box<S>>,
    pieces: mpsc::Sender<Bytes>,
    check: tokio::task::JoinHandle<churn::Result<CheckedCsv>>,
    verdict: Arc<Mutex<Option<churn::Result<CheckedCsv>>>>,
}

impl<S, E> Tee<S>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// The next piece, and itself if there may be more; nothing at the end.
    async fn next(mut self) -> Option<(io::Result<Bytes>, Option<Self>)> {
        let piece = match self.body.next().await.transpose() {
            Ok(piece) => piece,
            Err(error) => return Some((Err(io::Error::other(error)), None)),
        };
        // The check has given up if it does not listen any more.
        if let Some(piece) = piece
            && self.pieces.send(piece.clone()).await.is_ok()
        {
            return Some((Ok(piece), Some(self)));
        }
        drop(self.pieces);
        let checked = match self.check.await {
            Ok(checked) => checked,
            Err(error) => return Some((Err(io::Error::other(error)), None)),
        };
        let refused = checked.is_err();
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(checked);
        refused.then(|| (Err(io::Error::other("the file is refused")), None))
    }
}

/// Reads what is sent.
struct Received {
    pieces: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Received {
    fn new(pieces: mpsc::Receiver<Bytes>) -> Self {
        Received { pieces, piece: Bytes::new() }
    }
}

impl Read for Received {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// Stores what a function writes. It runs on a thread that may block; its object appears only if it returns `Ok`.
///
/// # Errors
/// Its own error, or that of the storage.
pub async fn put_written<T, E>(
    storage: &dyn Storage,
    at: &Location,
    content_type: &str,
    max_bytes: u64,
    write: impl FnOnce(&mut dyn Write) -> Result<T, E> + Send + 'static,
) -> Result<(u64, T), E>
where
    T: Send + 'static,
    E: From<StorageError> + Send + 'static,
{
    let (pieces, received) = mpsc::channel(WAITING);
    let writing = tokio::task::spawn_blocking(move || {
        let mut writer = Sent { pieces, piece: BytesMut::new() };
        let result = write(&mut writer);
        // Only what was written whole is handed over whole.
        result.and_then(|value| match writer.flush() {
            Ok(()) => Ok(value),
            Err(error) => Err(E::from(StorageError::body(error))),
        })
    });
    let result = Arc::new(Mutex::new(None));
    let stream = stream::unfold(Some((received, writing, result.clone())), |state| async {
        let (mut received, writing, result) = state?;
        if let Some(piece) = received.recv().await {
            return Some((Ok(piece), Some((received, writing, result))));
        }
        let written = match writing.await {
            Ok(written) => written,
            Err(error) => return Some((Err(io::Error::other(error)), None)),
        };
        let failed = written.is_err();
        *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(written);
        failed.then(|| (Err(io::Error::other("what was to be stored could not be made")), None))
    });
    let stored = storage.put(at, content_type, pin!(stream).boxed(), max_bytes).await;
    let result = result.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (stored, result) {
        (_, Some(Err(error))) => Err(error),
        (Err(error), _) => Err(E::from(error)),
        (Ok(size), Some(Ok(value))) => Ok((size, value)),
        (Ok(_), None) => Err(E::from(StorageError::new(ErrorKind::Other, format!("{at} was stored before its end")))),
    }
}

/// Sends what is written, in pieces of some size.
struct Sent {
    pieces: mpsc::Sender<Bytes>,
    piece: BytesMut,
}

impl Write for Sent {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= TOGETHER {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = self.piece.split().freeze();
        self.pieces.blocking_send(piece).map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "storing has failed"))
    }
}
