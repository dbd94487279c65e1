//! Whose job an orphan belongs to. Looks at nothing but the values it is given.

use super::Process;

/// One job, as far as orphans have to know it. Times are those of
/// [`ProcessIdentity::start_time`](roboppi_ipc::ProcessIdentity).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobSpan<J> {
    /// Which job.
    pub job: J,
    /// The session of its worker: the pid of the leader.
    pub session: u32,
    /// What its worker and all that inherit its environment carry as marker.
    pub marker: String,
    /// When its worker was started.
    pub from: u64,
    /// When it ended; `None` while it runs.
    pub until: Option<u64>,
}

impl<J> JobSpan<J> {
    /// Both ends are included: a tick is long, and a job too many only makes an orphan wait for its end.
    fn ran_at(&self, time: u64) -> bool {
        self.from <= time && self.until.is_none_or(|until| time <= until)
    }
}

/// The jobs an orphan belongs to, as places in `jobs`.
///
/// Its session decides, else the marker it carries, else the same of its nearest ancestor in `table`, else
/// it belongs to every job that ran when it was started. The number of a session may come again; then it is
/// that of the last job which had begun before.
///
/// `marker` reads the marker of a process; it is asked only when it is needed.
pub fn owners<J>(
    orphan: &Process,
    table: &[Process],
    jobs: &[JobSpan<J>],
    marker: &mut dyn FnMut(&Process) -> Option<String>,
) -> Vec<usize> {
    let mut process = orphan;
    // A table read while processes change could hold a circle.
    for _ in 0..=table.len() {
        if let Some(job) = owner_by_sign(process, jobs, marker) {
            return vec![job];
        }
        match table.iter().find(|other| other.identity.pid == process.parent) {
            Some(parent) => process = parent,
            None => break,
        }
    }
    let born = orphan.identity.start_time;
    (0..jobs.len()).filter(|&job| jobs[job].ran_at(born)).collect()
}

fn owner_by_sign<J>(
    process: &Process,
    jobs: &[JobSpan<J>],
    marker: &mut dyn FnMut(&Process) -> Option<String>,
) -> Option<usize> {
    let born = process.identity.start_time;
    let by_session = jobs.iter().rposition(|job| job.session == process.session && job.from <= born);
    by_session.or_else(|| {
        let marker = marker(process)?;
        jobs.iter().rposition(|job| job.marker == marker)
    })
}

/// The orphans that are to be ended now: all whose jobs have ended, and those that belong to none that is
/// still known. As places in `orphans`.
pub fn ready_to_end<J>(
    orphans: &[Process],
    jobs: &[JobSpan<J>],
    marker: &mut dyn FnMut(&Process) -> Option<String>,
) -> Vec<usize> {
    let ended = |job: &usize| jobs[*job].until.is_some();
    (0..orphans.len())
        .filter(|&place| owners(&orphans[place], orphans, jobs, marker).iter().all(ended))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use roboppi_ipc::ProcessIdentity;

    /// pid, parent, session, start time.
    fn process((pid, parent, session, start_time): (u32, u32, u32, u64)) -> Process {
        Process {
            identity: ProcessIdentity { pid, start_time },
            parent,
            session,
            command: format!("process {pid}"),
        }
    }

    fn job(job: char, session: u32, from: u64, until: Option<u64>) -> JobSpan<char> {
        JobSpan { job, session, marker: format!("job-{job}"), from, until }
    }

    /// Two jobs that overlap and a third one later, and the core as everybody's parent.
    fn jobs() -> Vec<JobSpan<char>> {
        vec![
            job('a', 100, 1_000, Some(2_000)),
            job('b', 200, 1_500, None),
            job('c', 100, 3_000, None), // the pid of the first worker came again
        ]
    }

    const CORE: u32 = 10;

    fn check(
        table: &[(u32, u32, u32, u64)],
        markers: &[(u32, &str)],
        expected_owners: &[&str],
        expected_ready: &[u32],
    ) {
        let jobs = jobs();
        let table: Vec<_> = table.iter().copied().map(process).collect();
        let mut marker = |process: &Process| {
            let found = markers.iter().find(|(pid, _)| *pid == process.identity.pid);
            found.map(|(_, marker)| (*marker).to_owned())
        };
        let found: Vec<String> = table
            .iter()
            .map(|process| {
                owners(process, &table, &jobs, &mut marker).iter().map(|&at| jobs[at].job).collect()
            })
            .collect();
        assert_eq!(found, expected_owners);
        let ready: Vec<u32> =
            ready_to_end(&table, &jobs, &mut marker).iter().map(|&place| table[place].identity.pid).collect();
        assert_eq!(ready, expected_ready);
    }

    #[test]
    fn the_session_decides_first() {
        // The marker of another job is only what was inherited on some way.
        check(&[(101, CORE, 100, 1_600)], &[(101, "job-b")], &["a"], &[101]);
        check(&[(201, CORE, 200, 1_600)], &[], &["b"], &[]);
    }

    #[test]
    fn a_session_with_the_number_of_an_earlier_one_is_another_session() {
        // The one in the middle was started after the end of its job, by somebody who had outlived it.
        let table = [(101, CORE, 100, 1_600), (102, CORE, 100, 2_500), (103, CORE, 100, 3_500)];
        check(&table, &[], &["a", "a", "c"], &[101, 102]);
    }

    #[test]
    fn then_the_marker() {
        check(&[(300, CORE, 300, 1_600)], &[(300, "job-a")], &["a"], &[300]);
        check(&[(300, CORE, 300, 1_600)], &[(300, "job-b")], &["b"], &[]);
        // The marker of a job nobody knows says nothing.
        check(&[(300, CORE, 300, 1_600)], &[(300, "job-z")], &["ab"], &[]);
    }

    #[test]
    fn then_the_nearest_ancestor() {
        // An empty environment and a session of its own below one that is known.
        let tree = [(101, CORE, 100, 1_600), (301, 101, 301, 1_700), (302, 301, 302, 1_800)];
        check(&tree, &[], &["a", "a", "a"], &[101, 301, 302]);
        check(&tree, &[(301, "job-b")], &["a", "b", "b"], &[101]);
    }

    #[test]
    fn else_all_that_ran_when_it_was_started() {
        check(
            &[
                (300, CORE, 300, 1_200), // only the first
                (301, CORE, 301, 1_500), // the moment the second began
                (302, CORE, 302, 2_000), // the moment the first ended
                (303, CORE, 303, 2_500), // only the second
                (304, CORE, 304, 3_500), // second and third
                (305, CORE, 305, 500),   // before all that are known
            ],
            &[],
            &["a", "ab", "ab", "b", "bc", ""],
            &[300, 305],
        );
    }

    #[test]
    fn a_circle_is_not_followed_for_ever() {
        check(&[(300, 301, 300, 1_200), (301, 300, 301, 1_200)], &[], &["a", "a"], &[300, 301]);
    }
}
