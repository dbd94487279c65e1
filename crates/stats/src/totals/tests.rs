use roboppi_ipc::WorkerKind;
use roboppi_run::{RunOutcome, StepState};

use super::*;
use crate::fold::tests::Story;

#[test]
fn what_was_under_way_in_a_run_without_an_owner_is_lost() {
    let mut story = Story::of(&[("fix", WorkerKind::CLAUDE_CODE), ("later", WorkerKind::CUSTOM)]);
    story.start("fix");
    story.call("fix", "1", "Bash");
    let figures = story.figures();
    let totals = |state| {
        let mut totals = Totals::default();
        totals.add(&figures, state);
        let of = |counts: crate::Counts, outcome| counts.of(outcome);
        let agents = totals.agents["CLAUDE_CODE"].attempts.counts;
        [Outcome::Running, Outcome::Lost, Outcome::Unknown, Outcome::Waiting, Outcome::Skipped].map(
            |outcome| {
                let parts = [totals.runs.counts, totals.steps.counts, agents, totals.calls.counts];
                parts.map(|counts| of(counts, outcome))
            },
        )
    };
    let (none, all) = ([0; 4], [1; 4]);
    assert_eq!(totals(RunState::Live), [all, none, none, [0, 1, 0, 0], none]);
    assert_eq!(totals(RunState::Lost), [none, all, none, none, [0, 1, 0, 0]]);
    assert_eq!(totals(RunState::Elsewhere), [none, none, all, [0, 1, 0, 0], none]);
}

#[test]
fn runs_are_added_up_by_their_names() {
    let mut totals = Totals::default();
    for outcome in [RunOutcome::Succeeded, RunOutcome::Failed, RunOutcome::Cancelled, RunOutcome::TimedOut] {
        let mut story = Story::of(&[("a", WorkerKind::CUSTOM)]);
        story.start("a");
        story.state("a", StepState::Succeeded, Some(20));
        story.end(outcome);
        totals.add(&story.figures(), RunState::Finished);
    }
    let counts = totals.workflows["flow"].counts;
    assert_eq!((counts.total(), counts.errors(), counts.of(Outcome::Cancelled)), (4, 2, 1));
    assert_eq!(totals.workflows["flow"], totals.runs);
    let key = StepKey { workflow: "flow".into(), step: "a".into() };
    assert_eq!(totals.by_step[&key].succeeded.sum(), 80);
    assert_eq!((totals.runs.succeeded.sum(), totals.runs.failed.sum()), (500, 1_000));
    assert_eq!(totals.recent.len(), 4);
    let selection = Selection::default();
    let period = totals.period(&selection, UtcMillis(3_601_010)).unwrap();
    assert_eq!((period.ms(), totals.runs.per_hour(period.ms())), (3_600_000, Some(3.0)));
    assert_eq!(Totals::default().period(&selection, UtcMillis(1)), None);
}

#[test]
fn the_latest_entries_are_kept_whatever_the_order_of_runs() {
    let run = |first: u64| {
        let mut story = Story::of(&[("a", WorkerKind::CUSTOM)]);
        story.state("a", StepState::Succeeded, None);
        let mut figures = story.figures();
        let entry = figures.recent.remove(0);
        figures.recent =
            (first..first + 80).map(|at| Recent { at: UtcMillis(at), ..entry.clone() }).collect();
        figures
    };
    for order in [[0, 100, 200], [200, 100, 0], [100, 0, 200]] {
        let mut totals = Totals::default();
        order.iter().for_each(|first| totals.add(&run(*first), RunState::Finished));
        let times: Vec<_> = totals.recent.iter().map(|(_, entry)| entry.at.0).collect();
        let expected: Vec<_> = (200..280).rev().chain((160..180).rev()).collect();
        assert_eq!(times, expected);
    }
}
