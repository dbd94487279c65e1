import { asProblem } from "../api/http";
import type { LogPage, Problem } from "../api/types";
import { createStore } from "../lib/store";
import type { Source } from "../source/source";
import { lineAt, missingPages, noLog, PAGE_LINES, withLines, type LogState } from "./log";

const FIRST_LINES = 400;
const MAX_IN_FLIGHT = 3;
const RETRY_MS = 1000;

/** Reads the pages of a log that are looked at, and follows its end while it grows. */
export class LogReader {
  readonly state = createStore<LogState>(noLog);
  readonly problem = createStore<Problem | undefined>(undefined);
  private readonly asked = new Set<number>();
  private stopWatching: (() => void) | undefined;
  private closed = false;
  private want: [number, number] = [0, 0];
  private again: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly source: Source,
    private readonly run: string,
    private readonly attempt: string | undefined,
  ) {}

  /** The last lines first; then everything that comes. */
  open(): void {
    this.source
      .log(this.run, this.attempt, -FIRST_LINES, FIRST_LINES)
      .then((page) => {
        if (this.closed) return;
        this.take(page);
        if (!page.complete) this.follow();
      })
      .catch((error: unknown) => {
        if (this.closed) return;
        this.problem.set(asProblem(error));
        this.again = setTimeout(() => this.open(), RETRY_MS * 3);
      });
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.again);
    this.stopWatching?.();
  }

  /** These lines are shown: what is missing of them is read. */
  need(from: number, to: number): void {
    this.want = [from, to];
    for (const page of missingPages(this.state.get(), from, to)) {
      if (this.asked.has(page) || this.asked.size >= MAX_IN_FLIGHT) continue;
      this.asked.add(page);
      this.source
        .log(this.run, this.attempt, page * PAGE_LINES, PAGE_LINES)
        .then((found) => {
          if (this.closed) return;
          this.take(found);
          // Lines that the server does not have are asked for again, but not at once.
          if (missingPages(this.state.get(), ...this.want).includes(page)) this.askLater(page);
          else this.asked.delete(page);
          this.need(...this.want);
        })
        .catch((error: unknown) => {
          this.problem.set(asProblem(error));
          this.askLater(page);
        });
    }
  }

  private askLater(page: number): void {
    setTimeout(() => {
      this.asked.delete(page);
      if (!this.closed) this.need(...this.want);
    }, RETRY_MS);
  }

  private take(page: LogPage): void {
    this.problem.set(undefined);
    this.state.update((state) => withLines(state, page));
  }

  private follow(): void {
    this.stopWatching = this.source.watchLog(this.run, this.attempt, {
      onLines: (page) => {
        this.take(page);
        if (page.complete) {
          this.stopWatching?.();
          this.stopWatching = undefined;
        }
      },
      from: () => this.end(),
    });
  }

  /** The first line at the end that is missing here. */
  private end(): number {
    const state = this.state.get();
    let n = state.total;
    while (n > 0 && lineAt(state, n - 1) === undefined && state.total - n < PAGE_LINES) n -= 1;
    // The last line may have been incomplete when it was read.
    return Math.max(0, n - 1);
  }
}
