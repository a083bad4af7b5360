import { expect, it } from "vitest";
import type { Flow } from "@/api/flows";
import { matches } from "@/features/flows/filter";

const flow = {
  name: "Orders",
  type: "real-time",
  state: "live",
  wish: "running",
  coming: null,
  has_draft: true,
  outdated: [],
};
const any = { words: "", state: "", draft: false, newer: false };

it.each([
  [any, true],
  [{ ...any, words: "ord live" }, true],
  [{ ...any, words: "ord stopped" }, false],
  [{ ...any, state: "live", draft: true }, true],
  [{ ...any, state: "failed" }, false],
  [{ ...any, newer: true }, false],
])("with %j: %s", (wanted, found) => {
  expect(matches(flow as unknown as Flow, wanted)).toBe(found);
});
