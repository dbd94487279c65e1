/** What `roboppi stats --json` prints, and `/api/v1/stats` answers. */

export interface Times {
  max: number;
  mean: number;
  p50: number;
  p95: number;
  total: number;
}

export interface Outcomes {
  count: number;
  succeeded: number;
  failed: number;
  timedOut: number;
  cancelled: number;
  lost: number;
  skipped: number;
  kept: number;
  running: number;
  waiting: number;
  unknown: number;
  succeededMs: Times | null;
  failedMs: Times | null;
  perHour: number | null;
  rate: number | null;
  totalMs: number;
}

export interface Recent {
  at: number;
  durationMs?: number | null;
  outcome: string;
  run: string;
  step?: string | null;
  tool?: string | null;
}

export interface AgentStats extends Outcomes {
  worker: string;
  usage: {
    inputTokens: number;
    outputTokens: number;
    cacheReadTokens: number;
    costUsd: number;
    /** Attempts that reported no cost, so that the sum is a lower bound. */
    attemptsWithoutCost: number;
  };
}

export interface Stats {
  at: number;
  agents: AgentStats[];
  bySteps: (Outcomes & { step: string; workflow: string })[];
  calls: Outcomes;
  runs: Outcomes;
  steps: Outcomes;
  tools: (Outcomes & { name: string })[];
  workflows: (Outcomes & { name: string })[];
  recent: Recent[];
  period: { from: number; to: number; ms: number } | null;
  problems: unknown[];
  eventsMissing: number;
  unreadableRuns: number;
}
