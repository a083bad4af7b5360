/** What does not run: disabled steps, and those that only a disabled one leads to. The server decides it the same way. */
import type { Step } from "@/graph/document";

export function leftOut(steps: readonly Pick<Step, "id" | "kind" | "after" | "disabled">[]): Set<string> {
  const disabled = new Set(steps.filter((step) => step.disabled && step.kind === "action").map((step) => step.id));
  if (disabled.size === 0) return disabled;
  const reached = reachable(steps, new Set());
  const running = reachable(steps, disabled);
  return new Set(
    steps.map((step) => step.id).filter((id) => disabled.has(id) || (reached.has(id) && !running.has(id))),
  );
}

function reachable(steps: readonly Pick<Step, "id" | "kind" | "after">[], closed: ReadonlySet<string>): Set<string> {
  const later = new Map<string, string[]>();
  for (const step of steps) for (const from of step.after) later.set(from, [...(later.get(from) ?? []), step.id]);
  const seen = new Set(steps.filter((step) => step.kind === "trigger").map((step) => step.id));
  for (const id of seen) {
    for (const next of later.get(id) ?? []) if (!closed.has(next)) seen.add(next);
  }
  return seen;
}
