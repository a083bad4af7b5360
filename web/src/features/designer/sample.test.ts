import { expect, it } from "vitest";
import { generated, outputs, sampleFor, sourceOf } from "@/features/designer/sample";
import { read } from "@/graph/document";

const input = (body: unknown, stage: "raw" | "mapped" = "raw") => ({ id: "", body, large: null, headers: {}, stage });
const entry = (
  message: string,
  parent: string | null,
  step: string,
  kind: "accepted" | "emitted" | "done",
  body: unknown,
) => ({
  message,
  parent,
  step,
  kind,
  input: input(body),
});

const WEBHOOK = [
  entry("m0", null, "request", "accepted", "event"),
  entry("m0", null, "request", "done", "event"),
  entry("m1", "m0", "find", "done", "from request"),
  entry("m2", "m1", "write", "done", "from find"),
];
const LISTENER = [
  { ...entry("m1", null, "source", "emitted", null), input: null },
  entry("m1", null, "find", "done", "from source"),
  { ...entry("m2", "m1", "write", "done", "x"), input: input("mapped already", "mapped") },
];
const DOCUMENT = read(`flow: f
steps:
  - {id: request, trigger: w/r}
  - {id: find, after: request, action: a/b}
  - {id: aside, after: request, action: a/b}
  - {id: write, after: find, action: a/b}`);

it("says what each step gave by what the next one got", () => {
  expect(outputs(WEBHOOK)).toEqual({
    request: { body: "from request", headers: {} },
    find: { body: "from find", headers: {} },
  });
  expect(outputs(LISTENER)).toEqual({ source: { body: "from source", headers: {} } });
});

it("gives an expression the message before it and what came earlier, nothing from beside", () => {
  if (DOCUMENT === null) throw new Error("unreadable");
  const given = { ...outputs(WEBHOOK), aside: { body: "no", headers: {} } };
  const [, find, , write] = DOCUMENT.steps;
  if (find === undefined || write === undefined) throw new Error("no steps");
  expect(sampleFor(DOCUMENT, write, given)).toEqual({
    message: { body: "from find", headers: {} },
    steps: { request: { body: "from request", headers: {} }, find: { body: "from find", headers: {} } },
  });
  expect(sampleFor(DOCUMENT, find, {})).toBeNull();
});

it("makes a value of a schema", () => {
  const schema = {
    type: "object",
    properties: {
      name: { type: "string", examples: ["Ada"] },
      age: { type: ["integer", "null"] },
      tags: { type: "array", items: { enum: ["a", "b"] } },
      any: {},
    },
  };
  expect(generated(schema)).toEqual({ name: "Ada", age: 1, tags: ["a"], any: null });
});

it("says which step gives the sample, and where that is from", () => {
  const content = (body: unknown) => ({ body, headers: {} });
  const step = { after: ["a", "b"] };
  expect(sourceOf(step, {}, {}, {})).toEqual({ source: "execution", giver: null });
  expect(sourceOf(step, { b: content(1) }, {}, {})).toEqual({ source: "execution", giver: "b" });
  expect(sourceOf(step, { a: content(1) }, {}, { b: content(2) })).toEqual({ source: "execution", giver: "a" });
  expect(sourceOf(step, { a: content(1) }, { a: content(2) }, {})).toEqual({ source: "test", giver: "a" });
  expect(sourceOf(step, {}, { a: content(2) }, { a: content(3) })).toEqual({ source: "samples", giver: "a" });
});
