import { Alert, Badge, Button, Code, Group, Stack, Text, Title } from "@mantine/core";
import type { StepCall, StepResult, TestDetail } from "@/api/tests";
import { useKept } from "@/features/designer/SampleCard";
import { resultOf } from "@/features/designer/testing";
import type { FlowDocument, Step } from "@/graph/document";
import { stale } from "@/graph/stale";
import { Json } from "@/ui/Json";
import { span } from "@/ui/when";

export const RESULT_COLORS = { done: "teal", skipped: "gray", failed: "red", unreached: "gray" } as const;

/** What became of one step in a test: each call with its input, outputs and error, and the log. */
export function TestResult(props: { test: TestDetail; document: FlowDocument; step: Step; flow: string }) {
  const { test, document, step, flow } = props;
  const kept = useKept(flow, step.id);
  const result = resultOf(test, step.id);
  if (result === null) return null;
  const why = stale(test.made_with, document, step.id);
  return (
    <Stack gap="xs" component="section" aria-label={`Result of ${step.id}`}>
      <Group gap="xs">
        <Title order={3} size="h6">{`Result of test ${test.number}`}</Title>
        <Badge size="sm" variant={why === null ? "light" : "outline"} color={RESULT_COLORS[result.state]}>
          {result.state === "unreached" ? "not called" : result.state}
        </Badge>
        {why !== null && (
          <Badge size="sm" variant="outline" color="orange">
            stale
          </Badge>
        )}
      </Group>
      {why !== null && <Text size="xs">{`It may be another one now: ${why}.`}</Text>}
      {result.count > result.calls.length && (
        <Text size="xs">{`The first ${result.calls.length} of ${result.count} calls:`}</Text>
      )}
      {result.calls.map((call, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the calls of a test that has ended stay as they are
        <Call key={index} call={call} onKeep={({ body, headers }) => kept.mutate({ body, headers })} />
      ))}
      <Log result={result} />
    </Stack>
  );
}

function Call({ call, onKeep }: { call: StepCall; onKeep: (output: StepCall["outputs"][number]) => void }) {
  return (
    <Stack gap={6}>
      {call.call_us > 0 && (
        <Text size="xs" c="dimmed">
          {`${span(call.call_us)} in its code`}
          {call.map_us !== null && `, ${span(call.map_us)} in the mapping`}
        </Text>
      )}
      {call.error !== null && (
        <Alert color="red" p="xs" title={`${call.error.name}: ${call.error.message}`}>
          {call.error.stack !== "" && (
            <Code block style={{ maxHeight: 200, overflow: "auto" }} tabIndex={0}>
              {call.error.stack}
            </Code>
          )}
        </Alert>
      )}
      {call.input !== null && (
        <>
          <Text size="xs" fw={600}>
            Input
          </Text>
          <Json value={call.input.large === null ? call.input.body : `${call.input.large} bytes, too many to show`} />
        </>
      )}
      {call.outputs.map((output, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the outputs of a call that has ended stay as they are
        <Stack gap={4} key={index}>
          <Group gap="xs" justify="space-between">
            <Text size="xs" fw={600}>
              {call.outputs.length === 1 ? "Output" : `Output ${index + 1}`}
            </Text>
            {output.large === null && (
              <Button size="compact-xs" variant="subtle" onClick={() => onKeep(output)}>
                Keep as sample
              </Button>
            )}
          </Group>
          <Json value={output.large === null ? output.body : `${output.large} bytes, too many to show`} />
        </Stack>
      ))}
      {call.state === "skipped" && <Text size="sm">Its condition was false on this message.</Text>}
      {call.state === "done" && call.outputs.length === 0 && <Text size="sm">It emitted nothing.</Text>}
    </Stack>
  );
}

function Log({ result }: { result: StepResult }) {
  if (result.log.length === 0) return null;
  return (
    <>
      <Text size="xs" fw={600}>
        Log
      </Text>
      <Code block style={{ maxHeight: 200, overflow: "auto" }} tabIndex={0}>
        {result.log.map((line) => `${line.level.padEnd(5)} ${line.text}`).join("\n")}
      </Code>
    </>
  );
}
