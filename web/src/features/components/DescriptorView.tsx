import { Accordion, Badge, Group, ScrollArea, Select, Stack, Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { components } from "@/api/components";
import { credentialFields, type Field, fieldsOf } from "@/forms/fields";
import { Json } from "@/ui/Json";
import { Refusal } from "@/ui/Refusal";

type Written = Record<string, { title?: string; description?: string; type?: string } | undefined>;

/** What a component version says of itself: what it offers, with which fields, and the text itself. */
export function DescriptorView({ name, latest }: { name: string; latest: number }) {
  const [revision, setRevision] = useState(latest);
  const versions = useQuery(components.versions(name));
  const version = useQuery(components.version(name, revision));
  const descriptor = version.data?.descriptor as { triggers?: Written; actions?: Written } | undefined;
  const secrets = credentialFields(descriptor);
  return (
    <Stack>
      <Select
        label="Component version"
        maw={360}
        data={(versions.data ?? []).map((each) => ({
          value: String(each.revision),
          label: `revision ${each.revision}${each.is_latest ? ", the latest" : ""}`,
        }))}
        value={String(revision)}
        allowDeselect={false}
        onChange={(value) => setRevision(Number(value))}
      />
      {version.error && <Refusal error={version.error} />}
      {(["trigger", "action"] as const).flatMap((kind) =>
        Object.entries(descriptor?.[`${kind}s`] ?? {}).map(([key, offer]) => (
          <section key={`${kind} ${key}`} aria-label={`${kind} ${key}`}>
            <Group gap="xs">
              <Title order={2} size="h5">
                {offer?.title || key}
              </Title>
              <Badge size="sm" variant="light" color="gray">
                {kind === "trigger" ? `trigger, ${offer?.type ?? "webhook"}` : "action"}
              </Badge>
            </Group>
            {offer?.description && <Text size="sm">{offer.description}</Text>}
            <FieldTable fields={fieldsOf(descriptor, kind, key)} />
          </section>
        )),
      )}
      {secrets.length > 0 && (
        <section aria-label="Credential">
          <Title order={2} size="h5">
            Credential
          </Title>
          <FieldTable fields={secrets} />
        </section>
      )}
      {version.data && (
        <Accordion variant="contained">
          <Accordion.Item value="text">
            <Accordion.Control>component.json</Accordion.Control>
            <Accordion.Panel>
              <Json value={version.data.descriptor} />
            </Accordion.Panel>
          </Accordion.Item>
        </Accordion>
      )}
    </Stack>
  );
}

function FieldTable({ fields }: { fields: Field[] }) {
  if (fields.length === 0) return null;
  return (
    <ScrollArea viewportProps={{ tabIndex: 0 }}>
      <Table miw={480}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Field</Table.Th>
            <Table.Th>Is edited as</Table.Th>
            <Table.Th>Needs</Table.Th>
            <Table.Th>Note</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {fields.map((field) => (
            <Table.Tr key={field.name}>
              <Table.Td>
                {field.label}
                {field.required ? " *" : ""}{" "}
                {field.label !== field.name && (
                  <Text span size="xs" c="dimmed">
                    {field.name}
                  </Text>
                )}
              </Table.Td>
              <Table.Td>{field.viewClass}</Table.Td>
              <Table.Td>{field.needs.join(", ") || "–"}</Table.Td>
              <Table.Td>{field.note || field.help || "–"}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </ScrollArea>
  );
}
