//! What this program is when a worker runs it: something that shells cannot be.
//!
//! The harness of the tests has a `main` of its own, so this acts before that.

use std::path::Path;
use std::process::exit;
use std::time::Duration;
use std::{env, fs, thread};

use nix::libc;

/// The variable that says what to be.
const ROLE: &str = "ROBOPPI_KILL_ROLE";

/// A process whose main thread has ended while another one goes on. Makes the file `ready` when it is so.
pub(crate) const LEADERLESS: &str = "leaderless";

/// Traces its parent so that it can neither go on nor die, and makes the file `ready`, or `refused`.
pub(crate) const TRACER: &str = "tracer";

/// Becomes root for good, if its file allows that, and writes its pid into the file `ready`; or makes `refused`.
pub(crate) const ROOT: &str = "root";

#[used]
#[expect(unsafe_code, reason = "there is no other way to act before `main`")]
// SAFETY: the section holds functions that the system calls at the start of a program, as this one is.
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = before_main;

extern "C" fn before_main() {
    match env::var(ROLE).as_deref() {
        Ok(LEADERLESS) => leaderless(),
        Ok(TRACER) => tracer(),
        Ok(ROOT) => root(),
        _ => {}
    }
}

/// The variable that gives a copy of this program a role, for `env`.
pub(crate) fn role(role: &str) -> String {
    format!("{ROLE}={role}")
}

/// The command line of a helper, for a shell.
pub(crate) fn command(role: &str) -> String {
    let program = env::current_exe().unwrap();
    format!("env {} '{}'", self::role(role), program.display())
}

fn leaderless() {
    thread::spawn(|| {
        let status = || fs::read_to_string("/proc/self/status").unwrap_or_default();
        while !status().lines().any(|line| line.starts_with("State:") && line.contains('Z')) {
            thread::yield_now();
        }
        let _ = fs::write("ready", "ready\n");
        wait_for_the_end();
    });
    // SAFETY: ends this thread alone; nothing it owns is used by the other one.
    #[expect(unsafe_code, reason = "there is no safe way to end one thread of two")]
    unsafe {
        libc::syscall(libc::SYS_exit, 0)
    };
}

fn tracer() {
    /// Stops once more on its way out, also when it was killed.
    const STOPS_AT_EXIT: libc::c_int = libc::PTRACE_O_TRACEEXIT;

    // SAFETY: these calls take no pointers; the parent of this process is a process of the test.
    #[expect(unsafe_code, reason = "tracing has no safe form")]
    let traced = unsafe {
        let parent = libc::getppid();
        let none = std::ptr::null_mut::<libc::c_void>();
        libc::ptrace(libc::PTRACE_SEIZE, parent, none, STOPS_AT_EXIT) == 0
            && libc::ptrace(libc::PTRACE_INTERRUPT, parent, none, none) == 0
    };
    let file = if traced { "ready" } else { "refused" };
    let _ = fs::write(Path::new(file), format!("{file}\n"));
    wait_for_the_end();
}

fn root() {
    use nix::unistd::Uid;

    let root = Uid::from_raw(0);
    if nix::unistd::setresuid(root, root, root).is_ok() {
        // In one go: whoever waits for the file reads it.
        let _ = fs::write("being-written", format!("{}\n", std::process::id()));
        let _ = fs::rename("being-written", "ready");
        wait_for_the_end();
    }
    let _ = fs::write("refused", "refused\n");
    exit(1);
}

fn wait_for_the_end() -> ! {
    thread::sleep(Duration::from_secs(1_000));
    exit(0)
}
