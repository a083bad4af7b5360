import { ActionIcon, Group, Stack, Textarea, Title } from "@mantine/core";
import { IconX } from "@tabler/icons-react";

interface Props {
  text: string;
  onChange: (text: string) => void;
  onClose: () => void;
}

/** The document as it is written: what the canvas shows, and everything it does not. */
export function TextPanel({ text, onChange, onClose }: Props) {
  return (
    <Stack h="100%" gap={0} component="section" aria-label="Text">
      <Group justify="space-between" p="sm">
        <Title order={2} size="h4">
          Text
        </Title>
        <ActionIcon variant="subtle" color="gray" aria-label="Close" onClick={onClose}>
          <IconX size={18} />
        </ActionIcon>
      </Group>
      <Textarea
        flex={1}
        mih={0}
        px="sm"
        pb="sm"
        aria-label="Flow document"
        value={text}
        spellCheck={false}
        onChange={(event) => onChange(event.currentTarget.value)}
        styles={{
          wrapper: { height: "100%" },
          input: { height: "100%", fontFamily: "var(--mantine-font-family-monospace)", fontSize: 13 },
        }}
      />
    </Stack>
  );
}
