//! What a person sees who made a mistake in a workflow file.

mod broken_files;
mod familiar;

use roboppi_workflow::{KEYS, KeyStatus, Section, Severity, parse};

/// A workflow with the given steps and nothing wrong around them.
fn with_steps(steps: &str) -> String {
    format!("name: sample\nversion: \"1\"\ntimeout: 1h\nsteps:\n{steps}")
}

/// A step of one line, `more` being its other keys.
fn step(id: &str, more: &str) -> String {
    format!("  {id}: {{ worker: CUSTOM, instructions: \"true\", capabilities: [READ]{more} }}\n")
}

fn drawn(text: &str) -> String {
    parse(text).render("flow.yaml", text, false)
}

/// One line a problem: severity, place, message, hint.
fn listed(text: &str) -> String {
    let parsed = parse(text);
    let lines: Vec<_> = parsed
        .diagnostics
        .iter()
        .map(|found| {
            let hint = found.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{} {}:{} {}{hint}", found.severity.name(), found.line, found.column, found.message)
        })
        .collect();
    assert_eq!(
        parsed.workflow.is_none(),
        parsed.diagnostics.iter().any(|found| found.severity == Severity::Error),
        "a workflow exactly when there is no error"
    );
    lines.join("\n")
}

#[test]
fn all_mistakes_of_a_file_are_shown_at_once() {
    let text = r#"name: sample
version: 1
timeout: 5 minutes
concurrency: 0
steps:
  build:
    worker: CUSTOM
    instructions: make
    capabilities: [RUN_COMANDS]
    depend_on: [prepare]
  test:
    worker: CUSTOM
    capabilities: [RUN_TESTS]
    depends_on: [biuld]
    continue_on_error: yes
"#;
    insta::assert_snapshot!(drawn(text), @r#"
        error: `version` must be text, found a number
         --> flow.yaml:2:10
        2 | version: 1
          |          ^
          hint: write `version: "1"`

        error: `timeout` is not a duration: `5 minutes`
         --> flow.yaml:3:10
        3 | timeout: 5 minutes
          |          ^^^^^^^^^
          hint: write `5m`; units are ms, s, m, h

        error: `concurrency` must be a whole number of at least 1, found the number `0`
         --> flow.yaml:4:14
        4 | concurrency: 0
          |              ^

        error: `steps.build.capabilities[0]` must be `READ`, `EDIT`, `RUN_TESTS`, `RUN_COMMANDS`, `MAILBOX` or `TASKS`, found the text `RUN_COMANDS`
         --> flow.yaml:9:20
        9 |     capabilities: [RUN_COMANDS]
          |                    ^^^^^^^^^^^
          hint: did you mean `RUN_COMMANDS`?

        warning: unknown key `steps.build.depend_on`, it has no effect
          --> flow.yaml:10:5
        10 |     depend_on: [prepare]
           |     ^^^^^^^^^
           hint: did you mean `depends_on`?

        error: `steps.test` has no `instructions`
          --> flow.yaml:11:3
        11 |   test:
           |   ^^^^
           hint: add `instructions:` (text)

        error: there is no step `biuld`
          --> flow.yaml:14:18
        14 |     depends_on: [biuld]
           |                  ^^^^^
           hint: did you mean `build`?

        error: `steps.test.continue_on_error` must be `true` or `false`, found the text `yes`
          --> flow.yaml:15:24
        15 |     continue_on_error: yes
           |                        ^^^
           hint: write `true`
    "#);
}

#[test]
fn colours_go_around_the_words_and_change_nothing_else() {
    let text = "name: x\nversion: 1\ntimeout: 1h\nsteps: {}\n";
    let parsed = parse(text);
    let coloured = parsed.diagnostics[0].render("f.yaml", text, true);
    insta::assert_snapshot!(coloured.replace('\x1b', "␛"), @r#"
        ␛[1;31merror␛[0m: ␛[1m`version` must be text, found a number␛[0m
         ␛[34m-->␛[0m f.yaml:2:10
        ␛[34m2␛[0m ␛[34m|␛[0m version: 1
          ␛[34m|␛[0m          ␛[31m^␛[0m
          ␛[36mhint:␛[0m write `version: "1"`
    "#);
}

#[test]
fn a_cycle_is_told_as_its_path() {
    let steps = [
        step("a", ", depends_on: [b]"),
        step("b", ", depends_on: [free, c]"),
        step("c", ", depends_on: [a]"),
        step("free", ""),
        step("self", ", depends_on: [self]"),
    ];
    insta::assert_snapshot!(drawn(&with_steps(&steps.concat())), @r#"
        error: steps wait for each other: `a` -> `b` -> `c` -> `a`
         --> flow.yaml:7:81
        7 |   c: { worker: CUSTOM, instructions: "true", capabilities: [READ], depends_on: [a] }
          |                                                                                 ^
          hint: each `->` is an entry of `depends_on`; remove one of them

        error: the step `self` depends on itself
         --> flow.yaml:9:84
        9 |   self: { worker: CUSTOM, instructions: "true", capabilities: [READ], depends_on: [self] }
          |                                                                                    ^^^^
    "#);
}

#[test]
fn two_cycles_with_a_common_step_are_two_problems_and_long_ones_are_cut() {
    let steps =
        [step("a", ", depends_on: [b, c]"), step("b", ", depends_on: [a]"), step("c", ", depends_on: [a]")];
    insta::assert_snapshot!(listed(&with_steps(&steps.concat())), @r"
        error 6:81 steps wait for each other: `a` -> `b` -> `a` (each `->` is an entry of `depends_on`; remove one of them)
        error 7:81 steps wait for each other: `a` -> `c` -> `a` (each `->` is an entry of `depends_on`; remove one of them)
    ");
    let ring: String =
        (0..40).map(|n| step(&format!("s{n}"), &format!(", depends_on: [s{}]", (n + 1) % 40))).collect();
    insta::assert_snapshot!(listed(&with_steps(&ring)), @r"
        error 44:83 steps wait for each other: `s0` -> `s1` -> `s2` -> `s3` -> `s4` -> … 30 more … -> `s35` -> `s36` -> `s37` -> `s38` -> `s39` -> `s0` (each `->` is an entry of `depends_on`; remove one of them)
    ");
}

#[test]
fn references_between_steps_are_checked() {
    let steps = [
        step(
            "build",
            ", outputs: [{ name: report, path: out/r.md }, { name: report, path: ../x }, { name: abs, path: /etc }]",
        ),
        step("other", ", outputs: [{ name: log, path: log.txt, type: text }]"),
        step(
            "test",
            ", depends_on: [build, build, nowhere], inputs: [{ from: build, artifact: reprot }, { from: other, artifact: log }, { from: nowhere, artifact: x }, { from: tset, artifact: x }, { from: test, artifact: x }]",
        ),
    ];
    insta::assert_snapshot!(listed(&with_steps(&steps.concat())), @r"
        error 5:124 a second output `report`
        error 5:138 the path `../x` may lead out of the workspace (write it relative to the workspace, without `..`)
        error 5:165 the path `/etc` may lead out of the workspace (write it relative to the workspace, without `..`)
        warning 7:91 `build` is there twice
        error 7:98 there is no step `nowhere`
        error 7:142 the step `build` has no output `reprot` (did you mean `report`?)
        error 7:160 an input comes from `other`, which is not in `depends_on` (add `other` to `depends_on` of `test`)
        error 7:224 there is no step `tset`
        error 7:253 the step `test` takes an input from itself
    ");
}

#[test]
fn values_of_the_wrong_kind_say_what_was_expected_and_what_was_found() {
    let text = r#"name:
version: "2"
description: 7
timeout: 90
concurrency: 1.5
context_dir: [x]
steps:
  a: nothing
  b:
  c:
    worker: custom
    instructions: |
      echo hi
    capabilities: []
    depends_on: a
    inputs: { from: a }
    outputs: [out.txt]
    timeout: 0s
    grace: 1d
    max_retries: -1
    on_failure: retyr
    continue_on_error: "true"
    workspace: ""
  d: { worker: CUSTOM, instructions: x, capabilities: [READ, READ], max_retries: "3", on_failure: ~ }
"#;
    insta::assert_snapshot!(listed(text), @r#"
        error 1:1 `name` has no value, expected text
        error 2:10 version `2` of the language is not known (write `version: "1"`)
        error 3:14 `description` must be text, found the number `7` (put it into quotation marks)
        error 4:10 `timeout` must be a duration, found the number `90` (add a unit: `90s` for seconds, `90m` for minutes)
        error 5:14 `concurrency` must be a whole number of at least 1, found the number `1.5`
        error 6:14 `context_dir` must be text, found a list (write one text: lines of their own below `|`, or quotation marks around a text that begins with `[`)
        error 8:6 `steps.a` must be a map, found the text `nothing` (write the keys of the step below it: `worker`, `capabilities` and `instructions`)
        error 9:3 `steps.b` must be a map, found nothing (write the keys of the step below it: `worker`, `capabilities` and `instructions`)
        error 11:13 `steps.c.worker` must be `CODEX_CLI`, `CLAUDE_CODE`, `OPENCODE`, `GEMINI` or `CUSTOM`, found the text `custom` (did you mean `CUSTOM`?)
        error 14:19 `steps.c.capabilities` must not be empty (known ones are READ, EDIT, RUN_TESTS, RUN_COMMANDS, MAILBOX, TASKS)
        error 15:17 `steps.c.depends_on` must be a list of step names, found the text `a` (write `[a]`)
        error 16:13 `steps.c.inputs` must be a list of maps with `from` and `artifact`, found a map (begin each entry with `- `)
        error 17:15 `steps.c.outputs[0]` must be a map, found the text `out.txt` (write `{name: NAME, path: PATH}`)
        error 18:14 `steps.c.timeout` must be longer than zero: `0s`
        error 19:12 `steps.c.grace` is not a duration: `1d` (write `24h`; units are ms, s, m, h)
        error 20:18 `steps.c.max_retries` must be a whole number of at least 0, found the number `-1`
        error 21:17 `steps.c.on_failure` must be `retry`, `continue` or `abort`, found the text `retyr` (did you mean `retry`?)
        error 22:24 `steps.c.continue_on_error` must be `true` or `false`, found the text `true` (write `true`)
        error 23:16 `steps.c.workspace` must not be empty
        warning 24:62 `READ` is there twice
        error 24:82 `steps.d.max_retries` must be a whole number of at least 0, found the text `3` (remove the quotation marks)
        error 24:99 `steps.d.on_failure` has no value, expected `retry`, `continue` or `abort`
    "#);
    insta::assert_snapshot!(parse(text).diagnostics[0].render("flow.yaml", text, false), @r"
        error: `name` has no value, expected text
         --> flow.yaml:1:1
        1 | name:
          | ^^^^
    ");
}

#[test]
fn retries_that_never_happen_are_warned_about() {
    let steps =
        [step("a", ", max_retries: 2"), step("b", ", on_failure: retry"), step("c", ", max_retries: 0")];
    let text = with_steps(&steps.concat());
    insta::assert_snapshot!(listed(&text), @r"
        warning 5:68 `steps.a.max_retries` has no effect without `on_failure: retry` (add `on_failure: retry` to the step)
        warning 6:80 `steps.b.on_failure: retry` has no effect without `max_retries` (add `max_retries: 1` or more to the step)
    ");
    assert!(parse(&text).workflow.is_some());
    let strict = parse(&text).deny_warnings();
    assert!(
        strict.workflow.is_none() && strict.diagnostics.iter().all(|found| found.severity == Severity::Error)
    );
}

#[test]
fn unknown_keys_are_warned_about_where_they_stand() {
    let steps =
        [step("a", ", retries: 2, dependsOn: [], concurrency: 2, outputs: [{ name: n, path: p, kind: k }]")];
    let text = format!("x-shared: &s {{ any: thing }}\ncolour: red\n{}", with_steps(&steps.concat()));
    insta::assert_snapshot!(listed(&text), @r"
        warning 2:1 unknown key `colour`, it has no effect
        warning 7:68 unknown key `steps.a.retries`, it has no effect (did you mean `max_retries`?)
        warning 7:80 unknown key `steps.a.dependsOn`, it has no effect (did you mean `depends_on`?)
        warning 7:95 unknown key `steps.a.concurrency`, it has no effect (`concurrency` belongs to the workflow, not here)
        warning 7:141 unknown key `steps.a.outputs[0].kind`, it has no effect
    ");
}

#[test]
fn names_that_are_no_path_segments_are_refused() {
    let steps = ["a/b", "_agents", "\"\"", "..", "ok.v1", "\"tab\\t\""].map(|id| step(id, ""));
    let artifacts = step("z", ", outputs: [{ name: _stall, path: p }, { name: a/b, path: p }]");
    insta::assert_snapshot!(listed(&with_steps(&(steps.concat() + &artifacts))), @r"
        error 5:3 step name `a/b` must not contain `/` or `\` (it names a directory; use letters, digits, `-`, `_` and single dots)
        error 6:3 step name `_agents` is reserved for roboppi's own files (choose another name)
        error 7:3 step name `` is empty (it names a directory; use letters, digits, `-`, `_` and single dots)
        error 8:3 step name `..` must not be `.` or contain `..` (it names a directory; use letters, digits, `-`, `_` and single dots)
        error 10:3 step name `tab\t` must not contain control characters (it names a directory; use letters, digits, `-`, `_` and single dots)
        error 11:86 artifact name `_stall` is reserved for roboppi's own files (choose another name)
        error 11:113 artifact name `a/b` must not contain `/` or `\` (it names a directory; use letters, digits, `-`, `_` and single dots)
    ");
}

#[test]
fn duplicate_keys_are_errors_at_their_place() {
    let text =
        format!("{}name: again\n", with_steps(&(step("a", ", timeout: 1s, timeout: 2s") + &step("a", ""))));
    insta::assert_snapshot!(listed(&text), @r"
        error 5:81 the key `timeout` is there twice (the first one is on line 5)
        error 6:3 the key `a` is there twice (the first one is on line 5)
        error 7:1 the key `name` is there twice (the first one is on line 1)
    ");
}

#[test]
fn every_known_key_is_either_read_or_refused() {
    for key in KEYS {
        let name = key.name;
        let text = match key.section {
            Section::Workflow => format!("{name}:\n"),
            // These are for a step that runs a workflow.
            Section::Step if name.contains("subworkflow") || name.starts_with("exports") => {
                with_steps(&format!("  s:\n    workflow: w.yaml\n    {name}:\n"))
            }
            Section::Step => with_steps(&format!("  s:\n    {name}:\n")),
            Section::Convergence => with_steps(&format!("  s:\n    convergence:\n      {name}:\n")),
            Section::Stage => {
                with_steps(&format!("  s:\n    convergence:\n      stages:\n        - {name}:\n"))
            }
            Section::Export => {
                with_steps(&format!("  s:\n    workflow: w.yaml\n    exports:\n      - {name}:\n"))
            }
            Section::Check => with_steps(&format!("  s:\n    completion_check:\n      {name}:\n")),
            Section::Input => with_steps(&format!("  s:\n    inputs:\n      - {name}:\n")),
            Section::Output => with_steps(&format!("  s:\n    outputs:\n      - {name}:\n")),
            Section::Environment => format!("environment:\n  {name}:\n"),
            Section::Parameter => format!("inputs:\n  one:\n    type: choice\n    {name}:\n")
                .replace("type: choice\n    type", "type"),
            Section::Defaults => format!("defaults:\n  {name}:\n"),
            Section::Retry => with_steps(&format!("  s:\n    retry:\n      {name}:\n")),
            Section::Host => format!("hosts:\n  far:\n    {name}:\n"),
            Section::Secret => with_steps(&format!("  s:\n    secrets:\n      - {name}:\n")),
        };
        let expected = match key.status {
            KeyStatus::Supported => "has no value",
            KeyStatus::NotYet => "is not supported yet",
        };
        let told = parse(&text).diagnostics.into_iter().any(|found| {
            found.message.contains(&format!("{name}` {expected}")) && found.severity == Severity::Error
        });
        assert!(told, "{key:?}\n{}", listed(&text));
    }
}

#[test]
fn what_makes_no_sense_for_a_worker_is_said() {
    let text = format!(
        "environment:\n  pass: [A=b, C]\n  blok: []\n{}",
        with_steps(
            "  s:\n    worker: CUSTOM\n    instructions: x\n    capabilities: [READ]\n    model: large\n    max_steps: 3\n    idle: 0s\n"
        )
    );
    insta::assert_snapshot!(listed(&text), @r"
        error 2:10 `environment.pass[0]` must be a name without a value, found `A=b` (write `A`)
        warning 3:3 unknown key `environment.blok`, it has no effect (did you mean `block`?)
        error 12:5 `steps.s.model` has no effect on a `CUSTOM` worker (it is for agents; remove it, or name an agent as `worker`)
        error 13:5 `steps.s.max_steps` has no effect on a `CUSTOM` worker (it is for agents; remove it, or name an agent as `worker`)
        error 14:11 `steps.s.idle` must be longer than zero: `0s`
    ");
}

#[test]
fn a_nul_in_a_script_is_found_before_it_runs() {
    let text = "name: n\nversion: \"1\"\ntimeout: 1m\nsteps:\n  a: { worker: CUSTOM, capabilities: [READ], instructions: \"a\\0b\" }\n";
    let said = parse(text).render("flow.yaml", text, false);
    assert!(said.contains("holds a NUL, which no shell can read"), "{said}");
}

#[test]
fn instructions_that_no_message_holds_are_found_before_they_run() {
    let flow = |bytes: usize| {
        let script = "x".repeat(bytes);
        format!(
            "name: n\nversion: \"1\"\ntimeout: 1m\nsteps:\n  a:\n    worker: CUSTOM\n    capabilities: [READ]\n    instructions: {script}\n"
        )
    };
    assert!(parse(&flow(1 << 20)).workflow.is_some());
    let text = flow((1 << 20) + 1);
    let parsed = parse(&text);
    assert!(parsed.workflow.is_none());
    let said = parsed.render("flow.yaml", &text, false);
    assert!(said.contains("`steps.a.instructions` has 1048577 bytes, at most 1048576"), "{said}");
    assert!(said.contains("flow.yaml:8:"), "{said}");
    assert!(said.contains("put the text in a file"), "{said}");
    assert!(said.len() < 4096, "{} bytes", said.len());
}

#[test]
fn a_generated_file_shares_keys_and_has_hints_for_its_first_mistakes() {
    let shared: String =
        (0..20_000).map(|n| format!("  step{n}: {{ <<: *shell, instructions: make {n} }}\n")).collect();
    let text = format!(
        "name: n\nversion: \"1\"\ntimeout: 1m\nx-shell: &shell {{ worker: CUSTOM, capabilities: [READ] }}\nsteps:\n{shared}"
    );
    let workflow = parse(&text).workflow.unwrap();
    assert_eq!(workflow.steps.len(), 20_000);

    // Every hint looks at all names, so a long file has few of them.
    let wrong = text.replace("instructions: make", "depends_on: [stepp1], instructions: make");
    let parsed = parse(&wrong);
    let hints = parsed.diagnostics.iter().filter(|found| found.hint.is_some()).count();
    assert_eq!((parsed.diagnostics.len(), parsed.omitted, hints), (200, 19_800, 15));
}

#[test]
fn what_an_agent_has_no_option_for_is_said_with_what_to_do_instead() {
    let steps: String = ["CLAUDE_CODE", "CODEX_CLI", "GEMINI", "OPENCODE", "CUSTOM", "CLAUDE_CODES"]
        .into_iter()
        .map(|kind| {
            format!(
                "  {}:\n    worker: {kind}\n    instructions: x\n    capabilities: [READ]\n    program: p\n    \
                 mcp_config: m\n    add_dirs: [d]\n    append_system_prompt: t\n    max_cost: 1\n    max_tokens: 9\n",
                kind.to_lowercase()
            )
        })
        .collect();
    insta::assert_snapshot!(listed(&with_steps(&steps)), @r#"
        error 20:5 `steps.codex_cli.mcp_config` is not possible: `CODEX_CLI` has no option for it (name the servers in `~/.codex/config.toml`, or pass the arguments `-c` and `mcp_servers.NAME.command="…"`)
        error 23:5 `steps.codex_cli.max_cost` cannot be kept: `CODEX_CLI` does not report what it costs (limit its tokens instead: it reports tokens and no cost)
        error 30:5 `steps.gemini.mcp_config` is not possible: `GEMINI` has no option for it (name the servers in `.gemini/settings.json` of the workspace, or add them with `gemini mcp add`)
        error 32:5 `steps.gemini.append_system_prompt` is not possible: `GEMINI` has no option for it (put the text in front of the instructions, or in `GEMINI.md` of the workspace)
        error 33:5 `steps.gemini.max_cost` cannot be kept: `GEMINI` does not report what it costs (limit its tokens instead: it reports tokens and no cost)
        error 40:5 `steps.opencode.mcp_config` is not possible: `OPENCODE` has no option for it (name the servers under `mcp` in `opencode.json` of the workspace)
        error 41:5 `steps.opencode.add_dirs` is not possible: `OPENCODE` has no option for it (allow the directories with `permission.external_directory` in `opencode.json`, or give the capability `RUN_COMMANDS`)
        error 42:5 `steps.opencode.append_system_prompt` is not possible: `OPENCODE` has no option for it (put the text in front of the instructions, or in `AGENTS.md` of the workspace)
        error 49:5 `steps.custom.program` has no effect on a `CUSTOM` worker (it is for agents; remove it, or name an agent as `worker`)
        error 50:5 `steps.custom.mcp_config` has no effect on a `CUSTOM` worker (it is for agents; remove it, or name an agent as `worker`)
        error 51:5 `steps.custom.add_dirs` has no effect on a `CUSTOM` worker (it is for agents; remove it, or name an agent as `worker`)
        error 52:5 `steps.custom.append_system_prompt` has no effect on a `CUSTOM` worker (it is for agents; remove it, or name an agent as `worker`)
        error 53:5 `steps.custom.max_cost` has no effect on a `CUSTOM` worker (it is for agents; remove it, or name an agent as `worker`)
        error 54:5 `steps.custom.max_tokens` has no effect on a `CUSTOM` worker (it is for agents; remove it, or name an agent as `worker`)
        error 56:13 `steps.claude_codes.worker` must be `CODEX_CLI`, `CLAUDE_CODE`, `OPENCODE`, `GEMINI` or `CUSTOM`, found the text `CLAUDE_CODES` (did you mean `CLAUDE_CODE`?)
    "#);
}

#[test]
fn a_budget_is_a_number_that_somebody_can_keep() {
    let agents = |kinds: &[&str], head: &str| {
        let steps: String = kinds
            .iter()
            .map(|kind| {
                format!(
                    "  {}: {{ worker: {kind}, instructions: x, capabilities: [READ] }}\n",
                    kind.to_lowercase()
                )
            })
            .collect();
        listed(&format!("{head}\n{}", with_steps(&steps)))
    };
    let rows: Vec<String> = [
        (&["CLAUDE_CODE", "CUSTOM"][..], "max_cost: 0.01"),
        (&["CLAUDE_CODE"], "max_cost: $5"),
        (&["CLAUDE_CODE"], "max_cost: 0"),
        (&["CLAUDE_CODE"], "max_cost: .inf"),
        (&["CLAUDE_CODE"], "max_tokens: 0.5"),
        (&["CODEX_CLI"], "max_tokens: 5"),
        (&["CODEX_CLI", "GEMINI", "CUSTOM"], "max_cost: 5"),
        (&["CODEX_CLI", "GEMINI", "CLAUDE_CODE"], "max_cost: 5"),
        (&["CUSTOM"], "max_cost: 5"),
    ]
    .into_iter()
    .map(|(kinds, head)| format!("{head}: {}", agents(kinds, head)))
    .collect();
    insta::assert_snapshot!(rows.join("\n"), @r"
        max_cost: 0.01: 
        max_cost: $5: error 1:11 `max_cost` must be a number above 0, found the text `$5` (write the number alone, without `$`)
        max_cost: 0: error 1:11 `max_cost` must be a number above 0, found the number `0` (write an amount of US dollars, such as `0.5` or `20`)
        max_cost: .inf: error 1:11 `max_cost` must be a number above 0, found the number `.inf` (write an amount of US dollars, such as `0.5` or `20`)
        max_tokens: 0.5: error 1:13 `max_tokens` must be a whole number of at least 1, found the number `0.5`
        max_tokens: 5: 
        max_cost: 5: error 1:1 `max_cost` cannot be kept: no agent of the workflow reports what it costs (limit `max_tokens` instead, which every agent reports)
        max_cost: 5: warning 1:1 `max_cost` counts nothing of `codex_cli` and 1 more: they do not report what they cost (limit `max_tokens` as well, which every agent reports)
        max_cost: 5: warning 1:1 `max_cost` has no effect: no step is an agent
    ");
}

#[test]
fn what_can_be_no_argument_of_a_program_is_refused() {
    let long = "x".repeat(100_001);
    let step = |keys: &str| {
        with_steps(&format!(
            "  s: {{ worker: CLAUDE_CODE, instructions: x, capabilities: [READ], {keys} }}\n"
        ))
    };
    let rows = [
        r#"append_system_prompt: "a\0b""#,
        &format!("append_system_prompt: {long}"),
        "add_dirs: lib",
        r#"add_dirs: [""]"#,
        "program: [a]",
    ]
    .map(|keys| listed(&step(keys)));
    insta::assert_snapshot!(rows.join("\n"), @r"
        error 5:90 `steps.s.append_system_prompt` holds a NUL, which no argument of a program can
        error 5:90 `steps.s.append_system_prompt` has 100001 bytes, at most 100000 can be an argument of a program
        error 5:78 `steps.s.add_dirs` must be a list of paths, found the text `lib` (write `[lib]`)
        error 5:79 `steps.s.add_dirs[0]` must not be empty
        error 5:77 `steps.s.program` must be text, found a list (write one text: lines of their own below `|`, or quotation marks around a text that begins with `[`)
    ");
}
