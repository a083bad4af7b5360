import { Alert, Badge, Button, Code, Group, Loader, type MantineColor, Stack, Table, Text, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { cancelDeployment, type Deployment, flows } from "@/api/flows";
import { canCancel, type Line, lines, type OldStage, outcome, type Stage } from "@/features/designer/progress";
import { Refusal } from "@/ui/Refusal";
import { StateBadge } from "@/ui/StateBadge";
import { Waiting } from "@/ui/Waiting";

interface Props {
  flow: string;
  epoch: number;
  /** The deployment that runs meanwhile; null: nothing does. */
  replaces: number | null;
  onLive: () => void;
  /** It was cancelled; with the tag of the draft that its version is again. */
  onCancelled?: (draftTag: number | null) => void;
  /** Back to what can be published. */
  onAgain?: () => void;
}

const STAGES: Record<Stage, MantineColor> = {
  waiting: "gray",
  starting: "blue",
  ready: "cyan",
  "took over": "teal",
  live: "teal",
  "in trouble": "orange",
  failed: "red",
  stopped: "gray",
};
const OLD: Record<OldStage, MantineColor> = {
  runs: "teal",
  draining: "indigo",
  "standing by": "indigo",
  stopped: "gray",
};

/** A deployment on its way, step by step, until it really is live, or has ended; it can be cancelled until the switch. */
export function Progress({ flow, epoch, replaces, onLive, onCancelled, onAgain }: Props) {
  const queries = useQueryClient();
  const deployment = useQuery(flows.deployment(flow, epoch));
  const old = useQuery({ ...flows.deployment(flow, replaces ?? 0), enabled: replaces !== null });
  const wish = useQuery(flows.one(flow)).data?.wish;
  const cancelling = useMutation({
    mutationFn: () => cancelDeployment(flow, epoch),
    onSuccess: ({ draft_tag }) => onCancelled?.(draft_tag),
    onSettled: () => queries.invalidateQueries({ queryKey: ["flows"], refetchType: "active" }),
  });
  if (deployment.error) return <Refusal error={deployment.error} onRetry={() => void deployment.refetch()} />;
  if (deployment.data === undefined) return <Waiting />;
  const before = old.data ?? null;
  const how = outcome(deployment.data);
  const suspended = how === "under way" && wish === "suspended";
  return (
    <Stack gap="sm">
      <Group gap="xs">
        <Title order={3} size="h5">{`Version ${deployment.data.version}, deployment ${epoch}`}</Title>
        <StateBadge state={deployment.data.state} />
        {((how === "under way" && !suspended) || how === "cancelling") && (
          <Loader size="xs" role="status" aria-label="Under way" />
        )}
      </Group>
      <Lines told={lines(deployment.data, before)} />
      {canCancel(deployment.data, before) && (
        <Group gap="xs">
          <Button size="xs" variant="default" loading={cancelling.isPending} onClick={() => cancelling.mutate()}>
            Cancel
          </Button>
          <Text size="xs" c="dimmed">
            {before === null ? "Nothing runs yet; the flow is stopped then." : "What runs goes on as it is."}
          </Text>
        </Group>
      )}
      {cancelling.error && <Refusal error={cancelling.error} />}
      <div aria-live="polite">
        {suspended && <Text size="sm">The flow is suspended: this runs when it is resumed.</Text>}
        <Outcome how={how} deployment={deployment.data} old={before} onLive={onLive} />
      </div>
      {onAgain && ["failed", "cancelled", "superseded"].includes(how) && (
        <Button size="xs" variant="default" onClick={onAgain}>
          Back to the plan
        </Button>
      )}
    </Stack>
  );
}

function Lines({ told }: { told: Line[] }) {
  const anyOld = told.some((line) => line.old !== null);
  return (
    <Table aria-label="Steps" verticalSpacing={4} horizontalSpacing={4} layout="fixed">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Step</Table.Th>
          <Table.Th>New</Table.Th>
          {anyOld && <Table.Th>Old</Table.Th>}
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {told.map((line) => (
          <Table.Tr key={line.step}>
            <Table.Td style={{ overflowWrap: "anywhere" }}>{line.step}</Table.Td>
            <Table.Td>
              {line.stage === null ? (
                <Text size="xs" c="dimmed">
                  gone
                </Text>
              ) : (
                <Badge variant="light" tt="none" color={STAGES[line.stage]}>
                  {line.stage}
                </Badge>
              )}
              {line.note && line.stage !== "failed" && (
                <Text size="xs" c="dimmed">
                  {line.note}
                </Text>
              )}
            </Table.Td>
            {anyOld && (
              <Table.Td>
                {line.old !== null && (
                  <Badge variant="light" tt="none" color={OLD[line.old]}>
                    {line.left > 0 ? `${line.old}, ${line.left} left` : line.old}
                  </Badge>
                )}
              </Table.Td>
            )}
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

interface OutcomeProps {
  how: ReturnType<typeof outcome>;
  deployment: Deployment & { failed_step?: string | null; log?: string[] };
  old: Deployment | null;
  onLive: () => void;
}

function Outcome({ how, deployment, old, onLive }: OutcomeProps) {
  const { reason, failed_step, log = [], cancelled_by } = deployment;
  const runs = old?.state === "live" ? `; version ${old.version} still runs` : "";
  switch (how) {
    case "live":
    case "partly live":
      return (
        <Alert color={how === "live" ? "teal" : "orange"} title={how === "live" ? "Live" : "Partly live"}>
          {how === "partly live" && (
            <Text size="sm">It accepts events, and a step of it is in trouble. What it should do waits for it.</Text>
          )}
          {figures(deployment)}
          <Group mt="xs">
            <Button size="xs" onClick={onLive}>
              Watch it run
            </Button>
          </Group>
        </Alert>
      );
    case "failed":
      return (
        <Alert color="red" title={runs ? "It failed; what ran before still runs" : "It failed"} role="alert">
          <Stack gap="xs">
            <Text size="sm" style={{ overflowWrap: "anywhere" }}>
              {failed_step && !reason.includes(failed_step) && <b>{failed_step}: </b>}
              {reason}
            </Text>
            {log.length > 0 && (
              <Code block aria-label="Log" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
                {log.join("\n")}
              </Code>
            )}
          </Stack>
        </Alert>
      );
    case "cancelling":
      return <Text size="sm">{`Cancelled by ${cancelled_by}; it ends now.`}</Text>;
    case "cancelled":
      return (
        <Alert
          color="gray"
          title={`Cancelled by ${cancelled_by}${runs}`}
        >{`Version ${deployment.version} is kept in the list, and does not run.`}</Alert>
      );
    case "superseded":
      return (
        <Alert color="gray" title={`It was superseded or stopped before it was live${runs}`}>
          Somebody published, rolled back or stopped the flow meanwhile.
        </Alert>
      );
    case "under way":
      return null;
  }
}

function figures({ ready_ms, handover }: Deployment): string {
  const warm = ready_ms === null ? "" : `Warm after ${ready_ms} ms. `;
  if (handover?.gap_ms == null) return warm;
  return `${warm}Gap ${handover.gap_ms.toFixed(0)} ms, ${handover.taken_over ?? 0} messages taken over, ${handover.parked ?? 0} parked.`;
}
