import { expect, it } from "vitest";
import { Problem } from "@/api/problem";
import { bringIn, brought, renamed } from "@/features/flows/importing";

const TEXT = "# kept\nflow: orders\nsteps: []\n";

it("makes a draft of each file and tells each result", async () => {
  const saved: [string, string][] = [];
  const save = async (flow: string, text: string) => {
    if (flow === "there" || saved.some(([name]) => name === flow)) throw new Problem(409, { reason: "stale-draft" });
    if (flow === "bad") throw new Problem(422, { detail: "no such key" });
    saved.push([flow, text]);
  };
  const files = [TEXT, TEXT, "flow: there\nsteps: []\n", "flow: bad\nsteps: []\n", "hello", "steps: []"];
  const told = await bringIn(
    files.map((text, at) => brought(`${at}.yaml`, text)),
    save,
  );
  expect(told.map((each) => each.outcome)).toEqual(["made", "there", "there", "refused", "refused", "refused"]);
  expect(told[3]?.why).toBe("no such key");
  expect(saved).toEqual([["orders", TEXT]]);
});

it("gives a file that is there already a name that is free", () => {
  const other = renamed(brought("a.yaml", TEXT), new Set(["orders", "orders-2"]));
  expect(other).toEqual({ file: "a.yaml", flow: "orders-3", text: "# kept\nflow: orders-3\nsteps: []\n" });
});
