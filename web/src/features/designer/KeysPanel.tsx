import { Group, Kbd, ScrollArea, Stack, Text, Title } from "@mantine/core";
import { type Command, GROUPS, keyLabel } from "@/features/designer/commands";
import { Panel } from "@/ui/Panel";

/** The sheet of keys, beside the canvas. */
export function KeysPanel({ commands, onClose }: { commands: readonly Command[]; onClose: () => void }) {
  return (
    <Panel title="Keys" onClose={onClose}>
      <ScrollArea flex={1} mih={0} p="sm" viewportProps={{ tabIndex: 0, "aria-label": "All keys" }}>
        <Stack gap="lg">
          {GROUPS.map((group) => (
            <section key={group} aria-label={group}>
              <Title order={3} size="h6" mb="xs">
                {group}
              </Title>
              <Stack gap={6}>
                {commands
                  .filter((command) => command.group === group && command.keys.length > 0)
                  .map((command) => (
                    <Group key={command.id} justify="space-between" wrap="nowrap" gap="xs">
                      <Text size="sm">{command.label}</Text>
                      <Group gap={4} wrap="nowrap">
                        {[...new Set(command.keys.map(keyLabel))].map((label) => (
                          <Kbd key={label}>{label}</Kbd>
                        ))}
                      </Group>
                    </Group>
                  ))}
              </Stack>
            </section>
          ))}
        </Stack>
      </ScrollArea>
    </Panel>
  );
}
