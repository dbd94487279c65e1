//! What the fuzz targets check, on bytes that are mostly lines of the agents.

#![expect(clippy::disallowed_methods, reason = "what was recorded is in files; the adapters read none")]

#[path = "../../../fuzz/checks/session.rs"]
mod session;

use std::path::Path;

use proptest::prelude::*;
use roboppi_worker_adapters::{ClaudeAdapter, CodexAdapter, GeminiAdapter, OpenCodeAdapter};

/// Lines of all transcripts of an agent.
fn lines(agent: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(agent);
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("a file").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    paths.sort();
    let texts = paths.iter().map(|path| std::fs::read(path).expect("a transcript"));
    texts.flat_map(|text| text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>()).collect()
}

/// Lines in any order, some of them damaged, and malformed between them.
fn output(agent: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let line = prop::sample::select(lines(agent));
    let damaged = (line.clone(), any::<prop::sample::Index>(), any::<u8>(), any::<bool>()).prop_map(
        |(mut line, at, byte, cut)| {
            let at = at.index(line.len().max(1));
            if let Some(place) = line.get_mut(at) {
                *place = byte;
            }
            if cut {
                line.truncate(at);
            }
            line
        },
    );
    let malformed = prop::collection::vec(any::<u8>(), 0..40);
    let line = prop_oneof![6 => line, 3 => damaged, 1 => malformed];
    (any::<u8>(), prop::collection::vec(line, 0..25), any::<bool>()).prop_map(|(choice, lines, ended)| {
        let mut bytes = vec![choice];
        bytes.extend(lines.join(&b'\n'));
        if ended {
            bytes.push(b'\n');
        }
        bytes
    })
}

proptest! {
    #[test]
    fn claude_keeps_its_promises(bytes in output("claude")) {
        session::check(&ClaudeAdapter, &bytes);
    }

    #[test]
    fn codex_keeps_its_promises(bytes in output("codex")) {
        session::check(&CodexAdapter, &bytes);
    }

    #[test]
    fn opencode_keeps_its_promises(bytes in output("opencode")) {
        session::check(&OpenCodeAdapter, &bytes);
    }

    #[test]
    fn gemini_keeps_its_promises(bytes in output("gemini")) {
        session::check(&GeminiAdapter, &bytes);
    }
}
