//! Where runs are kept and how a person names one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use roboppi_record::{RecordError, StateRoot};
use roboppi_run::RunId;

fn id(text: &str) -> RunId {
    RunId::parse(text).unwrap()
}

fn located(env: &[(&str, &str)]) -> Option<PathBuf> {
    let lookup =
        |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
    StateRoot::locate(lookup).map(|root| root.path().to_owned())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_place_is_found_in_this_order() {
    let all = [("ROBOPPI_STATE_DIR", "/own"), ("XDG_STATE_HOME", "/xdg"), ("HOME", "/home/me")];
    assert_eq!(located(&all), Some("/own".into()));
    assert_eq!(located(&all[1..]), Some("/xdg/roboppi".into()));
    assert_eq!(located(&all[2..]), Some("/home/me/.local/state/roboppi".into()));
    assert_eq!(located(&[]), None);
}

#[test]
fn empty_and_relative_values_are_no_place() {
    let env = [("ROBOPPI_STATE_DIR", ""), ("XDG_STATE_HOME", "relative"), ("HOME", "/home/me")];
    assert_eq!(located(&env), Some("/home/me/.local/state/roboppi".into()));
    assert_eq!(located(&[("HOME", "here")]), None);
    let own = located(&[("ROBOPPI_STATE_DIR", "state")]).unwrap();
    assert!(own.is_absolute() && own.ends_with("state"), "{}", own.display());
}

#[test]
fn what_is_made_is_for_the_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let root = StateRoot::at(dir.path().join("a/b"));
    let run = root.create_run(&id("r1")).unwrap();
    for path in [&dir.path().join("a"), root.path(), &root.runs_dir(), run.path()] {
        assert_eq!(mode(path), 0o700, "{}", path.display());
    }
    assert_eq!(run.id(), Some(id("r1")));
    assert_eq!(root.open_run(&id("r1")).unwrap(), run);
}

#[test]
fn a_run_is_made_once() {
    let dir = tempfile::tempdir().unwrap();
    let root = StateRoot::at(dir.path().to_owned());
    root.create_run(&id("r1")).unwrap();
    let error = root.create_run(&id("r1")).unwrap_err();
    assert!(matches!(error, RecordError::Exists { .. }), "{error}");
}

#[test]
fn runs_are_listed_newest_first_and_foreign_names_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let root = StateRoot::at(dir.path().to_owned());
    assert_eq!(root.runs().unwrap(), []);
    for name in ["0190-a", "0192-c", "0191-b"] {
        root.create_run(&id(name)).unwrap();
    }
    fs::write(root.runs_dir().join("0199-file"), "").unwrap();
    fs::create_dir(root.runs_dir().join(".cache")).unwrap();
    fs::create_dir(root.runs_dir().join("not a run")).unwrap();
    assert_eq!(root.runs().unwrap(), [id("0192-c"), id("0191-b"), id("0190-a")]);
}

#[test]
fn a_person_may_say_less_than_the_whole_id() {
    let dir = tempfile::tempdir().unwrap();
    let root = StateRoot::at(dir.path().to_owned());
    for name in ["0190", "0190-a", "0191-b"] {
        root.create_run(&id(name)).unwrap();
    }
    for (text, expected) in
        [("-1", "0191-b"), ("-3", "0190"), ("0191", "0191-b"), ("0190", "0190"), ("0190-", "0190-a")]
    {
        assert_eq!(root.resolve(text).unwrap(), id(expected), "{text}");
    }
    let place = root.runs_dir().display().to_string();
    let said = |text: &str| root.resolve(text).unwrap_err().to_string().replace(&place, "RUNS");
    insta::assert_snapshot!(said("019"), @"`019` may be 0191-b, 0190-a, 0190; give more of the id");
    insta::assert_snapshot!(said("02"), @"no run `02` in RUNS");
    for text in ["", "-0", "-4", "-", "../0190", "0190/"] {
        assert!(matches!(root.resolve(text), Err(RecordError::RunNotFound { .. })), "{text:?}");
    }
    assert!(matches!(root.open_run(&id("gone")), Err(RecordError::RunNotFound { .. })));
}

#[test]
fn a_temporary_root_is_private_and_stays() {
    let root = StateRoot::temporary().unwrap();
    assert_eq!(mode(root.path()), 0o700);
    root.create_run(&id("r1")).unwrap();
    assert_eq!(root.runs().unwrap(), [id("r1")]);
    fs::remove_dir_all(root.path()).unwrap();
}
