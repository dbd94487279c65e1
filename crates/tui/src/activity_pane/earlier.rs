//! Things an agent did before those that are kept, read from the record when somebody goes there.

use std::sync::Arc;

use roboppi_run::{Activity, AttemptRef, AttemptView, Stretch};

/// A stretch that is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EarlierRequest {
    pub(crate) of: AttemptRef,
    pub(crate) stretch: Stretch,
    /// Number of the last event that is known; what a replay has not come to is not read.
    pub(crate) known: Option<u64>,
    /// Nothing is added to its events any more.
    pub(crate) is_over: bool,
}

/// A stretch that was read, or why it could not be.
#[derive(Clone, Debug)]
pub(crate) struct EarlierRead {
    pub(crate) request: EarlierRequest,
    pub(crate) found: Result<Arc<Activity>, String>,
}

/// Where the tab is among all things.
#[derive(Debug, Default)]
pub(crate) struct HistoryPane {
    /// The stretch that is shown; `None` for the latest things.
    shown: Option<Arc<Activity>>,
    wanted: Option<EarlierRequest>,
}

/// What going on has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Onward {
    /// There is nothing more that way.
    Nowhere,
    /// It is being read.
    Reading,
    /// To the latest things.
    Latest,
}

impl HistoryPane {
    pub(crate) const fn shown(&self) -> Option<&Arc<Activity>> {
        self.shown.as_ref()
    }

    pub(crate) const fn wanted(&self) -> Option<&EarlierRequest> {
        self.wanted.as_ref()
    }

    /// Goes to what comes before what is shown.
    pub(crate) fn back(&mut self, attempt: &AttemptView) -> Onward {
        match self.activity(attempt).last_given_up {
            Some(last) => self.want(attempt, Stretch::UpTo(last)),
            None => Onward::Nowhere,
        }
    }

    /// Goes to the first things.
    pub(crate) fn first(&mut self, attempt: &AttemptView) -> Onward {
        match self.activity(attempt).last_given_up {
            Some(_) => self.want(attempt, Stretch::Behind(None)),
            None => Onward::Nowhere,
        }
    }

    /// Goes to what comes behind what is shown.
    pub(crate) fn on(&mut self, attempt: &AttemptView) -> Onward {
        let Some(shown) = &self.shown else { return Onward::Nowhere };
        let last = shown.items.back().map(|item| item.seq);
        if last >= attempt.activity.last_given_up {
            self.latest();
            return Onward::Latest;
        }
        self.want(attempt, Stretch::Behind(last))
    }

    /// Goes to the latest things.
    pub(crate) fn latest(&mut self) {
        *self = Self::default();
    }

    /// Takes in what was read, when it is still wanted: what it was, or why there is nothing.
    pub(crate) fn ingest(&mut self, read: EarlierRead) -> Option<Result<Stretch, String>> {
        let request = self.wanted.take_if(|wanted| *wanted == read.request)?;
        Some(match read.found {
            Ok(found) if found.items.is_empty() => Err("what came before is not in the record".to_owned()),
            Ok(found) => {
                self.shown = Some(found);
                Ok(request.stretch)
            }
            Err(error) => Err(error),
        })
    }

    fn activity<'a>(&'a self, attempt: &'a AttemptView) -> &'a Activity {
        self.shown.as_deref().unwrap_or(&attempt.activity)
    }

    fn want(&mut self, attempt: &AttemptView, stretch: Stretch) -> Onward {
        let (of, known) = (attempt.of.clone(), attempt.activity.last_seq);
        self.wanted = Some(EarlierRequest { of, stretch, known, is_over: attempt.finished_at.is_some() });
        Onward::Reading
    }
}
