import { expect, it } from "vitest";
import { leftOut } from "@/graph/disabled";

const step = (id: string, disabled: boolean, ...after: string[]) => ({
  id,
  disabled,
  after,
  kind: after.length === 0 ? ("trigger" as const) : ("action" as const),
});

it("takes what only a disabled step leads to with it", () => {
  const steps = [
    step("t", false),
    step("a", true, "t"),
    step("behind", false, "a"),
    step("b", false, "t"),
    step("joined", false, "behind", "b"),
    step("lost", false, "nowhere"),
  ];
  expect([...leftOut(steps)]).toEqual(["a", "behind"]);
});

it("is nothing without disabled steps, and never the trigger", () => {
  expect(leftOut([step("t", true), step("a", false, "t")]).size).toBe(0);
});
