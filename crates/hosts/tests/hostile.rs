//! A keeper of a host that is not to be trusted: it can falsify the steps that it was given, and nothing else.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::time::Duration;

use roboppi_hosts::{
    CarrierId, CoreOptions, Expiry, Frame, Hello, KeeperEffect, KeeperInput, KeeperMachine, MirrorEffect,
    MirrorInput, MirrorMachine, MirrorSettings, Outgoing, Refusal, SessionName, Welcome,
};
use roboppi_ipc::Mono;

const CARRIER: CarrierId = CarrierId(1);
const LEASE: Duration = Duration::from_secs(30);

fn at(secs: u64) -> Mono {
    Mono::from_origin(Duration::from_secs(secs))
}

fn settings() -> MirrorSettings {
    MirrorSettings {
        session: SessionName::of("run", "far").unwrap(),
        epoch: 2,
        first_contact: Duration::from_secs(60),
        lease: LEASE,
        on_expiry: Expiry::Kill,
        hold: Duration::from_secs(600),
        core: CoreOptions::default(),
    }
}

fn mirror() -> MirrorMachine {
    let mut mirror = MirrorMachine::new(at(0), settings());
    let mut out = Vec::new();
    mirror.handle(at(0), MirrorInput::Open(vec!["steps/mine/i1-a1.log".into()]), &mut out);
    mirror.handle(at(0), MirrorInput::Connected(CARRIER), &mut out);
    assert!(matches!(mirror.next(at(0), CARRIER, &mut out), Some(Frame::Hello(_))));
    assert_eq!(out, []);
    mirror
}

fn welcomed() -> MirrorMachine {
    let mut mirror = mirror();
    let effects = after(&mut mirror, Frame::Welcome(Welcome::default()));
    assert!(matches!(effects[..], [MirrorEffect::Reachable(_)]), "{effects:?}");
    mirror
}

fn after(mirror: &mut MirrorMachine, frame: Frame) -> Vec<MirrorEffect> {
    let mut out = Vec::new();
    mirror.handle(at(1), MirrorInput::Frame { carrier: CARRIER, frame }, &mut out);
    out
}

fn chunk(file: &str, offset: u64, content: &[u8]) -> Frame {
    Frame::RecordChunk { file: file.into(), offset, content: content.into(), last: false }
}

#[test]
fn only_files_that_were_opened_are_written() {
    let mut mirror = welcomed();
    for other in [
        "steps/other/i1-a1.log",
        "journal.jsonl",
        "run.json",
        "../run2/journal.jsonl",
        "/etc/passwd",
        "steps/mine/../../journal.jsonl",
        "steps/mine/i1-a1.log/",
        "",
    ] {
        assert_eq!(after(&mut mirror, chunk(other, 0, b"x")), [], "{other}");
        let whole = Frame::RecordFile { file: other.into(), content: b"x".to_vec() };
        assert_eq!(after(&mut mirror, whole), [], "{other}");
    }
    let written = after(&mut mirror, chunk("steps/mine/i1-a1.log", 0, b"mine"));
    assert!(matches!(&written[..], [MirrorEffect::Append { offset: 0, .. }]), "{written:?}");
    let mut out = Vec::new();
    mirror.handle(at(1), MirrorInput::Close(vec!["steps/mine/i1-a1.log".into()]), &mut out);
    assert_eq!(after(&mut mirror, chunk("steps/mine/i1-a1.log", 4, b"late")), [], "the attempt is over");
}

#[test]
fn large_values_are_taken_one_after_the_other_and_within_bounds() {
    let blob = |number: u64| format!("blobs/{number:064x}");
    let mut mirror = welcomed();
    for number in 0..4 {
        let begun = after(&mut mirror, chunk(&blob(number), 0, b"x"));
        assert!(matches!(begun[..], [MirrorEffect::Append { offset: 0, .. }]), "{begun:?}");
    }
    let more = after(&mut mirror, chunk(&blob(4), 0, b"x"));
    assert!(matches!(more[0], MirrorEffect::CloseCarrier { .. }), "{more:?}");
    for (name, offset) in [(blob(9), 1), (blob(9), u64::MAX), (blob(9), 64 * 1024 * 1024)] {
        let effects = after(&mut welcomed(), chunk(&name, offset, b"x"));
        assert!(matches!(effects[0], MirrorEffect::CloseCarrier { .. }), "{effects:?}");
    }
    for other in ["blobs/../journal.jsonl", "blobs/.new", "blobs/ABC"] {
        assert_eq!(after(&mut welcomed(), chunk(other, 0, b"x")), [], "{other}");
    }
}

#[test]
fn what_is_written_is_never_changed() {
    let mut mirror = welcomed();
    after(&mut mirror, chunk("steps/mine/i1-a1.log", 0, b"abc"));
    assert_eq!(after(&mut mirror, chunk("steps/mine/i1-a1.log", 0, b"XYZ")), []);
    let overlap = after(&mut mirror, chunk("steps/mine/i1-a1.log", 1, b"XYde"));
    let expected =
        MirrorEffect::Append { file: "steps/mine/i1-a1.log".into(), offset: 3, content: b"de".to_vec() };
    assert_eq!(overlap, [expected]);
}

#[test]
fn contradictions_end_the_carrier_and_not_the_session() {
    for frame in [
        chunk("steps/mine/i1-a1.log", 5, b"a hole"),
        chunk("steps/mine/i1-a1.log", u64::MAX, b"overflow"),
        Frame::Line { seq: 2, line: b"{}".to_vec() },
        Frame::End { seq: 9 },
        Frame::LineAck { seq: 1 },
        Frame::Welcome(Welcome::default()),
        Frame::RecordAck { file: "steps/mine/i1-a1.log".into(), offset: 1 },
        Frame::Refused { reason: Refusal::Superseded, detail: "old epoch".into() },
    ] {
        let mut mirror = welcomed();
        let effects = after(&mut mirror, frame.clone());
        assert!(
            matches!(effects[..], [MirrorEffect::CloseCarrier { .. }, MirrorEffect::Unreachable { .. }]),
            "{frame:?}: {effects:?}"
        );
        assert_eq!(
            after(&mut mirror, chunk("steps/mine/i1-a1.log", 0, b"late")),
            [],
            "the carrier is closed"
        );
    }
    let mut early = mirror();
    let effects = after(&mut early, chunk("steps/mine/i1-a1.log", 0, b"x"));
    assert!(matches!(effects[..], [MirrorEffect::CloseCarrier { .. }]), "{effects:?}");
}

#[test]
fn a_host_that_never_answers_is_given_up_and_one_that_has_is_not() {
    let tick = |mirror: &mut MirrorMachine, secs| {
        let mut out = Vec::new();
        mirror.handle(at(secs), MirrorInput::Tick, &mut out);
        out
    };
    let mut never = mirror();
    assert!(matches!(tick(&mut never, 30)[..], [MirrorEffect::CloseCarrier { .. }]));
    assert!(matches!(tick(&mut never, 60)[..], [MirrorEffect::Lost(_)]));
    let mut once = welcomed();
    let apart = tick(&mut once, 31);
    let [MirrorEffect::CloseCarrier { .. }, MirrorEffect::Unreachable { since, .. }] = &apart[..] else {
        panic!("{apart:?}");
    };
    assert_eq!(*since, at(1));
    assert_eq!(tick(&mut once, 1_000_000), [], "it is unreachable, for however long");
}

fn keeper() -> (KeeperMachine, Hello) {
    let mut out = Vec::new();
    let Some(Frame::Hello(hello)) = ({
        let mut mirror = MirrorMachine::new(at(0), settings());
        mirror.handle(at(0), MirrorInput::Connected(CARRIER), &mut out);
        mirror.next(at(0), CARRIER, &mut out)
    }) else {
        panic!("it greets");
    };
    (KeeperMachine::new(at(0), &hello, "1".into(), None), *hello)
}

fn attach(keeper: &mut KeeperMachine, carrier: u64, hello: Hello) -> (Vec<KeeperEffect>, Option<Outgoing>) {
    let mut out = Vec::new();
    let carrier = CarrierId(carrier);
    keeper.handle(at(1), KeeperInput::Attached { carrier, hello: Box::new(hello) }, &mut out);
    (out, keeper.next(carrier))
}

#[test]
fn an_earlier_epoch_is_refused_and_a_later_one_ends_the_keeper() {
    let (mut keeper, hello) = keeper();
    let refused = |answer: Option<Outgoing>| match answer {
        Some(Outgoing::Frame(Frame::Refused { reason, .. })) => Some(reason),
        _ => None,
    };
    let (effects, answer) = attach(&mut keeper, 1, Hello { epoch: 1, ..hello.clone() });
    assert_eq!(
        (effects, refused(answer)),
        (vec![KeeperEffect::CloseCarrier(CarrierId(1))], Some(Refusal::Superseded))
    );
    let (_, answer) =
        attach(&mut keeper, 2, Hello { session: SessionName::of("other", "far").unwrap(), ..hello.clone() });
    assert_eq!(refused(answer), Some(Refusal::Gone));
    let (_, answer) = attach(&mut keeper, 3, Hello { acked: 1, ..hello.clone() });
    assert_eq!(refused(answer), Some(Refusal::Malformed));
    let (effects, answer) = attach(&mut keeper, 4, hello.clone());
    assert!(effects.is_empty() && matches!(answer, Some(Outgoing::Frame(Frame::Welcome(_)))), "{answer:?}");
    let (effects, _) = attach(&mut keeper, 5, Hello { epoch: 3, ..hello });
    assert_eq!(effects, [KeeperEffect::CloseCarrier(CarrierId(5)), KeeperEffect::CloseCore]);
    let mut out = Vec::new();
    keeper.handle(at(2), KeeperInput::CoreClosed, &mut out);
    assert_eq!(out, [KeeperEffect::Finish { complete: false }]);
}

#[test]
fn the_lease_is_measured_from_the_last_frame() {
    let (mut keeper, hello) = keeper();
    attach(&mut keeper, 1, hello);
    let mut out = Vec::new();
    keeper.handle(at(29), KeeperInput::Frame { carrier: CarrierId(1), frame: Frame::Beat }, &mut out);
    keeper.handle(at(58), KeeperInput::Tick, &mut out);
    assert_eq!(out, []);
    assert_eq!(keeper.deadline(), at(59));
    keeper.handle(at(59), KeeperInput::Tick, &mut out);
    assert_eq!(out, [KeeperEffect::CloseCarrier(CarrierId(1)), KeeperEffect::CloseCore]);
    out.clear();
    keeper.handle(at(60), KeeperInput::CoreClosed, &mut out);
    keeper.handle(at(658), KeeperInput::Tick, &mut out);
    assert_eq!(out, [], "the results are kept");
    keeper.handle(at(659), KeeperInput::Tick, &mut out);
    assert_eq!(out, [KeeperEffect::Finish { complete: false }]);
}
