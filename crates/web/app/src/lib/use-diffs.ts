import { useApp } from "../app";
import type { Attempt, FileDiff } from "../api/types";
import { isEnded } from "./states";
import { useStore } from "./store";
import { useLoaded, type Loaded } from "./use-loaded";

const EVERY_MS = 10_000;

/** Files that an attempt changed, read again every few seconds while it works. */
export function useDiffs(run: string, attempt: Attempt): Loaded<FileDiff[]> {
  const app = useApp();
  const live = !isEnded(attempt.state);
  const turn = useStore(app.now, (now) => (live ? Math.floor(now / EVERY_MS) : 0));
  return useLoaded(() => app.source.diffs(run, attempt.id), [run, attempt.id, attempt.state, turn]);
}
