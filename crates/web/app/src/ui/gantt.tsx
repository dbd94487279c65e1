import type { JSX } from "preact";
import { useApp } from "../app";
import type { Run, Step } from "../api/types";
import { duration, elapsed } from "../lib/format";
import { isEnded, look, stepLook } from "../lib/states";
import { useStore } from "../lib/store";
import { useVirtual } from "../lib/use-virtual";
import { StepSign, Text } from "./parts";

const ROW = 24;

/** When the attempts of each step waited (thin) and worked (full). */
export function Gantt({ steps, run, selected, choose }: { steps: Step[]; run: Run; selected: string | undefined; choose: (path: string) => void }): JSX.Element {
  const app = useApp();
  const ended = isEnded(run.state);
  const now = useStore(app.now, (n) => (ended ? 0 : n));
  const rows = steps.filter((s) => s.attempts.length > 0 || s.startedAt !== undefined);
  const end = ended ? (run.finishedAt ?? Math.max(run.startedAt, ...rows.map((s) => s.finishedAt ?? s.changedAt))) : now;
  const span = Math.max(1000, end - run.startedAt);
  const virtual = useVirtual(rows.length, ROW, 6);
  const share = (at: number): number => (100 * Math.min(span, Math.max(0, at - run.startedAt))) / span;
  if (rows.length === 0) return <p class="muted pad">No step has started.</p>;
  return (
    <div class="gantt">
      <div class="gantt-axis num muted" aria-hidden="true">
        {ticks(span).map((t) => (
          <span key={t} style={{ left: `${(100 * t) / span}%` }}>
            {t === 0 ? "0" : elapsed(t)}
          </span>
        ))}
      </div>
      <div class="gantt-scroll" ref={virtual.ref} onScroll={virtual.onScroll} tabIndex={0} role="group" aria-label="Timeline of the steps">
        <div class="virtual" style={{ height: `${virtual.height}px` }}>
          {rows.slice(virtual.from, virtual.to).map((step, i) => (
            <button key={step.path} type="button" tabIndex={-1} class={step.path === selected ? "gantt-row selected" : "gantt-row"} style={{ top: `${(virtual.from + i) * ROW}px` }} onClick={() => choose(step.path)} title={`${step.path}: ${stepLook(step).word}, ${duration((isEnded(step.state) ? (step.finishedAt ?? step.changedAt) : end) - (step.startedAt ?? end))}`}>
              <span class="gantt-name">
                <StepSign step={step} />
                <Text of={step.name} class="cut" />
              </span>
              <span class="gantt-line">
                {step.attempts.map((a) => {
                  const from = share(a.startedAt);
                  const work = share(a.workingAt ?? a.startedAt);
                  const to = share(a.finishedAt ?? end);
                  return (
                    <span key={a.id}>
                      {work > from && <i class="gantt-wait" style={{ left: `${from}%`, width: `${work - from}%` }} />}
                      <i class={`gantt-work b-${look(a.state).role}`} style={{ left: `${work}%`, width: `${Math.max(0, to - work)}%` }} />
                    </span>
                  );
                })}
              </span>
            </button>
          ))}
        </div>
      </div>
    </div>
  );
}

function ticks(span: number): number[] {
  const steps = [1e3, 2e3, 5e3, 1e4, 3e4, 6e4, 12e4, 3e5, 6e5, 18e5, 36e5, 72e5, 216e5, 864e5];
  const step = steps.find((s) => span / s <= 6) ?? Math.ceil(span / 6 / 864e5) * 864e5;
  const out: number[] = [];
  for (let t = 0; t <= span * 0.95; t += step) out.push(t);
  return out;
}
