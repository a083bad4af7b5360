import { describe, expect, it } from "vitest";
import type { StepResult, TestDetail } from "@/api/tests";
import { given, named, outcomeOf } from "@/features/designer/testing";
import { read } from "@/graph/document";

const DOCUMENT = read(
  "flow: orders\nsteps:\n  - {id: orders, trigger: a/b}\n  - {id: bill, after: orders, action: a/c}\n",
);
if (DOCUMENT === null) throw new Error("unreadable");

const RESULT: StepResult = { id: "bill", state: "done", count: 2, log: [], calls: [call(300), call(400)] };
const TEST: TestDetail = {
  number: 3,
  flow: "orders",
  form: "whole",
  step: null,
  fetch: false,
  author: "ada",
  state: "done",
  reason: "",
  message: "",
  created_at: 1,
  ready_at: 2,
  ended_at: 3,
  address: null,
  until: null,
  progress: [],
  steps: [RESULT],
  made_with: DOCUMENT.steps.map((step) => step.written),
};

function call(us: number): StepResult["calls"][number] {
  return { state: "done", input: null, outputs: [], error: null, at: 1, wait_us: 0, map_us: null, call_us: us };
}

describe("what the canvas shows of a test", () => {
  it("adds up the calls of a step and says when they are stale", () => {
    expect(outcomeOf(TEST, DOCUMENT, "bill")).toEqual({ state: "done", count: 2, took: 700, stale: null });
    const edited = {
      ...DOCUMENT,
      steps: DOCUMENT.steps.map((step) => ({ ...step, written: { ...step.written, fields: { x: 1 } } })),
    };
    expect(outcomeOf(TEST, edited, "bill")?.stale).toBe("the fields of “orders” changed since");
  });

  it("shows how far each step is while they start", () => {
    const starting = { ...TEST, steps: [], progress: [{ step: "bill", state: "building" as const }] };
    expect(outcomeOf(starting, DOCUMENT, "bill")).toMatchObject({ state: "waiting", label: "building" });
  });

  it("shows nothing of a step that no message came to", () => {
    const steps = [{ ...RESULT, state: "unreached" as const }];
    expect(outcomeOf({ ...TEST, steps }, DOCUMENT, "bill")).toBeNull();
    expect(outcomeOf(TEST, DOCUMENT, "orders")).toBeNull();
    expect(outcomeOf(null, DOCUMENT, "bill")).toBeNull();
  });

  it("gives mappings what each step emitted first", () => {
    const emitted = { ...call(1), outputs: [{ body: { n: 1 }, headers: {}, large: null }] };
    const steps = [
      { ...RESULT, calls: [call(1), emitted, call(2)] },
      { ...RESULT, id: "big", calls: [] },
    ];
    expect(given({ ...TEST, steps })).toEqual({ bill: { body: { n: 1 }, headers: {} } });
    expect(given(null)).toEqual({});
  });

  it("is called by what it tries", () => {
    expect(named(TEST)).toBe("the whole draft");
    expect(named({ form: "up-to", step: "bill", fetch: false })).toBe("up to bill");
    expect(named({ form: "step", step: "bill", fetch: true })).toBe("a sample of bill");
    expect(named({ form: "step", step: "bill", fetch: false })).toBe("bill alone");
  });
});
