import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import type { Outcomes } from "../api/stats";
import { count, duration, percent } from "../lib/format";

export interface Column<T> {
  title: string;
  value: (row: T) => number | string;
  show?: (row: T) => ComponentChildren;
  numeric?: boolean;
}

/** A table that is sorted by a click on a head. */
export function StatsTable<T>({ rows, columns, name }: { rows: T[]; columns: Column<T>[]; name: string }): JSX.Element {
  const [sort, setSort] = useState({ at: 1, down: true });
  const column = columns[sort.at];
  const sorted = column
    ? [...rows].sort((a, b) => {
        const [x, y] = [column.value(a), column.value(b)];
        const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
        return sort.down ? -order : order;
      })
    : rows;
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label={name}>
      <table class="stats">
        <thead>
          <tr>
            {columns.map((c, i) => (
              <th key={c.title} class={c.numeric === false ? undefined : "n"} aria-sort={i === sort.at ? (sort.down ? "descending" : "ascending") : undefined}>
                <button type="button" class="quiet" onClick={() => setSort({ at: i, down: i === sort.at ? !sort.down : c.numeric !== false })}>
                  {c.title}
                  <span aria-hidden="true">{i === sort.at ? (sort.down ? " ↓" : " ↑") : ""}</span>
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted.map((row, i) => (
            <tr key={i}>
              {columns.map((c) => (
                <td key={c.title} class={c.numeric === false ? undefined : "n num"}>
                  {c.show ? c.show(row) : <bdi>{c.value(row)}</bdi>}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const ms = (n: number | undefined): string => (n === undefined ? "" : duration(n));

/** What is counted of every kind. */
export function outcomeColumns<T extends Outcomes>(): Column<T>[] {
  return [
    { title: "Count", value: (r) => r.count, show: (r) => count(r.count) },
    { title: "Succeeded", value: (r) => r.succeeded, show: (r) => count(r.succeeded) },
    { title: "Failed", value: (r) => r.failed + r.timedOut, show: (r) => (r.failed + r.timedOut > 0 ? <span class="r-bad">✗ {count(r.failed + r.timedOut)}</span> : <span class="muted">0</span>) },
    { title: "Rate", value: (r) => r.rate ?? -1, show: (r) => (r.rate == null ? "" : percent(r.rate)) },
    { title: "Mean", value: (r) => r.succeededMs?.mean ?? -1, show: (r) => ms(r.succeededMs?.mean) },
    { title: "Median", value: (r) => r.succeededMs?.p50 ?? -1, show: (r) => ms(r.succeededMs?.p50) },
    { title: "p95", value: (r) => r.succeededMs?.p95 ?? -1, show: (r) => ms(r.succeededMs?.p95) },
    { title: "Total", value: (r) => r.totalMs, show: (r) => (r.totalMs > 0 ? duration(r.totalMs) : "") },
  ];
}
