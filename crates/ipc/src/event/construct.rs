//! Constructors of what events hold. The types gain fields with time, so other crates build them by these.

use std::ops::Range;

use serde_json::Value;

use super::{
    AgentDelta, AgentText, Gap, LogGrew, Patch, PlanItem, PlanStatus, Progress, RemarkLevel, SessionInfo,
    SubAgent, SubAgentStatus, ToolCall, ToolResult, Usage, WaitCause, Waiting, WorkerOutput,
};
use crate::UtcMillis;
use crate::with_fields::with_fields;

impl WorkerOutput {
    /// A part of the output that ends with its line, without a position in the log.
    pub fn new(data: impl Into<String>) -> Self {
        Self { data: data.into(), ..Self::default() }
    }

    /// Sets its range of the attempt's log: the offset of its first byte and its length, both in bytes.
    #[must_use]
    pub const fn with_range(mut self, offset: u64, len: u64) -> Self {
        self.offset = Some(offset);
        self.len = Some(len);
        self
    }
}

with_fields!(WorkerOutput { with_partial(partial: bool) });

impl LogGrew {
    /// `len` bytes from `offset`, of which it is unknown which streams are text.
    #[must_use]
    pub const fn new(offset: u64, len: u64) -> Self {
        Self { offset, len, stdout: false, stderr: false }
    }

    /// Sets which of the two streams are text for people.
    #[must_use]
    pub const fn with_text_of(mut self, stdout: bool, stderr: bool) -> Self {
        self.stdout = stdout;
        self.stderr = stderr;
        self
    }
}

impl Progress {
    /// A message without a percentage.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }
}

with_fields!(Progress {
    with_percent(percent: Option<f64>),
    with_phase(phase: Option<String>),
    with_basis(basis: Option<String>),
    with_level(level: Option<RemarkLevel>),
});

impl AgentText {
    /// A text that stands for itself.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

with_fields!(AgentText {
    with_id(id: Option<String>),
    with_parent(parent: Option<String>),
    with_blob(blob: Option<String>),
});

impl AgentDelta {
    /// The next fragment of a text.
    pub fn new(delta: impl Into<String>) -> Self {
        Self { delta: delta.into(), ..Self::default() }
    }
}

with_fields!(AgentDelta {
    with_id(id: Option<String>),
    with_parent(parent: Option<String>),
    with_restart(restart: bool),
});

impl PlanItem {
    /// An item and its status.
    pub fn new(text: impl Into<String>, status: PlanStatus) -> Self {
        Self { text: text.into(), status }
    }
}

impl Patch {
    /// A unified diff of the file at this path.
    pub fn new(file_path: impl Into<String>, diff: impl Into<String>) -> Self {
        Self { file_path: file_path.into(), diff: diff.into(), seen: false }
    }
}

with_fields!(Patch { with_seen(seen: bool) });

impl ToolCall {
    /// A call by the agent itself, with its complete input.
    pub fn new(id: impl Into<String>, name: impl Into<String>, input: Value) -> Self {
        Self { id: id.into(), name: name.into(), input, blob: None, parent: None, agents: Vec::new() }
    }
}

with_fields!(ToolCall {
    with_blob(blob: Option<String>),
    with_parent(parent: Option<String>),
    with_agents(agents: Vec<SubAgent>),
});

impl SubAgent {
    /// A sub-agent and its status.
    pub fn new(id: impl Into<String>, status: SubAgentStatus) -> Self {
        Self { id: id.into(), status, name: None, message: None }
    }
}

with_fields!(SubAgent { with_name(name: Option<String>), with_message(message: Option<String>) });

impl ToolResult {
    /// The end of the call `id`, with its complete result. The core counts `bytes`, and shortens the preview.
    pub fn new(id: impl Into<String>, ok: bool, preview: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            ok,
            preview: preview.into(),
            bytes: 0,
            blob: None,
            duration_ms: None,
            agents: Vec::new(),
        }
    }
}

with_fields!(ToolResult {
    with_bytes(bytes: u64),
    with_blob(blob: Option<String>),
    with_duration_ms(duration_ms: Option<u64>),
    with_agents(agents: Vec<SubAgent>),
});

impl Usage {
    /// Tokens read and written by the model, without those of its cache.
    #[must_use]
    pub const fn new(input_tokens: u64, output_tokens: u64) -> Self {
        Self {
            input_tokens,
            output_tokens,
            cache_read_tokens: 0,
            cache_write_tokens: 0,
            cost_usd: None,
            turns: None,
        }
    }
}

with_fields!(Usage {
    with_cache_read_tokens(cache_read_tokens: u64),
    with_cache_write_tokens(cache_write_tokens: u64),
    with_cost_usd(cost_usd: Option<f64>),
    with_turns(turns: Option<u64>),
});

impl SessionInfo {
    /// A session of an unknown model.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), model: None, version: None }
    }
}

with_fields!(SessionInfo { with_model(model: Option<String>), with_version(version: Option<String>) });

impl Waiting {
    /// A wait for a readable reason, whose cause and end are unknown.
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), cause: None, delay_ms: None, until: None }
    }
}

with_fields!(Waiting {
    with_cause(cause: Option<WaitCause>),
    with_delay_ms(delay_ms: Option<u64>),
    with_until(until: Option<UtcMillis>),
});

impl Gap {
    /// A gap in the numbers of events and in the bytes of the attempt's log.
    #[must_use]
    pub const fn new(seqs: Range<u64>, offsets: Range<u64>) -> Self {
        Self {
            from_seq: seqs.start,
            to_seq: seqs.end,
            from_offset: offsets.start,
            to_offset: offsets.end,
            events: 0,
            bytes: 0,
            recorded: 0,
            at_least: false,
        }
    }

    /// Sets how many events and bytes of output are missing.
    #[must_use]
    pub const fn with_missing(mut self, events: u64, bytes: u64) -> Self {
        self.events = events;
        self.bytes = bytes;
        self
    }
}

with_fields!(Gap { with_recorded(recorded: u64), with_at_least(at_least: bool) });
