import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { useApp } from "../app";
import type { RunRow } from "../api/types";
import { clock, duration, moment } from "../lib/format";
import { isEnded, look } from "../lib/states";
import { useStore } from "../lib/store";
import { withRows } from "../state/runs";
import { Empty, Link, Sign, Text } from "../ui/parts";
import { StatsFrame } from "../ui/stats-page";

/** Runs of one workflow, and so many of them in a strip. */
const STRIP = 40;

export function HistoryPage({ query }: { query: Record<string, string> }): JSX.Element {
  const app = useApp();
  const rows = useStore(app.runs, (s) => s.rows);
  const workflow = query["workflow"] ?? "";
  useEffect(() => {
    app.source
      .runs({ limit: 200, workflow })
      .then((page) => app.runs.update((s) => withRows(s, page.runs)))
      .catch(() => undefined);
  }, [workflow]);
  const groups = useMemo(() => {
    const by = new Map<string, RunRow[]>();
    for (const row of rows.values()) {
      const name = row.workflow ?? row.name;
      if (workflow !== "" && name !== workflow) continue;
      by.set(name, [...(by.get(name) ?? []), row]);
    }
    return [...by].map(([name, of]) => ({ name, of: of.sort((a, b) => a.startedAt - b.startedAt) })).sort((a, b) => (b.of[b.of.length - 1]?.startedAt ?? 0) - (a.of[a.of.length - 1]?.startedAt ?? 0));
  }, [rows, workflow]);
  return (
    <StatsFrame title="History">
      {(stats) => (
        <>
          {workflow !== "" && (
            <p>
              Runs of <b>{workflow}</b>.{" "}
              <button type="button" class="quiet" onClick={() => app.go({ page: "history", query: {} })}>
                All workflows
              </button>
            </p>
          )}
          {groups.length === 0 && (
            <Empty title="No history yet">
              <p>Runs that have ended are shown here by workflow.</p>
            </Empty>
          )}
          {groups.map(({ name, of }) => (
            <RunsStrip key={name} name={name} rows={of.slice(-STRIP).reverse()} left={Math.max(0, of.length - STRIP)} />
          ))}
          {stats.recent.length > 0 && (
            <section>
              <h2>Ended last</h2>
              <ul class="recent">
                {stats.recent.slice(0, 100).map((r, i) => (
                  <li key={`${r.at} ${r.run} ${r.step ?? ""} ${i}`}>
                    <span class="num muted" title={moment(r.at, stats.at)}>
                      {clock(r.at)}
                    </span>
                    <Sign of={look(r.outcome)} />
                    <Link to={r.step == null ? { page: "run", run: r.run } : { page: "run", run: r.run, step: r.step }} class="cut">
                      <span class="muted">{r.run}</span> <bdi>{r.step}</bdi> {r.tool != null && <b>{r.tool}</b>}
                    </Link>
                    <span class="num secondary">{r.durationMs == null ? "" : duration(r.durationMs)}</span>
                  </li>
                ))}
              </ul>
            </section>
          )}
        </>
      )}
    </StatsFrame>
  );
}

/** A bar for each run, as high as it took long. The latest comes first and is drawn at the right, where it is always visible. */
function RunsStrip({ name, rows, left }: { name: string; rows: RunRow[]; left: number }): JSX.Element {
  const now = Date.now();
  const times = rows.map((r) => r.durationMs ?? (r.finishedAt ?? now) - r.startedAt);
  const most = Math.max(1, ...times);
  const ended = rows.filter((r) => isEnded(r.state));
  const good = ended.filter((r) => r.state === "succeeded").length;
  return (
    <section class="run-strip">
      <div class="run-strip-name">
        <h2 class="cut" title={name}>
          <Text of={name} />
        </h2>
        <p class="muted num small">
          {ended.length === 0 ? "none has ended" : `${good} of ${ended.length} succeeded`}
          {left > 0 && `, ${left} earlier`}
        </p>
      </div>
      <div class="run-strip-bars">
        {rows.map((row, i) => {
          const of = look(row.state);
          return (
            <Link key={row.id} to={{ page: "run", run: row.handle ?? row.id }} class="run-strip-bar" aria-label={`${row.handle ?? row.id}: ${of.word}, ${duration(times[i] ?? 0)}`} title={`${row.handle ?? row.id} · ${of.word} · ${duration(times[i] ?? 0)} · ${moment(row.startedAt, now)}`}>
              {row.state !== "succeeded" && <span class={`sign r-${of.role}`}>{of.sign}</span>}
              <i class={`b-${of.role}`} style={{ height: `${Math.max(4, (32 * (times[i] ?? 0)) / most)}px` }} />
            </Link>
          );
        })}
      </div>
    </section>
  );
}
