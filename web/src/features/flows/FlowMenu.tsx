import { ActionIcon, Button, Group, Menu, Modal, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import {
  IconCopy,
  IconDotsVertical,
  IconDownload,
  IconPlayerPause,
  IconPlayerPlay,
  IconPlayerStop,
  IconTrash,
} from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { documentOf, type Flow, removeFlow, type Wish, wish } from "@/api/flows";
import { exportOne } from "@/features/flows/exporting";
import { MakeFlow } from "@/features/flows/NewFlow";
import { Refusal } from "@/ui/Refusal";

/** What can be done with one flow, by its present wish. A refusal and a removal are told and asked in a dialog. */
export function FlowMenu({ flow }: { flow: Flow }) {
  const queries = useQueryClient();
  const [removing, removal] = useDisclosure();
  const refreshed = () => queries.invalidateQueries({ queryKey: ["flows"] });
  const wishing = useMutation({ mutationFn: (verb: Wish) => wish(flow.name, verb), onSuccess: refreshed });
  const remove = useMutation({ mutationFn: () => removeFlow(flow.name), onSuccess: refreshed });
  const copy = useMutation({ mutationFn: () => documentOf(flow) });
  const exporting = useMutation({ mutationFn: () => exportOne(flow) });
  const error = wishing.error ?? remove.error ?? copy.error ?? exporting.error;
  const forget = () => {
    copy.reset();
    wishing.reset();
    exporting.reset();
  };
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" aria-label={`Actions for ${flow.name}`} loading={wishing.isPending}>
            <IconDotsVertical size={18} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {flow.wish === "stopped" && flow.version !== null && (
            <Menu.Item leftSection={<IconPlayerPlay size={16} />} onClick={() => wishing.mutate("start")}>
              Start
            </Menu.Item>
          )}
          {flow.wish === "running" && (
            <Menu.Item leftSection={<IconPlayerPause size={16} />} onClick={() => wishing.mutate("suspend")}>
              Suspend
            </Menu.Item>
          )}
          {flow.wish === "suspended" && (
            <Menu.Item leftSection={<IconPlayerPlay size={16} />} onClick={() => wishing.mutate("resume")}>
              Resume
            </Menu.Item>
          )}
          {flow.wish !== "stopped" && (
            <Menu.Item leftSection={<IconPlayerStop size={16} />} onClick={() => wishing.mutate("stop")}>
              Stop
            </Menu.Item>
          )}
          <Menu.Item leftSection={<IconDownload size={16} />} onClick={() => exporting.mutate()}>
            Export
          </Menu.Item>
          <Menu.Item leftSection={<IconCopy size={16} />} onClick={() => copy.mutate()}>
            Duplicate
          </Menu.Item>
          <Menu.Item leftSection={<IconTrash size={16} />} color="red" onClick={removal.open}>
            Remove
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Modal opened={removing} onClose={removal.close} title={`Remove ${flow.name}?`}>
        <Stack>
          <Text size="sm">
            Its versions, its draft, its queue and its executions go with it. This cannot be undone; Export keeps the
            document.
          </Text>
          {remove.error && <Refusal error={remove.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={removal.close}>
              Keep
            </Button>
            <Button color="red" loading={remove.isPending} onClick={() => remove.mutate()}>
              Remove
            </Button>
          </Group>
        </Stack>
      </Modal>
      <Modal opened={copy.data !== undefined} onClose={copy.reset} title={`Duplicate ${flow.name}`}>
        {copy.data !== undefined && <MakeFlow text={copy.data} />}
      </Modal>
      <Modal opened={error !== null && !removing} onClose={forget} title={flow.name}>
        {error && <Refusal error={error} />}
      </Modal>
    </>
  );
}
