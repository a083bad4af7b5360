import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { createStore, useStore } from "zustand";

export type Connection = "connecting" | "open" | "lost";

const connection = createStore<{ state: Connection }>(() => ({ state: "connecting" }));

export function useConnection(): Connection {
  return useStore(connection).state;
}

/** Events are hints: what they may have changed is read again, and everything after a reconnect. */
export function useLiveEvents(enabled: boolean): void {
  const queries = useQueryClient();
  useEffect(() => {
    if (!enabled) return;
    const source = new EventSource("/api/v1/events");
    source.addEventListener("hello", () => {
      const missed = connection.getState().state === "lost";
      connection.setState({ state: "open" });
      if (missed) void queries.invalidateQueries();
    });
    for (const kind of ["flow", "component", "credential", "seat", "test", "sample"]) {
      source.addEventListener(kind, (event) => heard(queries, kind, event.data));
    }
    source.onerror = () => connection.setState({ state: "lost" });
    return () => source.close();
  }, [enabled, queries]);
}

/** What of a flow an event of this kind is about. */
const OF_A_FLOW: Record<string, string> = { seat: "seat", test: "tests", sample: "samples" };

/** Query keys begin with the plural of the noun, then its name. */
function heard(queries: QueryClient, kind: string, data: string): void {
  const told = JSON.parse(data) as Record<string, unknown>;
  const name = told[kind];
  const part = OF_A_FLOW[kind];
  if (part !== undefined) {
    void queries.invalidateQueries({ queryKey: ["flows", told.flow, part] });
    return;
  }
  void queries.invalidateQueries({ queryKey: [`${kind}s`, "list"] });
  void queries.invalidateQueries({ queryKey: [`${kind}s`, name] });
  if (kind === "component") void queries.invalidateQueries({ queryKey: ["flows"] });
}
