//! Which kinds of workers a workflow may name.

use indexmap::IndexMap;
use roboppi_ipc::WorkerKind;
use roboppi_run::StepPath;

use crate::definition::HostSpec;
use crate::diagnostic::Sink;
use crate::source::{self, Value};

/// The kinds of workers a workflow may name, and the hosts that are described elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerKinds {
    known: Vec<WorkerKind>,
    others: OtherKinds,
    hosts: IndexMap<String, HostSpec>,
    /// Steps may name hosts that are not known.
    any_host: bool,
}

/// What a kind means that is not among the known ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OtherKinds {
    /// There is no such kind: an error.
    #[default]
    Refused,
    /// A core may have it that is named here ("the core of `--core`"), and that is not asked: a warning.
    Unsure(String),
    /// Accepted: the core checks it when it is there.
    Accepted,
}

impl WorkerKinds {
    /// Those that come with roboppi, and no others.
    #[must_use]
    pub fn builtin() -> Self {
        Self {
            known: WorkerKind::BUILTIN.to_vec(),
            others: OtherKinds::Refused,
            hosts: IndexMap::new(),
            any_host: false,
        }
    }

    /// Any. For workflows that are not to be run.
    #[must_use]
    pub fn any() -> Self {
        Self { any_host: true, ..Self::builtin().others(OtherKinds::Accepted) }
    }

    /// Adds hosts that steps may name besides those of their file.
    #[must_use]
    pub fn with_hosts(mut self, hosts: impl IntoIterator<Item = (String, HostSpec)>) -> Self {
        self.hosts.extend(hosts);
        self
    }

    pub(crate) const fn hosts(&self) -> &IndexMap<String, HostSpec> {
        &self.hosts
    }

    pub(crate) const fn accepts_any_host(&self) -> bool {
        self.any_host
    }

    /// Adds kinds.
    #[must_use]
    pub fn with(mut self, kinds: impl IntoIterator<Item = WorkerKind>) -> Self {
        for kind in kinds {
            if !self.known.contains(&kind) {
                self.known.push(kind);
            }
        }
        self
    }

    /// Says what the others mean.
    #[must_use]
    pub fn others(mut self, others: OtherKinds) -> Self {
        self.others = others;
        self
    }

    /// The known ones.
    #[must_use]
    pub fn known(&self) -> &[WorkerKind] {
        &self.known
    }

    pub(crate) const fn meaning_of_others(&self) -> &OtherKinds {
        &self.others
    }
}

/// Where a step of a workflow file names its kind of worker, or that of its check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerPlace {
    /// The step.
    pub step: StepPath,
    /// It is the kind of its check.
    pub is_check: bool,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
}

/// Where the steps of a workflow file name their kinds of workers, for what is only found out when a core is there. Steps
/// that cannot be read are left out. The file was read before, so it may have any length.
#[must_use]
pub fn worker_places(text: &str) -> Vec<WorkerPlace> {
    let mut sink = Sink::new([text], false);
    let Some(root) = source::read(text, usize::MAX, &mut sink) else { return Vec::new() };
    let entries = |value: &Value| match value {
        Value::Map(entries) => entries.clone(),
        _ => Vec::new(),
    };
    let steps = entries(&root.value).into_iter().filter(|entry| &*entry.key == "steps");
    let steps = steps.flat_map(|steps| entries(&steps.value.value));
    let of_key = |value: &Value, key: &str| entries(value).into_iter().find(|entry| &*entry.key == key);
    let place = |step: &source::Entry, of: &Value, is_check: bool| {
        let (line, column) = sink.position_of(of_key(of, "worker")?.value.span);
        Some(WorkerPlace { step: StepPath::new(&*step.key), is_check, line, column })
    };
    let places = steps.flat_map(|step| {
        let check = of_key(&step.value.value, "completion_check");
        let check = check.and_then(|check| place(&step, &check.value.value, true));
        place(&step, &step.value.value, false).into_iter().chain(check)
    });
    places.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_values() {
        let text = "name: n\nsteps:\n  a:\n    worker: CUSTOM\n  b: { description: é, worker: SCRIBE }\n  c: {}\n  d: x\n  \
                    e: { completion_check: { worker: SCRIBE } }\n";
        let place =
            |step: &str, is_check, line, column| WorkerPlace { step: step.into(), is_check, line, column };
        assert_eq!(
            worker_places(text),
            [place("a", false, 4, 13), place("b", false, 5, 32), place("e", true, 8, 36)]
        );
        assert_eq!(worker_places("- a"), []);
        assert_eq!(worker_places(": ["), []);
    }
}
