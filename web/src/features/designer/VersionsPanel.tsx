import { Accordion, Anchor, Badge, Button, Group, ScrollArea, Select, Stack, Text, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useLocation } from "wouter";
import {
  discardDraft,
  documentOfVersion,
  type Flow,
  flows,
  refreshed,
  rollBack,
  saveDraft,
  type Version,
} from "@/api/flows";
import { Changes } from "@/features/designer/Changes";
import { forget } from "@/features/designer/memory";
import { Progress } from "@/features/designer/Progress";
import { ConfirmButton } from "@/ui/ConfirmButton";
import { Empty } from "@/ui/Empty";
import { Panel } from "@/ui/Panel";
import { Refusal } from "@/ui/Refusal";
import { moment } from "@/ui/when";

/** What was published, what it changed, what runs; any of it can be run or edited again with one click. */
export function VersionsPanel({ flow, onClose }: { flow: Flow; onClose: () => void }) {
  const versions = useQuery(flows.versions(flow.name));
  const queries = useQueryClient();
  const rolling = useMutation({
    mutationFn: (number: number) => rollBack(flow.name, number),
    onSettled: () => queries.invalidateQueries({ queryKey: ["flows"] }),
  });
  const numbers = versions.data?.map((each) => each.number) ?? [];
  return (
    <Panel title="Versions" onClose={onClose}>
      <ScrollArea flex={1} mih={0} type="auto" scrollbars="y">
        <Stack p="sm">
          {rolling.error && <Refusal error={rolling.error} />}
          {rolling.data?.deployment && (
            <Progress
              flow={flow.name}
              epoch={rolling.data.deployment.epoch}
              replaces={rolling.data.replaces}
              onLive={rolling.reset}
            />
          )}
          {versions.error && <Refusal error={versions.error} onRetry={() => void versions.refetch()} />}
          {versions.data?.length === 0 && <Empty title="Nothing is published yet">Publish the draft.</Empty>}
          {flow.has_draft && <TheDraft flow={flow} />}
          <Accordion variant="separated">
            {versions.data?.map((each) => (
              <Accordion.Item key={each.number} value={String(each.number)}>
                <Accordion.Control>
                  <VersionHead version={each} />
                </Accordion.Control>
                <Accordion.Panel>
                  <Stack align="flex-start">
                    <Runs flow={flow.name} version={each} />
                    <Difference flow={flow} to={each.number} numbers={numbers} />
                    <Group gap="xs">
                      {!each.runs && (
                        <Button
                          size="xs"
                          variant="default"
                          loading={rolling.isPending}
                          onClick={() => rolling.mutate(each.number)}
                        >{`Go back to version ${each.number}`}</Button>
                      )}
                      <EditAgain flow={flow} number={each.number} />
                    </Group>
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
        <Text fw={600} size="sm">
          {[`Version ${version.number}`, version.name].filter(Boolean).join(": ")}
        </Text>
        {version.runs && <Badge size="sm">runs</Badge>}
      </Group>
      <Text size="xs" c="dimmed">{`${version.author}, ${moment(version.published_at)}`}</Text>
      {version.note && <Text size="sm">{version.note}</Text>}
    </div>
  );
}

/** How many executions began under it, as far as they are kept; they are one click away. */
function Runs({ flow, version }: { flow: string; version: Version }) {
  if (version.executions === 0) {
    return (
      <Text size="sm" c="dimmed">
        {version.deployments.length === 0 ? "It was never started." : "No executions."}
      </Text>
    );
  }
  const failed = version.failed > 0 ? `, ${version.failed} failed` : "";
  const count = version.executions === 1 ? "1 execution" : `${version.executions} executions`;
  return (
    <Anchor component={Link} size="sm" href={`/executions?flow=${flow}&version=${version.number}`}>
      {count + failed}
    </Anchor>
  );
}

/** The draft, which is no version yet; it can go back to what is published. */
function TheDraft({ flow }: { flow: Flow }) {
  const queries = useQueryClient();
  const discarding = useMutation<unknown, Error, void>({
    mutationFn: () => discardDraft(flow.name),
    onSuccess: () => {
      forget(localStorage, flow.id);
      return queries.invalidateQueries({ queryKey: ["flows"] });
    },
  });
  return (
    <Group justify="space-between" role="group" aria-label="Draft">
      <div>
        <Text fw={600} size="sm">
          Draft
        </Text>
        <Text size="xs" c="dimmed">
          {[flow.draft_author, flow.draft_at === null ? "" : moment(flow.draft_at)].filter(Boolean).join(", ")}
        </Text>
      </div>
      {flow.version !== null && (
        <ConfirmButton
          size="xs"
          label="Discard"
          title="Discard the draft?"
          text={`The flow is edited from version ${flow.version} again. What runs goes on; the changes in the draft are lost.`}
          mutation={discarding}
        />
      )}
    </Group>
  );
}

/** Makes the text of an older version the draft. */
function EditAgain({ flow, number }: { flow: Flow; number: number }) {
  const [, navigate] = useLocation();
  const queries = useQueryClient();
  const editing = useMutation<unknown, Error, void>({
    mutationFn: async () => saveDraft(flow.name, await documentOfVersion(flow.name, number), flow.draft_tag),
    onSuccess: async () => {
      await refreshed(queries, flow.name);
      navigate(`/flows/${flow.name}/draft`);
    },
  });
  if (flow.has_draft) {
    return (
      <ConfirmButton
        size="xs"
        label="Edit it"
        title={`Put version ${number} in the place of the draft?`}
        text="The changes in the draft are lost. What runs goes on."
        mutation={editing}
      />
    );
  }
  return (
    <>
      <Button size="xs" variant="subtle" loading={editing.isPending} onClick={() => editing.mutate()}>
        Edit it
      </Button>
      {editing.error && <Refusal error={editing.error} />}
    </>
  );
}

function Difference({ flow, to, numbers }: { flow: Flow; to: number; numbers: number[] }) {
  const others = [...(flow.has_draft ? ["draft"] : []), ...numbers.filter((each) => each !== to).map(String)];
  const [chosen, setOther] = useState<string | null>(null);
  const usual = others.find((each) => Number(each) < to) ?? others[0] ?? null;
  const other = chosen !== null && others.includes(chosen) ? chosen : usual;
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
      <Changes changes={diff.data?.changes ?? []} />
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
            <Text size="xs" c="dimmed">
              {[each.cause, each.author && `by ${each.author}`, moment(each.created_at)].filter(Boolean).join(", ")}
            </Text>
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
