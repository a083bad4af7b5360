import { Alert, Button, Checkbox, ScrollArea, Skeleton, Stack, Textarea, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useStore } from "zustand";
import { type Flow, flows, publish, startFlow } from "@/api/flows";
import type { Draft } from "@/features/designer/draft";
import { present } from "@/features/designer/history";
import type { Placed } from "@/features/designer/mistakes";
import { onItsWay } from "@/features/designer/OnItsWay";
import { PlanText } from "@/features/designer/PlanText";
import { Progress } from "@/features/designer/Progress";
import { read } from "@/graph/document";
import { Panel } from "@/ui/Panel";
import { Refusal } from "@/ui/Refusal";

interface Props {
  flow: Flow;
  draft: Draft;
  /** To where a problem is. */
  onGo: (mistake: Placed) => void;
  onClose: () => void;
  onLive: () => void;
}

/** What publishing would do, then how it goes, until the new deployment really is live or has ended. */
export function PublishPanel({ flow, draft, onGo, onClose, onLive }: Props) {
  const queries = useQueryClient();
  const { history, save } = useStore(draft);
  const [name, setName] = useState("");
  const [note, setNote] = useState("");
  const [start, setStart] = useState(flow.wish === "stopped");
  /** What is on its way when the panel is opened is shown before what could be published. */
  const [coming, setComing] = useState(() => onItsWay(flow));
  const plan = useQuery({ ...flows.plan(flow.name), enabled: coming === null });
  const publishing = useMutation({
    mutationFn: () => draft.publish(() => publish(flow.name, { name, note, start })),
    onSuccess: ({ deployment, replaces }) => setComing(deployment && { epoch: deployment.epoch, replaces }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["flows"], refetchType: "active" }),
  });
  const starting = useMutation({
    mutationFn: () => startFlow(flow.name),
    onSuccess: ({ deployment }) => setComing(deployment && { epoch: deployment.epoch, replaces: null }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["flows"], refetchType: "active" }),
  });
  const published = publishing.data;
  return (
    <Panel title="Publish" onClose={onClose}>
      <ScrollArea flex={1} mih={0} type="auto" scrollbars="y">
        <Stack p="sm">
          {coming !== null ? (
            <Progress
              flow={flow.name}
              {...coming}
              onLive={onLive}
              onCancelled={(tag) => tag !== null && draft.rebase(tag)}
              onAgain={() => {
                setComing(null);
                publishing.reset();
              }}
            />
          ) : published ? (
            <Alert color="teal" title={`Version ${published.version.number} is published`}>
              <Stack gap="xs" align="flex-start">
                The flow is stopped.
                {starting.error && <Refusal error={starting.error} />}
                <Button size="xs" loading={starting.isPending} onClick={() => starting.mutate()}>
                  Start it
                </Button>
              </Stack>
            </Alert>
          ) : (
            <>
              {plan.error && <Refusal error={plan.error} onRetry={() => void plan.refetch()} />}
              {plan.isPending && <Skeleton h={160} role="status" aria-label="Working out the plan" />}
              {plan.data && <PlanText plan={plan.data} document={read(present(history))} onGo={onGo} />}
              {plan.data?.source !== "version" && (
                <TextInput
                  label="Name"
                  description="What to call the version beside its number; may stay empty."
                  value={name}
                  onChange={(event) => setName(event.currentTarget.value)}
                  maxLength={80}
                />
              )}
              <Textarea
                label="Note"
                description="What changed, for the list of versions."
                value={note}
                onChange={(event) => setNote(event.currentTarget.value)}
                autosize
                maxLength={2000}
              />
              {flow.wish === "stopped" && (
                <Checkbox
                  label="Start the flow, too"
                  checked={start}
                  onChange={(event) => setStart(event.currentTarget.checked)}
                />
              )}
            </>
          )}
        </Stack>
      </ScrollArea>
      {published === undefined && coming === null && (
        <Stack p="sm" gap="xs" style={{ borderTop: "1px solid var(--mantine-color-default-border)" }}>
          {publishing.error && <Refusal error={publishing.error} />}
          <Button
            onClick={() => publishing.mutate()}
            loading={publishing.isPending}
            disabled={!plan.data || plan.data.blockers.length > 0 || save === "conflict"}
          >
            {plan.data
              ? `Publish version ${plan.data.next_version}${plan.data.source === "version" ? " again" : ""}`
              : "Publish"}
          </Button>
        </Stack>
      )}
    </Panel>
  );
}
