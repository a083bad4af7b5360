import { Badge, Button, Group, ScrollArea, Stack, Text } from "@mantine/core";
import type { components } from "@/api/schema";
import { CommitList } from "@/ui/CommitList";
import { Empty } from "@/ui/Empty";
import { Panel } from "@/ui/Panel";

type Commits = components["schemas"]["Commits"];

/** A step for which there is newer code than it runs, or would run. */
export interface Update {
  step: string;
  component: string;
  /** As the document says it. */
  selector: string;
  from: number;
  latest: number;
  commits: Commits | null;
  /** A publish takes it; else the document keeps the step on what it names. */
  follows: boolean;
}

interface Props {
  updates: Update[];
  /** Change these steps in the draft, and nothing that runs: to this revision by name, or to `latest`. */
  onUpdate: (updates: Update[], to: "revision" | "latest") => void;
  updating?: boolean;
  onClose: () => void;
}

/** Newer component code, step by step, with what was committed. It gets into a draft; only a publish runs it. */
export function UpdatesPanel({ updates, onUpdate, updating = false, onClose }: Props) {
  const named = updates.filter((each) => !each.follows);
  return (
    <Panel title="Newer component code" onClose={onClose}>
      <ScrollArea flex={1} mih={0} type="auto" scrollbars="y">
        <Stack p="sm">
          <Text size="sm" c="dimmed">
            A step that says latest takes the newest built revision whenever the flow is published or started. One that
            names a version stays on it until the draft says otherwise. Nothing here changes what runs.
          </Text>
          {updates.length === 0 && <Empty title="All is up to date">Every step has the latest of its component.</Empty>}
          {named.length > 1 && (
            <Group>
              <Button size="xs" loading={updating} onClick={() => onUpdate(named, "revision")}>
                {`Update all ${named.length} in the draft`}
              </Button>
            </Group>
          )}
          {updates.map((each) => (
            <Stack key={each.step} gap={4} component="section" aria-label={`Update of ${each.step}`}>
              <Group gap="xs">
                <Text size="sm" fw={600}>
                  {each.step}
                </Text>
                <Text size="sm">{`${each.component} ${each.from} → ${each.latest}`}</Text>
                <Badge size="sm" variant="light" tt="none" color={each.follows ? "teal" : "gray"}>
                  {each.follows ? "latest" : `names ${each.selector}`}
                </Badge>
              </Group>
              {each.commits && <CommitList commits={each.commits} />}
              {each.follows ? (
                <Text size="xs" c="dimmed">
                  The next publish takes it.
                </Text>
              ) : (
                <Group gap="xs">
                  <Button size="xs" variant="default" loading={updating} onClick={() => onUpdate([each], "revision")}>
                    {`Update to ${each.latest} in the draft`}
                  </Button>
                  <Button size="xs" variant="subtle" disabled={updating} onClick={() => onUpdate([each], "latest")}>
                    Follow latest
                  </Button>
                </Group>
              )}
            </Stack>
          ))}
        </Stack>
      </ScrollArea>
    </Panel>
  );
}
