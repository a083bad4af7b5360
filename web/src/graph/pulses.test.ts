import { expect, it } from "vitest";
import { passed } from "@/graph/pulses";

const lines = [
  { id: "a→b", from: "a", to: "b" },
  { id: "a→c", from: "a", to: "c" },
  { id: "b→c", from: "b", to: "c" },
];

it("goes to every step that comes after, or to the one it is for", () => {
  expect(passed("a", null, lines)).toEqual(["a→b", "a→c"]);
  expect(passed("a", "c", lines)).toEqual(["a→c"]);
  expect(passed("c", null, lines)).toEqual([]);
});
