import { useSearchParams } from "wouter";

/** What stands beside the canvas of a running flow; it is in the address, with its filters. */
export type Beside = "log" | "watch" | "versions" | "updates" | "edge" | null;

const PANELS = ["log", "watch", "versions", "updates", "edge"] as const;
const FILTERS = ["edge", "step", "to", "level", "text", "where"];

/** The panel that is open, the edge it may be about, and a way to open another, with filters to begin with. */
export function useBeside() {
  const [search, setSearch] = useSearchParams();
  const open = (panel: Beside, filters: Record<string, string> = {}) =>
    setSearch(
      (now) => {
        const next = new URLSearchParams(now);
        for (const key of ["panel", ...FILTERS]) next.delete(key);
        if (panel !== null) next.set("panel", panel);
        for (const [key, value] of Object.entries(filters)) next.set(key, value);
        return next;
      },
      { replace: true },
    );
  const beside: Beside = PANELS.find((each) => each === search.get("panel")) ?? null;
  return { beside, edge: search.get("edge"), open };
}
