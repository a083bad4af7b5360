import type { Queues } from "@/api/queues";
import type { EdgeAbout } from "@/graph/FlowEdge";
import { age } from "@/ui/when";

/** What waits on the way from one step to another, in all deployments that still work. */
export function waitingOn(told: Queues | undefined, from: string, to: string, now: number, stale: boolean): EdgeAbout {
  const found = told?.queues.filter((each) => each.step === to && each.after === from) ?? [];
  if (found.length === 0) return { waiting: null, age: "", stale };
  const oldest = Math.min(...found.map((each) => each.oldest_at ?? Number.POSITIVE_INFINITY));
  return {
    waiting: found.reduce((sum, each) => sum + each.waiting, 0),
    age: Number.isFinite(oldest) ? age(now - oldest) : "",
    stale,
  };
}
