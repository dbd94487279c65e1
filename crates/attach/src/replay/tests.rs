use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

use roboppi_journal::JournalWriter;
use roboppi_run::{RunOutcome, RunStatus, StepState};

use super::*;
use crate::file::tests::{Chance, Place, changed, fold_up_to, keep_busy, place, started};
use crate::{FileSource, Next};

fn seed() -> u64 {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
    println!("seed {seed}");
    seed
}

/// A run that was busy for a while and is over.
fn busy(seed: u64) -> Place {
    let place = place();
    let enough = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| keep_busy(&place.run, seed, &enough));
        let written = || std::fs::metadata(place.run.journal_path()).map_or(0, |meta| meta.len());
        while written() < 20_000 {
            thread::yield_now();
        }
        enough.store(true, Ordering::Relaxed);
    });
    place
}

fn shared(timeline: &Timeline) -> Shared {
    Shared {
        feed: LiveFeed::default(),
        desk: Mutex::new(Desk {
            pacer: Pacer::new(Mono::ZERO, timeline.end(), Speed::NORMAL),
            jump: None,
            abandoned: false,
        }),
        called: Condvar::new(),
        began: timeline.began,
        origin: Instant::now(),
        logs: Mutex::default(),
    }
}

fn to_the_end(source: &dyn RunSource) -> RunView {
    let mut following = source.follow();
    loop {
        match following.records.blocking_next() {
            Next::Record(record) => following.view.apply(&record),
            Next::Lagged => following = source.follow(),
            Next::Ended => return following.view,
        }
    }
}

#[test]
fn at_full_speed_it_ends_as_the_run_did() {
    let Place { run, _dir } = busy(seed());
    let live = to_the_end(&FileSource::open(run.clone()).unwrap());
    let source = ReplaySource::open(run.clone(), Speed::Max, AtEnd::Close).unwrap();
    let replayed = to_the_end(&source);
    assert!(replayed.is_finished());
    assert_eq!(replayed, fold_up_to(&replayed, &run));
    for (step, there) in replayed.steps.iter().zip(&live.steps) {
        for (attempt, there) in step.attempts.iter().zip(&there.attempts) {
            if attempt.finished_at.is_some() {
                assert_eq!(attempt, there);
            }
            assert_eq!(source.log(&attempt.of).unwrap().len(), run.log(&attempt.base).unwrap().len());
        }
    }
    assert_eq!((&replayed.status, replayed.position), (&live.status, live.position));
}

#[test]
fn wherever_one_jumps_the_view_is_the_one_of_that_time() {
    let seed = seed();
    let Place { run, _dir } = busy(seed);
    let mut chance = Chance(seed);
    let (jumping, played) = (shared(&Timeline::of(&run)), shared(&Timeline::of(&run)));
    let mut jumper = Player::new(run.clone(), Timeline::of(&run));
    let end = Timeline::of(&run).end();
    for _ in 0..40 {
        let at = chance.below(end + 2);
        let effect = if chance.below(4) == 0 { PlayEffect::PlayTo(at) } else { PlayEffect::JumpTo(at) };
        jumper.perform(&jumping, effect);
        let view = jumping.feed.follow().view;
        assert_eq!(view, fold_up_to(&view, &run));
        if effect == PlayEffect::JumpTo(at) {
            let mut player = Player::new(run.clone(), Timeline::of(&run));
            let from_the_start = shared(&Timeline::of(&run));
            player.perform(&from_the_start, PlayEffect::PlayTo(at));
            assert_eq!(view, from_the_start.feed.follow().view, "at {at} of {end}");
        }
    }
    // A log ends where it ended then.
    let mut player = Player::new(run.clone(), Timeline::of(&run));
    player.perform(&played, PlayEffect::PlayTo(end / 2));
    let view = played.feed.follow().view;
    let source = ReplaySource { shared: Arc::new(played), run_dir: run.clone(), problems: Vec::new() };
    for attempt in view.steps.iter().flat_map(|step| &step.attempts) {
        let mut log = source.log(&attempt.of).unwrap();
        assert_eq!(log.len(), attempt.activity.log_bytes);
        assert_eq!(log.line_count().unwrap(), attempt.activity.log_bytes / "something\n".len() as u64);
    }
}

#[test]
fn a_run_that_did_not_say_how_it_ended_is_lost_at_the_end() {
    let place = place();
    let mut journal = JournalWriter::create(&place.run).unwrap();
    journal.append(UtcMillis(5), started(2)).unwrap();
    journal.append(UtcMillis(7), changed(0, StepState::Running)).unwrap();
    let source = ReplaySource::open(place.run.clone(), Speed::Max, AtEnd::Close).unwrap();
    let view = to_the_end(&source);
    assert!(
        matches!(view.status, RunStatus::Finished { outcome: RunOutcome::Lost, .. }),
        "{:?}",
        view.status
    );
    assert_eq!(view.steps[0].state, StepState::Lost);
    let playback = source.playback().unwrap();
    assert_eq!((playback.position.at, playback.position.end, playback.now), (2, 2, UtcMillis(7)));
}

#[test]
fn an_empty_record_comes_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    let view = to_the_end(&ReplaySource::open(run, Speed::NORMAL, AtEnd::Close).unwrap());
    assert!(view.is_finished());
}

#[test]
fn who_stays_can_begin_again() {
    let Place { run, _dir } = busy(seed());
    let source = ReplaySource::open(run, Speed::Max, AtEnd::Stay).unwrap();
    let mut following = source.follow();
    let until = |following: &mut Following, finished: bool| {
        while following.view.is_finished() != finished {
            match following.records.blocking_next() {
                Next::Record(record) => following.view.apply(&record),
                Next::Lagged => *following = source.follow(),
                Next::Ended => panic!("it stays"),
            }
        }
    };
    until(&mut following, true);
    for _ in 0..9 {
        source.play(PlayInput::Slower);
    }
    source.play(PlayInput::SeekBy(i64::MIN));
    source.play(PlayInput::Toggle);
    until(&mut following, false);
    source.play(PlayInput::SeekBy(i64::MAX));
    until(&mut following, true);
}
