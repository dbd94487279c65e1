//! The built binary from outside, with real processes, files, signals and terminals.
//!
//! One test binary, one module a subject. Every test works in a [`TestEnv`](env::TestEnv) of its own and fails
//! when it leaves a process behind.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod agents;
mod agents_background;
mod agents_budgets;
mod agents_limits;
mod agents_options;
mod agents_reasons;
mod ai_callers;
mod allocations;
mod any_run;
mod artifact_list;
mod artifacts;
mod attach;
mod attempts;
mod bad_input;
mod branches;
mod budgets;
mod cancel;
mod checks;
mod ci;
mod ci_files;
mod clock_jumps;
mod collecting;
mod completions;
mod conditions;
mod convergence;
mod core_command;
mod crashes;
mod damage;
mod dashboard;
mod dashboard_records;
mod diagnostics;
mod earlier_runs;
mod emit;
mod env;
mod events;
mod examples;
mod exit_codes;
mod export;
mod export_page;
mod facts;
mod file_changes;
mod first_steps;
mod flags;
mod flaky;
mod floods;
mod flow;
mod follow;
mod forecast;
mod full_disk;
mod future;
mod help;
mod hostile_output;
mod hostile_parent;
mod hostile_state;
mod hosts;
mod hosts_ssh;
mod idle;
mod inputs;
mod json;
mod junit;
mod kinds;
mod leaks;
mod logs;
mod long_files;
mod mask;
mod notifications;
mod old_core;
mod old_core_order;
mod old_runner;
mod other_agents;
mod own_log;
mod packages;
mod pages;
mod permits;
mod plain;
mod plans;
mod processes;
mod receiver;
mod record;
mod record_links;
mod relayed_agents;
mod remains;
mod replay;
mod resume;
mod run_files;
mod run_key;
mod runs;
mod schemas;
mod screen;
mod screen_acting;
mod screen_leaving;
mod screen_logs;
mod screen_manners;
mod screen_mouse;
mod screen_steps;
mod screen_storms;
mod secret_words;
mod secrets;
mod serve;
mod shells;
mod show;
mod spaces;
mod stats;
mod stream;
mod subworkflows;
mod summary_file;
mod system_calls;
mod traces;
mod transports;
mod usage;
mod wait;
mod watch;
mod wire_peer;
mod workflow_tools;
#[path = "../support/yaml.rs"]
mod yaml;

#[test]
fn no_module_is_forgotten() {
    let main = include_str!("main.rs");
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e");
    for entry in std::fs::read_dir(dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // Programs that stand in for others lie beside the modules, what snapshots hold, and workflow files.
        if name.ends_with(".sh") || ["snapshots", "loops"].contains(&&*name) {
            continue;
        }
        let module = name.trim_end_matches(".rs");
        assert!(
            module == "main" || main.contains(&format!("\nmod {module};\n")),
            "main.rs does not list {name}"
        );
    }
}
