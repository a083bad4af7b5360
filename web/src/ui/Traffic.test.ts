import { expect, it } from "vitest";
import { summary } from "@/ui/Traffic";

const told = {
  every: 5,
  until: 0,
  flows: [
    { flow: "a", events: [...Array(35).fill(0), 50], errors: [...Array(35).fill(0), 2] },
    { flow: "new", events: [], errors: [] },
  ],
};

it("tells events a second, the newest of them, and errors in all", () => {
  const found = summary(told, "a");
  expect(found?.rates.at(-1)).toBe(10);
  expect([found?.now, found?.failed, found?.minutes]).toEqual([10, 2, 3]);
});

it("tells nothing of a flow of which nothing was heard", () => {
  expect(summary(told, "new")).toBeNull();
  expect(summary(told, "other")).toBeNull();
});
