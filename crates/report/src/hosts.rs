//! The list of hosts, with how each of them is.

use std::time::Duration;

use roboppi_untrusted::first_words;
use serde_json::json;

use crate::table;

/// A difference of clocks that is shown, in milliseconds: less is as good as none.
const CLOCK: i64 = 1_000;

/// A host of the configuration, and what became of asking it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedHost {
    /// Its name.
    pub name: String,
    /// How it is reached: the destination of `ssh`, or the command.
    pub via: String,
    /// Words that select it.
    pub labels: Vec<String>,
    /// Steps that run there at a time; `None` for those of the run.
    pub concurrency: Option<u32>,
    /// How it is, or why that is not known.
    pub answer: Result<HostAnswer, String>,
}

/// How a host is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAnswer {
    /// Version of the program there.
    pub version: String,
    /// Operating system and architecture of the program there.
    pub platform: String,
    /// Number of its processors.
    pub cpus: u32,
    /// Time until the connection was there.
    pub connected_in: Duration,
    /// Time of a question and its answer after that.
    pub round_trip: Duration,
    /// How far its clock is ahead, in milliseconds.
    pub clock_ahead_ms: i64,
    /// Runs that have something there: a name for people, and whether it is live.
    pub runs: Vec<(String, bool)>,
    /// Where the program was copied to just now.
    pub installed: Option<String>,
}

/// The hosts as a table; those that did not answer last, with the reason.
#[must_use]
pub fn list(hosts: &[ListedHost]) -> String {
    let mut rows = vec![
        ["HOST", "STATE", "VERSION", "PLATFORM", "LATENCY", "CLOCK", "RUNS", "LABELS", "VIA"]
            .map(str::to_owned),
    ];
    let (reached, others): (Vec<_>, Vec<_>) = hosts.iter().partition(|host| host.answer.is_ok());
    for host in reached.into_iter().chain(others.iter().copied()) {
        let labels = if host.labels.is_empty() { "-".to_owned() } else { host.labels.join(",") };
        let via = first_words(&host.via);
        let unknown = || "-".to_owned();
        rows.push(match &host.answer {
            Ok(answer) => [
                host.name.clone(),
                "reachable".to_owned(),
                first_words(&answer.version),
                format!("{}, {} CPUs", first_words(&answer.platform), answer.cpus),
                format!("{:.1} ms", answer.round_trip.as_secs_f64() * 1e3),
                clock(answer.clock_ahead_ms),
                runs(&answer.runs),
                labels,
                via,
            ],
            Err(_) => [
                host.name.clone(),
                "unreachable".to_owned(),
                unknown(),
                unknown(),
                unknown(),
                unknown(),
                unknown(),
                labels,
                via,
            ],
        });
    }
    let mut text = table(&rows);
    for host in hosts {
        if let Ok(HostAnswer { installed: Some(path), .. }) = &host.answer {
            text.push_str(&format!("\n{}: copied roboppi to {}", host.name, first_words(path)));
        }
    }
    for host in others {
        let why = host.answer.as_ref().err().map(|why| first_words(why)).unwrap_or_default();
        text.push_str(&format!("\n{}: {why}", host.name));
    }
    if text.lines().count() > rows.len() {
        text.push('\n');
    }
    text
}

/// How far a clock is ahead or behind, as far as that matters.
fn clock(ahead_ms: i64) -> String {
    match ahead_ms {
        ahead if ahead.abs() < CLOCK => "same".to_owned(),
        ahead => format!(
            "{}{:.1} s",
            if ahead < 0 { '-' } else { '+' },
            Duration::from_millis(ahead.unsigned_abs()).as_secs_f64()
        ),
    }
}

fn runs(runs: &[(String, bool)]) -> String {
    if runs.is_empty() {
        return "-".to_owned();
    }
    let of =
        |(name, is_live): &(String, bool)| if *is_live { name.clone() } else { format!("{name} (left)") };
    runs.iter().map(of).collect::<Vec<_>>().join(",")
}

/// The hosts as a JSON array.
#[must_use]
pub fn array(hosts: &[ListedHost]) -> String {
    let entry = |host: &ListedHost| {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let mut entry = json!({
            "host": host.name,
            "via": host.via,
            "labels": host.labels,
            "concurrency": host.concurrency,
            "state": if host.answer.is_ok() { "reachable" } else { "unreachable" },
        });
        let more = match &host.answer {
            Err(why) => json!({ "reason": why }),
            Ok(answer) => json!({
                "version": answer.version,
                "platform": answer.platform,
                "cpus": answer.cpus,
                "connectedInMs": ms(answer.connected_in),
                "roundTripMicros": u64::try_from(answer.round_trip.as_micros()).unwrap_or(u64::MAX),
                "clockAheadMs": answer.clock_ahead_ms,
                "runs": answer.runs.iter().map(|(run, live)| json!({ "run": run, "live": live })).collect::<Vec<_>>(),
                "installed": answer.installed,
            }),
        };
        if let (Some(entry), serde_json::Value::Object(more)) = (entry.as_object_mut(), more) {
            entry.extend(more);
        }
        entry
    };
    format!("{:#}\n", json!(hosts.iter().map(entry).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_do_not_answer_are_last_with_the_reason() {
        let host = |name: &str, answer| ListedHost {
            name: name.to_owned(),
            via: format!("me@{name}"),
            labels: vec!["web".to_owned()],
            concurrency: None,
            answer,
        };
        let answer = HostAnswer {
            version: "0.1.0".to_owned(),
            platform: "linux x86_64".to_owned(),
            cpus: 4,
            connected_in: Duration::from_millis(300),
            round_trip: Duration::from_micros(440),
            clock_ahead_ms: -3_600_000,
            runs: vec![("r17".to_owned(), true), ("r9".to_owned(), false)],
            installed: None,
        };
        let hosts = [host("a", Err("Permission denied\u{1b}[31m".to_owned())), host("b", Ok(answer))];
        assert_eq!(
            list(&hosts),
            "HOST  STATE        VERSION  PLATFORM              LATENCY  CLOCK      RUNS           LABELS  VIA\n\
             b     reachable    0.1.0    linux x86_64, 4 CPUs  0.4 ms   -3600.0 s  r17,r9 (left)  web     me@b\n\
             a     unreachable  -        -                     -        -          -              web     me@a\n\
             \n\
             a: Permission denied\n"
        );
        let array: serde_json::Value = serde_json::from_str(&array(&hosts)).unwrap();
        assert_eq!(
            (&array[0]["state"], &array[1]["clockAheadMs"]),
            (&json!("unreachable"), &json!(-3_600_000))
        );
    }
}
