/**
 * How far a deployment is, step by step, as the server tells it. Nothing here is guessed: what is not known is waiting.
 *
 *     waiting ──▶ starting ──▶ ready ──▶ took over (live, where nothing ran before)      failed, stopped
 *     the old one: runs ──▶ draining ──▶ standing by ──▶ stopped
 */
import type { components } from "@/api/schema";

type Deployment = components["schemas"]["DeploymentView"];
type Step = components["schemas"]["StepView"];

export type Stage = "waiting" | "starting" | "ready" | "took over" | "live" | "in trouble" | "failed" | "stopped";
export type OldStage = "runs" | "draining" | "standing by" | "stopped";
export type Outcome = "under way" | "cancelling" | "live" | "partly live" | "failed" | "cancelled" | "superseded";

export interface Line {
  step: string;
  /** null: the step is not in the new version. */
  stage: Stage | null;
  /** Why, or how long it took. */
  note: string;
  /** What the old step of the same id does; null: there is none. */
  old: OldStage | null;
  /** Messages that the old one still has. */
  left: number;
}

const HAD_ITS_TURN = ["live", "draining", "standby"];

/** Became live, whatever it is by now. */
function wasLive({ state, live_at }: Deployment): boolean {
  return HAD_ITS_TURN.includes(state) && live_at !== null;
}

/** A step that is not as it should be although its deployment is live; an unknown host is no trouble yet. */
function inTrouble(step: Step): boolean {
  return step.host !== "ready" && step.host !== "" && step.host !== "stopping";
}

export function outcome(deployment: Deployment): Outcome {
  const { state, cancelled_by, steps } = deployment;
  if (state === "failed") return "failed";
  if (wasLive(deployment)) return state === "live" && steps.some(inTrouble) ? "partly live" : "live";
  if (state === "stopped") return cancelled_by === null ? "superseded" : "cancelled";
  return cancelled_by === null ? "under way" : "cancelling";
}

/** Until the switch begins: the old one still accepts events. */
export function canCancel(deployment: Deployment, old: Deployment | null): boolean {
  const silent = old !== null && old.state !== "live";
  return outcome(deployment) === "under way" && !silent && ["warming", "ready"].includes(deployment.state);
}

/** A line for each step, then one for each that only the old version has. */
export function lines(deployment: Deployment, old: Deployment | null): Line[] {
  const before = new Map((old?.steps ?? []).map((step) => [step.id, step]));
  const said = deployment.steps.map((step) => {
    const { stage, note } = now(step, deployment, before.has(step.id));
    return { step: step.id, stage, note, ...then(before.get(step.id), old) };
  });
  const known = new Set(said.map((line) => line.step));
  const gone = [...before.values()].filter((step) => !known.has(step.id));
  return [...said, ...gone.map((step) => ({ step: step.id, stage: null, note: "", ...then(step, old) }))];
}

function now(step: Step, deployment: Deployment, followed: boolean): { stage: Stage; note: string } {
  const took = step.ready_ms === null ? "" : `${step.ready_ms} ms`;
  if (step.host === "failed" || (deployment.state === "failed" && step.reason)) {
    return { stage: "failed", note: step.reason };
  }
  if (deployment.state === "failed" || deployment.state === "stopped") return { stage: "stopped", note: "" };
  if (wasLive(deployment)) {
    if (deployment.state === "live" && inTrouble(step)) return { stage: "in trouble", note: step.reason || step.host };
    return { stage: followed ? "took over" : "live", note: took };
  }
  if (step.host === "ready") return { stage: "ready", note: took };
  if (step.host === "starting") return { stage: "starting", note: "" };
  if (step.host === "backoff") return { stage: "starting", note: step.reason || "once more" };
  return { stage: "waiting", note: "" };
}

const OLD: Partial<Record<Deployment["state"], OldStage>> = {
  draining: "draining",
  standby: "standing by",
  stopped: "stopped",
  failed: "stopped",
};

function then(step: Step | undefined, old: Deployment | null): Pick<Line, "old" | "left"> {
  if (step === undefined || old === null) return { old: null, left: 0 };
  const stage = OLD[old.state] ?? "runs";
  return { old: stage, left: stage === "draining" ? step.waiting + step.open : 0 };
}
