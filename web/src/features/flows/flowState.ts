import type { Flow } from "@/api/flows";
import type { State } from "@/ui/StateBadge";

/** The one word that says how a flow is: a suspended flow runs, but processes nothing. */
export function flowState(flow: Flow): State {
  if (flow.wish === "suspended") return "suspended";
  return flow.coming !== null && flow.state !== "live" ? flow.coming.state : flow.state;
}

/** Whether every word of the search is in the flow's name or state. */
export function matches(flow: Flow, search: string): boolean {
  const text = `${flow.name} ${flowState(flow)} ${flow.type} ${flow.has_draft ? "draft" : ""}`.toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
