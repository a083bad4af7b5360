import { expect, it } from "vitest";
import { type Counted, ratesBetween } from "@/features/designer/rates";

const at = (ms: number, received: number, epoch = 1): Counted => ({
  at: ms,
  epoch,
  steps: { a: { received, emitted: 2 * received } },
});

it("are what passed a second", () => {
  expect(ratesBetween(at(0, 10), at(2_000, 30))).toEqual({ a: { received: 10, emitted: 20 } });
});

it("are not known over a restart, another deployment, or no time", () => {
  expect(ratesBetween(at(0, 10), at(2_000, 3))).toEqual({});
  expect(ratesBetween(at(0, 10, 1), at(2_000, 30, 2))).toBeNull();
  expect(ratesBetween(at(5, 10), at(5, 10))).toBeNull();
});
