import { useEffect, useState } from "preact/hooks";
import { asProblem } from "../api/http";
import type { Problem } from "../api/types";

export interface Loaded<T> {
  value: T | undefined;
  problem: Problem | undefined;
  retry: () => void;
}

/** A value that is read once, and again when one of `inputs` changes; the old one stays until the new one is there. */
export function useLoaded<T>(load: () => Promise<T>, inputs: readonly unknown[]): Loaded<T> {
  const [value, setValue] = useState<T>();
  const [problem, setProblem] = useState<Problem>();
  const [tries, setTries] = useState(0);
  useEffect(() => {
    let live = true;
    load()
      .then((found) => {
        if (!live) return;
        setValue(found);
        setProblem(undefined);
      })
      .catch((error: unknown) => live && setProblem(asProblem(error)));
    return () => {
      live = false;
    };
  }, [...inputs, tries]);
  return { value, problem, retry: () => setTries((n) => n + 1) };
}
