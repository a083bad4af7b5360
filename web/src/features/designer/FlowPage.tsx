import { Anchor, Badge, Box, Breadcrumbs, Button, Group, Stack, Text, Title, Tooltip } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useLocation } from "wouter";
import { type Flow, flows, openedDraft } from "@/api/flows";
import { DraftPage } from "@/features/designer/DraftPage";
import { FlowMenu } from "@/features/flows/FlowMenu";
import { flowState } from "@/features/flows/flowState";
import { Canvas } from "@/graph/Canvas";
import { read, type Step } from "@/graph/document";
import { Empty } from "@/ui/Empty";
import { Refusal } from "@/ui/Refusal";
import { StateBadge } from "@/ui/StateBadge";
import { Waiting } from "@/ui/Waiting";

/** One flow: as it runs, or its draft. */
export default function FlowPage({ name, editing }: { name: string; editing: boolean }) {
  const flow = useQuery(flows.one(name));
  if (flow.error) return <Refusal error={flow.error} onRetry={() => void flow.refetch()} />;
  if (flow.data === undefined) return <Waiting />;
  return (
    <Stack h="100%" gap={0}>
      <Head flow={flow.data} editing={editing} />
      <Box flex={1} mih={0}>
        {editing ? (
          <DraftPage flow={flow.data} />
        ) : flow.data.version === null ? (
          <Empty title="Not published yet" action={<Edit flow={flow.data} />}>
            This flow has a draft and nothing that could run.
          </Empty>
        ) : (
          <Running flow={flow.data} number={flow.data.deployment?.version ?? flow.data.version} />
        )}
      </Box>
    </Stack>
  );
}

function Head({ flow, editing }: { flow: Flow; editing: boolean }) {
  return (
    <Group px="md" py="xs" justify="space-between">
      <Group gap="sm">
        <Breadcrumbs>
          <Anchor component={Link} href="/flows">
            Flows
          </Anchor>
          <Title order={1} size="h3">
            {flow.name}
          </Title>
        </Breadcrumbs>
        <StateBadge state={flowState(flow)} />
        {flow.deployment && <Badge variant="outline" color="gray">{`version ${flow.deployment.version}`}</Badge>}
        {flow.reason && (
          <Text size="sm" c="dimmed">
            {flow.reason}
          </Text>
        )}
      </Group>
      <Group gap="xs">
        {editing ? <Watch flow={flow} /> : <Edit flow={flow} />}
        <FlowMenu flow={flow} />
      </Group>
    </Group>
  );
}

/** Makes the draft from what is published, or opens the one there is. */
function Edit({ flow }: { flow: Flow }) {
  const [, navigate] = useLocation();
  const queries = useQueryClient();
  const opening = useMutation({
    mutationFn: () => openedDraft(flow),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ["flows"] });
      navigate(`/flows/${flow.name}/draft`);
    },
  });
  return (
    <Tooltip label={opening.error?.message} disabled={opening.error === null} opened={opening.error !== null}>
      <Button size="xs" loading={opening.isPending} onClick={() => opening.mutate()}>
        {flow.has_draft ? "Edit the draft" : "Edit"}
      </Button>
    </Tooltip>
  );
}

function Watch({ flow }: { flow: Flow }) {
  return (
    <Button size="xs" variant="default" component={Link} href={`/flows/${flow.name}`}>
      Show what runs
    </Button>
  );
}

function Running({ flow, number }: { flow: Flow; number: number }) {
  const version = useQuery(flows.version(flow.name, number));
  const [selected, setSelected] = useState<string | null>(null);
  if (version.error) return <Refusal error={version.error} onRetry={() => void version.refetch()} />;
  if (version.data === undefined) return <Waiting />;
  const document = read(version.data.document);
  if (document === null) return <Empty title="This version cannot be drawn">Export it to see its text.</Empty>;
  const about = (step: Step) => ({
    live: flow.deployment?.steps.find((each) => each.id === step.id) ?? null,
    revision: flow.deployment?.components[step.id]?.revision ?? null,
    newer: flow.outdated.find((each) => each.step === step.id)?.latest ?? null,
  });
  return <Canvas steps={document.steps} selected={selected} onSelect={setSelected} about={about} />;
}
