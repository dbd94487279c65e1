export type Role = "muted" | "accent" | "attention" | "good" | "bad" | "warn";

export interface Look {
  sign: string;
  word: string;
  role: Role;
}

const LOOKS: Record<string, Look> = {
  pending: { sign: "·", word: "waiting", role: "muted" },
  waiting: { sign: "·", word: "waiting", role: "muted" },
  ready: { sign: "◷", word: "queued", role: "muted" },
  queued: { sign: "◷", word: "queued", role: "muted" },
  starting: { sign: "●", word: "starting", role: "accent" },
  running: { sign: "●", word: "running", role: "accent" },
  working: { sign: "●", word: "running", role: "accent" },
  retrying: { sign: "◷", word: "retries soon", role: "warn" },
  ending: { sign: "●", word: "ending", role: "accent" },
  succeeded: { sign: "✓", word: "succeeded", role: "good" },
  kept: { sign: "✓", word: "kept", role: "good" },
  failed: { sign: "✗", word: "failed", role: "bad" },
  timedOut: { sign: "✗", word: "timed out", role: "bad" },
  timed_out: { sign: "✗", word: "timed out", role: "bad" },
  killed: { sign: "✗", word: "killed", role: "bad" },
  skipped: { sign: "⊘", word: "skipped", role: "muted" },
  cancelled: { sign: "⊘", word: "cancelled", role: "muted" },
  lost: { sign: "!", word: "lost", role: "warn" },
  unreachable: { sign: "!", word: "unreachable", role: "warn" },
  elsewhere: { sign: "?", word: "elsewhere", role: "muted" },
  unknown: { sign: "?", word: "unknown", role: "muted" },
};

export function look(state: string): Look {
  return LOOKS[state] ?? { sign: "?", word: state, role: "muted" };
}

/** A reason without the word of the state, which stands before it: `failed: failed: test` would be a stutter. */
export function reason(detail: string | undefined, word: string): string | undefined {
  const rest = detail?.startsWith(`${word}: `) ? detail.slice(word.length + 2) : detail;
  return rest === word || rest === "" ? undefined : rest;
}

const ENDED = new Set(["succeeded", "failed", "timedOut", "timed_out", "killed", "skipped", "cancelled", "lost", "kept"]);
const FAILED = new Set(["failed", "timedOut", "timed_out", "killed", "lost"]);
const ALIVE = new Set(["running", "starting", "working", "ending", "retrying"]);

export const isEnded = (state: string): boolean => ENDED.has(state);
export const isFailed = (state: string): boolean => FAILED.has(state);
export const isAlive = (state: string): boolean => ALIVE.has(state);

interface StepLike {
  state: string;
  flaky?: boolean | undefined;
  allowedToFail?: boolean | undefined;
  waiting?: { why: string; cause?: string | undefined } | undefined;
}

/** Whether a person has to do something before the step goes on. */
export function needsPerson(waiting: { why: string; cause?: string | undefined } | undefined): boolean {
  if (waiting === undefined) return false;
  return waiting.cause === undefined ? /permission|approv|answer/i.test(waiting.why) : waiting.cause === "permission";
}

export function stepLook(step: StepLike): Look {
  if (!isEnded(step.state) && needsPerson(step.waiting)) return { sign: "?", word: "needs you", role: "attention" };
  if (step.state === "succeeded" && step.flaky === true) return { sign: "✓~", word: "flaky", role: "good" };
  if (isFailed(step.state) && step.allowedToFail === true) return { sign: "✗", word: "failed (allowed)", role: "muted" };
  return look(step.state);
}
