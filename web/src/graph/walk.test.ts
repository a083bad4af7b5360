import { expect, it } from "vitest";
import { layout } from "@/graph/layout";
import { neighbour } from "@/graph/walk";

const step = (id: string, ...after: string[]) => ({ id, after });
const STEPS = [step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c"), step("e", "d")];
const at = layout(STEPS);

it("goes along the flow and back", () => {
  const way: (string | null)[] = ["a"];
  for (let number = 0; number < 3; number++) way.push(neighbour(STEPS, at, way.at(-1) ?? null, "right"));
  expect(way).toEqual(["a", expect.stringMatching(/^[bc]$/), "d", "e"]);
  expect(neighbour(STEPS, at, "e", "right")).toBeNull();
  expect(neighbour(STEPS, at, "e", "left")).toBe("d");
  expect(neighbour(STEPS, at, "b", "left")).toBe("a");
  expect(neighbour(STEPS, at, "a", "left")).toBeNull();
});

it("goes over to the other branch", () => {
  const [upper, lower] = (at.places.get("b")?.y ?? 0) < (at.places.get("c")?.y ?? 0) ? ["b", "c"] : ["c", "b"];
  expect(neighbour(STEPS, at, upper, "down")).toBe(lower);
  expect(neighbour(STEPS, at, lower, "up")).toBe(upper);
  expect(neighbour(STEPS, at, lower, "down")).toBeNull();
});

it("begins with the first step", () => {
  expect(neighbour(STEPS, at, null, "right")).toBe("a");
  expect(neighbour([], layout([]), null, "right")).toBeNull();
});
