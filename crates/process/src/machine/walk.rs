//! Random lives in a simulated world, measured against the promises.

use std::time::Duration;

use proptest::prelude::*;
use roboppi_ipc::{Cancel, CancelReason, EndingPhase, Mono};

use super::{ChildEnd, ChildMachine, Effect, Epoch, Input, Limits, SWEEP_TIME, Signal};
use crate::ExitKind;

/// How a child behaves; times in milliseconds.
#[derive(Clone, Debug)]
struct Nature {
    spawn_fails: bool,
    spawn_takes: u64,
    /// Ends by itself after this much time of not being stopped.
    lives: Option<u64>,
    /// Ends this long after TERM; `None` ignores it.
    heeds_term: Option<u64>,
    /// Ends this long after KILL.
    heeds_kill: u64,
    /// Its own pipes close this long before its end.
    closes_early: Option<u64>,
    /// A grandchild holds the pipes this long after the end; `None` until it is swept.
    leak: Option<u64>,
    /// Grandchildren are out of reach of a sweep.
    escaped: bool,
}

#[derive(Clone, Debug)]
struct World {
    limits: Limits,
    nature: Nature,
    /// What the owner does and when.
    asks: Vec<(u64, Input)>,
}

fn millis(limit: u64) -> impl Strategy<Value = u64> {
    0..limit
}

fn reason() -> impl Strategy<Value = CancelReason> {
    prop_oneof![
        Just(CancelReason::User),
        Just(CancelReason::Budget),
        Just(CancelReason::Parent),
        Just(CancelReason::Lost),
    ]
}

fn ask() -> impl Strategy<Value = Input> {
    prop_oneof![
        3 => reason().prop_map(|reason| Input::Cancel(Cancel::graceful(reason))),
        1 => reason().prop_map(|reason| Input::Cancel(Cancel::forced(reason))),
        2 => Just(Input::Pause),
        2 => Just(Input::Resume),
        1 => Just(Input::OwnerGone),
        // Stale timers of any kind.
        2 => (0..6u32).prop_map(|epoch| Input::Timer(Epoch(epoch.wrapping_sub(3)))),
    ]
}

fn nature() -> impl Strategy<Value = Nature> {
    (
        prop::bool::weighted(0.05),
        millis(50),
        prop::option::weighted(0.7, millis(3000)),
        prop::option::of(millis(400)),
        millis(20),
        prop::option::weighted(0.2, millis(500)),
        prop::option::weighted(0.8, prop_oneof![2 => Just(0), 1 => millis(400)]),
        prop::bool::weighted(0.2),
    )
        .prop_map(
            |(spawn_fails, spawn_takes, lives, heeds_term, heeds_kill, closes_early, leak, escaped)| Nature {
                spawn_fails,
                spawn_takes,
                lives,
                heeds_term,
                heeds_kill,
                closes_early,
                leak,
                escaped,
            },
        )
}

fn world() -> impl Strategy<Value = World> {
    (
        (millis(300), millis(300), prop::option::of(millis(2000))),
        nature(),
        prop::collection::vec((millis(3000), ask()), 0..8),
    )
        .prop_map(|((grace, drain, timeout), nature, mut asks)| {
            asks.sort_by_key(|&(time, _)| time);
            // Nobody waits for ever in the end.
            asks.push((4000, Input::OwnerGone));
            let limits = Limits {
                grace: Duration::from_millis(grace),
                drain: Duration::from_millis(drain),
                timeout: timeout.map(Duration::from_millis),
            };
            World { limits, nature, asks }
        })
}

/// What is to happen at a time of the simulated clock.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Happens {
    Input(Input),
    /// The child ends by itself.
    OwnEnd,
    TermHeeded,
    KillHeeded,
    ClosesPipes,
    PipesClosed,
}

#[derive(Debug, Default)]
struct Story {
    finished: Option<ChildEnd>,
    finished_at: u64,
    /// First time an end was asked for while it lived, once it ran.
    asked_at: Option<u64>,
    started: bool,
    exited: bool,
    stopped: bool,
    pipes_closed: bool,
    reasons: Vec<Option<CancelReason>>,
}

fn live(world: &World) -> Story {
    let mut machine = ChildMachine::new(world.limits);
    let mut story = Story::default();
    let mut agenda: Vec<(u64, Happens)> =
        world.asks.iter().map(|&(time, input)| (time, Happens::Input(input))).collect();
    agenda.push((0, Happens::Input(Input::Start)));
    let mut effects = Vec::new();
    let mut steps = 0;

    while !agenda.is_empty() {
        steps += 1;
        assert!(steps < 1000, "the world does not come to rest: {agenda:?}");
        let next = (0..agenda.len()).min_by_key(|&index| agenda[index].0).expect("there is something to do");
        let (now, happens) = agenda.remove(next);
        let input = match happens {
            Happens::Input(input) => Some(input),
            Happens::ClosesPipes if !story.exited && !story.pipes_closed => {
                story.pipes_closed = true;
                Some(Input::PipesClosed)
            }
            Happens::PipesClosed if !story.pipes_closed => {
                story.pipes_closed = true;
                Some(Input::PipesClosed)
            }
            // A stopped process does nothing but die of KILL.
            Happens::OwnEnd | Happens::TermHeeded if story.stopped && !story.exited => {
                agenda.push((now + 10, happens));
                assert!(now < 100_000, "stopped for ever");
                None
            }
            Happens::OwnEnd | Happens::TermHeeded | Happens::KillHeeded if !story.exited => {
                story.exited = true;
                if !story.pipes_closed
                    && let Some(leak) = world.nature.leak
                {
                    agenda.push((now + leak, Happens::PipesClosed));
                }
                Some(Input::Exited(match happens {
                    Happens::TermHeeded => ExitKind::Signal(15),
                    Happens::KillHeeded => ExitKind::Signal(9),
                    _ => ExitKind::Code(0),
                }))
            }
            _ => None,
        };
        let Some(input) = input else { continue };
        if matches!(input, Input::Spawned) {
            story.started = true;
        }
        if matches!(input, Input::Cancel(_) | Input::OwnerGone) && !story.exited {
            story.asked_at.get_or_insert(now);
        }
        machine.handle(Mono::from_origin(Duration::from_millis(now)), input, &mut effects);
        for effect in effects.drain(..) {
            assert_eq!(story.finished, None, "nothing comes after the end: {effect:?}");
            perform(world, &mut story, &mut agenda, now, effect);
        }
        assert_eq!(machine.is_done(), story.finished.is_some());
    }
    story
}

fn perform(world: &World, story: &mut Story, agenda: &mut Vec<(u64, Happens)>, now: u64, effect: Effect) {
    let nature = &world.nature;
    let whole = |duration: Duration| u64::try_from(duration.as_millis()).expect("short");
    match effect {
        Effect::Spawn if nature.spawn_fails => {
            agenda.push((now + nature.spawn_takes, Happens::Input(Input::SpawnFailed)));
        }
        Effect::Spawn => {
            let runs = now + nature.spawn_takes;
            agenda.push((runs, Happens::Input(Input::Spawned)));
            if let Some(lives) = nature.lives {
                agenda.push((runs + lives, Happens::OwnEnd));
            }
            if let Some(early) = nature.closes_early {
                agenda.push((runs + early, Happens::ClosesPipes));
            }
        }
        Effect::Started => assert!(story.started),
        Effect::Signal(signal) => {
            assert!(story.started, "a signal to nobody");
            match signal {
                Signal::Term => {
                    if let Some(after) = nature.heeds_term {
                        agenda.push((now + after, Happens::TermHeeded));
                    }
                }
                Signal::Kill => agenda.push((now + nature.heeds_kill, Happens::KillHeeded)),
                Signal::Stop => story.stopped = true,
                Signal::Cont => story.stopped = false,
            }
        }
        Effect::SetTimer { epoch, after } => {
            agenda.push((now + whole(after), Happens::Input(Input::Timer(epoch))));
        }
        Effect::SweepGroup | Effect::LeaveGroup => {
            assert!(story.exited, "a sweep while the child lives");
            if !nature.escaped {
                agenda.push((now + 1, Happens::PipesClosed));
            }
        }
        Effect::Ending { phase, reason, .. } => {
            assert_eq!(story.exited, phase == EndingPhase::Draining);
            story.reasons.push(reason);
        }
        Effect::Finish(end) => {
            story.finished = Some(end);
            story.finished_at = now;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn the_promises_hold_in_every_life(world in world()) {
        let story = live(&world);
        let end = story.finished;
        prop_assert!(end.is_some(), "it never ended");
        let Some(ChildEnd::Ended(ended)) = end else {
            prop_assert!(!story.started);
            return Ok(());
        };

        prop_assert!(story.exited, "ended with a living leader");
        prop_assert!(ended.exit != ExitKind::Signal(9) || ended.killed);
        prop_assert!(ended.exit != ExitKind::Signal(15) || ended.reason.is_some());
        prop_assert!(ended.pipes_left_open || story.pipes_closed, "closed pipes were claimed");
        prop_assert!(story.reasons.is_sorted(), "a milder reason replaced a more severe one");
        if let Some(last) = story.reasons.last().copied().flatten() {
            prop_assert!(ended.reason >= Some(last));
        }

        // A cancel ends within grace and drain, and what the world itself takes.
        if let Some(asked) = story.asked_at {
            let slack = world.nature.heeds_kill + world.nature.spawn_takes + 20;
            let limit = world.limits.grace + world.limits.drain + SWEEP_TIME + Duration::from_millis(slack);
            let took = Duration::from_millis(story.finished_at.saturating_sub(asked));
            prop_assert!(took <= limit, "took {took:?}, promised {limit:?}");
        }
        // So does a timeout, if the clock was not stopped.
        let pauses = world.asks.iter().any(|(_, input)| *input == Input::Pause);
        if let Some(timeout) = world.limits.timeout && !pauses {
            let slack = world.nature.heeds_kill + 20;
            let limit = timeout + world.limits.grace + Duration::from_millis(slack);
            prop_assert!(ended.duration <= limit, "ran {:?}, promised {limit:?}", ended.duration);
        }
    }
}
