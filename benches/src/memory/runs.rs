//! Runs of a workflow, held at their end so that one can look at their processes.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::{Peaks, Place, peaks, step};

/// Says that everything before it is over, and waits until somebody has looked.
const HOLD: &str = "touch ready; while ! [ -e go ]; do sleep 0.02; done";

/// A core that says nothing useful for 20 MiB first.
const LOUD_CORE: &str = "#!/bin/sh\nhead -c 20971520 /dev/zero | tr '\\0' ' '\necho\nexec ROBOPPI core\n";

/// A core that says no hello, and nothing useful for 20 MiB before it completes a job.
const OLD_CORE: &str = r#"#!/usr/bin/env bash
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" <<< "$line"; }
while IFS= read -r line; do
  id=$(field requestId) job=$(field jobId)
  case $line in
    *'"type":"heartbeat"'*) echo '{"type":"heartbeat_ack","timestamp":1}' ;;
    *'"type":"submit_job"'*) echo "{\"type\":\"ack\",\"requestId\":\"$id\",\"jobId\":\"$job\"}" ;;
    *'"type":"request_permit"'*)
      echo "{\"type\":\"permit_granted\",\"requestId\":\"$id\",\"permit\":{\"permitId\":\"p\",\"jobId\":\"$job\",\"deadlineAt\":4000000000000,\"attemptIndex\":0,\"tokensGranted\":{\"concurrency\":1,\"rps\":1},\"circuitStateSnapshot\":{}}}"
      head -c 20971520 /dev/zero | tr '\0' ' '
      echo
      touch ready
      while ! [ -e go ]; do sleep 0.02; done
      echo "{\"type\":\"job_completed\",\"jobId\":\"$job\",\"outcome\":\"succeeded\"}" ;;
  esac
done
"#;

pub(crate) fn worker(place: &Place, script: &str) -> Peaks {
    let steps = step("work", script, "") + &step("hold", HOLD, "    depends_on: [work]\n");
    held(place, &steps, None, &["supervisor", "guard", "core"])
}

pub(crate) fn line_from_core(place: &Place) -> Peaks {
    let core = place.write_program("loud-core", &LOUD_CORE.replace("ROBOPPI", place.program()));
    held(place, &step("hold", HOLD, ""), Some(&core), &["supervisor", "guard", "core"])
}

pub(crate) fn line_from_old_core(place: &Place) -> Peaks {
    let core = place.write_program("old-core", OLD_CORE);
    held(place, &step("hold", "true", ""), Some(&core), &["supervisor"])
}

/// Runs the steps, and looks at the processes when the last one says that it holds.
fn held(place: &Place, steps: &str, core: Option<&Path>, roles: &[&'static str]) -> Peaks {
    let flow = place.flow("flow", "", steps);
    let mut command = place.run(&flow, &["--supervised"]);
    command.env("TMPDIR", place.dir());
    if let Some(core) = core {
        command.arg("--core").arg(core);
    }
    let mut run = Run::start(&mut command);
    place.wait_for_file("ready");
    let peaks = peaks(run.0.id(), roles);
    place.write("go", "");
    assert!(run.0.wait().unwrap().success(), "the run failed");
    assert_eq!(peaks.len(), roles.len(), "{peaks:?}");
    peaks
}

/// Ends with its owner; what it started ends with it.
struct Run(Child);

impl Run {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
