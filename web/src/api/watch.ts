import { useEffect, useState } from "react";
import { answer, client } from "@/api/client";
import { type Connection, follow } from "@/api/live";
import type { components } from "@/api/schema";

export type Seen = components["schemas"]["Seen"];
export type Passing = components["schemas"]["Passing"];

export interface WatchFilter {
  step: string;
  to: string;
  text: string;
  where: string;
}

/** What a watch has shown so far, and how much it has not. */
export interface Watched {
  items: readonly Seen[];
  passed: number;
  leftOut: number;
  unmatched: number;
  trouble: string;
}

/** Messages kept on the page. */
const KEPT = 200;

export const NOTHING_YET: Watched = { items: [], passed: 0, leftOut: 0, unmatched: 0, trouble: "" };

/** What was shown, with what one more look brought; newest first. */
export function watched(before: Watched, look: Passing): Watched {
  return {
    items: [...look.items, ...before.items].slice(0, KEPT),
    passed: before.passed + look.passed,
    leftOut: before.leftOut + look.left_out,
    unmatched: before.unmatched + look.unmatched,
    trouble: look.trouble || before.trouble,
  };
}

/** Messages as they pass, while `on`; `onLook` hears of each look. */
export function useWatch(flow: string, filter: WatchFilter, on: boolean, onLook: (look: Passing) => void) {
  const [shown, setShown] = useState<Watched>(NOTHING_YET);
  const [state, setState] = useState<Connection>("connecting");
  const query = new URLSearchParams(Object.entries(filter).filter(([, value]) => value !== "")).toString();
  // biome-ignore lint/correctness/useExhaustiveDependencies: whoever hears of looks may be another function each time
  useEffect(() => {
    if (!on) return;
    setShown(NOTHING_YET);
    setState("connecting");
    return follow(`/api/v1/flows/${flow}/watch${query && `?${query}`}`, {
      events: {
        passing: (data) => {
          const look = JSON.parse(data) as Passing;
          setShown((before) => watched(before, look));
          onLook(look);
        },
      },
      onState: setState,
    });
  }, [flow, query, on]);
  return { shown, state };
}

/** Why a condition is none; null when it is one, or empty. */
export async function mistakeIn(expression: string): Promise<string | null> {
  if (expression.trim() === "") return null;
  const message = { body: {}, headers: {}, attachments: {} };
  const { mistake } = await answer(
    client.POST("/api/v1/expressions/evaluate", { body: { expression, message, steps: {} } }),
  );
  return mistake?.code.startsWith("S") ? mistake.message : null;
}
