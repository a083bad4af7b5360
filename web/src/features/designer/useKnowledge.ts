import { useQueries, useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { components, type StepOf } from "@/api/components";
import { executions } from "@/api/executions";
import { tests } from "@/api/tests";
import type { Known, Scope } from "@/expression/scope";
import { earlier, generated, outputs, type Sample, sampleFor, sourceOf } from "@/features/designer/sample";
import { given } from "@/features/designer/testing";
import type { FlowDocument, Step } from "@/graph/document";
import { stale } from "@/graph/stale";

export interface Knowledge {
  sample: Sample;
  /** Where the sample is from. */
  from: "you" | "samples" | "test" | "execution" | "schema" | "nowhere";
  /** Why the sample may be another one now; null: it is as good as when it was made. */
  stale: string | null;
  /** Give another sample; null: what came last. */
  setSample: (sample: Sample | null) => void;
  /** What an expression of the step can read. */
  scope: Scope;
  /** JSON Schemas of what the steps before emit, as far as they say. */
  gives: Record<string, Record<string, unknown>>;
  /** A component that was asked what it gives, and failed. */
  troubles: { step: string; error: Error; retry: () => void }[];
}

const NOTHING: Sample = { message: { body: {}, headers: {} }, steps: {} };

/**
 * What is known of what comes to a step: what was typed, else the samples of the steps before, else what they gave in
 * the newest test, else in the newest execution, else what they say they give.
 */
export function useKnowledge(document: FlowDocument, step: Step, wanted: boolean): Knowledge {
  const [own, setOwn] = useState<Sample | null>(null);
  const newest = useQuery({ ...executions.list({ flow: document.flow }), enabled: wanted }).data?.items[0];
  const execution = useQuery({ ...executions.one(newest?.id ?? ""), enabled: wanted && newest !== undefined });
  const before = [...earlier(document, step)].flatMap((id) => document.steps.find((each) => each.id === id) ?? []);
  const asked = useQueries({
    queries: before.map((each) => ({ ...components.metaModel(each.component, stepOf(each)), enabled: wanted })),
  });
  const gives: Knowledge["gives"] = {};
  before.forEach((each, index) => {
    const schema = asked[index]?.data?.gives;
    if (schema) gives[each.id] = schema;
  });
  const stored = useQuery({ ...tests.samples(document.flow), enabled: wanted }).data ?? [];
  const kept = Object.fromEntries(stored.map(({ step: id, body, headers }) => [id, { body, headers }]));
  const newestTest = useQuery({ ...tests.list(document.flow), enabled: wanted }).data?.items[0]?.number;
  const test = useQuery({
    ...tests.one(document.flow, newestTest ?? 0),
    enabled: wanted && newestTest !== undefined,
  }).data;
  const tried = given(test ?? null);
  const real = sampleFor(document, step, { ...outputs(execution.data?.processed ?? []), ...tried, ...kept });
  const { source, giver } = sourceOf(step, outputs(execution.data?.processed ?? []), tried, kept);
  const madeWith = source === "samples" ? stored.find((each) => each.step === giver)?.made_with : test?.made_with;
  const isOurs = source === "samples" || source === "test";
  const old = isOurs && giver !== null && madeWith !== undefined ? stale(madeWith, document, giver) : null;
  const made = madeUp(step, gives);
  const sample = own ?? real ?? made ?? NOTHING;
  const key = JSON.stringify([sample, gives, before.map((each) => each.id), step.after]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key holds all that the scope is made of
  const scope = useMemo(
    () =>
      scopeOf(
        sample,
        gives,
        before.map((each) => each.id),
        step.after,
      ),
    [key],
  );
  return {
    sample,
    from: own ? "you" : real ? source : made ? "schema" : "nowhere",
    stale: own === null && real !== null ? old : null,
    setSample: setOwn,
    scope,
    gives,
    troubles: before.flatMap((each, index) => {
      const query = asked[index];
      return query?.error ? [{ step: each.id, error: query.error, retry: () => void query.refetch() }] : [];
    }),
  };
}

/** A step as its component is asked about it. */
export function stepOf(step: Step): StepOf {
  const { kind, function: name, version, fields, credential } = step;
  return { kind, function: name, version, fields, credential };
}

function madeUp(step: Step, gives: Knowledge["gives"]): Sample | null {
  const schema = step.after.map((id) => gives[id]).find((each) => each !== undefined);
  if (schema === undefined) return null;
  const steps = Object.entries(gives).map(([id, each]) => [id, { body: generated(each), headers: {} }]);
  return { message: { body: generated(schema), headers: {} }, steps: Object.fromEntries(steps) };
}

/** What can be read, by sample and schema together. */
export function scopeOf(
  sample: Sample,
  gives: Knowledge["gives"],
  before: readonly string[],
  after: readonly string[],
): Scope {
  const schemas = (ids: readonly string[]) => ids.flatMap((id) => gives[id] ?? []);
  const content = (body: unknown, headers: unknown, from: readonly string[]): Record<string, Known> => ({
    body: { value: body, schemas: schemas(from) },
    headers: { value: headers, schemas: [] },
    attachments: { schemas: [] },
  });
  const { message, steps } = sample;
  return {
    message: content(message.body, message.headers, after),
    steps: Object.fromEntries(before.map((id) => [id, content(steps[id]?.body, steps[id]?.headers, [id])])),
  };
}
