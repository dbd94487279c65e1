import type { ByteGap, Line, LogPage } from "../api/types";
import { bytes, count } from "../lib/format";

export const PAGE_LINES = 500;
/** So many pages of lines stay in memory; those that were shown least recently leave first. */
const MAX_PAGES = 60;
/** Less is on its way at any moment. */
const MENTIONED_LAG = 20_000;

export interface LogState {
  pages: Map<number, (Line | undefined)[]>;
  total: number;
  bytes: number;
  complete: boolean;
  lag?: number;
  gaps: ByteGap[];
  loaded: boolean;
}

export const noLog: LogState = { pages: new Map(), total: 0, bytes: 0, complete: false, gaps: [], loaded: false };

/** Takes up lines; the map of pages is changed in place (it is a cache), the state is a new object. */
export function withLines(state: LogState, page: LogPage): LogState {
  for (const line of page.lines) {
    const index = Math.floor(line.n / PAGE_LINES);
    let lines = state.pages.get(index);
    if (lines) state.pages.delete(index);
    else lines = [];
    lines[line.n % PAGE_LINES] = line;
    state.pages.set(index, lines);
  }
  for (const index of state.pages.keys()) {
    if (state.pages.size <= MAX_PAGES) break;
    state.pages.delete(index);
  }
  const last = page.lines[page.lines.length - 1];
  return {
    pages: state.pages,
    total: Math.max(page.total, state.total, (last?.n ?? -1) + 1),
    bytes: Math.max(page.bytes, state.bytes),
    complete: page.complete,
    ...(page.lag === undefined ? {} : { lag: page.lag }),
    gaps: page.gaps ?? state.gaps,
    loaded: true,
  };
}

export function lineAt(state: LogState, n: number): Line | undefined {
  return state.pages.get(Math.floor(n / PAGE_LINES))?.[n % PAGE_LINES];
}

/** Pages of `from..to` in which a line is missing. */
export function missingPages(state: LogState, from: number, to: number): number[] {
  const out: number[] = [];
  for (let p = Math.floor(from / PAGE_LINES); p * PAGE_LINES < Math.min(to, state.total); p += 1) {
    const lines = state.pages.get(p);
    const first = Math.max(from, p * PAGE_LINES);
    const last = Math.min(to, state.total, (p + 1) * PAGE_LINES);
    for (let n = first; n < last; n += 1) {
      if (lines?.[n % PAGE_LINES] === undefined) {
        out.push(p);
        break;
      }
    }
  }
  return out;
}

/** How much of the log is here, in words. */
export function completeness(state: LogState, live: boolean, connected = true): string {
  const size = `${count(state.total)} ${state.total === 1 ? "line" : "lines"}, ${bytes(state.bytes)}`;
  const gaps = state.gaps.map((gap) => ` · bytes ${range(gap)} given up${gap.reason === "" ? "" : ` (${gap.reason})`}`).join("");
  if (!state.loaded) return "reading…";
  if (state.complete) return `complete, ${size}${gaps}`;
  if (!live) return `${state.gaps.length > 0 ? "not complete" : "not known to be complete"}, ${size}${gaps}`;
  if (!connected) return `not current, ${size}${gaps}`;
  const lag = state.lag !== undefined && state.lag >= MENTIONED_LAG ? `live, ${bytes(state.lag)} behind` : "live";
  return `${lag}, ${size}${gaps}`;
}

function range(gap: ByteGap): string {
  const from = bytes(gap.from);
  const to = bytes(gap.to);
  const unit = to.split(" ")[1] ?? "";
  return from.endsWith(` ${unit}`) ? `${from.replace(` ${unit}`, "")}–${to}` : `${from} – ${to}`;
}
