import { Button } from "@mantine/core";
import { IconArrowUpCircle } from "@tabler/icons-react";
import type { Flow } from "@/api/flows";

/** Says that steps run older code than was pushed; nothing when all is up to date. */
export function NewerButton({ flow, onClick }: { flow: Flow; onClick: () => void }) {
  if (flow.outdated.length === 0) return null;
  return (
    <Button
      size="xs"
      variant="default"
      leftSection={<IconArrowUpCircle size={16} color="var(--mantine-color-orange-6)" aria-hidden />}
      onClick={onClick}
    >
      {`Newer code (${flow.outdated.length})`}
    </Button>
  );
}
