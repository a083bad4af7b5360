import { Alert, Badge, Group, List, Stack, Text, Title } from "@mantine/core";
import type { Evaluated } from "@/api/expressions";
import type { Evaluation } from "@/features/designer/mapping/useEvaluation";
import { Json } from "@/ui/Json";
import { Refusal } from "@/ui/Refusal";

/** What the server makes of the expression, and where that does not fit. */
export function Outcome({ evaluation }: { evaluation: Evaluation }) {
  const { data, error, of, stale } = evaluation;
  return (
    <Stack gap={6} component="section" aria-label="Result" aria-live="polite">
      <Group gap="xs">
        <Title order={3} size="h6">
          Result
        </Title>
        {stale && (
          <Badge size="xs" variant="light" color="gray">
            working
          </Badge>
        )}
      </Group>
      {error && <Refusal error={error} />}
      {data?.mistake ? (
        <Alert color="red" p="xs" role="alert" title={data.mistake.message}>
          <Text size="sm">
            {place(of, data.mistake.position)} {data.mistake.cure}
          </Text>
        </Alert>
      ) : (
        data && (
          <div style={{ opacity: stale ? 0.6 : 1 }}>
            <Json value={data.defined ? data.result : {}} />
          </div>
        )
      )}
      {data && <Misfits misfits={data.misfits} />}
    </Stack>
  );
}

export type Misfit = Evaluated["misfits"][number];

/** Errors keep a step from working as its component says; warnings may be meant. */
export function Misfits({ misfits }: { misfits: Misfit[] }) {
  if (misfits.length === 0) return null;
  return (
    <List size="sm" spacing={4} aria-label="What does not fit">
      {misfits.map((each) => (
        <List.Item key={each.path + each.reason}>
          <Badge size="xs" variant="light" color={each.severity === "error" ? "red" : "orange"} mr={6}>
            {each.severity}
          </Badge>
          <b>{each.path}</b> {each.message}
          {each.suggestion && `: ${each.suggestion}`}
        </List.Item>
      ))}
    </List>
  );
}

/** The line and column of a mistake, as editors count. */
export function place(text: string, position: number | null): string {
  if (position === null) return "";
  const before = text.slice(0, position).split("\n");
  return `Line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}.`;
}
