//! What is started by the one who is guarded: everything that is known to get away.

/// A script for bash. `$0` is the mark that every process of the case carries in its command line; each says
/// `up` once all it starts is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Worker {
    pub(crate) name: &'static str,
    pub(crate) script: &'static str,
}

pub(crate) const PLAIN: Worker = Worker { name: "plain", script: r#"echo up; exec -a "$0" sleep 1000"# };

pub(crate) const DEAF: Worker =
    Worker { name: "ignores-term", script: r#"trap '' TERM HUP INT; echo up; exec -a "$0" sleep 1000"# };

pub(crate) const STOPPED: Worker = Worker {
    name: "stopped",
    script: r#"(exec -a "$0" sleep 1000) & until kill -STOP $!; do :; done; echo up; kill -STOP $$; exec -a "$0" sleep 1000"#,
};

pub(crate) const ESCAPEE: Worker = Worker {
    name: "setsid-escapee",
    script: r#"setsid bash -c 'trap "" TERM; echo up; exec -a "$0" sleep 1000' "$0" & wait"#,
};

/// Its main thread has ended, and another one goes on; in a session of its own.
pub(crate) const LEADERLESS: Worker =
    Worker { name: "main-thread-ended", script: r#"setsid "$SELF_TEST" leaderless "$0""# };

pub(crate) const ALL: [Worker; 11] = [
    PLAIN,
    DEAF,
    STOPPED,
    Worker {
        name: "grandchild-holds-pipe",
        script: r#"bash -c 'trap "" TERM; echo up; exec -a "$0" sleep 1000' "$0" & wait"#,
    },
    ESCAPEE,
    LEADERLESS,
    Worker {
        name: "main-thread-ended-daemon",
        script: r#"(trap '' TERM; setsid "$SELF_TEST" leaderless "$0" &)"#,
    },
    Worker { name: "double-fork", script: r#"(setsid bash -c 'echo up; exec -a "$0" sleep 1000' "$0" &)"# },
    Worker {
        name: "empty-environment",
        script: r#"env -i setsid bash -c 'trap "" TERM; echo up; exec -a "$0" sleep 1000' "$0" & wait"#,
    },
    Worker {
        name: "many",
        script: r#"trap '' TERM; for i in {1..60}; do (exec -a "$0" sleep 1000) & done; echo up; wait"#,
    },
    // Every generation is born of one that is gone; it would end by itself some time.
    Worker {
        name: "forks-for-ever",
        script: r#"trap '' TERM
            export SELF='if [ $1 = 0 ]; then echo up; fi
                if [ $1 -lt 20000 ]; then setsid bash -c "$SELF" "$0" $(($1 + 1)) & fi'
            exec bash -c "$SELF" "$0" 0"#,
    },
];
