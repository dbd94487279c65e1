import { useApp } from "../app";
import type { Attempt, Changes, FileDiff } from "../api/types";
import { isEnded } from "./states";
import { useStore } from "./store";
import { useLoaded, type Loaded } from "./use-loaded";

const EVERY_MS = 10_000;

export interface Files {
  /** How the files themselves changed; missing where they were not compared. */
  changes: Changes | undefined;
  /** What the agent told of them. */
  told: FileDiff[];
}

/** Files that an attempt changed, read again every few seconds while it works. */
export function useFiles(run: string, attempt: Attempt): Loaded<Files> {
  const app = useApp();
  const live = !isEnded(attempt.state);
  const turn = useStore(app.now, (now) => (live ? Math.floor(now / EVERY_MS) : 0));
  return useLoaded(async () => {
    const [changes, told] = await Promise.all([app.source.changes(run, attempt.id), app.source.diffs(run, attempt.id)]);
    return { changes, told };
  }, [run, attempt.id, attempt.state, turn]);
}
