import { useEffect, useState } from "preact/hooks";
import { useApp } from "../app";
import { asProblem } from "../api/http";
import type { Problem } from "../api/types";
import { createStore, useValue } from "./store";
import { applyRunEvents, fromSnapshot, isAfter, type RunState } from "../state/run";

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
    app.source
      .run(id)
      .then((run) => {
        const known = store.get();
        if (live && (known === undefined || isAfter(run.cursor, known.cursor))) store.set(keepFresh(known, fromSnapshot(run, run.cursor)));
        setProblem(undefined);
      })
      .catch((error: unknown) => live && setProblem(asProblem(error)));
    const stop = app.source.watchRun(id, {
      onSnapshot: (run, cursor) => store.set(keepFresh(store.get(), fromSnapshot(run, cursor))),
      onEvents: (events, to) => store.update((state) => (state ? applyRunEvents(state, events, to) : state)),
      onGap: () => undefined,
      onError: (title, detail, status) => setProblem(detail === undefined ? { title, status } : { title, detail, status }),
      cursor: () => store.get()?.cursor,
    });
    return () => {
      live = false;
      stop();
    };
  }, [id, tries]);
  return { state: useValue(store), problem, retry: () => setTries((n) => n + 1) };
}

/** A new snapshot replaces states, not the activity that has been received. */
function keepFresh(before: RunState | undefined, after: RunState): RunState {
  return before ? { ...after, fresh: before.fresh } : after;
}
