// Logs of the mock: lines are a function of their number, so that a million of them need no memory.

const WORDS = ["compiling", "linking", "checking", "resolving", "fetching", "testing", "packing"];

export function normalLine(n, at) {
  const word = WORDS[n % WORDS.length];
  if (n % 997 === 0) return { stream: "err", text: `\x1b[31;1merror\x1b[0m: unit ${n} failed at src/lib.rs:${n % 400}:7`, at };
  if (n % 101 === 0) return { stream: "err", text: `\x1b[33mwarning\x1b[0m: unused variable \`x${n}\``, at };
  return { stream: "out", text: `\x1b[32m${word.padStart(12)}\x1b[0m unit-${n} (${(n * 37) % 1000} ms) ${"·".repeat(n % 40)}`, at };
}

export const HOSTILE = [
  "<script>window.__owned = 1</script><img src=x onerror=window.__owned=1>",
  "\x1b]0;owned title\x07 a window title",
  "\x1b]8;;https://evil.example/\x07a link\x1b]8;;\x07 of a terminal",
  "\x1b[2J\x1b[H cleared the screen",
  "\x1b[31mred without end",
  "\x1b[38;2;255;0;0mtrue red\x1b[0m \x1b[38;5;208mpalette orange\x1b[0m \x1b[48;5;24mon blue\x1b[0m \x1b[7mreverse\x1b[0m",
  "שלום עולם, זו שורה מימין לשמאל",
  "مرحبا بالعالم 123 نهاية السطر",
  "hidden \u202Eexe.fdp\u202C direction and zero\u200Bwidth",
  "tabs\tand\ttabs\tand emoji 👩‍👩‍👧‍👦 and 漢字かな交じり文",
  "{{constructor.constructor('window.__owned=1')()}} ${7*7} javascript:alert(1)",
  `long ${"x".repeat(16_000)}`,
];

/** A log with lines that are written while one looks. */
export class Log {
  constructor({ total, line, complete = true, perSecond = 0, startedAt = Date.now() - 60_000 }) {
    Object.assign(this, { initial: total, line, complete, perSecond, startedAt, openedAt: Date.now() });
  }
  get total() {
    if (this.perSecond === 0) return this.initial;
    const grown = Math.floor(((this.endedAt ?? Date.now()) - this.openedAt) / 1000 * this.perSecond);
    return this.initial + grown;
  }
  get bytes() {
    return this.total * 97;
  }
  at(n) {
    const line = this.line(n, this.startedAt + n * 5);
    if (line.gap) return { n, stream: "out", text: "", ...line };
    const { text } = line;
    return text.length > 16_384 ? { n, ...line, text: text.slice(0, 16_384), cut: line.full ?? text.length } : { n, ...line };
  }
  end() {
    this.endedAt ??= Date.now();
    this.complete = true;
  }
  page(from, limit) {
    const { total } = this;
    const first = Math.max(0, from < 0 ? total + from : from);
    const lines = [];
    for (let n = first; n < Math.min(total, first + Math.min(limit, 1000)); n += 1) lines.push(this.at(n));
    return { lines, from: first, total, bytes: this.bytes, complete: this.complete, gaps: this.gaps ?? [], ...(this.complete ? {} : { lag: 40 }) };
  }
  search({ q, from, limit, regex, exact }) {
    const pattern = new RegExp(regex ? q : q.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), exact ? "" : "i");
    const { total } = this;
    const hits = [];
    let n = from;
    // A part of a log per answer, as a server with a time limit does.
    for (; n < Math.min(total, from + 100_000) && hits.length < limit; n += 1) {
      const text = this.line(n, 0).text?.replace(/\x1b\[[0-9;]*m/g, "") ?? "";
      const match = pattern.exec(text);
      if (match) hits.push({ n, start: match.index, end: match.index + match[0].length, text: text.slice(0, 400) });
    }
    return { hits, searched: { bytes: n * 97, of: this.bytes }, ...(n < total ? { next: n } : {}) };
  }
}
