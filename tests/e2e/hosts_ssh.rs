//! Steps on hosts behind a real `sshd`, each in a network namespace of its own. Needs root, iproute2 and openssh-server.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::env::TestEnv;
use crate::flow::Flow;
use crate::run_files::walk;

/// A host: a namespace with an sshd behind a link that can be cut. Gone with the value.
struct Namespace {
    name: String,
    dir: PathBuf,
    number: u32,
}

fn run(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).output().is_ok_and(|output| output.status.success())
}

impl Namespace {
    /// `None`, with a line that states why, where there can be none.
    #[expect(clippy::print_stderr, reason = "who reads the results should know what was left out")]
    fn up(env: &TestEnv, prepare: &str) -> Option<Self> {
        let required = std::env::var_os("ROBOPPI_TEST_ALL").is_some();
        let is_there = |path: &str| Path::new(path).exists();
        let missing = [
            (!nix::unistd::geteuid().is_root(), "root"),
            (!is_there("/usr/sbin/sshd"), "openssh-server"),
            (!run("ip", &["-V"]), "iproute2"),
            (!run("ssh", &["-V"]), "openssh-client"),
        ];
        if let Some((_, what)) = missing.iter().find(|(missing, _)| *missing) {
            assert!(!required, "{what} is missing");
            eprintln!("left out: steps on hosts behind a real sshd; {what} is missing");
            return None;
        }
        // One of 250 networks; one that another test has is refused by the system.
        let first = std::process::id() % 250;
        for offset in 0..250 {
            let number = (first + offset) % 250;
            let name = format!("rbp{number}");
            if !run("ip", &["netns", "add", &name]) {
                if offset == 0 && !run("ip", &["netns", "list"]) {
                    assert!(!required, "there are no network namespaces");
                    eprintln!("left out: steps on hosts behind a real sshd; there are no network namespaces");
                    return None;
                }
                continue;
            }
            let dir = env.path("sshd");
            fs::create_dir_all(&dir).unwrap();
            fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
            let namespace = Self { name, dir, number };
            let begun = namespace.begin();
            if begun {
                namespace.serve(prepare);
            }
            return begun.then_some(namespace).or_else(|| {
                assert!(!required, "there are no links between network namespaces");
                eprintln!("left out: steps on hosts behind a real sshd; no link can be made");
                None
            });
        }
        panic!("all networks are taken");
    }

    fn begin(&self) -> bool {
        let Self { name, dir, number } = self;
        let address = &format!("10.214.{number}.2");
        let ip = |line: &str| run("ip", &line.split(' ').collect::<Vec<_>>());
        if !ip(&format!("link add {name} type veth peer name eth0 netns {name}")) {
            return false;
        }
        for line in [
            format!("addr add 10.214.{number}.1/30 dev {name}"),
            format!("link set {name} up"),
            format!("-n {name} addr add {address}/30 dev eth0"),
            format!("-n {name} link set eth0 up"),
            format!("-n {name} link set lo up"),
        ] {
            assert!(ip(&line), "ip {line}");
        }
        let path = |file: &str| dir.join(file).display().to_string();
        for key in ["id", "hostkey"] {
            assert!(run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &path(key)]));
        }
        fs::create_dir_all("/run/sshd").unwrap();
        fs::write(
            dir.join("sshd.conf"),
            format!(
                "Port 22\nListenAddress {address}\nHostKey {}\nAuthorizedKeysFile {}\nPermitRootLogin prohibit-password\n\
                 PasswordAuthentication no\nStrictModes no\nPidFile {}\nUsePAM no\nAcceptEnv FAR_* ROBOPPI_TEST_ID\n",
                path("hostkey"),
                path("id.pub"),
                path("pid"),
            ),
        )
        .unwrap();
        let far = dir.join("far");
        fs::create_dir_all(far.join("cache")).unwrap();
        fs::create_dir_all(far.join("home")).unwrap();
        // Directories of the host that are its own, for programs that know no others.
        let variables = [
            ("HOME", "home"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_RUNTIME_DIR", "run"),
        ];
        let variables = variables.map(|(name, at)| format!("{name}={}", far.join(at).display()));
        let mut config = OpenOptions::new().append(true).open(dir.join("sshd.conf")).unwrap();
        writeln!(config, "SetEnv {}", variables.join(" ")).unwrap();
        let hostkey = fs::read_to_string(dir.join("hostkey.pub")).unwrap();
        let hostkey: Vec<_> = hostkey.split(' ').take(2).collect();
        fs::write(dir.join("known_hosts"), format!("{address} {}\n", hostkey.join(" "))).unwrap();
        fs::write(
            dir.join("config"),
            format!(
                "Host far\n  HostName {address}\n  User root\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  \
                 SendEnv FAR_* ROBOPPI_TEST_ID\n",
                path("id"),
                path("known_hosts"),
            ),
        )
        .unwrap();
        true
    }

    /// Starts its sshd, after what `prepare` does in the mounts of the host.
    fn serve(&self, prepare: &str) {
        let path = |file: &str| self.dir.join(file).display().to_string();
        let line = format!("{prepare}exec /usr/sbin/sshd -f '{}' -E '{}'", path("sshd.conf"), path("log"));
        let output =
            Command::new("ip").args(["netns", "exec", &self.name, "sh", "-c", &line]).output().unwrap();
        assert!(output.status.success(), "sshd starts: {output:?}");
    }

    fn cut(&self) {
        assert!(run("ip", &["link", "set", &self.name, "down"]));
    }

    fn heal(&self) {
        assert!(run("ip", &["link", "set", &self.name, "up"]));
        run("ip", &["addr", "replace", &format!("10.214.{}.1/30", self.number), "dev", &self.name]);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Ok(output) = Command::new("ip").args(["netns", "pids", &self.name]).output() {
            for pid in String::from_utf8_lossy(&output.stdout).lines() {
                run("kill", &["-9", pid]);
            }
        }
        run("ip", &["netns", "del", &self.name]);
        run("ip", &["link", "del", &self.name]);
    }
}

/// A program `ssh` that has the configuration of the test, and a program on the host that has its directories.
fn programs(env: &TestEnv, host: &Namespace) -> (PathBuf, PathBuf) {
    let config = host.dir.join("config");
    let ssh = format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", config.display());
    let ssh = env.write_program("bin/ssh", &ssh);
    let far = env.path("far");
    fs::create_dir_all(far.join("home")).unwrap();
    let program = format!(
        "#!/bin/sh\nexport HOME={0}/home XDG_STATE_HOME={0}/state XDG_RUNTIME_DIR= {1}={2}\nexec {3} \"$@\"\n",
        far.display(),
        "ROBOPPI_TEST_ID",
        env.mark(),
        env!("CARGO_BIN_EXE_roboppi"),
    );
    (ssh, env.write_program("bin/far-roboppi", &program))
}

/// Bytes of the log in the spool of the host.
fn far_len(env: &TestEnv) -> u64 {
    let state = env.path("far/state");
    let all = if state.exists() { walk(&state) } else { Vec::new() };
    let logs = all.into_iter().filter(|path| path.extension().is_some_and(|end| end == "log"));
    logs.map(|path| fs::metadata(path).map_or(0, |meta| meta.len())).sum()
}

#[test]
fn a_step_behind_a_link_that_is_cut_loses_and_doubles_nothing() {
    let env = TestEnv::new();
    let Some(host) = Namespace::up(&env, "") else { return };
    let (ssh, program) = programs(&env, &host);
    let path = format!("{}:{}", ssh.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let script = "n=0; while [ ! -e end ]; do n=$((n+1)); echo line $n; [ $((n%20)) = 0 ] && sleep 0.01; done; echo end $n";
    let flow = Flow::new()
        .with(&format!("hosts:\n  far:\n    program: {}\n    lease: 8s", program.display()))
        .step_with("work", script, &["host: far"]);
    let running = env.run(&flow).env("PATH", path).start();
    let len = || {
        let log = env.runs().first().map(|run| run.log_path("work", 1));
        log.and_then(|log| log.metadata().ok()).map_or(0, |meta| meta.len())
    };
    env.wait_for("output", || (len() > 0).then_some(()));
    for _ in 0..3 {
        let (before, written) = (len(), far_len(&env));
        host.cut();
        // More than is under way: it is in the spool alone.
        env.wait_for("output there", || (far_len(&env) > written + 10_000).then_some(()));
        host.heal();
        env.wait_for("more output", || (len() > before + 2_000).then_some(()));
    }
    fs::write(env.path("far/home/end"), "").unwrap();
    running.wait().code(0);
    env.wait_until_nothing_is_left();
    let text = env.the_run().text("work", 1);
    let lines: Vec<_> = text.lines().collect();
    let (last, rest) = lines.split_last().unwrap();
    for (number, line) in (1..).zip(rest) {
        assert_eq!(*line, format!("line {number}"));
    }
    assert_eq!(*last, format!("end {}", rest.len()));
    assert_eq!(env.the_run().events("attempt_finished").len(), 1);
}

#[test]
fn what_is_wrong_with_a_host_is_in_the_words_of_ssh() {
    let env = TestEnv::new();
    let Some(host) = Namespace::up(&env, "") else { return };
    let (ssh, _) = programs(&env, &host);
    let path = format!("{}:{}", ssh.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let flow = Flow::new().with("hosts:\n  far:\n    program: /no/such/roboppi").step_with(
        "work",
        "true",
        &["host: far"],
    );
    let printed = env.run(&flow).env("PATH", path).output().code(3).all();
    assert!(printed.contains("/no/such/roboppi"), "{printed}");
}

/// The program of the host, once for each run that needs it.
fn copied(host: &Namespace, below: &Path) -> Vec<PathBuf> {
    let all = if below.exists() { walk(below) } else { Vec::new() };
    let all = all.into_iter().filter(|path| path.is_file() && path.starts_with(&host.dir));
    all.collect()
}

#[test]
fn a_host_without_the_program_gets_it_once() {
    let env = TestEnv::new();
    let Some(host) = Namespace::up(&env, "") else { return };
    let (ssh, _) = programs(&env, &host);
    let path = format!("{}:{}", ssh.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let config = "hosts:\n  far:\n    labels: [web]\n";
    fs::create_dir_all(env.path("home/config/roboppi")).unwrap();
    fs::write(env.path("home/config/roboppi/config.yaml"), config).unwrap();
    let hosts = |words: &[&str]| env.roboppi(["hosts"]).args(words).env("PATH", &path).output();
    let missing = hosts(&["check", "web"]).code(1).all();
    assert!(missing.contains("no roboppi") && missing.contains("the first run copies it there"), "{missing}");
    let flow = Flow::new().step_with("work", "echo on $(hostname)", &["host: far"]);
    let first = env.run(&flow).env("PATH", &path).output().code(0).all();
    assert!(first.contains("the host far had no roboppi of this version: copied to"), "{first}");
    let cache = host.dir.join("far/cache");
    let there = copied(&host, &cache);
    assert_eq!(there.len(), 1, "{there:?}");
    assert_eq!(fs::metadata(&there[0]).unwrap().permissions().mode() & 0o777, 0o700);
    let second = env.run(&flow).env("PATH", &path).output().code(0).all();
    assert!(!second.contains("copied to"), "{second}");
    let listed = hosts(&["check", "far"]).code(0).text();
    assert!(listed.contains("reachable"), "{listed}");
    // A cut copy is no program.
    fs::remove_file(&there[0]).unwrap();
    let updated = hosts(&["update", "far"]).code(0).text();
    assert!(updated.contains("far: copied roboppi to"), "{updated}");
    assert_eq!(copied(&host, &cache), there);
    env.wait_until_nothing_is_left();
}

#[test]
fn a_place_where_no_program_may_be_executed_is_passed_over() {
    let env = TestEnv::new();
    let cache = env.path("sshd/far/cache").display().to_string();
    // In the mounts of the host alone: they end with it.
    let prepare = format!(
        "mkdir -p /tmp/roboppi-0 && mount -t tmpfs -o noexec,size=64k cache '{cache}' && mount -t tmpfs -o size=2g tmp /tmp/roboppi-0 && "
    );
    let Some(host) = Namespace::up(&env, &prepare) else { return };
    let (ssh, _) = programs(&env, &host);
    let path = format!("{}:{}", ssh.parent().unwrap().display(), std::env::var("PATH").unwrap());
    fs::create_dir_all(env.path("home/config/roboppi")).unwrap();
    fs::write(env.path("home/config/roboppi/config.yaml"), "hosts:\n  far:\n").unwrap();
    let updated = env.roboppi(["hosts", "update", "far"]).env("PATH", &path).output().code(0).text();
    assert!(updated.contains("far: copied roboppi to /tmp/roboppi-0/"), "{updated}");
    drop(host);
    // What was mounted there is gone, and what it was mounted on may be.
    let _ = fs::remove_dir("/tmp/roboppi-0");
}
