//! Which files make a run.

use std::path::Path;

use crate::base::Base;
use crate::blob;

/// Files of the run directory itself, `run.json` and the journal first: who reads from the front knows what it reads.
pub(super) const TOP: [&str; 4] = ["run.json", "journal.jsonl", "workflow.yaml", "core.stderr"];

/// Diagnostics of roboppi itself. They are no part of what happened in a run and stay on its machine; a later version may
/// export them.
const DIAGNOSTICS: [&str; 2] = ["roboppi.log", "core.log"];

/// Files of an attempt, in the order in which they are read while they grow: the index of bytes is written before
/// them, and the hole before they are given back.
pub(super) const OF_ATTEMPT: [&str; 6] = ["log", "log.zst", "idx", "hole", "events.jsonl", "events.hole"];

/// Whether a path inside a run directory is one of a file of the record. Whatever else it may be, it is none that could
/// lead out of the directory.
pub(crate) fn is_part(path: &str) -> bool {
    if TOP.contains(&path) || DIAGNOSTICS.contains(&path) || is_blob(path) {
        return true;
    }
    let Some((base, extension)) = split(path) else { return false };
    OF_ATTEMPT.contains(&extension) && Base::parse(Path::new(""), base).is_ok()
}

/// A large value that an event names.
fn is_blob(path: &str) -> bool {
    blob::hash_in(path).is_some()
}

/// `steps/build/i1-a1.events.jsonl` as `steps/build/i1-a1` and `events.jsonl`.
fn split(path: &str) -> Option<(&str, &str)> {
    OF_ATTEMPT
        .iter()
        .filter_map(|extension| Some((path.strip_suffix(extension)?.strip_suffix('.')?, *extension)))
        .next()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn files_of_the_record_are_parts_and_nothing_else_is() {
        for part in [
            "run.json",
            "journal.jsonl",
            "workflow.yaml",
            "core.stderr",
            "roboppi.log",
            "core.log",
            "steps/Gr%C3%B6/i1-a2.log",
            "steps/a/i1-a2.log.zst",
            "steps/a/i1-a2.idx",
            "steps/a/i1-a2.hole",
            "steps/a/i1-a2.events.jsonl",
            "steps/a/i1-a2.events.hole",
            "blobs/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        ] {
            assert!(is_part(part), "{part}");
        }
        for other in [
            "",
            "export.json",
            "imported.json",
            "pinned",
            "snapshots/1.json",
            "journal.torn-1",
            "journal.torn-../x",
            "steps/a/i1-a2",
            "steps/a/i1-a2.log.zst.new",
            "steps/a/.log",
            "steps/../../i1-a2.log",
            "steps/a/../i1-a2.log",
            "/steps/a/i1-a2.log",
            "./run.json",
            "run.json/",
            "steps//i1.log",
            "blobs/.new-abc",
            "blobs/../run.json",
            "steps/a/b/i1.log",
        ] {
            assert!(!is_part(other), "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_part_leads_out(path in "(steps/)?[a-z./%]{0,12}(/[a-z./]{0,8})?(\\.log|\\.idx|)") {
            if is_part(&path) {
                let joined = Path::new("/run").join(&path);
                let plain = |part| matches!(part, std::path::Component::Normal(_) | std::path::Component::RootDir);
                prop_assert!(joined.starts_with("/run") && joined.components().all(plain));
            }
        }
    }
}
