//! The whole screen over a run in memory: it shows what it shows of the same run in a directory.

use std::path::Path;

use roboppi_attach::MemoryRun;
use roboppi_ipc::{OutputStream, UtcMillis};
use roboppi_record::{Appended, JournalWriter, SpoolWriter};

use super::*;

/// Lines of the log, 20 ms apart.
const LINES: u64 = 3_000;

/// What a person types, and a text that is on the screen when it has come to that.
const SCRIPT: [(&[u8], &str); 12] = [
    (b"2\r", "the end of it all"),
    (b"g", "line 1 of many"),
    (b":1500\r", "line 1500 of many"),
    (b":50%\r", "line 1501 of many"),
    // 35 seconds after the first line.
    (b":03:04:40\r", "line 1751 of many"),
    (b"/needle\r", "2 of 3 lines"),
    (b"n", "3 of 3 lines"),
    (b"&", "only \"needle\""),
    (b"\x1b", "line 2599 of many"),
    (b"t", "03:04:5"),
    (b"ge", "src/main.rs:12:5: error: wrong"),
    (b"1", "Overview"),
];

/// A run of one step that failed.
fn run() -> TestRun {
    let mut run = TestRun::with(vec![plan("build", &[])], true);
    run.done("build", 1, result(WorkerStatus::Failed, Some(101)));
    run.finished(RunOutcome::Failed, 1);
    run
}

/// Writes the log of the step, line by line.
fn write_log(mut write: impl FnMut(OutputStream, &[u8], UtcMillis) -> Appended) {
    for number in 1..=LINES {
        let text = match number {
            600 | 1_800 | 2_600 => format!("a \x1b[1mneedle\x1b[0m in line {number}\n"),
            900 => "src/main.rs:12:5: error: wrong\n".to_owned(),
            1_000 => format!("{}\n", "x".repeat(100_000)),
            LINES => "the end of it all".to_owned(),
            _ => format!("line {number} of \x1b[31mmany\x1b[0m\n"),
        };
        let stream = if number % 7 == 0 { OutputStream::Stderr } else { OutputStream::Stdout };
        write(stream, text.as_bytes(), UtcMillis(START + (number - 1) * 20));
    }
}

fn in_directory(run: &TestRun, dir: TempDir) -> Origin {
    let run_dir = RunDir::at(dir.path().to_owned());
    let feed = Arc::new(LiveFeed::default());
    let mut journal = JournalWriter::create(&run_dir).unwrap();
    for record in &run.records {
        if let RunRecord::Journal(record) = record.as_ref() {
            journal.append(record.ts, record.event.clone()).unwrap();
        }
        feed.publish(RunRecord::clone(record));
    }
    let mut log = SpoolWriter::new(dir.path(), &of("build", 1).base()).unwrap();
    write_log(|stream, bytes, ts| log.append(stream, bytes, ts).unwrap());
    feed.close();
    let (command, commands) = mpsc::channel(8);
    Origin { source: LiveSource::new(Arc::clone(&feed), run_dir, command), feed, commands, dir }
}

fn in_memory(run: &TestRun, dir: TempDir, shown: &Path) -> Origin {
    let (memory, commands) = MemoryRun::new(Some(shown));
    // The end of the attempt closes its log.
    write_log(|stream, bytes, ts| memory.record().output(&of("build", 1), stream, bytes, ts));
    for record in &run.records {
        memory.publish(RunRecord::clone(record));
    }
    memory.close();
    Origin { source: memory.source(), feed: Arc::default(), commands, dir }
}

/// The screens behind each part of the script. With `expected` they must come to be those.
async fn pictures(origin: Origin, expected: Option<&[String]>) -> Vec<String> {
    let mut told = run();
    // The origin has published them.
    told.records.clear();
    let mut shown = Vec::new();
    let all = &mut shown;
    let (ended, _) = play_source(told, origin, move |stage| async move {
        for (index, (keys, text)) in SCRIPT.iter().enumerate() {
            stage.type_in(keys).await;
            match expected {
                None => stage.until(text, |screen| screen.contains(text)).await,
                Some(expected) => {
                    let what = format!("what the record in a directory shows:\n{}", expected[index]);
                    stage.until(&what, |screen| screen == expected[index]).await;
                }
            }
            all.push(settled(&stage).await);
        }
        stage.handle.stop();
        stage
    })
    .await;
    assert!(ended.is_ok());
    shown
}

/// The screen once it stays as it is.
async fn settled(stage: &Stage) -> String {
    let (mut screen, mut same) = (stage.screen(), 0);
    while same < 20 {
        sleep(Duration::from_millis(10)).await;
        let now = stage.screen();
        same = if now == screen { same + 1 } else { 0 };
        screen = now;
    }
    screen
}

// In real time: the log is read on a thread.
#[tokio::test]
async fn a_run_in_memory_gives_the_same_pictures() {
    let run = run();
    let (files, none) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // What is shown there is gone when the second screen begins.
    let place = files.path().to_owned();
    let expected = pictures(in_directory(&run, files), None).await;
    assert!(!place.exists());
    assert_eq!(pictures(in_memory(&run, none, &place), Some(&expected)).await, expected);
}
