//! Finds one line, a stretch at a time.

use std::ops::ControlFlow;

use roboppi_record::{Log, RecordError, SearchPosition};

use super::matches::{SLICE, Test};
use crate::log_pane::Direction;

/// A search for one line that goes around the end of the log, or its beginning, once.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) test: Test,
    direction: Direction,
    /// Where it began: not searched further than this the second time.
    from: u64,
    state: State,
    pub(super) wrapped: bool,
}

#[derive(Debug)]
enum State {
    Begin(u64),
    Forward(SearchPosition),
    Backward(u64),
}

impl Search {
    pub(super) fn new(test: Test, direction: Direction, from: u64) -> Self {
        Self { test, direction, from, state: State::Begin(from), wrapped: false }
    }

    /// Searches a stretch: the line, or `None` when there is none at all. `Continue` when it is not known yet.
    pub(super) fn advance(&mut self, log: &mut dyn Log) -> Result<ControlFlow<Option<u64>>, RecordError> {
        match (&self.state, self.direction) {
            (State::Begin(line), Direction::Forward) => self.state = State::Forward(log.search_from(*line)?),
            (State::Begin(line), Direction::Backward) => self.state = State::Backward(*line),
            (State::Forward(at), _) => {
                let at = *at;
                let mut found = None;
                let reached = log.search(&self.test.needle, at, SLICE, &mut |line| {
                    found = Some(line);
                    ControlFlow::Break(())
                })?;
                if let Some(found) = found {
                    if self.wrapped && found.number >= self.from {
                        return Ok(ControlFlow::Break(None));
                    }
                    if self.test.holds(log, found.offset)? {
                        return Ok(ControlFlow::Break(Some(found.number)));
                    }
                }
                self.state = State::Forward(reached);
                if reached == at || reached.offset() >= log.len() {
                    return Ok(self.around(0));
                }
            }
            (State::Backward(before), _) => {
                let (found, searched) = log.search_back(&self.test.needle, *before, SLICE)?;
                if let Some(found) = found {
                    let over = self.wrapped && found.number < self.from;
                    if over || self.test.holds(log, found.offset)? {
                        return Ok(ControlFlow::Break((!over).then_some(found.number)));
                    }
                }
                let searched = found.map_or(searched, |found| found.number);
                self.state = State::Backward(searched);
                if searched == 0 {
                    let end = log.line_count()?;
                    return Ok(self.around(end));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn around(&mut self, from: u64) -> ControlFlow<Option<u64>> {
        if self.wrapped {
            return ControlFlow::Break(None);
        }
        self.wrapped = true;
        self.state = State::Begin(from);
        ControlFlow::Continue(())
    }
}
