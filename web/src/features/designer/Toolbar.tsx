import { ActionIcon, Button, Group, Title, Tooltip } from "@mantine/core";
import {
  IconArrowBackUp,
  IconArrowForwardUp,
  IconCommand,
  IconKeyboard,
  IconPlus,
  IconRocket,
  IconTrash,
  type TablerIcon,
} from "@tabler/icons-react";
import type { ReactNode } from "react";
import { type Command, keyLabel } from "@/features/designer/commands";

const TOOLS: [string, TablerIcon][] = [
  ["undo", IconArrowBackUp],
  ["redo", IconArrowForwardUp],
  ["add", IconPlus],
  ["palette", IconCommand],
  ["keys", IconKeyboard],
];

interface Props {
  commands: readonly Command[];
  /** Before the last buttons. */
  end: ReactNode;
  children: ReactNode;
}

/** The commands one sees; all others are in the palette. `children`: whether it is saved. */
export function Toolbar({ commands, end, children }: Props) {
  const command = (id: string) => commands.find((each) => each.id === id);
  return (
    <Group px="md" py={6} gap="xs" role="toolbar" aria-label="Draft">
      <Title order={2} size="h5">
        Draft
      </Title>
      {children}
      {TOOLS.map(([id, icon]) => (
        <Tool key={id} command={command(id)} icon={icon} />
      ))}
      <Group gap="xs" ml="auto">
        {end}
        <Tool command={command("discard")} icon={IconTrash} />
        <Button size="xs" variant="default" onClick={() => command("text")?.perform()}>
          Text
        </Button>
        <Button
          size="xs"
          leftSection={<IconRocket size={16} aria-hidden />}
          onClick={() => command("publish")?.perform()}
        >
          Publish
        </Button>
      </Group>
    </Group>
  );
}

function Tool({ command, icon: Icon }: { command: Command | undefined; icon: TablerIcon }) {
  if (command === undefined) return null;
  const [keys] = command.keys;
  return (
    <Tooltip label={keys ? `${command.label} (${keyLabel(keys)})` : command.label}>
      <ActionIcon
        variant="subtle"
        color="gray"
        aria-label={command.label}
        disabled={!command.enabled}
        onClick={command.perform}
      >
        <Icon size={18} />
      </ActionIcon>
    </Tooltip>
  );
}
