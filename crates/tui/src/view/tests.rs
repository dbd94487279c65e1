//! Screens, as a person sees them.

use insta::assert_snapshot;
use ratatui::style::{Color, Modifier, Style};
use roboppi_ipc::{OutputStream, Resources, UtcMillis, WorkerEvent, WorkerStatus};
use roboppi_run::{RunEvent, RunOutcome, StepPath, StepState};

use crate::layout::Focus;
use crate::log_pane::{CoreTail, Found, LogReply, LogRow, MatchCount, RowPos, TextPos};
use crate::message::Message;
use crate::model::Model;
use crate::sanitise::styled_line;
use crate::test_run::{
    TestRun, draw, empty, ending, failed, of, plan, press, result, running, screen, serve_log, succeeded,
};
use crate::theme::Theme;
use crate::update::update;
use crate::{Colours, Role};

fn after(run: &TestRun, (columns, rows): (u16, u16), keys: &str) -> Model {
    let mut model = run.model(columns, rows);
    press(&mut model, keys);
    model
}

#[test]
fn a_run_at_work() {
    assert_snapshot!("running_80x24", screen(&running().model(80, 24)));
    assert_snapshot!("running_120x40", screen(&running().model(120, 40)));
    assert_snapshot!("running_40x12", screen(&running().model(40, 12)));
    assert_snapshot!("running_20x5", screen(&running().model(20, 5)));
    assert_snapshot!("running_60x24", screen(&running().model(60, 24)));
}

#[test]
fn a_run_that_is_being_ended_names_whom_it_waits_for() {
    assert_snapshot!("ending_160x10", screen(&ending().model(160, 10)));
    assert_snapshot!("ending_80x24", screen(&ending().model(80, 24)));
    assert_snapshot!("ending_40x12", screen(&ending().model(40, 12)));
    assert_snapshot!("ending_20x5", screen(&ending().model(20, 5)));
}

#[test]
fn the_end_of_a_run_stays_on_the_screen() {
    assert_snapshot!("failed_80x24", screen(&failed().model(80, 24)));
    assert_snapshot!("failed_120x40", screen(&failed().model(120, 40)));
    assert_snapshot!("failed_20x5", screen(&failed().model(20, 5)));
    assert_snapshot!("succeeded_80x24", screen(&succeeded().model(80, 24)));
}

#[test]
fn nothing_is_known_yet() {
    assert_snapshot!("empty_80x24", screen(&empty(80, 24)));
    let mut model = empty(80, 24);
    update(&mut model, Message::Ended);
    assert_snapshot!("ended_without_an_end_80x24", screen(&model));
}

#[test]
fn tabs() {
    assert_snapshot!("result_80x24", screen(&after(&failed(), (80, 24), "4")));
    assert_snapshot!("result_under_way_80x24", screen(&after(&running(), (80, 24), "4")));
    assert_snapshot!("diffs_80x24", screen(&after(&succeeded(), (80, 24), "g j 3")));
    assert_snapshot!("diffs_none_80x24", screen(&after(&running(), (80, 24), "3")));
    assert_snapshot!("help_120x40", screen(&after(&running(), (120, 40), "?")));
    assert_snapshot!("overview_40x12", screen(&after(&running(), (40, 12), "1")));

    let mut model = after(&running(), (80, 24), "8");
    let tail = CoreTail {
        lines: (1..=30).map(|number| format!("line {number}")).collect(),
        skipped: 4_000,
        path: "/state/runs/0194/core.stderr".to_owned(),
        error: None,
    };
    update(&mut model, Message::CoreTail(tail));
    assert_snapshot!("core_80x24", screen(&model));
}

/// The same at every size that matters, one below the other.
pub(super) fn at_all_sizes(run: &TestRun, keys: &str) -> String {
    at_all_sizes_as(Role::Owner, run, keys)
}

const SIZES: [(u16, u16); 4] = [(120, 40), (80, 24), (40, 12), (20, 5)];

fn at_all_sizes_as(role: Role, run: &TestRun, keys: &str) -> String {
    let screens = SIZES.map(|(columns, rows)| {
        let mut model = run.model(columns, rows);
        model.settings.role = role;
        press(&mut model, keys);
        format!("{columns}x{rows}\n{}", screen(&model))
    });
    screens.join("\n")
}

#[test]
fn every_view_at_every_size() {
    let mut run = running();
    let build = of("build", 2);
    run.patch(
        &build,
        "src/lib.rs",
        "--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -1,2 +1,2 @@ fn main\n same\n-old\n+new\n",
    );
    run.patch(&build, "README.md", "@@ -0,0 +1 @@\n+# Read me\n");
    for (number, name) in
        [(1, "overview"), (2, "logs"), (3, "diffs"), (4, "result"), (5, "timeline"), (8, "core"), (9, "help")]
    {
        assert_snapshot!(format!("all_sizes_{name}"), at_all_sizes(&run, &number.to_string()));
    }
    assert_snapshot!("all_sizes_steps", at_all_sizes(&run, "k"));
    assert_snapshot!("all_sizes_result_of_a_failure", at_all_sizes(&failed(), "4"));
    assert_snapshot!("all_sizes_timeline_of_an_end", at_all_sizes(&succeeded(), "5"));
}

#[test]
fn every_question_at_every_size() {
    assert_snapshot!("all_sizes_end_the_run", at_all_sizes(&running(), "q"));
    assert_snapshot!("all_sizes_end_a_step", at_all_sizes(&running(), "x"));
    assert_snapshot!("all_sizes_skip_a_step", at_all_sizes(&running(), "G x"));
    assert_snapshot!("all_sizes_waiting_for_the_end", at_all_sizes(&ending(), "k"));
    let viewer = |run: &TestRun, keys: &str| at_all_sizes_as(Role::Viewer, run, keys);
    assert_snapshot!("all_sizes_visitor", viewer(&running(), "k"));
    assert_snapshot!("all_sizes_visitor_ends_the_run", viewer(&running(), "X"));
    assert_snapshot!("all_sizes_visitor_kills_the_run", viewer(&ending(), "X"));
    assert_snapshot!("all_sizes_visitor_ends_a_step", viewer(&running(), "x"));
    assert_snapshot!("all_sizes_visitor_skips_a_step", viewer(&running(), "G x"));
    assert_snapshot!("all_sizes_replay", at_all_sizes_as(Role::Replay, &succeeded(), "k"));
}

#[test]
fn a_log_that_is_not_streamed_at_every_size() {
    let mut run = TestRun::with(vec![plan("build", &[])], false);
    run.running("build", 1, 7);
    assert_snapshot!("all_sizes_logs_closed", at_all_sizes(&run, "2"));
}

#[test]
fn a_screen_can_be_huge() {
    let shown = screen(&after(&running(), (400, 120), "1"));
    assert_eq!(shown.lines().count(), 120);
    assert!(shown.contains("Longest") || shown.contains("Critical"));
}

#[test]
fn without_unicode_the_same_is_said() {
    for keys in ["1", "2", "3", "4", "5", "8", "9", "q"] {
        let mut model = after(&running(), (100, 30), keys);
        model.settings.ascii = true;
        let shown = screen(&model);
        assert!(shown.is_ascii(), "{shown}");
        let asked = shown.replace("? help", "").contains('?');
        assert!(!asked || keys == "9" || keys == "q", "every sign has its likeness: {shown}");
    }
}

#[test]
fn colours_differ_on_a_light_background_and_no_yellow_is_left() {
    let mut model = running().model(100, 30);
    model.theme = Theme::new(Colours::Light);
    let cells = draw(&model);
    assert!(cells.content().iter().any(|cell| cell.fg == Color::Magenta));
    assert!(
        cells.content().iter().all(|cell| !matches!(cell.fg, Color::Yellow | Color::Cyan | Color::White))
    );
}

#[test]
fn a_wide_graph_of_many_steps_is_a_list_of_layers() {
    let names: Vec<_> = (0..140).map(|number| format!("step-{number}")).collect();
    let plans = (0..140).map(|at: usize| {
        let before: Vec<&str> = at.checked_sub(70).map(|before| names[before].as_str()).into_iter().collect();
        plan(&names[at], &before)
    });
    let run = TestRun::with(plans.collect(), true);
    assert_snapshot!("many_steps_100x30", screen(&after(&run, (100, 30), "1 Enter G")));
}

#[test]
fn questions() {
    assert_snapshot!("end_the_run_80x24", screen(&after(&running(), (80, 24), "q")));
    assert_snapshot!("end_the_run_20x5", screen(&after(&running(), (20, 5), "q")));
    assert_snapshot!("end_a_step_80x24", screen(&after(&running(), (80, 24), "x")));
}

fn log() -> Vec<LogRow> {
    let lines: [(OutputStream, &[u8]); 6] = [
        (OutputStream::Stdout, b"plain"),
        (OutputStream::Stderr, b"warning: \x1b[33munused\x1b[0m variable"),
        (OutputStream::Stdout, "wide 日本語 and e\u{301} \u{202e}not reordered".as_bytes()),
        (OutputStream::Stdout, b"\x1b]0;title\x07tab\there\x1b[2J"),
        (OutputStream::Stdout, b"10%\r 50%\r100%"),
        (OutputStream::Stdout, &[b'x'; 500]),
    ];
    let mut log = Vec::new();
    for (number, (stream, bytes)) in (0..).zip(lines.iter().cycle().take(60)) {
        let line = styled_line(bytes, 53, true);
        let lost = if number == 57 { 2_048 } else { 0 };
        log.push(LogRow {
            place: RowPos { line: number, part: 0 },
            stream: *stream,
            ts: None,
            column: 0,
            runs: line.runs,
            cut: line.cut,
            hits: Vec::new(),
            lost,
        });
    }
    log
}

#[test]
fn logs() {
    let mut model = after(&running(), (80, 24), "2");
    assert_snapshot!("logs_not_read_80x24", screen(&model));
    serve_log(&mut model, &log());
    assert_snapshot!("logs_following_80x24", screen(&model));
    press(&mut model, "Enter PgUp");
    serve_log(&mut model, &log());
    assert_snapshot!("logs_paused_80x24", screen(&model));
    serve_log(&mut model, &[]);
    assert_snapshot!("logs_empty_80x24", screen(&model));
}

/// The same lines with what a search for `warn` makes of them.
fn searched(model: &mut Model) {
    let mut rows = log();
    for row in &mut rows {
        row.hits.clear();
        if row.stream == OutputStream::Stderr {
            row.hits.push(0..4);
        }
        row.ts = Some(UtcMillis(1_767_225_600_000 + row.place.line * 1000));
    }
    serve_log(model, &rows);
    let seek = model.log.seek.as_ref().map_or(0, |seek| seek.number);
    let found =
        Found { number: seek, at: Some(TextPos { line: 43, column: 0 }), wrapped: false, error: None };
    update(model, Message::Log(LogReply::Sought(found)));
    serve_log(model, &rows);
    model.log.window.matches = Some(MatchCount { lines: 8, current: Some(6), percent: Some(41), lost: 0 });
}

#[test]
fn a_search_in_a_log() {
    for (width, height) in [(80, 24), (120, 40), (40, 12), (20, 5)] {
        let mut model = after(&running(), (width, height), "2 Enter");
        serve_log(&mut model, &log());
        press(&mut model, "/ w a r");
        assert_snapshot!(format!("logs_prompt_{width}x{height}"), screen(&model));
        press(&mut model, "n Enter");
        assert_eq!(model.log.query.as_ref().map(|query| query.text.as_str()), Some("warn"));
        searched(&mut model);
        assert_snapshot!(format!("logs_searched_{width}x{height}"), screen(&model));
        press(&mut model, "& t");
        searched(&mut model);
        assert_snapshot!(format!("logs_filtered_{width}x{height}"), screen(&model));
    }
}

#[test]
fn without_streaming_the_log_says_where_it_is() {
    let mut run = TestRun::with(vec![plan("build", &[])], false);
    run.running("build", 1, 7);
    let mut model = after(&run, (80, 24), "2");
    assert_snapshot!("logs_closed_80x24", screen(&model));
    press(&mut model, "o");
    serve_log(&mut model, &log());
    assert_snapshot!("logs_opened_80x24", screen(&model));
}

/// Names and texts that try to get out of their place.
fn hostile() -> TestRun {
    let names = [
        "\x1b[2Jboo\x07m",
        "日本語のとても長いステップの名前です",
        "e\u{301}\u{301}te\u{301}",
        "a\u{202e}b\nc",
    ];
    let mut run = TestRun::with(names.iter().map(|name| plan(name, &names[..1])).collect(), true);
    for name in names {
        run.done(name, 1, result(WorkerStatus::Failed, Some(1)));
        run.state_because(name, StepState::Failed, Some("\x1b]52;c;aGk=\x07why\r\nnot"));
        run.patch(&of(name, 1), "\x1b[1mevil\x1b[0m\n.rs", "+\x1b[2J\u{7}added\r\n-\tgone");
    }
    run.finished(RunOutcome::Failed, 1);
    run
}

#[test]
fn hostile_names_stay_in_their_place() {
    assert_snapshot!("hostile_80x24", screen(&hostile().model(80, 24)));
    assert_snapshot!("hostile_40x12", screen(&hostile().model(40, 12)));
    assert_snapshot!("hostile_diffs_80x24", screen(&after(&hostile(), (80, 24), "3")));
}

#[test]
fn without_colour_there_is_none() {
    let owner = ["1", "2", "3", "4", "5", "8", "9", "q", "x", "G x", "2 Enter /", "2 Enter :"];
    let looks = owner.map(|keys| (Role::Owner, keys)).into_iter().chain([
        (Role::Viewer, "k"),
        (Role::Viewer, "X"),
        (Role::Viewer, "x"),
        (Role::Viewer, "G x"),
        (Role::Replay, "k"),
    ]);
    for ((role, keys), size) in looks.flat_map(|look| SIZES.map(|size| (look, size))) {
        for run in [running(), ending(), failed(), succeeded()] {
            let mut model = run.model(size.0, size.1);
            model.settings.role = role;
            press(&mut model, keys);
            let plain: Vec<_> = log()
                .into_iter()
                .map(|row| LogRow {
                    runs: row.runs.into_iter().map(|(text, _)| (text, Style::new())).collect(),
                    ..row
                })
                .collect();
            serve_log(&mut model, &plain);
            for cell in draw(&model).content() {
                assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset), "{keys} at {size:?}: {cell:?}");
            }
            model.theme = Theme::new(Colours::Dark);
            assert!(draw(&model).content().iter().any(|cell| cell.fg != Color::Reset), "{keys} at {size:?}");
        }
    }
}

#[test]
fn a_long_list_keeps_the_selected_step_in_sight() {
    let names: Vec<_> = (0..100).map(|number| format!("step-{number}")).collect();
    let run = TestRun::with(names.iter().map(|name| plan(name, &[])).collect(), true);
    let mut model = run.model(80, 12);
    for (keys, selected) in [("G", 99), ("k k", 97), ("g", 0), ("j", 1)] {
        press(&mut model, keys);
        let screen = screen(&model);
        assert!(
            screen.contains(&format!("› ○ step-{selected}"))
                || screen.contains(&format!("›○ step-{selected}"))
        );
    }
    press(&mut model, "G");
    assert!(!screen(&model).contains("step-90 "), "no room is wasted below the last step");
    assert!(screen(&model).contains("step-91"));
}

#[test]
fn a_wait_for_a_usage_limit_is_shown_with_its_time() {
    let mut run = running();
    let until = UtcMillis(run.model(120, 24).now.0 + 60_000);
    run.limited("build", StepState::Retrying, until);
    let text = screen(&run.model(120, 24));
    let time = crate::text::clock(until, &jiff::tz::TimeZone::UTC);
    assert!(text.contains(&format!("until {}", &time[..5])), "{text}");
    run.limited("build", StepState::Failed, until);
    let text = screen(&after(&run, (120, 24), "1"));
    assert!(!text.contains("waits until"), "{text}");
}

#[test]
fn the_selected_row_is_one_bar_on_any_background() {
    for colours in [Colours::None, Colours::Dark, Colours::Light] {
        for (run, keys) in
            [(running(), "g j"), (failed(), "g j j"), (succeeded(), "k"), (running(), "5 Enter k")]
        {
            let mut model = after(&run, (120, 30), keys);
            model.theme = Theme::new(colours);
            let buffer = draw(&model);
            let columns = match model.focus {
                Focus::Steps => 0..36,
                Focus::Pane => 37..120,
            };
            let marked = |y: &u16| buffer[(columns.start, *y)].symbol() == "›";
            let row = (2..29).find(marked).expect("a selected row");
            for x in columns.clone() {
                let cell = &buffer[(x, row)];
                let look = (cell.fg, cell.bg, cell.modifier);
                assert_eq!(look, (Color::Reset, Color::Reset, Modifier::REVERSED), "{keys} {x}: {cell:?}");
            }
        }
    }
}

#[test]
fn the_bar_of_progress_keeps_its_length() {
    let mut run = TestRun::release();
    for columns in [40, 80, 120, 200] {
        let mut lengths = std::collections::BTreeSet::new();
        for step in ["fetch", "build", "test", "lint"] {
            run.done(step, 1, result(WorkerStatus::Succeeded, Some(0)));
            run.journal(RunEvent::Warning { message: "a word".to_owned(), step: None });
            let shown = screen(&run.model(columns, 24));
            let status = shown.lines().nth(1).unwrap_or_default().to_owned();
            lengths.insert(status.chars().filter(|char| matches!(char, '━' | '─')).count());
            assert!(status.contains(" of 5 steps"), "{status}");
        }
        assert_eq!(lengths.len(), 1, "{columns}: {lengths:?}");
    }
}

#[test]
fn two_thousand_steps_are_listed_and_filtered() {
    let names: Vec<_> = (0..2_000).map(|number| format!("step-{number}")).collect();
    let run = TestRun::with(names.iter().map(|name| plan(name, &[])).collect(), true);
    for size in SIZES.into_iter().chain([(200, 60)]) {
        let mut model = after(&run, size, "F 1 9 9 9");
        assert_eq!(model.selected.as_ref().map(StepPath::as_str), Some("step-1999"), "{size:?}");
        press(&mut model, "Enter G");
        assert!(screen(&model).contains("step-1999"), "{size:?}: {}", screen(&model));
        press(&mut model, "5 G g");
        drop(screen(&model));
    }
}

#[test]
fn a_filter_that_matches_nothing_keeps_the_selected_step() {
    let mut model = after(&running(), (80, 24), "g F n o t h i n g");
    let shown = screen(&model);
    assert!(shown.contains("filter: nothing") && shown.contains("1 of 5"), "{shown}");
    assert!(shown.contains("build") && !shown.contains("publish"), "{shown}");
    press(&mut model, "Esc");
    assert!(screen(&model).contains("publish") && !screen(&model).contains("filter:"));
    assert_snapshot!("all_sizes_filter", at_all_sizes(&running(), "F i"));
}

#[test]
fn what_processes_use_is_shown_where_there_is_room() {
    let mut run = running();
    let used =
        Resources::new(61_000, Some(300 << 20)).with_cpu_percent(Some(98)).with_memory_bytes(Some(120 << 20));
    run.event(&of("build", 2), WorkerEvent::Resources(used));
    let shown = screen(&after(&run, (140, 30), "1"));
    for words in ["cpu 98% 120 MiB", "1m01s, 98% of a processor now", "120 MiB, at most 300 MiB"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let narrow = screen(&after(&run, (80, 24), "1"));
    assert!(!narrow.contains("cpu 98%") && narrow.contains("of a processor now"), "{narrow}");
}
