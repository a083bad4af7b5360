/** Who may import whom: features stand side by side, on what they share; app puts them together. */
import { expect, it } from "vitest";

const SHARED = new Set(["api", "expression", "forms", "graph", "ui"]);
const sources = import.meta.glob<string>("./**/*.{ts,tsx}", { query: "?raw", import: "default", eager: true });

const imports = Object.entries(sources).flatMap(([file, text]) =>
  [...text.matchAll(/(?:from|import\() ?"@\/([^"]+)"/g)].map(([, path = ""]) => ({ file, path })),
);

function room(path: string): string {
  const [first = "", second = ""] = path.replace(/^\.\//, "").split("/");
  return first === "features" ? second : first;
}

const isFeature = (path: string) => /^(\.\/)?features\//.test(path);

it("no feature imports another, nor app", () => {
  const wrong = imports.filter(
    ({ file, path }) => isFeature(file) && !SHARED.has(room(path)) && room(path) !== room(file),
  );
  expect(wrong).toEqual([]);
});

it("what features share imports none of them", () => {
  const wrong = imports.filter(({ file, path }) => SHARED.has(room(file)) && !SHARED.has(room(path)));
  expect(wrong).toEqual([]);
  expect(imports.some(({ file }) => isFeature(file))).toBe(true);
});
