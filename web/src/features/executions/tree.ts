import type { Processed } from "@/api/executions";
import type { StepOutcome } from "@/graph/StepNode";

/** What became of each step: the worst of its messages counts. */
export function outcomes(processed: readonly Processed[]): Map<string, StepOutcome> {
  const found = new Map<string, StepOutcome>();
  for (const { step, kind, call_us } of processed) {
    const now = found.get(step) ?? { state: "waiting" as const, count: 0, took: 0 };
    const state = kind === "accepted" || kind === "emitted" ? "done" : kind;
    found.set(step, { state: worse(now.state, state), count: now.count + 1, took: now.took + call_us });
  }
  return found;
}

const RANK = ["waiting", "skipped", "done", "delayed", "failed"] as const;

function worse(one: StepOutcome["state"], other: StepOutcome["state"]): StepOutcome["state"] {
  return RANK.indexOf(one) >= RANK.indexOf(other) ? one : other;
}
