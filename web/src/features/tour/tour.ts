/** The tour to a first flow: where somebody is on it, told by what is really there. */
import { create } from "zustand";
import { persist } from "zustand/middleware";
import type { Flow } from "@/api/flows";

interface Tour {
  on: boolean;
  /** The flow that is made on it. */
  flow: string | null;
  begin: () => void;
  end: () => void;
  follow: (flow: string | null) => void;
}

/** Kept in the browser, so that it goes on after a reload. */
export const useTour = create<Tour>()(
  persist(
    (set) => ({
      on: false,
      flow: null,
      begin: () => set({ on: true }),
      end: () => set({ on: false }),
      follow: (flow) => set({ flow }),
    }),
    { name: "headrace.tour" },
  ),
);

export const STOPS = ["make", "trigger", "action", "publish", "event", "done"] as const;
export type Stop = (typeof STOPS)[number];

interface Seen {
  /** null: there is none yet. */
  flow: Pick<Flow, "version" | "state" | "has_draft" | "deployment"> | null;
  /** What the draft has; without a draft what the newest version has is not looked at. */
  drawn: { trigger: boolean; actions: number } | null;
}

/** What there is to do next. */
export function nextStop({ flow, drawn }: Seen): Stop {
  if (flow === null) return "make";
  if (flow.state !== "live") {
    if (drawn !== null && !drawn.trigger) return "trigger";
    if (drawn !== null && drawn.actions === 0) return "action";
    return drawn === null && flow.version === null ? "trigger" : "publish";
  }
  const [trigger] = flow.deployment?.steps ?? [];
  return trigger !== undefined && Math.max(trigger.emitted, trigger.received) > 0 ? "done" : "event";
}
