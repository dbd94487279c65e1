import type { Hit, SearchPage } from "../api/types";

/** A search through a whole log, which the server answers part by part. */
export interface Search {
  q: string;
  regex: boolean;
  exact: boolean;
  hits: Hit[];
  /** Bytes that were searched, of all. */
  bytes: number;
  of: number;
  done: boolean;
  total?: number;
  problem?: string;
}

/** So many matches are kept; the count goes on beyond. */
export const MAX_HITS = 20_000;

export function begin(q: string, regex: boolean, exact: boolean): Search {
  return { q, regex, exact, hits: [], bytes: 0, of: 0, done: false };
}

export function withHits(search: Search, page: SearchPage): Search {
  const hits = search.hits.length + page.hits.length > MAX_HITS ? search.hits : search.hits.concat(page.hits);
  return {
    ...search,
    hits,
    bytes: page.searched.bytes,
    of: page.searched.of,
    done: page.next === undefined || hits.length >= MAX_HITS,
    ...(page.total === undefined ? {} : { total: page.total }),
  };
}

/** Index of the first hit at or after a line, or of the last before it. */
export function hitFrom(hits: Hit[], line: number, forward: boolean): number {
  let low = 0;
  let high = hits.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((hits[middle]?.n ?? 0) < line) low = middle + 1;
    else high = middle;
  }
  if (forward) return low < hits.length ? low : 0;
  return low > 0 ? low - 1 : hits.length - 1;
}

/** Like the screen: `"error" 3 of 1200 lines`, with `+` while the search goes on. */
export function searchWords(search: Search, at: number | undefined): string {
  if (search.problem !== undefined) return search.problem;
  const n = search.total ?? search.hits.length;
  const more = search.done ? (search.hits.length >= MAX_HITS ? "+" : "") : "+";
  if (n === 0) return search.done ? "no match" : "searching…";
  const count = `${n.toLocaleString("en-US")}${more}`;
  return at === undefined ? `${count} ${n === 1 ? "line" : "lines"}` : `${(at + 1).toLocaleString("en-US")} of ${count}`;
}
