import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useLocation } from "wouter";
import { documentOf, type Flow, refreshed, saveDraft } from "@/api/flows";
import { type Update, UpdatesPanel } from "@/features/designer/UpdatesPanel";
import { updated, updatesOfRunning } from "@/features/designer/updates";
import { Refusal } from "@/ui/Refusal";

interface Wanted {
  updates: Update[];
  to: "revision" | "latest";
}

/** Newer code for what runs; an update goes into the draft, which is made when there is none. */
export function RunningUpdates({ flow, onClose }: { flow: Flow; onClose: () => void }) {
  const [, navigate] = useLocation();
  const queries = useQueryClient();
  const putting = useMutation({
    mutationFn: async ({ updates, to }: Wanted) =>
      saveDraft(flow.name, updated(await documentOf(flow), updates, to), flow.draft_tag),
    onSuccess: async () => {
      await refreshed(queries, flow.name);
      navigate(`/flows/${flow.name}/draft`);
    },
  });
  return (
    <>
      {putting.error && <Refusal error={putting.error} />}
      <UpdatesPanel
        updates={updatesOfRunning(flow)}
        onUpdate={(updates, to) => putting.mutate({ updates, to })}
        updating={putting.isPending}
        onClose={onClose}
      />
    </>
  );
}
