import type { App } from "../app";
import { asProblem } from "../api/http";
import type { RunCommand, WorkflowRef } from "../api/types";

const TEXTS: Record<RunCommand, { title: (of: string) => string; text: string; yes: string; danger: boolean }> = {
  cancel: { title: (of) => `Cancel ${of}?`, text: "Its workers are asked to end, and are killed if they do not. What they did so far stays in the record.", yes: "Cancel it", danger: true },
  kill: { title: (of) => `Kill ${of}?`, text: "Its workers are killed at once, without time to clean up.", yes: "Kill it", danger: true },
  retry: { title: (of) => `Retry ${of}?`, text: "It starts again as a new attempt.", yes: "Retry it", danger: false },
  skip: { title: (of) => `Skip ${of}?`, text: "It does not start in this run. Steps that depend on it may be skipped too.", yes: "Skip it", danger: true },
};

/** Asks for confirmation, sends the command, and shows its outcome. */
export function askCommand(app: App, run: string, command: RunCommand, step?: string): void {
  const texts = TEXTS[command];
  const of = step === undefined ? `run ${run}` : `step ${step}`;
  app.question.set({
    title: texts.title(of),
    text: texts.text,
    yes: texts.yes,
    danger: texts.danger,
    then: () => {
      app.source
        .command(run, command, step)
        .then((outcome) => app.toast(`${command} of ${of}: ${outcome}`))
        .catch((error: unknown) => {
          const problem = asProblem(error);
          app.toast(`${command} of ${of} was refused`, problem.detail ?? problem.title, true);
        });
    },
  });
}

export function startWorkflow(app: App, workflow: WorkflowRef): void {
  app.question.set({
    title: `Start ${workflow.name}?`,
    text: "A new run of this workflow begins on the server.",
    yes: "Start it",
    then: () => {
      app.source
        .startWorkflow(workflow.id)
        .then((run) => app.go({ page: "run", run: run.handle ?? run.id }))
        .catch((error: unknown) => {
          const problem = asProblem(error);
          app.toast(`${workflow.name} was not started`, problem.detail ?? problem.title, true);
        });
    },
  });
}
