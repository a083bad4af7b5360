import { queryOptions } from "@tanstack/react-query";
import { answer, client } from "@/api/client";
import type { components } from "@/api/schema";

export type Traffic = components["schemas"]["TrafficView"];

const LOOK_EVERY = 5_000;

/** What passed all flows in the last minutes. */
export const traffic = {
  all: () =>
    queryOptions({
      queryKey: ["traffic"],
      queryFn: ({ signal }) => answer(client.GET("/api/v1/traffic", { signal })),
      refetchInterval: LOOK_EVERY,
    }),
};
