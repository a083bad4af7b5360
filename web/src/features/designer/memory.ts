/** What a browser keeps of a draft: its history, and what the server had when that was written. */
import type { History } from "@/features/designer/history";

export type Memory = Pick<Storage, "getItem" | "setItem">;

export interface Kept {
  texts: readonly string[];
  at: number;
  /** What the server had; null: no draft. */
  stored: string | null;
}

const keyOf = (id: string) => `headrace.history.${id}`;

export function recalled(memory: Memory, id: string): Kept | null {
  try {
    const { texts, at, stored } = JSON.parse(memory.getItem(keyOf(id)) ?? "null") as Kept;
    const readable = Array.isArray(texts) && texts.every((each) => typeof each === "string");
    const text = readable ? texts[at] : undefined;
    return text === undefined ? null : { texts, at, stored: stored === undefined ? text : stored };
  } catch {
    return null;
  }
}

/** The text in it that the server never had; null: it had all of it. */
export function unsavedIn(kept: Kept): string | null {
  const text = kept.texts[kept.at];
  return text === undefined || text === kept.stored ? null : text;
}

/** As much of the past as the browser has room for. */
export function remember(memory: Memory, id: string, history: History, stored: string | null): void {
  let { texts, at } = history;
  while (texts.length > 0) {
    try {
      memory.setItem(keyOf(id), JSON.stringify({ texts, at, stored } satisfies Kept));
      return;
    } catch {
      const forgotten = Math.ceil(texts.length / 2);
      if (forgotten > at) return;
      texts = texts.slice(forgotten);
      at -= forgotten;
    }
  }
}

/** It was thrown away on purpose. */
export function forget(memory: Pick<Storage, "removeItem">, id: string): void {
  memory.removeItem(keyOf(id));
}
