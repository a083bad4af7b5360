import { Anchor, Badge, Group, Stack, Tabs, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { components, variablesOf } from "@/api/components";
import { DescriptorView } from "@/features/components/DescriptorView";
import { PushHelp } from "@/features/components/PushHelp";
import { Rollout } from "@/features/components/Rollout";
import { Versions } from "@/features/components/Versions";
import { Variables } from "@/forms/Variables";
import { ComponentMark } from "@/ui/ComponentMark";
import { Page } from "@/ui/Page";

/** One component: its versions with their builds, what it offers, its variables, the flows that use it. */
export default function ComponentPage({ name }: { name: string }) {
  const component = useQuery(components.one(name));
  const variables = useQuery(variablesOf(name));
  const missing = (variables.data?.variables ?? []).filter((each) => each.required && !each.is_set).length;
  return (
    <Page title={name} tools={<PushHelp name={name} begun={component.data?.newest != null} />} query={component}>
      {(data) => (
        <Stack>
          <Group gap="sm" wrap="nowrap" align="flex-start">
            <ComponentMark name={name} icon={data.icon} size={40} />
            <div>
              {data.title && <Text fw={600}>{data.title}</Text>}
              {data.description && <Text size="sm">{data.description}</Text>}
              {data.help?.description && <Text size="sm">{data.help.description}</Text>}
              {data.help?.link && (
                <Anchor href={data.help.link} target="_blank" rel="noreferrer" size="sm" underline="always">
                  Read more
                </Anchor>
              )}
            </div>
            {data.deprecated && (
              <Badge color="orange" variant="light">
                deprecated
              </Badge>
            )}
          </Group>
          <Tabs defaultValue="versions" keepMounted={false}>
            <Tabs.List>
              <Tabs.Tab value="versions">Versions</Tabs.Tab>
              <Tabs.Tab value="descriptor">Descriptor</Tabs.Tab>
              <Tabs.Tab
                value="variables"
                rightSection={
                  missing > 0 ? (
                    <Badge size="xs" color="red" variant="light">
                      {`${missing} missing`}
                    </Badge>
                  ) : null
                }
              >
                Variables
              </Tabs.Tab>
              <Tabs.Tab value="flows">{`Flows (${data.flows.length})`}</Tabs.Tab>
            </Tabs.List>
            <Tabs.Panel value="versions" pt="sm">
              <Versions name={name} />
            </Tabs.Panel>
            <Tabs.Panel value="descriptor" pt="sm">
              {data.latest === null ? (
                <Text>Nothing is built yet.</Text>
              ) : (
                <DescriptorView name={name} latest={data.latest} />
              )}
            </Tabs.Panel>
            <Tabs.Panel value="variables" pt="sm" maw={560}>
              <Text size="sm" mb="sm">
                What is the same for everybody who uses the component. Values are stored encrypted and never shown; a
                flow gets them with its next deployment.
              </Text>
              <Variables component={name} />
            </Tabs.Panel>
            <Tabs.Panel value="flows" pt="sm">
              <Rollout component={name} />
            </Tabs.Panel>
          </Tabs>
        </Stack>
      )}
    </Page>
  );
}
