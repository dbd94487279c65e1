//! The frames: a line of JSON, and for some of them so many bytes after it as its `bytes` has.

use std::borrow::Cow;
use std::collections::BTreeMap;

use memchr::memchr;
use roboppi_ipc::DEFAULT_LINE_LIMIT;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{HostReport, SessionName};

/// Bytes of a part of a file at most.
pub const CHUNK_LIMIT: usize = 256 * 1024;
/// Bytes of a file that is sent as a whole at most.
pub const SMALL_FILE_LIMIT: usize = 4 * 1024;
/// Bytes of the JSON of a frame at most. That of a `hello` has the files that are open.
const HEADER_LIMIT: usize = 1024 * 1024;

/// `hello`: the first frame of a supervisor on each carrier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// `protocol`: version of these frames; 1.
    pub protocol: u32,
    /// `session`: the work of one run on one host.
    pub session: SessionName,
    /// `epoch`: number of the keeper, from 1. A later one ends an earlier one before it begins.
    pub epoch: u32,
    /// `begin`: whether a keeper is to be started when there is none. Never once one has answered.
    pub begin: bool,
    /// `acked`: number of the last line that the supervisor has.
    pub acked: u64,
    /// `files`: the files that the supervisor takes, and how many bytes of each it has.
    #[serde(default)]
    pub files: BTreeMap<String, u64>,
    /// `leaseMs`: time without a frame after which the keeper acts on its own.
    pub lease_ms: u64,
    /// `onExpiry`: what it does then.
    pub on_expiry: Expiry,
    /// `holdMs`: time after the end of the lease for which the keeper keeps what is not acknowledged.
    pub hold_ms: u64,
    /// `core`: how the core is started.
    pub core: CoreOptions,
}

/// What a keeper does when its lease has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expiry {
    /// `kill`: it ends the core with everything that runs, and keeps the results.
    Kill,
    /// `finish_then_hold`: it lets finish what runs, and keeps the results.
    FinishThenHold,
    /// A value of a later version; handled like `kill`, which leaves nothing behind.
    #[serde(other)]
    Unknown,
}

/// How a keeper starts its core.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CoreOptions {
    /// `concurrency`: workers at a time.
    pub concurrency: u32,
    /// `graceMs`: time between TERM and KILL.
    pub grace_ms: u64,
    /// `drainMs`: time that pipes may stay open after the exit of a worker.
    pub drain_ms: u64,
    /// `env`: variables that the core and its workers have beside those of the login.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// `welcome`: the answer of a keeper to a `hello`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Welcome {
    /// `acked`: number of the last line that the keeper has.
    pub acked: u64,
    /// `version`: version of the program.
    #[serde(default)]
    pub version: String,
    /// `bootId`: boot id of the host, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// `expired`: whether the lease has expired before.
    #[serde(default)]
    pub expired: bool,
}

/// Why a keeper, or the program that looks for one, does not take a carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// `gone`: there is no such keeper any more, and nothing that it started.
    Gone,
    /// `superseded`: a keeper with a later epoch has taken its place.
    Superseded,
    /// `unusable`: the host cannot keep a session: no directory for it, no program.
    Unusable,
    /// `malformed`: the frames contradict each other.
    Malformed,
    /// A value of a later version.
    #[serde(other)]
    Unknown,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Supervisor → keeper, first.
    Hello(Box<Hello>),
    /// Keeper → supervisor, first.
    Welcome(Welcome),
    /// Keeper → supervisor, instead of `welcome`.
    Refused {
        /// `reason`.
        reason: Refusal,
        /// `detail`: one line for people.
        detail: String,
    },
    /// Both ways: a line of the wire between supervisor and core.
    Line {
        /// `seq`: its number in its direction, from 1.
        seq: u64,
        /// The line, without its newline.
        line: Vec<u8>,
    },
    /// Both ways: no more lines.
    End {
        /// `seq`: its number, as if it were a line.
        seq: u64,
    },
    /// Both ways: all lines up to this number have arrived.
    LineAck {
        /// `seq`.
        seq: u64,
    },
    /// Keeper → supervisor: a part of a file of the record that only grows.
    RecordChunk {
        /// `file`: its name within a run directory.
        file: String,
        /// `offset`: where the part begins.
        offset: u64,
        /// The part.
        content: Vec<u8>,
        /// `last`: the file has no more parts. Of files that are named by their content alone; absent for no.
        last: bool,
    },
    /// Keeper → supervisor: a small file of the record that is replaced as a whole.
    RecordFile {
        /// `file`: its name within a run directory.
        file: String,
        /// All of it.
        content: Vec<u8>,
    },
    /// Supervisor → keeper: so much of a file is in the mirror.
    RecordAck {
        /// `file`: its name within a run directory.
        file: String,
        /// `offset`: bytes from its beginning.
        offset: u64,
    },
    /// Supervisor → host, before a `hello` or instead of it: how is the host? Answered each time, without a keeper.
    Ask,
    /// Host → supervisor: the answer to an `ask`.
    Report(Box<HostReport>),
    /// Both ways: nothing but a sign of life. A keeper answers each.
    Beat,
    /// A type that this version does not know. Never sent.
    Unknown,
}

/// Bytes that are no frame. The carrier is of no use any more.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BadFrame {
    /// A line that is too long to be the JSON of a frame.
    #[error("a frame of more than {HEADER_LIMIT} bytes without a payload")]
    LongHeader,
    /// A payload that is longer than its type allows.
    #[error("a frame `{kind}` of {bytes} bytes")]
    LongPayload {
        /// The type.
        kind: String,
        /// Its length.
        bytes: u64,
    },
    /// A line that is not the JSON of a frame.
    #[error("a line that is no frame: {0}")]
    Malformed(String),
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    bytes: u64,
}

#[derive(Serialize)]
struct Tagged<'a, T: Serialize> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(flatten)]
    fields: T,
}

#[derive(Serialize, Deserialize)]
struct Numbered {
    seq: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct OfFile {
    file: String,
    #[serde(default)]
    offset: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    bytes: u64,
    #[serde(default, skip_serializing_if = "is_not")]
    last: bool,
}

#[derive(Serialize, Deserialize)]
struct Refused {
    reason: Refusal,
    #[serde(default)]
    detail: String,
}

#[derive(Serialize)]
struct Nothing {}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
const fn is_zero(bytes: &u64) -> bool {
    *bytes == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
const fn is_not(last: &bool) -> bool {
    !*last
}

impl Frame {
    /// Appends the frame as it is sent.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => head("hello", hello, out),
            Self::Welcome(welcome) => head("welcome", welcome, out),
            Self::Refused { reason, detail } => {
                head("refused", Refused { reason: *reason, detail: detail.clone() }, out);
            }
            Self::Line { seq, line } => {
                head("line", Numbered { seq: *seq, bytes: line.len() as u64 }, out);
                out.extend_from_slice(line);
            }
            Self::End { seq } => head("end", Numbered { seq: *seq, bytes: 0 }, out),
            Self::LineAck { seq } => head("line_ack", Numbered { seq: *seq, bytes: 0 }, out),
            Self::RecordChunk { file, offset, content, last } => {
                let bytes = content.len() as u64;
                head("record_chunk", OfFile { file: file.clone(), offset: *offset, bytes, last: *last }, out);
                out.extend_from_slice(content);
            }
            Self::RecordFile { file, content } => {
                let bytes = content.len() as u64;
                head("record_file", OfFile { file: file.clone(), offset: 0, bytes, last: false }, out);
                out.extend_from_slice(content);
            }
            Self::RecordAck { file, offset } => {
                head(
                    "record_ack",
                    OfFile { file: file.clone(), offset: *offset, bytes: 0, last: false },
                    out,
                );
            }
            Self::Ask => head("ask", Nothing {}, out),
            Self::Report(report) => head("report", report, out),
            Self::Beat | Self::Unknown => head("beat", Nothing {}, out),
        }
    }

    /// The frame of a header and what came after it.
    fn decode(kind: &str, header: &[u8], content: Vec<u8>) -> Result<Self, BadFrame> {
        let numbered = || json::<Numbered>(header);
        let of_file = || json::<OfFile>(header);
        Ok(match kind {
            "hello" => Self::Hello(Box::new(json(header)?)),
            "welcome" => Self::Welcome(json(header)?),
            "refused" => {
                let Refused { reason, detail } = json(header)?;
                Self::Refused { reason, detail }
            }
            "line" => Self::Line { seq: numbered()?.seq, line: content },
            "end" => Self::End { seq: numbered()?.seq },
            "line_ack" => Self::LineAck { seq: numbered()?.seq },
            "record_chunk" => {
                let OfFile { file, offset, last, .. } = of_file()?;
                Self::RecordChunk { file, offset, content, last }
            }
            "record_file" => Self::RecordFile { file: of_file()?.file, content },
            "record_ack" => {
                let OfFile { file, offset, .. } = of_file()?;
                Self::RecordAck { file, offset }
            }
            "ask" => Self::Ask,
            "report" => Self::Report(Box::new(json(header)?)),
            "beat" => Self::Beat,
            _ => Self::Unknown,
        })
    }
}

fn head(kind: &str, fields: impl Serialize, out: &mut Vec<u8>) {
    // Into memory, and of plain types: it cannot fail.
    let written = serde_json::to_writer(&mut *out, &Tagged { kind, fields });
    debug_assert!(written.is_ok(), "{written:?}");
    out.push(b'\n');
}

fn json<'a, T: Deserialize<'a>>(header: &'a [u8]) -> Result<T, BadFrame> {
    serde_json::from_slice(header).map_err(|error| BadFrame::Malformed(error.to_string()))
}

/// Bytes that a frame of a type may have after its header.
fn payload_limit(kind: &str) -> usize {
    match kind {
        "line" => DEFAULT_LINE_LIMIT,
        "record_file" => SMALL_FILE_LIMIT,
        // Of a later version as well.
        _ => CHUNK_LIMIT,
    }
}

/// Cuts a stream of bytes into frames. Any way of chunking the same bytes gives the same frames.
///
/// Memory is bounded by the longest frame and one chunk. After an error nothing more comes.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    buffer: Vec<u8>,
    /// Where the next frame begins in the buffer.
    start: usize,
    /// Up to here there is no newline after the start.
    searched: usize,
    is_broken: bool,
}

impl FrameDecoder {
    /// Takes the next bytes of the stream.
    pub fn push(&mut self, chunk: &[u8]) {
        if !self.is_broken {
            self.buffer.extend_from_slice(chunk);
        }
    }

    /// Bytes that were taken and are no frame yet.
    #[must_use]
    pub fn into_rest(mut self) -> Vec<u8> {
        self.buffer.split_off(self.start)
    }

    /// The next frame that is complete.
    ///
    /// # Errors
    /// When the bytes are no frames of these; the stream cannot be read any more.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, BadFrame> {
        let found = self.try_next();
        self.is_broken |= found.is_err();
        if !matches!(found, Ok(Some(_))) {
            // Once for all frames of a chunk.
            let used = if self.is_broken { self.buffer.len() } else { self.start };
            self.buffer.drain(..used);
            self.searched = self.searched.saturating_sub(used);
            self.start = 0;
        }
        found
    }

    fn try_next(&mut self) -> Result<Option<Frame>, BadFrame> {
        let from = self.searched.max(self.start);
        let Some(end) = memchr(b'\n', &self.buffer[from..]).map(|at| at + from) else {
            self.searched = self.buffer.len();
            let is_long = self.searched - self.start > HEADER_LIMIT;
            return if is_long { Err(BadFrame::LongHeader) } else { Ok(None) };
        };
        let header = &self.buffer[self.start..end];
        if header.len() > HEADER_LIMIT {
            return Err(BadFrame::LongHeader);
        }
        let Head { kind, bytes } = json(header)?;
        let length = usize::try_from(bytes).ok().filter(|bytes| *bytes <= payload_limit(&kind));
        let Some(length) = length else {
            let kind: String = kind.chars().take(40).collect();
            return Err(BadFrame::LongPayload { kind, bytes });
        };
        let total = end + 1 + length;
        if self.buffer.len() < total {
            self.searched = end;
            return Ok(None);
        }
        let frame = Frame::decode(&kind, header, self.buffer[end + 1..total].to_vec())?;
        self.start = total;
        self.searched = total;
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests;
