import { Button, type ButtonProps, Group, Modal, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import type { UseMutationResult } from "@tanstack/react-query";
import { Refusal } from "@/ui/Refusal";

interface Props extends ButtonProps {
  /** What the button is called, and the one that confirms. */
  label: string;
  /** The question, and what is lost. */
  title: string;
  text: string;
  mutation: UseMutationResult<unknown, Error, void>;
}

/** A button for what cannot be undone: asks first, and shows why it was refused. */
export function ConfirmButton({ label, title, text, mutation, ...button }: Props) {
  const [opened, { open, close }] = useDisclosure();
  const confirmed = () => mutation.mutate(undefined, { onSuccess: close });
  return (
    <>
      <Button {...button} color="red" variant="subtle" onClick={open}>
        {label}
      </Button>
      <Modal opened={opened} onClose={close} title={title}>
        <Stack>
          <Text size="sm">{text}</Text>
          {mutation.error && <Refusal error={mutation.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close} data-autofocus>
              Keep
            </Button>
            <Button color="red" loading={mutation.isPending} onClick={confirmed}>
              {label}
            </Button>
          </Group>
        </Stack>
      </Modal>
    </>
  );
}
