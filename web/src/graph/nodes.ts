/** What the canvas draws. What looks as before stays the same object, so that it is not drawn again. */
import { MarkerType } from "@xyflow/react";
import { leftOut } from "@/graph/disabled";
import type { Step } from "@/graph/document";
import type { EdgeAbout, FlowEdgeType } from "@/graph/FlowEdge";
import { type Edge, edges, inOrder, type Layout, layout, STEP } from "@/graph/layout";
import type { StepAbout, StepNodeType } from "@/graph/StepNode";

export interface Picture {
  nodes: StepNodeType[];
  edges: FlowEdgeType[];
  layout: Layout;
}

export const EMPTY: Picture = { nodes: [], edges: [], layout: layout([]) };

export interface Shown {
  steps: readonly Step[];
  selected: ReadonlySet<string>;
  about: (step: Step) => StepAbout;
  editing: boolean;
  aboutEdge?: ((edge: Edge) => EdgeAbout) | undefined;
  /** The edge that is open. */
  opened?: string | null;
}

/** The picture of a flow, with everything of the one before that still holds. */
export function picture(before: Picture, { steps: all, selected, about, editing, aboutEdge, opened }: Shown): Picture {
  const steps = inOrder(all.filter((step, at) => all.findIndex((each) => each.id === step.id) === at));
  const now = layout(steps);
  const idle = leftOut(steps);
  const later = new Set(steps.flatMap((step) => step.after));
  const oldNodes = new Map(before.nodes.map((node) => [node.id, node]));
  const nodes = steps.map((step) => {
    const old = oldNodes.get(step.id);
    const same = old !== undefined && alike(old.data.step.written, step.written) ? old.data.step : step;
    const place = now.places.get(step.id) ?? { x: 0, y: 0 };
    return kept(old, {
      id: step.id,
      type: "step" as const,
      position: old !== undefined && alike(old.position, place) ? old.position : place,
      width: STEP.width,
      height: STEP.height,
      selected: selected.has(step.id),
      ariaLabel: labelOf(step, idle.has(step.id)),
      data: { step: same, editing, idle: idle.has(step.id), leaf: !later.has(step.id), ...about(step) },
    });
  });
  const oldEdges = new Map(before.edges.map((edge) => [edge.id, edge]));
  const byId = new Map(steps.map((step) => [step.id, step]));
  const lines = edges(steps).map((edge) => {
    const { id, from, to } = edge;
    const target = byId.get(to);
    const told = aboutEdge?.(edge) ?? null;
    return kept<FlowEdgeType>(oldEdges.get(id), {
      id,
      type: "flow" as const,
      source: from,
      target: to,
      selectable: aboutEdge !== undefined,
      selected: id === opened,
      ariaLabel: edgeLabel(edge, told),
      reconnectable: editing ? ("target" as const) : false,
      markerEnd: { type: MarkerType.ArrowClosed },
      data: {
        way: now.ways.get(id) ?? { points: [], middle: { x: 0, y: 0 } },
        when: target?.when ?? null,
        idle: idle.has(from) || idle.has(to),
        several: (target?.after.length ?? 0) > 1,
        editing,
        about: told,
      },
    });
  });
  return { nodes: sameList(before.nodes, nodes), edges: sameList(before.edges, lines), layout: now };
}

function labelOf(step: Step, idle: boolean): string {
  const state = step.disabled ? ", disabled" : idle ? ", left out: only a disabled step leads to it" : "";
  return `${step.kind} ${step.name || step.id}, ${step.uses}${state}`;
}

function edgeLabel({ from, to }: Edge, about: EdgeAbout | null): string {
  if (about === null || about.waiting === null) return `${from} to ${to}`;
  return `${from} to ${to}: ${about.waiting} waiting${about.waiting > 0 ? `, the oldest for ${about.age}` : ""}`;
}

function kept<T extends { data?: object }>(old: T | undefined, now: T): T {
  if (old === undefined) return now;
  const data = old.data !== undefined && now.data !== undefined && alikeEach(old.data, now.data) ? old.data : now.data;
  const next = { ...now, data };
  return alikeEach(old, next) ? old : next;
}

/** Whether two objects have the same members, each the same or saying the same. */
function alikeEach(one: object, other: object): boolean {
  const [left, right] = [Object.entries(one), new Map(Object.entries(other))];
  return left.length === right.size && left.every(([key, value]) => right.has(key) && alike(value, right.get(key)));
}

function alike(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  return JSON.stringify(one) === JSON.stringify(other);
}

function sameList<T>(before: T[], now: T[]): T[] {
  return before.length === now.length && before.every((each, at) => each === now[at]) ? before : now;
}
