import {
  Badge,
  Button,
  Group,
  Modal,
  PasswordInput,
  ScrollArea,
  Select,
  Stack,
  Table,
  Text,
  TextInput,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { components } from "@/api/components";
import {
  type Credential,
  connectCredential,
  createCredential,
  credentialFields,
  credentials,
  editCredential,
  removeCredential,
  verifyCredential,
} from "@/api/credentials";
import { ConfirmButton } from "@/ui/ConfirmButton";
import { Empty } from "@/ui/Empty";
import { Page } from "@/ui/Page";
import { Refusal } from "@/ui/Refusal";

const COLORS: Record<string, string> = { verified: "teal", unverified: "gray", failed: "red" };

/** Secrets of components: what they are for and whether they are good, never what they are. */
export default function CredentialsPage() {
  const [making, { open, close }] = useDisclosure();
  return (
    <>
      <Page
        title="Credentials"
        tools={<Button onClick={open}>New credential</Button>}
        query={useQuery(credentials.list())}
      >
        {(all) =>
          all.length > 0 ? (
            <List items={all} />
          ) : (
            <Empty title="No credentials">
              A credential keeps what a component needs to sign in elsewhere. It is stored encrypted and never shown
              again.
            </Empty>
          )
        }
      </Page>
      <Modal opened={making} onClose={close} title="New credential">
        <NewCredential onDone={close} />
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
  const verifying = useMutation({ mutationFn: () => verifyCredential(credential.name), onSettled: refreshed });
  const removing = useMutation({ mutationFn: () => removeCredential(credential.name), onSuccess: refreshed });
  const connecting = useMutation({
    mutationFn: () => connectCredential(credential.name),
    onSuccess: ({ url }) => void window.open(url, "_blank", "noopener"),
  });
  const refused = verifying.error ?? connecting.error;
  return (
    <Table.Tr>
      <Table.Td fw={600}>{credential.name}</Table.Td>
      <Table.Td>{credential.component}</Table.Td>
      <Table.Td>
        <Badge variant="light" color={COLORS[credential.state] ?? "gray"}>
          {credential.state}
        </Badge>
        {credential.reason && (
          <Text size="xs" c="dimmed">
            {credential.reason}
          </Text>
        )}
        {refused && <Refusal error={refused} />}
      </Table.Td>
      <Table.Td>{credential.flows.join(", ") || "–"}</Table.Td>
      <Table.Td>
        <Group gap={4} justify="flex-end" wrap="nowrap">
          {credential.connects && (
            <Button
              size="compact-sm"
              variant="light"
              loading={connecting.isPending}
              onClick={() => connecting.mutate()}
            >
              {credential.connected ? "Connect again" : "Connect"}
            </Button>
          )}
          <Button size="compact-sm" variant="subtle" loading={verifying.isPending} onClick={() => verifying.mutate()}>
            Verify
          </Button>
          <Button size="compact-sm" variant="subtle" onClick={edit.open}>
            Edit
          </Button>
          <ConfirmButton
            size="compact-sm"
            label="Remove"
            title={`Remove ${credential.name}?`}
            text="Its values are lost. A credential that a flow uses cannot be removed."
            mutation={removing}
          />
        </Group>
        <Modal opened={editing} onClose={edit.close} title={credential.name}>
          <EditCredential credential={credential} onDone={edit.close} />
        </Modal>
      </Table.Td>
    </Table.Tr>
  );
}

/** Choose a component, fill in what it asks for; it is verified as it is saved. */
export function NewCredential({ component: given, onDone }: { component?: string; onDone: (name: string) => void }) {
  const queries = useQueryClient();
  const known = useQuery(components.list());
  const [name, setName] = useState("");
  const [component, setComponent] = useState<string | null>(given ?? null);
  const [values, setValues] = useState<Record<string, string>>({});
  const latest = known.data?.find((each) => each.name === component)?.latest ?? null;
  const version = useQuery({
    ...components.version(component ?? "", latest ?? 0),
    enabled: component !== null && latest !== null,
  });
  const fields = credentialFields(version.data?.descriptor);
  const making = useMutation({
    mutationFn: () => createCredential({ name, component: component ?? "", values, verify: true }),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ["credentials"] });
      onDone(name);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    making.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput
          label="Name"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          required
          data-autofocus
        />
        {given === undefined && (
          <Select
            label="Component"
            data={known.data?.map((each) => each.name) ?? []}
            value={component}
            onChange={setComponent}
            searchable
            required
          />
        )}
        {fields.map((field) => (
          <Secret
            key={field.name}
            {...field}
            value={values[field.name] ?? ""}
            onChange={(value) => setValues({ ...values, [field.name]: value })}
          />
        ))}
        {making.error && <Refusal error={making.error} />}
        <Button type="submit" loading={making.isPending} disabled={component === null}>
          Save and verify
        </Button>
      </Stack>
    </form>
  );
}

function EditCredential({ credential, onDone }: { credential: Credential; onDone: () => void }) {
  const queries = useQueryClient();
  const [values, setValues] = useState<Record<string, string>>({});
  const saving = useMutation({
    mutationFn: () => editCredential(credential.name, values),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ["credentials"] });
      onDone();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    saving.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <Text size="sm">
          Fields left empty stay as they are. Steps that run get the new values with their next message.
        </Text>
        {credential.fields.map((field) => (
          <Secret
            key={field.name}
            name={field.name}
            label={field.label}
            note={field.note}
            required={false}
            hidden={/Password/.test(field.view_class)}
            placeholder={field.is_set ? "set" : "not set"}
            value={values[field.name] ?? ""}
            onChange={(value) => setValues({ ...values, [field.name]: value })}
          />
        ))}
        {saving.error && <Refusal error={saving.error} />}
        <Button type="submit" loading={saving.isPending}>
          Save and verify
        </Button>
      </Stack>
    </form>
  );
}

interface SecretProps {
  name: string;
  label: string;
  note: string;
  required: boolean;
  hidden: boolean;
  placeholder?: string;
  value: string;
  onChange: (value: string) => void;
}

function Secret({ label, note, required, hidden, placeholder, value, onChange }: SecretProps) {
  const Input = hidden ? PasswordInput : TextInput;
  return (
    <Input
      label={label}
      description={note || undefined}
      required={required}
      placeholder={placeholder}
      value={value}
      autoComplete="off"
      onChange={(event: { currentTarget: { value: string } }) => onChange(event.currentTarget.value)}
    />
  );
}
