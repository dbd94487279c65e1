//! Workers that are hard to end.

use crate::env::TestEnv;
use crate::helper;
use crate::processes::Process;

/// One kind of worker.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) name: &'static str,
    /// `MARK` finds those that lose their environment. The leader says `started` early and does the rest after.
    script: &'static str,
    /// Whether its leader has become what it is going to be.
    settled: fn(&Process) -> bool,
    /// Whether it takes more than TERM, INT or HUP to end its leader.
    only_kill: bool,
}

impl Worker {
    pub(crate) fn script(&self, env: &TestEnv) -> String {
        if self.script.contains("fork.sh") {
            env.write("fork.sh", FORK);
        }
        self.script.replace("MARK", env.mark()).replace("LEADERLESS", &helper::command(helper::LEADERLESS))
    }

    pub(crate) fn is_settled(&self, leader: &Process) -> bool {
        (self.settled)(leader)
    }

    pub(crate) const fn shrugs_off_all_but_kill(&self) -> bool {
        self.only_kill
    }
}

/// Each generation starts the next one in a session of its own and goes; every tenth stays, and so does the last.
const FORK: &str = "trap '' TERM INT HUP
[ $1 -lt 200 ] || exec sleep 1000
setsid bash fork.sh $(($1 + 1)) $2 &
[ $(($1 % 10)) -ne 0 ] || exec sleep 1000
";

fn sleeps(leader: &Process) -> bool {
    leader.command == "sleep 1000"
}

pub(crate) const WORKERS: &[Worker] = &[
    Worker { name: "plain", script: "echo > started; exec sleep 1000", settled: sleeps, only_kill: false },
    Worker {
        name: "ignores TERM",
        script: "trap '' TERM INT HUP; echo > started; while :; do sleep 1000; done",
        settled: |_| true,
        only_kill: true,
    },
    Worker {
        name: "grandchild holds the pipe",
        script: "(trap '' TERM; exec sleep 1000) & echo > started; exec sleep 1000",
        settled: sleeps,
        only_kill: false,
    },
    Worker {
        name: "session of its own",
        script: "setsid sleep 1000 < /dev/null > /dev/null 2>&1 & echo > started; exec sleep 1000",
        settled: sleeps,
        only_kill: false,
    },
    Worker {
        name: "double fork",
        script: "(setsid sh -c 'sleep 1000 & exit' &); echo > started; exec sleep 1000",
        settled: sleeps,
        only_kill: false,
    },
    Worker {
        name: "no environment",
        script: "setsid env -i bash -c 'trap \"\" TERM HUP; exec -a MARK sleep 1000' > /dev/null 2>&1 &
            echo > started; exec sleep 1000",
        settled: sleeps,
        only_kill: false,
    },
    Worker {
        name: "writes and writes",
        script: "echo > started; exec yes xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        settled: |leader| leader.command.starts_with("yes"),
        only_kill: false,
    },
    Worker {
        name: "stopped",
        script: "echo > started; kill -STOP $$; sleep 1000",
        settled: |leader| leader.state == 'T',
        only_kill: true,
    },
    Worker {
        name: "forks for ever",
        script: "bash fork.sh 0 MARK & echo > started; exec sleep 1000",
        settled: sleeps,
        only_kill: false,
    },
    Worker {
        name: "main thread ended",
        script: "echo > started; exec LEADERLESS",
        settled: |leader| leader.state == 'Z',
        only_kill: false,
    },
    Worker {
        name: "main thread ended, daemon",
        script: "(trap '' TERM INT HUP; setsid LEADERLESS < /dev/null > /dev/null 2>&1 &)
            until [ -e ready ]; do sleep 0.01; done; echo > started; exec sleep 1000",
        settled: sleeps,
        only_kill: false,
    },
    // Where there may be no such space nothing is killed, which the first line of the inner shell sees to.
    Worker {
        name: "kills all it sees, in its own pid namespace",
        script:
            "unshare -pf bash -c '[ $$ = 1 ] || exit; sleep 1000 & kill -9 -1; sleep 1000' > /dev/null 2>&1 &
            echo > started; exec sleep 1000",
        settled: sleeps,
        only_kill: false,
    },
];
