import { useQuery } from "@tanstack/react-query";
import { type Flow, flows } from "@/api/flows";
import type { Draft } from "@/features/designer/draft";
import { UpdatesPanel } from "@/features/designer/UpdatesPanel";
import { updatesOfDraft, updating } from "@/features/designer/updates";
import { Panel } from "@/ui/Panel";
import { Refusal } from "@/ui/Refusal";
import { Waiting } from "@/ui/Waiting";

/** Newer code for the steps of the draft, as the plan of its publish tells. */
export function DraftUpdates({ flow, draft, onClose }: { flow: Flow; draft: Draft; onClose: () => void }) {
  const plan = useQuery(flows.plan(flow.name));
  if (plan.data === undefined) {
    return (
      <Panel title="Newer component code" onClose={onClose}>
        {plan.error ? <Refusal error={plan.error} onRetry={() => void plan.refetch()} /> : <Waiting />}
      </Panel>
    );
  }
  return (
    <UpdatesPanel
      updates={updatesOfDraft(plan.data)}
      onUpdate={(updates, to) => {
        for (const change of updating(updates, to)) draft.change(change, "updates");
        void draft.flush();
      }}
      onClose={onClose}
    />
  );
}
