import { Anchor, Button, Group, Modal, ScrollArea, Table, Text, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "wouter";
import { type Credential, credentials, removeCredential } from "@/api/credentials";
import { CredentialState } from "@/forms/CredentialState";
import { CredentialTools } from "@/forms/CredentialTools";
import { EditCredential } from "@/forms/EditCredential";
import { NewCredential } from "@/forms/NewCredential";
import { ConfirmButton } from "@/ui/ConfirmButton";
import { Empty } from "@/ui/Empty";
import { Page } from "@/ui/Page";
import { useFilter } from "@/ui/useFilter";
import { moment } from "@/ui/when";

/** Secrets of components: what they are for and whether they are good, never what they are. */
export default function CredentialsPage() {
  const [making, { open, close }] = useDisclosure();
  const [filter, setFilter] = useFilter();
  const wanted = filter("q").toLowerCase();
  const tools = (
    <>
      <TextInput
        aria-label="Search credentials"
        placeholder="Search"
        leftSection={<IconSearch size={16} aria-hidden />}
        value={filter("q")}
        onChange={(event) => setFilter("q", event.currentTarget.value)}
      />
      <Button onClick={open}>New credential</Button>
    </>
  );
  return (
    <>
      <Page title="Credentials" tools={tools} query={useQuery(credentials.list())}>
        {(all) => {
          const shown = all.filter((each) => `${each.name} ${each.component}`.toLowerCase().includes(wanted));
          return shown.length > 0 ? (
            <List items={shown} />
          ) : (
            <Empty
              title={all.length === 0 ? "No credentials" : "No such credential"}
              action={all.length === 0 ? <Button onClick={open}>New credential</Button> : undefined}
            >
              A credential keeps what a component needs to sign in elsewhere. It is stored encrypted and never shown
              again.
            </Empty>
          );
        }}
      </Page>
      <Modal opened={making} onClose={close} title="New credential">
        <NewCredential onDone={close} onCancel={close} />
      </Modal>
    </>
  );
}

function List({ items }: { items: Credential[] }) {
  return (
    <ScrollArea>
      <Table miw={640}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Name</Table.Th>
            <Table.Th>Component</Table.Th>
            <Table.Th>State</Table.Th>
            <Table.Th>In flows</Table.Th>
            <Table.Th>
              <span className="visually-hidden">What can be done</span>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {items.map((each) => (
            <CredentialRow key={each.name} credential={each} />
          ))}
        </Table.Tbody>
      </Table>
    </ScrollArea>
  );
}

function CredentialRow({ credential }: { credential: Credential }) {
  const queries = useQueryClient();
  const [editing, edit] = useDisclosure();
  const refreshed = () => queries.invalidateQueries({ queryKey: ["credentials"] });
  const removing = useMutation({ mutationFn: () => removeCredential(credential.name), onSuccess: refreshed });
  return (
    <Table.Tr>
      <Table.Td>
        <Text fw={600} size="sm">
          {credential.name}
        </Text>
        <Text size="xs" c="dimmed">
          {`${credential.author ? `${credential.author}, ` : ""}${moment(credential.changed_at)}`}
        </Text>
      </Table.Td>
      <Table.Td>
        <Anchor component={Link} href={`/components/${credential.component}`} size="sm">
          {credential.component}
        </Anchor>
      </Table.Td>
      <Table.Td>
        <CredentialState credential={credential} />
        {credential.token_until !== null && (
          <Text size="xs" c="dimmed">{`token until ${moment(credential.token_until)}, renewed before`}</Text>
        )}
      </Table.Td>
      <Table.Td>
        {credential.flows.length === 0 && "–"}
        <Group gap={6}>
          {credential.flows.map((flow) => (
            <Anchor key={flow} component={Link} href={`/flows/${flow}`} size="sm">
              {flow}
            </Anchor>
          ))}
        </Group>
      </Table.Td>
      <Table.Td>
        <CredentialTools credential={credential}>
          <Button size="compact-sm" variant="subtle" onClick={edit.open}>
            Edit
          </Button>
          <ConfirmButton
            size="compact-sm"
            label="Remove"
            title={`Remove ${credential.name}?`}
            text={
              credential.flows.length > 0
                ? `${credential.flows.join(", ")} ${credential.flows.length === 1 ? "uses" : "use"} it, so it cannot be removed.`
                : "Its values are lost. No flow uses it."
            }
            mutation={removing}
          />
        </CredentialTools>
        <Modal opened={editing} onClose={edit.close} title={credential.name}>
          <EditCredential credential={credential} onDone={edit.close} />
        </Modal>
      </Table.Td>
    </Table.Tr>
  );
}
