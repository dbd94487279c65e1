import { HOSTILE, Log, normalLine } from "./log.mjs";

const T0 = Date.now();
const LONG = `step-with-a-name-of-three-hundred-characters-${"abcdefghij".repeat(26)}`.slice(0, 300);

export const runs = new Map();
export const logs = new Map();
export const activity = new Map();

let nextId = 1;

function attempt(path, of = {}) {
  const startedAt = of.startedAt ?? T0 - 60_000;
  return { id: `${path}.1`, number: 1, iteration: 1, role: "work", state: "succeeded", startedAt, workingAt: startedAt + 40, log: { bytes: 97, complete: true, gaps: [] }, ...of };
}

export function step(path, of = {}) {
  const startedAt = of.startedAt ?? T0 - 60_000;
  const { attempts = [attempt(path, { state: of.state ?? "succeeded", startedAt, ...(of.finishedAt ? { finishedAt: of.finishedAt } : {}) })], ...rest } = of;
  return { path, name: rest.name ?? path, worker: "CUSTOM", agent: false, state: "succeeded", startedAt, changedAt: startedAt, dependsOn: [], attempts, artifacts: [], ...rest };
}

const ENDED = new Set(["succeeded", "failed", "skipped", "cancelled", "timedOut", "lost"]);

export function countsOf(steps) {
  const n = (f) => steps.filter(f).length;
  return { total: steps.length, done: n((s) => ENDED.has(s.state)), running: n((s) => s.state === "running"), failed: n((s) => s.state === "failed"), skipped: n((s) => s.state === "skipped"), waiting: n((s) => ["pending", "ready"].includes(s.state)) };
}

export function addRun(name, steps, of = {}) {
  const handle = `r${nextId++}`;
  const startedAt = of.startedAt ?? T0 - 90_000;
  const run = { id: `01a231ed-5c24-71cf-aaa4-${handle.padStart(12, "0")}`, handle, name, workflow: of.workflow ?? name, workspace: "/home/dev/api", state: "running", mode: "workflow", startedAt, host: "vm", origin: "local", contextDir: "/home/dev/api/context", concurrency: 4, timeoutMs: 3_600_000, commands: [], warnings: [], warningsTotal: 0, cores: [{ host: "vm", state: "running", pid: 4711 }], steps, cursor: "1", counts: countsOf(steps), ...of };
  runs.set(run.handle, run);
  return run;
}

/** Looks a log up, and makes an ordinary one for an attempt that has none of its own. */
export function logOf(run, id) {
  const key = `${run.handle}/${id ?? ""}`;
  let log = logs.get(key);
  if (!log) {
    log = id === undefined ? allSteps(run) : new Log({ total: 120, line: normalLine });
    logs.set(key, log);
  }
  return log;
}

function allSteps(run) {
  const steps = run.steps.filter((s) => s.attempts.length > 0);
  return new Log({ total: steps.length * 40, line: (n, at) => ({ ...normalLine(n, at), step: steps[Math.floor(n / 40)]?.path ?? "" }), complete: run.state !== "running" });
}

const EMPTY = { count: 0, succeeded: 0, failed: 0, timedOut: 0, cancelled: 0, lost: 0, skipped: 0, kept: 0, running: 0, waiting: 0, unknown: 0, succeededMs: null, failedMs: null, perHour: null, rate: null, totalMs: 0 };

function group(count, failed, mean, more = {}) {
  const succeeded = count - failed;
  return { ...EMPTY, count, succeeded, failed, rate: count ? succeeded / count : null, perHour: count / 24, totalMs: count * mean, succeededMs: { total: mean * succeeded, mean, p50: Math.round(mean * 0.9), p95: mean * 3, max: mean * 8 }, ...more };
}

export function stats() {
  if (runs.size === 0) return { at: Date.now(), agents: [], bySteps: [], calls: EMPTY, runs: EMPTY, steps: EMPTY, tools: [], workflows: [], recent: [], period: null, problems: [], eventsMissing: 0, unreadableRuns: 0 };
  const tools = [["Bash", 412, 31, 4200], ["Read", 980, 3, 40], ["Edit", 301, 12, 60], ["Grep", 220, 0, 90], ["mcp__browser__navigate_to_a_page_and_wait", 14, 6, 12_000]];
  return {
    at: Date.now(),
    agents: [
      { ...group(41, 4, 190_000), worker: "CLAUDE_CODE", usage: { inputTokens: 4_120_000, outputTokens: 312_000, cacheReadTokens: 39_000_000, costUsd: 18.42, attemptsWithoutCost: 0 } },
      { ...group(9, 2, 90_000), worker: "CODEX_CLI", usage: { inputTokens: 800_000, outputTokens: 61_000, cacheReadTokens: 0, costUsd: 0, attemptsWithoutCost: 9 } },
    ],
    bySteps: ["lint", "build", "test", "review", LONG].map((s, i) => ({ ...group(40 + i, i, 4000 * (i + 1)), step: s, workflow: "release" })),
    calls: group(1927, 52, 900),
    runs: group(64, 9, 240_000, { running: 3 }),
    steps: group(480, 22, 31_000, { skipped: 12, cancelled: 4 }),
    tools: tools.map(([name, n, f, mean]) => ({ ...group(n, f, mean), name })),
    workflows: ["release", "nightly", "review"].map((w, i) => ({ ...group(20 + i, 3, 300_000), name: w })),
    recent: Array.from({ length: 40 }, (_, i) => ({ at: T0 - i * 13_000, run: `r${(i % 5) + 1}`, step: ["lint", "build", "test"][i % 3], tool: i % 4 === 0 ? "Bash" : null, outcome: i % 9 === 0 ? "failed" : "succeeded", durationMs: 300 + i * 210 })),
    period: { from: T0 - 864e5, to: T0, ms: 864e5 },
    problems: [],
    eventsMissing: 0,
    unreadableRuns: 0,
  };
}

/** A conversation of `n` entries. */
export function conversation(n, at = T0 - 600_000) {
  const items = [];
  const add = (item) => items.push({ seq: items.length + 1, at: at + items.length * 900, ...item });
  add({ kind: "session", id: "9b1c2d3e", model: "claude-sonnet-5" });
  add({ kind: "plan", items: [{ text: "Read the failing test", status: "completed" }, { text: "Mend the parser", status: "in_progress" }, { text: "Run all tests", status: "pending" }] });
  while (items.length < n) {
    const k = items.length;
    if (k % 60 === 2) {
      add({ kind: "text", text: "I looked at `src/words.rs`. The **splitter** drops the last word when a line ends with a dash:\n\n```rust\nlet last = words.pop();\n```\n\n1. keep the rest of the line\n2. join it with the next one\n\n| case | before | after |\n|---|---|---|\n| `a-` | lost | kept |\n\nSee https://doc.rust-lang.org/std/ and <script>window.__owned=1</script>. [click](javascript:alert(1))" });
      add({ kind: "thinking", text: "The test expects two words. The iterator yields one, since the separator is consumed.\n\nPerhaps the peekable is the problem." });
    }
    add({ kind: "toolCall", id: `t${k}`, tool: "Bash", argument: "cargo test words::splits", input: { command: "cargo test words::splits", timeout: 120_000 } });
    add({ kind: "toolResult", id: `t${k}`, ok: k % 7 !== 0, preview: Array.from({ length: 14 }, (_, i) => `test words::case_${i} ... ${i === 6 ? "FAILED" : "ok"}`).join("\n"), bytes: 240_000, blob: "b1", durationMs: 4100 });
    add({ kind: "toolCall", id: `e${k}`, tool: "Edit", argument: "src/words.rs", input: { file_path: "src/words.rs", old_string: "pop()", new_string: "last()" } });
    add({ kind: "toolResult", id: `e${k}`, ok: true, preview: "The file has been updated.", bytes: 26 });
    add({ kind: "patch", path: "src/words.rs", diff: "@@ -10,4 +10,5 @@ fn split\n let line = line.trim();\n-let last = words.pop();\n+let last = words.last();\n+let kept = last.cloned();\n return words;\n" });
    if (k % 60 < 12) {
      add({ kind: "toolCall", id: `a${k}`, tool: "Task", argument: "find callers of split()", input: { prompt: "Find every caller" } });
      add({ kind: "toolCall", id: `g${k}`, tool: "Grep", argument: "split\\(", input: {}, parent: `a${k}` });
      add({ kind: "toolResult", id: `g${k}`, ok: true, preview: "src/main.rs:12\nsrc/lib.rs:40", bytes: 30, durationMs: 120, parent: `a${k}` });
      add({ kind: "text", text: "Two callers, both in this crate.", parent: `a${k}` });
      add({ kind: "toolResult", id: `a${k}`, ok: true, preview: "2 callers", bytes: 9, durationMs: 9000 });
    }
    add({ kind: "fileChanged", path: "src/words.rs", change: "modified", cause: "Edit" });
    add({ kind: "usage", inputTokens: 41_200, outputTokens: 900, costUsd: 0.0421 });
    if (k % 200 < 20) add({ kind: "waiting", why: "usage limit of the provider", until: Date.now() + 900_000 });
    if (k % 300 < 20) add({ kind: "gap", events: 12, bytes: 40_000, recorded: true });
  }
  return items;
}

export const DIFFS = [
  { path: "src/words.rs", change: "modified", added: 2, removed: 1, cause: "Edit", diff: "--- a/src/words.rs\n+++ b/src/words.rs\n@@ -10,4 +10,5 @@ fn split\n let line = line.trim();\n-let last = words.pop();\n+let last = words.last();\n+let kept = last.cloned();\n return words;\n" },
  { path: "src/deep/er/than/one/thinks/parser.rs", change: "created", added: 3, removed: 0, diff: "@@ -0,0 +1,3 @@\n+//! <b>not bold</b>\n+pub fn parse() {}\n+// \u202Eevil\n" },
  { path: "assets/logo.png", change: "modified" },
];

/** What became of the files of the workspace, beside what the agent told in `DIFFS`. */
export const CHANGES = {
  complete: false,
  missed: "4,102 notifications were dropped at 14:02:11; the files were read again",
  changes: [
    { path: "src/words.rs", kind: "modified", cause: "tool", added: 2, removed: 1, bytes: 4100, diff: true },
    { path: "src/deep/er/than/one/thinks/parser.rs", kind: "added", cause: "tool", added: 3, removed: 0, bytes: 90, diff: true },
    { path: "src/deep/er/than/one/thinks/old_parser.rs", kind: "deleted", cause: "other", added: 0, removed: 212, bytes: 0, diff: true },
    { path: "Cargo.lock", kind: "modified", cause: "other", added: 14, removed: 3, bytes: 41_000, diff: true },
    { path: "assets/logo.png", kind: "modified", cause: "other", added: null, removed: null, bytes: 48_200, diff: false },
    { path: "docs/מדריך.md", kind: "added", cause: "other", added: 12, removed: 0, bytes: 800, diff: true },
    ...Array.from({ length: 40 }, (_, i) => ({ path: `tests/generated/${"very-".repeat(i % 9)}long-case-${i}.snap`, kind: "added", cause: "other", added: i, removed: 0, bytes: 100 * i, diff: true })),
  ],
};

export function fill() {
  addRun("empty", [], { state: "failed", detail: "the workflow has no steps", startedAt: T0 - 7_200_000, finishedAt: T0 - 7_199_000, durationMs: 900 });

  const big = addRun("million", [step("build", { state: "succeeded", durationMs: 540_000, finishedAt: T0 - 60_000 })], { state: "succeeded", startedAt: T0 - 4_000_000, finishedAt: T0 - 3_400_000, durationMs: 600_000 });
  logs.set(`${big.handle}/build.1`, new Log({ total: 1_000_000, line: normalLine }));

  const names = ["lint", "unit", "integration", "package", "sign", "docs"];
  const sixty = Array.from({ length: 60 }, (_, i) => {
    const layer = Math.floor(i / 6);
    const state = i < 20 ? (i === 7 ? "failed" : "succeeded") : i < 26 ? "running" : "pending";
    const startedAt = T0 - 90_000 + layer * 15_000 + (i % 6) * 900;
    return step(`${names[i % 6]}-${layer}`, {
      state,
      dependsOn: layer === 0 ? [] : [`${names[i % 6]}-${layer - 1}`, ...(i % 3 === 0 ? [`${names[(i + 1) % 6]}-${layer - 1}`] : [])],
      ...(state === "pending" ? { startedAt: undefined, attempts: [] } : { startedAt }),
      ...(["succeeded", "failed"].includes(state) ? { durationMs: 12_000 + i * 200, finishedAt: startedAt + 12_000 + i * 200 } : {}),
      ...(state === "failed" ? { detail: "exit code 101: 3 tests failed" } : {}),
      ...(i === 21 ? { progress: { percent: 64, message: "41/64", basis: "exact" } } : {}),
      ...(i === 22 ? { flaky: true, state: "succeeded", attempts: [attempt("x", { state: "failed", detail: "exit code 1" }), attempt("x", { id: "x.2", number: 2 })] } : {}),
      ...(i === 24 ? { state: "ready", attempts: [], waiting: { why: "permit cpu", since: T0 - 20_000 } } : {}),
    });
  });
  const nightly = addRun("nightly", sixty, { progress: { percent: 36, done: 20, total: 60, basis: "estimate", runs: 5, remainingMs: 1_080_000 }, current: "unit-3 words::splits", costUsd: 0.42, tokens: 812_000, warnings: [{ at: T0 - 40_000, code: "leaked", text: "a worker left 2 processes behind; they were ended", step: "unit-0" }], warningsTotal: 1 });
  for (const s of sixty.filter((x) => x.state === "running")) {
    s.attempts = [attempt(s.path, { state: "running", startedAt: s.startedAt, log: { bytes: 0, complete: false, gaps: [] } })];
    logs.set(`${nightly.handle}/${s.path}.1`, new Log({ total: 1200, line: normalLine, complete: false, perSecond: 8 }));
  }

  const many = Array.from({ length: 2000 }, (_, i) => {
    const state = i === 1234 ? "failed" : i < 1500 ? "succeeded" : i < 1508 ? "running" : "pending";
    return step(`shard/${String(i).padStart(4, "0")}`, { state, ...(state === "pending" ? { startedAt: undefined, attempts: [] } : {}), dependsOn: i < 4 ? [] : [`shard/${String(i % 4).padStart(4, "0")}`], ...(state === "failed" ? { detail: "exit code 2" } : {}), startedAt: T0 - 80_000 + i * 40, finishedAt: state === "succeeded" ? T0 - 70_000 + i * 40 : undefined });
  });
  addRun("two thousand shards", many, { progress: { percent: 75, done: 1501, total: 2000, basis: "estimate", runs: 1, remainingMs: 0 }, current: "shard/1503" });

  const review = step("review", {
    agent: true,
    worker: "CLAUDE_CODE",
    model: "claude-sonnet-5",
    state: "running",
    tool: { name: "Bash", argument: "cargo test words::splits", since: T0 - 41_000 },
    costUsd: 0.31,
    tokens: 120_000,
    attempts: [attempt("review", { state: "running", sessionId: "9b1c2d3e", log: { bytes: 0, complete: false, gaps: [] } })],
    dependsOn: ["fetch"],
    artifacts: [{ name: "report", path: "out/report.md", sha256: "9f86d081884c7d659a2feaa0c55ad015" }],
  });
  const agent = addRun("review", [step("fetch", { state: "succeeded", durationMs: 2100, finishedAt: T0 - 50_000 }), review, step("approve", { state: "pending", startedAt: undefined, attempts: [], dependsOn: ["review"], waiting: { why: "waits for your approval of release 1.4", since: T0 - 240_000 } })], {
    current: "Bash cargo test words::splits",
    needsYou: [{ step: "approve", why: "approve “release 1.4”", since: T0 - 240_000 }],
    costUsd: 0.31,
    progress: { percent: 33, done: 1, total: 3, basis: "estimate", runs: 4, remainingMs: 240_000 },
  });
  activity.set(`${agent.handle}/review.1`, conversation(1200));
  logs.set(`${agent.handle}/review.1`, new Log({ total: 300, line: normalLine, complete: false, perSecond: 2 }));

  const hostile = addRun(`<img src=x onerror=window.__owned=1> ${LONG}`, [step("hostile", { name: `"><script>window.__owned=1</script> ${LONG}`, state: "failed", detail: `exit code 1: <b>bold</b> \u202Eevil ${LONG}`, durationMs: 4000, finishedAt: T0 })], { workflow: "hostile", state: "failed", detail: LONG, startedAt: T0 - 600_000, finishedAt: T0 - 500_000, durationMs: 100_000, nextCommand: "roboppi workflow run hostile.yaml --resume r6" });
  const hostileLog = new Log({ total: 400, line: (n, at) => (n === 250 ? { gap: { bytes: 1_700_000, reason: "limit of 8 MB a step" }, at } : n === 300 ? { stream: "out", text: "y".repeat(20_000), full: 10_485_760, at } : { stream: n % 5 === 0 ? "err" : "out", text: HOSTILE[n % HOSTILE.length], at }) });
  hostileLog.gaps = [{ from: 8_100_000, to: 9_800_000, reason: "limit of 8 MB a step" }];
  logs.set(`${hostile.handle}/hostile.1`, hostileLog);

  const fast = addRun("firehose", [step("fast", { agent: true, worker: "CLAUDE_CODE", state: "running", attempts: [attempt("fast", { state: "running", log: { bytes: 0, complete: false, gaps: [] } })] }), step("build", { state: "running", attempts: [attempt("build", { state: "running", log: { bytes: 0, complete: false, gaps: [] } })] })], { current: "1,000 events a second", progress: { percent: 0, done: 0, total: 2, basis: "steps", runs: 0, remainingMs: null } });
  activity.set(`${fast.handle}/fast.1`, conversation(20));
  logs.set(`${fast.handle}/build.1`, new Log({ total: 0, line: normalLine, complete: false, perSecond: 1000 }));

  for (let i = 0; i < 60; i += 1) {
    const state = i % 9 === 4 ? "failed" : i % 13 === 7 ? "cancelled" : "succeeded";
    const ms = 120_000 + ((i * 7919) % 200_000);
    addRun("release", [step("lint", { state: "succeeded" }), step("test", { state: state === "failed" ? "failed" : "succeeded" })], { state, ...(state === "failed" ? { detail: "test: exit code 101" } : {}), startedAt: T0 - (i + 1) * 4_000_000, finishedAt: T0 - (i + 1) * 4_000_000 + ms, durationMs: ms, costUsd: 0.1 * (i % 7) });
  }
}
