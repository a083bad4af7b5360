import { queryOptions } from "@tanstack/react-query";
import { answer, client } from "@/api/client";
import type { components } from "@/api/schema";

/** Who edits a draft, and whether that is this page. */
export type Seat = components["schemas"]["SeatView"];

/** The server gives a seat away half a minute after it was last asked for. */
const ASK_EVERY = 10_000;
const KEY = "headrace.page";

/** An id for this page that outlives its reloads. */
function page(): string {
  const known = sessionStorage.getItem(KEY);
  if (known !== null) return known;
  const made = Array.from(crypto.getRandomValues(new Uint32Array(4)), (each) => each.toString(36)).join("");
  sessionStorage.setItem(KEY, made);
  return made;
}

const path = (name: string) => ({ params: { path: { name } } });

export const seats = {
  /** Asking for it is what keeps it. */
  of: (name: string) =>
    queryOptions({
      queryKey: ["flows", name, "seat"],
      queryFn: ({ signal }) =>
        answer(client.PUT("/api/v1/flows/{name}/draft/seat", { ...path(name), body: { holder: page() }, signal })),
      refetchInterval: ASK_EVERY,
      refetchIntervalInBackground: true,
      staleTime: 0,
      gcTime: 0,
    }),
};

export function takeSeat(name: string): Promise<Seat> {
  const body = { holder: page(), take: true };
  return answer(client.PUT("/api/v1/flows/{name}/draft/seat", { ...path(name), body }));
}

export function leaveSeat(name: string): Promise<unknown> {
  const params = { path: { name }, query: { holder: page() } };
  return answer(client.DELETE("/api/v1/flows/{name}/draft/seat", { params }));
}
