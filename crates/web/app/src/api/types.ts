/**
 * Types of the HTTP interface, version 1. Times are UTC milliseconds, durations end in `Ms`, and a missing key means that a
 * value is unknown. States are open enumerations: a word that the page does not know is shown as it is.
 */

export interface Problem {
  type?: string;
  title: string;
  status: number;
  detail?: string;
  hint?: string;
  login?: LoginKind;
}

export type LoginKind = "token" | "password" | "password+totp";

export interface Limits {
  eventsPerSecond: number;
  eventsPerFrame: number;
  frameBytes: number;
  logFramesPerSecond: number;
  lineBytes: number;
}

export interface Session {
  role: "operator" | "reader";
  csrf?: string;
  version: string;
  host: string;
  limits: Limits;
  workflows: WorkflowRef[];
}

export interface WorkflowRef {
  id: string;
  name: string;
}

export interface StepCounts {
  total: number;
  done: number;
  running: number;
  failed: number;
  skipped: number;
  waiting: number;
}

/** How far a run is: `exact`, nothing is left to do; `steps`, no end is known; `estimate`, by earlier runs. */
export interface RunProgress {
  done: number;
  total: number;
  basis: "exact" | "steps" | "estimate";
  /** Earlier runs that the end is estimated from. */
  runs?: number;
  /** Until the end when it was sent. */
  remainingMs?: number | null;
  /** When it ends, by the clock of this machine. */
  endsAt?: number;
}

export interface Question {
  step: string;
  why: string;
  since: number;
}

export interface RunRow {
  id: string;
  handle?: string;
  name: string;
  workflow?: string;
  workspace: string;
  state: string;
  detail?: string;
  mode: string;
  startedAt: number;
  finishedAt?: number;
  durationMs?: number;
  counts: StepCounts;
  progress?: RunProgress;
  needsYou?: Question[];
  costUsd?: number;
  tokens?: number;
  host?: string;
  origin?: string;
  current?: string;
  nextCommand?: string;
}

export interface Command {
  at: number;
  user?: string;
  command: string;
  step?: string;
  outcome: string;
}

export interface Warning {
  at: number;
  code: string;
  text: string;
  step?: string;
}

export interface Core {
  host: string;
  state: string;
  pid?: number;
  detail?: string;
}

export interface Run extends RunRow {
  contextDir?: string;
  concurrency?: number;
  timeoutMs?: number;
  resumes?: string;
  commands: Command[];
  warnings: Warning[];
  warningsTotal: number;
  cores: Core[];
  steps: Step[];
  cursor: string;
}

export interface StepProgress {
  percent?: number;
  message?: string;
  phase?: string;
  basis?: string;
}

export interface Waiting {
  why: string;
  /** `permission`, `rate_limit`, `retry`, `background`, `other`. */
  cause?: string;
  since: number;
  until?: number;
}

export interface ToolNow {
  name: string;
  argument?: string;
  since: number;
}

export interface Artifact {
  name: string;
  path: string;
  sha256?: string;
}

export interface Step {
  path: string;
  name: string;
  worker: string;
  agent: boolean;
  model?: string;
  state: string;
  detail?: string;
  allowedToFail?: boolean;
  flaky?: boolean;
  startedAt?: number;
  changedAt: number;
  finishedAt?: number;
  durationMs?: number;
  dependsOn: string[];
  iteration?: number;
  maxIterations?: number;
  progress?: StepProgress;
  waiting?: Waiting;
  tool?: ToolNow;
  costUsd?: number;
  tokens?: number;
  attempts: Attempt[];
  artifacts: Artifact[];
  keptFrom?: { run: string; attempt: string };
  resources?: { cpuMs: number; maxRssBytes?: number };
}

export interface ByteGap {
  from: number;
  to: number;
  reason: string;
}

export interface Usage {
  inputTokens?: number;
  outputTokens?: number;
  cacheReadTokens?: number;
  cacheWriteTokens?: number;
  costUsd?: number;
  turns?: number;
}

export interface Attempt {
  id: string;
  number: number;
  iteration: number;
  role: string;
  state: string;
  detail?: string;
  startedAt: number;
  workingAt?: number;
  finishedAt?: number;
  durationMs?: number;
  exitCode?: number;
  signal?: string;
  log: { bytes: number; complete: boolean };
  sessionId?: string;
  sessionCommand?: string;
  usage?: Usage;
  result?: string;
  errorClass?: string;
  leaked?: { pid: number; command: string }[];
}

interface ItemBase {
  seq: number;
  at: number;
  parent?: string;
  /** A text of it is longer than what is here. */
  cut?: boolean;
}

export type Item = ItemBase &
  (
    | { kind: "text" | "thinking"; text: string; blob?: string }
    | { kind: "toolCall"; id: string; tool: string; argument?: string; input?: unknown; blob?: string }
    | { kind: "toolResult"; id: string; ok: boolean; preview: string; bytes: number; blob?: string; durationMs?: number }
    | { kind: "fileChanged"; path: string; change: string; cause?: string }
    | { kind: "patch"; path: string; diff: string }
    | { kind: "plan"; items: { text: string; status: string }[] }
    | ({ kind: "usage" } & Usage)
    | { kind: "waiting"; why: string; until?: number }
    | { kind: "progress"; message: string; percent?: number }
    | { kind: "session"; id: string; model?: string }
    | { kind: "gap"; events: number; bytes: number; fromOffset?: number; toOffset?: number; recorded?: boolean }
    | { kind: "other"; name: string }
  );

export interface ActivityPage {
  items: Item[];
  first?: number;
  last?: number;
  more: boolean;
  total: number;
}

export interface Line {
  n: number;
  at?: number;
  stream: "out" | "err";
  text: string;
  cut?: number;
  gap?: { bytes: number; reason: string };
  step?: string;
}

export interface LogPage {
  lines: Line[];
  from: number;
  total: number;
  bytes: number;
  complete: boolean;
  /** Bytes that are recorded and not yet in the log. */
  lag?: number;
  gaps?: ByteGap[];
}

export interface Hit {
  n: number;
  start?: number;
  end?: number;
  text: string;
}

export interface SearchPage {
  hits: Hit[];
  searched: { bytes: number; of: number };
  next?: number;
  total?: number;
}

export interface FileDiff {
  path: string;
  change: string;
  diff?: string;
  cause?: string;
  added?: number;
  removed?: number;
}

/** How a file changed between the beginning and the end of an attempt. */
export interface Change {
  path: string;
  /** `added`, `modified`, `deleted`. */
  kind: string;
  /** `tool`: by a tool of the agent, `other`: by anything else. */
  cause: string;
  added?: number | null;
  removed?: number | null;
  bytes?: number | null;
  /** There is a text to compare. */
  diff: boolean;
}

export interface Changes {
  complete: boolean;
  missed?: string | null;
  /** Another step had the same workspace at the same time. */
  shared?: boolean;
  changes: Change[];
}

export interface RunsPage {
  runs: RunRow[];
  next?: string;
  total?: number;
  live: number;
  needsYou: number;
}

export type RunCommand = "cancel" | "kill" | "retry" | "skip";

/** `cut`: the event was too long for a frame, and what changed has to be read. */
export type RunEvent = { cursor?: string; at?: number; cut?: boolean } & (
  | { kind: "runChanged"; run: RunRow; steps?: Step[]; stepsLeftOut?: boolean }
  | { kind: "runRemoved"; id: string }
  | { kind: "stepChanged"; step: Step }
  | { kind: "attemptChanged"; step: string; attempt: Attempt }
  | { kind: "activity"; step: string; attempt: string; item?: Item }
  | { kind: "warning"; warning: Warning }
  | { kind: "command"; command: Command }
  | { kind: "other" }
  | { kind: "textDelta"; step: string; attempt: string; id: string; text: string }
);

export type Topic =
  | { topic: "runs" }
  | { topic: "run"; run: string }
  | { topic: "log"; run: string; attempt?: string };

export type ServerFrame =
  | { type: "welcome"; epoch: string; limits: Limits; role: string }
  | { type: "snapshot"; sub: string; cursor: string; part?: number; more?: boolean; run?: Run; runs?: RunRow[] }
  | { type: "batch"; sub: string; from: string; to: string; events: RunEvent[] }
  | ({ type: "lines"; sub: string } & LogPage)
  | { type: "gap"; sub: string; from: string; to: string; count: number; reason: string }
  | { type: "caughtUp"; sub: string; cursor: string }
  | ({ type: "error"; sub?: string } & Problem)
  | { type: "pong"; t: number };
