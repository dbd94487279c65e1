import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { useApp, type Action } from "../app";
import type { Step } from "../api/types";
import { useKeys } from "../lib/keys";
import type { Route, Tab } from "../lib/route";
import { isAlive, isEnded, isFailed } from "../lib/states";
import { recall, remember } from "../lib/theme";
import { useTitle } from "../lib/title";
import { useRun } from "../lib/use-run";
import { listed, mostInteresting, type RunState } from "../state/run";
import { askCommand } from "../ui/actions";
import { Empty, Link, ProblemBox } from "../ui/parts";
import { RunHead } from "../ui/run-head";
import { StepList } from "../ui/step-list";
import { StepPanel } from "../ui/step-panel";
import { Strip, type StripView } from "../ui/strip";

type RunRoute = Extract<Route, { page: "run" }>;

export function RunPage({ route }: { route: RunRoute }): JSX.Element {
  const { state, problem, retry } = useRun(route.run);
  if (state) return <Loaded route={route} state={state} />;
  if (problem?.status === 404 || problem?.status === 410) {
    return (
      <Empty title={`Run ${route.run} is not here`}>
        <p>{problem.detail ?? "It was removed, or never existed on this host."}</p>
        {problem.hint !== undefined && <p class="secondary">{problem.hint}</p>}
        <Link to={{ page: "runs", query: {} }}>All runs</Link>
      </Empty>
    );
  }
  if (problem) return <ProblemBox problem={problem} retry={retry} />;
  return <p class="muted pad">Reading run {route.run}…</p>;
}

function Loaded({ route, state }: { route: RunRoute; state: RunState }): JSX.Element {
  const app = useApp();
  const [filter, setFilter] = useState("");
  const [filtering, setFiltering] = useState(false);
  const [hideDone, setHideDone] = useState(false);
  const [strip, setStrip] = useState<StripView>((recall("roboppi.strip") as StripView | undefined) ?? "graph");
  const steps = useMemo(() => state.order.flatMap((path) => state.steps.get(path) ?? []), [state.order, state.steps]);
  const list = useMemo(() => listed(steps, filter, hideDone), [steps, filter, hideDone]);
  const shown = useMemo(() => [...list.look, ...list.rest], [list]);
  // Until a step is chosen, the page follows the one that matters most.
  const following = route.step === undefined;
  const step = (route.step !== undefined ? state.steps.get(route.step) : undefined) ?? mostInteresting(steps);
  const tab: Tab = route.tab ?? (step?.agent ? "activity" : "log");
  const name = state.run.handle ?? state.run.id.slice(0, 8);
  useTitle(`${isFailed(state.run.state) ? "✗" : isEnded(state.run.state) ? "✓" : "●"} ${name} ${state.run.name}`);

  const choose = (to: Step | undefined, replace = true): void => {
    if (to) app.go({ page: "run", run: route.run, step: to.path, ...(route.tab === undefined ? {} : { tab: route.tab }) }, replace);
  };
  const move = (by: number): void => {
    const at = shown.findIndex((s) => s.path === step?.path);
    choose(shown[Math.min(shown.length - 1, Math.max(0, at + by))]);
  };
  const moveFailed = (by: number): void => {
    const failed = steps.filter((s) => isFailed(s.state));
    if (failed.length === 0) return;
    const at = failed.findIndex((s) => s.path === step?.path);
    choose(failed[(at + by + failed.length) % failed.length]);
  };
  const show = (to: Tab): void => app.go({ page: "run", run: route.run, ...(step ? { step: step.path } : {}), tab: to }, true);
  const changeStrip = (to: StripView): void => {
    setStrip(to);
    remember("roboppi.strip", to);
  };
  const attempts = step?.attempts ?? [];
  const moveAttempt = (by: number): void => {
    const at = attempts.findIndex((a) => a.id === route.attempt);
    const next = attempts[Math.min(attempts.length - 1, Math.max(0, (at < 0 ? attempts.length - 1 : at) + by))];
    if (step && next) app.go({ page: "run", run: route.run, step: step.path, tab, attempt: next.id }, true);
  };
  const operator = app.session.get()?.role === "operator";
  const endStep = (): void => {
    if (step && operator && !isEnded(step.state)) askCommand(app, name, isAlive(step.state) ? "cancel" : "skip", step.path);
  };
  useKeys(1, {
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    g: () => move(-1e9),
    G: () => move(1e9),
    n: () => moveFailed(1),
    N: () => moveFailed(-1),
    f: () => app.go({ page: "run", run: route.run }, true),
    F: () => setFiltering(true),
    d: () => setHideDone((before) => !before),
    "[": () => moveAttempt(-1),
    "]": () => moveAttempt(1),
    x: endStep,
    r: () => {
      if (step && operator && isEnded(step.state) && step.state !== "succeeded") askCommand(app, name, "retry", step.path);
    },
    X: () => {
      if (operator && !isEnded(state.run.state)) askCommand(app, name, state.run.state === "ending" ? "kill" : "cancel");
    },
    "1": () => show("overview"),
    "2": () => show("log"),
    "3": () => show("diffs"),
    "4": () => show("result"),
    "5": () => changeStrip(strip === "timeline" ? "off" : "timeline"),
    "6": () => show("activity"),
    "7": () => show("files"),
    "8": () => show("details"),
    h: () => app.go({ page: "runs", query: {} }),
    Escape: () => {
      // Two keys may come between two drawings: the store knows the place, `route` may be the one before.
      const now = app.route.get();
      if (filter !== "" || filtering) {
        setFilter("");
        setFiltering(false);
      } else if (now.page === "run" && now.step !== undefined) app.go({ page: "run", run: route.run }, true);
      else app.go({ page: "runs", query: {} });
    },
  });
  usePageActions(name, step, state.order, state.run.state, operator);

  return (
    <div class="run-page">
      <RunHead state={state} />
      {steps.length === 0 ? (
        <Empty title="No steps">
          <p>{isEnded(state.run.state) ? "This run ended before it had any step." : "Its steps appear here when it has read its workflow."}</p>
        </Empty>
      ) : (
        <>
          <Strip steps={steps} run={state.run} view={strip} setView={changeStrip} selected={step?.path} choose={(path) => choose(state.steps.get(path), false)} filter={(words) => (setFilter(words), setFiltering(words !== ""))} />
          <div class="run-columns">
            <StepList
              list={list}
              total={steps.length}
              selected={step?.path}
              following={following}
              filter={filter}
              filtering={filtering}
              setFilter={setFilter}
              setFiltering={setFiltering}
              hideDone={hideDone}
              setHideDone={setHideDone}
              choose={(path) => choose(state.steps.get(path), false)}
            />
            {step && <StepPanel route={route} state={state} step={step} tab={tab} show={show} />}
          </div>
        </>
      )}
    </div>
  );
}

/** What the palette offers on this page. */
function usePageActions(run: string, step: Step | undefined, order: string[], runState: string, operator: boolean): void {
  const app = useApp();
  useEffect(() => {
    const actions: Action[] = [];
    if (operator && step && isAlive(step.state)) actions.push({ ends: true, title: `Cancel step ${step.path}`, key: "x", run: () => askCommand(app, run, "cancel", step.path) });
    if (operator && step && !isAlive(step.state) && !isEnded(step.state)) actions.push({ ends: true, title: `Skip step ${step.path}`, key: "x", run: () => askCommand(app, run, "skip", step.path) });
    if (operator && step && isEnded(step.state) && step.state !== "succeeded") actions.push({ title: `Retry step ${step.path}`, key: "r", run: () => askCommand(app, run, "retry", step.path) });
    if (operator && !isEnded(runState)) {
      actions.push({ ends: true, title: `Cancel run ${run}`, key: "X", run: () => askCommand(app, run, "cancel") });
      actions.push({ ends: true, title: `Kill run ${run}`, run: () => askCommand(app, run, "kill") });
    }
    for (const path of order) actions.push({ title: path, hint: "step", run: () => app.go({ page: "run", run, step: path }) });
    app.actions.set(actions);
    return () => app.actions.set([]);
  }, [run, step?.path, step?.state, runState, operator, order]);
}
