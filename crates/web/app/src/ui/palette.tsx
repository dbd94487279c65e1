import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useApp, type Action, type App } from "../app";
import { fuzzy } from "../lib/match";
import { look } from "../lib/states";
import { useValue } from "../lib/store";
import { startWorkflow } from "./actions";

const MAX_SHOWN = 60;

/** Every action and every run, by a few letters. */
export function Palette({ close, help }: { close: () => void; help: () => void }): JSX.Element {
  const app = useApp();
  const pageActions = useValue(app.actions);
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const all = [...pageActions, ...places(app, help), ...runActions(app)];
  const found = all
    .map((action) => ({ action, score: fuzzy(query, `${action.title} ${action.hint ?? ""}`) }))
    .filter((entry) => entry.score !== undefined)
    .sort((a, b) => Number(a.action.ends ?? false) - Number(b.action.ends ?? false) || (b.score ?? 0) - (a.score ?? 0))
    .slice(0, MAX_SHOWN)
    .map((entry) => entry.action);
  const selected = Math.min(at, Math.max(0, found.length - 1));
  const choose = (action: Action | undefined): void => {
    dialog.current?.close();
    action?.run();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const move = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (move !== 0 && found.length > 0) {
      event.preventDefault();
      const next = (selected + move + found.length) % found.length;
      setAt(next);
      document.getElementById(`palette-${next}`)?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter") {
      event.preventDefault();
      choose(found[selected]);
    }
  };
  return (
    <dialog ref={dialog} class="palette" aria-label="Commands" onClose={close} onClick={(e) => e.target === dialog.current && dialog.current?.close()}>
      <input
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={found.length > 0 ? `palette-${selected}` : undefined}
        aria-label="Command, run or step"
        placeholder="Command, run or step"
        autocomplete="off"
        spellcheck={false}
        value={query}
        onInput={(e) => (setQuery(e.currentTarget.value), setAt(0))}
        onKeyDown={onKeyDown}
      />
      <ul id="palette-list" role="listbox" aria-label="Found">
        {found.map((action, i) => (
          <li
            key={`${action.title}${action.hint ?? ""}${i}`}
            id={`palette-${i}`}
            role="option"
            aria-selected={i === selected}
            onClick={() => choose(action)}
            onPointerMove={() => setAt(i)}
          >
            <bdi class="cut">{action.title}</bdi>
            <span class="muted cut">{action.hint}</span>
            {action.key !== undefined && <kbd>{action.key}</kbd>}
          </li>
        ))}
        {found.length === 0 && <li class="muted none">Nothing matches “{query}”.</li>}
      </ul>
    </dialog>
  );
}

function places(app: App, help: () => void): Action[] {
  const to = (title: string, page: "runs" | "tools" | "agents" | "metrics" | "history"): Action => ({
    title: `Go to ${title}`,
    run: () => app.go({ page, query: {} }),
  });
  const workflows = (app.session.get()?.workflows ?? []).map((workflow) => ({
    title: `Start ${workflow.name}`,
    hint: "workflow",
    run: () => startWorkflow(app, workflow),
  }));
  return [
    to("Runs", "runs"),
    to("Tools", "tools"),
    to("Agents", "agents"),
    to("Metrics", "metrics"),
    to("History", "history"),
    ...(app.session.get()?.role === "operator" ? workflows : []),
    { title: "Show the keys", key: "?", run: help },
    ...(app.source.kind === "server" ? [{ title: "Log out", run: () => void app.source.logout().then(() => app.loggedOut.set(true)) }] : []),
  ];
}

function runActions(app: App): Action[] {
  return [...app.runs.get().rows.values()]
    .sort((a, b) => b.startedAt - a.startedAt)
    .slice(0, 500)
    .map((row) => ({
      title: `${row.handle ?? row.id.slice(0, 8)} ${row.name}`,
      hint: look(row.state).word,
      run: () => app.go({ page: "run", run: row.handle ?? row.id }),
    }));
}
