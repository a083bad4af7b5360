import { expect, it } from "vitest";
import { type Look, looked, passed } from "@/features/flows/history";

const at = (ms: number, events: number, failed = 0, epoch = 1): Look => ({ at: ms, events, failed, epoch });

it("says what passed a second", () => {
  expect(passed([at(0, 10), at(2_000, 30), at(4_000, 30, 2)])).toEqual({ rates: [10, 0], failed: 2 });
  expect(passed([])).toEqual({ rates: [], failed: 0 });
});

it("does not count over a publish or a restart", () => {
  expect(passed([at(0, 10), at(2_000, 90, 9, 2), at(4_000, 3, 1, 2)])).toEqual({ rates: [0, 0], failed: 0 });
});

it("keeps the last minutes, and each look once", () => {
  let looks: readonly Look[] = [];
  for (let number = 0; number < 400; number++) looks = looked(looks, at(number, number));
  expect(looks.length).toBe(150);
  expect(looked(looks, at(399, 1))).toBe(looks);
});
