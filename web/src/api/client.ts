import createClient from "openapi-fetch";
import { Offline, Problem, type ProblemDocument } from "@/api/problem";
import type { paths } from "@/api/schema";

export const client = createClient<paths>({ baseUrl: "", credentials: "same-origin" });

interface Called<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** What a call brought; throws `Problem` when it was refused and `Offline` when nobody answered. */
export async function answer<T>(call: Promise<Called<T>>): Promise<T> {
  let called: Called<T>;
  try {
    called = await call;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Offline(error);
  }
  if (!called.response.ok) throw new Problem(called.response.status, asDocument(called.error));
  return called.data as T;
}

function asDocument(error: unknown): Partial<ProblemDocument> {
  return typeof error === "object" && error !== null ? (error as Partial<ProblemDocument>) : {};
}

/** Every item of a list, page after page. */
export async function all<T>(page: (cursor: string | undefined) => Promise<{ items: T[]; next: string | null }>) {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const part = await page(cursor);
    items.push(...part.items);
    cursor = part.next ?? undefined;
  } while (cursor !== undefined);
  return items;
}
