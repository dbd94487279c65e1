import { asProblem } from "../api/http";
import type { LogFeed, RunFeed, RunsFeed, Source } from "./source";

const EVERY_MS = 2000;
const LIVE_TAIL = 500;

/** Asks over HTTP every two seconds, for networks in which sockets do not get through. */
export class Polling {
  constructor(
    private readonly source: Source,
    private readonly active: () => boolean,
  ) {}

  runs(feed: RunsFeed): () => void {
    return this.every(async () => feed.onSnapshot((await this.source.runs({ limit: 100 })).runs));
  }

  run(id: string, feed: RunFeed): () => void {
    return this.every(async () => {
      try {
        const run = await this.source.run(id);
        feed.onSnapshot(run, run.cursor);
      } catch (error) {
        const problem = asProblem(error);
        if (problem.status !== 0) feed.onError(problem.title, problem.detail, problem.status);
      }
    });
  }

  log(run: string, attempt: string | undefined, feed: LogFeed): () => void {
    return this.every(async () => {
      const page = await this.source.log(run, attempt, feed.from(), LIVE_TAIL);
      feed.onLines(page);
    });
  }

  private every(ask: () => Promise<void>): () => void {
    let asking = false;
    const timer = setInterval(() => {
      if (!this.active() || asking) return;
      asking = true;
      ask()
        .catch(() => undefined)
        .finally(() => (asking = false));
    }, EVERY_MS);
    return () => clearInterval(timer);
  }
}
