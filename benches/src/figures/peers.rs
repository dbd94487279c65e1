//! The same work with other programs that run commands, those of them that are installed.

use std::fmt::Write as _;
use std::process::Command;

use super::flood::lines_of_100;
use super::steps::{chained, independent};
use crate::support::{Cache, Figure, Measurement, Place, Row, Times, Tool, plain, step, timed};

/// Tasks for a program that takes a tenth of a second for each.
const FEW: u64 = 50;

/// One of those that do the same work.
struct Contender {
    row: Row,
    /// The program, when it may be missing.
    tool: Option<&'static str>,
    /// How many steps it runs.
    steps: u64,
    command: Box<dyn Fn(&Place) -> Command>,
}

impl Contender {
    fn new(
        row: Row,
        tool: Option<&'static str>,
        steps: u64,
        command: impl Fn(&Place) -> Command + 'static,
    ) -> Self {
        Self { row, tool, steps, command: Box::new(command) }
    }

    fn script(row: Row, tool: Option<&'static str>, steps: u64, script: &str) -> Self {
        let script = script.to_owned();
        Self::new(row, tool, steps, move |place| place.bash(&script))
    }
}

/// Measures all in turn, after a round that does not count. Programs that run [`FEW`] steps run once.
fn compete(measurement: &mut Measurement<'_>, place: &Place, rounds: usize, contenders: &[Contender]) {
    let installed: Vec<_> = contenders
        .iter()
        .map(|contender| match contender.tool {
            Some(name) => Tool::find(name).map(|tool| format!("{} {}", tool.name, tool.version)).ok_or(name),
            None => Ok(String::new()),
        })
        .collect();
    let mut times = vec![Vec::new(); contenders.len()];
    for round in 0..=measurement.rounds(rounds) {
        for (at, contender) in contenders.iter().enumerate() {
            let only_once = contender.steps == FEW;
            if installed[at].is_ok() && !(only_once && round == 0) && !(only_once && round > 1) {
                let time = timed(&mut (contender.command)(place));
                place.forget_runs();
                times[at].extend(time.filter(|_| round > 0));
            }
        }
    }
    for ((contender, installed), times) in contenders.iter().zip(&installed).zip(times) {
        let (times, steps) = (Times::new(times), contender.steps as f64);
        match installed {
            Err(name) => measurement.put_absent(&contender.row, &format!("{name} is not installed")),
            Ok(_) if times.len() == 0 => measurement.put_absent(&contender.row, "failed"),
            Ok(version) => {
                let count =
                    if times.len() == 1 { "once".into() } else { format!("median of {}", times.len()) };
                let detail = if version.is_empty() { count } else { format!("{count}, {version}") };
                measurement.put_with(&contender.row, times.seconds() * 1e3 / steps, &detail);
            }
        }
    }
}

/// The packages of a monorepo, each with a script.
fn write_packages(place: &Place, scripts: &[String], chained: bool) {
    let all: Vec<_> = (0..scripts.len()).map(|n| format!("\"p{n}\"")).collect();
    place.write(
        "package.json",
        &format!(r#"{{"name":"all","packageManager":"npm@10.0.0","workspaces":[{}]}}"#, all.join(",")),
    );
    place.write("turbo.json", r#"{"tasks":{"step":{"cache":false,"dependsOn":["^step"]}}}"#);
    for (n, script) in scripts.iter().enumerate() {
        let before = if chained && n > 0 { format!(r#""p{}":"*""#, n - 1) } else { String::new() };
        let script = script.replace('\\', "\\\\").replace('"', "\\\"");
        std::fs::create_dir_all(place.path(&format!("p{n}"))).expect("the target directory can be written");
        place.write(
            &format!("p{n}/package.json"),
            &format!(
                r#"{{"name":"p{n}","version":"1.0.0","dependencies":{{{before}}},"scripts":{{"step":"{script}"}}}}"#
            ),
        );
    }
}

fn turbo(place: &Place) -> Command {
    let mut command = place.command("turbo", &["run", "step", "--ui=stream", "--concurrency=8"]);
    command.env("TURBO_TELEMETRY_DISABLED", "1");
    command
}

fn concurrently(place: &Place, at_once: &str, commands: &[String]) -> Command {
    let mut command = place.command("concurrently", &["-m", at_once]);
    command.args(commands);
    command
}

const OURS: Row = plain("roboppi", "ms");
const BASH: Row = plain("bash", "ms");
const XARGS: Row = plain("xargs -P8", "ms");
const MAKE: Row = plain("make", "ms");
const NINJA: Row = plain("ninja", "ms");
const JUST: Row = plain("just", "ms");
const PARALLEL: Row = plain("GNU parallel", "ms");
const CONCURRENTLY: Row = plain("concurrently", "ms");
const TURBO: Row = plain("turbo", "ms");

/// One step that prints a word.
pub(super) const HELLO: Figure = Figure {
    name: "peers-hello",
    compared: "one step with `echo hello`: the whole time of each program",
    cache: Cache::Warm,
    rows: &[OURS, BASH, MAKE, NINJA, JUST, PARALLEL, CONCURRENTLY, TURBO],
    measure: hello,
};

fn hello(measurement: &mut Measurement<'_>) {
    let place = measurement.place();
    let script = "echo hello".to_owned();
    let flow = place.flow("hello", "", &step("hello", &script, ""));
    place.write("Makefile", "all:\n\t@bash -e -c 'echo hello'\n.PHONY: all\n");
    place.write("justfile", "all:\n  @bash -e -c 'echo hello'\n");
    place.write("build.ninja", "rule run\n  command = bash -e -c 'echo hello'\nbuild hello: run\n");
    write_packages(&place, std::slice::from_ref(&script), false);
    let contenders = [
        Contender::new(OURS, None, 1, move |place| place.run(&flow, &[])),
        Contender::script(BASH, None, 1, "bash -e -c 'echo hello'"),
        Contender::script(MAKE, Some("make"), 1, "make"),
        Contender::script(NINJA, Some("ninja"), 1, "ninja"),
        Contender::script(JUST, Some("just"), 1, "just"),
        Contender::script(PARALLEL, Some("parallel"), 1, "parallel bash -e -c ::: 'echo hello'"),
        Contender::new(CONCURRENTLY, Some("concurrently"), 1, move |place| {
            concurrently(place, "1", std::slice::from_ref(&script))
        }),
        Contender::new(TURBO, Some("turbo"), 1, turbo),
    ];
    compete(measurement, &place, 10, &contenders);
}

/// Steps that each wait for the one before.
pub(super) const CHAIN: Figure = Figure {
    name: "peers-chain",
    compared: "500 steps with `bash -e -c true` that each wait for the one before (turbo: 50): the time of a step",
    cache: Cache::Removed,
    rows: &[OURS, BASH, MAKE, NINJA, JUST, PARALLEL, CONCURRENTLY, TURBO],
    measure: chain,
};

fn chain(measurement: &mut Measurement<'_>) {
    let place = measurement.place();
    let steps = measurement.scaled(500);
    let flow = place.flow("chain", "", &chained(steps));
    write_graphs(&place, steps, true);
    let few = vec!["bash -e -c true".to_owned(); FEW as usize];
    write_packages(&place, &few, true);
    let commands = vec!["bash -e -c true".to_owned(); steps as usize];
    let contenders = [
        Contender::new(OURS, None, steps, move |place| place.run(&flow, &[])),
        Contender::script(BASH, None, steps, &format!("for n in $(seq {steps}); do bash -e -c true; done")),
        Contender::script(MAKE, Some("make"), steps, "make -j8"),
        Contender::script(NINJA, Some("ninja"), steps, "rm -f .ninja_log; ninja -j8"),
        Contender::script(JUST, Some("just"), steps, "just"),
        Contender::script(
            PARALLEL,
            Some("parallel"),
            steps,
            &format!("seq {steps} | parallel -j1 bash -e -c true"),
        ),
        Contender::new(CONCURRENTLY, Some("concurrently"), steps, move |place| {
            concurrently(place, "1", &commands)
        }),
        Contender::new(TURBO, Some("turbo"), FEW, turbo),
    ];
    compete(measurement, &place, 3, &contenders);
}

/// Steps that depend on nothing, eight at a time.
pub(super) const WIDE: Figure = Figure {
    name: "peers-wide",
    compared: "1,000 steps with `bash -e -c true`, eight at a time (just: all at once; turbo: 50 steps): the time of a step",
    cache: Cache::Removed,
    rows: &[OURS, XARGS, MAKE, NINJA, JUST, PARALLEL, CONCURRENTLY, TURBO],
    measure: wide,
};

fn wide(measurement: &mut Measurement<'_>) {
    let place = measurement.place();
    let steps = measurement.scaled(1_000);
    let flow = place.flow("wide", "concurrency: 8\n", &independent(steps));
    write_graphs(&place, steps, false);
    write_packages(&place, &vec!["bash -e -c true".to_owned(); FEW as usize], false);
    let commands = vec!["bash -e -c true".to_owned(); steps as usize];
    let lines = |with: &str| format!("seq {steps} | {with} bash -e -c true");
    let contenders = [
        Contender::new(OURS, None, steps, move |place| place.run(&flow, &[])),
        Contender::script(XARGS, None, steps, &lines("xargs -P8 -n1")),
        Contender::script(MAKE, Some("make"), steps, "make -j8"),
        Contender::script(NINJA, Some("ninja"), steps, "rm -f .ninja_log; ninja -j8"),
        Contender::script(JUST, Some("just"), steps, "just"),
        Contender::script(PARALLEL, Some("parallel"), steps, &lines("parallel -j8")),
        Contender::new(CONCURRENTLY, Some("concurrently"), steps, move |place| {
            concurrently(place, "8", &commands)
        }),
        Contender::new(TURBO, Some("turbo"), FEW, turbo),
    ];
    compete(measurement, &place, 3, &contenders);
}

/// The files of make, ninja and just for steps that do nothing.
fn write_graphs(place: &Place, steps: u64, chained: bool) {
    let all: Vec<_> = (0..steps).map(|n| format!("t{n}")).collect();
    let all = all.join(" ");
    let mut make = format!(".PHONY: all {all}\nall: {all}\n");
    let mut ninja = String::from("rule run\n  command = bash -e -c true\n");
    let mut just = format!("[parallel]\nall: {all}\n");
    for n in 0..steps {
        let before = if chained && n > 0 { format!(" t{}", n - 1) } else { String::new() };
        let _ = write!(make, "t{n}:{before}\n\t@bash -e -c true\n");
        let _ = writeln!(ninja, "build t{n}: run{before}");
        let _ = write!(just, "t{n}:{before}\n  @bash -e -c true\n");
    }
    place.write("Makefile", &make);
    place.write("build.ninja", &ninja);
    place.write("justfile", &just);
}

const SED: Row = plain("tee and sed", "ms");
const STREAM_ROWS: &[Row] = &[OURS, SED, PARALLEL, CONCURRENTLY, TURBO];

/// Output with the name of its step before each line, 100 MB.
pub(super) const STREAM_SMALL: Figure = Figure {
    name: "peers-stream-100MB",
    compared: "one step that writes 100 MB in lines of 100 bytes, each printed behind the name of the step: the whole time; \
               roboppi and `tee` keep it as well",
    cache: Cache::Removed,
    rows: STREAM_ROWS,
    measure: |measurement| stream(measurement, 1_000_000),
};

/// The same with 1 GB.
pub(super) const STREAM_LARGE: Figure = Figure {
    name: "peers-stream-1GB",
    compared: "the same with 1 GB",
    cache: Cache::Removed,
    rows: STREAM_ROWS,
    measure: |measurement| stream(measurement, 10_000_000),
};

fn stream(measurement: &mut Measurement<'_>, lines: u64) {
    let place = measurement.place();
    let script = lines_of_100(measurement.scaled(lines));
    let flow = place.flow("stream", "", &step("flood", &script, ""));
    write_packages(&place, &["bash ../flood.sh".to_owned()], false);
    place.write("flood.sh", &script);
    let contenders = [
        Contender::new(OURS, None, 1, move |place| place.run(&flow, &["--stream"])),
        Contender::script(SED, None, 1, "bash flood.sh | tee flood.txt | sed 's/^/flood | /'; rm flood.txt"),
        Contender::script(PARALLEL, Some("parallel"), 1, "parallel --tag --line-buffer bash ::: flood.sh"),
        Contender::new(CONCURRENTLY, Some("concurrently"), 1, |place| {
            concurrently(place, "1", &["bash flood.sh".to_owned()])
        }),
        Contender::new(TURBO, Some("turbo"), 1, turbo),
    ];
    compete(measurement, &place, 3, &contenders);
}
