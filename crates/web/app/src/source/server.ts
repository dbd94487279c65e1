import { apiUrl, asProblem, getJson, getText, HttpError, send, setCsrf } from "../api/http";
import { Socket } from "../api/socket";
import type { ActivityPage, Changes, FileDiff, LogPage, Run, RunRow, RunsPage, SearchPage, Session } from "../api/types";
import { joined, normalRow, normalRun } from "../api/normal";
import type { Stats } from "../api/stats";
import { Polling } from "./polling";
import type { LogFeed, RunFeed, RunsFeed, Source } from "./source";

const id = encodeURIComponent;

function logPath(run: string, attempt: string | undefined): string {
  return attempt === undefined ? `runs/${id(run)}/log` : `runs/${id(run)}/attempts/${id(attempt)}/log`;
}

/** Reads from a roboppi server: one WebSocket for what is live, HTTP for everything else. */
export function serverSource(): Source {
  const wsUrl = new URL("api/v1/ws", document.baseURI);
  wsUrl.protocol = wsUrl.protocol === "https:" ? "wss:" : "ws:";
  const socket = new Socket(wsUrl.href);

  const source: Source = {
    kind: "server",
    connection: socket.connection,
    session: async () => {
      const session = await getJson<Session>(apiUrl("session"));
      setCsrf(session.csrf);
      return session;
    },
    login: async (secret) => {
      await send("POST", apiUrl("session"), secret);
    },
    logout: async () => {
      await send("DELETE", apiUrl("session"));
      socket.stop();
    },
    start: () => socket.start(),
    retryNow: () => socket.retryNow(),

    runs: async (query) => {
      const page = await getJson<RunsPage>(apiUrl("runs", { ...query }));
      return { ...page, runs: page.runs.map(normalRow) };
    },
    run: async (run) => normalRun(await getJson<Run>(apiUrl(`runs/${id(run)}`))),
    activity: (run, attempt, query) => getJson<ActivityPage>(apiUrl(`runs/${id(run)}/attempts/${id(attempt)}/activity`, { ...query })),
    blob: (run, attempt, name) => getText(apiUrl(`runs/${id(run)}/attempts/${id(attempt)}/blobs/${id(name)}`, { inline: 1 })),
    blobUrl: (run, attempt, name) => apiUrl(`runs/${id(run)}/attempts/${id(attempt)}/blobs/${id(name)}`),
    log: (run, attempt, from, limit) => getJson<LogPage>(apiUrl(logPath(run, attempt), { from, limit })),
    line: (run, attempt, n) => getText(apiUrl(`${logPath(run, attempt)}/line/${n}`)),
    search: (run, attempt, query, signal) => getJson<SearchPage>(apiUrl(`${logPath(run, attempt)}/search`, flags(query)), signal),
    downloadUrl: (run, attempt, format) => apiUrl(`${logPath(run, attempt)}/download`, { format }),
    diffs: async (run, attempt) => (await getJson<{ files: FileDiff[] }>(apiUrl(`runs/${id(run)}/attempts/${id(attempt)}/diffs`))).files,
    changes: async (run, attempt) => {
      try {
        return await getJson<Changes>(apiUrl(`runs/${id(run)}/attempts/${id(attempt)}/changes`));
      } catch (error) {
        // Files of this attempt were not compared.
        if (asProblem(error).status === 404) return undefined;
        throw error;
      }
    },
    changeDiff: (run, attempt, path) => getText(apiUrl(`runs/${id(run)}/attempts/${id(attempt)}/changes/diff`, { path })),
    stats: (query) => getJson<Stats>(apiUrl("stats", { ...query })),

    command: async (run, command, step) => {
      const body = step === undefined ? { command } : { command, step };
      const answer = await send<{ outcome?: string }>("POST", apiUrl(`runs/${id(run)}/commands`), body);
      return answer?.outcome ?? "requested";
    },
    startWorkflow: async (workflow) => {
      const answer = await send<{ id: string; handle?: string }>("POST", apiUrl(`workflows/${id(workflow)}/runs`), {});
      if (!answer) throw new HttpError({ title: "The server did not name the run", status: 0 });
      return answer;
    },

    watchRuns: (feed) => both(watchRuns(socket, feed), polling.runs(feed)),
    watchRun: (run, feed) => both(watchRun(socket, run, feed), polling.run(run, feed)),
    watchLog: (run, attempt, feed) => both(watchLog(socket, run, attempt, feed), polling.log(run, attempt, feed)),
  };
  const polling = new Polling(source, () => socket.connection.get().state === "polling");
  return source;
}

function flags(query: { q: string; from: number; limit: number; regex?: boolean; case?: boolean }): Record<string, string | number | undefined> {
  return { q: query.q, from: query.from, limit: query.limit, regex: query.regex ? 1 : undefined, case: query.case ? 1 : undefined };
}

function both(first: () => void, second: () => void): () => void {
  return () => {
    first();
    second();
  };
}

function watchRuns(socket: Socket, feed: RunsFeed): () => void {
  let rows: RunRow[] = [];
  // The list is small: a new snapshot after a reconnect is simpler than a cursor, and as exact.
  return socket.subscribe({
    topic: { topic: "runs" },
    resume: () => ({}),
    onFrame: (frame) => {
      if (frame.type === "snapshot" && frame.runs) {
        if ((frame.part ?? 0) === 0) rows = [];
        rows = rows.concat(frame.runs.map(normalRow));
        if (!frame.more) feed.onSnapshot(rows);
      } else if (frame.type === "batch") feed.onEvents(frame.events.map((e) => (e.kind === "runChanged" ? { ...e, run: normalRow(e.run) } : e)));
    },
  });
}

function watchRun(socket: Socket, run: string, feed: RunFeed): () => void {
  let state: Run | undefined;
  return socket.subscribe({
    topic: { topic: "run", run },
    resume: () => {
      const after = feed.cursor();
      return after === undefined ? {} : { after };
    },
    onFrame: (frame) => {
      if (frame.type === "snapshot" && frame.run) {
        // A large state comes in parts.
        state = joined((frame.part ?? 0) === 0 ? undefined : state, frame.run);
        if (!frame.more) feed.onSnapshot(state, frame.cursor);
      } else if (frame.type === "batch") feed.onEvents(frame.events, frame.to);
      else if (frame.type === "gap") feed.onGap(frame.count, frame.reason);
      else if (frame.type === "error") feed.onError(frame.title, frame.detail, frame.status);
    },
  });
}

function watchLog(socket: Socket, run: string, attempt: string | undefined, feed: LogFeed): () => void {
  return socket.subscribe({
    topic: { topic: "log", run, ...(attempt === undefined ? {} : { attempt }) },
    resume: () => ({ from: feed.from() }),
    onFrame: (frame) => {
      if (frame.type === "lines") feed.onLines(frame);
    },
  });
}
