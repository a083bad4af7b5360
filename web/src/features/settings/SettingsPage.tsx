import {
  Alert,
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
  Title,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { makeToken, platform, revokeToken, type Token } from "@/api/platform";
import { Options } from "@/features/settings/Options";
import { ConfirmButton } from "@/ui/ConfirmButton";
import { Page } from "@/ui/Page";
import { Refusal } from "@/ui/Refusal";
import { moment } from "@/ui/when";

const CHECK_COLORS: Record<string, string> = { ok: "teal", warn: "orange", fail: "red" };

/** The server itself: what it is, whether it is well, and who may ask it. */
export default function SettingsPage() {
  return (
    <Page title="Settings" query={useQuery(platform.status())}>
      {(status) => (
        <Stack gap="xl">
          <section aria-label="Server">
            <Table maw={640} withRowBorders={false}>
              <Table.Tbody>
                <Row label="Headrace" value={status.version} />
                <Row label="Data folder" value={status.data} />
                <Row label="Database" value={status.database} />
                <Row label="Workers run as" value={status.runtime} />
                <Row label="Up since" value={moment(status.started_at)} />
              </Table.Tbody>
            </Table>
            {status.troubles.map((each) => (
              <Alert key={each} color="orange" mt="xs">
                {each}
              </Alert>
            ))}
          </section>
          <Doctor />
          <Tokens />
          <Options />
        </Stack>
      )}
    </Page>
  );
}

function Row({ label, value }: { label: string; value: string }) {
  return (
    <Table.Tr>
      <Table.Td w={160}>{label}</Table.Td>
      <Table.Td>
        <Code>{value}</Code>
      </Table.Td>
    </Table.Tr>
  );
}

function Doctor() {
  const diagnosis = useQuery(platform.doctor());
  return (
    <section aria-label="Doctor">
      <Title order={2} size="h3" mb="xs">
        What doctor says
      </Title>
      {diagnosis.error && <Refusal error={diagnosis.error} onRetry={() => void diagnosis.refetch()} />}
      <Table>
        <Table.Tbody>
          {diagnosis.data?.checks.map((check) => (
            <Table.Tr key={check.name}>
              <Table.Td>{check.name}</Table.Td>
              <Table.Td>
                <Badge variant="light" miw="max-content" color={CHECK_COLORS[check.state] ?? "gray"}>
                  {check.state}
                </Badge>
              </Table.Td>
              <Table.Td>
                <Text size="sm" style={{ overflowWrap: "anywhere" }}>
                  {check.detail}
                </Text>
                {check.next_step && (
                  <Text size="sm" c="dimmed">
                    {check.next_step}
                  </Text>
                )}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </section>
  );
}

function Tokens() {
  const tokens = useQuery(platform.tokens());
  return (
    <section aria-label="Tokens">
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h3">
          Tokens
        </Title>
        <NewToken />
      </Group>
      {tokens.error && <Refusal error={tokens.error} />}
      <ScrollArea>
        <Table miw={480}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Name</Table.Th>
              <Table.Th>Begins with</Table.Th>
              <Table.Th>Made</Table.Th>
              <Table.Th>Last used</Table.Th>
              <Table.Th>
                <span className="visually-hidden">Revoke</span>
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {tokens.data?.map((token) => (
              <TokenRow key={token.id} token={token} />
            ))}
          </Table.Tbody>
        </Table>
      </ScrollArea>
    </section>
  );
}

function TokenRow({ token }: { token: Token }) {
  const queries = useQueryClient();
  const revoking = useMutation({
    mutationFn: () => revokeToken(token.id),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["tokens"] }),
  });
  return (
    <Table.Tr>
      <Table.Td>{token.name}</Table.Td>
      <Table.Td>
        <Code>{token.prefix}</Code>
      </Table.Td>
      <Table.Td>{moment(token.created_at)}</Table.Td>
      <Table.Td>{token.last_used_at === null ? "–" : moment(token.last_used_at)}</Table.Td>
      <Table.Td ta="right">
        {token.revoked_at === null ? (
          <ConfirmButton
            size="compact-xs"
            label="Revoke"
            title={`Revoke ${token.name}?`}
            text="Whoever uses it is refused from now on, and so is a browser that signed in with it."
            mutation={revoking}
          />
        ) : (
          "revoked"
        )}
      </Table.Td>
    </Table.Tr>
  );
}

function NewToken() {
  const [opened, { open, close }] = useDisclosure();
  const [name, setName] = useState("");
  const queries = useQueryClient();
  const making = useMutation({
    mutationFn: () => makeToken(name),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["tokens"] }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    making.mutate();
  };
  const done = () => {
    close();
    making.reset();
    setName("");
  };
  return (
    <>
      <Button variant="default" onClick={open}>
        New token
      </Button>
      <Modal opened={opened} onClose={done} title="New token">
        {making.data ? (
          <Stack>
            <Text size="sm">It may do everything, and is shown this once.</Text>
            <Code block>{making.data.token}</Code>
            <CopyButton value={making.data.token}>
              {({ copied, copy }) => <Button onClick={copy}>{copied ? "Copied" : "Copy"}</Button>}
            </CopyButton>
          </Stack>
        ) : (
          <form onSubmit={submit}>
            <Stack>
              <TextInput
                label="For whom or what"
                value={name}
                onChange={(event) => setName(event.currentTarget.value)}
                maxLength={100}
                required
                data-autofocus
              />
              {making.error && <Refusal error={making.error} />}
              <Button type="submit" loading={making.isPending}>
                Make it
              </Button>
            </Stack>
          </form>
        )}
      </Modal>
    </>
  );
}
