import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { useApp } from "../app";
import type { Run } from "../api/types";
import { clock, compact, elapsed, money, plural } from "../lib/format";
import { progressWords } from "../lib/progress";
import { isAlive, isEnded } from "../lib/states";
import { useStore, useValue } from "../lib/store";
import { countSteps, type RunState } from "../state/run";
import { askCommand } from "./actions";
import { ConnectionState } from "./connection";
import { Icon } from "./icons";
import { Bar, CommandLine, Link, Since, State, Text } from "./parts";

/** Is it going well? One sentence, its progress, and what waits for a person. */
export function RunHead({ state }: { state: RunState }): JSX.Element {
  const app = useApp();
  const session = useValue(app.session);
  const { run } = state;
  const name = run.handle ?? run.id.slice(0, 8);
  const counts = countSteps(state.steps.values());
  const total = state.order.length;
  const ended = isEnded(run.state);
  const alive = isAlive(run.state);
  const done = counts.good + counts.failed + counts.other;
  const percent = total === 0 ? 0 : (100 * done) / total;
  const asks = !ended && (run.needsYou?.length ?? 0) > 0;
  const operator = session?.role === "operator";
  const [warnings, showWarnings] = useState(false);
  return (
    <header class="run-head">
      <div class="run-title">
        <Link to={{ page: "runs", query: {} }} class="back" aria-label="All runs" title="All runs (h)">
          <Icon name="back" />
        </Link>
        <h1 class="cut" title={run.name}>
          <Text of={run.name} />
        </h1>
        <span class="run-id muted num">{name}</span>
        <span class="run-sentence" data-testid="run-state">
          <State state={run.state} detail={ended ? run.detail : undefined} /> <Since from={run.startedAt} to={ended ? run.finishedAt : undefined} ms={ended ? run.durationMs : undefined} />
        </span>
        <span class="run-facts secondary num">
          <span>
            {done} of {total}
          </span>
          {alive && <Left run={run} asks={asks} />}
          {run.costUsd !== undefined && run.costUsd > 0 && <span>{money(run.costUsd)}</span>}
          {run.tokens !== undefined && run.tokens > 0 && <span>{compact(run.tokens)} tokens</span>}
        </span>
        <span class="grow" />
        <span class="head-connection">
          <ConnectionState />
        </span>
        {operator && !ended && (
          <span class="run-actions">
            <button type="button" onClick={() => askCommand(app, name, "cancel")}>
              Cancel
            </button>
            <button type="button" class="danger-quiet" onClick={() => askCommand(app, name, "kill")}>
              Kill
            </button>
          </span>
        )}
      </div>
      <div class="run-bar">
        <Bar percent={percent} role={run.state === "failed" ? "bad" : run.state === "succeeded" ? "good" : "accent"} label="progress of the run" />
        <span class="counts num" role="group" aria-label="steps by state">
          {counts.good > 0 && <span class="r-good">✓{counts.good}</span>}
          {counts.alive > 0 && <span class="r-accent">●{counts.alive}</span>}
          {counts.waiting > 0 && <span class="muted">·{counts.waiting}</span>}
          {counts.failed > 0 && <span class="r-bad">✗{counts.failed}</span>}
          {counts.other > 0 && <span class="muted">⊘{counts.other}</span>}
        </span>
        {run.warningsTotal > 0 && (
          <button type="button" class="quiet r-warn small" aria-expanded={warnings} onClick={() => showWarnings(!warnings)}>
            ! {plural(run.warningsTotal, "warning")}
          </button>
        )}
      </div>
      <NeedsYou run={run} />
      <LeftOut />
      <Notes run={run} ended={ended} open={warnings} />
    </header>
  );
}

/** The time that is left, and what that is known from. While a person is waited for, no time would be true. */
function Left({ run, asks }: { run: Run; asks: boolean }): JSX.Element | null {
  const now = useStore(useApp().now, (at) => Math.floor(at / 5000) * 5000);
  if (asks) return <span class="r-attention">waits for you</span>;
  const words = run.progress && progressWords(run.progress, now);
  if (words?.left === undefined) return null;
  return (
    <span data-testid="left" title={words.basis}>
      {words.left}
      {words.basis !== undefined && <span class="muted left-basis">, {words.basis}</span>}
    </span>
  );
}

function NeedsYou({ run }: { run: Run }): JSX.Element | null {
  const app = useApp();
  const minute = useStore(app.now, (now) => Math.floor(now / 1000) * 1000);
  const questions = isEnded(run.state) ? [] : (run.needsYou ?? []);
  if (questions.length === 0) return null;
  return (
    <ul class="needs-you" aria-label="Waits for you">
      {questions.map((q) => (
        <li key={q.step}>
          <span class="badge" aria-hidden="true">
            ?
          </span>
          <span class="needs-text">
            <b>
              <Text of={q.step} />
            </b>
            : <Text of={q.why} />{" "}
            <span class="muted num">waits {elapsed(minute - q.since)}</span>
          </span>
          <Link class="button" to={{ page: "run", run: run.handle ?? run.id, step: q.step }}>
            Show
          </Link>
        </li>
      ))}
    </ul>
  );
}

/** What a file with a saved record has no room for. */
function LeftOut(): JSX.Element | null {
  const { leftOut } = useApp().source;
  if (leftOut === undefined || leftOut.length === 0) return null;
  return (
    <details class="notes left-out small">
      <summary class="muted">Not all of the record is in this file</summary>
      <ul class="warnings">
        {leftOut.map((what) => (
          <li key={what}>
            <Text of={what} />
          </li>
        ))}
      </ul>
    </details>
  );
}

function Notes({ run, ended, open }: { run: Run; ended: boolean; open: boolean }): JSX.Element | null {
  if (!open && !(ended && run.nextCommand !== undefined)) return null;
  const hidden = run.warningsTotal - run.warnings.length;
  return (
    <div class="notes">
      {ended && run.nextCommand !== undefined && <CommandLine text={run.nextCommand} />}
      {open && (
        <ul class="warnings">
          {run.warnings.slice(-50).map((w, i) => (
            <li key={i}>
              <span class="muted num">{clock(w.at)}</span> {w.step !== undefined && <b>{w.step}</b>} <Text of={w.text} />
            </li>
          ))}
          {hidden > 0 && <li class="muted">and {hidden} more in the record</li>}
        </ul>
      )}
    </div>
  );
}
