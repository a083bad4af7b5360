import { Group, Kbd, Modal, NavLink, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { type Command, keyLabel, matchingCommands } from "@/features/designer/commands";

interface Props {
  commands: Command[];
  opened: boolean;
  onClose: () => void;
}

/** All commands that are possible now, to be found by typing; each shows its key, so this is the sheet of keys too. */
export function Palette({ commands, opened, onClose }: Props) {
  return (
    <Modal opened={opened} onClose={onClose} title="Commands" padding="sm" size="md" yOffset="10vh">
      <Found commands={commands} onClose={onClose} />
    </Modal>
  );
}

function Found({ commands, onClose }: Omit<Props, "opened">) {
  const [search, setSearch] = useState("");
  const found = matchingCommands(commands, search);
  const perform = (command: Command | undefined) => {
    if (command === undefined) return;
    onClose();
    command.perform();
  };
  return (
    <Stack gap="xs">
      <TextInput
        aria-label="Search commands"
        placeholder="What do you want to do?"
        value={search}
        onChange={(event) => setSearch(event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Enter" && perform(found[0])}
        data-autofocus
      />
      {found.length === 0 && <Text c="dimmed">No such command.</Text>}
      <div>
        {found.map((command) => (
          <NavLink
            key={command.id}
            component="button"
            label={command.label}
            rightSection={
              command.keys && (
                <Group gap={4}>
                  <Kbd>{keyLabel(command.keys)}</Kbd>
                </Group>
              )
            }
            onClick={() => perform(command)}
          />
        ))}
      </div>
    </Stack>
  );
}
