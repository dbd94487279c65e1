//! What the full screen costs, and how long a key takes, read at the terminal.
//!
//! `cargo bench --bench screen` measures everything, `cargo bench --bench screen -- idle` what has the word in its
//! name. Goals are judged and printed; nothing here fails.
#![expect(clippy::print_stdout, reason = "a table on standard output is what it is for")]
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on may panic")]

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use roboppi_terminal::{Screen, Spec, Terminal};

const ROBOPPI: &str = env!("CARGO_BIN_EXE_roboppi");

/// Reached only when something is broken.
const LIMIT: Duration = Duration::from_secs(60);

/// Ticks of the system in a second, as `/proc` counts them.
const TICKS: f64 = 100.0;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let figures: [(&str, fn()); 4] =
        [("idle", idle), ("keys-idle", keys_idle), ("keys-flood", keys_flood), ("500-steps", many_steps)];
    for (name, measure) in figures {
        if wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())) {
            println!("\n{name}");
            measure();
        }
    }
}

/// A key, and whether what it does is on the screen.
type Key = (&'static str, fn(&Screen) -> bool);

/// A run on a screen.
struct Shown {
    terminal: Terminal,
    dir: tempfile::TempDir,
}

impl Shown {
    fn start(steps: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let flow = dir.path().join("flow.yaml");
        fs::write(
            &flow,
            format!("name: bench\nversion: \"1\"\ntimeout: 1h\nconcurrency: 4\nsteps:\n{steps}"),
        )
        .unwrap();
        let mut env: Vec<(OsString, OsString)> =
            vec![("TERM".into(), "xterm-256color".into()), ("LANG".into(), "C.UTF-8".into())];
        env.push(("PATH".into(), std::env::var_os("PATH").unwrap_or_default()));
        env.push(("HOME".into(), dir.path().into()));
        env.push(("XDG_STATE_HOME".into(), dir.path().join("state").into()));
        let arguments = ["workflow", "run", "flow.yaml", "--tui", "--grace", "200ms", "--no-notify"];
        let argv = std::iter::once(ROBOPPI).chain(arguments).map(OsString::from).collect();
        let spec = Spec { argv, env, cwd: PathBuf::from(dir.path()), rows: 40, cols: 120 };
        let terminal = Terminal::start(&spec).unwrap();
        Self { terminal, dir }
    }

    fn wait(&self, text: &str) {
        self.terminal.wait_until(text, LIMIT, |screen| screen.contents().contains(text)).unwrap();
    }

    fn drawn(&self) -> usize {
        let written = self.terminal.written();
        memchr::memmem::find_iter(&written, b"\x1b[?2026h").count()
    }

    /// Seconds of a processor it has taken so far.
    fn processor(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.terminal.pid().unwrap())).unwrap();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<f64> = after_name.split_whitespace().filter_map(|field| field.parse().ok()).collect();
        // The state before them is no number: fields 14 and 15 of the file.
        (fields[10] + fields[11]) / TICKS
    }

    /// How long each of `count` keys takes until the screen is as `shows` says, for the two keys in turn.
    fn keys(&mut self, count: usize, keys: [Key; 2]) -> Vec<f64> {
        let mut times = Vec::new();
        for number in 0..count {
            let (key, shows) = keys[number % 2];
            // Not in step with anything.
            thread::sleep(Duration::from_millis(23 + (number as u64 * 7) % 20));
            let pressed = Instant::now();
            self.terminal.press(key).unwrap();
            self.terminal.wait_until("what the key does", LIMIT, shows).unwrap();
            times.push(pressed.elapsed().as_secs_f64() * 1e3);
        }
        times
    }

    fn end(mut self) {
        let _ = self.terminal.press("\x03");
        let over = |screen: &Screen| screen.contents().contains("press q to leave");
        let _ = self.terminal.wait_until("the end", LIMIT, over);
        let _ = self.terminal.press("q");
        while matches!(self.terminal.exit_status(), Ok(None)) {
            thread::sleep(Duration::from_millis(5));
        }
        drop(self.dir);
    }
}

fn step(name: &str, script: &str, more: &str) -> String {
    format!(
        "  {name}:\n    worker: CUSTOM\n    capabilities: [RUN_COMMANDS]\n    instructions: {script:?}\n{more}"
    )
}

/// Nothing happens: the run is over, or only its clock goes on.
fn idle() {
    for (what, script, shown, draws) in
        [("over", "true", "press q to leave", 0.0), ("running", "sleep 1000", "Attempt     running", 11.0)]
    {
        let screen = Shown::start(&step("work", script, ""));
        screen.wait(shown);
        thread::sleep(Duration::from_secs(1));
        let (drawn, processor, since) = (screen.drawn(), screen.processor(), Instant::now());
        thread::sleep(Duration::from_secs(10));
        let share = (screen.processor() - processor) / since.elapsed().as_secs_f64() * 100.0;
        judge(&format!("draws in 10 s, {what}"), (screen.drawn() - drawn) as f64, draws, "");
        judge(&format!("processor, {what}"), share, 0.3, "%");
        screen.end();
    }
}

fn first_is_selected(screen: &Screen) -> bool {
    screen.rows(0, 120).any(|row| row.starts_with('›') && row.contains("first"))
}

fn second_is_selected(screen: &Screen) -> bool {
    screen.rows(0, 120).any(|row| row.starts_with('›') && row.contains("second"))
}

/// From a key to the terminal, when nothing else happens.
fn keys_idle() {
    let steps = step("first", "sleep 1000", "") + &step("second", "sleep 1000", "");
    let mut screen = Shown::start(&steps);
    screen.wait("second");
    let times = screen.keys(200, [("j", second_is_selected), ("k", first_is_selected)]);
    judge_times("key to screen", times, 16.0);
    screen.end();
}

/// The same beside a step that prints as fast as it can, and whose log is shown.
fn keys_flood() {
    let steps = step("first", "yes it goes on and on", "") + &step("second", "sleep 1000", "");
    let mut screen = Shown::start(&steps);
    screen.wait("second");
    screen.terminal.press("2").unwrap();
    screen.wait("goes on and on");
    let times = screen.keys(200, [("j", second_is_selected), ("k", first_is_selected)]);
    judge_times("key to screen, flooded", times, 33.0);
    screen.end();
}

/// 500 steps in layers of ten, and what each key and its frame cost.
fn many_steps() {
    let mut steps = step("first", "sleep 1000", "") + &step("second", "sleep 1000", "");
    for number in 0..498 {
        let before = if number < 10 { "first".to_owned() } else { format!("s{}", number - 10) };
        steps += &step(&format!("s{number}"), "true", &format!("    depends_on: [{before}, second]\n"));
    }
    let mut screen = Shown::start(&steps);
    screen.wait("second");
    thread::sleep(Duration::from_secs(1));
    for (tab, shown) in [("1", "1 Overview"), ("6", "6 Timeline")] {
        screen.terminal.press(tab).unwrap();
        screen.wait(shown);
        let (drawn, processor) = (screen.drawn(), screen.processor());
        let times = screen.keys(200, [("j", second_is_selected), ("k", first_is_selected)]);
        let cost = (screen.processor() - processor) / (screen.drawn() - drawn) as f64 * 1e3;
        judge(&format!("processor for a frame, {shown}"), cost, 4.0, "ms");
        judge_times("key to screen", times, 16.0);
    }
    screen.end();
}

fn judge_times(what: &str, mut times: Vec<f64>, goal: f64) {
    times.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("  {what:<40} p50 {:.2} ms, p99 {:.2} ms, of {}", at(0.5), at(0.99), times.len());
    judge(&format!("{what}, p95"), at(0.95), goal, "ms");
}

fn judge(what: &str, value: f64, goal: f64, unit: &str) {
    let verdict = if value <= goal { "ok" } else { "MISSED" };
    println!("  {what:<40} {value:8.2} {unit:<4} goal <= {goal} {unit}: {verdict}");
}
