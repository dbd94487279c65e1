import type {
  ActivityPage,
  Changes,
  FileDiff,
  LogPage,
  Run,
  RunCommand,
  RunEvent,
  RunRow,
  RunsPage,
  SearchPage,
  Session,
} from "../api/types";
import type { Connection } from "../api/socket";
import type { Stats } from "../api/stats";
import type { Store } from "../lib/store";

export interface RunsQuery {
  after?: string;
  limit?: number;
  state?: string;
  workflow?: string;
  q?: string;
}

export interface SearchQuery {
  q: string;
  from: number;
  limit: number;
  regex?: boolean;
  case?: boolean;
}

export interface RunsFeed {
  onSnapshot(rows: RunRow[]): void;
  onEvents(events: RunEvent[]): void;
}

export interface RunFeed {
  onSnapshot(run: Run, cursor: string): void;
  onEvents(events: RunEvent[], to: string): void;
  onGap(count: number, reason: string): void;
  onError(title: string, detail: string | undefined, status: number): void;
  /** The cursor that was applied last. */
  cursor(): string | undefined;
}

export interface LogFeed {
  onLines(page: LogPage): void;
  /** The number of the first line that is missing at the end; negative: so many last lines. */
  from(): number;
}

/** Where the page reads from: a server, or the record packed into the page itself. */
export interface Source {
  readonly kind: "server" | "packed";
  readonly connection: Store<Connection>;
  /** The time for which everything is shown, if that is not the present. */
  readonly at?: number;
  /** What is not there, in words. */
  readonly leftOut?: readonly string[];
  session(): Promise<Session>;
  login(secret: Record<string, string>): Promise<void>;
  logout(): Promise<void>;
  /** Begins live updates; call it after `session` has answered. */
  start(): void;
  retryNow(): void;

  runs(query: RunsQuery): Promise<RunsPage>;
  run(id: string): Promise<Run>;
  activity(run: string, attempt: string, query: { after?: number; before?: number; limit: number }): Promise<ActivityPage>;
  blob(run: string, attempt: string, name: string): Promise<string>;
  blobUrl(run: string, attempt: string, name: string): string | undefined;
  log(run: string, attempt: string | undefined, from: number, limit: number): Promise<LogPage>;
  line(run: string, attempt: string | undefined, n: number): Promise<string>;
  search(run: string, attempt: string | undefined, query: SearchQuery, signal?: AbortSignal): Promise<SearchPage>;
  downloadUrl(run: string, attempt: string | undefined, format: "text" | "json" | "raw"): string | undefined;
  diffs(run: string, attempt: string): Promise<FileDiff[]>;
  /** How the files of the workspace changed; nothing where they were not compared. */
  changes(run: string, attempt: string): Promise<Changes | undefined>;
  changeDiff(run: string, attempt: string, path: string): Promise<string>;
  stats(query: { since?: string; workflow?: string }): Promise<Stats>;

  command(run: string, command: RunCommand, step?: string): Promise<string>;
  startWorkflow(id: string): Promise<{ id: string; handle?: string }>;

  watchRuns(feed: RunsFeed): () => void;
  watchRun(run: string, feed: RunFeed): () => void;
  watchLog(run: string, attempt: string | undefined, feed: LogFeed): () => void;
}
