import type { JSX } from "preact";
import { useApp } from "../app";
import { compact, count, duration, money, percent } from "../lib/format";
import { isAlive } from "../lib/states";
import { useStore } from "../lib/store";
import { useStats } from "../lib/use-stats";

/** The figures of all runs, in one line. */
export function Cards(): JSX.Element {
  const app = useApp();
  const running = useStore(app.runs, (s) => [...s.rows.values()].filter((r) => isAlive(r.state)).length);
  const { stats } = useStats({});
  const runs = stats?.runs;
  const cost = stats?.agents.reduce((sum, a) => sum + (a.usage?.costUsd ?? 0), 0);
  const tokens = stats?.agents.reduce((sum, a) => sum + (a.usage?.inputTokens ?? 0) + (a.usage?.outputTokens ?? 0), 0);
  const mean = runs?.succeededMs?.mean;
  return (
    <dl class="cards" aria-label="Figures of all runs">
      <Card name="Running" value={String(running)} />
      <Card name="Total" value={runs ? count(runs.count) : "–"} />
      <Card name="Success rate" value={runs?.rate == null ? "–" : percent(runs.rate)} note={runs && runs.failed + runs.timedOut > 0 ? `${count(runs.failed + runs.timedOut)} failed` : undefined} />
      <Card name="Average" value={mean == null ? "–" : duration(mean)} note={runs?.succeededMs ? `p95 ${duration(runs.succeededMs.p95)}` : undefined} />
      <Card name="Throughput" value={runs?.perHour == null || runs.perHour === 0 ? "–" : perHour(runs.perHour)} />
      <Card name="Cost" value={cost === undefined ? "–" : money(cost)} note={tokens ? `${compact(tokens)} tokens` : undefined} />
    </dl>
  );
}

export function perHour(value: number): string {
  return value >= 1 ? `${compact(value)}/h` : `${(value * 24).toFixed(1)}/day`;
}

function Card({ name, value, note }: { name: string; value: string; note?: string | undefined }): JSX.Element {
  return (
    <div class="card">
      <dt>
        {name} {note !== undefined && <small class="muted cut num">{note}</small>}
      </dt>
      <dd class="num">{value}</dd>
    </div>
  );
}
