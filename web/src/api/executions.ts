import { queryOptions } from "@tanstack/react-query";
import { answer, client } from "@/api/client";
import { Problem } from "@/api/problem";
import type { components as schema } from "@/api/schema";

export type Execution = schema["schemas"]["ExecutionView"];
export type ExecutionDetail = schema["schemas"]["ExecutionDetail"];
export type Processed = schema["schemas"]["ProcessedView"];
export type FlowError = schema["schemas"]["ErrorView"];

/** What is shown at once; older ones are found by filters. */
const SHOWN = 100;
const LOOK_EVERY = 2_000;
/** An execution that has just begun is recorded a moment later: it is asked for again so often. */
const NOT_YET = 8;

export type ExecutionFilter = { flow?: string; state?: Execution["state"]; version?: number };

export const executions = {
  list: (filter: ExecutionFilter) =>
    queryOptions({
      queryKey: ["executions", "list", filter],
      queryFn: ({ signal }) =>
        answer(client.GET("/api/v1/executions", { params: { query: { ...filter, limit: SHOWN } }, signal })),
      refetchInterval: LOOK_EVERY,
    }),
  one: (id: string) =>
    queryOptions({
      queryKey: ["executions", id],
      queryFn: ({ signal }) =>
        answer(client.GET("/api/v1/executions/{execution_id}", { params: { path: { execution_id: id } }, signal })),
      refetchInterval: (query) => (query.state.data?.state === "running" ? LOOK_EVERY : false),
      retry: (failures, error) => error instanceof Problem && error.status === 404 && failures < NOT_YET,
      retryDelay: 400,
    }),
  errors: (filter: { flow?: string; execution?: string; state?: FlowError["state"] }) =>
    queryOptions({
      queryKey: ["errors", "list", filter],
      queryFn: ({ signal }) =>
        answer(client.GET("/api/v1/errors", { params: { query: { ...filter, limit: SHOWN } }, signal })),
      refetchInterval: LOOK_EVERY,
    }),
  error: (id: string) =>
    queryOptions({
      queryKey: ["errors", id],
      queryFn: ({ signal }) =>
        answer(client.GET("/api/v1/errors/{error_id}", { params: { path: { error_id: id } }, signal })),
    }),
};

/** Run an error's message again; `body` instead of the step's own input. */
export function retry(id: string, body?: unknown) {
  const how = body === undefined ? {} : { body };
  return answer(client.POST("/api/v1/errors/{error_id}/retry", { params: { path: { error_id: id } }, body: how }));
}

export function retryAll(flow: string, step: string) {
  return answer(client.POST("/api/v1/errors/retry", { body: { flow, step } }));
}
