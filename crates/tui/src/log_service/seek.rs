//! Finds one line, a stretch at a time.

use std::ops::ControlFlow;

use roboppi_record::{Log, Needle, RecordError, SearchPosition};

use super::matches::{Matches, SLICE};
use crate::log_pane::Direction;

/// A search for one line that goes around the end of the log, or its beginning, once.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) needle: Needle,
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
    pub(super) fn new(needle: Needle, direction: Direction, from: u64) -> Self {
        Self { needle, direction, from, state: State::Begin(from), wrapped: false }
    }

    /// Searches a stretch: the line, or `None` when there is none at all. `Continue` when it is not known yet. `known` are
    /// the lines that are counted, when they are those that are searched for: what was searched for them is not searched
    /// again, and they are searched further whatever this returns.
    pub(super) fn advance(
        &mut self,
        log: &mut dyn Log,
        known: Option<&Matches>,
    ) -> Result<ControlFlow<Option<u64>>, RecordError> {
        match (&self.state, self.direction) {
            (State::Begin(line), Direction::Forward) => self.state = State::Forward(log.search_from(*line)?),
            (State::Begin(line), Direction::Backward) => self.state = State::Backward(*line),
            (State::Forward(at), _) => {
                let at = *at;
                let (line, reached) = match known {
                    Some(known) if at.offset() < known.searched() => {
                        let before = known.before(log, at.line())?;
                        (known.lines(log, before..before + 1)?.first().copied(), known.position())
                    }
                    // They come here soon.
                    Some(known) if self.wrapped && !known.is_done() => (None, at),
                    _ => self.forward(log, at)?,
                };
                if let Some(line) = line {
                    let over = self.wrapped && line >= self.from;
                    return Ok(ControlFlow::Break((!over).then_some(line)));
                }
                self.state = State::Forward(reached);
                let is_waiting = reached == at && known.is_some_and(|known| !known.is_done());
                if reached.offset() >= log.len() || (reached == at && !is_waiting) {
                    return Ok(self.around(0));
                }
            }
            (State::Backward(before), _) => {
                let (line, searched) = self.backward(log, *before, known)?;
                if let Some(line) = line {
                    let over = self.wrapped && line < self.from;
                    return Ok(ControlFlow::Break((!over).then_some(line)));
                }
                self.state = State::Backward(searched);
                if searched == 0 {
                    let end = log.line_count()?;
                    return Ok(self.around(end));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The next line from a position on, and the position up to which it was searched.
    fn forward(
        &self,
        log: &mut dyn Log,
        at: SearchPosition,
    ) -> Result<(Option<u64>, SearchPosition), RecordError> {
        let mut found = None;
        let reached = log.search(&self.needle, at, SLICE, &mut |line| {
            found = Some(line.number);
            ControlFlow::Break(())
        })?;
        Ok((found, reached))
    }

    /// The last line before another, and the number of the first line that was searched.
    fn backward(
        &self,
        log: &mut dyn Log,
        before: u64,
        known: Option<&Matches>,
    ) -> Result<(Option<u64>, u64), RecordError> {
        if let Some(known) = known
            && log.line_start(before)?.unwrap_or(log.len()) <= known.searched()
        {
            let ordinal = known.before(log, before)?.checked_sub(1);
            let line = ordinal.map(|ordinal| known.lines(log, ordinal..ordinal + 1)).transpose()?;
            return Ok((line.and_then(|lines| lines.first().copied()), 0));
        }
        let (found, searched) = log.search_back(&self.needle, before, SLICE)?;
        Ok((found.map(|found| found.number), searched))
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
