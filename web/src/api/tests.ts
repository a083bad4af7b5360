import { queryOptions } from "@tanstack/react-query";
import { all, answer, client } from "@/api/client";
import type { components } from "@/api/schema";

export type Test = components["schemas"]["TestView"];
export type TestDetail = components["schemas"]["TestDetail"];
export type StepResult = components["schemas"]["StepResult"];
export type StepCall = components["schemas"]["StepCall"];
export type Sample = components["schemas"]["SampleView"];
export type Asked = components["schemas"]["RunTest"];

/** Milliseconds between two looks at a test that is under way. Events tell of its end sooner. */
const LOOK_EVERY = 300;

export function hasEnded(test: Test): boolean {
  return test.ended_at !== null;
}

export const tests = {
  list: (flow: string) =>
    queryOptions({
      queryKey: ["flows", flow, "tests"],
      queryFn: ({ signal }) =>
        answer(client.GET("/api/v1/flows/{name}/tests", { params: { path: { name: flow } }, signal })),
    }),
  one: (flow: string, number: number) =>
    queryOptions({
      queryKey: ["flows", flow, "tests", number],
      queryFn: ({ signal }) =>
        answer(client.GET("/api/v1/flows/{name}/tests/{number}", { params: { path: { name: flow, number } }, signal })),
      refetchInterval: (query) => (query.state.data && hasEnded(query.state.data) ? false : LOOK_EVERY),
    }),
  samples: (flow: string) =>
    queryOptions({
      queryKey: ["flows", flow, "samples"],
      queryFn: ({ signal }) =>
        all((cursor) =>
          answer(
            client.GET("/api/v1/flows/{name}/samples", {
              params: { path: { name: flow }, query: cursor === undefined ? {} : { cursor } },
              signal,
            }),
          ),
        ),
    }),
};

/** Try the saved draft; the answer comes at once, with the number to ask by. */
export function runTest(flow: string, asked: Asked) {
  return answer(client.POST("/api/v1/flows/{name}/tests", { params: { path: { name: flow } }, body: asked }));
}

export function endTests(flow: string): Promise<unknown> {
  return answer(client.DELETE("/api/v1/flows/{name}/tests", { params: { path: { name: flow } } }));
}

export type NewSample = components["schemas"]["NewSample"];

export function putSample(flow: string, step: string, body: NewSample) {
  return answer(client.PUT("/api/v1/flows/{name}/samples/{step}", { params: { path: { name: flow, step } }, body }));
}

export function removeSample(flow: string, step: string): Promise<unknown> {
  return answer(client.DELETE("/api/v1/flows/{name}/samples/{step}", { params: { path: { name: flow, step } } }));
}
