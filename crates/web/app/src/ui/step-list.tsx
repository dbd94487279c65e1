import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Step } from "../api/types";
import { elapsed } from "../lib/format";
import { isAlive, isEnded, stepLook } from "../lib/states";
import { useVirtual } from "../lib/use-virtual";
import { Icon } from "./icons";
import { Since, StepSign, Text } from "./parts";

const ROW = 32;

interface Props {
  list: { look: Step[]; rest: Step[] };
  total: number;
  selected: string | undefined;
  following: boolean;
  filter: string;
  filtering: boolean;
  setFilter: (words: string) => void;
  setFiltering: (on: boolean) => void;
  hideDone: boolean;
  setHideDone: (hide: boolean) => void;
  choose: (path: string) => void;
}

type Row = { type: "title"; text: string } | { type: "step"; step: Step };

/** The steps: those that need a look first, then all others in the order of the workflow. */
export function StepList(props: Props): JSX.Element {
  const { list, selected } = props;
  const [open, setOpen] = useState(false);
  const rows: Row[] = [];
  if (list.look.length > 0) {
    rows.push({ type: "title", text: "Needs a look" });
    for (const step of list.look) rows.push({ type: "step", step });
    if (list.rest.length > 0) rows.push({ type: "title", text: "Others" });
  }
  for (const step of list.rest) rows.push({ type: "step", step });
  const virtual = useVirtual(rows.length, ROW);
  const index = rows.findIndex((row) => row.type === "step" && row.step.path === selected);
  useEffect(() => {
    if (index >= 0) virtual.reveal(index);
  }, [selected]);
  const current = [...list.look, ...list.rest].find((s) => s.path === selected);
  const shown = list.look.length + list.rest.length;
  const choose = (path: string): void => {
    setOpen(false);
    props.choose(path);
  };
  return (
    <section class={open ? "step-list open" : "step-list"} aria-label="Steps">
      <button type="button" class="step-switch" aria-expanded={open} onClick={() => setOpen(!open)}>
        {current && <StepSign step={current} />}
        <Text of={current?.name ?? "Steps"} class="cut" />
        <span class="muted num">
          {props.total} {props.total === 1 ? "step" : "steps"}
        </span>
        <Icon name="down" />
      </button>
      <div class="step-list-in">
        <div class="step-tools">
          <Filter {...props} />
          <button type="button" class="quiet" aria-pressed={props.hideDone} title="Hide steps that succeeded (d)" onClick={() => props.setHideDone(!props.hideDone)}>
            {props.hideDone ? "Show ✓" : "Hide ✓"}
          </button>
        </div>
        <div ref={virtual.ref} class="step-scroll" onScroll={virtual.onScroll} role="listbox" aria-label="Steps" tabIndex={0}>
          <div class="virtual" style={{ height: `${virtual.height}px` }}>
            {rows.slice(virtual.from, virtual.to).map((row, i) => {
              const y = (virtual.from + i) * ROW;
              if (row.type === "title") {
                return (
                  <div key={row.text} class="step-title muted" role="presentation" style={{ top: `${y}px` }}>
                    {row.text}
                  </div>
                );
              }
              return <StepRow key={row.step.path} step={row.step} y={y} selected={row.step.path === selected} choose={choose} />;
            })}
          </div>
          {shown === 0 && (
            <p class="muted pad">
              No step matches.{" "}
              <button type="button" class="quiet" onClick={() => (props.setFilter(""), props.setHideDone(false))}>
                Show all
              </button>
            </p>
          )}
        </div>
      </div>
    </section>
  );
}

function Filter(props: Props): JSX.Element {
  const ref = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (props.filtering) ref.current?.focus();
  }, [props.filtering]);
  return (
    <input
      ref={ref}
      type="search"
      aria-label="Filter the steps"
      placeholder={`Filter ${props.total} ${props.total === 1 ? "step" : "steps"}`}
      value={props.filter}
      onFocus={() => props.setFiltering(true)}
      onBlur={() => props.setFiltering(false)}
      onInput={(e) => props.setFilter(e.currentTarget.value)}
      onKeyDown={(e) => {
        if (e.key === "Escape") props.setFilter("");
        if (e.key === "Escape" || e.key === "Enter") e.currentTarget.blur();
      }}
    />
  );
}

function StepRow({ step, y, selected, choose }: { step: Step; y: number; selected: boolean; choose: (path: string) => void }): JSX.Element {
  const of = stepLook(step);
  return (
    <div class={selected ? "step-row selected" : "step-row"} role="option" aria-selected={selected} style={{ top: `${y}px` }} onClick={() => choose(step.path)} title={`${step.path}\n${of.word}${step.detail === undefined ? "" : `: ${step.detail}`}`}>
      <StepSign step={step} />
      <Text of={step.name} class="step-name cut" />
      <span class="sr">{of.word}</span>
      <Fact step={step} />
      <span class="step-time num muted">{step.startedAt !== undefined && <Since from={step.startedAt} to={isEnded(step.state) ? (step.finishedAt ?? step.changedAt) : undefined} ms={isEnded(step.state) ? step.durationMs : undefined} />}</span>
    </div>
  );
}

/** The one fact that matters now. */
function Fact({ step }: { step: Step }): JSX.Element | null {
  const text = fact(step);
  return text === undefined ? null : <Text of={text} class="step-fact cut muted" />;
}

function fact(step: Step): string | undefined {
  if (!isEnded(step.state) && step.waiting) return step.waiting.why;
  if (isAlive(step.state)) {
    if (step.tool) return `${step.tool.name} ${step.tool.argument ?? ""}`.trim();
    if (step.progress?.percent !== undefined) return `${Math.round(step.progress.percent)} %${step.progress.message === undefined ? "" : ` ${step.progress.message}`}`;
    if (step.progress?.message !== undefined) return step.progress.message;
    if (step.state === "retrying") return `retries, ${elapsed(Date.now() - step.changedAt)}`;
    return step.iteration !== undefined && step.iteration > 1 ? `${step.iteration}/${step.maxIterations ?? "?"}` : undefined;
  }
  if (step.state === "succeeded") return step.flaky ? `try ${step.attempts.length}` : step.keptFrom ? "kept" : undefined;
  return step.detail;
}
