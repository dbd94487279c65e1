//! Names and paths of a run. They are what it is found by, so they are shown as they are, also when they hold a secret.

use std::collections::BTreeSet;
use std::ops::Range;

use roboppi_redact::Secrets;

use crate::convert::path_text;
use crate::settings::RunSettings;

/// Names that a warning lists. More are counted.
const LISTED: usize = 5;

/// What a run is found by.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenNames {
    /// What each is, for people, and the name. Those of the workflow, of its steps and of their artifacts.
    names: BTreeSet<(&'static str, String)>,
    /// Of the workflow, the workspace, the context directory and the record.
    paths: BTreeSet<String>,
    /// Those that hold one of so many secrets.
    exposed: Exposed,
}

#[derive(Clone, Debug, Default)]
struct Exposed {
    secrets: usize,
    names: Vec<String>,
    paths: Vec<String>,
}

impl RunSettings {
    /// Says which names and paths of the run hold a secret: those are not hidden.
    #[must_use]
    pub fn name_warning(&self) -> Option<String> {
        OpenNames::of(self).warning(&self.secrets.hidden)
    }
}

/// Where a name counts as one.
#[derive(Clone, Copy)]
enum Naming {
    /// In backquotes, as our messages have it.
    Quoted,
    /// As a word, as a workflow file and a command line have it.
    Word,
}

impl OpenNames {
    pub(crate) fn of(settings: &RunSettings) -> Self {
        let workflow = &settings.source.workflow;
        let mut names = BTreeSet::from([("workflow", workflow.name.clone())]);
        for (id, step) in &workflow.steps {
            names.insert(("step", id.as_str().to_owned()));
            names.extend(step.outputs.iter().map(|output| ("artifact", output.name.clone())));
            names.extend(step.inputs.iter().filter_map(|input| Some(("artifact", input.rename.clone()?))));
        }
        let context_dir = settings.context_dir();
        let paths = [&settings.source.path, &settings.workspace, &context_dir];
        let paths = paths.into_iter().chain(&settings.state_dir).map(|path| path_text(path));
        let paths = paths.filter(|path| path.len() > 1).collect();
        Self { names, paths, exposed: Exposed::default() }
    }

    /// Says that some of them hold a secret, when they do.
    pub(crate) fn warning(&self, secrets: &Secrets) -> Option<String> {
        let paths = self.paths.iter().map(|path| ("path", path));
        let all = self.names.iter().map(|(what, name)| (*what, name)).chain(paths);
        let held: Vec<_> = all.filter(|(_, name)| holds(secrets, name)).collect();
        let mut listed: Vec<_> =
            held.iter().take(LISTED).map(|(what, name)| format!("the {what} `{name}`")).collect();
        if held.len() > LISTED {
            listed.push(format!("{} more", held.len() - LISTED));
        }
        let last = listed.pop()?;
        let (listed, hold) = match listed.as_slice() {
            [] => (last, "holds"),
            before => (format!("{} and {last}", before.join(", ")), "hold"),
        };
        let variables: BTreeSet<_> = held.iter().flat_map(|(_, name)| secrets.names_in(name)).collect();
        let variables: Vec<_> = variables.into_iter().collect();
        let of = if variables.is_empty() { String::new() } else { format!(" ({})", variables.join(", ")) };
        Some(format!(
            "names are not hidden: {listed} {hold} the value of a secret{of}, which is seen there; \
             choose another name, or another value"
        ))
    }

    /// Whether more of them hold a secret than when this was last asked.
    pub(crate) fn more_are_exposed(&mut self, secrets: &Secrets) -> bool {
        let count = |exposed: &Exposed| exposed.names.len() + exposed.paths.len();
        let before = count(&self.exposed);
        count(self.exposed(secrets)) > before
    }

    /// Takes secrets out of a message, and leaves the names in it.
    pub(crate) fn hide(&mut self, secrets: &Secrets, text: &mut String) {
        let hidden = secrets.redact_str(text);
        if let std::borrow::Cow::Owned(_) = hidden {
            *text = self.hide_but_names(secrets, text, Naming::Quoted);
        }
    }

    /// Takes secrets out of a workflow file or an argument, and leaves the names in it.
    pub(crate) fn hide_in_source(&mut self, secrets: &Secrets, text: &str) -> String {
        self.hide_but_names(secrets, text, Naming::Word)
    }

    fn hide_but_names(&mut self, secrets: &Secrets, text: &str, naming: Naming) -> String {
        let exposed = self.exposed(secrets);
        let mut open = Vec::new();
        for name in &exposed.names {
            open.extend(find(text, name).filter(|at| is_named(text, at, naming)));
        }
        for path in &exposed.paths {
            open.extend(find(text, path));
        }
        secrets.redact_except(text, &open).into_owned()
    }

    fn exposed(&mut self, secrets: &Secrets) -> &Exposed {
        let count = secrets.len();
        if self.exposed.secrets != count {
            let names = self.names.iter().map(|(_, name)| name).filter(|name| holds(secrets, name));
            let paths = self.paths.iter().filter(|path| holds(secrets, path));
            self.exposed =
                Exposed { secrets: count, names: names.cloned().collect(), paths: paths.cloned().collect() };
        }
        &self.exposed
    }
}

fn holds(secrets: &Secrets, name: &str) -> bool {
    matches!(secrets.redact_str(name), std::borrow::Cow::Owned(_))
}

fn find<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
    text.match_indices(name).map(|(at, _)| at..at + name.len())
}

fn is_named(text: &str, at: &Range<usize>, naming: Naming) -> bool {
    let before = text[..at.start].chars().next_back();
    let after = text[at.end..].chars().next();
    match naming {
        Naming::Quoted => before == Some('`') && after == Some('`'),
        Naming::Word => {
            let goes_on =
                |char: Option<char>| char.is_some_and(|char| char.is_alphanumeric() || "-_./".contains(char));
            !goes_on(before) && !goes_on(after)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str], paths: &[&str]) -> OpenNames {
        let names = names.iter().map(|name| ("step", (*name).to_owned())).collect();
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        OpenNames { names, paths, exposed: Exposed::default() }
    }

    #[test]
    fn a_name_that_holds_a_secret_is_warned_of() {
        let secrets = Secrets::new([("POSTGRES_PASSWORD", "postgres"), ("MY_TOKEN", "workspace")]);
        let warning = |open: OpenNames| open.warning(&secrets);
        assert_eq!(warning(names(&["build"], &["/home/me"])), None);
        assert_eq!(
            warning(names(&["run-postgres", "build"], &[])).unwrap(),
            "names are not hidden: the step `run-postgres` holds the value of a secret (POSTGRES_PASSWORD), which is \
             seen there; choose another name, or another value"
        );
        assert_eq!(
            warning(names(&["postgres-1", "postgres-2"], &["/me/workspace"])).unwrap(),
            "names are not hidden: the step `postgres-1`, the step `postgres-2` and the path `/me/workspace` hold the \
             value of a secret (MY_TOKEN, POSTGRES_PASSWORD), which is seen there; choose another name, or another \
             value"
        );
        let many: Vec<_> = (0..9).map(|number| format!("postgres{number}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert!(warning(names(&many, &[])).unwrap().contains("`postgres4` and 4 more hold"));
    }

    #[test]
    fn names_stay_in_messages_and_files() {
        let secrets = Secrets::new([("POSTGRES_PASSWORD", "postgres"), ("MY_TOKEN", "workspace")]);
        let mut open = names(&["postgres", "run-postgres", "build"], &["/me/workspace"]);
        let mut message =
            "`run-postgres` failed: postgres in /me/workspace/a, run-postgres of workspace".to_owned();
        open.hide(&secrets, &mut message);
        assert_eq!(message, "`run-postgres` failed: *** in /me/workspace/a, run-*** of ***");
        let file = "  run-postgres:\n    instructions: psql 'my-postgres' -U xpostgres\n    depends_on: [postgres]\n";
        assert_eq!(
            open.hide_in_source(&secrets, file),
            "  run-postgres:\n    instructions: psql 'my-***' -U x***\n    depends_on: [postgres]\n"
        );
        assert_eq!(open.hide_in_source(&secrets, "nothing"), "nothing");
    }

    #[test]
    fn a_secret_that_comes_later_may_expose_a_name() {
        let secrets = Secrets::default();
        let mut open = names(&["run-postgres"], &[]);
        assert!(!open.more_are_exposed(&secrets));
        let _taken = secrets.add("mask", b"some other value");
        assert!(!open.more_are_exposed(&secrets));
        let _taken = secrets.add("mask", b"postgres");
        assert!(open.more_are_exposed(&secrets));
        assert!(!open.more_are_exposed(&secrets));
        let mut message = "after `run-postgres`".to_owned();
        open.hide(&secrets, &mut message);
        assert_eq!(message, "after `run-postgres`");
    }
}
