use proptest::prelude::*;

use super::*;
use crate::SessionReport;

fn hello() -> Hello {
    Hello {
        protocol: 1,
        session: SessionName::of("run", "far").unwrap(),
        epoch: 1,
        begin: true,
        acked: 7,
        files: BTreeMap::from([("steps/a/i1-a1.log".to_owned(), 12)]),
        lease_ms: 30_000,
        on_expiry: Expiry::FinishThenHold,
        hold_ms: 600_000,
        core: CoreOptions { concurrency: 2, grace_ms: 5_000, drain_ms: 2_000, env: BTreeMap::new() },
    }
}

fn all() -> Vec<Frame> {
    let file = || "steps/a/i1-a1.log".to_owned();
    vec![
        Frame::Hello(Box::new(hello())),
        Frame::Welcome(Welcome { acked: 3, version: "1".into(), boot_id: None, expired: true }),
        Frame::Refused { reason: Refusal::Gone, detail: "no such session".into() },
        Frame::Line { seq: 1, line: b"{\"a\":\"\\n\"}".to_vec() },
        Frame::Line { seq: 2, line: Vec::new() },
        Frame::End { seq: 3 },
        Frame::LineAck { seq: 4 },
        Frame::RecordChunk { file: file(), offset: 9, content: b"a\nb\0{}".to_vec(), last: false },
        Frame::RecordChunk { file: file(), offset: 15, content: Vec::new(), last: true },
        Frame::RecordFile { file: file(), content: vec![255; 36] },
        Frame::RecordAck { file: file(), offset: 15 },
        Frame::Ask,
        Frame::Report(Box::new(HostReport {
            version: "1".into(),
            arch: "x86_64".into(),
            time_ms: 5,
            sessions: vec![SessionReport { session: SessionName::of("run", "far").unwrap(), is_live: true }],
            ..HostReport::default()
        })),
        Frame::Beat,
    ]
}

fn decoded(bytes: &[u8], cuts: &[usize]) -> Result<Vec<Frame>, BadFrame> {
    let mut decoder = FrameDecoder::default();
    let mut frames = Vec::new();
    let mut rest = bytes;
    for cut in cuts.iter().copied().chain([usize::MAX]) {
        let (chunk, more) = rest.split_at(cut.min(rest.len()));
        rest = more;
        decoder.push(chunk);
        while let Some(frame) = decoder.next_frame()? {
            frames.push(frame);
        }
    }
    Ok(frames)
}

proptest! {
    #[test]
    fn any_cuts_give_the_same_frames(cuts in prop::collection::vec(0usize..80, 0..60)) {
        let mut bytes = Vec::new();
        all().iter().for_each(|frame| frame.encode(&mut bytes));
        prop_assert_eq!(decoded(&bytes, &cuts).unwrap(), all());
    }

    #[test]
    fn any_bytes_are_frames_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = decoded(&bytes, &[]);
    }
}

#[test]
fn a_type_of_a_later_version_is_skipped_with_its_payload() {
    let mut bytes = b"{\"type\":\"later\",\"bytes\":5,\"x\":[1]}\n12\n45".to_vec();
    Frame::Beat.encode(&mut bytes);
    assert_eq!(decoded(&bytes, &[3, 30]).unwrap(), [Frame::Unknown, Frame::Beat]);
}

#[test]
fn values_of_a_later_version_are_read() {
    let mut bytes = Vec::new();
    Frame::Hello(Box::new(hello())).encode(&mut bytes);
    let text = String::from_utf8(bytes).unwrap().replace("finish_then_hold", "park");
    let [Frame::Hello(hello)] = &decoded(text.as_bytes(), &[]).unwrap()[..] else { panic!("{text}") };
    assert_eq!(hello.on_expiry, Expiry::Unknown);
    let refused = b"{\"type\":\"refused\",\"reason\":\"tired\"}\n";
    let expected = Frame::Refused { reason: Refusal::Unknown, detail: String::new() };
    assert_eq!(decoded(refused, &[]).unwrap(), [expected]);
}

#[test]
fn huge_frames_are_refused_before_they_are_there() {
    let huge = |line: &str| decoded(line.as_bytes(), &[]).unwrap_err();
    let chunk = "{\"type\":\"record_chunk\",\"file\":\"f\",\"offset\":0,\"bytes\":9999999999}\n";
    assert!(matches!(huge(chunk), BadFrame::LongPayload { bytes: 9_999_999_999, .. }));
    let small = "{\"type\":\"record_file\",\"file\":\"f\",\"bytes\":4097}\n";
    assert!(matches!(huge(small), BadFrame::LongPayload { .. }));
    assert_eq!(huge(&" ".repeat(HEADER_LIMIT + 1)), BadFrame::LongHeader);
    assert!(matches!(huge("Last login: Tue\n"), BadFrame::Malformed(_)));
}

#[test]
fn nothing_comes_after_an_error() {
    let mut decoder = FrameDecoder::default();
    decoder.push(b"nonsense\n");
    assert!(decoder.next_frame().is_err());
    decoder.push(b"{\"type\":\"beat\"}\n");
    assert_eq!(decoder.next_frame(), Ok(None));
}

/// What this version sends. Lines are only added: a host and its supervisor may be of different versions.
const SENT: &str = r#"{"type":"hello","protocol":1,"session":"run.far","epoch":1,"begin":true,"acked":7,"files":{"steps/a/i1-a1.log":12},"leaseMs":30000,"onExpiry":"finish_then_hold","holdMs":600000,"core":{"concurrency":2,"graceMs":5000,"drainMs":2000,"env":{}}}
{"type":"welcome","acked":3,"version":"1","expired":true}
{"type":"refused","reason":"gone","detail":"no such session"}
{"type":"line","seq":1,"bytes":10}
{"a":"\n"}{"type":"line","seq":2}
{"type":"end","seq":3}
{"type":"line_ack","seq":4}
{"type":"record_chunk","file":"steps/a/i1-a1.log","offset":9,"bytes":3}
a
b{"type":"record_ack","file":"steps/a/i1-a1.log","offset":15}
{"type":"beat"}
"#;

#[test]
fn what_was_once_sent_is_read_and_sent_again() {
    let frames = decoded(SENT.as_bytes(), &[]).unwrap();
    assert_eq!(frames.len(), 10);
    assert!(!frames.contains(&Frame::Unknown));
    let mut again = Vec::new();
    frames.iter().for_each(|frame| frame.encode(&mut again));
    assert_eq!(String::from_utf8(again).unwrap(), SENT);
}
