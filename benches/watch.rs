//! What it takes to watch runs of other processes.
//!
//! `cargo bench --bench watch` measures everything, `cargo bench --bench watch -- idle` what has the word in its name.
//! Goals are judged and printed; nothing here fails. On a busy machine only the ratios mean something.
#![expect(clippy::print_stdout, reason = "a table on standard output is what it is for")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot start its run has nothing to measure")]

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use roboppi_terminal::{Screen, Spec, Terminal};

const ROBOPPI: &str = env!("CARGO_BIN_EXE_roboppi");

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    type Figure = (&'static str, fn(&Place));
    let figures: [Figure; 6] = [
        ("list", list),
        ("latency", latency),
        ("seldom", seldom),
        ("polling", polling),
        ("idle", idle),
        ("viewers", viewers),
    ];
    for (name, measure) in figures {
        if wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())) {
            println!("\n{name}");
            let place = Place::new(name);
            measure(&place);
            let _ = fs::remove_dir_all(&place.0);
        }
    }
}

/// A list of 1,000 runs, when nothing is remembered of them and when it is, beside `ls -l` of their directories.
fn list(place: &Place) {
    const RUNS: usize = 1_000;
    let scripts = ["echo one", "seq 100", "true", "echo last"];
    let _ = place.run(&scripts).wait();
    let runs = place.0.join("state/runs");
    let original = fs::read_dir(&runs).unwrap().next().unwrap().unwrap().path();
    let id = original.file_name().unwrap().to_str().unwrap().to_owned();
    for number in 1..RUNS {
        let copy = format!("{number:05}{}", &id[5..]);
        fs::create_dir(runs.join(&copy)).unwrap();
        for file in ["run.json", "journal.jsonl"] {
            let text = fs::read_to_string(original.join(file)).unwrap();
            fs::write(runs.join(&copy).join(file), text.replace(&id, &copy)).unwrap();
        }
    }
    let (mut cold, mut warm, mut ls) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..20 {
        let _ = fs::remove_file(place.0.join("state/runs.cache"));
        cold.push(timed(place.roboppi(&["runs"])));
        warm.push(timed(place.roboppi(&["runs"])));
        let mut command = Command::new("ls");
        command.arg("-lR").arg(&runs);
        ls.push(timed(command));
    }
    println!("  the first time  {:8.2} ms", median(&mut cold));
    println!("  ls -lR          {:8.2} ms", median(&mut ls));
    judge("again", median(&mut warm), 50.0, "ms");
}

/// From the write of a worker to attached viewers, one that prints lines and a full screen, at 50 lines a second.
fn latency(place: &Place) {
    delay(place, "for n in $(seq 1000); do date +%s%N; sleep 0.02; done", "0", 100.0);
}

/// The same for what comes after a rest.
fn seldom(place: &Place) {
    delay(place, "for n in $(seq 15); do date +%s%N; sleep 1.5; done", "0", 100.0);
}

/// The same where nobody is told of writes, as on file systems of the network.
fn polling(place: &Place) {
    delay(place, "for n in $(seq 1000); do date +%s%N; sleep 0.02; done", "1", 250.0);
}

fn delay(place: &Place, script: &str, poll: &str, goal: f64) {
    let mut run = place.run(&[script]);
    place.wait_for_log();
    let mut viewers = thread::scope(|scope| {
        let lines = scope.spawn(|| delay_of_lines(place, poll));
        let screen = delay_on_screen(place, poll);
        [("lines", lines.join().unwrap()), ("screen", screen)]
    });
    let _ = run.wait();
    for (name, took) in &mut viewers {
        let [middle, most] = [50, 95].map(|percent| at(took, percent));
        println!("  {name}, {} of them: p50 {middle:.2} ms, p95 {most:.2} ms", took.len());
        judge("p99", at(took, 99), goal, "ms");
    }
}

/// Takes notes of how old lines are that say when they were written.
#[derive(Default)]
struct Ages {
    last: u128,
    took: Vec<f64>,
}

impl Ages {
    fn look(&mut self, text: &str) {
        let (now, before) = (now(), self.last);
        let stamps = text.split_whitespace().filter(|word| word.len() == 19);
        for written in stamps.filter_map(|word| word.parse::<u128>().ok()) {
            // What was there when the viewer began says nothing about it.
            if before > 0 && written > before {
                self.took.push(now.saturating_sub(written) as f64 / 1e6);
            }
            self.last = written.max(self.last);
        }
    }
}

fn delay_of_lines(place: &Place, poll: &str) -> Vec<f64> {
    let mut viewer = place.roboppi(&["attach", "--no-tui", "--stream"]);
    let mut viewer = viewer.env("ROBOPPI_POLL", poll).stdout(Stdio::piped()).spawn().unwrap();
    let began = now();
    let mut ages = Ages { last: began + 500_000_000, ..Ages::default() };
    for line in BufReader::new(viewer.stdout.take().unwrap()).lines() {
        ages.look(&line.unwrap());
    }
    let _ = viewer.wait();
    ages.took
}

fn delay_on_screen(place: &Place, poll: &str) -> Vec<f64> {
    const LIMIT: Duration = Duration::from_secs(120);
    let variables = [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("ROBOPPI_POLL", poll)];
    let mut env = variables.map(|(name, value)| (name.into(), value.into())).to_vec();
    env.extend(place.env().map(|(name, dir)| (name.into(), dir.into())));
    let argv = [ROBOPPI, "attach"].map(OsString::from).to_vec();
    let spec = Spec { argv, env, cwd: place.0.clone(), rows: 40, cols: 120 };
    let mut screen = Terminal::start(&spec).unwrap();
    screen.wait_until("the run", LIMIT, |screen| screen.contents().contains("Time limit")).unwrap();
    screen.press("2").unwrap();
    let ages = RefCell::new(Ages::default());
    let look = |screen: &Screen| {
        let text = screen.contents();
        ages.borrow_mut().look(&text);
        text.contains("press q to leave")
    };
    screen.wait_until("the end of the run", LIMIT, look).unwrap();
    screen.press("q").unwrap();
    ages.into_inner().took
}

/// What a viewer costs that has nothing to show.
fn idle(place: &Place) {
    const SECONDS: u64 = 10;
    let mut run = place.run(&["sleep 15"]);
    place.wait_for_journal();
    let mut viewer = place.roboppi(&["logs", "-f"]).stdout(Stdio::null()).spawn().unwrap();
    thread::sleep(Duration::from_secs(1));
    let before = cpu(viewer.id());
    thread::sleep(Duration::from_secs(SECONDS));
    let used = cpu(viewer.id()) - before;
    let _ = (viewer.kill(), viewer.wait(), run.wait());
    judge("of a core", used * 100.0 / (SECONDS as f64 * 1_000.0), 0.5, "%");
}

/// What 50 viewers cost a run of 100 lines a second.
///
/// Two runs go on at once, and all viewers watch one of them. Of the machine, its caches and its clock they take the same
/// from both; what the watched one uses more than the other is what it pays for being watched. In turn with the same two
/// runs when nobody watches, which tell how far the figures can be believed.
fn viewers(place: &Place) {
    const VIEWERS: usize = 50;
    const ROUNDS: usize = 8;
    let places = [place.below("one"), place.below("other")];
    let mut alone: [Vec<f64>; 3] = Default::default();
    let mut watched: [Vec<f64>; 3] = Default::default();
    for round in 0..ROUNDS {
        let [watch, beside] = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for (viewers, into) in [(0, &mut alone), (VIEWERS, &mut watched)] {
            let costs = side_by_side(&places[watch], &places[beside], viewers);
            into.iter_mut().zip(costs).for_each(|(all, cost)| all.push(cost));
        }
    }
    for (name, [cpu, more, wall]) in [("alone", &mut alone), ("watched", &mut watched)] {
        println!("  {name:<8} {:6.1} us of CPU and {:5.2} ms a line", median(cpu), median(wall));
        let [low, middle, high] = [0, 50, 100].map(|percent| at(more, percent));
        println!("           {middle:+.2} % CPU to the run beside it ({low:+.2} to {high:+.2})");
    }
    judge("more CPU time", median(&mut watched[1]), 2.0, "%");
    judge("longer", (median(&mut watched[2]) / median(&mut alone[2]) - 1.0) * 100.0, 5.0, "%");
}

/// CPU time of a run in microseconds a line, how many per cent more that is than the run beside it uses, and milliseconds
/// a line.
fn side_by_side(watched: &Place, beside: &Place, viewers: usize) -> [f64; 3] {
    const LINES: usize = 1_000;
    let script = format!("for n in $(seq {LINES}); do echo line $n of one thousand; sleep 0.01; done");
    let mut runs = [watched, beside].map(|place| (place, place.run(&[&script])));
    runs.iter().for_each(|(place, _)| place.wait_for_log());
    let watch = || watched.roboppi(&["logs", "-f"]).stdout(Stdio::null()).spawn().unwrap();
    let watching: Vec<Child> = (0..viewers).map(|_| watch()).collect();
    // All of them have caught up.
    thread::sleep(Duration::from_secs(1));
    let pids = runs.each_ref().map(|(_, run)| ours(run.id()));
    let used = || pids.each_ref().map(|pids| pids.iter().copied().map(cpu).sum::<f64>());
    let lines = || [watched, beside].map(Place::lines);
    let (lines_before, used_before, start) = (lines(), used(), Instant::now());
    while lines().into_iter().max() < Some(LINES - LINES / 20) {
        thread::sleep(Duration::from_millis(20));
    }
    let (lines_after, used_after, took) = (lines(), used(), start.elapsed());
    for (_, run) in &mut runs {
        let _ = run.wait();
    }
    watching.into_iter().for_each(|mut viewer| drop(viewer.wait()));
    let count = |run: usize| (lines_after[run] - lines_before[run]) as f64;
    let cost = |run: usize| (used_after[run] - used_before[run]) * 1_000.0 / count(run);
    [cost(0), (cost(0) / cost(1) - 1.0) * 100.0, took.as_secs_f64() * 1_000.0 / count(0)]
}

/// A directory of its own for everything that is written.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("roboppi-watch-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    fn below(&self, name: &str) -> Self {
        let dir = self.0.join(name);
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    fn roboppi(&self, words: &[&str]) -> Command {
        let mut command = Command::new(ROBOPPI);
        command.args(words).current_dir(&self.0).envs(self.env());
        command.stdin(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn env(&self) -> [(&'static str, PathBuf); 2] {
        [("ROBOPPI_STATE_DIR", self.0.join("state")), ("HOME", self.0.clone())]
    }

    /// Starts a run of these scripts, one after the other.
    fn run(&self, scripts: &[&str]) -> Child {
        let mut flow = "name: watch\nversion: \"1\"\ntimeout: 5m\nsteps:\n".to_owned();
        for (number, script) in scripts.iter().enumerate() {
            flow += &format!("  s{number}:\n    worker: CUSTOM\n    capabilities: [RUN_COMMANDS]\n");
            flow += &format!("    instructions: |\n      {script}\n");
            if number > 0 {
                flow += &format!("    depends_on: [s{}]\n", number - 1);
            }
        }
        fs::write(self.0.join("flow.yaml"), flow).unwrap();
        let _ = fs::remove_dir_all(self.0.join("state"));
        self.roboppi(&["workflow", "run", "flow.yaml", "--no-tui"]).stdout(Stdio::null()).spawn().unwrap()
    }

    /// Lines in the log of the first step.
    fn lines(&self) -> usize {
        let log = |run: PathBuf| fs::read(run.join("steps/s0/i1-a1.log")).unwrap_or_default();
        let runs = fs::read_dir(self.0.join("state/runs")).into_iter().flatten().flatten();
        runs.map(|run| log(run.path()).iter().filter(|byte| **byte == b'\n').count()).sum()
    }

    fn wait_for_journal(&self) {
        self.wait_for(|run| {
            fs::read_to_string(run.join("journal.jsonl")).is_ok_and(|text| text.contains("\"running\""))
        });
    }

    fn wait_for_log(&self) {
        self.wait_for(|run| fs::metadata(run.join("steps/s0/i1-a1.log")).is_ok_and(|log| log.len() > 0));
    }

    fn wait_for(&self, is_so: impl Fn(&Path) -> bool) {
        let runs = self.0.join("state/runs");
        let there = || fs::read_dir(&runs).is_ok_and(|mut runs| runs.any(|run| is_so(&run.unwrap().path())));
        let start = Instant::now();
        while !there() {
            assert!(start.elapsed() < Duration::from_secs(60), "the run does not start");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()
}

fn timed(mut command: Command) -> f64 {
    let start = Instant::now();
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
    start.elapsed().as_secs_f64() * 1_000.0
}

/// A process and those of the same program below it.
fn ours(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    let own = children.filter(|child: &u32| {
        fs::read_link(format!("/proc/{child}/exe")).is_ok_and(|exe| exe == Path::new(ROBOPPI))
    });
    std::iter::once(pid).chain(own.flat_map(ours)).collect()
}

/// Milliseconds of CPU time that the threads of a process have used.
fn cpu(pid: u32) -> f64 {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return 0.0 };
    let used = |path: PathBuf| {
        let text = fs::read_to_string(path.join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    };
    threads.flatten().filter_map(|thread| used(thread.path())).sum::<f64>() / 1e6
}

fn median(values: &mut [f64]) -> f64 {
    at(values, 50)
}

fn at(values: &mut [f64], percent: usize) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values
        .get((values.len() * percent / 100).min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}

fn judge(what: &str, is: f64, goal: f64, unit: &str) {
    let verdict = if is <= goal { "ok" } else { "MISSED" };
    println!("  {what:<15} {is:8.2} {unit}   goal {goal} {unit}: {verdict}");
}
