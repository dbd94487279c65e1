//! The side of the core.

use std::cell::{Cell, RefCell};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use nix::unistd::geteuid;
use roboppi_redact::{Secrets, Taken};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet, spawn_local};
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use super::{LONGEST_HEAD, LONGEST_VALUE, MASK, Verdict};

/// Connections of an attempt that are listened to at a time. The next ones wait with the system.
const AT_A_TIME: usize = 8;

/// Time a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pause after each connection, so that a flood of them leaves the core to its work. Nobody else notices: who
/// comes alone is listened to at once.
const PAUSE: Duration = Duration::from_millis(1);

/// A private directory for the sockets of a core. Made before the core has a guard, and kept by both, so that it goes
/// even when the core is killed.
#[derive(Debug)]
pub struct SocketPlace(TempDir);

impl SocketPlace {
    /// A directory in `runtime` (`XDG_RUNTIME_DIR`), or where temporary files are when there is no room for a
    /// socket. `None` when there is no place at all; then workers have no socket.
    #[must_use]
    pub fn make(runtime: Option<PathBuf>) -> Option<Self> {
        [runtime, Some(std::env::temp_dir())].into_iter().flatten().find_map(|parent| Self::make_in(&parent))
    }

    fn make_in(parent: &Path) -> Option<Self> {
        /// Bytes of the longest path of a socket; the smallest of all systems.
        const LONGEST_PATH: usize = 103;
        /// What is added to the directory: `/4294967295.sock`.
        const NAME: usize = 16;

        let private = Permissions::from_mode(0o700);
        let dir = tempfile::Builder::new().prefix("roboppi-").permissions(private).tempdir_in(parent).ok()?;
        (dir.path().as_os_str().len() + NAME <= LONGEST_PATH).then_some(Self(dir))
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Removes it now, as far as that is possible: for who leaves without dropping anything.
    pub fn remove(&self) {
        let _ = fs::remove_dir_all(self.path());
    }
}

/// The sockets of a core: one for each attempt that runs now. One that has ended leaves its own to the next, so that a run
/// of a thousand steps, eight at a time, makes eight.
#[derive(Debug)]
pub(crate) struct Sockets {
    dir: PathBuf,
    next: Cell<u32>,
    free: Rc<RefCell<Vec<Bound>>>,
}

impl Sockets {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir, next: Cell::new(1), free: Rc::default() }
    }

    /// A socket for one attempt. Whenever `secrets` has grown by it, `news` is notified; when there was no room, `full`
    /// is called.
    ///
    /// # Errors
    /// When the system has none.
    pub(crate) fn open(
        &self,
        secrets: &Secrets,
        news: &Rc<Notify>,
        full: impl Fn() + 'static,
    ) -> io::Result<MaskSocket> {
        let bound = match self.take_free() {
            Some(bound) => bound,
            None => self.bind()?,
        };
        let hiding = Hiding { secrets: secrets.clone(), news: Rc::clone(news), full: Rc::new(full) };
        let serving = spawn_local(serve(Rc::clone(&bound.listener), hiding)).abort_handle();
        Ok(MaskSocket { bound: Some(bound), serving, free: Rc::clone(&self.free) })
    }

    /// One that nobody has now. A worker may have removed or replaced what is not its own any more.
    fn take_free(&self) -> Option<Bound> {
        loop {
            let bound = self.free.borrow_mut().pop()?;
            if bound.is_there() {
                return Some(bound);
            }
        }
    }

    fn bind(&self) -> io::Result<Bound> {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        Bound::new(self.dir.join(format!("{number}.sock")))
    }
}

/// A socket in the file system. It is removed when this is dropped.
#[derive(Debug)]
struct Bound {
    path: PathBuf,
    listener: Rc<UnixListener>,
    file: FileId,
}

impl Bound {
    fn new(path: PathBuf) -> io::Result<Self> {
        let listener = Rc::new(UnixListener::bind(&path)?);
        let file = FileId::after_restricting(&path).inspect_err(|_| drop(fs::remove_file(&path)))?;
        Ok(Self { path, listener, file })
    }

    /// Whether its path still leads to it, for the same users.
    fn is_there(&self) -> bool {
        FileId::at(&self.path).is_ok_and(|file| file == self.file)
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        // Or what a worker has put in its place: the directory is ours alone.
        let _ = fs::remove_file(&self.path);
    }
}

/// Which file a path leads to, and who may use it.
#[derive(Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
    mode: u32,
}

impl FileId {
    /// The file is for its owner alone from now on.
    fn after_restricting(path: &Path) -> io::Result<Self> {
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        Self::at(path)
    }

    fn at(path: &Path) -> io::Result<Self> {
        let found = path.symlink_metadata()?;
        Ok(Self { device: found.dev(), inode: found.ino(), mode: found.mode() })
    }
}

/// What is to happen with a value.
#[derive(Clone)]
struct Hiding {
    secrets: Secrets,
    news: Rc<Notify>,
    full: Rc<dyn Fn()>,
}

impl Hiding {
    fn hide(&self, value: &[u8]) -> Verdict {
        let taken = self.secrets.add("roboppi mask", value);
        if taken == Taken::Full {
            (self.full)();
        }
        self.news.notify_one();
        taken.into()
    }
}

/// The socket of an attempt. Whoever is connected is left when this is dropped, and the socket waits for the next attempt.
#[derive(Debug)]
pub(crate) struct MaskSocket {
    /// Present until it is dropped.
    bound: Option<Bound>,
    serving: AbortHandle,
    free: Rc<RefCell<Vec<Bound>>>,
}

impl MaskSocket {
    pub(crate) fn path(&self) -> Option<&Path> {
        self.bound.as_ref().map(|bound| &*bound.path)
    }
}

impl Drop for MaskSocket {
    fn drop(&mut self) {
        self.serving.abort();
        self.free.borrow_mut().extend(self.bound.take());
    }
}

async fn serve(listener: Rc<UnixListener>, hiding: Hiding) {
    let mut talks = JoinSet::new();
    loop {
        while talks.try_join_next().is_some() {}
        if talks.len() >= AT_A_TIME {
            talks.join_next().await;
        }
        if let Ok((stream, _)) = listener.accept().await {
            let hiding = hiding.clone();
            talks.spawn_local(async move {
                // Whoever leaves or says nothing has asked for nothing.
                let _ = timeout(PATIENCE, talk(stream, &hiding)).await;
            });
        }
        sleep(PAUSE).await;
    }
}

async fn talk(mut stream: UnixStream, hiding: &Hiding) -> io::Result<()> {
    if stream.peer_cred()?.uid() != geteuid().as_raw() {
        return Ok(());
    }
    let verdict = match request(&mut stream).await? {
        Ok(value) => hiding.hide(&value),
        Err(verdict) => verdict,
    };
    stream.write_all(format!("{verdict}\n").as_bytes()).await?;
    stream.shutdown().await?;
    // Closing before all was read would take the answer back.
    let mut rest = Zeroizing::new([0; 4096]);
    while stream.read(&mut *rest).await? > 0 {}
    Ok(())
}

/// Reads a value. The outer error is that of a client who left too early.
async fn request(stream: &mut UnixStream) -> io::Result<Result<Zeroizing<Vec<u8>>, Verdict>> {
    // Never grows, so that no copy of the value is left behind.
    let mut head = Zeroizing::new(Vec::with_capacity(LONGEST_HEAD));
    let newline = loop {
        match stream.read_buf(&mut *head).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ => {
                if let Some(at) = head.iter().position(|byte| *byte == b'\n') {
                    break at;
                }
                if head.len() >= LONGEST_HEAD {
                    return Ok(Err(Verdict::NotUnderstood));
                }
            }
        }
    };
    let length =
        head[..newline].strip_prefix(MASK).and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
    let Some(length) = length else { return Ok(Err(Verdict::NotUnderstood)) };
    if length > LONGEST_VALUE {
        return Ok(Err(Verdict::TooLong));
    }
    let first = &head[newline + 1..];
    let mut value = Zeroizing::new(vec![0; length]);
    let have = first.len().min(length);
    value[..have].copy_from_slice(&first[..have]);
    stream.read_exact(&mut value[have..]).await?;
    Ok(Ok(value))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream as Blocking;

    use roboppi_redact::MOST_VALUES;
    use tokio::task::{LocalSet, spawn_blocking};

    use super::*;
    use crate::mask::{MaskError, mask};

    /// Lets `client` speak with a socket, and gives what it says and the secrets that are known afterwards.
    fn with_socket<T: Send + 'static>(client: impl FnOnce(&Path) -> T + Send + 'static) -> (T, Secrets) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let secrets = Secrets::default();
        let known = secrets.clone();
        let head = LocalSet::new().block_on(&runtime, async move {
            let place = SocketPlace::make(None).unwrap();
            let sockets = Sockets::new(place.path().to_owned());
            let socket = sockets.open(&known, &Rc::default(), || {}).unwrap();
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(socket.path().unwrap()), mode(place.path())), (0o600, 0o700));
            let path = socket.path().unwrap().to_owned();
            let head = spawn_blocking(move || client(&path)).await.unwrap();
            let path = socket.path().unwrap().to_owned();
            drop((socket, sockets));
            assert!(!path.exists());
            head
        });
        (head, secrets)
    }

    /// What is answered to these bytes, which need not be a request.
    fn answer(path: &Path, bytes: &[u8]) -> String {
        let mut stream = Blocking::connect(path).unwrap();
        let _ = stream.write_all(bytes);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    #[test]
    fn a_value_is_hidden_when_the_answer_comes() {
        let (verdict, secrets) = with_socket(|path| mask(path, b"first line\nsecond line\n").unwrap());
        assert_eq!(verdict, Verdict::Hidden);
        assert_eq!(secrets.redact_str("a second line, first line\nsecond line"), "a ***, ***");
    }

    #[test]
    fn values_that_stay_visible_are_told() {
        let (verdicts, secrets) = with_socket(|path| {
            [&b""[..], b"1234567\n", &[b'x'; LONGEST_VALUE + 1], &[b'y'; LONGEST_VALUE]]
                .map(|value| mask(path, value).unwrap())
        });
        assert_eq!(verdicts, [Verdict::TooShort, Verdict::TooShort, Verdict::TooLong, Verdict::Hidden]);
        assert_eq!(secrets.len(), 1);
    }

    #[test]
    fn what_is_no_request_hides_nothing() {
        let (answers, secrets) = with_socket(|path| {
            [
                answer(path, b"mask many\nabcdefgh"),
                answer(path, b"unmask 8\nabcdefgh"),
                answer(path, &[b'x'; 100]),
                answer(path, b"mask 18446744073709551616\nabcdefgh"),
                answer(path, b"mask 8\nabcdefgh and more"),
            ]
        });
        let no = "not-understood\n";
        assert_eq!(answers, [no, no, no, no, "hidden\n"]);
        assert_eq!(secrets.redact_str("abcdefgh and more"), "*** and more");
        assert_eq!(secrets.len(), 1);
    }

    #[test]
    fn who_leaves_or_keeps_silent_hinders_nobody() {
        let (verdict, secrets) = with_socket(|path| {
            let _silent: Vec<_> = (1..AT_A_TIME).map(|_| Blocking::connect(path).unwrap()).collect();
            for _ in 0..200 {
                Blocking::connect(path).unwrap().write_all(b"mask 99\nhalf of a").unwrap();
            }
            mask(path, b"a whole value").unwrap()
        });
        assert_eq!((verdict, secrets.len()), (Verdict::Hidden, 1));
    }

    /// Gives sockets in a place of their own to `test`.
    fn with_sockets<F: Future>(test: impl FnOnce(Sockets) -> F) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let place = SocketPlace::make(None).unwrap();
            test(Sockets::new(place.path().to_owned())).await;
        });
    }

    #[test]
    fn an_attempt_has_the_socket_of_one_that_has_ended_and_no_other_has_it() {
        with_sockets(async |sockets| {
            let open = || sockets.open(&Secrets::default(), &Rc::default(), || {}).unwrap();
            let path = |socket: &MaskSocket| socket.path().unwrap().to_owned();
            let (one, two) = (open(), open());
            let first = path(&one);
            assert_ne!(first, path(&two));
            drop(one);
            let (three, four) = (open(), open());
            assert_eq!(first, path(&three));
            assert_ne!(first, path(&four));
        });
    }

    #[test]
    fn what_is_said_at_a_socket_concerns_the_attempt_that_has_it_now() {
        with_sockets(async |sockets| {
            let secrets = Secrets::new((0..MOST_VALUES).map(|at| ("N", format!("value-{at:06}"))));
            let attempt = |full: &Rc<Cell<u32>>| {
                let full = Rc::clone(full);
                sockets.open(&secrets, &Rc::default(), move || full.set(full.get() + 1)).unwrap()
            };
            let (first, second) = (Rc::default(), Rc::default());
            drop(attempt(&first));
            let socket = attempt(&second);
            let path = socket.path().unwrap().to_owned();
            let verdict = spawn_blocking(move || mask(&path, b"one too many").unwrap()).await.unwrap();
            assert_eq!((verdict, first.get(), second.get()), (Verdict::Full, 0, 1));
        });
    }

    #[test]
    fn a_socket_that_a_worker_has_spoiled_is_not_given_to_the_next() {
        let spoil: [fn(&Path); 3] = [
            |path| fs::remove_file(path).unwrap(),
            |path| fs::set_permissions(path, Permissions::from_mode(0o666)).unwrap(),
            |path| {
                let _ = fs::remove_file(path);
                drop(std::os::unix::net::UnixListener::bind(path).unwrap());
            },
        ];
        for spoil in spoil {
            with_sockets(async |sockets| {
                let open = || sockets.open(&Secrets::default(), &Rc::default(), || {}).unwrap();
                let one = open();
                let path = one.path().unwrap().to_owned();
                spoil(&path);
                drop(one);
                let next = open();
                assert_ne!(next.path().unwrap(), path);
                assert!(!path.exists());
            });
        }
    }

    #[test]
    fn more_than_can_be_hidden_is_told() {
        let secrets = Secrets::new((0..MOST_VALUES).map(|at| ("N", format!("value-{at:06}"))));
        assert_eq!(Verdict::from(secrets.add("N", b"one too many")), Verdict::Full);
    }

    #[test]
    fn a_dead_socket_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        for path in [path, dir.path().join("none")] {
            let error = mask(&path, b"some value").unwrap_err();
            assert!(matches!(error, MaskError::Unreachable { .. }), "{error}");
            assert!(error.to_string().contains("NOT hidden"), "{error}");
        }
    }
}
