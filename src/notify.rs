//! Informs programs and servers of a run, as the configuration file asks. It slows no run and fails none: what cannot be
//! delivered in time is a warning.

use std::collections::{BTreeMap, HashMap};
use std::env;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hmac::{Hmac, Mac as _};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use roboppi_attach::{Following, Next, RunSource};
use roboppi_ipc::{UtcMillis, WaitCause, WorkerEvent};
use roboppi_process::end_with_starter;
use roboppi_process::inherited::give_back;
use roboppi_redact::Secrets;
use roboppi_report::notification::Notification;
use roboppi_run::{RunEvent, RunRecord, RunView, StepPath};
use roboppi_supervisor::RunSecrets;
use roboppi_workflow::{NotifyOn, NotifyTarget, WebhookUrl};
use sha2::Sha256;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::clock;
use crate::config::{UserConfig, file_name};
use crate::exit::Failure;
use crate::http::{self, Post, PostError};

/// How long a delivery may take, with all its tries.
const LIMIT: Duration = Duration::from_secs(5);

/// How long all deliveries are waited for: one that takes too long is ended before.
const PATIENCE: Duration = Duration::from_secs(6);

/// Waits before the second and the third try.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(1_200)];

/// Notifications of waits of one run.
const WAITS: usize = 100;

/// Time between two notifications that the same step waits.
const REPEATED: Duration = Duration::from_secs(60);

/// What is informed of a run.
#[derive(Clone, Debug)]
pub(crate) struct Notifier {
    targets: Vec<Target>,
    /// What cannot be informed, and why.
    warnings: Vec<String>,
    hidden: Secrets,
}

#[derive(Clone, Debug)]
struct Target {
    /// Its place in the configuration file.
    name: String,
    on: Vec<NotifyOn>,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Command { program: PathBuf, args: Vec<String> },
    Webhook { url: String, key: Option<String> },
}

impl Notifier {
    /// Reads the configuration file. With `off` nothing is informed. `secrets` masks what must not be seen, and from now on also
    /// the variables that the file names: the workers of the run inherit them, whatever is informed.
    pub(crate) fn configured(secrets: &mut RunSecrets, off: bool) -> Result<Self, Failure> {
        let user = UserConfig::read()?;
        for name in user.config.notify.iter().flat_map(|entry| variables(&entry.target)) {
            let Ok(value) = variable(name) else { continue };
            if !secrets.hide(name, value.trim()) {
                secrets.warnings.push(format!(
                    "{name} of `notify` cannot be hidden: it has less than 8 bytes, or too much is hidden already"
                ));
            }
        }
        let hidden = secrets.hidden.clone();
        let mut notifier = Self { targets: Vec::new(), warnings: Vec::new(), hidden };
        for (number, entry) in user.config.notify.iter().enumerate().filter(|_| !off) {
            let name = format!("notify[{number}]");
            // One of a variable may be right elsewhere; this one never is.
            if let NotifyTarget::Webhook { url: WebhookUrl::Text(url), .. } = &entry.target {
                http::check_url(url).map_err(|why| {
                    Failure::usage(format!("the configuration file {}: {name}: {why}", file_name()))
                })?;
            }
            match kind(&user, &entry.target) {
                Ok(kind) => notifier.targets.push(Target { name, on: entry.on.clone(), kind }),
                Err(why) => notifier.warnings.push(format!("{name}: {why}")),
            }
        }
        Ok(notifier)
    }

    fn for_occasion(&self, on: &[NotifyOn]) -> Vec<Target> {
        let fits = |target: &&Target| target.on.iter().any(|wanted| on.contains(wanted));
        self.targets.iter().filter(fits).cloned().collect()
    }

    fn hide(&self, text: &str) -> String {
        self.hidden.redact_str(text).into_owned()
    }

    /// Informs of waits from now on, on a thread that ends with the run.
    pub(crate) fn watch(&self, source: &Arc<dyn RunSource>) -> Option<Watch> {
        let targets = self.for_occasion(&[NotifyOn::Waiting]);
        if targets.is_empty() {
            return None;
        }
        let (notifier, source) = (self.clone(), Arc::clone(source));
        let (end, ended) = oneshot::channel();
        let progress = Arc::new(Progress::default());
        let watch = Watch { ended, progress: Arc::clone(&progress) };
        let work = move || {
            notifier.follow(&targets, source.as_ref(), &progress);
            let _ = end.send(());
        };
        // Without a thread there is no notification; the run has the same trouble, and reports it.
        thread::Builder::new().name("notify".to_owned()).spawn(work).ok()?;
        Some(watch)
    }

    fn follow(&self, targets: &[Target], source: &dyn RunSource, progress: &Progress) {
        let Following { view, mut records } = source.follow();
        let mut informed: HashMap<StepPath, Instant> = HashMap::new();
        let mut count = 0;
        while count < WAITS {
            let record = match records.blocking_next() {
                Next::Record(record) => record,
                Next::Lagged => {
                    records = source.follow().records;
                    continue;
                }
                Next::Ended => return,
            };
            let Some((step, why, until)) = wait_in(&record) else { continue };
            if informed.get(step).is_some_and(|last| last.elapsed() < REPEATED) {
                continue;
            }
            informed.insert(step.clone(), Instant::now());
            count += 1;
            let hide = |text: &str| self.hide(text);
            let notification = Notification::waiting(&view, step, &why, until, clock::now(), &hide);
            let delivery = Delivery::new(&notification, &view, count);
            for target in targets {
                if progress.is_over() {
                    return;
                }
                // A warning now would come amid the lines of the run, or on its screen.
                if let Err(why) = target.deliver(&delivery, LIMIT, progress) {
                    progress.failed(&target.name, why);
                }
            }
        }
    }

    /// Informs of the end of a run, and ends what informs of its waits. Returns what could not be delivered, for people.
    pub(crate) async fn end(&self, view: &RunView, watch: Option<Watch>) -> Vec<String> {
        let hide = |text: &str| self.hide(text);
        let notification = Notification::end(view, clock::now(), &hide);
        let occasions: &[NotifyOn] = match notification.event() {
            "failure" => &[NotifyOn::End, NotifyOn::Failure],
            _ => &[NotifyOn::End],
        };
        let delivery = Arc::new(Delivery::new(&notification, view, 0));
        let mut warnings = self.warnings.clone();
        let mut waiting = Vec::new();
        for target in self.for_occasion(occasions) {
            let (end, ended) = oneshot::channel();
            let (name, delivery) = (target.name.clone(), Arc::clone(&delivery));
            let work = move || drop(end.send(target.deliver(&delivery, LIMIT, &Progress::default())));
            match thread::Builder::new().name("notify".to_owned()).spawn(work) {
                Ok(_) => waiting.push((name, ended)),
                Err(error) => warnings.push(format!("{name}: {error}")),
            }
        }
        let end = tokio::time::Instant::now() + PATIENCE;
        for (name, ended) in waiting {
            let left = end.saturating_duration_since(tokio::time::Instant::now());
            warnings.extend(match timeout(left, ended).await {
                Ok(Ok(Ok(()))) => None,
                Ok(Ok(Err(why))) => Some(format!("{name}: {why}")),
                Ok(Err(_)) => Some(format!("{name}: a defect of roboppi")),
                Err(_) => Some(format!("{name}: not delivered within {}s", PATIENCE.as_secs())),
            });
        }
        if let Some(watch) = watch {
            warnings.extend(watch.end(end.saturating_duration_since(tokio::time::Instant::now())).await);
        }
        warnings
    }
}

/// The thread that informs of waits.
#[derive(Debug)]
pub(crate) struct Watch {
    ended: oneshot::Receiver<()>,
    progress: Arc<Progress>,
}

impl Watch {
    /// Waits no longer than `patience` for the thread, whose run is over. Returns what it could not deliver, for people.
    async fn end(self, patience: Duration) -> Vec<String> {
        let late = timeout(patience, self.ended).await.is_err();
        // What it could not deliver so far counts, and a command that still runs is not left behind.
        let mut warnings = self.progress.give_up();
        if late {
            warnings.push("notify: not all waits were delivered before the end of the run".to_owned());
        }
        warnings
    }
}

/// What deliveries have come to, shared with those that wait for them.
#[derive(Debug, Default)]
struct Progress(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Nothing more is begun.
    over: bool,
    /// The group of the command that runs.
    group: Option<Pid>,
    /// By the name of a target: how often it failed, and why the last time.
    failures: BTreeMap<String, (usize, String)>,
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.lock().over
    }

    fn failed(&self, name: &str, why: String) {
        let mut state = self.lock();
        let failure = state.failures.entry(name.to_owned()).or_default();
        *failure = (failure.0 + 1, why);
    }

    /// A command runs, or has ended. One that was started too late is killed.
    fn runs(&self, group: Option<Pid>) {
        let mut state = self.lock();
        state.group = group;
        if state.over {
            state.kill();
        }
    }

    /// Ends all of it. Returns what failed, for people.
    fn give_up(&self) -> Vec<String> {
        let mut state = self.lock();
        state.over = true;
        state.kill();
        let failures = state.failures.iter();
        failures
            .map(|(name, (count, why))| match count {
                1 => format!("{name}: a wait was not delivered: {why}"),
                count => format!("{name}: {count} waits were not delivered: {why}"),
            })
            .collect()
    }
}

impl State {
    fn kill(&self) {
        if let Some(group) = self.group {
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

/// The step that waits from here on, why, and until when.
fn wait_in(record: &RunRecord) -> Option<(&StepPath, String, Option<UtcMillis>)> {
    match record {
        RunRecord::Journal(record) => match &record.event {
            RunEvent::StepChanged { step, state, detail, limit_until: Some(until), .. }
                if !state.is_final() =>
            {
                let whose = detail.as_deref().unwrap_or("its agent");
                Some((step, format!("the usage limit of {whose}"), Some(*until)))
            }
            _ => None,
        },
        RunRecord::Attempt(of, record) => match &record.event {
            WorkerEvent::Waiting(waiting) if waiting.cause == Some(WaitCause::Permission) => {
                Some((&of.step, waiting.why.clone(), waiting.until))
            }
            _ => None,
        },
    }
}

fn variable(name: &str) -> Result<String, String> {
    let value = env::var(name).ok().filter(|value| !value.trim().is_empty());
    value.ok_or_else(|| format!("{name} is not set"))
}

/// The variables whose values are secrets of a target.
fn variables(target: &NotifyTarget) -> impl Iterator<Item = &str> {
    let (url, key) = match target {
        NotifyTarget::Webhook { url: WebhookUrl::Variable(name), secret_env } => {
            (Some(name.as_str()), secret_env.as_deref())
        }
        NotifyTarget::Webhook { url: WebhookUrl::Text(_), secret_env } => (None, secret_env.as_deref()),
        NotifyTarget::Command(_) => (None, None),
    };
    url.into_iter().chain(key)
}

fn kind(user: &UserConfig, target: &NotifyTarget) -> Result<Kind, String> {
    match target {
        NotifyTarget::Command(command) => {
            Ok(Kind::Command { program: user.program(command), args: command.args.clone() })
        }
        NotifyTarget::Webhook { url, secret_env } => {
            let url = match url {
                WebhookUrl::Text(url) => url.clone(),
                WebhookUrl::Variable(name) => variable(name)?.trim().to_owned(),
            };
            http::check_url(&url)?;
            // One that expects a signature gets nothing without.
            let key = secret_env.as_deref().map(variable).transpose()?;
            Ok(Kind::Webhook { url, key })
        }
    }
}

/// What is sent, the same to all.
struct Delivery {
    event: &'static str,
    body: String,
    /// The same for every try, so that a server can tell one that it has.
    id: String,
    seconds: u64,
}

impl Delivery {
    fn new(notification: &Notification, view: &RunView, number: usize) -> Self {
        let run = view.head.as_ref().map_or_else(String::new, |head| head.run_id.to_string());
        let event = notification.event();
        let seconds = clock::now().0 / 1_000;
        Self { event, body: notification.json(), id: format!("{run}-{number}"), seconds }
    }
}

impl Target {
    fn deliver(&self, delivery: &Delivery, limit: Duration, progress: &Progress) -> Result<(), String> {
        match &self.kind {
            Kind::Command { program, args } => run(program, args, delivery, limit, progress),
            Kind::Webhook { url, key } => send(url, key.as_deref(), delivery, limit),
        }
    }
}

fn run(
    program: &PathBuf,
    args: &[String],
    delivery: &Delivery,
    limit: Duration,
    progress: &Progress,
) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(args).env("ROBOPPI_EVENT", delivery.event).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    give_back(&mut command);
    end_with_starter(&mut command);
    let mut child = command.spawn().map_err(|error| format!("the command cannot be started: {error}"))?;
    // The command leads a group of its own.
    let group = i32::try_from(child.id()).map(Pid::from_raw).ok();
    progress.runs(group);
    let end = Instant::now() + limit;
    if let Some(mut stdin) = child.stdin.take() {
        // A pipe has room for it, and a command that does not read it has its reasons.
        let _ = stdin.write_all(delivery.body.as_bytes());
    }
    let ended = http::end_within(&mut child, end.saturating_duration_since(Instant::now()));
    progress.runs(None);
    if !ended {
        // The command itself is gone; what it started is in its group, whose number is not given to another as long as it is.
        let _ = group.map(|group| killpg(group, Signal::SIGKILL));
        return Err(format!("the command was killed after {}s", limit.as_secs()));
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the command failed: {status}")),
        Err(error) => Err(error.to_string()),
    }
}

fn send(url: &str, key: Option<&str>, delivery: &Delivery, limit: Duration) -> Result<(), String> {
    let mut headers = vec![
        ("Content-Type".to_owned(), "application/json".to_owned()),
        ("User-Agent".to_owned(), concat!("roboppi/", env!("CARGO_PKG_VERSION")).to_owned()),
        ("X-Roboppi-Event".to_owned(), delivery.event.to_owned()),
        ("X-Roboppi-Delivery".to_owned(), delivery.id.clone()),
        ("X-Roboppi-Timestamp".to_owned(), delivery.seconds.to_string()),
    ];
    if let Some(key) = key {
        let signature = signature(key, delivery.seconds, &delivery.body);
        headers.push(("X-Roboppi-Signature".to_owned(), format!("sha256={signature}")));
    }
    let post = Post { url: url.to_owned(), headers, body: delivery.body.clone().into_bytes() };
    let end = Instant::now() + limit;
    let mut pauses = PAUSES.into_iter();
    loop {
        let error: PostError = match http::post(&post, end.saturating_duration_since(Instant::now())) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let pause = pauses.next().filter(|pause| error.is_transient && Instant::now() + *pause < end);
        let Some(pause) = pause else { return Err(error.message) };
        thread::sleep(pause);
    }
}

/// HMAC-SHA256 of the time, a point, and the body, in hexadecimal digits.
fn signature(key: &str, seconds: u64, body: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else {
        unreachable!("a key of any length is one")
    };
    mac.update(format!("{seconds}.{body}").as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_time_and_body() {
        // As `printf '1700000000.{"v":1}' | openssl dgst -sha256 -hmac key` prints it.
        assert_eq!(
            signature("key", 1_700_000_000, "{\"v\":1}"),
            "afc180db7100385a559c0f5c5e3d6a432cd1ec1049002cc3920aac6cc071a1ec"
        );
    }
}
