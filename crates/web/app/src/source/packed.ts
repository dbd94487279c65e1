import { HttpError } from "../api/http";
import { normalRow, normalRun } from "../api/normal";
import type { Stats } from "../api/stats";
import type { ActivityPage, Changes, FileDiff, Hit, Item, Line, LogPage, Run, SearchPage } from "../api/types";
import type { Connection } from "../api/socket";
import { stripAnsi } from "../lib/ansi";
import { ranges } from "../lib/match";
import { createStore } from "../lib/store";
import type { Source } from "./source";

/** What is packed of an attempt. Lists that are missing were left out when the record was packed. */
export interface PackedAttempt {
  items?: Item[];
  lines?: Line[];
  log?: Omit<LogPage, "lines" | "from">;
  diffs?: FileDiff[];
  changes?: Changes;
  /** By path. */
  changeDiffs?: Record<string, string>;
  blobs?: Record<string, string>;
}

/** Runs with all that the page shows of them, in one JSON text. */
export interface PackedRecord {
  version: 1;
  host: string;
  roboppi: string;
  runs: Run[];
  /** By id of the run, then by id of the attempt. */
  attempts: Record<string, Record<string, PackedAttempt>>;
  stats?: Stats;
  /** When it was packed: the page shows the runs as of then. */
  at?: number;
  /** What is not in it, in words. */
  leftOut?: string[];
}

const LIMITS = { eventsPerSecond: 0, eventsPerFrame: 0, frameBytes: 0, logFramesPerSecond: 0, lineBytes: 16_384 };
const nothing = (): void => undefined;

function missing(what: string): HttpError {
  return new HttpError({ title: `${what} is not in this file`, status: 404, detail: "This page shows a saved record. The original has everything." });
}

/** Reads a record that is packed into the page itself: nothing is live, and nothing can be changed. */
export function packedSource(record: PackedRecord): Source {
  const runs = record.runs.map(normalRun);
  const find = (id: string): Run => {
    const run = runs.find((r) => r.id === id || r.handle === id) ?? runs.find((r) => r.id.startsWith(id));
    if (!run) throw missing(`Run ${id}`);
    return run;
  };
  const packed = (run: string, attempt: string): PackedAttempt => record.attempts[find(run).id]?.[attempt] ?? {};
  const lines = (run: string, attempt: string | undefined): { lines: Line[]; log: Omit<LogPage, "lines" | "from"> } => {
    if (attempt !== undefined) {
      const of = packed(run, attempt);
      return { lines: of.lines ?? [], log: of.log ?? { total: of.lines?.length ?? 0, bytes: 0, complete: false } };
    }
    const attempts = find(run).steps.flatMap((step) => step.attempts.map((a) => ({ step: step.path, at: a.startedAt, of: packed(run, a.id) })));
    attempts.sort((one, other) => one.at - other.at);
    const all: Line[] = [];
    const log = { total: 0, bytes: 0, complete: true };
    for (const { step, of } of attempts) {
      for (const line of of.lines ?? []) all.push({ ...line, step, n: log.total + line.n });
      log.total += of.log?.total ?? of.lines?.length ?? 0;
      log.bytes += of.log?.bytes ?? 0;
      log.complete &&= of.log?.complete ?? false;
    }
    return { lines: all, log };
  };
  return {
    kind: "packed",
    ...(record.at === undefined ? {} : { at: record.at }),
    leftOut: record.leftOut ?? [],
    connection: createStore<Connection>({ state: "packed" }),
    session: async () => ({ role: "reader", version: record.roboppi, host: record.host, limits: LIMITS, workflows: [] }),
    login: async () => undefined,
    logout: async () => undefined,
    start: nothing,
    retryNow: nothing,
    runs: async () => ({ runs: runs.map(normalRow), live: 0, needsYou: 0 }),
    run: async (id) => find(id),
    activity: async (run, attempt, query) => activityPage(packed(run, attempt).items ?? [], query),
    blob: async (run, attempt, name) => {
      const text = packed(run, attempt).blobs?.[name];
      if (text === undefined) throw missing("This text");
      return text;
    },
    blobUrl: () => undefined,
    log: async (run, attempt, from, limit) => {
      const { lines: all, log } = lines(run, attempt);
      const first = Math.max(0, from < 0 ? log.total + from : from);
      return { ...log, from: first, lines: stretch(all, first, Math.min(log.total, first + limit)) };
    },
    line: async (run, attempt, n) => {
      const line = lines(run, attempt).lines.find((l) => l.n === n);
      if (!line || line.cut !== undefined) throw missing("The whole line");
      return line.text;
    },
    search: async (run, attempt, query) => searchPage(lines(run, attempt).lines, query),
    downloadUrl: () => undefined,
    diffs: async (run, attempt) => packed(run, attempt).diffs ?? [],
    changes: async (run, attempt) => packed(run, attempt).changes,
    changeDiff: async (run, attempt, path) => {
      const text = packed(run, attempt).changeDiffs?.[path];
      if (text === undefined) throw missing("This diff");
      return text;
    },
    stats: async () => {
      if (!record.stats) throw missing("What all runs did");
      return record.stats;
    },
    command: async () => {
      throw missing("The run itself");
    },
    startWorkflow: async () => {
      throw missing("The workflow");
    },
    watchRuns: () => nothing,
    watchRun: () => nothing,
    watchLog: () => nothing,
  };
}

/** Lines by their numbers. Every number has one: that of a line that was left out says so. */
function stretch(all: Line[], from: number, to: number): Line[] {
  let low = 0;
  for (let high = all.length; low < high; ) {
    const middle = (low + high) >> 1;
    if (all[middle]!.n < from) low = middle + 1;
    else high = middle;
  }
  const lines: Line[] = [];
  for (let n = from; n < to; n += 1) {
    const line = all[low];
    if (line?.n === n) {
      lines.push(line);
      low += 1;
    } else lines.push({ n, stream: "out", text: "", gap: { bytes: 0, reason: "left out of this file" } });
  }
  return lines;
}

function activityPage(items: Item[], query: { after?: number; before?: number; limit: number }): ActivityPage {
  const { after, before, limit } = query;
  const known = after !== undefined ? items.filter((i) => i.seq > after) : before !== undefined ? items.filter((i) => i.seq < before) : items;
  const page = after !== undefined ? known.slice(0, limit) : known.slice(-limit);
  return { items: page, more: page.length < known.length, total: items.length };
}

function searchPage(lines: Line[], query: { q: string; from: number; limit: number; regex?: boolean; case?: boolean }): SearchPage {
  const hits: Hit[] = [];
  for (const line of lines) {
    if (line.n < query.from) continue;
    const text = stripAnsi(line.text);
    const found = ranges(text, query.q, query.regex ?? false, query.case ?? false)[0];
    if (found) hits.push({ n: line.n, start: found[0], end: found[1], text });
    if (hits.length >= query.limit) return { hits, searched: { bytes: line.n, of: lines.length }, next: line.n + 1 };
  }
  return { hits, searched: { bytes: 1, of: 1 } };
}
