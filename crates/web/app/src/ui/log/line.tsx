import type { JSX } from "preact";
import type { Line } from "../../api/types";
import { parseAnsi, type Span } from "../../lib/ansi";
import { bytes, clockMs } from "../../lib/format";
import { highlight, type Piece } from "../../lib/highlight";
import { ranges } from "../../lib/match";
import { memo } from "../memo";

export interface Look {
  times: boolean;
  steps: boolean;
  q: string;
  regex: boolean;
  exact: boolean;
}

interface Props {
  n: number;
  line: Line | undefined;
  look: Look;
  marked: boolean;
  current: boolean;
  /** The first line of a step, or the first that is visible. */
  head?: boolean;
  onStep?: (path: string) => void;
  href: string;
  onMark: (n: number) => void;
  onWhole: (line: Line) => void;
}

const parsed = new WeakMap<Line, Span[]>();

function spansOf(line: Line): Span[] {
  let spans = parsed.get(line);
  if (!spans) {
    spans = parseAnsi(line.text);
    parsed.set(line, spans);
  }
  return spans;
}

/** One row of a log. */
export const LogLine = memo(function LogLine({ n, line, look, marked, current, head, onStep, href, onMark, onWhole }: Props): JSX.Element {
  const number = (
    <a
      class="ln-no num"
      href={href}
      tabIndex={-1}
      aria-label={`Line ${n + 1}`}
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        onMark(n);
      }}
    >
      {n + 1}
    </a>
  );
  const cls = `ln${line?.stream === "err" ? " err" : ""}${marked ? " marked" : ""}${current ? " current" : ""}${head ? " head" : ""}`;
  if (!line) {
    return (
      <div class={`${cls} absent`} data-n={n}>
        {number}
        <span class="ln-text muted">…</span>
      </div>
    );
  }
  if (line.gap) {
    return (
      <div class={`${cls} gap`} data-n={n}>
        {number}
        <span class="ln-text">
          {line.gap.bytes > 0 ? `${bytes(line.gap.bytes)} given up: ${line.gap.reason}` : line.gap.reason}
        </span>
      </div>
    );
  }
  return (
    <div class={cls} data-n={n}>
      {number}
      {look.times && <span class="ln-time num muted">{line.at === undefined ? "" : clockMs(line.at)}</span>}
      {look.steps && (
        <span class="ln-step cut">
          {head && line.step !== undefined && (
            <button type="button" class="ln-step-name" title={`Log of ${line.step}`} onClick={() => onStep?.(line.step ?? "")}>
              <bdi>{line.step}</bdi>
            </button>
          )}
        </span>
      )}
      <span class="ln-text">
        <Text line={line} look={look} />
        {line.cut !== undefined && (
          <button type="button" class="ln-cut" onClick={() => onWhole(line)}>
            show all {bytes(line.cut)}
          </button>
        )}
      </span>
    </div>
  );
});

function Text({ line, look }: { line: Line; look: Look }): JSX.Element {
  const spans = spansOf(line);
  const found = look.q === "" ? [] : ranges(spans.map((s) => s.text).join(""), look.q, look.regex, look.exact);
  return <>{highlight(spans, found).map(piece)}</>;
}

function piece(p: Piece, i: number): JSX.Element | string {
  const colours: Record<string, string> = {};
  if (p.fg) Object.assign(colours, { "--fh": String(p.fg.h), "--fs": `${p.fg.s}%` });
  if (p.bg) Object.assign(colours, { "--bh": String(p.bg.h), "--bs": `${p.bg.s}%` });
  if (p.hit) {
    return (
      <mark key={i} class={p.cls}>
        {p.text}
      </mark>
    );
  }
  if (p.cls === "") return p.text;
  return (
    <span key={i} class={p.cls} style={colours}>
      {p.text}
    </span>
  );
}
