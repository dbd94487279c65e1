import type { JSX } from "preact";
import type { Attempt, Step } from "../api/types";
import { isEnded } from "../lib/states";
import { Markdown } from "./activity/markdown";
import { CommandLine, Copy, Empty, Link, State } from "./parts";

/** How an attempt ended: its reason in a sentence, its result, and the command that continues it. */
export function ResultView({ run, step, attempt }: { run: string; step: Step; attempt: Attempt }): JSX.Element {
  if (!isEnded(attempt.state)) {
    return (
      <Empty title="No result yet">
        <p>The attempt is still under way.</p>
      </Empty>
    );
  }
  return (
    <div class="result-view scroll" tabIndex={0}>
      <p class="lead">
        <State state={attempt.state} detail={attempt.detail} />
      </p>
      <p class="secondary num">
        {attempt.exitCode !== undefined && `exit code ${attempt.exitCode}`}
        {attempt.signal !== undefined && ` · signal ${attempt.signal}`}
        {attempt.errorClass !== undefined && ` · ${attempt.errorClass}`}
      </p>
      {attempt.result !== undefined && attempt.result !== "" ? (
        <section>
          <h3>
            Result <Copy text={attempt.result} />
          </h3>
          {step.agent ? <Markdown text={attempt.result} /> : <pre class="code" tabIndex={0}>{attempt.result}</pre>}
        </section>
      ) : (
        <p class="muted">
          It reported no result. <Link to={{ page: "run", run, step: step.path, tab: "log" }}>Read its log</Link>
        </p>
      )}
      {attempt.leaked !== undefined && attempt.leaked.length > 0 && (
        <section>
          <h3 class="r-warn">Processes left behind</h3>
          <ul class="mono">
            {attempt.leaked.map((p) => (
              <li key={p.pid}>
                {p.pid} <bdi>{p.command}</bdi>
              </li>
            ))}
          </ul>
        </section>
      )}
      {attempt.sessionCommand !== undefined && (
        <section>
          <h3>Continue its session</h3>
          <CommandLine text={attempt.sessionCommand} />
        </section>
      )}
    </div>
  );
}
