import type { JSX } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Step } from "../api/types";
import { compact } from "../lib/format";
import { layout } from "../lib/graph";
import { stepLook } from "../lib/states";
import { Text } from "./parts";

const W = 148;
const H = 28;
const GAP_X = 40;
const GAP_Y = 8;
/** A layer with more steps is drawn as one box with their counts. */
const MAX_IN_LAYER = 7;
const MAX_LAYERS = 200;

interface Box {
  key: string;
  x: number;
  y: number;
  members: Step[];
}

export function Graph({ steps, selected, choose, filter }: { steps: Step[]; selected: string | undefined; choose: (path: string) => void; filter: (words: string) => void }): JSX.Element {
  const shape = steps.map((s) => `${s.path}<${s.dependsOn.join(",")}`).join(";");
  const plan = useMemo(() => layout(steps.map((s) => ({ path: s.path, dependsOn: s.dependsOn }))), [shape]);
  const byPath = new Map(steps.map((s) => [s.path, s]));
  const scroller = useRef<HTMLDivElement>(null);

  const boxes: Box[] = [];
  const boxOf = new Map<string, Box>();
  const layers = plan.layers.slice(0, MAX_LAYERS);
  const tallest = Math.max(1, ...layers.map((l) => (l.length > MAX_IN_LAYER ? 1 : l.length)));
  layers.forEach((layer, i) => {
    const groups = layer.length > MAX_IN_LAYER ? [layer] : layer.map((path) => [path]);
    const offset = ((tallest - groups.length) * (H + GAP_Y)) / 2;
    groups.forEach((paths, j) => {
      const members = paths.flatMap((p) => byPath.get(p) ?? []);
      const box: Box = { key: paths[0] ?? "", x: i * (W + GAP_X), y: offset + j * (H + GAP_Y), members };
      boxes.push(box);
      for (const p of paths) boxOf.set(p, box);
    });
  });
  const lines = new Map<string, JSX.Element>();
  for (const [from, to] of plan.edges) {
    const a = boxOf.get(from);
    const b = boxOf.get(to);
    if (!a || !b || a === b) continue;
    const key = `${a.key}>${b.key}`;
    if (lines.has(key)) continue;
    const [x1, y1, x2, y2] = [a.x + W, a.y + H / 2, b.x, b.y + H / 2];
    const bend = Math.min(GAP_X, (x2 - x1) / 2);
    lines.set(key, <path key={key} d={`M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`} />);
  }
  const width = layers.length * (W + GAP_X) - GAP_X;
  const height = tallest * (H + GAP_Y) - GAP_Y;
  const at = selected === undefined ? undefined : boxOf.get(selected);
  useEffect(() => {
    const element = scroller.current;
    if (!element || !at) return;
    if (at.x < element.scrollLeft || at.x + W > element.scrollLeft + element.clientWidth) element.scrollLeft = at.x - element.clientWidth / 2 + W / 2;
  }, [at?.key]);
  return (
    <div class="graph" ref={scroller} tabIndex={0} role="group" aria-label="Graph of the steps">
      <div class="graph-in" style={{ width: `${width}px`, height: `${height}px` }}>
        <svg width={width} height={height} aria-hidden="true">
          {[...lines.values()]}
        </svg>
        {boxes.map((box) =>
          box.members.length === 1 && box.members[0] ? (
            <NodeBox key={box.key} box={box} step={box.members[0]} selected={box === at} choose={choose} />
          ) : (
            <GroupBox key={box.key} box={box} selected={box === at} filter={filter} />
          ),
        )}
      </div>
      {plan.layers.length > MAX_LAYERS && <p class="muted pad">{plan.layers.length - MAX_LAYERS} later layers are left out here; the list has all steps.</p>}
    </div>
  );
}

function NodeBox({ box, step, selected, choose }: { box: Box; step: Step; selected: boolean; choose: (path: string) => void }): JSX.Element {
  const of = stepLook(step);
  return (
    <button type="button" tabIndex={-1} class={`node n-${of.role}${selected ? " selected" : ""}`} style={{ left: `${box.x}px`, top: `${box.y}px` }} title={`${step.path}: ${of.word}`} onClick={() => choose(step.path)}>
      <span class={`sign r-${of.role}`}>{of.sign}</span>
      <Text of={step.name} class="cut" />
    </button>
  );
}

function GroupBox({ box, selected, filter }: { box: Box; selected: boolean; filter: (words: string) => void }): JSX.Element {
  const counts = new Map<string, { n: number; role: string }>();
  for (const step of box.members) {
    const of = stepLook(step);
    const entry = counts.get(of.sign) ?? { n: 0, role: of.role };
    entry.n += 1;
    counts.set(of.sign, entry);
  }
  const order = (role: string): number => ["bad", "attention", "warn", "accent", "good"].indexOf(role) + 1 || 9;
  const shown = [...counts].sort((a, b) => order(a[1].role) - order(b[1].role)).slice(0, 3);
  const prefix = commonPrefix(box.members.map((s) => s.path));
  return (
    <button type="button" tabIndex={-1} class={`node group n-${shown[0]?.[1].role ?? "muted"}${selected ? " selected" : ""}`} style={{ left: `${box.x}px`, top: `${box.y}px` }} title={`${box.members.length} steps; click to filter the list`} onClick={() => filter(prefix)}>
      <b class="num">{compact(box.members.length)}</b>
      <span class="group-counts num">
        {shown.map(([sign, { n, role }]) => (
          <span key={sign} class={`r-${role}`}>
            {sign}
            {compact(n)}
          </span>
        ))}
      </span>
    </button>
  );
}

function commonPrefix(paths: string[]): string {
  const first = paths[0] ?? "";
  let length = first.length;
  for (const path of paths) while (length > 0 && !path.startsWith(first.slice(0, length))) length -= 1;
  return first.slice(0, length);
}
