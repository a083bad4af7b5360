import { expect, it } from "vitest";
import type { Processed } from "@/api/executions";
import { outcomes } from "@/features/executions/tree";

const entry = (step: string, kind: Processed["kind"], call_us = 5) => ({ step, kind, call_us }) as Processed;

it("says of each step the worst that happened there", () => {
  const found = outcomes([
    entry("in", "accepted", 0),
    entry("a", "done"),
    entry("a", "failed"),
    entry("a", "done"),
    entry("b", "skipped", 0),
    entry("c", "delayed"),
  ]);
  expect(Object.fromEntries(found)).toEqual({
    in: { state: "done", count: 1, took: 0 },
    a: { state: "failed", count: 3, took: 15 },
    b: { state: "skipped", count: 1, took: 0 },
    c: { state: "delayed", count: 1, took: 5 },
  });
});
