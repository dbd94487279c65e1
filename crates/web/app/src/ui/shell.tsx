import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { useApp } from "../app";
import { asProblem } from "../api/http";
import type { Problem } from "../api/types";
import { useKeys } from "../lib/keys";
import { useValue } from "../lib/store";
import { applyRunsEvents, withRows, withSnapshot } from "../state/runs";
import { AgentsPage } from "../pages/agents";
import { HistoryPage } from "../pages/history";
import { MetricsPage } from "../pages/metrics";
import { RunPage } from "../pages/run";
import { RunsPage } from "../pages/runs";
import { ToolsPage } from "../pages/tools";
import { ConnectionBar } from "./connection";
import { Confirm } from "./confirm";
import { Help } from "./help";
import { Login } from "./login";
import { Palette } from "./palette";
import { Rail } from "./rail";
import { Toasts } from "./toasts";
import { ProblemBox } from "./parts";

/** Asks for the session first; everything else follows from whether there is one. */
export function Shell(): JSX.Element | null {
  const app = useApp();
  const session = useValue(app.session);
  const loggedOut = useValue(app.loggedOut);
  const [problem, setProblem] = useState<Problem>();
  const [login, setLogin] = useState<Problem["login"]>();

  const open = (): void => {
    setProblem(undefined);
    app.source
      .session()
      .then((found) => {
        app.session.set(found);
        app.loggedOut.set(false);
        app.source.start();
      })
      .catch((error: unknown) => {
        const found = asProblem(error);
        if (found.status === 401) {
          setLogin(found.login);
          app.loggedOut.set(true);
        } else setProblem(found);
      });
  };
  useEffect(open, []);
  useEffect(
    () =>
      app.source.connection.subscribe(() => {
        if (app.source.connection.get().state === "loggedOut") app.loggedOut.set(true);
      }),
    [],
  );

  if (session === undefined) {
    if (loggedOut) return <Login kind={login} done={open} />;
    if (problem) {
      return (
        <main class="alone">
          <ProblemBox problem={problem} retry={open} />
        </main>
      );
    }
    return null;
  }
  return (
    <>
      <Frame />
      {loggedOut && (
        <div class="over">
          <Login kind={login} done={open} />
        </div>
      )}
    </>
  );
}

function Frame(): JSX.Element {
  const app = useApp();
  const route = useValue(app.route);
  const [help, setHelp] = useState(false);
  const [palette, setPalette] = useState(false);
  useRunsFeed();
  useKeys(0, {
    "ctrl+k": () => setPalette(true),
    "?": () => setHelp(true),
    F1: () => setHelp(true),
  });
  const key = route.page === "run" ? `run:${route.run}` : route.page;
  return (
    <div class="frame">
      <a class="skip" href="#main" onClick={(e) => (e.preventDefault(), document.getElementById("main")?.focus())}>
        Skip to the content
      </a>
      <Rail onPalette={() => setPalette(true)} onHelp={() => setHelp(true)} />
      <main id="main" key={key} tabIndex={-1}>
        <ConnectionBar />
        {route.page === "runs" && <RunsPage query={route.query} />}
        {route.page === "run" && <RunPage route={route} />}
        {route.page === "tools" && <ToolsPage />}
        {route.page === "agents" && <AgentsPage />}
        {route.page === "metrics" && <MetricsPage />}
        {route.page === "history" && <HistoryPage query={route.query} />}
      </main>
      {palette && <Palette close={() => setPalette(false)} help={() => setHelp(true)} />}
      {help && <Help close={() => setHelp(false)} />}
      <Confirm />
      <Toasts />
    </div>
  );
}

/** The list of runs is kept current on every page: the rail counts what waits for a person. */
function useRunsFeed(): void {
  const app = useApp();
  useEffect(() => {
    const stop = app.source.watchRuns({
      onSnapshot: (rows) => app.runs.update((state) => withSnapshot(state, rows)),
      onEvents: (events) => app.runs.update((state) => applyRunsEvents(state, events, Date.now())),
    });
    app.source
      .runs({ limit: 100 })
      .then((page) => app.runs.update((state) => withRows({ ...state, ...(page.next === undefined ? {} : { next: page.next }) }, page.runs)))
      .catch(() => undefined);
    return stop;
  }, []);
}
