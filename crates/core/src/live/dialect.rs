//! Live events in the language of the peer.

use roboppi_ipc::{
    CUT_MARK, Dialect, EncodedJobEvent, JobEvent, JobId, LOGS_TRUNCATED, LONGEST_TEXT_OF_PROTOCOL_1, Message,
    OutputStream, Patch, PlanStatus, Progress, UtcMillis, WorkerEvent, WorkerOutput,
};

use roboppi_record::RecordedEvent;
use roboppi_run::tool_summary;

use super::{LiveEvent, Offered};

/// Longest text of an event of protocol 1, in bytes.
const TEXT_LIMIT: usize = LONGEST_TEXT_OF_PROTOCOL_1;
/// Longest diff of an event of protocol 1, in bytes.
const DIFF_LIMIT: usize = 256 * 1024;

/// Encodes the live events of one job, one line of the wire each.
#[derive(Debug)]
pub(crate) struct LiveEncoder {
    job_id: JobId,
    dialect: Dialect,
    lines: OldLines,
}

/// Protocol 1 counts its own events, and sends lines.
#[derive(Debug, Default)]
struct OldLines {
    next_seq: u64,
    /// Lines of stdout and stderr that have not ended.
    open: [String; 2],
}

impl LiveEncoder {
    pub(crate) fn new(job_id: JobId, dialect: Dialect) -> Self {
        Self { job_id, dialect, lines: OldLines::default() }
    }

    /// Appends what `event` is to the peer.
    pub(crate) fn encode(&mut self, event: Offered, out: &mut Vec<u8>) {
        match (self.dialect, event) {
            (Dialect::V2, Offered::Recorded(event)) => self.pass_on(&event, out),
            (Dialect::V2, Offered::Made(LiveEvent { seq, ts, at, event })) => {
                let job_id = self.job_id.clone();
                Message::JobEvent(JobEvent { job_id, ts, seq, at: Some(at), event }).encode(out);
            }
            (Dialect::V1, event) => self.lines.encode(&self.job_id, event.into_event(), out),
        }
    }

    /// Appends an event with the text it has in its file: the same that [`Message::encode`] makes.
    fn pass_on(&self, recorded: &RecordedEvent, out: &mut Vec<u8>) {
        let &RecordedEvent { seq, ts, at, ref event } = recorded;
        EncodedJobEvent { job_id: &self.job_id, ts, seq, at, event }.encode(out);
    }

    /// Appends what is left when the job has ended.
    pub(crate) fn finish(&mut self, ts: UtcMillis, out: &mut Vec<u8>) {
        if self.dialect == Dialect::V1 {
            self.lines.end_open_lines(&self.job_id, ts, out);
        }
    }
}

impl OldLines {
    fn encode(&mut self, job_id: &JobId, event: LiveEvent, out: &mut Vec<u8>) {
        let ts = event.ts;
        match event.event {
            WorkerEvent::Stdout(output) => self.output(job_id, ts, OutputStream::Stdout, &output.data, out),
            WorkerEvent::Stderr(output) => self.output(job_id, ts, OutputStream::Stderr, &output.data, out),
            WorkerEvent::Progress(Progress { message, percent, .. }) => {
                let message = cut(message, TEXT_LIMIT);
                let progress = Progress::new(message).with_percent(percent);
                self.send(job_id, ts, WorkerEvent::Progress(progress), out);
            }
            // A peer of this dialect is told what the worker reports.
            WorkerEvent::Patch(Patch { seen: true, .. }) | WorkerEvent::FileChanged { seen: true, .. } => {}
            WorkerEvent::Patch(Patch { file_path, diff, .. }) => {
                let diff = cut(diff, DIFF_LIMIT);
                self.send(job_id, ts, WorkerEvent::Patch(Patch::new(file_path, diff)), out);
            }
            // What was left out broke off the lines before it. That something was is all this language can say.
            WorkerEvent::Gap(_) => {
                self.end_open_lines(job_id, ts, out);
                let progress = Progress::new(LOGS_TRUNCATED);
                self.send(job_id, ts, WorkerEvent::Progress(progress), out);
            }
            other => {
                if let Some(text) = readable(&other) {
                    self.end_open_lines(job_id, ts, out);
                    for line in text.lines() {
                        self.lengthen(OutputStream::Stdout, line);
                        self.end_line(job_id, ts, OutputStream::Stdout, out);
                    }
                }
            }
        }
    }

    fn output(&mut self, job_id: &JobId, ts: UtcMillis, stream: OutputStream, data: &str, out: &mut Vec<u8>) {
        let mut rest = data;
        while let Some((line, after)) = rest.split_once('\n') {
            self.lengthen(stream, line);
            self.end_line(job_id, ts, stream, out);
            rest = after;
        }
        self.lengthen(stream, rest);
    }

    /// Adds to the open line of a stream, a little more than can be sent at most.
    fn lengthen(&mut self, stream: OutputStream, text: &str) {
        let open = &mut self.open[stream as usize];
        let room = (TEXT_LIMIT + 1).saturating_sub(open.len());
        open.push_str(&text[..text.ceil_char_boundary(room)]);
    }

    fn end_open_lines(&mut self, job_id: &JobId, ts: UtcMillis, out: &mut Vec<u8>) {
        for stream in [OutputStream::Stdout, OutputStream::Stderr] {
            self.end_line(job_id, ts, stream, out);
        }
    }

    fn end_line(&mut self, job_id: &JobId, ts: UtcMillis, stream: OutputStream, out: &mut Vec<u8>) {
        let line = std::mem::take(&mut self.open[stream as usize]);
        if !line.is_empty() {
            let output = WorkerOutput::new(cut(line, TEXT_LIMIT));
            self.send(job_id, ts, WorkerEvent::output(stream, output), out);
        }
    }

    fn send(&mut self, job_id: &JobId, ts: UtcMillis, event: WorkerEvent, out: &mut Vec<u8>) {
        let (job_id, seq) = (job_id.clone(), self.next_seq);
        self.next_seq += 1;
        Message::JobEvent(JobEvent { job_id, ts, seq, at: None, event }).encode(out);
    }
}

/// What an agent did, as lines for those who know output alone. Partial texts are left out: the whole comes.
fn readable(event: &WorkerEvent) -> Option<String> {
    Some(match event {
        WorkerEvent::Text(text) => text.text.clone(),
        WorkerEvent::Thinking(text) => format!("[thinking] {}", text.text),
        WorkerEvent::ToolCall(call) => format!("[tool call] {}", tool_summary(call)),
        WorkerEvent::ToolResult(result) => {
            let end = if result.ok { "ok" } else { "failed" };
            let took = result.duration_ms.map(|ms| format!(" after {ms} ms")).unwrap_or_default();
            format!("[result] {end}{took}\n{}", result.preview)
        }
        WorkerEvent::FileChanged { path, action, .. } => {
            format!("[file] {action} {path}")
        }
        WorkerEvent::Plan { items } => {
            let done = items.iter().filter(|item| item.status == PlanStatus::Completed).count();
            let now = items.iter().find(|item| item.status == PlanStatus::InProgress);
            let now = now.map(|item| format!(": {}", item.text)).unwrap_or_default();
            format!("[plan] {done} of {} done{now}", items.len())
        }
        WorkerEvent::Usage(usage) => {
            let cost = usage.cost_usd.map(|cost| format!(", ${cost:.4}")).unwrap_or_default();
            format!("[usage] {} tokens in, {} out{cost}", usage.input_tokens, usage.output_tokens)
        }
        WorkerEvent::Waiting(waiting) => format!("[waiting] {}", waiting.why),
        WorkerEvent::Unknown { raw } => raw.clone(),
        _ => return None,
    })
}

/// Cuts a text to `limit` bytes and says so.
fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit));
        if text.ends_with('\u{fffd}') {
            text.pop();
        }
        text.push_str(CUT_MARK);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use roboppi_ipc::{AgentText, Gap, ToolCall, ToolResult};
    use roboppi_run::AttemptRecord;

    fn stdout(data: &str) -> WorkerEvent {
        WorkerEvent::Stdout(WorkerOutput::new(data).with_range(0, 1).with_partial(true))
    }

    fn sent(dialect: Dialect, events: &[WorkerEvent]) -> String {
        let mut encoder = LiveEncoder::new("j".into(), dialect);
        let mut out = Vec::new();
        for (seq, event) in (7..).zip(events) {
            encoder.encode(LiveEvent { seq, ts: UtcMillis(5), at: 9, event: event.clone() }.into(), &mut out);
        }
        encoder.finish(UtcMillis(6), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_old_peer_gets_lines_and_the_four_kinds_it_knows() {
        let stderr = WorkerEvent::Stderr(WorkerOutput::new("warn\n"));
        let events = [
            stdout("one\n\ntw"),
            stderr,
            stdout("o\nlost to"),
            WorkerEvent::Text(AgentText::new("I test.")),
            WorkerEvent::ToolCall(ToolCall::new("t", "Bash", serde_json::json!({"command": "npm test"}))),
            WorkerEvent::ToolResult(
                ToolResult::new("t", false, "2 failed\nof 7").with_bytes(14).with_duration_ms(Some(1200)),
            ),
            WorkerEvent::TextDelta(roboppi_ipc::AgentDelta::default()),
            WorkerEvent::Gap(Gap::new(1..2, 0..0).with_missing(5, 6)),
            WorkerEvent::Progress(
                Progress::new("half").with_percent(Some(50.0)).with_phase(Some("x".into())),
            ),
            WorkerEvent::Patch(Patch::new("a", "-a")),
            stdout("end"),
        ];
        insta::assert_snapshot!(sent(Dialect::V1, &events), @r#"
        {"type":"job_event","jobId":"j","ts":5,"seq":0,"event":{"type":"stdout","data":"one"}}
        {"type":"job_event","jobId":"j","ts":5,"seq":1,"event":{"type":"stderr","data":"warn"}}
        {"type":"job_event","jobId":"j","ts":5,"seq":2,"event":{"type":"stdout","data":"two"}}
        {"type":"job_event","jobId":"j","ts":5,"seq":3,"event":{"type":"stdout","data":"lost to"}}
        {"type":"job_event","jobId":"j","ts":5,"seq":4,"event":{"type":"stdout","data":"I test."}}
        {"type":"job_event","jobId":"j","ts":5,"seq":5,"event":{"type":"stdout","data":"[tool call] Bash npm test"}}
        {"type":"job_event","jobId":"j","ts":5,"seq":6,"event":{"type":"stdout","data":"[result] failed after 1200 ms"}}
        {"type":"job_event","jobId":"j","ts":5,"seq":7,"event":{"type":"stdout","data":"2 failed"}}
        {"type":"job_event","jobId":"j","ts":5,"seq":8,"event":{"type":"stdout","data":"of 7"}}
        {"type":"job_event","jobId":"j","ts":5,"seq":9,"event":{"type":"progress","message":"(logs truncated)"}}
        {"type":"job_event","jobId":"j","ts":5,"seq":10,"event":{"type":"progress","message":"half","percent":50}}
        {"type":"job_event","jobId":"j","ts":5,"seq":11,"event":{"type":"patch","filePath":"a","diff":"-a"}}
        {"type":"job_event","jobId":"j","ts":6,"seq":12,"event":{"type":"stdout","data":"end"}}
        "#);
    }

    #[test]
    fn a_new_peer_gets_everything_as_it_is() {
        insta::assert_snapshot!(sent(Dialect::V2, &[stdout("a\nb")]), @r#"{"type":"job_event","jobId":"j","ts":5,"seq":7,"at":9,"event":{"type":"stdout","data":"a\nb","offset":0,"len":1,"partial":true}}"#);
    }

    #[test]
    fn what_waited_in_the_record_goes_on_as_if_it_had_not() {
        let call = ToolCall::new("t", "Bash", serde_json::json!({"command": "é \"x\"\n", "n": 1.5}));
        for event in [WorkerEvent::ToolCall(call), WorkerEvent::Text(AgentText::new("a\u{1}b"))] {
            let (seq, ts, at) = (7, UtcMillis(5), 9);
            let line = serde_json::to_string(&AttemptRecord { seq, ts, at, event: event.clone() }).unwrap();
            for dialect in [Dialect::V1, Dialect::V2] {
                let mut encoder = LiveEncoder::new("j".into(), dialect);
                let mut out = Vec::new();
                encoder.encode(Offered::Recorded(serde_json::from_str(&line).unwrap()), &mut out);
                encoder.finish(UtcMillis(6), &mut out);
                assert_eq!(String::from_utf8(out).unwrap(), sent(dialect, std::slice::from_ref(&event)));
            }
        }
    }

    #[test]
    fn long_lines_are_cut_as_the_existing_program_cuts_them() {
        let whole = "x".repeat(TEXT_LIMIT);
        let cases = [
            (whole.clone(), whole.clone()),
            (format!("{whole}y"), format!("{whole}{CUT_MARK}")),
            (format!("{}é", "x".repeat(TEXT_LIMIT - 1)), format!("{}{CUT_MARK}", "x".repeat(TEXT_LIMIT - 1))),
        ];
        for (line, expected) in cases {
            let long = "z".repeat(5 * TEXT_LIMIT);
            let sent =
                sent(Dialect::V1, &[stdout(&line[..100]), stdout(&line[100..]), stdout("\n"), stdout(&long)]);
            let lines: Vec<&str> = sent.lines().collect();
            assert!(lines[0].contains(&format!("\"data\":\"{expected}\"")));
            assert!(lines[1].contains(CUT_MARK));
            assert_eq!(lines.len(), 2);
        }
    }
}
