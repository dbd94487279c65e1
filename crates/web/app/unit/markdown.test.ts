import { expect, test } from "vitest";
import { parseInline, parseMarkdown, safeHref } from "../src/lib/markdown";

test("blocks", () => {
  const blocks = parseMarkdown("# Title\n\nA line\nand more\n\n- one\n- [x] two\n  - inner\n\n3. three\n\n```rust\nlet a = 1;\n```\n\n> quoted\n\n---\n\n| a | b |\n|---|---|\n| 1 | `x|` |\n");
  expect(blocks.map((b) => b.kind)).toEqual(["heading", "paragraph", "list", "list", "code", "quote", "rule", "table"]);
  expect(blocks[2]).toMatchObject({ ordered: false, items: [{}, { checked: true, of: [{ kind: "paragraph" }, { kind: "list" }] }] });
  expect(blocks[3]).toMatchObject({ ordered: true, start: 3 });
  expect(blocks[4]).toEqual({ kind: "code", lang: "rust", text: "let a = 1;" });
});

test("inline", () => {
  expect(parseInline("a **b *c*** `d*e*` ~~f~~ snake_case_word")).toMatchObject([
    { text: "a " },
    { kind: "strong" },
    { text: " " },
    { kind: "code", text: "d*e*" },
    { text: " " },
    { kind: "del" },
    { text: " snake_case_word" },
  ]);
});

test("HTML stays text", () => {
  const tree = JSON.stringify(parseMarkdown("<script>x</script>\n\n<img src=x onerror=y>"));
  expect(tree).toContain("<script>x</script>");
  expect(parseMarkdown("<b>x</b>")).toEqual([{ kind: "paragraph", of: [{ kind: "text", text: "<b>x</b>" }] }]);
});

test("only pages and mail are links", () => {
  for (const bad of ["javascript:alert(1)", "JaVaScRiPt:x", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "//evil", "#x", "\u0001javascript:x"]) expect(safeHref(bad)).toBeUndefined();
  expect(safeHref("https://x.example/a")).toBe("https://x.example/a");
  expect(JSON.stringify(parseInline("[click](javascript:alert(1))"))).not.toContain('"link"');
  expect(JSON.stringify(parseInline("[click](javascript:alert)"))).not.toContain('"link"');
});

test("a code block that never ends keeps its text", () => {
  expect(parseMarkdown("```\na\nb")).toEqual([{ kind: "code", lang: "", text: "a\nb" }]);
});

test.each([
  ["stars", "**a ".repeat(3000)],
  ["ticks", "`".repeat(6000)],
  ["brackets", "[".repeat(6000)],
  ["deep quotes", `${">".repeat(3000)} x`],
  ["deep lists", Array.from({ length: 400 }, (_, i) => `${" ".repeat(i)}- x`).join("\n")],
  ["underscores", "_a_".repeat(2000)],
  ["table bars", "|".repeat(5000) + "\n" + "|-".repeat(2500)],
])("hostile text ends soon: %s", (_name, text) => {
  expect(parseMarkdown(text).length).toBeGreaterThan(0);
}, 2000);
