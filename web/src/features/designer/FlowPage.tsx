import { Anchor, Badge, Box, Breadcrumbs, Center, Group, Loader, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { type Flow, flows } from "@/api/flows";
import { Canvas } from "@/features/designer/Canvas";
import { FlowMenu } from "@/features/flows/FlowMenu";
import { flowState } from "@/features/flows/flowState";
import { read, type Step } from "@/graph/document";
import { Empty } from "@/ui/Empty";
import { Refusal } from "@/ui/Refusal";
import { StateBadge } from "@/ui/StateBadge";

/** One flow as it runs. */
export default function FlowPage({ name }: { name: string }) {
  const flow = useQuery(flows.one(name));
  if (flow.error) return <Refusal error={flow.error} onRetry={() => void flow.refetch()} />;
  if (flow.data === undefined) return <Waiting />;
  return (
    <Stack h="100%" gap={0}>
      <Head flow={flow.data} />
      <Box flex={1} mih={0}>
        {flow.data.version === null ? (
          <Empty title="Not published yet">This flow has a draft and nothing that could run.</Empty>
        ) : (
          <Running flow={flow.data} number={flow.data.deployment?.version ?? flow.data.version} />
        )}
      </Box>
    </Stack>
  );
}

function Head({ flow }: { flow: Flow }) {
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
      <FlowMenu flow={flow} />
    </Group>
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
    mistakes: 0,
  });
  return <Canvas steps={document.steps} selected={selected} onSelect={setSelected} about={about} />;
}

function Waiting() {
  return (
    <Center h="60vh">
      <Loader aria-label="Loading" />
    </Center>
  );
}
