//! Every state and every input, and the promises one by one.

use std::fmt::Write as _;
use std::time::Duration;

use proptest::prelude::*;
use roboppi_ipc::{ProcessIdentity, ProtocolRange, UtcMillis};

use super::*;

const fn at(secs: u64) -> Mono {
    Mono::from_origin(Duration::from_secs(secs))
}

fn hello(min: u32, max: u32) -> LinkInput {
    LinkInput::Message(Message::Hello(Hello { protocol: ProtocolRange { min, max }, ..Hello::ours("9") }))
}

fn ack() -> LinkInput {
    LinkInput::Message(Message::HeartbeatAck(roboppi_ipc::Heartbeat { timestamp: UtcMillis(0) }))
}

fn mask() -> LinkInput {
    LinkInput::Message(warning("hot"))
}

fn warning(message: &str) -> Message {
    let event = CoreEvent::Warning { job_id: None, message: message.to_owned() };
    Message::CoreEvent(CoreEventMessage { ts: UtcMillis(0), event })
}

fn closed() -> LinkInput {
    LinkInput::Closed { detail: "its connection closed".to_owned() }
}

fn malformed() -> LinkInput {
    LinkInput::Malformed { detail: "no JSON".to_owned(), ended: None }
}

fn ended(by_itself: bool) -> LinkInput {
    let description = if by_itself { "exited with code 3" } else { "was ended by SIGKILL" };
    let exit = Some(ProcessExit { by_itself, description: description.to_owned() });
    LinkInput::ProcessEnded(ProcessEnd { exit, ..ProcessEnd::default() })
}

struct Script {
    machine: LinkMachine,
    effects: Vec<LinkEffect>,
    now: Mono,
}

impl Script {
    fn new(inputs: impl IntoIterator<Item = LinkInput>) -> Self {
        let machine =
            LinkMachine::new(HeartbeatSettings::default(), "0".to_owned(), Rc::default(), Mono::ZERO);
        let mut script = Self { machine, effects: Vec::new(), now: Mono::ZERO };
        for input in inputs {
            script.then(input);
        }
        script
    }

    fn then(&mut self, input: LinkInput) -> &[LinkEffect] {
        let before = self.effects.len();
        self.machine.handle(self.now, input, &mut self.effects);
        &self.effects[before..]
    }
}

fn short(effects: &[LinkEffect]) -> String {
    let words = effects.iter().map(|effect| match effect {
        LinkEffect::Greet(_) => "greet".to_owned(),
        LinkEffect::AskForSignOfLife => "ask".to_owned(),
        LinkEffect::Notify(LinkEvent::Ready { dialect, .. }) => format!("READY({dialect:?})"),
        LinkEffect::Notify(LinkEvent::Message(message)) => message.kind().to_owned(),
        LinkEffect::Notify(LinkEvent::Malformed { .. }) => "malformed".to_owned(),
        LinkEffect::Notify(LinkEvent::Used { .. }) => "used".to_owned(),
        LinkEffect::Notify(
            LinkEvent::Installed { .. } | LinkEvent::Unreachable { .. } | LinkEvent::Reachable { .. },
        ) => "reach".to_owned(),
        LinkEffect::Notify(LinkEvent::WireClosed) => "wire-closed".to_owned(),
        LinkEffect::Notify(LinkEvent::Lost { loss, .. }) => format!("LOST({loss:?})"),
        LinkEffect::Report(_) => "report".to_owned(),
        LinkEffect::Close { at_fault } => if *at_fault { "close" } else { "stop" }.to_owned(),
    });
    let words: Vec<_> = words.collect();
    if words.is_empty() { "-".to_owned() } else { words.join(" ") }
}

fn inputs() -> Vec<(&'static str, LinkInput)> {
    vec![
        ("hello 1 to 2", hello(1, 2)),
        ("hello 7 to 9", hello(7, 9)),
        ("heartbeat_ack", ack()),
        ("core_event", mask()),
        ("malformed", malformed()),
        ("beat", LinkInput::Beat),
        ("closed", closed()),
        ("process exited", LinkInput::ProcessExited),
        ("stop", LinkInput::Stop),
        ("process ended: killed", ended(false)),
        ("process ended: exited", ended(true)),
    ]
}

#[test]
fn every_state_and_every_input() {
    let states = [
        ("Greeting", vec![LinkInput::Connected]),
        ("Open", vec![LinkInput::Connected, hello(2, 2)]),
        ("Closing, greeted", vec![LinkInput::Connected, hello(2, 2), closed()]),
        ("Closing, not greeted", vec![LinkInput::Connected, closed()]),
        ("Closing, unfit", vec![LinkInput::Connected, hello(7, 9)]),
        ("Stopping", vec![LinkInput::Connected, hello(2, 2), LinkInput::Stop]),
        ("Over", vec![LinkInput::Connected, closed(), ended(false)]),
    ];
    let mut table = String::new();
    for (state, before) in states {
        let _ = writeln!(table, "{state}");
        for (name, input) in inputs() {
            let effects = short(Script::new(before.clone()).then(input));
            if effects != "-" {
                let _ = writeln!(table, "  {name}: {effects}");
            }
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_core_that_does_not_greet_speaks_protocol_1() {
    let mut script = Script::new([]);
    assert_eq!(short(script.then(LinkInput::Connected)), "greet ask");
    assert_eq!(short(script.then(ack())), "READY(V1)");
    assert_eq!(short(script.then(hello(2, 2))), "-", "the first message has fixed it");
}

#[test]
fn a_loss_says_why_how_and_the_last_words() {
    let mut script = Script::new([LinkInput::Connected, hello(2, 2), closed()]);
    let LinkInput::ProcessEnded(mut end) = ended(false) else { unreachable!() };
    end.last_words = Some("out of memory".to_owned());
    let effects = script.then(LinkInput::ProcessEnded(end)).to_vec();
    let [LinkEffect::Notify(LinkEvent::Lost { detail, loss: Loss::Gone })] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(detail, "its connection closed; it was ended by SIGKILL; its last words:\nout of memory");
}

#[test]
fn what_cannot_be_ended_is_told_once() {
    let left = |pid| Leaked::new(ProcessIdentity { pid, start_time: 1 }, "sleep");
    let told = warning(&cannot_be_ended(&left(7)));
    let mut script = Script::new([LinkInput::Connected, hello(2, 2), LinkInput::Message(told), closed()]);
    let end = ProcessEnd {
        ended: vec![left(5)],
        unkillable: vec![left(7), left(8), left(8)],
        ..ProcessEnd::default()
    };
    assert_eq!(short(script.then(LinkInput::ProcessEnded(end))), "report report LOST(Gone)");
}

#[test]
fn the_end_of_a_job_that_cannot_be_read_is_its_end() {
    let completed = || JobCompleted {
        job_id: "j".into(),
        outcome: roboppi_ipc::JobOutcome::Failed,
        result: None,
        error_class: None,
    };
    let input = || LinkInput::Malformed { detail: "no outcome".to_owned(), ended: Some(completed()) };
    let mut script = Script::new([LinkInput::Connected, hello(2, 2)]);
    assert_eq!(short(script.then(input())), "malformed job_completed");
    assert_eq!(short(script.then(input())), "job_completed", "that it says such things is told once");
}

#[test]
fn a_silent_core_is_given_up() {
    let mut script = Script::new([LinkInput::Connected, hello(2, 2)]);
    for secs in [5, 10, 15] {
        script.now = at(secs);
        assert_eq!(short(script.then(LinkInput::Beat)), "ask", "{secs}");
    }
    script.now = at(20);
    assert_eq!(short(script.then(LinkInput::Beat)), "wire-closed close");
    assert!(script.machine.is_closed());
}

proptest! {
    #[test]
    fn a_link_is_ready_once_and_lost_last(picks in prop::collection::vec((0..12usize, 0..8u64), 0..40)) {
        let mut script = Script::new([LinkInput::Connected]);
        let all = inputs();
        for (pick, secs) in picks {
            script.now = script.now + Duration::from_secs(secs);
            let input = all.get(pick).map_or(LinkInput::Connected, |(_, input)| input.clone());
            script.then(input);
        }
        let at = |wanted: &str| -> Vec<usize> {
            let all = script.effects.iter().enumerate();
            all.filter(|(_, effect)| short(std::slice::from_ref(effect)).starts_with(wanted)).map(|(at, _)| at).collect()
        };
        let (ready, closed, lost, stop) = (at("READY"), at("wire-closed"), at("LOST"), at("stop"));
        prop_assert!(ready.len() <= 1 && closed.len() + stop.len() <= 1 && lost.len() <= closed.len());
        for event in at("core_event") {
            prop_assert!(ready.first().is_some_and(|ready| *ready < event));
        }
        if let Some(lost) = lost.first() {
            prop_assert_eq!(*lost, script.effects.len() - 1);
        }
    }
}
