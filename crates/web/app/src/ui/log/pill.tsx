import type { JSX } from "preact";
import { count } from "../../lib/format";

interface Props {
  live: boolean;
  paused: "no" | "scroll" | "hover";
  fresh: number;
  resume: () => void;
  unit?: readonly [one: string, many: string];
}

/** Whether the log is followed; the only thing that appears by itself. */
export function Pill({ live, paused, fresh, resume, unit = ["line", "lines"] }: Props): JSX.Element | null {
  if (!live && (paused !== "scroll" || fresh === 0)) return null;
  if (paused === "no") {
    return (
      <div class="pill" data-testid="pill">
        following
      </div>
    );
  }
  return (
    <button type="button" class="pill" data-testid="pill" onClick={resume} title="To the end, and follow (G)">
      {paused === "hover" ? "paused while you point" : "paused"}
      {fresh > 0 && <span class="num"> · {count(fresh)} new {fresh === 1 ? unit[0] : unit[1]}</span>} ↓
    </button>
  );
}
