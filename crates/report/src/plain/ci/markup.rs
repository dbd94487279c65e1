//! The commands that a CI system reads in a log.

use std::fmt::Write as _;

use roboppi_ipc::UtcMillis;
use roboppi_untrusted::words;

use super::vendor::Vendor;
use crate::places::Severity;

/// Characters of a message. GitHub cuts an annotation at 4,096; escapes take some of them.
const LONGEST_MESSAGE: usize = 4_000;

/// Bytes of an escaped message.
const LONGEST_ESCAPED: usize = 4_096;

/// Characters of a title.
const LONGEST_TITLE: usize = 200;

/// Writes the commands of one vendor.
#[derive(Debug)]
pub(super) struct Markup {
    vendor: Vendor,
    /// Distinguishes the sections of this run from those of another one in the same log.
    run: String,
    /// Groups so far.
    groups: u32,
    /// Whether the next line would belong to a group that is over: Buildkite has no end of a group.
    in_old_group: bool,
}

/// A group that was begun.
#[derive(Debug)]
#[must_use]
pub(super) struct Group {
    name: String,
    is_folded: bool,
}

/// Something that is shown outside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Annotation {
    pub(super) severity: Severity,
    pub(super) title: String,
    pub(super) message: String,
    /// File relative to the repository, line and column.
    pub(super) place: Option<(String, u32, Option<u32>)>,
}

impl Markup {
    pub(super) const fn new(vendor: Vendor) -> Self {
        Self { vendor, run: String::new(), groups: 0, in_old_group: false }
    }

    /// Names the run.
    pub(super) fn name_run(&mut self, run: &str) {
        let is_allowed = |char: &char| char.is_ascii_alphanumeric() || *char == '-';
        self.run = run.chars().filter(is_allowed).take(40).collect();
    }

    /// Begins a group that is folded, or one that is not.
    pub(super) fn begin(&mut self, out: &mut Vec<u8>, title: &str, is_folded: bool, at: UtcMillis) -> Group {
        self.groups += 1;
        let title: String = words(title).chars().take(LONGEST_TITLE).collect();
        let mut name = String::new();
        match self.vendor {
            Vendor::GitHub if is_folded => line(out, &format!("::group::{}", github_data(&title))),
            Vendor::Azure if is_folded => line(out, &format!("##[group]{title}")),
            Vendor::GitHub | Vendor::Azure => guarded(out, format!("{title}\n").as_bytes()),
            Vendor::GitLab => {
                name = format!("roboppi_{}_{}", self.run, self.groups);
                let folded = if is_folded { "[collapsed=true]" } else { "" };
                let seconds = at.0 / 1_000;
                line(out, &format!("\x1b[0Ksection_start:{seconds}:{name}{folded}\r\x1b[0K{title}"));
            }
            Vendor::Buildkite => line(out, &format!("{} {title}", if is_folded { "---" } else { "+++" })),
            Vendor::TeamCity => {
                // The end of a block names it; blocks of one name would be one.
                name = format!("{title} ({})", self.groups);
                line(out, &format!("##teamcity[blockOpened name='{}']", teamcity(&name)));
            }
        }
        self.in_old_group = false;
        Group { name, is_folded }
    }

    pub(super) fn end(&mut self, out: &mut Vec<u8>, group: &Group, at: UtcMillis) {
        match self.vendor {
            Vendor::GitHub if group.is_folded => line(out, "::endgroup::"),
            Vendor::Azure if group.is_folded => line(out, "##[endgroup]"),
            Vendor::GitHub | Vendor::Azure => {}
            Vendor::GitLab => {
                line(out, &format!("\x1b[0Ksection_end:{}:{}\r\x1b[0K", at.0 / 1_000, group.name));
            }
            Vendor::Buildkite => self.in_old_group = group.is_folded,
            Vendor::TeamCity => {
                line(out, &format!("##teamcity[blockClosed name='{}']", teamcity(&group.name)));
            }
        }
    }

    /// What comes before lines that belong to no group.
    pub(super) fn outside(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.in_old_group) {
            line(out, "~~~ Steps");
        }
    }

    /// What comes before the lines about the end of the run.
    pub(super) fn conclusion(&mut self, out: &mut Vec<u8>) {
        if self.vendor == Vendor::Buildkite {
            self.in_old_group = false;
            line(out, "+++ Result");
        }
    }

    pub(super) fn annotate(&self, out: &mut Vec<u8>, annotation: &Annotation) {
        let Annotation { severity, title, message, place } = annotation;
        let word = if *severity == Severity::Error { "error" } else { "warning" };
        match self.vendor {
            Vendor::GitHub => {
                let mut properties = String::new();
                if let Some((file, line, column)) = place {
                    let _ = write!(properties, "file={},line={line},", github_property(file));
                    if let Some(column) = column {
                        let _ = write!(properties, "col={column},");
                    }
                }
                let title: String = title.chars().take(LONGEST_TITLE).collect();
                let _ = write!(properties, "title={}", github_property(&title));
                line(out, &format!("::{word} {properties}::{}", shortened(message, github_data)));
            }
            Vendor::Azure => {
                let mut properties = format!("type={word};");
                if let Some((file, line, column)) = place {
                    let _ = write!(properties, "sourcepath={};linenumber={line};", azure_property(file));
                    if let Some(column) = column {
                        let _ = write!(properties, "columnnumber={column};");
                    }
                }
                let message = shortened(&format!("{title}: {message}"), azure_data);
                line(out, &format!("##vso[task.logissue {properties}]{message}"));
            }
            Vendor::TeamCity => {
                let at =
                    place.as_ref().map_or_else(String::new, |(file, line, _)| format!("{file}:{line}: "));
                let text = shortened(&format!("{at}{title}: {message}"), teamcity);
                let status = word.to_uppercase();
                line(out, &format!("##teamcity[message text='{text}' status='{status}']"));
            }
            Vendor::GitLab | Vendor::Buildkite => {}
        }
    }

    /// A failed step, where a failed build has a list of its problems.
    pub(super) fn problem(&self, out: &mut Vec<u8>, step: &str, why: &str) {
        if self.vendor == Vendor::TeamCity {
            let name = words(step);
            let why = shortened(&format!("{name}: {why}"), teamcity);
            // At most 60 characters, letters and digits. Problems of one identity are one problem, and names of steps can have
            // the same letters.
            let letters = name.chars().filter(char::is_ascii_alphanumeric).take(40);
            let identity: String = "roboppi".chars().chain(letters).collect();
            let hash = short_hash(step);
            line(out, &format!("##teamcity[buildProblem description='{why}' identity='{identity}{hash}']"));
        }
    }
}

/// The same for the same text in every version of this program: TeamCity compares builds. 12 digits of FNV-1a.
fn short_hash(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{:012x}", hash >> 16)
}

/// The command with which Azure Pipelines takes a page for the summary of a build.
#[must_use]
pub fn upload_summary(path: &str) -> String {
    format!("##vso[task.uploadsummary]{}\n", azure_data(&words(path)))
}

/// The lines of others, which must not begin as a command does, or as the title of a group. Worker output stands behind a bar
/// and has no command within it; this holds for names at the beginning of a line, too.
pub(super) fn guarded(out: &mut Vec<u8>, text: &[u8]) {
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let visible = roboppi_untrusted::without_escapes(line);
        let visible = visible.trim_ascii_start();
        let titles: &[&[u8]] = &[b"::", b"##", b"---", b"+++", b"~~~", b"^^^", b"section_"];
        if titles.iter().any(|title| visible.starts_with(title)) {
            out.extend_from_slice(b"| ");
        }
        out.extend_from_slice(line);
    }
}

fn line(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.push(b'\n');
}

/// A message, escaped, cut so that no limit is passed.
fn shortened(message: &str, escape: impl Fn(&str) -> String) -> String {
    let mut most = LONGEST_MESSAGE;
    loop {
        let cut: String = message.chars().take(most).collect();
        let mark = if cut.len() < message.len() { "…" } else { "" };
        let escaped = escape(&format!("{cut}{mark}"));
        if escaped.len() <= LONGEST_ESCAPED || most < 16 {
            return escaped;
        }
        most = most * 3 / 4;
    }
}

fn github_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn github_property(text: &str) -> String {
    github_data(text).replace(':', "%3A").replace(',', "%2C")
}

fn azure_data(text: &str) -> String {
    text.replace('%', "%AZP25").replace('\r', "%0D").replace('\n', "%0A")
}

fn azure_property(text: &str) -> String {
    azure_data(text).replace(';', "%3B").replace(']', "%5D")
}

/// All but ASCII by number: agents read the log in whatever encoding their system has.
fn teamcity(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' => escaped.push_str("|n"),
            '\r' => escaped.push_str("|r"),
            '\'' | '|' | '[' | ']' => escaped.extend(['|', char]),
            ' '..='~' => escaped.push(char),
            _ => {
                let mut units = [0; 2];
                for unit in char.encode_utf16(&mut units) {
                    let _ = write!(escaped, "|0x{unit:04X}");
                }
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UtcMillis = UtcMillis(1_700_000_000_999);

    fn printed(act: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        act(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn all_of(vendor: Vendor, title: &str) -> String {
        let mut markup = Markup::new(vendor);
        markup.name_run("r17");
        let annotation = Annotation {
            severity: Severity::Error,
            title: format!("{title}: exit code 1"),
            message: "100% wrong\nsecond, [line] 'x' | é 🎉".to_owned(),
            place: Some(("src/a,b:c;d].rs".to_owned(), 3, Some(5))),
        };
        printed(|out| {
            let group = markup.begin(out, title, true, AT);
            markup.end(out, &group, AT);
            markup.outside(out);
            let group = markup.begin(out, title, false, AT);
            markup.end(out, &group, AT);
            markup.annotate(out, &annotation);
            markup.problem(out, title, "exit code 1");
            markup.conclusion(out);
        })
    }

    #[test]
    fn each_vendor_gets_its_commands() {
        let title = "50% of [x] it's\r\n::error::y";
        for vendor in [Vendor::GitHub, Vendor::GitLab, Vendor::Buildkite, Vendor::TeamCity, Vendor::Azure] {
            let text = all_of(vendor, title).replace('\x1b', "<ESC>").replace('\r', "<CR>");
            insta::assert_snapshot!(format!("{vendor:?}"), text);
        }
    }

    #[test]
    fn problems_of_different_steps_are_different() {
        let markup = Markup::new(Vendor::TeamCity);
        let identity = |step: &str| {
            let text = printed(|out| markup.problem(out, step, "x"));
            text.split_once("identity='").unwrap().1.split('\'').next().unwrap().to_owned()
        };
        let long = "a".repeat(100);
        let names = ["a-b", "ab", "a_b", &long, &format!("{long}b"), "漢", "字"];
        let all: std::collections::HashSet<_> = names.iter().map(|name| identity(name)).collect();
        assert_eq!(all.len(), names.len(), "{all:?}");
        assert!(all.iter().all(|one| one.len() <= 60), "{all:?}");
    }

    #[test]
    fn an_annotation_is_no_longer_than_its_limit() {
        for (message, escape) in [
            ("x".repeat(100_000), github_data as fn(&str) -> String),
            ("%".repeat(100_000), github_data),
            ("漢".repeat(5_000), teamcity),
            ("\n".repeat(5_000), azure_data),
        ] {
            let text = shortened(&message, escape);
            assert!(text.len() <= LONGEST_ESCAPED && text.len() > LONGEST_ESCAPED / 2, "{}", text.len());
        }
        assert_eq!(shortened("short", github_data), "short");
    }

    #[test]
    fn a_line_that_begins_as_a_command_is_kept_apart() {
        for (text, expected) in [
            ("plain\n", "plain\n"),
            ("::error::x\n", "| ::error::x\n"),
            ("  \t::error::x\n", "|   \t::error::x\n"),
            ("\x1b[1m--- x\x1b[0m\n", "| \x1b[1m--- x\x1b[0m\n"),
            ("+++ x", "| +++ x"),
            ("a --- b\n~~~\n", "a --- b\n| ~~~\n"),
            ("##[group]\nsection_start:1:x\n", "| ##[group]\n| section_start:1:x\n"),
        ] {
            assert_eq!(printed(|out| guarded(out, text.as_bytes())), expected);
        }
    }
}
