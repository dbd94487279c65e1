// A server with the interface of roboppi and made-up runs, for work on the page.
//   node mock/server.mjs [--port 7799] [--empty] [--token T] [--no-ws]
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";
import { activity, CHANGES, countsOf, DIFFS, fill, logOf, runs, stats } from "./data.mjs";

const dist = fileURLToPath(new URL("../dist/", import.meta.url));
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'; manifest-src 'self'";
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const LIMITS = { eventsPerSecond: 50, eventsPerFrame: 20, frameBytes: 65536, logFramesPerSecond: 10, lineBytes: 16384 };

export function start({ port = 0, empty = false, token = "", ws = true, base = "/" } = {}) {
  if (!empty && runs.size === 0) fill();
  const sessions = new Set();
  const server = createServer((request, response) => {
    serve(request, response).catch((error) => {
      response.writeHead(error.status ?? 500, { "content-type": "application/problem+json" });
      response.end(JSON.stringify({ title: error.message, status: error.status ?? 500, detail: error.detail }));
    });
  });
  const fail = (status, title, detail) => Object.assign(new Error(title), { status, detail });
  const known = (request) => token === "" || sessions.has(/roboppi_session=(\w+)/.exec(request.headers.cookie ?? "")?.[1]);

  async function serve(request, response) {
    const url = new URL(request.url, "http://x");
    if (!url.pathname.startsWith(base)) throw fail(404, "Not found");
    const path = url.pathname.slice(base.length);
    if (path === "login") {
      if (url.searchParams.get("token") === token) sessions.add("s1");
      response.writeHead(303, { location: base, "set-cookie": `roboppi_session=s1; HttpOnly; SameSite=Strict; Path=${base}` });
      return response.end();
    }
    if (!path.startsWith("api/v1/")) return asset(path, response);
    const json = (body, status = 200) => {
      if (typeof body === "string") return response.writeHead(status, { "content-type": "text/plain" }).end(body);
      response.writeHead(status, { "content-type": "application/json" });
      return response.end(body === undefined ? "" : JSON.stringify(body));
    };
    const body = request.method === "POST" ? JSON.parse((await text(request)) || "{}") : {};
    const parts = path.slice("api/v1/".length).split("/").map(decodeURIComponent);
    if (parts[0] === "session" && request.method === "POST") {
      if (body.token !== token) throw fail(401, "Not accepted", "This token is not the one of the server.");
      sessions.add("s1");
      response.writeHead(204, { "set-cookie": `roboppi_session=s1; HttpOnly; SameSite=Strict; Path=${base}` });
      return response.end();
    }
    if (!known(request)) throw fail(401, "Log in first");
    if (path.includes("/log/download")) {
      response.writeHead(200, { "content-type": "text/plain", "content-disposition": 'attachment; filename="log.txt"' });
      return response.end("one line\n".repeat(1000));
    }
    return json(...[await answer(parts, url.searchParams, request.method, body, response)].flat());
  }

  async function answer(parts, query, method, body) {
    const [what, id, of, sub, part, more] = parts;
    if (what === "session") {
      if (method === "DELETE") sessions.clear();
      return { role: "operator", csrf: "c", version: "0.1.0", host: "vm", limits: LIMITS, workflows: [{ id: "release", name: "release" }, { id: "nightly", name: "nightly" }] };
    }
    if (what === "stats") return stats();
    if (what === "runs" && id === undefined) return listRuns(query);
    const run = runs.get(id) ?? [...runs.values()].find((r) => r.id === id || r.id.startsWith(id));
    if (!run) throw fail(404, "No such run", `No run of this host is called ${id}.`);
    if (of === undefined) return run;
    if (of === "commands") return command(run, body);
    if (of === "log") return logAnswer(logOf(run, undefined), sub, part, query);
    const items = activity.get(`${run.handle}/${sub}`) ?? [];
    if (part === "log") return logAnswer(logOf(run, sub), more, parts[6], query);
    if (part === "diffs") return { files: run.name === "review" ? DIFFS : [] };
    if (part === "changes") {
      if (run.name !== "review") throw fail(404, "Not compared", "Files of this attempt were not compared.");
      return more === "diff" ? `--- a/${query.get("path")}\n+++ b/${query.get("path")}\n@@ -1,2 +1,3 @@\n one\n-two\n+2\n+<b>3</b>\n` : CHANGES;
    }
    if (part === "blobs") return "whole result\n".repeat(400);
    if (part === "activity") {
      const limit = Number(query.get("limit") ?? 200);
      const before = query.get("before");
      const known = before === null ? items : items.filter((i) => i.seq < Number(before));
      const page = known.slice(-limit);
      return { items: page, first: page[0]?.seq, last: page.at(-1)?.seq, more: known.length > page.length, total: items.length };
    }
    throw fail(404, "Not found");
  }

  function logAnswer(log, more, part, query) {
    if (more === "search") return log.search({ q: query.get("q"), from: Number(query.get("from")), limit: Number(query.get("limit")), regex: query.has("regex"), exact: query.has("case") });
    if (more === "line") return "y".repeat(10_485_760);
    return log.page(Number(query.get("from") ?? 0), Number(query.get("limit") ?? 500));
  }

  function listRuns(query) {
    const all = [...runs.values()].sort((a, b) => b.startedAt - a.startedAt);
    const q = (query.get("q") ?? "").toLowerCase();
    const states = query.get("state")?.split(",");
    const found = all.filter((r) => `${r.handle} ${r.name}`.toLowerCase().includes(q) && (!states || states.includes(r.state)) && (!query.get("workflow") || r.workflow === query.get("workflow")));
    const from = Number(query.get("after") ?? 0);
    const limit = Number(query.get("limit") ?? 50);
    return { runs: found.slice(from, from + limit).map(row), ...(from + limit < found.length ? { next: String(from + limit) } : {}), total: found.length, live: 4, needsYou: 1 };
  }

  function row({ steps, ...run }) {
    return { ...run, counts: countsOf(steps) };
  }

  function command(run, { command: name, step: path }) {
    if (path === undefined && ["cancel", "kill"].includes(name)) {
      Object.assign(run, { state: "cancelled", detail: "cancelled by you", finishedAt: Date.now(), durationMs: Date.now() - run.startedAt });
      emit(run, { kind: "runChanged", run: row(run) });
      return [{ outcome: "requested" }, 202];
    }
    const step = run.steps.find((s) => s.path === path);
    if (!step) throw fail(409, "Not possible now", "This run has no such step.");
    step.state = name === "retry" ? "ready" : name === "skip" ? "skipped" : "cancelled";
    emit(run, { kind: "stepChanged", step });
    return [{ outcome: "granted" }, 202];
  }

  async function asset(path, response) {
    const name = path === "" ? "index.html" : normalize(path);
    try {
      let content = await readFile(join(dist, name));
      if (name === "index.html") content = content.toString().replace('<base href="/">', `<base href="${base}">`);
      response.writeHead(200, { "content-type": TYPES[extname(name)] ?? "application/octet-stream", "content-security-policy": CSP, "x-content-type-options": "nosniff", "cache-control": "no-cache" });
      response.end(content);
    } catch {
      throw fail(404, "Not found");
    }
  }

  const sockets = new WebSocketServer({ noServer: true });
  const subscribers = new Set();
  server.on("upgrade", (request, socket, head) => {
    if (!ws) return socket.destroy();
    sockets.handleUpgrade(request, socket, head, (client) => {
      if (!known(request)) return client.close(4401, "log in");
      const send = (frame) => client.readyState === 1 && client.send(JSON.stringify(frame));
      const mine = new Map();
      send({ type: "welcome", epoch: "e1", limits: LIMITS, role: "operator" });
      client.on("message", (data) => {
        const message = JSON.parse(String(data));
        if (message.type === "ping") send({ type: "pong", t: message.t });
        if (message.type === "unsubscribe") {
          clearInterval(mine.get(message.sub)?.timer);
          subscribers.delete(mine.get(message.sub));
          mine.delete(message.sub);
        }
        if (message.type !== "subscribe") return;
        const entry = { ...message, send };
        mine.set(message.sub, entry);
        subscribers.add(entry);
        if (message.topic === "runs") send({ type: "snapshot", sub: message.sub, cursor: "1", runs: listRuns(new URLSearchParams("limit=100")).runs });
        const run = runs.get(message.run);
        if (message.topic === "run" && run) send({ type: "snapshot", sub: message.sub, cursor: run.cursor, run });
        if (message.topic === "log" && run) follow(entry, logOf(run, message.attempt));
        send({ type: "caughtUp", sub: message.sub, cursor: "1" });
      });
      client.on("close", () => {
        for (const entry of mine.values()) {
          clearInterval(entry.timer);
          subscribers.delete(entry);
        }
      });
      return undefined;
    });
    return undefined;
  });

  function follow(entry, log) {
    let next = entry.from < 0 ? Math.max(0, log.total + entry.from) : entry.from;
    entry.timer = setInterval(() => {
      if (next >= log.total && !log.complete) return;
      const page = log.page(next, 500);
      next = page.from + page.lines.length;
      entry.send({ type: "lines", sub: entry.sub, ...page });
      if (log.complete && next >= log.total) clearInterval(entry.timer);
    }, 100);
  }

  function emit(run, ...events) {
    const numbered = events.map((event) => ({ at: Date.now(), cursor: (run.cursor = String(Number(run.cursor) + 1)), ...event }));
    for (const entry of subscribers) {
      if (entry.topic === "run" && entry.run === run.handle) entry.send({ type: "batch", sub: entry.sub, from: numbered[0].cursor, to: run.cursor, events: numbered });
      if (entry.topic === "runs") for (const event of numbered) if (event.kind === "runChanged") entry.send({ type: "batch", sub: entry.sub, from: "1", to: "1", events: [event] });
    }
  }

  const tick = setInterval(() => {
    const fast = [...runs.values()].find((r) => r.name === "firehose");
    if (fast?.state === "running") {
      const items = activity.get(`${fast.handle}/fast.1`);
      const events = [];
      for (let i = 0; i < 50; i += 1) {
        const seq = items.length + 1;
        const id = `f${seq - (seq % 2)}`;
        const item = seq % 2 === 0 ? { seq, at: Date.now(), kind: "toolCall", id, tool: "Bash", argument: `echo ${seq}`, input: {} } : { seq, at: Date.now(), kind: "toolResult", id: `f${seq - 1}`, ok: true, preview: `${seq - 1}`, bytes: 4, durationMs: 3 };
        items.push(item);
        events.push({ kind: "activity", step: "fast", attempt: "fast.1", item });
      }
      emit(fast, ...events);
    }
  }, 50);
  const slow = setInterval(() => {
    const nightly = [...runs.values()].find((r) => r.name === "nightly");
    if (nightly?.state === "running") {
      nightly.current = `unit-3 case ${Math.floor(Date.now() / 1000) % 1000}`;
      emit(nightly, { kind: "runChanged", run: row(nightly) });
    }
  }, 2000);
  return new Promise((done) => {
    server.listen(port, "127.0.0.1", () => done({ url: `http://127.0.0.1:${server.address().port}${base}`, server, sockets, close: () => (clearInterval(tick), clearInterval(slow), sockets.clients.forEach((c) => c.terminate()), server.closeAllConnections(), new Promise((r) => server.close(r))) }));
  });
}

async function text(request) {
  let all = "";
  for await (const part of request) all += part;
  return all;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const value = (name) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined);
  const { url } = await start({ port: Number(value("--port") ?? 7799), empty: process.argv.includes("--empty"), token: value("--token") ?? "", ws: !process.argv.includes("--no-ws"), base: value("--base") ?? "/" });
  console.log(url);
}
