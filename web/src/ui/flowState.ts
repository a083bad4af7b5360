import type { Flow } from "@/api/flows";
import type { State } from "@/ui/StateBadge";

/** The one word that says how a flow is: a suspended flow runs, but processes nothing. */
export function flowState(flow: Flow): State {
  if (flow.wish === "suspended") return "suspended";
  return flow.coming !== null && flow.state !== "live" ? flow.coming.state : flow.state;
}
