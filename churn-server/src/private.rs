//! Files and folders that only the user of the server may read (0600 and 0700), because they hold data about customers.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

/// Bytes of the probe file: more than the page or two that a full disk may still have in reserve.
const PROBE: usize = 64 << 10;

/// Creates a folder and its missing parents. An existing folder keeps its permissions.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Opens a file for writing, and creates it if `options` say so.
pub(crate) fn open_file(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.open(path)
}

/// Writes some bytes to an unnamed temporary file in a folder. This checks for free disk space without a visible change.
pub(crate) fn probe(folder: &Path) -> io::Result<()> {
    use std::io::Write as _;
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(&[0; PROBE])?;
    // Some file systems report a full disk only here.
    file.sync_data()
}

/// Removes the permissions of other users from a file or folder of an earlier version. Does nothing if it does not exist.
pub(crate) fn restrict_permissions(path: &Path) {
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
