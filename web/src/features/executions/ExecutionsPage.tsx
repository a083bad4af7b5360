import { Anchor, Badge, Button, ScrollArea, Select, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { type Execution, type ExecutionFilter, executions } from "@/api/executions";
import { flows } from "@/api/flows";
import { Empty } from "@/ui/Empty";
import { Page } from "@/ui/Page";
import { useFilter } from "@/ui/useFilter";
import { moment, span } from "@/ui/when";

const STATES = ["running", "done", "failed"] as const;
export const STATE_COLORS = { running: "blue", done: "teal", failed: "red" } as const;

/** What events caused, newest first; the list goes on by itself. */
export default function ExecutionsPage() {
  const [filter, setFilter] = useFilter();
  const state = STATES.find((each) => each === filter("state"));
  const version = Number(filter("version"));
  const wanted: ExecutionFilter = {
    ...(filter("flow") ? { flow: filter("flow") } : {}),
    ...(state ? { state } : {}),
    ...(version > 0 ? { version } : {}),
  };
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
      {version > 0 && (
        <Button size="sm" variant="default" onClick={() => setFilter("version", null)}>
          {`Only version ${version} ×`}
        </Button>
      )}
    </>
  );
  return (
    <Page title="Executions" tools={tools} query={useQuery(executions.list(wanted))}>
      {({ items }) =>
        items.length > 0 ? (
          <Executions items={items} />
        ) : (
          <Empty title="No executions">Each event that a flow takes shows up here, with everything it caused.</Empty>
        )
      }
    </Page>
  );
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
