//! Output, names and messages that want a terminal or a CI system to do something. Nobody obeys.

use crate::env::TestEnv;
use crate::flow::Flow;

/// One attempt a line: commands of terminals and of CI systems, plain, in pieces of each other, and half ones.
const CORPUS: &[&str] = &[
    // Commands of GitHub, Azure and TeamCity, where they count and where they could be made to count.
    "::error file=a,line=1::boo",
    "  ::set-output name=a::b",
    "\x1b[0m::add-path::/tmp",
    "\u{0}::warning::boo",
    "text before\r::error::boo",
    "::group::x",
    "##[error]boo",
    "text ##[group]x",
    "###[section]x",
    "##vso[task.setvariable variable=a]b",
    "##VSO[task.complete result=Failed]",
    "##\x1b[1mvso[task.logissue]x",
    "#\u{7}#vso[task.logissue]x",
    "##teamcity[buildProblem description='x']",
    "\u{200b}##teamcity[buildStatus text='x']",
    "section_start:1:x[collapsed=true]\r\x1b[0Khidden",
    "travis_fold:start:x\r\x1b[0K",
    // Escapes that move, erase, ask, name, copy, link, draw, and never end.
    "\x1b[2J\x1b[3J\x1b[H",
    "\x1bc\x1b#8\x1b7\x1b8\x1bD\x1bM",
    "\x1b[6n\x1b[c\x1b[>c\x1b[?1$p",
    "\x1b[?1049h\x1b[?1000h\x1b[?2004h\x1b[?25l",
    "\x1b]0;pwned\x07\x1b]2;pwned\x1b\\",
    "\x1b]52;c;cHduZWQ=\x07",
    "\x1b]8;;http://pwned\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]1337;File=inline=1:AAAA\x07",
    "\x1bPq#0;2;0;0;0\x1b\\",
    "\x1b_Gf=100;AAAA\x1b\\",
    "\x1b^private\x1b\\\x1bXstring\x1b\\",
    "\u{9b}2J\u{9d}0;pwned\u{9c}\u{90}q\u{9c}",
    "\x1b[31mred\x1b[0m \x1b[38;2;1;2;3mtrue\x1b[m",
    "\x1b(0lqk\x1b(B \x0e\x0f",
    "bell\x07 back\x08space del\x7f vt\x0b ff\x0c nul\u{0}",
    "safe\u{202e}txt.exe \u{2066}isolate",
    "line\u{2028}separator\u{2029}paragraph",
    "\x1b]0;never ends",
    "\x1b[31",
    "\x1b",
];

/// What is left of a text that a terminal or a CI system would obey.
fn trouble(text: &str, may_colour: bool) -> Option<String> {
    for line in text.split('\n') {
        let mut rest = line;
        if may_colour {
            // Colours, and nothing else that begins with an escape.
            rest = "";
            for (at, part) in line.split('\x1b').enumerate() {
                let is_colour = |part: &str| {
                    let codes = part.strip_prefix('[').and_then(|part| part.split_once('m'));
                    codes.is_some_and(|(codes, _)| {
                        codes.bytes().all(|byte| byte.is_ascii_digit() || b":;".contains(&byte))
                    })
                };
                if at > 0 && !is_colour(part) || part.chars().any(|char| char != '\t' && acts(char)) {
                    return Some(line.to_owned());
                }
            }
        }
        let lower = line.to_lowercase();
        let commands = ["##[", "##vso[", "##teamcity[", "##section["];
        if rest.chars().any(|char| char != '\t' && acts(char))
            || commands.iter().any(|command| lower.contains(command))
            || line.trim_start().starts_with("::")
        {
            return Some(line.to_owned());
        }
    }
    None
}

fn acts(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Every way a worker and a workflow have to say something: both streams, progress, what it failed of, names.
fn write_flow(env: &TestEnv) -> String {
    let corpus: Vec<u8> = CORPUS.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect();
    std::fs::write(env.work().join("corpus"), corpus).unwrap();
    let script = "cat corpus; cat corpus >&2; while IFS= read -r line; do echo \"::progress::$line\"; done < corpus; exit 1";
    let name = serde_json::to_string("::error::\u{1b}[2J ##vso[task.complete]").unwrap();
    let flow = Flow::of(script).step_with("::notice::step ##[error]", script, &["continue_on_error: true"]);
    let text = flow.text().replace("name: flow\n", &format!("name: {name}\n"));
    env.write("flow.yaml", &text);
    text
}

#[test]
fn nothing_that_is_printed_for_people_is_obeyed() {
    for (mode, view) in [
        ("--supervised", &["--no-tui"][..]),
        ("--direct", &["--no-tui", "--verbose"]),
        ("--supervised", &["--stream"]),
        ("--supervised", &["--stream", "--color", "always"]),
        ("--supervised", &["--output", "json"]),
    ] {
        let env = TestEnv::new();
        write_flow(&env);
        let run = env.roboppi(["workflow", "run", "flow.yaml", mode]).args(view);
        let said = run.output().code(1).all();
        assert!(said.contains("pwned") || !view.contains(&"--stream"), "what is text is shown: {said}");
        assert_eq!(trouble(&said, view.contains(&"always")), None, "{view:?}");
        for command in [
            &["show"][..],
            &["events"],
            &["events", "--workers"],
            &["events", "--json", "--workers"],
            &["runs"],
            &["runs", "--json"],
            &["logs", "--path"],
        ] {
            let said = env.roboppi(command).output().code(0).all();
            assert_eq!(trouble(&said, false), None, "{command:?}");
        }
        let said = env.roboppi(["logs", "-1", "::error::##[x]\x1b[2J"]).output().code(2).all();
        assert_eq!(trouble(&said, false), None, "what was typed wrong is said");
    }
}

#[test]
fn mistakes_of_a_file_are_shown_and_not_obeyed() {
    let env = TestEnv::new();
    let mut text = write_flow(&env);
    text.push_str("    \"::error::##[error]\\e[2J\": 1\n    x: ##vso[task.complete]\n");
    env.write("flow.yaml", &text);
    let said = env.roboppi(["workflow", "validate", "flow.yaml", "--strict"]).output().code(2).all();
    assert!(said.contains("vso"), "{said}");
    env.write("a\u{1b}[2Jb.yaml", &Flow::of("true").text());
    let fine = env.roboppi(["workflow", "validate", "a\u{1b}[2Jb.yaml"]).output().code(0).text();
    assert!(fine.contains("ok") && trouble(&fine, false).is_none(), "{fine:?}");
    assert_eq!(trouble(&said, false), None);
}

#[test]
fn logs_are_exact_in_a_pipe_and_harmless_in_a_terminal() {
    let env = TestEnv::new();
    write_flow(&env);
    let _ = env.roboppi(["workflow", "run", "flow.yaml"]).output().code(1);
    let exact = env.roboppi(["logs", "-1", "work"]).output().code(0).stdout;
    assert_eq!(exact, env.the_run().log("work", 1));
    let commands = [
        &["logs"][..],
        &["logs", "-1", "work"],
        &["logs", "--all", "--timestamps"],
        &["logs", "-f"],
        &["export", "-1", "work"],
    ];
    for arguments in commands {
        for (name, value) in [("TERM", "xterm-256color"), ("NO_COLOR", "1")] {
            let mut screen = env.roboppi(arguments).env(name, value).start_in_terminal(50, 120);
            screen.expect_code(0);
            let written = String::from_utf8(screen.terminal.written()).unwrap();
            // What the terminal itself makes of the ends of lines.
            let written = written.replace("\r\n", "\n");
            assert!(written.contains("pwned") && written.contains("red"), "{written:?}");
            assert_eq!(trouble_of_terminals(&written, name == "TERM"), None, "{arguments:?}");
        }
    }
}

/// In a terminal there is no CI system that reads `::`.
fn trouble_of_terminals(text: &str, may_colour: bool) -> Option<String> {
    trouble(&text.replace("::", ":"), may_colour)
}

#[test]
fn the_full_screen_draws_what_is_text_and_passes_nothing_on() {
    let env = TestEnv::new();
    write_flow(&env);
    let mut screen = env.roboppi(["workflow", "run", "flow.yaml", "--tui"]).start_in_terminal(40, 120);
    env.wait_for("the end of the run", || env.runs().first()?.outcome());
    for tab in ["2", "3", "4", "5", "8", "1"] {
        screen.press(tab);
        if tab == "2" {
            screen.wait_for_text("safetxt.exe isolate");
        }
    }
    screen.press("1");
    screen.wait_for_text("press q to leave");
    screen.press("q");
    screen.expect_code(1);
    let written = String::from_utf8_lossy(&screen.terminal.written()).into_owned();
    for sequence in [
        "\x1b]",
        "\x1bP",
        "\x1b_",
        "\x1b^",
        "\x1bX",
        "\x1bc",
        "\x1b#",
        "\x1bD",
        "\x1b(0",
        "\x1b[6n",
        "\x1b[c",
        "\x1b[>c",
        "\x1b[?1$p",
        "\u{9b}",
        "\u{9d}",
        "\u{90}",
        "\u{202e}",
        "\u{2066}",
        "\x07",
        "\x0e",
    ] {
        assert!(!written.contains(sequence), "{sequence:?} in {written:?}");
    }
}
