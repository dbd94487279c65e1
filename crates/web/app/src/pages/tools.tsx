import type { JSX } from "preact";
import { Empty } from "../ui/parts";
import { Share } from "../ui/share";
import { StatsFrame } from "../ui/stats-page";
import { outcomeColumns, StatsTable } from "../ui/stats-table";

export function ToolsPage(): JSX.Element {
  return (
    <StatsFrame title="Tools">
      {(stats) =>
        stats.tools.length === 0 ? (
          <Empty title="No tool calls">
            <p>Calls of tools by agents are counted here.</p>
          </Empty>
        ) : (
          <>
            <Share name="Calls by tool" parts={stats.tools.map((t) => ({ name: t.name, value: t.count, bad: t.failed + t.timedOut }))} />
            <StatsTable name="Tools" rows={stats.tools} columns={[{ title: "Tool", value: (t) => t.name, numeric: false }, ...outcomeColumns<(typeof stats.tools)[number]>()]} />
          </>
        )
      }
    </StatsFrame>
  );
}
