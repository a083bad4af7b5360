import type { Processed } from "@/api/executions";

/** One thing that happened, on the clock of a replay. */
export interface Beat {
  /** Milliseconds from the beginning of the replay. */
  after: number;
  step: string;
  /** The step that emitted what it got; null for an event from outside. */
  from: string | null;
}

const SHORTEST = 1_500;
const LONGEST = 6_000;

/** What happened in an execution, in its own rhythm, stretched or pressed together so that people can follow. */
export function beats(processed: readonly Pick<Processed, "message" | "parent" | "step" | "at_us">[]): Beat[] {
  const ordered = [...processed].sort((one, other) => one.at_us - other.at_us);
  const began = ordered[0]?.at_us ?? 0;
  const took = ((ordered.at(-1)?.at_us ?? 0) - began) / 1_000;
  const scale = Math.min(LONGEST, Math.max(SHORTEST, took)) / Math.max(took, 1);
  const emitters = new Map(ordered.map((each) => [each.message, each.step]));
  return ordered.map(({ at_us, step, parent }) => ({
    after: Math.round(((at_us - began) / 1_000) * scale),
    step,
    from: parent === null ? null : (emitters.get(parent) ?? null),
  }));
}
