import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useLocation } from "wouter";
import { discardDraft, type Flow, flows, saveDraft } from "@/api/flows";
import { Problem } from "@/api/problem";
import { type Draft, openDraft } from "@/features/designer/draft";
import { Editor } from "@/features/designer/Editor";
import { Refusal } from "@/ui/Refusal";

/** The draft of a flow, opened once: from then on the browser's text is the one that counts, until it is saved. */
export function DraftPage({ flow }: { flow: Flow }) {
  const found = useQuery(flows.draft(flow.name));
  const [draft, setDraft] = useState<Draft | null>(null);
  const [, navigate] = useLocation();
  const queries = useQueryClient();
  const [discarding, discard] = useDisclosure();
  const leave = () => navigate(`/flows/${flow.name}`);
  const discarded = useMutation({
    mutationFn: () => discardDraft(flow.name),
    onSuccess: async () => {
      leave();
      await queries.invalidateQueries({ queryKey: ["flows"] });
    },
  });

  useEffect(() => {
    if (found.data === undefined) return;
    const { document: text, tag, problems, author } = found.data;
    setDraft((open) => {
      if (open !== null) open.heard({ text, tag, author }, problems);
      return (
        open ??
        openDraft({ name: flow.name, text, tag, mistakes: problems, save: (now, on) => saveDraft(flow.name, now, on) })
      );
    });
  }, [found.data, flow.name]);
  useEffect(() => () => void draft?.flush().finally(draft.close), [draft]);

  const gone = found.error instanceof Problem && found.error.reason === "no-draft";
  if (draft === null) {
    if (found.error === null) return null;
    return gone ? (
      <Group p="md">
        <Text>This flow has no draft.</Text>
        <Button onClick={leave}>Show what runs</Button>
      </Group>
    ) : (
      <Refusal error={found.error} onRetry={() => void found.refetch()} />
    );
  }
  return (
    <>
      <Editor flow={flow} draft={draft} onDiscard={discard.open} onLive={leave} />
      <Modal opened={discarding} onClose={discard.close} title="Discard the draft?">
        <Stack>
          <Text size="sm">What runs goes on; the changes in this draft are lost.</Text>
          {discarded.error && <Refusal error={discarded.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={discard.close}>
              Keep it
            </Button>
            <Button color="red" loading={discarded.isPending} onClick={() => discarded.mutate()}>
              Discard
            </Button>
          </Group>
        </Stack>
      </Modal>
    </>
  );
}
