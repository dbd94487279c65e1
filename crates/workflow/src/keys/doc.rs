//! What is known of one key.

/// Which map of the file a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Section {
    /// The file itself.
    Workflow,
    /// A step: `steps.<id>`.
    Step,
    /// `steps.<id>.completion_check`.
    Check,
    /// An entry of `steps.<id>.inputs`.
    Input,
    /// An entry of `steps.<id>.outputs`.
    Output,
    /// An entry of `steps.<id>.exports`.
    Export,
    /// `steps.<id>.convergence`.
    Convergence,
    /// An entry of `steps.<id>.convergence.stages`.
    Stage,
    /// An entry of `secrets` that is a map.
    Secret,
    /// `environment`.
    Environment,
    /// An input of the workflow: `inputs.<name>`.
    Parameter,
    /// `steps.<id>.retry`.
    Retry,
    /// `defaults`.
    Defaults,
    /// A host: `hosts.<name>`.
    Host,
}

/// Whether this version does what a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyStatus {
    /// It does.
    Supported,
    /// The key is known and refused until it does.
    NotYet,
}

/// One key, for recognising it and for describing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyDoc {
    /// Where it stands.
    pub section: Section,
    /// As it is written.
    pub name: &'static str,
    /// What its value is.
    pub kind: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What its absence means.
    pub default: Option<&'static str>,
    /// What it does.
    pub meaning: &'static str,
    /// Whether it is executed.
    pub status: KeyStatus,
}

impl KeyDoc {
    pub(super) const fn required(
        section: Section,
        name: &'static str,
        kind: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self { section, name, kind, required: true, default: None, meaning, status: KeyStatus::Supported }
    }

    pub(super) const fn optional(
        section: Section,
        name: &'static str,
        kind: &'static str,
        default: Option<&'static str>,
        meaning: &'static str,
    ) -> Self {
        Self { section, name, kind, required: false, default, meaning, status: KeyStatus::Supported }
    }

    pub(super) const fn not_yet(
        section: Section,
        name: &'static str,
        kind: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self { section, name, kind, required: false, default: None, meaning, status: KeyStatus::NotYet }
    }
}
