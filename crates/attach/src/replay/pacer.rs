//! Decides how far a replay is.

use std::time::Duration;

use roboppi_ipc::Mono;

use crate::{PlayInput, Position, Speed};

/// What is to be done to be where a replay should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlayEffect {
    /// Tell everything up to this time that was not told yet.
    PlayTo(u64),
    /// Show what was at this time, wherever it was before.
    JumpTo(u64),
}

/// Decides how far a replay is. Does no I/O and reads no clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pacer {
    at: u64,
    /// When it was there.
    since: Mono,
    end: u64,
    speed: Speed,
    paused: bool,
}

impl Pacer {
    /// A replay of a run of `end` milliseconds that begins now.
    pub(super) const fn new(now: Mono, end: u64, speed: Speed) -> Self {
        Self { at: 0, since: now, end, speed, paused: false }
    }

    pub(super) fn handle(&mut self, now: Mono, input: PlayInput, out: &mut Vec<PlayEffect>) {
        self.at = self.position(now).at;
        self.since = now;
        match input {
            PlayInput::Woken => {}
            PlayInput::Toggle if self.at >= self.end => {
                (self.at, self.paused) = (0, false);
                return out.push(PlayEffect::JumpTo(self.at));
            }
            PlayInput::Toggle => self.paused = !self.paused,
            PlayInput::SeekBy(by) => {
                self.at = self.at.saturating_add_signed(by).min(self.end);
                return out.push(PlayEffect::JumpTo(self.at));
            }
            PlayInput::Faster => self.speed = self.speed.faster(),
            PlayInput::Slower => self.speed = self.speed.slower(),
        }
        out.push(PlayEffect::PlayTo(self.at));
    }

    /// Where it was when it was last told something.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    pub(super) fn position(&self, now: Mono) -> Position {
        let gone = now.since(self.since).as_millis();
        let at = match self.speed {
            _ if self.paused => self.at,
            Speed::Max => self.end,
            Speed::Thousandths(speed) => {
                let gone = gone.saturating_mul(u128::from(speed)) / 1_000;
                self.at.saturating_add(u64::try_from(gone).unwrap_or(u64::MAX)).min(self.end)
            }
        };
        Position { at, end: self.end, speed: self.speed, paused: self.paused }
    }

    /// How long nothing is to be done, when the next thing to be told was at `next`; `None`: until a person asks.
    pub(super) fn idle(&self, now: Mono, next: Option<u64>) -> Option<Duration> {
        let position = self.position(now);
        if self.paused || position.at >= self.end {
            // What is at the very end is told before it is idle.
            return (!self.paused && next.is_some()).then_some(Duration::ZERO);
        }
        let Speed::Thousandths(speed) = self.speed else { return Some(Duration::ZERO) };
        let left = next.unwrap_or(self.end).saturating_sub(position.at);
        let micros = u128::from(left) * 1_000_000 / u128::from(speed.max(1));
        Some(Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)).max(Duration::from_millis(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InvalidSpeed;

    /// A replay of a run of ten seconds.
    struct Bench {
        pacer: Pacer,
        now: Mono,
    }

    impl Bench {
        fn new(speed: Speed) -> Self {
            Self { pacer: Pacer::new(Mono::ZERO, 10_000, speed), now: Mono::ZERO }
        }

        fn after(&mut self, millis: u64, input: PlayInput) -> PlayEffect {
            self.now = self.now + Duration::from_millis(millis);
            let mut out = Vec::new();
            self.pacer.handle(self.now, input, &mut out);
            assert_eq!(out.len(), 1, "{out:?}");
            out[0]
        }
    }

    #[test]
    fn time_goes_by_as_fast_as_the_speed_says_and_not_while_it_stands_still() {
        use PlayEffect::PlayTo;
        let mut bench = Bench::new(Speed::Thousandths(4_000));
        assert_eq!(bench.after(500, PlayInput::Woken), PlayTo(2_000));
        assert_eq!(bench.after(100, PlayInput::Slower), PlayTo(2_400));
        assert_eq!(bench.after(100, PlayInput::Toggle), PlayTo(2_600));
        assert_eq!(bench.after(60_000, PlayInput::Woken), PlayTo(2_600));
        assert_eq!(bench.after(60_000, PlayInput::Toggle), PlayTo(2_600));
        assert_eq!(bench.after(50, PlayInput::Woken), PlayTo(2_700));
        assert_eq!(bench.after(60_000, PlayInput::Woken), PlayTo(10_000));
        assert_eq!(Bench::new(Speed::Max).after(0, PlayInput::Woken), PlayTo(10_000));
    }

    #[test]
    fn one_jumps_within_the_run_and_begins_again_at_its_end() {
        use PlayEffect::JumpTo;
        let mut bench = Bench::new(Speed::NORMAL);
        assert_eq!(bench.after(3_000, PlayInput::SeekBy(2_000)), JumpTo(5_000));
        assert_eq!(bench.after(0, PlayInput::SeekBy(-60_000)), JumpTo(0));
        assert_eq!(bench.after(1, PlayInput::SeekBy(i64::MAX)), JumpTo(10_000));
        assert_eq!(bench.after(0, PlayInput::Toggle), JumpTo(0));
        assert_eq!(bench.after(70, PlayInput::Woken), PlayEffect::PlayTo(70));
    }

    #[test]
    fn it_sleeps_until_the_next_thing_is_due() {
        let bench = Bench::new(Speed::Thousandths(2_000));
        let idle = |next| bench.pacer.idle(Mono::ZERO, next);
        assert_eq!(idle(Some(1_000)), Some(Duration::from_millis(500)));
        assert_eq!(idle(Some(0)), Some(Duration::from_millis(1)));
        assert_eq!(idle(None), Some(Duration::from_secs(5)));
        let over = Mono::from_origin(Duration::from_secs(5));
        assert_eq!(bench.pacer.idle(over, Some(10_000)), Some(Duration::ZERO));
        assert_eq!(bench.pacer.idle(over, None), None);
        let mut paused = Bench::new(Speed::NORMAL);
        paused.after(0, PlayInput::Toggle);
        assert_eq!(paused.pacer.idle(Mono::ZERO, Some(5)), None);
    }

    #[test]
    fn speeds_are_read_as_they_are_written() {
        for text in ["0.25x", "0.5x", "1x", "1.5x", "64x", "1000x", "max"] {
            assert_eq!(text.parse::<Speed>().unwrap().to_string(), text);
        }
        assert_eq!("4".parse(), Ok(Speed::Thousandths(4_000)));
        for text in ["", "x", "0", "-1x", "1e9", "NaN", "fast", "2xx"] {
            assert_eq!(text.parse::<Speed>(), Err(InvalidSpeed), "{text}");
        }
        let mut speed = Speed::Thousandths(3_000);
        for wanted in ["4x", "8x", "16x", "32x", "64x", "max", "max"] {
            speed = speed.faster();
            assert_eq!(speed.to_string(), wanted);
        }
        assert_eq!(Speed::Thousandths(100).slower(), Speed::Thousandths(100));
    }
}
