import { useRef } from "react";
import type { Deployment } from "@/api/flows";

export interface Rate {
  /** Messages a second. */
  received: number;
  emitted: number;
}

export interface Counted {
  at: number;
  epoch: number;
  steps: Record<string, Rate>;
}

/** What counters stood at, and when (milliseconds). */
export function counted(deployment: Deployment, at: number): Counted {
  const steps = deployment.steps.map((step) => [step.id, { received: step.received, emitted: step.emitted }] as const);
  return { at, epoch: deployment.epoch, steps: Object.fromEntries(steps) };
}

/** Messages a second between two looks; null where counters began anew or nothing passed since. */
export function ratesBetween(before: Counted, now: Counted): Record<string, Rate> | null {
  const seconds = (now.at - before.at) / 1000;
  if (seconds <= 0 || before.epoch !== now.epoch) return null;
  return Object.fromEntries(
    Object.entries(now.steps).flatMap(([step, { received, emitted }]) => {
      const then = before.steps[step];
      if (then === undefined || received < then.received || emitted < then.emitted) return [];
      return [[step, { received: (received - then.received) / seconds, emitted: (emitted - then.emitted) / seconds }]];
    }),
  );
}

/** Rates of a deployment that is read again and again; `readAt` is when it was read last. */
export function useRates(deployment: Deployment | null, readAt: number): Record<string, Rate> {
  const last = useRef<{ now: Counted; rates: Record<string, Rate> } | null>(null);
  if (deployment === null) return {};
  if (last.current === null || last.current.now.at !== readAt) {
    const now = counted(deployment, readAt);
    const rates = last.current === null ? null : ratesBetween(last.current.now, now);
    last.current = { now, rates: rates ?? {} };
  }
  return last.current.rates;
}
