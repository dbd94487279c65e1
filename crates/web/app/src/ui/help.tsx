import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";

const KEYS: readonly { title: string; keys: readonly (readonly [string, string])[] }[] = [
  {
    title: "Steps and runs",
    keys: [
      ["j k", "next, previous"],
      ["n N", "next, previous step that failed (in a search: match)"],
      ["Enter l", "open"],
      ["Esc h", "one level up"],
      ["g G", "first, last; in a log: beginning, end and follow"],
      ["F", "filter"],
      ["d", "hide steps that succeeded"],
      ["f", "follow the running step"],
      ["[ ]", "previous, next attempt"],
    ],
  },
  {
    title: "Step",
    keys: [
      ["1", "Overview"],
      ["2", "Log"],
      ["3", "Diffs"],
      ["4", "Result"],
      ["5", "Timeline of the run"],
      ["6", "Activity of an agent"],
      ["7", "Files"],
      ["8", "Details of the run"],
    ],
  },
  {
    title: "Log",
    keys: [
      ["/ Ctrl-F", "search the whole log"],
      ["&", "only matching lines, or all"],
      ["e E", "next, previous line that looks like an error"],
      ["w", "wrap long lines"],
      ["t", "times"],
      ["y", "copy the selection or what is shown"],
      ["a", "all steps on one page"],
    ],
  },
  {
    title: "Run",
    keys: [
      ["x", "end the step, or skip it before it starts"],
      ["r", "retry the step"],
      ["X", "end the run"],
      ["Ctrl-K", "commands, runs and steps"],
      ["?", "these keys"],
    ],
  },
];

export function Help({ close }: { close: () => void }): JSX.Element {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => ref.current?.showModal(), []);
  return (
    <dialog ref={ref} class="help" aria-labelledby="help-title" onClose={close} onClick={(e) => e.target === ref.current && ref.current?.close()}>
      <header>
        <h2 id="help-title">Keys</h2>
        <button type="button" class="quiet" onClick={() => ref.current?.close()}>
          Close
        </button>
      </header>
      <div class="help-groups">
        {KEYS.map((group) => (
          <section key={group.title}>
            <h3>{group.title}</h3>
            <dl>
              {group.keys.map(([key, text]) => (
                <div key={key}>
                  <dt>
                    {key.split(" ").map((k) => (
                      <kbd key={k}>{k}</kbd>
                    ))}
                  </dt>
                  <dd>{text}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </dialog>
  );
}
