//! The name and command line that `ps` shows of a process.
//!
//! Whoever ends the child of a guard by its name (`pkill -9 roboppi`, `pkill -9 -f`, `killall -9`) must not hit the guard.
//! So that says what it is, and nothing of whom it guards.

use std::ffi::CStr;

/// What `ps` shows of a guard; a name has room for 15 bytes.
#[cfg(target_os = "linux")]
const GUARD: &CStr = c"process-guard";

/// Gives this process another command line, and leaves its name. Where that cannot be, it keeps the one it had.
#[cfg(target_os = "linux")]
pub(crate) fn show(line: &CStr) {
    let _ = overwrite_command_line(line);
}

/// The name and command line that a process had before.
#[derive(Debug)]
pub(crate) struct Title {
    #[cfg(target_os = "linux")]
    name: Option<std::ffi::CString>,
    #[cfg(target_os = "linux")]
    line: Option<(u64, Vec<u8>)>,
}

#[cfg(target_os = "linux")]
impl Title {
    /// Gives this process the name and the command line of a guard. Where that cannot be, it keeps those it had.
    pub(crate) fn replace() -> Self {
        let name = rustix::thread::name().ok();
        let _ = rustix::thread::set_name(GUARD);
        Self { name, line: overwrite_command_line(GUARD).ok() }
    }

    /// What was replaced is as it was.
    pub(crate) fn put_back(self) {
        if let Some(name) = self.name {
            let _ = rustix::thread::set_name(&name);
        }
        if let Some((start, line)) = self.line {
            let _ = write_memory(start, &line);
        }
    }
}

/// Nothing: other systems show the command line as it was at the start.
#[cfg(not(target_os = "linux"))]
pub(crate) const fn show(_: &CStr) {}

/// Other systems show the command line as it was at the start.
#[cfg(not(target_os = "linux"))]
impl Title {
    pub(crate) const fn replace() -> Self {
        Self {}
    }

    pub(crate) const fn put_back(self) {}
}

/// The system shows the memory that held the arguments at the start, whatever is in it now. The answer is what was
/// there, and where.
#[cfg(target_os = "linux")]
fn overwrite_command_line(line: &CStr) -> std::io::Result<(u64, Vec<u8>)> {
    use std::fs::{self, File};
    use std::io;
    use std::os::unix::fs::FileExt;

    let (start, end) = fs::read("/proc/self/stat")
        .ok()
        .and_then(|line| place_of_arguments(&line))
        .ok_or_else(|| io::Error::other("the location of the arguments is not known"))?;
    let length = usize::try_from(end - start).map_err(io::Error::other)?;
    // The last byte stays zero: otherwise the system takes the environment for a part of the title.
    let mut title = vec![0; length];
    let shown = line.count_bytes().min(length.saturating_sub(1));
    title[..shown].copy_from_slice(&line.to_bytes()[..shown]);
    let mut before = vec![0; length];
    File::open("/proc/self/mem")?.read_exact_at(&mut before, start)?;
    // Nobody here reads the arguments meanwhile: `main` has, and the guard does not go back to it.
    write_memory(start, &title)?;
    Ok((start, before))
}

#[cfg(target_os = "linux")]
fn write_memory(start: u64, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::FileExt;

    std::fs::File::options().write(true).open("/proc/self/mem")?.write_all_at(bytes, start)
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
