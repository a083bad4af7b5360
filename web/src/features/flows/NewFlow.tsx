import { Button, FileInput, Modal, Stack, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconPlus } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useLocation } from "wouter";
import { saveDraft } from "@/api/flows";
import { changed, read } from "@/graph/document";
import { Refusal } from "@/ui/Refusal";

const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

/** A button that asks for a name, or takes a document from a file, makes a draft of it and opens it. */
export function NewFlow() {
  const [opened, { open, close }] = useDisclosure();
  return (
    <>
      <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={open}>
        New flow
      </Button>
      <Modal opened={opened} onClose={close} title="New flow">
        <MakeFlow text={null} />
      </Modal>
    </>
  );
}

/** Name a flow and make it: empty, or a copy of `text`. A file brings a document and its name. */
export function MakeFlow({ text: given }: { text: string | null }) {
  const [name, setName] = useState("");
  const [text, setText] = useState(given);
  const [, navigate] = useLocation();
  const queries = useQueryClient();
  const making = useMutation({
    mutationFn: () => saveDraft(name, text === null ? EMPTY(name) : named(text, name), 0),
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
  const take = async (file: File | null) => {
    if (file === null) return;
    const taken = await file.text();
    setText(taken);
    setName(read(taken)?.flow || name);
  };
  return (
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
        {given === null && (
          <FileInput
            label="From a file"
            description="A flow document in YAML or JSON. Empty: the flow begins empty."
            accept=".yaml,.yml,.json"
            placeholder="Choose a file"
            clearable
            onChange={(file) => void take(file)}
          />
        )}
        {making.error && <Refusal error={making.error} />}
        <Button type="submit" loading={making.isPending} disabled={wrong || name === ""}>
          Make it
        </Button>
      </Stack>
    </form>
  );
}

const EMPTY = (name: string) => `flow: ${name}\ntype: real-time\nsteps: []\n`;

/** The document under another name; one that cannot be read is left to the server to refuse. */
function named(text: string, name: string): string {
  return read(text) === null ? text : changed(text, (yaml) => yaml.set("flow", name));
}
