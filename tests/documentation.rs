//! Holds the pages in `docs/` and what they describe together.
//!
//! Parts of pages between `<!-- generated: NAME -->` and `<!-- end -->` are made from the program. When one
//! differs this test fails; `UPDATE_DOCS=1 cargo test --test documentation` writes it anew.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use roboppi_benches::page;
use roboppi_real_agents::page as agents_page;
use roboppi_tui::{Role, dashboard_keys, key_reference};
use roboppi_workflow::{KeyDoc, KeyStatus, Section};

fn rows<'a>(keys: impl Iterator<Item = &'a KeyDoc>) -> String {
    let mut table = String::from("| key | value | when it is absent | meaning |\n|---|---|---|---|\n");
    let cell = |text: &str| text.replace('|', "\\|");
    for key in keys {
        let absent = match (key.required, key.default) {
            (true, _) => "**required**",
            (false, Some(default)) => default,
            (false, None) => "–",
        };
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | {} |",
            key.name,
            cell(key.kind),
            cell(absent),
            cell(key.meaning)
        );
    }
    table
}

fn supported(section: Section) -> String {
    rows(section.keys().filter(|key| key.status == KeyStatus::Supported))
}

fn refused() -> String {
    let mut table = String::from("| key | of | meaning |\n|---|---|---|\n");
    for (section, of) in
        [(Section::Workflow, "the file"), (Section::Step, "a step"), (Section::Check, "a check")]
    {
        for key in section.keys().filter(|key| key.status == KeyStatus::NotYet) {
            let _ = writeln!(table, "| `{}` | {of} | {} |", key.name, key.meaning);
        }
    }
    table
}

/// The keys of a screen that its owner does not have, or all of them for the owner.
fn screen_keys(role: Role) -> String {
    let owner = if role == Role::Owner { Vec::new() } else { key_reference(Role::Owner) };
    let rows: Vec<_> = key_reference(role).into_iter().filter(|row| !owner.contains(row)).collect();
    keys_table(&rows)
}

/// The keys of the dashboard.
fn keys_of_dashboard() -> String {
    keys_table(&dashboard_keys())
}

/// Keys by section.
fn keys_table(rows: &[(&str, String, &str)]) -> String {
    let (mut text, mut section) = (String::new(), "");
    for row in rows {
        if section != row.0 {
            let gap = if section.is_empty() { "" } else { "\n" };
            let _ = write!(text, "{gap}**{}**\n\n| key | what it does |\n|---|---|\n", row.0);
            section = row.0;
        }
        let keys: Vec<_> = row.1.split(' ').map(|key| format!("`{key}`")).collect();
        let _ = writeln!(text, "| {} | {} |", keys.join(" "), row.2);
    }
    text
}

/// The help of a command, without its program's last newline.
fn help(words: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_roboppi")).args(words).arg("--help").env_clear().output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim_end().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// An option in the help of a command.
#[derive(Clone, PartialEq, Eq)]
struct HelpOption {
    /// The heading it stands below.
    heading: String,
    /// How it is written: `-w, --workspace <DIR>`.
    written: String,
    /// The lines about it.
    about: Vec<String>,
    /// The lines of the help as they are.
    lines: Vec<String>,
}

impl HelpOption {
    fn is_same(&self, other: &Self) -> bool {
        // clap words the help of --help by whether there is a longer one.
        self.written == other.written && (self.about == other.about || self.written == "-h, --help")
    }

    /// `--workspace` of `-w, --workspace <DIR>`.
    fn name(&self) -> &str {
        let long = self.written.split_whitespace().find(|word| word.starts_with("--"));
        long.unwrap_or(&self.written).trim_end_matches(',')
    }
}

/// The heading of a section of a help text: `Options:`, `View:`.
fn heading(line: &str) -> Option<&str> {
    line.strip_suffix(':').filter(|text| text.starts_with(char::is_uppercase) && !text.contains(['.', '`']))
}

/// A help text in parts: what comes before its options, the options, and what comes after them.
fn parts(help: &str) -> (String, Vec<HelpOption>, String) {
    let lines: Vec<&str> = help.lines().collect();
    let has_options = |at: usize| lines.get(at + 1).is_some_and(|next| next.trim_start().starts_with('-'));
    let is_section = |at: usize| heading(lines[at]).is_some() && has_options(at);
    let Some(start) = (0..lines.len()).find(|at| is_section(*at)) else {
        return (help.to_owned(), Vec::new(), String::new());
    };
    let is_other = |at: &usize| !lines[*at].is_empty() && !lines[*at].starts_with(' ') && !is_section(*at);
    let end = (start..lines.len()).find(is_other).unwrap_or(lines.len());
    let mut options: Vec<HelpOption> = Vec::new();
    let mut section = "";
    for (at, line) in lines.iter().copied().enumerate().take(end).skip(start) {
        let text = line.trim_start();
        if is_section(at) {
            section = heading(line).unwrap_or_default();
        } else if text.starts_with('-') && line.len() - text.len() <= 6 {
            let (written, about) = text.split_once("  ").unwrap_or((text, ""));
            let about = Some(about.trim().to_owned()).filter(|about| !about.is_empty());
            options.push(HelpOption {
                heading: section.to_owned(),
                written: written.to_owned(),
                about: about.into_iter().collect(),
                lines: vec![line.to_owned()],
            });
        } else if let Some(option) = options.last_mut() {
            option.about.push(line.strip_prefix("          ").unwrap_or(line).to_owned());
            option.lines.push(line.to_owned());
        }
    }
    for option in &mut options {
        for lines in [&mut option.about, &mut option.lines] {
            while lines.pop_if(|last| last.is_empty()).is_some() {}
        }
    }
    let joined = |lines: &[&str]| lines.join("\n");
    let after = if end == lines.len() { String::new() } else { format!("\n\n{}", joined(&lines[end..])) };
    (joined(&lines[..start]), options, after)
}

/// Options below their headings, each as `text` makes it.
fn by_heading(options: &[&HelpOption], between: &str, text: impl Fn(&HelpOption) -> String) -> String {
    let mut headings: Vec<&str> = Vec::new();
    for option in options {
        if !headings.contains(&option.heading.as_str()) {
            headings.push(&option.heading);
        }
    }
    let section = |heading: &&str| {
        let of_it: Vec<_> =
            options.iter().filter(|option| option.heading == **heading).map(|option| text(option)).collect();
        format!("{heading}:\n{}", of_it.join(between))
    };
    headings.iter().map(section).collect::<Vec<_>>().join("\n\n")
}

/// Options that mean the same in several commands of a page, in the order in which they come there.
fn shared(page: &str) -> Vec<HelpOption> {
    let commands = page.split("<!-- generated: ").filter_map(|part| Some(part.split_once(" -->")?.0));
    let commands = commands.filter(|name| name.starts_with("roboppi"));
    let all: Vec<_> = commands.flat_map(|name| parts(&help(&words_of(name))).1).collect();
    let mut found: Vec<HelpOption> = Vec::new();
    for option in &all {
        let times = all.iter().filter(|other| other.is_same(option)).count();
        if times > 1 && !found.iter().any(|known| known.is_same(option)) {
            found.push(option.clone());
        }
    }
    found
}

fn words_of(command: &str) -> Vec<&str> {
    command.split(' ').skip(1).collect()
}

/// A block with the help of a command. Options it shares with other commands are named after it.
fn command_help(command: &str, shared: &[HelpOption]) -> String {
    let (before, options, after) = parts(&help(&words_of(command)));
    let (common, own): (Vec<_>, Vec<_>) =
        options.into_iter().partition(|option| shared.iter().any(|shared| shared.is_same(option)));
    let is_long = own.iter().any(|option| option.lines.len() > 1);
    let between = if is_long { "\n\n" } else { "\n" };
    let own = by_heading(&own.iter().collect::<Vec<_>>(), between, |option| option.lines.join("\n"));
    let own = if own.is_empty() { own } else { format!("\n{own}") };
    let mut text = format!("```text\n{}\n```\n", format!("{before}{own}{after}").trim_end());
    let names: Vec<_> = common.iter().map(|option| format!("`{}`", option.name())).collect();
    if !names.is_empty() {
        let _ = write!(text, "\n[Shared options](#shared-options): {}\n", names.join(", "));
    }
    text
}

/// A block with the options that several commands share.
fn shared_help(shared: &[HelpOption]) -> String {
    let about = |line: &String| if line.is_empty() { String::new() } else { format!("          {line}") };
    let option = |option: &HelpOption| {
        let indent = if option.written.starts_with("--") { 6 } else { 2 };
        let about: Vec<_> = option.about.iter().map(about).collect();
        format!("{}{}\n{}", " ".repeat(indent), option.written, about.join("\n"))
    };
    let options = by_heading(&shared.iter().collect::<Vec<_>>(), "\n\n", option);
    format!("```text\n{options}\n```\n")
}

#[test]
fn shared_options_are_told_apart_from_others() {
    let long = "Run\n\nUsage: x\n\nOptions:\n  -w, --work <DIR>\n          Where\n\n          [default: .]\n\n      --own\n          \
                Own\n\nExamples:\n  x";
    let (before, options, after) = parts(long);
    assert_eq!((before.as_str(), after.as_str()), ("Run\n\nUsage: x\n", "\n\nExamples:\n  x"));
    let (_, headed, after) = parts("Usage: x\n\nOptions:\n  -h  Help\n\nView:\n  -q  Quiet\n\nSee also: y");
    assert_eq!((headed[1].heading.as_str(), after.as_str()), ("View", "\n\nSee also: y"));
    assert_eq!(options[0].about, ["Where", "", "[default: .]"]);
    assert_eq!((options[0].name(), options[1].name()), ("--work", "--own"));
    let (_, short, _) = parts("Usage: x\n\nOptions:\n      --own     Own\n  -h, --help  Print help");
    assert!(short[0].is_same(&options[1]), "{:?}", short[0].about);
}

fn generated(name: &str, page: &str) -> String {
    match name {
        "keys of a workflow" => supported(Section::Workflow),
        "keys of a step" => supported(Section::Step),
        "keys of a check" => supported(Section::Check),
        "inputs of a workflow" => supported(Section::Parameter),
        "keys of defaults" => supported(Section::Defaults),
        "keys of a retry" => supported(Section::Retry),
        "keys of an input" => supported(Section::Input),
        "keys of an output" => supported(Section::Output),
        "keys of convergence" => supported(Section::Convergence),
        "keys of a stage" => supported(Section::Stage),
        "keys of an export" => supported(Section::Export),
        "keys of a secret" => supported(Section::Secret),
        "keys of environment" => supported(Section::Environment),
        "keys of a host" => supported(Section::Host),
        "keys that are not supported yet" => refused(),
        "keys of the screen" => screen_keys(Role::Owner),
        "keys of an attached screen" => screen_keys(Role::Viewer),
        "keys of a replay" => screen_keys(Role::Replay),
        "keys of the dashboard" => keys_of_dashboard(),
        "shared options" => shared_help(&shared(page)),
        name if name == "roboppi" || name.starts_with("roboppi ") => command_help(name, &shared(page)),
        other => panic!("no generator for {other:?}"),
    }
}

/// The page with every generated part made anew.
fn renewed(page: &str) -> String {
    let (begin, end) = ("<!-- generated: ", "<!-- end -->");
    let mut parts = page.split(begin);
    let mut made = parts.next().unwrap().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(" -->\n").expect("a name");
        let (_, rest) = rest.split_once(end).expect("an end");
        let _ = write!(made, "{begin}{name} -->\n\n{}\n{end}{rest}", generated(name, page));
    }
    made
}

fn hold(page: &str, expected: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches("<!-- generated: ").count(), expected, "generated parts of {page}");
    hold_text(&path, &text, &renewed(&text));
}

fn hold_text(path: &Path, text: &str, made: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, made).unwrap();
    } else {
        let differs = text.lines().zip(made.lines()).find(|(is, should)| is != should);
        assert!(
            text == made,
            "{} is not what the program says; first difference: {differs:#?}\n\
             UPDATE_DOCS=1 cargo test --test documentation writes it anew",
            path.display()
        );
    }
}

#[test]
fn the_keys_of_a_workflow_are_described() {
    hold("workflow.md", 14);
}

/// The schema for editors is the one that the program prints.
#[test]
fn the_schema_of_workflow_files_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json/workflow.schema.json");
    let made = serde_json::to_string_pretty(&roboppi_workflow::schema()).unwrap() + "\n";
    hold_text(&path, &fs::read_to_string(&path).unwrap_or_default(), &made);
}

#[test]
fn the_keys_of_a_host_are_described() {
    hold("hosts.md", 1);
}

#[test]
fn the_keys_of_the_screen_are_described() {
    hold("screen.md", 3);
}

#[test]
fn the_keys_of_the_dashboard_are_described() {
    hold("dashboard.md", 1);
}

#[test]
fn the_command_line_is_described() {
    hold("command-line.md", 33);
}

/// The rows and goals of the page are those that the benches declare. Its values are those that were measured last.
#[test]
fn the_figures_are_those_of_the_benches() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    let text = fs::read_to_string(&path).unwrap();
    let made = page::with_figures(&text, &page::Results::of_page(&text)).unwrap();
    hold_text(&path, &text, &made);
}

/// The rows of the page are the cases that the trial of the real agents declares. Its cells are what was found last.
#[test]
fn the_cases_of_the_real_agents_are_on_their_page() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/agents-tested.md");
    let text = fs::read_to_string(&path).unwrap();
    let made = agents_page::with_results(&text, &agents_page::Results::of_page(&text)).unwrap();
    hold_text(&path, &text, &made);
}
