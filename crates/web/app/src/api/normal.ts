import type { Run, RunProgress, RunRow, Step, StepCounts } from "./types";

const NONE: StepCounts = { total: 0, done: 0, running: 0, failed: 0, skipped: 0, waiting: 0 };

/** Empty lists are left out on the way; here they are lists again. */
export function normalStep(step: Step): Step {
  return { ...step, dependsOn: step.dependsOn ?? [], attempts: step.attempts ?? [], artifacts: step.artifacts ?? [] };
}

/** A row, whose counts older servers call `steps`. */
export function normalRow(row: RunRow): RunRow {
  const counts = row.counts ?? (row as { steps?: unknown }).steps;
  const normal = { ...row, counts: isCounts(counts) ? counts : NONE };
  return row.progress ? { ...normal, progress: normalProgress(row.progress, normal.counts) } : normal;
}

/** The end by the clock of this machine, which may differ from that of the server; older servers send no steps. */
function normalProgress(progress: RunProgress, counts: StepCounts): RunProgress {
  const { remainingMs, done = counts.done, total = counts.total } = progress;
  const known = { ...progress, done, total };
  if (remainingMs === undefined || remainingMs === null) return known;
  return { ...known, remainingMs: null, endsAt: Date.now() + remainingMs };
}

function isCounts(value: unknown): value is StepCounts {
  return typeof value === "object" && value !== null && !Array.isArray(value) && "total" in value;
}

export function normalRun(run: Run): Run {
  return {
    ...run,
    ...normalRow(run),
    commands: run.commands ?? [],
    warnings: run.warnings ?? [],
    warningsTotal: run.warningsTotal ?? 0,
    cores: run.cores ?? [],
    steps: (run.steps ?? []).map(normalStep),
  };
}

/** A state that is sent in several frames: the lists of the later ones belong to the run of the first. */
export function joined(before: Run | undefined, part: Run): Run {
  if (!before) return normalRun(part);
  const more = normalRun(part);
  return { ...before, commands: before.commands.concat(more.commands), warnings: before.warnings.concat(more.warnings), steps: before.steps.concat(more.steps) };
}
