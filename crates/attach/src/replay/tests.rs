use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

use roboppi_record::JournalWriter;
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

fn shared(timeline: &Timeline) -> PlayerState {
    PlayerState {
        feed: LiveFeed::default(),
        controls: Mutex::new(Controls {
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
    let live = to_the_end(&FileSource::open(&run.clone().into()).unwrap());
    let source = ReplaySource::open(&run.clone().into(), Speed::Max, AtEnd::Close).unwrap();
    let replayed = to_the_end(&source);
    assert!(replayed.is_finished());
    assert_eq!(replayed, fold_up_to(&replayed, &run));
    for (step, there) in replayed.steps.iter().zip(&live.steps) {
        for (attempt, there) in step.attempts.iter().zip(&there.attempts) {
            if attempt.finished_at.is_some() {
                assert_eq!(attempt, there);
            }
            assert_eq!(
                source.record().log(&attempt.of).unwrap().len(),
                run.log(&attempt.base()).unwrap().len()
            );
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
    let mut jumper = Player::new(Arc::new(run.clone()), Timeline::of(&run));
    let end = Timeline::of(&run).end();
    for _ in 0..40 {
        let at = chance.below(end + 2);
        let effect = if chance.below(4) == 0 { PlayEffect::PlayTo(at) } else { PlayEffect::JumpTo(at) };
        jumper.perform(&jumping, effect);
        let view = jumping.feed.follow().view;
        assert_eq!(view, fold_up_to(&view, &run));
        if effect == PlayEffect::JumpTo(at) {
            let mut player = Player::new(Arc::new(run.clone()), Timeline::of(&run));
            let from_the_start = shared(&Timeline::of(&run));
            player.perform(&from_the_start, PlayEffect::PlayTo(at));
            assert_eq!(view, from_the_start.feed.follow().view, "at {at} of {end}");
        }
    }
    // A log ends where it ended then.
    let mut player = Player::new(Arc::new(run.clone()), Timeline::of(&run));
    player.perform(&played, PlayEffect::PlayTo(end / 2));
    let view = played.feed.follow().view;
    let shared = Arc::new(played);
    let record = ReplayRecord { record: Arc::new(run.clone()), state: Arc::clone(&shared) };
    let source = ReplaySource { shared, record, run_dir: None, problems: Vec::new() };
    for attempt in view.steps.iter().flat_map(|step| &step.attempts) {
        let mut log = source.record().log(&attempt.of).unwrap();
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
    let source = ReplaySource::open(&place.run.clone().into(), Speed::Max, AtEnd::Close).unwrap();
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
    let view = to_the_end(&ReplaySource::open(&run.into(), Speed::NORMAL, AtEnd::Close).unwrap());
    assert!(view.is_finished());
}

#[test]
fn who_stays_can_begin_again() {
    let Place { run, _dir } = busy(seed());
    let source = ReplaySource::open(&run.into(), Speed::Max, AtEnd::Stay).unwrap();
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

/// What a value of a record may have become.
const VALUES: [&str; 9] =
    ["0", "-1", "18446744073709551615", "9007199254740991", "1e400", "null", "\"\"", "{}", "\"../../x\""];

/// Spoils some of a file of lines: bytes, values, whole lines and their order.
fn spoil(text: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    for _ in 0..=chance.below(4) {
        // More of them near the beginning, on which most depends.
        let count = if chance.below(2) == 0 { lines.len().min(4) } else { lines.len() } as u64;
        let index = chance.below(count) as usize;
        match chance.below(6) {
            0 => drop(lines.remove(index)),
            1 => lines.swap(0, index),
            2 => lines.insert(0, lines[index].clone()),
            3 => {
                let len = lines[index].len() as u64;
                lines[index].truncate(chance.below(len + 1) as usize);
            }
            _ => {
                let line = String::from_utf8_lossy(&lines[index]).into_owned();
                let starts: Vec<_> = line.match_indices("\":").map(|(at, _)| at + 2).collect();
                if let Some(start) = starts.get(chance.below(starts.len().max(1) as u64) as usize) {
                    let end = line[*start..].find([',', '}']).map_or(line.len(), |end| start + end);
                    let value = VALUES[chance.below(VALUES.len() as u64) as usize];
                    lines[index] = format!("{}{value}{}", &line[..*start], &line[end..]).into_bytes();
                }
            }
        }
        lines.push(Vec::new());
    }
    lines.join(&b'\n')
}

#[test]
fn no_damage_stops_a_viewer_or_lets_it_wait_for_ever() {
    /// Reached only when something is broken.
    const LIMIT: Duration = Duration::from_secs(60);
    const ROUNDS: usize = 150;

    let seed = seed();
    let place = busy(seed);
    // Its owner is somebody who is not there any more.
    let me = roboppi_process::identity(std::process::id()).unwrap();
    place.owned_by(roboppi_ipc::ProcessIdentity { start_time: me.start_time + 1, ..me });
    let run = place.run.clone();
    let mut files = vec![run.journal_path()];
    for step in std::fs::read_dir(run.path().join("steps")).unwrap() {
        let names = std::fs::read_dir(step.unwrap().path()).unwrap().map(|file| file.unwrap().path());
        files.extend(
            names.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")).take(2),
        );
    }
    let whole: Vec<_> = files.iter().map(|path| (path, std::fs::read(path).unwrap())).collect();
    let mut chance = Chance(seed);
    for round in 0..ROUNDS {
        for (path, text) in &whole {
            let spoiled = if chance.below(2) == 0 { text.clone() } else { spoil(text, &mut chance) };
            std::fs::write(path, spoiled).unwrap();
        }
        let (done, end) = std::sync::mpsc::channel();
        let run = run.clone();
        let viewer = thread::spawn(move || {
            let _ = to_the_end(&FileSource::open(&run.clone().into()).unwrap());
            let _ = to_the_end(&ReplaySource::open(&run.into(), Speed::Max, AtEnd::Close).unwrap());
            let _ = done.send(());
        });
        let ended = end.recv_timeout(LIMIT);
        assert!(ended.is_ok(), "round {round}: {ended:?}, {}", viewer.is_finished());
    }
}
