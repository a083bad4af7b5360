import { describe, expect, it } from "vitest";
import { edges, inOrder, places, STEP } from "@/graph/layout";

const step = (id: string, ...after: string[]) => ({ id, after });
const BRANCHING = [step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c", "nowhere")];

describe("edges", () => {
  it("join steps that exist", () => {
    expect(edges(BRANCHING).map((edge) => edge.id)).toEqual(["a→b", "a→c", "b→d", "c→d"]);
  });
});

describe("places", () => {
  it("go from left to right and never overlap", () => {
    const at = places(BRANCHING);
    for (const { from, to } of edges(BRANCHING)) {
      expect((at.get(to)?.x ?? 0) - (at.get(from)?.x ?? 0)).toBeGreaterThan(STEP.width);
    }
    const [b, c] = [at.get("b"), at.get("c")];
    expect(Math.abs((b?.y ?? 0) - (c?.y ?? 0))).toBeGreaterThan(STEP.height);
  });

  it("are the same for the same steps, and soon found for 200", () => {
    const many = Array.from({ length: 200 }, (_, number) =>
      step(`s${number}`, ...(number ? [`s${Math.floor(number / 2)}`] : [])),
    );
    const begun = performance.now();
    const first = places(many);
    expect(performance.now() - begun).toBeLessThan(2_000);
    expect(places(many)).toEqual(first);
  });
});

describe("order", () => {
  it("is that of messages, whatever the text's", () => {
    expect(inOrder([...BRANCHING].reverse()).map((each) => each.id)).toEqual(["a", "c", "b", "d"]);
  });

  it("loses no step of a circle", () => {
    expect(inOrder([step("x", "y"), step("y", "x"), step("a")]).map((each) => each.id)).toEqual(["a", "x", "y"]);
  });
});
