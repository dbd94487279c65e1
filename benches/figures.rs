//! Figures that matter to a person, each measured side by side with what one would do without roboppi.
//!
//! `cargo bench --bench figures` measures all of them, `cargo bench --bench figures -- flood` those whose name
//! contains the word. Pairs are run in turn, so that a busy machine slows both. Goals are judged and
//! printed; nothing here fails.
#![expect(clippy::print_stdout, reason = "a table on standard output is what it is for")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const ROBOPPI: &str = env!("CARGO_BIN_EXE_roboppi");

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let place = Place::new();
    type Figure = (&'static str, fn(&Place));
    let figures: [Figure; 9] = [
        ("version", version),
        ("size", size),
        ("hello", hello),
        ("chain", chain),
        ("wide", wide),
        ("flood", flood),
        ("flood-shown", flood_shown),
        ("flood-redacted", flood_redacted),
        ("flood-chosen", flood_chosen),
    ];
    for (name, measure) in figures {
        if wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())) {
            println!("\n{name}");
            measure(&place);
        }
    }
}

/// How long the program takes to say its version.
fn version(_: &Place) {
    let pair =
        in_turn(40, || timed(Command::new(ROBOPPI).arg("--version")), || timed(&mut Command::new("true")));
    pair.print("roboppi --version", "true");
    judge("median of --version", millis(pair.ours.median()), 5.0, "ms");
}

/// How large the program is.
fn size(_: &Place) {
    let bytes = fs::metadata(ROBOPPI).map_or(0, |metadata| metadata.len());
    judge("program", mebibytes(bytes), 15.0, "MiB");
}

/// What roboppi adds to three small commands, two of them side by side.
fn hello(place: &Place) {
    let steps = ["echo hello", "for n in 1 2 3; do echo $n; done", "echo goodbye"];
    let flow = place.flow(
        "hello",
        &format!(
            "{}{}{}",
            step("greet", steps[0], ""),
            step("count", steps[1], ""),
            step("goodbye", steps[2], "    depends_on: [greet, count]\n")
        ),
        "",
    );
    let script = format!(
        "bash -e -c '{}' > a & bash -e -c '{}' > b & wait; bash -e -c '{}' > c",
        steps[0], steps[1], steps[2]
    );
    let ours = || timed(&mut place.run(&flow, &["--supervised"]));
    let pair = in_turn(20, ours, || timed(&mut place.bash(&script)));
    pair.print("supervised", "bash -e -c");
    let added = millis(pair.ours.median()) - millis(pair.theirs.median());
    judge("added to the median", added, 30.0, "ms");
}

/// 500 steps, each waiting for the one before.
fn chain(place: &Place) {
    const STEPS: usize = 500;
    let mut steps = step("s0", "true", "");
    for n in 1..STEPS {
        steps += &step(&format!("s{n}"), "true", &format!("    depends_on: [s{}]\n", n - 1));
    }
    let flow = place.flow("chain", &steps, "");
    let script = format!("for n in $(seq {STEPS}); do bash -e -c true; done");
    let ours = || timed(&mut place.run(&flow, &["--supervised"]));
    let pair = in_turn(5, ours, || timed(&mut place.bash(&script)));
    pair.print("supervised", "loop in bash");
    let each = (millis(pair.ours.median()) - millis(pair.theirs.median())) / STEPS as f64;
    println!("  {:<40} {each:8.2} ms", "added to each step");
}

/// 1,000 steps that depend on nothing, eight at a time.
fn wide(place: &Place) {
    const STEPS: usize = 1_000;
    if timed(Command::new("ninja").arg("--version")).is_none() {
        println!("  left out: there is no ninja to compare with");
        return;
    }
    let steps: String = (0..STEPS).map(|n| step(&format!("s{n}"), "true", "")).collect();
    let flow = place.flow("wide", &steps, "concurrency: 8\n");
    let mut ninja = String::from("rule run\n  command = bash -e -c true\n");
    for n in 0..STEPS {
        let _ = writeln!(ninja, "build t{n}: run");
    }
    place.write("build.ninja", &ninja);
    let ours = || timed(&mut place.run(&flow, &["--supervised"]));
    let theirs = || timed(Command::new("ninja").arg("-j8").current_dir(&place.dir).stdout(Stdio::null()));
    let pair = in_turn(5, ours, theirs);
    pair.print("supervised, concurrency 8", "ninja -j8");
    judge("ratio of the medians", pair.ratio(), 1.25, "x");
}

/// Ten million lines from one worker: recorded, and streamed to the supervisor.
fn flood(place: &Place) {
    pour(place, &same_lines(), &["--supervised"], "| cat > flood.txt");
}

/// The same, and every line printed with the name of its step.
fn flood_shown(place: &Place) {
    pour(place, &same_lines(), &["--supervised", "--stream"], "| tee flood.txt | sed 's/^/flood | /'");
}

/// Numbered lines, of which no two are the same, searched for the values of twenty secrets.
fn flood_redacted(place: &Place) {
    let last = 10 * flood_lines();
    let bytes = (1..=last.to_string().len() as u32)
        .map(|digits| (last.min(10_u64.pow(digits) - 1) + 1 - 10_u64.pow(digits - 1)) * u64::from(digits + 1))
        .sum();
    let flood = Flood { generator: format!("seq {last}"), lines: last, bytes, secrets: 20 };
    pour(place, &flood, &["--supervised"], "| cat > flood.txt");
}

/// What output costs whose worker has chosen a secret that it nearly is.
fn flood_chosen(place: &Place) {
    let script = r#"printf ::add-mask::; head -c 60000 /dev/zero | tr "\0" a; echo b; head -c 50000000 /dev/zero | tr "\0" a"#;
    let flow = place.flow("chosen", &step("chosen", script, ""), "");
    place.forget_runs();
    let Some(time) = timed(&mut place.run(&flow, &["--supervised"])) else { return };
    place.forget_runs();
    judge("50 MB that nearly are a secret", time.as_secs_f64(), 5.0, "s");
}

/// What a worker writes.
struct Flood {
    generator: String,
    lines: u64,
    bytes: u64,
    /// Variables with a secret in the environment.
    secrets: usize,
}

fn flood_lines() -> u64 {
    std::env::var("FIGURES_LINES").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000_000)
}

fn same_lines() -> Flood {
    let lines = flood_lines();
    let generator = format!("yes \"$(printf 'x%.0s' $(seq 99))\" | head -n {lines}");
    Flood { generator, lines, bytes: lines * 100, secrets: 0 }
}

fn pour(place: &Place, flood: &Flood, view: &[&str], without: &str) {
    let Flood { generator, lines, bytes, secrets } = flood;
    let flow = place.flow("flood", &step("flood", generator, ""), "");
    let mut peaks = Peaks::default();
    let mut exact = true;
    let ours = || {
        place.forget_runs();
        let mut run = place.run(&flow, view);
        for number in 0..*secrets {
            // Twenty letters that look like those of a token.
            let value = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            run.env(format!("SECRET_{number}_TOKEN"), format!("ghp_{value:016x}{value:016X}"));
        }
        let time = watched(&mut run, &mut peaks);
        let length = place.log_length("flood");
        if length != Some(*bytes) {
            println!("  the log has {length:?} bytes, {bytes} were written");
            exact = false;
        }
        place.forget_runs();
        time
    };
    let theirs = || {
        let time = timed(&mut place.bash(&format!("{generator} {without}")));
        let _ = fs::remove_file(place.dir.join("flood.txt"));
        time
    };
    let pair = in_turn(3, ours, theirs);
    pair.print(&view.join(" "), without);
    let rate = *lines as f64 / pair.ours.median().as_secs_f64() / 1e6;
    println!("  {:<40} {rate:8.2} million lines/s", "supervised");
    judge("ratio of the medians", pair.ratio(), 2.0, "x");
    judge("peak memory of the supervisor", mebibytes(peaks.supervisor), 40.0, "MiB");
    judge("peak memory of the core", mebibytes(peaks.core), 40.0, "MiB");
    println!("  {:<40} {}", "every byte in the log", if exact { "ok" } else { "NO" });
}

/// One step of a workflow file. The script must not hold a line break.
fn step(name: &str, script: &str, more: &str) -> String {
    let quoted = script.replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        "  {name}:\n    worker: CUSTOM\n    capabilities: [RUN_COMMANDS]\n    instructions: \"{quoted}\"\n{more}"
    )
}

/// A directory for everything, removed at the end.
struct Place {
    dir: PathBuf,
}

impl Place {
    fn new() -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("figures-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("the target directory can be written");
        Self { dir }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.join(name);
        fs::write(&path, text).expect("the target directory can be written");
        path
    }

    fn flow(&self, name: &str, steps: &str, head: &str) -> PathBuf {
        let text = format!("name: {name}\nversion: \"1\"\ntimeout: 1h\n{head}steps:\n{steps}");
        self.write(&format!("{name}.yaml"), &text)
    }

    fn run(&self, flow: &Path, more: &[&str]) -> Command {
        let mut command = Command::new(ROBOPPI);
        command.args(["workflow", "run"]).arg(flow).arg("--no-tui").args(more).current_dir(&self.dir);
        command.env("ROBOPPI_STATE_DIR", self.dir.join("state")).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    fn bash(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-c", script]).current_dir(&self.dir).stdin(Stdio::null());
        command
    }

    /// Length of the log of a step of the only run.
    fn log_length(&self, step: &str) -> Option<u64> {
        let run = fs::read_dir(self.dir.join("state/runs")).ok()?.next()?.ok()?.path();
        fs::metadata(run.join(format!("steps/{step}/i1-a1.log"))).ok().map(|metadata| metadata.len())
    }

    fn forget_runs(&self) {
        let _ = fs::remove_dir_all(self.dir.join("state"));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Times of one side.
struct Times(Vec<Duration>);

impl Times {
    fn min(&self) -> Duration {
        self.0.iter().min().copied().unwrap_or_default()
    }

    fn median(&self) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }

    fn print(&self, name: &str) {
        let (min, median) = (millis(self.min()), millis(self.median()));
        println!("  {name:<40} min {min:10.2} ms   median {median:10.2} ms   of {}", self.0.len());
    }
}

struct Pair {
    ours: Times,
    theirs: Times,
}

impl Pair {
    fn print(&self, ours: &str, theirs: &str) {
        self.ours.print(ours);
        self.theirs.print(theirs);
    }

    fn ratio(&self) -> f64 {
        self.ours.median().as_secs_f64() / self.theirs.median().as_secs_f64()
    }
}

/// Measures both sides in turn, after one round that does not count.
fn in_turn(
    rounds: usize,
    mut ours: impl FnMut() -> Option<Duration>,
    mut theirs: impl FnMut() -> Option<Duration>,
) -> Pair {
    let mut pair = Pair { ours: Times(Vec::new()), theirs: Times(Vec::new()) };
    for round in 0..=rounds {
        let (our_time, their_time) = (ours(), theirs());
        if round > 0 {
            pair.ours.0.extend(our_time);
            pair.theirs.0.extend(their_time);
        }
    }
    pair
}

/// Runs a command to its end. `None`, with a word about it, when it fails.
fn timed(command: &mut Command) -> Option<Duration> {
    let start = Instant::now();
    let status = quiet(command).status();
    finished(command, status.is_ok_and(|status| status.success()), start)
}

fn finished(command: &Command, success: bool, start: Instant) -> Option<Duration> {
    let time = start.elapsed();
    if !success {
        println!("  failed: {command:?}");
    }
    success.then_some(time)
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdout(Stdio::null()).stderr(Stdio::null())
}

/// Most memory seen, in bytes.
#[derive(Default)]
struct Peaks {
    supervisor: u64,
    core: u64,
}

/// As [`timed`], and looks at the memory of the supervisor and of its core meanwhile.
fn watched(command: &mut Command, peaks: &mut Peaks) -> Option<Duration> {
    let start = Instant::now();
    let mut child = quiet(command).spawn().ok()?;
    let supervisor = child.id();
    let over = AtomicBool::new(false);
    let success = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                peaks.supervisor = peaks.supervisor.max(peak_memory(supervisor));
                for core in descendants(supervisor) {
                    peaks.core = peaks.core.max(peak_memory(core));
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
        let success = child.wait().is_ok_and(|status| status.success());
        over.store(true, Ordering::Relaxed);
        success
    });
    finished(command, success, start)
}

/// The processes of the same program below a process.
fn descendants(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = text.split_whitespace().filter_map(|child| child.parse().ok());
    let own = children.filter(|child| {
        fs::read_link(format!("/proc/{child}/exe")).is_ok_and(|exe| exe == Path::new(ROBOPPI))
    });
    own.flat_map(|child: u32| std::iter::once(child).chain(descendants(child))).collect()
}

/// Most memory a process ever had, in bytes; 0 when nobody knows.
fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

fn judge(what: &str, value: f64, goal: f64, unit: &str) {
    let verdict = if value <= goal { "ok" } else { "MISSED" };
    println!("  {what:<40} {value:8.2} {unit:<4} goal <= {goal} {unit}: {verdict}");
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}
