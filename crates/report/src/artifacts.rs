//! The artifacts of a run, as a list.

use roboppi_untrusted::{first_words, json};

use crate::table;
use crate::units;

/// An artifact, and what is at its place now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The step that made it.
    pub step: String,
    /// Its name there.
    pub name: String,
    /// Where it was put.
    pub path: String,
    /// What was recorded as its hash.
    pub sha256: Option<String>,
    /// What is there now.
    pub state: ArtifactState,
    /// Bytes of its files, as far as they were read.
    pub bytes: Option<u64>,
}

/// What is at the place of an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArtifactState {
    /// What the step made.
    Unchanged,
    /// Something else than the step made.
    Changed,
    /// Something, and the record has no hash to compare it with.
    Unknown,
    /// Nothing.
    Missing,
    /// It is on the machine that the run was imported from.
    Elsewhere(String),
    /// It cannot be read, for this reason.
    Unreadable(String),
}

impl ArtifactState {
    const fn name(&self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Changed => "changed",
            Self::Unknown => "unknown",
            Self::Missing => "missing",
            Self::Elsewhere(_) => "elsewhere",
            Self::Unreadable(_) => "unreadable",
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Elsewhere(host) => format!("on {}", first_words(host)),
            state => state.name().to_owned(),
        }
    }
}

/// The artifacts as a table.
#[must_use]
pub fn list(artifacts: &[Artifact]) -> String {
    let mut rows = vec![["STEP", "ARTIFACT", "SIZE", "STATE", "PATH"].map(str::to_owned)];
    rows.extend(artifacts.iter().map(|artifact| {
        let Artifact { step, name, path, state, bytes, .. } = artifact;
        let size = bytes.map_or_else(|| "–".to_owned(), units::bytes);
        [first_words(step), first_words(name), size, state.words(), first_words(path)]
    }));
    table(&rows)
}

/// The artifacts as a JSON array.
#[must_use]
pub fn array(artifacts: &[Artifact]) -> String {
    let entry = |artifact: &Artifact| {
        let Artifact { step, name, path, sha256, state, bytes } = artifact;
        let (host, reason) = match state {
            ArtifactState::Elsewhere(host) => (Some(host), None),
            ArtifactState::Unreadable(reason) => (None, Some(reason)),
            _ => (None, None),
        };
        serde_json::json!({
            "step": step, "name": name, "path": path, "sha256": sha256,
            "state": state.name(), "bytes": bytes, "host": host, "reason": reason,
        })
    };
    let entries: Vec<_> = artifacts.iter().map(entry).collect();
    json(&format!("{:#}\n", serde_json::json!(entries))).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_harmless() {
        let artifact = |state, bytes| Artifact {
            step: "build".to_owned(),
            name: "a\u{1b}[31mb\nc".to_owned(),
            path: "/w/context/build/a".to_owned(),
            sha256: None,
            state,
            bytes,
        };
        let artifacts = [
            artifact(ArtifactState::Unknown, Some(2_048)),
            artifact(ArtifactState::Elsewhere("ho\u{1b}]0;x\u{7}st".to_owned()), None),
        ];
        let text = list(&artifacts);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(!text.contains('\u{1b}') && text.contains("2.0 KiB") && text.contains("on host"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&array(&artifacts)).unwrap();
        assert_eq!((&json[0]["state"], &json[1]["state"]), (&"unknown".into(), &"elsewhere".into()));
        assert!(!array(&artifacts).contains('\u{1b}'));
    }
}
