//! Writes results of benches into a page: `performance-page RESULTS PAGE`.

use std::process::ExitCode;

use roboppi_benches::page::{Results, with_figures, with_machine};

fn main() -> ExitCode {
    match write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{message}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn write() -> Result<(), String> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [results, page] = &arguments[..] else { return Err("usage: performance-page RESULTS PAGE".into()) };
    let read =
        |path: &str| std::fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"));
    let results = Results::of_lines(&read(results)?);
    let written = with_figures(&with_machine(&read(page)?, &machine())?, &results)?;
    std::fs::write(page, written).map_err(|error| format!("cannot write {page}: {error}"))
}

/// The machine in a table. No names and no dates.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or_else(|| "?".to_owned(), |rest| rest.trim_start_matches([' ', '\t', ':']).to_owned())
    };
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let memory = memory.split(' ').next().and_then(|kib| kib.parse::<f64>().ok());
    let rows = [
        (
            "processors",
            std::thread::available_parallelism().map_or_else(|_| "?".into(), |count| count.to_string()),
        ),
        ("model", field(&read("/proc/cpuinfo"), "model name")),
        ("memory", memory.map_or_else(|| "?".into(), |kib| format!("{:.0} GiB", kib / 1024.0 / 1024.0))),
        ("kernel", format!("Linux {}", read("/proc/sys/kernel/osrelease").trim())),
        ("file system", file_system(&read("/proc/self/mountinfo"))),
    ];
    let rows: String = rows.iter().map(|(name, value)| format!("| {name} | {value} |\n")).collect();
    format!("\n| machine | |\n|---|---|\n{rows}")
}

/// The type of the file system of the working directory.
fn file_system(mounts: &str) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let mount = |line: &str| {
        let (place, kind) = line.split_once(" - ")?;
        let at = place.split(' ').nth(4)?.to_owned();
        here.starts_with(&at).then(|| (at.len(), kind.split(' ').next().unwrap_or("?").to_owned()))
    };
    // Of two mounts at one place the later one is seen.
    mounts
        .lines()
        .filter_map(mount)
        .max_by_key(|(length, _)| *length)
        .map_or_else(|| "?".into(), |(_, kind)| kind)
}
