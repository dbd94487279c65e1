import type { ComponentChildren, JSX } from "preact";
import type { Step } from "../api/types";
import { bytes, clock, compact, duration, money } from "../lib/format";
import { isEnded, look } from "../lib/states";
import { Sign, Since, State } from "./parts";

/** A step in a table: its attempts, what it used, what it depends on. */
export function Overview({ step }: { step: Step }): JSX.Element {
  return (
    <div class="overview scroll" tabIndex={0}>
      <dl class="facts">
        <Fact name="State">
          <State state={step.state} detail={step.detail} />
        </Fact>
        <Fact name="Worker">
          {step.worker}
          {step.model !== undefined && ` · ${step.model}`}
        </Fact>
        {step.dependsOn.length > 0 && (
          <Fact name="After">
            <bdi>{step.dependsOn.slice(0, 30).join(", ")}</bdi>
            {step.dependsOn.length > 30 && ` and ${step.dependsOn.length - 30} more`}
          </Fact>
        )}
        {step.iteration !== undefined && step.maxIterations !== undefined && (
          <Fact name="Iteration">
            {step.iteration} of at most {step.maxIterations}
          </Fact>
        )}
        {step.resources && (
          <Fact name="Used">
            <span class="num">
              {duration(step.resources.cpuMs)} processor time
              {step.resources.maxRssBytes !== undefined && `, ${bytes(step.resources.maxRssBytes)} memory`}
            </span>
          </Fact>
        )}
        {step.keptFrom && <Fact name="Kept from">{step.keptFrom.run}</Fact>}
      </dl>
      {step.attempts.length > 0 && (
        <div class="table-scroll" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th>Attempt</th>
                <th>State</th>
                <th>Started</th>
                <th class="n">Time</th>
                <th class="n">Tokens in</th>
                <th class="n">out</th>
                <th class="n">Cost</th>
                <th class="n">Log</th>
              </tr>
            </thead>
            <tbody>
              {step.attempts.map((a) => (
                <tr key={a.id}>
                  <td class="num">
                    {a.iteration > 1 && `${a.iteration}.`}
                    {a.number} {a.role !== "work" && a.role !== "worker" && <span class="muted">{a.role}</span>}
                  </td>
                  <td>
                    <Sign of={look(a.state)} /> {look(a.state).word}
                    {a.detail !== undefined && <span class="muted"> {a.detail}</span>}
                  </td>
                  <td class="num">{clock(a.startedAt)}</td>
                  <td class="n num">
                    <Since from={a.startedAt} to={isEnded(a.state) ? a.finishedAt : undefined} ms={isEnded(a.state) ? a.durationMs : undefined} />
                  </td>
                  <td class="n num">{a.usage?.inputTokens === undefined ? "" : compact(a.usage.inputTokens)}</td>
                  <td class="n num">{a.usage?.outputTokens === undefined ? "" : compact(a.usage.outputTokens)}</td>
                  <td class="n num">{a.usage?.costUsd === undefined ? "" : money(a.usage.costUsd)}</td>
                  <td class="n num">{bytes(a.log.bytes)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}

export function Fact({ name, children }: { name: string; children: ComponentChildren }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
