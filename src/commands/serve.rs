//! `roboppi serve`

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::{Args, ValueHint};
use roboppi_process::inherited::give_back;
use roboppi_web::{
    BadSettings, ClientLimits, Credentials, HostNames, Role, Secret, Server, Settings, TlsFiles, Totp,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::commands::{out, record};
use crate::exit::Failure;
use crate::programs::find;
use crate::{runtime, terminal};

mod start;

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address and port; port 0 is any free one. Other addresses than those of this machine need TLS and a credential
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    bind: SocketAddr,
    /// Open the page in the browser
    #[arg(long)]
    open: bool,
    /// The path below which a proxy reaches the server, such as /roboppi
    #[arg(long, value_name = "PATH", default_value = "")]
    base_path: String,
    /// Allow no commands to runs, and start none
    #[arg(long)]
    read_only: bool,
    /// A workflow that operators may start. May be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    workflow: Vec<PathBuf>,
    /// File with the token of operators [default: a new token, which is printed as a link]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Login")]
    token_file: Option<PathBuf>,
    /// File with the token of readers
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Login")]
    reader_token_file: Option<PathBuf>,
    /// File with the password of operators, or with its Argon2 hash
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Login")]
    password_file: Option<PathBuf>,
    /// File with the password of readers, or with its Argon2 hash
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Login")]
    reader_password_file: Option<PathBuf>,
    /// File with the base32 secret of an authenticator, whose code is asked for with every password
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Login")]
    totp_file: Option<PathBuf>,
    /// Certificate of TLS with its chain, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_key", value_hint = ValueHint::FilePath, help_heading = "Network")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert", value_hint = ValueHint::FilePath, help_heading = "Network")]
    tls_key: Option<PathBuf>,
    /// A name by which browsers reach the server, beside addresses and localhost. May be repeated
    #[arg(long, value_name = "NAME", help_heading = "Network")]
    allow_host: Vec<String>,
    /// Believe X-Forwarded-For and X-Forwarded-Proto: only behind a proxy that sets them
    #[arg(long, help_heading = "Network")]
    trust_forwarded: bool,
    /// Events that a client is sent in a second
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000), help_heading = "Limits")]
    events_per_second: u32,
    /// Events in a frame
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Limits")]
    events_per_frame: u32,
    /// Bytes of a frame
    #[arg(long, value_name = "N", default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(16_384..=1_048_576), help_heading = "Limits")]
    frame_bytes: u32,
    /// Frames with lines of logs that a client is sent in a second
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100), help_heading = "Limits")]
    log_frames_per_second: u32,
}

pub(crate) fn run(args: &ServeArgs) -> Result<ExitCode, Failure> {
    let mut credentials = credentials(args)?;
    let chosen = !credentials.is_empty();
    let automatic = (!chosen).then(|| credentials.add_automatic_token(Role::Operator));
    let root = record::root()?;
    let settings = Settings {
        bind: args.bind,
        base_path: args.base_path.clone(),
        credentials,
        chosen_credential: chosen,
        tls: args
            .tls_cert
            .clone()
            .zip(args.tls_key.clone())
            .map(|(certificate, key)| TlsFiles { certificate, key }),
        hosts: HostNames::new(args.allow_host.iter().cloned()),
        read_only: args.read_only,
        trust_forwarded: args.trust_forwarded,
        limits: ClientLimits {
            events_per_second: args.events_per_second,
            events_per_frame: args.events_per_frame,
            frame_bytes: args.frame_bytes,
            log_frames_per_second: args.log_frames_per_second,
        },
        workflows: args.workflow.iter().map(|file| workflow(file)).collect::<Result<_, _>>()?,
        start: start::starter(root.clone()),
        root,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
    };
    let settings = settings.checked().map_err(refused)?;
    let runtime = runtime::new().map_err(|error| Failure::own(format!("cannot start: {error}")))?;
    let served = runtime.block_on(serve(args, settings, automatic.as_ref().map(|token| token.as_str())));
    // Requests that read files are not waited for.
    runtime.shutdown_background();
    served
}

async fn serve(args: &ServeArgs, settings: Settings, automatic: Option<&str>) -> Result<ExitCode, Failure> {
    let server = Server::bind(settings).await.map_err(|error| {
        Failure::infrastructure(error)
            .hint("choose another address with --bind, such as 127.0.0.1:0, or another file")
    })?;
    let link = match automatic {
        Some(token) => format!("{}login?token={token}", server.url()),
        None => server.url(),
    };
    let end = end().map_err(|error| Failure::own(format!("cannot wait for signals: {error}")))?;
    out::print(&format!("{link}\n"))?;
    if args.open {
        open(&link);
    }
    server.serve(end).await;
    Ok(ExitCode::SUCCESS)
}

/// The signal that ends the server.
fn end() -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate, mut hangup) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// Why the server would not be safe, and what to do.
fn refused(error: BadSettings) -> Failure {
    let hint = match &error {
        BadSettings::NoTls(_) => {
            "give it a certificate with --tls-cert and --tls-key; or bind it to 127.0.0.1 and reach it through `ssh -L` or a proxy"
        }
        BadSettings::NoCredential(_) | BadSettings::NoLogin => "set --password-file or --token-file",
        BadSettings::BasePath(_) => "such as --base-path /roboppi",
    };
    Failure::usage(error).hint(hint)
}

fn credentials(args: &ServeArgs) -> Result<Credentials, Failure> {
    let mut credentials = Credentials::default();
    for (file, role) in [(&args.token_file, Role::Operator), (&args.reader_token_file, Role::Reader)] {
        if let Some(file) = file {
            credentials.add_token(role, secret(file)?);
        }
    }
    for (file, role) in [(&args.password_file, Role::Operator), (&args.reader_password_file, Role::Reader)] {
        if let Some(file) = file {
            credentials.add_password(role, secret(file)?);
        }
    }
    if let Some(file) = &args.totp_file {
        if args.password_file.is_none() && args.reader_password_file.is_none() {
            return Err(
                Failure::usage("--totp-file is of use with a password only").hint("set --password-file too")
            );
        }
        credentials.set_totp(Totp::new(&text_of(file)?).map_err(|error| in_file(file, &error))?);
    }
    Ok(credentials)
}

fn secret(file: &Path) -> Result<Secret, Failure> {
    Secret::new(&text_of(file)?).map_err(|error| in_file(file, &error))
}

fn in_file(file: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format!("{}: {error}", file.display()))
}

/// The text of a file with a secret, which is for its owner alone.
fn text_of(file: &Path) -> Result<String, Failure> {
    let failed = |error: io::Error| in_file(file, &error);
    let mode = fs::metadata(file).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(in_file(file, &"other users may read it").hint(&format!("chmod 600 {}", file.display())));
    }
    fs::read_to_string(file).map_err(failed)
}

/// The path of a workflow, which must be there now: a later one of that name was not meant.
fn workflow(file: &Path) -> Result<PathBuf, Failure> {
    fs::canonicalize(file).map_err(|error| in_file(file, &error).hint("name a workflow file with --workflow"))
}

/// Opens a link in the browser, as the system does it.
fn open(link: &str) {
    let programs = ["xdg-open", "open", "wslview"];
    let Some(program) = programs.iter().find_map(|name| find(name)) else {
        terminal::note("roboppi: there is no program that opens links (xdg-open); open the link yourself");
        return;
    };
    let mut command = Command::new(program);
    command.arg(link).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    give_back(&mut command);
    match command.spawn() {
        Ok(mut child) => {
            // Waited for, so that nothing is left of it.
            let _ = std::thread::Builder::new().name("browser".to_owned()).spawn(move || child.wait());
        }
        Err(error) => terminal::note(&format!("roboppi: the browser cannot be opened: {error}")),
    }
}

/// Starts workflows.
type Starter = roboppi_web::StartWorkflow;
