//! How much of the wire the output of running jobs may take, and what one of them leaves to the others. Pure. Events that are
//! shown in any case are not counted: to send them later takes as much.
//!
//! All together have a budget for each window of time. Half of it is divided into shares, one for each job, which no other
//! job can take: whatever one writes, a line of another one goes out at once. What nobody claims is for whoever wants it. Who
//! takes more than there was, by an event that is larger than what was left, pays for it in the windows that follow.

use std::time::Duration;

use roboppi_ipc::Mono;

/// Length of a window.
const WINDOW: Duration = Duration::from_millis(16);
/// Bytes of a window: 16 MiB a second. More could be read by nobody, and encoding it would slow the workers down.
const BUDGET: usize = 256 * 1024;
/// What of it is divided into shares.
const SHARED: usize = BUDGET / 2;

/// The budget of all jobs.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the window began.
    since: Mono,
    /// Windows so far.
    window: u64,
    spent: usize,
    jobs: usize,
    /// What the shares of all jobs still have.
    reserved: usize,
}

/// What one job has taken.
#[derive(Debug, Default)]
pub(super) struct Taken {
    window: u64,
    spent: usize,
}

impl Taken {
    fn left(&self, share: usize) -> usize {
        share.saturating_sub(self.spent)
    }
}

impl Pace {
    /// Begins a window if it is time, for these jobs.
    pub(super) fn begin<'a>(&mut self, now: Mono, jobs: impl ExactSizeIterator<Item = &'a mut Taken>) {
        let passed = now.since(self.since).as_nanos() / WINDOW.as_nanos();
        if passed > 0 {
            let passed = usize::try_from(passed).unwrap_or(usize::MAX);
            self.since = now;
            self.window += passed as u64;
            self.spent = self.spent.saturating_sub(passed.saturating_mul(BUDGET));
        }
        self.jobs = jobs.len();
        let share = self.share();
        self.reserved = 0;
        for taken in jobs {
            let windows = self.window - taken.window;
            let paid = usize::try_from(windows).unwrap_or(usize::MAX).saturating_mul(share);
            taken.window = self.window;
            taken.spent = taken.spent.saturating_sub(paid);
            self.reserved += taken.left(share);
        }
    }

    /// Whether a job has its share still, or there is something left beside the shares of the others.
    pub(super) fn allows(&self, taken: &Taken) -> bool {
        self.is_small(taken) || self.spent + self.reserved < BUDGET
    }

    /// Whether a job has taken less than its share.
    pub(super) fn is_small(&self, taken: &Taken) -> bool {
        taken.left(self.share()) > 0
    }

    /// A job has taken so much.
    pub(super) fn take(&mut self, taken: &mut Taken, bytes: usize) {
        let share = self.share();
        let before = taken.left(share);
        taken.spent += bytes;
        self.spent += bytes;
        self.reserved -= before - taken.left(share);
    }

    /// When the next window begins.
    pub(super) fn next(&self) -> Mono {
        self.since + WINDOW
    }

    fn share(&self) -> usize {
        SHARED / self.jobs.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: usize = 64 * 1024;

    fn window(number: u64) -> Mono {
        Mono::from_origin(WINDOW * u32::try_from(number).unwrap())
    }

    /// Takes events as long as that is allowed; the number.
    fn flood(pace: &mut Pace, taken: &mut Taken) -> usize {
        let mut events = 0;
        while pace.allows(taken) {
            pace.take(taken, EVENT);
            events += 1;
        }
        events
    }

    #[test]
    fn a_job_that_is_alone_has_everything() {
        let (mut pace, mut job) = (Pace::default(), Taken::default());
        let events: usize = (1..=100)
            .map(|now| {
                pace.begin(window(now), [&mut job].into_iter());
                flood(&mut pace, &mut job)
            })
            .sum();
        assert_eq!(events, 100 * BUDGET / EVENT);
    }

    #[test]
    fn a_line_goes_out_at_once_whatever_others_write() {
        let mut pace = Pace::default();
        let (mut floods, mut quiet) = ([(); 5].map(|()| Taken::default()), Taken::default());
        let mut all = 0;
        for now in 1..=1000 {
            let jobs: Vec<_> = floods.iter_mut().chain([&mut quiet]).collect();
            pace.begin(window(now), jobs.into_iter());
            for job in &mut floods {
                all += flood(&mut pace, job) * EVENT;
            }
            for _ in 0..10 {
                assert!(pace.allows(&quiet) && pace.is_small(&quiet), "in window {now}");
                pace.take(&mut quiet, 200);
            }
        }
        assert!(all <= 1000 * BUDGET + 5 * EVENT, "{all}");
        assert!(all >= 1000 * (BUDGET - SHARED), "{all}");
    }

    #[test]
    fn debts_are_paid_before_more_is_given() {
        let (mut pace, mut job, mut other) = (Pace::default(), Taken::default(), Taken::default());
        pace.begin(window(1), [&mut job, &mut other].into_iter());
        pace.take(&mut job, 10 * BUDGET);
        for now in 2..=10 {
            pace.begin(window(now), [&mut job, &mut other].into_iter());
            assert!(!pace.allows(&job), "in window {now}");
            assert!(pace.allows(&other));
        }
        pace.begin(window(1000), [&mut job, &mut other].into_iter());
        assert!(pace.allows(&job));
    }

    #[test]
    fn jobs_come_and_go() {
        let mut pace = Pace::default();
        let mut jobs: Vec<Taken> = Vec::new();
        for now in 1..=20 {
            jobs.push(Taken::default());
            pace.begin(window(now), jobs.iter_mut());
            for job in &mut jobs {
                assert!(pace.allows(job));
                pace.take(job, 1);
            }
        }
        pace.begin(window(20), jobs[..1].iter_mut());
        assert!(pace.allows(&jobs[0]));
    }
}
