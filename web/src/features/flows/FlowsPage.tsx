import {
  Anchor,
  Badge,
  Button,
  Checkbox,
  Group,
  ScrollArea,
  Select,
  Skeleton,
  Stack,
  Table,
  Text,
  TextInput,
  Title,
  Tooltip,
} from "@mantine/core";
import { IconDownload, IconSearch } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { type Flow, flows } from "@/api/flows";
import { exportAll } from "@/features/flows/exporting";
import { FlowMenu } from "@/features/flows/FlowMenu";
import { matches } from "@/features/flows/filter";
import { DropFiles, ImportButton, Imported, useImport } from "@/features/flows/Import";
import { NewFlow } from "@/features/flows/NewFlow";
import { Empty } from "@/ui/Empty";
import { flowState } from "@/ui/flowState";
import { Refusal } from "@/ui/Refusal";
import { StateBadge } from "@/ui/StateBadge";
import { Traffic } from "@/ui/Traffic";
import { tone } from "@/ui/tone";
import { useFilter } from "@/ui/useFilter";

const STATES = ["live", "warming", "draining", "suspended", "stopped", "failed"];

/**
 * All flows, how they are, and what can be done with them. Search and filters are in the address. `tour` is what offers the
 * tour to a first flow, or only to go on with it once it was begun.
 */
export function FlowsPage({ tour }: { tour: (begun: boolean) => ReactNode }) {
  const found = useQuery(flows.list());
  const [filter, setFilter] = useFilter();
  const wanted = {
    words: filter("q"),
    state: filter("state"),
    draft: filter("draft") === "yes",
    newer: filter("newer") === "yes",
  };
  const shown = found.data?.filter((flow) => matches(flow, wanted)) ?? [];
  const importing = useImport(new Set(found.data?.map((flow) => flow.name)));
  const exporting = useMutation({ mutationFn: () => exportAll(shown) });
  const some = found.data !== undefined && found.data.length > 0;
  return (
    <DropFiles importing={importing}>
      <Stack p="md" gap="md">
        <Group justify="space-between">
          <Title order={1} size="h2">
            Flows
          </Title>
          <Group gap="xs">
            {some && (
              <Button
                variant="default"
                leftSection={<IconDownload size={16} aria-hidden />}
                loading={exporting.isPending}
                disabled={shown.length === 0}
                onClick={() => exporting.mutate()}
              >
                Export
              </Button>
            )}
            {some && tour(true)}
            <ImportButton importing={importing} />
            <NewFlow />
          </Group>
        </Group>
        {some && (
          <Group gap="sm" role="search" aria-label="Flows">
            <TextInput
              aria-label="Search flows"
              placeholder="Name or state"
              leftSection={<IconSearch size={16} aria-hidden />}
              value={wanted.words}
              onChange={(event) => setFilter("q", event.currentTarget.value)}
            />
            <Select
              aria-label="State"
              placeholder="Any state"
              w={140}
              clearable
              data={STATES}
              value={wanted.state || null}
              onChange={(state) => setFilter("state", state)}
            />
            <Checkbox
              label="With a draft"
              checked={wanted.draft}
              onChange={(event) => setFilter("draft", event.currentTarget.checked ? "yes" : null)}
            />
            <Checkbox
              label="Newer component code"
              checked={wanted.newer}
              onChange={(event) => setFilter("newer", event.currentTarget.checked ? "yes" : null)}
            />
          </Group>
        )}
        <Imported importing={importing} />
        {exporting.error && <Refusal error={exporting.error} />}
        {found.error && <Refusal error={found.error} onRetry={() => void found.refetch()} />}
        {found.isPending && <Skeleton h={200} role="status" aria-label="Loading" />}
        {found.data?.length === 0 && (
          <Empty
            title="No flows yet"
            action={
              <Group justify="center">
                <NewFlow />
                {tour(false)}
              </Group>
            }
          >
            A flow begins with a trigger, such as a webhook or a watched folder, and passes each event on to actions.
            Files of flows can be dropped here.
          </Empty>
        )}
        {some && <FlowTable flows={shown} />}
      </Stack>
    </DropFiles>
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
            <Table.Th>Type</Table.Th>
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
      <Table.Td>{flow.type}</Table.Td>
      <Table.Td>{flow.version ?? "–"}</Table.Td>
      <Table.Td>{flow.step_count}</Table.Td>
      <Table.Td>{flow.deployment === null ? <Text size="sm">–</Text> : <Traffic flow={flow.name} among />}</Table.Td>
      <Table.Td>{flow.errors_open > 0 ? <Text c={tone("red")}>{flow.errors_open}</Text> : "0"}</Table.Td>
      <Table.Td ta="right">
        <FlowMenu flow={flow} />
      </Table.Td>
    </Table.Tr>
  );
}
