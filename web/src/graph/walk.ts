/** From step to step with the arrow keys: along the flow, and over to other branches. */
import type { Step } from "@/graph/document";
import { type Layout, type Place, STEP } from "@/graph/layout";

export type Direction = "left" | "right" | "up" | "down";

/** The step that lies in that direction; null: none does. Without `from`, the first one of the flow. */
export function neighbour(
  steps: readonly Pick<Step, "id" | "after">[],
  { places }: Layout,
  from: string | null,
  direction: Direction,
): string | null {
  const here = from === null ? undefined : places.get(from);
  if (here === undefined) return steps[0]?.id ?? null;
  return nearest(here, candidates(steps, places, from ?? "", direction, here), places);
}

function candidates(
  steps: readonly Pick<Step, "id" | "after">[],
  places: ReadonlyMap<string, Place>,
  from: string,
  direction: Direction,
  here: Place,
): string[] {
  if (direction === "right") return steps.filter((step) => step.after.includes(from)).map((step) => step.id);
  if (direction === "left") return steps.find((step) => step.id === from)?.after ?? [];
  const sign = direction === "down" ? 1 : -1;
  const beyond = steps.filter((step) => ((places.get(step.id)?.y ?? here.y) - here.y) * sign > STEP.height / 2);
  const column = beyond.filter((step) => Math.abs((places.get(step.id)?.x ?? 0) - here.x) < STEP.width);
  return (column.length > 0 ? column : beyond).map((step) => step.id);
}

function nearest(here: Place, ids: readonly string[], places: ReadonlyMap<string, Place>): string | null {
  let best: string | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const id of ids) {
    const place = places.get(id);
    if (place === undefined) continue;
    const far = Math.abs(place.y - here.y) + Math.abs(place.x - here.x);
    if (far < least) [best, least] = [id, far];
  }
  return best;
}
