//! Scripts: what was pressed, what came of it.

mod any;

use std::sync::Arc;

use ratatui::layout::Size;
use roboppi_attach::RunCommand;
use roboppi_ipc::{CancelReason, UtcMillis, WorkerEvent, WorkerOutput, WorkerStatus};
use roboppi_run::{RunEvent, RunOutcome, StepPath, StepState};

use super::{log_request, prepare, timeline, update};
use crate::keymap::Key;
use crate::layout::Focus;
use crate::message::{Action, Message};
use crate::model::{Model, Question};
use crate::tab::Tab;
use crate::test_run::{
    TestRun, empty, ending, failed, of, plan, press, result, running, screen, settings, succeeded,
};
use crate::{HoldPolicy, Role};

fn selected(model: &Model) -> &str {
    model.selected.as_ref().map_or("", StepPath::as_str)
}

fn command(command: RunCommand) -> Vec<Action> {
    vec![Action::Request(command)]
}

/// Without a question, `y` copies what there is to copy and does nothing else.
fn only_copies(actions: &[Action]) -> bool {
    actions.iter().all(|action| matches!(action, Action::Copy(_)))
}

/// Tells the model what `run` says since it had `before` records.
fn tell(model: &mut Model, run: &TestRun, before: usize) -> Vec<Action> {
    let mut actions = Vec::new();
    for record in &run.records[before..] {
        actions.extend(update(model, Message::Record(Arc::clone(record))));
    }
    prepare(model);
    actions
}

#[test]
fn quitting_a_running_run_asks_first() {
    let mut model = running().model(80, 24);
    assert_eq!(press(&mut model, "q"), []);
    assert_eq!(model.question, Some(Question::EndRun));
    assert_eq!(press(&mut model, "n"), []);
    assert_eq!(model.question, None);
    assert_eq!(press(&mut model, "q Enter j q q"), [], "neither Enter nor the same key is a yes");
    assert_eq!(model.question, None);
    assert_eq!(press(&mut model, "q y"), command(RunCommand::CancelRun { force: false }));
    assert!(only_copies(&press(&mut model, "q y")), "it is being ended already");
}

#[test]
fn an_interrupt_goes_a_stage_further_each_time() {
    let mut model = running().model(80, 24);
    assert_eq!(press(&mut model, "C-c"), command(RunCommand::CancelRun { force: false }));
    assert!(screen(&model).contains("Ctrl-C again kills now"));
    assert_eq!(press(&mut model, "C-c"), command(RunCommand::CancelRun { force: true }));
    assert!(screen(&model).contains("Ctrl-C again leaves at once"));
    assert_eq!(press(&mut model, "C-c"), [Action::Request(RunCommand::LeaveNow), Action::Leave]);
}

#[test]
fn a_run_that_is_ended_by_something_else_is_a_stage_further() {
    let mut model = ending().model(80, 24);
    assert_eq!(press(&mut model, "C-c"), command(RunCommand::CancelRun { force: true }));
    let mut run = ending();
    run.journal(RunEvent::RunEnding { reason: CancelReason::Timeout, force: true, signal: None });
    let mut model = run.model(80, 24);
    assert_eq!(press(&mut model, "C-c"), [Action::Request(RunCommand::LeaveNow), Action::Leave]);
}

#[test]
fn an_interrupt_is_heard_while_a_question_is_open() {
    let mut model = running().model(80, 24);
    assert_eq!(press(&mut model, "x C-c"), command(RunCommand::CancelRun { force: false }));
    assert_eq!(model.question, None);
}

#[test]
fn after_the_end_one_key_leaves() {
    for key in ["q", "C-c"] {
        assert_eq!(press(&mut failed().model(80, 24), key), [Action::Leave]);
    }
    let mut model = empty(80, 24);
    update(&mut model, Message::Ended);
    assert_eq!(press(&mut model, "q"), [Action::Leave]);
}

#[test]
fn when_nobody_stays_the_end_leaves() {
    let mut model = running().model(80, 24);
    model.settings.hold = HoldPolicy::Never;
    let mut run = running();
    let before = run.records.len();
    run.finished(RunOutcome::Succeeded, 0);
    assert_eq!(tell(&mut model, &run, before), [Action::Leave]);
    let mut model = Model::new(
        crate::TuiSettings { hold: HoldPolicy::Never, ..settings() },
        jiff::tz::TimeZone::UTC,
        Size::new(80, 24),
        UtcMillis(0),
    );
    assert_eq!(update(&mut model, Message::Follow(Box::new(succeeded().view()))), [Action::Leave]);
}

#[test]
fn one_step_is_ended_after_a_question() {
    let mut model = running().model(80, 24);
    assert_eq!(press(&mut model, "x y"), command(RunCommand::CancelStep(StepPath::from("build"))));
    assert!(only_copies(&press(&mut model, "g x y")), "fetch is over");
}

#[test]
fn a_question_is_void_when_its_subject_is_gone() {
    let mut run = running();
    let before = run.records.len();
    let mut model = run.model(80, 24);
    press(&mut model, "x");
    run.ended(&of("build", 2), result(WorkerStatus::Succeeded, Some(0))).state("build", StepState::Succeeded);
    tell(&mut model, &run, before);
    assert_eq!(model.question, None);
    press(&mut model, "q");
    let before = run.records.len();
    run.finished(RunOutcome::Succeeded, 0);
    tell(&mut model, &run, before);
    assert_eq!(model.question, None);
    assert!(only_copies(&press(&mut model, "y")));
}

#[test]
fn the_selection_follows_the_run_until_the_person_moves() {
    let mut run = TestRun::release();
    let mut model = run.model(80, 24);
    assert_eq!(selected(&model), "fetch");
    let before = run.records.len();
    run.done("fetch", 1, result(WorkerStatus::Succeeded, Some(0))).running("build", 1, 1);
    tell(&mut model, &run, before);
    assert_eq!(selected(&model), "build");

    press(&mut model, "j j");
    assert_eq!((selected(&model), model.follow), ("lint", false));
    let before = run.records.len();
    run.ended(&of("build", 1), result(WorkerStatus::Failed, Some(1))).state("build", StepState::Failed);
    run.running("test", 1, 2);
    tell(&mut model, &run, before);
    assert_eq!(selected(&model), "lint");

    press(&mut model, "f");
    assert_eq!((selected(&model), model.follow), ("test", true));
    press(&mut model, "f");
    assert!(!model.follow);
}

#[test]
fn a_followed_step_is_kept_while_it_is_at_work() {
    let mut run = TestRun::release();
    run.running("test", 1, 1);
    let before = run.records.len();
    let mut model = run.model(80, 24);
    assert_eq!(selected(&model), "test");
    run.running("build", 1, 2);
    tell(&mut model, &run, before);
    assert_eq!(selected(&model), "test");
}

#[test]
fn the_end_selects_what_failed_unless_the_person_looks_elsewhere() {
    assert_eq!(selected(&failed().model(80, 24)), "test");
    let run = failed();
    let mut model = empty(80, 24);
    let last = run.records.len() - 1;
    for record in &run.records[..last] {
        update(&mut model, Message::Record(Arc::clone(record)));
    }
    press(&mut model, "g");
    tell(&mut model, &run, last);
    assert_eq!(selected(&model), "fetch");
}

#[test]
fn a_new_view_after_a_lag_keeps_what_was_chosen() {
    let mut model = running().model(80, 24);
    press(&mut model, "g j j 2");
    update(&mut model, Message::Follow(Box::new(failed().view())));
    assert_eq!((selected(&model), model.tab), ("test", Tab::Logs));
    update(&mut model, Message::Follow(Box::new(TestRun::with(vec![plan("other", &[])], true).view())));
    assert_eq!(selected(&model), "other");
}

#[test]
fn tabs_by_number_and_in_turn() {
    let mut model = running().model(80, 24);
    for (keys, tab) in [
        ("2", Tab::Logs),
        ("Tab", Tab::Diffs),
        ("S-Tab S-Tab S-Tab", Tab::Timeline),
        ("Tab", Tab::Overview),
        ("9", Tab::Help),
        ("Tab", Tab::Overview),
        ("6", Tab::Overview),
    ] {
        press(&mut model, keys);
        assert_eq!(model.tab, tab, "{keys}");
        assert_eq!(model.focus, Focus::Steps);
    }
}

#[test]
fn a_small_screen_shows_one_side_at_a_time() {
    let mut model = running().model(40, 12);
    assert!(screen(&model).contains("fetch"));
    press(&mut model, "2");
    assert_eq!(model.focus, Focus::Pane);
    assert!(!screen(&model).contains("fetch"));
    press(&mut model, "Esc");
    assert!(screen(&model).contains("fetch"));
    press(&mut model, "Enter");
    assert!(screen(&model).contains("Reading the log"));
}

#[test]
fn help_is_scrolled_and_left_for_what_was_there_before() {
    let mut model = running().model(100, 30);
    for (before, help, back) in [("2", "?", "?"), ("2 Enter", "F1", "Esc"), ("1 Enter", "?", "h")] {
        press(&mut model, before);
        let (tab, focus, selected_before) = (model.tab, model.focus, selected(&model).to_owned());
        press(&mut model, help);
        assert_eq!((model.tab, model.focus), (Tab::Help, Focus::Pane));
        press(&mut model, "j j");
        assert_eq!(model.scroll[Tab::Help.index()].top, 2);
        press(&mut model, back);
        assert_eq!((model.tab, model.focus, selected(&model)), (tab, focus, selected_before.as_str()));
        press(&mut model, "F1 g Esc h");
    }
    press(&mut model, "? 1 Enter Esc");
    assert_eq!((model.tab, model.focus), (Tab::Overview, Focus::Steps), "who goes on does not come back");
}

#[test]
fn attempts_are_chosen_with_brackets() {
    let mut model = running().model(80, 24);
    press(&mut model, "2");
    assert_eq!(log_request(&model).unwrap().of, of("build", 2));
    press(&mut model, "[");
    assert_eq!(log_request(&model).unwrap().of, of("build", 1));
    press(&mut model, "[");
    assert_eq!(log_request(&model).unwrap().of, of("build", 1));
    press(&mut model, "]");
    assert_eq!((log_request(&model).unwrap().of, model.attempt), (of("build", 2), None));
}

/// Two files, one of them changed twice.
fn changed() -> TestRun {
    let mut run = running();
    let build = of("build", 2);
    run.patch(
        &build,
        "src/a.rs",
        "--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1 +1 @@\n-one\n+two\n@@ -9 +9 @@\n+nine\n",
    );
    run.patch(&build, "src/b.rs", "@@ -1,0 +1,2 @@\n+first\n+second\n");
    run.patch(&build, "src/a.rs", "@@ -20 +20 @@\n-twenty\n");
    run
}

#[test]
fn changes_of_a_file_stand_together_and_are_folded() {
    let mut model = changed().model(80, 30);
    press(&mut model, "3");
    let all = screen(&model);
    for line in ["▾ src/a.rs +2 −2", "▾ @@ -9 +9 @@", "+nine", "-twenty", "▾ src/b.rs +2 −0", "+second"]
    {
        assert!(all.contains(line), "{line}\n{all}");
    }
    assert!(all.find("-twenty") < all.find("▾ src/b.rs"), "{all}");
    assert!(!all.contains("+++ b/src/a.rs"), "the name is there already");

    // The latest change is in the first file.
    press(&mut model, "Space");
    let folded = screen(&model);
    assert!(folded.contains("▸ src/a.rs +2 −2") && !folded.contains("nine"), "{folded}");
    press(&mut model, "Space > Space");
    let folded = screen(&model);
    assert!(folded.contains("▸ @@ -1 +1 @@  (2 lines)") && !folded.contains("+two"), "{folded}");
    assert!(folded.contains("+nine"), "{folded}");
    press(&mut model, "z");
    assert!(!screen(&model).contains("second") && !screen(&model).contains("nine"), "{}", screen(&model));
    press(&mut model, "z");
    assert!(screen(&model).contains("+two"), "everything is unfolded");
}

#[test]
fn one_goes_from_heading_to_heading_and_the_latest_change_is_gone_to_until_then() {
    let mut run = running();
    for path in ["a", "b", "c"] {
        run.patch(&of("build", 2), path, &"+line\n".repeat(40));
    }
    let mut model = run.model(80, 24);
    press(&mut model, "3");
    assert!(screen(&model).contains("▾ c"), "{}", screen(&model));
    assert!(screen(&model).contains("› c"), "the list says so, too");
    press(&mut model, "< <");
    assert!(screen(&model).contains("▾ a") && screen(&model).contains("› a"));
    press(&mut model, "> > >");
    assert!(screen(&model).contains("› c"));
    let before = run.records.len();
    press(&mut model, "<");
    run.patch(&of("build", 2), "d", "+line");
    tell(&mut model, &run, before);
    assert!(screen(&model).contains("› b"), "nothing moves under a person");
}

#[test]
fn pages_are_scrolled_within_their_length() {
    let mut model = failed().model(80, 12);
    press(&mut model, "1 Enter End");
    let bottom = screen(&model);
    assert!(bottom.contains("Exit code   1"), "{bottom}");
    press(&mut model, "j j PgDn");
    assert_eq!(screen(&model), bottom);
    press(&mut model, "Home");
    assert!(screen(&model).contains("✗ failed: exit 1"));
}

#[test]
fn output_of_what_is_not_shown_draws_nothing() {
    let output = |step: &str| {
        let mut run = running();
        let before = run.records.len();
        run.event(&of(step, 2), WorkerEvent::Stdout(WorkerOutput::default()));
        Message::Record(Arc::clone(&run.records[before]))
    };
    let mut model = running().model(80, 24);
    for (keys, step, dirty) in [("1", "build", false), ("2", "build", true), ("2", "test", false)] {
        press(&mut model, keys);
        model.dirty = false;
        update(&mut model, output(step));
        assert_eq!(model.dirty, dirty, "{keys} {step}");
    }
}

#[test]
fn a_step_that_has_not_started_is_left_out_after_a_question() {
    let mut model = running().model(80, 24);
    assert_eq!(press(&mut model, "G x"), []);
    assert_eq!(model.question, Some(Question::SkipStep(StepPath::from("publish"))));
    assert_eq!(press(&mut model, "n x y"), command(RunCommand::SkipStep(StepPath::from("publish"))));
    assert!(screen(&model).contains("requested to skip publish"));
}

#[test]
fn a_step_without_success_is_tried_again_while_the_run_goes_on() {
    let mut run = TestRun::release();
    run.done("fetch", 1, result(WorkerStatus::Succeeded, Some(0)));
    run.done("build", 1, result(WorkerStatus::Failed, Some(1)));
    let mut model = run.model(80, 24);
    assert_eq!(press(&mut model, "g r"), [], "fetch succeeded");
    assert_eq!(press(&mut model, "j r"), command(RunCommand::RetryStep(StepPath::from("build"))));

    // Why nothing came of it.
    let before = run.records.len();
    let refused = Some("`build` needs `fetch`".to_owned());
    run.journal(RunEvent::Command {
        command: RunCommand::RetryStep("build".into()),
        by: None,
        user: None,
        refused,
    });
    tell(&mut model, &run, before);
    assert!(screen(&model).contains("not done: `build` needs `fetch`"));

    // Nobody is there to do it any more; one is told who will.
    let before = run.records.len();
    run.finished(RunOutcome::Failed, 1);
    tell(&mut model, &run, before);
    assert_eq!(press(&mut model, "r"), []);
    let said = model.notice.clone().unwrap_or_default();
    assert!(said.contains("roboppi workflow run /home/me/app/release.yaml --resume 0194-test"), "{said}");
}

#[test]
fn what_earlier_runs_tell_is_shown_as_what_is_left() {
    let mut run = TestRun::release();
    for step in ["fetch", "build", "test", "lint", "publish"] {
        run.state(step, StepState::Succeeded);
    }
    let history = roboppi_attach::History::of([run.view()]);
    let mut model = running().model(120, 24);
    assert!(!screen(&model).contains("left"), "nothing is invented");
    update(&mut model, Message::History(history));
    prepare(&mut model);
    assert!(screen(&model).contains("~9s left, as in 1 earlier run"), "{}", screen(&model));
}

/// Tells a running model that its run is over.
fn over(model: &mut Model, outcome: RunOutcome) -> Vec<Action> {
    let mut run = running();
    let before = run.records.len();
    run.finished(outcome, u8::from(outcome != RunOutcome::Succeeded));
    tell(model, &run, before)
}

#[test]
fn a_screen_stays_for_a_person_and_for_a_failure() {
    let stays = |hold: HoldPolicy, keys: &str, outcome: RunOutcome| {
        let mut model = running().model(80, 24);
        model.settings.hold = hold;
        press(&mut model, keys);
        over(&mut model, outcome) != [Action::Leave]
    };
    let (good, bad, ended) = (RunOutcome::Succeeded, RunOutcome::Failed, RunOutcome::Cancelled);
    // Without a key nothing is pressed that has a meaning.
    for (hold, keys, outcome, expected) in [
        (HoldPolicy::Always, "t", good, true),
        (HoldPolicy::Never, "t", bad, false),
        (HoldPolicy::Failure, "t", good, true),
        (HoldPolicy::Failure, "t", bad, true),
        (HoldPolicy::Failure, "C-c", ended, false),
        (HoldPolicy::Failure, "q y", ended, false),
        (HoldPolicy::Failure, "q n", ended, true),
    ] {
        assert_eq!(stays(hold, keys, outcome), expected, "{hold:?} {keys} {outcome:?}");
    }
}

#[test]
fn a_screen_that_was_never_used_leaves_after_a_minute() {
    let mut model = running().model(80, 24);
    model.settings.hold = HoldPolicy::Failure;
    assert_eq!(over(&mut model, RunOutcome::Failed), []);
    assert!(model.is_alive(), "it counts down");
    let start = model.now.0;
    assert!(screen(&model).contains("leaves in 60s, any key stays"), "{}", screen(&model));
    assert_eq!(update(&mut model, Message::Tick(UtcMillis(start + 59_000))), []);
    assert!(screen(&model).contains("leaves in 1s"));
    let mut kept = running().model(80, 24);
    kept.settings.hold = HoldPolicy::Failure;
    over(&mut kept, RunOutcome::Failed);
    assert_eq!(press(&mut kept, "j"), []);
    assert_eq!(update(&mut kept, Message::Tick(UtcMillis(start + 600_000))), []);
    assert!(!kept.is_alive() && screen(&kept).contains("press q to leave"));
    assert_eq!(update(&mut model, Message::Tick(UtcMillis(start + 60_000))), [Action::Leave]);
    let mut good = running().model(80, 24);
    good.settings.hold = HoldPolicy::Failure;
    assert_eq!(over(&mut good, RunOutcome::Succeeded), [Action::Leave]);
}

#[test]
fn the_first_key_may_be_the_end_of_all_keys() {
    for end in [Key::Ctrl('d'), Key::Ctrl('@')] {
        let mut model = running().model(80, 24);
        assert_eq!(update(&mut model, Message::Key(end)), []);
        assert_eq!(over(&mut model, RunOutcome::Failed), [Action::Leave]);
        // After the end, too.
        let mut model = running().model(80, 24);
        over(&mut model, RunOutcome::Failed);
        assert_eq!(update(&mut model, Message::Key(end)), [Action::Leave]);
        // A person goes on.
        let mut model = running().model(80, 24);
        update(&mut model, Message::Key(end));
        press(&mut model, "j");
        update(&mut model, Message::Key(end));
        assert_eq!(over(&mut model, RunOutcome::Failed), []);
        // It is a key of those who look at a run of another process.
        for role in [Role::Viewer, Role::Replay] {
            let mut model = running().model(80, 24);
            model.settings.role = role;
            assert_eq!(update(&mut model, Message::Key(end)), []);
            assert_eq!(over(&mut model, RunOutcome::Failed), []);
            assert_eq!(update(&mut model, Message::Key(end)), []);
        }
    }
}

#[test]
fn another_step_that_failed_is_looked_for_on_both_sides() {
    let mut model = failed().model(100, 30);
    let at = model.view.steps.iter().position(|step| crate::step_list::has_failed(step)).unwrap();
    let last = model.view.steps.len() - 1;
    assert!(at < last);
    press(&mut model, "G n");
    assert_eq!(model.selected_index(), Some(at));
    assert_eq!(model.notice.as_deref(), Some("wrapped to the first step that failed"));
    press(&mut model, "n");
    assert_eq!(model.notice.as_deref(), Some("no other step failed"));
}

#[test]
fn the_selected_row_of_the_timeline_stays_in_sight_unless_one_scrolls_away() {
    let steps = (0..60).map(|at| plan(&format!("s{at}"), &[])).collect();
    let mut run = TestRun::with(steps, false);
    let mut model = run.model(100, 30);
    press(&mut model, "5 Enter G");
    assert!(timeline::is_in_sight(&model));
    update(&mut model, Message::Resize(Size::new(100, 12)));
    assert!(timeline::is_in_sight(&model), "the screen is smaller");
    press(&mut model, "g");
    let before = run.records.len();
    for at in 20..60 {
        run.running(&format!("s{at}"), 1, 7);
    }
    tell(&mut model, &run, before);
    assert!(timeline::is_in_sight(&model), "others have begun before it");
    model.scroll[Tab::Timeline.index()] = crate::model::Scroll::default();
    assert!(!timeline::is_in_sight(&model));
    let before = run.records.len();
    run.state("s20", StepState::Failed);
    tell(&mut model, &run, before);
    assert!(!timeline::is_in_sight(&model), "someone reads elsewhere");
}

#[test]
fn letters_are_text_while_a_filter_is_typed() {
    let mut model = running().model(100, 30);
    assert_eq!(press(&mut model, "F q x"), []);
    assert_eq!((model.question.clone(), model.list.filter.text()), (None, "qx"));
    assert_eq!(press(&mut model, "C-c"), command(RunCommand::CancelRun { force: false }));
    let mut model = running().model(100, 30);
    press(&mut model, "? / q x");
    assert_eq!((model.question.clone(), model.help_filter.text()), (None, "qx"));
    press(&mut model, "Esc Esc");
    assert_eq!(model.tab, Tab::Logs, "the second Escape is for the help");
}

#[test]
fn steps_that_are_done_are_hidden_but_for_the_selected_one() {
    let mut model = running().model(80, 24);
    press(&mut model, "g d");
    assert_eq!(selected(&model), "build", "what is hidden is not selected");
    assert!(!screen(&model).contains("fetch"));
    press(&mut model, "k");
    assert_eq!(selected(&model), "build");
    press(&mut model, "d k");
    assert_eq!(selected(&model), "fetch");
}

#[test]
fn rows_of_the_timeline_are_selected() {
    let mut model = running().model(100, 24);
    press(&mut model, "5 Enter g");
    assert_eq!((selected(&model), model.attempt), ("fetch", None));
    press(&mut model, "j");
    assert_eq!((selected(&model), model.attempt), ("build", Some(0)));
    press(&mut model, "j");
    assert_eq!((selected(&model), model.attempt), ("build", None));
    press(&mut model, "G");
    assert_eq!((selected(&model), model.tab), ("publish", Tab::Timeline));
    press(&mut model, "j PgDn PgUp PgUp k");
    assert_eq!(selected(&model), "fetch");
}
