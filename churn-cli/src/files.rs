//! Output files. They appear whole or not at all: each is written under another name and then renamed.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};
use crate::session::Session;

/// The files that a run has written, with their sizes in bytes.
pub struct Files<'a> {
    session: &'a Session<'a>,
    written: Vec<(PathBuf, u64)>,
}

impl<'a> Files<'a> {
    /// Creates a list without files.
    pub fn new(session: &'a Session<'a>) -> Self {
        Files { session, written: Vec::new() }
    }

    /// Writes one file with what `fill` puts into it.
    ///
    /// # Errors
    /// `io`; `cancelled` if the user ends the work.
    pub fn write(&mut self, path: &Path, fill: impl FnOnce(&mut dyn Write) -> churn::Result<()>) -> Result<()> {
        self.session.check_interrupted()?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let half = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
        let bytes = self.write_whole(&half, path, fill).inspect_err(|_| {
            // The first error is the one to report.
            let _ = fs::remove_file(&half);
        })?;
        self.written.push((path.to_owned(), bytes));
        Ok(())
    }

    fn write_whole(
        &self,
        half: &Path,
        path: &Path,
        fill: impl FnOnce(&mut dyn Write) -> churn::Result<()>,
    ) -> Result<u64> {
        let failed = |error: &io::Error| Failure::io("cannot write", path, error);
        let file = File::create(half).map_err(|error| failed(&error))?;
        let mut writer = BufWriter::with_capacity(1 << 16, Interruptible { file, session: self.session });
        fill(&mut writer).map_err(|error| Failure::at(path, error))?;
        writer.flush().map_err(|error| failed(&error))?;
        let bytes = writer.get_ref().file.metadata().map_err(|error| failed(&error))?.len();
        fs::rename(half, path).map_err(|error| failed(&error))?;
        Ok(bytes)
    }

    /// Every file with its size in bytes.
    pub fn written(&self) -> &[(PathBuf, u64)] {
        &self.written
    }
}

/// Creates a folder and those above it.
///
/// # Errors
/// `io`.
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|error| Failure::io("cannot create the folder", path, &error))
}

/// A file whose writing ends when the user wants the work to end.
struct Interruptible<'a> {
    file: File,
    session: &'a Session<'a>,
}

impl Write for Interruptible<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.session.interrupted() {
            // Not the kind `Interrupted`, after which a writer tries again.
            true => Err(io::Error::other("interrupted")),
            false => self.file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
