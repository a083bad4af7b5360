import { Accordion, Alert, Badge, Code, Group, List, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type ComponentVersion, components } from "@/api/components";
import { BuildBadge } from "@/features/components/BuildBadge";
import { BuildLog } from "@/features/components/BuildLog";
import { Empty } from "@/ui/Empty";
import { PushLines } from "@/ui/PushLines";
import { Refusal } from "@/ui/Refusal";
import { moment } from "@/ui/when";

/** The versions of a component, newest first. One that is pushed while somebody looks is opened by itself. */
export function Versions({ name }: { name: string }) {
  const versions = useQuery(components.versions(name));
  const newest = versions.data?.[0];
  const [chosen, setChosen] = useState<string | null | undefined>(undefined);
  const [seen, setSeen] = useState<number | undefined>(undefined);
  if (newest !== undefined && newest.revision !== seen) {
    setSeen(newest.revision);
    if (seen !== undefined || newest.state !== "ready") setChosen(String(newest.revision));
  }
  if (versions.error) return <Refusal error={versions.error} onRetry={() => void versions.refetch()} />;
  if (versions.data?.length === 0) {
    return (
      <Empty title="Nothing was pushed yet">
        <PushLines name={name} />
      </Empty>
    );
  }
  return (
    <Accordion variant="separated" value={chosen ?? null} onChange={setChosen}>
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
              <Text size="xs" c="dimmed">{`${each.author.replace(/ <.*/, "")}, ${moment(each.pushed_at)}`}</Text>
              {each.flows.length > 0 && (
                <Badge size="sm" variant="outline" color="gray">
                  {`runs in ${each.flows.length} ${each.flows.length === 1 ? "flow" : "flows"}`}
                </Badge>
              )}
            </Group>
          </Accordion.Control>
          <Accordion.Panel>{chosen === String(each.revision) && <Version version={each} />}</Accordion.Panel>
        </Accordion.Item>
      ))}
    </Accordion>
  );
}

function Version({ version }: { version: ComponentVersion }) {
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
      <BuildLog version={version} />
    </Stack>
  );
}
