//! Runs worlds by their seeds, and tells of the first that breaks a promise.

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::faults::{Bug, Fault, Weather};
use crate::promise::{Promise, Violation};
use crate::story::Story;
use crate::world::World;

/// One world only.
const SEED: &str = "ROBOPPI_SIM_SEED";
/// So many worlds, or those from one number up to another: `500`, `20000..40000`.
const SEEDS: &str = "ROBOPPI_SIM_SEEDS";

/// A world that broke a promise.
pub(crate) struct Found {
    pub(crate) seed: u64,
    pub(crate) violation: Violation,
    /// The faults it cannot do without.
    needs: Weather,
    trace: String,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, violation, needs, trace } = self;
        writeln!(f, "seed {seed}: {violation}\n")?;
        writeln!(f, "even with only {needs:?}:\n\n{trace}")?;
        write!(f, "again: {SEED}={seed} cargo test --test simulation the_promises")
    }
}

/// The worlds the environment asks for.
pub(crate) fn from_environment() -> Option<Range<u64>> {
    let variable = |name| std::env::var(name).ok();
    if let Some(seed) = variable(SEED) {
        let seed = seed.trim().parse().unwrap_or_else(|_| panic!("{SEED} must be a number"));
        return Some(seed..seed + 1);
    }
    let seeds = variable(SEEDS)?;
    let (from, to) = seeds.split_once("..").unwrap_or(("0", &seeds));
    let number = |text: &str| text.trim().parse().unwrap_or_else(|_| panic!("{SEEDS} must be numbers"));
    Some(number(from)..number(to))
}

/// The lowest seed that breaks a promise, and what all worlds before it have seen.
pub(crate) fn first_broken(seeds: Range<u64>, bug: Option<Bug>) -> (Story, Option<Found>) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let lowest = AtomicU64::new(u64::MAX);
    let mut story = Story::default();
    std::thread::scope(|scope| {
        let search = |first: u64| {
            let (seeds, lowest) = (seeds.clone(), &lowest);
            scope.spawn(move || {
                let mut story = Story::default();
                for seed in (seeds.start + first..seeds.end).step_by(threads as usize) {
                    if seed > lowest.load(Ordering::Relaxed) {
                        break;
                    }
                    let mut world = World::new(seed, Weather::ANY, bug);
                    if outcome(&mut world).is_err() {
                        lowest.fetch_min(seed, Ordering::Relaxed);
                        break;
                    }
                    story.add(&world.story);
                }
                story
            })
        };
        for part in (0..threads).map(search).collect::<Vec<_>>() {
            story.add(&part.join().expect("a world that panics is caught"));
        }
    });
    let lowest = lowest.into_inner();
    let found = (lowest < u64::MAX).then(|| explain(lowest, bug));
    (story, found)
}

/// A panic is a broken promise, too.
fn outcome(world: &mut World) -> Result<(), Violation> {
    catch_unwind(AssertUnwindSafe(|| world.run())).unwrap_or_else(|panic| {
        Err(Violation { promise: Promise::NoPanic, detail: words_of(panic.as_ref()) })
    })
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panics").to_owned()
}

/// Takes away every fault the violation does not need, and tells what happens then.
fn explain(seed: u64, bug: Option<Bug>) -> Found {
    let broken = |weather| outcome(&mut World::new(seed, weather, bug)).err();
    let violation = broken(Weather::ANY).expect("the same seed makes the same world");
    let mut needs = World::new(seed, Weather::ANY, bug).weather();
    for fault in Fault::ALL {
        let fewer = needs.without(fault);
        if needs.has(fault) && broken(fewer).is_some_and(|other| other.promise == violation.promise) {
            needs = fewer;
        }
    }
    Found { seed, violation, needs, trace: trace_of(seed, needs, bug) }
}

/// The last of what happens in a world.
pub(crate) fn trace_of(seed: u64, allowed: Weather, bug: Option<Bug>) -> String {
    let mut world = World::new(seed, allowed, bug).traced();
    let _ = outcome(&mut world);
    world.trace()
}
