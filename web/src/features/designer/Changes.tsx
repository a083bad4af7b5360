import { Code, List, Stack, Text } from "@mantine/core";
import type { components } from "@/api/schema";

type Change = components["schemas"]["ChangeView"];

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
