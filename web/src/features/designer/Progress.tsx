import { Alert, Badge, Button, Code, Group, Loader, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type Deployment, flows, isSettled } from "@/api/flows";
import { Refusal } from "@/ui/Refusal";
import { StateBadge } from "@/ui/StateBadge";
import { Waiting } from "@/ui/Waiting";

interface Props {
  flow: string;
  epoch: number;
  onLive: () => void;
}

/** A deployment on its way, step by step, until it is live or has failed with its reason and the step's log. */
export function Progress({ flow, epoch, onLive }: Props) {
  const deployment = useQuery(flows.deployment(flow, epoch));
  if (deployment.error) return <Refusal error={deployment.error} onRetry={() => void deployment.refetch()} />;
  if (deployment.data === undefined) return <Waiting />;
  const { state, version, steps, reason, failed_step, log } = deployment.data;
  return (
    <Stack gap="sm" aria-live="polite">
      <Group gap="xs">
        <Title order={3} size="h5">{`Version ${version}, deployment ${epoch}`}</Title>
        <StateBadge state={state} />
        {!isSettled(state) && <Loader size="xs" role="status" aria-label="Under way" />}
      </Group>
      {steps.map((step) => (
        <Group key={step.id} justify="space-between">
          <Text size="sm">{step.id}</Text>
          <Badge variant="light" color={step.host === "ready" ? "teal" : step.host === "failed" ? "red" : "blue"}>
            {`${step.host || "waiting"}${step.ready_ms === null ? "" : ` in ${step.ready_ms} ms`}`}
          </Badge>
        </Group>
      ))}
      {state === "live" && (
        <Alert color="teal" title="Live">
          {figures(deployment.data)}
          <Button mt="xs" size="xs" onClick={onLive}>
            Watch it run
          </Button>
        </Alert>
      )}
      {state === "failed" && (
        <Alert color="red" title="It failed; what ran before still runs" role="alert">
          <Stack gap="xs">
            <Text size="sm">
              {failed_step && <b>{failed_step}: </b>}
              {reason}
            </Text>
            {log.length > 0 && <Code block>{log.map(line).join("\n")}</Code>}
          </Stack>
        </Alert>
      )}
    </Stack>
  );
}

function line(entry: unknown): string {
  if (typeof entry === "string") return entry;
  const { level, text, message } = entry as Record<string, unknown>;
  return [level, text ?? message].filter(Boolean).join(" ") || JSON.stringify(entry);
}

function figures({ ready_ms, handover }: Deployment): string {
  const warm = ready_ms === null ? "" : `Warm after ${ready_ms} ms. `;
  if (handover?.gap_ms == null) return warm;
  return `${warm}Gap ${handover.gap_ms.toFixed(0)} ms, ${handover.taken_over ?? 0} messages taken over, ${handover.parked ?? 0} parked.`;
}
