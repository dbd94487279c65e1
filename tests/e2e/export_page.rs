//! `roboppi export --format html`: a run as one page in a file. `crates/web/app/tests/real/export.test.mjs` opens it in a browser.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal::SIGINT;
use serde_json::{Value, json};

use crate::env::TestEnv;
use crate::flow::Flow;

/// A page that was exported.
struct Page {
    html: String,
    record: Value,
    /// What the command said.
    said: String,
}

impl Page {
    fn export(env: &TestEnv, arguments: &[&str]) -> Self {
        let said =
            env.roboppi(["export", "-1", "--format", "html", "-o", "run.html"]).args(arguments).output();
        let said = said.code(0);
        assert!(said.stdout.is_empty());
        Self::read(fs::read_to_string(env.work().join("run.html")).unwrap(), said.stderr.clone())
    }

    fn read(html: String, said: String) -> Self {
        let (_, rest) = html.split_once("id=\"roboppi-record\">").unwrap();
        let (record, _) = rest.split_once("</script>").unwrap();
        let record = serde_json::from_str(record).unwrap();
        Self { html, record, said }
    }

    fn attempt(&self, id: &str) -> &Value {
        let run = self.record["runs"][0]["id"].as_str().unwrap();
        &self.record["attempts"][run][id]
    }

    /// Numbers and texts of the lines of an attempt.
    fn lines(&self, id: &str) -> Vec<(u64, &str)> {
        let lines = self.attempt(id)["lines"].as_array().unwrap();
        lines.iter().map(|line| (line["n"].as_u64().unwrap(), line["text"].as_str().unwrap())).collect()
    }
}

#[test]
fn the_page_is_one_file_with_the_whole_run() {
    let env = TestEnv::new();
    let flow = Flow::new().step("build", "echo built; printf '\\033[31mcareful\\033[0m\\n' >&2").step_with(
        "test it",
        "echo broken; exit 3",
        &["depends_on: [build]"],
    );
    let _ = env.run(&flow).output().code(1);
    let page = Page::export(&env, &[]);
    assert_eq!(page.said, "");
    let file = env.work().join("run.html");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    let run = &page.record["runs"][0];
    assert_eq!(
        (&page.record["version"], &run["state"], &run["handle"]),
        (&json!(1), &json!("failed"), &json!("r1"))
    );
    let steps: Vec<_> = run["steps"].as_array().unwrap().iter().map(|step| &step["state"]).collect();
    assert_eq!(steps, ["succeeded", "failed"]);
    assert_eq!(page.lines("test it"), [(0, "broken")]);
    let lines = page.lines("build");
    assert!(lines.contains(&(0, "built")) || lines.contains(&(1, "built")), "{lines:?}");
    assert!(lines.iter().any(|(_, text)| text.starts_with("\u{1b}[31mcareful\u{1b}[0m")), "{lines:?}");
    for attempt in ["build", "test it"] {
        let log = &page.attempt(attempt)["log"];
        assert_eq!((&log["complete"], &log["gaps"]), (&json!(true), &json!([])), "{log}");
    }
    assert_eq!(page.record["leftOut"], json!([]));
    // Nothing comes from elsewhere: no source, no link, and a policy that allows only what is in the file.
    for source in [" src=", "<link", "http-equiv=\"refresh\"", "<base"] {
        assert!(!page.html.contains(source), "{source}");
    }
    let policy = page.html.split("Content-Security-Policy\" content=\"").nth(1).unwrap();
    let policy = policy.split('"').next().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    // The same to a pipe.
    let piped = env.roboppi(["export", "r1", "--format", "html"]).output().code(0).text();
    assert_eq!(Page::read(piped, String::new()).record["runs"], page.record["runs"]);
}

#[test]
fn a_hostile_log_stays_in_its_place() {
    let env = TestEnv::new();
    let hostile = "</script><script>owned()</script> <!-- <script> --> ]]> &lt;";
    env.write("hostile", &format!("{hostile}\n\u{1b}]0;owned\u{7}title\n"));
    let flow = Flow::new().with("name: \"</title><script>owned()</script>\"").step("work", "cat hostile");
    let _ = env.run(&flow).output().code(0);
    let page = Page::export(&env, &[]);
    assert_eq!(page.lines("work")[0].1, hostile);
    assert_eq!(page.lines("work")[1].1, "title");
    assert_eq!(page.record["runs"][0]["name"], "</title><script>owned()</script>");
    let lower = page.html.to_lowercase();
    assert_eq!((lower.matches("<script").count(), lower.matches("</script").count()), (2, 2));
    assert_eq!((lower.matches("<title>").count(), lower.matches("<!--").count()), (1, 0));
    assert!(!page.html.contains('\u{1b}'), "an escape sequence is escaped as JSON");
}

#[test]
fn the_file_keeps_its_bound_and_says_what_was_left_out() {
    let env = TestEnv::new();
    let flow = Flow::new()
        .with("concurrency: 4")
        .step("short", "echo short")
        .step("long", "seq 1 60000")
        .step("bad", "seq 1 60000; exit 3")
        .step("wide", "head -c 40000 /dev/zero | tr '\\0' x");
    let _ = env.run(&flow).output().code(1);
    let whole = Page::export(&env, &[]);
    assert_eq!(whole.lines("long").len(), 60_000);
    for bound in [300_000_u64, 1_000_000, 3_000_000] {
        let page = Page::export(&env, &["--max-size", &bound.to_string()]);
        let len = page.html.len() as u64;
        assert!(len <= bound && bound - len < 48 * 1024, "{len} of {bound}");
        assert_eq!(page.lines("short"), [(0, "short")], "what is small is whole");
        let (long, bad) = (page.lines("long"), page.lines("bad"));
        assert!(bad.len() > 2 * long.len(), "a failed step has more room: {} and {}", bad.len(), long.len());
        for (step, lines) in [("long", &long), ("bad", &bad)] {
            // Each line is the one of its number, at the beginning and at the end, and between them is one gap.
            assert!(lines.iter().all(|(n, text)| *text == (n + 1).to_string()), "{step}");
            assert_eq!((lines[0].0, lines.last().unwrap().0), (0, 59_999), "{step}");
            let holes: Vec<_> = lines.windows(2).filter(|pair| pair[0].0 + 1 != pair[1].0).collect();
            assert_eq!(holes.len(), 1, "{step}");
            let log = &page.attempt(step)["log"];
            assert_eq!((&log["complete"], &log["total"]), (&json!(false), &json!(60_000)));
            let gap = &log["gaps"][0];
            let shown =
                |range: &[(u64, &str)]| range.iter().map(|(_, text)| text.len() as u64 + 1).sum::<u64>();
            let size = shown(lines) + gap["to"].as_u64().unwrap() - gap["from"].as_u64().unwrap();
            assert_eq!(size, log["bytes"].as_u64().unwrap(), "the gap has the bytes that are not shown");
            let said = format!("lines {} to {} of the log of {step}", holes[0][0].0 + 2, holes[0][1].0);
            assert!(page.said.contains(&said), "{said}: {}", page.said);
            let listed = page.record["leftOut"].as_array().unwrap();
            assert!(listed.iter().any(|what| *what == said.as_str()), "{listed:?}");
        }
        assert!(page.said.contains("of the log of wide"), "{}", page.said);
        assert!(page.said.contains("--max-size"), "{}", page.said);
    }
    let small = env.roboppi(["export", "-1", "--format", "html", "--max-size", "10k", "-o", "small.html"]);
    let small = small.output().code(2).stderr;
    assert!(small.contains("at most 10240 are allowed") && small.contains("hint: --max-size"), "{small}");
    assert!(!env.work().join("small.html").exists());
    let other = env.roboppi(["export", "-1", "--max-size", "1m"]).output().code(2).stderr;
    assert!(other.contains("--format html"), "{other}");
    let step = env.roboppi(["export", "-1", "long", "--format", "html"]).output().code(2).stderr;
    assert!(step.contains("leave STEP out"), "{step}");
}

#[test]
fn no_secret_is_in_the_file() {
    const CANARY: &str = "c4nary/9f+86d0=8<kill";
    let env = TestEnv::new();
    let script = "echo \"begin $DEPLOY_TOKEN end\"; printf %s \"$DEPLOY_TOKEN\" | base64 -w0; echo \"::progress percent=5::$DEPLOY_TOKEN\"";
    let _ = env.run(&Flow::of(script)).env("DEPLOY_TOKEN", CANARY).output().code(0);
    let page = Page::export(&env, &[]);
    assert!(page.lines("work")[0].1.starts_with("begin "), "{:?}", page.lines("work"));
    for spelling in [CANARY, &CANARY.replace('<', "\\u003c"), "YzRuYXJ5LzlmKzg2ZDA9ODxraWxs"] {
        assert!(!page.html.contains(spelling), "{spelling}");
    }
}

#[test]
fn a_live_run_is_shown_as_of_then_and_kept_steps_name_their_run() {
    let env = TestEnv::new();
    let run = env.run(&Flow::of("echo so far; echo up > up; sleep 1000")).start();
    env.wait_for_file("up");
    let page = Page::export(&env, &[]);
    assert_eq!(page.record["runs"][0]["state"], "running");
    let at = page.record["at"].as_u64().unwrap();
    assert!(at >= page.record["runs"][0]["startedAt"].as_u64().unwrap());
    assert!(page.said.contains("still going on"), "{}", page.said);
    assert_eq!(
        (page.lines("work"), &page.attempt("work")["log"]["complete"]),
        (vec![(0, "so far")], &json!(false))
    );
    run.signal(SIGINT);
    let _ = run.wait().code(130);

    let flow =
        |second: &str| Flow::new().step("one", "echo one").step_with("two", second, &["depends_on: [one]"]);
    let _ = env.run(&flow("exit 3")).output().code(1);
    let _ = env.run(&flow("echo two")).args(["--resume", "-1"]).output().code(0);
    let page = Page::export(&env, &[]);
    assert!(page.said.contains("not in it: the logs of one, which run"), "{}", page.said);
    assert_eq!(page.lines("two"), [(0, "two")]);
}
