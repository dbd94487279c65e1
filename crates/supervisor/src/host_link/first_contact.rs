//! How the program gets to a host that has none: what `ssh` runs there.
//!
//! The program is found by the hash of its content in a directory that only its user can write, or in `PATH` when it is the same
//! version. When there is none, it is copied over a second connection, into the first directory in which programs may be executed.

use std::env::consts;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};

/// Exit code of [`find`] when the host has no such program. No command of `ssh` or of a shell has it.
pub(super) const NEEDED: i32 = 79;

/// Where the program may be, for a shell: each belongs to the user, or is not used.
const PLACES: &str =
    r#""${XDG_CACHE_HOME:-$HOME/.cache}/roboppi" "/tmp/roboppi-$(id -u)" "/dev/shm/roboppi-$(id -u)""#;

/// This program, as it is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnProgram {
    /// SHA-256 of its content, hexadecimal.
    pub(super) hash: String,
    /// Its length.
    pub(super) bytes: u64,
}

impl OwnProgram {
    /// Reads the program once for all hosts.
    pub(super) fn read() -> io::Result<&'static Self> {
        static OWN: OnceLock<OwnProgram> = OnceLock::new();
        if let Some(own) = OWN.get() {
            return Ok(own);
        }
        let (mut file, mut hash, mut bytes) = (Self::open()?, Sha256::new(), 0);
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                count => {
                    hash.update(&buffer[..count]);
                    bytes += count as u64;
                }
            }
        }
        let hash = hash.finalize().iter().fold(String::new(), |mut text, byte| {
            // A text takes everything.
            let _ = write!(text, "{byte:02x}");
            text
        });
        Ok(OWN.get_or_init(|| Self { hash, bytes }))
    }

    /// Its content, also when its file was replaced while it runs.
    pub(super) fn open() -> io::Result<File> {
        File::open("/proc/self/exe")
    }
}

/// A script for the shell of any user there. It has no `'`.
fn shell(script: &str) -> String {
    debug_assert!(!script.contains('\''), "{script}");
    format!("exec sh -c '{script}'")
}

/// Runs the program there as `host`, or exits with [`NEEDED`] and the kind of the machine as last words.
pub(super) fn find(own: &OwnProgram) -> String {
    let (hash, version) = (&own.hash, env!("CARGO_PKG_VERSION"));
    shell(&format!(
        r#"for d in {PLACES}; do f="$d/{hash}/roboppi"; if [ -O "$d" ] && [ -O "$d/{hash}" ] && [ -O "$f" ] && [ -x "$f" ]; then exec "$f" host; fi; done; if [ "$(roboppi --version 2>/dev/null)" = "roboppi {version}" ]; then exec roboppi host; fi; echo "no roboppi {version} on $(uname -s) $(uname -m)" >&2; exit {NEEDED}"#
    ))
}

/// Takes the program from standard input, and prints where it is.
pub(super) fn install(own: &OwnProgram) -> String {
    let OwnProgram { hash, bytes } = own;
    let kib = bytes.div_ceil(1024);
    shell(&format!(
        r##"umask 077; why=; for d in {PLACES}; do t="$d/{hash}"; if ! mkdir -p "$t" 2>/dev/null || ! [ -O "$d" ] || ! [ -O "$t" ]; then why="$why; $d cannot be made, or belongs to another user"; continue; fi; p="$t/probe.$$"; if ! printf "#!/bin/sh\nexit 0\n" 2>/dev/null > "$p" || ! chmod 700 "$p"; then rm -f "$p"; why="$why; $d cannot be written"; continue; fi; if ! "$p" 2>/dev/null; then rm -f "$p"; why="$why; $d lets no program be executed"; continue; fi; rm -f "$p"; set -- $(df -Pk "$t" | tail -n 1); if [ "${{4:-0}}" -lt {kib} ]; then why="$why; $d has ${{4:-0}} KiB left"; continue; fi; f="$t/new.$$"; if ! cat > "$f" || [ "$(wc -c < "$f")" -ne {bytes} ]; then rm -f "$f"; echo "the program did not arrive whole in $d" >&2; exit 78; fi; chmod 700 "$f"; if ! o=$("$f" --version 2>&1); then rm -f "$f"; echo "the program does not run there: $o" >&2; exit 78; fi; mv -f "$f" "$t/roboppi" && echo "$t/roboppi" && exit 0; done; echo "there is no place for the program ({kib} KiB)$why" >&2; exit 78"##
    ))
}

/// Whether this program can run on a machine that `uname -s` and `uname -m` describe, at the end of the last words of [`find`].
pub(super) fn check_machine(words: &str) -> Result<(), String> {
    let mut fields = words.split_ascii_whitespace().rev();
    let (machine, system) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    let arch = match machine {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "i386" | "i486" | "i586" | "i686" => "x86",
        arm if arm.starts_with("armv") => "arm",
        other => other,
    };
    if system.eq_ignore_ascii_case(consts::OS) && arch == consts::ARCH {
        return Ok(());
    }
    let version = env!("CARGO_PKG_VERSION");
    Err(format!(
        "it is {system} {machine}, and this program is for {} {}: install roboppi {version} for it there, in PATH or at the path in `program`",
        consts::OS,
        consts::ARCH
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::process::{Command, Output, Stdio};

    use super::*;

    const PROGRAM: &[u8] = b"#!/bin/sh\necho \"it runs: $1\"\n";

    fn own() -> OwnProgram {
        OwnProgram { hash: "0123".to_owned(), bytes: PROGRAM.len() as u64 }
    }

    /// What a shell there does.
    fn there(home: &Path, line: &str, stdin: &[u8]) -> Output {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", line]).env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin");
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A script that refuses reads nothing.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        child.wait_with_output().unwrap()
    }

    #[test]
    fn a_program_that_is_missing_is_copied_and_found_after_that() {
        let home = tempfile::tempdir().unwrap();
        let missing = there(home.path(), &find(&own()), b"");
        assert_eq!(missing.status.code(), Some(NEEDED), "{missing:?}");
        let words = String::from_utf8(missing.stderr).unwrap();
        check_machine(words.trim()).unwrap();
        let copied = there(home.path(), &install(&own()), PROGRAM);
        let path = home.path().join(".cache/roboppi/0123/roboppi");
        assert_eq!(
            String::from_utf8(copied.stdout).unwrap(),
            format!("{}\n", path.display()),
            "{:?}",
            copied.stderr
        );
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let files: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(files.len(), 1, "nothing else is left: {files:?}");
        let found = there(home.path(), &find(&own()), b"");
        assert_eq!(String::from_utf8(found.stdout).unwrap(), "it runs: host\n");
        let other = OwnProgram { hash: "4567".to_owned(), ..own() };
        assert_eq!(there(home.path(), &find(&other), b"").status.code(), Some(NEEDED), "of another content");
    }

    #[test]
    fn what_did_not_arrive_whole_or_does_not_run_is_no_program() {
        let home = tempfile::tempdir().unwrap();
        for (content, words) in
            [(&PROGRAM[..10], "did not arrive whole"), (&[0xff; PROGRAM.len()][..], "does not run there")]
        {
            let refused = there(home.path(), &install(&own()), content);
            assert_eq!(refused.status.code(), Some(78));
            let said = String::from_utf8_lossy(&refused.stderr);
            assert!(said.contains(words), "{said}");
        }
        assert_eq!(there(home.path(), &find(&own()), b"").status.code(), Some(NEEDED));
    }

    #[test]
    fn a_machine_of_another_kind_is_named() {
        assert!(check_machine(&format!("no roboppi on Linux {}", consts::ARCH)).is_ok());
        let error = check_machine("no roboppi 1 on Linux sparc64").unwrap_err();
        assert!(error.starts_with("it is Linux sparc64, and this program is for"), "{error}");
        assert!(check_machine("").is_err());
    }
}
