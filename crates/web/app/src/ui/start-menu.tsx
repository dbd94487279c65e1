import type { JSX } from "preact";
import { useApp } from "../app";
import { useValue } from "../lib/store";
import { startWorkflow } from "./actions";

/** Starts one of the workflows that the server offers. */
export function StartMenu(): JSX.Element | null {
  const app = useApp();
  const session = useValue(app.session);
  const workflows = session?.workflows ?? [];
  if (session?.role !== "operator" || workflows.length === 0) return null;
  return (
    <details class="menu">
      <summary class="button">Start…</summary>
      <ul>
        {workflows.map((workflow) => (
          <li key={workflow.id}>
            <button
              type="button"
              class="quiet"
              onClick={(event) => {
                event.currentTarget.closest("details")?.removeAttribute("open");
                startWorkflow(app, workflow);
              }}
            >
              <bdi>{workflow.name}</bdi>
            </button>
          </li>
        ))}
      </ul>
    </details>
  );
}
