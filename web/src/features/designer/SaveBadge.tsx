import { Badge, type MantineColor, Tooltip } from "@mantine/core";
import type { SaveState } from "@/features/designer/draft";

const SHOWN: Record<SaveState, [string, MantineColor]> = {
  saved: ["Saved", "teal"],
  changed: ["Saving", "blue"],
  saving: ["Saving", "blue"],
  offline: ["Offline, not saved yet", "orange"],
  conflict: ["Changed elsewhere", "orange"],
  failed: ["Not saved", "red"],
};

export function SaveBadge({ save, error }: { save: SaveState; error: Error | null }) {
  const [text, color] = SHOWN[save];
  return (
    <Tooltip label={error?.message} disabled={error === null}>
      <Badge role="status" variant="light" color={color}>
        {text}
      </Badge>
    </Tooltip>
  );
}
