//! Files appear whole or not at all: each is written under another name and then renamed.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::{Failure, Result};

/// A folder to write to, and what has been written.
pub(crate) struct Folder {
    path: PathBuf,
    written: Vec<(PathBuf, u64)>,
}

impl Folder {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).map_err(|error| Failure::io("cannot create the folder", path, &error))?;
        Ok(Folder { path: path.to_owned(), written: Vec::new() })
    }

    /// Writes one file with what `fill` puts into it.
    pub(crate) fn write(
        &mut self,
        name: &str,
        fill: impl FnOnce(&mut BufWriter<File>) -> churn::Result<()>,
    ) -> Result<PathBuf> {
        let path = self.path.join(name);
        let half = self.path.join(format!(".{name}.{}.part", std::process::id()));
        let bytes = write_whole(&half, &path, fill).inspect_err(|_| {
            // The first error is the one to report.
            let _ = fs::remove_file(&half);
        })?;
        self.written.push((path.clone(), bytes));
        Ok(path)
    }

    /// Every file with its size.
    pub(crate) fn written(&self) -> &[(PathBuf, u64)] {
        &self.written
    }
}

fn write_whole(half: &Path, path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> churn::Result<()>) -> Result<u64> {
    let failed = |error: &io::Error| Failure::io("cannot write", path, error);
    let mut writer = BufWriter::new(File::create(half).map_err(|error| failed(&error))?);
    fill(&mut writer).map_err(|error| Failure::at(path, &error))?;
    writer.flush().map_err(|error| failed(&error))?;
    let bytes = writer.get_ref().metadata().map_err(|error| failed(&error))?.len();
    fs::rename(half, path).map_err(|error| failed(&error))?;
    Ok(bytes)
}
