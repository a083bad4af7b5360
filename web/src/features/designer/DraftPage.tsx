import { Box, Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useDisclosure, useHotkeys } from "@mantine/hooks";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useLocation } from "wouter";
import { useStore } from "zustand";
import { discardDraft, type Flow, flows, saveDraft } from "@/api/flows";
import { Problem } from "@/api/problem";
import type { Draft } from "@/features/designer/draft";
import { Editor } from "@/features/designer/Editor";
import { present } from "@/features/designer/history";
import { forget, recalled, unsavedIn } from "@/features/designer/memory";
import { Onlooker, type OnlookerProps } from "@/features/designer/Onlooker";
import { useDraft } from "@/features/designer/useDraft";
import { useSeat } from "@/features/designer/useSeat";
import { Empty } from "@/ui/Empty";
import { Refusal } from "@/ui/Refusal";
import { Waiting } from "@/ui/Waiting";
import { who } from "@/ui/who";

/** The draft of a flow: to be edited, or, while somebody else does, to be looked at. */
export function DraftPage({ flow }: { flow: Flow }) {
  const found = useQuery(flows.draft(flow.name));
  const { seat, error, take, taking } = useSeat(flow.name);
  const draft = useDraft(flow, found, seat?.mine ?? error !== null);
  if (draft === null && found.error !== null) {
    const gone = found.error instanceof Problem && found.error.reason === "no-draft";
    return gone ? <NoDraft flow={flow} /> : <Refusal error={found.error} onRetry={() => void found.refetch()} />;
  }
  if (seat !== undefined && !seat.mine && found.data !== undefined) {
    const looked = { seat, text: found.data.document, onTake: take, taking };
    if (draft !== null) return <Resting {...looked} flow={flow} draft={draft} />;
    return flow.has_draft ? <Onlooker {...looked} unsaved={null} /> : <NoDraft flow={flow} />;
  }
  return draft === null ? <Waiting /> : <Editing flow={flow} draft={draft} onlookers={seat?.onlookers ?? []} />;
}

/** What this page edited before somebody took it over. */
function Resting({ flow, draft, ...looked }: { flow: Flow; draft: Draft } & Omit<OnlookerProps, "unsaved">) {
  const { history, save } = useStore(draft);
  if (!flow.has_draft && save === "saved") return <NoDraft flow={flow} />;
  return <Onlooker {...looked} unsaved={save === "saved" ? null : present(history)} />;
}

/** Nothing to edit; unless this browser has something that was never saved. */
function NoDraft({ flow }: { flow: Flow }) {
  const [, navigate] = useLocation();
  const queries = useQueryClient();
  const kept = recalled(localStorage, flow.id);
  const unsaved = kept === null ? null : unsavedIn(kept);
  const bringing = useMutation({
    mutationFn: (text: string) => saveDraft(flow.name, text, flow.draft_tag),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["flows"] }),
  });
  const gone =
    flow.version === null
      ? ""
      : `${who(flow.draft_author)} published or discarded it; the newest version is ${flow.version}.`;
  return (
    <Empty
      title="This flow has no draft"
      action={
        <Stack align="center">
          {bringing.error && <Refusal error={bringing.error} />}
          <Group justify="center">
            {unsaved !== null && (
              <Button loading={bringing.isPending} onClick={() => bringing.mutate(unsaved)}>
                Make it a draft
              </Button>
            )}
            <Button variant={unsaved === null ? "filled" : "default"} onClick={() => navigate(`/flows/${flow.name}`)}>
              Show what runs
            </Button>
          </Group>
        </Stack>
      }
    >
      {gone} {unsaved !== null && "An edit of yours was not saved before that. It is kept in this browser."}
    </Empty>
  );
}

function Editing({ flow, draft, onlookers }: { flow: Flow; draft: Draft; onlookers: string[] }) {
  const [, navigate] = useLocation();
  const queries = useQueryClient();
  const [discarding, discard] = useDisclosure();
  const leave = () => navigate(`/flows/${flow.name}`);
  const discarded = useMutation({
    mutationFn: () => {
      draft.rest();
      return discardDraft(flow.name);
    },
    onError: draft.wake,
    onSuccess: async () => {
      forget(localStorage, flow.id);
      leave();
      await queries.invalidateQueries({ queryKey: ["flows"] });
    },
  });
  useHotkeys([["mod+S", () => void draft.flush()]], [], true); // in fields, too: there the browser would save the page
  return (
    <>
      <Stack h="100%" gap={0}>
        {onlookers.length > 0 && (
          <Text size="xs" c="dimmed" px="md" role="status">
            {`Also shown to ${onlookers.map((each) => `“${each}”`).join(", ")}, to look at.`}
          </Text>
        )}
        <Box flex={1} mih={0}>
          <Editor flow={flow} draft={draft} onDiscard={discard.open} onLive={leave} />
        </Box>
      </Stack>
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
