import { normalRow, normalStep } from "../api/normal";
import type { Item, Run, RunEvent, Step } from "../api/types";
import { isAlive, isEnded, isFailed, needsPerson } from "../lib/states";

export interface RunState {
  run: Run;
  cursor: string;
  /** Steps by path. */
  steps: Map<string, Step>;
  /** Paths in the order of the workflow. */
  order: string[];
  /** New items of attempts, which the activity view takes up; bounded. */
  fresh: Map<string, Fresh>;
  deltas: Map<string, string>;
  /** An event left out what changed: the state has to be read again. */
  stale: boolean;
}

/** The latest items of an attempt, and how many there have been: a difference to what a view took means that it missed some. */
export interface Fresh {
  items: Item[];
  received: number;
}

const MAX_FRESH = 1000;
const MAX_LISTED = 500;

export function fromSnapshot(run: Run, cursor: string): RunState {
  return {
    run,
    cursor,
    steps: new Map(run.steps.map((step) => [step.path, step])),
    order: run.steps.map((step) => step.path),
    fresh: new Map(),
    deltas: new Map(),
    stale: false,
  };
}

/** Events of one subscription come in order and once; `to` is the cursor behind them. */
export function applyRunEvents(state: RunState, events: RunEvent[], to: string): RunState {
  const next: RunState = { ...state, run: { ...state.run }, steps: new Map(state.steps), fresh: new Map(state.fresh), cursor: to };
  for (const event of events) applyOne(next, event);
  return next;
}

function applyOne(state: RunState, event: RunEvent): void {
  if (event.cut && event.kind !== "activity") {
    state.stale = true;
    return;
  }
  switch (event.kind) {
    case "runChanged":
      // The row carries no list of steps, unless some were added; that of the run stays.
      state.run = { ...state.run, ...normalRow(event.run), steps: state.run.steps };
      for (const step of event.steps ?? []) putStep(state, step);
      if (event.stepsLeftOut) state.stale = true;
      break;
    case "stepChanged":
      putStep(state, event.step);
      break;
    case "attemptChanged": {
      const step = state.steps.get(event.step);
      if (!step) break;
      const others = step.attempts.filter((a) => a.id !== event.attempt.id);
      const attempts = [...others, event.attempt].sort((a, b) => a.startedAt - b.startedAt || a.number - b.number);
      state.steps.set(event.step, { ...step, attempts });
      break;
    }
    case "activity":
      putItem(state, event.attempt, event.cut ? undefined : event.item, event.cut === true);
      break;
    case "textDelta": {
      const text = (state.deltas.get(event.attempt) ?? "") + event.text;
      state.deltas = new Map(state.deltas).set(event.attempt, text.slice(-16_384));
      break;
    }
    case "warning":
      state.run.warnings = [...state.run.warnings, event.warning].slice(-MAX_LISTED);
      state.run.warningsTotal += 1;
      break;
    case "command":
      state.run.commands = [...state.run.commands, event.command].slice(-MAX_LISTED);
      break;
    case "runRemoved":
    case "other":
      break;
  }
}

function putStep(state: RunState, changed: Step): void {
  const before = state.steps.get(changed.path);
  const attempts = changed.attempts ?? before?.attempts ?? [];
  state.steps.set(changed.path, normalStep({ ...changed, attempts, artifacts: changed.artifacts ?? before?.artifacts ?? [] }));
  if (!before) state.order = [...state.order, changed.path];
}

function putItem(state: RunState, attempt: string, item: Item | undefined, missed: boolean): void {
  const before = state.fresh.get(attempt) ?? { items: [], received: 0 };
  if (missed) state.fresh.set(attempt, { items: [], received: before.received + 1 });
  if (!item) return;
  const items = [...before.items, item];
  state.fresh.set(attempt, { items: items.length > MAX_FRESH ? items.slice(-MAX_FRESH) : items, received: before.received + 1 });
  if (item.kind === "text") state.deltas = without(state.deltas, attempt);
}

function without<V>(map: Map<string, V>, key: string): Map<string, V> {
  if (!map.has(key)) return map;
  const next = new Map(map);
  next.delete(key);
  return next;
}

/** Failed, then what needs a person, then running, then the last one: what a person looks for first. */
export function mostInteresting(steps: Step[]): Step | undefined {
  return (
    steps.find((s) => isFailed(s.state) && s.allowedToFail !== true) ??
    steps.find((s) => !isEnded(s.state) && s.attempts.length > 0 && needsPerson(s.waiting)) ??
    steps.find((s) => isAlive(s.state)) ??
    steps.filter((s) => s.attempts.length > 0).sort((a, b) => (b.finishedAt ?? b.changedAt) - (a.finishedAt ?? a.changedAt))[0] ??
    steps[0]
  );
}

/** Steps that need a look, and all the others in the order of the workflow. */
export function listed(steps: Step[], filter: string, hideDone: boolean): { look: Step[]; rest: Step[] } {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const look: Step[] = [];
  const rest: Step[] = [];
  for (const step of steps) {
    const text = `${step.path} ${step.name} ${step.state} ${step.worker} ${step.detail ?? ""}`.toLowerCase();
    if (!words.every((word) => text.includes(word))) continue;
    if (hideDone && step.state === "succeeded") continue;
    const failed = isFailed(step.state) && step.allowedToFail !== true;
    if (failed || (!isEnded(step.state) && needsPerson(step.waiting))) look.push(step);
    else rest.push(step);
  }
  return { look, rest };
}

/** Counts of the list of steps, for a run whose row is older than its steps. */
export function countSteps(steps: Iterable<Step>): Record<"good" | "alive" | "waiting" | "failed" | "other", number> {
  const counts = { good: 0, alive: 0, waiting: 0, failed: 0, other: 0 };
  for (const step of steps) {
    if (step.state === "succeeded" || step.state === "kept") counts.good += 1;
    else if (isFailed(step.state)) counts.failed += 1;
    else if (isAlive(step.state)) counts.alive += 1;
    else if (isEnded(step.state)) counts.other += 1;
    else counts.waiting += 1;
  }
  return counts;
}
