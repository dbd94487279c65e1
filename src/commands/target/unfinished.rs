//! A file that has no name before it is whole.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use roboppi_record::DiskWatch;
use tempfile::NamedTempFile;

/// Bytes that are written before the disk is looked at: what is small does no harm.
const SMALL: u64 = 1024 * 1024;

/// Whoever ends the program meanwhile, and however: nothing is left of it where the file system can do that.
pub(super) struct Unfinished {
    file: Half,
    place: PathBuf,
    disk: DiskWatch,
}

enum Half {
    Nameless(File),
    /// For file systems that know no files without a name.
    Named(NamedTempFile),
}

impl Unfinished {
    /// Begins what shall be at `place`, in the directory `dir`, for its owner alone. So many bytes stay free there.
    pub(super) fn begin(dir: &Path, place: PathBuf, min_free: u64) -> io::Result<Self> {
        let file = match nameless(dir) {
            Ok(file) => Half::Nameless(file),
            Err(_) => Half::Named(
                tempfile::Builder::new()
                    .prefix(PREFIX)
                    .permissions(Permissions::from_mode(0o600))
                    .tempfile_in(dir)?,
            ),
        };
        Ok(Self { file, place, disk: DiskWatch::new(min_free).after(SMALL) })
    }

    /// Gives it its name, in the place of whatever had it.
    pub(super) fn finish(self) -> io::Result<()> {
        match self.file {
            Half::Named(file) => file.persist(&self.place).map(drop).map_err(|error| error.error),
            Half::Nameless(file) => name(&file, &self.place),
        }
    }

    fn file(&self) -> &File {
        match &self.file {
            Half::Nameless(file) => file,
            Half::Named(file) => file.as_file(),
        }
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let file = match &self.file {
            Half::Nameless(file) => file,
            Half::Named(file) => file.as_file(),
        };
        self.disk.check(file, &self.place, bytes.len() as u64).map_err(io::Error::other)?;
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file().flush()
    }
}

const PREFIX: &str = ".roboppi-export-";

#[cfg(target_os = "linux")]
fn nameless(dir: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    use nix::fcntl::OFlag;

    File::options().write(true).mode(0o600).custom_flags(OFlag::O_TMPFILE.bits()).open(dir)
}

#[cfg(not(target_os = "linux"))]
fn nameless(_: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A name can be given, not taken over: so it has another one for a moment.
fn name(file: &File, place: &Path) -> io::Result<()> {
    use nix::fcntl::{AT_FDCWD, AtFlags};

    let for_now = place.with_file_name(format!("{PREFIX}{}", std::process::id()));
    let descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
    nix::unistd::linkat(AT_FDCWD, descriptor.as_str(), AT_FDCWD, &for_now, AtFlags::AT_SYMLINK_FOLLOW)?;
    fs::rename(&for_now, place).inspect_err(|_| {
        let _ = fs::remove_file(&for_now);
    })
}
