//! The console blocks of the pages, run as a reader runs them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use page::{Command, Part, is_as_printed, parts};

use crate::env::TestEnv;

mod page;

const FAKE_AGENT: &str = include_str!("fake_claude.sh");
const PRELUDE: &str = include_str!("pages/prelude.sh");

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(page: &str) -> Vec<Part> {
    let text = fs::read_to_string(repository().join(page)).unwrap();
    parts(&text).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// A shell script that does what a page says. What command `n` prints is in `n.out`, its exit code in `n.code`.
fn script(page: &[Part]) -> String {
    let mut script = format!("{PRELUDE}\n");
    for (number, part) in page.iter().enumerate() {
        script += &match part {
            Part::Prepare(text) => {
                format!(
                    "{{\n{text}\n}} > \"$PAGES/{number}.out\" 2>&1 < /dev/null\necho $? > \"$PAGES/{number}.code\"\n"
                )
            }
            Part::File { name, text } => {
                format!(
                    "mkdir -p \"$(dirname {name})\"\ncat > {name} <<'end of the file'\n{text}end of the file\n"
                )
            }
            Part::Command(Command { text, .. }) => {
                format!(
                    "{{\n{text}\n}} > \"$PAGES/{number}.out\" 2>&1 < /dev/null\necho $? > \"$PAGES/{number}.code\"\n"
                )
            }
        };
    }
    script
}

/// Does what a page says, and insists that everything comes out as it says.
fn follow(page: &str) {
    let env = TestEnv::new();
    let parts = read(page);
    let place = env.path("pages");
    fs::create_dir_all(place.join("bin")).unwrap();
    fs::write(place.join("fake_claude"), FAKE_AGENT).unwrap();
    fs::set_permissions(place.join("fake_claude"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink(env!("CARGO_BIN_EXE_roboppi"), place.join("bin/roboppi")).unwrap();
    let dirs = [place.join("bin"), "/usr/local/bin".into(), "/usr/bin".into(), "/bin".into()];
    let mut shell = env.shell(&script(&parts));
    for name in ["AUTHOR", "COMMITTER"] {
        shell = shell
            .env(&format!("GIT_{name}_NAME"), "Reader")
            .env(&format!("GIT_{name}_EMAIL"), "r@example.org");
    }
    let shell = shell.env("PATH", std::env::join_paths(dirs).unwrap());
    let printed = shell.env("PAGES", &place).env("REPOSITORY", repository()).output().code(0).all();
    assert_eq!(printed, "", "{page}: the script itself");
    for (number, part) in parts.iter().enumerate() {
        let kept =
            |kind: &str| fs::read_to_string(place.join(format!("{number}.{kind}"))).unwrap_or_default();
        let (output, code) = (kept("out"), kept("code"));
        match part {
            Part::Prepare(text) => assert_eq!(code, "0\n", "{page}: {text}\n{output}"),
            Part::File { .. } => {}
            Part::Command(command) => {
                let place =
                    format!("{page}:{}: {}\n--- it printed ---\n{output}", command.line, command.text);
                assert_eq!(code, format!("{}\n", command.exit_code), "exit code\n{place}");
                let lines: Vec<_> = output.lines().collect();
                let open = command.output.is_empty();
                assert!(open || is_as_printed(&command.output, &lines), "output\n{place}");
            }
        }
    }
}

/// Every page of the repository.
fn pages() -> Vec<PathBuf> {
    fn below(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !path.is_symlink() {
                if !name.starts_with('.') && !["target", "node_modules"].contains(&name.as_str()) {
                    below(&path, found);
                }
            } else if name.ends_with(".md") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    below(repository(), &mut found);
    found
}

macro_rules! pages {
    ($($name:ident: $page:literal,)*) => {
        /// The pages that have a test of their own.
        const FOLLOWED: &[&str] = &[$($page),*];
        $(
            #[test]
            fn $name() {
                follow($page);
            }
        )*
    };
}

pages! {
    readme: "README.md",
    adapters: "docs/adapters/README.md",
    ci: "docs/ci.md",
    command_line: "docs/command-line.md",
    configuration: "docs/configuration.md",
    exporting: "docs/exporting.md",
    faq: "docs/faq.md",
    guide: "docs/guide.md",
    json: "docs/json.md",
    reports: "docs/reports.md",
    resuming: "docs/resuming.md",
    stability: "docs/stability.md",
    stats: "docs/stats.md",
    watching: "docs/watching.md",
    workflow: "docs/workflow.md",
    workflow_tools: "docs/workflow-tools.md",
}

#[test]
fn every_page_with_commands_is_followed() {
    let mut with_commands = BTreeSet::new();
    for path in pages() {
        let page = path.strip_prefix(repository()).unwrap().to_str().unwrap().to_owned();
        if read(&page).iter().any(|part| matches!(part, Part::Command(_))) {
            with_commands.insert(page);
        }
    }
    assert_eq!(with_commands, FOLLOWED.iter().map(|page| (*page).to_owned()).collect());
}
