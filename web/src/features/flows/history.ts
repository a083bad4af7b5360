import { createStore, useStore } from "zustand";
import type { Flow } from "@/api/flows";

/** What passed a flow at one look, and the counters from which the next look tells more. */
export interface Look {
  /** Milliseconds. */
  at: number;
  epoch: number;
  events: number;
  failed: number;
}

export interface Passed {
  /** Events a second, oldest first. */
  rates: number[];
  /** Messages that failed in the time shown. */
  failed: number;
}

/** Some five minutes of looks, one in two seconds. */
const KEPT = 150;

/** Counters of a flow: events its trigger has emitted, messages its steps have failed on. */
export function look(flow: Flow, at: number): Look {
  const steps = flow.deployment?.steps ?? [];
  const trigger = Math.max(0, ...steps.slice(0, 1).map((step) => Math.max(step.emitted, step.received)));
  return { at, epoch: flow.epoch, events: trigger, failed: steps.reduce((sum, step) => sum + step.failed, 0) };
}

/** Looks with one more; one at the same time changes nothing. */
export function looked(looks: readonly Look[], next: Look): readonly Look[] {
  return looks.at(-1)?.at === next.at ? looks : [...looks, next].slice(-KEPT);
}

/** What passed between looks. Counters that began anew, as after a publish, say nothing of the time between. */
export function passed(looks: readonly Look[]): Passed {
  const rates: number[] = [];
  let failed = 0;
  for (const [index, now] of looks.entries()) {
    const before = looks[index - 1];
    if (before === undefined) continue;
    const goesOn = now.epoch === before.epoch && now.events >= before.events && now.failed >= before.failed;
    const seconds = (now.at - before.at) / 1000;
    rates.push(goesOn && seconds > 0 ? (now.events - before.events) / seconds : 0);
    if (goesOn) failed += now.failed - before.failed;
  }
  return { rates, failed };
}

const store = createStore<Record<string, readonly Look[]>>(() => ({}));

/** Note what all flows show now. */
export function note(flows: readonly Flow[], at: number): void {
  const now = store.getState();
  store.setState(Object.fromEntries(flows.map((flow) => [flow.id, looked(now[flow.id] ?? [], look(flow, at))])), true);
}

export function usePassed(flowId: string): Passed {
  return passed(useStore(store, (all) => all[flowId] ?? NONE));
}

const NONE: readonly Look[] = [];
