//! Every death of the child or the guard, with every worker: nobody survives.

use nix::sys::signal::Signal;
use roboppi_process::guard::GuardReport;
use roboppi_process::is_alive;

use crate::guarded::{END_OF_WIRE, TERMINATED};
use crate::runner::Case;
use crate::stage::{HASTY, PATIENT, Settings, Stage, until};
use crate::workers::{ALL, Worker};

#[derive(Clone, Copy)]
struct Death {
    name: &'static str,
    guard: &'static Settings,
    check: fn(&mut Stage, Worker),
}

const DEATHS: [Death; 6] = [
    Death { name: "kill-child", guard: &HASTY, check: kill_child },
    Death { name: "kill-guard", guard: &HASTY, check: kill_guard },
    // The child needs time for its workers, and how much is up to the machine.
    Death { name: "term-guard", guard: &PATIENT, check: |stage, _| ask_guard(stage, Signal::SIGTERM) },
    Death { name: "int-guard", guard: &PATIENT, check: |stage, _| ask_guard(stage, Signal::SIGINT) },
    Death { name: "hup-guard", guard: &PATIENT, check: |stage, _| ask_guard(stage, Signal::SIGHUP) },
    Death { name: "close-wire", guard: &PATIENT, check: close_wire },
];

pub(crate) fn cases() -> Vec<Case> {
    let pairs = DEATHS.into_iter().flat_map(|death| ALL.into_iter().map(move |worker| (death, worker)));
    let case = |(death, worker): (Death, Worker)| {
        Case::new(format!("deaths::{}::{}", death.name, worker.name), move || {
            let mut stage = Stage::new(death.guard, &[worker]);
            assert!(!stage.mark.bearers().is_empty());
            (death.check)(&mut stage, worker);
        })
    };
    pairs.map(case).collect()
}

fn kill_child(stage: &mut Stage, worker: Worker) {
    stage.signal_guarded(Signal::SIGKILL);
    let reports = stage.ends_clean(137);
    let [exited, ended @ .., done] = &reports[..] else { panic!("{reports:?}") };
    assert_eq!(*exited, GuardReport::CoreExited { code: None, signal: Some(9) });
    assert!(!ended.is_empty(), "{}", worker.name);
    for report in ended {
        let GuardReport::Ended { process, command } = report else { panic!("{reports:?}") };
        assert!(!is_alive(*process));
        assert!(command.contains(&stage.mark.0) || command.starts_with('['), "{command}");
    }
    let count = u32::try_from(ended.len()).unwrap();
    assert_eq!(*done, GuardReport::Done { ended: count, unkillable: Vec::new() });
}

fn kill_guard(stage: &mut Stage, _: Worker) {
    stage.signal_guard(Signal::SIGKILL);
    let _ = stage.end();
    // The child is nobody's child here, so its code is not seen.
    until("the child and all below it end", || stage.mark.bearers().is_empty());
    assert_eq!(stage.reports(), []);
}

fn ask_guard(stage: &mut Stage, signal: Signal) {
    stage.signal_guard(signal);
    assert_eq!(stage.ends_clean(TERMINATED), nothing_left_by(TERMINATED));
}

fn close_wire(stage: &mut Stage, _: Worker) {
    drop(stage.input.take());
    assert_eq!(stage.ends_clean(END_OF_WIRE), nothing_left_by(END_OF_WIRE));
}

/// What a guard says when its child has ended all by itself.
fn nothing_left_by(code: u8) -> [GuardReport; 2] {
    [
        GuardReport::CoreExited { code: Some(code.into()), signal: None },
        GuardReport::Done { ended: 0, unkillable: Vec::new() },
    ]
}
