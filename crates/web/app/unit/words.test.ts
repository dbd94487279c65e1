import { describe, expect, test } from "vitest";
import { delayMs } from "../src/api/backoff";
import { countDiff, parseDiff } from "../src/lib/diff";
import { bytes, compact, duration, elapsed, money, percent, roughly } from "../src/lib/format";
import { layout } from "../src/lib/graph";
import { causeWords, sumChanges, toldOf } from "../src/lib/changes";
import { fuzzy } from "../src/lib/match";
import { progressSentence, progressWords } from "../src/lib/progress";
import { look, needsPerson, reason, stepLook } from "../src/lib/states";
import { formatRoute, parseRoute } from "../src/lib/route";

test.each([
  [0, "1ms"],
  [412, "412ms"],
  [4200, "4.2s"],
  [9960, "10s"],
  [62_000, "1m02s"],
  [3_599_600, "1h00m"],
  [7_500_000, "2h05m"],
  [273_600_000, "3d04h"],
  [-1, "–"],
])("duration of %d is %s", (ms, words) => expect(duration(ms)).toBe(words));

test("figures", () => {
  expect(elapsed(2400)).toBe("2s");
  expect([400, 44_000, 56_000, 1_080_000, 7_450_000, 90_000_000].map(roughly)).toEqual(["~10s", "~40s", "~1m", "~18m", "~2h05m", "~1d"]);
  expect([bytes(0), bytes(999), bytes(999_950), bytes(96_600_000)]).toEqual(["0 B", "999 B", "1.0 MB", "96.6 MB"]);
  expect([compact(999), compact(1200), compact(999_600)]).toEqual(["999", "1.2k", "1M"]);
  expect([money(0), money(0.0042), money(4.1)]).toEqual(["$0", "$0.0042", "$4.10"]);
  expect([percent(1), percent(0.999), percent(0.5)]).toEqual(["100 %", "> 99 %", "50 %"]);
});

describe("places", () => {
  test.each(["#/runs", "#/runs?q=a%26b&state=failed", "#/runs/r17", "#/runs/r17/a%2Fb/log?attempt=a%2Fb.2&line=12", "#/runs/r17/-/details", "#/history?workflow=x"])("%s", (fragment) => {
    expect(formatRoute(parseRoute(fragment))).toBe(fragment);
  });
  test("nonsense is the list of runs, and never an error", () => {
    for (const bad of ["", "#", "#/%zz", "#/runs/", "#nothing"]) expect(parseRoute(bad).page).toBe("runs");
    expect(parseRoute("#/runs/%zz/%zz/nonsense?line=-4")).toEqual({ page: "run", run: "%zz", step: "%zz" });
  });
});

test("waits grow to a minute and are spread", () => {
  expect([0, 1, 2, 3, 9, 1000].map((n) => delayMs(n, 1))).toEqual([1000, 2000, 4000, 8000, 60_000, 60_000]);
  expect(delayMs(3, 0)).toBe(4000);
});

test("diffs have the numbers of both files", () => {
  const lines = parseDiff("--- a/x\n+++ b/x\n@@ -3,2 +3,3 @@ fn a\n same\n-old\n+new\n+more\n\\ No newline at end of file\n");
  expect(lines.map((l) => [l.kind, l.before, l.after])).toEqual([
    ["hunk", undefined, undefined],
    ["same", 3, 3],
    ["del", 4, undefined],
    ["add", undefined, 4],
    ["add", undefined, 5],
    ["note", undefined, undefined],
  ]);
  expect(countDiff(lines)).toEqual({ added: 2, removed: 1 });
});

describe("graph", () => {
  test("steps stand after those that they depend on", () => {
    const { layers, edges } = layout([
      { path: "c", dependsOn: ["a", "b"] },
      { path: "a", dependsOn: [] },
      { path: "b", dependsOn: ["a", "gone"] },
    ]);
    expect(layers).toEqual([["a"], ["b"], ["c"]]);
    expect(edges).toHaveLength(3);
  });
  test("circles and long chains end", () => {
    expect(layout([{ path: "a", dependsOn: ["b"] }, { path: "b", dependsOn: ["a"] }]).layers.flat().sort()).toEqual(["a", "b"]);
    const chain = Array.from({ length: 20_000 }, (_, i) => ({ path: `s${i}`, dependsOn: i === 0 ? [] : [`s${i - 1}`] })).reverse();
    expect(layout(chain).layers).toHaveLength(20_000);
  });
});

test("the palette finds words and letters in order", () => {
  expect(fuzzy("nigh", "r3 nightly")).toBeGreaterThan(fuzzy("nly", "r3 nightly") ?? 0);
  expect(fuzzy("r3 night", "r3 nightly")).toBeDefined();
  expect(fuzzy("zzz", "r3 nightly")).toBeUndefined();
});

describe("states", () => {
  test("unknown words are shown as they are", () => expect(look("hibernating")).toEqual({ sign: "?", word: "hibernating", role: "muted" }));
  test("sign and word carry what is special about a step", () => {
    expect(stepLook({ state: "succeeded", flaky: true })).toMatchObject({ sign: "✓~", word: "flaky" });
    expect(stepLook({ state: "failed", allowedToFail: true })).toMatchObject({ word: "failed (allowed)", role: "muted" });
    expect(stepLook({ state: "running", waiting: { why: "x", cause: "permission" } }).word).toBe("needs you");
  });
  test("a usage limit waits for no person", () => {
    expect(needsPerson({ why: "usage limit of the provider", cause: "rate_limit" })).toBe(false);
    expect(needsPerson({ why: "waits for your approval" })).toBe(true);
  });
  test("a reason does not repeat its state", () => {
    expect(reason("failed: test", "failed")).toBe("test");
    expect(reason("failed", "failed")).toBeUndefined();
    expect(reason("exit code 3", "failed")).toBe("exit code 3");
  });
});

test("no time is told that is not known, and none looks exact", () => {
  const of = { done: 3, total: 7, runs: 5, endsAt: 130_000 };
  expect(progressSentence(progressWords({ ...of, basis: "estimate" }, 10_000))).toBe("3 of 7 steps · ~2m left, from 5 earlier runs");
  expect(progressSentence(progressWords({ ...of, runs: 1, basis: "estimate" }, 140_000))).toBe("3 of 7 steps · longer than expected, from 1 earlier run");
  expect(progressSentence(progressWords({ ...of, basis: "steps" }, 10_000))).toBe("3 of 7 steps");
  expect(progressSentence(progressWords({ done: 7, total: 7, basis: "exact" }, 10_000))).toBe("7 of 7 steps");
});

test("a change that the agent never told is known", () => {
  const told = toldOf([{ path: "./src/a.rs" }, { path: "/home/dev/api/src/b.rs" }]);
  expect(["src/a.rs", "src/b.rs", "b.rs", "c/src/a.rs", "rs"].map(told)).toEqual([true, true, true, false, false]);
  const change = (path: string, cause: string, added: number | null) => ({ path, kind: "modified", cause, added, removed: 1, diff: true });
  const all = [change("a", "tool", 2), change("b", "other", null)];
  expect(sumChanges(all)).toEqual({ files: 2, added: 2, removed: 2 });
  expect([all, all.slice(0, 1), all.slice(1), []].map(causeWords)).toEqual(["2 files: 1 by tools, 1 in other ways", "1 file, by tools", "1 file, not by a tool", "0 files"]);
});
