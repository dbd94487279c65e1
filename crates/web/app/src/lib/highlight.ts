import type { Span } from "./ansi";

export interface Piece extends Span {
  hit: boolean;
}

/** Spans cut at the borders of the ranges; ranges count the characters of all spans together. */
export function highlight(spans: Span[], ranges: [number, number][]): Piece[] {
  if (ranges.length === 0) return spans.map((span) => ({ ...span, hit: false }));
  const out: Piece[] = [];
  let at = 0;
  let r = 0;
  for (const span of spans) {
    let from = 0;
    while (from < span.text.length) {
      while (r < ranges.length && (ranges[r]?.[1] ?? 0) <= at + from) r += 1;
      const range = ranges[r];
      const hit = range !== undefined && range[0] <= at + from;
      const border = range === undefined ? span.text.length : (hit ? range[1] : range[0]) - at;
      const to = Math.min(span.text.length, border);
      out.push({ ...span, text: span.text.slice(from, to), hit });
      from = to;
    }
    at += span.text.length;
  }
  return out;
}
