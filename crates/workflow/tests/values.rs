//! `env` and `inputs`: values that a workflow declares, and what refers to them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::BTreeMap;

use roboppi_workflow::{Workflow, parse};

fn listed(file: &str) -> String {
    let found = parse(file).diagnostics.into_iter();
    let lines = found.map(|found| {
        let hint = found.hint.map_or_else(String::new, |hint| format!(" ({hint})"));
        format!("{} {}:{} {}{hint}", found.severity.name(), found.line, found.column, found.message)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn flow(top: &str, step: &str) -> String {
    format!("name: n\nversion: \"1\"\ntimeout: 1h\n{top}steps:\n  s:\n{step}")
}

fn workflow(top: &str, step: &str) -> Workflow {
    let file = flow(top, step);
    parse(&file).workflow.unwrap_or_else(|| panic!("{}", listed(&file)))
}

fn given(workflow: &mut Workflow, values: &[(&str, &str)]) -> Result<(), Vec<String>> {
    let values: BTreeMap<_, _> =
        values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    workflow.give(&values).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn variables(workflow: &Workflow) -> Vec<String> {
    let text = |(name, value): (&String, &roboppi_workflow::Template)| {
        format!("{name}={}", value.as_text().unwrap())
    };
    workflow.steps[0].env.iter().map(text).collect()
}

const INPUTS: &str = "inputs:\n  version:\n  count: {type: number, default: 3}\n  fast: {type: boolean, default: false}\n  \
                      target: {type: choice, options: [one, two], default: one}\n  note: {required: false}\n";

#[test]
fn variables_of_a_step_are_those_of_the_workflow_and_its_own() {
    let top = "env: {A: \"1\", B: 2, C: true, D: ''}\n";
    assert_eq!(variables(&workflow(top, "    run: x\n")), ["A=1", "B=2", "C=true", "D="]);
    let step = "    run: x\n    env: {B: 1.10, E: \"$A $${{ no }}\"}\n";
    assert_eq!(variables(&workflow(top, step)), ["A=1", "B=1.10", "C=true", "D=", "E=$A ${{ no }}"]);
    let checked =
        workflow(top, "    run: x\n    env: {E: e}\n    max_iterations: 2\n    completion_check: {run: y}\n");
    assert_eq!(checked.steps[0].check.as_ref().unwrap().work.env, checked.steps[0].env);
}

#[test]
fn values_take_the_place_of_references() {
    let step = "    worker: CLAUDE_CODE\n    capabilities: [READ]\n    instructions: Fix ${{ inputs.version }} in $${{ inputs.version }}.\n    \
                env: {V: \"v${{ inputs.version }}-${{ inputs.count }}-${{ inputs.fast }}\", N: \"${{ inputs.note }}\"}\n";
    let mut given_all = workflow(INPUTS, step);
    given(&mut given_all, &[("version", "a ${{ inputs.count }}; rm -rf /"), ("fast", "true")]).unwrap();
    assert_eq!(variables(&given_all), ["N=", "V=va ${{ inputs.count }}; rm -rf /-3-true"]);
    assert_eq!(
        given_all.steps[0].instructions,
        "Fix a ${{ inputs.count }}; rm -rf / in ${{ inputs.version }}."
    );
    // Without inputs there are no references, so files that have such texts mean what they meant.
    let plain = workflow("", "    run: echo '${{ inputs.version }}'\n");
    assert_eq!(plain.steps[0].instructions, "echo '${{ inputs.version }}'");
}

#[test]
fn values_that_do_not_fit_are_named() {
    let try_with = |values: &[(&str, &str)]| {
        given(&mut workflow(INPUTS, "    run: x\n"), values).unwrap_err().join("\n")
    };
    insta::assert_snapshot!(try_with(&[("versoin", "1"), ("count", "three"), ("fast", "yes"), ("target", "three")]), @r"
    the input `count` must be a number, such as `3` or `0.5`
    the input `fast` must be `true` or `false`
    the input `target` must be one of `one`, `two`
    the workflow has no input `versoin`; did you mean `version`?
    the input `version` is required: give it with `--input version=…`
    ");
    for number in ["1", "-1.5", "+2", ".5", "1e3"] {
        given(&mut workflow(INPUTS, "    run: x\n"), &[("version", ""), ("count", number)]).unwrap();
    }
    for number in ["", "NaN", "inf", "infinity", "0x10", "1 ", "1,5"] {
        given(&mut workflow(INPUTS, "    run: x\n"), &[("version", ""), ("count", number)]).unwrap_err();
    }
}

#[test]
fn mistakes_are_found_where_they_are() {
    let files = [
        flow("env: [A]\n", "    run: x\n"),
        flow("env: {A: , B: [1], ROBOPPI_X: y, 'A=B': c}\n", "    run: x\n"),
        flow(
            "",
            "    run: x\n    env: {A: \"${{ inputs.x }}\", B: \"${{ env.x }}\", C: \"é ${{ inputs.x\"}\n",
        ),
        flow(INPUTS, "    run: echo ${{ inputs.version }}\n"),
        flow(INPUTS, "    run: x\n    env: {A: \"a ${{ inputs.versoin }} b\"}\n"),
        flow("inputs: [a]\n", "    run: x\n"),
        flow(
            "inputs: {a b: , c: 5, d: {type: text}, e: {type: choice}, f: {options: [a]}}\n",
            "    run: x\n",
        ),
        flow(
            "inputs: {a: {type: boolean, default: \"true\"}, b: {type: choice, options: [x], default: y}}\n",
            "    run: x\n",
        ),
        flow(
            "inputs: {a: {type: number, required: false}, b: {required: true, default: x}, c: {defualt: x}}\n",
            "    run: x\n",
        ),
    ];
    let rows: Vec<_> = files.iter().map(|file| format!("- {}", listed(file))).collect();
    insta::assert_snapshot!(rows.join("\n"));
}

#[test]
fn defaults_are_for_steps_that_do_not_say_and_can_have_them() {
    let file = include_str!("corpus/defaults.yaml");
    let workflow = parse(file).workflow.unwrap_or_else(|| panic!("{}", listed(file)));
    assert_eq!(listed(file), "");
    let rows: Vec<_> = workflow
        .steps
        .iter()
        .map(|(id, step)| {
            let minutes = step.timeout.unwrap().as_secs() / 60;
            format!(
                "{id}: {:?} {minutes}m {} {}",
                step.agent.model,
                step.max_attempts(),
                step.on_failure.name()
            )
        })
        .collect();
    assert_eq!(
        rows,
        ["script: None 10m 3 continue", "agent: Some(\"large\") 5m 3 continue", "number: None 10m 4 retry",]
    );
    let wrong = flow(
        "defaults: {timeout: 5, modle: x, worker: CUSTOM, retry: {max: 0}, max_retries: 1}\n",
        "    run: x\n",
    );
    insta::assert_snapshot!(listed(&wrong));
}
