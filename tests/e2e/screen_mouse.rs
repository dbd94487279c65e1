//! The mouse on the full screen, and what leaves it: to the clipboard, and to the editor.

use nix::sys::signal::Signal::{SIGKILL, SIGTERM};
use roboppi_terminal::{MouseProtocolMode, Screen};

use crate::env::{OnScreen, TestEnv};
use crate::flow::Flow;
use crate::processes::Process;

const CTRL_C: &str = "\x03";

/// A hundred lines, one of which names a place, and no end.
const LINES: &str = "seq 1 90 | sed 's/^/line /'; echo 'src/main.rs:12:5: error: wrong'; sleep 1000";

/// Puts a program of this test before those of the system.
fn path(env: &TestEnv) -> String {
    format!("{}:{}", env.path("work/bin").display(), std::env::var("PATH").unwrap_or_default())
}

/// Reports of the mouse: buttons, and column and row from 0.
fn mouse(on_screen: &mut OnScreen<'_>, reports: &[(u8, u16, u16, char)]) {
    for (button, x, y, end) in reports {
        on_screen.press(&format!("\x1b[<{button};{};{}{end}", x + 1, y + 1));
    }
}

fn row_of(screen: &Screen, text: &str) -> Option<u16> {
    let rows = screen.rows(0, screen.size().1.into());
    rows.zip(0..).find(|(row, _)| row.trim_end().ends_with(text)).map(|(_, row)| row)
}

#[test]
fn marked_text_reaches_the_clipboards_and_nothing_stays_behind() {
    let env = TestEnv::new();
    // As those of the system do, it hands the text out until somebody else copies.
    env.write_program(
        "bin/xclip",
        "#!/bin/sh\ncat > copied.part; mv copied.part copied; echo $$ > owner; exec sleep 1000\n",
    );
    let run = env.run_in_terminal(&Flow::of(LINES)).env("PATH", path(&env)).env("DISPLAY", ":99");
    let mut on_screen = run.start_in_terminal(24, 100);
    on_screen.wait_for_text("work");
    on_screen.press("2\r");
    on_screen.wait_for_text("error: wrong");
    on_screen.wait_until("the mouse to be taken", |screen| {
        screen.mouse_protocol_mode() == MouseProtocolMode::ButtonMotion
    });
    let (first, column) = on_screen.terminal.look(|screen| {
        let row = row_of(screen, "line 80").expect("line 80 is on the screen");
        let text: String = screen.rows(0, 100).nth(row.into()).unwrap();
        (row, u16::try_from(text.split("line 80").next().unwrap().chars().count()).unwrap())
    });
    // From the middle of one line to the middle of another.
    mouse(
        &mut on_screen,
        &[(0, column + 5, first, 'M'), (32, column + 3, first + 2, 'M'), (0, column + 3, first + 2, 'm')],
    );
    on_screen.wait_for_text("copied 3 lines");
    let copied = || std::fs::read_to_string(env.path("work/copied")).ok();
    assert_eq!(env.wait_for("the copy", copied), "80\nline 81\nline");
    let owner: i32 = env.wait_for_file("owner").trim().parse().unwrap();
    let written = String::from_utf8_lossy(&on_screen.terminal.written()).into_owned();
    assert!(written.contains("\x1b]52;c;ODAKbGluZSA4MQpsaW5l\x07"), "the terminal was not told");

    // A second copy takes the place of the first one, be it a word of which a double click is enough.
    std::fs::remove_file(env.path("work/copied")).unwrap();
    for _ in 0..2 {
        mouse(&mut on_screen, &[(0, column, first, 'M'), (0, column, first, 'm')]);
    }
    on_screen.wait_for_text("copied line");
    assert_eq!(env.wait_for("the second copy", copied), "line");
    env.wait_for("the first owner to be gone", || Process::of(owner).is_none().then_some(()));

    on_screen.press("m");
    on_screen.wait_until("the mouse to be given back", |screen| {
        screen.mouse_protocol_mode() == MouseProtocolMode::None
    });
    on_screen.press("m");
    on_screen.end_the_run();
    env.wait_until_nothing_is_left();
}

#[test]
fn what_hands_out_a_copy_ends_with_a_screen_that_is_killed() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let env = TestEnv::new();
    env.write_program("bin/xclip", "#!/bin/sh\ncat > copied; exec sleep 1000\n");
    let run = env.run_in_terminal(&Flow::of("sleep 1000")).env("PATH", path(&env)).env("DISPLAY", ":99");
    let mut on_screen = run.start_in_terminal(24, 100);
    on_screen.wait_for_text("1 Overview");
    on_screen.press("1y");
    let copied = || std::fs::read_to_string(env.path("work/copied")).ok();
    env.wait_for("the copy", || copied().filter(|text| text.contains("work")));
    on_screen.process().signal(SIGKILL);
    env.wait_until_nothing_is_left();
}

#[test]
fn the_wheel_and_clicks_move_about() {
    let env = TestEnv::new();
    let flow = Flow::new().step("work", LINES).step_with("later", "true", &["depends_on: [work]"]);
    let mut on_screen = env.run_in_terminal(&flow).start_in_terminal(24, 100);
    on_screen.wait_for_text("later");
    on_screen.press("2");
    on_screen.wait_for_text("error: wrong");
    for _ in 0..40 {
        mouse(&mut on_screen, &[(64, 60, 10, 'M')]);
    }
    on_screen.wait_until("the beginning", |screen| row_of(screen, "line 1").is_some());
    let (tabs, timeline) = on_screen.terminal.look(|screen| {
        let row = screen.rows(0, 100).position(|row| row.contains("5 Timeline")).unwrap();
        let text = screen.rows(0, 100).nth(row).unwrap();
        (row, text.split("Timeline").next().unwrap().chars().count())
    });
    let (tabs, timeline) = (u16::try_from(tabs).unwrap(), u16::try_from(timeline).unwrap());
    mouse(&mut on_screen, &[(0, timeline, tabs, 'M'), (0, timeline, tabs, 'm')]);
    on_screen.wait_for_text("▓▓▓");
    on_screen.wait_until("the step to be chosen", |screen| row_of(screen, "later").is_none());
    mouse(&mut on_screen, &[(0, 4, tabs + 1, 'M'), (0, 4, tabs + 1, 'm')]);
    on_screen.wait_until("the other step", |screen| screen.contents().contains("›○ later"));
    on_screen.end_the_run();
}

#[test]
fn a_line_of_a_log_opens_in_the_editor() {
    let env = TestEnv::new();
    env.write("src/main.rs", "fn main() {}\n");
    env.write_program(
        "bin/nano",
        "#!/bin/sh\ntrap '' INT; echo \"$@\" > opened; read -r typed; echo \"$typed\" > typed; exit 3\n",
    );
    let run = env.run_in_terminal(&Flow::of(LINES)).env("PATH", path(&env)).env("EDITOR", "nano -x");
    let mut on_screen = run.start_in_terminal(24, 100);
    on_screen.wait_for_text("work");
    on_screen.press("2\r");
    on_screen.wait_for_text("error: wrong");
    on_screen.press("e");
    on_screen.wait_for_text("›src/main.rs:12:5: error");
    on_screen.press("v");
    let file = env.work().canonicalize().unwrap().join("src/main.rs");
    let opened = env.wait_for_file("opened");
    assert_eq!(opened.trim(), format!("-x +12,5 {}", file.display()));
    on_screen.expect_restored_terminal();
    // Keys are the editor's now, and an interrupt does not end the run.
    on_screen.press(CTRL_C);
    on_screen.press("qy\r");
    assert_eq!(env.wait_for_file("typed").trim(), "qy");
    on_screen.wait_for_text("nano ended with exit code 3");
    on_screen.wait_until("the screen again", |screen| {
        screen.alternate_screen() && screen.contents().contains("running")
    });
    on_screen.end_the_run();
}

#[test]
fn an_editor_ends_with_the_screen_and_leaves_the_terminal_as_it_was() {
    for mode in ["workflow run", "attach"] {
        let env = TestEnv::new();
        env.write("src/main.rs", "");
        // It does not want to end, and a wrapper stands before it.
        env.write_program("bin/inner", "#!/bin/sh\ntrap '' HUP TERM; stty raw -echo; printf '\\033[?1049h'; echo > opened; while :; do sleep 0.1; done\n");
        env.write_program("bin/nano", "#!/bin/sh\ninner \"$@\"; echo never > ended\n");
        let owner = (mode == "attach").then(|| env.run(&Flow::of(LINES)).start());
        let run = if owner.is_some() {
            env.wait_for("the run", || env.runs().first().map(|_| ()));
            env.roboppi(["attach"])
        } else {
            env.run_in_terminal(&Flow::of(LINES))
        };
        let run = run.env("PATH", path(&env)).env("EDITOR", "nano");
        let mut on_screen = run.start_in_terminal(24, 100);
        on_screen.wait_for_text("work");
        on_screen.press("2");
        on_screen.wait_for_text("error: wrong");
        on_screen.press("v");
        env.wait_for_file("opened");
        on_screen.process().signal(SIGTERM);
        on_screen.expect_code(143);
        on_screen.expect_restored_terminal();
        assert!(on_screen.terminal.is_cooked(), "{mode}: the terminal is not as it was");
        if let Some(owner) = owner {
            owner.signal(SIGTERM);
            let _ = owner.wait().code(143);
        }
        env.wait_until_nothing_is_left();
    }
}

#[test]
fn an_editor_that_cannot_be_started_is_said_so() {
    let env = TestEnv::new();
    env.write("src/main.rs", "");
    let run = env.run_in_terminal(&Flow::of(LINES)).env("EDITOR", "no-such-editor");
    let mut on_screen = run.start_in_terminal(24, 100);
    on_screen.wait_for_text("work");
    on_screen.press("2");
    on_screen.wait_for_text("error: wrong");
    on_screen.press("v");
    on_screen.wait_for_text("there is no no-such-editor; set EDITOR to your editor");
    std::fs::remove_file(env.path("work/src/main.rs")).unwrap();
    on_screen.press("v");
    on_screen.wait_for_text("there is no file src/main.rs in");
    on_screen.end_the_run();
}
