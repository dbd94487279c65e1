import type { JSX } from "preact";
import type { Run, Step } from "../api/types";
import { Gantt } from "./gantt";
import { Graph } from "./graph";

export type StripView = "graph" | "timeline" | "off";

interface Props {
  steps: Step[];
  run: Run;
  view: StripView;
  setView: (view: StripView) => void;
  selected: string | undefined;
  choose: (path: string) => void;
  filter: (words: string) => void;
}

/** The run as one strip that folds: how its steps depend on each other, or when they ran. */
export function Strip(props: Props): JSX.Element {
  const { view, setView } = props;
  return (
    <section class={`strip strip-${view}`} aria-label="Steps as a picture">
      <div class="strip-tabs">
        {(["graph", "timeline"] as const).map((name) => (
          <button key={name} type="button" class="quiet" aria-pressed={view === name} onClick={() => setView(view === name ? "off" : name)}>
            {name === "graph" ? "Graph" : "Timeline"}
          </button>
        ))}
      </div>
      {view === "graph" && <Graph steps={props.steps} selected={props.selected} choose={props.choose} filter={props.filter} />}
      {view === "timeline" && <Gantt steps={props.steps} run={props.run} selected={props.selected} choose={props.choose} />}
    </section>
  );
}
