import {
  Anchor,
  Badge,
  Button,
  Code,
  CopyButton,
  Group,
  Modal,
  ScrollArea,
  Stack,
  Table,
  Text,
  TextInput,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { type Component, components } from "@/api/components";
import { BuildBadge } from "@/features/components/BuildBadge";
import { Empty } from "@/ui/Empty";
import { Page } from "@/ui/Page";
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
          <Empty title="No component" action={<PushHelp />}>
            Components are git repositories: each push makes a version.
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
                <Anchor component={Link} href={`/components/${each.name}`} fw={600}>
                  {each.name}
                </Anchor>
                <Text size="xs" c="dimmed" lineClamp={1}>
                  {each.description || each.title}
                </Text>
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

/** The exact lines that push a component from a folder, with this server's own address. */
export function PushHelp({ name = "my-component" }: { name?: string }) {
  const [opened, { open, close }] = useDisclosure();
  const lines = `headrace component create ${name}   # a folder to begin with
cd ${name}
git init -b main && git add -A && git commit -m "Begin"
git push ${window.location.origin}/git/${name}.git main`;
  return (
    <>
      <Button variant="default" onClick={open}>
        How to push
      </Button>
      <Modal opened={opened} onClose={close} title="Push a component with git" size="lg">
        <Stack gap="sm">
          <Text size="sm">
            Each push to <Code>main</Code> makes a component version and builds it; nothing that runs changes. git asks
            for a user, which may be anything, and a password, which is a token.
          </Text>
          <Code block>{lines}</Code>
          <CopyButton value={lines}>
            {({ copied, copy }) => <Button onClick={copy}>{copied ? "Copied" : "Copy"}</Button>}
          </CopyButton>
        </Stack>
      </Modal>
    </>
  );
}
