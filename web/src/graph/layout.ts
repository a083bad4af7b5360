/** Where the steps of a flow stand on the canvas: left to right, in the order in which messages pass them. */
import { layout as dagre, Graph } from "@dagrejs/dagre";
import type { Step } from "@/graph/document";

export const STEP = { width: 260, height: 124 } as const;

export interface Edge {
  id: string;
  from: string;
  to: string;
}

export interface Place {
  x: number;
  y: number;
}

/** The edges that `after` draws between steps that exist. */
export function edges(steps: readonly Pick<Step, "id" | "after">[]): Edge[] {
  const known = new Set(steps.map((step) => step.id));
  return steps.flatMap((step) =>
    step.after.filter((from) => known.has(from)).map((from) => ({ id: `${from}→${step.id}`, from, to: step.id })),
  );
}

/** The upper left corner of each step. The same steps always get the same places. */
export function places(steps: readonly Pick<Step, "id" | "after">[]): Map<string, Place> {
  const graph = new Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 36, ranksep: 84, marginx: 24, marginy: 24 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const step of steps) graph.setNode(step.id, { ...STEP });
  for (const { from, to } of edges(steps)) graph.setEdge(from, to);
  dagre(graph);
  return new Map(
    steps.map((step) => {
      const { x, y } = graph.node(step.id) as Place;
      return [step.id, { x: x - STEP.width / 2, y: y - STEP.height / 2 }];
    }),
  );
}

/** Steps in the order in which a message meets them; those of a circle or without a way come last, as written. */
export function inOrder<T extends Pick<Step, "id" | "after">>(steps: readonly T[]): T[] {
  const known = new Set(steps.map((step) => step.id));
  const placed = new Set<string>();
  const ordered: T[] = [];
  let waiting = [...steps];
  while (waiting.length > 0) {
    const ready = waiting.filter((step) => step.after.every((id) => placed.has(id) || !known.has(id)));
    if (ready.length === 0) return [...ordered, ...waiting];
    for (const step of ready) placed.add(step.id);
    ordered.push(...ready);
    waiting = waiting.filter((step) => !placed.has(step.id));
  }
  return ordered;
}
