import { memo } from "./memo";
import type { JSX } from "preact";
import { useApp } from "../app";
import type { RunRow } from "../api/types";
import { ago, elapsed, money } from "../lib/format";
import { progressSentence, progressWords } from "../lib/progress";
import { isAlive, isEnded, look, reason } from "../lib/states";
import { useStore } from "../lib/store";
import { Bar, Link, Sign, Since, Text } from "./parts";

/** One run in a list: state, name, the one fact that matters now, progress, time. */
export const RunLine = memo(function RunLine({ row, selected }: { row: RunRow; selected: boolean }): JSX.Element {
  const asks = isEnded(row.state) ? undefined : row.needsYou?.[0];
  const of = asks ? { sign: "?", word: "needs you", role: "attention" as const } : look(row.state);
  const alive = isAlive(row.state);
  return (
    <li id={`run-${row.id}`} class={selected ? "run-line selected" : "run-line"}>
      <Link to={{ page: "run", run: row.handle ?? row.id }} aria-current={selected ? "true" : undefined}>
        <Sign of={of} />
        <span class="run-handle num muted">{row.handle ?? row.id.slice(0, 6)}</span>
        <span class="run-name cut" title={row.name}>
          <Text of={row.name} />
        </span>
        <span class="run-fact cut secondary" title={fact(row)}>
          <span class={`r-${of.role}`}>{of.word}</span>
          {asks ? (
            <>
              : <Text of={asks.why} /> <span class="muted">({asks.step})</span>
            </>
          ) : (
            fact(row) !== undefined && (
              <>
                : <Text of={fact(row)} />
              </>
            )
          )}
        </span>
        <span class="run-progress">
          {alive && row.progress ? (
            <Progress row={row} asks={asks !== undefined} />
          ) : (
            <span class="num muted">
              {row.counts.done}/{row.counts.total}
              {row.counts.failed > 0 && <span class="r-bad"> ✗{row.counts.failed}</span>}
            </span>
          )}
        </span>
        <span class="run-cost num muted">{row.costUsd === undefined ? "" : money(row.costUsd)}</span>
        <span class="run-time num secondary">
          {asks ? <Waits since={asks.since} /> : <Since from={row.startedAt} to={alive ? undefined : row.finishedAt} ms={row.durationMs} />}
        </span>
        <span class="run-when num muted">
          <When at={row.finishedAt ?? row.startedAt} />
        </span>
      </Link>
    </li>
  );
});

function fact(row: RunRow): string | undefined {
  if (isAlive(row.state)) return row.current;
  return reason(row.detail, look(row.state).word);
}

/** While a person is waited for, no time that is left would be true. */
function Progress({ row, asks }: { row: RunRow; asks: boolean }): JSX.Element | null {
  const { progress } = row;
  const now = useStore(useApp().now, (at) => Math.floor(at / 5000) * 5000);
  if (!progress) return null;
  const words = progressWords(progress, now);
  const said = asks ? { steps: words.steps } : words;
  return (
    <>
      <Bar percent={(100 * progress.done) / Math.max(1, progress.total)} label={`progress of ${row.name}`} />
      <span class="num secondary" title={progressSentence(said)}>
        <span class={said.left === undefined ? undefined : "run-steps"}>
          {progress.done}/{progress.total}
          {said.left !== undefined && " · "}
        </span>
        {said.left}
      </span>
    </>
  );
}

function Waits({ since }: { since: number }): JSX.Element {
  const seconds = useStore(useApp().now, (now) => Math.floor((now - since) / 1000));
  return <>waits {elapsed(seconds * 1000)}</>;
}

function When({ at }: { at: number }): JSX.Element {
  const text = useStore(useApp().now, (now) => ago(at, now));
  return (
    <time dateTime={new Date(at).toISOString()} title={new Date(at).toLocaleString()}>
      {text}
    </time>
  );
}
