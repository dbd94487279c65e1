import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { useApp } from "../app";
import type { Page } from "../lib/route";
import { isAlive, isEnded } from "../lib/states";
import { useStore, useValue } from "../lib/store";
import { applyTheme, nextTheme, savedTheme, type Theme } from "../lib/theme";
import { ConnectionState } from "./connection";
import { Icon } from "./icons";
import { Link } from "./parts";

const PAGES: readonly { page: Page; name: string }[] = [
  { page: "runs", name: "Runs" },
  { page: "tools", name: "Tools" },
  { page: "agents", name: "Agents" },
  { page: "metrics", name: "Metrics" },
  { page: "history", name: "History" },
];

export function Rail({ onPalette, onHelp }: { onPalette: () => void; onHelp: () => void }): JSX.Element {
  const app = useApp();
  const route = useValue(app.route);
  const session = useValue(app.session);
  const waiting = useStore(app.runs, (s) => [...s.rows.values()].filter((r) => !isEnded(r.state) && (r.needsYou?.length ?? 0) > 0).length);
  const running = useStore(app.runs, (s) => [...s.rows.values()].filter((r) => isAlive(r.state)).length);
  const at: Page = route.page === "run" ? "runs" : route.page;
  return (
    <nav class="rail" aria-label="Pages">
      <Link to={{ page: "runs", query: {} }} class="brand" aria-label="roboppi: all runs">
        <Icon name="mark" />
        <span class="label">roboppi</span>
      </Link>
      <ul>
        {PAGES.map(({ page, name }) => (
          <li key={page}>
            <Link to={{ page, query: {} }} class="rail-link" title={name} aria-current={page === at ? "page" : undefined}>
              <Icon name={page} />
              <span class="label">{name}</span>
              {page === "runs" && waiting > 0 && (
                <span class="badge" title={`${waiting} waiting for you`}>
                  {waiting}
                </span>
              )}
              {page === "runs" && waiting === 0 && running > 0 && <span class="tally num">{running}</span>}
            </Link>
          </li>
        ))}
      </ul>
      <div class="rail-end">
        <button type="button" class="rail-link" onClick={onPalette} title="Commands (Ctrl-K)">
          <Icon name="search" />
          <span class="label">Go to</span>
          <kbd class="label">Ctrl-K</kbd>
        </button>
        <ThemeButton />
        <button type="button" class="rail-link" onClick={onHelp} title="Keys (?)">
          <Icon name="help" />
          <span class="label">Keys</span>
          <kbd class="label">?</kbd>
        </button>
        <div class="rail-host">
          <ConnectionState />
          <span class="label muted host" title={session?.host}>
            {session?.host}
          </span>
        </div>
      </div>
    </nav>
  );
}

function ThemeButton(): JSX.Element {
  const [theme, setTheme] = useState<Theme>(savedTheme());
  const change = (): void => {
    const next = nextTheme(theme);
    applyTheme(next);
    setTheme(next);
  };
  return (
    <button type="button" class="rail-link" onClick={change} title={`Theme: ${theme}`}>
      <Icon name="theme" />
      <span class="label">Theme: {theme}</span>
    </button>
  );
}
