import { type QueryClient, queryOptions } from "@tanstack/react-query";
import { all, answer, client } from "@/api/client";
import type { components } from "@/api/schema";

export type Flow = components["schemas"]["FlowView"];
export type Deployment = components["schemas"]["DeploymentView"];
export type Draft = components["schemas"]["DraftView"];
export type Version = components["schemas"]["ListedFlowVersion"];

/** Counters in the answers move all the time, so running flows are read again every so many milliseconds. */
const COUNTERS_EVERY = 2_000;

const path = (name: string) => ({ params: { path: { name } } });

export const flows = {
  list: () =>
    queryOptions({
      queryKey: ["flows", "list"],
      queryFn: ({ signal }) =>
        all((cursor) =>
          answer(client.GET("/api/v1/flows", { params: { query: cursor === undefined ? {} : { cursor } }, signal })),
        ),
      refetchInterval: COUNTERS_EVERY,
    }),
  one: (name: string) =>
    queryOptions({
      queryKey: ["flows", name, "flow"],
      queryFn: ({ signal }) => answer(client.GET("/api/v1/flows/{name}", { ...path(name), signal })),
      refetchInterval: COUNTERS_EVERY,
    }),
  version: (name: string, number: number) =>
    queryOptions({
      queryKey: ["flows", name, "version", number],
      queryFn: ({ signal }) =>
        answer(client.GET("/api/v1/flows/{name}/versions/{number}", { params: { path: { name, number } }, signal })),
      staleTime: Number.POSITIVE_INFINITY,
    }),
  plan: (name: string) =>
    queryOptions({
      queryKey: ["flows", name, "plan"],
      queryFn: ({ signal }) =>
        answer(client.GET("/api/v1/flows/{name}/plan", { params: { path: { name }, query: {} }, signal })),
      staleTime: 0,
    }),
  /** While it is on its way it is read again and again: what people wait for they want to see move. */
  deployment: (name: string, epoch: number) =>
    queryOptions({
      queryKey: ["flows", name, "deployment", epoch],
      queryFn: ({ signal }) =>
        answer(client.GET("/api/v1/flows/{name}/deployments/{epoch}", { params: { path: { name, epoch } }, signal })),
      refetchInterval: (query) => (query.state.data && isSettled(query.state.data.state) ? COUNTERS_EVERY : 300),
    }),
  versions: (name: string) =>
    queryOptions({
      queryKey: ["flows", name, "versions"],
      queryFn: ({ signal }) =>
        all((cursor) =>
          answer(
            client.GET("/api/v1/flows/{name}/versions", {
              params: { path: { name }, query: cursor === undefined ? {} : { cursor } },
              signal,
            }),
          ),
        ),
    }),
  /** `from` and `to` are numbers of versions, `draft` or `running`. */
  diff: (name: string, from: string, to: string) =>
    queryOptions({
      queryKey: ["flows", name, "diff", from, to],
      queryFn: ({ signal }) =>
        answer(client.GET("/api/v1/flows/{name}/diff", { params: { path: { name }, query: { from, to } }, signal })),
      staleTime: 0,
    }),
  deployments: (name: string) =>
    queryOptions({
      queryKey: ["flows", name, "deployments"],
      queryFn: ({ signal }) =>
        answer(
          client.GET("/api/v1/flows/{name}/deployments", { params: { path: { name }, query: { limit: 50 } }, signal }),
        ),
    }),
  draft: (name: string) =>
    queryOptions({
      queryKey: ["flows", name, "draft"],
      queryFn: ({ signal }) => answer(client.GET("/api/v1/flows/{name}/draft", { ...path(name), signal })),
    }),
};

export type Wish = "start" | "stop" | "suspend" | "resume";

/** Say how a flow should be; returns when the server knows, not when it is so. */
export function wish(name: string, verb: Wish): Promise<unknown> {
  if (verb === "start") return answer(client.POST("/api/v1/flows/{name}/start", path(name)));
  if (verb === "stop") return answer(client.POST("/api/v1/flows/{name}/stop", { ...path(name), body: {} }));
  if (verb === "suspend") return answer(client.POST("/api/v1/flows/{name}/suspend", path(name)));
  return answer(client.POST("/api/v1/flows/{name}/resume", path(name)));
}

/** Run the newest version; the answer names the deployment. */
export function startFlow(name: string) {
  return answer(client.POST("/api/v1/flows/{name}/start", path(name)));
}

export function removeFlow(name: string): Promise<unknown> {
  return answer(client.DELETE("/api/v1/flows/{name}", path(name)));
}

export function saveDraft(name: string, document: string, tag: number | null) {
  return answer(client.PUT("/api/v1/flows/{name}/draft", { ...path(name), body: { document, tag } }));
}

export function isSettled(state: Deployment["state"]): boolean {
  return state !== "warming" && state !== "ready";
}

export function publish(name: string, how: { name: string; note: string; start: boolean }) {
  const body = { name: how.name || null, note: how.note || null, start: how.start || null };
  return answer(client.POST("/api/v1/flows/{name}/publish", { ...path(name), body }));
}

/** Call off a deployment that is on its way, until the switch. */
export function cancelDeployment(name: string, epoch: number) {
  return answer(client.POST("/api/v1/flows/{name}/cancel", { ...path(name), body: { epoch } }));
}

export function discardDraft(name: string): Promise<unknown> {
  return answer(client.DELETE("/api/v1/flows/{name}/draft", { params: { path: { name }, query: {} } }));
}

/** The text of one version. */
export async function documentOfVersion(name: string, number: number): Promise<string> {
  const which = { params: { path: { name, number } } };
  return (await answer(client.GET("/api/v1/flows/{name}/versions/{number}", which))).document;
}

/** The text of a flow: its draft, else its newest version. */
export async function documentOf(flow: Flow): Promise<string> {
  if (flow.has_draft || flow.version === null) {
    return (await answer(client.GET("/api/v1/flows/{name}/draft", path(flow.name)))).document;
  }
  return documentOfVersion(flow.name, flow.version);
}

/** What is shown of a flow is as it is now; the lists it is in, its versions and its plan follow, and nobody waits for them. */
export async function refreshed(queries: QueryClient, name: string): Promise<void> {
  await queries.invalidateQueries({ queryKey: flows.one(name).queryKey });
  void queries.invalidateQueries({ queryKey: ["flows"] });
}

/** Make the draft of a flow that has none, from its newest version; or find the one there is. */
export async function openedDraft(flow: Flow): Promise<void> {
  if (!flow.has_draft) await saveDraft(flow.name, await documentOf(flow), flow.draft_tag);
}

/** Publish an older version again; the answer names the deployment that is to take over. */
export function rollBack(name: string, version: number) {
  return answer(
    client.POST("/api/v1/flows/{name}/rollback", {
      ...path(name),
      body: { version, note: `Back to version ${version}` },
    }),
  );
}
