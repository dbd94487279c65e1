//! Works stretches of what an agent did out of its event file.

use std::collections::VecDeque;

use roboppi_record::{EventPosition, RecordError, RecordStore};
use roboppi_run::{Activity, AttemptRef, HistoryPage};

use crate::activity_pane::EarlierRequest;

/// Reads the stretches of one attempt after another. Of an attempt that is over it keeps what had happened up to some
/// places before the stretch it read last, so that paging backwards does not begin at the beginning for every page.
#[derive(Debug)]
pub(super) struct EarlierReader {
    of: Option<AttemptRef>,
    /// Events between two places.
    every: u64,
    /// In the order of the file.
    kept: VecDeque<Kept>,
}

/// What had happened up to a place.
#[derive(Debug)]
struct Kept {
    position: EventPosition,
    activity: Activity,
}

impl Default for EarlierReader {
    fn default() -> Self {
        Self { of: None, every: 16 * 1024, kept: VecDeque::new() }
    }
}

impl EarlierReader {
    /// Places that are kept. The oldest is given up for a new one.
    const PLACES: usize = 8;

    pub(super) fn read(
        &mut self,
        record: &dyn RecordStore,
        request: &EarlierRequest,
    ) -> Result<Activity, RecordError> {
        // The file of an attempt that goes on may lose what is in its middle.
        if !request.is_over || self.of.as_ref() != Some(&request.of) {
            self.of = Some(request.of.clone());
            self.kept.clear();
        }
        let mut events = record.events(&request.of)?;
        let mut page = self.begin(request, &mut |position| events.resume(position));
        loop {
            let position = events.resume_point();
            if request.is_over {
                self.keep(position, &page);
            }
            let record = match events.next() {
                None => break,
                Some(Ok(record)) => record,
                // A damaged line; the next one can be read.
                Some(Err(RecordError::BadJson { .. })) => continue,
                Some(Err(error)) => return Err(error),
            };
            let is_known = request.known.is_some_and(|known| record.seq <= known);
            if !is_known || page.take(&record).is_break() {
                break;
            }
        }
        Ok(page.finish())
    }

    /// Begins at the last place before the stretch.
    fn begin(&mut self, request: &EarlierRequest, resume: &mut dyn FnMut(EventPosition)) -> HistoryPage {
        let stretch = request.stretch;
        let place = self.kept.iter().rev().find(|kept| stretch.is_behind(&kept.activity));
        if let Some(Kept { position, activity }) = place {
            resume(*position);
            return HistoryPage::going_on(stretch, activity.clone());
        }
        self.kept.clear();
        HistoryPage::new(stretch)
    }

    fn keep(&mut self, position: EventPosition, page: &HistoryPage) {
        let last = self.kept.back().map_or(0, |kept| kept.position.events_before());
        if position.events_before() < last + self.every {
            return;
        }
        let Some(activity) = page.so_far() else { return };
        if self.kept.len() == Self::PLACES {
            self.kept.pop_front();
        }
        self.kept.push_back(Kept { position, activity: activity.clone() });
    }
}

#[cfg(test)]
mod tests {
    use roboppi_ipc::{ToolCall, ToolResult, UtcMillis, WorkerEvent};
    use roboppi_record::MemoryRecord;
    use roboppi_run::{AttemptActivity, AttemptRecord, RunRecord, Stretch};

    use super::*;
    use crate::test_run;

    #[test]
    fn paging_back_reads_the_same_from_the_places_it_knows() {
        let of = test_run::of("s", 1);
        let record = MemoryRecord::default();
        let mut live = AttemptActivity::default();
        let mut seq = 0;
        let mut add = |event| {
            let one = AttemptRecord { seq, ts: UtcMillis(seq), at: 0, event };
            live.apply(&one);
            record.add(&RunRecord::Attempt(of.clone(), one));
            seq += 1;
        };
        let result = |number: u64| ToolResult::new(format!("t{number}"), !number.is_multiple_of(7), "");
        for number in 0..10_000_u64 {
            let input = serde_json::Value::Null;
            add(WorkerEvent::ToolCall(ToolCall::new(format!("t{number}"), "Bash", input)));
            // Some end late.
            match number % 17 {
                16 => {}
                7 if number > 7 => {
                    add(WorkerEvent::ToolResult(result(number)));
                    add(WorkerEvent::ToolResult(result(number - 8)));
                }
                _ => add(WorkerEvent::ToolResult(result(number))),
            }
        }
        let mut reader = EarlierReader { every: 700, ..EarlierReader::default() };
        let (mut shown, mut pages, mut from_a_place) = ((*live).clone(), 0, 0);
        while let Some(last) = shown.last_given_up {
            let known = Some(seq);
            let stretch = Stretch::UpTo(last);
            let request = EarlierRequest { of: of.clone(), stretch, known, is_over: true };
            from_a_place += u32::from(reader.kept.iter().any(|kept| stretch.is_behind(&kept.activity)));
            let found = reader.read(&record, &request).unwrap();
            assert!(reader.kept.len() <= EarlierReader::PLACES);
            assert!(found == EarlierReader::default().read(&record, &request).unwrap(), "page {pages}");
            let on = EarlierRequest { stretch: Stretch::Behind(Some(last)), ..request };
            let behind = reader.read(&record, &on).unwrap();
            assert!(behind == EarlierReader::default().read(&record, &on).unwrap(), "behind page {pages}");
            shown = found;
            pages += 1;
        }
        assert!(pages >= 8 && from_a_place >= pages - 4, "{from_a_place} of {pages}");
    }
}
