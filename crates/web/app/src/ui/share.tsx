import type { JSX } from "preact";
import { count } from "../lib/format";

/** Parts of a whole as bars, the largest first. */
export function Share({ name, parts, unit = count }: { name: string; parts: { name: string; value: number; bad?: number }[]; unit?: (n: number) => string }): JSX.Element {
  const most = Math.max(1, ...parts.map((p) => p.value));
  const shown = [...parts].sort((a, b) => b.value - a.value).slice(0, 8);
  return (
    <ul class="share" aria-label={name}>
      {shown.map((p) => (
        <li key={p.name}>
          <bdi class="cut">{p.name}</bdi>
          <span class="share-bar">
            <i class="b-accent" style={{ width: `${(100 * (p.value - (p.bad ?? 0))) / most}%` }} />
            {p.bad !== undefined && p.bad > 0 && <i class="b-bad" style={{ width: `${(100 * p.bad) / most}%` }} />}
          </span>
          <span class="num secondary">
            {unit(p.value)}
            {p.bad !== undefined && p.bad > 0 && <span class="r-bad"> ✗{count(p.bad)}</span>}
          </span>
        </li>
      ))}
    </ul>
  );
}
