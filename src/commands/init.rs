//! `roboppi init`: writes a first workflow by what the directory holds.

use std::env;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use roboppi_worker_adapters::Adapters;
use roboppi_workflow::draft::{self, Agent, Project, Tool};
use serde_json::Value;

use crate::commands::{out, workflow_file};
use crate::exit::Failure;
use crate::programs::find;
use crate::terminal::plain;

/// Bytes of a project file that are read.
const READ: u64 = 1024 * 1024;

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The file to write
    #[arg(default_value = workflow_file::DEFAULT, value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
    /// Replace a file that exists
    #[arg(long)]
    force: bool,
    /// Print the workflow on stdout, and write nothing
    #[arg(long, conflicts_with = "force")]
    print: bool,
}

pub(crate) fn run(args: &InitArgs) -> Result<ExitCode, Failure> {
    let here = env::current_dir().map_err(Failure::infrastructure)?;
    let project = project(&here);
    let text = project.workflow();
    if args.print {
        return out::print(&text);
    }
    write(&args.file, &text, args.force)?;
    let file = plain(&args.file.display().to_string());
    let command = if args.file == Path::new(workflow_file::DEFAULT) {
        "roboppi workflow run".to_owned()
    } else {
        format!("roboppi workflow run {}", roboppi_run::shell_word(&file))
    };
    out::print(&format!("{file}: written for {}\nnext: {command}\n", project.found()))
}

fn write(file: &Path, text: &str, replace: bool) -> Result<(), Failure> {
    let opened = if replace { File::create(file) } else { File::create_new(file) };
    let cannot = |error| Failure::infrastructure(format!("{} cannot be written: {error}", file.display()));
    match opened {
        Ok(mut opened) => opened.write_all(text.as_bytes()).map_err(cannot),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Failure::usage(format!(
            "{} exists already\nhint: --force replaces it, --print writes to stdout",
            file.display()
        ))),
        Err(error) => Err(cannot(error)),
    }
}

/// What the directory holds.
fn project(dir: &Path) -> Project {
    let has = |name: &str| dir.join(name).exists();
    let read = |name: &str| {
        let path = dir.join(name);
        let is_small = path.metadata().is_ok_and(|found| found.is_file() && found.len() <= READ);
        is_small.then(|| fs::read_to_string(path).ok()).flatten()
    };
    let mut tools = Vec::new();
    if has("Cargo.toml") && installed("cargo") {
        tools.push(Tool::Cargo);
    }
    if let Some(package) = read("package.json") {
        let package: Value = serde_json::from_str(&package).unwrap_or_default();
        let names = package["scripts"].as_object().into_iter().flatten();
        let scripts = names.map(|(name, _)| name.clone()).collect();
        let managers =
            [("pnpm-lock.yaml", "pnpm"), ("yarn.lock", "yarn"), ("bun.lock", "bun"), ("bun.lockb", "bun")];
        let manager = managers.into_iter().find(|(lock, _)| has(lock)).map_or("npm", |(_, manager)| manager);
        if installed(manager) {
            tools.push(Tool::Node { manager, scripts, installed: has("node_modules") });
        }
    }
    let python = ["pyproject.toml", "pytest.ini", "setup.py", "setup.cfg", "tox.ini", "requirements.txt"];
    if python.iter().any(|name| has(name)) && installed("python3") {
        tools.push(Tool::Python { pytest: installed("pytest") });
    }
    let makefile = ["GNUmakefile", "makefile", "Makefile"].into_iter().find_map(read);
    if let Some(makefile) = makefile.filter(|_| installed("make")) {
        tools.push(Tool::Make { targets: draft::make_targets(&makefile) });
    }
    let agent = Adapters::builtin().descriptions().find_map(|worker| {
        let found = installed(worker.program.as_deref()?);
        found.then(|| Agent { kind: worker.kind.name().to_owned(), name: worker.name.clone().into_owned() })
    });
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Project { name, tools, agent }
}

fn installed(program: &str) -> bool {
    find(program).is_some()
}
