//! Searching a log against searching its text the simple way.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::ops::ControlFlow;

use proptest::prelude::*;
use roboppi_ipc::{OutputStream, UtcMillis};
use roboppi_record::{FoundLine, LogLimits, LogReader, Needle, RunDir, SearchPosition, SpoolWriter};

const BASE: &str = "steps/s/i1-a1";

fn log_of(run: &RunDir, text: &[u8]) -> LogReader {
    SpoolWriter::new(run.path(), BASE).unwrap().append(OutputStream::Stdout, text, UtcMillis(1)).unwrap();
    run.log(BASE).unwrap()
}

fn all(log: &mut LogReader, needle: &Needle, budget: u64) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut at = SearchPosition::default();
    loop {
        let reached = log
            .search(needle, at, budget, |line| {
                // An incomplete last line is searched again when the search goes on.
                if numbers.last() != Some(&line.number) {
                    numbers.push(line.number);
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        if reached == at {
            return numbers;
        }
        at = reached;
    }
}

fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.split('\n').collect();
    if text.is_empty() || text.ends_with('\n') {
        lines.pop();
    }
    lines
}

/// The text without its colours.
fn visible(text: &str) -> String {
    let mut parts = text.split('\x1b');
    let first = parts.next().unwrap_or_default().to_owned();
    first + &parts.map(|part| part.split_once('m').unwrap().1).collect::<String>()
}

/// The last line before `before` with what is looked for, `budget` bytes at a time.
fn back_from(log: &mut LogReader, needle: &Needle, mut before: u64, budget: u64) -> Option<FoundLine> {
    loop {
        let (found, searched) = log.search_back(needle, before, budget).unwrap();
        if found.is_some() || searched == 0 {
            return found;
        }
        before = searched;
    }
}

proptest! {
    #[test]
    fn every_line_is_found_once_forwards_and_backwards(
        text in r"([abA\n]|\x1b\[[0-9;]{0,3}m){0,400}",
        needle in "[abA]{1,3}",
        budget in prop_oneof![Just(u64::MAX), 1_u64..50],
    ) {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::at(dir.path().to_owned());
        let mut log = log_of(&run, text.as_bytes());
        type Holds<'a> = Box<dyn Fn(&str) -> bool + 'a>;
        let cases: [(Needle, Holds<'_>); 6] = [
            (Needle::everything(), Box::new(|_| true)),
            (Needle::pattern("b*").unwrap(), Box::new(|_| true)),
            (Needle::text(&needle), Box::new(|line| line.contains(&needle))),
            (Needle::smart_case(&needle), Box::new(|line| {
                if needle.contains('A') { line.contains(&needle) } else { line.to_lowercase().contains(&needle) }
            })),
            (Needle::pattern("$").unwrap(), Box::new(|_| true)),
            (Needle::pattern(&format!("^{needle}")).unwrap(), Box::new(|line| line.starts_with(&needle))),
        ];
        for (needle, holds) in cases {
            let expected: Vec<u64> = lines(&visible(&text))
                .iter()
                .zip(0..)
                .filter(|(line, _)| holds(line))
                .map(|(_, number)| number)
                .collect();
            prop_assert_eq!(&all(&mut log, &needle, budget), &expected);
            let mut back = Vec::new();
            let mut before = log.line_count().unwrap();
            while let Some(FoundLine { number, offset }) = back_from(&mut log, &needle, before, budget) {
                prop_assert_eq!(log.line_start(number).unwrap(), Some(offset));
                back.push(number);
                before = number;
            }
            back.reverse();
            prop_assert_eq!(&back, &expected, "backwards");
        }
    }
}

#[test]
fn what_lies_on_the_border_of_two_blocks_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    // A line of 5 MiB with words at every border of a MiB, among short ones.
    let mut text = b"first\n".to_vec();
    let line = text.len();
    text.resize(line + 5 * 1024 * 1024, b'.');
    for border in (1..=5).map(|mib| mib * 1024 * 1024 - 3) {
        text[border..border + 6].copy_from_slice(b"needle");
    }
    text.extend_from_slice(b"\nlast needle\n");
    let mut log = log_of(&run, &text);
    assert_eq!(all(&mut log, &Needle::text("needle"), u64::MAX), [1, 2]);
    assert_eq!(all(&mut log, &Needle::text("st\nfir"), u64::MAX), [0, 2], "no match goes over a line");
    assert_eq!(back_from(&mut log, &Needle::text("needle"), 2, 1024 * 1024).unwrap().number, 1);
}

#[test]
fn every_line_of_several_blocks_has_its_number_and_place() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    // Lines of many lengths, coloured ones in the second block only.
    let mut text = Vec::new();
    let mut places = Vec::new();
    for number in 0_usize.. {
        if text.len() > 3 * 1024 * 1024 {
            break;
        }
        places.push((number as u64, text.len() as u64));
        let colour = if text.len() / (1024 * 1024) == 1 { "\x1b[32m" } else { "" };
        let word = if number % 3 == 0 { "Word" } else { "word" };
        text.extend(format!("{colour}{word}{}\n", ".".repeat(number * 7919 % 61)).into_bytes());
    }
    let mut log = log_of(&run, &text);
    let mut found = |needle: &Needle| {
        let mut found = Vec::new();
        log.search(needle, SearchPosition::default(), u64::MAX, |line| {
            found.push((line.number, line.offset));
            ControlFlow::Continue(())
        })
        .unwrap();
        found
    };
    let of_three = |rest: &[u64]| {
        places.iter().copied().filter(|(number, _)| rest.contains(&(number % 3))).collect::<Vec<_>>()
    };
    assert!(found(&Needle::smart_case("word")) == places);
    assert!(found(&Needle::everything()) == places);
    assert!(found(&Needle::text("Word")) == of_three(&[0]));
    assert!(found(&Needle::pattern("^word").unwrap()) == of_three(&[1, 2]));
}

#[test]
fn lines_of_one_stream_are_found_alone() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    let mut spool = SpoolWriter::new(run.path(), BASE).unwrap();
    for (stream, text) in [
        (OutputStream::Stdout, "a x\nb\nc x\n"),
        (OutputStream::Stderr, "d x\ne x\n"),
        (OutputStream::Stdout, "f x\n"),
    ] {
        spool.append(stream, text.as_bytes(), UtcMillis(1)).unwrap();
    }
    drop(spool);
    let mut log = run.log(BASE).unwrap();
    let needle = |stream| Needle::text("x").of_stream(stream);
    assert_eq!(all(&mut log, &needle(None), u64::MAX), [0, 2, 3, 4, 5]);
    assert_eq!(all(&mut log, &needle(Some(OutputStream::Stdout)), u64::MAX), [0, 2, 5]);
    assert_eq!(all(&mut log, &needle(Some(OutputStream::Stderr)), 3), [3, 4]);
    let stdout = needle(Some(OutputStream::Stdout));
    assert_eq!(back_from(&mut log, &stdout, 5, u64::MAX).unwrap().number, 2);
    assert_eq!(all(&mut log, &Needle::everything().of_stream(Some(OutputStream::Stderr)), 3), [3, 4]);
}

#[test]
fn a_search_can_stop_and_go_on_and_follow() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    let mut spool = SpoolWriter::new(run.path(), BASE).unwrap();
    let mut say =
        |text: &str| spool.append(OutputStream::Stdout, text.as_bytes(), UtcMillis(1)).map(drop).unwrap();
    say("one x\ntwo\nthree x\nfo");
    let mut log = run.log(BASE).unwrap();
    let needle = Needle::text("x");
    let mut first = None;
    let at = log
        .search(&needle, SearchPosition::default(), u64::MAX, |line| {
            first = Some(line);
            ControlFlow::Break(())
        })
        .unwrap();
    assert_eq!(first, Some(FoundLine { number: 0, offset: 0 }));
    let mut rest = Vec::new();
    let mut collect = |log: &mut LogReader, at| {
        log.search(&needle, at, u64::MAX, |line| {
            rest.push(line.number);
            ControlFlow::Continue(())
        })
        .unwrap()
    };
    let at = collect(&mut log, at);
    say("ur x\n");
    log.refresh().unwrap();
    let _ = collect(&mut log, at);
    assert_eq!(rest, [2, 3], "the line that was not complete is found when it is");
}

#[test]
fn what_was_given_up_is_passed_over_and_numbers_stay_true() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    let limits = LogLimits { bytes: LogLimits::SMALLEST, min_free: 0 };
    let mut spool = SpoolWriter::within(run.path(), BASE, limits, None).unwrap();
    for number in 0..300_000_u32 {
        let line = if number % 100_000 == 7 { "needle\n" } else { "straw\n" };
        spool.append(OutputStream::Stdout, line.as_bytes(), UtcMillis(u64::from(number / 10_000))).unwrap();
    }
    drop(spool);
    let mut log = run.log(BASE).unwrap();
    assert_eq!(all(&mut log, &Needle::text("needle"), u64::MAX), [7]);
    let straw = all(&mut log, &Needle::text("straw"), u64::MAX);
    assert_eq!((straw.first(), straw.last()), (Some(&0), Some(&299_999)));
    assert!(straw.len() < 250_000);
    assert_eq!(back_from(&mut log, &Needle::text("needle"), 300_000, 1024 * 1024).unwrap().number, 7);

    // The part that was given up is one line, and one goes over it both ways.
    let hole = straw.windows(2).find(|pair| pair[1] > pair[0] + 2).unwrap();
    let mut numbers = vec![hole[0] - 5];
    while *numbers.last().unwrap() < hole[1] + 5 {
        numbers.push(log.line_behind(*numbers.last().unwrap()).unwrap().unwrap());
    }
    let gaps: Vec<_> = numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1).collect();
    assert_eq!(gaps.len(), 1, "{numbers:?}");
    let mut back = vec![*numbers.last().unwrap()];
    while *back.last().unwrap() > numbers[0] {
        back.push(log.line_before(*back.last().unwrap()).unwrap().unwrap());
    }
    back.reverse();
    assert_eq!(back, numbers);
    assert_eq!((log.line_before(0).unwrap(), log.line_behind(299_999).unwrap()), (None, None));
}

#[test]
fn matches_in_a_line_can_be_marked() {
    let all = |needle: &Needle, line: &str| {
        let (mut ranges, mut from) = (Vec::new(), 0);
        while let Some(range) = needle.find_in(line, from) {
            from = range.end;
            ranges.push(range);
        }
        ranges
    };
    assert_eq!(all(&Needle::text("ab"), "abxab"), [0..2, 3..5]);
    assert_eq!(all(&Needle::smart_case("äb"), "ÄBxäb"), [0..3, 4..7]);
    assert_eq!(all(&Needle::pattern("b*").unwrap(), "abbab"), [1..3, 4..5]);
    assert_eq!(all(&Needle::pattern("(?-u:[\\x80-\\xff])").unwrap(), "aübü"), [1..3, 4..6]);
    assert!(all(&Needle::everything(), "a").is_empty());
    assert!(all(&Needle::text(""), "a").is_empty());
}

#[test]
fn a_line_is_found_by_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    let mut spool = SpoolWriter::new(run.path(), BASE).unwrap();
    let mut say = |text: &str, ts| {
        spool.append(OutputStream::Stdout, text.as_bytes(), UtcMillis(ts)).map(drop).unwrap();
    };
    say("0\n1\n2 beg", 1_000);
    say("ins\n3\n", 5_000);
    say("4\n", 9_000);
    let mut log = run.log(BASE).unwrap();
    let lines: Vec<_> =
        [0, 1_000, 1_001, 5_000, 5_001, 9_000, 9_001].map(|ts| log.line_at(UtcMillis(ts)).unwrap()).into();
    assert_eq!(lines, [Some(0), Some(0), Some(3), Some(3), Some(4), Some(4), None]);
}
