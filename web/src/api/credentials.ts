import { queryOptions } from "@tanstack/react-query";
import { all, answer, client } from "@/api/client";
import type { components as schema } from "@/api/schema";

export type Credential = schema["schemas"]["CredentialView"];

export const credentials = {
  list: () =>
    queryOptions({
      queryKey: ["credentials", "list"],
      queryFn: ({ signal }) =>
        all((cursor) =>
          answer(
            client.GET("/api/v1/credentials", { params: { query: cursor === undefined ? {} : { cursor } }, signal }),
          ),
        ),
    }),
};

export function createCredential(made: schema["schemas"]["NewCredential"]) {
  return answer(client.POST("/api/v1/credentials", { body: made }));
}

const path = (name: string) => ({ params: { path: { name } } });

/** Set the values that are given; others stay, and null takes one away. */
export function editCredential(name: string, values: Record<string, unknown>) {
  const given = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== "" && value !== undefined));
  return answer(client.PATCH("/api/v1/credentials/{name}", { ...path(name), body: { values: given, verify: true } }));
}

export function verifyCredential(name: string) {
  return answer(client.POST("/api/v1/credentials/{name}/verify", path(name)));
}

export function removeCredential(name: string) {
  return answer(client.DELETE("/api/v1/credentials/{name}", path(name)));
}

/** The address at which a person agrees, to be opened in a browser within ten minutes. */
export function connectCredential(name: string) {
  return answer(client.POST("/api/v1/credentials/{name}/connect", path(name)));
}
