import { describe, expect, it } from "vitest";
import { curve, edges, inOrder, layout, STEP } from "@/graph/layout";

const step = (id: string, ...after: string[]) => ({ id, after });
const BRANCHING = [step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c", "nowhere")];

describe("edges", () => {
  it("join steps that exist", () => {
    expect(edges(BRANCHING).map((edge) => edge.id)).toEqual(["a→b", "a→c", "b→d", "c→d"]);
  });
});

describe("places", () => {
  it("go from left to right and never overlap", () => {
    const at = layout(BRANCHING).places;
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
    const first = layout(many);
    expect(performance.now() - begun).toBeLessThan(2_000);
    layout(BRANCHING);
    expect(layout(many)).toEqual(first);
  });
});

describe("ways", () => {
  it("go around the steps between", () => {
    const joined = [step("a"), step("b", "a"), step("c", "b"), step("d", "c", "a")];
    const { places, ways } = layout(joined);
    const [b, around] = [places.get("b"), ways.get("a→d")];
    expect(around?.points.length).toBeGreaterThan(0);
    for (const point of around?.points ?? []) {
      expect(point.y < (b?.y ?? 0) || point.y > (b?.y ?? 0) + STEP.height).toBe(true);
    }
    expect(ways.get("a→b")?.points).toEqual([]);
  });

  it("leave room for a condition", () => {
    const gap = (when: string | null) => {
      const { places } = layout([step("a"), { ...step("b", "a"), when }]);
      return (places.get("b")?.x ?? 0) - (places.get("a")?.x ?? 0) - STEP.width;
    };
    expect(gap("body.total > 100")).toBeGreaterThan(gap(null) + 50);
  });

  it("are placed anew only when steps, edges or conditions come and go", () => {
    const first = layout([step("a"), { ...step("b", "a"), when: "x" }]);
    expect(layout([step("a"), { ...step("b", "a"), when: "y" }])).toBe(first);
    expect(layout([step("a"), step("b", "a")])).not.toBe(first);
  });

  it("are drawn smoothly", () => {
    expect(
      curve([
        { x: 0, y: 0 },
        { x: 10, y: 0 },
        { x: 30, y: 8 },
      ]),
    ).toBe("M0,0 L10,0 C20,0 20,8 30,8");
    expect(curve([])).toBe("");
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
