import { describe, expect, it } from "vitest";
import type { components } from "@/api/schema";
import { canCancel, lines, outcome } from "@/features/designer/progress";

type Deployment = components["schemas"]["DeploymentView"];
type Step = components["schemas"]["StepView"];

function step(id: string, host: string, more: Partial<Step> = {}): Step {
  const counters = { pid: 1, restarts: 0, received: 0, emitted: 0, failed: 0, waiting: 0, open: 0, memory: 0 };
  return { id, host, ...counters, ready_ms: null, warning: "", reason: "", leak: null, ...more } as Step;
}

function deployment(state: Deployment["state"], steps: Step[], more: Partial<Deployment> = {}): Deployment {
  const live_at = ["live", "draining", "standby"].includes(state) ? 1 : null;
  return { epoch: 2, version: 2, state, reason: "", steps, live_at, cancelled_by: null, ...more } as Deployment;
}

const OLD = [step("a", "ready"), step("gone", "ready")];

describe("a deployment on its way", () => {
  it("tells of each step how far it is, and what the old one does", () => {
    const hosts = [step("a", "ready", { ready_ms: 40 }), step("b", "starting"), step("c", ""), step("d", "backoff")];
    expect(lines(deployment("warming", hosts), deployment("live", OLD))).toEqual([
      { step: "a", stage: "ready", note: "40 ms", old: "runs", left: 0 },
      { step: "b", stage: "starting", note: "", old: null, left: 0 },
      { step: "c", stage: "waiting", note: "", old: null, left: 0 },
      { step: "d", stage: "starting", note: "once more", old: null, left: 0 },
      { step: "gone", stage: null, note: "", old: "runs", left: 0 },
    ]);
  });

  it("took over where something ran before, while the old one drains, stands by and stops", () => {
    const live = deployment("live", [step("a", "ready"), step("b", "ready")]);
    const drains = [step("a", "ready", { waiting: 2, open: 1 })];
    const told = (old: Deployment) => lines(live, old).map(({ stage, old: before, left }) => [stage, before, left]);
    expect(told(deployment("draining", drains))).toEqual([
      ["took over", "draining", 3],
      ["live", null, 0],
    ]);
    expect(told(deployment("standby", drains))[0]).toEqual(["took over", "standing by", 0]);
    expect(told(deployment("stopped", [step("a", "stopped")]))[0]).toEqual(["took over", "stopped", 0]);
  });

  it("says which step failed and why", () => {
    const failed = deployment("failed", [step("a", "ready"), step("b", "failed", { reason: "no teeth" })]);
    expect(lines(failed, null).map(({ stage, note }) => [stage, note])).toEqual([
      ["stopped", ""],
      ["failed", "no teeth"],
    ]);
    expect(outcome(failed)).toBe("failed");
  });

  it("is live only once it really is, and partly when a step of it is not", () => {
    expect(outcome(deployment("live", [step("a", "ready")], { live_at: null }))).toBe("under way");
    expect(outcome(deployment("live", [step("a", "ready"), step("b", "")]))).toBe("live");
    const partly = deployment("live", [step("a", "ready"), step("b", "backoff", { reason: "exit 1" })]);
    expect(outcome(partly)).toBe("partly live");
    expect(lines(partly, null)[1]).toMatchObject({ stage: "in trouble", note: "exit 1" });
  });

  it("can be cancelled until the old one falls silent", () => {
    const ready = deployment("ready", []);
    expect(canCancel(ready, null)).toBe(true);
    expect(canCancel(ready, deployment("live", []))).toBe(true);
    expect(canCancel(ready, deployment("draining", []))).toBe(false);
    expect(canCancel(deployment("live", []), null)).toBe(false);
    const cancelled = deployment("ready", [], { cancelled_by: "ada" });
    expect([canCancel(cancelled, null), outcome(cancelled)]).toEqual([false, "cancelling"]);
    expect(outcome(deployment("stopped", [], { cancelled_by: "ada" }))).toBe("cancelled");
    expect(outcome(deployment("stopped", []))).toBe("superseded");
  });
});
