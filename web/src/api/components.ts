import { queryOptions } from "@tanstack/react-query";
import { all, answer, client } from "@/api/client";
import type { components as schema } from "@/api/schema";

export type Component = schema["schemas"]["ComponentView"];
export type Offer = schema["schemas"]["OfferView"];
export type ComponentVersion = schema["schemas"]["VersionView"];
export type StepOf = schema["schemas"]["StepOf"];

export const components = {
  list: () =>
    queryOptions({
      queryKey: ["components", "list"],
      queryFn: ({ signal }) =>
        all((cursor) =>
          answer(
            client.GET("/api/v1/components", { params: { query: cursor === undefined ? {} : { cursor } }, signal }),
          ),
        ),
    }),
  one: (name: string) =>
    queryOptions({
      queryKey: ["components", name, "component"],
      queryFn: ({ signal }) => answer(client.GET("/api/v1/components/{name}", { params: { path: { name } }, signal })),
    }),
  /** What its build said; read again while it is built. */
  log: ({ component, revision, state }: ComponentVersion) =>
    queryOptions({
      queryKey: ["components", component, "log", revision, state],
      queryFn: ({ signal }) =>
        answer(
          client.GET("/api/v1/components/{name}/versions/{revision}/log", {
            params: { path: { name: component, revision } },
            parseAs: "text",
            signal,
          }),
        ),
      refetchInterval: state === "building" || state === "pushed" ? 500 : false,
    }),
  versions: (name: string) =>
    queryOptions({
      queryKey: ["components", name, "versions"],
      queryFn: ({ signal }) =>
        all((cursor) =>
          answer(
            client.GET("/api/v1/components/{name}/versions", {
              params: { path: { name }, query: cursor === undefined ? {} : { cursor } },
              signal,
            }),
          ),
        ),
    }),
  version: (name: string, revision: number) =>
    queryOptions({
      queryKey: ["components", name, "version", revision],
      queryFn: ({ signal }) =>
        answer(
          client.GET("/api/v1/components/{name}/versions/{revision}", { params: { path: { name, revision } }, signal }),
        ),
      staleTime: 60_000,
    }),
  /** What a step takes and gives, as JSON Schemas; asked of the component's code where that works it out. */
  metaModel: (name: string, step: StepOf) =>
    queryOptions({
      queryKey: ["components", name, "meta-model", step],
      queryFn: ({ signal }) =>
        answer(client.POST("/api/v1/components/{name}/meta-model", { params: { path: { name } }, body: step, signal })),
      staleTime: 60_000,
      retry: false,
    }),
  /** `dependsOn`: what the answer depends on; by default the whole step. */
  choices: (name: string, step: StepOf, field: string, dependsOn: unknown = step) =>
    queryOptions({
      queryKey: ["components", name, "choices", step.kind, step.function, field, dependsOn],
      queryFn: ({ signal }) =>
        answer(
          client.POST("/api/v1/components/{name}/choices", {
            params: { path: { name } },
            body: { ...step, field },
            signal,
          }),
        ),
      staleTime: 60_000,
      retry: false,
    }),
};

/** What a step would get that moves from one revision to another. */
export function commitsBetween(name: string, since: number, revision: number) {
  return queryOptions({
    queryKey: ["components", name, "commits", since, revision],
    queryFn: ({ signal }) =>
      answer(
        client.GET("/api/v1/components/{name}/versions/{revision}/commits", {
          params: { path: { name, revision }, query: { since } },
          signal,
        }),
      ),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** Environment variables of a component: which are set, which are needed; never a value. */
export function variablesOf(name: string) {
  return queryOptions({
    queryKey: ["components", name, "variables"],
    queryFn: ({ signal }) =>
      answer(client.GET("/api/v1/components/{name}/variables", { params: { path: { name } }, signal })),
  });
}

/** Set values; null takes one away, others stay. */
export function setVariables(name: string, values: Record<string, string | null>) {
  return answer(client.PATCH("/api/v1/components/{name}/variables", { params: { path: { name } }, body: { values } }));
}

/** Who uses a component, and what a rollout would do with each. */
export function rolloutPlan(name: string) {
  return queryOptions({
    queryKey: ["components", name, "rollout"],
    queryFn: ({ signal }) =>
      answer(client.GET("/api/v1/components/{name}/rollout", { params: { path: { name } }, signal })),
    // Publishes move flows, too, and say nothing of components.
    refetchInterval: 5_000,
  });
}

/** The version that a selector of a flow document means; null: there is none. */
export function selected(versions: readonly ComponentVersion[], selector: string): ComponentVersion | null {
  if (selector === "latest") return versions.find((each) => each.is_latest) ?? null;
  const same = (each: ComponentVersion) => String(each.revision) === selector || each.semver === selector;
  return versions.find(same) ?? null;
}

/** A line of the stream; the OpenAPI file knows streams as text only. The last one has no flow. */
export interface RolloutLine {
  flow: string | null;
  state: "publishing" | "live" | "unchanged" | "failed" | "done" | "stopped";
  reason: string;
  published: number;
  left: number;
}

/** Move every flow that is behind to the latest version, one after the other; told line by line. Ends with the last. */
export async function rollOut(name: string, tell: (line: RolloutLine) => void): Promise<RolloutLine | null> {
  const stream = await answer(
    client.POST("/api/v1/components/{name}/rollout", { params: { path: { name } }, body: {}, parseAs: "stream" }),
  );
  if (!stream) return null;
  let [last, rest]: [RolloutLine | null, string] = [null, ""];
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const lines = (rest + part.value).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      last = JSON.parse(line) as RolloutLine;
      tell(last);
    }
  }
  return last;
}
