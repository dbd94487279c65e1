import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { useApp } from "../app";
import type { RunRow } from "../api/types";
import { clock, duration, moment } from "../lib/format";
import { look } from "../lib/states";
import { useStore } from "../lib/store";
import { withRows } from "../state/runs";
import { Empty, Link, Sign } from "../ui/parts";
import { RunStrip } from "../ui/run-strip";
import { StatsFrame } from "../ui/stats-page";

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
            <RunStrip key={name} name={name} runs={of} />
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
