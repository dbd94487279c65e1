//! A request to a server beside a run: a collector of traces, a webhook.
//!
//! `http:` is spoken by this program, `https:` by `curl`, which has the certificates and the proxies of the system: TLS of
//! our own would make the program a tenth larger for those that use neither.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use roboppi_process::end_with_starter;
use roboppi_process::inherited::give_back;

use crate::programs::find;

/// How often it is looked whether a program has ended.
const RHYTHM: Duration = Duration::from_millis(5);

/// Where curl finds the body: it is its standard error, which it has no use for.
const BODY: &str = "/proc/self/fd/2";

/// What is sent.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) url: String,
    /// Names and values, without those that every request has.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Why a request failed, without its URL and its headers, which may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PostError {
    pub(crate) message: String,
    /// Whether another try may help.
    pub(crate) is_transient: bool,
}

impl PostError {
    fn transient(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_transient: true }
    }

    fn lasting(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_transient: false }
    }
}

/// The user of a URL with the password: `ci:key` in `https://ci:key@example.org/`.
fn user(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    authority.rsplit_once('@').map(|(user, _)| user)
}

/// The password in a URL, which must not be seen.
pub(crate) fn password(url: &str) -> Option<&str> {
    user(url)?.split_once(':').map(|(_, password)| password).filter(|password| !password.is_empty())
}

/// Whether a URL can be requested; if not, why, without the URL.
pub(crate) fn check_url(url: &str) -> Result<(), String> {
    let lower = url.to_ascii_lowercase();
    let rest = lower.strip_prefix("http://").or_else(|| lower.strip_prefix("https://"));
    match rest {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => Err("the URL names no host".to_owned()),
        Some(_) if lower.starts_with("http:") && user(url).is_some() => {
            Err("the URL has a user name, which is sent with https only".to_owned())
        }
        Some(_) if url.chars().all(|char| char.is_ascii_graphic()) => Ok(()),
        Some(_) => Err("the URL has characters that must be percent-encoded".to_owned()),
        None => Err("the URL must begin with http:// or https://".to_owned()),
    }
}

/// Sends a request and waits for the status of its answer, no longer than `limit`. Blocks, so it needs a thread.
pub(crate) fn post(post: &Post, limit: Duration) -> Result<(), PostError> {
    check_url(&post.url).map_err(PostError::lasting)?;
    let has_control = |text: &str| text.chars().any(|char| char.is_control() || !char.is_ascii());
    if post.headers.iter().any(|(name, value)| has_control(name) || has_control(value)) {
        return Err(PostError::lasting("a header has a character that is not allowed there"));
    }
    let status = if post.url.to_ascii_lowercase().starts_with("https:") {
        by_curl(post, limit)?
    } else {
        directly(post, limit)?
    };
    match status {
        200..=299 => Ok(()),
        408 | 429 | 500..=599 => {
            Err(PostError::transient(format!("the server answered with status {status}")))
        }
        _ => Err(PostError::lasting(format!("the server answered with status {status}"))),
    }
}

fn directly(post: &Post, limit: Duration) -> Result<u16, PostError> {
    // It knows whole seconds only, so this may be up to one second too long; the caller has a limit of its own.
    let seconds = limit.as_millis().div_ceil(1_000).max(1).try_into().unwrap_or(u64::MAX);
    let request = minreq::post(post.url.as_str())
        .with_timeout(seconds)
        .with_follow_redirects(false)
        .with_headers(post.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
        .with_body(post.body.as_slice());
    let answer = request.send_lazy().map_err(|error| PostError::transient(error.to_string()))?;
    Ok(answer.status_code)
}

/// What curl is told on its standard input: no process sees headers that way.
fn curl_config(post: &Post, body: &str, limit: Duration) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    // To curl, no time at all is no limit; and without `globoff` brackets and braces in a URL are several URLs.
    let limit = limit.max(Duration::from_millis(1));
    let mut config = format!(
        "url = \"{}\"\ngloboff\nrequest = POST\nmax-time = {:.3}\nsilent\noutput = /dev/null\nwrite-out = \"%{{http_code}}\"\n\
         data-binary = \"@{}\"\n",
        quoted(&post.url),
        limit.as_secs_f64(),
        quoted(body),
    );
    for (name, value) in &post.headers {
        let (name, value) = (quoted(name), quoted(value));
        config.push_str(&match value.trim() {
            // With a colon and nothing behind it, curl would leave the header out.
            "" => format!("header = \"{name};\"\n"),
            value => format!("header = \"{name}: {value}\"\n"),
        });
    }
    config
}

fn by_curl(post: &Post, limit: Duration) -> Result<u16, PostError> {
    let program = find("curl")
        .ok_or_else(|| PostError::lasting("https needs the program `curl`, which is not in PATH"))?;
    let of_system = |error: io::Error| PostError::transient(error.to_string());
    let body = unnamed(&post.body).map_err(of_system)?;
    let mut command = Command::new(program);
    // Nothing of a configuration file of the user.
    command.args(["--disable", "--config", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::from(body));
    give_back(&mut command);
    end_with_starter(&mut command);
    let mut curl = command.spawn().map_err(of_system)?;
    let config = curl_config(post, BODY, limit);
    if let Some(mut stdin) = curl.stdin.take() {
        // One that has ended already is seen below.
        let _ = stdin.write_all(config.as_bytes());
    }
    let ended = end_within(&mut curl, limit + Duration::from_millis(200));
    let mut status = String::new();
    if ended && let Some(stdout) = curl.stdout.take() {
        let _ = io::Read::read_to_string(&mut io::Read::take(stdout, 16), &mut status);
    }
    match status.trim().parse() {
        Ok(0) | Err(_) => Err(PostError::transient("curl got no answer")),
        Ok(status) => Ok(status),
    }
}

/// A file with these bytes that has no name, so nothing is left of it whenever this process ends. It can only be read: what
/// curl has to complain of does not get into what it sends.
fn unnamed(bytes: &[u8]) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Waits for the end of a program, and kills it when that does not come in time.
pub(crate) fn end_within(child: &mut Child, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(_)) => return true,
            Ok(None) if Instant::now() < end => thread::sleep(RHYTHM),
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_http_with_a_host() {
        for good in ["http://localhost:4318/v1/traces", "HTTPS://example.org/a?b=c&d=%20"] {
            assert_eq!(check_url(good), Ok(()), "{good}");
        }
        for bad in
            ["", "localhost:4318", "ftp://a/", "http://", "http:///a", "http://a/b c", "http://a/\r\nX: y"]
        {
            assert!(check_url(bad).is_err(), "{bad}");
        }
        assert!(check_url("http://ci:key@example.org/").is_err());
        assert_eq!(check_url("https://ci:key@example.org/"), Ok(()));
    }

    #[test]
    fn a_password_is_found_in_a_url() {
        for (url, found) in [
            ("https://ci:key@example.org/", Some("key")),
            ("http://ci:a:b@c@example.org:80?x", Some("a:b@c")),
            ("https://token@example.org/", None),
            ("https://example.org/a:b@c", None),
            ("ci:key@example.org", None),
        ] {
            assert_eq!(password(url), found, "{url}");
        }
    }

    #[test]
    fn no_value_adds_an_option_of_curl() {
        let post = Post {
            url: "https://example.org/\"x".to_owned(),
            headers: vec![("X-Key".to_owned(), "a\"b\\c".to_owned()), ("X-Empty".to_owned(), String::new())],
            body: Vec::new(),
        };
        let config = curl_config(&post, "/tmp/body", Duration::from_millis(1_500));
        assert!(config.contains("url = \"https://example.org/\\\"x\"\n"), "{config}");
        assert!(config.contains("header = \"X-Key: a\\\"b\\\\c\"\n"), "{config}");
        assert!(config.contains("max-time = 1.500\n"), "{config}");
        assert!(config.contains("header = \"X-Empty;\"\n") && config.contains("\ngloboff\n"), "{config}");
        let config = curl_config(&post, BODY, Duration::from_nanos(1));
        assert!(config.contains("max-time = 0.001\n"), "{config}");
        let bad = Post {
            url: "http://localhost:1/".to_owned(),
            headers: vec![("A".to_owned(), "b\r\nC: d".to_owned())],
            body: Vec::new(),
        };
        let error = super::post(&bad, Duration::from_secs(1)).unwrap_err();
        assert!(!error.is_transient && error.message.contains("header"), "{error:?}");
    }
}
