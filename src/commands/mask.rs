//! `roboppi mask`: hides a value of the step it is called in.

use std::env;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use roboppi_core::mask::{LONGEST_VALUE, SOCKET, SocketPlace, Verdict, mask};
use zeroize::Zeroizing;

use crate::exit::Failure;
use crate::stdio;

#[derive(Debug, Args)]
#[command(after_help = "Example:
  printf %s \"$TOKEN\" | roboppi mask
  roboppi mask < key.pem")]
pub(crate) struct MaskArgs {
    /// Taken so that it can be refused without being repeated
    #[arg(hide = true, num_args = 0.., allow_hyphen_values = true)]
    pub(crate) value: Option<Vec<OsString>>,
}

pub(crate) fn run(args: &MaskArgs) -> Result<ExitCode, Failure> {
    if args.value.is_some() {
        // It must not be repeated here: this goes into a log.
        return Err(Failure::usage(
            "a value on the command line can be seen by every process of this machine, and was not hidden\n\
             hint: printf %s \"$VALUE\" | roboppi mask",
        ));
    }
    let socket = env::var_os(SOCKET).filter(|socket| !socket.is_empty()).ok_or_else(|| {
        Failure::usage(format!(
            "there is no step to hide it in: {SOCKET} is not set\n\
             hint: call `roboppi mask` in the instructions of a step, or in what they start"
        ))
    })?;
    let value = read_value().map_err(|error| Failure::usage(format!("stdin cannot be read: {error}")))?;
    match mask(Path::new(&socket), &value).map_err(Failure::infrastructure)? {
        Verdict::Hidden => Ok(ExitCode::SUCCESS),
        Verdict::TooShort => Err(Failure::usage(
            "the value has less than 8 bytes and is NOT hidden: it would be found in half of all words",
        )),
        Verdict::TooLong => Err(Failure::usage(format!(
            "the value has more than {} KiB and is NOT hidden; a key that long can be given by its lines",
            LONGEST_VALUE / 1024
        ))),
        Verdict::Full => Err(Failure::infrastructure(
            "the value is NOT hidden: as many are hidden in this run as can be looked for",
        )),
        Verdict::NotUnderstood => Err(Failure::infrastructure(
            "the core of this step does not know of hiding values; the value is NOT hidden",
        )),
    }
}

/// Where the sockets of a core that this process is about to become are made.
pub(super) fn make_place() -> Option<SocketPlace> {
    SocketPlace::make(env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()).map(Into::into))
}

/// As much of stdin as matters: a byte more than can be hidden is too much, and is told so.
fn read_value() -> io::Result<Zeroizing<Vec<u8>>> {
    let mut value = Zeroizing::new(Vec::with_capacity(LONGEST_VALUE + 1));
    stdio::stdin().take(LONGEST_VALUE as u64 + 1).read_to_end(&mut value)?;
    Ok(value)
}
