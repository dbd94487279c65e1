//! Whatever an agent prints, and however it comes in pieces: no panic, the same events, one result, totals that never fall,
//! and no success against the exit code.

use std::time::Duration;

use roboppi_ipc::{Mono, OutputStream, TaskBudget, Usage, UtcMillis, WorkerEvent, WorkerStatus, WorkerTask};
use roboppi_worker_adapters::{ExitKind, SessionEffect, Translation, WorkerAdapter, WorkerEnd};

/// The first byte says how the others are cut, and how the agent ends.
pub(crate) fn check(adapter: &dyn WorkerAdapter, bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let exit = match choice % 3 {
        0 => ExitKind::Code(0),
        1 => ExitKind::Code(1),
        _ => ExitKind::Signal(9),
    };
    let whole = run(adapter, bytes, bytes.len().max(1), exit);
    let pieces = run(adapter, bytes, usize::from(choice / 3) + 1, exit);
    assert_eq!(whole, pieces, "in other pieces");
    judge(&whole, exit);
}

fn run(adapter: &dyn WorkerAdapter, bytes: &[u8], piece: usize, exit: ExitKind) -> Vec<SessionEffect> {
    let task = task(adapter);
    let spec = adapter.plan(&task).expect("a plain task can be planned");
    let mut translation = Translation::new(adapter.session(&task), &spec);
    let mut out = Vec::new();
    translation.started(Mono::ZERO, &mut out);
    for piece in bytes.chunks(piece) {
        translation.output(Mono::ZERO, OutputStream::Stdout, piece, &mut out);
    }
    let end = |output| WorkerEnd::new(exit, output, Duration::from_secs(1));
    translation.exit(Mono::ZERO, end, &mut out);
    out
}

fn judge(effects: &[SessionEffect], exit: ExitKind) {
    let results: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            SessionEffect::Result(result) => Some(result),
            _ => None,
        })
        .collect();
    let [result] = results.as_slice() else { panic!("{} results", results.len()) };
    assert!(matches!(effects.last(), Some(SessionEffect::Result(_))), "something after the result");
    assert!(
        result.status != WorkerStatus::Succeeded || exit == ExitKind::Code(0),
        "a success against the exit code"
    );
    let told = effects.iter().filter_map(|effect| match effect {
        SessionEffect::Event(WorkerEvent::Usage(usage)) => Some(*usage),
        _ => None,
    });
    let last = result.details.as_ref().and_then(|details| details.usage);
    let totals: Vec<Usage> = told.chain(last).collect();
    for pair in totals.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        assert!(a.input_tokens <= b.input_tokens && a.output_tokens <= b.output_tokens, "{a:?} {b:?}");
        assert!(a.cache_read_tokens <= b.cache_read_tokens && a.turns <= b.turns, "{a:?} {b:?}");
        assert!(a.cost_usd.unwrap_or(0.0) <= b.cost_usd.unwrap_or(0.0), "{a:?} {b:?}");
    }
}

fn task(adapter: &dyn WorkerAdapter) -> WorkerTask {
    WorkerTask::new(
        "t",
        adapter.describe().kind,
        "/w",
        "do it",
        TaskBudget::new(UtcMillis(0)).with_max_steps(Some(3.0)),
    )
}
