import { queryOptions } from "@tanstack/react-query";
import { answer, client } from "@/api/client";
import type { components } from "@/api/schema";

export type Traffic = components["schemas"]["TrafficView"];

const LOOK_EVERY = 5_000;

/** What passed one flow in the last minutes, or all of them. */
export const traffic = {
  of: (flow: string | null) =>
    queryOptions({
      queryKey: ["traffic", flow],
      queryFn: ({ signal }) =>
        answer(client.GET("/api/v1/traffic", { params: { query: flow === null ? {} : { flow } }, signal })),
      refetchInterval: LOOK_EVERY,
    }),
};
