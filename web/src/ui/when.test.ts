import { expect, it } from "vitest";
import { age, moment, perSecond, size, span } from "@/ui/when";

it.each([
  [12, "12 µs"],
  [1_500, "1.5 ms"],
  [45_400, "45 ms"],
  [2_500_000, "2.5 s"],
  [600_000_000, "10 min"],
])("writes %d µs as %s", (us, text) => {
  expect(span(us)).toBe(text);
});

it("leaves the date out today", () => {
  const now = new Date(2026, 5, 10, 12, 0, 0).getTime();
  expect(moment(now - 60_000, now)).not.toMatch(/2026/);
  expect(moment(now - 3 * 86_400_000, now)).toMatch(/2026/);
});

it("tells an age in few characters", () => {
  expect([-5, 1_499, 119_000, 600_000, 7_200_000, 200_000_000].map(age)).toEqual([
    "0 s",
    "1 s",
    "119 s",
    "10 min",
    "2 h",
    "2 d",
  ]);
});

it("tells rates and sizes", () => {
  expect([0.04, 9.94, 12.4].map(perSecond)).toEqual(["0.0/s", "9.9/s", "12/s"]);
  expect([12, 1_200, 3_400_000].map(size)).toEqual(["12 B", "1.2 kB", "3.4 MB"]);
});
