//! What it costs to read an agent: `cargo bench -p roboppi-worker-adapters`. Prints numbers, judges nothing.
//!
//! Recorded runs, again and again, through the session of their adapter, next to what the same bytes cost anyway:
//! finding their lines, and reading each of them as JSON of any kind.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark reads, measures and prints, and stops when it cannot go on"
)]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use roboppi_ipc::{Mono, OutputStream, TaskBudget, UtcMillis, WorkerKind, WorkerTask};
use roboppi_worker_adapters::{Adapters, SessionEffect, Translation};

/// As much as a pipe gives at once.
const CHUNK: usize = 64 * 1024;
const TOTAL: usize = 64 * 1024 * 1024;

/// Runs with words in pieces, with tool calls, and with sub-agents.
const CLAUDE: [&str; 5] = ["partial_text", "partial_thinking_tool", "write_edit", "multi_turn", "subagent"];
const CODEX: [&str; 4] = ["write_edit", "multi_turn", "thinking", "todo_list"];

fn main() {
    for (kind, folder, names) in
        [(WorkerKind::CLAUDE_CODE, "claude", &CLAUDE[..]), (WorkerKind::CODEX_CLI, "codex", &CODEX[..])]
    {
        let recorded: Vec<Vec<u8>> = names.iter().map(|name| recorded(folder, name)).collect();
        let text = repeated(&recorded);
        println!("{kind}, {} MiB of recorded runs:", text.len() >> 20);
        measure("find newlines", &text, || {
            black_box(memchr::memchr_iter(b'\n', &text).count());
        });
        measure("each line as any JSON", &text, || {
            for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                black_box(serde_json::from_slice::<serde_json::Value>(line).expect("JSON"));
            }
        });
        measure("each line to events", &text, || translate(kind, &text));
        let answer = long_answer(kind);
        measure("an answer of 8 MiB in one line, to events", &answer, || translate(kind, &answer));
    }
}

/// All of it through one session.
fn translate(kind: WorkerKind, text: &[u8]) {
    let task = task(kind);
    let adapter = Adapters::builtin().get(kind).expect("an adapter that comes with roboppi");
    let spec = adapter.plan(&task).expect("a command");
    let mut translation = Translation::new(adapter.session(&task), &spec);
    let mut out = Vec::new();
    translation.started(Mono::ZERO, &mut out);
    let mut events = 0_usize;
    for chunk in text.chunks(CHUNK) {
        translation.output(Mono::ZERO, OutputStream::Stdout, chunk, &mut out);
        events += out.drain(..).filter(|effect| matches!(effect, SessionEffect::Event(_))).count();
    }
    assert!(events > 0, "something was understood");
}

fn recorded(folder: &str, name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/transcripts/{folder}/{name}.jsonl"));
    std::fs::read(&path).expect("a recorded run")
}

fn repeated(runs: &[Vec<u8>]) -> Vec<u8> {
    let mut text = Vec::with_capacity(TOTAL + CHUNK);
    while text.len() < TOTAL {
        runs.iter().for_each(|run| text.extend_from_slice(run));
    }
    text
}

fn long_answer(kind: WorkerKind) -> Vec<u8> {
    let words = "a line of an answer, with \"quotes\" and more\n".repeat((8 << 20) / 46);
    let line = match kind {
        WorkerKind::CODEX_CLI => serde_json::json!({
            "type": "item.completed",
            "item": { "id": "item_1", "type": "agent_message", "text": words },
        }),
        _ => serde_json::json!({
            "type": "assistant",
            "message": { "id": "m", "model": "x", "content": [{ "type": "text", "text": words }] },
        }),
    };
    format!("{line}\n").into_bytes()
}

fn task(kind: WorkerKind) -> WorkerTask {
    WorkerTask::new("t", kind, "/ws", "do it", TaskBudget::new(UtcMillis(0)))
}

/// The best of five, as bytes a second.
fn measure(name: &str, text: &[u8], mut step: impl FnMut()) {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        step();
        best = best.min(start.elapsed());
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = text.len() as f64 / best.as_secs_f64() / 1e6;
    println!("  {name:<44} {rate:>8.0} MB/s");
}
