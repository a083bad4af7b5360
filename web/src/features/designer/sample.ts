import type { components } from "@/api/schema";
import type { FlowDocument, Step } from "@/graph/document";

type Processed = Pick<components["schemas"]["ProcessedView"], "message" | "parent" | "step" | "kind" | "input">;

export interface Content {
  body: unknown;
  headers: Record<string, unknown>;
}

/** What an expression of a step is tried on: the message that comes to it, and what earlier steps gave. */
export interface Sample {
  message: Content;
  steps: Record<string, Content>;
}

/** What each step gave in one execution, as far as the journal still has it: what a step gave is what the next one got. */
export function outputs(processed: readonly Processed[]): Record<string, Content> {
  const emitter = new Map<string, string>();
  const worked = new Map<string, string>();
  for (const { message, step, kind } of processed) {
    if (kind === "emitted") emitter.set(message, step);
    else worked.set(message, step);
  }
  const found: Record<string, Content> = {};
  for (const { message, parent, input, kind } of processed) {
    const from = emitter.get(message) ?? (parent === null ? undefined : worked.get(parent));
    if (from === undefined || kind === "emitted" || input === null || input.stage !== "raw" || input.large) continue;
    found[from] ??= { body: input.body, headers: input.headers };
  }
  return found;
}

/** A sample for a step from what steps gave; null: nothing came from any step before it. */
export function sampleFor(document: FlowDocument, step: Step, given: Record<string, Content>): Sample | null {
  const before = earlier(document, step);
  const message = step.after.map((id) => given[id]).find((content) => content !== undefined);
  if (message === undefined) return null;
  return { message, steps: Object.fromEntries(Object.entries(given).filter(([id]) => before.has(id))) };
}

/** Which step before gives the message of a sample, and where what it gave is from; later ones go before. */
export function sourceOf(
  step: Pick<Step, "after">,
  execution: Record<string, Content>,
  test: Record<string, Content>,
  samples: Record<string, Content>,
): { source: "samples" | "test" | "execution"; giver: string | null } {
  const giver = step.after.find((id) => id in samples || id in test || id in execution) ?? null;
  if (giver === null) return { source: "execution", giver };
  return { source: giver in samples ? "samples" : giver in test ? "test" : "execution", giver };
}

/** The steps that a message has passed before it comes to a step. */
export function earlier(document: FlowDocument, step: Step): Set<string> {
  const found = new Set<string>();
  const waiting = [...step.after];
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    if (found.has(id)) continue;
    found.add(id);
    waiting.push(...(document.steps.find((each) => each.id === id)?.after ?? []));
  }
  return found;
}

/** A value of the shape that a JSON Schema describes: its examples and defaults, else something of the type. */
export function generated(schema: unknown, depth = 0): unknown {
  if (typeof schema !== "object" || schema === null || depth > 6) return null;
  const {
    type,
    properties,
    items,
    examples,
    default: usual,
    enum: choices,
    format,
  } = schema as Record<string, unknown>;
  if (Array.isArray(examples) && examples.length > 0) return examples[0];
  if (usual !== undefined) return usual;
  if (Array.isArray(choices) && choices.length > 0) return choices[0];
  if (typeof properties === "object" && properties !== null) {
    return Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, generated(value, depth + 1)]));
  }
  const kind = Array.isArray(type) ? type[0] : type;
  if (kind === "array") return items === undefined ? [] : [generated(items, depth + 1)];
  if (kind === "string") return format === "date-time" ? "2026-01-31T12:00:00Z" : "text";
  if (kind === "number" || kind === "integer") return 1;
  if (kind === "boolean") return true;
  return kind === "object" ? {} : null;
}
