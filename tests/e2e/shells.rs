//! Completion in the shells themselves, in a terminal.

use std::process::{Command, Stdio};

use crate::env::{Invocation, OnScreen, TestEnv};
use crate::flow::Flow;

/// Whether a shell is installed. With `ROBOPPI_TEST_ALL`, as in the workflow of the repository, one that is missing is a failure.
#[expect(clippy::print_stderr, reason = "who reads the results should know what was left out")]
fn is_installed(shell: &str) -> bool {
    let mut probe = Command::new(shell);
    probe.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let installed = probe.status().is_ok_and(|status| status.success());
    let decides = std::env::var_os("ROBOPPI_TEST_ALL").is_some_and(|value| !value.is_empty());
    assert!(installed || !decides, "{shell} is missing");
    if !installed {
        eprintln!("left out: completion in {shell}, which is not installed");
    }
    installed
}

/// A place with two runs and a workflow file, where `roboppi` is in the `PATH`.
fn place() -> TestEnv {
    let env = TestEnv::new();
    for name in ["release", "nightly"] {
        let flow = Flow::new().with(&format!("name: {name}")).step("build", "true").step("bench", "true");
        let _ = env.run(&flow).output().code(0);
    }
    env.write("two.yaml", &Flow::new().step("first", "true").step("second", "true").text());
    std::fs::create_dir(env.path("bin")).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_roboppi"), env.path("bin/roboppi")).unwrap();
    env
}

fn start<'e>(env: &TestEnv, shell: Invocation<'e>) -> OnScreen<'e> {
    let dirs = [env.path("bin"), "/usr/local/bin".into(), "/usr/bin".into(), "/bin".into()];
    let shell = shell.env("PATH", std::env::join_paths(dirs).unwrap()).env("PS1", "ready> ");
    shell.start_in_terminal(40, 100)
}

/// What a shell is asked, and what it shows or makes of it.
fn completes(shell: &mut OnScreen<'_>, explains: bool) {
    shell.press("roboppi workf\t");
    shell.wait_for_text("workflow");
    shell.press("\x15");
    shell.press("roboppi workflow r\t");
    shell.wait_for_text("roboppi workflow run");
    shell.press("two.yaml --from f\t");
    shell.wait_for_text("two.yaml --from first");
    shell.press("\x15");
    shell.press("roboppi logs -1 be\t");
    shell.wait_for_text("roboppi logs -1 bench");
    shell.press("\x15");
    shell.press("roboppi show r\t\t");
    shell.wait_until("both runs", |screen| {
        let text = screen.contents();
        let both = text.contains("r1") && text.contains("r2");
        both && (!explains || (text.contains("release, ") && text.contains("nightly, ")))
    });
    shell.press("\x15exit\r");
    shell.expect_code(0);
}

#[test]
fn bash_completes() {
    let env = place();
    let mut shell = start(&env, env.program("bash", ["--norc", "--noprofile", "-i"]));
    shell.wait_for_text("ready>");
    shell.press("source <(roboppi completions bash); echo is \"set\"\r");
    shell.wait_for_text("is set");
    completes(&mut shell, true);
}

#[test]
fn zsh_completes() {
    if !is_installed("zsh") {
        return;
    }
    let env = place();
    let mut shell = start(&env, env.program("zsh", ["-f", "-i"]));
    shell.wait_for_text("ready>");
    shell
        .press("autoload -U compinit && compinit -D && source <(roboppi completions zsh); echo is \"set\"\r");
    shell.wait_for_text("is set");
    completes(&mut shell, true);
}

/// As the Debian package installs it.
#[test]
fn zsh_completes_the_first_word_with_a_file_of_its_path() {
    if !is_installed("zsh") {
        return;
    }
    let env = place();
    std::fs::create_dir(env.work().join("functions")).unwrap();
    let _ = env.shell("$ROBOPPI completions zsh > functions/_roboppi").output().code(0);
    let mut shell = start(&env, env.program("zsh", ["-f", "-i"]));
    shell.wait_for_text("ready>");
    shell.press("fpath=($PWD/functions $fpath); autoload -U compinit && compinit -D; echo is \"set\"\r");
    shell.wait_for_text("is set");
    shell.press("roboppi workf\t");
    shell.wait_for_text("roboppi workflow");
    shell.press("\x15exit\r");
    shell.expect_code(0);
}

#[test]
fn fish_completes() {
    if !is_installed("fish") {
        return;
    }
    let env = place();
    let prompt =
        "function fish_prompt; echo 'ready> '; end; set fish_greeting; roboppi completions fish | source";
    let mut shell = start(&env, env.program("fish", ["--no-config", "-i", "-C", prompt]));
    shell.wait_for_text("ready>");
    completes(&mut shell, true);
}
