//! Who edits where.
//!
//! An agent that edits a workspace has it for itself: two agents in one tree undo each other's work. Commands
//! that edit run side by side, because whoever wrote them knows what they write; but not beside an agent.

use std::path::{Component, Path, PathBuf};

use roboppi_ipc::JobId;

/// Workspaces that are being edited. Never more than there are permits.
#[derive(Clone, Debug, Default)]
pub(super) struct Workspaces {
    editors: Vec<Editor>,
}

#[derive(Clone, Debug)]
struct Editor {
    job_id: JobId,
    path: PathBuf,
    is_agent: bool,
}

impl Workspaces {
    /// The job that keeps another one from editing `path`, or a place in it or around it.
    pub(super) fn taken_by(&self, path: &str, is_agent: bool) -> Option<&JobId> {
        let path = plain(path);
        self.editors
            .iter()
            .find(|other| {
                (is_agent || other.is_agent)
                    && (other.path.starts_with(&path) || path.starts_with(&other.path))
            })
            .map(|other| &other.job_id)
    }

    pub(super) fn enter(&mut self, job_id: JobId, path: &str, is_agent: bool) {
        self.editors.push(Editor { job_id, path: plain(path), is_agent });
    }

    pub(super) fn leave(&mut self, job_id: &JobId) {
        self.editors.retain(|editor| editor.job_id != *job_id);
    }
}

/// The path without detours, as far as its text shows them.
fn plain(path: &str) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            component => plain.push(component),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_alone_and_commands_are_not() {
        let mut workspaces = Workspaces::default();
        workspaces.enter("c".into(), "/w", false);
        assert!(workspaces.taken_by("/w", false).is_none());
        assert_eq!(workspaces.taken_by("/w/", true), Some(&"c".into()));
        workspaces.leave(&"c".into());
        workspaces.enter("a".into(), "/w/x", true);
        for (path, taken) in [
            ("/w/x", true),
            ("/w", true),
            ("/w/x/y", true),
            ("/w/./x/../x", true),
            ("/w/xy", false),
            ("/v", false),
        ] {
            assert_eq!(workspaces.taken_by(path, false).is_some(), taken, "{path}");
        }
    }
}
