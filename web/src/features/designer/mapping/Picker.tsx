import { ActionIcon, Group, NavLink, Text } from "@mantine/core";
import { IconArrowRight, IconChevronRight } from "@tabler/icons-react";
import { type DragEvent, useState } from "react";
import { type Known, type Member, membersOf, type Scope, shortened } from "@/expression/scope";
import { pathOf } from "@/graph/mapping";

interface Props {
  label: string;
  known: Known;
  path: string[];
  about?: Pick<Member, "about" | "title" | "inSample">;
  onPick: (path: string) => void;
}

const KEYS = 200;
const FOUND = 100;
const DEEPEST = 8;

/** What can be read as a tree; choosing a leaf, or the arrow of a branch, gives the path that reads it. */
export function Picker({ label, known, path, about, onPick }: Props) {
  const [opened, setOpened] = useState(path.length < 3);
  const inner = path.length > DEEPEST ? [] : membersOf(known);
  const count = Array.isArray(known.value)
    ? `${known.value.length} ${known.value.length === 1 ? "item" : "items"}`
    : undefined;
  if (inner.length === 0) {
    if (path.length === 1 && known.value === undefined) return null;
    return (
      <Leaf
        label={label}
        text={about?.inSample === false ? about.about : shortened(known.value)}
        title={about?.title ?? ""}
        path={path}
        faint={about?.inSample === false}
        onPick={onPick}
      />
    );
  }
  return (
    <div>
      <Group gap={0} wrap="nowrap">
        <NavLink
          component="button"
          py={2}
          label={label}
          description={count}
          opened={opened}
          draggable
          onDragStart={(event) => carry(event, path)}
          onClick={() => setOpened(!opened)}
          rightSection={<IconChevronRight size={14} aria-hidden />}
          aria-expanded={opened}
        />
        <ActionIcon
          variant="subtle"
          color="gray"
          size="sm"
          aria-label={`Use ${pathOf(path)}`}
          onClick={() => onPick(pathOf(path))}
        >
          <IconArrowRight size={14} />
        </ActionIcon>
      </Group>
      {opened && (
        <div style={{ paddingLeft: 14 }}>
          {inner.slice(0, KEYS).map((each) => (
            <Picker
              key={each.key}
              label={each.key}
              known={each.known}
              path={[...path, each.key]}
              about={each}
              onPick={onPick}
            />
          ))}
        </div>
      )}
    </div>
  );
}

/** Everything in the tree whose name fits, with its whole path. */
export function Found({ scope, search, onPick }: { scope: Scope; search: string; onPick: (path: string) => void }) {
  const found = leaves(scope, search.toLowerCase());
  if (found.length === 0) {
    return <Text size="sm">Nothing has such a name. Another sample may have it.</Text>;
  }
  return (
    <div>
      {found.map(({ member, path }) => (
        <Leaf
          key={path.join("\n")}
          label={pathOf(path)}
          text={member.about}
          title={member.title}
          path={path}
          faint={!member.inSample}
          onPick={onPick}
        />
      ))}
    </div>
  );
}

function Leaf(props: {
  label: string;
  text: string;
  title: string;
  path: string[];
  faint: boolean;
  onPick: (path: string) => void;
}) {
  const { label, text, title, path, faint, onPick } = props;
  return (
    <NavLink
      component="button"
      py={2}
      draggable
      onDragStart={(event) => carry(event, path)}
      label={
        <Text size="sm" span fs={faint ? "italic" : undefined}>
          {label}{" "}
          <Text size="xs" c="dimmed" span ff="monospace">
            {text}
          </Text>
        </Text>
      }
      description={title || undefined}
      onClick={() => onPick(pathOf(path))}
    />
  );
}

/** Dragged into an expression, it is its path. */
function carry(event: DragEvent, path: string[]): void {
  event.dataTransfer.setData("text/plain", pathOf(path));
}

function leaves(scope: Scope, search: string): { member: Member; path: string[] }[] {
  const found: { member: Member; path: string[] }[] = [];
  const walk = (known: Known, path: string[]) => {
    if (path.length > DEEPEST) return;
    for (const member of membersOf(known)) {
      if (found.length >= FOUND) return;
      const below = [...path, member.key];
      if (`${member.key} ${member.title}`.toLowerCase().includes(search)) found.push({ member, path: below });
      walk(member.known, below);
    }
  };
  for (const [key, known] of Object.entries(scope.message)) walk(known, [key]);
  for (const [id, parts] of Object.entries(scope.steps)) {
    for (const [key, known] of Object.entries(parts)) walk(known, ["$steps", id, key]);
  }
  return found;
}
