//! What the runners of CI systems understand of expressions and logs.

use std::collections::{BTreeMap, BTreeSet};

/// Commands that the runner of GitHub knows; a line with another name is output.
const KNOWN: &[&str] = &[
    "add-mask",
    "add-matcher",
    "add-path",
    "debug",
    "echo",
    "endgroup",
    "error",
    "group",
    "notice",
    "remove-matcher",
    "save-state",
    "set-env",
    "set-output",
    "stop-commands",
    "warning",
];

/// A command of a log.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) name: String,
    pub(super) properties: BTreeMap<String, String>,
    pub(super) data: String,
}

/// The commands in a log of GitHub Actions: `::name properties::data` at the beginning of a line, white space ignored, and
/// `##[name properties]data` anywhere.
pub(super) fn commands(log: &str) -> Vec<Command> {
    let mut found: Vec<Command> = Vec::new();
    let mut stopped: Option<String> = None;
    for line in log.split(['\n', '\r']) {
        if let Some(token) = &stopped {
            if line.trim() == format!("::{token}::") {
                stopped = None;
            }
            continue;
        }
        let Some(command) = command(line) else { continue };
        if command.name == "stop-commands" {
            stopped = Some(command.data.clone());
        }
        found.push(command);
    }
    found
}

fn command(line: &str) -> Option<Command> {
    let (head, data, is_first_version) = if let Some(rest) = line.trim_start().strip_prefix("::") {
        let (head, data) = rest.split_once("::")?;
        (head, data, false)
    } else {
        let (head, data) = line.split_once("##[")?.1.split_once(']')?;
        (head, data, true)
    };
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    let name = name.to_lowercase();
    if !KNOWN.contains(&name.as_str()) {
        return None;
    }
    let separator = if is_first_version { ';' } else { ',' };
    let properties = properties.split(separator).filter_map(|property| property.trim().split_once('='));
    let properties = properties.map(|(name, value)| (name.to_owned(), unescaped_property(value))).collect();
    Some(Command { name, properties, data: unescaped(data) })
}

fn unescaped(text: &str) -> String {
    text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
}

fn unescaped_property(text: &str) -> String {
    unescaped(&text.replace("%3A", ":").replace("%2C", ","))
}

/// A text of an action with its expressions in place: `inputs.NAME`, `github.NAME`, `format('…', …)`, and `||` between them.
pub(super) fn expanded(text: &str, inputs: &BTreeMap<String, String>) -> String {
    let Some((before, rest)) = text.split_once("${{") else { return text.to_owned() };
    let (expression, after) = rest.split_once("}}").unwrap();
    let values = expression.split(" || ").map(|operand| value(operand.trim(), inputs));
    let value = values.into_iter().find(|value| !value.is_empty()).unwrap_or_default();
    format!("{before}{value}{}", expanded(after, inputs))
}

fn value(operand: &str, inputs: &BTreeMap<String, String>) -> String {
    if let Some(arguments) = operand.strip_prefix("format(").and_then(|rest| rest.strip_suffix(')')) {
        let mut arguments = arguments.split(", ");
        let format = arguments.next().unwrap().trim_matches('\'').to_owned();
        let fill = |text: String, (at, argument): (usize, &str)| {
            text.replace(&format!("{{{at}}}"), &value(argument, inputs))
        };
        return arguments.enumerate().fold(format, fill);
    }
    match operand.split_once('.').unwrap() {
        ("inputs", name) => inputs.get(name).cloned().unwrap_or_default(),
        ("github", "server_url") => "https://github.com".to_owned(),
        ("github", "action_repository") => "OWNER/roboppi".to_owned(),
        other => panic!("{other:?}"),
    }
}

/// A section of a log of GitLab.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) title: String,
    pub(super) is_folded: bool,
    pub(super) text: String,
}

/// The sections of a log of GitLab. `Err` reports what is wrong with one.
pub(super) fn sections(log: &str) -> Result<Vec<Section>, String> {
    let marker = r"section_(start|end):(\d+):([a-zA-Z0-9_.-]+)(\[[^\]\r]*\])?\r\x1b\[0K";
    let marker = regex::Regex::new(marker).unwrap();
    let mut names = BTreeSet::new();
    let mut open: Option<(String, Section)> = None;
    let mut closed = Vec::new();
    for line in log.split('\n') {
        let Some(found) = marker.captures(line) else {
            if let Some((_, section)) = &mut open {
                section.text.push_str(line);
                section.text.push('\n');
            }
            continue;
        };
        let name = found[3].to_owned();
        if &found[1] == "start" {
            if open.is_some() || !names.insert(name.clone()) {
                return Err(format!("{name} begins within another section, or twice"));
            }
            let is_folded = found.get(4).is_some_and(|options| options.as_str().contains("collapsed=true"));
            let title = line[found.get(0).unwrap().end()..].to_owned();
            open = Some((name, Section { title, is_folded, text: String::new() }));
        } else {
            match open.take() {
                Some((begun, section)) if begun == name => closed.push(section),
                _ => return Err(format!("{name} ends and has not begun")),
            }
        }
    }
    if let Some((name, _)) = open { Err(format!("{name} has no end")) } else { Ok(closed) }
}

#[test]
fn commands_are_read_as_the_runner_reads_them() {
    let log = "::error file=a%2Cb,line=3::50%25%0Ax\n  ::group::x\nx ::error::no\n| ::error::no\nx ##[warning]yes\n::unknown::x\n\
               ::stop-commands::t\n::error::stopped\n::t::\n::endgroup::\n";
    let commands = commands(log);
    let names: Vec<_> = commands.iter().map(|command| command.name.as_str()).collect();
    assert_eq!(names, ["error", "group", "warning", "stop-commands", "endgroup"]);
    assert_eq!((commands[0].properties["file"].as_str(), commands[0].data.as_str()), ("a,b", "50%\nx"));
}

#[test]
fn sections_are_read_as_gitlab_reads_them() {
    let start = "\u{1b}[0Ksection_start:1:a[collapsed=true]\r\u{1b}[0KTitle\nx\n";
    let end = "\u{1b}[0Ksection_end:2:a\r\u{1b}[0K\n";
    let found = sections(&format!("{start}{end}y\n")).unwrap();
    assert!(found[0].is_folded && found[0].title == "Title" && found[0].text == "x\n");
    for log in [start.to_owned(), end.to_owned(), format!("{start}{start}{end}{end}")] {
        assert!(sections(&log).is_err(), "{log:?}");
    }
}
