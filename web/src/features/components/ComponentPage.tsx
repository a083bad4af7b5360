import { Accordion, Alert, Anchor, Badge, Button, Code, Group, List, Stack, Tabs, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "wouter";
import { type Component, type ComponentVersion, components, rollOut } from "@/api/components";
import { BuildBadge } from "@/features/components/BuildBadge";
import { PushHelp } from "@/features/components/ComponentsPage";
import { Json } from "@/ui/Json";
import { Page } from "@/ui/Page";
import { Refusal } from "@/ui/Refusal";
import { moment } from "@/ui/when";

/** One component: its versions with their builds, its descriptor, the flows that use it. */
export default function ComponentPage({ name }: { name: string }) {
  const component = useQuery(components.one(name));
  return (
    <Page title={name} tools={<PushHelp name={name} />} query={component}>
      {(data) => (
        <Stack>
          {data.description && <Text>{data.description}</Text>}
          <Tabs defaultValue="versions" keepMounted={false}>
            <Tabs.List>
              <Tabs.Tab value="versions">Versions</Tabs.Tab>
              <Tabs.Tab value="descriptor">Descriptor</Tabs.Tab>
              <Tabs.Tab value="flows">{`Flows (${data.flows.length})`}</Tabs.Tab>
            </Tabs.List>
            <Tabs.Panel value="versions" pt="sm">
              <Versions name={name} />
            </Tabs.Panel>
            <Tabs.Panel value="descriptor" pt="sm">
              {data.latest === null ? (
                <Text>Nothing is built yet.</Text>
              ) : (
                <Descriptor name={name} revision={data.latest} />
              )}
            </Tabs.Panel>
            <Tabs.Panel value="flows" pt="sm">
              <Flows component={data} />
            </Tabs.Panel>
          </Tabs>
        </Stack>
      )}
    </Page>
  );
}

function Versions({ name }: { name: string }) {
  const versions = useQuery(components.versions(name));
  if (versions.error) return <Refusal error={versions.error} onRetry={() => void versions.refetch()} />;
  return (
    <Accordion variant="separated">
      {versions.data?.map((each) => (
        <Accordion.Item key={each.revision} value={String(each.revision)}>
          <Accordion.Control>
            <Group gap="xs">
              <Text fw={600} size="sm">{`Revision ${each.revision}`}</Text>
              <Code>{each.commit.slice(0, 8)}</Code>
              <BuildBadge state={each.state} />
              {each.is_latest && <Badge size="sm">latest</Badge>}
              {each.semver && <Text size="sm">{each.semver}</Text>}
              <Text size="sm" lineClamp={1}>
                {each.message.split("\n")[0]}
              </Text>
              <Text size="xs" c="dimmed">{`${each.author}, ${moment(each.pushed_at)}`}</Text>
            </Group>
          </Accordion.Control>
          <Accordion.Panel>
            <Version version={each} />
          </Accordion.Panel>
        </Accordion.Item>
      ))}
    </Accordion>
  );
}

function Version({ version }: { version: ComponentVersion }) {
  const log = useQuery(components.log(version));
  return (
    <Stack gap="xs">
      {version.reason && (
        <Alert color="red" p="xs">
          {version.reason}
        </Alert>
      )}
      {version.warnings.length > 0 && (
        <List size="sm">
          {version.warnings.map((each) => (
            <List.Item key={JSON.stringify(each)}>{typeof each === "string" ? each : JSON.stringify(each)}</List.Item>
          ))}
        </List>
      )}
      {version.flows.length > 0 && <Text size="sm">{`Runs in ${version.flows.join(", ")}.`}</Text>}
      <Code block style={{ maxHeight: 320, overflow: "auto" }} tabIndex={0} aria-label="Build log">
        {log.data ?? (log.error ? log.error.message : "…")}
      </Code>
    </Stack>
  );
}

function Descriptor({ name, revision }: { name: string; revision: number }) {
  const version = useQuery(components.version(name, revision));
  if (version.error) return <Refusal error={version.error} />;
  return version.data ? <Json value={version.data.descriptor} /> : null;
}

/** Flows that use it, and moving them all to its latest version, one after the other. */
function Flows({ component }: { component: Component }) {
  const queries = useQueryClient();
  const rolling = useMutation({
    mutationFn: () => rollOut(component.name),
    onSettled: () => queries.invalidateQueries({ queryKey: ["flows"] }),
  });
  if (component.flows.length === 0) return <Text c="dimmed">No flow uses it.</Text>;
  return (
    <Stack align="flex-start">
      <List>
        {component.flows.map((flow) => (
          <List.Item key={flow}>
            <Anchor component={Link} href={`/flows/${flow}`}>
              {flow}
            </Anchor>
          </List.Item>
        ))}
      </List>
      <Button loading={rolling.isPending} onClick={() => rolling.mutate()}>
        Move all to the latest version
      </Button>
      {rolling.error && <Refusal error={rolling.error} />}
      {rolling.data && <Code block>{rolling.data}</Code>}
    </Stack>
  );
}
