//! Files of a record that are not what was written: every reader says so, and none falls over.

use std::fs;
use std::path::{Path, PathBuf};

use crate::env::{Printed, TestEnv};
use crate::flow::Flow;

type Spoil = fn(&Path);

fn cut(path: &Path) {
    let len = fs::metadata(path).unwrap().len();
    fs::File::options().write(true).open(path).unwrap().set_len(len / 2).unwrap();
}

fn remove(path: &Path) {
    fs::remove_file(path).unwrap();
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn extend(path: &Path) {
    let len = fs::metadata(path).unwrap().len();
    fs::File::options().write(true).open(path).unwrap().set_len(len + 3_000).unwrap();
}

const WAYS: [(&str, Spoil); 4] = [("cut", cut), ("removed", remove), ("changed", flip), ("extended", extend)];

/// What each command says of a damaged run: exit code, and all that is printed.
fn look(env: &TestEnv, arguments: &[&str]) -> (i32, Printed) {
    let outcome = env.roboppi(arguments).output();
    let code = outcome.exit_code();
    (code, outcome.code(code))
}

#[test]
fn damage_of_every_file_is_noticed_by_every_reader() {
    let env = TestEnv::new();
    let script = "echo ::progress::half; seq 1 3000; echo oh >&2; seq 1 3000";
    let _ = env.run(&Flow::of(script)).output().code(0);
    let run = env.the_run();
    let base = run.log_path("work", 1);
    let files: Vec<PathBuf> = ["log", "idx", "events.jsonl"].map(|kind| base.with_extension(kind)).into();
    let target = env.path("out.tar.zst").display().to_string();
    let commands: [&[&str]; 9] = [
        &["logs", "-1", "work"],
        &["logs", "-1", "work", "--tail", "5"],
        &["logs", "-1", "work", "--grep", "7"],
        &["show", "-1"],
        &["export", "-1", "-o", &target],
        &["export", "-1", "work", "--format", "txt"],
        &["attach", "-1", "--no-tui", "--stream"],
        &["replay", "-1", "--no-tui", "--stream", "--speed", "max"],
        &["replay", "-1", "--no-tui", "--speed", "max"],
    ];
    for arguments in commands {
        let (code, printed) = look(&env, arguments);
        assert!(code == 0 && !printed.all().contains("damaged"), "{arguments:?}: {}", printed.all());
    }
    for file in &files {
        let whole = fs::read(file).unwrap();
        let kind = file.file_name().unwrap().to_str().unwrap().split_once('.').unwrap().1;
        for (way, spoil) in WAYS {
            spoil(file);
            for arguments in commands {
                let (code, printed) = look(&env, arguments);
                let all = printed.all();
                let case = format!("{kind} {way}, {arguments:?}: exit code {code}\n{all}");
                assert!(!all.contains("panicked"), "{case}");
                // Of the log only what is read is compared with its sums; the event file has none.
                let shows = matches!(arguments[0], "attach" | "replay") && !arguments.contains(&"--stream");
                let part = arguments.contains(&"--tail") || shows;
                let unseen = match kind {
                    "log" => way == "changed" && part,
                    "events.jsonl" => {
                        way == "changed"
                            || !matches!(arguments[0], "export" | "attach" | "replay")
                            || arguments[2] == "work"
                    }
                    _ => way == "changed" && (part || matches!(arguments[0], "attach" | "replay")),
                };
                if unseen {
                    continue;
                }
                assert!(all.contains("damaged"), "{case}");
                let fails = matches!(arguments[0], "logs" | "export");
                assert_eq!(code, if fails { 3 } else { 0 }, "{case}");
            }
            fs::write(file, &whole).unwrap();
        }
    }
}

#[test]
fn of_a_damaged_log_everything_that_is_there_is_printed() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("seq 1 5000; echo oh >&2; seq 1 5000")).output().code(0);
    let log = env.the_run().log_path("work", 1);
    let whole = fs::read(&log).unwrap();
    flip(&log);
    let logs = env.roboppi(["logs", "-1", "work"]).output().code(3);
    assert_eq!(logs.stdout, fs::read(&log).unwrap());
    fs::write(&log, [&whole[..], &[0; 50]].concat()).unwrap();
    let logs = env.roboppi(["logs", "-1", "work"]).output().code(3);
    assert_eq!(logs.stdout, whole, "no byte that is not of the worker");
    assert!(logs.stderr.contains("50 bytes at its end"), "{}", logs.stderr);
    fs::write(&log, &whole).unwrap();
    cut(&log);
    let logs = env.roboppi(["logs", "-1", "work"]).output().code(3);
    assert_eq!(logs.stdout, whole[..whole.len() / 2]);
    assert!(
        logs.stderr.contains(&format!("its last {} bytes", whole.len() - whole.len() / 2)),
        "{}",
        logs.stderr
    );
}

#[test]
fn of_a_damaged_packed_log_the_rest_is_printed() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("seq 1 300000")).output().code(0);
    let log = env.the_run().log_path("work", 1);
    let whole = fs::read(&log).unwrap();
    // As a later run would pack it, but at once.
    let run = roboppi_record::RunDir::at(env.the_run().dir);
    let quiet_since = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
    let packing = roboppi_record::Packing { least: 0, quiet_since };
    assert_eq!(run.pack_logs(&packing, &mut || std::ops::ControlFlow::Continue(())).unwrap().logs, 1);
    let packed = log.with_extension("log.zst");
    let logs = env.roboppi(["logs", "-1", "work"]).output().code(0);
    assert!(logs.stdout == whole);
    flip(&packed);
    let logs = env.roboppi(["logs", "-1", "work"]).output().code(3);
    let (first, last) = (&logs.stdout[..1000], &logs.stdout[logs.stdout.len() - 1000..]);
    assert!(whole.starts_with(first) && whole.ends_with(last), "{}", logs.stderr);
    assert_eq!(whole.len() - logs.stdout.len(), 256 * 1024, "one part of it is left out");
    assert!(logs.stderr.contains("the packed log is damaged"), "{}", logs.stderr);
}

#[test]
fn the_screen_says_that_the_log_it_shows_is_damaged() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("seq 1 50; echo oh >&2; echo last")).output().code(0);
    let log = env.the_run().log_path("work", 1);
    let whole = fs::read(&log).unwrap();
    for (way, spoil) in WAYS {
        spoil(&log);
        let mut on_screen = env.roboppi(["attach", "-1", "--tui"]).start_in_terminal(24, 120);
        on_screen.wait_for_text("work");
        on_screen.press("2");
        on_screen.wait_until(way, |screen| screen.contents().contains("damaged: "));
        on_screen.press("q");
        on_screen.expect_code(0);
        fs::write(&log, &whole).unwrap();
    }
}
