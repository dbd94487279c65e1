import type { RunEvent, RunRow } from "../api/types";
import { isAlive, isEnded, isFailed } from "../lib/states";

/** One thing that happened in some run, for the combined activity. */
export interface Happening {
  key: string;
  at: number;
  run: string;
  handle: string;
  name: string;
  state: string;
  text: string;
}

export interface RunsState {
  rows: Map<string, RunRow>;
  happenings: Happening[];
  /** The cursor of the page of rows that has not been read. */
  next?: string;
  loaded: boolean;
}

export const noRuns: RunsState = { rows: new Map(), happenings: [], loaded: false };

const MAX_HAPPENINGS = 60;

/** Rows of the server replace those that are known; others stay, because they may have been loaded by a search. */
export function withRows(state: RunsState, rows: RunRow[]): RunsState {
  const next = new Map(state.rows);
  for (const row of rows) next.set(row.id, row);
  return { ...state, rows: next, loaded: true };
}

/** The newest rows, all of them: those of the same time that are not among them were removed. */
export function withSnapshot(state: RunsState, rows: RunRow[]): RunsState {
  const oldest = Math.min(...rows.map((row) => row.startedAt));
  const ids = new Set(rows.map((row) => row.id));
  const kept = [...state.rows].filter(([id, row]) => ids.has(id) || (rows.length > 0 && row.startedAt < oldest));
  return withRows({ ...state, rows: new Map(kept) }, rows);
}

export function applyRunsEvents(state: RunsState, events: RunEvent[], now: number): RunsState {
  if (events.length === 0) return state;
  const rows = new Map(state.rows);
  let happenings = state.happenings;
  for (const event of events) {
    if (event.kind === "runRemoved") rows.delete(event.id);
    else if (event.kind === "runChanged") {
      const text = happened(rows.get(event.run.id), event.run);
      if (text !== undefined) {
        const key = `${event.run.id}:${now}:${happenings.length}:${text}`;
        const { id, handle, name, state: runState } = event.run;
        happenings = [{ key, at: event.at ?? now, run: id, handle: handle ?? id.slice(0, 8), name, state: runState, text }, ...happenings];
      }
      rows.set(event.run.id, event.run);
    }
  }
  return { ...state, rows, happenings: happenings.slice(0, MAX_HAPPENINGS), loaded: true };
}

function happened(before: RunRow | undefined, after: RunRow): string | undefined {
  if (before === undefined) return isAlive(after.state) ? "started" : undefined;
  if (before.state !== after.state) return after.detail ?? after.state;
  const asks = after.needsYou?.length ?? 0;
  if (asks > (before.needsYou?.length ?? 0)) return `needs you: ${after.needsYou?.[asks - 1]?.why ?? ""}`;
  if (after.counts.failed > before.counts.failed) return "a step failed";
  if (after.current !== undefined && after.current !== before.current) return after.current;
  return undefined;
}

export type Group = "needs you" | "running" | "failed recently" | "earlier";

const DAY_MS = 86_400_000;

export function groupOf(row: RunRow, now: number): Group {
  if (!isEnded(row.state)) {
    if ((row.needsYou?.length ?? 0) > 0) return "needs you";
    if (isAlive(row.state)) return "running";
  }
  if (isFailed(row.state) && now - (row.finishedAt ?? row.startedAt) < DAY_MS) return "failed recently";
  return "earlier";
}

const GROUPS: readonly Group[] = ["needs you", "running", "failed recently", "earlier"];

export interface Filter {
  q: string;
  state: string;
  workflow: string;
}

export function matches(row: RunRow, filter: Filter): boolean {
  if (filter.workflow !== "" && (row.workflow ?? row.name) !== filter.workflow && row.name !== filter.workflow) return false;
  if (filter.state === "running" && !isAlive(row.state)) return false;
  if (filter.state === "failed" && !isFailed(row.state)) return false;
  if (filter.state === "needs" && (row.needsYou?.length ?? 0) === 0) return false;
  if (filter.state === "succeeded" && row.state !== "succeeded") return false;
  const text = `${row.handle ?? ""} ${row.id} ${row.name} ${row.workspace} ${row.state} ${row.detail ?? ""} ${row.host ?? ""} ${row.current ?? ""}`.toLowerCase();
  return filter.q
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** What waits for a person first, then what runs, then recent failures, then the rest; within a group the latest first. */
export function grouped(state: RunsState, filter: Filter, now: number): { group: Group; rows: RunRow[] }[] {
  const by = new Map<Group, RunRow[]>(GROUPS.map((g) => [g, []]));
  for (const row of state.rows.values()) if (matches(row, filter)) by.get(groupOf(row, now))?.push(row);
  return GROUPS.map((group) => ({ group, rows: (by.get(group) ?? []).sort((a, b) => b.startedAt - a.startedAt) })).filter(
    (g) => g.rows.length > 0,
  );
}
