import { expect, it } from "vitest";
import { placed } from "@/features/designer/mistakes";
import { read } from "@/graph/document";

const DOCUMENT = read("flow: f\nsteps: [{id: a, trigger: x/y}, {id: b, after: a, action: x/z}]");
const told = (path: string) => ({ path, reason: "r", message: "m", suggestion: "", severity: "error" as const });

it.each([
  ["steps[1].fields.url", "b", "fields.url"],
  ["steps[0]", "a", ""],
  ["steps[1].paths.write[1]", "b", "paths.write[1]"],
  ["steps[7].id", null, "steps[7].id"],
  ["flow", null, "flow"],
])("puts %s where it belongs", (path, step, key) => {
  expect(placed([told(path)], DOCUMENT)).toEqual([{ ...told(path), step, key }]);
});
