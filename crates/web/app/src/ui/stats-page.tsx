import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import type { Stats } from "../api/stats";
import { plural } from "../lib/format";
import { useTitle } from "../lib/title";
import { useStats } from "../lib/use-stats";
import { ProblemBox } from "./parts";

const SPANS: readonly (readonly [value: string, title: string])[] = [
  ["", "all time"],
  ["1h", "last hour"],
  ["24h", "last day"],
  ["7d", "last week"],
  ["30d", "last month"],
];

/** The frame of a page of figures: title, period, and what is missing in them. */
export function StatsFrame({ title, children }: { title: string; children: (stats: Stats) => ComponentChildren }): JSX.Element {
  const [since, setSince] = useState("");
  const { stats, problem } = useStats({ since });
  useTitle(title);
  return (
    <div class="page stats-page">
      <header class="page-head">
        <h1>{title}</h1>
        <span class="grow" />
        <select aria-label="Period" value={since} onChange={(e) => setSince(e.currentTarget.value)}>
          {SPANS.map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
      </header>
      {problem && !stats && <ProblemBox problem={problem} />}
      {!stats && !problem && <p class="muted pad">Counting…</p>}
      {stats && (
        <>
          {problem && <p class="r-warn">These figures are not current: {problem.title}</p>}
          {(stats.eventsMissing > 0 || stats.unreadableRuns > 0) && (
            <p class="r-warn">
              {stats.eventsMissing > 0 && `${plural(stats.eventsMissing, "event")} missing in records: counts of tool calls are lower bounds. `}
              {stats.unreadableRuns > 0 && `${plural(stats.unreadableRuns, "run")} cannot be read and are not counted.`}
            </p>
          )}
          {children(stats)}
        </>
      )}
    </div>
  );
}
