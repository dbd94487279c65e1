import type { JSX } from "preact";
import { compact, money } from "../lib/format";
import { Empty } from "../ui/parts";
import { StatsFrame } from "../ui/stats-page";
import { outcomeColumns, StatsTable, type Column } from "../ui/stats-table";
import type { AgentStats } from "../api/stats";

const COLUMNS: Column<AgentStats>[] = [
  { title: "Agent", value: (a) => a.worker, numeric: false },
  ...outcomeColumns<AgentStats>(),
  { title: "Tokens in", value: (a) => a.usage.inputTokens, show: (a) => compact(a.usage.inputTokens) },
  { title: "Cached", value: (a) => a.usage.cacheReadTokens, show: (a) => compact(a.usage.cacheReadTokens) },
  { title: "Tokens out", value: (a) => a.usage.outputTokens, show: (a) => compact(a.usage.outputTokens) },
  {
    title: "Cost",
    value: (a) => a.usage.costUsd,
    show: (a) => (
      <span title={a.usage.attemptsWithoutCost > 0 ? `${a.usage.attemptsWithoutCost} attempts reported no cost` : undefined}>
        {a.usage.attemptsWithoutCost > 0 && "≥ "}
        {money(a.usage.costUsd)}
      </span>
    ),
  },
];

export function AgentsPage(): JSX.Element {
  return (
    <StatsFrame title="Agents">
      {(stats) =>
        stats.agents.length === 0 ? (
          <Empty title="No agents">
            <p>Attempts of steps that an agent works on are counted here, with their tokens and costs.</p>
          </Empty>
        ) : (
          <StatsTable name="Agents" rows={stats.agents} columns={COLUMNS} />
        )
      }
    </StatsFrame>
  );
}
