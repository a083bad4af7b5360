import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { answer, client } from "@/api/client";
import type { components as schema } from "@/api/schema";

export type Evaluated = schema["schemas"]["Evaluated"];
export type Trial = schema["schemas"]["Trial"];

export const expressions = {
  /** The server's own engine evaluates: what is shown here is what a worker would do. */
  evaluate: (trial: Trial) =>
    queryOptions({
      queryKey: ["expressions", trial],
      queryFn: ({ signal }) => answer(client.POST("/api/v1/expressions/evaluate", { body: trial, signal })),
      staleTime: Number.POSITIVE_INFINITY,
      gcTime: 60_000,
      placeholderData: keepPreviousData,
    }),
};
