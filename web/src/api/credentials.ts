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
