import { describe, expect, test } from "vitest";
import { afterScroll, atEnd, clampTop, MAX_HEIGHT, maxTop, scrollHeight, scrollOf, topOf, visibleRows } from "../src/lib/virtual";

const small = { rows: 100, rowHeight: 18, viewport: 180 };
const million = { rows: 1_000_000, rowHeight: 18, viewport: 540 };
const huge = { rows: 50_000_000, rowHeight: 18, viewport: 540 };

describe("a short list", () => {
  test("scrolls by itself", () => {
    expect(scrollHeight(small)).toBe(1800);
    expect(afterScroll(small, 0, 0, 90)).toBe(90);
    expect(visibleRows(small, 90, 2)).toEqual({ from: 3, to: 18 });
  });
  test("ends are clamped", () => {
    expect(clampTop(small, -5)).toBe(0);
    expect(clampTop(small, 9999)).toBe(1620);
    expect(atEnd(small, 1620)).toBe(true);
    expect(atEnd(small, 1600)).toBe(false);
  });
  test("nothing to scroll", () => {
    const few = { rows: 3, rowHeight: 18, viewport: 180 };
    expect(maxTop(few)).toBe(0);
    expect(scrollOf(few, 10)).toBe(0);
    expect(topOf(few, 10)).toBe(0);
    expect(visibleRows(few, 0, 4)).toEqual({ from: 0, to: 3 });
    expect(visibleRows({ ...few, rows: 0 }, 0, 4)).toEqual({ from: 0, to: 0 });
  });
});

describe.each([["a million rows", million], ["fifty million rows", huge]])("%s", (_name, list) => {
  test("stay below the height that browsers can make", () => expect(scrollHeight(list)).toBe(MAX_HEIGHT));
  test("first and last row are reached exactly by dragging", () => {
    expect(afterScroll(list, 5000, 4000, 0)).toBe(0);
    const end = afterScroll(list, 0, 0, scrollHeight(list) - list.viewport);
    expect(end).toBe(maxTop(list));
    expect(visibleRows(list, end, 0).to).toBe(list.rows);
  });
  test("a wheel moves by its pixels", () => expect(afterScroll(list, 1_000_000, 444_000, 444_100)).toBe(1_000_100));
  test("a wheel at the end of the bar does not jump over rows", () => {
    const most = scrollHeight(list) - list.viewport;
    expect(afterScroll(list, maxTop(list) - 5000, most - 100, most)).toBe(maxTop(list) - 4900);
  });
  test("the bar set again shows the same place", () => {
    for (const top of [0, 1, 777_777, maxTop(list) / 2, maxTop(list)]) expect(topOf(list, scrollOf(list, top))).toBeCloseTo(top, 0);
  });
  test("few rows are drawn anywhere", () => {
    for (const top of [0, 9_000_000, maxTop(list)]) {
      const { from, to } = visibleRows(list, top, 6);
      expect(to - from).toBeLessThan(60);
    }
  });
});
