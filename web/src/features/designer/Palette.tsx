import { Combobox, Group, Kbd, Modal, Text, TextInput, useCombobox } from "@mantine/core";
import { useEffect, useState } from "react";
import { type Choice, type Command, keyLabel, matching } from "@/features/designer/commands";

interface Props {
  commands: readonly Command[];
  opened: boolean;
  /** The command whose choices are shown, else all commands. */
  asking: Command | null;
  onAsk: (command: Command) => void;
  onClose: () => void;
}

/** All commands that are possible now, to be found by typing, each with its key; or what one of them can be done with. */
export function Palette({ commands, opened, asking, onAsk, onClose }: Props) {
  const close = (perform: () => void) => {
    onClose();
    perform();
  };
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={asking === null ? "Commands" : asking.label}
      padding="sm"
      size="md"
      yOffset="10vh"
      transitionProps={{ duration: 80 }}
    >
      {asking === null ? (
        <Found
          key="commands"
          label="Search commands"
          placeholder="What do you want to do?"
          nothing="No such command."
          entries={commands
            .filter((command) => command.enabled)
            .map((command) => ({
              label: command.label,
              keys: command.keys[0] ?? null,
              perform: () => (command.choices === undefined ? close(command.perform) : onAsk(command)),
            }))}
        />
      ) : (
        <Found
          key={asking.id}
          label="Search steps"
          placeholder="Which step?"
          nothing="No such step."
          entries={(asking.choices?.() ?? []).map(({ label, perform }) => ({
            label,
            keys: null,
            perform: () => close(perform),
          }))}
        />
      )}
    </Modal>
  );
}

interface Entry extends Choice {
  keys: string | null;
}

interface FoundProps {
  label: string;
  placeholder: string;
  nothing: string;
  entries: Entry[];
}

function Found({ label, placeholder, nothing, entries }: FoundProps) {
  const [search, setSearch] = useState("");
  const combobox = useCombobox({ opened: true });
  const found = matching(entries, search);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each search begins at its first result
  useEffect(() => {
    combobox.selectFirstOption();
  }, [search]);
  return (
    <Combobox store={combobox} onOptionSubmit={(at) => found[Number(at)]?.perform()}>
      <Combobox.EventsTarget withExpandedAttribute={false}>
        <TextInput
          aria-label={label}
          placeholder={placeholder}
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && combobox.getSelectedOptionIndex() === -1) found[0]?.perform();
          }}
          data-autofocus
        />
      </Combobox.EventsTarget>
      <Combobox.Options mt="xs" aria-label="Found">
        {found.length === 0 && <Text c="dimmed">{nothing}</Text>}
        {found.map(({ label: text, keys }, at) => (
          <Combobox.Option key={text} value={String(at)}>
            <Group justify="space-between" wrap="nowrap">
              <Text size="sm" span>
                {text}
              </Text>
              {keys !== null && <Kbd>{keyLabel(keys)}</Kbd>}
            </Group>
          </Combobox.Option>
        ))}
      </Combobox.Options>
    </Combobox>
  );
}
