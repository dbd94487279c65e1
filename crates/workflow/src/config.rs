//! The configuration file of a person: YAML as a workflow file, and read as strictly.

use indexmap::IndexMap;
use roboppi_ipc::WorkerKind;

use crate::definition::HostSpec;

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// `cores`: which core runs the workers of a kind, in the order of the file. Kinds that are not there are run by the core
    /// that comes with roboppi.
    pub cores: IndexMap<WorkerKind, CoreCommand>,
    /// `hosts`: hosts that steps of all workflows may name, in the order of the file.
    pub hosts: IndexMap<String, HostSpec>,
    /// `notify`: what is informed of runs, in the order of the file.
    pub notify: Vec<Notification>,
}

/// What is informed of runs, and of what about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// `on`: the occasions.
    pub on: Vec<NotifyOn>,
    /// What is informed.
    pub target: NotifyTarget,
}

/// An occasion to inform somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifyOn {
    /// `end`: a run is over.
    End,
    /// `failure`: a run is over and did not succeed.
    Failure,
    /// `waiting`: a step waits for a usage limit or for a person.
    Waiting,
}

/// What is informed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotifyTarget {
    /// `command`: a program, which gets the notification on its standard input.
    Command(CoreCommand),
    /// `url` or `url_env`: a server, which gets it as the body of a request.
    Webhook {
        /// Where it is.
        url: WebhookUrl,
        /// `secret_env`: the variable that has the key for the signature.
        secret_env: Option<String>,
    },
}

/// Where a webhook is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookUrl {
    /// `url`: here.
    Text(String),
    /// `url_env`: the value of this variable, because whoever knows the URL can use it.
    Variable(String),
}

/// The command of a core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreCommand {
    /// The program as it is written; what `~` and relative paths mean is for the reader to say.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
}
