import { ActionIcon, Divider, Group, Stack, Title } from "@mantine/core";
import { IconX } from "@tabler/icons-react";
import type { ReactNode } from "react";

interface Props {
  title: string;
  /** What screen readers call it; the title by default. */
  label?: string;
  closeLabel?: string;
  /** Between the title and the button that closes. */
  tools?: ReactNode;
  onClose: () => void;
  children: ReactNode;
}

/** What stands beside the canvas: a title, a way to close it, and what it is about below. */
export function Panel({ title, label = title, closeLabel = "Close", tools, onClose, children }: Props) {
  return (
    <Stack h="100%" gap={0} component="section" aria-label={label}>
      <Group justify="space-between" p="sm" wrap="nowrap">
        <Title order={2} size="h4" lineClamp={1}>
          {title}
        </Title>
        <Group gap={4} wrap="nowrap">
          {tools}
          <ActionIcon variant="subtle" color="gray" aria-label={closeLabel} onClick={onClose}>
            <IconX size={18} />
          </ActionIcon>
        </Group>
      </Group>
      <Divider />
      {children}
    </Stack>
  );
}
