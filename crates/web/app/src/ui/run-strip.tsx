import type { JSX } from "preact";
import type { RunRow } from "../api/types";
import { duration, moment } from "../lib/format";
import { isEnded, look } from "../lib/states";
import { Link, Text } from "./parts";

/** So many runs are in a strip. */
const STRIP = 40;

/** A bar for each run of a workflow, as high as it took long. The latest is at the right, where it is always visible. */
export function RunStrip({ name, runs }: { name: string; runs: RunRow[] }): JSX.Element {
  const now = Date.now();
  // The latest first: the strip is drawn from the right.
  const rows = [...runs].sort((a, b) => b.startedAt - a.startedAt).slice(0, STRIP);
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
          {runs.length > STRIP && `, ${runs.length - STRIP} earlier`}
        </p>
      </div>
      <div class="run-strip-bars">
        {rows.map((row, i) => {
          const of = look(row.state);
          const words = `${row.handle ?? row.id.slice(0, 8)}: ${of.word}, ${duration(times[i] ?? 0)}`;
          return (
            <Link key={row.id} to={{ page: "run", run: row.handle ?? row.id }} class="run-strip-bar" aria-label={words} title={`${words}, ${moment(row.startedAt, now)}`}>
              {row.state !== "succeeded" && <span class={`sign r-${of.role}`}>{of.sign}</span>}
              <i class={`b-${of.role}`} style={{ height: `${Math.max(4, (32 * (times[i] ?? 0)) / most)}px` }} />
            </Link>
          );
        })}
      </div>
    </section>
  );
}
