import { Accordion, Badge, Button, Group, List, ScrollArea, Select, Stack, Text, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Flow, flows, rollBack, type Version } from "@/api/flows";
import { Progress } from "@/features/designer/Progress";
import { Empty } from "@/ui/Empty";
import { Panel } from "@/ui/Panel";
import { Refusal } from "@/ui/Refusal";
import { moment } from "@/ui/when";

/** What was published, what it changed, what runs; any of it can be published again with one click. */
export function VersionsPanel({ flow, onClose }: { flow: Flow; onClose: () => void }) {
  const versions = useQuery(flows.versions(flow.name));
  const queries = useQueryClient();
  const rolling = useMutation({
    mutationFn: (number: number) => rollBack(flow.name, number),
    onSettled: () => queries.invalidateQueries({ queryKey: ["flows"] }),
  });
  return (
    <Panel title="Versions" onClose={onClose}>
      <ScrollArea flex={1} mih={0} type="auto">
        <Stack p="sm">
          {rolling.error && <Refusal error={rolling.error} />}
          {rolling.data?.deployment && (
            <Progress flow={flow.name} epoch={rolling.data.deployment.epoch} onLive={rolling.reset} />
          )}
          {versions.error && <Refusal error={versions.error} onRetry={() => void versions.refetch()} />}
          {versions.data?.length === 0 && <Empty title="Nothing is published yet">Publish the draft.</Empty>}
          <Accordion variant="separated">
            {versions.data?.map((each) => (
              <Accordion.Item key={each.number} value={String(each.number)}>
                <Accordion.Control>
                  <VersionHead version={each} />
                </Accordion.Control>
                <Accordion.Panel>
                  <Stack align="flex-start">
                    <Difference flow={flow} to={each.number} numbers={versions.data.map((one) => one.number)} />
                    {!each.runs && (
                      <Button
                        size="xs"
                        variant="default"
                        loading={rolling.isPending}
                        onClick={() => rolling.mutate(each.number)}
                      >{`Go back to version ${each.number}`}</Button>
                    )}
                  </Stack>
                </Accordion.Panel>
              </Accordion.Item>
            ))}
          </Accordion>
          <Deployments flow={flow} />
        </Stack>
      </ScrollArea>
    </Panel>
  );
}

function VersionHead({ version }: { version: Version }) {
  return (
    <div>
      <Group gap="xs">
        <Text fw={600} size="sm">{`Version ${version.number}`}</Text>
        {version.runs && <Badge size="sm">runs</Badge>}
      </Group>
      <Text size="xs" c="dimmed">{`${version.author}, ${moment(version.published_at)}`}</Text>
      {version.note && <Text size="sm">{version.note}</Text>}
    </div>
  );
}

function Difference({ flow, to, numbers }: { flow: Flow; to: number; numbers: number[] }) {
  const others = [...(flow.has_draft ? ["draft"] : []), ...numbers.filter((each) => each !== to).map(String)];
  const [other, setOther] = useState<string | null>(others.find((each) => Number(each) < to) ?? others[0] ?? null);
  const diff = useQuery({ ...flows.diff(flow.name, other ?? "", String(to)), enabled: other !== null });
  if (other === null) return null;
  return (
    <Stack gap="xs">
      <Select
        size="xs"
        label="Changes since"
        data={others.map((each) => ({ value: each, label: each === "draft" ? "the draft" : `version ${each}` }))}
        value={other}
        onChange={setOther}
        allowDeselect={false}
      />
      {diff.error && <Refusal error={diff.error} />}
      {diff.data?.changes.length === 0 && <Text size="sm">None.</Text>}
      <List size="sm">
        {diff.data?.changes.map((each) => (
          <List.Item key={`${each.step} ${each.path} ${each.kind}`}>{each.text}</List.Item>
        ))}
      </List>
    </Stack>
  );
}

/** How each attempt to run a version went. */
function Deployments({ flow }: { flow: Flow }) {
  const deployments = useQuery(flows.deployments(flow.name));
  if (!deployments.data || deployments.data.items.length === 0) return null;
  return (
    <>
      <Title order={3} size="h5">
        Deployments
      </Title>
      {deployments.data.items.map((each) => (
        <div key={each.epoch}>
          <Group gap="xs">
            <Text size="sm" fw={600}>{`${each.epoch}: version ${each.version}`}</Text>
            <Badge
              size="sm"
              variant="light"
              color={each.state === "failed" ? "red" : each.state === "live" ? "teal" : "gray"}
            >
              {each.state}
            </Badge>
            <Text size="xs" c="dimmed">{`${each.cause}, ${moment(each.created_at)}`}</Text>
          </Group>
          <Text size="xs">
            {[
              each.ready_ms === null ? "" : `warm after ${each.ready_ms} ms`,
              each.handover?.gap_ms == null ? "" : `gap ${each.handover.gap_ms.toFixed(0)} ms`,
              each.reason,
            ]
              .filter(Boolean)
              .join(", ")}
          </Text>
        </div>
      ))}
    </>
  );
}
