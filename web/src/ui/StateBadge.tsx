import { Badge, type MantineColor } from "@mantine/core";
import type { components } from "@/api/schema";

export type State = components["schemas"]["FlowView"]["state"] | "suspended";

/** "Not ready yet" and "broken" are two colours. */
const COLORS: Record<State, MantineColor> = {
  live: "teal",
  warming: "blue",
  ready: "blue",
  draining: "indigo",
  standby: "indigo",
  suspended: "orange",
  stopped: "gray",
  failed: "red",
};

export function StateBadge({ state }: { state: State }) {
  return (
    <Badge variant="light" color={COLORS[state]}>
      {state}
    </Badge>
  );
}
