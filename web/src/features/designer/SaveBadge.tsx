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

interface Props {
  save: SaveState;
  error: Error | null;
  /** It is what was published: there is no draft. */
  published: boolean;
}

export function SaveBadge({ save, error, published }: Props) {
  const [text, color] = save === "saved" && published ? (["Published", "teal"] as const) : SHOWN[save];
  return (
    <Tooltip label={error?.message} disabled={error === null}>
      <Badge role="status" variant="light" color={color}>
        {text}
      </Badge>
    </Tooltip>
  );
}
