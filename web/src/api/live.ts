import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { createStore, useStore } from "zustand";

export type Connection = "connecting" | "open" | "lost";

const connection = createStore<{ state: Connection }>(() => ({ state: "connecting" }));

export function useConnection(): Connection {
  return useStore(connection).state;
}

/** The server sends a sign of life every 15 s. */
const SILENT_AFTER = 40_000;
/** A browser takes up a connection by itself, but not after an answer that is none, such as that of a proxy. */
const AGAIN_AFTER = 2_000;

interface Heard {
  /** By the kind of event; `data` is its JSON. */
  events: Record<string, (data: string) => void>;
  onState: (state: Connection) => void;
}

/** Follow a stream of events, through every lost connection, until the function it returns is called. */
export function follow(path: string, { events, onState }: Heard): () => void {
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const watch = (after: number) => {
    clearTimeout(timer);
    timer = setTimeout(again, after);
  };
  const again = () => {
    if (source !== null) onState("lost");
    source?.close();
    open();
  };
  const open = () => {
    const opened = new EventSource(path);
    source = opened;
    watch(SILENT_AFTER);
    for (const [kind, heard] of Object.entries<(data: string) => void>({ beat: () => {}, ...events })) {
      opened.addEventListener(kind, (event) => {
        watch(SILENT_AFTER);
        heard(event.data);
      });
    }
    opened.addEventListener("hello", () => {
      watch(SILENT_AFTER);
      onState("open");
    });
    opened.onerror = () => {
      onState("lost");
      watch(opened.readyState === EventSource.CLOSED ? AGAIN_AFTER : SILENT_AFTER);
    };
  };
  open();
  return () => {
    clearTimeout(timer);
    source?.close();
  };
}

/** Events are hints: what they may have changed is read again, and everything after a reconnect. */
export function useLiveEvents(enabled: boolean): void {
  const queries = useQueryClient();
  useEffect(() => {
    if (!enabled) return;
    const kinds = ["flow", "component", "credential", "seat", "test", "sample"];
    return follow("/api/v1/events", {
      events: Object.fromEntries(kinds.map((kind) => [kind, (data: string) => heard(queries, kind, data)])),
      onState: (state) => {
        const missed = state === "open" && connection.getState().state === "lost";
        connection.setState({ state });
        if (missed) void queries.invalidateQueries();
      },
    });
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
  // Lint of drafts asks for both.
  if (kind !== "flow") void queries.invalidateQueries({ queryKey: ["flows"] });
}
