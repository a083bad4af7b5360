import { expect, it } from "vitest";
import { rememberedView, rememberView, showing } from "@/graph/view";

const ROOM = { width: 800, height: 600 };
const STEP = { width: 100, height: 50 };

it("stays where the step is shown already", () => {
  const view = { x: 0, y: 0, zoom: 1 };
  expect(showing(view, ROOM, { x: 100, y: 100, ...STEP })).toBe(view);
});

it("moves as little as shows the step", () => {
  expect(showing({ x: 0, y: 0, zoom: 1 }, ROOM, { x: 750, y: 100, ...STEP })).toEqual({ x: -74, y: 0, zoom: 1 });
  expect(showing({ x: 0, y: 0, zoom: 2 }, ROOM, { x: -10, y: 300, ...STEP })).toEqual({ x: 44, y: -124, zoom: 2 });
});

it("is remembered for each flow, and forgets what is no view", () => {
  const kept = new Map<string, string>();
  const memory = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  };
  rememberView("a", { x: 1, y: 2, zoom: 0.5 }, memory);
  expect(rememberedView("a", memory)).toEqual({ x: 1, y: 2, zoom: 0.5 });
  expect(rememberedView("b", memory)).toBeNull();
  rememberView("a", null, memory);
  expect(rememberedView("a", memory)).toBeNull();
  kept.set("headrace.view.a", '{"x": "left"}');
  expect(rememberedView("a", memory)).toBeNull();
});
