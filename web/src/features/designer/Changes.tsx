import { Code, Group, List, Stack, Text } from "@mantine/core";
import type { components } from "@/api/schema";

type Change = components["schemas"]["ChangeView"];
type Commits = components["schemas"]["Commits"];

const VERBS = { added: "new", removed: "removed", changed: "" };
const LONGEST = 160;

/** What differs between two documents, step by step: each key with what it was and what it is. */
export function Changes({ changes }: { changes: readonly Change[] }) {
  const steps = [...new Set(changes.map((each) => each.step))];
  return (
    <Stack gap={6}>
      {steps.map((step) => {
        const own = changes.filter((each) => each.step === step);
        const whole = own.find((each) => each.path === "");
        return (
          <div key={step ?? ""}>
            <Text size="sm" fw={600}>
              {[step === null ? "The flow" : `step ${step}`, whole?.kind].filter(Boolean).join(" ")}
            </Text>
            {whole === undefined && (
              <List size="sm" spacing={2}>
                {own.map((each) => (
                  <List.Item key={each.path + each.kind}>
                    {each.path} {VERBS[each.kind]} <Difference change={each} />
                  </List.Item>
                ))}
              </List>
            )}
          </div>
        );
      })}
    </Stack>
  );
}

function Difference({ change: { kind, before, after } }: { change: Change }) {
  if (kind === "added") return <Value value={after} />;
  if (kind === "removed") return <Value value={before} />;
  return (
    <>
      <Value value={before} /> → <Value value={after} />
    </>
  );
}

function Value({ value }: { value: unknown }) {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const shown = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  return <Code style={{ overflowWrap: "anywhere", whiteSpace: "pre-wrap" }}>{shown}</Code>;
}

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
