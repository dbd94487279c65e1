//! The name of a guard: whoever ends the child by its name must not hit the guard.

/// What `ps` shows.
#[cfg(target_os = "linux")]
const TITLE: &str = "roboppi-guard";

/// Gives this process a name and a command line of its own. Where that cannot be, it keeps those of the child.
#[cfg(target_os = "linux")]
pub(super) fn set() {
    let _ = rustix::thread::set_name(c"roboppi-guard");
    let _ = overwrite_command_line();
}

/// Other systems show the command line as it was at the start.
#[cfg(not(target_os = "linux"))]
pub(super) const fn set() {}

/// The system shows the memory that held the arguments at the start, whatever is in it now.
#[cfg(target_os = "linux")]
fn overwrite_command_line() -> std::io::Result<()> {
    use std::fs::{self, File};
    use std::io;
    use std::os::unix::fs::FileExt;

    let (start, end) = fs::read("/proc/self/stat")
        .ok()
        .and_then(|line| place_of_arguments(&line))
        .ok_or_else(|| io::Error::other("the place of the arguments is not told"))?;
    let length = usize::try_from(end - start).map_err(io::Error::other)?;
    // The last byte stays zero: otherwise the system takes the environment for a part of the title.
    let mut title = vec![0; length];
    let shown = TITLE.len().min(length.saturating_sub(1));
    title[..shown].copy_from_slice(&TITLE.as_bytes()[..shown]);
    // Nobody here reads the arguments any more: `main` has, and the guard does not go back to it.
    File::options().write(true).open("/proc/self/mem")?.write_all_at(&title, start)
}

/// Fields 48 and 49: where the arguments begin and end.
#[cfg(target_os = "linux")]
fn place_of_arguments(line: &[u8]) -> Option<(u64, u64)> {
    let after_name = line.iter().rposition(|&byte| byte == b')')? + 1;
    let mut fields = std::str::from_utf8(&line[after_name..]).ok()?.split_ascii_whitespace();
    let start = fields.nth(45)?.parse().ok()?;
    let end = fields.next()?.parse().ok()?;
    (0 < start && start < end).then_some((start, end))
}
