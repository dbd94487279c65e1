//! Reports on failures that a worker wrote into its temporary directory, which goes with it.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use roboppi_worker_adapters::ReportFiles;

/// Reports that are kept of an attempt.
const MOST: usize = 3;

/// Bytes of a report that are kept.
pub(super) const LARGEST: usize = 256 * 1024;

/// Bytes behind them that are read, so that a secret at the end of what is kept is known as one.
const BEHIND: usize = 16 * 1024;

/// Entries of the directory that are looked at.
const LOOKS: usize = 10_000;

/// A report: its file name, and its content or a little more than what is kept of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) name: String,
    pub(super) content: String,
}

/// Reads the reports in a directory. What cannot be read is left out: nothing depends on it.
pub(super) fn collect(dir: &Path, wanted: &[ReportFiles]) -> Vec<Report> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let names = entries.take(LOOKS).flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> =
        names.filter(|name| wanted.iter().any(|wanted| wanted.contains(name))).collect();
    names.sort();
    let read = names.into_iter().filter_map(|name| Some(Report { content: read(&dir.join(&name))?, name }));
    read.take(MOST).collect()
}

/// The beginning of a plain file. The worker may have put anything else there: a link leads elsewhere, and a pipe never ends.
fn read(path: &Path) -> Option<String> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut content = Vec::new();
    file.take((LARGEST + BEHIND) as u64).read_to_end(&mut content).ok()?;
    Some(String::from_utf8_lossy(&content).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_few_plain_files_are_read_and_no_more_than_their_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("secret"), "secret").unwrap();
        std::os::unix::fs::symlink(path("secret"), path("error-0.json")).unwrap();
        nix::unistd::mkfifo(&path("error-1.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for number in 2..9 {
            fs::write(path(&format!("error-{number}.json")), "x".repeat(300 * 1024)).unwrap();
        }
        let found = collect(dir.path(), &[ReportFiles::new("error-", ".json")]);
        let names: Vec<_> = found.iter().map(|report| report.name.as_str()).collect();
        assert_eq!(names, ["error-2.json", "error-3.json", "error-4.json"]);
        assert!(found.iter().all(|report| report.content.len() == LARGEST + BEHIND));
        assert_eq!(collect(dir.path(), &[]), []);
    }
}
