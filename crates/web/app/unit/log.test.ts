import { describe, expect, test, vi } from "vitest";
import type { Line, LogPage } from "../src/api/types";
import { completeness, lineAt, missingPages, noLog, PAGE_LINES, withLines } from "../src/state/log";
import { LogReader } from "../src/state/log-reader";
import type { Source } from "../src/source/source";
import { begin, hitFrom, searchWords, withHits } from "../src/state/search";
import { ranges } from "../src/lib/match";

const line = (n: number): Line => ({ n, stream: "out", text: `line ${n}` });
const page = (from: number, n: number, more: Partial<LogPage> = {}): LogPage => ({ lines: Array.from({ length: n }, (_, i) => line(from + i)), from, total: from + n, bytes: n * 10, complete: false, ...more });
const empty = (): typeof noLog => ({ ...noLog, pages: new Map() });

describe("pages", () => {
  test("what is missing is known exactly", () => {
    const state = withLines(empty(), page(2000, 100, { total: 5000 }));
    expect(lineAt(state, 2050)?.text).toBe("line 2050");
    expect(lineAt(state, 1999)).toBeUndefined();
    expect(missingPages(state, 2000, 2100)).toEqual([]);
    expect(missingPages(state, 1990, 2110)).toEqual([3, 4]);
    expect(missingPages(state, 4990, 9999)).toEqual([9]);
  });
  test("the total never shrinks, and follows lines beyond it", () => {
    let state = withLines(empty(), page(0, 10, { total: 100 }));
    state = withLines(state, page(0, 1, { total: 50 }));
    expect(state.total).toBe(100);
    state = withLines(state, page(200, 5, { total: 100 }));
    expect(state.total).toBe(205);
  });
  test("memory is bounded", () => {
    let state = empty();
    for (let p = 0; p < 200; p += 1) state = withLines(state, page(p * PAGE_LINES, PAGE_LINES));
    expect(state.pages.size).toBeLessThanOrEqual(60);
    expect(lineAt(state, 199 * PAGE_LINES)).toBeDefined();
    expect(lineAt(state, 0)).toBeUndefined();
  });
});

describe("completeness in words", () => {
  const of = (more: Partial<LogPage>): ReturnType<typeof empty> => withLines(empty(), page(0, 0, { total: 1_000_000, bytes: 96_600_000, ...more }));
  test.each([
    ["complete, 1,000,000 lines, 96.6 MB", of({ complete: true }), false],
    ["live, 1,000,000 lines, 96.6 MB", of({ lag: 400 }), true],
    ["live, 1.2 MB behind, 1,000,000 lines, 96.6 MB", of({ lag: 1_200_000 }), true],
    ["not known to be complete, 1,000,000 lines, 96.6 MB", of({}), false],
    ["not complete, 1,000,000 lines, 96.6 MB · bytes 1.0–2.0 kB given up", of({ gaps: [{ from: 1000, to: 2000, reason: "" }] }), false],
    ["complete, 1,000,000 lines, 96.6 MB · bytes 8.1–9.8 MB given up (limit)", of({ complete: true, gaps: [{ from: 8_100_000, to: 9_800_000, reason: "limit" }] }), false],
  ])("%s", (words, state, live) => expect(completeness(state, live)).toBe(words));
  test("nothing is claimed before anything is read", () => expect(completeness(empty(), true)).toBe("reading…"));
});

describe("search", () => {
  const hit = (n: number): { n: number; start: number; end: number; text: string } => ({ n, start: 0, end: 1, text: "x" });
  test("counts, with a sign while it goes on", () => {
    let search = begin("error", false, false);
    expect(searchWords(search, undefined)).toBe("searching…");
    search = withHits(search, { hits: [hit(1), hit(5)], searched: { bytes: 10, of: 100 }, next: 6 });
    expect(searchWords(search, 0)).toBe("1 of 2+");
    search = withHits(search, { hits: [hit(9)], searched: { bytes: 100, of: 100 } });
    expect(searchWords(search, 2)).toBe("3 of 3");
    expect(search.done).toBe(true);
    expect(searchWords(withHits(begin("x", false, false), { hits: [], searched: { bytes: 1, of: 1 } }), undefined)).toBe("no match");
  });
  test("from a line on, around the end", () => {
    const hits = [hit(10), hit(20), hit(30)];
    expect(hitFrom(hits, 15, true)).toBe(1);
    expect(hitFrom(hits, 31, true)).toBe(0);
    expect(hitFrom(hits, 20, false)).toBe(0);
    expect(hitFrom(hits, 5, false)).toBe(2);
  });
  test("ranges in a line", () => {
    expect(ranges("Error error", "error", false, false)).toEqual([[0, 5], [6, 11]]);
    expect(ranges("Error error", "Error", false, false)).toEqual([[0, 5]]);
    expect(ranges("a.b axb", "a.b", false, false)).toEqual([[0, 3]]);
    expect(ranges("a.b axb", "a.b", true, false)).toEqual([[0, 3], [4, 7]]);
    expect(ranges("abc", "(", true, false)).toEqual([]);
    expect(ranges("abc", "x*", true, false)).toEqual([]);
  });
});

test("lines that the server does not have are asked for again, and not at once", async () => {
  vi.useFakeTimers();
  try {
    let asked = 0;
    const source = { log: async (_run: string, _attempt: string | undefined, from: number) => ((asked += 1), { lines: from === 0 ? [line(0)] : [], from, total: 40, bytes: 400, complete: true }) } as unknown as Source;
    const reader = new LogReader(source, "r1", "a.1");
    reader.open();
    await vi.advanceTimersByTimeAsync(1);
    reader.need(0, 40);
    await vi.advanceTimersByTimeAsync(900);
    expect(asked).toBe(2);
    await vi.advanceTimersByTimeAsync(5000);
    expect(asked).toBeGreaterThan(5);
    expect(asked).toBeLessThan(9);
    reader.close();
    await vi.advanceTimersByTimeAsync(5000);
    expect(asked).toBeLessThan(9);
  } finally {
    vi.useRealTimers();
  }
});
