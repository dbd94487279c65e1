//! Asks a host how it is, without a run.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use roboppi_hosts::{CarrierId, Frame, HostReport};
use roboppi_redact::Secrets;
use roboppi_workflow::HostSpec;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};

use super::carrier::{CarrierEnd, CarrierProcess, command};
use super::install::{install, own_program};

/// A host that has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedHost {
    /// What it tells of itself.
    pub report: HostReport,
    /// Time from the start of the carrier to the first answer.
    pub connected_in: Duration,
    /// Time of one question and its answer on a connection that is open.
    pub round_trip: Duration,
    /// How far its clock is ahead of the one here, in milliseconds; half the round trip is not known.
    pub clock_ahead_ms: i64,
    /// Where the program was copied to, if it was.
    pub installed: Option<String>,
}

/// Asks a host how it is, and waits for `limit` at most. With `may_install` the program is copied to a host that has none,
/// which takes as long as it takes.
///
/// Must run on a current-thread runtime with a [`LocalSet`](tokio::task::LocalSet).
///
/// # Errors
/// When it gives no answer: why, one line for people.
pub async fn ask_host(spec: &HostSpec, limit: Duration, may_install: bool) -> Result<AskedHost, String> {
    let own = own_program(spec).await;
    let words = command(spec, own);
    let secrets = Secrets::default();
    let mut installed = None;
    loop {
        let end = match ask(&words, limit).await? {
            Ok(asked) => return Ok(AskedHost { installed, ..asked }),
            Err(end) => end,
        };
        match own.filter(|_| end.needs_program()) {
            Some(own) if may_install && installed.is_none() => {
                installed = Some(install(spec, own, &end, &secrets).await?);
            }
            Some(_) => return Err(format!("{}; the first run copies it there", end.words)),
            None => return Err(end.detail),
        }
    }
}

async fn ask(words: &[String], limit: Duration) -> Result<Result<AskedHost, CarrierEnd>, String> {
    let began = Instant::now();
    let program = words.first().map(String::as_str).unwrap_or_default();
    let carrier = CarrierProcess::start(CarrierId(0), words, &Secrets::default());
    let mut carrier = carrier.map_err(|error| format!("{program} cannot be started: {error}"))?;
    let asked = timeout(limit, async {
        question(&mut carrier).await?;
        let connected_in = began.elapsed();
        let asked = Instant::now();
        let report = question(&mut carrier).await?;
        let round_trip = asked.elapsed();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let here = now.saturating_sub(round_trip / 2).as_millis();
        let clock_ahead_ms =
            i64::try_from(i128::from(report.time_ms) - i128::try_from(here).unwrap_or_default());
        let clock_ahead_ms = clock_ahead_ms.unwrap_or(i64::MAX);
        Some(AskedHost { report, connected_in, round_trip, clock_ahead_ms, installed: None })
    })
    .await;
    let why = if asked.is_err() {
        format!("no answer within {} s", limit.as_secs())
    } else {
        "no answer".to_owned()
    };
    let end = carrier.end(&why).await;
    Ok(asked.ok().flatten().ok_or(end))
}

/// One question and its answer; `None` when there is none.
async fn question(carrier: &mut CarrierProcess) -> Option<HostReport> {
    let mut bytes = Vec::new();
    Frame::Ask.encode(&mut bytes);
    carrier.stdin.as_mut()?.write_all(&bytes).await.ok()?;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match carrier.decoder.next_frame().ok()? {
            Some(Frame::Report(report)) => return Some(*report),
            Some(_) => {}
            None => match carrier.stdout.read(&mut buffer).await.ok()? {
                0 => return None,
                count => carrier.decoder.push(&buffer[..count]),
            },
        }
    }
}
