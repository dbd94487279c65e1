//! What the machine of a supervisor asks its driver to do.

use std::time::Duration;

use roboppi_ipc::{Cancel, Dialect, JobId, SecretText};
use roboppi_run::{AttemptRef, HostId, RunEvent, RunOutcome};
use roboppi_workflow::{RunEffect, RunTimer};

use super::AttemptDone;
use super::attempt::AttemptEpoch;

/// What is to be done, in the order in which it is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum SupervisorEffect {
    /// Start a core, or take the connection that is there. What comes of it is a `Link` input.
    Connect(CoreRef),
    /// Write an event down and publish it.
    Record(RunEvent),
    /// The core keeps no record of its workers: say so in the record, and keep one here.
    CoreKeepsNoRecord,
    /// A worker has had a value hidden: hide it here as well, and have later cores hide it.
    Mask(SecretText),
    /// Bring an attempt's inputs to where it works, and give what it is for a core as `AttemptPrepared`.
    Prepare {
        /// Which attempt.
        of: AttemptRef,
        /// The host on which it works, from here to its outputs.
        host: HostId,
        /// It continues the session of the agent that an earlier attempt began, where that is known.
        continues: bool,
    },
    /// Stop preparing it. The answer is still given.
    StopPreparing {
        /// Which attempt.
        of: AttemptRef,
    },
    /// The attempt is a job of a core from now on: record its start, and take what the core says of the job.
    HandOver {
        /// Which attempt.
        of: AttemptRef,
        /// Its job.
        job_id: JobId,
        /// The core.
        core: CoreRef,
        /// What the core speaks.
        dialect: Dialect,
    },
    /// Ask the core of an attempt for something. Each answer is an `Attempt` input; a core that is gone gives none.
    Request {
        /// Which attempt.
        of: AttemptRef,
        /// The core it was handed to.
        core: CoreRef,
        /// What for.
        request: AttemptRequest,
    },
    /// The attempt is over: nothing of it is left. Record its end if its start was recorded, and drop its timer.
    AttemptFinished {
        /// Which attempt.
        of: AttemptRef,
        /// What became of it.
        done: AttemptDone,
    },
    /// Stop collecting the outputs of an attempt, if that is under way.
    StopCollecting {
        /// Which attempt.
        of: AttemptRef,
    },
    /// Perform what the run asks for: show a step, collect outputs, decide whether an iteration is complete.
    Run(RunEffect),
    /// Give the timer back after this time. A timer of an attempt takes the place of the one before.
    SetTimer {
        /// What to give back.
        timer: SupervisorTimer,
        /// When.
        after: Delay,
    },
    /// The command that was handled last is done, or refused. Before everything it leads to.
    Answer {
        /// Why nothing comes of it, one line.
        refused: Option<String>,
    },
    /// The run is over. Comes once; afterwards only reports of cores and refused commands follow.
    Finish(RunFinish),
}

/// One core of a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoreRef {
    /// Where it runs.
    pub host: HostId,
    /// Which of the cores there, from 1.
    pub incarnation: u32,
}

/// What an attempt asks its core for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptRequest {
    /// Take the job.
    Submit,
    /// Take the job and let it run, both at once.
    SubmitAndAsk,
    /// Let the job run.
    AskPermit,
    /// End the job.
    Cancel(Cancel),
    /// End the job, without an answer.
    Abandon(Cancel),
}

/// A timer of the supervisor, on the clock of the run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SupervisorTimer {
    /// One of the run.
    Run(RunTimer),
    /// The one of an attempt.
    Attempt(AttemptRef, AttemptEpoch),
    /// The wait before the next core of a host.
    Restart(HostId),
}

/// When a timer is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// After this time.
    Exactly(Duration),
    /// After any time up to this, drawn anew each time: those who were refused together must not ask together.
    UpTo(Duration),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFinish {
    /// How.
    pub outcome: RunOutcome,
    /// Why, for people.
    pub detail: Option<String>,
    /// From its beginning.
    pub duration: Duration,
    /// Exit code of the command.
    pub exit_code: u8,
    /// Nothing is waited for, not even the end of workers.
    pub left: bool,
}
