//! Who is let in: TLS, passwords and codes, roles, addresses.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, Mac as _};
use nix::sys::signal::Signal::SIGTERM;
use serde_json::json;
use sha1::Sha1;

use super::client::Served;
use super::with_a_run;
use crate::env::TestEnv;

/// A certificate of `localhost` and `127.0.0.1` by itself, good for a hundred years, and its key.
const CERTIFICATE: &str = include_str!("localhost.pem");
const KEY: &str = include_str!("localhost.key");

/// The secret of an authenticator, as base32 and as bytes.
const TOTP: (&str, &[u8]) = ("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", b"12345678901234567890");

/// A file for its owner alone.
fn private(env: &TestEnv, name: &str, text: &str) -> String {
    let file = env.write(name, text);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file.to_str().unwrap().to_owned()
}

/// The code of an authenticator (RFC 6238), `ahead` steps from now.
fn code(ahead: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut mac = Hmac::<Sha1>::new_from_slice(TOTP.1).unwrap();
    mac.update(&(now / 30 + ahead).to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let at = usize::from(hash[19] & 0xf);
    let word = u32::from_be_bytes([hash[at] & 0x7f, hash[at + 1], hash[at + 2], hash[at + 3]]);
    format!("{:06}", word % 1_000_000)
}

#[test]
fn with_a_certificate_the_server_speaks_tls_alone() {
    let env = with_a_run();
    let (certificate, key) = (private(&env, "cert.pem", CERTIFICATE), private(&env, "key.pem", KEY));
    let token = private(&env, "token", "the token of operators");
    let serve = |more: &[&str]| env.roboppi(["serve", "--tls-cert", &certificate]).args(more);
    let running = serve(&["--tls-key", &key, "--bind", "127.0.0.1:0", "--token-file", &token]).start();
    running.wait_for_text("https://127.0.0.1:");
    let printed = running.printed();
    let url = printed.lines().next().unwrap();
    assert!(!url.contains("token"), "{url}");
    let curl = |arguments: &str| env.shell(&format!("curl -sS {arguments}")).output();
    let trusted = format!("--cacert {certificate}");
    let runs =
        curl(&format!("{trusted} -i -H 'Authorization: Bearer the token of operators' {url}api/v1/runs"));
    let runs = runs.code(0).text().to_lowercase();
    assert!(runs.contains("\"total\":1") && runs.contains("strict-transport-security"), "{runs}");
    let login = format!("{trusted} -i -d '{{\"token\":\"the token of operators\"}}' {url}api/v1/session");
    let login = curl(&login).code(0).text();
    assert!(login.contains("; Secure"), "{login}");
    // One who does not trust the certificate, and one who speaks no TLS.
    assert!(!curl(&format!("{url}healthz")).has_code(0));
    assert!(!curl(&url.replace("https", "http")).has_code(0));
    running.signal(SIGTERM);
    running.wait().code(0).text();

    let refused = |more: &[&str]| serve(more).output();
    let alone = refused(&["--tls-key", &key, "--bind", "0.0.0.0:0"]).code(2).all();
    assert!(alone.contains("hint:"), "TLS alone is no credential: {alone}");
    let bad = private(&env, "bad.pem", "no key\n");
    let text = refused(&["--tls-key", &bad, "--bind", "127.0.0.1:0"]).code(3).all();
    assert!(text.contains("bad.pem") && text.contains("no private key"), "{text}");
    let text = refused(&["--bind", "127.0.0.1:0"]).code(2).all();
    assert!(text.contains("--tls-key"), "{text}");
}

#[test]
fn a_password_needs_its_code_and_a_code_is_good_once() {
    let env = with_a_run();
    let password = private(&env, "password", "a password of operators\n");
    let totp = private(&env, "totp", TOTP.0);
    let served = Served::start_with_link(&env, &["--password-file", &password, "--totp-file", &totp]);
    assert_eq!(served.link(), "/", "there is no token to print");
    let asked = served.request("GET", "/api/v1/runs", &[], "");
    assert_eq!((asked.status, &asked.json()["login"]), (401, &json!("password+totp")));
    let log_in = |password: &str, code: &str| {
        served.request(
            "POST",
            "/api/v1/session",
            &[],
            &json!({"password": password, "totp": code}).to_string(),
        )
    };
    let right = "a password of operators";
    let used = code(0);
    assert_eq!(log_in("a wrong password", &code(0)).status, 401);
    assert_eq!(log_in(right, "").status, 401);
    let reply = log_in(right, &used);
    assert_eq!(reply.status, 204, "{}", reply.text());
    let cookie = reply.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let session = served.request("GET", "/api/v1/session", &[("Cookie", &cookie)], "");
    assert_eq!((session.status, &session.json()["role"]), (200, &json!("operator")));
    assert_eq!(log_in(right, &used).status, 401, "once");
    // The next one is good already: clocks differ.
    assert_eq!(log_in(right, &code(1)).status, 204);
    served.end();
    let text = env.roboppi(["serve", "--totp-file", &totp]).output().code(2).all();
    assert!(text.contains("--password-file"), "{text}");
}

#[test]
fn an_address_waits_after_five_attempts_and_others_do_not() {
    let env = with_a_run();
    let served = Served::start(&env, &["--trust-forwarded"]);
    let bearer = served.bearer();
    let from = |address: &str, token: &str| {
        let headers = [("X-Forwarded-For", address), ("Authorization", token)];
        served.request("GET", "/api/v1/runs", &headers, "").status
    };
    // The fifth one is told that it has to wait.
    for attempt in 1..=5 {
        let expected = if attempt < 5 { 401 } else { 429 };
        assert_eq!(from("192.0.2.1", "Bearer wrong"), expected, "{attempt}");
    }
    assert_eq!((from("192.0.2.1", "Bearer wrong"), from("192.0.2.1", &bearer)), (429, 429));
    assert_eq!(from("192.0.2.2", &bearer), 200, "another address");
    served.end();
    // Without that option nobody chooses an address.
    let served = Served::start(&env, &[]);
    for number in 1..=6 {
        let address = format!("192.0.2.{number}");
        let headers = [("X-Forwarded-For", address.as_str()), ("Authorization", "Bearer wrong")];
        let status = served.request("GET", "/api/v1/runs", &headers, "").status;
        assert_eq!(status, if number < 5 { 401 } else { 429 });
    }
    served.end();
}

#[test]
fn a_server_that_only_reads_makes_readers_of_operators() {
    let env = with_a_run();
    env.write("flow.yaml", &crate::flow::Flow::of("echo").text());
    let served = Served::start(&env, &["--read-only", "--workflow", "flow.yaml"]);
    let session = served.own("GET", "/api/v1/session", "").json();
    assert_eq!((&session["role"], &session["workflows"]), (&json!("reader"), &json!([])));
    for (route, body) in
        [("/api/v1/runs/r1/commands", r#"{"command":"cancel"}"#), ("/api/v1/workflows/w1/runs", "")]
    {
        let reply = served.own("POST", route, body);
        assert_eq!(reply.status, 403, "{route}: {}", reply.text());
    }
    assert_eq!(env.runs().len(), 1);
    assert_eq!(served.own("GET", "/api/v1/runs/r1", "").status, 200);
    served.end();
}
