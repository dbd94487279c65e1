import type { JSX } from "preact";
import type { Attempt, Run, Step } from "../api/types";
import { clock, duration, moment } from "../lib/format";
import { Fact } from "./overview";
import { Copy, Link } from "./parts";

/** Facts of the implementation: ids, directories, processes, commands that were given. */
export function Details({ run, step, attempt }: { run: Run; step: Step; attempt: Attempt | undefined }): JSX.Element {
  return (
    <div class="details scroll" tabIndex={0}>
      <h3>Run</h3>
      <dl class="facts">
        <Fact name="Id">
          <span class="mono">{run.id}</span> <Copy text={run.id} />
        </Fact>
        <Fact name="Workspace">
          <bdi class="mono">{run.workspace}</bdi> <Copy text={run.workspace} />
        </Fact>
        {run.contextDir !== undefined && (
          <Fact name="Context">
            <bdi class="mono">{run.contextDir}</bdi> <Copy text={run.contextDir} />
          </Fact>
        )}
        <Fact name="Started">{moment(run.startedAt, Date.now())}</Fact>
        <Fact name="Mode">{run.mode}</Fact>
        {run.concurrency !== undefined && <Fact name="Steps at once">{run.concurrency}</Fact>}
        {run.timeoutMs !== undefined && run.timeoutMs > 0 && <Fact name="Time limit">{duration(run.timeoutMs)}</Fact>}
        {run.resumes !== undefined && (
          <Fact name="Resumes">
            <Link to={{ page: "run", run: run.resumes }}>{run.resumes}</Link>
          </Fact>
        )}
        {run.host !== undefined && <Fact name="Host">{run.host}</Fact>}
        {run.origin !== undefined && <Fact name="Origin">{run.origin}</Fact>}
      </dl>
      {run.cores.length > 0 && (
        <>
          <h3>Core</h3>
          <ul class="plain">
            {run.cores.map((core, i) => (
              <li key={i}>
                {core.host}: {core.state}
                {core.pid !== undefined && <span class="num muted"> pid {core.pid}</span>}
                {core.detail !== undefined && <span class="muted"> {core.detail}</span>}
              </li>
            ))}
          </ul>
        </>
      )}
      <h3>Step</h3>
      <dl class="facts">
        <Fact name="Path">
          <bdi class="mono">{step.path}</bdi>
        </Fact>
        {attempt && (
          <Fact name="Attempt">
            <span class="mono">{attempt.id}</span>
          </Fact>
        )}
        {attempt?.sessionId !== undefined && (
          <Fact name="Session">
            <span class="mono">{attempt.sessionId}</span> <Copy text={attempt.sessionId} />
          </Fact>
        )}
      </dl>
      {run.commands.length > 0 && (
        <>
          <h3>Commands given</h3>
          <ul class="plain">
            {run.commands.map((c, i) => (
              <li key={i}>
                <span class="num muted">{clock(c.at)}</span> {c.command} {c.step} <span class="secondary">{c.outcome}</span>
                {c.user !== undefined && <span class="muted"> by {c.user}</span>}
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}
