import { describe, expect, it } from "vitest";
import type { Flow } from "@/api/flows";
import type { components } from "@/api/schema";
import { updated, updatesOfDraft, updatesOfRunning } from "@/features/designer/updates";

const NONE = { added: [], removed: [] };
const TEXT = `# kept
flow: f
steps:
  - {id: a, trigger: x/y, version: 1}
  - id: b # kept, too
    after: a
    action: x/z
    version: 1
`;

describe("newer code", () => {
  it("of what runs says what a publish takes and what a named version keeps behind", () => {
    const one = { component: "x", running: 1, latest: 3, commits: NONE };
    const flow = {
      outdated: [
        { ...one, step: "a", selector: "latest", moves_to: 3 },
        { ...one, step: "b", selector: "1", moves_to: null },
      ],
    } as unknown as Flow;
    expect(updatesOfRunning(flow).map(({ step, follows }) => [step, follows])).toEqual([
      ["a", true],
      ["b", false],
    ]);
  });

  it("of a draft is what its publish would do", () => {
    const plan = {
      newer: [{ step: "b", component: "x", selector: "2", revision: 2, latest: 3, commits: NONE }],
      moves: [
        { step: "a", component: "x", from_component: "x", from_revision: 1, to_revision: 3, commits: NONE },
        { step: "b", component: "x", from_component: "x", from_revision: 1, to_revision: 2, commits: NONE },
        { step: "c", component: "x", from_component: "w", from_revision: 1, to_revision: 3, commits: NONE },
      ],
      steps: [{ id: "a", selector: "latest" }],
    } as unknown as components["schemas"]["PlanView"];
    expect(updatesOfDraft(plan).map(({ step, from, latest, follows }) => [step, from, latest, follows])).toEqual([
      ["b", 2, 3, false],
      ["a", 1, 3, true],
    ]);
  });

  it("gets into a draft step by step, and leaves the rest of the text alone", () => {
    const update = { component: "x", selector: "1", from: 1, latest: 3, commits: null, follows: false };
    const both = [
      { ...update, step: "a" },
      { ...update, step: "b" },
    ];
    const named = updated(TEXT, both, "revision");
    expect(named.match(/version: 3/g)).toHaveLength(2);
    expect(named).toContain("# kept\n");
    expect(named).toContain("id: b # kept, too");
    expect(updated(TEXT, both, "latest")).not.toContain("version");
  });
});
