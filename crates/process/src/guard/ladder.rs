//! Decides how what was left behind is ended. Does no I/O and reads no clock.

use std::time::Duration;

use roboppi_ipc::Mono;

/// How long after grace and drain time a process that survives KILL is waited for. Less than the 5 s after
/// which those who wait for a guard give up, so that they learn the names.
pub const GIVE_UP: Duration = Duration::from_secs(4);

/// How long those who were killed are waited for before it is looked again who is left.
pub(super) const ROUND: Duration = Duration::from_millis(10);

/// How long processes are waited for none of which may be signalled: they can only end by themselves.
pub(super) const OUT_OF_REACH: Duration = Duration::from_millis(500);

/// Ends what is left: asks, waits, kills, and kills again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ladder {
    asked: bool,
    /// Until when those who were asked may take.
    kill_from: Mono,
    next_round: Mono,
    round: u32,
    give_up: Mono,
    /// Since none of those who are left may be signalled: until when they are waited for.
    out_of_reach: Option<Mono>,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// TERM and CONT to everybody.
    Ask,
    /// STOP and KILL to everybody; the number of the round, from 1.
    Kill(u32),
    /// Nothing, for so long.
    Wait(Duration),
    /// They cannot be ended.
    GiveUp,
}

impl Ladder {
    /// Begins. Nobody is asked when there is no time between now and `kill_from`.
    pub(super) fn new(now: Mono, kill_from: Mono, give_up: Mono) -> Self {
        let kill_from = kill_from.max(now);
        Self { asked: false, kill_from, next_round: now, round: 0, give_up, out_of_reach: None }
    }

    /// Says what is to be done while somebody is left. To be asked again after whatever was done, and
    /// whenever somebody has ended.
    pub(super) fn step(&mut self, now: Mono) -> Step {
        if now < self.kill_from {
            if !self.asked {
                self.asked = true;
                return Step::Ask;
            }
            return Step::Wait(self.kill_from.since(now));
        }
        // At least one round, however late it is.
        let give_up = self.out_of_reach.map_or(self.give_up, |until| until.min(self.give_up));
        if self.round > 0 && now >= give_up {
            return Step::GiveUp;
        }
        if now < self.next_round {
            return Step::Wait(self.next_round.since(now));
        }
        self.round += 1;
        self.next_round = now + ROUND;
        Step::Kill(self.round)
    }

    /// The grace time is over.
    pub(super) fn hurry(&mut self, now: Mono) {
        self.kill_from = self.kill_from.min(now);
    }

    /// What came of asking or killing: whether there is anybody, and none of them may be signalled. Then there is no
    /// use in a grace time. Says whether that is news.
    pub(super) fn signalled(&mut self, now: Mono, refused: bool) -> bool {
        let is_news = refused != self.out_of_reach.is_some();
        if refused {
            self.hurry(now);
            self.out_of_reach.get_or_insert(now + OUT_OF_REACH);
        } else {
            self.out_of_reach = None;
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::from_origin(Duration::from_millis(millis))
    }

    const fn wait(millis: u64) -> Step {
        Step::Wait(Duration::from_millis(millis))
    }

    #[test]
    fn asks_once_waits_and_then_kills_until_it_gives_up() {
        let mut ladder = Ladder::new(at(0), at(200), at(230));
        let steps: Vec<_> = [0, 0, 50, 200, 200, 205, 210, 220, 230, 300].map(|t| ladder.step(at(t))).into();
        let expected = [
            Step::Ask,
            wait(200),
            wait(150),
            Step::Kill(1),
            wait(10),
            wait(5),
            Step::Kill(2),
            Step::Kill(3),
            Step::GiveUp,
            Step::GiveUp,
        ];
        assert_eq!(steps, expected);
    }

    #[test]
    fn without_a_grace_time_nobody_is_asked() {
        for late in [0, 100] {
            let mut ladder = Ladder::new(at(100), at(late), at(200));
            assert_eq!(ladder.step(at(100)), Step::Kill(1));
        }
    }

    #[test]
    fn even_when_it_is_too_late_they_are_killed_once() {
        let mut ladder = Ladder::new(at(500), at(100), at(200));
        assert_eq!(ladder.step(at(500)), Step::Kill(1));
        assert_eq!(ladder.step(at(500)), Step::GiveUp);
    }

    #[test]
    fn those_that_may_not_be_signalled_are_given_up_soon() {
        let mut ladder = Ladder::new(at(0), at(5_000), at(11_000));
        assert_eq!(ladder.step(at(0)), Step::Ask);
        assert!(ladder.signalled(at(0), true));
        assert_eq!(ladder.step(at(0)), Step::Kill(1));
        assert!(!ladder.signalled(at(0), true));
        assert_eq!(ladder.step(at(499)), Step::Kill(2));
        // Somebody came who can be ended.
        assert!(ladder.signalled(at(499), false));
        assert_eq!(ladder.step(at(600)), Step::Kill(3));
        assert!(ladder.signalled(at(600), true));
        assert_eq!(ladder.step(at(1_000)), Step::Kill(4));
        assert_eq!(ladder.step(at(1_100)), Step::GiveUp);
    }

    #[test]
    fn a_hurry_ends_the_grace_time_and_never_begins_one() {
        let mut ladder = Ladder::new(at(0), at(200), at(900));
        assert_eq!(ladder.step(at(0)), Step::Ask);
        ladder.hurry(at(10));
        assert_eq!(ladder.step(at(10)), Step::Kill(1));
        ladder.hurry(at(15));
        assert_eq!(ladder.step(at(15)), wait(5));
    }
}
