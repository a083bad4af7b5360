import {
  Alert,
  Badge,
  Button,
  Checkbox,
  Code,
  Group,
  List,
  ScrollArea,
  Skeleton,
  Stack,
  Text,
  Textarea,
  Title,
} from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Flow, flows, publish } from "@/api/flows";
import type { components } from "@/api/schema";
import { Progress } from "@/features/designer/Progress";
import { Panel } from "@/ui/Panel";
import { Refusal } from "@/ui/Refusal";

type Plan = components["schemas"]["PlanView"];

interface Props {
  flow: Flow;
  /** Saves what is not saved yet: what is published is what is seen. */
  flush: () => Promise<void>;
  onClose: () => void;
  onLive: () => void;
}

/** What publishing would do, then how it goes, until the new deployment really is live or has failed. */
export function PublishPanel({ flow, flush, onClose, onLive }: Props) {
  const queries = useQueryClient();
  const [note, setNote] = useState("");
  const [start, setStart] = useState(flow.wish === "stopped");
  const plan = useQuery(flows.plan(flow.name));
  const publishing = useMutation({
    mutationFn: async () => {
      await flush();
      return publish(flow.name, note, start);
    },
    onSettled: () => queries.invalidateQueries({ queryKey: ["flows"], refetchType: "active" }),
  });
  const published = publishing.data;
  return (
    <Panel title="Publish" onClose={onClose}>
      <ScrollArea flex={1} mih={0} type="auto">
        <Stack p="sm">
          {published?.deployment ? (
            <Progress flow={flow.name} epoch={published.deployment.epoch} onLive={onLive} />
          ) : published ? (
            <Alert color="teal" title={`Version ${published.version.number} is published`}>
              The flow is stopped; start it to run this version.
            </Alert>
          ) : (
            <>
              {plan.error && <Refusal error={plan.error} onRetry={() => void plan.refetch()} />}
              {plan.isPending && <Skeleton h={160} role="status" aria-label="Working out the plan" />}
              {plan.data && <PlanText plan={plan.data} />}
              <Textarea
                label="Note"
                description="What changed, for the list of versions."
                value={note}
                onChange={(event) => setNote(event.currentTarget.value)}
                autosize
                maxLength={2000}
              />
              {flow.wish === "stopped" && (
                <Checkbox
                  label="Start the flow, too"
                  checked={start}
                  onChange={(event) => setStart(event.currentTarget.checked)}
                />
              )}
              {publishing.error && <Refusal error={publishing.error} />}
              <Button
                onClick={() => publishing.mutate()}
                loading={publishing.isPending}
                disabled={!plan.data || plan.data.blockers.length > 0}
              >
                {plan.data ? `Publish version ${plan.data.next_version}` : "Publish"}
              </Button>
            </>
          )}
        </Stack>
      </ScrollArea>
    </Panel>
  );
}

function PlanText({ plan }: { plan: Plan }) {
  return (
    <Stack gap="sm">
      {plan.blockers.length > 0 && (
        <Alert color="red" title="This stands against it" role="alert">
          <List size="sm">
            {plan.blockers.map((each) => (
              <List.Item key={each.path + each.reason}>
                {each.path && <b>{each.path} </b>}
                {each.message}
              </List.Item>
            ))}
          </List>
        </Alert>
      )}
      <Part title="What changes">
        {plan.running_version === null ? (
          <Text size="sm">{`${plan.step_count} steps start, mappers counted.`}</Text>
        ) : plan.changes.length === 0 ? (
          <Text size="sm">Nothing in the document.</Text>
        ) : (
          <List size="sm">
            {plan.changes.map((each) => (
              <List.Item key={`${each.step} ${each.path} ${each.kind}`}>{each.text}</List.Item>
            ))}
          </List>
        )}
      </Part>
      {plan.moves.length > 0 && (
        <Part title="Component versions">
          {plan.moves.map((move) => (
            <div key={move.step}>
              <Text size="sm">
                <b>{move.step}</b> {move.component} {move.from_revision} → {move.to_revision}
              </Text>
              <List size="sm">
                {move.commits.added.map((commit) => (
                  <List.Item key={commit.commit}>
                    <Code>{commit.commit.slice(0, 8)}</Code> {commit.message.split("\n")[0]}
                  </List.Item>
                ))}
              </List>
            </div>
          ))}
        </Part>
      )}
      {plan.snapshots_reset.map((each) => (
        <Alert
          key={each.step}
          color="orange"
          p="xs"
        >{`${each.step} begins without its snapshot: ${each.before} becomes ${each.after}`}</Alert>
      ))}
      <Part title="Interruption">
        <Text size="sm">{plan.interruption.text}</Text>
      </Part>
      {plan.remarks.map((remark) => (
        <Text size="sm" key={remark}>
          {remark}
        </Text>
      ))}
      <Group gap="xs">
        {plan.steps
          .filter((step) => step.kind !== "mapper")
          .map((step) => (
            <Badge key={step.id} variant="outline" color="gray" tt="none">
              {`${step.id} · r${step.revision ?? "?"}`}
            </Badge>
          ))}
      </Group>
    </Stack>
  );
}

function Part({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <div>
      <Title order={3} size="h6" mb={4}>
        {title}
      </Title>
      {children}
    </div>
  );
}
