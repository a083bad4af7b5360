import { queryOptions } from "@tanstack/react-query";
import { all, answer, client } from "@/api/client";
import type { components as schema } from "@/api/schema";

export type Token = schema["schemas"]["TokenView"];

export const platform = {
  status: () =>
    queryOptions({
      queryKey: ["platform", "status"],
      queryFn: ({ signal }) => answer(client.GET("/api/v1/status", { signal })),
    }),
  doctor: () =>
    queryOptions({
      queryKey: ["platform", "doctor"],
      queryFn: ({ signal }) => answer(client.GET("/api/v1/doctor", { signal })),
      staleTime: 30_000,
    }),
  /** What the server was started with. */
  settings: () =>
    queryOptions({
      queryKey: ["platform", "settings"],
      queryFn: ({ signal }) => answer(client.GET("/api/v1/settings", { signal })),
      staleTime: 60_000,
    }),
  tokens: () =>
    queryOptions({
      queryKey: ["tokens", "list"],
      queryFn: ({ signal }) =>
        all((cursor) =>
          answer(client.GET("/api/v1/tokens", { params: { query: cursor === undefined ? {} : { cursor } }, signal })),
        ),
    }),
};

export function makeToken(name: string) {
  return answer(client.POST("/api/v1/tokens", { body: { name } }));
}

export function revokeToken(id: number) {
  return answer(client.DELETE("/api/v1/tokens/{token_id}", { params: { path: { token_id: id } } }));
}
