import {
  Anchor,
  Badge,
  Group,
  ScrollArea,
  Skeleton,
  Stack,
  Table,
  Text,
  TextInput,
  Title,
  Tooltip,
} from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, useSearchParams } from "wouter";
import { type Flow, flows } from "@/api/flows";
import { FlowMenu } from "@/features/flows/FlowMenu";
import { flowState, matches } from "@/features/flows/flowState";
import { NewFlow } from "@/features/flows/NewFlow";
import { Empty } from "@/ui/Empty";
import { Refusal } from "@/ui/Refusal";
import { StateBadge } from "@/ui/StateBadge";
import { Traffic } from "@/ui/Traffic";
import { tone } from "@/ui/tone";

/** All flows, how they are, and what can be done with them. The search is in the address. */
export function FlowsPage() {
  const found = useQuery(flows.list());
  const [search, setSearch] = useSearchParams();
  const wanted = search.get("q") ?? "";
  const shown = found.data?.filter((flow) => matches(flow, wanted));
  return (
    <Stack p="md" gap="md">
      <Group justify="space-between">
        <Title order={1} size="h2">
          Flows
        </Title>
        <Group>
          <TextInput
            aria-label="Search flows"
            placeholder="Name or state"
            leftSection={<IconSearch size={16} aria-hidden />}
            value={wanted}
            onChange={(event) => {
              const text = event.currentTarget.value;
              setSearch(text === "" ? {} : { q: text }, { replace: true });
            }}
          />
          <NewFlow />
        </Group>
      </Group>
      {found.error && <Refusal error={found.error} onRetry={() => void found.refetch()} />}
      {found.isPending && <Skeleton h={200} role="status" aria-label="Loading" />}
      {found.data?.length === 0 && (
        <Empty title="No flows yet" action={<NewFlow />}>
          A flow begins with a trigger, such as a webhook or a watched folder, and passes each event on to actions.
        </Empty>
      )}
      {shown !== undefined && found.data !== undefined && found.data.length > 0 && <FlowTable flows={shown} />}
    </Stack>
  );
}

function FlowTable({ flows }: { flows: Flow[] }) {
  if (flows.length === 0) return <Text c="dimmed">No flow matches the search.</Text>;
  return (
    <ScrollArea>
      <Table highlightOnHover verticalSpacing="xs" miw={640}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Flow</Table.Th>
            <Table.Th>State</Table.Th>
            <Table.Th>Version</Table.Th>
            <Table.Th>Steps</Table.Th>
            <Table.Th>Events</Table.Th>
            <Table.Th>Errors</Table.Th>
            <Table.Th>
              <span className="visually-hidden">What can be done</span>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {flows.map((flow) => (
            <FlowRow key={flow.id} flow={flow} />
          ))}
        </Table.Tbody>
      </Table>
    </ScrollArea>
  );
}

function FlowRow({ flow }: { flow: Flow }) {
  const steps = flow.deployment?.steps.length;
  return (
    <Table.Tr>
      <Table.Td>
        <Group gap="xs">
          <Anchor component={Link} href={`/flows/${flow.name}`} fw={600}>
            {flow.name}
          </Anchor>
          {flow.has_draft && (
            <Badge size="sm" variant="outline" color="gray">
              draft
            </Badge>
          )}
          {flow.outdated.length > 0 && (
            <Tooltip
              label={flow.outdated.map((each) => `${each.component}: ${each.running} → ${each.latest}`).join(", ")}
            >
              <Badge size="sm" variant="light" color="yellow">
                newer component code
              </Badge>
            </Tooltip>
          )}
        </Group>
      </Table.Td>
      <Table.Td>
        <StateBadge state={flowState(flow)} />
      </Table.Td>
      <Table.Td>{flow.version ?? "–"}</Table.Td>
      <Table.Td>{steps || "–"}</Table.Td>
      <Table.Td>{flow.deployment === null ? <Text size="sm">–</Text> : <Traffic flow={flow.name} among />}</Table.Td>
      <Table.Td>{flow.errors_open > 0 ? <Text c={tone("red")}>{flow.errors_open}</Text> : "0"}</Table.Td>
      <Table.Td ta="right">
        <FlowMenu flow={flow} />
      </Table.Td>
    </Table.Tr>
  );
}
