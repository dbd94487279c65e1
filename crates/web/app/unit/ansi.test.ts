import { describe, expect, test } from "vitest";
import { parseAnsi, stripAnsi, visible } from "../src/lib/ansi";
import { highlight } from "../src/lib/highlight";

const text = (line: string): string => parseAnsi(line).map((s) => s.text).join("");

describe("colours", () => {
  test("SGR gives classes, and its end takes them away", () => {
    expect(parseAnsi("a\x1b[1;31mb\x1b[0mc")).toEqual([
      { text: "a", cls: "" },
      { text: "b", cls: "a-fg1 a-b" },
      { text: "c", cls: "" },
    ]);
  });
  test("bright, background, reverse", () => {
    expect(parseAnsi("\x1b[92;41mx")[0]?.cls).toBe("a-fg10 a-bg1");
    expect(parseAnsi("\x1b[31;7mx")[0]?.cls).toBe("a-rfg a-bg1");
    expect(parseAnsi("\x1b[7mx")[0]?.cls).toBe("a-rfg a-rbg");
  });
  test("palette and true colour keep their hue", () => {
    expect(parseAnsi("\x1b[38;2;255;0;0mx")[0]?.fg).toEqual({ h: 0, s: 85 });
    expect(parseAnsi("\x1b[38:2:0:0:255mx")[0]?.fg?.h).toBe(240);
    expect(parseAnsi("\x1b[38;5;3mx")[0]?.cls).toBe("a-fg3");
    expect(parseAnsi("\x1b[38;5;250mx")[0]?.fg).toEqual({ h: 0, s: 0 });
  });
  test("numbers after an extended colour are read on", () => {
    expect(parseAnsi("\x1b[38;5;196;1mx")[0]?.cls).toBe("a-fgx a-b");
  });
});

describe("everything else has no effect", () => {
  test.each([
    ["title", "\x1b]0;owned\x07x"],
    ["title with ST", "\x1b]2;owned\x1b\\x"],
    ["link", "\x1b]8;;http://e/\x07x\x1b]8;;\x07"],
    ["clear", "\x1b[2J\x1b[Hx"],
    ["private mode", "\x1b[?25lx"],
    ["not SGR although it ends with m", "\x1b[>4;2mx"],
    ["device control", "\x1bPq#0\x1b\\x"],
    ["one byte C1", "\u009b31mx".replace("31m", "")],
    ["controls", "\x00\x07\x08x\x7f"],
    ["charset", "\x1b(Bx"],
  ])("%s", (_name, line) => {
    expect(text(line)).toBe("x");
    expect(stripAnsi(line)).toBe("x");
    expect(parseAnsi(line).every((s) => s.cls === "")).toBe(true);
  });
  test("an escape without an end takes the rest, and never more than its line", () => {
    expect(text("\x1b]0;never ended")).toBe("");
    expect(text("a\x1b")).toBe("a");
  });
  test("tabs stay", () => expect(text("a\tb")).toBe("a\tb"));
});

test("invisible characters are named", () => {
  expect(visible("a\u202Eb\u200Bc\u2066")).toBe("a‹U+202E›b‹U+200B›c‹U+2066›");
  expect(visible("שלום 👩‍👧")).toBe("שלום 👩‍👧");
});

test("matches are marked across colours", () => {
  const spans = parseAnsi("ab\x1b[31mcd\x1b[0mef");
  const pieces = highlight(spans, [[1, 3], [5, 6]]);
  expect(pieces.map((p) => `${p.text}${p.hit ? "*" : ""}`)).toEqual(["a", "b*", "c*", "d", "e", "f*"]);
  expect(pieces.map((p) => p.text).join("")).toBe("abcdef");
});
