//! The configuration file of a person: YAML as a workflow file, and read as strictly.

use indexmap::IndexMap;
use roboppi_ipc::WorkerKind;

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// `cores`: which core runs the workers of a kind, in the order of the file. Kinds that are not there are run by the core
    /// that comes with roboppi.
    pub cores: IndexMap<WorkerKind, CoreCommand>,
}

/// The command of a core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreCommand {
    /// The program as it is written; what `~` and relative paths mean is for the reader to say.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
}
