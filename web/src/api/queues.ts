import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { answer, client } from "@/api/client";
import type { components } from "@/api/schema";

export type Queues = components["schemas"]["Queues"];
export type Queued = components["schemas"]["QueuedView"];
export type Which = "waiting" | "recent";

const LOOK_EVERY = 2_000;
const SHOWN = 50;

export const queues = {
  of: (flow: string) =>
    queryOptions({
      queryKey: ["flows", flow, "queues"],
      queryFn: ({ signal }) =>
        answer(client.GET("/api/v1/flows/{name}/queues", { params: { path: { name: flow } }, signal })),
      refetchInterval: LOOK_EVERY,
    }),
  messages: (flow: string, step: string, after: string, which: Which) =>
    infiniteQueryOptions({
      queryKey: ["flows", flow, "queue", step, after, which],
      queryFn: ({ pageParam, signal }) =>
        answer(
          client.GET("/api/v1/flows/{name}/queues/{step}/messages", {
            params: {
              path: { name: flow, step },
              query: { after, which, limit: SHOWN, ...(pageParam === null ? {} : { cursor: pageParam }) },
            },
            signal,
          }),
        ),
      initialPageParam: null as string | null,
      getNextPageParam: (page) => page.next,
      refetchInterval: LOOK_EVERY,
    }),
  /** What a message holds never changes; it may be gone one day. */
  message: (flow: string, seq: number) =>
    queryOptions({
      queryKey: ["flows", flow, "message", seq],
      queryFn: ({ signal }) =>
        answer(client.GET("/api/v1/flows/{name}/messages/{seq}", { params: { path: { name: flow, seq } }, signal })),
      staleTime: Number.POSITIVE_INFINITY,
    }),
};
