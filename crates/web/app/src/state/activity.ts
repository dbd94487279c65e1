import type { ActivityPage, Item } from "../api/types";
import type { Entry } from "../lib/tree";
import type { Fresh } from "./run";

export interface ActivityState {
  items: Item[];
  /** Whether the record has items before the first one here. */
  more: boolean;
  total: number;
  loaded: boolean;
  /** Live items that were taken up, of those that the page received. */
  taken: number;
  /** Some live items are missing at the end: it has to be read again before it is followed. */
  behind: boolean;
}

export const noActivity: ActivityState = { items: [], more: false, total: 0, loaded: false, taken: 0, behind: false };

/** So many items stay in memory while the end is followed; earlier ones are read again when they are scrolled to. */
export const MAX_ITEMS = 4000;
/** While the list is paused, nothing is dropped, and beyond this nothing is added. */
export const MAX_HELD = 20_000;

/** Union by `seq`, in order. A later version of an item replaces the earlier one. */
export function mergeItems(known: Item[], added: Item[]): Item[] {
  if (added.length === 0) return known;
  const last = known[known.length - 1];
  const first = added[0];
  if (first && (last === undefined || first.seq > last.seq) && increasing(added)) return known.concat(added);
  const by = new Map(known.map((item) => [item.seq, item]));
  for (const item of added) by.set(item.seq, item);
  return [...by.values()].sort((a, b) => a.seq - b.seq);
}

function increasing(items: Item[]): boolean {
  return items.every((item, i) => i === 0 || item.seq > (items[i - 1]?.seq ?? -1));
}

/**
 * An earlier page is added. The last page replaces what is here, apart from live items that are newer; if it does not reach them, only
 * they stay, and the page is read again when it is scrolled to.
 */
export function withPage(state: ActivityState, page: ActivityPage, earlier: boolean, received: number): ActivityState {
  const total = Math.max(page.total, state.total);
  if (earlier) {
    const items = mergeItems(state.items, page.items);
    return { ...state, items, more: page.more, total: Math.max(page.total, items.length), loaded: true };
  }
  const last = page.items[page.items.length - 1]?.seq ?? -1;
  const newer = state.items.filter((item) => item.seq > last);
  const joins = newer.length === 0 || newer.length < state.items.length;
  const items = joins ? page.items.concat(newer) : newer;
  return { items, more: page.more || !joins, total, loaded: true, taken: Math.max(received, state.taken), behind: false };
}

export function withFresh(state: ActivityState, fresh: Fresh, reading: boolean): ActivityState {
  const count = fresh.received - state.taken;
  if (count <= 0) return state;
  const last = state.items[state.items.length - 1]?.seq ?? -1;
  const news = fresh.items.slice(-count).filter((item) => item.seq > last);
  const total = state.total + news.length;
  const missed = count > fresh.items.length;
  if (!reading && (state.behind || missed) && fresh.items.length > 0) {
    // Items behind a hole replace those before it, which are read again when they are scrolled to.
    return { ...state, items: fresh.items, more: true, total, taken: fresh.received, behind: false };
  }
  if (state.behind || missed || (reading && state.items.length + news.length > MAX_HELD)) return { ...state, total, taken: fresh.received, behind: true };
  const items = mergeItems(state.items, news);
  // Live items are shown even before the first page has been read; what is before them is in the record.
  const next = { ...state, items, total, taken: fresh.received, more: state.loaded ? state.more : true };
  if (reading || items.length <= MAX_ITEMS) return next;
  return { ...next, items: items.slice(-MAX_ITEMS), more: true };
}

/** The entries that are drawn, by the `seq` of the first and the last one. */
export interface Range {
  from: number;
  to: number;
}

/** Without a range the end is followed. */
export function drawn(entries: Entry[], range: Range | undefined, count: number): Entry[] {
  if (!range) return entries.slice(-count);
  return entries.filter((entry) => entry.seq >= range.from && entry.seq <= range.to);
}

/** The range with up to `count` more entries before (negative) or after it. */
export function extend(entries: Entry[], range: Range, count: number): Range {
  if (count < 0) {
    const first = entries.findIndex((entry) => entry.seq >= range.from);
    return { ...range, from: entries[Math.max(0, first + count)]?.seq ?? range.from };
  }
  const after = entries.filter((entry) => entry.seq > range.to);
  return { ...range, to: after[Math.min(count, after.length) - 1]?.seq ?? range.to };
}
