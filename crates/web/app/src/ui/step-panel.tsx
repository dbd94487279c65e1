import type { JSX } from "preact";
import { useApp } from "../app";
import type { Attempt, Step } from "../api/types";
import { clock, elapsed, money } from "../lib/format";
import type { Route, Tab } from "../lib/route";
import { isAlive, isEnded, stepLook } from "../lib/states";
import { useStore, useValue } from "../lib/store";
import type { RunState } from "../state/run";
import { askCommand } from "./actions";
import { ActivityView } from "./activity/activity-view";
import { Details } from "./details";
import { DiffsView } from "./diffs-view";
import { FilesView } from "./files-view";
import { LogView } from "./log/log-view";
import { Overview } from "./overview";
import { Empty, Since, StepSign, Text } from "./parts";
import { ResultView } from "./result-view";

interface Props {
  route: Extract<Route, { page: "run" }>;
  state: RunState;
  step: Step;
  tab: Tab;
  show: (tab: Tab) => void;
}

const TITLES: Record<Tab, readonly [key: string, title: string]> = {
  overview: ["1", "Overview"],
  log: ["2", "Log"],
  diffs: ["3", "Diffs"],
  result: ["4", "Result"],
  activity: ["6", "Activity"],
  files: ["7", "Files"],
  details: ["8", "Details"],
};

export function StepPanel({ route, state, step, tab, show }: Props): JSX.Element {
  const run = state.run.handle ?? state.run.id;
  const attempt = step.attempts.find((a) => a.id === route.attempt) ?? step.attempts[step.attempts.length - 1];
  const tabs: Tab[] = step.agent ? ["activity", "log", "files", "diffs", "result", "overview", "details"] : ["log", "files", "diffs", "result", "overview", "details"];
  return (
    <section class="panel" aria-label={`Step ${step.name}`}>
      <StepHead step={step} attempt={attempt} route={route} run={run} tab={tab} />
      <div class="tabs" role="tablist" aria-label="Views of the step">
        {tabs.map((name) => (
          <button key={name} type="button" role="tab" id={`tab-${name}`} aria-selected={tab === name} aria-controls="panel-in" title={`${TITLES[name][1]} (${TITLES[name][0]})`} onClick={() => show(name)}>
            {TITLES[name][1]}
          </button>
        ))}
      </div>
      <div class="panel-in" id="panel-in" role="tabpanel" aria-labelledby={`tab-${tab}`}>
        <Content key={`${step.path} ${attempt?.id ?? ""} ${tab}`} tab={tab} state={state} step={step} attempt={attempt} line={route.line} all={route.all === true} show={show} />
      </div>
    </section>
  );
}

function Content({ tab, state, step, attempt, line, all, show }: { tab: Tab; state: RunState; step: Step; attempt: Attempt | undefined; line: number | undefined; all: boolean; show: (tab: Tab) => void }): JSX.Element {
  const run = state.run.handle ?? state.run.id;
  if (tab === "overview") return <Overview step={step} />;
  if (tab === "details") return <Details run={state.run} step={step} attempt={attempt} />;
  if (!attempt) return <NotStarted step={step} state={state} />;
  switch (tab) {
    case "log":
      return <LogView key={String(all)} run={run} step={step} attempt={attempt} line={line} all={all} ended={isEnded(state.run.state)} />;
    case "activity":
      return <ActivityView run={run} step={step} attempt={attempt} fresh={state.fresh.get(attempt.id)} delta={state.deltas.get(attempt.id)} />;
    case "diffs":
      return <DiffsView run={run} attempt={attempt} showFiles={() => show("files")} />;
    case "files":
      return <FilesView run={run} step={step} attempt={attempt} />;
    case "result":
      return <ResultView run={run} step={step} attempt={attempt} />;
  }
}

function NotStarted({ step, state }: { step: Step; state: RunState }): JSX.Element {
  const before = step.dependsOn.flatMap((path) => state.steps.get(path) ?? []).filter((s) => !isEnded(s.state));
  const of = stepLook(step);
  if (step.keptFrom) {
    return (
      <Empty title="Kept from an earlier run">
        <p>
          The result is that of {step.keptFrom.run}, attempt {step.keptFrom.attempt}.
        </p>
      </Empty>
    );
  }
  if (isEnded(step.state)) {
    return (
      <Empty title={`Never started: ${of.word}`}>
        <p><Text of={step.detail ?? "It has no output."} /></p>
      </Empty>
    );
  }
  return (
    <Empty title="Not started yet">
      {before.length > 0 ? (
        <ul class="waits-for">
          {before.slice(0, 20).map((s) => (
            <li key={s.path}>
              <StepSign step={s} /> waits for <Text of={s.name} />
            </li>
          ))}
        </ul>
      ) : (
        <p>{step.waiting?.why ?? "It waits for a free place."}</p>
      )}
    </Empty>
  );
}

function StepHead({ step, attempt, route, run, tab }: { step: Step; attempt: Attempt | undefined; route: Props["route"]; run: string; tab: Tab }): JSX.Element {
  const app = useApp();
  const session = useValue(app.session);
  const of = stepLook(step);
  const ended = isEnded(step.state);
  const operator = session?.role === "operator";
  return (
    <header class="step-head">
      <div class="step-head-line">
        <StepSign step={step} />
        <h2 class="cut" title={step.path}>
          <Text of={step.name} />
        </h2>
        <span class={`r-${of.role}`}>{of.word}</span>
        {step.startedAt !== undefined && (
          <span class="secondary">
            <Since from={step.startedAt} to={ended ? (step.finishedAt ?? step.changedAt) : undefined} ms={ended ? step.durationMs : undefined} />
          </span>
        )}
        <span class="muted cut step-worker">
          {step.worker}
          {step.model !== undefined && ` · ${step.model}`}
          {step.costUsd !== undefined && step.costUsd > 0 && ` · ${money(step.costUsd)}`}
        </span>
        <span class="grow" />
        {step.attempts.length > 1 && (
          <select aria-label="Attempt" value={attempt?.id} onChange={(e) => app.go({ page: "run", run: route.run, step: step.path, tab, attempt: e.currentTarget.value }, true)}>
            {step.attempts.map((a) => (
              <option key={a.id} value={a.id}>
                {a.iteration > 1 ? `iteration ${a.iteration}, ` : ""}attempt {a.number} · {a.state}
              </option>
            ))}
          </select>
        )}
        {operator && ended && step.state !== "succeeded" && (
          <button type="button" onClick={() => askCommand(app, run, "retry", step.path)}>
            Retry
          </button>
        )}
        {operator && !ended && (
          <button type="button" onClick={() => askCommand(app, run, isAlive(step.state) ? "cancel" : "skip", step.path)}>
            {isAlive(step.state) ? "Cancel step" : "Skip step"}
          </button>
        )}
      </div>
      <Reason step={step} attempt={attempt} />
    </header>
  );
}

/** Why it failed, what it waits for, or what it does now: one line. */
function Reason({ step, attempt }: { step: Step; attempt: Attempt | undefined }): JSX.Element | null {
  const detail = step.detail ?? attempt?.detail;
  if (isEnded(step.state)) {
    if (step.state === "succeeded" || detail === undefined) return null;
    return (
      <p class="reason r-bad" tabIndex={0}>
        <Text of={detail} />
      </p>
    );
  }
  if (step.waiting) return <Waits waiting={step.waiting} />;
  if (step.tool) return <Tool tool={step.tool} />;
  if (step.progress?.message !== undefined) {
    return (
      <p class="reason secondary cut">
        {step.progress.percent !== undefined && <span class="num">{Math.round(step.progress.percent)} % </span>}
        <Text of={step.progress.message} />
      </p>
    );
  }
  return null;
}

function Waits({ waiting }: { waiting: NonNullable<Step["waiting"]> }): JSX.Element {
  const now = useStore(useApp().now, (n) => Math.floor(n / 1000) * 1000);
  return (
    <p class="reason r-attention" tabIndex={0}>
      <Text of={waiting.why} />
      <span class="num">
        {" "}
        · for {elapsed(now - waiting.since)}
        {waiting.until !== undefined && waiting.until > now && ` · ${elapsed(waiting.until - now)} left (${clock(waiting.until)})`}
      </span>
    </p>
  );
}

function Tool({ tool }: { tool: NonNullable<Step["tool"]> }): JSX.Element {
  return (
    <p class="reason secondary cut">
      <b>{tool.name}</b> <Text of={tool.argument} class="mono" /> <Since from={tool.since} />
    </p>
  );
}
