//! Progress may come at any rate; a person reads the latest.

use std::time::Duration;

use roboppi_ipc::{Mono, Progress};

/// Lets one progress through at a time, the latest one, and never loses the last one.
///
/// What it holds back is neither shown nor recorded: it takes no number.
#[derive(Debug)]
pub(crate) struct ProgressThinner {
    every: Duration,
    last: Option<Mono>,
    held: Option<Progress>,
}

impl ProgressThinner {
    pub(crate) const fn new(every: Duration) -> Self {
        Self { every, last: None, held: None }
    }

    /// Takes the next progress; gives back the one to show now, if any.
    pub(crate) fn offer(&mut self, now: Mono, progress: Progress) -> Option<Progress> {
        self.held = Some(progress);
        self.due().is_none_or(|due| due <= now).then(|| self.release(now)).flatten()
    }

    /// When the held one is to be shown.
    pub(crate) fn due(&self) -> Option<Mono> {
        self.held.as_ref()?;
        self.last.map(|last| last + self.every)
    }

    /// Gives the held one, if there is one.
    pub(crate) fn release(&mut self, now: Mono) -> Option<Progress> {
        let held = self.held.take()?;
        self.last = Some(now);
        Some(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_is_shown_once_in_a_while_and_the_last_always() {
        let at = |ms| Mono::from_origin(Duration::from_millis(ms));
        let progress = |text: &str| Progress::new(text);
        let shown = |progress: Option<Progress>| progress.map(|p| p.message);
        let mut thinner = ProgressThinner::new(Duration::from_millis(100));
        assert_eq!(shown(thinner.offer(at(5), progress("a"))).as_deref(), Some("a"));
        assert_eq!(shown(thinner.offer(at(6), progress("b"))), None);
        assert_eq!(shown(thinner.offer(at(50), progress("c"))), None);
        assert_eq!(thinner.due(), Some(at(105)));
        assert_eq!(shown(thinner.release(at(105))).as_deref(), Some("c"));
        assert_eq!(thinner.due(), None);
        assert_eq!(shown(thinner.release(at(106))), None);
        assert_eq!(shown(thinner.offer(at(205), progress("d"))).as_deref(), Some("d"));
    }
}
