/** How well `query` matches `text` as words or as letters in order; higher is better, `undefined` is no match. */
export function fuzzy(query: string, text: string): number | undefined {
  const q = query.trim().toLowerCase();
  const t = text.toLowerCase();
  if (q === "") return 0;
  const at = t.indexOf(q);
  if (at >= 0) return 1000 - at - t.length / 100;
  if (q.includes(" ")) return q.split(/\s+/).every((word) => t.includes(word)) ? 500 - t.length / 100 : undefined;
  let from = 0;
  let gaps = 0;
  for (const letter of q) {
    const found = t.indexOf(letter, from);
    if (found < 0) return undefined;
    gaps += found - from;
    from = found + 1;
  }
  return gaps > t.length / 2 + 6 ? undefined : 100 - gaps;
}

/** Ranges of a search in a line; a bad expression matches nothing. */
export function ranges(text: string, query: string, regex: boolean, exactCase: boolean): [number, number][] {
  if (query === "") return [];
  const source = regex ? query : query.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const fold = !exactCase && query === query.toLowerCase();
  let pattern: RegExp;
  try {
    pattern = new RegExp(source, fold ? "giu" : "gu");
  } catch {
    return [];
  }
  const out: [number, number][] = [];
  for (const match of text.matchAll(pattern)) {
    if (match[0] === "") continue;
    out.push([match.index, match.index + match[0].length]);
    if (out.length >= 200) break;
  }
  return out;
}
