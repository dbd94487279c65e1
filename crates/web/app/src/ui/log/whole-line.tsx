import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useApp } from "../../app";
import { asProblem } from "../../api/http";
import type { Line, Problem } from "../../api/types";
import { stripAnsi, visible } from "../../lib/ansi";
import { bytes } from "../../lib/format";
import { Copy, ProblemBox } from "../parts";

/** Text is laid out in parts: one element with megabytes of text would block the page. */
const PART = 20_000;

/** A line that was cut, whole. */
export function WholeLine({ run, attempt, line, close }: { run: string; attempt: string | undefined; line: Line; close: () => void }): JSX.Element {
  const app = useApp();
  const ref = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState<string>();
  const [problem, setProblem] = useState<Problem>();
  useEffect(() => {
    ref.current?.showModal();
    app.source
      .line(run, attempt, line.n)
      .then((whole) => setText(visible(stripAnsi(whole))))
      .catch((error: unknown) => setProblem(asProblem(error)));
  }, []);
  const parts: string[] = [];
  for (let at = 0; text !== undefined && at < text.length; at += PART) parts.push(text.slice(at, at + PART));
  return (
    <dialog ref={ref} class="whole" aria-label={`Line ${line.n + 1}`} onClose={close}>
      <header>
        <h2 class="num">
          Line {line.n + 1} <span class="muted">{line.cut !== undefined && bytes(line.cut)}</span>
        </h2>
        {text !== undefined && <Copy text={text} />}
        <button type="button" class="quiet" onClick={() => ref.current?.close()}>
          Close
        </button>
      </header>
      {problem && <ProblemBox problem={problem} />}
      {text === undefined && !problem && <p class="muted pad">Reading…</p>}
      <div class="whole-text mono" tabIndex={0}>
        {parts.map((part, i) => (
          <div key={i} class="whole-part">
            {part}
          </div>
        ))}
      </div>
    </dialog>
  );
}
