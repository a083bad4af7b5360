import { expect, it } from "vitest";
import { moment, span } from "@/ui/when";

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
