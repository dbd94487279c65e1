import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { useApp } from "../app";
import { useValue } from "../lib/store";

/** The question before something that cannot be undone. */
export function Confirm(): JSX.Element | null {
  const app = useApp();
  const question = useValue(app.question);
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (question && ref.current && !ref.current.open) ref.current.showModal();
  }, [question]);
  if (!question) return null;
  const close = (yes: boolean): void => {
    app.question.set(undefined);
    if (yes) question.then();
  };
  return (
    <dialog
      ref={ref}
      class="confirm"
      aria-labelledby="confirm-title"
      onClose={() => close(false)}
      onKeyDown={(event) => {
        if (event.key === "y") close(true);
        else if (event.key === "n" || event.key === "q") close(false);
      }}
    >
      <h2 id="confirm-title">{question.title}</h2>
      <p>{question.text}</p>
      <div class="answers">
        <button type="button" onClick={() => close(false)}>
          No, leave it
        </button>
        <button type="button" class={question.danger ? "danger" : "primary"} onClick={() => close(true)}>
          {question.yes}
        </button>
      </div>
    </dialog>
  );
}
