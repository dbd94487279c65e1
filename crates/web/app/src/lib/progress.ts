import type { RunProgress } from "../api/types";
import { plural, roughly } from "./format";

export interface ProgressWords {
  /** `3 of 7`: what is known. */
  steps: string;
  /** `~2m left`: a guess, and never without its sign. */
  left?: string;
  /** `from 5 earlier runs`: what the guess is based on. */
  basis?: string;
}

/** How far a run is. Without an estimate nothing is said about its end: a rate of steps would be a guess that looks exact. */
export function progressWords(progress: RunProgress, now: number): ProgressWords {
  const steps = `${progress.done} of ${progress.total}`;
  if (progress.basis !== "estimate" || progress.endsAt === undefined) return { steps };
  const basis = (progress.runs ?? 0) > 0 ? { basis: `from ${plural(progress.runs ?? 0, "earlier run")}` } : {};
  const left = progress.endsAt - now;
  return { steps, left: left > 0 ? `${roughly(left)} left` : "longer than expected", ...basis };
}

/** The same in one sentence. */
export function progressSentence({ steps, left, basis }: ProgressWords): string {
  return `${steps} steps${left === undefined ? "" : ` · ${left}`}${basis === undefined ? "" : `, ${basis}`}`;
}
