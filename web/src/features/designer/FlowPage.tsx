import { Anchor, Badge, Box, Breadcrumbs, Button, Group, Stack, Text, Title, Tooltip } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link, useLocation } from "wouter";
import { type Deployment, type Flow, flows, openedDraft, refreshed } from "@/api/flows";
import { type Beside, useBeside } from "@/features/designer/beside";
import { DraftPage } from "@/features/designer/DraftPage";
import { NewerButton } from "@/features/designer/NewerButton";
import { OnItsWay } from "@/features/designer/OnItsWay";
import { RunningFlow } from "@/features/designer/RunningFlow";
import { Empty } from "@/ui/Empty";
import { flowState } from "@/ui/flowState";
import { Refusal } from "@/ui/Refusal";
import { StateBadge } from "@/ui/StateBadge";
import { Traffic } from "@/ui/Traffic";
import { Waiting } from "@/ui/Waiting";
import { moment } from "@/ui/when";

interface Props {
  name: string;
  editing: boolean;
  /** What else can be done with the flow. */
  menu: (flow: Flow) => ReactNode;
}

/** One flow: as it runs, or its draft. */
export default function FlowPage({ name, editing, menu }: Props) {
  const flow = useQuery(flows.one(name));
  const { open } = useBeside();
  if (flow.data === undefined) {
    return flow.error ? <Refusal error={flow.error} onRetry={() => void flow.refetch()} /> : <Waiting />;
  }
  return (
    <Stack h="100%" gap={0}>
      <Head flow={flow.data} editing={editing} menu={menu(flow.data)} onBeside={open} />
      {!editing && <OnItsWay flow={flow.data} />}
      <Box flex={1} mih={0}>
        {editing ? (
          <DraftPage flow={flow.data} />
        ) : flow.data.version === null ? (
          <Empty title="Not published yet" action={<Edit flow={flow.data} />}>
            This flow has a draft and nothing that could run.
          </Empty>
        ) : (
          <RunningFlow flow={flow.data} readAt={flow.dataUpdatedAt} />
        )}
      </Box>
    </Stack>
  );
}

interface HeadProps {
  flow: Flow;
  editing: boolean;
  menu: ReactNode;
  onBeside: (beside: Beside) => void;
}

function Head({ flow, editing, menu, onBeside }: HeadProps) {
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
        <Box role="status" aria-label="State of the flow">
          <StateBadge state={flowState(flow)} />
        </Box>
        {flow.deployment && <Badge variant="outline" color="gray">{`version ${flow.deployment.version}`}</Badge>}
        {!editing && flow.deployment && <LastPublish deployment={flow.deployment} />}
        {!editing && flow.deployment && (
          <Box visibleFrom="md">
            <Traffic flow={flow.name} />
          </Box>
        )}
        {flow.reason && (
          <Text size="sm" c="dimmed">
            {flow.reason}
          </Text>
        )}
      </Group>
      <Group gap="xs" ml="auto">
        {!editing && flow.version !== null && (
          <>
            <NewerButton flow={flow} onClick={() => onBeside("updates")} />
            <Button size="xs" variant="default" onClick={() => onBeside("watch")}>
              Watch
            </Button>
            <Button size="xs" variant="default" onClick={() => onBeside("log")}>
              Log
            </Button>
            <Button size="xs" variant="default" onClick={() => onBeside("versions")}>
              Versions
            </Button>
          </>
        )}
        {editing ? <Watch flow={flow} /> : <Edit flow={flow} />}
        {menu}
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
      await refreshed(queries, flow.name);
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

/** Warm-up and gap of the publish that brought what runs. */
function LastPublish({ deployment }: { deployment: Deployment }) {
  const { ready_ms, live_at, handover } = deployment;
  const told = [
    ready_ms === null ? "" : `warm-up ${ready_ms} ms`,
    handover?.gap_ms == null ? "" : `gap ${handover.gap_ms.toFixed(0)} ms`,
  ].filter(Boolean);
  const since = live_at === null ? "" : `Live since ${moment(live_at)}`;
  return (
    <Text size="xs" c="dimmed" visibleFrom="sm" title={since} aria-label={`Last publish: ${told.join(", ")}. ${since}`}>
      {told.join(", ")}
    </Text>
  );
}
