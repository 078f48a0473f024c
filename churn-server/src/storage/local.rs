//! Objects as files in a folder: `<folder>/<bucket>/<key>`.
//!
//! A file is written under `.partial/`, flushed to the disk, and only then renamed to its final path, whose folder is flushed
//! too. So after an error or a power cut, the path has the old file or the new one. A writer holds a lock on its partial file,
//! which the system releases with the process. So [`Storage::sweep`] can tell which files are abandoned.

use std::fs::{self, File, TryLockError};
use std::io::{self, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::BytesMut;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio_util::io::ReaderStream;

use super::{
    Bucket, ByteStream, Content, Head, Listed, Location, Result, Storage, StorageError, StorageErrorKind, clip,
    next_piece, not_found,
};
use crate::private;

/// Buffer size for reads and writes: each of them costs a switch to another thread.
const TOGETHER: usize = 256 << 10;

/// Folder of partial files. No key begins with a point.
const PARTIAL: &str = ".partial";

/// Storage in a local folder.
#[derive(Debug)]
pub struct Local {
    folder: PathBuf,
}

impl Local {
    /// Creates the storage. The folder may be missing.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Local { folder: folder.into() }
    }

    fn path(&self, at: &Location) -> PathBuf {
        self.folder.join(at.bucket().name()).join(at.key())
    }

    async fn open(&self, at: &Location) -> Result<(tokio::fs::File, u64)> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => not_found(at),
            _ => StorageError::io(format_args!("reading {at}"), error),
        };
        let file = tokio::fs::File::open(self.path(at)).await.map_err(failed)?;
        let metadata = file.metadata().await.map_err(failed)?;
        if metadata.is_file() { Ok((file, metadata.len())) } else { Err(not_found(at)) }
    }
}

/// A partial file. It is removed on drop, unless it was moved to its final path.
struct Partial {
    path: PathBuf,
    placed: bool,
}

impl Partial {
    fn create(folder: &Path) -> io::Result<(Partial, File)> {
        let folder = folder.join(PARTIAL);
        private::create_folder(&folder)?;
        loop {
            let path = folder.join(format!("{:016x}", fastrand::u64(..)));
            let file = match private::open_file(File::options().write(true).create_new(true), &path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                file => file?,
            };
            file.lock()?;
            // A sweep may have removed the file before it was locked.
            if path.try_exists()? {
                return Ok((Partial { path, placed: false }, file));
            }
        }
    }

    /// Moves the file to its final path and flushes the folders.
    fn place(mut self, root: &Path, target: &Path) -> io::Result<()> {
        let parent = target.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let mut new = parent;
        let mut missing = Vec::new();
        while new != root && !new.try_exists()? {
            missing.push(new);
            new = new.parent().ok_or(io::ErrorKind::InvalidInput)?;
        }
        private::create_folder(parent)?;
        fs::rename(&self.path, target)?;
        self.placed = true;
        flush_folder(parent)?;
        missing.into_iter().filter_map(Path::parent).try_for_each(flush_folder)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.placed {
            // A file that cannot be removed now is removed by the next sweep.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Returns true for the name of a partial file: 16 hexadecimal digits.
fn is_partial(name: &str) -> bool {
    name.len() == 16 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Flushes the entries of a folder to the disk.
fn flush_folder(folder: &Path) -> io::Result<()> {
    // Other systems cannot open folders, and need no flush.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Runs blocking file operations on a thread for blocking work.
async fn blocking<T: Send + 'static>(what: String, work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| StorageError::io(what, error)),
        Err(error) => Err(StorageError::new(StorageErrorKind::Other, what).with_source(error)),
    }
}

#[async_trait]
impl Storage for Local {
    async fn prepare(&self) -> Result<()> {
        let folder = self.folder.clone();
        blocking(format!("preparing the folder {}", folder.display()), move || {
            private::create_folder(&folder)?;
            private::restrict_permissions(&folder);
            for bucket in Bucket::ALL {
                private::create_folder(&folder.join(bucket.name()))?;
            }
            flush_folder(&folder)?;
            // Creating a file shows whether the folder is writable.
            Partial::create(&folder).map(drop)
        })
        .await
    }

    async fn put(&self, at: &Location, _: &str, mut body: ByteStream<'_>, max_bytes: u64) -> Result<u64> {
        let failed = |error| StorageError::io(format_args!("writing {at}"), error);
        let root = self.folder.clone();
        let (partial, file) = blocking(format!("writing {at}"), move || Partial::create(&root)).await?;
        let mut file = tokio::fs::File::from_std(file);
        let (mut together, mut size) = (BytesMut::with_capacity(TOGETHER), 0);
        while let Some(piece) = next_piece(&mut body, &mut size, max_bytes).await? {
            together.extend_from_slice(&piece);
            if together.len() >= TOGETHER {
                file.write_all(&together).await.map_err(failed)?;
                together.clear();
            }
        }
        file.write_all(&together).await.map_err(failed)?;
        file.flush().await.map_err(failed)?;
        file.sync_all().await.map_err(failed)?;
        let (root, target) = (self.folder.clone(), self.path(at));
        blocking(format!("writing {at}"), move || partial.place(&root, &target)).await?;
        Ok(size)
    }

    async fn get(&self, at: &Location) -> Result<Content> {
        let (file, size) = self.open(at).await?;
        Ok(Content { size, stream: ReaderStream::with_capacity(file.take(size), TOGETHER).boxed() })
    }

    async fn get_range(&self, at: &Location, range: Range<u64>) -> Result<Content> {
        let (mut file, size) = self.open(at).await?;
        let range = clip(at, range, size)?;
        let failed = |error| StorageError::io(format_args!("reading {at}"), error);
        file.seek(SeekFrom::Start(range.start)).await.map_err(failed)?;
        let size = range.end - range.start;
        Ok(Content { size, stream: ReaderStream::with_capacity(file.take(size), TOGETHER).boxed() })
    }

    async fn head(&self, at: &Location) -> Result<Head> {
        let (file, size) = self.open(at).await?;
        let modified = file.metadata().await.and_then(|metadata| metadata.modified());
        let modified = modified.map_err(|error| StorageError::io(format_args!("reading {at}"), error))?;
        Ok(Head { size, modified })
    }

    async fn delete(&self, at: &Location) -> Result<bool> {
        let path = self.path(at);
        blocking(format!("deleting {at}"), move || match fs::remove_file(&path) {
            Ok(()) => path.parent().map_or(Ok(()), flush_folder).map(|()| true),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
            Err(error) => Err(error),
        })
        .await
    }

    async fn list(&self, bucket: Bucket, prefix: &str) -> Result<Vec<Listed>> {
        // Only the complete folders in the prefix are searched; the rest of the prefix is a filter.
        let whole = match prefix.rsplit_once('/') {
            Some((folders, _)) => match Location::new(bucket, folders) {
                Ok(at) => format!("{}/", at.key()),
                Err(_) => return Ok(Vec::new()),
            },
            None => String::new(),
        };
        let (root, prefix) = (self.folder.join(bucket.name()), prefix.to_owned());
        let mut listed = blocking(format!("listing {bucket}"), move || {
            let mut listed = Vec::new();
            walk(&root.join(&whole), &whole, &mut |key, size, modified| {
                if let (true, Ok(location)) = (key.starts_with(&prefix), Location::new(bucket, key)) {
                    listed.push(Listed { location, size, modified });
                }
            })?;
            Ok(listed)
        })
        .await?;
        listed.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(listed)
    }

    async fn check(&self, _: &[Location]) -> Result<()> {
        let folder = self.folder.clone();
        blocking(format!("the folder {}", folder.display()), move || {
            for bucket in Bucket::ALL {
                fs::metadata(folder.join(bucket.name()))?;
            }
            private::probe(&folder)
        })
        .await
    }

    async fn sweep(&self) -> Result<u64> {
        let folder = self.folder.join(PARTIAL);
        blocking("sweeping".to_owned(), move || {
            let entries = match fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
                entries => entries?,
            };
            let mut swept = 0;
            for entry in entries {
                let path = entry?.path();
                // Only names of partial files.
                if !path.file_name().and_then(|name| name.to_str()).is_some_and(is_partial) {
                    continue;
                }
                let Ok(file) = File::options().write(true).open(&path) else { continue };
                match file.try_lock() {
                    Ok(()) => swept += u64::from(fs::remove_file(&path).is_ok()),
                    Err(TryLockError::WouldBlock) => (),
                    Err(TryLockError::Error(error)) => return Err(error),
                }
            }
            Ok(swept)
        })
        .await
    }
}

/// Calls `found` with the key of every file below a folder. Files that disappear meanwhile are skipped.
fn walk(folder: &Path, key: &str, found: &mut dyn FnMut(String, u64, SystemTime)) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let (Ok(name), Ok(metadata)) = (entry.file_name().into_string(), entry.metadata()) else { continue };
        if metadata.is_dir() {
            walk(&entry.path(), &format!("{key}{name}/"), found)?;
        } else {
            found(format!("{key}{name}"), metadata.len(), metadata.modified()?);
        }
    }
    Ok(())
}
