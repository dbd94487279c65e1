//! All machines together in simulated worlds: [`SupervisorMachine`](roboppi_supervisor::machine::SupervisorMachine) with all
//! in it, [`LinkMachine`](roboppi_supervisor::link_machine::LinkMachine), [`CoreMachine`](roboppi_core::CoreMachine) with its
//! [`PermitGate`](roboppi_core::PermitGate) and [`ChildMachine`](roboppi_process::machine::ChildMachine).
//!
//! A world has a clock of its own, processes that misbehave, a wire that is late and breaks, a core that dies
//! or stops at any moment, and people who lose patience. Everything in it follows from one number, the seed.
//! `promise.rs` says what must hold in all of them.
//!
//! ```console
//! $ cargo test --test simulation                                                    # 20,000 worlds
//! $ ROBOPPI_SIM_SEED=4711 cargo test --test simulation the_promises -- --nocapture   # one world and its trace
//! $ ROBOPPI_SIM_SEEDS=20000..2000000 cargo test --test simulation the_promises       # many others
//! ```

mod agenda;
mod attempt;
mod child;
mod child_book;
mod core;
mod faults;
mod link;
mod plan;
mod planted;
mod process;
mod promise;
mod rng;
mod run_book;
mod seeds;
mod story;
mod supervisor;
mod supervisor_link;
mod world;

use std::ops::Range;

use faults::{Bug, Weather};
use promise::Promise;
use seeds::{Found, first_broken, trace_of};
use story::Seen;

/// Worlds that are tried when nobody asks for others.
const WORLDS: u64 = 20_000;

#[test]
fn the_promises_hold_in_every_world() {
    let asked = seeds::from_environment();
    let (story, broken) = first_broken(asked.clone().unwrap_or(0..WORLDS), None);
    if let Some(found) = broken {
        panic!("{found}");
    }
    println!("{story:?}");
    if let Some(Range { start, end }) = asked.clone()
        && end == start + 1
    {
        println!("{}", trace_of(start, Weather::ANY, None));
    }
    if asked.is_none() {
        let unseen: Vec<_> = Seen::ALL.iter().filter(|seen| story.count(**seen) < 20).collect();
        assert!(unseen.is_empty(), "{WORLDS} worlds have hardly ever seen {unseen:?}");
    }
}

#[test]
fn a_seed_always_makes_the_same_world() {
    for seed in 0..50 {
        let (first, second) = (trace_of(seed, Weather::ANY, None), trace_of(seed, Weather::ANY, None));
        assert_eq!(first, second, "seed {seed}");
    }
}

/// Worlds in which a planted defect must show itself.
const ENOUGH: u64 = 5_000;

#[test]
fn every_planted_bug_is_caught() {
    use Promise::{
        ComesToAnEnd, Drained, EndsInTime, ExactlyOnce, NoForceTooEarly, NothingLeft, OnlyMoreSevere,
        Permits, RunningIsAlive, StartsAllowed, Truth,
    };
    let expected: [(Bug, &[Promise]); Bug::ALL.len()] = [
        (Bug::CancelLostWhileSpawning, &[EndsInTime, Truth]),
        (Bug::NoGraceTimer, &[EndsInTime]),
        (Bug::StaleTimerObeyed, &[NoForceTooEarly]),
        (Bug::PipesNotDrained, &[Drained]),
        (Bug::TimeoutForgotten, &[EndsInTime]),
        (Bug::DrainForgotten, &[EndsInTime]),
        (Bug::ForceForgotten, &[EndsInTime]),
        (Bug::OrderForgotten, &[EndsInTime]),
        (Bug::CompletionForgotten, &[RunningIsAlive, EndsInTime]),
        (Bug::DeafPatience, &[Truth]),
        (Bug::LastWordsForgotten, &[Truth]),
        (Bug::KnownEndForgotten, &[ComesToAnEnd, EndsInTime]),
        (Bug::JobFinishedTwice, &[ExactlyOnce]),
        (Bug::PermitNotReturned, &[Permits]),
        (Bug::WireTakenForCore, &[NothingLeft]),
        (Bug::LossUnheard, &[RunningIsAlive, EndsInTime]),
        (Bug::ReasonForgotten, &[OnlyMoreSevere]),
        (Bug::StaleRetryObeyed, &[StartsAllowed]),
        (Bug::ExitInvented, &[Truth]),
    ];
    for (bug, promises) in expected {
        let (_, found) = first_broken(0..ENOUGH, Some(bug));
        let found = found.unwrap_or_else(|| panic!("{bug:?} was not caught in {ENOUGH} worlds"));
        println!("{bug:?}: seed {}, {}", found.seed, found.violation.promise);
        assert!(
            promises.contains(&found.violation.promise),
            "{bug:?} was taken for something else:\n{found}"
        );
    }
}

#[test]
fn a_failure_says_what_is_needed_to_see_it_again() {
    let (_, found) = first_broken(0..ENOUGH, Some(Bug::JobFinishedTwice));
    let found: Found = found.expect("a job ends in some world");
    let text = found.to_string();
    for part in ["everything ends exactly once", "ROBOPPI_SIM_SEED=", "completed", "even with only"] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
}
