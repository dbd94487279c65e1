//! Which jobs ran when, so that an orphan finds its job. Looks at nothing but the values it is given.

use roboppi_ipc::{JobId, ProcessIdentity};
use roboppi_process::descendants::{JobSpan, Process, owners, ready_to_end};

/// Jobs that have ended and are kept for orphans that may still belong to them. The oldest is forgotten first;
/// then an orphan of its time is thought to belong to the others of that time.
const ENDED_JOBS: usize = 1024;

/// One execution of a job. An id may come again, a key does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JobKey(u64);

/// The jobs of a core, oldest first.
#[derive(Debug, Default)]
pub(crate) struct JobLedger {
    spans: Vec<JobSpan<Entry>>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    key: JobKey,
    id: JobId,
    /// It has ended, and what it left was looked after.
    closed: bool,
}

/// Orphans to be ended now, and whose they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DueKill {
    pub(crate) owner: Owner,
    pub(crate) processes: Vec<ProcessIdentity>,
}

/// Whose an orphan is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The job that was asked for.
    Asking,
    /// Another one, which is over.
    Other(JobId),
    /// It may be that of several jobs, all of which have ended, or of none that is known.
    Unsure,
}

impl JobLedger {
    /// A job has a worker from now on.
    pub(crate) fn begin(&mut self, id: JobId, worker: ProcessIdentity) -> JobKey {
        let key = JobKey(self.next);
        self.next += 1;
        self.forget_oldest();
        self.spans.push(JobSpan {
            session: worker.pid,
            marker: id.as_str().to_owned(),
            from: worker.start_time,
            until: None,
            job: Entry { key, id, closed: false },
        });
        key
    }

    /// The worker has ended; what it left is being ended until [`close`](Self::close).
    pub(crate) fn end(&mut self, key: JobKey, now: u64) {
        if let Some(span) = self.span(key) {
            span.until = Some(now);
        }
    }

    /// Nobody looks after this job any more.
    pub(crate) fn close(&mut self, key: JobKey, now: u64) {
        if let Some(span) = self.span(key) {
            span.until = Some(now);
            span.job.closed = true;
        }
    }

    /// There are no orphans: nothing can belong to a job that is over, nor to the one that `asked`.
    pub(crate) fn no_orphans(&mut self, asked: Option<JobKey>) {
        self.spans.retain(|span| !span.job.closed && Some(span.job.key) != asked);
    }

    /// Which orphans to end now for the job `asking`, or for the core itself. Those of a job that is being
    /// closed by somebody else are left to that one.
    pub(crate) fn due(
        &self,
        table: &[Process],
        asking: Option<JobKey>,
        marker: &mut dyn FnMut(&Process) -> Option<String>,
    ) -> Vec<DueKill> {
        let mut dues: Vec<DueKill> = Vec::new();
        for place in ready_to_end(table, &self.spans, marker) {
            let process = &table[place];
            let owner = match *owners(process, table, &self.spans, marker) {
                [only] => {
                    let entry = &self.spans[only].job;
                    if Some(entry.key) == asking {
                        Owner::Asking
                    } else if entry.closed || asking.is_none() {
                        Owner::Other(entry.id.clone())
                    } else {
                        continue;
                    }
                }
                _ => Owner::Unsure,
            };
            match dues.iter_mut().find(|due| due.owner == owner) {
                Some(due) => due.processes.push(process.identity),
                None => dues.push(DueKill { owner, processes: vec![process.identity] }),
            }
        }
        dues
    }

    fn span(&mut self, key: JobKey) -> Option<&mut JobSpan<Entry>> {
        self.spans.iter_mut().rfind(|span| span.job.key == key)
    }

    fn forget_oldest(&mut self) {
        let closed = |span: &JobSpan<Entry>| span.job.closed;
        if self.spans.len() >= ENDED_JOBS
            && self.spans.iter().filter(|span| closed(span)).count() >= ENDED_JOBS
            && let Some(oldest) = self.spans.iter().position(closed)
        {
            self.spans.remove(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn identity(pid: u32, start_time: u64) -> ProcessIdentity {
        ProcessIdentity { pid, start_time }
    }

    /// Pid, session, start time; a child of the core.
    fn orphan((pid, session, start_time): (u32, u32, u64)) -> Process {
        Process { identity: identity(pid, start_time), parent: 10, session, command: format!("p{pid}") }
    }

    /// Three jobs that overlap: `a` from 1000, `b` from 1100, `c` from 1200.
    fn three() -> (JobLedger, [JobKey; 3]) {
        let mut ledger = JobLedger::default();
        let mut begin = |id: &str, pid, from| ledger.begin(JobId::new(id), identity(pid, from));
        let keys = [begin("a", 100, 1000), begin("b", 200, 1100), begin("c", 300, 1200)];
        (ledger, keys)
    }

    /// What is due, as `owner: pids`.
    fn due(
        ledger: &JobLedger,
        asking: Option<JobKey>,
        table: &[(u32, u32, u64)],
        markers: &[(u32, &str)],
    ) -> Vec<String> {
        let table: Vec<Process> = table.iter().copied().map(orphan).collect();
        let mut marker = |process: &Process| {
            let found = markers.iter().find(|(pid, _)| *pid == process.identity.pid);
            found.map(|(_, marker)| (*marker).to_owned())
        };
        let dues = ledger.due(&table, asking, &mut marker);
        let pids =
            |due: &DueKill| due.processes.iter().map(|p| p.pid.to_string()).collect::<Vec<_>>().join(" ");
        let owner = |owner: &Owner| match owner {
            Owner::Asking => "asking".to_owned(),
            Owner::Other(id) => id.to_string(),
            Owner::Unsure => "unsure".to_owned(),
        };
        dues.iter().map(|due| format!("{}: {}", owner(&due.owner), pids(due))).collect()
    }

    /// By session `a`, by marker `b`, by neither: alive when `a` was alone, when `a` and `b` were there, and
    /// when all were.
    const TABLE: &[(u32, u32, u64)] =
        &[(101, 100, 1300), (201, 201, 1300), (901, 901, 1050), (902, 902, 1150), (903, 903, 1250)];
    const MARKERS: &[(u32, &str)] = &[(201, "b")];

    #[test]
    fn nothing_is_due_while_its_job_runs() {
        let (mut ledger, [a, b, c]) = three();
        let none: &[&str] = &[];
        assert_eq!(due(&ledger, None, TABLE, MARKERS), none);
        ledger.end(a, 2000);
        assert_eq!(due(&ledger, Some(a), TABLE, MARKERS), ["asking: 101 901"]);
        ledger.close(a, 2000);
        ledger.end(b, 2000);
        assert_eq!(due(&ledger, Some(b), TABLE, MARKERS), ["a: 101 901", "asking: 201", "unsure: 902"]);
        ledger.close(b, 2000);
        ledger.end(c, 2000);
        let all = ["a: 101 901", "b: 201", "unsure: 902 903"];
        assert_eq!(due(&ledger, Some(c), TABLE, MARKERS), all);
        assert_eq!(due(&ledger, None, TABLE, MARKERS), all);
    }

    #[test]
    fn what_another_job_is_ending_is_left_to_it() {
        let (mut ledger, [a, b, _]) = three();
        ledger.end(a, 2000);
        ledger.end(b, 2000);
        assert_eq!(due(&ledger, Some(a), TABLE, MARKERS), ["asking: 101 901", "unsure: 902"]);
        assert_eq!(due(&ledger, Some(b), TABLE, MARKERS), ["asking: 201", "unsure: 902"]);
        assert_eq!(due(&ledger, None, TABLE, MARKERS), ["a: 101 901", "b: 201", "unsure: 902"]);
    }

    #[test]
    fn an_id_that_comes_again_is_another_job() {
        let mut ledger = JobLedger::default();
        let first = ledger.begin(JobId::new("a"), identity(100, 1000));
        ledger.close(first, 1500);
        let second = ledger.begin(JobId::new("a"), identity(200, 1600));
        let table = [(101, 100, 1100), (201, 200, 1700)];
        assert_eq!(due(&ledger, Some(second), &table, &[]), ["a: 101"]);
        ledger.end(second, 2000);
        assert_eq!(due(&ledger, Some(second), &table, &[]), ["a: 101", "asking: 201"]);
    }

    #[test]
    fn an_orphan_of_nobody_is_due_at_once() {
        let (ledger, _) = three();
        assert_eq!(due(&ledger, None, &[(900, 900, 500)], &[]), ["unsure: 900"]);
    }

    #[test]
    fn jobs_that_are_over_are_forgotten_when_nothing_can_be_theirs() {
        let (mut ledger, [a, b, _]) = three();
        ledger.close(a, 2000);
        ledger.end(b, 2000);
        let known =
            |ledger: &JobLedger| -> String { ledger.spans.iter().map(|span| span.job.id.as_str()).collect() };
        ledger.no_orphans(None);
        assert_eq!(known(&ledger), "bc", "who is being closed looks itself");
        ledger.no_orphans(Some(b));
        assert_eq!(known(&ledger), "c");
    }

    #[test]
    fn only_so_many_are_kept_and_running_ones_always() {
        let mut ledger = JobLedger::default();
        let running = ledger.begin(JobId::new("running"), identity(1, 1));
        for number in 0..3 * ENDED_JOBS as u32 {
            let key = ledger.begin(JobId::new(format!("j{number}")), identity(number, 2));
            ledger.close(key, 3);
        }
        assert_eq!(ledger.spans.len(), ENDED_JOBS + 1);
        assert_eq!(ledger.spans[0].job.key, running);
        assert_eq!(ledger.spans[1].job.id.as_str(), format!("j{}", 2 * ENDED_JOBS));
    }
}
