import { Anchor, Badge, Group, ScrollArea, Table, Text, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { type Component, components } from "@/api/components";
import { BuildBadge } from "@/features/components/BuildBadge";
import { PushHelp } from "@/features/components/PushHelp";
import { ComponentMark } from "@/ui/ComponentMark";
import { Empty } from "@/ui/Empty";
import { Page } from "@/ui/Page";
import { PushLines } from "@/ui/PushLines";
import { useFilter } from "@/ui/useFilter";

/** What flows can be made of, and how to push more. */
export default function ComponentsPage() {
  const [filter, setFilter] = useFilter();
  const wanted = filter("q").toLowerCase();
  const tools = (
    <>
      <TextInput
        aria-label="Search components"
        placeholder="Search"
        leftSection={<IconSearch size={16} aria-hidden />}
        value={filter("q")}
        onChange={(event) => setFilter("q", event.currentTarget.value)}
      />
      <PushHelp />
    </>
  );
  return (
    <Page title="Components" tools={tools} query={useQuery(components.list())}>
      {(all) => {
        const shown = all.filter((each) =>
          `${each.name} ${each.title} ${each.description}`.toLowerCase().includes(wanted),
        );
        return shown.length > 0 ? (
          <List items={shown} />
        ) : (
          <Empty title={all.length === 0 ? "No component" : "No such component"}>
            <PushLines />
          </Empty>
        );
      }}
    </Page>
  );
}

function List({ items }: { items: Component[] }) {
  return (
    <ScrollArea>
      <Table highlightOnHover miw={640} verticalSpacing="xs">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Component</Table.Th>
            <Table.Th>Offers</Table.Th>
            <Table.Th>Latest</Table.Th>
            <Table.Th>Pushed last</Table.Th>
            <Table.Th>In flows</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {items.map((each) => (
            <Table.Tr key={each.name}>
              <Table.Td>
                <Group gap="sm" wrap="nowrap">
                  <ComponentMark name={each.name} icon={each.icon} />
                  <div>
                    <Anchor component={Link} href={`/components/${each.name}`} fw={600}>
                      {each.name}
                    </Anchor>
                    <Text size="xs" c="dimmed" lineClamp={1}>
                      {each.description || each.title}
                    </Text>
                  </div>
                </Group>
              </Table.Td>
              <Table.Td>
                <Text size="sm">
                  {[...each.triggers, ...each.actions].map((offer) => offer.title || offer.name).join(", ")}
                </Text>
              </Table.Td>
              <Table.Td>{each.latest === null ? "–" : `revision ${each.latest}`}</Table.Td>
              <Table.Td>
                {each.newest && (
                  <Group gap="xs">
                    {each.newest.revision}
                    <BuildBadge state={each.newest.state} />
                  </Group>
                )}
              </Table.Td>
              <Table.Td>
                {each.flows.length === 0 ? (
                  "–"
                ) : (
                  <Badge variant="outline" color="gray">
                    {each.flows.length}
                  </Badge>
                )}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </ScrollArea>
  );
}
