//! `roboppi export` and `roboppi import`.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use nix::sys::signal::Signal::SIGINT;
use serde_json::Value;

use crate::env::TestEnv;
use crate::flow::Flow;

/// What an archive holds, by name.
fn unpacked(path: &Path) -> HashMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(zstd::Decoder::new(fs::File::open(path).unwrap()).unwrap());
    let mut found = HashMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut content = Vec::new();
        std::io::copy(&mut entry, &mut content).unwrap();
        found.insert(name, content);
    }
    found
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn on_another_machine_every_command_reads_it() {
    let (here, there) = (TestEnv::new(), TestEnv::new());
    let flow = Flow::new()
        .step("build", "echo built; echo careful >&2; echo '::progress percent=50::half'")
        .step_with("test it", "echo broken; exit 3", &["depends_on: [build]"]);
    let _ = here.run(&flow).output().code(1);
    let file = here.path("run.tar.zst");
    let said = here.roboppi(["export", "-1", "-o"]).arg(&file).output().code(0);
    assert!(said.stdout.is_empty() && said.stderr.contains("run.tar.zst"), "{}", said.all());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);

    let taken = there.roboppi(["import"]).arg(&file).output().code(0).text();
    let id = here.the_run().dir.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(taken.starts_with(&format!("r1: {id} from ")), "{taken}");
    for arguments in [
        &["logs"][..],
        &["logs", "r1", "test it", "--timestamps"],
        &["events", "--json"],
        &["events", "--workers", "--json"],
        &["logs", "--all", "--stream", "stderr"],
        &["logs", "-f"],
    ] {
        let read = |env: &TestEnv| env.roboppi(arguments).output().code(0).text();
        assert_eq!(read(&there), read(&here), "{arguments:?}");
    }
    let page = there.roboppi(["show"]).output().code(0).text();
    assert!(page.contains("test it failed") && page.contains("| broken") && page.contains("from "), "{page}");
    for command in [&["attach"][..], &["replay", "--speed", "max"]] {
        // What workers did may come in another order, and output in other pieces.
        let journal = |env: &TestEnv| {
            let text = env.roboppi(command).args(["--output", "json"]).output().code(0).text();
            let lines = text.lines().filter(|line| !line.contains("\"attempt\":{")).map(str::to_owned);
            lines.collect::<Vec<_>>()
        };
        assert_eq!(journal(&there), journal(&here), "{command:?}");
        let mut screen = there.roboppi(command).start_in_terminal(30, 110);
        screen.wait_for_text("failed: step test it");
        screen.press("2");
        screen.wait_for_text("broken");
        screen.press("q");
        screen.expect_code(0);
    }
    let listed = json(&there.roboppi(["runs", "--json"]).output().code(0).text());
    assert_eq!((&listed[0]["state"], &listed[0]["stepsDone"]), (&"failed".into(), &2.into()));
    assert!(listed[0]["importedFrom"].is_string(), "{listed}");
    let listed = there.roboppi(["runs"]).output().code(0).text();
    assert!(listed.contains("failed, imported"), "{listed}");

    let again = there.roboppi(["import"]).arg(&file).output().code(2);
    assert!(again.stderr.contains(&id) && again.stderr.contains("--as"), "{}", again.stderr);
    let _ = there.roboppi(["import", "--as", "mine"]).arg(&file).output().code(0);
    let of_build = |env: &TestEnv, run: &str| env.roboppi(["logs", run, "build"]).output().code(0).text();
    assert_eq!(of_build(&there, "mine"), of_build(&here, "-1"));
    let hostile = there.roboppi(["import", "--as", "../mine"]).arg(&file).output().code(2);
    assert!(hostile.stderr.contains("is not a run id"), "{}", hostile.stderr);
    let small = there.roboppi(["import", "--as", "tiny", "--max-size", "1k"]).arg(&file).output().code(2);
    assert!(small.stderr.contains("--max-size"), "{}", small.stderr);
    assert_eq!(there.runs().len(), 2);
    // From pipe to pipe, and from there on to a third machine.
    let third = TestEnv::new();
    let pipe = there.shell("$ROBOPPI export mine | ROBOPPI_STATE_DIR=$THIRD $ROBOPPI import -");
    let _ = pipe.env("THIRD", third.path("state/roboppi")).output().code(0);
    assert_eq!(
        third.roboppi(["logs"]).output().code(0).text(),
        here.roboppi(["logs"]).output().code(0).text()
    );
}

#[test]
fn a_live_run_is_exported_as_it_stands_and_never_counts_as_live_elsewhere() {
    let (here, there) = (TestEnv::new(), TestEnv::new());
    let run = here.run(&Flow::of("echo so far; echo up > up; sleep 1000")).start();
    here.wait_for_file("up");
    let journal = fs::read(here.the_run().dir.join("journal.jsonl")).unwrap();
    let file = here.path("live.tar.zst");
    let said = here.roboppi(["export", "-1", "-o"]).arg(&file).output().code(0);
    assert!(said.stderr.contains("still going on"), "{}", said.stderr);
    assert!(fs::read(here.the_run().dir.join("journal.jsonl")).unwrap().starts_with(&journal));
    let _ = there.roboppi(["import"]).arg(&file).output().code(0);
    let listed = json(&there.roboppi(["runs", "--json"]).output().code(0).text());
    assert_eq!(listed[0]["state"], "lost", "it runs, but not here: {listed}");
    // Nobody waits for what cannot come.
    assert_eq!(there.roboppi(["logs", "-f"]).output().code(0).text(), "==> work <==\nso far\n");
    let page = there.roboppi(["show"]).output().code(0).text();
    assert!(page.contains("It was going on when it was exported"), "{page}");
    run.signal(SIGINT);
    let _ = run.wait().code(130);
}

#[test]
fn what_was_hidden_is_not_in_it() {
    let env = TestEnv::new();
    let flow = Flow::of(r#"echo "the token is $API_TOKEN"; echo "::progress percent=1::$API_TOKEN""#);
    let secret = "s3cr3t-4nd-l0ng-en0ugh";
    let _ = env.run(&flow).env("API_TOKEN", secret).output().code(0);
    let file = env.path("run.tar.zst");
    let _ = env.roboppi(["export", "-1", "-o"]).arg(&file).output().code(0);
    let run = env.the_run();
    fs::write(run.dir.join("notes"), secret).unwrap();
    let files = unpacked(&file);
    assert!(files.keys().any(|name| name.ends_with("steps/work/i1-a1.log")), "{:?}", files.keys());
    for (name, content) in files {
        assert!(memchr::memmem::find(&content, secret.as_bytes()).is_none(), "{name}");
    }
    let text = env.roboppi(["export", "-1", "work"]).output().code(0).text();
    assert!(text.contains("the token is ***") && !text.contains(secret), "{text}");
}

#[test]
fn a_step_is_written_with_a_header_times_streams_and_a_footer() {
    let env = TestEnv::new();
    let script = "echo one\necho two >&2\necho three";
    let _ = env.run(&Flow::new().step("build", script).step("bad", "echo no; exit 7")).output().code(1);
    let text = env.roboppi(["export", "-1", "build", "--format", "txt"]).output().code(0).text();
    let lines: Vec<_> = text.lines().collect();
    let manifest = json(&fs::read_to_string(env.the_run().dir.join("run.json")).unwrap());
    assert_eq!(lines[0], "Command: echo one …");
    let iso = |text: &str| text.len() == 20 && text.ends_with('Z') && text.as_bytes()[10] == b'T';
    assert!(lines[1].strip_prefix("Started: ").is_some_and(iso), "{text}");
    assert_eq!(lines[2], format!("Host: {}", manifest["host"].as_str().unwrap()));
    assert_eq!(lines[3], "");
    // Which of two pipes is read first is nobody's choice.
    let mut body: Vec<_> = lines[4..7]
        .iter()
        .map(|line| {
            let (time, text) = line.split_at(11);
            let digits = time.bytes().filter(u8::is_ascii_digit).count();
            assert!(time.starts_with('[') && time.ends_with("] ") && digits == 6, "{line}");
            text
        })
        .collect();
    body.sort_unstable();
    assert_eq!(body, ["[ERR] two", "one", "three"]);
    assert_eq!(lines[7], "");
    assert!(lines[8].strip_prefix("Completed: ").is_some_and(iso), "{text}");
    assert_eq!(lines[9..], ["Exit code: 0"]);
    let bad = env.roboppi(["export", "-1", "bad"]).output().code(0).text();
    assert!(bad.ends_with("\nExit code: 7\n"), "{bad}");

    let object = json(&env.roboppi(["export", "-1", "build", "--format", "json"]).output().code(0).text());
    assert_eq!((&object["command"], &object["exitCode"]), (&script.into(), &0.into()));
    let mut lines: Vec<_> = object["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["stream"].as_str().unwrap(), line["text"].as_str().unwrap()))
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, [("stderr", "two"), ("stdout", "one"), ("stdout", "three")]);
    assert!(object["lines"][0]["time"].is_string() && object["completed"].is_string(), "{object}");
    assert_eq!((&object["step"], &object["attempt"]), (&"build".into(), &1.into()));

    let refused = env.roboppi(["export", "-1", "nothing"]).output().code(2).stderr;
    assert!(refused.contains("build, bad"), "{refused}");
    let refused = env.roboppi(["export", "-1", "--format", "txt"]).output().code(2).stderr;
    assert!(refused.contains("which step"), "{refused}");
}

#[test]
fn a_killed_step_has_a_footer_too() {
    let env = TestEnv::new();
    let run = env.run(&Flow::of("echo up; echo up > up; sleep 1000")).args(["--grace", "100ms"]).start();
    env.wait_for_file("up");
    let live = env.roboppi(["export", "-1", "work"]).output().code(0).text();
    assert!(live.ends_with("\nCompleted: not yet\n"), "{live}");
    run.signal(SIGINT);
    let _ = run.wait().code(130);
    let text = env.roboppi(["export", "-1", "work"]).output().code(0).text();
    let footer = text.rsplit_once("\n\n").unwrap().1;
    assert!(footer.starts_with("Completed: 2") && footer.contains("\nExit code: "), "{text}");
}

#[test]
fn a_trace_nests_and_is_in_order_of_time() {
    let env = TestEnv::new();
    let flow = Flow::new()
        .step_with(
            "flaky",
            "[ -e tried ] || { touch tried; exit 1; }",
            &["on_failure: retry", "max_retries: 2"],
        )
        .step("beside", "sleep 0.05");
    let _ = env.run(&flow).output().code(0);
    let file = env.path("trace.json");
    let _ = env.roboppi(["export", "-1", "--format", "perfetto", "-o"]).arg(&file).output().code(0);
    let trace = json(&fs::read_to_string(&file).unwrap());
    let events = trace["traceEvents"].as_array().unwrap();
    let of_phase = |phase: &str| events.iter().filter(move |event| event["ph"] == phase).collect::<Vec<_>>();
    let tracks: HashMap<_, _> = of_phase("M")
        .iter()
        .filter(|event| event["name"] == "thread_name")
        .map(|event| (event["args"]["name"].as_str().unwrap().to_owned(), event["tid"].as_u64().unwrap()))
        .collect();
    assert_eq!(tracks.len(), 3, "the run and its steps: {tracks:?}");
    let slices = of_phase("X");
    let names = |track: &str| -> Vec<_> {
        let of_track = slices.iter().filter(|slice| slice["tid"] == tracks[track]);
        of_track.map(|slice| slice["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("run"), ["flow"]);
    assert_eq!(names("flaky"), ["flaky", "waits for a retry", "flaky, attempt 2"]);
    assert_eq!(names("beside"), ["beside"]);
    let number =
        |event: &Value, field: &str| event[field].as_u64().unwrap_or_else(|| panic!("{field}: {event}"));
    let times: Vec<_> = events.iter().map(|event| number(event, "ts")).collect();
    assert!(times.is_sorted(), "{times:?}");
    let whole = slices.iter().find(|slice| slice["cat"] == "run").unwrap();
    for slice in &slices {
        let (from, to) = (number(slice, "ts"), number(slice, "ts") + number(slice, "dur"));
        assert!(from >= number(whole, "ts") && to <= number(whole, "ts") + number(whole, "dur"), "{slice}");
    }
    assert!(!of_phase("i").is_empty(), "the core has a mark");
    // With a name in a pipe, and with nobody who reads on.
    let cut = env.shell("$ROBOPPI export -1 --format perfetto | head -c 1; echo ${PIPESTATUS[0]}");
    assert_eq!(cut.output().code(0).text(), "{0\n");
}

#[test]
fn a_pipe_stays_a_pipe_and_a_link_a_link() {
    let env = TestEnv::new();
    // More than any pipe holds.
    let _ = env.run(&Flow::of("head -c 1000000 /dev/urandom | base64")).output().code(0);
    let logs = env.roboppi(["logs"]).output().code(0).stdout;
    for (arguments, is_whole) in [("-1", false), ("-1 work --format txt", true)] {
        let cut = format!("$ROBOPPI export {arguments} | head -c 1 | wc -c; echo ${{PIPESTATUS[0]}}");
        assert_eq!(env.shell(&cut).output().code(0).text(), "1\n0\n", "{arguments}");
        let through = format!(
            "rm -f pipe; mkfifo pipe; cat pipe > whole & $ROBOPPI export {arguments} -o pipe || exit 9; wait
             test -p pipe"
        );
        let _ = env.shell(&through).output().code(0);
        let whole = env.work().join("whole");
        let held = if is_whole {
            fs::read(&whole).unwrap().len() > logs.len()
        } else {
            unpacked(&whole).values().any(|content| *content == logs)
        };
        assert!(held, "{arguments}");
        env.write("file", "what was there before");
        let link = format!("ln -sf file link; $ROBOPPI export {arguments} -o link && test -L link");
        let _ = env.shell(&link).output().code(0);
        assert_ne!(fs::read(env.work().join("file")).unwrap(), b"what was there before", "{arguments}");
        let full = env.shell(&format!("$ROBOPPI export {arguments} > /dev/full")).output().code(125).stderr;
        assert!(full.contains("No space left"), "{full}");
    }
}

#[test]
fn damage_and_nonsense_are_said() {
    let env = TestEnv::new();
    let none = env.roboppi(["export", "-1", "-o", "x"]).output().code(2);
    assert!(none.stderr.contains("no run"), "{}", none.stderr);
    let _ = env.run(&Flow::of("echo hi")).output().code(0);
    fs::write(env.the_run().dir.join("run.json"), "{").unwrap();
    let said = env.roboppi(["export", "-1", "-o", "damaged.zst"]).output().code(3).stderr;
    assert!(said.contains("run.json:1: not what roboppi writes"), "{said}");
    let there = TestEnv::new();
    let _ = there.roboppi(["import"]).arg(env.work().join("damaged.zst")).output().code(0);
    let logs = there.roboppi(["logs"]).output().code(0);
    assert_eq!(logs.text(), "hi\n");
    env.write("garbage", "this is no archive");
    let refused = env.roboppi(["import", "garbage"]).output().code(2).stderr;
    assert!(refused.contains("garbage") && !refused.contains("panicked"), "{refused}");
    let mut whole = fs::read(env.work().join("damaged.zst")).unwrap();
    fs::write(env.work().join("cut"), &whole[..whole.len() - 2]).unwrap();
    whole.extend(b"and more");
    fs::write(env.work().join("longer"), whole).unwrap();
    for damaged in ["cut", "longer"] {
        let nobody = TestEnv::new();
        let refused = nobody.roboppi(["import"]).arg(env.work().join(damaged)).output().code(2).stderr;
        assert!(refused.contains("was not imported: it is damaged at its end"), "{refused}");
        assert_eq!(nobody.runs().len(), 0);
    }
    let absent = env.roboppi(["import", "absent"]).output().code(2).stderr;
    assert!(absent.contains("absent"), "{absent}");
    let nowhere = env.roboppi(["export", "-1", "-o", "no/such/dir/x"]).output().code(2).stderr;
    assert!(nowhere.contains("no/such/dir/x") && nowhere.contains("no directory no/such/dir"), "{nowhere}");
    let dir = env.roboppi(["export", "-1", "-o", "."]).output().code(2).stderr;
    assert!(dir.contains("is a directory"), "{dir}");
    for hostile in ["../x", "/etc", ""] {
        let refused = env.roboppi(["export", hostile, "-o", "x"]).output().code(2).stderr;
        assert!(refused.contains("no run"), "{refused}");
    }
    assert!(!env.work().join("x").exists());
}
