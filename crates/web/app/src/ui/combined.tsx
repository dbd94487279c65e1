import type { JSX } from "preact";
import { useApp } from "../app";
import { clock } from "../lib/format";
import { look } from "../lib/states";
import { useStore } from "../lib/store";
import { Link, Sign } from "./parts";

/** What happens in all runs together, the latest first. */
export function CombinedActivity(): JSX.Element {
  const app = useApp();
  const happenings = useStore(app.runs, (s) => s.happenings);
  return (
    <aside class="combined" aria-label="Activity of all runs">
      <h2>Now</h2>
      {happenings.length === 0 && <p class="muted">Quiet. What runs do appears here.</p>}
      <ul>
        {happenings.map((h) => (
          <li key={h.key}>
            <Link to={{ page: "run", run: h.handle }}>
              <span class="num muted">{clock(h.at)}</span>
              <Sign of={look(h.state)} />
              <bdi class="cut" title={`${h.name}: ${h.text}`}>
                <b>{h.handle}</b> {h.text}
              </bdi>
            </Link>
          </li>
        ))}
      </ul>
    </aside>
  );
}
