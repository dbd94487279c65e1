//! The commit a workspace is at.
//!
//! What is simple is read: `HEAD` of the repository and the branch it names, loose or packed. For anything else git itself is
//! asked, and its answer is waited for only when it is needed.

use std::env;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path};
use std::process::{Child, Command, Stdio};

use nix::libc::O_NONBLOCK;
use roboppi_process::inherited;

/// Bytes of the longest file that is read for one name.
const SHORT: u64 = 4 * 1024;

/// Bytes of packed branches that are looked through; git has an index for more.
const PACKED: u64 = 4 * 1024 * 1024;

/// Variables by which git finds another repository than the one around a directory.
const ELSEWHERE: [&str; 5] = [
    "GIT_DIR",
    "GIT_COMMON_DIR",
    "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    "GIT_NAMESPACE",
];

/// The commit of a workspace, known or asked for.
#[derive(Debug)]
pub(crate) enum Commit {
    Known(Option<String>),
    Asked(Git),
}

/// A git that was asked. Dropped, it is killed and reaped: nobody waits for its answer any more.
#[derive(Debug)]
pub(crate) struct Git(Child);

impl Drop for Git {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Commit {
    /// Begins to find it. Git is asked only when the workspace lies in a repository.
    pub(crate) fn of(workspace: &Path) -> Self {
        let Some(repository) = workspace.ancestors().find(|dir| dir.join(".git").exists()) else {
            return Self::Known(None);
        };
        if ELSEWHERE.iter().all(|name| env::var_os(name).is_none())
            && let Some(commit) = read(&repository.join(".git"))
        {
            return Self::Known(Some(commit));
        }
        let mut git = Command::new("git");
        git.args(["rev-parse", "HEAD"]).current_dir(workspace);
        git.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        inherited::give_back(&mut git);
        git.spawn().map_or(Self::Known(None), |git| Self::Asked(Git(git)))
    }

    /// Waits until it is known; `None` when there is none.
    pub(crate) fn wait(self) -> Option<String> {
        match self {
            Self::Known(commit) => commit,
            Self::Asked(mut asked) => {
                let git = &mut asked.0;
                let mut answer = String::new();
                git.stdout.take()?.read_to_string(&mut answer).ok()?;
                git.wait().ok()?.success().then(|| answer.trim().to_owned())
            }
        }
    }
}

/// The commit as the files of a repository say it; `None` when they do not say it simply.
fn read(dot_git: &Path) -> Option<String> {
    let own = if dot_git.is_dir() {
        dot_git.to_owned()
    } else {
        // A worktree or a submodule.
        let place = line(dot_git)?;
        dot_git.parent()?.join(place.strip_prefix("gitdir:")?.trim())
    };
    let commondir = own.join("commondir");
    let common = if is_absent(&commondir) { own.clone() } else { own.join(line(&commondir)?) };
    let head = line(&own.join("HEAD"))?;
    let Some(name) = head.strip_prefix("ref:").map(str::trim) else { return hash(&head) };
    let is_branch = name.starts_with("refs/heads/")
        && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    // Other storage has a branch of this name that is none.
    if !is_branch || common.join("reftable").exists() {
        return None;
    }
    // A branch that is there but not simple is not what is packed: that may be older.
    let loose = common.join(name);
    if is_absent(&loose) { packed(&common.join("packed-refs"), name) } else { hash(&line(&loose)?) }
}

/// Whether nothing has this path. What cannot be known is not absent.
fn is_absent(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// The commit of a branch among those that are packed.
fn packed(path: &Path, name: &str) -> Option<String> {
    let file = open(path).ok().filter(|file| file.metadata().is_ok_and(|found| found.len() <= PACKED))?;
    let found = BufReader::new(file).lines().map_while(Result::ok).find_map(|line| {
        let (commit, named) = line.split_once(' ')?;
        (named == name).then(|| commit.to_owned())
    });
    hash(&found?)
}

/// The only line of a short file.
fn line(path: &Path) -> Option<String> {
    let mut text = String::new();
    open(path).ok()?.take(SHORT).read_to_string(&mut text).ok()?;
    let line = text.strip_suffix('\n')?.trim_end();
    (!line.contains('\n')).then(|| line.to_owned())
}

/// Opens a regular file. Nothing that is in its place is waited for.
fn open(path: &Path) -> io::Result<File> {
    let file = File::options().read(true).custom_flags(O_NONBLOCK).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// A text, if it is the whole name of a commit.
fn hash(text: &str) -> Option<String> {
    let is_hash = [40, 64].contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A repository with one commit, and what git says it is at.
    struct Repository(tempfile::TempDir);

    impl Repository {
        fn new() -> Self {
            let new = Self(tempfile::tempdir().unwrap());
            new.git(&["init", "-q", "-b", "main"]);
            new.commit("one");
            new
        }

        fn path(&self) -> &Path {
            self.0.path()
        }

        fn git(&self, arguments: &[&str]) -> String {
            let mut git = Command::new("git");
            let person = ["-c", "user.name=n", "-c", "user.email=e@e"];
            git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
            let output = git.args(person).args(arguments).current_dir(self.path()).output().unwrap();
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        }

        fn commit(&self, text: &str) {
            self.git(&["commit", "-q", "--allow-empty", "-m", text]);
        }

        /// Insists that the files say what git says.
        #[track_caller]
        fn is_read(&self) {
            assert_eq!(read(&self.path().join(".git")), Some(self.git(&["rev-parse", "HEAD"])));
        }
    }

    #[test]
    fn what_is_read_is_what_git_says() {
        let repository = Repository::new();
        repository.is_read();
        repository.git(&["checkout", "-q", "-b", "a/b"]);
        repository.commit("two");
        repository.is_read();
        repository.git(&["pack-refs", "--all"]);
        repository.is_read();
        repository.commit("three");
        repository.is_read();
        repository.git(&["checkout", "-q", "--detach"]);
        repository.commit("four");
        repository.is_read();
    }

    #[test]
    fn a_worktree_is_at_its_own_commit() {
        let repository = Repository::new();
        repository.git(&["worktree", "add", "-q", "-b", "other", "there"]);
        let there = repository.path().join("there");
        repository.commit("two");
        let at = read(&there.join(".git"));
        assert_eq!(at, Some(repository.git(&["rev-parse", "other"])));
        assert_ne!(at, Some(repository.git(&["rev-parse", "HEAD"])));
    }

    #[test]
    fn git_is_asked_what_is_not_simple() {
        let repository = Repository::new();
        let commit = repository.git(&["rev-parse", "HEAD"]);
        repository.git(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
        repository.git(&["symbolic-ref", "HEAD", "refs/heads/alias"]);
        assert_eq!(read(&repository.path().join(".git")), None);
        let asked = Commit::of(repository.path());
        assert!(matches!(asked, Commit::Asked(_)), "{asked:?}");
        assert_eq!(asked.wait(), Some(commit));
    }

    #[test]
    fn a_branch_that_is_not_simple_is_not_what_was_packed() {
        let repository = Repository::new();
        repository.git(&["pack-refs", "--all"]);
        repository.commit("two");
        let commit = repository.git(&["rev-parse", "HEAD"]);
        let dot_git = repository.path().join(".git");
        let loose = dot_git.join("refs/heads/main");
        let odd = ["", &" ".repeat(8 * 1024)].map(|end| format!("{commit}{end}"));
        for text in odd {
            fs::write(&loose, &text).unwrap();
            assert_eq!(read(&dot_git), None, "{} bytes", text.len());
        }
        fs::write(&loose, &commit).unwrap();
        assert_eq!(Commit::of(repository.path()).wait(), Some(commit), "git reads it");
    }

    #[test]
    fn a_repository_whose_common_directory_is_not_simple_is_not_read() {
        let repository = Repository::new();
        let dot_git = repository.path().join(".git");
        fs::write(dot_git.join("commondir"), "..").unwrap();
        assert_eq!(read(&dot_git), None);
    }

    #[test]
    fn a_git_whose_answer_nobody_wants_is_ended_and_reaped() {
        let mut endless = Command::new("sleep");
        let child = endless.arg("1000").stdout(Stdio::piped()).spawn().unwrap();
        let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
        drop(Commit::Asked(Git(child)));
        assert_eq!(nix::sys::signal::kill(pid, None), Err(nix::errno::Errno::ESRCH));
    }

    #[test]
    fn where_there_is_no_commit_there_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let dot_git = dir.path().join(".git");
        for head in [
            None,
            Some("ref: refs/heads/../../../etc/passwd\n"),
            Some("ref: refs/heads/main\n"),
            Some("0123\n"),
        ] {
            fs::create_dir_all(&dot_git).unwrap();
            if let Some(head) = head {
                fs::write(dot_git.join("HEAD"), head).unwrap();
            }
            assert_eq!(read(&dot_git), None, "{head:?}");
            assert_eq!(Commit::of(dir.path()).wait(), None, "{head:?}");
        }
        nix::unistd::mkfifo(&dot_git.join("packed-refs"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read(&dot_git), None, "nobody writes to it, and nothing waits");
    }
}
