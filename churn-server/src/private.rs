//! Files and folders that only the user of the server may read: 0600 and 0700. They hold the customers of other people.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

/// Bytes of a probe: more than the reserve of a page or two that a full disk may still have.
const PROBE: usize = 64 << 10;

/// Creates a folder and those above it that are missing. A folder that was there keeps its rights.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Opens a file to write, and creates it where `options` say so.
pub(crate) fn open_file(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.open(path)
}

/// Writes some bytes to a file of a folder that has no name and is gone at once: whether the disk has room, without changing
/// anything that can be seen.
pub(crate) fn probe(folder: &Path) -> io::Result<()> {
    use std::io::Write as _;
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(&[0; PROBE])?;
    // Some file systems find the room only now.
    file.sync_data()
}

/// Takes the rights of other users away from a file or folder of an earlier version; does nothing where there is none.
pub(crate) fn tighten(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let Ok(metadata) = fs::metadata(path) else { return };
        let mode = metadata.permissions().mode();
        if mode & 0o077 != 0
            && let Err(error) = fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700))
        {
            tracing::warn!(path = %path.display(), %error, "other users may read this, and that cannot be changed");
        }
    }
    #[cfg(not(unix))]
    let _ = fs::metadata(path);
}
