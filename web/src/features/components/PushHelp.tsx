import { Button, Modal } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { PushLines } from "@/ui/PushLines";

/** How to push this component, or a first one. */
export function PushHelp({ name, begun = false }: { name?: string; begun?: boolean }) {
  const [opened, { open, close }] = useDisclosure();
  return (
    <>
      <Button variant="default" onClick={open}>
        How to push
      </Button>
      <Modal opened={opened} onClose={close} title="Push a component with git" size="lg">
        <PushLines {...(name === undefined ? {} : { name })} begun={begun} />
      </Modal>
    </>
  );
}
