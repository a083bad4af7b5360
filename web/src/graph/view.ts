/** Where somebody looked at a flow, kept in their browser. */
import type { Viewport } from "@xyflow/react";

type Memory = Pick<Storage, "getItem" | "setItem" | "removeItem">;

const key = (flow: string) => `headrace.view.${flow}`;

export function rememberedView(flow: string, memory: Memory = localStorage): Viewport | null {
  try {
    const view = JSON.parse(memory.getItem(key(flow)) ?? "null") as Viewport | null;
    return view !== null && isView(view) ? view : null;
  } catch {
    return null;
  }
}

/** null: the whole flow is shown from now on. */
export function rememberView(flow: string, view: Viewport | null, memory: Memory = localStorage): void {
  try {
    if (view === null || !isView(view)) memory.removeItem(key(flow));
    else memory.setItem(key(flow), JSON.stringify(view));
  } catch {
    // No room: the view is only comfort.
  }
}

function isView({ x, y, zoom }: Viewport): boolean {
  return [x, y, zoom].every(Number.isFinite);
}

interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}

const MARGIN = 24;

/** The view moved as little as shows the rectangle in a room of that size; the same one when it is shown already. */
export function showing(view: Viewport, room: { width: number; height: number }, part: Rectangle): Viewport {
  const x = shifted(view.x, view.zoom, room.width, part.x, part.width);
  const y = shifted(view.y, view.zoom, room.height, part.y, part.height);
  return x === view.x && y === view.y ? view : { ...view, x, y };
}

function shifted(offset: number, zoom: number, room: number, at: number, size: number): number {
  const start = at * zoom + offset;
  const end = (at + size) * zoom + offset;
  if (start < MARGIN || end - start > room - 2 * MARGIN) return offset + MARGIN - start;
  return end > room - MARGIN ? offset - (end - room + MARGIN) : offset;
}
