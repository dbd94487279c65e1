import type { JSX } from "preact";
import { useApp } from "../app";
import type { Connection } from "../api/socket";
import { clock, elapsed } from "../lib/format";
import { useValue } from "../lib/store";

/** A bar across the page while what is shown may be old. It shows since when, and the next attempt to connect. */
export function ConnectionBar(): JSX.Element | null {
  const app = useApp();
  const connection = useValue(app.source.connection);
  const now = useValue(app.now);
  // A short interruption is not worth a bar.
  if (connection.state !== "reconnecting" && connection.state !== "offline") return null;
  if (now - connection.since < 1500 && connection.state === "reconnecting" && connection.tries < 2) return null;
  return (
    <div class="connection-bar" role="status">
      <span class="sign r-warn" aria-hidden="true">
        !
      </span>
      <span>
        {connection.state === "offline" ? "This device is offline." : "Disconnected."} What you see is of {clock(connection.since)}, {elapsed(now - connection.since)} ago.
        {connection.state === "reconnecting" && <span class="num"> Retrying in {Math.max(0, Math.ceil((connection.nextAt - now) / 1000))} s.</span>}
      </span>
      <button type="button" class="quiet" onClick={() => app.source.retryNow()}>
        Retry now
      </button>
    </div>
  );
}

export function connectionLook(connection: Connection): { sign: string; word: string; role: string } {
  switch (connection.state) {
    case "live":
      return connection.catchingUp > 0 ? { sign: "◷", word: "catching up", role: "muted" } : { sign: "●", word: "live", role: "good" };
    case "connecting":
      return { sign: "◷", word: "connecting", role: "muted" };
    case "reconnecting":
      return { sign: "!", word: "reconnecting", role: "warn" };
    case "offline":
      return { sign: "!", word: "offline", role: "warn" };
    case "polling":
      return { sign: "●", word: "every 2 s", role: "good" };
    case "loggedOut":
      return { sign: "⊘", word: "logged out", role: "muted" };
    case "packed":
      return { sign: "✓", word: "a saved record", role: "muted" };
  }
}

export function ConnectionState(): JSX.Element {
  const app = useApp();
  const of = connectionLook(useValue(app.source.connection));
  return (
    <span class="connection" role="status" title={of.word} data-connection={of.word}>
      <span class={`sign r-${of.role}`} aria-hidden="true">
        {of.sign}
      </span>
      <span class="label">{of.word}</span>
    </span>
  );
}
