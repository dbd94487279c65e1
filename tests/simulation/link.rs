//! The wire between the supervisor and one core: what was said arrives in order, later, or never.

use std::collections::VecDeque;

use roboppi_ipc::Message;

use crate::agenda::Event;
use crate::story::Seen;
use crate::world::World;

/// What travels.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    Message(Box<Message>),
    /// The other side has closed the wire.
    End,
}

/// One direction of a wire.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    packets: VecDeque<Packet>,
    /// When the last of them arrives.
    last: u64,
}

impl Wire {
    pub(crate) fn take(&mut self) -> Option<Packet> {
        self.packets.pop_front()
    }
}

impl World {
    pub(crate) fn send_to_core(&mut self, core: usize, packet: Packet) {
        let at = self.arrival(self.cores[core].to_core.last);
        let wire = &mut self.cores[core].to_core;
        wire.packets.push_back(packet);
        wire.last = at;
        self.at(at, Event::ToCore(core));
    }

    pub(crate) fn send_to_supervisor(&mut self, core: usize, packet: Packet) {
        let at = self.arrival(self.cores[core].to_supervisor.last);
        let wire = &mut self.cores[core].to_supervisor;
        wire.packets.push_back(packet);
        wire.last = at;
        self.at(at, Event::ToSupervisor(core));
    }

    /// Nothing overtakes.
    fn arrival(&mut self, last: u64) -> u64 {
        let late = self.plan.longest.message;
        let takes = if late > 10 && self.rng.chance(70) { 3 } else { late };
        last.max(self.now + self.rng.up_to(takes))
    }

    /// A core dies: what it was told is lost, and of what it said the last part.
    pub(crate) fn cut_wires(&mut self, core: usize, keeps_words: bool) {
        let said = self.cores[core].to_supervisor.packets.len();
        let kept = if keeps_words { usize::try_from(self.rng.up_to(said as u64)).unwrap_or(0) } else { 0 };
        if kept < said {
            self.saw(Seen::WordsLostWithTheWire);
        }
        let wires = &mut self.cores[core];
        let lost = wires.to_supervisor.packets.split_off(kept);
        wires.to_core.packets.clear();
        for packet in lost {
            if let Packet::Message(message) = packet
                && matches!(*message, Message::JobCompleted(_))
            {
                self.saw(Seen::CompletionLost);
            }
        }
    }
}
