import { expect, it } from "vitest";
import { beats } from "@/features/executions/replay";

const entry = (message: string, parent: string | null, step: string, ms: number) => ({
  message,
  parent,
  step,
  at_us: 1_000_000 + ms * 1_000,
});

it("tells what happened in its own order and rhythm, slow enough to be seen", () => {
  const found = beats([entry("m2", "m1", "b", 3), entry("m1", null, "a", 0), entry("m2", "m1", "c", 1)]);
  expect(found).toEqual([
    { after: 0, step: "a", from: null },
    { after: 500, step: "c", from: "a" },
    { after: 1_500, step: "b", from: "a" },
  ]);
});

it("presses what took an hour together, and has nothing to tell of nothing", () => {
  expect(beats([entry("m1", null, "a", 0), entry("m2", "m1", "b", 3_600_000)]).at(-1)?.after).toBe(6_000);
  expect(beats([])).toEqual([]);
});
