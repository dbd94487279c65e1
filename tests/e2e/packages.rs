//! What users are given: an archive, a Debian package, npm packages; with this program, by the chore that makes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::env::{Outcome, TestEnv};
use crate::flow::Flow;

/// The built program without what only a debugger reads, which would be packed for a long time.
fn program(env: &TestEnv) -> PathBuf {
    let program = env.path("roboppi");
    let mut strip = Command::new("strip");
    let stripped = strip.arg("-o").arg(&program).arg(env!("CARGO_BIN_EXE_roboppi")).status();
    if stripped.is_ok_and(|status| status.success()) { program } else { env!("CARGO_BIN_EXE_roboppi").into() }
}

/// Has the chore package the built program.
fn package(env: &TestEnv, out: &str) -> Outcome {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let target = Path::new(env!("CARGO_BIN_EXE_roboppi")).parent().unwrap().parent().unwrap();
    let cargo =
        env.program(env!("CARGO"), ["run", "--quiet", "--locked", "--package", "xtask", "--manifest-path"]);
    let cargo = cargo.arg(manifest).args(["--", "package", "--out", out, "--binary"]).arg(program(env));
    // The toolchain is where it is for whoever runs this test.
    let home =
        |dir: &str| Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(dir).into_os_string();
    let of_tools = |name: &str, dir: &str| std::env::var_os(name).unwrap_or_else(|| home(dir));
    let cargo = cargo.env("CARGO_HOME", of_tools("CARGO_HOME", ".cargo"));
    let cargo = cargo.env("RUSTUP_HOME", of_tools("RUSTUP_HOME", ".rustup"));
    let kept = std::env::vars_os().filter(|(name, _)| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PROFILE_") || name == "RUSTUP_TOOLCHAIN" || name == "RUSTFLAGS"
    });
    let cargo = kept.fold(cargo, |cargo, (name, value)| cargo.env(&name.to_string_lossy(), value));
    cargo.env("CARGO_TARGET_DIR", target).with_cargo().output()
}

/// Whether a program that makes or opens packages is installed. With `ROBOPPI_TEST_ALL`, as in the workflow of the repository, one that is missing is a failure.
#[expect(clippy::print_stderr, reason = "who reads the results should know what was left out")]
fn are_installed(programs: &[&str]) -> bool {
    let is_there = |program: &&&str| {
        let mut probe = Command::new(program);
        probe.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        !probe.status().is_ok_and(|status| status.success())
    };
    let Some(missing) = programs.iter().find(is_there) else { return true };
    let decides = std::env::var_os("ROBOPPI_TEST_ALL").is_some_and(|value| !value.is_empty());
    assert!(!decides, "{missing} is missing");
    eprintln!("left out: packages, which need {missing}");
    false
}

#[test]
fn packages_hold_a_program_that_runs_with_pages_and_completions() {
    if !are_installed(&["dpkg-deb", "npm", "node"]) {
        return;
    }
    let env = TestEnv::new();
    let version = env!("CARGO_PKG_VERSION");
    let out = env.path("out");
    let _ = package(&env, out.to_str().unwrap()).code(0);
    let mut names: Vec<_> =
        fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let has = |end: &str| {
        names.iter().find(|name| name.ends_with(end)).unwrap_or_else(|| panic!("{end}: {names:?}"))
    };
    assert_eq!(names.len(), 5, "{names:?}");
    let shell = |script: &str| env.shell(script).env("OUT", &out).output().code(0).text();
    assert_eq!(shell("cd $OUT && sha256sum --check SHA256SUMS").lines().count(), 4);

    let archive = has(".tar.gz");
    let top = archive.trim_end_matches(".tar.gz");
    let unpacked =
        shell(&format!("tar -xf $OUT/{archive} && ./{top}/roboppi --version && ls {top} {top}/completions"));
    for part in [
        &format!("roboppi {version}"),
        "LICENSE-MIT",
        "README.md",
        "_roboppi",
        "roboppi.bash",
        "roboppi.fish",
    ] {
        assert!(unpacked.contains(part), "{part}: {unpacked}");
    }
    let page = shell(&format!("cat {top}/man/man1/roboppi-workflow-run.1"));
    assert!(page.contains(".SH SYNOPSIS") && page.contains("\\-\\-rerun\\-failed"), "{page}");

    let deb = has(".deb");
    let fields = shell(&format!("dpkg-deb --field $OUT/{deb}"));
    for field in ["Package: roboppi", &format!("Version: {version}"), "Maintainer: The roboppi authors"] {
        assert!(fields.lines().any(|line| line == field), "{field}: {fields}");
    }
    let listed = shell(&format!("dpkg-deb --contents $OUT/{deb}"));
    for file in [
        "rwxr-xr-x root/root",
        "./usr/bin/roboppi",
        "./usr/share/man/man1/roboppi.1.gz",
        "./usr/share/man/man1/roboppi-artifacts.1.gz",
        "./usr/share/bash-completion/completions/roboppi",
        "./usr/share/zsh/vendor-completions/_roboppi",
        "./usr/share/fish/vendor_completions.d/roboppi.fish",
        "./usr/share/doc/roboppi/copyright",
    ] {
        assert!(listed.contains(file), "{file}: {listed}");
    }
    let installed = shell(&format!("dpkg-deb --extract $OUT/{deb} tree && tree/usr/bin/roboppi --version"));
    assert_eq!(installed, format!("roboppi {version}\n"));
    assert!(shell("cat tree/usr/share/bash-completion/completions/roboppi").contains("\"roboppi\" -- "));

    // As a release collects them: one package comes from every processor.
    let collect = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/collect");
    let collected = "mkdir -p from/x64 from/arm64 && cp $OUT/* from/x64 && cp $OUT/roboppi-*.tgz from/arm64 && \
                     (cd from/arm64 && rm *linux* && sha256sum * > SHA256SUMS) && $COLLECT from release && \
                     cd release && sha256sum --check --quiet SHA256SUMS && ls";
    let collected = env.shell(collected).env("OUT", &out).env("COLLECT", &collect).output().code(0).text();
    assert_eq!(collected.lines().collect::<Vec<_>>(), names.iter().map(String::as_str).collect::<Vec<_>>());
    let broken = "echo >> from/arm64/SHA256SUMS && echo x >> from/x64/$(ls from/x64 | grep deb) && ! $COLLECT from other";
    let _ = env.shell(broken).env("COLLECT", &collect).output().code(0);

    let again = package(&env, out.to_str().unwrap()).code(1).all();
    assert!(again.contains("is there already") && again.contains("nothing is replaced"), "{again}");
    npm(
        &env,
        has(&format!("roboppi-{version}.tgz")),
        names.iter().find(|name| name.contains("linux-x64-") || name.contains("linux-arm64-")).unwrap(),
        &out,
    );
}

/// Installs the npm packages with and without scripts, from files alone, and runs what was installed.
fn npm(env: &TestEnv, main: &str, program: &str, out: &Path) {
    for (options, place) in [("", "with"), ("--ignore-scripts", "without")] {
        let script = format!(
            "mkdir {place} && cd {place} && echo '{{}}' > package.json && \
             npm install --offline --no-audit --no-fund {options} $OUT/{main} $OUT/{program} >&2 && \
             ./node_modules/.bin/roboppi --version"
        );
        let shell = env.shell(&script).env("OUT", out).env("npm_config_update_notifier", "false");
        let printed = shell.output().code(0).text();
        assert_eq!(printed, format!("roboppi {}\n", env!("CARGO_PKG_VERSION")), "{place} scripts");
    }
    let is_program = |place: &str| {
        let path = env.work().join(place).join("node_modules/roboppi/bin/roboppi");
        fs::read(path).unwrap().starts_with(b"\x7fELF")
    };
    assert!(is_program("with") && !is_program("without"));
    // What stands in front of the program passes on how it ends, and signals.
    let program = env.work().join("without/node_modules/.bin/roboppi");
    let program = program.to_str().unwrap();
    env.write("a.yaml", &Flow::of("exit 7").text());
    let failed = env.program(program, ["workflow", "run", "a.yaml"]).output().code(1).all();
    assert!(failed.contains("exit code 7"), "{failed}");
    env.write("a.yaml", &Flow::of("echo > waits; sleep 1000").text());
    let running = env.program(program, ["workflow", "run", "a.yaml"]).start();
    env.wait_for_file("waits");
    running.signal(Signal::SIGTERM);
    let _ = running.wait().code(143);
}

#[test]
fn every_command_has_a_manual_page() {
    let env = TestEnv::new();
    let names = env.roboppi(["man", "--list"]).output().code(0).text();
    for name in ["roboppi", "roboppi-workflow-run", "roboppi-runs-prune", "roboppi-artifacts"] {
        assert!(names.lines().any(|line| line == name), "{name}: {names}");
    }
    assert!(!names.contains("guard") && !names.contains("help"), "{names}");
    for name in names.lines() {
        let page = env.roboppi(std::iter::once("man").chain(name.split('-').skip(1))).output().code(0).text();
        assert!(page.contains(&format!(".TH {name} 1")), "{name}: {page}");
        assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{name}: {page}");
    }
    let none = env.roboppi(["man", "workflow", "fly"]).output().code(2).all();
    assert!(none.contains("no command `fly`"), "{none}");
}
