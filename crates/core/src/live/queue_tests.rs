use std::time::Duration;

use proptest::prelude::*;

use roboppi_ipc::{AgentDelta, AgentText, LogGrew};

use super::*;

fn at(ms: u64) -> Mono {
    Mono::from_origin(Duration::from_millis(ms))
}

fn small() -> LiveLimits {
    LiveLimits { events: 8, bytes: 200, state_bytes: 400, batch_bytes: 32, ..LiveLimits::default() }
}

/// A queue with the log and the event file its events would be in. An event is ten bytes of that file.
struct Rig {
    queue: LiveQueue,
    log: Vec<u8>,
    file: Vec<LiveEvent>,
    /// Events of the file that were given up.
    hole: std::ops::Range<u64>,
    now: u64,
    offered: Vec<String>,
}

impl Rig {
    fn new(limits: LiveLimits) -> Self {
        Self {
            queue: LiveQueue::new(limits),
            log: Vec::new(),
            file: Vec::new(),
            hole: 0..0,
            now: 0,
            offered: Vec::new(),
        }
    }

    fn output(&mut self, stream: OutputStream, bytes: &[u8]) {
        let offset = self.log.len() as u64;
        self.log.extend_from_slice(bytes);
        self.queue.output(at(self.now), UtcMillis(self.now), stream, offset, bytes);
    }

    fn stdout(&mut self, text: &str) {
        self.output(OutputStream::Stdout, text.as_bytes());
    }

    fn event(&mut self, event: WorkerEvent) {
        let seq = self.queue.number(at(self.now));
        let event = LiveEvent { seq, ts: UtcMillis(self.now), at: self.log.len() as u64, event };
        let start = self.file.len() as u64 * 10;
        let stored =
            event.event.is_recorded().then_some(StoredRange { start, end: start + 10, before: start / 10 });
        if stored.is_some() {
            self.file.push(event.clone());
        }
        self.queue.push(event, 20, stored);
    }

    fn tool(&mut self, text: &str) {
        self.offered.push(text.to_owned());
        self.event(WorkerEvent::Text(AgentText::new(text)));
    }

    fn take(&mut self) -> Option<LiveEvent> {
        let (file, hole) = (&self.file, self.hole.clone());
        self.queue
            .take(at(self.now), |range| {
                let first = range.start / 10;
                assert_eq!(first, range.before);
                let there = if hole.contains(&first) { hole.end } else { first };
                let event = file.get(there as usize).filter(|_| there * 10 < range.end)?.clone();
                Some(ReadBack { event: event.into(), next: (there + 1) * 10, skipped: there - first })
            })
            .map(Offered::into_event)
    }

    fn taken(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.take()).map(|event| show(&event)).collect()
    }
}

fn show(event: &LiveEvent) -> String {
    let what = match &event.event {
        WorkerEvent::Stdout(o) | WorkerEvent::Stderr(o) => format!(
            "{:?}@{}+{}{}",
            o.data,
            o.offset.unwrap(),
            o.len.unwrap(),
            if o.partial { " partial" } else { "" }
        ),
        WorkerEvent::LogGrew(LogGrew { offset, len, stdout, stderr, .. }) => {
            let of = |name, shows| if shows { name } else { "" };
            format!("grew @{offset}+{len}{}{}", of(" stdout", *stdout), of(" stderr", *stderr))
        }
        WorkerEvent::Text(AgentText { text, .. }) => text.clone(),
        WorkerEvent::TextDelta(AgentDelta { delta, .. }) => format!("~{delta}"),
        WorkerEvent::Progress(progress) => progress.message.clone(),
        WorkerEvent::Gap(gap) => format!(
            "gap {}..{} @{}..{} {} events {} bytes",
            gap.from_seq, gap.to_seq, gap.from_offset, gap.to_offset, gap.events, gap.bytes
        ),
        other => format!("{other:?}"),
    };
    format!("#{} {what}", event.seq)
}

#[test]
fn the_first_line_goes_at_once_and_what_follows_is_batched() {
    let mut rig = Rig::new(LiveLimits::default());
    rig.stdout("one\n");
    assert_eq!(rig.taken(), ["#0 \"one\\n\"@0+4"]);
    rig.stdout("two\n");
    rig.now = 10;
    rig.stdout("thr");
    assert!(rig.taken().is_empty());
    assert_eq!(rig.queue.due(), Some(at(16)));
    rig.now = 16;
    assert_eq!(rig.taken(), ["#1 \"two\\nthr\"@4+7 partial"]);
    rig.now = 40;
    rig.stdout("ee\n");
    assert_eq!(rig.taken(), ["#2 \"ee\\n\"@11+3"]);
}

#[test]
fn by_line_every_line_is_an_event_when_it_ends_and_counts_as_one() {
    let mut rig = Rig::new(LiveLimits { by_line: true, ..small() });
    rig.stdout("one\ntw");
    rig.stdout("o\n\nthree");
    assert_eq!(rig.taken(), ["#0 \"one\\n\"@0+4", "#1 \"two\\n\"@4+4", "#2 \"\\n\"@8+1"]);
    assert_eq!(rig.queue.due(), None);
    rig.stdout(&"\n".repeat(20));
    let taken = rig.taken();
    assert_eq!(taken.len(), 1 + 8, "one gap, and as many as may wait: {taken:?}");
    rig.stdout("after\n");
    assert!(rig.taken()[0].contains("after"));
}

#[test]
fn by_line_the_oldest_output_goes_first_and_what_agents_do_stays() {
    let mut rig = Rig::new(LiveLimits { by_line: true, events: 3, ..small() });
    for number in 0..6 {
        rig.stdout(&format!("{number}\n"));
        if number % 2 == 0 {
            rig.tool(&format!("call {number}"));
        }
    }
    insta::assert_debug_snapshot!(rig.taken(), @r##"
    [
        "#0 gap 0..4 @0..6 3 events 6 bytes",
        "#1 call 0",
        "#4 call 2",
        "#5 \"3\\n\"@6+2",
        "#6 \"4\\n\"@8+2",
        "#7 call 4",
        "#8 \"5\\n\"@10+2",
    ]
    "##);
    // One line longer than all that may wait is the end all the same.
    rig.stdout(&format!("{}\n", "x".repeat(400)));
    rig.queue.finish(at(1));
    assert!(rig.taken().last().unwrap().contains("x\\n"));
}

#[test]
fn by_line_what_waits_in_the_event_file_comes_in_its_place() {
    let mut rig = Rig::new(LiveLimits { by_line: true, events: 1_000, state_bytes: 40, ..small() });
    let mut expected = Vec::new();
    for number in 0..20 {
        rig.tool(&format!("call {number}"));
        rig.stdout(&format!("{number}\n"));
        expected.extend([format!("call {number}"), number.to_string()]);
    }
    let taken = rig.taken();
    let said = |event: &String| {
        let what = event.split_once(' ').unwrap().1;
        what.strip_prefix('"').map_or(what, |line| line.split_once("\\n").unwrap().0).to_owned()
    };
    assert_eq!(taken.iter().map(said).collect::<Vec<_>>(), expected);
}

#[test]
fn what_the_event_file_gave_up_before_it_was_read_is_a_gap() {
    for by_line in [false, true] {
        let mut rig = Rig::new(LiveLimits { by_line, ..small() });
        for number in 0..60 {
            rig.tool(&format!("call {number}"));
        }
        rig.hole = 10..40;
        let taken: Vec<_> = std::iter::from_fn(|| rig.take()).collect();
        let calls = taken.iter().filter(|event| matches!(event.event, WorkerEvent::Text(_))).count();
        let gaps: Vec<_> = taken
            .iter()
            .filter_map(|event| match event.event {
                WorkerEvent::Gap(gap) => Some(gap),
                _ => None,
            })
            .collect();
        // As many as may wait in memory were read from nowhere.
        assert_eq!(calls as u64 + gaps.iter().map(|gap| gap.recorded).sum::<u64>(), 60);
        assert_eq!((gaps.len(), gaps[0].to_seq), (1, 40), "{gaps:?}");
        assert_eq!(gaps[0].recorded, gaps[0].events);
    }
}

#[test]
fn other_events_and_the_other_stream_come_after_the_output_before_them() {
    let mut rig = Rig::new(LiveLimits::default());
    rig.tool("start");
    rig.stdout("a\n");
    rig.tool("call");
    rig.stdout("b");
    rig.output(OutputStream::Stderr, b"c\n");
    rig.stdout("d\n");
    rig.queue.finish(at(1));
    insta::assert_debug_snapshot!(rig.taken(), @r##"
    [
        "#0 start",
        "#1 \"a\\n\"@0+2",
        "#2 call",
        "#3 \"b\"@2+1 partial",
        "#4 \"c\\n\"@3+2",
        "#5 \"d\\n\"@5+2",
    ]
    "##);
    assert_eq!(rig.queue.last_seq(), Some(5));
}

#[test]
fn a_full_batch_ends_with_a_line_if_it_can() {
    let mut rig = Rig::new(small());
    rig.tool("start");
    rig.stdout(&format!("{}\n{}", "a".repeat(20), "b".repeat(50)));
    rig.queue.finish(at(1));
    insta::assert_debug_snapshot!(rig.taken(), @r##"
    [
        "#0 start",
        "#1 \"aaaaaaaaaaaaaaaaaaaa\\n\"@0+21",
        "#2 \"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"@21+32 partial",
        "#3 \"bbbbbbbbbbbbbbbbbb\"@53+18",
    ]
    "##);
}

#[test]
fn characters_are_never_cut() {
    let mut rig = Rig::new(LiveLimits::default());
    let bytes = "a€".as_bytes();
    rig.output(OutputStream::Stdout, &bytes[..2]);
    rig.now = 100;
    rig.output(OutputStream::Stderr, b"!");
    rig.now = 200;
    rig.output(OutputStream::Stdout, &bytes[2..]);
    rig.now = 300;
    rig.output(OutputStream::Stdout, b"\xffz\xe2");
    rig.queue.finish(at(400));
    insta::assert_debug_snapshot!(rig.taken(), @r##"
    [
        "#0 \"a\"@0+1 partial",
        "#1 \"\"@1+1 partial",
        "#2 \"!\"@2+1 partial",
        "#3 \"€�z\"@3+4 partial",
        "#4 \"�\"@7+1",
    ]
    "##);
}

#[test]
fn a_flood_is_shed_with_one_note_and_one_gap_and_then_flows_again() {
    let mut rig = Rig::new(small());
    for number in 0..20 {
        rig.now += 100;
        rig.stdout(&format!("line {number:02} of some length\n"));
    }
    insta::assert_debug_snapshot!(rig.taken(), @r##"
    [
        "#0 \"line 00 of some length\\n\"@0+23",
        "#1 \"line 01 of some length\\n\"@23+23",
        "#2 \"line 02 of some length\\n\"@46+23",
        "#3 \"line 03 of some length\\n\"@69+23",
        "#4 \"line 04 of some length\\n\"@92+23",
        "#5 \"line 05 of some length\\n\"@115+23",
        "#6 \"line 06 of some length\\n\"@138+23",
        "#7 \"line 07 of some length\\n\"@161+23",
        "#8 (logs truncated)",
        "#8 gap 8..20 @184..460 12 events 276 bytes",
    ]
    "##);
    rig.now += 100;
    rig.stdout("the newest\n");
    insta::assert_debug_snapshot!(rig.taken(), @r##"
    [
        "#20 \"the newest\\n\"@460+11",
    ]
    "##);
}

#[test]
fn what_is_never_shed_splits_the_gap() {
    let mut rig = Rig::new(small());
    for number in 0..4 {
        rig.now += 100;
        rig.stdout(&"x".repeat(100));
        rig.tool(&format!("call {number}"));
    }
    rig.queue.finish(at(rig.now));
    insta::assert_debug_snapshot!(rig.taken(), @r##"
    [
        "#0 \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"@0+32 partial",
        "#1 \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"@32+32 partial",
        "#2 \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"@64+32 partial",
        "#3 \"xxxx\"@96+4 partial",
        "#4 call 0",
        "#5 \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"@100+32 partial",
        "#6 \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"@132+32 partial",
        "#7 (logs truncated)",
        "#7 gap 7..9 @164..200 2 events 36 bytes",
        "#9 call 1",
        "#10 gap 10..14 @200..300 4 events 100 bytes",
        "#14 call 2",
        "#15 gap 15..19 @300..400 4 events 100 bytes",
        "#19 call 3",
    ]
    "##);
}

#[test]
fn events_nobody_reads_wait_in_their_file() {
    let mut rig = Rig::new(small());
    for number in 0..200 {
        rig.tool(&format!("call {number}"));
        if number > 100 && number % 50 == 0 {
            rig.stdout("some output\n");
        }
    }
    assert!(rig.queue.waiting.len() <= 25, "{}", rig.queue.waiting.len());
    let taken = rig.taken();
    let calls = taken.iter().filter(|event| event.contains("call")).count();
    assert_eq!(calls, 200);
    let rest: Vec<&String> = taken.iter().filter(|event| !event.contains("call")).collect();
    insta::assert_debug_snapshot!(rest, @r##"
    [
        "#151 (logs truncated)",
        "#151 gap 151..152 @0..12 1 events 12 bytes",
    ]
    "##);
}

#[test]
fn a_lost_event_file_is_a_gap() {
    let mut rig = Rig::new(small());
    for number in 0..60 {
        rig.tool(&format!("call {number}"));
        rig.stdout("x");
    }
    rig.file.clear();
    rig.queue.finish(at(rig.now));
    let taken = rig.taken();
    insta::assert_debug_snapshot!(taken[taken.len() - 3..], @r##"
    [
        "#16 call 8",
        "#17 gap 17..119 @8..59 102 events 51 bytes",
        "#119 gap 119..120 @59..60 1 events 1 bytes",
    ]
    "##);
}

#[test]
fn a_flood_is_not_copied() {
    let mut rig = Rig::new(LiveLimits::default());
    let chunk = vec![b'x'; 64 * 1024];
    for _ in 0..64 {
        rig.queue.output(at(0), UtcMillis(0), OutputStream::Stdout, rig.log.len() as u64, &chunk);
        rig.log.extend_from_slice(&chunk);
    }
    assert!(rig.queue.waiting_bytes <= 1024 * 1024 + 100, "{}", rig.queue.waiting_bytes);
    assert!(rig.queue.batch.is_empty());
}

/// A queue for a reader that has the log.
fn growing(limits: LiveLimits) -> Rig {
    let mut rig = Rig::new(limits);
    rig.queue.announce_growth(at(0), true);
    rig
}

#[test]
fn a_reader_that_has_the_log_is_told_how_far_it_reaches() {
    let mut rig = growing(LiveLimits::default());
    rig.stdout("one\n");
    assert_eq!(rig.queue.due(), Some(Mono::ZERO));
    assert_eq!(rig.taken(), ["#0 grew @0+4 stdout"]);
    rig.stdout("two\n");
    rig.output(OutputStream::Stderr, b"three\n");
    rig.now = 10;
    assert!(rig.taken().is_empty());
    assert_eq!(rig.queue.due(), Some(at(16)));
    rig.now = 16;
    assert_eq!(rig.taken(), ["#1 grew @4+10 stdout stderr"]);
    assert_eq!(rig.queue.due(), None);
    rig.output(OutputStream::Stderr, b"four\n");
    rig.tool("call");
    rig.stdout("five");
    rig.queue.finish(at(17));
    assert_eq!(rig.taken(), ["#2 grew @14+5 stderr", "#3 call", "#4 grew @19+4 stdout"]);
    assert_eq!(rig.queue.last_seq(), Some(4));
}

#[test]
fn growth_that_nobody_reads_waits_as_a_few_numbers_and_nothing_of_it_is_left_out() {
    let mut rig = growing(small());
    for number in 0..200 {
        rig.stdout("some output\n");
        if number % 10 == 0 {
            rig.tool(&format!("call {number}"));
            rig.now += 16;
        }
    }
    assert!(rig.queue.waiting.len() <= 45, "{}", rig.queue.waiting.len());
    let taken = rig.taken();
    assert!(!taken.iter().any(|event| event.contains("gap")), "{taken:?}");
    let calls: Vec<_> = taken.iter().filter(|event| event.contains("call")).collect();
    assert_eq!(calls.len(), 20);
    // Before each of them there is all output before it.
    assert_eq!(taken[..4], ["#0 grew @0+12 stdout", "#1 call 0", "#2 grew @12+120 stdout", "#3 call 10"]);
    assert_eq!(taken[taken.len() - 2..], ["#39 call 190", "#40 grew @2292+108 stdout"]);
}

#[test]
fn text_follows_the_growth_before_it_when_the_log_cannot_be_written_any_more() {
    let mut rig = growing(LiveLimits::default());
    rig.stdout("kept\n");
    rig.queue.announce_growth(at(0), false);
    rig.stdout("lost\n");
    rig.queue.finish(at(1));
    assert_eq!(rig.taken(), ["#0 grew @0+5 stdout", "#1 \"lost\\n\"@5+5"]);
}

#[derive(Clone, Debug)]
enum Step {
    Output(OutputStream, Vec<u8>),
    Tool,
    Delta,
    Wait(u64),
    Take(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![
        4 => "[a-z€é\n]{0,90}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..90),
    ];
    let stream = prop_oneof![Just(OutputStream::Stdout), Just(OutputStream::Stderr)];
    prop_oneof![
        6 => (stream, bytes).prop_map(|(stream, bytes)| Step::Output(stream, bytes)),
        2 => Just(Step::Tool),
        1 => Just(Step::Delta),
        2 => (0_u64..40).prop_map(Step::Wait),
        2 => (0_usize..12).prop_map(Step::Take),
    ]
}

/// What a reader of the whole stream can check.
#[derive(Default)]
struct Reader {
    next_seq: u64,
    next_offset: u64,
    tools: Vec<String>,
    lost: u64,
}

impl Reader {
    fn read(&mut self, event: &LiveEvent, log: &[u8]) -> Result<(), TestCaseError> {
        match &event.event {
            WorkerEvent::Progress(note) => {
                prop_assert_eq!(note.message.as_str(), LOGS_TRUNCATED);
                prop_assert_eq!(event.seq, self.next_seq, "the note has the number of what is missing");
                return Ok(());
            }
            WorkerEvent::Gap(gap) => {
                prop_assert_eq!(event.seq, gap.from_seq);
                prop_assert_eq!(gap.from_seq, self.next_seq);
                prop_assert_eq!(gap.from_offset, self.next_offset);
                prop_assert_eq!(gap.events, gap.to_seq - gap.from_seq);
                prop_assert_eq!(gap.bytes, gap.to_offset - gap.from_offset);
                prop_assert!(gap.events > 0);
                self.next_seq = gap.to_seq;
                self.next_offset = gap.to_offset;
                self.lost += gap.bytes;
                return Ok(());
            }
            WorkerEvent::Stdout(output) | WorkerEvent::Stderr(output) => {
                let (offset, len) = (output.offset.unwrap(), output.len.unwrap());
                prop_assert_eq!(offset, self.next_offset, "ranges follow each other");
                self.next_offset = offset + len;
                let bytes = &log[offset as usize..(offset + len) as usize];
                if bytes.is_ascii() {
                    prop_assert!(output.data.as_bytes().ends_with(bytes));
                }
            }
            WorkerEvent::Text(AgentText { text, .. }) => self.tools.push(text.clone()),
            _ => {}
        }
        prop_assert_eq!(event.seq, self.next_seq, "numbers rise by one");
        self.next_seq += 1;
        Ok(())
    }
}

proptest! {
    #[test]
    fn what_is_sent_and_what_is_said_to_be_missing_is_everything(
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let mut rig = Rig::new(small());
        let mut reader = Reader::default();
        let mut tools = 0;
        for step in steps {
            match step {
                Step::Output(stream, bytes) => rig.output(stream, &bytes),
                Step::Tool => {
                    tools += 1;
                    rig.tool(&format!("tool {tools}"));
                }
                Step::Delta => rig.event(WorkerEvent::TextDelta(AgentDelta::new("d"))),
                Step::Wait(ms) => rig.now += ms,
                Step::Take(count) => {
                    for _ in 0..count {
                        let Some(event) = rig.take() else { break };
                        reader.read(&event, &rig.log)?;
                    }
                }
            }
            prop_assert!(rig.queue.waiting_bytes <= 400 + 200, "bounded: {}", rig.queue.waiting_bytes);
            prop_assert!(rig.queue.waiting.len() <= 40, "bounded: {:?}", rig.queue.waiting);
        }
        while let Some(event) = rig.take() {
            reader.read(&event, &rig.log)?;
        }
        rig.stdout("newest\n");
        rig.now += 16;
        let newest: Vec<_> = std::iter::from_fn(|| rig.take()).collect();
        for event in &newest {
            reader.read(event, &rig.log)?;
        }
        let said: String = newest
            .iter()
            .filter_map(|event| match &event.event {
                WorkerEvent::Stdout(output) => Some(output.data.as_str()),
                _ => None,
            })
            .collect();
        prop_assert!(said.ends_with("newest\n"), "after a flood the newest output flows: {:?}", newest);
        rig.queue.finish(at(rig.now));
        while let Some(event) = rig.take() {
            reader.read(&event, &rig.log)?;
        }
        prop_assert_eq!(reader.next_offset, rig.log.len() as u64, "the log is covered");
        prop_assert_eq!(Some(reader.next_seq), rig.queue.last_seq().map(|last| last + 1).or(Some(0)));
        prop_assert_eq!(reader.tools, rig.offered);
    }

    #[test]
    fn growth_covers_the_log_and_comes_before_what_came_after_it(
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let mut rig = growing(small());
        let (mut tools, mut reached, mut is_behind_gap) = (Vec::new(), 0, false);
        let mut read = |event: LiveEvent| {
            let is_gap = matches!(event.event, WorkerEvent::Gap(_));
            match event.event {
                WorkerEvent::LogGrew(grew) => {
                    prop_assert_eq!(grew.offset, reached, "stretches follow each other");
                    prop_assert!(grew.stdout || grew.stderr);
                    reached = grew.end();
                }
                WorkerEvent::Text(AgentText { text, .. }) => {
                    prop_assert!(event.at <= reached || is_behind_gap, "{} of {}", reached, event.at);
                    tools.push(text);
                }
                WorkerEvent::Gap(gap) => prop_assert_eq!(gap.bytes, 0, "output is never missing"),
                WorkerEvent::Stdout(_) | WorkerEvent::Stderr(_) => prop_assert!(false, "text"),
                _ => {}
            }
            is_behind_gap = is_gap;
            Ok(())
        };
        for step in steps {
            match step {
                Step::Output(stream, bytes) => rig.output(stream, &bytes),
                Step::Tool => rig.tool(&format!("tool {}", rig.offered.len())),
                Step::Delta => rig.event(WorkerEvent::TextDelta(AgentDelta::new("d"))),
                Step::Wait(ms) => rig.now += ms,
                Step::Take(count) => {
                    for _ in 0..count {
                        let Some(event) = rig.take() else { break };
                        read(event)?;
                    }
                }
            }
            prop_assert!(rig.queue.waiting.len() <= 60, "bounded: {:?}", rig.queue.waiting);
        }
        rig.queue.finish(at(rig.now));
        while let Some(event) = rig.take() {
            read(event)?;
        }
        prop_assert_eq!(reached, rig.log.len() as u64, "the log is covered");
        prop_assert_eq!(tools, rig.offered);
    }

    #[test]
    fn by_line_the_end_arrives_and_everything_else_that_is_not_output(
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let limits = LiveLimits { by_line: true, ..small() };
        let mut rig = Rig::new(limits);
        let (mut tools, mut lines, mut left_out, mut last) = (Vec::new(), Vec::new(), 0, None);
        let mut read = |event: LiveEvent| match event.event {
            WorkerEvent::Text(AgentText { text, .. }) => tools.push(text),
            WorkerEvent::Gap(gap) => left_out += gap.bytes,
            WorkerEvent::Stdout(output) | WorkerEvent::Stderr(output) => {
                lines.push((output.offset.unwrap(), output.len.unwrap()));
                last = Some(event.seq);
            }
            _ => {}
        };
        for step in steps {
            match step {
                Step::Output(stream, bytes) => rig.output(stream, &bytes),
                Step::Tool => rig.tool(&format!("tool {}", rig.offered.len())),
                Step::Delta => rig.event(WorkerEvent::TextDelta(AgentDelta::default())),
                Step::Wait(ms) => rig.now += ms,
                Step::Take(count) => {
                    for _ in 0..count {
                        let Some(event) = rig.take() else { break };
                        read(event);
                    }
                }
            }
            prop_assert!(rig.queue.lines.bytes() <= limits.bytes.max(limits.batch_bytes));
        }
        rig.stdout("the end\n");
        rig.queue.finish(at(rig.now));
        while let Some(event) = rig.take() {
            read(event);
        }
        prop_assert_eq!(tools, rig.offered);
        prop_assert!(lines.is_sorted());
        let (offset, len) = *lines.last().unwrap();
        prop_assert_eq!(offset + len, rig.log.len() as u64, "the end is there");
        let sent: u64 = lines.iter().map(|(_, len)| len).sum();
        prop_assert_eq!(sent + left_out, rig.log.len() as u64, "the log is covered");
        prop_assert_eq!(last, rig.queue.last_seq());
    }

    #[test]
    fn without_load_the_text_of_a_stream_is_exact(
        pieces in proptest::collection::vec((any::<bool>(), "[a€é𝄞\n]{0,6}", 0_u64..30), 0..40),
        cut in 1_usize..4,
    ) {
        let mut rig = Rig::new(LiveLimits::default());
        let (mut expected, mut got) = ([String::new(), String::new()], [String::new(), String::new()]);
        let mut collect = |event: LiveEvent| match event.event {
            WorkerEvent::Stdout(output) => got[0].push_str(&output.data),
            WorkerEvent::Stderr(output) => got[1].push_str(&output.data),
            other => panic!("{other:?}"),
        };
        for (is_err, text, wait) in pieces {
            let stream = if is_err { OutputStream::Stderr } else { OutputStream::Stdout };
            expected[usize::from(is_err)].push_str(&text);
            for piece in text.as_bytes().chunks(cut) {
                rig.output(stream, piece);
                rig.now += wait;
                while let Some(event) = rig.take() {
                    collect(event);
                }
            }
        }
        rig.queue.finish(at(rig.now));
        while let Some(event) = rig.take() {
            collect(event);
        }
        prop_assert_eq!(got, expected);
    }
}
