//! The core process: permits, jobs, worker handles, the server on the wire.
//!
//! [`server::serve`] speaks with one supervisor over any pair of byte streams; `roboppi core` gives it
//! standard input and output, `--direct` a pipe in memory. What is behind it:
//!
//! * [`CoreMachine`] decides what a core does: what it answers, which jobs it knows, how it ends. It holds the
//!   [`PermitGate`], which decides who may run, and a [`JobMachine`] for each job, which decides what the job answers and
//!   when it is over. All are plain values in, values out.
//! * [`worker`] runs one worker of any kind: it starts the process, records what comes, has it translated
//!   and ends it. The record comes first: nothing is shown that was not recorded before, and a record that
//!   fails is told and stops nothing.
//! * [`Orphans`] ends what a worker leaves behind, and tells whose it was.
//! * [`mask`] lets a worker hide a value while it runs.
//! * [`live`] is what is shown while a worker runs. It is bounded, it may shed output, and it always says
//!   what it shed. A reader that lags slows nobody down.

mod clock;
#[cfg(test)]
mod fixtures;
mod job;
pub mod live;
mod machine;
pub mod mask;
mod orphans;
mod permit;
pub mod server;
mod settings;
mod variables;
pub mod worker;

pub use clock::Clock;
pub use job::{Completion, JobEffect, JobInput, JobMachine, WorkerControl, WorkerOutcome};
pub use machine::{CoreEffect, CoreInput, CoreMachine, CoreMachineSettings, CoreTime};
pub use orphans::Orphans;
pub use permit::{
    Alarm, Alert, BreakerSettings, Finished, GateSettings, PermitGate, PressureSettings, Providers, Verdict,
};
pub use settings::CoreSettings;
pub use variables::Variables;
