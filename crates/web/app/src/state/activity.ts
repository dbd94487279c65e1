import type { ActivityPage, Item } from "../api/types";

export interface ActivityState {
  items: Item[];
  /** Whether the record has items before the first one here. */
  more: boolean;
  total: number;
  loaded: boolean;
}

export const noActivity: ActivityState = { items: [], more: false, total: 0, loaded: false };

/** So many items stay in memory; earlier ones are read again when they are scrolled to. */
export const MAX_ITEMS = 4000;

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

export function withPage(state: ActivityState, page: ActivityPage, earlier: boolean): ActivityState {
  const items = mergeItems(state.items, page.items);
  return { items, more: earlier || !state.loaded ? page.more : state.more, total: Math.max(page.total, items.length), loaded: true };
}

export function withFresh(state: ActivityState, fresh: Item[], keepAll: boolean): ActivityState {
  const last = state.items[state.items.length - 1]?.seq ?? -1;
  const news = fresh.filter((item) => item.seq > last);
  if (news.length === 0) return state;
  const items = mergeItems(state.items, news);
  const total = state.total + news.length;
  if (keepAll || items.length <= MAX_ITEMS) return { ...state, items, total };
  return { ...state, items: items.slice(-MAX_ITEMS), more: true, total };
}
