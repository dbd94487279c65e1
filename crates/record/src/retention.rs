//! Decides which runs are removed.

use std::collections::HashMap;
use std::time::Duration;

use roboppi_ipc::UtcMillis;
use roboppi_run::RunId;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Runs that began longer ago go.
    pub age: Duration,
    /// More runs than this go, oldest first.
    pub count: usize,
    /// With more bytes than this runs go, oldest first.
    pub bytes: u64,
}

impl Default for Retention {
    /// Three months, 1,000 runs, 10 GiB.
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self { age: DAY.saturating_mul(90), count: 1_000, bytes: 10 * 1024 * 1024 * 1024 }
    }
}

/// What is known of a run that might go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Which one.
    pub id: RunId,
    /// When it began.
    pub began: UtcMillis,
    /// What it takes on the disk.
    pub bytes: u64,
    /// It may be live, or is pinned: it counts, and stays, and so do the runs it needs.
    pub stays: bool,
    /// Runs that have the logs of steps it kept.
    pub needs: Vec<RunId>,
}

/// Why a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is too old.
    Age,
    /// There are too many.
    Count,
    /// They take too much.
    Size,
}

impl Reason {
    /// The words for people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Age => "too old",
            Self::Count => "too many",
            Self::Size => "too large together",
        }
    }
}

impl Retention {
    /// The runs that go, of all there are. Newer runs are kept before older ones; those that stay come first, with what
    /// they need, and what that needs.
    #[must_use]
    pub fn expired(&self, now: UtcMillis, mut runs: Vec<Kept>) -> Vec<(Kept, Reason)> {
        keep_what_is_needed(&mut runs);
        runs.sort_by(|a, b| (b.stays, b.began, &b.id).cmp(&(a.stays, a.began, &a.id)));
        let (mut count, mut bytes) = (0_usize, 0_u64);
        let mut gone = Vec::new();
        for run in runs {
            let age = Duration::from_millis(now.0.saturating_sub(run.began.0));
            let reason = if run.stays {
                None
            } else if age > self.age {
                Some(Reason::Age)
            } else if count >= self.count {
                Some(Reason::Count)
            } else if bytes.saturating_add(run.bytes) > self.bytes {
                Some(Reason::Size)
            } else {
                None
            };
            match reason {
                Some(reason) => gone.push((run, reason)),
                None => {
                    count += 1;
                    bytes = bytes.saturating_add(run.bytes);
                }
            }
        }
        gone
    }
}

/// Has every run stay that one needs which stays.
fn keep_what_is_needed(runs: &mut [Kept]) {
    let places: HashMap<RunId, usize> =
        runs.iter().enumerate().map(|(place, run)| (run.id.clone(), place)).collect();
    let mut followed: Vec<usize> = (0..runs.len()).filter(|place| runs[*place].stays).collect();
    while let Some(place) = followed.pop() {
        for needed in runs[place].needs.clone() {
            if let Some(needed) = places.get(&needed).copied().filter(|needed| !runs[*needed].stays) {
                runs[needed].stays = true;
                followed.push(needed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(number: u64, bytes: u64, stays: bool) -> Kept {
        let id = RunId::parse(&format!("00000000-0000-7000-8000-{number:012}")).unwrap();
        Kept { id, began: UtcMillis(number * 1_000), bytes, stays, needs: Vec::new() }
    }

    #[test]
    fn what_a_run_needs_that_stays_stays_as_well() {
        let retention = Retention { age: Duration::from_secs(1_000), count: 0, bytes: 0 };
        let mut runs =
            vec![run(1, 9, false), run(2, 9, false), run(3, 9, false), run(4, 9, true), run(5, 9, false)];
        let id = |number: usize| runs[number - 1].id.clone();
        let (first, second, third) = (id(1), id(2), id(3));
        // The pinned one needs the third, that the first, and that itself and one that is gone already.
        let gone = RunId::parse("gone").unwrap();
        runs[3].needs = vec![third];
        runs[2].needs = vec![first.clone()];
        runs[0].needs = vec![first, gone];
        // One that goes keeps nothing.
        runs[4].needs = vec![second];
        let gone: Vec<_> =
            retention.expired(UtcMillis(10_000), runs).into_iter().map(|(run, _)| run.began.0).collect();
        assert_eq!(gone, [5_000, 2_000]);
    }

    #[test]
    fn the_newest_that_fit_stay() {
        let retention = Retention { age: Duration::from_secs(5), count: 3, bytes: 100 };
        let runs = vec![
            run(1, 0, false),
            run(2, 1, true),
            run(6, 90, false),
            run(7, 20, false),
            run(8, 5, false),
            run(9, 80, false),
        ];
        let gone: Vec<_> = retention
            .expired(UtcMillis(10_000), runs)
            .into_iter()
            .map(|(run, reason)| (run.began.0 / 1_000, reason))
            .collect();
        assert_eq!(gone, [(7, Reason::Count), (6, Reason::Count), (1, Reason::Age)]);
    }

    proptest! {
        #[test]
        fn nothing_that_must_stay_goes_and_what_is_left_is_within_the_bounds(
            runs in prop::collection::vec((0_u64..50, any::<bool>()), 0..30),
            count in 0_usize..20,
            bytes in 0_u64..300,
        ) {
            let retention = Retention { age: Duration::from_secs(15), count, bytes };
            let runs: Vec<_> = runs.into_iter().zip(1..).map(|((bytes, stays), n)| run(n, bytes, stays)).collect();
            let gone = retention.expired(UtcMillis(20_000), runs.clone());
            prop_assert!(gone.iter().all(|(run, _)| !run.stays));
            let left: Vec<_> = runs.iter().filter(|run| gone.iter().all(|(gone, _)| gone.id != run.id)).collect();
            let free = |all: &[&Kept]| all.iter().filter(|run| !run.stays).count();
            let total: u64 = left.iter().map(|run| run.bytes).sum();
            prop_assert!(left.len() <= count || free(&left) == 0);
            prop_assert!(total <= bytes || left.iter().all(|run| run.stays || run.bytes == 0));
        }
    }
}
