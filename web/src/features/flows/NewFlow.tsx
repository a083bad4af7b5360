import { Button, Modal, Stack, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconPlus } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useLocation } from "wouter";
import { saveDraft } from "@/api/flows";
import { Refusal } from "@/ui/Refusal";

const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

/** A button that asks for a name, makes an empty draft and opens it. */
export function NewFlow() {
  const [opened, { open, close }] = useDisclosure();
  const [name, setName] = useState("");
  const [, navigate] = useLocation();
  const queries = useQueryClient();
  const making = useMutation({
    mutationFn: () => saveDraft(name, `flow: ${name}\ntype: real-time\nsteps: []\n`, 0),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ["flows"] });
      navigate(`/flows/${name}/draft`);
    },
  });
  const wrong = name !== "" && !NAME.test(name);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    making.mutate();
  };
  return (
    <>
      <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={open}>
        New flow
      </Button>
      <Modal opened={opened} onClose={close} title="New flow">
        <form onSubmit={submit}>
          <Stack>
            <TextInput
              label="Name"
              description="Also in the address of its webhook. Letters, digits, - and _, a letter first."
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
              error={wrong && "A letter first, then letters, digits, - and _, at most 64 in all"}
              data-autofocus
              required
            />
            {making.error && <Refusal error={making.error} />}
            <Button type="submit" loading={making.isPending} disabled={wrong || name === ""}>
              Make it
            </Button>
          </Stack>
        </form>
      </Modal>
    </>
  );
}
