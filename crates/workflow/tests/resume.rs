//! What of an earlier run counts.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::HashSet;

use proptest::prelude::*;
use roboppi_run::{StepFingerprint, StepPath, StepState, TakenInput, UpstreamResult};
use roboppi_workflow::{
    Decision, EarlierArtifact, Places, Plan, PreviousRun, PreviousStep, ResumePlan, definition_hash, expand,
    parse, plan_resume, result_hash,
};

const PLACES: Places<'_> = Places { workspace: "/w", context_dir: "/w/context" };

const STEPS: &[(&str, &str)] = &[
    ("build", "instructions: make, outputs: [{name: bin, path: out}]"),
    ("lint", "instructions: lint"),
    ("test", "instructions: test, depends_on: [build], inputs: [{from: build, artifact: bin}]"),
    ("ship", "instructions: ship, depends_on: [test, lint]"),
];

fn plan(steps: &[(&str, &str)]) -> Plan {
    let mut text = "name: sample\nversion: \"1\"\ntimeout: 1h\nsteps:\n".to_owned();
    for (id, more) in steps {
        text += &format!("  {id}: {{ worker: CUSTOM, capabilities: [READ], {more} }}\n");
    }
    let workflow = parse(&text).workflow;
    expand(&workflow.unwrap_or_else(|| panic!("{}", parse(&text).render("flow.yaml", &text, false))))
}

#[test]
fn keys_that_came_later_change_no_hash_of_steps_without_them() {
    let hash = |step: &str| {
        let text = format!(
            "name: sample\nversion: \"1\"\ntimeout: 1h\nsteps:\n  a: {{ worker: CLAUDE_CODE, instructions: x, \
             capabilities: [READ]{step} }}\n"
        );
        let plan = expand(&parse(&text).workflow.unwrap());
        plan.nodes().map(|node| definition_hash(node, PLACES)).collect::<String>()
    };
    // As the version before these keys made it.
    let before = hash("");
    insta::assert_snapshot!(before, @"bb2f2ec9c1d1ce3e9c35aa7476600a1bed2697a2b9d77fedecdd9dbb076f718f");
    let check = |more: &str| {
        format!(
            "max_iterations: 2, completion_check: {{worker: CUSTOM, instructions: x, capabilities: [READ]{more}}}"
        )
    };
    assert_ne!(hash(&format!(", {}", check(""))), hash(&format!(", {}", check(", workspace: w"))));
    assert_eq!(hash(&format!(", {}", check(""))), hash(&format!(", {}", check(", timeout: 3m"))));
    assert_eq!(
        hash(&format!(", {}", check(""))),
        hash(&format!(", {}, on_iterations_exhausted: continue", check("").replace('2', "7")))
    );
    for key in ["program: p", "mcp_config: m", "add_dirs: [d]", "append_system_prompt: t", &check("")] {
        assert_ne!(hash(&format!(", {key}")), before, "{key}");
    }
    for key in ["max_cost: 1", "max_tokens: 1"] {
        assert_eq!(hash(&format!(", {key}")), before, "{key}");
    }
}

/// [`STEPS`] with other keys for one of them.
fn with(step: &str, keys: &str) -> Plan {
    let steps: Vec<_> = STEPS.iter().map(|(id, old)| (*id, if *id == step { keys } else { *old })).collect();
    plan(&steps)
}

/// A run of `plan` in which every step succeeded, as it would be recorded.
fn succeeded(plan: &Plan) -> PreviousRun {
    let mut earlier = PreviousRun {
        workspace: PLACES.workspace.to_owned(),
        context_dir: PLACES.context_dir.to_owned(),
        plan: Some(plan.clone()),
        ..PreviousRun::default()
    };
    let mut results = std::collections::HashMap::new();
    // Those of the samples are in an order that fits.
    for node in plan.nodes() {
        let (id, step) = (&node.path, &node.step);
        let made = |name: &str| format!("hash of {name}");
        let fingerprint = StepFingerprint {
            definition: definition_hash(node, PLACES),
            inputs: step
                .inputs
                .iter()
                .map(|input| TakenInput {
                    from: input.from.clone(),
                    artifact: input.artifact.clone(),
                    sha256: Some(made(&input.artifact)),
                })
                .collect(),
            upstream: step
                .depends_on
                .iter()
                .map(|step| UpstreamResult {
                    step: step.clone(),
                    sha256: results.get(step).map(|result: &String| result.as_str().into()),
                })
                .collect(),
        };
        let artifacts: Vec<_> = step
            .outputs
            .iter()
            .map(|output| EarlierArtifact {
                name: output.name.clone(),
                recorded: Some(made(&output.name)),
                found: Some(made(&output.name)),
            })
            .collect();
        let hashes = artifacts.iter().map(|made| (made.name.as_str(), made.found.as_deref().unwrap()));
        results.insert(id.clone(), result_hash(&fingerprint, hashes));
        let state = StepState::Succeeded;
        let fingerprint = Some(fingerprint);
        earlier.steps.insert(
            id.clone(),
            PreviousStep {
                state,
                succeeded: true,
                fingerprint,
                artifacts,
                iteration: 1,
                iteration_done: false,
            },
        );
    }
    earlier
}

impl Fixture {
    fn new() -> Self {
        Self { earlier: succeeded(&plan(STEPS)), again: HashSet::new() }
    }

    fn step(&mut self, step: &str) -> &mut PreviousStep {
        self.earlier.steps.get_mut(&StepPath::from(step)).unwrap()
    }

    fn ended(&mut self, step: &str, state: StepState) -> &mut Self {
        let ended = self.step(step);
        (ended.state, ended.succeeded) = (state, false);
        self
    }

    fn plan(&self, now: &Plan) -> ResumePlan {
        plan_resume(now, PLACES, &self.earlier, &self.again)
    }

    /// A line for each step.
    fn lines(&self, now: &Plan) -> Vec<String> {
        self.plan(now).steps.iter().map(line).collect()
    }
}

struct Fixture {
    earlier: PreviousRun,
    again: HashSet<StepPath>,
}

fn line((step, decision): &(StepPath, Decision)) -> String {
    match decision {
        Decision::Keep { .. } => format!("{step}: keep"),
        Decision::Run(why) if why.is_change() => format!("{step}: again, {}", why.text()),
        Decision::Run(why) => format!("{step}: run, {}", why.text()),
    }
}

#[test]
fn what_succeeded_and_is_as_it_was_is_kept() {
    let all = ["build: keep", "lint: keep", "test: keep", "ship: keep"];
    assert_eq!(Fixture::new().lines(&plan(STEPS)), all);
    // Nothing of this changes what comes of a step.
    let same = with(
        "build",
        "instructions: make, outputs: [{name: bin, path: out}], timeout: 9s, grace: 1s, \
        description: x, on_failure: retry, max_retries: 3, continue_on_error: true",
    );
    assert_eq!(Fixture::new().lines(&same), all);
    let mut shuffled = STEPS.to_vec();
    shuffled.reverse();
    let mut kept = Fixture::new().lines(&plan(&shuffled));
    kept.reverse();
    assert_eq!(kept, all);
}

#[test]
fn what_did_not_succeed_runs_and_what_depends_on_it() {
    let now = plan(STEPS);
    for (state, why) in [
        (StepState::Failed, "it failed"),
        (StepState::Skipped, "it was skipped"),
        (StepState::Lost, "it was lost"),
        (StepState::Running, "it was not over"),
        (StepState::Pending, "it had not started"),
    ] {
        let mut run = Fixture::new();
        run.ended("test", state).ended("ship", StepState::Skipped);
        assert_eq!(
            run.lines(&now),
            ["build: keep", "lint: keep", &format!("test: run, {why}"), "ship: run, it was skipped"]
        );
        assert_eq!(run.plan(&now).changes().count(), 0);
    }
    // It was allowed to fail, and what depends on it had succeeded.
    let mut run = Fixture::new();
    run.ended("build", StepState::Failed);
    assert_eq!(
        run.lines(&now),
        [
            "build: run, it failed",
            "lint: keep",
            "test: run, it depends on `build`",
            "ship: run, it depends on `test`"
        ]
    );
    assert_eq!(run.plan(&now).changes().count(), 0);
}

#[test]
fn what_was_changed_is_named() {
    for (step, keys, what) in [
        ("build", "instructions: make all, outputs: [{name: bin, path: out}]", "instructions"),
        ("build", "instructions: make, outputs: [{name: bin, path: dist}]", "outputs"),
        ("build", "instructions: make, workspace: sub, outputs: [{name: bin, path: out}]", "workspace"),
        ("lint", "instructions: lint, depends_on: [build]", "depends_on"),
        ("lint", "instructions: hint, depends_on: [build]", "instructions, depends_on"),
    ] {
        let lines = Fixture::new().lines(&with(step, keys));
        let line = lines.iter().find(|line| line.starts_with(step)).unwrap();
        assert_eq!(line, &format!("{step}: again, its definition has changed: {what}"));
    }
    let mut run = Fixture::new();
    run.earlier.workspace = "/elsewhere".to_owned();
    for id in ["build", "lint", "test", "ship"] {
        run.step(id).fingerprint.as_mut().unwrap().definition = "of another place".to_owned();
    }
    assert_eq!(
        run.lines(&plan(STEPS))[1],
        "lint: again, its definition has changed: the workspace of the run"
    );
    // A step that runs anyway may be changed: that is what people resume for.
    let mut run = Fixture::new();
    run.ended("ship", StepState::Failed);
    let now = with("ship", "instructions: ship better, depends_on: [test, lint]");
    assert_eq!(run.lines(&now)[3], "ship: run, it failed");
    assert_eq!(run.plan(&now).changes().count(), 0);
}

#[test]
fn artifacts_must_be_what_they_were() {
    let now = plan(STEPS);
    let depends = ["lint: keep", "test: run, it depends on `build`", "ship: run, it depends on `test`"];
    for (found, why) in
        [(Some("another"), "its artifact `bin` was changed since"), (None, "its artifact `bin` is missing")]
    {
        let mut run = Fixture::new();
        run.step("build").artifacts[0].found = found.map(str::to_owned);
        let lines = run.lines(&now);
        assert_eq!(lines[0], format!("build: again, {why}"));
        assert_eq!(lines[1..], depends);
    }
    // What `test` took was not what `build` has made in the end.
    let mut run = Fixture::new();
    run.step("test").fingerprint.as_mut().unwrap().inputs[0].sha256 = None;
    assert_eq!(
        run.lines(&now),
        [
            "build: keep",
            "lint: keep",
            "test: again, the artifact `bin` of `build` has changed since it was used",
            "ship: run, it depends on `test`"
        ]
    );
    // It ran on the strength of a failure that was allowed, and only then `build` was tried again.
    let mut run = Fixture::new();
    run.step("test").fingerprint.as_mut().unwrap().upstream[0].sha256 = None;
    assert_eq!(run.lines(&now)[2], "test: again, it ran before the present result of `build`");
}

#[test]
fn what_is_not_known_does_not_count() {
    let now = plan(STEPS);
    let mut run = Fixture::new();
    run.step("lint").fingerprint = None;
    run.step("build").artifacts[0].recorded = None;
    let lines = run.lines(&now);
    assert_eq!(lines[0], "build: again, the record has no fingerprint of it");
    assert_eq!(lines[1], "lint: again, the record has no fingerprint of it");
}

#[test]
fn steps_come_and_go_and_are_asked_for() {
    let mut run = Fixture::new();
    run.again.insert("test".into());
    let mut steps = STEPS.to_vec();
    steps.remove(1);
    steps[2] = ("ship", "instructions: ship, depends_on: [test]");
    steps.push(("tell", "instructions: tell, depends_on: [build]"));
    let now = plan(&steps);
    assert_eq!(
        run.lines(&now),
        [
            "build: keep",
            "test: run, it was requested",
            "ship: again, its definition has changed: depends_on",
            "tell: run, it is new"
        ]
    );
    assert_eq!(run.plan(&now).gone, [StepPath::from("lint")]);
}

#[test]
fn long_chains_are_no_trouble() {
    let mut steps = vec![("s0".to_owned(), "instructions: x".to_owned())];
    for number in 1..800 {
        steps.push((format!("s{number}"), format!("instructions: x, depends_on: [s{}]", number - 1)));
    }
    let steps: Vec<_> = steps.iter().map(|(id, keys)| (id.as_str(), keys.as_str())).collect();
    let ordered = plan(&steps);
    let mut reversed = steps.clone();
    reversed.reverse();
    let mut run = Fixture { earlier: succeeded(&ordered), again: HashSet::new() };
    assert_eq!(run.plan(&plan(&reversed)).kept().count(), 800);
    run.ended("s400", StepState::Failed);
    assert_eq!(run.plan(&plan(&reversed)).kept().count(), 400);
}

proptest! {
    /// Whatever became of each step: a kept one had succeeded, and all it depends on is kept as well.
    #[test]
    fn nothing_is_kept_on_what_runs_again(
        edges in prop::collection::vec(prop::collection::vec(any::<bool>(), 8), 8),
        fates in prop::collection::vec(0_u8..6, 8),
    ) {
        let steps: Vec<_> = (0..8)
            .map(|step| {
                let on: Vec<_> = (0..step).filter(|other| edges[step][*other]).map(|other| format!("s{other}")).collect();
                (format!("s{step}"), format!("instructions: x, depends_on: [{}], outputs: [{{name: a, path: a}}]", on.join(", ")))
            })
            .collect();
        let steps: Vec<_> = steps.iter().map(|(id, keys)| (id.as_str(), keys.as_str())).collect();
        let now = plan(&steps);
        let mut run = Fixture { earlier: succeeded(&now), again: HashSet::new() };
        for (number, fate) in fates.into_iter().enumerate() {
            let id = format!("s{number}");
            match fate {
                0 => drop(run.ended(&id, StepState::Failed)),
                1 => run.step(&id).artifacts[0].found = None,
                2 => drop(run.again.insert(id.as_str().into())),
                _ => {}
            }
        }
        let plan = run.plan(&now);
        let kept: HashSet<_> = plan.kept().collect();
        for step in &kept {
            prop_assert!(run.earlier.steps[*step].succeeded);
            prop_assert!(now.node(step).unwrap().step.depends_on.iter().all(|on| kept.contains(on)));
        }
        prop_assert_eq!(plan.steps.len(), now.nodes().len());
    }
}

const CHECK: &str =
    "max_iterations: 5, completion_check: {worker: CUSTOM, instructions: x, capabilities: [READ]}";

#[test]
fn a_step_goes_on_with_the_iteration_it_was_in() {
    let with_check = |most: &str| {
        let test = format!("instructions: test, depends_on: [build], {}", CHECK.replace('5', most));
        plan(&[("build", "instructions: make"), ("test", &test)])
    };
    let now = with_check("5");
    let iterations = |plan: &Plan, change: &dyn Fn(&mut PreviousRun)| {
        let mut earlier = succeeded(&now);
        let step = earlier.steps.get_mut(&StepPath::from("test")).unwrap();
        (step.succeeded, step.state, step.iteration) = (false, StepState::Failed, 3);
        change(&mut earlier);
        plan_resume(plan, PLACES, &earlier, &HashSet::new()).iterations
    };
    let test = |earlier: &mut PreviousRun, change: &dyn Fn(&mut PreviousStep)| {
        change(earlier.steps.get_mut(&StepPath::from("test")).unwrap());
    };
    let begins_with = |iteration: u32| vec![(StepPath::from("test"), iteration)];
    assert_eq!(iterations(&now, &|_| {}), begins_with(3), "it was in it");
    let done = |earlier: &mut PreviousRun| test(earlier, &|step| step.iteration_done = true);
    assert_eq!(iterations(&now, &done), begins_with(4), "it was not complete");
    assert_eq!(iterations(&with_check("3"), &done), [], "none is left: from the first one");
    assert_eq!(iterations(&with_check("4"), &done), begins_with(4), "there are more now");
    let first = |earlier: &mut PreviousRun| test(earlier, &|step| step.iteration = 1);
    assert_eq!(iterations(&now, &first), []);
    let changed = |earlier: &mut PreviousRun| test(earlier, &|step| step.fingerprint = None);
    assert_eq!(iterations(&now, &changed), [], "it meant something else");
    let before = |earlier: &mut PreviousRun| {
        earlier.steps.get_mut(&StepPath::from("build")).unwrap().succeeded = false;
    };
    assert_eq!(iterations(&now, &before), [], "what it depends on is done again");
    let succeeded = |earlier: &mut PreviousRun| test(earlier, &|step| step.succeeded = true);
    assert_eq!(iterations(&now, &succeeded), [], "it is kept");
}
