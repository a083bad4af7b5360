/** Where the steps of a flow stand on the canvas and which way edges take: left to right, as messages pass. */
import { layout as dagre, Graph } from "@dagrejs/dagre";
import type { Step } from "@/graph/document";

export const STEP = { width: 260, height: 124 } as const;
/** What a condition needs on an edge. */
const CONDITION = { width: 150, height: 28 } as const;
/** From so many steps on, a quicker way of ranking them. */
const MANY = 60;

export interface Edge {
  id: string;
  from: string;
  to: string;
}

export interface Place {
  x: number;
  y: number;
}

/** The way of an edge: the places it passes between its two steps, and where there is room for what is shown on it. */
export interface Way {
  points: readonly Place[];
  middle: Place;
}

export interface Layout {
  /** The upper left corner of each step. */
  places: ReadonlyMap<string, Place>;
  ways: ReadonlyMap<string, Way>;
  width: number;
  height: number;
}

export type Placeable = Pick<Step, "id" | "after"> & { when?: string | null };

/** The edges that `after` draws between steps that exist. */
export function edges(steps: readonly Pick<Step, "id" | "after">[]): Edge[] {
  const known = new Set(steps.map((step) => step.id));
  return steps.flatMap((step) =>
    step.after.filter((from) => known.has(from)).map((from) => ({ id: `${from}→${step.id}`, from, to: step.id })),
  );
}

let last: { shape: string; layout: Layout } | null = null;

/** The same steps always get the same places; nothing is placed anew while only settings of steps change. */
export function layout(steps: readonly Placeable[]): Layout {
  const shape = JSON.stringify(steps.map(({ id, after, when }) => [id, after, Boolean(when)]));
  if (last?.shape !== shape) last = { shape, layout: placed(steps) };
  return last.layout;
}

function placed(steps: readonly Placeable[]): Layout {
  const graph = new Graph();
  graph.setGraph({
    rankdir: "LR",
    nodesep: 36,
    ranksep: 84,
    marginx: 24,
    marginy: 24,
    ...(steps.length > MANY ? { ranker: "longest-path" } : {}),
  });
  const conditional = new Set(steps.filter((step) => step.when).map((step) => step.id));
  for (const step of steps) graph.setNode(step.id, { ...STEP });
  for (const { from, to } of edges(steps)) {
    graph.setEdge(from, to, { labelpos: "c", ...(conditional.has(to) ? CONDITION : { width: 0, height: 0 }) });
  }
  dagre(graph);
  const places = new Map<string, Place>();
  for (const { id } of steps) {
    const { x, y } = graph.node(id) as Place;
    places.set(id, { x: x - STEP.width / 2, y: y - STEP.height / 2 });
  }
  const ways = new Map<string, Way>();
  for (const { id, from, to } of edges(steps)) ways.set(id, way(graph, places, from, to, conditional.has(to)));
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  return { places, ways, width, height };
}

function way(graph: Graph, places: ReadonlyMap<string, Place>, from: string, to: string, conditional: boolean): Way {
  const found = graph.edge(from, to) as { points?: Place[]; x?: number; y?: number };
  const [start, end] = [leaves(places, from), enters(places, to)];
  const passed = (found.points ?? []).slice(1, -1).filter(({ x }) => x > start.x && x < end.x);
  const between = passed[Math.floor(passed.length / 2)];
  const points = passed.length > 1 || conditional ? passed : [];
  const middle = (points.length > 0 ? between : undefined) ?? { x: (start.x + end.x) / 2, y: (start.y + end.y) / 2 };
  return { points, middle: conditional ? { x: found.x ?? middle.x, y: found.y ?? middle.y } : middle };
}

function leaves(places: ReadonlyMap<string, Place>, id: string): Place {
  const { x, y } = places.get(id) ?? { x: 0, y: 0 };
  return { x: x + STEP.width, y: y + STEP.height / 2 };
}

function enters(places: ReadonlyMap<string, Place>, id: string): Place {
  const { x, y } = places.get(id) ?? { x: 0, y: 0 };
  return { x, y: y + STEP.height / 2 };
}

/** A smooth line that leaves and enters horizontally, as the path of an SVG. */
export function curve(points: readonly Place[]): string {
  const [first, ...rest] = points;
  if (first === undefined) return "";
  let path = `M${first.x},${first.y}`;
  let at = first;
  for (const next of rest) {
    const half = (next.x - at.x) / 2;
    path +=
      next.y === at.y
        ? ` L${next.x},${next.y}`
        : ` C${at.x + half},${at.y} ${next.x - half},${next.y} ${next.x},${next.y}`;
    at = next;
  }
  return path;
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
