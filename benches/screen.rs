//! What the full screen costs, and how long a key takes, read at the terminal.
//!
//! `cargo bench --bench screen` measures everything, `cargo bench --bench screen -- idle` what has the word in its
//! name. Goals are judged and printed; nothing here fails.
#![expect(clippy::print_stdout, reason = "a table on standard output is what it is for")]
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on may panic")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use roboppi_terminal::{Screen, Spec, Terminal};

const ROBOPPI: &str = env!("CARGO_BIN_EXE_roboppi");

/// Reached only when something is broken.
const LIMIT: Duration = Duration::from_secs(60);

/// With this argument, this program is a worker that prints.
const PRINTS: &str = "print-lines-at";

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(PRINTS) {
        let rate = arguments.next().and_then(|rate| rate.parse().ok()).unwrap();
        return print_at(rate);
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let figures: [(&str, fn()); 6] = [
        ("idle", idle),
        ("keys-idle", keys_idle),
        ("keys-flood", keys_flood),
        ("10000-lines", many_lines),
        ("500-steps", many_steps),
        ("memory", memory),
    ];
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
struct RunScreen {
    terminal: Terminal,
    dir: tempfile::TempDir,
}

impl RunScreen {
    fn start(steps: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        write_flow(&dir, steps);
        let arguments = ["workflow", "run", "flow.yaml", "--tui", "--grace", "200ms", "--no-notify"];
        Self::of(dir, &arguments)
    }

    /// The screen of a command.
    fn of(dir: tempfile::TempDir, arguments: &[&str]) -> Self {
        let argv = std::iter::once(&ROBOPPI).chain(arguments).map(OsString::from).collect();
        let spec = Spec { argv, env: environment(&dir), cwd: PathBuf::from(dir.path()), rows: 40, cols: 120 };
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
        self.threads().values().sum()
    }

    /// Seconds of a processor that what draws has taken so far: folding what comes, reading logs, drawing.
    fn drawing(&self) -> f64 {
        let threads = self.threads();
        let of_the_screen = |name: &str| matches!(name, "viewer" | "screen") || name.starts_with("tui-");
        threads.iter().filter(|(name, _)| of_the_screen(name)).map(|(_, seconds)| seconds).sum()
    }

    /// Seconds of a processor that each thread has taken so far, by its name. To the nanosecond, as the scheduler counts.
    fn threads(&self) -> BTreeMap<String, f64> {
        let tasks = PathBuf::from(format!("/proc/{}/task", self.terminal.pid().unwrap()));
        let mut threads = BTreeMap::new();
        for task in fs::read_dir(tasks).unwrap() {
            let task = task.unwrap().path();
            let read = |file| fs::read_to_string(task.join(file)).unwrap_or_default();
            let nanoseconds = read("schedstat").split(' ').next().and_then(|first| first.parse::<f64>().ok());
            *threads.entry(read("comm").trim().to_owned()).or_default() +=
                nanoseconds.unwrap_or_default() / 1e9;
        }
        threads
    }

    /// MiB that are resident now, and that ever were.
    fn resident(&self) -> (f64, f64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.terminal.pid().unwrap())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            let kib: f64 = line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap();
            kib / 1024.0
        };
        (field("VmRSS:"), field("VmHWM:"))
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
        self.leave();
    }

    fn leave(mut self) {
        let _ = self.terminal.press("q");
        while matches!(self.terminal.exit_status(), Ok(None)) {
            thread::sleep(Duration::from_millis(5));
        }
        drop(self.dir);
    }
}

fn write_flow(dir: &tempfile::TempDir, steps: &str) {
    let text = format!("name: bench\nversion: \"1\"\ntimeout: 1h\nconcurrency: 4\nsteps:\n{steps}");
    fs::write(dir.path().join("flow.yaml"), text).unwrap();
}

fn environment(dir: &tempfile::TempDir) -> Vec<(OsString, OsString)> {
    vec![
        ("TERM".into(), "xterm-256color".into()),
        ("LANG".into(), "C.UTF-8".into()),
        ("PATH".into(), std::env::var_os("PATH").unwrap_or_default()),
        ("HOME".into(), dir.path().into()),
        ("XDG_STATE_HOME".into(), dir.path().join("state").into()),
    ]
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
        let screen = RunScreen::start(&step("work", script, ""));
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
    let mut screen = RunScreen::start(&steps);
    screen.wait("second");
    let times = screen.keys(200, [("j", second_is_selected), ("k", first_is_selected)]);
    judge_times("key to screen", times, 16.0);
    screen.end();
}

/// The same beside a step that prints as fast as it can, and whose log is shown.
fn keys_flood() {
    let steps = step("first", "yes it goes on and on", "") + &step("second", "sleep 1000", "");
    let mut screen = RunScreen::start(&steps);
    screen.wait("second");
    screen.terminal.press("2").unwrap();
    screen.wait("goes on and on");
    let times = screen.keys(200, [("j", second_is_selected), ("k", first_is_selected)]);
    judge_times("key to screen, flooded", times, 33.0);
    screen.end();
}

/// A step that prints 10,000 lines a second, and whose log is shown and followed.
fn many_lines() {
    const RATE: u32 = 10_000;
    let this = std::env::current_exe().unwrap();
    let mut screen =
        RunScreen::start(&step("first", &format!("exec {} {PRINTS} {RATE}", this.display()), ""));
    screen.wait("first");
    screen.terminal.press("2").unwrap();
    screen.wait("following");
    thread::sleep(Duration::from_secs(1));
    let lines = |screen: &RunScreen| screen.terminal.look(last_number);
    let before =
        (screen.threads(), screen.drawing(), screen.drawn(), screen.terminal.written().len(), lines(&screen));
    let since = Instant::now();
    thread::sleep(Duration::from_secs(10));
    let seconds = since.elapsed().as_secs_f64();
    let a_second = |now: f64, then: f64| (now - then) / seconds;
    let shown = a_second(lines(&screen) as f64, before.4 as f64);
    let frames = a_second(screen.drawn() as f64, before.2 as f64);
    let bytes = a_second(screen.terminal.written().len() as f64, before.3 as f64);
    println!("  {shown:.0} lines/s come, {frames:.1} frames/s and {bytes:.0} bytes/s go to the terminal");
    for (name, now) in screen.threads() {
        let share = a_second(now, before.0.get(&name).copied().unwrap_or_default()) * 100.0;
        println!("  thread {name:<33} {share:8.2} %");
    }
    judge("processor for drawing", a_second(screen.drawing(), before.1) * 100.0, 10.0, "%");
    screen.end();
}

/// The number at the end of the last line of the log on the screen.
fn last_number(screen: &Screen) -> u64 {
    let rows = screen.rows(0, 120).collect::<Vec<_>>();
    let number = |row: &String| row.split("line number ").nth(1)?.split_whitespace().next()?.parse().ok();
    rows.iter().rev().find_map(number).unwrap_or_default()
}

/// Prints numbered lines, so many a second, until nobody reads them.
fn print_at(rate: u32) {
    let began = Instant::now();
    let mut out = std::io::stdout().lock();
    let mut number = 0_u64;
    loop {
        thread::sleep(Duration::from_millis(5));
        let due = (began.elapsed().as_secs_f64() * f64::from(rate)) as u64;
        let mut text = String::new();
        while number < due {
            number += 1;
            text += &format!(
                "\x1b[32mINFO\x1b[0m 2026-01-02 some::module: line number {number} of what a worker says\n"
            );
        }
        if out.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

/// What a screen of its own takes that shows logs of 10 MB, 100 MB and 1 GB, and has searched and filtered all of them.
fn memory() {
    let mut figures = Vec::new();
    for megabytes in [10, 100, 1000] {
        let dir = tempfile::tempdir().unwrap();
        let script = format!(
            "yes 'some words in a line, as workers print them' | head -c {megabytes}000000; echo; echo the last line"
        );
        write_flow(&dir, &step("work", &script, ""));
        let arguments = ["workflow", "run", "flow.yaml", "--no-tui", "--log-limit", "5GiB"];
        let status = std::process::Command::new(ROBOPPI)
            .args(arguments)
            .env_clear()
            .envs(environment(&dir))
            .current_dir(dir.path())
            .stdout(std::process::Stdio::null())
            .status();
        assert!(status.unwrap().success(), "the run to look at");
        let mut screen = RunScreen::of(dir, &["attach", "--tui"]);
        screen.wait("1 Overview");
        screen.terminal.press("2").unwrap();
        screen.wait("the last line");
        let opened = screen.resident();
        let began = Instant::now();
        // Every line matches; then one does.
        screen.terminal.press("\r/words\r").unwrap();
        screen.terminal.wait_until("all matches", LIMIT, |screen| searched(screen, "words")).unwrap();
        let all = screen.resident();
        screen.terminal.press("&").unwrap();
        screen.wait("only");
        screen.terminal.press("g").unwrap();
        screen.wait("│1–35/");
        screen.terminal.press("\x1b").unwrap();
        screen.terminal.wait_until("no search", LIMIT, |screen| !screen.contents().contains("only")).unwrap();
        screen.terminal.press("/the last\r").unwrap();
        screen.terminal.wait_until("the match", LIMIT, |screen| searched(screen, "last")).unwrap();
        screen.terminal.press("S").unwrap();
        screen.wait("stdout only");
        screen.terminal.press(":50%\r").unwrap();
        screen.wait("paused");
        let (end, peak) = screen.resident();
        println!(
            "  {megabytes:>5} MB: opened {:.1} MiB, all lines found {:.1} MiB, after everything {end:.1} MiB, at most {peak:.1} MiB, in {:.1} s",
            opened.0,
            all.0,
            began.elapsed().as_secs_f64()
        );
        figures.push(peak);
        screen.leave();
    }
    judge("1 GB beside 10 MB, at most", figures[2] - figures[0], 4.0, "MiB");
}

/// Whether all of the log was searched for a word, and it was found.
fn searched(screen: &Screen, word: &str) -> bool {
    let is_said =
        |row: String| row.contains(&format!("{word}\"")) && row.contains(" of ") && !row.contains('%');
    screen.rows(0, 120).any(is_said)
}

/// 500 steps in layers of ten, and what each key and its frame cost.
fn many_steps() {
    let mut steps = step("first", "sleep 1000", "") + &step("second", "sleep 1000", "");
    for number in 0..498 {
        let before = if number < 10 { "first".to_owned() } else { format!("s{}", number - 10) };
        steps += &step(&format!("s{number}"), "true", &format!("    depends_on: [{before}, second]\n"));
    }
    let mut screen = RunScreen::start(&steps);
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
