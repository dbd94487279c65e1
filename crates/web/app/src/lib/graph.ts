/** Layers of a graph of steps: every step stands after all the steps that it depends on. */

export interface Node {
  path: string;
  dependsOn: string[];
}

export interface Layout {
  /** Paths of each layer, in drawing order. */
  layers: string[][];
  edges: [string, string][];
}

export function layout(nodes: Node[]): Layout {
  const known = new Map(nodes.map((node) => [node.path, node]));
  const rank = new Map<string, number>();
  const visit = (start: string): void => {
    // An explicit stack: a chain of thousands of steps must not exhaust that of the engine.
    const stack = [start];
    const open = new Set<string>();
    while (stack.length > 0) {
      const path = stack[stack.length - 1] ?? "";
      const node = known.get(path);
      if (!node || rank.has(path)) {
        stack.pop();
        continue;
      }
      open.add(path);
      const missing = node.dependsOn.filter((d) => known.has(d) && !rank.has(d) && !open.has(d));
      if (missing.length > 0) {
        stack.push(...missing);
        continue;
      }
      const before = node.dependsOn.map((d) => rank.get(d) ?? -1);
      rank.set(path, before.length === 0 ? 0 : Math.max(...before) + 1);
      open.delete(path);
      stack.pop();
    }
  };
  for (const node of nodes) visit(node.path);

  const layers: string[][] = [];
  for (const node of nodes) (layers[rank.get(node.path) ?? 0] ??= []).push(node.path);
  for (let i = 0; i < layers.length; i += 1) layers[i] ??= [];
  const edges: [string, string][] = [];
  for (const node of nodes) for (const d of node.dependsOn) if (known.has(d)) edges.push([d, node.path]);
  order(layers, known);
  return { layers, edges };
}

/** Puts each step near the mean of the steps that it depends on, so that few lines cross. */
function order(layers: string[][], known: Map<string, Node>): void {
  const place = new Map<string, number>();
  for (const layer of layers) {
    layer.forEach((path, i) => place.set(path, i));
    const target = new Map(
      layer.map((path, i) => {
        const before = (known.get(path)?.dependsOn ?? []).map((d) => place.get(d)).filter((n) => n !== undefined);
        return [path, before.length === 0 ? i : before.reduce((a, b) => a + b, 0) / before.length] as const;
      }),
    );
    layer.sort((a, b) => (target.get(a) ?? 0) - (target.get(b) ?? 0));
    layer.forEach((path, i) => place.set(path, i));
  }
}
