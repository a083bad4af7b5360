/** Newer component code for the steps of a flow, and how it gets into a draft. */
import type { Flow } from "@/api/flows";
import type { components } from "@/api/schema";
import type { Update } from "@/features/designer/UpdatesPanel";
import { type Change, changed, setKey } from "@/graph/document";

type Plan = components["schemas"]["PlanView"];

/** Of what runs. */
export function updatesOfRunning(flow: Flow): Update[] {
  return flow.outdated.map((each) => ({
    step: each.step,
    component: each.component,
    selector: each.selector,
    from: each.running,
    latest: each.latest,
    commits: each.commits ?? null,
    follows: each.moves_to === each.latest,
  }));
}

/** Of a draft: what a publish of it would take, and what it keeps behind. */
export function updatesOfDraft(plan: Plan): Update[] {
  const behind = plan.newer.map((each) => ({
    step: each.step,
    component: each.component,
    selector: each.selector,
    from: each.revision,
    latest: each.latest,
    commits: each.commits,
    follows: false,
  }));
  const taken = plan.moves
    .filter((move) => !behind.some((each) => each.step === move.step) && move.from_component === move.component)
    .map((move) => ({
      step: move.step,
      component: move.component,
      selector: plan.steps.find((step) => step.id === move.step)?.selector ?? "latest",
      from: move.from_revision,
      latest: move.to_revision,
      commits: move.commits,
      follows: true,
    }));
  return [...behind, ...taken];
}

/** The changes of a document that update these steps. */
export function updating(updates: Update[], to: "revision" | "latest"): Change[] {
  return updates.map((each) => setKey(each.step, "version", to === "latest" ? null : each.latest));
}

export function updated(text: string, updates: Update[], to: "revision" | "latest"): string {
  return updating(updates, to).reduce(changed, text);
}
