//! Starts a workflow as a run of its own, which goes on when the server ends.

use std::io::{Read as _, Seek as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use roboppi_process::inherited::give_back;
use roboppi_record::StateRoot;

use super::Starter;

/// How long a run may take to begin.
const PATIENCE: Duration = Duration::from_secs(20);

/// Time between two looks.
const RHYTHM: Duration = Duration::from_millis(25);

/// Bytes of what is output of a failure.
const OUTPUT: u64 = 4096;

/// Starts runs whose records are below `root`.
pub(super) fn starter(root: StateRoot) -> Starter {
    Arc::new(move |workflow| start(&root, workflow))
}

fn start(root: &StateRoot, workflow: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("the workflow cannot be started: {error}");
    let program = std::env::current_exe().map_err(failed)?;
    let mut output = tempfile::tempfile().map_err(failed)?;
    let mut command = Command::new(program);
    command.args(["workflow", "run", "--no-tui", "--quiet"]).arg(workflow);
    // Relative paths of the workflow are below the directory of its file.
    command.current_dir(workflow.parent().unwrap_or(Path::new("/")));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output.try_clone().map_err(failed)?);
    // A group of its own: what ends the server from its terminal does not reach it.
    command.process_group(0);
    give_back(&mut command);
    let mut child = command.spawn().map_err(failed)?;
    let found = wait_for_run(root, &mut child);
    let ended = child.try_wait().ok().flatten();
    let pid = child.id();
    if ended.is_none() {
        // Waited for, so that nothing is left of it while the server lives.
        let _ = thread::Builder::new().name("workflow".to_owned()).spawn(move || child.wait());
    }
    found.ok_or_else(|| {
        let mut text = String::new();
        let _ = output.rewind();
        let _ = output.take(OUTPUT).read_to_string(&mut text);
        match ended {
            Some(status) => format!("the workflow cannot run ({status}): {}", text.trim()),
            None => format!("the run of process {pid} has not begun after {} s", PATIENCE.as_secs()),
        }
    })
}

/// The id of the run that a process owns, once it is there.
fn wait_for_run(root: &StateRoot, child: &mut Child) -> Option<String> {
    let until = Instant::now() + PATIENCE;
    loop {
        let ended = child.try_wait().ok().flatten().is_some();
        // The newest first: it is among the first few.
        let runs = root.runs().unwrap_or_default();
        let of_child = runs.into_iter().take(50).find(|id| {
            let manifest = root.open_run(id).and_then(|run| run.manifest());
            manifest.is_ok_and(|manifest| manifest.owner.pid == child.id())
        });
        if of_child.is_some() || ended || Instant::now() >= until {
            return of_child.map(|id| id.to_string());
        }
        thread::sleep(RHYTHM);
    }
}
