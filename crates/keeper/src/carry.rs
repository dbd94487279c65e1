//! What a carrier starts on the host: finds the keeper of a session, or starts one, and copies bytes.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use roboppi_hosts::{BadFrame, Frame, FrameDecoder, Hello, Refusal, SessionName};
use roboppi_process::lead_a_session;
use thiserror::Error;

use crate::place::{KeeperPlace, PlaceError};
use crate::report::report;

/// How long a keeper may take to listen, and an earlier one to end.
const PATIENCE: Duration = Duration::from_secs(15);
/// Time between two looks for it.
const LOOK: Duration = Duration::from_millis(10);

/// Why nothing is carried.
#[derive(Debug, Error)]
pub enum CarryError {
    /// The supervisor has sent no greeting.
    #[error("no greeting came: this command is started by a supervisor, with frames on standard input")]
    NoGreeting,
    /// What came is no frame.
    #[error("what came on standard input is no frame: {0}")]
    NoFrame(#[from] BadFrame),
    /// The carrier has failed.
    #[error("the carrier failed: {0}")]
    Carrier(#[from] io::Error),
}

/// Answers how this host is, each time that is asked. Then reads a greeting, finds or starts the keeper of its session below `state_dir`, and carries bytes between it and the standard
/// streams until one of both ends. What is wrong with the host is sent to the supervisor as a frame.
///
/// # Errors
/// When the supervisor cannot be understood, or the carrier fails.
pub fn carry(state_dir: &Path, program: &Path, version: &str) -> Result<(), CarryError> {
    let mut stdin = io::stdin().lock();
    let answer = || send(&Frame::Report(Box::new(report(state_dir, version))));
    let Some((hello, greeting)) = greeting(&mut stdin, answer)? else { return Ok(()) };
    drop(stdin);
    match find(state_dir, program, &hello) {
        Ok(stream) => copy(stream, &greeting).map_err(CarryError::Carrier),
        Err((reason, detail)) => Ok(send(&Frame::Refused { reason, detail })?),
    }
}

/// Sends a frame to the supervisor.
fn send(frame: &Frame) -> io::Result<()> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    let mut stdout = io::stdout().lock();
    stdout.write_all(&bytes)?;
    stdout.flush()
}

/// The greeting, and the bytes for the keeper: it and all that was read after it.
type Greeting = (Box<Hello>, Vec<u8>);

/// The greeting; `None` when the supervisor only asked, which
/// is answered.
fn greeting(
    stdin: &mut impl Read,
    answer: impl Fn() -> io::Result<()>,
) -> Result<Option<Greeting>, CarryError> {
    let (mut decoder, mut buffer, mut asked) = (FrameDecoder::default(), vec![0; 16 * 1024], false);
    loop {
        match decoder.next_frame()? {
            Some(Frame::Ask) => {
                answer()?;
                asked = true;
            }
            Some(Frame::Hello(hello)) => {
                let mut bytes = Vec::new();
                Frame::Hello(hello.clone()).encode(&mut bytes);
                bytes.extend(decoder.into_rest());
                return Ok(Some((hello, bytes)));
            }
            Some(_) => return Err(CarryError::NoGreeting),
            None => match stdin.read(&mut buffer)? {
                0 if asked => return Ok(None),
                0 => return Err(CarryError::NoGreeting),
                count => decoder.push(&buffer[..count]),
            },
        }
    }
}

/// Connects with the keeper of a session.
fn find(state_dir: &Path, program: &Path, hello: &Hello) -> Result<UnixStream, (Refusal, String)> {
    let session = &hello.session;
    let gone = || (Refusal::Gone, format!("there is no session {session} on this host any more"));
    let unusable = |detail: String| (Refusal::Unusable, detail);
    if !hello.begin && !KeeperPlace::exists(state_dir, session) {
        return Err(gone());
    }
    let place =
        KeeperPlace::open(state_dir, session).map_err(|error: PlaceError| unusable(error.to_string()))?;
    let begun = Instant::now();
    let mut started = false;
    while begun.elapsed() < PATIENCE {
        if let Ok(stream) = UnixStream::connect(place.socket()) {
            return Ok(stream);
        }
        // Not once it was started: for a moment its place would not be free for it.
        if !started {
            let lock = place.try_lock();
            let lock = lock.map_err(|error| unusable(format!("{}: {error}", place.path().display())))?;
            if let Some(lock) = lock {
                if !hello.begin {
                    place.remove();
                    return Err(gone());
                }
                drop(lock);
                start(program, session)
                    .map_err(|error| unusable(format!("the keeper cannot be started: {error}")))?;
                started = true;
            }
        }
        sleep(LOOK);
    }
    // It is taken by one that is about to end, with what it started.
    Err((Refusal::Superseded, format!("{} is still in use by an earlier keeper", place.path().display())))
}

/// Starts a keeper that nothing of the carrier reaches: with a session of its own, and none of its streams.
fn start(program: &Path, session: &SessionName) -> io::Result<()> {
    let mut command = Command::new(program);
    command.args(["host", "--keep", session.as_str()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    lead_a_session(&mut command);
    // It outlives this process; the system reaps it.
    command.spawn().map(drop)
}

/// Copies in both directions until the keeper closes, or the carrier does.
fn copy(stream: UnixStream, greeting: &[u8]) -> io::Result<()> {
    let mut to_keeper = stream.try_clone()?;
    to_keeper.write_all(greeting)?;
    // Ends with the process: it may wait for the carrier for ever.
    thread::Builder::new().name("carrier".to_owned()).spawn(move || {
        let _ = pass_on(&mut io::stdin().lock(), &mut to_keeper);
        let _ = to_keeper.shutdown(Shutdown::Both);
    })?;
    let mut from_keeper = stream;
    match pass_on(&mut from_keeper, &mut io::stdout().lock()) {
        // The supervisor has gone.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        ended => ended,
    }
}

fn pass_on(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            read => read?,
        };
        to.write_all(&buffer[..count])?;
        to.flush()?;
    }
}
