/** Whether what was learnt of a step still counts after the draft was edited, and if not, why. */
import type { FlowDocument, Step } from "@/graph/document";

/** Keys of a step that change what it gives, and how people call them. Others, as its name, do not matter. */
const MATTERS: [key: string, called: string][] = [
  ["fields", "fields"],
  ["credential", "credential"],
  ["version", "component version"],
  ["input", "mapping"],
  ["when", "condition"],
];

/**
 * Why a result or a sample of a step is stale; null: it is not.
 *
 * `madeWith` are the steps as they were written when it was made. What counts is the step and all before it.
 */
export function stale(madeWith: readonly Record<string, unknown>[], document: FlowDocument, id: string): string | null {
  const before = new Map(madeWith.map((step) => [step.id, step]));
  for (const step of way(document, id)) {
    const why = changed(before.get(step.id), step);
    if (why !== null) return why;
  }
  return document.steps.some((step) => step.id === id) ? null : `“${id}” is gone`;
}

function changed(before: Record<string, unknown> | undefined, step: Step): string | null {
  if (before === undefined) return `“${step.id}” was added since`;
  const now = step.written;
  if (before.trigger !== now.trigger || before.action !== now.action) return `“${step.id}” does something else now`;
  if (before.disabled !== now.disabled) return `“${step.id}” was ${now.disabled ? "disabled" : "enabled"} since`;
  for (const [key, called] of MATTERS) {
    if (!same(before[key], now[key])) return `the ${called} of “${step.id}” changed since`;
  }
  return same(list(before.after), list(now.after)) ? null : `“${step.id}” comes after other steps now`;
}

/** The step and all those before it, the first ones first. */
function way(document: FlowDocument, id: string): Step[] {
  const wanted = new Set<string>();
  const waiting = [id];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (wanted.has(next)) continue;
    wanted.add(next);
    waiting.push(...(document.steps.find((step) => step.id === next)?.after ?? []));
  }
  const found = document.steps.filter((step) => wanted.has(step.id));
  return [...found.filter((step) => step.id !== id), ...found.filter((step) => step.id === id)];
}

function list(value: unknown): unknown[] {
  if (value === undefined || value === null || value === "") return [];
  return Array.isArray(value) ? value : [value];
}

/** Equal as JSON, whatever the order of keys; nothing and null are the same. */
function same(one: unknown, other: unknown): boolean {
  return canonical(one) === canonical(other);
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value ?? null);
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${canonical(each)}`).join()}}`;
}
