/** A small Markdown parser for messages of agents. It gives a tree, never HTML: what it does not know stays text. */

export type Inline =
  | { kind: "text"; text: string }
  | { kind: "code"; text: string }
  | { kind: "strong" | "em" | "del"; of: Inline[] }
  | { kind: "link"; href: string; of: Inline[] };

export type Block =
  | { kind: "heading"; level: number; of: Inline[] }
  | { kind: "paragraph"; of: Inline[] }
  | { kind: "code"; lang: string; text: string }
  | { kind: "quote"; of: Block[] }
  | { kind: "list"; ordered: boolean; start: number; items: { checked?: boolean; of: Block[] }[] }
  | { kind: "table"; head: Inline[][]; rows: Inline[][][] }
  | { kind: "rule" };

const MAX_DEPTH = 8;
/** Longer paragraphs are shown as they are: matching them would take quadratic time. */
const MAX_INLINE = 6000;

export function parseMarkdown(text: string, depth = 0): Block[] {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  const blocks: Block[] = [];
  let i = 0;
  while (i < lines.length) {
    const line = lines[i] ?? "";
    if (line.trim() === "") {
      i += 1;
      continue;
    }
    const [block, next] = parseBlock(lines, i, depth);
    blocks.push(block);
    i = Math.max(next, i + 1);
  }
  return blocks;
}

function parseBlock(lines: string[], i: number, depth: number): [Block, number] {
  const line = lines[i] ?? "";
  if (line.length > MAX_INLINE) return [{ kind: "paragraph", of: [{ kind: "text", text: line }] }, i + 1];
  const fence = /^ {0,3}(`{3,}|~{3,})\s*([^`\s]*)/.exec(line);
  if (fence) return fenced(lines, i, fence[1] ?? "```", fence[2] ?? "");
  const heading = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/.exec(line);
  if (heading) return [{ kind: "heading", level: heading[1]?.length ?? 1, of: parseInline(heading[2] ?? "") }, i + 1];
  if (/^ {0,3}([-*_])(\s*\1){2,}\s*$/.test(line)) return [{ kind: "rule" }, i + 1];
  if (depth < MAX_DEPTH && /^ {0,3}>/.test(line)) return quote(lines, i, depth);
  if (depth < MAX_DEPTH && marker(line)) return list(lines, i, depth);
  if (line.includes("|") && (lines[i + 1] ?? "").length < 1000 && /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/.test(lines[i + 1] ?? "") && (lines[i + 1] ?? "").includes("|"))
    return table(lines, i);
  let end = i + 1;
  while (end < lines.length && !startsBlock(lines[end] ?? "")) end += 1;
  return [{ kind: "paragraph", of: parseInline(lines.slice(i, end).join("\n")) }, end];
}

function startsBlock(line: string): boolean {
  return line.trim() === "" || /^ {0,3}(`{3,}|~{3,}|#{1,6}\s|>)/.test(line) || marker(line) !== undefined;
}

function fenced(lines: string[], i: number, fence: string, lang: string): [Block, number] {
  let end = i + 1;
  const close = new RegExp(`^ {0,3}${fence[0] === "~" ? "~" : "`"}{${fence.length},}\\s*$`);
  while (end < lines.length && !close.test(lines[end] ?? "")) end += 1;
  return [{ kind: "code", lang, text: lines.slice(i + 1, end).join("\n") }, end + 1];
}

function quote(lines: string[], i: number, depth: number): [Block, number] {
  let end = i;
  const inner: string[] = [];
  while (end < lines.length && /^ {0,3}>/.test(lines[end] ?? "")) {
    inner.push((lines[end] ?? "").replace(/^ {0,3}> ?/, ""));
    end += 1;
  }
  return [{ kind: "quote", of: parseMarkdown(inner.join("\n"), depth + 1) }, end];
}

function marker(line: string): { indent: number; ordered: boolean; start: number; body: string } | undefined {
  const match = /^(\s*)([-*+]|(\d{1,9})[.)])\s+(.*)$/.exec(line);
  if (!match) return undefined;
  return {
    indent: (match[1] ?? "").length + (match[2] ?? "").length + 1,
    ordered: match[3] !== undefined,
    start: Number(match[3] ?? 1),
    body: match[4] ?? "",
  };
}

function list(lines: string[], i: number, depth: number): [Block, number] {
  const first = marker(lines[i] ?? "");
  const items: { checked?: boolean; of: Block[] }[] = [];
  let at = i;
  const base = /^\s*/.exec(lines[i] ?? "")?.[0].length ?? 0;
  while (at < lines.length) {
    const head = marker(lines[at] ?? "");
    const indent = /^\s*/.exec(lines[at] ?? "")?.[0].length ?? 0;
    if (!head || head.ordered !== first?.ordered || indent > base + 1 || indent < base) break;
    const inner = [head.body];
    at += 1;
    while (at < lines.length) {
      const line = lines[at] ?? "";
      const deeper = (/^\s*/.exec(line)?.[0].length ?? 0) > base + 1;
      if (line.trim() === "" ? !/^\s{2,}\S/.test(lines[at + 1] ?? "") : !deeper && startsBlock(line)) break;
      inner.push(line.slice(Math.min(head.indent, /^\s*/.exec(line)?.[0].length ?? 0)));
      at += 1;
    }
    const box = /^\[([ xX])\]\s+/.exec(inner[0] ?? "");
    if (box) inner[0] = (inner[0] ?? "").slice(box[0].length);
    items.push({ ...(box ? { checked: box[1] !== " " } : {}), of: parseMarkdown(inner.join("\n"), depth + 1) });
    if ((lines[at] ?? "").trim() === "" && marker(lines[at + 1] ?? "")) at += 1;
  }
  return [{ kind: "list", ordered: first?.ordered ?? false, start: first?.start ?? 1, items }, at];
}

function cells(line: string): Inline[][] {
  return line
    .trim()
    .replace(/^\||\|$/g, "")
    .split(/(?<!\\)\|/)
    .map((cell) => parseInline(cell.trim()));
}

function table(lines: string[], i: number): [Block, number] {
  let end = i + 2;
  const rows: Inline[][][] = [];
  while (end < lines.length && (lines[end] ?? "").includes("|")) {
    rows.push(cells(lines[end] ?? ""));
    end += 1;
  }
  return [{ kind: "table", head: cells(lines[i] ?? ""), rows }, end];
}

const INLINE =
  /(`+)([\s\S]*?[^`])\1(?!`)|\*\*([^\s*](?:[\s\S]*?[^\s])?)\*\*(?!\*)|~~([^~]+)~~|\*([^\s*](?:[^*]*[^\s*])?)\*|(?<![\w])_([^\s_](?:[^_]*[^\s_])?)_(?![\w])|\[([^\]\n]{1,500})\]\(([^()\s]{1,2000})\)|(https?:\/\/[^\s<>()\]]+[^\s<>()\].,;:!?'"])/;

export function parseInline(text: string, depth = 0): Inline[] {
  const out: Inline[] = [];
  if (text.length > MAX_INLINE) return [{ kind: "text", text }];
  let rest = text;
  while (rest !== "") {
    const match = depth < MAX_DEPTH ? INLINE.exec(rest) : null;
    if (!match) break;
    if (match.index > 0) out.push({ kind: "text", text: rest.slice(0, match.index) });
    out.push(inlineOf(match, depth));
    rest = rest.slice(match.index + match[0].length);
  }
  if (rest !== "") out.push({ kind: "text", text: rest });
  return out;
}

function inlineOf(match: RegExpExecArray, depth: number): Inline {
  const [all, , code, strong, del, star, underscore, label, href, url] = match;
  if (code !== undefined) return { kind: "code", text: code.replace(/^ (.*) $/, "$1") };
  if (strong !== undefined) return { kind: "strong", of: parseInline(strong, depth + 1) };
  if (del !== undefined) return { kind: "del", of: parseInline(del, depth + 1) };
  if (star !== undefined) return { kind: "em", of: parseInline(star, depth + 1) };
  if (underscore !== undefined) return { kind: "em", of: parseInline(underscore, depth + 1) };
  if (url !== undefined) return { kind: "link", href: url, of: [{ kind: "text", text: url }] };
  const target = safeHref(href ?? "");
  // A link that leads nowhere safe is shown as it was written.
  if (target === undefined) return { kind: "text", text: all };
  return { kind: "link", href: target, of: parseInline(label ?? "", depth + 1) };
}

/** Only links to pages and mail are links. */
export function safeHref(href: string): string | undefined {
  return /^(https?:\/\/|mailto:)/i.test(href) ? href : undefined;
}
