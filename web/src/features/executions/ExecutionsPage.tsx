import { Anchor, Badge, Button, Group, ScrollArea, Select, Table, Text } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { type Execution, type ExecutionFilter, executions } from "@/api/executions";
import { flows } from "@/api/flows";
import { Empty } from "@/ui/Empty";
import { Page } from "@/ui/Page";
import { useFilter } from "@/ui/useFilter";
import { moment, span } from "@/ui/when";

const SINCE = [
  { value: "900000", label: "Last 15 minutes" },
  { value: "3600000", label: "Last hour" },
  { value: "86400000", label: "Last day" },
];
const STATES = ["running", "done", "failed"] as const;
export const STATE_COLORS = { running: "blue", done: "teal", failed: "red" } as const;

/** What events caused, newest first; the list goes on by itself. */
export default function ExecutionsPage() {
  const [filter, setFilter] = useFilter();
  const state = STATES.find((each) => each === filter("state"));
  const version = Number(filter("version"));
  const ago = SINCE.find((each) => each.value === filter("since"))?.value;
  const wanted: ExecutionFilter = {
    ...(filter("flow") ? { flow: filter("flow") } : {}),
    ...(state ? { state } : {}),
    ...(version > 0 ? { version } : {}),
    ...(ago ? { since: roundedDown(Date.now() - Number(ago)) } : {}),
  };
  const list = useInfiniteQuery(executions.pages(wanted));
  const names = useQuery(flows.list()).data?.map((flow) => flow.name) ?? [];
  const tools = (
    <>
      <Select
        aria-label="Flow"
        placeholder="All flows"
        data={names}
        value={filter("flow") || null}
        onChange={(value) => setFilter("flow", value)}
        clearable
        searchable
      />
      <Select
        aria-label="State"
        placeholder="Any state"
        data={STATES}
        value={filter("state") || null}
        onChange={(value) => setFilter("state", value)}
        clearable
      />
      <Select
        aria-label="Since"
        placeholder="Any time"
        data={SINCE}
        value={ago ?? null}
        onChange={(value) => setFilter("since", value)}
        clearable
      />
      {version > 0 && (
        <Button size="sm" variant="default" onClick={() => setFilter("version", null)}>
          {`Only version ${version} ×`}
        </Button>
      )}
    </>
  );
  return (
    <Page title="Executions" tools={tools} query={list}>
      {({ pages }) =>
        pages.some((page) => page.items.length > 0) ? (
          <>
            <Executions items={pages.flatMap((page) => page.items)} />
            {list.hasNextPage && (
              <Group justify="center">
                <Button
                  variant="default"
                  size="xs"
                  loading={list.isFetchingNextPage}
                  onClick={() => void list.fetchNextPage()}
                >
                  Show older ones
                </Button>
              </Group>
            )}
          </>
        ) : (
          <Empty title="No executions">Each event that a flow takes shows up here, with everything it caused.</Empty>
        )
      }
    </Page>
  );
}

/** To the minute, so that a list is not another one each time it is drawn. */
function roundedDown(ms: number): number {
  return ms - (ms % 60_000);
}

function Executions({ items }: { items: Execution[] }) {
  return (
    <ScrollArea>
      <Table highlightOnHover miw={640}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Began</Table.Th>
            <Table.Th>Flow</Table.Th>
            <Table.Th>State</Table.Th>
            <Table.Th>Took</Table.Th>
            <Table.Th>Messages</Table.Th>
            <Table.Th>Errors</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {items.map((each) => (
            <Table.Tr key={each.id}>
              <Table.Td>
                <Anchor component={Link} href={`/executions/${each.id}`}>
                  {moment(each.started_at)}
                </Anchor>
              </Table.Td>
              <Table.Td>
                {each.flow || <Text c="dimmed">removed</Text>}{" "}
                <Text span size="sm" c="dimmed">{`v${each.version}`}</Text>
              </Table.Td>
              <Table.Td>
                <Badge variant="light" color={STATE_COLORS[each.state]}>
                  {each.state}
                </Badge>
              </Table.Td>
              <Table.Td>{each.duration_ms === null ? "–" : span(each.duration_ms * 1_000)}</Table.Td>
              <Table.Td>{each.messages}</Table.Td>
              <Table.Td>{each.errors}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </ScrollArea>
  );
}
