//! The API against its own document: requests that schemathesis makes of it, and what the server answers.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::machine::{is_deciding, starts};
use crate::{cargo, root, run};

/// The version that makes the requests.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// What is expected of each answer: no error of the server, and a status, a type and a content that the document has.
const CHECKS: &str =
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";

/// The token of the server.
const TOKEN: &str = "a token for the requests of the contract";

/// A run whose steps have logs of both streams.
const WORKFLOW: &str = "name: contract\nversion: \"1\"\ntimeout: 1m\nsteps:\n  work:\n    worker: CUSTOM\n    \
    capabilities: [READ]\n    instructions: \"seq 1 2000; echo wrong >&2\"\n";

/// Runs that are there, for the second half of the requests.
const KNOWN: &str = "[parameters]\n\"path.run\" = \"r1\"\n\"path.attempt\" = \"work\"\n\"path.line\" = 3\n";

/// A server that ends with this value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends the requests, with names that are made up and with those of a run.
pub(crate) fn check() -> Result<(), String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let Some(program) = installed(&target.join("contract"))? else { return Ok(()) };
    run(cargo(&["build", "--locked", "--bin", "roboppi"]))?;
    let place = target.join(format!("contract/{}", std::process::id()));
    let done = requests(&target.join("debug/roboppi"), &program, &place);
    let _ = fs::remove_dir_all(&place);
    done
}

/// Installs what makes the requests. What is missing is reported, and an error where nothing is left out.
fn installed(place: &Path) -> Result<Option<PathBuf>, String> {
    let program = place.join("bin/schemathesis");
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(place);
    let mut pip = Command::new(place.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", SCHEMATHESIS]);
    let mut python = Command::new("python3");
    python.arg("--version");
    if starts(python) && run(venv).is_ok() && run(pip).is_ok() {
        return Ok(Some(program));
    }
    let missing = format!("{SCHEMATHESIS} cannot be installed with python3 and pip");
    if is_deciding() {
        return Err(missing);
    }
    eprintln!("\n{missing}: the contract of the API is left out.");
    Ok(None)
}

fn requests(roboppi: &Path, program: &Path, place: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", place.display());
    fs::create_dir_all(place).map_err(failed)?;
    let write = |name: &str, text: &str| {
        let file = place.join(name);
        fs::write(&file, text)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        Ok(file)
    };
    let workflow = write("contract.yaml", WORKFLOW).map_err(failed)?;
    let token = write("token", TOKEN).map_err(failed)?;
    let known = write("known.toml", KNOWN).map_err(failed)?;
    let free = write("free.toml", "").map_err(failed)?;
    let command = || {
        let mut command = Command::new(roboppi);
        command.current_dir(place).env("ROBOPPI_STATE_DIR", place.join("state"));
        command
    };
    let mut workflow_run = command();
    workflow_run.args(["workflow", "run", "--plain"]).arg(workflow);
    run(workflow_run)?;
    let mut serve = command();
    serve.args(["serve", "--bind", "127.0.0.1:0", "--token-file"]).arg(token).stdout(Stdio::piped());
    let mut server = Server(serve.spawn().map_err(failed)?);
    let output = server.0.stdout.take().ok_or("the server has no output")?;
    let mut url = String::new();
    BufReader::new(output).read_line(&mut url).map_err(failed)?;
    for config in [free, known] {
        let mut test = Command::new(program);
        test.arg("--config-file").arg(config).arg("run").arg(root().join("crates/web/openapi.json"));
        test.args(["--url", url.trim().trim_end_matches('/'), "--header"]);
        test.arg(format!("Authorization: Bearer {TOKEN}"));
        // Streams have no end, a wrong login locks the others out, and no workflow is to be started.
        test.args(["--exclude-path-regex", "(/stream|/ws|/session|/workflows/.*)$"]);
        test.args(["--checks", CHECKS, "--phases", "coverage,fuzzing"]);
        test.args([
            "--max-examples",
            "30",
            "--suppress-health-check",
            "all",
            "--warnings",
            "off",
            "--no-color",
        ]);
        test.current_dir(place);
        run(test)?;
    }
    Ok(())
}
