import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Hit } from "../../api/types";
import { PAGE_LINES, type LogState } from "../../state/log";

const ERROR = /\b(error|FAILED|panicked|fatal)\b/i;
const WIDTH = 10;

interface Props {
  state: LogState;
  hits: Hit[] | undefined;
  top: number;
  rows: number;
  go: (n: number) => void;
}

/** The whole log as a strip: matches, errors and standard error, as far as lines are loaded. */
export function Minimap({ state, hits, top, rows, go }: Props): JSX.Element | null {
  const ref = useRef<HTMLCanvasElement>(null);
  const errors = useRef(new WeakMap<object, boolean>());
  useEffect(() => {
    const canvas = ref.current;
    const context = canvas?.getContext("2d");
    if (!canvas || !context) return;
    const height = canvas.clientHeight;
    const scale = window.devicePixelRatio || 1;
    canvas.width = WIDTH * scale;
    canvas.height = height * scale;
    context.scale(scale, scale);
    const style = getComputedStyle(canvas);
    const mark = (n: number, role: string, x: number, width: number): void => {
      context.fillStyle = role;
      context.fillRect(x, Math.floor((n / Math.max(1, state.total)) * (height - 2)), width, 2);
    };
    // A canvas does not know light-dark(); properties of the element hold the colours that it gives.
    const [bad, attention, muted, band] = [style.color, style.outlineColor, style.textDecorationColor, style.borderLeftColor];
    context.fillStyle = band;
    context.fillRect(0, (top / Math.max(1, state.total)) * height, WIDTH, Math.max(4, (rows / Math.max(1, state.total)) * height));
    for (const [page, lines] of state.pages) {
      for (let i = 0; i < lines.length; i += 1) {
        const line = lines[i];
        if (!line) continue;
        let isError = errors.current.get(line);
        if (isError === undefined) {
          isError = ERROR.test(line.text.slice(0, 400));
          errors.current.set(line, isError);
        }
        if (isError) mark(page * PAGE_LINES + i, bad, 0, 5);
        else if (line.stream === "err") mark(page * PAGE_LINES + i, muted, 0, 3);
      }
    }
    for (const hit of hits ?? []) mark(hit.n, attention, 5, 5);
  }, [state, hits, top, rows]);
  if (state.total === 0) return null;
  return (
    <canvas
      ref={ref}
      class="minimap"
      aria-hidden="true"
      title="Matches, errors, standard error"
      onClick={(e) => go(Math.min(state.total - 1, Math.floor((e.offsetY / e.currentTarget.clientHeight) * state.total)))}
    />
  );
}
