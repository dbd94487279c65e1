//! Decides when to look at files that somebody else writes.

use std::time::Duration;

use roboppi_ipc::Mono;

/// Time between two looks at files that are being written.
pub(super) const BUSY: Duration = Duration::from_millis(40);

/// Time from a notice to the first look, which doubles from look to look until it is [`BUSY`]. The first thing a writer
/// touches need not be what is looked for.
const SOON: Duration = Duration::from_millis(1);

/// How long nothing must have changed before notices are asked for.
pub(super) const REST: Duration = Duration::from_secs(1);

/// Time between two looks where nobody says that something changed.
pub(super) const POLLING: Duration = Duration::from_millis(100);

/// When to look.
///
/// Whoever writes a file pays for each notice that somebody has asked for: with many viewers more than for the write. So
/// while there is something new, none is asked for, and files are looked at again and again, which costs nobody but the
/// viewer. Only when nothing has changed for a while a single notice is asked for. Then the first write is seen at once,
/// and what it costs is paid once in a while, however much is written.
#[derive(Debug)]
pub(super) struct Rhythm {
    state: State,
    polled: Mono,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Looks on its own.
    Busy {
        /// When something changed last.
        changed: Mono,
        /// Time to the next look.
        pace: Duration,
    },
    /// Notices were asked for. What was written before that is still to be looked for.
    Arming,
    /// A notice will come.
    Resting,
    /// No notice will ever come.
    Polling,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Somebody wants to be told of a change.
    Requested,
    /// Files were looked at.
    Polled {
        /// They are not as they were the last time.
        changed: bool,
    },
    /// Notices were asked for.
    Armed {
        /// They will come.
        granted: bool,
    },
    /// A notice came.
    LinkState,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Look at the files at this time.
    PollAt(Mono),
    /// Ask for one notice of whatever changes.
    Arm,
    /// Wait for the notice.
    Rest,
    /// Tell whoever asked.
    Notify,
}

impl Rhythm {
    /// Before the first look.
    pub(super) const fn new(notices: bool) -> Self {
        let busy = State::Busy { changed: Mono::ZERO, pace: BUSY };
        let state = if notices { busy } else { State::Polling };
        Self { state, polled: Mono::ZERO }
    }

    pub(super) fn handle(&mut self, now: Mono, input: Input) -> Next {
        let (state, next) = match (self.state, input) {
            (State::Arming, Input::Armed { granted: true }) => (State::Arming, Next::PollAt(now)),
            (State::Arming, Input::Armed { granted: false }) => (State::Polling, self.poll_after(POLLING)),
            // What a distant file system says of a file may be old; reading it tells more.
            (State::Polling, Input::Polled { .. }) => (State::Polling, Next::Notify),
            (_, Input::Polled { changed: true }) => (State::Busy { changed: now, pace: BUSY }, Next::Notify),
            (State::Busy { changed, .. }, Input::Polled { changed: false }) if now.since(changed) >= REST => {
                (State::Arming, Next::Arm)
            }
            (State::Busy { changed, pace }, Input::Polled { changed: false }) => {
                let pace = (pace * 2).min(BUSY);
                (State::Busy { changed, pace }, Next::PollAt(now + pace))
            }
            (State::Arming | State::Resting, Input::Polled { changed: false }) => {
                (State::Resting, Next::Rest)
            }
            (State::Resting, Input::LinkState) => {
                (State::Busy { changed: now, pace: SOON }, Next::PollAt(now + SOON))
            }
            (State::Polling, _) => (State::Polling, self.poll_after(POLLING)),
            (state @ (State::Busy { .. } | State::Arming | State::Resting), _) => {
                (state, self.poll_after(BUSY))
            }
        };
        if let Input::Polled { .. } = input {
            self.polled = now;
        }
        self.state = state;
        next
    }

    fn poll_after(&self, time: Duration) -> Next {
        Next::PollAt(self.polled + time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAME: Input = Input::Polled { changed: false };
    const CHANGED: Input = Input::Polled { changed: true };
    const GRANTED: Input = Input::Armed { granted: true };
    const REFUSED: Input = Input::Armed { granted: false };

    const fn at(ms: u64) -> Mono {
        Mono::from_origin(Duration::from_millis(ms))
    }

    const fn look(ms: u64) -> Next {
        Next::PollAt(at(ms))
    }

    #[track_caller]
    fn check(notices: bool, course: &[(u64, Input, Next)]) {
        let mut rhythm = Rhythm::new(notices);
        for (ms, input, next) in course {
            assert_eq!(rhythm.handle(at(*ms), *input), *next, "at {ms} ms, {input:?}: {rhythm:?}");
        }
    }

    #[test]
    fn while_something_changes_no_notice_is_asked_for() {
        // What comes once in 20 looks is a steady stream, too.
        for looks in [1, 2, 20] {
            let mut rhythm = Rhythm::new(true);
            let mut last = at(0);
            for number in 1..1_000 {
                let Next::PollAt(time) = rhythm.handle(last + Duration::from_millis(3), Input::Requested)
                else {
                    panic!("{rhythm:?}");
                };
                assert_eq!(time, last + BUSY, "{rhythm:?}");
                last = time;
                for _ in 1..looks {
                    assert_eq!(rhythm.handle(last, SAME), Next::PollAt(last + BUSY), "{number}: {rhythm:?}");
                    last = last + BUSY;
                }
                assert_eq!(rhythm.handle(last, CHANGED), Next::Notify, "{rhythm:?}");
            }
        }
    }

    #[test]
    fn after_a_rest_one_notice_is_asked_for_and_files_are_looked_at_once_more() {
        check(
            true,
            &[
                (0, Input::Requested, look(40)),
                (40, CHANGED, Next::Notify),
                (43, Input::Requested, look(80)),
                (80, SAME, look(120)),
                (1_039, SAME, look(1_079)),
                (1_079, SAME, Next::Arm),
                (1_080, GRANTED, look(1_080)),
                (1_080, SAME, Next::Rest),
                // Nothing came within the limit of whoever asked.
                (2_080, Input::Requested, look(1_120)),
                (2_080, SAME, Next::Rest),
                (2_500, Input::LinkState, look(2_501)),
                (2_501, CHANGED, Next::Notify),
                (2_502, Input::Requested, look(2_541)),
            ],
        );
    }

    #[test]
    fn what_was_written_while_a_notice_was_asked_for_is_told() {
        check(
            true,
            &[
                (2_000, SAME, Next::Arm),
                (2_001, GRANTED, look(2_001)),
                (2_001, CHANGED, Next::Notify),
                // The notice of that comes later, and harms nobody.
                (2_002, Input::Requested, look(2_041)),
                (2_041, SAME, look(2_081)),
            ],
        );
    }

    #[test]
    fn what_comes_a_little_after_a_notice_is_seen_soon() {
        check(
            true,
            &[
                (2_000, SAME, Next::Arm),
                (2_000, GRANTED, look(2_000)),
                (2_000, SAME, Next::Rest),
                (2_010, Input::LinkState, look(2_011)),
                (2_011, SAME, look(2_013)),
                (2_013, SAME, look(2_017)),
                (2_017, SAME, look(2_025)),
                (2_025, SAME, look(2_041)),
                (2_041, SAME, look(2_073)),
                (2_073, SAME, look(2_113)),
                (2_113, SAME, look(2_153)),
                // The notice was of something else.
                (3_010, SAME, Next::Arm),
            ],
        );
    }

    #[test]
    fn where_there_are_no_notices_everything_is_read_again_and_again() {
        check(
            false,
            &[
                (0, Input::Requested, look(100)),
                (100, SAME, Next::Notify),
                (130, Input::Requested, look(200)),
                (200, CHANGED, Next::Notify),
                (9_000, Input::Requested, look(300)),
                (9_000, SAME, Next::Notify),
            ],
        );
        check(
            true,
            &[
                (2_000, SAME, Next::Arm),
                (2_000, REFUSED, look(2_100)),
                (2_100, SAME, Next::Notify),
                (2_100, Input::Requested, look(2_200)),
            ],
        );
    }
}
