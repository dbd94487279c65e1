import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import { useApp } from "../app";
import type { Problem, Step } from "../api/types";
import { visible } from "../lib/ansi";
import { elapsed, duration } from "../lib/format";
import { formatRoute, type Route } from "../lib/route";
import { look, reason, stepLook, type Look } from "../lib/states";
import { useValue } from "../lib/store";

export function Sign({ of }: { of: Look }): JSX.Element {
  return (
    <span class={`sign r-${of.role}`} aria-hidden="true">
      {of.sign}
    </span>
  );
}

/** Text of a workflow or a worker: isolated, and with nothing invisible in it. */
export function Text({ of, class: cls }: { of: string | undefined; class?: string }): JSX.Element {
  return <bdi class={cls}>{visible(of ?? "")}</bdi>;
}

export function StepSign({ step }: { step: Step }): JSX.Element {
  return <Sign of={stepLook(step)} />;
}

export function State({ state, detail }: { state: string; detail?: string | undefined }): JSX.Element {
  const of = look(state);
  const why = reason(detail, of.word);
  return (
    <span class={`state r-${of.role}`}>
      <Sign of={of} /> {of.word}
      {why !== undefined && (
        <span class="muted">
          : <Text of={why} />
        </span>
      )}
    </span>
  );
}

/** A duration that counts while nothing has ended. */
export function Since({ from, to, ms }: { from: number; to?: number | undefined; ms?: number | undefined }): JSX.Element {
  const app = useApp();
  if (ms !== undefined) return <span class="num">{duration(ms)}</span>;
  if (to !== undefined) return <span class="num">{duration(to - from)}</span>;
  return <Counting app={app.now} from={from} />;
}

function Counting({ app, from }: { app: ReturnType<typeof useApp>["now"]; from: number }): JSX.Element {
  return <span class="num">{elapsed(useValue(app) - from)}</span>;
}

export function Bar({ percent, role = "accent", label }: { percent: number; role?: string; label: string }): JSX.Element {
  return (
    <span class="bar" role="progressbar" aria-label={label} aria-valuenow={Math.round(percent)} aria-valuemin={0} aria-valuemax={100}>
      <span class={`bar-in b-${role}`} style={{ width: `${Math.min(100, Math.max(0, percent))}%` }} />
    </span>
  );
}

interface LinkProps {
  to: Route;
  children: ComponentChildren;
  class?: string;
  title?: string | undefined;
  "aria-label"?: string;
  "aria-current"?: "page" | "true" | undefined;
}

/** A link inside the app, which browsers can also open in another tab. */
export function Link({ to, children, ...rest }: LinkProps): JSX.Element {
  const app = useApp();
  return (
    <a
      {...rest}
      href={location.pathname + location.search + formatRoute(to)}
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
        event.preventDefault();
        app.go(to);
      }}
    >
      {children}
    </a>
  );
}

export function Copy({ text, label = "Copy" }: { text: string | (() => string); label?: string }): JSX.Element {
  const [done, setDone] = useState(false);
  const copy = (): void => {
    void copyText(typeof text === "string" ? text : text()).then((ok) => {
      setDone(ok);
      setTimeout(() => setDone(false), 1500);
    });
  };
  return (
    <button type="button" class="quiet" onClick={copy} aria-live="polite">
      {done ? "Copied" : label}
    </button>
  );
}

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Over plain HTTP from another machine there is no clipboard interface.
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "off-screen";
    document.body.append(area);
    area.select();
    const ok = document.execCommand("copy");
    area.remove();
    return ok;
  }
}

export function CommandLine({ text }: { text: string }): JSX.Element {
  return (
    <span class="command-line">
      <code tabIndex={0}>{text}</code>
      <Copy text={text} />
    </span>
  );
}

/** A page for the case that there is nothing to show. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }): JSX.Element {
  return (
    <div class="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export function ProblemBox({ problem, retry }: { problem: Problem; retry?: () => void }): JSX.Element {
  return (
    <div class="problem" role="alert">
      <strong>{problem.title}</strong>
      {problem.detail !== undefined && <p>{problem.detail}</p>}
      {problem.hint !== undefined && <p class="secondary">{problem.hint}</p>}
      {retry && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}
