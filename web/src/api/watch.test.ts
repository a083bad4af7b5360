import { expect, it } from "vitest";
import { NOTHING_YET, type Passing, type Seen, watched } from "@/api/watch";

const look = (seqs: number[], more: Partial<Passing> = {}): Passing => ({
  passed: seqs.length,
  unmatched: 0,
  left_out: 0,
  trouble: "",
  items: seqs.map((seq) => ({ seq }) as Seen),
  ...more,
});

it("puts the newest first and counts what is not shown", () => {
  const once = watched(NOTHING_YET, look([2, 1]));
  const twice = watched(once, look([4, 3], { passed: 9, left_out: 5, unmatched: 2, trouble: "no number" }));
  expect(twice.items.map((each) => each.seq)).toEqual([4, 3, 2, 1]);
  expect({ ...twice, items: [] }).toEqual({ items: [], passed: 11, leftOut: 5, unmatched: 2, trouble: "no number" });
  expect(watched(twice, look([5])).trouble).toBe("no number");
});

it("keeps no more than a page can show", () => {
  let shown = NOTHING_YET;
  for (let number = 0; number < 100; number++)
    shown = watched(shown, look([3 * number, 3 * number + 1, 3 * number + 2]));
  expect(shown.items).toHaveLength(200);
  expect(shown.passed).toBe(300);
});
