import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { answer, client } from "@/api/client";
import { executionLog } from "@/api/logs";
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

export type ExecutionFilter = { flow?: string; state?: Execution["state"]; version?: number; since?: number };
/** Errors that are alike: of one step, for one reason, of one kind. */
export type Kind = { flow: string; step: string; reason: string; name: string };

export const executions = {
  list: (filter: ExecutionFilter) =>
    queryOptions({
      queryKey: ["executions", "list", filter],
      queryFn: ({ signal }) =>
        answer(client.GET("/api/v1/executions", { params: { query: { ...filter, limit: SHOWN } }, signal })),
      refetchInterval: LOOK_EVERY,
    }),
  /** The same, with those before them, page by page. */
  pages: (filter: ExecutionFilter) =>
    infiniteQueryOptions({
      queryKey: ["executions", "pages", filter],
      queryFn: ({ pageParam, signal }) => {
        const cursor = pageParam === null ? {} : { cursor: pageParam };
        return answer(
          client.GET("/api/v1/executions", { params: { query: { ...filter, ...cursor, limit: SHOWN } }, signal }),
        );
      },
      initialPageParam: null as string | null,
      getNextPageParam: (page) => page.next,
      refetchInterval: LOOK_EVERY,
    }),
  /** What a step emitted in an execution. */
  outputs: (id: string, step: string) =>
    queryOptions({
      queryKey: ["executions", id, "outputs", step],
      queryFn: ({ signal }) =>
        answer(
          client.GET("/api/v1/executions/{execution_id}/outputs", {
            params: { path: { execution_id: id }, query: { step } },
            signal,
          }),
        ),
    }),
  /** What was written while its messages were at work; `running`: there may be more. */
  log: (id: string, flow: string, running: boolean) =>
    queryOptions({
      queryKey: ["executions", id, "log"],
      queryFn: ({ signal }) => executionLog(flow, id, signal),
      refetchInterval: running ? LOOK_EVERY : false,
    }),
  /** How many open errors are like one. */
  alike: (kind: Kind) =>
    queryOptions({
      queryKey: ["errors", "count", kind],
      queryFn: ({ signal }) => answer(client.GET("/api/v1/errors/count", { params: { query: kind }, signal })),
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

export function retryAll(kind: Kind) {
  return answer(client.POST("/api/v1/errors/retry", { body: kind }));
}
