//! What the adapters know of recorded output.
#![expect(clippy::disallowed_methods, reason = "what was recorded is in files; the adapters read none")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use roboppi_ipc::WorkerKind;
use roboppi_worker_adapters::drift::unknown_parts;

/// What was recorded is known, line by line.
#[test]
fn recordings_have_nothing_that_is_unknown() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    let mut lines = 0;
    for (kind, name) in [
        (WorkerKind::CLAUDE_CODE, "claude"),
        (WorkerKind::CODEX_CLI, "codex"),
        (WorkerKind::OPENCODE, "opencode"),
        (WorkerKind::GEMINI, "gemini"),
    ] {
        for entry in fs::read_dir(root.join(name)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "jsonl") {
                continue;
            }
            let recording = path.file_stem().unwrap().to_string_lossy().into_owned();
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            for line in text.lines().filter(|line| line.starts_with('{') && line.ends_with('}')) {
                lines += 1;
                for part in unknown_parts(kind, line) {
                    *found.entry(format!("{name}/{recording}: {part}")).or_default() += 1;
                }
            }
        }
    }
    assert!(lines > 500, "{lines} lines");
    let found: String = found.iter().map(|(part, count)| format!("{part} ({count})\n")).collect();
    assert_eq!(found, "");
}
