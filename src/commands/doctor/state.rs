//! The state directory, and what is in it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};
use roboppi_attach::{Liveness, LocalRun, RunSummary, survivors};
use roboppi_ipc::RecordLimits;
use roboppi_record::StateRoot;
use roboppi_report::doctor::{Check, Health};
use roboppi_report::units::bytes;

use super::Finding;
use crate::commands::record;

const AREA: &str = "state";

/// What changed within this time may belong to a run that is just beginning.
const RECENT: Duration = Duration::from_secs(10 * 60);

pub(super) fn look() -> Vec<Finding> {
    let Some(root) = record::state_root() else {
        let missing = Check::ok(AREA, "directory", "no HOME and no ROBOPPI_STATE_DIR");
        let advice = "set ROBOPPI_STATE_DIR: until then each run is recorded in a temporary directory";
        return vec![missing.but(Health::Error, advice).into()];
    };
    let dir = root.path().to_owned();
    if !dir.exists() {
        let check = Check::ok(AREA, "directory", format!("{}, made by the first run", dir.display()));
        return vec![check.into()];
    }
    let mut findings = vec![directory(&root), permissions(&dir)];
    findings.extend(free_space(&dir).map(Finding::from));
    findings.extend(runs(&root));
    findings
}

fn directory(root: &StateRoot) -> Finding {
    let dir = root.path();
    let check = Check::ok(AREA, "directory", dir.display().to_string());
    if !root.is_of_this_user() {
        let advice = "set ROBOPPI_STATE_DIR to a directory of this user: runs of others are left as they are";
        return check.but(Health::Warning, advice).into();
    }
    match access(dir, AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) => check.into(),
        Err(error) => check.but(Health::Error, format!("cannot be written: {error}")).into(),
    }
}

fn permissions(dir: &Path) -> Finding {
    let mode = dir.metadata().map(|found| found.permissions().mode() & 0o777).unwrap_or_default();
    let check = Check::ok(AREA, "permissions", format!("{mode:04o}"));
    if mode & 0o077 == 0 {
        return check.into();
    }
    let check = check
        .but(Health::Warning, format!("other users can read what runs wrote: chmod 700 {}", dir.display()));
    let dir = dir.to_owned();
    Finding::fixed_by(check, move || {
        fs::set_permissions(&dir, Permissions::from_mode(0o700)).map_err(|error| error.to_string())?;
        Ok(format!("chmod 700 {}", dir.display()))
    })
}

fn free_space(dir: &Path) -> Option<Check> {
    let disk = statvfs(dir).ok()?;
    let free = disk.blocks_available().saturating_mul(disk.fragment_size());
    let check = Check::ok(AREA, "free space", bytes(free));
    Some(if free >= RecordLimits::default().min_free_bytes {
        check
    } else {
        let advice =
            "workers are stopped when less is free than --min-free; `roboppi runs prune --size` makes room";
        check.but(Health::Error, advice)
    })
}

fn runs(root: &StateRoot) -> Vec<Finding> {
    let all = match RunSummary::all(root, record::now()) {
        Ok(all) => all,
        Err(error) => return vec![Check::ok(AREA, "runs", "?").but(Health::Error, error.to_string()).into()],
    };
    let live = all.iter().filter(|run| run.liveness == Liveness::Live).count();
    let lost = all.iter().filter(|run| run.liveness == Liveness::Lost).count();
    let mut findings =
        vec![Check::ok(AREA, "runs", format!("{}, {live} live, {lost} lost", all.len())).into()];
    if let Some(run) = all.iter().find(|run| run.damage.is_some()) {
        let damaged = all.iter().filter(|run| run.damage.is_some()).count();
        let check = Check::ok(AREA, "damage", format!("{damaged} runs, such as {}", run.short_name()));
        let advice = format!(
            "`roboppi show {0}` says what is damaged, `roboppi runs rm {0}` removes it",
            run.short_name()
        );
        findings.push(check.but(Health::Warning, advice).into());
    }
    findings.push(processes(&all).into());
    findings.push(left_behind(root));
    findings
}

/// Processes of runs that are not live.
fn processes(all: &[RunSummary]) -> Check {
    let over = all.iter().filter(|run| !run.liveness.may_live());
    let left: Vec<String> = over
        .filter(|run| run.liveness == Liveness::Lost)
        .flat_map(|run| {
            survivors_of(&run.local).into_iter().map(|pid| format!("pid {pid} of {}", run.short_name()))
        })
        .collect();
    if left.is_empty() {
        return Check::ok(AREA, "processes", "none is left of runs that are over");
    }
    let check = Check::ok(AREA, "processes", left.join(", "));
    check.but(Health::Warning, "they are being ended by their guard; if they stay, end them with `kill`")
}

fn survivors_of(run: &LocalRun) -> Vec<u32> {
    let (view, _) = record::view_of(run);
    survivors(run, &view).into_iter().map(|process| process.pid).collect()
}

/// What runs left that were killed before they had begun, and removals that were.
fn left_behind(root: &StateRoot) -> Finding {
    let names = fs::read_dir(root.runs_dir()).into_iter().flatten().filter_map(Result::ok);
    let is_unfinished = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        [&b".begun-"[..], b".removed-"].iter().any(|start| name.as_encoded_bytes().starts_with(start))
    };
    let hidden = names.filter(is_unfinished);
    let before = SystemTime::now().checked_sub(RECENT).unwrap_or(SystemTime::UNIX_EPOCH);
    let is_old = |entry: &fs::DirEntry| {
        entry.metadata().and_then(|found| found.modified()).is_ok_and(|changed| changed < before)
    };
    let old = hidden.filter(is_old).count();
    let check = Check::ok(AREA, "leftovers", format!("{old} unfinished directories"));
    if old == 0 {
        return Check::ok(AREA, "leftovers", "none").into();
    }
    let root = root.clone();
    Finding::fixed_by(check.but(Health::Note, "remove them; the next run does so, too"), move || {
        root.remove_unfinished(before)
            .and_then(|()| root.finish_removals())
            .map_err(|error| error.to_string())?;
        Ok("removed".to_owned())
    })
}
