import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useApp } from "../app";
import { useKeys } from "../lib/keys";
import { isAlive, isEnded } from "../lib/states";
import { useStore, useValue } from "../lib/store";
import { grouped, withRows, type Filter, type Group } from "../state/runs";
import { Cards } from "../ui/cards";
import { CombinedActivity } from "../ui/combined";
import { RunStrip } from "../ui/run-strip";
import { RunLine } from "../ui/run-line";
import { CommandLine, Empty } from "../ui/parts";
import { StartMenu } from "../ui/start-menu";
import { useTitle } from "../lib/title";

const GROUP_TITLES: Record<Group, string> = {
  "needs you": "Needs you",
  running: "Running",
  "failed recently": "Failed in the last day",
  earlier: "Earlier",
};

export function RunsPage({ query }: { query: Record<string, string> }): JSX.Element {
  const app = useApp();
  const state = useValue(app.runs);
  const minute = useStore(app.now, (now) => Math.floor(now / 60_000) * 60_000);
  const filter: Filter = { q: query["q"] ?? "", state: query["state"] ?? "", workflow: query["workflow"] ?? "" };
  const groups = useMemo(() => grouped(state, filter, minute), [state, filter.q, filter.state, filter.workflow, minute]);
  const rows = useMemo(() => groups.flatMap((g) => g.rows), [groups]);
  const [selected, setSelected] = useState<string>();
  const search = useRef<HTMLInputElement>(null);
  const setFilter = (change: Partial<Filter>): void => app.go({ page: "runs", query: { ...filter, ...change } }, true);
  useServerSearch(filter);
  useTitle("");

  const move = (by: number): void => {
    const at = rows.findIndex((row) => row.id === selected);
    const next = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + by))];
    if (!next) return;
    setSelected(next.id);
    document.getElementById(`run-${next.id}`)?.scrollIntoView({ block: "nearest" });
  };
  const open = (): void | false => {
    const row = rows.find((r) => r.id === selected);
    if (!row) return false;
    app.go({ page: "run", run: row.handle ?? row.id });
    return undefined;
  };
  useKeys(1, {
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    g: () => move(-1e9),
    G: () => move(1e9),
    Enter: open,
    l: open,
    "/": () => search.current?.focus(),
    F: () => search.current?.focus(),
    Escape: () => setFilter({ q: "", state: "", workflow: "" }),
  });

  const live = [...state.rows.values()];
  const needs = live.filter((r) => !isEnded(r.state) && (r.needsYou?.length ?? 0) > 0).length;
  const running = live.filter((r) => isAlive(r.state)).length;
  const workflows = [...new Set(live.map((r) => r.workflow ?? r.name))].sort();
  const filtering = filter.q !== "" || filter.state !== "" || filter.workflow !== "";
  return (
    <div class="page runs-page">
      <header class="page-head">
        <h1>Runs</h1>
        <p class="summary" data-testid="summary">
          {running > 0 ? <span class="r-accent">{running} running</span> : <span class="muted">nothing runs</span>}
          {needs > 0 && <span class="needs">{needs} needs you</span>}
        </p>
        <StartMenu />
      </header>
      <Cards />
      <div class="filters" role="search">
        <input
          ref={search}
          type="search"
          placeholder="Search runs"
          aria-label="Search runs"
          value={filter.q}
          onInput={(e) => setFilter({ q: e.currentTarget.value })}
          onKeyDown={(e) => e.key === "Escape" && (setFilter({ q: "" }), e.currentTarget.blur())}
        />
        <select aria-label="State" value={filter.state} onChange={(e) => setFilter({ state: e.currentTarget.value })}>
          <option value="">all states</option>
          <option value="needs">needs you</option>
          <option value="running">running</option>
          <option value="failed">failed</option>
          <option value="succeeded">succeeded</option>
        </select>
        {workflows.length > 1 && (
          <select aria-label="Workflow" value={filter.workflow} onChange={(e) => setFilter({ workflow: e.currentTarget.value })}>
            <option value="">all workflows</option>
            {workflows.slice(0, 300).map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        )}
      </div>
      {filter.workflow !== "" && <RunStrip name={filter.workflow} runs={live.filter((r) => (r.workflow ?? r.name) === filter.workflow)} />}
      <div class="runs-columns">
        <div class="runs-list">
          {groups.map((g) => (
            <section key={g.group} aria-label={GROUP_TITLES[g.group]}>
              <h2>
                {GROUP_TITLES[g.group]} <span class="muted num">{g.rows.length}</span>
              </h2>
              <ul>
                {g.rows.map((row) => (
                  <RunLine key={row.id} row={row} selected={row.id === selected} />
                ))}
              </ul>
            </section>
          ))}
          {state.loaded && rows.length === 0 && (filtering ? <Nothing clear={() => setFilter({ q: "", state: "", workflow: "" })} /> : <NoRuns />)}
          {!state.loaded && <p class="muted pad">Reading the runs…</p>}
          <More />
        </div>
        <CombinedActivity />
      </div>
    </div>
  );
}

function NoRuns(): JSX.Element {
  return (
    <Empty title="No runs yet">
      <p>Start one in a terminal; it appears here at once.</p>
      <CommandLine text="roboppi workflow run FILE" />
    </Empty>
  );
}

function Nothing({ clear }: { clear: () => void }): JSX.Element {
  return (
    <Empty title="Nothing matches">
      <p>No run has these words and states.</p>
      <button type="button" onClick={clear}>
        Clear the filter
      </button>
    </Empty>
  );
}

/** The next page of rows is read when its end comes near. */
function More(): JSX.Element | null {
  const app = useApp();
  const next = useStore(app.runs, (s) => s.next);
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = ref.current;
    if (!element || next === undefined) return undefined;
    const observer = new IntersectionObserver((entries) => {
      if (!entries.some((e) => e.isIntersecting)) return;
      observer.disconnect();
      app.source
        .runs({ after: next, limit: 100 })
        .then((page) => app.runs.update((s) => ({ ...withRows(s, page.runs), next: page.next })))
        .catch(() => undefined);
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [next]);
  return next === undefined ? null : (
    <div ref={ref} class="muted pad">
      Reading earlier runs…
    </div>
  );
}

/** A filter also asks the server, which knows more runs than are loaded. */
function useServerSearch(filter: Filter): void {
  const app = useApp();
  useEffect(() => {
    if (filter.q === "" && filter.state === "" && filter.workflow === "") return undefined;
    const state = { running: "running,ending", failed: "failed,timedOut,killed,lost", succeeded: "succeeded" }[filter.state];
    const timer = setTimeout(() => {
      app.source
        .runs({ q: filter.q, state: state ?? "", workflow: filter.workflow, limit: 100 })
        .then((page) => app.runs.update((s) => withRows(s, page.runs)))
        .catch(() => undefined);
    }, 250);
    return () => clearTimeout(timer);
  }, [filter.q, filter.state, filter.workflow]);
}
