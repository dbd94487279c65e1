import { describe, expect, test } from "vitest";
import type { Attempt, Item, Run, RunRow, Step } from "../src/api/types";
import { joined, normalRow, normalRun } from "../src/api/normal";
import { drawn, extend, mergeItems, noActivity, withFresh, withPage } from "../src/state/activity";
import { applyRunEvents, fromSnapshot, listed, mostInteresting } from "../src/state/run";
import { applyRunsEvents, grouped, noRuns, withRows, withSnapshot } from "../src/state/runs";
import { activityTree, folders } from "../src/lib/tree";

const step = (path: string, state: string, more: Partial<Step> = {}): Step => ({ path, name: path, worker: "CUSTOM", agent: false, state, changedAt: 1, dependsOn: [], attempts: [], artifacts: [], ...more });
const attempt = (id: string, state: string): Attempt => ({ id, number: 1, iteration: 1, role: "work", state, startedAt: 1, log: { bytes: 0, complete: false } });
const row = (id: string, state: string, more: Partial<RunRow> = {}): RunRow => ({ id, name: id, workspace: "/w", state, mode: "workflow", startedAt: 1000, counts: { total: 0, done: 0, running: 0, failed: 0, skipped: 0, waiting: 0 }, ...more });
const run = (steps: Step[]): Run => ({ ...row("r", "running"), commands: [], warnings: [], warningsTotal: 0, cores: [], steps, cursor: "5" });
const text = (seq: number): Item => ({ seq, at: seq, kind: "text", text: String(seq) });

describe("events", () => {
  test("are applied in order, and the cursor is that behind them", () => {
    const state = fromSnapshot(run([step("a", "running")]), "1.1.1-5");
    const next = applyRunEvents(state, [{ kind: "stepChanged", step: step("a", "ending") }, { kind: "stepChanged", step: step("a", "succeeded") }], "1.1.1-7");
    expect(next.steps.get("a")?.state).toBe("succeeded");
    expect(next.cursor).toBe("1.1.1-7");
  });
  test("the state before is left as it was", () => {
    const state = fromSnapshot(run([step("a", "running")]), "5");
    applyRunEvents(state, [{ kind: "stepChanged", step: step("a", "failed") }, { kind: "warning", warning: { at: 1, code: "x", text: "y" } }], "7");
    expect(state.steps.get("a")?.state).toBe("running");
    expect(state.run.warnings).toEqual([]);
  });
  test("what was too long for a frame is read again", () => {
    const state = fromSnapshot(run([step("a", "running")]), "5");
    expect(applyRunEvents(state, [{ cut: true, kind: "stepChanged", step: step("a", "failed") }], "6").stale).toBe(true);
    expect(applyRunEvents(state, [{ kind: "runChanged", run: row("r", "running"), stepsLeftOut: true }], "6").stale).toBe(true);
    const missed = applyRunEvents(state, [{ cut: true, kind: "activity", step: "a", attempt: "a.1", item: text(1) }], "6");
    expect(withFresh(withPage(noActivity, { items: [], more: false, total: 0 }, false, 0), missed.fresh.get("a.1") ?? { items: [], received: 0 }, false).behind).toBe(true);
  });
  test("steps that are added during a run are in the list", () => {
    const state = fromSnapshot(run([step("a", "running")]), "5");
    const next = applyRunEvents(state, [{ kind: "runChanged", run: row("r", "running"), steps: [step("b", "pending")] }], "6");
    expect(next.order).toEqual(["a", "b"]);
  });
  test("a state in parts is one state", () => {
    const first = { ...run([step("a", "running")]), warnings: [] };
    const later = { steps: [step("b", "pending")], commands: [], warnings: [] } as unknown as Run;
    expect(joined(joined(undefined, first), later).steps.map((s) => s.path)).toEqual(["a", "b"]);
  });
  test("lists that were left out are empty, and counts have either name", () => {
    const bare = { ...row("r", "running"), counts: undefined, steps: { total: 3, done: 1, running: 1, failed: 0, skipped: 0, waiting: 1 } } as unknown as RunRow;
    expect(normalRow(bare).counts.total).toBe(3);
    expect(normalRun({ ...row("r", "running"), cursor: "1" } as unknown as Run)).toMatchObject({ steps: [], warnings: [], commands: [] });
  });
});

test("an attempt that changes replaces itself, a step that changes keeps its attempts", () => {
  let state = fromSnapshot(run([step("a", "running", { attempts: [attempt("a.1", "running")] })]), "5");
  state = applyRunEvents(state, [{ cursor: "6", kind: "attemptChanged", step: "a", attempt: attempt("a.1", "failed") }], "6");
  expect(state.steps.get("a")?.attempts.map((a) => a.state)).toEqual(["failed"]);
  const bare = { ...step("a", "failed") } as Partial<Step>;
  delete bare.attempts;
  state = applyRunEvents(state, [{ cursor: "7", kind: "stepChanged", step: bare as Step }], "7");
  expect(state.steps.get("a")?.attempts.length).toBe(1);
});

test("what is looked at first", () => {
  const has = { attempts: [attempt("x", "running")] };
  const all = [step("a", "succeeded", has), step("b", "running", has), step("c", "running", { ...has, waiting: { why: "waits for your approval", since: 1 } }), step("d", "failed", has)];
  expect(mostInteresting(all)?.path).toBe("d");
  expect(mostInteresting(all.slice(0, 3))?.path).toBe("c");
  expect(mostInteresting(all.slice(0, 2))?.path).toBe("b");
  expect(mostInteresting(all.slice(0, 1))?.path).toBe("a");
  expect(mostInteresting([])).toBeUndefined();
  expect(mostInteresting([step("x", "failed", { allowedToFail: true }), step("y", "running")])?.path).toBe("y");
});

test("steps that need a look come first, the others keep their order", () => {
  const all = [step("a", "succeeded"), step("b", "failed"), step("c", "pending"), step("d", "failed", { allowedToFail: true })];
  expect(listed(all, "", false).look.map((s) => s.path)).toEqual(["b"]);
  expect(listed(all, "", false).rest.map((s) => s.path)).toEqual(["a", "c", "d"]);
  expect(listed(all, "fail", true).rest.map((s) => s.path)).toEqual(["d"]);
});

describe("activity", () => {
  test("pages and live items are one list without doubles", () => {
    let state = withPage(noActivity, { items: [text(3), text(4)], more: true, total: 4 }, false, 0);
    state = withFresh(state, { items: [text(4), text(5)], received: 2 }, false);
    state = withPage(state, { items: [text(1), text(2), text(3)], more: false, total: 5 }, true, 2);
    expect(state.items.map((i) => i.seq)).toEqual([1, 2, 3, 4, 5]);
    expect(state.more).toBe(false);
    expect(state.total).toBe(5);
  });
  test("live items that were missed are known, and the end is read again", () => {
    const first = withPage(noActivity, { items: [text(1)], more: false, total: 1 }, false, 0);
    const behind = withFresh(first, { items: [], received: 1 }, false);
    expect(behind.behind).toBe(true);
    expect(behind.items.map((i) => i.seq)).toEqual([1]);
    expect(withFresh(behind, { items: [text(900)], received: 2 }, false)).toMatchObject({ behind: false, more: true, items: [{ seq: 900 }] });
    expect(withFresh(first, { items: [text(900)], received: 899 }, false)).toMatchObject({ behind: false, more: true, items: [{ seq: 900 }] });
    expect(withFresh(first, { items: [text(900)], received: 899 }, true)).toMatchObject({ behind: true, items: [{ seq: 1 }] });
    expect(withPage(behind, { items: [text(899), text(900)], more: true, total: 900 }, false, 899)).toMatchObject({ behind: false, more: true, total: 900 });
  });
  test("live items come before the first page, and are not lost by it", () => {
    const live = withFresh(noActivity, { items: [text(8), text(9)], received: 2 }, false);
    expect(live.items.map((i) => i.seq)).toEqual([8, 9]);
    expect(live.more).toBe(true);
    expect(withPage(live, { items: [text(7), text(8)], more: true, total: 8 }, false, 0).items.map((i) => i.seq)).toEqual([7, 8, 9]);
    // A page that was read long before does not join them.
    const apart = withPage(live, { items: [text(1), text(2)], more: false, total: 2 }, false, 0);
    expect(apart.items.map((i) => i.seq)).toEqual([8, 9]);
    expect(apart.more).toBe(true);
    expect(withFresh(apart, { items: [text(8), text(9)], received: 2 }, false)).toBe(apart);
  });
  test("while one reads nothing is dropped; while one follows memory is bounded", () => {
    const many = (from: number, n: number): Item[] => Array.from({ length: n }, (_, i) => text(from + i));
    const full = withPage(noActivity, { items: many(1, 4000), more: false, total: 4000 }, false, 0);
    const fresh = { items: many(4001, 500), received: 500 };
    expect(withFresh(full, fresh, false)).toMatchObject({ more: true, total: 4500 });
    expect(withFresh(full, fresh, false).items).toHaveLength(4000);
    expect(withFresh(full, fresh, true).items).toHaveLength(4500);
  });
  test("what is drawn stays while items arrive", () => {
    const of = (n: number): ReturnType<typeof activityTree> => activityTree(Array.from({ length: n }, (_, i) => text(i + 1)));
    expect(drawn(of(300), undefined, 10).map((e) => e.seq)).toEqual([291, 292, 293, 294, 295, 296, 297, 298, 299, 300]);
    const range = { from: 291, to: 300 };
    expect(drawn(of(900), range, 10)).toHaveLength(10);
    expect(extend(of(900), range, -20)).toEqual({ from: 271, to: 300 });
    expect(extend(of(900), range, 20)).toEqual({ from: 291, to: 320 });
    expect(extend(of(300), range, 20)).toEqual(range);
    expect(extend(of(300), { from: 1, to: 5 }, -20)).toEqual({ from: 1, to: 5 });
  });
  test("random orders give the same list", () => {
    for (let seed = 1; seed <= 50; seed += 1) {
      let x = seed;
      const random = (): number => (x = (x * 16807) % 2147483647) / 2147483647;
      const all = Array.from({ length: 40 }, (_, i) => text(i + 1));
      let known: Item[] = [];
      const parts: Item[][] = [];
      for (let i = 0; i < 40; ) {
        const n = 1 + Math.floor(random() * 6);
        parts.push(all.slice(Math.max(0, i - 2), i + n));
        i += n;
      }
      for (const part of parts.sort(() => random() - 0.5)) known = mergeItems(known, part);
      expect(known.map((i) => i.seq), `seed ${seed}`).toEqual(all.map((i) => i.seq));
    }
  });
  test("results and sub-agents stand with their calls", () => {
    const items: Item[] = [
      { seq: 1, at: 1, kind: "toolCall", id: "t", tool: "Task" },
      { seq: 2, at: 2, kind: "toolCall", id: "g", tool: "Grep", parent: "t" },
      { seq: 3, at: 3, kind: "toolResult", id: "g", ok: true, preview: "x", bytes: 1, parent: "t" },
      { seq: 4, at: 4, kind: "text", text: "inner", parent: "t" },
      { seq: 5, at: 5, kind: "toolResult", id: "t", ok: true, preview: "y", bytes: 1 },
      { seq: 6, at: 6, kind: "toolResult", id: "before the page", ok: true, preview: "z", bytes: 1 },
      { seq: 7, at: 7, kind: "text", text: "of an unknown parent", parent: "gone" },
    ];
    const tree = activityTree(items);
    expect(tree.map((e) => e.type)).toEqual(["call", "orphan", "item"]);
    expect(tree[0]).toMatchObject({ result: { preview: "y" }, children: [{ type: "call", result: { preview: "x" } }, { type: "item" }] });
  });
});

describe("runs", () => {
  test("groups", () => {
    const now = 100_000_000;
    const state = withRows(noRuns, [row("a", "succeeded"), row("b", "running", { startedAt: 5 }), row("c", "running", { needsYou: [{ step: "s", why: "approve", since: 1 }] }), row("d", "failed", { finishedAt: now - 1000 }), row("e", "failed", { finishedAt: 1 }), row("f", "running", { startedAt: 9 })]);
    const found = grouped(state, { q: "", state: "", workflow: "" }, now);
    expect(found.map((g) => [g.group, g.rows.map((r) => r.id)])).toEqual([
      ["needs you", ["c"]],
      ["running", ["f", "b"]],
      ["failed recently", ["d"]],
      ["earlier", ["a", "e"]],
    ]);
    expect(grouped(state, { q: "zzz", state: "", workflow: "" }, now)).toEqual([]);
  });
  test("a run that was removed while the page was not connected is gone, an old one of a later page stays", () => {
    const state = withRows(noRuns, [row("new", "succeeded", { startedAt: 9 }), row("removed", "succeeded", { startedAt: 8 }), row("old", "succeeded", { startedAt: 1 })]);
    expect([...withSnapshot(state, [row("new", "succeeded", { startedAt: 9 }), row("mid", "failed", { startedAt: 5 })]).rows.keys()].sort()).toEqual(["mid", "new", "old"]);
    expect(withSnapshot(state, []).rows.size).toBe(0);
  });
  test("a change is listed once", () => {
    const state = withRows(noRuns, [row("a", "running", { current: "x" })]);
    const same = applyRunsEvents(state, [{ kind: "runChanged", run: row("a", "running", { current: "x" }) }], 1);
    expect(same.happenings).toEqual([]);
    const ended = applyRunsEvents(same, [{ kind: "runChanged", run: row("a", "failed", { detail: "exit code 1" }) }], 2);
    expect(ended.happenings.map((h) => h.text)).toEqual(["exit code 1"]);
    expect(applyRunsEvents(ended, [{ kind: "runRemoved", id: "a" }], 3).rows.size).toBe(0);
  });
});

test("files by directory", () => {
  expect(folders(["a/b/c/x.rs", "a/b/c/y.rs", "z.rs"])).toEqual({ name: "", files: ["z.rs"], folders: [{ name: "a/b/c", files: ["a/b/c/x.rs", "a/b/c/y.rs"], folders: [] }] });
});
