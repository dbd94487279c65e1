//! Anything in any order.

use std::sync::Arc;

use proptest::prelude::*;
use ratatui::layout::Size;
use roboppi_ipc::{OutputStream, UtcMillis};
use roboppi_run::{HostId, RunEvent, RunRecord, RunView, StepPath, StepState};

use super::super::{prepare, update};
use crate::keymap::Key;
use crate::log_pane::{CoreTail, LogRow, RowPos};
use crate::message::Message;
use crate::model::Model;
use crate::mouse::Mouse;
use crate::test_run::{TestRun, draw, empty, ending, failed, of, plan, running, serve_log, succeeded};

/// Something a random test does.
#[derive(Clone, Debug)]
enum Op {
    Key(Key),
    Resize(u16, u16),
    Tick(u64),
    Record(usize),
    View(usize, usize),
    Mouse(u16, u16, u16),
    Pull,
    Log(u8),
    Core,
    Ended,
}

fn keys() -> impl Strategy<Value = Key> {
    prop_oneof![
        4 => prop::sample::select(vec![
            Key::Up, Key::Down, Key::Left, Key::Right, Key::PageUp, Key::PageDown, Key::Home, Key::End,
            Key::Enter, Key::Esc, Key::Tab, Key::BackTab, Key::Ctrl('c'), Key::Backspace,
        ]),
        4 => prop::sample::select("123456789qynNFdsr xfogGjk[]<>?vm/&".chars().map(Key::Char).collect::<Vec<_>>()),
        1 => any::<char>().prop_map(Key::Char),
    ]
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let size = || prop_oneof![0u16..12, 15u16..45, 70u16..130];
    prop::collection::vec(
        prop_oneof![
            8 => keys().prop_map(Op::Key),
            2 => (size(), size()).prop_map(|(columns, rows)| Op::Resize(columns, rows)),
            2 => (0u64..100_000).prop_map(Op::Tick),
            8 => (0usize..80).prop_map(Op::Record),
            1 => (0usize..6, 0usize..80).prop_map(|(run, upto)| Op::View(run, upto)),
            8 => (prop::sample::select(vec![0u16, 3, 16, 32, 64, 65, 66, 67]), 0u16..130, 0u16..45)
                .prop_map(|(number, x, y)| Op::Mouse(number, x, y)),
            1 => Just(Op::Pull),
            2 => any::<u8>().prop_map(Op::Log),
            1 => Just(Op::Core),
            1 => Just(Op::Ended),
        ],
        0..60,
    )
}

fn runs(hostile: &str) -> Vec<TestRun> {
    let mut evil = TestRun::with(vec![plan(hostile, &[hostile]), plan("b", &[])], false);
    evil.running(hostile, 1, 1).patch(&of(hostile, 1), hostile, hostile);
    evil.progress(&of(hostile, 1), f64::NAN, hostile, hostile);
    evil.journal(RunEvent::Warning { message: hostile.to_owned(), step: Some(StepPath::from(hostile)) });
    evil.journal(RunEvent::CoreLost { host: HostId::here(), incarnation: 1, detail: hostile.to_owned() });
    evil.state_because(hostile, StepState::Lost, Some(hostile));
    vec![running(), ending(), failed(), succeeded(), evil, TestRun::with(Vec::new(), true)]
}

fn perform(model: &mut Model, op: &Op, runs: &[TestRun], hostile: &str) {
    let message = match op {
        Op::Key(key) => Message::Key(*key),
        Op::Resize(columns, rows) => Message::Resize(Size::new(*columns, *rows)),
        Op::Mouse(number, x, y) => match Mouse::reported(number & !3, *x, *y, number & 3 == 3) {
            Some(mouse) => Message::Mouse(mouse, model.now),
            None => return,
        },
        Op::Pull => Message::Pull,
        Op::Tick(ms) => Message::Tick(UtcMillis(model.now.0.saturating_add(*ms))),
        // Records in an order no run would have.
        Op::Record(index) => {
            let records: Vec<&Arc<RunRecord>> = runs.iter().flat_map(|run| &run.records).collect();
            Message::Record(Arc::clone(records[index * 7 % records.len()]))
        }
        Op::View(run, upto) => {
            let mut view = RunView::default();
            runs[*run].records.iter().take(*upto).for_each(|record| view.apply(record));
            Message::Follow(Box::new(view))
        }
        Op::Log(lines) => {
            let styled = crate::sanitise::styled_line(hostile.as_bytes(), 60, true);
            let log: Vec<_> = (0..u64::from(*lines))
                .map(|number| LogRow {
                    place: RowPos { line: number, part: 0 },
                    stream: OutputStream::Stderr,
                    ts: None,
                    column: 0,
                    runs: styled.runs.clone(),
                    cut: styled.cut,
                    hits: Vec::new(),
                    lost: number % 3,
                })
                .collect();
            return serve_log(model, &log);
        }
        Op::Core => Message::CoreTail(CoreTail {
            lines: vec![crate::sanitise::line(hostile); 50],
            skipped: 7,
            path: hostile.to_owned(),
            error: None,
        }),
        Op::Ended => Message::Ended,
    };
    update(model, message);
}

proptest! {
    #[test]
    fn whatever_happens_a_frame_can_be_drawn_and_is_harmless(
        ops in ops(),
        columns in 0u16..130,
        rows in 0u16..45,
        hostile in prop_oneof![any::<String>(), Just("\x1b[2J\u{9b}0m\r\n\t\u{202e}漢字 👩‍👩‍👧 e\u{301}".to_owned())],
    ) {
        let runs = runs(&hostile);
        let mut model = empty(columns, rows);
        for op in &ops {
            perform(&mut model, op, &runs, &hostile);
            prepare(&mut model);
            for cell in draw(&model).content() {
                prop_assert!(!cell.symbol().chars().any(char::is_control), "{:?}", cell);
                prop_assert!(!cell.symbol().contains('\u{202e}'), "{:?}", cell);
            }
            let steps = &model.view.steps;
            prop_assert!(steps.is_empty() || model.selected_index().is_some());
            let list = crate::view::list_area(&model, crate::layout::Areas::of(model.size, model.focus).steps).height;
            let selected = model.selected_index();
            let row = model.listed().into_iter().position(|at| Some(at) == selected);
            prop_assert_eq!(row.is_some(), selected.is_some());
            if let Some(at) = row.filter(|_| list > 0) {
                prop_assert!((model.list.top..model.list.top + usize::from(list)).contains(&at));
            }
        }
    }
}
