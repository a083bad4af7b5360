import { NavLink, Text } from "@mantine/core";
import { useState } from "react";
import { pathOf } from "@/graph/mapping";

interface Props {
  label: string;
  value: unknown;
  path: (string | number)[];
  onPick: (path: string) => void;
}

/** Items of a list shown; the others are like them. */
const ITEMS = 3;
const KEYS = 200;

/** A value of the sample as a tree; choosing a leaf gives the path that reads it. */
export function Picker({ label, value, path, onPick }: Props) {
  const [opened, setOpened] = useState(path.length < 3);
  const inner = children(value);
  if (inner === null) {
    return (
      <NavLink
        component="button"
        py={2}
        label={
          <Text size="sm" span>
            {label}{" "}
            <Text size="xs" c="dimmed" span ff="monospace">
              {shortened(value)}
            </Text>
          </Text>
        }
        onClick={() => onPick(pathOf(path))}
      />
    );
  }
  return (
    <NavLink
      component="button"
      py={2}
      label={label}
      description={Array.isArray(value) ? `${value.length} items` : undefined}
      opened={opened}
      onChange={setOpened}
      childrenOffset={16}
    >
      {inner.map(([key, each]) => (
        <Picker key={key} label={String(key)} value={each} path={[...path, key]} onPick={onPick} />
      ))}
    </NavLink>
  );
}

function children(value: unknown): [string | number, unknown][] | null {
  if (Array.isArray(value))
    return value.length === 0 ? null : value.slice(0, ITEMS).map((each, index) => [index, each]);
  if (typeof value !== "object" || value === null) return null;
  const entries = Object.entries(value);
  return entries.length === 0 ? null : entries.slice(0, KEYS);
}

function shortened(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}
