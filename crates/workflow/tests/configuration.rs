//! The configuration file: what it may say, and what is said of mistakes in it.

use roboppi_workflow::{
    Config, CoreCommand, Diagnostic, Notification, NotifyOn, NotifyTarget, WebhookUrl, parse_config,
};

fn said(text: &str) -> Vec<String> {
    let parsed = parse_config(text);
    assert_eq!(parsed.config.is_none(), !parsed.diagnostics.is_empty(), "{text}");
    let shown = |found: &Diagnostic| {
        let hint = found.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{}:{} {}{hint}", found.line, found.column, found.message)
    };
    parsed.diagnostics.iter().map(shown).collect()
}

#[test]
fn a_core_is_a_program_or_a_command() {
    let text = "cores:\n  SCRIBE: ~/scribe/scribe-core\n  NOTES: [bun, notes.ts, --quiet]\n";
    let config = parse_config(text).config.unwrap();
    let command = |words: &[&str]| {
        let mut words = words.iter().map(|word| (*word).to_owned());
        CoreCommand { program: words.next().unwrap(), args: words.collect() }
    };
    let cores: Vec<_> = config.cores.iter().map(|(kind, core)| (kind.name(), core.clone())).collect();
    assert_eq!(
        cores,
        [("SCRIBE", command(&["~/scribe/scribe-core"])), ("NOTES", command(&["bun", "notes.ts", "--quiet"]))]
    );
}

#[test]
fn nothing_is_said_by_an_empty_file() {
    for text in ["", "\n", "# nothing yet\n", "cores: {}\n"] {
        assert_eq!(parse_config(text).config, Some(Config::default()), "{text:?}");
    }
}

#[test]
fn every_mistake_has_a_place() {
    let text = "core:\n  A: b\ncolour: red\ncores:\n  scribe: x\n  A: 3\n  B: []\n  C: ''\n  D: [a, 1]\n";
    insta::assert_snapshot!(said(text).join("\n"), @r"
    1:1 unknown key `core` (did you mean `cores`?)
    3:1 unknown key `colour` (keys are `cores`, `hosts`, `notify`)
    5:3 `scribe` is not the name of a worker kind, which has at most 40 capital letters, digits and `_` and begins with a letter
    6:6 `cores.A` must be a program, or a list of a program and its arguments, found the number `3`
    7:6 `cores.B` must not be empty
    8:6 `cores.C` must not be empty
    9:10 `cores.D` must be text, found the number `1` (put it into quotation marks)
    ");
    for (text, wrong) in [
        ("cores: scribe-core\n", "1:8 `cores` must be a map"),
        ("- a\n", "1:1 the file must be a map, found a list"),
        ("cores: {A: b, A: c}\n", "1:15 "),
        ("cores: [\n", ""),
    ] {
        let said = said(text);
        assert!(said.len() == 1 && said[0].starts_with(wrong), "{text:?}: {said:?}");
    }
}

#[test]
fn a_notification_goes_to_a_program_or_a_server() {
    let text = "notify:\n  - command: [notify-send, roboppi]\n  - on: [failure, waiting]\n    url: https://example.org/hook\n    \
                secret_env: HOOK_KEY\n  - on: end\n    url_env: HOOK\n";
    let config = parse_config(text).config.unwrap();
    let command = CoreCommand { program: "notify-send".to_owned(), args: vec!["roboppi".to_owned()] };
    let webhook =
        |url, secret: Option<&str>| NotifyTarget::Webhook { url, secret_env: secret.map(str::to_owned) };
    assert_eq!(
        config.notify,
        [
            Notification { on: vec![NotifyOn::End], target: NotifyTarget::Command(command) },
            Notification {
                on: vec![NotifyOn::Failure, NotifyOn::Waiting],
                target: webhook(WebhookUrl::Text("https://example.org/hook".to_owned()), Some("HOOK_KEY")),
            },
            Notification {
                on: vec![NotifyOn::End],
                target: webhook(WebhookUrl::Variable("HOOK".to_owned()), None)
            },
        ]
    );
}

#[test]
fn every_mistake_in_a_notification_has_a_place() {
    let text = "notify:\n  - on: [end]\n  - {command: a, url: b}\n  - {command: a, secret_env: K}\n  - {on: done, command: a}\n  \
                - {onn: end, command: a}\n  - a\n";
    insta::assert_snapshot!(said(text).join("\n"), @r"
    2:5 `notify[0]` must have one of `command`, `url` and `url_env`
    3:5 `notify[1]` must have one of `command`, `url` and `url_env`
    4:30 `notify[2].secret_env` is for webhooks
    5:10 `notify[3].on` must be `end`, `failure` or `waiting`, found the text `done`
    6:6 unknown key `onn` (did you mean `on`?)
    7:5 `notify[5]` must be a map with `on` and `command` or `url`, found the text `a`
    ");
    assert_eq!(said("notify: {command: a}\n").len(), 1);
}
