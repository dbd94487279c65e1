import { useEffect, useState } from "preact/hooks";
import { useApp } from "../app";
import { asProblem } from "../api/http";
import type { Problem } from "../api/types";
import { createStore, useValue } from "./store";
import { applyRunEvents, fromSnapshot, type RunState } from "../state/run";

export interface LiveRun {
  state: RunState | undefined;
  problem: Problem | undefined;
  retry: () => void;
}

/** One run, from its first snapshot on kept current. Nothing that was loaded is cleared by an error. */
export function useRun(id: string): LiveRun {
  const app = useApp();
  const [store] = useState(() => createStore<RunState | undefined>(undefined));
  const [problem, setProblem] = useState<Problem>();
  const [tries, setTries] = useState(0);
  useEffect(() => {
    let live = true;
    // Without a cursor a subscription begins with the whole state.
    let cursor: string | undefined;
    app.source
      .run(id)
      .then((run) => {
        setProblem(undefined);
        if (!live || cursor !== undefined) return;
        if (store.get() === undefined) cursor = run.cursor;
        if (store.get() === undefined) store.set(fromSnapshot(run, run.cursor));
      })
      .catch((error: unknown) => live && setProblem(asProblem(error)));
    const stop = app.source.watchRun(id, {
      onSnapshot: (run, at) => {
        cursor = at;
        store.set(keepFresh(store.get(), fromSnapshot(run, at)));
      },
      onEvents: (events, to) => {
        cursor = to;
        store.update((state) => (state ? applyRunEvents(state, events, to) : state));
        if (store.get()?.stale) setTries((n) => n + 1);
      },
      onGap: () => store.update((state) => state && { ...state, fresh: missedAll(state) }),
      onError: (title, detail, status) => setProblem(detail === undefined ? { title, status } : { title, detail, status }),
      cursor: () => cursor,
    });
    return () => {
      live = false;
      stop();
    };
  }, [id, tries]);
  return { state: useValue(store), problem, retry: () => setTries((n) => n + 1) };
}

/** After a gap every view of activity has to read again. */
function missedAll(state: RunState): RunState["fresh"] {
  return new Map([...state.fresh].map(([attempt, fresh]) => [attempt, { items: [], received: fresh.received + 1 }]));
}

/** A new snapshot replaces states, not the activity that has been received. */
function keepFresh(before: RunState | undefined, after: RunState): RunState {
  return before ? { ...after, fresh: before.fresh } : after;
}
