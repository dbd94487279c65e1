//! Which process is meant: a pid alone may belong to another one tomorrow.

use std::io;

use roboppi_ipc::ProcessIdentity;

/// The process that has this pid now.
///
/// Where the system does not tell start times (not Linux) the start time is 0.
///
/// # Errors
/// When there is no such process, or `/proc` cannot be read.
pub fn identity(pid: u32) -> io::Result<ProcessIdentity> {
    Ok(ProcessIdentity { pid, start_time: stat(pid)?.start_time })
}

/// Whether exactly this process lives. A process that ended and was not reaped does not; one whose main thread has
/// ended while others go on does.
/// With the start time 0 (unknown) the pid alone decides.
#[must_use]
pub fn is_alive(process: ProcessIdentity) -> bool {
    stat(process.pid).is_ok_and(|now| now.is(process) && !now.ended())
}

/// What the system says about a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stat {
    /// The letter `ps` shows.
    state: u8,
    pub(crate) parent: u32,
    /// Number of its process group.
    pub(crate) group: u32,
    pub(crate) session: u32,
    /// The group in the foreground of its terminal; 0 without one.
    pub(crate) foreground: u32,
    /// Processor time of it and of the children it has waited for, in ticks of the clock.
    pub(crate) processor: u64,
    /// Resident memory of it alone, in bytes.
    pub(crate) memory: u64,
    /// Its threads, a main thread that has ended included.
    threads: u64,
    pub(crate) start_time: u64,
}

impl Stat {
    /// Whether this is exactly that process; its pid is known to be the same.
    pub(crate) const fn is(&self, process: ProcessIdentity) -> bool {
        process.start_time == 0 || process.start_time == self.start_time
    }

    /// Whether it has ended and was not reaped. The state is that of the main thread, which may end before the
    /// others.
    pub(crate) const fn ended(&self) -> bool {
        matches!(self.state, b'X' | b'x') || (self.state == b'Z' && self.threads <= 1)
    }

    /// Whether its main thread has ended while others live.
    pub(crate) const fn lost_main_thread(&self) -> bool {
        self.state == b'Z' && self.threads > 1
    }

    /// Whether it runs no code of its own now: stopped, or inside the system until something happens.
    pub(crate) const fn halted(&self) -> bool {
        matches!(self.state, b'T' | b't' | b'D') || self.ended()
    }
}

/// Asks the system about a process. Without `/proc` all that is known is whether it exists.
pub(crate) fn stat(pid: u32) -> io::Result<Stat> {
    system::stat(pid)
}

#[cfg(target_os = "linux")]
mod system {
    use std::io::{self, Read};

    use super::Stat;

    pub(super) fn stat(pid: u32) -> io::Result<Stat> {
        // A line is some 300 bytes; the command name in it has at most 64.
        let mut line = [0; 2048];
        let mut file = std::fs::File::open(format!("/proc/{pid}/stat"))?;
        let length = file.read(&mut line)?;
        parse(&line[..length]).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/stat is not as expected"))
        })
    }

    fn page_size() -> u64 {
        rustix::param::page_size() as u64
    }

    /// Fields are counted from 1; the second is the name in parentheses, which may itself hold anything.
    pub(super) fn parse(line: &[u8]) -> Option<Stat> {
        let after_name = line.iter().rposition(|&byte| byte == b')')? + 1;
        let mut fields = std::str::from_utf8(&line[after_name..]).ok()?.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?; // field 3
        let parent = fields.next()?.parse().ok()?; // field 4
        let group = fields.next()?.parse().ok()?; // field 5
        let session = fields.next()?.parse().ok()?; // field 6
        let foreground = fields.nth(1)?.parse().unwrap_or(0); // field 8, -1 without a terminal
        let mut processor = 0_u64;
        for field in [fields.nth(5)?, fields.next()?, fields.next()?, fields.next()?] {
            processor = processor.saturating_add(field.parse().ok()?); // fields 14 to 17
        }
        let threads = fields.nth(2)?.parse().ok()?; // field 20
        let start_time = fields.nth(1)?.parse().ok()?; // field 22
        let pages: u64 = fields.nth(1)?.parse().ok()?; // field 24
        let memory = pages.saturating_mul(page_size());
        Some(Stat { state, parent, group, session, foreground, processor, memory, threads, start_time })
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;

    use rustix::process::{Pid, test_kill_process};

    use super::Stat;

    pub(super) fn stat(pid: u32) -> io::Result<Stat> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
        match test_kill_process(pid) {
            // Somebody else's process is a process.
            Ok(()) | Err(rustix::io::Errno::PERM) => Ok(Stat {
                state: b'?',
                parent: 0,
                group: 0,
                session: 0,
                foreground: 0,
                processor: 0,
                memory: 0,
                threads: 1,
                start_time: 0,
            }),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_itself() {
        let me = identity(std::process::id()).unwrap();
        assert!(is_alive(me));
        assert!(is_alive(ProcessIdentity { start_time: 0, ..me }));
        assert!(!is_alive(ProcessIdentity { pid: u32::MAX, ..me }));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_later_process_with_the_same_pid_is_another_one() {
        let me = identity(std::process::id()).unwrap();
        assert!(!is_alive(ProcessIdentity { start_time: me.start_time + 1, ..me }));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let line = b"12 (a) Z (b) 1) S 1 12 13 0 -1 4 0 0 0 0 1 2 3 4 20 0 1 0 4711 99 1\n";
        let stat = system::parse(line).unwrap();
        assert_eq!((stat.parent, stat.group, stat.session, stat.start_time), (1, 12, 13, 4711));
        assert_eq!((stat.processor, stat.memory), (10, rustix::param::page_size() as u64));
        assert!(!stat.ended());
        assert!(
            system::parse(b"12 (a) Z 1 12 12 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 4711 99 1").unwrap().ended()
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_lives_as_long_as_one_of_its_threads() {
        let line = |state: char, threads: u32| {
            let line = format!("12 (a) {state} 1 12 12 0 -1 4 0 0 0 0 0 0 0 0 20 0 {threads} 0 4711 99 1");
            let stat = system::parse(line.as_bytes()).unwrap();
            (stat.ended(), stat.lost_main_thread())
        };
        assert_eq!(line('Z', 1), (true, false));
        assert_eq!(line('Z', 2), (false, true));
        assert_eq!(line('S', 2), (false, false));
        assert_eq!(line('X', 2), (true, false));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn nonsense_is_refused() {
        for line in [&b""[..], b"12", b"12 (a", b"12 (a)", b"12 (a) S 1 2", b"12 (a) \xff\xff"] {
            assert!(system::parse(line).is_none());
        }
    }
}
