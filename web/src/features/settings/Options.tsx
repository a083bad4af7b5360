import { Badge, Code, ScrollArea, Stack, Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { platform } from "@/api/platform";
import { grouped, type Option } from "@/features/settings/options";
import { Refusal } from "@/ui/Refusal";

/** What the server was started with: how long things are kept, how large they may be, and the rest. */
export function Options() {
  const found = useQuery(platform.settings());
  if (found.error) return <Refusal error={found.error} onRetry={() => void found.refetch()} />;
  if (found.data === undefined) return null;
  return (
    <Stack component="section" aria-label="Options" gap="md">
      <Text size="sm">
        Options are changed in <Code>{found.data.file}</Code>, or by an environment variable, and count from the next
        start of the server on: <Code>headrace down</Code>, <Code>headrace up</Code>. Flows go on meanwhile.
      </Text>
      {grouped(found.data.options).map(({ title, options }) => (
        <section key={title} aria-label={title}>
          <Title order={2} size="h3" mb="xs">
            {title}
          </Title>
          <OptionTable options={options} />
        </section>
      ))}
    </Stack>
  );
}

function OptionTable({ options }: { options: Option[] }) {
  return (
    <ScrollArea viewportProps={{ tabIndex: 0 }}>
      <Table miw={560}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th w={190}>Option</Table.Th>
            <Table.Th w={170}>Value</Table.Th>
            <Table.Th>Meaning</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {options.map((each) => (
            <Table.Tr key={each.name}>
              <Table.Td>
                <Code>{each.name}</Code>
              </Table.Td>
              <Table.Td style={{ overflowWrap: "anywhere" }}>
                {each.value || "–"}{" "}
                {each.value !== each.default && (
                  <Badge size="xs" variant="light" title={`By default: ${each.default || "nothing"}`}>
                    set
                  </Badge>
                )}
              </Table.Td>
              <Table.Td>
                <Text size="sm">{each.description.replaceAll("`", "")}</Text>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </ScrollArea>
  );
}
