import { Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type ExecutionDetail, executions } from "@/api/executions";
import { Json } from "@/ui/Json";
import { LogLines } from "@/ui/LogLines";
import { Refusal } from "@/ui/Refusal";

/** What was written during an execution: by one step, or by all. */
export function ExecutionLog({ execution, step }: { execution: ExecutionDetail; step: string | null }) {
  const log = useQuery(executions.log(execution.id, execution.flow, execution.state === "running"));
  const lines = (log.data ?? []).filter((line) => step === null || line.step === step);
  return (
    <Stack gap={4} component="section" aria-label="Log">
      <Title order={3} size="h6">
        Log
      </Title>
      {log.error && <Refusal error={log.error} />}
      {log.data !== undefined && lines.length === 0 && (
        <Text size="xs" c="dimmed">
          Nothing was written that names this execution. What a component prints does not; its logger does.
        </Text>
      )}
      <LogLines lines={lines} withStep={step === null} />
    </Stack>
  );
}

/** What one step emitted for one message. */
export function Output({ execution, step, message }: { execution: string; step: string; message: string }) {
  const outputs = useQuery(executions.outputs(execution, step));
  if (outputs.error) return <Refusal error={outputs.error} />;
  if (outputs.data === undefined) return null;
  const mine = outputs.data.items.filter((each) => each.parent === message);
  return (
    <Stack gap={4}>
      <Text size="xs" fw={600}>
        {mine.length > 1 ? `Outputs, ${mine.length}` : "Output"}
      </Text>
      {mine.length === 0 && (
        <Text size="xs" c="dimmed">
          The journal no longer has it, or it was not found quickly.
        </Text>
      )}
      {mine.map((each) => (
        <Json key={each.seq} value={each.output.large ?? each.output.body} />
      ))}
    </Stack>
  );
}
