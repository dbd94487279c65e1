//! The loop over a run in this process and a screen made of text. Time is virtual.

use std::cell::RefCell;
use std::fs::{self, OpenOptions};
use std::future::Future;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Mutex;

use futures::future::BoxFuture;
use ratatui::layout::Size;
use roboppi_attach::{LiveFeed, LiveSource, RunCommand};
use roboppi_ipc::{ToolCall, WorkerEvent, WorkerKind, WorkerOutput, WorkerStatus};
use roboppi_record::RunDir;
use roboppi_run::{RunOutcome, RunRecord};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::*;
use crate::test_run::{START, TestRun, of, plan, result, running, screen, settings};
use crate::{Location, Notify, NotifyBy, TuiHandle};

mod memory;

/// A screen whose frames are kept as texts.
#[derive(Clone, Default)]
struct Paper {
    frames: Rc<RefCell<Vec<String>>>,
    hold: Rc<RefCell<Option<TerminalMode>>>,
    said: Rc<RefCell<Vec<u8>>>,
    mouse: Rc<RefCell<bool>>,
    fails: Rc<RefCell<bool>>,
}

impl Display for Paper {
    fn draw(&mut self, model: &Model) -> io::Result<()> {
        if *self.fails.borrow() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.frames.borrow_mut().push(screen(model));
        Ok(())
    }

    fn resize(&mut self, _size: Size) {}

    fn take(&mut self, hold: TerminalMode) -> io::Result<()> {
        *self.hold.borrow_mut() = Some(hold);
        Ok(())
    }

    fn hold(&self) -> Option<TerminalMode> {
        *self.hold.borrow()
    }

    fn take_mouse(&mut self, mouse: bool) -> io::Result<()> {
        self.mouse.replace(mouse);
        Ok(())
    }

    fn suspend(&mut self) {
        *self.hold.borrow_mut() = Some(TerminalMode::Lent);
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.said.borrow_mut().extend_from_slice(bytes);
        Ok(())
    }
}

/// An editor that ends when the test says so, and a clipboard.
#[derive(Default)]
struct Desktop {
    copied: Mutex<Vec<String>>,
    opened: Mutex<Vec<Places>>,
    close: tokio::sync::Notify,
}

struct Opened(Arc<Desktop>);

impl Programs for Arc<Desktop> {
    fn copy(&self, text: &str) {
        self.copied.lock().unwrap().push(text.to_owned());
    }

    fn edit(&self, places: &Places) -> Result<Box<dyn Editor>, String> {
        self.opened.lock().unwrap().push(places.clone());
        Ok(Box::new(Opened(Arc::clone(self))))
    }
}

impl Editor for Opened {
    fn ended(&mut self) -> BoxFuture<'_, Result<(), String>> {
        let closed = self.0.close.notified();
        Box::pin(async {
            closed.await;
            Err("vi ended with exit code 1".to_owned())
        })
    }

    fn end(self: Box<Self>) -> BoxFuture<'static, ()> {
        self.0.opened.lock().unwrap().clear();
        Box::pin(std::future::ready(()))
    }
}

/// A person in front of a screen, and everything around the two.
struct Stage {
    run: TestRun,
    published: usize,
    feed: Arc<LiveFeed>,
    commands: mpsc::Receiver<RunCommand>,
    terminal: mpsc::Sender<TerminalEvent>,
    handle: TuiHandle,
    paper: Paper,
    desktop: Arc<Desktop>,
    dir: TempDir,
}

impl Stage {
    fn emit(&mut self) {
        for record in &self.run.records[self.published..] {
            self.feed.publish(RunRecord::clone(record));
        }
        self.published = self.run.records.len();
    }

    async fn type_in(&self, bytes: &[u8]) {
        self.terminal.send(TerminalEvent::Input(bytes.to_vec())).await.unwrap();
    }

    fn screen(&self) -> String {
        self.paper.frames.borrow().last().cloned().unwrap_or_default()
    }

    fn frames(&self) -> usize {
        self.paper.frames.borrow().len()
    }

    async fn until_held(&self, hold: Option<TerminalMode>) {
        self.until(&format!("{hold:?}"), |_| *self.paper.hold.borrow() == hold).await;
    }

    /// Waits until the screen is as it should be; fails with the screen when that does not happen.
    async fn until(&self, what: &str, holds: impl Fn(&str) -> bool) {
        for _ in 0..1_000 {
            if holds(&self.screen()) {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("waited for {what}; the screen is\n{}", self.screen());
    }
}

/// Runs a screen and `script` beside it, until the screen ends. The record is in a directory.
async fn play<F: Future<Output = Stage>>(
    run: TestRun,
    script: impl FnOnce(Stage) -> F,
) -> (Result<Audience, TuiError>, Stage) {
    let dir = tempfile::tempdir().unwrap();
    let feed = Arc::new(LiveFeed::default());
    let (command, commands) = mpsc::channel(8);
    let source = LiveSource::new(Arc::clone(&feed), RunDir::at(dir.path().to_owned()), command);
    play_source(run, Origin { source, feed, commands, dir }, script).await
}

/// Where a screen has its run from.
struct Origin {
    source: LiveSource,
    feed: Arc<LiveFeed>,
    commands: mpsc::Receiver<RunCommand>,
    dir: TempDir,
}

/// The same with a record anywhere.
async fn play_source<F: Future<Output = Stage>>(
    run: TestRun,
    origin: Origin,
    script: impl FnOnce(Stage) -> F,
) -> (Result<Audience, TuiError>, Stage) {
    let Origin { source, feed, commands, dir } = origin;
    let (terminal, events) = mpsc::channel(8);
    let (handle, control) = TuiHandle::new();
    let paper = Paper::default();
    *paper.hold.borrow_mut() = Some(TerminalMode::Screen);
    let clock = Clock::starting_at(UNIX_EPOCH + Duration::from_millis(START));
    let notify = Notify { after: Duration::from_secs(30), by: NotifyBy::Osc9 };
    let settings = TuiSettings { notify: Some(notify), ..settings() };
    let mut model = Model::new(settings, TimeZone::UTC, Size::new(80, 24), clock.now());
    model.run_dir = location_of(&source);
    let lines = Arc::new(|stop: oneshot::Receiver<()>| {
        let _ = stop.blocking_recv();
        Ok(())
    });
    let desktop = Arc::new(Desktop::default());
    let programs = Arc::new(Arc::clone(&desktop));
    let source = Arc::new(source);
    let driver = Driver::new(model, paper.clone(), source, Lines::new(lines), programs, clock).unwrap();
    let mut stage = Stage { run, published: 0, feed, commands, terminal, handle, paper, desktop, dir };
    stage.emit();
    tokio::join!(driver.drive(TerminalEvents::scripted(events), control), script(stage))
}

#[tokio::test(start_paused = true)]
async fn a_run_is_shown_ended_and_left() {
    let (ended, _) = play(running(), |mut stage| async {
        stage.until("the running step", |screen| screen.contains("build #2/3 45%")).await;
        stage.type_in(b"q").await;
        stage.until("the question", |screen| screen.contains("End the run?")).await;
        stage.type_in(b"y").await;
        assert_eq!(stage.commands.recv().await, Some(RunCommand::CancelRun { force: false }));
        stage.until("an answer", |screen| screen.contains("requested the end of the run")).await;
        stage.run.finished(RunOutcome::Cancelled, 130);
        stage.emit();
        stage.feed.close();
        stage.until("the end", |screen| screen.contains("press q to leave")).await;
        stage.type_in(b"q").await;
        stage
    })
    .await;
    assert!(ended.is_ok());
}

#[tokio::test(start_paused = true)]
async fn of_a_burst_nothing_is_lost() {
    let mut step = plan("fix", &[]);
    step.worker = WorkerKind::CLAUDE_CODE;
    let mut run = TestRun::with(vec![step], true);
    run.running("fix", 1, 7);
    let (ended, _) = play(run, |mut stage| async {
        stage.until("the step", |screen| screen.contains("fix")).await;
        for number in 0..3 * RECORDS_AT_ONCE {
            let (id, name) = (number.to_string(), "Bash".to_owned());
            let (input, blob, parent) = (serde_json::Value::Null, None, None);
            let call = ToolCall::new(id, name, input).with_blob(blob).with_parent(parent);
            stage.run.event(&of("fix", 1), WorkerEvent::ToolCall(call));
        }
        stage.emit();
        let all = format!("{} calls", 3 * RECORDS_AT_ONCE);
        stage.until("all calls", |screen| screen.contains(&all)).await;
        stage.run.finished(RunOutcome::Succeeded, 0);
        stage.emit();
        stage.feed.close();
        stage.until("the end", |screen| screen.contains("succeeded in")).await;
        stage.type_in(b"q").await;
        stage
    })
    .await;
    assert!(ended.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_folded_into_few_frames_and_silence_into_none() {
    let mut run = TestRun::with(vec![plan("build", &[])], true);
    run.running("build", 1, 7);
    let (ended, _) = play(run, |mut stage| async {
        stage.until("the step", |screen| screen.contains("build")).await;
        let before = stage.frames();
        for number in 0..200 {
            stage.run.progress(&of("build", 1), f64::from(number) / 2.0, "compile", "file");
            stage.emit();
            sleep(Duration::from_millis(1)).await;
        }
        stage.until("the last progress", |screen| screen.contains("100%")).await;
        let frames = stage.frames() - before;
        assert!((2..=9).contains(&frames), "{frames} frames in a fifth of a second");

        let before = stage.frames();
        sleep(Duration::from_secs(10)).await;
        let frames = stage.frames() - before;
        assert!((9..=11).contains(&frames), "{frames} frames while only the clock went on");

        stage.run.finished(RunOutcome::Succeeded, 0);
        stage.emit();
        stage.feed.close();
        stage.until("the end", |screen| screen.contains("succeeded in")).await;
        sleep(Duration::from_secs(1)).await;
        let before = stage.frames();
        sleep(Duration::from_secs(100)).await;
        assert_eq!(stage.frames(), before, "nothing changes after the end");
        stage.type_in(b"\x03").await;
        stage
    })
    .await;
    assert!(ended.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_falls_behind_starts_afresh() {
    let (ended, _) = play(TestRun::release(), |mut stage| async {
        stage.until("the steps", |screen| screen.contains("publish")).await;
        // More than a follower may be behind, at once.
        stage.run.running("fetch", 1, 1);
        for _ in 0..1_000 {
            stage.run.event(&of("fetch", 1), WorkerEvent::Stdout(WorkerOutput::default()));
        }
        stage.run.ended(&of("fetch", 1), result(WorkerStatus::Succeeded, Some(0)));
        stage.run.finished(RunOutcome::Succeeded, 0);
        stage.emit();
        stage.until("the end", |screen| screen.contains("succeeded in")).await;
        stage.handle.stop();
        stage
    })
    .await;
    assert!(ended.is_ok());
}

// In real time: the log is read on a thread.
#[tokio::test]
async fn the_log_is_read_from_the_record_while_it_grows() {
    let (ended, _) = play(running(), |stage| async {
        let steps = stage.dir.path().join("steps/build");
        fs::create_dir_all(&steps).unwrap();
        let log = steps.join("i1-a2.log");
        stage.type_in(b"2").await;
        stage.until("an empty log", |screen| screen.contains("It has printed nothing yet.")).await;
        fs::write(&log, "one\n\x1b[31mtwo\x1b[0m\n 10%\r100%").unwrap();
        stage.until("three lines", |screen| screen.contains("two") && screen.contains("100%")).await;
        let mut more = OpenOptions::new().append(true).open(&log).unwrap();
        writeln!(more, "\n{}\nlast", "x".repeat(10 * 1024 * 1024)).unwrap();
        more.write_all("more\n".repeat(100).as_bytes()).unwrap();
        stage.until("the end of it", |screen| screen.contains("/105 · following")).await;
        stage.type_in(b"\rg").await;
        let beginning = |screen: &str| screen.contains("one") && screen.contains("xxx…");
        stage.until("the beginning of it", beginning).await;
        stage.handle.stop();
        stage
    })
    .await;
    assert!(ended.is_ok());
}

// In real time: the log is read on a thread.
#[tokio::test]
async fn a_search_finds_what_is_far_away_and_what_comes_later() {
    let (ended, _) = play(running(), |stage| async {
        let steps = stage.dir.path().join("steps/build");
        fs::create_dir_all(&steps).unwrap();
        let log = steps.join("i1-a2.log");
        let lines: String =
            (1..=50_000).map(|number| format!("line {number} \x1b[1mof\x1b[0m many\n")).collect();
        fs::write(&log, lines).unwrap();
        stage.type_in(b"2\r/31000 of\r").await;
        stage.until("the line", |screen| screen.contains("›line 31000 of many")).await;
        stage.until("the count", |screen| screen.contains("\"31000 of\" 1 of 1 line ")).await;
        let mut more = OpenOptions::new().append(true).open(&log).unwrap();
        more.write_all(b"again 31000 of them\n").unwrap();
        stage.until("the other one", |screen| screen.contains("1 of 2 lines")).await;
        stage.type_in(b"n&").await;
        stage
            .until("the two alone", |screen| {
                screen.contains("›again 31000") && screen.contains("only \"31000 of\" 2 of 2 lines")
            })
            .await;
        stage.type_in(b"y").await;
        stage.until("that it was copied", |screen| screen.contains("copied 2 lines")).await;
        let text = "line 31000 of many\nagain 31000 of them";
        assert_eq!(*stage.desktop.copied.lock().unwrap(), [text]);
        assert!(stage.paper.said.borrow().ends_with(&osc52(text)), "the terminal is told as well");
        stage.handle.stop();
        stage
    })
    .await;
    assert!(ended.is_ok());
}

#[tokio::test(start_paused = true)]
async fn escape_is_told_from_the_beginning_of_a_sequence() {
    let (ended, _) = play(running(), |stage| async {
        stage.type_in(b"q").await;
        stage.until("the question", |screen| screen.contains("End the run?")).await;
        stage.type_in(b"\x1b").await;
        stage.until("no question", |screen| !screen.contains("End the run?")).await;
        // The two halves of End, which must not be Escape and two characters.
        stage.type_in(b"\x1b[").await;
        sleep(Duration::from_millis(20)).await;
        stage.type_in(b"F").await;
        stage.until("the last step", |screen| screen.contains("›○ publish")).await;
        stage.handle.stop();
        stage
    })
    .await;
    assert!(ended.is_ok());
}

#[tokio::test(start_paused = true)]
async fn interrupts_go_a_stage_further_each_time() {
    let (ended, _) = play(running(), |mut stage| async {
        stage.type_in(b"\x03\x03").await;
        assert_eq!(stage.commands.recv().await, Some(RunCommand::CancelRun { force: false }));
        assert_eq!(stage.commands.recv().await, Some(RunCommand::CancelRun { force: true }));
        stage.type_in(b"\x03").await;
        assert_eq!(stage.commands.recv().await, Some(RunCommand::LeaveNow));
        stage
    })
    .await;
    assert!(ended.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_terminal_that_goes_away_is_a_hang_up() {
    let (ended, _) = play(running(), |stage| async {
        let gone = TerminalEvent::Gone(io::ErrorKind::UnexpectedEof.into());
        stage.terminal.send(gone).await.unwrap();
        stage
    })
    .await;
    assert!(matches!(ended, Err(TuiError::Gone(_))), "{ended:?}");

    let (ended, _) = play(running(), |stage| async {
        *stage.paper.fails.borrow_mut() = true;
        stage
    })
    .await;
    assert!(matches!(ended, Err(TuiError::Gone(_))), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_drawn_on_a_terminal_that_was_given_back() {
    let (ended, _) = play(running(), |stage| async {
        *stage.paper.hold.borrow_mut() = None;
        let before = stage.frames();
        sleep(Duration::from_secs(10)).await;
        assert_eq!(stage.frames(), before);
        stage
    })
    .await;
    assert!(matches!(ended, Err(TuiError::Restored)), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_is_drawn_at_once_and_many_keys_are_drawn_together() {
    let (ended, _) = play(running(), |stage| async {
        stage.until("the run", |screen| screen.contains("publish")).await;
        // The frame before was drawn a moment ago: the turn of the next one has not come.
        let before = Instant::now();
        stage.type_in(b"3").await;
        while !stage.screen().contains("reported no changes") {
            tokio::task::yield_now().await;
        }
        assert_eq!(Instant::now(), before, "no time went by");

        let (before, since) = (stage.frames(), Instant::now());
        for _ in 0..100 {
            stage.type_in(b"j").await;
            stage.type_in(b"k").await;
            sleep(Duration::from_millis(1)).await;
        }
        let (frames, took) = (stage.frames() - before, since.elapsed());
        let most = took.as_millis() as usize / 16 + 2;
        assert!((3..=most).contains(&frames), "{frames} frames for 200 keys in {took:?}");
        stage.handle.stop();
        stage
    })
    .await;
    assert!(ended.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_screen_is_put_away_for_lines_and_comes_back() {
    let (ended, _) = play(running(), |stage| async {
        stage.until("the run", |screen| screen.contains("publish")).await;
        stage.type_in(b"s").await;
        stage.until_held(Some(TerminalMode::Lines)).await;
        let before = stage.frames();
        // Keys that one cannot see the effect of have none.
        stage.type_in(b"xy3").await;
        sleep(Duration::from_secs(10)).await;
        assert_eq!(stage.frames(), before);
        stage.type_in(b"s").await;
        stage.until_held(Some(TerminalMode::Screen)).await;
        stage.until("the screen as it was", |screen| screen.contains("Overview")).await;
        assert!(stage.frames() > before);
        stage.handle.stop();
        stage
    })
    .await;
    assert!(ended.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_terminal_that_is_lent_is_left_alone_until_the_process_goes_on() {
    let (ended, _) = play(running(), |stage| async {
        stage.until("the run", |screen| screen.contains("publish")).await;
        stage.type_in(b"\x1a").await;
        stage.until_held(Some(TerminalMode::Lent)).await;
        let before = stage.frames();
        sleep(Duration::from_secs(10)).await;
        assert_eq!(stage.frames(), before);
        stage.terminal.send(TerminalEvent::Continued).await.unwrap();
        stage.until_held(Some(TerminalMode::Screen)).await;
        sleep(Duration::from_millis(100)).await;
        assert!(stage.frames() > before);
        stage.handle.stop();
        stage
    })
    .await;
    assert!(ended.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_long_run_is_told_once_and_that_of_a_short_one_is_not() {
    for (took, told) in [(29_000, false), (31_000, true)] {
        let (ended, stage) = play(TestRun::release(), |mut stage| async move {
            stage.until("the run", |screen| screen.contains("publish")).await;
            stage.run.after(took).finished(RunOutcome::Failed, 1);
            stage.emit();
            stage.feed.close();
            stage.until("the end", |screen| screen.contains("press q to leave")).await;
            stage.type_in(b"q").await;
            stage
        })
        .await;
        assert!(ended.is_ok());
        let expected: &[u8] = if told { b"\x1b]9;release: failed after 31s\x1b\\" } else { b"" };
        assert_eq!(*stage.paper.said.borrow(), expected);
    }
}

// In real time: the log is read on a thread.
#[tokio::test]
async fn an_editor_has_the_terminal_until_it_ends() {
    let (ended, stage) = play(running(), |stage| async {
        let steps = stage.dir.path().join("steps/build");
        fs::create_dir_all(&steps).unwrap();
        fs::write(steps.join("i1-a2.log"), "src/main.rs:12:5: error: wrong\n").unwrap();
        stage.type_in(b"2\r").await;
        stage.until("the line", |screen| screen.contains("src/main.rs:12")).await;
        stage.type_in(b"v").await;
        stage.until_held(Some(TerminalMode::Editor)).await;
        let place = Location { path: "src/main.rs".to_owned(), line: 12, column: Some(5) };
        assert_eq!(stage.desktop.opened.lock().unwrap()[0].places, [place]);
        // That it was stopped and goes on gives nobody the terminal but the editor.
        stage.terminal.send(TerminalEvent::Continued).await.unwrap();
        let taken = || stage.terminal.capacity() == stage.terminal.max_capacity();
        stage.until("it to be taken in", |_| taken()).await;
        assert_eq!(*stage.paper.hold.borrow(), Some(TerminalMode::Editor));
        stage.desktop.close.notify_one();
        stage.until_held(Some(TerminalMode::Screen)).await;
        stage.until("what became of it", |screen| screen.contains("vi ended with exit code 1")).await;
        assert!(!stage.screen().contains("ending"));

        stage.type_in(b"v").await;
        stage.until_held(Some(TerminalMode::Editor)).await;
        stage.handle.stop();
        stage
    })
    .await;
    assert!(ended.is_ok());
    assert!(stage.desktop.opened.lock().unwrap().is_empty(), "an editor is ended with the screen");
}

#[tokio::test(start_paused = true)]
async fn the_mouse_can_be_given_back() {
    let (ended, _) = play(running(), |stage| async {
        stage.type_in(b"m").await;
        stage.until("that it is given back", |screen| screen.contains("the mouse is the terminal's")).await;
        assert!(!*stage.paper.mouse.borrow());
        stage.type_in(b"m").await;
        stage.until("that it is taken", |screen| screen.contains("the mouse marks text here")).await;
        assert!(*stage.paper.mouse.borrow());
        stage.handle.stop();
        stage
    })
    .await;
    assert!(ended.is_ok());
}
