//! Starting a program without copying our memory map first: its texts, its pipes, and the new process.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use nix::libc;

use super::borrowed::{self, Load};
use super::{Spawn, Started, StdinMode};
use crate::leader::Leader;

/// The highest descriptor that the new process replaces.
const LAST_STANDARD: RawFd = 2;

/// Starts `program`, which has a slash in it, as `spawn` says. `None` when its pipes have numbers that the new process
/// replaces, because this one has no standard streams.
pub(super) fn start(program: &Path, spawn: &Spawn) -> Option<io::Result<Started>> {
    try_start(program, spawn).transpose()
}

fn try_start(program: &Path, spawn: &Spawn) -> io::Result<Option<Started>> {
    let text = |text: &OsStr| CString::new(text.as_bytes()).map_err(io::Error::from);
    let program = text(program.as_os_str())?;
    let cwd = text(spawn.cwd.as_os_str())?;
    let args: Vec<CString> =
        std::iter::once(&spawn.program).chain(&spawn.args).map(|arg| text(arg)).collect::<io::Result<_>>()?;
    let env: Vec<CString> = environment(spawn).iter().map(|pair| text(pair)).collect::<io::Result<_>>()?;
    let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
    };

    let (theirs_in, stdin) = match spawn.stdin {
        StdinMode::Null => (OwnedFd::from(File::open("/dev/null")?), None),
        StdinMode::Piped => {
            let (read, write) = io::pipe()?;
            (read.into(), Some(write.into()))
        }
    };
    let (stdout, theirs_out) = io::pipe()?;
    let (stderr, theirs_err) = io::pipe()?;
    let ends = [theirs_in.as_raw_fd(), theirs_out.as_raw_fd(), theirs_err.as_raw_fd()];
    if ends.iter().any(|end| *end <= LAST_STANDARD) {
        return Ok(None);
    }
    let (args, env) = (pointers(&args), pointers(&env));
    let born = borrowed::start(&Load { program: &program, args: &args, env: &env, cwd: &cwd, ends })?;
    let leader = u32::try_from(born.pid).ok().and_then(Leader::new);
    let leader = leader.ok_or_else(|| io::Error::other("the system gave a pid that is none"))?;
    let (stdout, stderr) = (stdout.into(), stderr.into());
    Ok(Some(Started { leader, descriptor: born.descriptor, stdin, stdout, stderr }))
}

/// The environment of the child, as `NAME=value`.
fn environment(spawn: &Spawn) -> Vec<OsString> {
    let changed = |name: &OsStr| {
        spawn.env.remove.iter().any(|removed| removed == name)
            || spawn.env.set.iter().any(|(set, _)| set == name)
    };
    let inherited = std::env::vars_os().filter(|(name, _)| !changed(name));
    let last_of_its_name = |place: usize| {
        let (name, _) = &spawn.env.set[place];
        spawn.env.set[place + 1..].iter().all(|(later, _)| later != name)
    };
    let set = (0..spawn.env.set.len())
        .filter(|place| last_of_its_name(*place))
        .map(|place| spawn.env.set[place].clone());
    inherited
        .chain(set)
        .map(|(mut pair, value)| {
            pair.push("=");
            pair.push(value);
            pair
        })
        .collect()
}
