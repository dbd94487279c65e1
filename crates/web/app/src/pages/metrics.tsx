import type { JSX } from "preact";
import type { Outcomes, Stats } from "../api/stats";
import { count, duration, money, percent } from "../lib/format";
import { perHour } from "../ui/cards";
import { Empty } from "../ui/parts";
import { StatsFrame } from "../ui/stats-page";
import { outcomeColumns, StatsTable } from "../ui/stats-table";

export function MetricsPage(): JSX.Element {
  return (
    <StatsFrame title="Metrics">
      {(stats) => stats.runs.count === 0 ? (
        <Empty title="No runs yet">
          <p>Counts, times and cost of all runs appear here.</p>
        </Empty>
      ) : (
        <>
          <div class="metrics-groups">
            <Group name="Runs" of={stats.runs} />
            <Group name="Steps" of={stats.steps} />
            <Group name="Tool calls" of={stats.calls} />
            <Cost stats={stats} />
          </div>
          {stats.workflows.length > 0 && (
            <section>
              <h2>Workflows</h2>
              <StatsTable name="Workflows" rows={stats.workflows} columns={[{ title: "Workflow", value: (w) => w.name, numeric: false }, ...outcomeColumns<(typeof stats.workflows)[number]>()]} />
            </section>
          )}
          {stats.bySteps.length > 0 && (
            <section>
              <h2>Steps</h2>
              <StatsTable
                name="Steps"
                rows={stats.bySteps.slice(0, 500)}
                columns={[
                  { title: "Step", value: (s) => s.step, numeric: false },
                  ...outcomeColumns<(typeof stats.bySteps)[number]>(),
                  { title: "Workflow", value: (s) => s.workflow, numeric: false },
                ]}
              />
              {stats.bySteps.length > 500 && <p class="muted">{count(stats.bySteps.length - 500)} more steps: roboppi stats --json has all.</p>}
            </section>
          )}
        </>
      )}
    </StatsFrame>
  );
}

const OUTCOMES = [
  ["succeeded", "good", "succeeded"],
  ["failed", "bad", "failed"],
  ["timedOut", "bad", "timed out"],
  ["cancelled", "muted", "cancelled"],
  ["lost", "warn", "lost"],
  ["skipped", "muted", "skipped"],
  ["running", "accent", "running"],
] as const;

function Group({ name, of }: { name: string; of: Outcomes }): JSX.Element {
  return (
    <section class="metrics-group">
      <h2>{name}</h2>
      <p class="big num">
        {count(of.count)} <small class="secondary">{of.rate === null ? "" : `${percent(of.rate)} succeed`}</small>
      </p>
      <span class="stack" aria-hidden="true">
        {OUTCOMES.map(([key, role]) => of.count > 0 && of[key] > 0 && <i key={key} class={`b-${role}`} style={{ width: `${(100 * of[key]) / of.count}%` }} />)}
      </span>
      <dl class="small">
        {OUTCOMES.map(
          ([key, role, word]) =>
            of[key] > 0 && (
              <div key={key}>
                <dt class={`r-${role}`}>{word}</dt>
                <dd class="num">{count(of[key])}</dd>
              </div>
            ),
        )}
        {of.succeededMs && (
          <div>
            <dt class="secondary">median, p95</dt>
            <dd class="num">
              {duration(of.succeededMs.p50)}, {duration(of.succeededMs.p95)}
            </dd>
          </div>
        )}
        {of.perHour !== null && of.perHour > 0 && (
          <div>
            <dt class="secondary">throughput</dt>
            <dd class="num">{perHour(of.perHour)}</dd>
          </div>
        )}
      </dl>
    </section>
  );
}

function Cost({ stats }: { stats: Stats }): JSX.Element | null {
  if (stats.agents.length === 0) return null;
  const cost = stats.agents.reduce((sum, a) => sum + a.usage.costUsd, 0);
  const without = stats.agents.reduce((sum, a) => sum + a.usage.attemptsWithoutCost, 0);
  return (
    <section class="metrics-group">
      <h2>Cost</h2>
      <p class="big num">
        {without > 0 && "≥ "}
        {money(cost)}
      </p>
      <dl class="small">
        {stats.agents
          .filter((a) => a.usage.costUsd > 0)
          .map((a) => (
            <div key={a.worker}>
              <dt class="secondary">{a.worker}</dt>
              <dd class="num">{money(a.usage.costUsd)}</dd>
            </div>
          ))}
      </dl>
    </section>
  );
}
