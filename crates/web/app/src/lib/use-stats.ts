import { useEffect, useState } from "preact/hooks";
import { useApp } from "../app";
import { asProblem } from "../api/http";
import type { Problem } from "../api/types";
import type { Stats } from "../api/stats";
import { isAlive } from "./states";

const BUSY_MS = 5000;
const QUIET_MS = 60_000;

/** Statistics, read again every few seconds while something runs, and seldom otherwise. What was read stays after an error. */
export function useStats(query: { since?: string; workflow?: string }): { stats: Stats | undefined; problem: Problem | undefined } {
  const app = useApp();
  const [stats, setStats] = useState<Stats>();
  const [problem, setProblem] = useState<Problem>();
  useEffect(() => {
    let live = true;
    let readAt = 0;
    const read = (): void => {
      if (document.hidden && readAt > 0) return;
      readAt = Date.now();
      app.source
        .stats(query)
        .then((found) => {
          if (!live) return;
          setStats(found);
          setProblem(undefined);
        })
        .catch((error: unknown) => live && setProblem(asProblem(error)));
    };
    read();
    const timer = setInterval(() => {
      const busy = [...app.runs.get().rows.values()].some((row) => isAlive(row.state));
      if (Date.now() - readAt >= (busy ? BUSY_MS : QUIET_MS)) read();
    }, BUSY_MS);
    return () => {
      live = false;
      clearInterval(timer);
    };
  }, [query.since, query.workflow]);
  return { stats, problem };
}
