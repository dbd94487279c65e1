//! Both machines with a carrier that is cut at any byte, delays, and goes on after another one has taken its place. From seeds:
//! `ROBOPPI_HOSTS_SEED=N` replays one, `ROBOPPI_HOSTS_SEEDS=N` plays so many.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use roboppi_hosts::{
    CarrierId, CoreOptions, Expiry, Frame, FrameDecoder, KeeperEffect, KeeperInput, KeeperMachine,
    MirrorEffect, MirrorInput, MirrorMachine, MirrorSettings, Outgoing, Refusal, SessionName,
};
use roboppi_ipc::Mono;

const LEASE: Duration = Duration::from_millis(4_000);
const HOLD: Duration = Duration::from_millis(20_000);
/// A world that has not ended by then never does.
const MOST_TURNS: u32 = 200_000;

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// One direction of a carrier.
#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    decoder: FrameDecoder,
    /// Nothing more is put in.
    closed: bool,
    end_seen: bool,
}

impl Pipe {
    fn put(&mut self, frame: &Frame) {
        if !self.closed {
            let mut bytes = Vec::new();
            frame.encode(&mut bytes);
            self.bytes.extend(bytes);
        }
    }

    /// A part of what is under way arrives.
    fn deliver(&mut self, count: usize) -> Vec<Frame> {
        let chunk: Vec<u8> = self.bytes.drain(..count.min(self.bytes.len())).collect();
        self.decoder.push(&chunk);
        std::iter::from_fn(|| self.decoder.next_frame().unwrap()).collect()
    }

    /// The end arrives, once.
    fn end_arrives(&mut self) -> bool {
        let arrives = self.closed && self.bytes.is_empty() && !self.end_seen;
        self.end_seen |= arrives;
        arrives
    }
}

struct Carrier {
    id: CarrierId,
    down: Pipe,
    up: Pipe,
    attached: bool,
}

/// A core: for each job some output, lines about it, and one completion.
#[derive(Default)]
struct Core {
    jobs: Vec<(String, u64)>,
    input_closed: bool,
    closed: bool,
}

struct World {
    rng: Rng,
    now: Duration,
    mirror: MirrorMachine,
    keeper: Option<KeeperMachine>,
    carriers: Vec<Carrier>,
    last_carrier: u64,
    core: Core,
    spool: BTreeMap<String, Vec<u8>>,
    mirrored: BTreeMap<String, Vec<u8>>,
    small: BTreeMap<String, Vec<u8>>,
    completed: BTreeMap<String, u32>,
    blobs: u64,
    whole: u64,
    jobs_left: u64,
    jobs_made: u64,
    /// The core was told to end by the lease.
    killed_at: Option<Duration>,
    heard_by_keeper: Duration,
    over: bool,
    lost: Option<String>,
    finished: Option<bool>,
    cuts: u32,
    dead: bool,
    partition_until: Duration,
}

fn settings(expiry: Expiry) -> MirrorSettings {
    MirrorSettings {
        session: SessionName::of("run", "far").unwrap(),
        epoch: 1,
        first_contact: Duration::from_secs(3_600),
        lease: LEASE,
        on_expiry: expiry,
        hold: HOLD,
        core: CoreOptions::default(),
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng(seed);
        let expiry = if rng.one_in(3) { Expiry::FinishThenHold } else { Expiry::Kill };
        let jobs = 1 + rng.below(5);
        Self {
            now: Duration::ZERO,
            mirror: MirrorMachine::new(Mono::ZERO, settings(expiry)),
            keeper: None,
            carriers: Vec::new(),
            last_carrier: 0,
            core: Core::default(),
            spool: BTreeMap::new(),
            mirrored: BTreeMap::new(),
            small: BTreeMap::new(),
            completed: BTreeMap::new(),
            blobs: 0,
            whole: 0,
            jobs_left: jobs,
            jobs_made: 0,
            killed_at: None,
            heard_by_keeper: Duration::ZERO,
            over: false,
            lost: None,
            finished: None,
            cuts: 0,
            dead: false,
            partition_until: Duration::ZERO,
            rng,
        }
    }

    fn mono(&self) -> Mono {
        Mono::from_origin(self.now)
    }

    fn mirror_input(&mut self, input: MirrorInput) {
        let mut effects = Vec::new();
        self.mirror.handle(self.mono(), input, &mut effects);
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<MirrorEffect>) {
        for effect in effects {
            assert!(!self.over && self.lost.is_none(), "{effect:?} after the end");
            match effect {
                MirrorEffect::CloseCarrier { carrier, .. } => {
                    if let Some(carrier) = self.carriers.iter_mut().find(|known| known.id == carrier) {
                        carrier.down.closed = true;
                    }
                }
                MirrorEffect::Append { file, offset, content } => {
                    let again = offset == 0 && file.starts_with("blobs/");
                    let mirrored = self.mirrored.entry(file).or_default();
                    if again {
                        mirrored.clear();
                    }
                    assert_eq!(mirrored.len() as u64, offset, "appended at its end");
                    mirrored.extend(content);
                }
                MirrorEffect::Complete(file) => {
                    assert_eq!(self.mirrored[&file], self.spool[&file], "{file}");
                    self.whole += 1;
                }
                MirrorEffect::Replace { file, content } => {
                    self.small.insert(file, content);
                }
                MirrorEffect::Line(line) => self.line_of_core(&String::from_utf8(line).unwrap()),
                MirrorEffect::Reachable(_) | MirrorEffect::Unreachable { .. } => {}
                MirrorEffect::Lost(detail) => self.lost = Some(detail),
                MirrorEffect::Over => self.over = true,
            }
        }
    }

    fn line_of_core(&mut self, line: &str) {
        let (kind, file) = line.split_once(' ').unwrap();
        let (file, len) = file.split_once(' ').unwrap();
        let len: usize = len.parse().unwrap();
        let mirrored = self.mirrored.get(file).map_or(&[][..], Vec::as_slice);
        // Whatever the line refers to is there before it.
        assert!(mirrored.len() >= len, "{line}: only {} bytes are mirrored", mirrored.len());
        assert_eq!(mirrored[..len], self.spool[file][..len]);
        if kind == "completed" {
            *self.completed.entry(file.to_owned()).or_default() += 1;
            assert_eq!(mirrored.len(), len, "its log is complete");
            assert_eq!(self.completed[file], 1, "one completion an epoch");
            if self.rng.one_in(2) {
                self.mirror_input(MirrorInput::Close(vec![file.to_owned(), format!("{file}.hole")]));
            }
        }
    }

    fn keeper_input(&mut self, input: KeeperInput) {
        let now = self.mono();
        let Some(keeper) = &mut self.keeper else { return };
        let mut effects = Vec::new();
        keeper.handle(now, input, &mut effects);
        let expired = keeper.has_expired();
        for effect in effects {
            match effect {
                KeeperEffect::CloseCarrier(id) => {
                    // What is due to it (a refusal) goes first.
                    self.pump_keeper(id);
                    if let Some(carrier) = self.carriers.iter_mut().find(|known| known.id == id) {
                        carrier.up.closed = true;
                    }
                }
                KeeperEffect::ToCore(line) => {
                    assert!(!self.core.input_closed);
                    let file = String::from_utf8(line).unwrap();
                    assert!(!self.spool.contains_key(&file), "a job is begun once");
                    self.spool.insert(file.clone(), Vec::new());
                    self.core.jobs.push((file, 1 + self.rng.below(30)));
                }
                KeeperEffect::CloseCore => {
                    assert!(!std::mem::replace(&mut self.core.input_closed, true), "once");
                    if expired {
                        self.killed_at = Some(self.now);
                    }
                }
                KeeperEffect::Finish { complete } => {
                    assert!(self.core.closed, "nothing that it started is left");
                    self.finished = Some(complete);
                }
            }
        }
        if self.finished.is_some() {
            self.keeper = None;
            self.carriers
                .iter_mut()
                .filter(|carrier| carrier.attached)
                .for_each(|carrier| carrier.up.closed = true);
        }
    }

    /// The core does a bit of its work.
    fn work(&mut self) {
        if self.core.closed || self.keeper.is_none() {
            return;
        }
        if self.core.input_closed {
            // All of them end now, or a little later.
            self.core.jobs.iter_mut().for_each(|job| job.1 = job.1.min(1));
            if self.core.jobs.is_empty() {
                self.core.closed = true;
                self.keeper_input(KeeperInput::CoreClosed);
                return;
            }
        }
        if self.core.jobs.is_empty() || !self.keeper.as_ref().is_some_and(KeeperMachine::takes_lines) {
            return;
        }
        let index = usize::try_from(self.rng.below(self.core.jobs.len() as u64)).unwrap();
        let (file, left) = self.core.jobs[index].clone();
        let bytes: Vec<u8> =
            (0..self.rng.below(400)).map(|_| u8::try_from(self.rng.below(256)).unwrap()).collect();
        let log = self.spool.get_mut(&file).unwrap();
        log.extend(bytes);
        let len = log.len();
        let kind = if left == 1 { "completed" } else { "grew" };
        self.keeper_input(KeeperInput::Grown { file: file.clone(), len: len as u64 });
        if left % 7 == 0 {
            let content = len.to_le_bytes().to_vec();
            self.keeper_input(KeeperInput::Replaced { file: format!("{file}.hole"), content });
        }
        if self.rng.one_in(9) {
            self.blobs += 1;
            let name = format!("blobs/{:064x}", self.blobs);
            let content = vec![7; usize::try_from(self.rng.below(700_000)).unwrap() + 1];
            let len = content.len() as u64;
            self.spool.insert(name.clone(), content);
            self.keeper_input(KeeperInput::Whole { file: name, len });
        }
        self.keeper_input(KeeperInput::CoreLine(format!("{kind} {file} {len}").into_bytes()));
        if left == 1 {
            self.core.jobs.remove(index);
        } else {
            self.core.jobs[index].1 -= 1;
        }
    }

    fn pump_keeper(&mut self, id: CarrierId) {
        for _ in 0..8 {
            let Some(next) = self.keeper.as_mut().and_then(|keeper| keeper.next(id)) else { return };
            let frame = match next {
                Outgoing::Frame(frame) => frame,
                Outgoing::Chunk { file, offset, len, last } => {
                    let offset_in = usize::try_from(offset).unwrap();
                    let content = self.spool[&file][offset_in..offset_in + len].to_vec();
                    Frame::RecordChunk { file, offset, content, last }
                }
            };
            if let Some(carrier) = self.carriers.iter_mut().find(|known| known.id == id) {
                carrier.up.put(&frame);
            }
        }
    }

    fn pump_mirror(&mut self, id: CarrierId) {
        for _ in 0..8 {
            let mut effects = Vec::new();
            let next = self.mirror.next(self.mono(), id, &mut effects);
            self.perform(effects);
            let Some(frame) = next else { return };
            if let Some(carrier) = self.carriers.iter_mut().find(|known| known.id == id) {
                carrier.down.put(&frame);
            }
        }
    }

    /// Frames arrive at the host: at the keeper, or at the program that looks for one.
    fn at_host(&mut self, index: usize, frame: Frame) {
        let id = self.carriers[index].id;
        if self.carriers[index].attached {
            self.heard_by_keeper = self.now;
            self.keeper_input(KeeperInput::Frame { carrier: id, frame });
            return;
        }
        let Frame::Hello(hello) = frame else { panic!("{frame:?} comes first") };
        if self.keeper.is_none() && hello.begin && self.finished.is_none() && !self.dead {
            self.keeper = Some(KeeperMachine::new(self.mono(), &hello, "1".into(), None));
        }
        if self.keeper.is_some() {
            self.carriers[index].attached = true;
            self.heard_by_keeper = self.now;
            self.keeper_input(KeeperInput::Attached { carrier: id, hello });
        } else {
            let refusal = Frame::Refused { reason: Refusal::Gone, detail: "gone".into() };
            self.carriers[index].up.put(&refusal);
            self.carriers[index].up.closed = true;
        }
    }

    fn carry(&mut self) {
        let dark = self.now < self.partition_until;
        for index in 0..self.carriers.len() {
            let id = self.carriers[index].id;
            self.pump_mirror(id);
            self.pump_keeper(id);
            if dark {
                continue;
            }
            if self.rng.one_in(3) {
                let count = usize::try_from(self.rng.below(20_000)).unwrap();
                for frame in self.carriers[index].down.deliver(count) {
                    self.at_host(index, frame);
                }
                if self.carriers[index].down.end_arrives() {
                    self.keeper_input(KeeperInput::Detached(id));
                    self.carriers[index].up.closed = true;
                }
            }
            if self.rng.one_in(3) {
                let count = usize::try_from(self.rng.below(20_000)).unwrap();
                if !self.carriers[index].up.bytes.is_empty() {
                    self.mirror_input(MirrorInput::Received(id));
                }
                for frame in self.carriers[index].up.deliver(count) {
                    self.mirror_input(MirrorInput::Frame { carrier: id, frame });
                }
                if self.carriers[index].up.end_arrives() {
                    let detail = "closed".to_owned();
                    self.mirror_input(MirrorInput::Disconnected { carrier: id, detail });
                    self.carriers[index].down.closed = true;
                }
            }
        }
        self.carriers.retain(|carrier| !(carrier.down.end_seen && carrier.up.end_seen));
    }

    /// The carrier is cut: bytes under way are lost, from any of them on. Its ends see that, or not.
    fn cut(&mut self) {
        self.cuts += 1;
        let count = self.carriers.len() as u64;
        if count == 0 {
            return;
        }
        let index = usize::try_from(self.rng.below(count)).unwrap();
        let (down, up) = (self.rng.below(200), self.rng.below(200));
        let carrier = &mut self.carriers[index];
        carrier.down.bytes.truncate(usize::try_from(down).unwrap());
        carrier.up.bytes.truncate(usize::try_from(up).unwrap());
        (carrier.down.closed, carrier.up.closed) = (true, true);
        if self.rng.one_in(4) {
            // Without a sign for one of the ends.
            let end_seen = self.rng.one_in(2);
            (carrier.down.end_seen, carrier.up.end_seen) = (end_seen, !end_seen);
        }
    }

    fn turn(&mut self, calm: bool) {
        self.now += Duration::from_millis(1 + self.rng.below(25));
        if !calm && self.rng.one_in(60) {
            self.cut();
        }
        if !calm && self.rng.one_in(900) {
            self.partition_until = self.now + Duration::from_millis(self.rng.below(9_000));
        }
        let reconnects = self.carriers.iter().all(|carrier| carrier.down.closed);
        if !self.over
            && self.lost.is_none()
            && (reconnects || (!calm && self.rng.one_in(400)))
            && self.rng.one_in(5)
        {
            self.last_carrier += 1;
            let id = CarrierId(self.last_carrier);
            self.carriers.push(Carrier { id, down: Pipe::default(), up: Pipe::default(), attached: false });
            self.mirror_input(MirrorInput::Connected(id));
        }
        if self.jobs_left > 0 && self.rng.one_in(20) && self.mirror.takes_lines() {
            self.jobs_left -= 1;
            self.jobs_made += 1;
            let file = format!("f{}", self.jobs_made);
            self.mirror_input(MirrorInput::Open(vec![file.clone(), format!("{file}.hole")]));
            self.mirror_input(MirrorInput::Line(file.into_bytes()));
            if self.jobs_left == 0 {
                // The supervisor ends its core when all are over; the machine keeps the order itself.
            }
        }
        let all_done = self.jobs_left == 0 && self.completed.len() as u64 == self.jobs_made;
        if all_done && self.rng.one_in(50) {
            self.mirror_input(MirrorInput::EndOfLines);
        }
        self.work();
        self.carry();
        self.mirror_input(MirrorInput::Tick);
        self.keeper_input(KeeperInput::Tick);
    }

    fn check_lease(&self, expiry: Expiry) {
        let Some(killed_at) = self.killed_at else { return };
        let silent = killed_at.saturating_sub(self.heard_by_keeper);
        let longest = if expiry == Expiry::Kill { LEASE } else { LEASE + HOLD };
        // One turn, and the wait for it.
        assert!(silent <= longest + Duration::from_millis(60), "killed {silent:?} after the last frame");
    }
}

fn play(seed: u64) -> World {
    let mut world = World::new(seed);
    let expiry = if Rng(seed).one_in(3) { Expiry::FinishThenHold } else { Expiry::Kill };
    for turn in 0..MOST_TURNS {
        world.turn(turn > 2_000);
        if (world.over || world.lost.is_some()) && world.keeper.is_none() {
            break;
        }
    }
    world.check_lease(expiry);
    assert!(world.over || world.lost.is_some(), "the mirror ends");
    assert!(world.keeper.is_none(), "the keeper ends");
    if world.over {
        // Every job that reached the core has one completion, and its log is here to the last byte.
        assert!(world.whole >= world.blobs, "{} of {} large values", world.whole, world.blobs);
        for (file, content) in world.spool.iter().filter(|(file, _)| !file.starts_with("blobs/")) {
            assert_eq!(world.completed.get(file), Some(&1), "{file}");
            assert_eq!(world.mirrored.get(file).map_or(&[][..], Vec::as_slice), content.as_slice(), "{file}");
        }
    }
    world
}

#[test]
fn a_mirror_is_its_spool_whatever_the_carrier_does() {
    #[expect(clippy::disallowed_methods, reason = "which seeds to play")]
    let number = |name| std::env::var(name).ok().map(|text: String| text.trim().parse::<u64>().unwrap());
    let seeds = match number("ROBOPPI_HOSTS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ROBOPPI_HOSTS_SEEDS").unwrap_or(300),
    };
    let (mut over, mut cuts, mut killed, mut lost, mut complete) = (0, 0, 0, 0, 0);
    for seed in seeds.clone() {
        let played = std::panic::catch_unwind(|| play(seed));
        let Ok(world) = played else {
            panic!("again: ROBOPPI_HOSTS_SEED={seed} cargo test -p roboppi-hosts --test chaos");
        };
        over += u32::from(world.over);
        complete += u32::from(world.finished == Some(true));
        killed += u32::from(world.killed_at.is_some());
        lost += u32::from(world.lost.is_some());
        cuts += world.cuts;
    }
    println!(
        "{} worlds: {over} over, {complete} of them at once, {lost} lost, {killed} with an expired lease, {cuts} cuts",
        seeds.clone().count()
    );
    if seeds.end - seeds.start >= 100 {
        // Of the others the very last acknowledgement was lost, and the keeper has waited for it in vain.
        assert!(
            complete * 10 > over * 9,
            "keepers wait although everything has arrived: {complete} of {over}"
        );
        assert!(over > 0 && killed > 0 && cuts > 500, "the worlds are too calm: {over} {killed} {cuts}");
    }
}
