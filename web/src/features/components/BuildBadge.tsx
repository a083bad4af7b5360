import { Badge } from "@mantine/core";
import type { ComponentVersion } from "@/api/components";

const SHOWN = {
  pushed: ["waits for its build", "blue"],
  building: ["building", "blue"],
  ready: ["built", "teal"],
  failed: ["failed", "red"],
} as const;

export function BuildBadge({ state }: { state: ComponentVersion["state"] }) {
  const [text, color] = SHOWN[state];
  return (
    <Badge size="sm" variant="light" color={color}>
      {text}
    </Badge>
  );
}
