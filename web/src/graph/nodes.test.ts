import { expect, it } from "vitest";
import { changed, read, setKey } from "@/graph/document";
import { EMPTY, picture } from "@/graph/nodes";

const TEXT = `flow: f
steps:
  - {id: t, trigger: webhook/receive}
  - {id: a, after: t, action: log/write, when: body.ok}
  - {id: b, after: a, action: log/write, disabled: true}
`;
const steps = (text: string) => read(text)?.steps ?? [];
const shown = (text: string, before = EMPTY, errors = 0) =>
  picture(before, { steps: steps(text), selected: new Set(["a"]), about: () => ({ mistakes: errors }), editing: true });

it("draws steps, edges with conditions, and what is left out", () => {
  const { nodes, edges } = shown(TEXT);
  expect(nodes.map((node) => [node.id, node.selected, node.data.idle, node.data.leaf])).toEqual([
    ["t", false, false, false],
    ["a", true, false, false],
    ["b", false, true, true],
  ]);
  expect(nodes[2]?.ariaLabel).toBe("action b, log/write, disabled");
  expect(edges.map((edge) => [edge.id, edge.data?.when, edge.data?.idle])).toEqual([
    ["t→a", "body.ok", false],
    ["a→b", null, true],
  ]);
});

it("keeps every object that looks as before, though the text was read anew", () => {
  const before = shown(TEXT);
  const same = shown(TEXT, before);
  expect(same.nodes).toBe(before.nodes);
  expect(same.edges).toBe(before.edges);
  const noted = shown(changed(TEXT, setKey("a", "note", "x")), before);
  expect(noted.nodes.map((node, at) => node === before.nodes[at])).toEqual([true, false, true]);
  expect(noted.edges).toBe(before.edges);
  expect(noted.layout).toBe(before.layout);
  expect(shown(TEXT, before, 1).nodes[0]).not.toBe(before.nodes[0]);
});

it("draws a step once whose id is given twice", () => {
  expect(shown(TEXT.replace("id: b", "id: a")).nodes.map((node) => node.id)).toEqual(["t", "a"]);
});
