import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import {
  type Asked,
  endTests,
  hasEnded,
  runTest,
  type Sample,
  type StepResult,
  type TestDetail,
  tests,
} from "@/api/tests";
import type { Command } from "@/features/designer/commands";
import type { Draft } from "@/features/designer/draft";
import type { Content } from "@/features/designer/sample";
import type { FlowDocument, Step } from "@/graph/document";
import type { StepOutcome } from "@/graph/StepNode";
import { stale } from "@/graph/stale";

/** The tests of a draft: the newest one, the samples, and how to run another. */
export interface Testing {
  flow: string;
  test: TestDetail | null;
  samples: ReadonlyMap<string, Sample>;
  /** A test is asked for or under way. */
  busy: boolean;
  /** What was asked for last, so that it can be asked for again, confirmed. */
  asked: Asked | null;
  /** Why it was refused. */
  error: Error | null;
  run: (asked: Asked) => void;
  end: () => void;
}

/** What is tried is what the server has, so the draft is saved first. */
export function useTesting(flow: string, draft: Pick<Draft, "flush" | "getState">): Testing {
  const queries = useQueryClient();
  const newest = useQuery(tests.list(flow)).data?.items[0]?.number;
  const test = useQuery({ ...tests.one(flow, newest ?? 0), enabled: newest !== undefined }).data ?? null;
  const samples = useQuery(tests.samples(flow)).data ?? [];
  const asked = useMutation({
    mutationFn: async (wanted: Asked) => {
      await draft.flush();
      const { save, error } = draft.getState();
      if (save !== "saved") throw error ?? new Error("The draft is not saved yet, and what is saved is what runs.");
      return runTest(flow, wanted);
    },
    onSuccess: (detail) => {
      queries.setQueryData(tests.one(flow, detail.number).queryKey, detail);
      return queries.invalidateQueries({ queryKey: tests.list(flow).queryKey, exact: true });
    },
  });
  const ended = useMutation({ mutationFn: () => endTests(flow) });
  const endedAt = test?.ended_at;
  useEffect(() => {
    if (endedAt) void queries.invalidateQueries({ queryKey: tests.samples(flow).queryKey });
  }, [endedAt, flow, queries]);
  return {
    flow,
    test,
    samples: new Map(samples.map((sample) => [sample.step, sample])),
    busy: asked.isPending || (test !== null && !hasEnded(test)),
    asked: asked.variables ?? null,
    error: asked.error,
    run: asked.mutate,
    end: ended.mutate,
  };
}

/** What the newest test says of a step. */
export function resultOf(test: TestDetail | null, step: string): StepResult | null {
  return test?.steps.find((each) => each.id === step) ?? null;
}

/** What the canvas shows of it; null: nothing, as no message came to the step. */
export function outcomeOf(test: TestDetail | null, document: FlowDocument, step: string): StepOutcome | null {
  if (test === null) return null;
  const starting = test.progress.find((each) => each.step === step);
  if (starting !== undefined) {
    return { state: starting.state === "failed" ? "failed" : "waiting", label: starting.state, count: 0, took: 0 };
  }
  const result = resultOf(test, step);
  if (result === null || result.state === "unreached") return null;
  return {
    state: result.state,
    count: result.count,
    took: result.calls.reduce((sum, call) => sum + call.call_us, 0),
    stale: stale(test.made_with, document, step),
  };
}

/** What each step gave first in a test, as far as it was kept. */
export function given(test: TestDetail | null): Record<string, Content> {
  const found: Record<string, Content> = {};
  for (const step of test?.steps ?? []) {
    const output = step.calls.find((call) => call.outputs.length > 0)?.outputs[0];
    if (output !== undefined && output.large === null) found[step.id] = { body: output.body, headers: output.headers };
  }
  return found;
}

/** What a test is called. */
export function named(test: Pick<TestDetail, "form" | "step" | "fetch">): string {
  if (test.form === "whole") return "the whole draft";
  if (test.form === "up-to") return `up to ${test.step}`;
  return test.fetch ? `a sample of ${test.step}` : `${test.step} alone`;
}

/** What can be tried, for keyboard and palette. */
export function testCommands(testing: Testing, step: Step | null, show: (id: string | null) => void): Command[] {
  const run = (asked: Asked, id: string | null) => {
    testing.run(asked);
    show(id);
  };
  const free = !testing.busy;
  return [
    {
      id: "test",
      label: "Test: samples and results",
      group: "Test",
      keys: ["T"],
      enabled: true,
      perform: () => show(step?.id ?? null),
    },
    {
      id: "test-step",
      label: "Test this step",
      group: "Test",
      keys: ["alt+Enter"],
      enabled: free && step !== null,
      perform: () => step && run({ form: "step", step: step.id }, step.id),
    },
    {
      id: "test-up-to",
      label: "Test up to here",
      group: "Test",
      keys: ["shift+Enter"],
      enabled: free && step?.kind === "action",
      perform: () => step && run({ form: "up-to", step: step.id }, step.id),
    },
    {
      id: "test-whole",
      label: "Test the whole draft",
      group: "Test",
      keys: ["mod+Enter"],
      enabled: free,
      perform: () => run({ form: "whole" }, null),
    },
  ];
}
