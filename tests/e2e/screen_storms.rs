//! The full screen when everything comes at once: sizes, names and output that want to break it.

use roboppi_terminal::MouseProtocolMode;

use crate::env::TestEnv;
use crate::flow::Flow;

const CTRL_C: &str = "\x03";

#[test]
fn a_storm_of_sizes_leaves_the_right_screen() {
    let env = TestEnv::new();
    let flow = Flow::new()
        .step("first", "echo > started; while :; do echo line $((n = n + 1)); done")
        .step("日本語のとても長いステップの名前です", "sleep 1000");
    let run = env.run_in_terminal(&flow).args(["--grace", "300ms"]);
    let mut on_screen = run.start_in_terminal(24, 80);
    env.wait_for_file("started");
    on_screen.wait_for_text("first");
    // A sequence without a pattern; numbers of a linear congruential generator.
    let mut seed = 7_u32;
    let mut next = |most: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u16::try_from(1 + (seed >> 16) % most).unwrap()
    };
    for number in 0..150 {
        on_screen.terminal.resize(next(60), next(200)).unwrap();
        if number % 10 == 0 {
            on_screen.press(["1", "2", "3", "5", "8", "9", "j", "\r", "\x1b[B"][number / 10 % 9]);
        }
    }
    on_screen.terminal.resize(30, 100).unwrap();
    on_screen.press("1");
    on_screen.wait_until("the screen of the last size", |screen| {
        let rows: Vec<String> = screen.rows(0, 100).collect();
        rows.len() == 30 && rows[0].starts_with("flow · ") && rows[29].contains("help")
    });
    on_screen.end_the_run();
}

/// What a terminal would obey: titles, the alternate screen, mouse modes, the clipboard, resets, answers.
const OBEYED: &[&str] = &[
    r"\033]0;owned\007",
    r"\033]2;owned\033\\",
    r"\033]52;c;b3duZWQ=\007",
    r"\033]8;;http://owned/\007link\033]8;;\007",
    r"\033[?1049l",
    r"\033[?47h",
    r"\033[?1000h\033[?1002h\033[?1003h\033[?1006h",
    r"\033[?25h",
    r"\033[?2004l",
    r"\033[2J\033[3J\033[H",
    r"\033c",
    r"\033[!p",
    r"\033[6n\033[c\033[>c",
    r"\033P+q544e\033\\",
    r"\033_owned\033\\",
    r"\033^owned\033\\",
    r"\233?1049l",
    r"\216\217",
];

#[test]
fn nothing_a_worker_says_or_is_called_commands_the_terminal() {
    let env = TestEnv::new();
    let script: String = OBEYED
        .iter()
        .map(|bytes| {
            let printed = bytes.replace('\\', "\\\\").replace("\\\\0", "\\0").replace("\\\\2", "\\2");
            format!("printf '{printed} said\\n'; printf '::progress percent=1::{printed} done\\n';\n")
        })
        .collect::<String>()
        + "echo all of it; sleep 1000";
    let flow = Flow::new().step_with("evil", &script, &[r#"description: "\e]0;owned\a about""#]);
    let text = flow.text().replacen("name: flow", r#"name: "\e]2;owned\a\e[?1049lflow""#, 1);
    env.write("evil.yaml", &text);
    let run = env.roboppi(["workflow", "run", "evil.yaml", "--tui", "--grace", "300ms"]);
    let mut on_screen = run.start_in_terminal(30, 100);
    on_screen.wait_for_text("evil");
    let mouse = on_screen.terminal.look(roboppi_terminal::Screen::mouse_protocol_mode);
    for tab in ["1", "2", "3", "4", "5", "6", "7", "8", "9", "x", "n", "2"] {
        on_screen.press(tab);
    }
    on_screen.wait_for_text("all of it");
    assert!(on_screen.terminal.look(|screen| {
        screen.alternate_screen() && screen.hide_cursor() && screen.mouse_protocol_mode() == mouse
    }));
    on_screen.end_the_run();
    assert_eq!(
        on_screen.terminal.look(roboppi_terminal::Screen::mouse_protocol_mode),
        MouseProtocolMode::None
    );
    // Nothing that begins a command of the operating system, a device string or a reset was ever sent.
    let written = on_screen.terminal.written();
    for begins in
        [b"\x1b]".as_slice(), b"\x1bP", b"\x1b_", b"\x1b^", b"\x1bc", b"\x1b[!p", b"\x1b[6n", b"\x1b[3J"]
    {
        assert!(!written.windows(begins.len()).any(|window| window == begins), "{begins:?} was sent");
    }
}

#[test]
fn five_hundred_steps_are_looked_through() {
    let env = TestEnv::new();
    let mut flow = Flow::new().step("gate", "echo > started; sleep 1000");
    for number in 0..500 {
        let before = if number % 7 == 0 { "gate".to_owned() } else { format!("step-{}", number - 1) };
        flow = flow.step_with(&format!("step-{number}"), "true", &[&format!("depends_on: [{before}]")]);
    }
    let run = env.run_in_terminal(&flow).args(["--grace", "300ms"]);
    let mut on_screen = run.start_in_terminal(40, 120);
    env.wait_for_file("started");
    on_screen.wait_for_text("step-1");
    on_screen.press("G");
    on_screen.wait_for_text("step-499");
    on_screen.press("5");
    on_screen.wait_for_text("step-499 pending");
    on_screen.press("g");
    on_screen.wait_for_text("gate");
    on_screen.press(CTRL_C);
    on_screen.wait_for_text("press q to leave");
    on_screen.press("q");
    on_screen.expect_code(130);
}
