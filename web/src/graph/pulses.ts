/** What passes the canvas right now: edges and steps over which a message was seen to go. */
import { createStore, useStore } from "zustand";

const passes = createStore<Record<string, number>>(() => ({}));

/** A message went over each of these: ids of edges, ids of steps. */
export function pulse(ids: Iterable<string>): void {
  const now = { ...passes.getState() };
  for (const id of ids) now[id] = (now[id] ?? 0) + 1;
  passes.setState(now, true);
}

/** How often something was seen to pass there; grows with every pulse. */
export function usePulses(id: string): number {
  return useStore(passes, (all) => all[id] ?? 0);
}

/** Nothing passes any more. */
export function still(): void {
  passes.setState({}, true);
}

/** The edges over which a message of `step` goes: those to every step after it, or to one alone. */
export function passed(step: string, to: string | null, lines: readonly { id: string; from: string; to: string }[]) {
  return lines.filter((line) => line.from === step && (to === null || line.to === to)).map((line) => line.id);
}
