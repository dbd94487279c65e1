//! Counting and seeking against doing the same the simple way.

use std::ops::ControlFlow;

use proptest::prelude::*;
use roboppi_ipc::{OutputStream, UtcMillis};
use roboppi_record::{Log, Needle, RunDir, SpoolWriter};

use super::matches::Matches;
use super::seek::Search;
use crate::log_pane::Direction;

const BASE: &str = "steps/s/i1-a1";

/// What a person sees of a line of the tests.
fn visible(line: &str) -> String {
    line.replace("\x1b[1m", "")
}

/// Numbers of the lines that are to be found, whatever their case.
fn expected(parts: &[(OutputStream, String)], needle: &str, stream: Option<OutputStream>) -> Vec<u64> {
    let holds = |line: &str| visible(line).to_lowercase().contains(needle);
    (0..)
        .zip(parts)
        .filter(|(_, (of, line))| holds(line) && stream.is_none_or(|stream| stream == *of))
        .map(|(number, _)| number)
        .collect()
}

fn found(mut search: Search, log: &mut dyn Log, mut known: Option<&mut Matches>) -> (Option<u64>, bool) {
    loop {
        if let ControlFlow::Break(line) = search.advance(log, known.as_deref()).unwrap() {
            return (line, search.wrapped);
        }
        // The service goes on with both.
        if let Some(known) = known.as_deref_mut() {
            known.advance(log, 5).unwrap();
        }
    }
}

proptest! {
    #[test]
    fn lines_are_counted_and_sought_as_if_all_were_in_a_list(
        parts in prop::collection::vec((any::<bool>(), r"([abA]|\x1b\[1m){0,6}"), 0..60),
        needle in "[ab]{1,2}",
        stream in 0..3_usize,
        from in 0..64_u64,
        searched in 0..40_usize,
    ) {
        let parts: Vec<_> = parts
            .into_iter()
            .map(|(out, line)| (if out { OutputStream::Stdout } else { OutputStream::Stderr }, line))
            .collect();
        let dir = tempfile::tempdir().unwrap();
        let mut spool = SpoolWriter::new(dir.path(), BASE).unwrap();
        for (stream, line) in &parts {
            spool.append(*stream, format!("{line}\n").as_bytes(), UtcMillis(1)).unwrap();
        }
        drop(spool);
        let mut log = RunDir::at(dir.path().to_owned()).log(BASE).unwrap();
        let log: &mut dyn Log = &mut log;
        let stream = [None, Some(OutputStream::Stdout), Some(OutputStream::Stderr)][stream];
        let expected = expected(&parts, &needle, stream);
        let wanted = || Needle::smart_case(&needle).of_stream(stream);

        let mut matches = Matches::new(wanted());
        while !matches.is_done() {
            matches.advance(log, 7).unwrap();
        }
        prop_assert_eq!(matches.count(), expected.len() as u64);
        prop_assert_eq!(&matches.lines(log, 0..u64::MAX).unwrap(), &expected);
        let before = expected.iter().filter(|line| **line < from).count() as u64;
        prop_assert_eq!(matches.before(log, from).unwrap(), before);

        let from = from.min(parts.len() as u64);
        let next = expected.iter().find(|line| **line >= from);
        let forwards = (next.or(expected.first()).copied(), next.is_none());
        let last = expected.iter().rfind(|line| **line < from);
        let backwards = (last.or(expected.last()).copied(), last.is_none());
        for (direction, expected) in [(Direction::Forward, forwards), (Direction::Backward, backwards)] {
            let search = || Search::new(wanted(), direction, from);
            prop_assert_eq!(found(search(), log, None), expected, "{:?} alone", direction);
            let mut matches = Matches::new(wanted());
            for _ in 0..searched {
                matches.advance(log, 5).unwrap();
            }
            prop_assert_eq!(found(search(), log, Some(&mut matches)), expected, "{:?}, counted", direction);
        }
    }
}
