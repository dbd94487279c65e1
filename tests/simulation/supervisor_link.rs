//! The link of the supervisor to each core: its machine is that of the program, and the wire and the process it is about are
//! played here.

use std::rc::Rc;

use roboppi_ipc::{CoreEventMessage, Heartbeat, Message, UtcMillis};
use roboppi_supervisor::link_machine::{LinkEffect, LinkInput, LinkMachine, ProcessEnd, ProcessExit};
use roboppi_supervisor::{HeartbeatSettings, LinkEvent};

use crate::agenda::Event;
use crate::core::brief;
use crate::faults::Bug;
use crate::link::Packet;
use crate::plan::{STOP_MARGIN, whole};
use crate::story::Seen;
use crate::world::World;

/// Between what a link says and the loop that takes it, at most. Timers come after all of it.
const HEARING: u64 = 2;

pub(crate) struct Link {
    machine: LinkMachine,
}

impl World {
    pub(crate) fn link_up(&mut self, core: usize) {
        let settings = HeartbeatSettings::default();
        let machine = LinkMachine::new(settings, "0".to_owned(), Rc::default(), self.mono());
        self.supervisor.links.push(Link { machine });
        self.tell_link(core, LinkInput::Connected);
        self.in_ms(whole(settings.interval), Event::Beat(core));
    }

    pub(crate) fn tell_link(&mut self, core: usize, input: LinkInput) {
        let now = self.mono();
        let mut effects = Vec::new();
        let beat = input == LinkInput::Beat;
        self.supervisor.links[core].machine.handle(now, input, &mut effects);
        for effect in effects {
            match effect {
                LinkEffect::Greet(hello) => self.say_to_core(core, Message::Hello(hello)),
                LinkEffect::AskForSignOfLife => {
                    self.say_to_core(core, Message::Heartbeat(Heartbeat { timestamp: UtcMillis(self.now) }));
                }
                LinkEffect::Notify(event) => self.link_says(core, event),
                LinkEffect::Report(event) => {
                    let report = CoreEventMessage { ts: UtcMillis(self.now), event };
                    self.link_says(core, LinkEvent::Message(Message::CoreEvent(report)));
                }
                LinkEffect::Close { at_fault } => {
                    if beat {
                        self.saw(Seen::CoreHung);
                    }
                    self.close_link(core, at_fault);
                }
            }
        }
    }

    fn link_says(&mut self, core: usize, event: LinkEvent) {
        self.note(|| format!("link {core}: {}", brief_event(&event)));
        if let LinkEvent::Message(Message::JobCompleted(completed)) = &event {
            self.job_completed(completed);
        }
        self.supervisor.news.push_back((core, event));
        self.within(HEARING, Event::LinkNews);
    }

    fn say_to_core(&mut self, core: usize, message: Message) {
        if !self.cores[core].gone {
            self.send_to_core(core, Packet::Message(Box::new(message)));
        }
    }

    pub(crate) fn beat(&mut self, core: usize) {
        if self.supervisor.links[core].machine.is_closed() || self.supervisor.is_over() {
            return;
        }
        self.tell_link(core, LinkInput::Beat);
        self.in_ms(whole(HeartbeatSettings::default().interval), Event::Beat(core));
    }

    pub(crate) fn supervisor_hears(&mut self, core: usize) {
        match self.cores[core].to_supervisor.take() {
            // Who has left hears nothing, and what comes after the wire was closed is not read.
            None => {}
            Some(_) if self.supervisor.left || self.supervisor.links[core].machine.is_closed() => {}
            Some(Packet::End) => {
                self.tell_link(core, LinkInput::Closed { detail: "its connection closed".to_owned() });
            }
            Some(Packet::Message(message)) => {
                self.note(|| format!("supervisor <- {}", brief(&message)));
                let asked = message.request_id().map(|id| self.supervisor.requests.remove(&id.clone()));
                match asked {
                    Some(Some((attempt, asking))) => self.answered(attempt, asking, &message),
                    Some(None) => {}
                    None => self.tell_link(core, LinkInput::Message(*message)),
                }
            }
        }
    }

    /// The wire is closed. What the core had started is gone when its guard has ended.
    fn close_link(&mut self, core: usize, at_fault: bool) {
        if !at_fault {
            // It is told that nothing more will come. Its guard ends it when it does not listen.
            if !self.cores[core].gone {
                self.send_to_core(core, Packet::End);
                let patience = self.plan.longest.grace + self.plan.drain + 2 * STOP_MARGIN;
                self.in_ms(patience, Event::CoreDies(core));
            }
            return;
        }
        if self.bug == Some(Bug::WireTakenForCore) {
            return self.link_ended(core);
        }
        if !self.cores[core].gone {
            self.core_dies(core, false);
        }
        let at = self.cores[core].swept_at.max(self.now) + self.rng.up_to(5);
        self.at(at, Event::LinkEnded(core));
    }

    /// The process of the core has ended, and its guard as well.
    pub(crate) fn link_ended(&mut self, core: usize) {
        if self.bug == Some(Bug::LastWordsForgotten) {
            self.supervisor.news.retain(|(of, _)| *of != core);
        }
        let by_itself = !self.cores[core].died;
        let exit = ProcessExit { by_itself, description: "ended".to_owned() };
        let end = ProcessEnd { exit: Some(exit), ..ProcessEnd::default() };
        self.tell_link(core, LinkInput::ProcessEnded(end));
    }

    /// The run is over, and its core not needed any more.
    pub(crate) fn stop_link(&mut self) {
        if let Some(core) = self.supervisor.links.len().checked_sub(1) {
            self.tell_link(core, LinkInput::Stop);
        }
    }
}

fn brief_event(event: &LinkEvent) -> String {
    match event {
        LinkEvent::Message(message) => brief(message),
        LinkEvent::Ready { dialect, .. } => format!("ready, {dialect:?}"),
        other => format!("{other:?}"),
    }
}
