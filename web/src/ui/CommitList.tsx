import { Code, Group, List, Text } from "@mantine/core";
import type { components } from "@/api/schema";

type Commits = components["schemas"]["Commits"];

/** What somebody committed between two component versions, and, after a step back, what is taken out. */
export function CommitList({ commits }: { commits: Commits }) {
  const known = [
    ...commits.added.map((commit) => ({ commit, out: false })),
    ...commits.removed.map((commit) => ({ commit, out: true })),
  ];
  if (known.length === 0) return null;
  return (
    <List size="sm" spacing={2}>
      {known.map(({ commit, out }) => (
        <List.Item key={commit.commit}>
          <Group gap={6} component="span" wrap="nowrap" align="baseline">
            <Code style={{ flexShrink: 0 }}>{commit.commit.slice(0, 8)}</Code>
            <span>
              {out && "taken out: "}
              {commit.message.split("\n")[0]}{" "}
              <Text span size="xs" c="dimmed">
                {commit.author.replace(/ <.*>$/, "")}
              </Text>
            </span>
          </Group>
        </List.Item>
      ))}
    </List>
  );
}
