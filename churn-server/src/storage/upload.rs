//! Streams into the storage that blocking code checks or produces on the way.

use std::io::{self, Read, Write};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::mpsc;

use super::{Location, Storage, StorageError, StorageErrorKind};
use churn::{CheckedCsv, ReadOptions, check_csv};

/// Maximum number of pieces queued between two threads. It is small because every upload in progress holds as many.
const WAITING: usize = 4;

/// Bytes that a writer collects before it sends them on.
const TOGETHER: usize = 256 << 10;

/// A CSV file that is stored and valid.
#[derive(Clone, Debug, PartialEq)]
pub struct Uploaded {
    /// Size in bytes.
    pub size: u64,
    /// Number of rows and of bad rows, and the first and last day.
    pub csv: CheckedCsv,
}

/// Reason why an upload was refused. Nothing of it is kept.
#[derive(Debug)]
pub enum UploadError {
    /// The file is not a valid log of events under the given options.
    Csv(churn::Error),
    /// The file could not be stored, or did not arrive completely.
    Storage(StorageError),
}

impl UploadError {
    /// The stable code of the inner error.
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

impl From<churn::Error> for UploadError {
    fn from(error: churn::Error) -> Self {
        UploadError::Csv(error)
    }
}

impl From<StorageError> for UploadError {
    fn from(error: StorageError) -> Self {
        UploadError::Storage(error)
    }
}

/// Stores a CSV file while its header and all rows are checked. The object appears only after all of it has arrived and passed
/// the check: with the default options no row may be bad, with `skip` as many as the options allow. Memory does not depend on
/// the size of the file. The check occupies a thread for blocking work during the whole upload.
///
/// # Errors
/// The error of the file, or of storing it.
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
    match store_and_check(storage, at, body, max_bytes, options, OnRefusal::Stop).await {
        (_, Some(Err(error))) => Err(UploadError::Csv(error)),
        (Err(error), _) => Err(UploadError::Storage(error)),
        (Ok(size), Some(Ok(csv))) => Ok(Uploaded { size, csv }),
        (Ok(_), None) => Err(unread(at)),
    }
}

/// Stores a file that is checked as CSV on the way, also if the check refuses it. Returns its size and the result of the check.
///
/// # Errors
/// The error of storing it.
pub async fn store_any<E>(
    storage: &dyn Storage,
    at: &Location,
    body: impl Stream<Item = Result<Bytes, E>> + Send,
    max_bytes: u64,
    options: &ReadOptions,
) -> Result<(u64, churn::Result<CheckedCsv>), UploadError>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    match store_and_check(storage, at, body, max_bytes, options, OnRefusal::GoOn).await {
        (Err(error), _) => Err(UploadError::Storage(error)),
        (Ok(size), Some(checked)) => Ok((size, checked)),
        (Ok(_), None) => Err(unread(at)),
    }
}

/// Stores the text of a reader while it is checked. The check must read its text to the end, because only what it reads is stored.
/// Reader and check share a thread for blocking work.
///
/// # Errors
/// The error of the reader or of the check, or of storing the text.
pub async fn store_text<R: Read>(
    storage: &dyn Storage,
    at: &Location,
    open: impl FnOnce() -> churn::Result<R> + Send + 'static,
    max_bytes: u64,
    check: impl FnOnce(&mut dyn Read) -> churn::Result<CheckedCsv> + Send + 'static,
) -> Result<Uploaded, UploadError> {
    let write = move |writer: &mut dyn Write| Ok(check(&mut Copied { text: open()?, writer })?);
    let (size, csv) = put_written::<_, UploadError>(storage, at, "text/csv", max_bytes, write).await?;
    Ok(Uploaded { size, csv })
}

/// Reader that writes to a second place what is read.
struct Copied<'a, R> {
    text: R,
    writer: &'a mut dyn Write,
}

impl<R: Read> Read for Copied<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.text.read(buffer)?;
        self.writer.write_all(&buffer[..count])?;
        Ok(count)
    }
}

/// Handling of a file that the check refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnRefusal {
    /// The stream fails, so nothing is stored.
    Stop,
    /// The rest is stored too.
    GoOn,
}

/// Result of storing, and of the check; None if the check was not reached.
type Stored = (Result<u64, StorageError>, Option<churn::Result<CheckedCsv>>);

async fn store_and_check<E>(
    storage: &dyn Storage,
    at: &Location,
    body: impl Stream<Item = Result<Bytes, E>> + Send,
    max_bytes: u64,
    options: &ReadOptions,
    on_refusal: OnRefusal,
) -> Stored
where
    E: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    let (pieces, received) = mpsc::channel(WAITING);
    let options = options.clone();
    let check = tokio::task::spawn_blocking(move || check_csv(Received::new(received), &options));
    let verdict = Arc::new(Mutex::new(None));
    let tee = Tee { body: Box::pin(body), pieces, check, verdict: verdict.clone(), on_refusal };
    let stream = stream::unfold(Some(tee), |tee| async {
        let (piece, tee) = tee?.next().await?;
        Some((piece, tee))
    });
    let stored = storage.put(at, "text/csv", pin!(stream).boxed(), max_bytes).await;
    let verdict = verdict.lock().unwrap_or_else(PoisonError::into_inner).take();
    (stored, verdict)
}

fn unread(at: &Location) -> UploadError {
    let message = format!("{at} was stored without having been read to its end");
    UploadError::Storage(StorageError::new(StorageErrorKind::Other, message))
}

/// Passes a body on piece by piece while it is checked. Its stream ends only after the check.
struct Tee<S> {
    body: std::pin::Pin<Box<S>>,
    pieces: mpsc::Sender<Bytes>,
    check: tokio::task::JoinHandle<churn::Result<CheckedCsv>>,
    verdict: Arc<Mutex<Option<churn::Result<CheckedCsv>>>>,
    on_refusal: OnRefusal,
}

impl<S, E> Tee<S>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Returns the next piece, and itself if there may be more; None at the end.
    async fn next(mut self) -> Option<(io::Result<Bytes>, Option<Self>)> {
        let piece = match self.body.next().await.transpose() {
            Ok(piece) => piece,
            Err(error) => return Some((Err(io::Error::other(error)), None)),
        };
        // A closed channel means that the check has already failed.
        if let Some(piece) = piece
            && (self.pieces.send(piece.clone()).await.is_ok() || self.on_refusal == OnRefusal::GoOn)
        {
            return Some((Ok(piece), Some(self)));
        }
        drop(self.pieces);
        let checked = match self.check.await {
            Ok(checked) => checked,
            Err(error) => return Some((Err(io::Error::other(error)), None)),
        };
        let refused = checked.is_err() && self.on_refusal == OnRefusal::Stop;
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(checked);
        refused.then(|| (Err(io::Error::other("the file is refused")), None))
    }
}

/// Reader for the pieces of a channel.
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

/// Stores the output of a function, which runs on a thread for blocking work. The object appears only if the function returns
/// `Ok`.
///
/// # Errors
/// The error of the function, or of the storage.
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
        let mut writer = ChannelWriter { pieces, piece: BytesMut::new() };
        let result = write(&mut writer);
        // Only complete output is passed on completely.
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
        (Ok(_), None) => {
            Err(E::from(StorageError::new(StorageErrorKind::Other, format!("{at} was stored before its end"))))
        }
    }
}

/// Writer that sends its output to a channel in pieces.
struct ChannelWriter {
    pieces: mpsc::Sender<Bytes>,
    piece: BytesMut,
}

impl Write for ChannelWriter {
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
